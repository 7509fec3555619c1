//! The log as rows: frames, and the entries in them.

use super::stopped::{OfflineError, Progress, Stopped, Which};
use crate::{
    base::{
        id::{Epoch, Lsn, PartitionId},
        time::Timestamp,
    },
    storage::{
        file_error::at,
        log::{ReplayedFrame, examine, segment::seq_of_name},
    },
};
use bytes::Bytes;
use std::ops::ControlFlow;

/// Which frames to show; the default is all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub which: Which,
    pub partition: Option<PartitionId>,
    pub first: Option<Lsn>,
    pub last: Option<Lsn>,
}

impl Filter {
    fn accepts(&self, partition: PartitionId, lsn: Lsn) -> bool {
        self.partition.is_none_or(|wanted| wanted == partition)
            && self.first.is_none_or(|first| first <= lsn)
            && self.last.is_none_or(|last| lsn <= last)
    }
}

/// One append of one partition; its entries follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameRow {
    pub partition: PartitionId,
    pub lsn: Lsn,
    pub epoch: Epoch,
    pub logical_time: Timestamp,
    /// Opened the partition for a new owner; has no entries.
    pub is_fence: bool,
    pub entries: usize,
    /// Bytes of the frame.
    pub len: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryRow {
    pub partition: PartitionId,
    pub lsn: Lsn,
    /// Bytes from the start of the frame.
    pub offset: u32,
    pub logical_time: Timestamp,
    /// What the entry is: a number of the writer's.
    pub kind: u8,
    pub target: u64,
    pub seq: u64,
    pub header: Bytes,
    pub body: Bytes,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Row {
    Frame(FrameRow),
    Entry(EntryRow),
}

impl Stopped {
    /// Hands every row of the log or the archive that the filter accepts to `row`, in its order, until it breaks. What is
    /// damaged is passed over: `verify` names it.
    pub fn dump(
        &self,
        filter: &Filter,
        row: &mut dyn FnMut(Row) -> ControlFlow<()>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), OfflineError> {
        let which = filter.which;
        let (dir, total_bytes) = (self.dir_of(which), self.log_bytes(which)?);
        let (mut done_bytes, mut state) = (0, ControlFlow::Continue(()));
        examine::replay(&*self.io, &dir, self.store_uuid(), self.durable_seq(which), &mut |frame| {
            done_bytes = (done_bytes + frame.len() as u64).min(total_bytes);
            progress(Progress { done_bytes, total_bytes });
            if state.is_continue() && filter.accepts(frame.partition(), frame.lsn()) {
                state = show(&frame, row);
            }
        })?;
        progress(Progress { done_bytes: total_bytes, total_bytes });
        Ok(())
    }

    pub(super) fn log_bytes(&self, which: Which) -> Result<u64, OfflineError> {
        let dir = self.dir_of(which);
        if !self.io.exists(&dir).map_err(at("looking for", &dir))? {
            return Ok(0);
        }
        let entries = self.io.list_dir(&dir).map_err(at("listing", &dir))?;
        let segments = entries.iter().filter(|entry| seq_of_name(&entry.name, "wal").is_some());
        Ok(segments.map(|entry| super::inspect::length(&*self.io, &dir.join(&entry.name)).unwrap_or(0)).sum())
    }
}

fn show(frame: &ReplayedFrame, row: &mut dyn FnMut(Row) -> ControlFlow<()>) -> ControlFlow<()> {
    let (partition, lsn, logical_time) = (frame.partition(), frame.lsn(), frame.logical_time());
    row(Row::Frame(FrameRow {
        partition,
        lsn,
        epoch: frame.epoch(),
        logical_time,
        is_fence: frame.is_fence(),
        entries: frame.entries().count(),
        len: frame.len(),
    }))?;
    for (place, entry) in frame.entries() {
        let offset = place.offset;
        let (kind, target, seq, header, body) = (entry.kind, entry.target, entry.seq, entry.header, entry.body);
        row(Row::Entry(EntryRow { partition, lsn, offset, logical_time, kind, target, seq, header, body }))?;
    }
    ControlFlow::Continue(())
}
