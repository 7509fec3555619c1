//! What a partition keeps: how much, and the entry that stands furthest back in the log.

use super::worker::Worker;
use crate::base::{
    id::{Lsn, PartitionId, QueueId},
    time::Timestamp,
};
use tokio::sync::oneshot;

/// What is in a partition's queues and on its way out of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) partition: PartitionId,
    pub(crate) messages: u64,
    /// Of bodies and attributes.
    pub(crate) bytes: u64,
    /// The frame that is furthest back, the queue that needs it, and when the message was sent.
    pub(crate) oldest: Option<(Lsn, QueueId, Timestamp)>,
    pub(crate) parked_queues: u64,
    pub(crate) streams: u64,
    pub(crate) stream_records: u64,
    pub(crate) stream_bytes: u64,
}

impl Worker {
    pub(super) fn kept(&self, answer: oneshot::Sender<Kept>) {
        let is_in_log = |(lsn, ..): &(Lsn, QueueId, Timestamp)| !lsn.is_in_archive();
        let moving = self.state.outbox.values().map(|item| (item.location.lsn, item.source, item.send_time));
        let mut kept = Kept {
            partition: self.state.partition,
            messages: self.state.outbox.len() as u64,
            bytes: self.state.outbox.values().map(|item| u64::from(item.size)).sum(),
            oldest: moving.filter(is_in_log).min_by_key(|(lsn, ..)| *lsn),
            parked_queues: self.state.queues.parked() as u64,
            streams: self.state.streams.len() as u64,
            ..Kept::default()
        };
        for shard in self.state.streams.values().flat_map(|state| state.stream.shards()) {
            kept.stream_records += shard.stored_records();
            kept.stream_bytes += shard.stored_bytes();
        }
        for (id, figures) in self.state.queues.figures() {
            kept.messages += figures.messages;
            kept.bytes += figures.bytes;
            let oldest = figures.oldest.map(|(location, send_time)| (location.lsn, id, send_time)).filter(is_in_log);
            kept.oldest = kept.oldest.into_iter().chain(oldest).min_by_key(|(lsn, ..)| *lsn);
        }
        // Who asked may be gone.
        let _ = answer.send(kept);
    }
}
