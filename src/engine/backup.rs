//! Backups of the running store: on a thread of their own, heard of through a channel.

use crate::{
    base::{
        reason::{Reason, Refusal},
        time::Timestamp,
    },
    engine::{client::Engine, host::Host},
    storage::{
        backup::{self, BackupError, Created, Progress, Source},
        log::Pin,
        store::lock::LockError,
    },
};
use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError},
};
use tokio::sync::mpsc;

/// Steps that may wait for whoever listens; when there are more, some are left out.
const STEPS: usize = 16;

/// What is heard of a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackupStep {
    Progress {
        done_bytes: u64,
        total_bytes: u64,
    },
    /// The last one.
    Done(RestorePoint),
}

/// A restore point that was added to a directory of backups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestorePoint {
    pub name: String,
    pub time: Timestamp,
    /// The last block of the log in it.
    pub durable_block: u64,
    pub segments: u64,
    pub bytes: u64,
    /// The others were there from an earlier backup.
    pub copied_segments: u64,
    pub copied_bytes: u64,
    /// Segments that were damaged in the store already, and how.
    pub damage: Vec<String>,
}

/// A backup that runs. Dropping it breaks the backup off.
pub struct RunningBackup(mpsc::Receiver<Result<BackupStep, Refusal>>);

impl RunningBackup {
    /// None after the last step.
    ///
    /// # Cancel safety
    ///
    /// A dropped call loses no step.
    pub async fn next(&mut self) -> Option<Result<BackupStep, Refusal>> {
        self.0.recv().await
    }
}

impl Engine {
    /// Adds a restore point to the directory of backups `dir`.
    ///
    /// # Errors
    ///
    /// `BACKUP_RUNNING`, `DRAINING`. What goes wrong later is a step.
    pub fn start_backup(&self, dir: PathBuf) -> Result<RunningBackup, Refusal> {
        if !is_open(&self.0) {
            return Err(Refusal::new(Reason::Draining, "the broker is shutting down"));
        }
        let running = || Refusal::new(Reason::BackupRunning, "another backup of this server is running");
        let pin = self.0.log.pin().ok_or_else(running)?;
        let (steps, receiver) = mpsc::channel(STEPS);
        let host = self.0.clone();
        let work = move || {
            let last = run(&host, &pin, &dir, &steps);
            drop(pin);
            // Nobody listens any more only when the call was given up.
            drop(steps.blocking_send(last));
        };
        match std::thread::Builder::new().name("backup".to_owned()).spawn(work) {
            Ok(_) => Ok(RunningBackup(receiver)),
            Err(error) => Err(Refusal::new(Reason::Internal, format!("a thread could not be started: {error}"))),
        }
    }
}

fn is_open(host: &Host) -> bool {
    host.threads.lock().unwrap_or_else(PoisonError::into_inner).is_some()
}

fn run(
    host: &Arc<Host>,
    pin: &Pin,
    dir: &Path,
    steps: &mpsc::Sender<Result<BackupStep, Refusal>>,
) -> Result<BackupStep, Refusal> {
    let archive = || host.archive.log().and_then(|log| log.pin());
    let (data_dir, now) = (&host.data_dir, host.shared.clock.now());
    let source = Source { io: &*host.io, data_dir, pin, archive: &archive, now };
    let mut progress = |Progress { done_bytes, total_bytes }| {
        if steps.is_closed() || !is_open(host) {
            return ControlFlow::Break(());
        }
        // Who is slow hears of the next one.
        drop(steps.try_send(Ok(BackupStep::Progress { done_bytes, total_bytes })));
        ControlFlow::Continue(())
    };
    match backup::create(&source, dir, &mut progress) {
        Ok(created) => {
            tracing::info!(dir = %dir.display(), point = created.name, bytes = created.copied_bytes, "backup");
            Ok(BackupStep::Done(RestorePoint::from(created)))
        }
        Err(error) => {
            tracing::warn!(dir = %dir.display(), %error, "the backup failed");
            Err(refusal(&error))
        }
    }
}

fn refusal(error: &BackupError) -> Refusal {
    let text = error.to_string();
    if error.is_no_space() {
        return Refusal::new(Reason::StorageFull, text);
    }
    match error {
        BackupError::InsideStore { .. } | BackupError::Foreign { .. } | BackupError::OtherStore { .. } => {
            const LIMIT: &str = "an empty directory or one of this store's backups, outside of the data directory";
            Refusal::invalid("directory", format!("{text}; the limit is {LIMIT}")).with("limit", LIMIT)
        }
        BackupError::BrokenOff => Refusal::new(Reason::Draining, "the backup was broken off"),
        BackupError::InUse(LockError::Held { .. }) => Refusal::new(Reason::BackupRunning, text),
        BackupError::File(_)
        | BackupError::InUse(LockError::File(_))
        | BackupError::Snapshot(_)
        | BackupError::Log(_)
        | BackupError::Identity { .. }
        | BackupError::NoBackups { .. }
        | BackupError::NoPoint { .. }
        | BackupError::Damaged { .. }
        | BackupError::NotEmpty { .. }
        | BackupError::GaveWay => Refusal::new(Reason::BackupFailed, text),
    }
}

impl From<Created> for RestorePoint {
    fn from(created: Created) -> Self {
        let manifest = &created.manifest;
        let damage = |segment: &backup::manifest::Segment| {
            segment.damage.as_ref().map(|what| format!("segment {}: {what}", segment.seq))
        };
        Self {
            time: manifest.time(),
            durable_block: manifest.durable_seq,
            segments: manifest.segments.len() as u64,
            bytes: manifest.bytes(),
            copied_segments: created.copied_segments,
            copied_bytes: created.copied_bytes,
            damage: manifest.segments.iter().filter_map(damage).collect(),
            name: created.name,
        }
    }
}
