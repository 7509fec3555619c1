//! The log as the engine sees it: one dense sequence of frames a partition, durable once acknowledged.
//!
//! Only these traits touch log files, so that a replicated log can take their place: positions are LSNs, one append
//! is in flight a partition, and an owner is known by the fence it wrote. [`LocalLog`] is the log on this machine's disk.

mod appender;
pub mod block;
mod cold;
mod commit;
pub mod entry;
pub mod examine;
pub mod extent;
mod figures;
pub mod frame;
pub mod heads;
mod hot;
mod layout;
mod local;
pub mod mem;
mod options;
mod pin;
mod pool;
mod reader;
mod recovery;
mod report;
pub(in crate::storage) mod scan;
mod scrub;
mod sealed;
pub mod segment;
mod segments;
mod spare;
mod survey;
pub mod table;
#[cfg(test)]
mod tests;

pub use entry::EntryView;
pub use figures::{Holder, LogFigures};
pub use frame::{FrameBuilder, StoredEntry};
pub use heads::{Head, Heads};
pub use local::LocalLog;
pub use options::{CorruptionPolicy, Drive, Fatal, LogHost, LogOptions, LogPosition, ReplayFrom};
pub use pin::{LogCut, Pin};
pub use reader::{LogReader, ReadError};
pub use report::{LostFrames, LostRange, OpenError, RecoveryReport, ReplayedFrame};
pub use scan::Pace;
pub use scrub::{Scrubbed, Scrubber};

use crate::{
    base::id::{Epoch, Lsn, PartitionId},
    storage::io::Space,
};
use bytes::BytesMut;
use std::{io, sync::Arc};

/// Called once, on a thread of the log or inside [`LogWriter::append`], when the append is durable or can never be.
pub type AppendDone = Box<dyn FnOnce(Result<Lsn, AppendError>) + Send>;

/// Opens partitions for writing and reading.
pub trait LogStore: Send + Sync + 'static {
    /// Appends a fence, durably, and becomes the only writer whose frames are live.
    fn acquire(&self, partition: PartitionId) -> Result<Box<dyn LogWriter>, AppendError>;

    fn reader(&self) -> Arc<dyn LogReader>;

    /// Where the log stands. Every frame made durable after this call is in this segment or a later one, so a
    /// checkpoint takes it before it looks at the partitions' states.
    fn position(&self) -> LogPosition;

    fn space(&self) -> io::Result<Space>;

    /// True when little space is left: growth is to be refused, deletes go on. Asks the file system; once a second
    /// is often enough.
    fn must_refuse_growth(&self) -> bool;
}

/// The one writer of a partition.
pub trait LogWriter: Send {
    fn partition(&self) -> PartitionId;

    fn epoch(&self) -> Epoch;

    /// The LSN the next frame gets.
    fn next_lsn(&self) -> Lsn;

    /// A longer frame is refused.
    fn frame_bytes_max(&self) -> usize;

    /// Memory for a frame of about `room` bytes; it may have been another frame's.
    fn memory(&self, room: usize) -> BytesMut;

    /// Hands a frame over; `done` hears of it. At most one append is in flight: calling again before `done` ran is a bug.
    /// May write and sync on the calling thread, which then hears of it before this returns.
    fn append(&mut self, frame: FrameBuilder, done: AppendDone);

    /// Allows the log to forget every frame below `below`. The caller's checkpoint that no longer needs them is durable.
    fn trim(&mut self, below: Lsn);
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The write or its sync failed. Nothing will ever be acknowledged again; the process is about to end.
    #[error("the log could not be written: {0}")]
    Failed(String),
    /// The log is being closed.
    #[error("the log is closed")]
    Closed,
    /// Another owner acquired the partition.
    #[error("the writer of epoch {found} was replaced by the one of epoch {newer}")]
    Fenced { found: Lsn, newer: Lsn },
    /// No block can hold the frame. Whoever builds frames keeps them below `base::limits::BLOCK_BODY_BYTES`.
    #[error("the frame has {found} bytes; a block of this log takes {limit}")]
    TooLarge { found: usize, limit: usize },
}
