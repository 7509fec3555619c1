//! A log in memory: durable at once, gone with the process. For tests of whatever stands on the log.

use super::{
    AppendDone, AppendError, FrameBuilder, LogPosition, LogReader, LogStore, LogWriter, ReadError,
    entry::EntryView,
    frame::{FrameKind, SealedFrame},
    hot::runs,
    report::ReplayedFrame,
};
use crate::{
    base::{
        id::{Epoch, Location, Lsn, PartitionId},
        limits::BLOCK_BODY_BYTES,
        time::Timestamp,
    },
    storage::io::Space,
};
use bytes::{Bytes, BytesMut};
use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Clones are the same log, so that a test can keep one across a restart of what it tests.
#[derive(Clone, Default)]
pub struct MemLog {
    frames: Arc<Frames>,
}

#[derive(Default)]
struct Frames(Mutex<BTreeMap<PartitionId, Partition>>);

#[derive(Default)]
struct Partition {
    /// The frame of LSN 1 first.
    frames: Vec<SealedFrame>,
    epoch: Epoch,
    trimmed: Lsn,
}

impl Frames {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<PartitionId, Partition>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn append(&self, frame: FrameBuilder, kind: FrameKind) -> Result<Lsn, AppendError> {
        let mut partitions = self.lock();
        let partition = partitions.entry(frame.partition).or_default();
        if kind == FrameKind::Data && frame.epoch != partition.epoch {
            return Err(AppendError::Fenced { found: frame.epoch.0, newer: partition.epoch.0 });
        }
        let (lsn, epoch) = (frame.lsn, frame.epoch);
        let chain = partition.frames.last().map_or(0, |frame| frame.header.chain());
        partition.frames.push(frame.seal(kind, [0; 16], chain));
        partition.epoch = epoch;
        Ok(lsn)
    }

    fn frame(&self, partition: PartitionId, lsn: Lsn) -> Option<Bytes> {
        let partitions = self.lock();
        let partition = partitions.get(&partition)?;
        let frame = partition.frames.get(lsn.0.checked_sub(1)? as usize)?;
        (lsn >= partition.trimmed).then(|| frame.bytes.clone())
    }
}

impl MemLog {
    /// Visits the frames above `from`, one partition after the other.
    pub fn replay(&self, from: &BTreeMap<PartitionId, Lsn>, visit: &mut dyn FnMut(ReplayedFrame)) {
        for (id, partition) in &*self.frames.lock() {
            let skipped = from.get(id).copied().unwrap_or_default().0 as usize;
            partition.frames.iter().skip(skipped).cloned().map(ReplayedFrame::new).for_each(&mut *visit);
        }
    }
}

impl LogStore for MemLog {
    fn acquire(&self, partition: PartitionId) -> Result<Box<dyn LogWriter>, AppendError> {
        let (lsn, time) = {
            let partitions = self.frames.lock();
            let frames = partitions.get(&partition).map(|partition| partition.frames.as_slice()).unwrap_or_default();
            let time = frames.last().map_or(Timestamp::ZERO, |frame| frame.header.logical_time);
            (Lsn(frames.len() as u64 + 1), time)
        };
        let epoch = Epoch(lsn);
        self.frames.append(FrameBuilder::new(partition, epoch, lsn, time), FrameKind::Fence)?;
        Ok(Box::new(MemWriter { frames: Arc::clone(&self.frames), partition, epoch, next: lsn.next() }))
    }

    fn reader(&self) -> Arc<dyn LogReader> {
        Arc::clone(&self.frames) as Arc<dyn LogReader>
    }

    fn position(&self) -> LogPosition {
        LogPosition { segment: 1, durable_seq: 0 }
    }

    fn space(&self) -> io::Result<Space> {
        Ok(Space { free: u64::MAX, total: u64::MAX })
    }

    fn must_refuse_growth(&self) -> bool {
        false
    }
}

struct MemWriter {
    frames: Arc<Frames>,
    partition: PartitionId,
    epoch: Epoch,
    next: Lsn,
}

impl LogWriter for MemWriter {
    fn partition(&self) -> PartitionId {
        self.partition
    }

    fn epoch(&self) -> Epoch {
        self.epoch
    }

    fn next_lsn(&self) -> Lsn {
        self.next
    }

    fn frame_bytes_max(&self) -> usize {
        BLOCK_BODY_BYTES
    }

    fn memory(&self, room: usize) -> BytesMut {
        BytesMut::with_capacity(room)
    }

    fn append(&mut self, frame: FrameBuilder, done: AppendDone) {
        debug_assert_eq!(frame.lsn, self.next, "a frame has the LSN that next_lsn said");
        self.next = frame.lsn.next();
        done(self.frames.append(frame, FrameKind::Data));
    }

    fn trim(&mut self, below: Lsn) {
        if let Some(partition) = self.frames.lock().get_mut(&self.partition) {
            partition.trimmed = below.max(partition.trimmed);
        }
    }
}

impl LogReader for Frames {
    fn read_hot_all(&self, partition: PartitionId, at: &[Location], visit: &mut dyn FnMut(usize, EntryView<'_>)) {
        let mut index = 0;
        self.read_all(partition, at, &mut |entry| {
            if let Ok(entry) = entry {
                visit(index, entry);
            }
            index += 1;
        });
    }

    fn read_all(
        &self,
        partition: PartitionId,
        at: &[Location],
        visit: &mut dyn FnMut(Result<EntryView<'_>, ReadError>),
    ) {
        for (lsn, run) in runs(at) {
            let frame = self.frame(partition, lsn);
            for Location { offset, len, .. } in run {
                let entry = frame.as_ref().ok_or(ReadError::Trimmed { partition, lsn }).and_then(|frame| {
                    let end = (*offset as usize).saturating_add(*len as usize).min(frame.len());
                    EntryView::open(frame, (*offset as usize).min(end), end).map_err(|what| ReadError::Corrupt {
                        partition,
                        lsn,
                        offset: *offset,
                        what: what.to_owned(),
                    })
                });
                visit(entry);
            }
        }
    }

    fn read_near_all(
        &self,
        partition: PartitionId,
        at: &[Location],
        visit: &mut dyn FnMut(Result<EntryView<'_>, ReadError>),
    ) -> bool {
        self.read_all(partition, at, visit);
        true
    }
}
