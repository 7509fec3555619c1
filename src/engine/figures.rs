//! What the storage holds, how much of it is needed, and what keeps the oldest part of the log.

use super::{client::Engine, command::Command, host::Host, partition::figures::Kept, scrub::ScrubFigures};
use crate::{
    base::{
        id::{Lsn, PartitionId},
        reason::Refusal,
        time::Timestamp,
    },
    storage::{
        io::Space,
        log::{LogFigures, LogStore as _},
    },
};
use std::sync::atomic::Ordering;
use tokio::sync::oneshot;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StorageFigures {
    /// Little space is left: nothing that grows is accepted.
    pub growth_refused: bool,
    pub disk_total_bytes: u64,
    pub log_segments: u64,
    pub log_bytes: u64,
    /// Of the archive, where what is old stands.
    pub archive_segments: u64,
    pub archive_bytes: u64,
    pub reserve_bytes: u64,
    /// In queues, or on their way to another one.
    pub live_messages: u64,
    pub live_bytes: u64,
    /// What of the log and of the archive is no live message.
    pub dead_bytes: u64,
    /// As of the last checkpoint.
    pub index_pages: u64,
    pub index_bytes: u64,
    pub oldest_segment: u64,
    pub partitions: Vec<PartitionFigures>,
    pub scrub: ScrubFigures,
    /// Idle ones, which take next to no memory.
    pub parked_queues: u64,
    pub streams: u64,
    /// Records that the storage holds.
    pub stream_records: u64,
    /// Of their data and keys.
    pub stream_bytes: u64,
}

/// What a partition needs of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionFigures {
    pub partition: PartitionId,
    /// The oldest frame that a message needs.
    pub oldest_lsn: Option<Lsn>,
    /// The queue of that message, and when it was sent.
    pub queue: Option<String>,
    pub send_time: Option<Timestamp>,
    /// The oldest segment stays because of this partition.
    pub holds_oldest_segment: bool,
    /// It is that message for which it stays; else a checkpoint lets it go.
    pub by_message: bool,
}

impl Engine {
    /// # Errors
    ///
    /// `DRAINING`; an answer of the file system that makes no sense is left out instead.
    pub async fn storage_figures(&self) -> Result<StorageFigures, Refusal> {
        let mut kept = Vec::new();
        for inbox in self.0.shared.inboxes.iter() {
            let (answer, result) = oneshot::channel();
            inbox.push(Command::Kept { answer }, 0)?;
            kept.push(result);
        }
        let mut partitions = Vec::with_capacity(kept.len());
        for result in kept {
            partitions.push(result.await.map_err(|_| super::client::closing())?);
        }
        let (log, archive) = (self.0.log.clone(), self.0.archive.clone());
        let measure = move || {
            let archived = archive.log().map_or_else(|| Ok(LogFigures::default()), |log| log.figures());
            (log.figures(), archived, log.space())
        };
        let measured = tokio::task::spawn_blocking(measure).await;
        let (log, archive, space) = match measured {
            Ok((Ok(log), Ok(archive), Ok(space))) => (log, archive, space),
            Ok((log, archive, space)) => {
                let error = [log.as_ref().err(), archive.as_ref().err(), space.as_ref().err()];
                tracing::warn!(error = ?error.into_iter().flatten().next(), "the storage does not tell its size");
                let none = Space { free: 0, total: 0 };
                (log.unwrap_or_default(), archive.unwrap_or_default(), space.unwrap_or(none))
            }
            Err(_) => return Err(super::client::closing()),
        };
        Ok(figures(&self.0, (&log, &archive), space, &partitions))
    }
}

fn figures(host: &Host, (log, archive): (&LogFigures, &LogFigures), space: Space, kept: &[Kept]) -> StorageFigures {
    let live_bytes = kept.iter().map(|kept| kept.bytes).sum();
    StorageFigures {
        growth_refused: host.alarms.disk_low.load(Ordering::Relaxed),
        disk_total_bytes: space.total,
        log_segments: log.segments,
        log_bytes: log.bytes,
        archive_segments: archive.segments,
        archive_bytes: archive.bytes,
        reserve_bytes: log.reserve_bytes + archive.reserve_bytes,
        live_messages: kept.iter().map(|kept| kept.messages).sum(),
        live_bytes,
        dead_bytes: (log.bytes + archive.bytes).saturating_sub(live_bytes),
        index_pages: host.alarms.index_pages.load(Ordering::Relaxed),
        index_bytes: host.alarms.index_bytes.load(Ordering::Relaxed),
        oldest_segment: log.oldest_segment,
        partitions: kept.iter().map(|kept| partition(host, log, kept)).collect(),
        scrub: host.scrub.figures(),
        parked_queues: kept.iter().map(|kept| kept.parked_queues).sum(),
        streams: kept.iter().map(|kept| kept.streams).sum(),
        stream_records: kept.iter().map(|kept| kept.stream_records).sum(),
        stream_bytes: kept.iter().map(|kept| kept.stream_bytes).sum(),
    }
}

fn partition(host: &Host, log: &LogFigures, kept: &Kept) -> PartitionFigures {
    let holder = log.holders.iter().find(|holder| holder.partition == kept.partition);
    let name = |id| host.shared.directory.by_id(id).map(|queue| queue.path.seen_from(&host.region).to_string());
    PartitionFigures {
        partition: kept.partition,
        oldest_lsn: kept.oldest.map(|(lsn, ..)| lsn),
        queue: kept.oldest.and_then(|(_, queue, _)| name(queue)),
        send_time: kept.oldest.map(|(.., send_time)| send_time),
        holds_oldest_segment: holder.is_some_and(|holder| holder.holds),
        by_message: holder.zip(kept.oldest).is_some_and(|(holder, (lsn, ..))| holder.holds && lsn <= holder.last),
    }
}
