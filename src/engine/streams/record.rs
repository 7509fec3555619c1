//! Records of streams as plain data between the services and the partitions.

use crate::{
    base::{reason::Refusal, time::Timestamp},
    domain::stream::{Cursor, SequenceNumber, ShardId, StreamError, hash::HashKey, throttle::Throttled},
};
use bytes::Bytes;
use std::sync::Arc;

/// A record to store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRecord {
    /// Empty: there is none, which only a stream that spreads its records takes.
    pub partition_key: Arc<str>,
    /// Of the partition key, or the explicit one.
    pub hash: HashKey,
    pub data: Bytes,
    /// The record's number has to be above this one.
    pub after: Option<SequenceNumber>,
}

impl NewRecord {
    /// As the limits count it.
    pub fn size(&self) -> usize {
        self.partition_key.len() + self.data.len()
    }
}

/// Records of one call. Each succeeds or fails alone.
#[derive(Clone, Debug, Default)]
pub struct PutBatch {
    pub records: Vec<NewRecord>,
    /// The producer and its sequence for the first record; the others follow without gaps.
    pub producer: Option<(Arc<str>, u64)>,
}

/// A stored record, or the original that it repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PutRecord {
    /// `None` when only the producer's sequence says that it was stored before.
    pub stored: Option<(ShardId, SequenceNumber)>,
    pub deduplicated: bool,
}

/// Why one record was not stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PutError {
    #[error(transparent)]
    Stream(#[from] StreamError),
    #[error(transparent)]
    Throttled(#[from] Throttled),
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// A record as it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRecord {
    pub number: SequenceNumber,
    pub partition_key: Bytes,
    pub data: Bytes,
    pub arrival: Timestamp,
    /// The stream said that its records are encrypted when this one came.
    pub encrypted: bool,
}

/// What was found at a cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadBatch {
    /// In order. May be none although there are more.
    pub records: Vec<StoredRecord>,
    /// Where to read on.
    pub next: Cursor,
    /// There are records at `next` already: when the last one given arrived, or was passed over.
    pub behind: Option<Timestamp>,
    /// The shard is closed and read to its end: its records go on in these.
    pub ended: Option<Vec<ShardId>>,
    /// Records that cannot be read any more: the first index, and the one behind the last. They were passed over.
    pub lost: Option<(u64, u64)>,
}
