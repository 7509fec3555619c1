//! Splitting and merging shards, one by one or to a number of equal ones.
//!
//! A step closes its shards and opens the next ones at one moment, so at every time each key has one open shard. Sources:
//! "SplitShard", "MergeShards", "UpdateShardCount".

use super::{
    error::{Field, StreamError},
    event::{Event, Opened, Resharded},
    hash::{HashKey, HashRange, even_ranges},
    machine::Stream,
    sequence::{ShardId, seconds},
    shards::{Shard, Shards},
};
use crate::base::{limits, time::Timestamp};
use std::collections::BTreeSet;

impl Stream {
    /// Splits a shard; the second child begins at `key`. None: in the middle.
    pub fn split(&self, now: Timestamp, shard: ShardId, key: Option<HashKey>) -> Result<Event, StreamError> {
        let shard = self.check_reshard(now, &[shard])?.remove(0);
        let key = key.unwrap_or_else(|| shard.range.middle());
        let refused = StreamError::SplitKey { shard: shard.id, key, range: shard.range };
        let mut steps = Steps::new(self, now);
        steps.split(shard.id, key).ok_or(refused)?;
        self.check_open_count(steps.shards.open_count())?;
        steps.events.pop().ok_or(StreamError::ShardNotFound(shard.id))
    }

    /// Merges two shards, the second of which begins where the first ends.
    pub fn merge(&self, now: Timestamp, first: ShardId, second: ShardId) -> Result<Event, StreamError> {
        self.check_reshard(now, &[first, second])?;
        let mut steps = Steps::new(self, now);
        steps.merge(first, second).ok_or(StreamError::NotAdjacent { first, second })?;
        steps.events.pop().ok_or(StreamError::ShardNotFound(first))
    }

    /// Makes `target` shards of equal ranges: the fewest splits and merges that lead there.
    pub fn update_shard_count(&self, now: Timestamp, target: u32) -> Result<Vec<Event>, StreamError> {
        self.check_provisioned()?;
        self.check_active(now)?;
        let open = u64::try_from(self.open_shards()).unwrap_or(u64::MAX);
        let most = (open * 2).min(limits::STREAM_SHARDS_MAX.into());
        StreamError::within(Field::Shards, target.into(), open.div_ceil(2), most)?;
        self.count_updates.check(now, Field::ShardCountUpdates, limits::SHARD_COUNT_UPDATES_MAX)?;
        let mut steps = Steps::new(self, now);
        steps.make_even(target);
        steps.events.push(Event::ShardCountUpdated { at: now });
        Ok(steps.events)
    }

    fn check_reshard(&self, now: Timestamp, shards: &[ShardId]) -> Result<Vec<&Shard>, StreamError> {
        self.check_provisioned()?;
        self.check_active(now)?;
        let found = shards.iter().map(|id| self.shards.get(*id).ok_or(StreamError::ShardNotFound(*id)));
        let found = found.collect::<Result<Vec<_>, _>>()?;
        match found.iter().find(|shard| !shard.is_open()) {
            Some(closed) => Err(StreamError::ShardClosed(closed.id)),
            None => Ok(found),
        }
    }

    fn check_open_count(&self, open: usize) -> Result<(), StreamError> {
        let max = usize::try_from(limits::STREAM_SHARDS_MAX).unwrap_or(usize::MAX);
        StreamError::length(Field::Shards, open, max)
    }
}

/// Steps tried out one after the other on a copy of the table.
pub(super) struct Steps {
    pub(super) shards: Shards,
    pub(super) events: Vec<Event>,
    now: Timestamp,
    settled_at: Timestamp,
}

impl Steps {
    pub(super) fn new(stream: &Stream, now: Timestamp) -> Self {
        let now = now.max(stream.now);
        Self { shards: stream.shards.clone(), events: Vec::new(), now, settled_at: now + stream.settle }
    }

    /// The two children. None: there is no such open shard, or `key` does not divide it.
    pub(super) fn split(&mut self, id: ShardId, key: HashKey) -> Option<[ShardId; 2]> {
        let shard = self.shards.get(id).filter(|shard| shard.is_open())?;
        let (first, second) = shard.range.split_at(key)?;
        let created = self.created(&[shard]);
        let ids = [self.shards.next_id(), self.shards.next_id().next()];
        let child = |id, range| Opened { id, range, parent: Some(shard.id), adjacent_parent: None, created };
        let opened = vec![child(ids[0], first), child(ids[1], second)];
        self.step(vec![id], opened);
        Some(ids)
    }

    /// The child. None: they are not open neighbours in this order.
    pub(super) fn merge(&mut self, first: ShardId, second: ShardId) -> Option<ShardId> {
        let open = |id| self.shards.get(id).filter(|shard| shard.is_open());
        let (left, right) = (open(first)?, open(second)?);
        if !left.range.meets(&right.range) {
            return None;
        }
        let range = HashRange { start: left.range.start, end: right.range.end };
        let id = self.shards.next_id();
        let created = self.created(&[left, right]);
        let child = Opened { id, range, parent: Some(first), adjacent_parent: Some(second), created };
        self.step(vec![first, second], vec![child]);
        Some(id)
    }

    /// First every missing border, then away with those that should not be. Each step makes or removes one border, so
    /// there is no shorter way; and never more shards are open than both numbers together.
    fn make_even(&mut self, target: u32) {
        let starts: BTreeSet<_> = even_ranges(target).iter().map(|range| range.start).collect();
        for start in &starts {
            self.make_border(*start);
        }
        let superfluous: Vec<_> = self.shards.open_shards().map(|shard| shard.range.start).collect();
        for start in superfluous.into_iter().filter(|start| !starts.contains(start)) {
            self.remove_border(start);
        }
    }

    /// A shard too narrow to be split there has a border beside it that no equal range has: that one goes first.
    fn make_border(&mut self, start: HashKey) {
        while let Some(shard) = self.shards.of_key(start).cloned() {
            if shard.range.start == start || self.split(shard.id, start).is_some() {
                return;
            }
            let after = HashKey(shard.range.end.0.wrapping_add(1));
            let beside = if start.0 - shard.range.start.0 < 2 { shard.range.start } else { after };
            if self.remove_border(beside).is_none() {
                return;
            }
        }
    }

    /// Merges the shard that begins at `start` with the one before.
    fn remove_border(&mut self, start: HashKey) -> Option<ShardId> {
        let second = self.shards.of_key(start)?.id;
        let first = self.shards.of_key(HashKey(start.0.checked_sub(1)?))?.id;
        self.merge(first, second)
    }

    /// Numbers of the children are above all of the parents', however soon after them they come.
    fn created(&self, parents: &[&Shard]) -> u64 {
        let above = parents.iter().map(|parent| parent.created + 1).max().unwrap_or(0);
        above.max(seconds(self.now))
    }

    fn step(&mut self, closed: Vec<ShardId>, opened: Vec<Opened>) {
        let step = Resharded { closed, opened, at: self.now, settled_at: self.settled_at };
        self.shards.apply_resharded(&step);
        self.events.push(Event::Resharded(step));
    }
}
