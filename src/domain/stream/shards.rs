//! The table of shards: the open ones divide the space of keys, the closed ones are kept until the retention is over.
//!
//! It holds a few numbers per shard and nothing per record.

use super::{
    event::{Appended, Opened, Resharded},
    hash::{HashKey, HashRange, even_ranges},
    sequence::{SequenceNumber, ShardId, seconds},
};
use crate::base::{id::PartitionId, time::Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// One shard, open or closed. A checkpoint keeps it as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    pub id: ShardId,
    pub range: HashRange,
    pub parent: Option<ShardId>,
    /// The second parent of a merge.
    pub adjacent_parent: Option<ShardId>,
    /// One after a merge, two after a split, none while it is open.
    pub children: Vec<ShardId>,
    /// The second its sequence numbers begin with: above its parents', and not always when it was opened.
    pub created: u64,
    pub opened_at: Timestamp,
    /// None: it is open.
    pub closed_at: Option<Timestamp>,
    /// The index of the newest record; zero: there was none.
    pub last_index: u64,
    pub last_arrival: Timestamp,
    /// Bytes of all records there ever were.
    pub bytes_total: u64,
    /// The first index that may still be stored.
    pub first_index: u64,
    /// Bytes of the records below.
    pub bytes_trimmed: u64,
}

impl Shard {
    fn new(opened: &Opened, at: Timestamp) -> Self {
        Self {
            id: opened.id,
            range: opened.range,
            parent: opened.parent,
            adjacent_parent: opened.adjacent_parent,
            children: Vec::new(),
            created: opened.created,
            opened_at: at,
            closed_at: None,
            last_index: 0,
            last_arrival: Timestamp::ZERO,
            bytes_total: 0,
            first_index: 1,
            bytes_trimmed: 0,
        }
    }

    pub fn is_open(&self) -> bool {
        self.closed_at.is_none()
    }

    /// The sequence number of one of its records.
    pub fn number(&self, index: u64, partition: PartitionId, arrival: Timestamp) -> SequenceNumber {
        SequenceNumber::new(self.id, self.created, index, partition, arrival)
    }

    /// Below the number of every record.
    pub fn starting_number(&self, partition: PartitionId) -> SequenceNumber {
        self.number(0, partition, Timestamp(self.created.saturating_mul(1000)))
    }

    /// Above the number of every record. None: it is open.
    pub fn ending_number(&self, partition: PartitionId) -> Option<SequenceNumber> {
        self.closed_at.map(|at| self.number(SequenceNumber::INDEX_END, partition, at))
    }

    pub fn parents(&self) -> impl Iterator<Item = ShardId> {
        self.parent.into_iter().chain(self.adjacent_parent)
    }

    /// Records that are not trimmed.
    pub fn stored_records(&self) -> u64 {
        (self.last_index + 1).saturating_sub(self.first_index)
    }

    pub fn stored_bytes(&self) -> u64 {
        self.bytes_total.saturating_sub(self.bytes_trimmed)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Shards {
    by_id: BTreeMap<ShardId, Shard>,
    /// Open shards by the first key of each.
    open: BTreeMap<HashKey, ShardId>,
    /// Closed ones, the first closed first.
    closed: BTreeSet<(Timestamp, ShardId)>,
    next: ShardId,
}

impl Shards {
    pub(super) fn create(count: u32, at: Timestamp) -> Self {
        let mut shards = Self::default();
        for (id, range) in (0..).map(ShardId).zip(even_ranges(count)) {
            let created = seconds(at);
            shards.open(&Opened { id, range, parent: None, adjacent_parent: None, created }, at);
        }
        shards
    }

    pub(super) fn restore(shards: Vec<Shard>, next: ShardId) -> Self {
        let mut table = Self { next, ..Self::default() };
        for shard in shards {
            if let Some(at) = shard.closed_at {
                table.closed.insert((at, shard.id));
            } else {
                table.open.insert(shard.range.start, shard.id);
            }
            table.by_id.insert(shard.id, shard);
        }
        table
    }

    pub(super) fn get(&self, id: ShardId) -> Option<&Shard> {
        self.by_id.get(&id)
    }

    /// In the order of their ids, which puts parents before children.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &Shard> {
        self.by_id.values()
    }

    pub(super) fn after(&self, id: Option<ShardId>) -> impl Iterator<Item = &Shard> {
        let from = id.map_or(ShardId(0), |id| ShardId(id.0.saturating_add(1)));
        self.by_id.range(from..).map(|(_, shard)| shard)
    }

    /// Open shards in the order of their ranges.
    pub(super) fn open_shards(&self) -> impl Iterator<Item = &Shard> {
        self.open.values().filter_map(|id| self.by_id.get(id))
    }

    pub(super) fn open_count(&self) -> usize {
        self.open.len()
    }

    pub(super) fn next_id(&self) -> ShardId {
        self.next
    }

    /// The open shard whose range holds the key.
    pub(super) fn of_key(&self, key: HashKey) -> Option<&Shard> {
        let (_, id) = self.open.range(..=key).next_back()?;
        self.by_id.get(id)
    }

    /// The shard that was closed first, and when.
    pub(super) fn first_closed(&self) -> Option<(Timestamp, ShardId)> {
        self.closed.first().copied()
    }

    /// Shards closed before `moment`, the first closed first.
    pub(super) fn closed_before(&self, moment: Timestamp) -> impl Iterator<Item = ShardId> {
        self.closed.range(..(moment, ShardId(0))).map(|(_, id)| *id)
    }

    /// The highest second any sequence number begins with.
    pub(super) fn newest_created(&self) -> u64 {
        self.by_id.values().map(|shard| shard.created).max().unwrap_or(0)
    }

    pub(super) fn apply_resharded(&mut self, step: &Resharded) {
        for id in &step.closed {
            self.close(*id, step.at);
        }
        for opened in &step.opened {
            self.open(opened, step.at);
        }
    }

    pub(super) fn apply_appended(&mut self, appended: &Appended) {
        let Some(shard) = self.by_id.get_mut(&appended.shard) else { return };
        if appended.index > shard.last_index {
            shard.last_index = appended.index;
            shard.last_arrival = appended.at;
            shard.bytes_total = appended.bytes_total;
        }
    }

    pub(super) fn apply_trimmed(&mut self, id: ShardId, below: u64, bytes: u64) {
        let Some(shard) = self.by_id.get_mut(&id) else { return };
        shard.first_index = shard.first_index.max(below);
        shard.bytes_trimmed = shard.bytes_trimmed.max(bytes);
    }

    pub(super) fn forget(&mut self, id: ShardId) {
        let Some(shard) = self.by_id.remove(&id) else { return };
        self.leave_open(&shard);
        if let Some(at) = shard.closed_at {
            self.closed.remove(&(at, id));
        }
    }

    /// In a replay the shard may be there, grown and even closed; then it stays as it is.
    fn open(&mut self, opened: &Opened, at: Timestamp) {
        self.next = self.next.max(opened.id.next());
        for parent in opened.parent.into_iter().chain(opened.adjacent_parent) {
            if let Some(parent) = self.by_id.get_mut(&parent).filter(|parent| !parent.children.contains(&opened.id)) {
                parent.children.push(opened.id);
            }
        }
        let shard = self.by_id.entry(opened.id).or_insert_with(|| Shard::new(opened, at));
        if shard.is_open() {
            self.open.insert(opened.range.start, opened.id);
        }
    }

    fn close(&mut self, id: ShardId, at: Timestamp) {
        let Some(shard) = self.by_id.get_mut(&id) else { return };
        shard.closed_at = Some(at);
        let shard = shard.clone();
        self.closed.insert((at, id));
        self.leave_open(&shard);
    }

    /// In a replay a later shard may stand there already.
    fn leave_open(&mut self, shard: &Shard) {
        if self.open.get(&shard.range.start) == Some(&shard.id) {
            self.open.remove(&shard.range.start);
        }
    }
}
