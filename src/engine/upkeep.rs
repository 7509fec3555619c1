//! The thread that looks after the store: a checkpoint now and then, the state of the disk once a second.

use super::{
    checkpoint::{CheckpointError, Checkpointer},
    host::Alarms,
    later::Hold,
    options::EngineOptions,
};
use crate::{
    base::time::{Clock, Timestamp},
    storage::{log::LogStore, store::CommitError},
};
use std::{
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::Duration,
};

const TICK: Duration = Duration::from_secs(1);
/// A checkpoint takes at most one part in this many of the time, while there is room.
const DUTY: u32 = 20;
/// It puts the next one off by no more than this, also when the clock was set forward meanwhile.
const PUT_OFF_MAX: Duration = Duration::from_secs(300);

pub(crate) struct Upkeep {
    checkpointer: Checkpointer,
    alarms: Arc<Alarms>,
    pub(super) fatal: Arc<dyn Fn(String) + Send + Sync>,
    interval: Duration,
    /// Segments of log that make a checkpoint due at once.
    segments: u64,
    clock: Arc<dyn Clock>,
    hold: Arc<Hold>,
}

impl Upkeep {
    pub(crate) fn new(
        checkpointer: Checkpointer,
        alarms: Arc<Alarms>,
        fatal: Arc<dyn Fn(String) + Send + Sync>,
        options: &EngineOptions,
        hold: Arc<Hold>,
    ) -> Self {
        let clock = checkpointer.clock.clone();
        let segments = options.checkpoint_bytes.div_ceil(options.log.segment_bytes).max(1);
        Self { checkpointer, alarms, fatal, interval: options.checkpoint_interval, segments, clock, hold }
    }

    /// Runs until `stop`'s sender is gone; then writes a last checkpoint.
    pub(crate) fn run(mut self, stop: &Receiver<()>) {
        let mut next = self.clock.now() + self.interval;
        while stop.recv_timeout(TICK.min(self.interval)) == Err(RecvTimeoutError::Timeout) {
            self.watch_disk();
            if !self.hold.is_on()
                && self.checkpointer.is_due()
                && (self.clock.now() >= next || self.checkpointer.segments_since() >= self.segments)
            {
                next = self.checkpoint();
            }
        }
        if !self.hold.is_on() && self.checkpointer.is_behind() {
            self.checkpoint();
        }
    }

    /// Writes a checkpoint; tells when the next one may come.
    fn checkpoint(&mut self) -> Timestamp {
        let began = self.clock.now();
        match self.checkpointer.run() {
            Ok(()) => {
                self.alarms.set("INDEX_FAILED", false);
                let index = &self.checkpointer.index;
                self.alarms.index_pages.store(index.page_count(), Ordering::Relaxed);
                self.alarms.index_bytes.store(index.size_on_disk(), Ordering::Relaxed);
            }
            Err(CheckpointError::Closing) => {}
            Err(CheckpointError::Index(error)) | Err(CheckpointError::Commit(CommitError::Index(error))) => {
                tracing::error!(%error, "the index failed; the next checkpoint begins a new one");
                self.alarms.set("INDEX_FAILED", true);
                self.checkpointer.begins_index = true;
                if let Err(error) = self.checkpointer.index.condemn(&error.to_string()) {
                    tracing::error!(%error, "the index could not be set aside");
                }
            }
            Err(CheckpointError::Commit(error)) if error.is_no_space() => {
                tracing::warn!(%error, "no room for a checkpoint; the log keeps everything meanwhile");
            }
            Err(CheckpointError::Commit(error)) => (self.fatal)(format!("writing a checkpoint failed: {error}")),
        }
        let took = self.clock.now().since(began);
        tracing::debug!(took_ms = took.as_millis() as u64, "checkpoint");
        // On a nearly full disk nothing but checkpoints gives room back.
        let is_low = self.alarms.disk_low.load(Ordering::Relaxed);
        let put_off = took.saturating_mul(DUTY).min(PUT_OFF_MAX);
        self.clock.now() + if is_low { self.interval } else { self.interval.max(put_off) }
    }

    fn watch_disk(&self) {
        let low = self.checkpointer.log.must_refuse_growth();
        self.alarms.disk_low.store(low, Ordering::Relaxed);
        self.alarms.set("DISK_LOW", low);
    }
}
