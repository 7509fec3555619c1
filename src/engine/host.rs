//! What stands behind the handles: the partitions' inboxes, the threads, and what the broker says of itself.

use crate::{
    base::{
        entropy::Entropy,
        id::{MessageSeq, PartitionId, RedriveId},
        name::Region,
        reason::{Reason, Refusal},
        time::Timestamp,
    },
    engine::{
        archive::Archive,
        command::Command,
        definition::QueueDefinition,
        inbox::Inbox,
        later::Hold,
        partition::worker::Shared,
        payloads::{Payloads, Unreadable},
        receipt::Receipts,
        scrub::Desk,
        streams::{reading::Reading, writer::Orders},
    },
    storage::{
        io::{Io, Space},
        log::{LocalLog, LogStore, LostRange},
    },
};
use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    thread::JoinHandle,
    time::Duration,
};

/// What an entry takes besides body and attributes, at most about.
const ENTRY_BYTES_MAX: usize = 512;

/// What the broker says of itself.
#[derive(Clone, Debug, Default)]
pub struct EngineStatus {
    pub ready: bool,
    pub started: Timestamp,
    pub recovery: Recovery,
    pub disk_used_bytes: u64,
    pub disk_free_bytes: u64,
    /// Blocks of the log made durable in the life of the data directory; each took one sync.
    pub log_blocks: u64,
    /// Names such as `DISK_LOW`, `CORRUPT_SEGMENT`, `INDEX_FAILED`, `INDEX_REBUILDING`.
    pub alarms: Vec<String>,
}

/// How the last start went.
#[derive(Clone, Debug, Default)]
pub struct Recovery {
    pub duration: Duration,
    pub frames: u64,
    pub truncated_bytes: u64,
    pub clean: bool,
}

pub(crate) struct Host {
    pub(super) region: Region,
    pub(super) shared: Shared,
    pub(super) payloads: Payloads,
    pub(super) reading: Reading,
    pub(super) orders: Orders,
    pub(super) receipts: Receipts,
    pub(super) log: Arc<LocalLog>,
    pub(super) archive: Arc<Archive>,
    pub(super) io: Arc<dyn Io>,
    pub(super) data_dir: PathBuf,
    pub(super) entropy: Mutex<Box<dyn Entropy>>,
    pub(super) started: Timestamp,
    pub(super) recovery: Recovery,
    pub(super) alarms: Arc<Alarms>,
    pub(super) scrub: Arc<Desk>,
    pub(super) numbers: AtomicU64,
    pub(super) hold: Arc<Hold>,
    pub(super) threads: Mutex<Option<Threads>>,
}

/// The threads, in the order they end.
pub(crate) struct Threads {
    /// Reads what the start put off.
    pub(super) later: Option<JoinHandle<()>>,
    /// Dropping it asks the checkpointer for a last checkpoint and its end.
    pub(super) stop_checkpointer: mpsc::Sender<()>,
    pub(super) checkpointer: JoinHandle<()>,
    pub(super) scrub: JoinHandle<()>,
    pub(super) partitions: Vec<JoinHandle<()>>,
    pub(super) pump: JoinHandle<()>,
    pub(super) evacuation: JoinHandle<()>,
    /// Brings records of streams from the log to their segments.
    pub(super) segments: JoinHandle<()>,
}

/// Conditions that an operator should see, by name.
#[derive(Default)]
pub(crate) struct Alarms {
    raised: Mutex<BTreeSet<&'static str>>,
    /// Nothing that grows is accepted.
    pub(super) disk_low: AtomicBool,
    /// The index at the last checkpoint.
    pub(super) index_pages: AtomicU64,
    pub(super) index_bytes: AtomicU64,
}

impl Alarms {
    pub(crate) fn set(&self, name: &'static str, on: bool) {
        let mut raised = self.raised.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = if on { raised.insert(name) } else { raised.remove(name) };
        if changed && on {
            tracing::warn!(alarm = name, "alarm raised");
        } else if changed {
            tracing::info!(alarm = name, "alarm cleared");
        }
    }

    /// Acknowledged data cannot be read: where, and what.
    pub(super) fn tell_damage<'a>(&self, damage: impl Iterator<Item = (&'a str, &'a LostRange)>) {
        for (place, lost) in damage {
            self.set("CORRUPT_SEGMENT", true);
            tracing::error!("acknowledged data in {place} is damaged: {lost}");
        }
    }

    fn names(&self) -> Vec<String> {
        let raised = self.raised.lock().unwrap_or_else(PoisonError::into_inner);
        raised.iter().map(|name| (*name).to_owned()).collect()
    }
}

impl Host {
    pub(super) fn inbox(&self, partition: PartitionId) -> Result<&Arc<Inbox<Command>>, Refusal> {
        self.shared
            .inbox(partition)
            .ok_or_else(|| Refusal::new(Reason::Internal, format!("partition {partition} is not one of this broker's")))
    }

    /// A number that rises from call to call.
    pub(super) fn next_number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn new_redrive_id(&self) -> RedriveId {
        let mut entropy = self.entropy.lock().unwrap_or_else(PoisonError::into_inner);
        RedriveId(crate::base::entropy::random_16(entropy.as_mut()))
    }

    pub(super) fn refuse_growth_when_full(&self) -> Result<(), Refusal> {
        if self.alarms.disk_low.load(Ordering::Relaxed) || self.log.lacks_reserve() {
            return Err(Refusal::new(Reason::StorageFull, "the disk is nearly full: nothing that grows is accepted"));
        }
        Ok(())
    }

    /// One call becomes part of one frame of the log, which has to have room for it beside others.
    pub(super) fn refuse_oversized(&self, messages: usize, bytes: usize) -> Result<(), Refusal> {
        let limit = self.log.frame_bytes_max() / 8 * 5;
        let size = bytes + messages * ENTRY_BYTES_MAX;
        if size <= limit {
            return Ok(());
        }
        let message = format!("the messages of one call take {size} bytes; the log takes {limit} at once: send fewer");
        Err(Refusal::new(Reason::MessageTooLarge, message).at("messages").with("size", size).with("limit", limit))
    }

    pub(super) fn report_unreadable(&self, queue: &QueueDefinition, seq: MessageSeq, error: &Unreadable) {
        self.alarms.set("CORRUPT_ENTRY", true);
        tracing::error!(queue = %queue.path, message = seq.0, %error, "a stored message cannot be read");
    }

    pub(super) fn status(&self) -> EngineStatus {
        let space = self.log.space().unwrap_or_else(|error| {
            tracing::warn!(%error, "the disk does not tell its space");
            Space { free: 0, total: 0 }
        });
        EngineStatus {
            ready: self.threads.lock().unwrap_or_else(PoisonError::into_inner).is_some(),
            started: self.started,
            recovery: self.recovery.clone(),
            disk_used_bytes: space.total.saturating_sub(space.free),
            disk_free_bytes: space.free,
            log_blocks: self.log_blocks(),
            alarms: self.alarms.names(),
        }
    }

    pub(super) fn log_blocks(&self) -> u64 {
        self.log.position().durable_seq
    }

    /// Waits until everything that the start put off is read.
    pub(super) fn wait_for_all(&self) {
        let later =
            self.threads.lock().unwrap_or_else(PoisonError::into_inner).as_mut().and_then(|all| all.later.take());
        if let Some(thread) = later {
            join("later", thread);
        }
    }

    /// Checkpoint, then the partitions, then the log. What was accepted is durable when this returns.
    pub(super) fn close(&self) {
        let Some(threads) = self.threads.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        self.scrub.close();
        join("scrub", threads.scrub);
        self.hold.close();
        if let Some(thread) = threads.later {
            join("later", thread);
        }
        drop(threads.stop_checkpointer);
        join("checkpointer", threads.checkpointer);
        for inbox in self.shared.inboxes.iter() {
            inbox.close();
        }
        for partition in threads.partitions {
            join("partition", partition);
        }
        // Nothing they hand over is taken any more, and what they were at is durable or not begun.
        join("outbox", threads.pump);
        if let Some(Err(error)) = self.archive.log().map(|log| log.close()) {
            tracing::error!(%error, "the archive did not close cleanly");
        }
        join("evacuation", threads.evacuation);
        self.orders.stop();
        join("segments", threads.segments);
        if let Err(error) = self.log.close() {
            tracing::error!(%error, "the log did not close cleanly");
        }
    }
}

fn join(what: &str, thread: JoinHandle<()>) {
    if thread.join().is_err() {
        tracing::error!(thread = what, "a thread ended in a panic");
    }
}
