//! What recovery found, for the operator and for tests.

use super::frame::{self, FrameHeader, FrameKind, SealedFrame, StoredEntry};
use crate::base::{
    id::{Epoch, Location, Lsn, PartitionId},
    time::Timestamp,
};
use std::{fmt, ops::Range};

/// A live frame above the checkpoint, in the order of the log.
#[derive(Clone, Debug)]
pub struct ReplayedFrame {
    header: FrameHeader,
    bytes: bytes::Bytes,
}

impl ReplayedFrame {
    pub(super) fn new(frame: SealedFrame) -> Self {
        Self { header: frame.header, bytes: frame.bytes }
    }

    pub fn partition(&self) -> PartitionId {
        self.header.partition
    }

    pub fn lsn(&self) -> Lsn {
        self.header.lsn
    }

    pub fn epoch(&self) -> Epoch {
        self.header.epoch
    }

    pub fn logical_time(&self) -> Timestamp {
        self.header.logical_time
    }

    /// Bytes of the frame.
    #[expect(clippy::len_without_is_empty, reason = "a frame has a header at least")]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// A fence has no entries; it is visited so that LSNs are dense.
    pub fn is_fence(&self) -> bool {
        self.header.kind == FrameKind::Fence
    }

    pub fn entries(&self) -> impl Iterator<Item = (Location, StoredEntry)> {
        frame::entries(self.header, self.bytes.clone())
    }
}

/// Frames of one partition, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LostFrames {
    pub partition: PartitionId,
    pub first: Lsn,
    pub last: Lsn,
}

/// A stretch of a segment that held something acknowledged and cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostRange {
    pub segment: u64,
    /// Bytes of the segment file.
    pub offsets: Range<u64>,
    /// The blocks that stood there, as `first..end`; empty when only the segment's header is damaged.
    pub blocks: Range<u64>,
    /// What is known to be lost. Frames that could still be read out of a damaged block are not lost.
    pub frames: Vec<LostFrames>,
    pub what: String,
}

impl fmt::Display for LostRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { segment, offsets, blocks, frames, what } = self;
        write!(
            f,
            "segment {segment} bytes {}..{} blocks {}..{}",
            offsets.start, offsets.end, blocks.start, blocks.end
        )?;
        for LostFrames { partition, first, last } in frames {
            write!(f, ", partition {partition} frames {first} to {last}")?;
        }
        write!(f, ": {what}")
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// The last process said goodbye and nothing was in flight.
    pub clean_shutdown: bool,
    pub replayed_frames: u64,
    pub replayed_bytes: u64,
    /// Bytes behind the last good block that look like a block nobody was promised.
    pub torn_bytes_dropped: u64,
    pub corrupt: Vec<LostRange>,
    /// Something acknowledged is damaged; the rest is served.
    pub degraded: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("opening the log failed: {0}")]
    Io(#[from] std::io::Error),
    #[error("segment {segment} has format version {found}; this release reads version {supported}")]
    NewerFormat { segment: u64, found: u16, supported: u16 },
    #[error("the log has {} damaged ranges, the first is {}", .0.corrupt.len(), first_of(.0))]
    Corrupt(Box<RecoveryReport>),
    #[error("{name} is {found}; the log needs {limit}")]
    Option { name: &'static str, found: u64, limit: &'static str },
}

fn first_of(report: &RecoveryReport) -> String {
    report.corrupt.first().map(ToString::to_string).unwrap_or_default()
}
