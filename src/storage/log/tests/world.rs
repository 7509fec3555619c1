//! A scripted user of the log on a simulated disk, and the oracle of what it was promised.
//!
//! What was acknowledged must be there with the same bytes. What was in flight at a crash may be there or not, but
//! what a recovery left out never comes back, and what it showed never goes away.

use super::support::{Numbered, Opened, host, open_host};
use crate::{
    base::{
        id::{Location, Lsn, PartitionId},
        time::Timestamp,
    },
    storage::{
        io::sim::SimDisk,
        log::{
            AppendError, FrameBuilder, LogHost, LogOptions, LogStore as _, LogWriter, OpenError, ReadError, ReplayFrom,
        },
    },
};
use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, atomic::AtomicU64},
};

/// A frame as the user knows it: its one entry's place, and the nonce that its body is made of.
#[derive(Clone, Copy, Debug)]
struct Known {
    at: Location,
    nonce: u64,
}

type Outcome = (PartitionId, Result<Lsn, AppendError>);

#[derive(Default)]
struct Account {
    promised: BTreeMap<Lsn, Known>,
    /// Submitted, no answer yet.
    in_flight: BTreeMap<Lsn, Known>,
}

pub(super) struct World {
    pub(super) disk: SimDisk,
    options: LogOptions,
    rng: SmallRng,
    nonce: u64,
    file_ids: Arc<AtomicU64>,
    accounts: BTreeMap<PartitionId, Account>,
    checkpoint: ReplayFrom,
    /// Recovery replays from the checkpoint, or from the oldest segment.
    pub(super) use_checkpoint: bool,
    trimmed: BTreeMap<PartitionId, Lsn>,
}

pub(super) struct Session {
    opened: Opened,
    writers: Vec<Box<dyn LogWriter>>,
}

fn body(nonce: u64, len: usize) -> Vec<u8> {
    let mut bytes = nonce.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes().repeat(len / 8 + 1);
    bytes.truncate(len);
    bytes
}

pub(super) const PARTITIONS: u32 = 3;

impl World {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            disk: SimDisk::new(seed),
            options: LogOptions { segment_bytes: 64 << 10, hot_tail_bytes: 16 << 10, ..LogOptions::small() },
            rng: SmallRng::seed_from_u64(seed),
            nonce: seed << 32,
            file_ids: Arc::new(AtomicU64::new(1)),
            accounts: BTreeMap::new(),
            checkpoint: ReplayFrom::default(),
            use_checkpoint: true,
            trimmed: BTreeMap::new(),
        }
    }

    /// Opens the log and compares what it replays with what was promised.
    pub(super) fn open(&mut self) -> Result<Session, OpenError> {
        let from = if self.use_checkpoint { self.checkpoint.clone() } else { ReplayFrom::default() };
        let entropy = Box::new(Numbered(Arc::clone(&self.file_ids)));
        let host = LogHost { entropy, ..host(Arc::new(self.disk.clone())) };
        let opened = open_host(host, &self.options, &from)?;
        assert!(!opened.report.degraded, "a power cut is no damage: {:?}", opened.report);
        self.compare(&opened, &from);
        let mut writers = Vec::new();
        for partition in (0..PARTITIONS).map(PartitionId) {
            let Ok(writer) = opened.log.acquire(partition) else {
                // The disk crashed below the fence. Whether it is there is for the next recovery to say.
                self.accounts.entry(partition).or_default();
                return Err(OpenError::Io(std::io::Error::other("crashed while acquiring")));
            };
            let fence = writer.epoch().0;
            let account = self.accounts.entry(partition).or_default();
            assert!(account.promised.keys().all(|lsn| *lsn < fence), "LSN {fence} of {partition} was given out twice");
            writers.push(writer);
        }
        Ok(Session { opened, writers })
    }

    fn compare(&mut self, opened: &Opened, from: &ReplayFrom) {
        let mut seen: BTreeMap<PartitionId, BTreeMap<Lsn, u64>> = BTreeMap::new();
        for frame in &opened.frames {
            let frames = seen.entry(frame.partition()).or_default();
            if let Some((last, _)) = frames.last_key_value() {
                assert_eq!(last.next(), frame.lsn(), "frames of {} are not dense", frame.partition());
            }
            let entries: Vec<_> = frame.entries().collect();
            let nonce = entries.first().map_or(0, |(_, entry)| entry.target);
            if let Some((_, entry)) = entries.first() {
                assert_eq!(entry.body, body(nonce, entry.body.len()));
            }
            frames.insert(frame.lsn(), nonce);
        }
        for (partition, account) in &mut self.accounts {
            let frames = seen.remove(partition).unwrap_or_default();
            let from = from.lsns.get(partition).copied().unwrap_or_default();
            let trimmed = self.trimmed.get(partition).copied().unwrap_or_default();
            for (lsn, known) in account.promised.range(from.max(Lsn(trimmed.0.saturating_sub(1))).next()..) {
                assert_eq!(frames.get(lsn), Some(&known.nonce), "promised frame {lsn} of {partition}");
            }
            for (lsn, nonce) in frames.iter().filter(|(_, nonce)| **nonce != 0) {
                let promised = account.promised.get(lsn).or_else(|| account.in_flight.get(lsn));
                let known = promised.unwrap_or_else(|| panic!("frame {lsn} of {partition} came out of nothing"));
                assert_eq!(*nonce, known.nonce, "frame {lsn} of {partition} is another one");
                account.promised.insert(*lsn, *known);
            }
            account.in_flight.clear();
        }
        self.read_everything(opened);
    }

    fn read_everything(&self, opened: &Opened) {
        let reader = opened.log.reader();
        for (partition, account) in &self.accounts {
            let trimmed = self.trimmed.get(partition).copied().unwrap_or_default();
            for known in account.promised.values() {
                match reader.read(*partition, known.at) {
                    Ok(entry) => assert_eq!(entry.target, known.nonce, "frame {} of {partition}", known.at.lsn),
                    Err(ReadError::Trimmed { lsn, .. }) if lsn < trimmed => {}
                    // The crash may come in the middle of this walk.
                    Err(ReadError::Io(_)) if self.disk.has_crashed() => return,
                    Err(error) => panic!("reading frame {} of {partition}: {error}", known.at.lsn),
                }
            }
        }
    }

    /// Runs random operations until all are done or the disk crashed.
    pub(super) fn run(&mut self, mut session: Session, operations: usize) -> Option<Session> {
        for _ in 0..operations {
            match self.rng.random_range(0..12) {
                0 => session.opened.log.idle(),
                1 => self.take_checkpoint(&mut session),
                2 => self.read_everything(&session.opened),
                _ => self.append_group(&mut session),
            }
            if self.disk.has_crashed() {
                return None;
            }
        }
        Some(session)
    }

    /// As `run` on a disk with a fault: once an append fails, every later one does, and the end is not clean.
    pub(super) fn run_until_failure(&mut self, mut session: Session, operations: usize) {
        let mut failed = false;
        for _ in 0..operations {
            if self.rng.random_range(0..12) == 1 {
                self.take_checkpoint(&mut session);
            }
            let answers = self.append_group_any(&mut session);
            assert!(!failed || answers.iter().all(Result::is_err), "an acknowledgement after a failure");
            assert!(answers.is_sorted_by_key(Result::is_err), "an acknowledgement after a failure");
            failed |= answers.iter().any(Result::is_err);
        }
        let closed = session.opened.log.close();
        assert!(!failed || closed.is_err(), "a failed log said goodbye");
    }

    fn append_group(&mut self, session: &mut Session) {
        for answer in self.append_group_any(session) {
            assert!(answer.is_ok() || self.disk.has_crashed(), "{answer:?}");
        }
    }

    fn append_group_any(&mut self, session: &mut Session) -> Vec<Result<Lsn, AppendError>> {
        let outcomes: Arc<Mutex<Vec<Outcome>>> = Arc::default();
        for writer in &mut session.writers {
            if self.rng.random_range(0..3) == 0 {
                continue;
            }
            let (partition, lsn) = (writer.partition(), writer.next_lsn());
            self.nonce += 1;
            let len = if self.rng.random_range(0..4) == 0 { 9000 } else { self.rng.random_range(0..2000) };
            let mut frame = FrameBuilder::new(partition, writer.epoch(), lsn, Timestamp(lsn.0));
            let at = frame.push(1, self.nonce, lsn.0, |_| {}, &body(self.nonce, len));
            let account = self.accounts.entry(partition).or_default();
            account.in_flight.insert(lsn, Known { at, nonce: self.nonce });
            let outcomes = Arc::clone(&outcomes);
            writer.append(frame, Box::new(move |result| outcomes.lock().unwrap().push((partition, result))));
        }
        while session.opened.log.step() {}
        let answers: Vec<_> = outcomes.lock().unwrap().drain(..).collect();
        for (partition, outcome) in &answers {
            let account = self.accounts.entry(*partition).or_default();
            if let Ok(lsn) = outcome {
                let known = account.in_flight.remove(lsn).expect("answered once");
                assert!(account.promised.insert(*lsn, known).is_none(), "LSN {lsn} was given out twice");
            }
        }
        answers.into_iter().map(|(_, outcome)| outcome).collect()
    }

    fn take_checkpoint(&mut self, session: &mut Session) {
        let position = session.opened.log.position();
        let heads = session.opened.log.heads();
        self.checkpoint = ReplayFrom {
            segment: Some(position.segment),
            lsns: heads.iter().map(|(partition, head)| (*partition, head.lsn)).collect(),
            durable_seq: position.durable_seq,
        };
        for writer in &mut session.writers {
            let below = heads[&writer.partition()].lsn;
            self.trimmed.insert(writer.partition(), below);
            writer.trim(below);
        }
    }

    pub(super) fn close(&self, session: Session) {
        let closed = session.opened.log.close();
        assert!(closed.is_ok() || self.disk.has_crashed());
    }

    pub(super) fn reboot(&mut self) {
        self.disk = self.disk.reboot();
    }

    pub(super) fn restart_process(&mut self) {
        self.disk = self.disk.restart_process();
    }

    /// Opens until it works, each attempt but the last crashing at the given call.
    pub(super) fn recover_through(&mut self, crash_at: &[u64]) -> Session {
        for call in crash_at {
            self.disk.fault_at(*call, crate::storage::io::sim::Fault::Crash);
            let opened = self.open();
            assert!(opened.is_ok() || self.disk.has_crashed(), "{:?}", opened.err());
            drop(opened);
            self.reboot();
        }
        self.open().unwrap()
    }
}
