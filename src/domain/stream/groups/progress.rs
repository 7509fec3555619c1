//! How far a group is: committing, and beginning elsewhere.

use super::{
    event::Event,
    machine::{Group, MemberId},
    members::GroupError,
};
use crate::{
    base::time::Timestamp,
    domain::stream::{
        machine::Stream,
        sequence::{SequenceNumber, ShardId},
    },
};

/// All records of a shard up to one are processed.
#[derive(Clone, Copy, Debug)]
pub struct Commit {
    pub member: MemberId,
    pub shard: ShardId,
    pub generation: u64,
    pub number: SequenceNumber,
}

/// What a seek does to one shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sought {
    pub shard: ShardId,
    /// The first record to be read, as it is.
    pub before: u64,
    /// And as it will be: a greater one passes records over, a lower one reads them again.
    pub after: u64,
}

impl Group {
    /// None: the group was there already.
    pub fn commit(&self, now: Timestamp, stream: &Stream, commit: &Commit) -> Result<Option<Event>, GroupError> {
        let Commit { member, shard, generation, number } = *commit;
        self.check_owner(member, shard, generation)?;
        check_number(stream, shard, number)?;
        match self.lease(shard).checkpoint {
            Some(checkpoint) if checkpoint.index > number.index => {
                Err(GroupError::Backwards { shard, checkpoint, asked: number })
            }
            Some(checkpoint) if checkpoint.index == number.index => Ok(None),
            Some(_) | None => Ok(Some(Event::Committed { shard, number, at: now })),
        }
    }

    /// What [`Group::seek`] would do.
    pub fn preview_seek(&self, stream: &Stream, to: &[(ShardId, SequenceNumber)]) -> Result<Vec<Sought>, GroupError> {
        let sought = to.iter().map(|(shard, number)| {
            check_number(stream, *shard, *number)?;
            let found = stream.shard(*shard).ok_or(GroupError::ShardNotFound(*shard))?;
            let bounded = |index: u64| index.clamp(found.first_index, found.last_index + 1);
            let before = self.lease(*shard).next_index().unwrap_or(found.first_index);
            let after = number.index.saturating_add(1);
            Ok(Sought { shard: *shard, before: bounded(before), after: bounded(after) })
        });
        sought.collect()
    }

    /// Sets how far shards are processed, forwards or back. Only a group without members: nobody processes meanwhile.
    pub fn seek(&self, now: Timestamp, stream: &Stream, to: &[(ShardId, SequenceNumber)]) -> Result<Event, GroupError> {
        self.check_empty()?;
        self.preview_seek(stream, to)?;
        Ok(Event::Sought { to: to.to_vec(), at: now })
    }

    /// Records not processed yet, of those that are stored. What the retention hides counts until it is trimmed.
    pub fn lag_records(&self, stream: &Stream, shard: ShardId) -> u64 {
        let Some(found) = stream.shard(shard) else { return 0 };
        let next = self.lease(shard).next_index().unwrap_or(1).max(found.first_index);
        (found.last_index + 1).saturating_sub(next)
    }
}

/// The number is one that the shard has given: of a record, its start, or its end when it is closed.
fn check_number(stream: &Stream, shard: ShardId, number: SequenceNumber) -> Result<(), GroupError> {
    let found = stream.shard(shard).ok_or(GroupError::ShardNotFound(shard))?;
    if number.shard != shard || number.created != found.created {
        return Err(GroupError::OtherShard { encoded: number.shard, shard });
    }
    let ending = found.ending_number(stream.partition()) == Some(number);
    (ending || number.index <= found.last_index).then_some(()).ok_or(GroupError::NotYet(number))
}
