//! A queue over a stream against a naive model that keeps every record by itself.

use super::acks::{MAX_RECEIVES, SETTINGS, queue};
use crate::{
    base::{id::LeaseId, time::Timestamp},
    domain::stream::{
        ShardId,
        acks::{
            Event, Handle, Settings, StreamQueue,
            machine::Lane,
            receive::{Receive, Stored},
        },
    },
};
use proptest::prelude::*;
use std::{collections::BTreeMap, time::Duration};

type Key = (ShardId, u64);

#[derive(Clone, Copy, Debug)]
struct Record {
    lease: u64,
    visible_at: u64,
    count: u32,
    dead: bool,
}

/// Records received and not acknowledged; and the first of each shard never received.
#[derive(Default)]
struct Model {
    records: BTreeMap<Key, Record>,
    next: BTreeMap<ShardId, u64>,
    served: u32,
    max_receives: u32,
}

impl Model {
    fn is_dead(&self, record: &Record) -> bool {
        record.dead || record.count >= self.max_receives
    }

    fn receive(&mut self, now: u64, request: &Receive) -> Vec<(Key, u32)> {
        let dead = request.lane == Lane::DeadLetters;
        let ready = |record: &Record| record.visible_at <= now && self.is_dead(record) == dead;
        let mut found: Vec<_> =
            self.records.iter().filter(|(_, record)| ready(record)).map(|(key, r)| (r.visible_at, *key)).collect();
        found.sort();
        let mut keys: Vec<_> = found.into_iter().map(|(_, key)| key).collect();
        if !dead {
            let after = |shard: &&ShardId| shard.0 > self.served;
            let shards: Vec<_> = request.stored.keys().collect();
            let turn = shards.iter().filter(|s| after(s)).chain(shards.iter().filter(|s| !after(s)));
            for shard in turn {
                let next = self.next.get(shard).copied().unwrap_or(1);
                keys.extend((next..=request.stored[shard].last).map(|index| (**shard, index)));
            }
        }
        keys.truncate(request.max as usize);
        keys.into_iter().map(|key| (key, self.lease(key, now, request))).collect()
    }

    fn lease(&mut self, key: Key, now: u64, request: &Receive) -> u32 {
        let count = self.records.get(&key).map_or(0, |record| record.count) + 1;
        if key.1 >= self.next.get(&key.0).copied().unwrap_or(1) {
            self.next.insert(key.0, key.1 + 1);
            self.served = key.0.0;
        }
        let timeout = request.visibility_timeout.unwrap_or_default().as_millis() as u64;
        let dead = request.lane == Lane::DeadLetters;
        self.records.insert(key, Record { lease: request.lease.0, visible_at: now + timeout, count, dead });
        count
    }

    /// Whether the handle's lease is the record's last one, as a record of that lane.
    fn holds(&self, lane: Lane, handle: &Handle) -> Option<bool> {
        let record = self.records.get(&(handle.shard, handle.index))?;
        Some(record.lease == handle.lease.0 && record.count > 0 && record.dead == (lane == Lane::DeadLetters))
    }
}

#[derive(Clone, Debug)]
enum Command {
    Store { shard: u32, count: u64 },
    Receive { dead: bool, max: u64, timeout: u64 },
    Acknowledge { handle: usize, dead: bool },
    ChangeVisibility { handle: usize, dead: bool, timeout: u64 },
    Restore { handle: usize },
    Trim { shard: u32, below: u64 },
    MaxReceives { count: u32 },
}

fn command() -> impl Strategy<Value = Command> {
    let dead = || proptest::bool::weighted(0.3);
    let handle = || 0..40_usize;
    prop_oneof![
        3 => (0..3_u32, 1..6_u64).prop_map(|(shard, count)| Command::Store { shard, count }),
        6 => (dead(), 1..8_u64, 0..6_u64).prop_map(|(dead, max, timeout)| Command::Receive { dead, max, timeout }),
        6 => (handle(), dead()).prop_map(|(handle, dead)| Command::Acknowledge { handle, dead }),
        2 => (handle(), dead(), 0..6_u64)
            .prop_map(|(handle, dead, timeout)| Command::ChangeVisibility { handle, dead, timeout }),
        2 => handle().prop_map(|handle| Command::Restore { handle }),
        1 => (0..3_u32, 1..20_u64).prop_map(|(shard, below)| Command::Trim { shard, below }),
        1 => (1..5_u32).prop_map(|count| Command::MaxReceives { count }),
    ]
}

struct World {
    queue: StreamQueue,
    model: Model,
    now: u64,
    stored: BTreeMap<ShardId, Stored>,
    handles: Vec<Handle>,
    next_lease: u64,
}

impl World {
    fn new() -> Self {
        let model = Model { served: ShardId::MAX.0, max_receives: MAX_RECEIVES, ..Model::default() };
        let queue = queue(Timestamp(0), &BTreeMap::new());
        Self { queue, model, now: 0, stored: BTreeMap::new(), handles: Vec::new(), next_lease: 1 }
    }

    fn run(&mut self, command: &Command) -> Result<(), TestCaseError> {
        match command {
            Command::Store { shard, count } => {
                let stored = self.stored.entry(ShardId(*shard)).or_insert(Stored { first: 1, last: 0 });
                stored.last += count;
            }
            Command::Receive { dead, max, timeout } => self.receive(lane(*dead), *max, *timeout)?,
            Command::Acknowledge { handle, dead } => self.acknowledge(*handle, lane(*dead))?,
            Command::ChangeVisibility { handle, dead, timeout } => {
                let Some(handle) = self.handle(*handle) else { return Ok(()) };
                let timeout = Duration::from_secs(*timeout);
                let decided = self.queue.change_visibility(Timestamp(self.now), lane(*dead), &handle, timeout);
                prop_assert_eq!(decided.is_ok(), self.model.holds(lane(*dead), &handle) == Some(true));
                if let Ok(event) = decided {
                    self.queue.apply(&event);
                    let record = self.model.records.get_mut(&(handle.shard, handle.index)).expect("held");
                    record.visible_at = self.now + timeout.as_millis() as u64;
                }
            }
            Command::Restore { handle } => {
                let Some(handle) = self.handle(*handle) else { return Ok(()) };
                let decided = self.queue.restore(Timestamp(self.now), &handle);
                prop_assert_eq!(decided.is_ok(), self.model.holds(Lane::DeadLetters, &handle) == Some(true));
                if let Ok(event) = decided {
                    self.queue.apply(&event);
                    let fresh = Record { lease: handle.lease.0, visible_at: self.now, count: 0, dead: false };
                    self.model.records.insert((handle.shard, handle.index), fresh);
                }
            }
            Command::Trim { shard, below } => self.trim(ShardId(*shard), *below),
            Command::MaxReceives { count } => {
                self.model.max_receives = *count;
                let settings = Settings { max_receive_count: Some(*count), ..SETTINGS };
                let set = self.queue.set(Timestamp(self.now), settings, Duration::ZERO);
                self.queue.apply(&set.expect("an active queue"));
            }
        }
        Ok(())
    }

    fn handle(&self, random: usize) -> Option<Handle> {
        self.handles.iter().rev().nth(random).copied()
    }

    fn receive(&mut self, lane: Lane, max: u64, timeout: u64) -> Result<(), TestCaseError> {
        let request = Receive {
            lane,
            max,
            visibility_timeout: Some(Duration::from_secs(timeout)),
            lease: LeaseId(self.next_lease),
            stored: self.stored.clone(),
        };
        self.next_lease += 1;
        let expected = self.model.receive(self.now, &request);
        let mut actual = Vec::new();
        for event in self.queue.receive(Timestamp(self.now), &request).expect("an active queue") {
            self.queue.apply(&event);
            let Event::Received(marked) = event else { panic!("{event:?}") };
            actual.extend((marked.from..=marked.to).map(|index| ((marked.shard, index), marked.fate.receive_count)));
        }
        prop_assert_eq!(&actual, &expected);
        let lease = request.lease;
        self.handles.extend(actual.iter().map(|((shard, index), _)| Handle { shard: *shard, index: *index, lease }));
        Ok(())
    }

    fn acknowledge(&mut self, random: usize, lane: Lane) -> Result<(), TestCaseError> {
        let Some(handle) = self.handle(random) else { return Ok(()) };
        let decided = self.queue.acknowledge(lane, &handle);
        match self.model.holds(lane, &handle) {
            None => prop_assert_eq!(decided, Ok(None)),
            Some(false) => prop_assert!(decided.is_err()),
            Some(true) => {
                self.queue.apply(&decided.expect("held").expect("there is something to do"));
                self.model.records.remove(&(handle.shard, handle.index));
            }
        }
        Ok(())
    }

    fn trim(&mut self, shard: ShardId, below: u64) {
        let Some(stored) = self.stored.get_mut(&shard) else { return };
        stored.first = stored.first.max(below.min(stored.last + 1));
        let first = stored.first;
        if let Some(event) = self.queue.trim(shard, first) {
            self.queue.apply(&event);
        }
        self.model.records.retain(|(of, index), _| *of != shard || *index >= first);
        let next = self.model.next.entry(shard).or_insert(1);
        *next = first.max(*next);
    }

    /// The runs are exactly the model's records, and no two that touch are alike.
    fn compare(&self) -> Result<(), TestCaseError> {
        let head = self.queue.head();
        let mut runs = 0;
        let mut records = BTreeMap::new();
        for shard in &head.shards {
            runs += shard.runs.len();
            for run in &shard.runs {
                records.extend((run.from..=run.to).map(|index| ((shard.shard, index), run.fate)));
            }
            let alike = |pair: &[_]| matches!(pair, [a, b] if touch(a, b));
            prop_assert!(!shard.runs.windows(2).any(alike), "{:?}", shard.runs);
            prop_assert_eq!(shard.next, self.model.next.get(&shard.shard).copied().unwrap_or(1));
        }
        let seen =
            records.iter().map(|(key, fate)| (*key, fate.lease.0, fate.visible_at.0, fate.receive_count, fate.dead));
        let expected = self.model.records.iter().map(|(key, r)| (*key, r.lease, r.visible_at, r.count, r.dead));
        prop_assert_eq!(seen.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
        let stats = self.queue.stats(Timestamp(self.now));
        prop_assert_eq!(stats.runs, runs);
        prop_assert_eq!(stats.in_flight + stats.returned + stats.dead, self.model.records.len() as u64);
        Ok(())
    }
}

fn touch(a: &crate::domain::stream::acks::Run, b: &crate::domain::stream::acks::Run) -> bool {
    a.to + 1 == b.from && a.fate == b.fate
}

fn lane(dead: bool) -> Lane {
    if dead { Lane::DeadLetters } else { Lane::Main }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_queue_over_a_stream_does_what_the_naive_model_does(
        steps in proptest::collection::vec((0..4000_u64, command()), 1..120),
    ) {
        let mut world = World::new();
        for (pause, command) in &steps {
            world.now += pause;
            world.run(command)?;
            world.compare()?;
        }
    }
}
