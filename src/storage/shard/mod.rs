//! Records of streams, kept until their retention has passed: files of chunks behind the log.
//!
//! A record is acknowledged once it is in the log. It comes here later and all at once with others of its shard, so that
//! the log can go on without it: a *chunk* is a run of records of one shard, a *segment* a file of chunks, one after the
//! other, of all the shards that one partition has of one stream. So the number of files and of syncs follows the
//! streams and not the shards, and what is too old goes by unlinking a file. A record stands in its chunk as the entry
//! that the log had, with the CRC of that entry.
//!
//! Invariants: chunks are numbered without gaps over all segments; only the newest segment is written to, and a start
//! never writes behind what it found; a segment with a trailer was synced before the trailer was written. What was not
//! synced may be lost in a crash, whole or in part: the log has it still, because nobody trims what `sync` did not cover.
//! A file that is not the one its name says is never overwritten or unlinked: it moves to `damaged/`.
//! Absent on purpose: what a record says, what a shard is to its stream, retention, when to write.

mod chunk;
mod examine;
mod file;
#[cfg(test)]
mod golden_tests;
mod index;
mod listing;
mod mend;
mod reader;
mod recover;
mod scrub;
mod survey;
#[cfg(test)]
mod survey_tests;
#[cfg(test)]
mod tests;
mod writer;

pub use examine::{Damage, DamageKind, Expected, LostRecords, Part, Record, SegmentFacts, examine};
pub use file::stream_dir;
pub use listing::{Seal, seal, segments, streams};
pub use mend::Mend;
pub use reader::{Records, ShardReadError, ShardReader};
pub use recover::{LostChunks, Recovered, Stranger};
pub use scrub::Checked;
pub use survey::StreamFiles;
pub use writer::{NewChunk, ShardWriter, open};

use crate::base::id::PartitionId;
use std::time::Duration;

/// The directory of all segments inside the data directory.
pub const DIRECTORY: &str = "shards";

/// Whose files they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    pub store_uuid: [u8; 16],
    pub stream: u64,
    pub partition: PartitionId,
}

/// When a segment has enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentRule {
    pub bytes: u64,
    /// From its first record to its newest.
    pub age: Duration,
}
