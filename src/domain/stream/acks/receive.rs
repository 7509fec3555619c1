//! Leasing records to a consumer.

use super::{
    event::{Event, Marked},
    machine::{Lane, StreamQueue},
    runs::{Fate, Run},
    settle::AckError,
};
use crate::{
    base::{id::LeaseId, limits::VISIBILITY_TIMEOUT_MAX, time::Timestamp},
    domain::stream::sequence::ShardId,
};
use std::{collections::BTreeMap, time::Duration};

#[derive(Clone, Debug)]
pub struct Receive {
    pub lane: Lane,
    pub max: u64,
    /// None: as the queue says. Zero: the records stay visible, but the receive counts.
    pub visibility_timeout: Option<Duration>,
    /// Free, and above every lease given out. All records of a receive are under it.
    pub lease: LeaseId,
    /// The records that each shard of the stream has.
    pub stored: BTreeMap<ShardId, Stored>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The first one that the retention has left.
    pub first: u64,
    /// Below `first`: there is none.
    pub last: u64,
}

impl StreamQueue {
    /// Leases up to `max` records: those that came back first, then those never received, the shards in turn.
    pub fn receive(&self, now: Timestamp, request: &Receive) -> Result<Vec<Event>, AckError> {
        if !self.is_active(now) {
            return Err(AckError::NotActive);
        }
        let timeout = request.visibility_timeout.unwrap_or(self.settings().visibility_timeout);
        if timeout > VISIBILITY_TIMEOUT_MAX {
            return Err(AckError::TimeoutTooLong(timeout));
        }
        let mut batch = Batch { request, now, visible_at: now + timeout, left: request.max, events: Vec::new() };
        self.receive_again(&mut batch);
        if request.lane == Lane::Main && self.has_room() {
            self.receive_first(&mut batch);
        }
        Ok(batch.events)
    }

    fn receive_again(&self, batch: &mut Batch<'_>) {
        for (visible_at, shard, from) in self.order(batch.request.lane) {
            if *visible_at > batch.now || batch.left == 0 {
                return;
            }
            let run = self.shards.get(shard).and_then(|runs| runs.run(*from));
            if let (Some(run), Some(stored)) = (run, batch.request.stored.get(shard)) {
                let first = run.from.max(stored.first);
                batch.take(*shard, Run { from: first, ..*run }, false);
            }
        }
    }

    fn receive_first(&self, batch: &mut Batch<'_>) {
        let stored = &batch.request.stored;
        let turn = stored.range(self.after_served()..).chain(stored.range(..self.after_served()));
        for (shard, stored) in turn {
            let from = self.next_index(*shard).max(stored.first);
            batch.take(*shard, Run { from, to: stored.last, fate: Fate::default() }, true);
        }
    }

    /// Takes a receive back that reached nobody: the records can be received at once, as if it had not been. Those that
    /// are under another lease by now stay as they are.
    pub fn hand_back(&self, now: Timestamp, received: &Marked) -> Vec<Event> {
        let Marked { shard, from, to, fate: Fate { lease, .. }, at, .. } = *received;
        let runs = self.shards.get(&shard).into_iter().flat_map(|runs| runs.within(from, to));
        let held = runs.filter(|run| run.fate.lease == lease && run.fate.receive_count > 0);
        let back = held.map(|run| {
            let fate = Fate {
                visible_at: now,
                receive_count: run.fate.receive_count - 1,
                first_receive: run.fate.first_receive.filter(|first| *first < at),
                ..run.fate
            };
            Event::VisibilityChanged(Marked { shard, from: run.from, to: run.to, fate, first: false, at: now })
        });
        back.collect()
    }

    fn after_served(&self) -> ShardId {
        ShardId(self.served.0.saturating_add(1))
    }
}

/// A receive as it fills.
struct Batch<'a> {
    request: &'a Receive,
    now: Timestamp,
    visible_at: Timestamp,
    left: u64,
    events: Vec<Event>,
}

impl Batch<'_> {
    /// Leases the first records of a run, as many as there is room for.
    fn take(&mut self, shard: ShardId, run: Run, first: bool) {
        if self.left == 0 || run.from > run.to {
            return;
        }
        let to = run.to.min(run.from + (self.left - 1));
        self.left -= to - run.from + 1;
        let fate = Fate {
            lease: self.request.lease,
            visible_at: self.visible_at,
            receive_count: run.fate.receive_count.saturating_add(1),
            first_receive: run.fate.first_receive.or(Some(self.now)),
            dead: self.request.lane == Lane::DeadLetters,
        };
        self.events.push(Event::Received(Marked { shard, from: run.from, to, fate, first, at: self.now }));
    }
}
