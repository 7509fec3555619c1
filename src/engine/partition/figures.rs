//! What a partition keeps: how much, and the entry that stands furthest back in the log.

use super::worker::Worker;
use crate::{
    base::{
        id::{Lsn, PartitionId, QueueId},
        time::Timestamp,
    },
    domain::queue::Queue,
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
}

impl Worker {
    pub(super) fn kept(&self, answer: oneshot::Sender<Kept>) {
        let of_queue = |(id, queue): (&QueueId, &Queue)| {
            let (location, send_time) = queue.oldest_stored()?;
            Some((location.lsn, *id, send_time))
        };
        let moving = self.state.outbox.values().map(|item| (item.location.lsn, item.source, item.send_time));
        let queues = self.state.queues.values();
        let kept = Kept {
            partition: self.state.partition,
            messages: queues.clone().map(|queue| queue.message_count() as u64).sum::<u64>()
                + self.state.outbox.len() as u64,
            bytes: queues.map(Queue::stored_bytes).sum::<u64>()
                + self.state.outbox.values().map(|item| u64::from(item.size)).sum::<u64>(),
            oldest: self.state.queues.iter().filter_map(of_queue).chain(moving).min_by_key(|(lsn, ..)| *lsn),
        };
        // Who asked may be gone.
        let _ = answer.send(kept);
    }
}
