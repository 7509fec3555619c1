//! Putting a record: which shard, which place in it.

use super::{
    error::{Field, StreamError},
    event::Appended,
    hash::HashKey,
    machine::Stream,
    sequence::{SequenceNumber, ShardId, seconds},
};
use crate::base::time::Timestamp;

#[derive(Clone, Copy, Debug)]
pub struct Put {
    /// Of the partition key, or the explicit one; where the stream spreads its records, any.
    pub hash: HashKey,
    /// Of the data and the partition key together.
    pub bytes: u32,
    /// The record's number has to be above this one, which an earlier put of the same key got.
    pub after: Option<SequenceNumber>,
}

impl Stream {
    /// Gives the record the next place of the shard that its hash falls into.
    pub fn put(&self, now: Timestamp, put: &Put) -> Result<Appended, StreamError> {
        self.check_usable(now)?;
        let max = self.settings.record_bytes_max.into();
        StreamError::at_most(Field::RecordBytes, put.bytes.into(), max)?;
        if let Some(after) = put.after {
            self.check_past(now, after)?;
        }
        // The open shards hold every key.
        let status = self.status(now);
        let shard = self.shards.of_key(put.hash).ok_or(StreamError::NotActive { status })?;
        Ok(Appended {
            shard: shard.id,
            index: shard.last_index + 1,
            at: now.max(shard.last_arrival).max(shard.opened_at),
            bytes_total: shard.bytes_total + u64::from(put.bytes),
        })
    }

    /// The open shard that a hash falls into.
    pub fn shard_of(&self, hash: HashKey) -> Option<ShardId> {
        self.shards.of_key(hash).map(|shard| shard.id)
    }

    /// Every number of the past of a key is below the next one; so it is enough that `number` is of the past.
    fn check_past(&self, now: Timestamp, number: SequenceNumber) -> Result<(), StreamError> {
        let known = self.shards.get(number.shard);
        let given = known.is_none_or(|shard| shard.created != number.created || number.index <= shard.last_index);
        let past = number.time <= seconds(now.max(self.now)) && number.created <= self.shards.newest_created();
        if past && given { Ok(()) } else { Err(StreamError::FutureSequence(number)) }
    }
}
