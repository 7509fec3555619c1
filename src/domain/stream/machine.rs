//! The stream: what it holds, and what time alone changes in it.
//!
//! A decision (one file a kind of command) reads the stream and returns events; `apply` (in `apply.rs`) changes it. What
//! it is doing, which records the retention hides and which consumers are ready follows from moments and `now`: the ends
//! of those are no events.
//! Absent on purpose: records and where they stand, readers, clocks, randomness, the stream's name.

use super::{
    consumers::Consumers,
    demand::Peaks,
    error::StreamError,
    event::{Created, Event},
    recent::Recent,
    sequence::{SequenceNumber, ShardId},
    settings::{Mode, Settings, Status},
    shards::{Shard, Shards},
};
use crate::base::{id::PartitionId, limits, time::Timestamp};
use std::time::Duration;

#[derive(Clone, Debug)]
pub struct Stream {
    pub(super) settings: Settings,
    pub(super) partition: PartitionId,
    pub(super) settle: Duration,
    pub(super) created_at: Timestamp,
    /// The latest moment it heard of.
    pub(super) now: Timestamp,
    pub(super) phase: Phase,
    pub(super) shards: Shards,
    /// What arrived before is hidden, whatever the retention says now.
    pub(super) hidden_before: Timestamp,
    pub(super) consumers: Consumers,
    pub(super) mode_changes: Recent,
    pub(super) encryption_changes: Recent,
    pub(super) count_updates: Recent,
    pub(super) peaks: Peaks,
    pub(super) resharded_at: Timestamp,
}

/// What the stream is doing, and until when; then it is active.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phase {
    pub status: Status,
    pub until: Timestamp,
}

impl Stream {
    pub fn new(created: &Created) -> Self {
        Self {
            settings: created.settings.clone(),
            partition: created.partition,
            settle: created.settle,
            created_at: created.at,
            now: created.at,
            phase: Phase { status: Status::Creating, until: created.at + created.settle },
            shards: Shards::create(created.shards, created.at),
            hidden_before: Timestamp::ZERO,
            consumers: Consumers::default(),
            mode_changes: Recent::default(),
            encryption_changes: Recent::default(),
            count_updates: Recent::default(),
            peaks: Peaks::default(),
            resharded_at: created.at,
        }
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    pub fn created_at(&self) -> Timestamp {
        self.created_at
    }

    pub fn status(&self, now: Timestamp) -> Status {
        if now < self.phase.until { self.phase.status } else { Status::Active }
    }

    /// A shard that was not forgotten, also if the retention hides it by now.
    pub fn shard(&self, id: ShardId) -> Option<&Shard> {
        self.shards.get(id)
    }

    /// All that were not forgotten, parents before children.
    pub fn shards(&self) -> impl Iterator<Item = &Shard> {
        self.shards.iter()
    }

    pub fn open_shards(&self) -> usize {
        self.shards.open_count()
    }

    /// What arrived before this is gone. It never moves back: a longer retention brings nothing back.
    pub fn horizon(&self, now: Timestamp) -> Timestamp {
        let retention = u64::try_from(self.settings.retention.as_millis()).unwrap_or(u64::MAX);
        self.hidden_before.max(Timestamp(now.as_millis().saturating_sub(retention)))
    }

    /// The number of the record that stands at `index` of the shard and arrived then. None: the shard is gone.
    pub fn sequence_number(&self, shard: ShardId, index: u64, arrival: Timestamp) -> Option<SequenceNumber> {
        Some(self.shards.get(shard)?.number(index, self.partition, arrival))
    }

    /// Whose byte the sequence numbers carry.
    pub fn partition(&self) -> PartitionId {
        self.partition
    }

    /// Drops what time closed. `now` never goes back.
    pub fn advance(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
        self.consumers.advance(self.now);
    }

    /// The earliest moment at which `advance` or `forget` would change something. May be in the past.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let after = Duration::from_millis(1);
        let shard = self.shards.first_closed().map(|(closed_at, _)| {
            if closed_at < self.hidden_before { closed_at } else { closed_at + self.settings.retention + after }
        });
        [shard, self.consumers.next_end()].into_iter().flatten().min()
    }

    /// The storage says what it holds no more: everything below `below`, `bytes` of it. None: it was known.
    pub fn trim(&self, shard: ShardId, below: u64, bytes: u64) -> Option<Event> {
        let found = self.shards.get(shard)?;
        (below > found.first_index).then_some(Event::Trimmed { shard, below, bytes })
    }

    /// Up to [`limits::EXPIRE_STEP`] closed shards that the retention hides whole, parents before their children.
    pub fn forget(&self, now: Timestamp) -> Option<Event> {
        let shards: Vec<_> = self.shards.closed_before(self.horizon(now)).take(limits::EXPIRE_STEP).collect();
        (!shards.is_empty()).then_some(Event::ShardsForgotten { shards })
    }

    pub(super) fn check_active(&self, now: Timestamp) -> Result<(), StreamError> {
        match self.status(now) {
            Status::Active => Ok(()),
            status @ (Status::Creating | Status::Updating | Status::Deleting) => Err(StreamError::NotActive { status }),
        }
    }

    /// Whether records can be read and put.
    pub(super) fn check_usable(&self, now: Timestamp) -> Result<(), StreamError> {
        match self.status(now) {
            Status::Active | Status::Updating => Ok(()),
            status @ (Status::Creating | Status::Deleting) => Err(StreamError::NotActive { status }),
        }
    }

    pub(super) fn check_provisioned(&self) -> Result<(), StreamError> {
        match self.settings.mode {
            Mode::Provisioned => Ok(()),
            Mode::OnDemand { .. } => Err(StreamError::OnDemand),
        }
    }
}
