//! Where a reader begins, as the first index of a shard that may come.
//!
//! The stream knows no record's arrival. So a beginning by time is an index and a moment, and the storage looks for the
//! first record from there on. Source: "GetShardIterator".

use super::{
    error::StreamError,
    machine::Stream,
    sequence::{SequenceNumber, ShardId, seconds},
    shards::Shard,
};
use crate::base::time::Timestamp;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// The oldest record there is.
    TrimHorizon,
    /// After the newest one.
    Latest,
    At(SequenceNumber),
    After(SequenceNumber),
    /// The first that arrived then or later.
    AtTime(Timestamp),
}

/// A place in a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub shard: ShardId,
    /// Records below do not come.
    pub index: u64,
    /// Nor do those that arrived before.
    pub not_before: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PositionError {
    #[error(transparent)]
    Stream(#[from] StreamError),
    #[error("the sequence number is one of {encoded}, not of {shard}")]
    OtherShard { encoded: ShardId, shard: ShardId },
    #[error("the sequence number {0} did not come from this stream")]
    OtherStream(SequenceNumber),
    #[error("{moment} is later than now, {now}")]
    FutureTime { moment: Timestamp, now: Timestamp },
}

impl Stream {
    /// # Errors
    /// There is no such shard, the number is not one of it, or the moment has not come.
    pub fn cursor(&self, now: Timestamp, shard: ShardId, position: &Position) -> Result<Cursor, PositionError> {
        self.check_usable(now)?;
        let found = self.readable_shard(now, shard).ok_or(StreamError::ShardNotFound(shard))?;
        let at = |index: u64| Cursor { shard, index: index.max(found.first_index), not_before: Timestamp::ZERO };
        match *position {
            Position::TrimHorizon => Ok(at(found.first_index)),
            Position::Latest => Ok(at(found.last_index + 1)),
            Position::At(number) => Ok(at(self.index_of(now, found, number)?)),
            Position::After(number) => Ok(at(self.index_of(now, found, number)?.saturating_add(1))),
            Position::AtTime(moment) if moment > now => Err(PositionError::FutureTime { moment, now }),
            Position::AtTime(moment) => Ok(Cursor { not_before: moment, ..at(found.first_index) }),
        }
    }

    /// Whether no record can come at the cursor any more: the shard is closed and read, or gone. The records after it
    /// are those of its children.
    pub fn is_at_end(&self, cursor: &Cursor) -> bool {
        let shard = self.shards.get(cursor.shard);
        shard.is_none_or(|shard| !shard.is_open() && cursor.index > shard.last_index)
    }

    /// What a number of the shard says; its two ends are numbers of it too.
    fn index_of(&self, now: Timestamp, shard: &Shard, number: SequenceNumber) -> Result<u64, PositionError> {
        if number.shard != shard.id {
            return Err(PositionError::OtherShard { encoded: number.shard, shard: shard.id });
        }
        if number.created != shard.created {
            return Err(PositionError::OtherStream(number));
        }
        let ending = shard.ending_number(self.partition) == Some(number);
        // The start of a shard may lie in the future, when it came too soon after its parents.
        let future = number.index > shard.last_index || (number.index > 0 && number.time > seconds(now.max(self.now)));
        match future && !ending {
            true => Err(StreamError::FutureSequence(number).into()),
            false => Ok(number.index.min(shard.last_index + 1)),
        }
    }
}
