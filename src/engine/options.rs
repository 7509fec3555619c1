//! What the engine is told at open.

use crate::{
    base::{entropy::Entropy, limits, name::Region, time::Clock},
    domain::stream::throttle::ShardLimits,
    storage::{io::Io, log::LogOptions, shard::SegmentRule, store::IndexKind},
};
use std::{path::PathBuf, sync::Arc, time::Duration};

#[derive(Clone, Debug)]
pub struct EngineOptions {
    pub data_dir: PathBuf,
    /// The server's own region.
    pub region: Region,
    /// Counts when the store is made; afterwards the store keeps its number.
    pub partitions: u32,
    pub in_flight_max: usize,
    pub queues_max: usize,
    pub recreate_wait: Duration,
    pub inbox_bytes: usize,
    pub index: IndexKind,
    pub checkpoint_interval: Duration,
    /// A checkpoint comes earlier after this many bytes of log, rounded up to whole segments.
    pub checkpoint_bytes: u64,
    /// What the log may take besides what lives in it and a quarter of that; past that its old end is evacuated.
    pub log_retain_bytes: u64,
    pub log: LogOptions,
    pub scrub: ScrubOptions,
    pub streams: StreamOptions,
}

/// How streams are kept.
#[derive(Clone, Copy, Debug)]
pub struct StreamOptions {
    /// Of the shards of provisioned streams.
    pub limits: ShardLimits,
    pub segments: SegmentRule,
    /// So many bytes of a shard's records are worth a chunk of their own in a segment.
    pub chunk_bytes: u64,
    /// Checkpoints that records may see in the log without being worth a chunk.
    pub rounds: u32,
}

impl Default for StreamOptions {
    fn default() -> Self {
        let segments = SegmentRule { bytes: limits::SHARD_SEGMENT_BYTES, age: limits::SHARD_SEGMENT_AGE };
        Self {
            limits: ShardLimits::PROVISIONED,
            segments,
            chunk_bytes: limits::SHARD_CHUNK_BYTES,
            rounds: limits::SHARD_ROUNDS_MAX,
        }
    }
}

/// How the log is read again while it is in use. The default: only when somebody asks.
#[derive(Clone, Copy, Debug, Default)]
pub struct ScrubOptions {
    /// Zero: no pass begins by itself.
    pub bytes_per_second: u64,
    /// From the beginning of one pass to the beginning of the next, at least.
    pub interval: Duration,
}

/// The world outside, as arguments.
pub struct EngineHost {
    pub io: Arc<dyn Io>,
    pub clock: Arc<dyn Clock>,
    /// Makes sources of randomness, one for each who needs one.
    pub entropy: Arc<dyn Fn() -> Box<dyn Entropy> + Send + Sync>,
    /// Called when nothing can be acknowledged any more; does not return in production.
    pub fatal: Arc<dyn Fn(String) + Send + Sync>,
}
