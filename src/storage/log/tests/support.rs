//! A world for the log: clock, file ids, disks, and a script of appends with an oracle of what was acknowledged.

use crate::{
    base::{
        entropy::Entropy,
        id::{Location, Lsn, PartitionId},
        time::{Clock, Timestamp},
    },
    storage::{
        io::{Io, SysIo, sim::SimDisk},
        log::{
            AppendError, FrameBuilder, LocalLog, LogHost, LogOptions, LogWriter, OpenError, RecoveryReport, ReplayFrom,
            ReplayedFrame,
        },
    },
};
use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
};

pub(super) const STORE: [u8; 16] = *b"a store's uuid!!";
pub(super) const DIR: &str = "/data/wal";

pub(super) struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp(1_700_000_000_000)
    }
}

/// Ids that never repeat within a test process.
pub(super) struct Counter;

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

impl Entropy for Counter {
    fn fill(&mut self, bytes: &mut [u8]) {
        spread(NEXT_ID.fetch_add(1, Ordering::Relaxed), bytes);
    }
}

/// Ids that never repeat for who shares the counter, and are the same in every run.
pub(super) struct Numbered(pub(super) Arc<AtomicU64>);

impl Entropy for Numbered {
    fn fill(&mut self, bytes: &mut [u8]) {
        spread(self.0.fetch_add(1, Ordering::Relaxed), bytes);
    }
}

fn spread(id: u64, bytes: &mut [u8]) {
    let id = id.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes();
    bytes.iter_mut().zip(id.iter().cycle()).for_each(|(byte, id)| *byte = *id);
}

pub(super) fn host(io: Arc<dyn Io>) -> LogHost {
    LogHost { io, clock: Arc::new(FixedClock), entropy: Box::new(Counter), fatal: Box::new(|_| {}) }
}

pub(super) fn open_at(
    io: Arc<dyn Io>,
    dir: &Path,
    options: &LogOptions,
    from: &ReplayFrom,
    visit: &mut dyn FnMut(ReplayedFrame),
) -> Result<(LocalLog, RecoveryReport), OpenError> {
    LocalLog::open(host(io), dir, STORE, options, from, visit)
}

/// Opens the log of a simulated disk and collects what it replays.
pub(super) fn open_sim(disk: &SimDisk, options: &LogOptions) -> Result<Opened, OpenError> {
    open_sim_from(disk, options, &ReplayFrom::default())
}

pub(super) fn open_sim_from(disk: &SimDisk, options: &LogOptions, from: &ReplayFrom) -> Result<Opened, OpenError> {
    open_host(host(Arc::new(disk.clone())), options, from)
}

pub(super) fn open_host(host: LogHost, options: &LogOptions, from: &ReplayFrom) -> Result<Opened, OpenError> {
    let mut frames = Vec::new();
    let (log, report) = LocalLog::open(host, Path::new(DIR), STORE, options, from, &mut |frame| frames.push(frame))?;
    Ok(Opened { log, report, frames })
}

pub(super) struct Opened {
    pub(super) log: LocalLog,
    pub(super) report: RecoveryReport,
    pub(super) frames: Vec<ReplayedFrame>,
}

/// A disk and a directory on it.
pub(super) struct Place {
    pub(super) io: Arc<dyn Io>,
    pub(super) dir: PathBuf,
    _temporary: Option<tempfile::TempDir>,
}

impl Place {
    pub(super) fn simulated() -> Self {
        Self { io: Arc::new(SimDisk::new(1)), dir: PathBuf::from(DIR), _temporary: None }
    }

    pub(super) fn real() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let dir = temporary.path().join("wal");
        Self { io: Arc::new(SysIo), dir, _temporary: Some(temporary) }
    }

    pub(super) fn open(&self, options: &LogOptions) -> Opened {
        let mut frames = Vec::new();
        let (log, report) = open_at(Arc::clone(&self.io), &self.dir, options, &ReplayFrom::default(), &mut |frame| {
            frames.push(frame);
        })
        .unwrap();
        Opened { log, report, frames }
    }
}

/// Bytes that differ from frame to frame and are easy to make again.
pub(super) fn body(partition: PartitionId, lsn: Lsn, len: usize) -> Vec<u8> {
    let seed = u64::from(partition.0) << 32 ^ lsn.0.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (0..len).map(|index| (seed >> (index % 8 * 8)) as u8 ^ index as u8).collect()
}

/// A frame of two entries, the second with `len` bytes of body.
pub(super) fn frame(writer: &dyn LogWriter, len: usize) -> (FrameBuilder, Location) {
    let (partition, lsn) = (writer.partition(), writer.next_lsn());
    let mut frame = FrameBuilder::new(partition, writer.epoch(), lsn, Timestamp(1000 + lsn.0));
    frame.push(1, 7, lsn.0, |header| header.extend_from_slice(b"head"), b"");
    let at = frame.push(2, 8, lsn.0, |header| header.extend_from_slice(b"er"), &body(partition, lsn, len));
    (frame, at)
}

/// Appends a frame and waits for its outcome.
pub(super) fn append(log: &LocalLog, writer: &mut dyn LogWriter, len: usize) -> Result<Location, AppendError> {
    let (frame, at) = frame(writer, len);
    let (send, receive) = mpsc::channel();
    writer.append(frame, Box::new(move |result| send.send(result).unwrap()));
    while log.step() {}
    receive.recv().unwrap().map(|lsn| {
        assert_eq!(lsn, at.lsn);
        at
    })
}
