//! What the log is told at open: sizes, policies, and the outside world as arguments.

use crate::{
    base::{
        entropy::Entropy,
        id::{Lsn, PartitionId},
        time::Clock,
    },
    storage::io::Io,
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// What to do when bytes that were acknowledged are damaged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CorruptionPolicy {
    /// Skip exactly what is damaged, report it, serve the rest.
    #[default]
    Quarantine,
    /// Refuse to open.
    Strict,
}

/// Who does the work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Drive {
    /// Two threads of the log: one commits, one prepares and recycles segments.
    #[default]
    Threads,
    /// Nobody: [`super::LocalLog::step`] commits, on the caller's thread. The order of IO calls is then a function of
    /// the calls, as simulations need it.
    Manual,
}

#[derive(Clone, Debug)]
pub struct LogOptions {
    pub segment_bytes: u64,
    /// Newest frames kept in memory.
    pub hot_tail_bytes: usize,
    /// Blocks go past the page cache, where the file system can.
    pub direct_writes: bool,
    /// How long a block waits for company. Zero: only as long as the block before it takes.
    pub group_commit_delay: Duration,
    /// How long after the last block of an idle log its heartbeat follows.
    pub heartbeat_after: Duration,
    /// Segments are filled with zeroes before they are used: a sync takes less then, and the disk twice the writes.
    pub zero_filled: bool,
    /// Empty segments kept ready, the reserve of a full disk.
    pub recycle_keep: usize,
    /// Bytes at most of segments that are kept for another life, the reserve included.
    pub recycled_bytes: u64,
    /// Growth is refused when less is free than the smaller of the two.
    pub min_free_percent: u8,
    pub min_free_bytes: u64,
    /// Sealed segments whose map and table are in memory at once.
    pub open_segments_max: usize,
    pub corruption: CorruptionPolicy,
    pub drive: Drive,
    pub node_id: u64,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            hot_tail_bytes: 32 << 20,
            direct_writes: true,
            group_commit_delay: Duration::ZERO,
            heartbeat_after: Duration::from_millis(75),
            zero_filled: true,
            recycle_keep: 2,
            recycled_bytes: 1 << 30,
            min_free_percent: 5,
            min_free_bytes: 2 << 30,
            open_segments_max: 64,
            corruption: CorruptionPolicy::Quarantine,
            drive: Drive::Threads,
            node_id: 0,
        }
    }
}

impl LogOptions {
    /// Small segments, no reserve of the disk, no threads: for simulations and tests.
    pub fn small() -> Self {
        Self {
            segment_bytes: 256 << 10,
            hot_tail_bytes: 64 << 10,
            recycled_bytes: 1 << 20,
            min_free_percent: 0,
            min_free_bytes: 0,
            open_segments_max: 4,
            drive: Drive::Manual,
            ..Self::default()
        }
    }
}

/// Called once, when a write or sync of the log failed. Nothing is acknowledged afterwards; the process should end.
pub type Fatal = Box<dyn FnOnce(String) + Send>;

/// The world outside.
pub struct LogHost {
    pub io: Arc<dyn Io>,
    pub clock: Arc<dyn Clock>,
    /// Gives the ids of files.
    pub entropy: Box<dyn Entropy>,
    pub fatal: Fatal,
}

/// Where replay starts: what the CHECKPOINT says. The default is a replay of everything there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplayFrom {
    /// Every frame above the checkpoint's LSNs is in this segment or a later one ([`LogPosition::segment`]).
    pub segment: Option<u64>,
    /// Frames up to these are in the checkpoint and are not visited.
    pub lsns: BTreeMap<PartitionId, Lsn>,
    /// [`LogPosition::durable_seq`] at the checkpoint: proof that the log reached that far.
    pub durable_seq: u64,
}

/// Where the log stands. A checkpoint takes it before it looks at the partitions' states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogPosition {
    pub segment: u64,
    pub durable_seq: u64,
}
