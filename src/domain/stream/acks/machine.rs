//! The queue over a stream: what it holds, how events change it, and how a checkpoint keeps it.
//!
//! That a lease ended, or that a record became a dead letter with it, follows from moments and `now`.
//! Absent on purpose: records, how many there are, and what the retention hides; whoever asks says so.

use super::{
    about::{About, Created, Settings, Status},
    event::{Event, Marked},
    runs::{Changes, Run, Runs},
};
use crate::{
    base::{id::LeaseId, limits, time::Timestamp},
    domain::stream::sequence::ShardId,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Which records are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    Main,
    DeadLetters,
}

impl Lane {
    pub const ALL: [Self; 2] = [Self::Main, Self::DeadLetters];
}

/// Runs by when they can be received.
type Order = BTreeSet<(Timestamp, ShardId, u64)>;

#[derive(Clone, Debug)]
pub struct StreamQueue {
    pub(super) settings: Settings,
    pub(super) about: About,
    pub(super) shards: BTreeMap<ShardId, Runs>,
    pub(super) main: Order,
    pub(super) dead: Order,
    /// Where records were last received for the first time: the next shard is asked first.
    pub(super) served: ShardId,
}

/// Everything of the queue. Its size follows the shards and the runs, not the records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    pub settings: Settings,
    pub about: About,
    pub shards: Vec<ShardHead>,
    pub served: ShardId,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardHead {
    pub shard: ShardId,
    /// The first record never received.
    pub next: u64,
    /// Everything below is gone.
    pub floor: u64,
    pub runs: Vec<Run>,
}

/// How many records are where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    pub in_flight: u64,
    /// Received before, and visible again.
    pub returned: u64,
    /// Dead letters, those leased as such included.
    pub dead: u64,
    /// What all of this costs.
    pub runs: usize,
}

impl StreamQueue {
    pub fn new(created: &Created) -> Self {
        let starts = created.starts.iter().map(|(shard, start)| (*shard, Runs::starting_at(*start)));
        Self {
            settings: created.settings,
            about: created.about.clone(),
            shards: starts.collect(),
            main: Order::new(),
            dead: Order::new(),
            served: ShardId::MAX,
        }
    }

    pub fn settings(&self) -> Settings {
        self.settings
    }

    pub fn about(&self) -> &About {
        &self.about
    }

    /// Whether records can be received.
    pub fn is_active(&self, now: Timestamp) -> bool {
        matches!(self.about.status(now), Status::Active | Status::Updating)
    }

    /// Takes note of what the stream holds no more. None: it was known.
    pub fn trim(&self, shard: ShardId, below: u64) -> Option<Event> {
        let floor = self.shards.get(&shard).map_or(1, Runs::floor);
        (below > floor).then_some(Event::Trimmed { shard, below })
    }

    /// Takes note that the stream forgot a shard. None: nothing was known of it.
    pub fn forget(&self, shard: ShardId) -> Option<Event> {
        self.shards.contains_key(&shard).then_some(Event::ShardForgotten { shard })
    }

    /// The intervals of a shard that are acknowledged.
    pub fn acknowledged(&self, shard: ShardId) -> Vec<(u64, u64)> {
        self.shards.get(&shard).map(Runs::acknowledged).unwrap_or_default()
    }

    /// The first record of a shard never received.
    pub fn next_index(&self, shard: ShardId) -> u64 {
        self.shards.get(&shard).map_or(1, Runs::next)
    }

    /// When a record of the lane that was received before can be received again; may be in the past.
    pub fn next_visible(&self, lane: Lane) -> Option<Timestamp> {
        self.order(lane).first().map(|(visible_at, ..)| *visible_at)
    }

    /// When the next record that cannot be received now comes back to the lane.
    pub fn returns_after(&self, lane: Lane, now: Timestamp) -> Option<Timestamp> {
        let later = (now + Duration::from_millis(1), ShardId(0), 0);
        self.order(lane).range(later..).next().map(|(visible_at, ..)| *visible_at)
    }

    pub fn stats(&self, now: Timestamp) -> Stats {
        let mut stats = Stats { runs: self.run_count(), ..Stats::default() };
        for run in self.shards.values().flat_map(Runs::iter) {
            let visible = run.fate.visible_at <= now;
            match self.lane_of(run) {
                Lane::DeadLetters if visible || run.fate.dead => stats.dead += run.records(),
                Lane::DeadLetters | Lane::Main if !visible => stats.in_flight += run.records(),
                Lane::DeadLetters | Lane::Main => stats.returned += run.records(),
            }
        }
        stats
    }

    pub(super) fn run_count(&self) -> usize {
        self.main.len() + self.dead.len()
    }

    pub(super) fn has_room(&self) -> bool {
        self.run_count() < limits::STREAM_QUEUE_RUNS_MAX
    }

    pub(super) fn order(&self, lane: Lane) -> &Order {
        match lane {
            Lane::Main => &self.main,
            Lane::DeadLetters => &self.dead,
        }
    }

    /// Where the run's records are received next.
    pub(super) fn lane_of(&self, run: &Run) -> Lane {
        let often = self.settings.max_receive_count.is_some_and(|max| run.fate.receive_count >= max);
        if run.fate.dead || often { Lane::DeadLetters } else { Lane::Main }
    }

    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::Received(marked) => {
                if marked.first {
                    self.served = marked.shard;
                }
                self.mark(marked);
            }
            Event::VisibilityChanged(marked) | Event::Restored(marked) => self.mark(marked),
            Event::Acknowledged { shard, from, to } => self.change(*shard, |runs| runs.set(*from, *to, None)),
            Event::Trimmed { shard, below } => self.change(*shard, |runs| runs.trim(*below)),
            Event::ShardForgotten { shard } => {
                if let Some(runs) = self.shards.remove(shard) {
                    self.reorder(*shard, &Changes { removed: runs.iter().copied().collect(), added: Vec::new() });
                }
            }
            Event::SettingsChanged { settings, settled_at } => {
                self.settings = *settings;
                self.about.settled_at = *settled_at;
                self.rebuild_orders();
            }
            Event::Tagged(tags) => self.about.tags = tags.clone(),
            Event::Deleting { gone_at } => self.about.gone_at = Some(*gone_at),
        }
    }

    fn mark(&mut self, marked: &Marked) {
        self.change(marked.shard, |runs| runs.set(marked.from, marked.to, Some(marked.fate)));
    }

    fn change(&mut self, shard: ShardId, change: impl FnOnce(&mut Runs) -> Changes) {
        let changes = change(self.shards.entry(shard).or_insert_with(|| Runs::starting_at(1)));
        self.reorder(shard, &changes);
    }

    fn reorder(&mut self, shard: ShardId, changes: &Changes) {
        for run in &changes.removed {
            let place = (run.fate.visible_at, shard, run.from);
            match self.lane_of(run) {
                Lane::Main => self.main.remove(&place),
                Lane::DeadLetters => self.dead.remove(&place),
            };
        }
        for run in &changes.added {
            self.enter(shard, run);
        }
    }

    fn enter(&mut self, shard: ShardId, run: &Run) {
        let place = (run.fate.visible_at, shard, run.from);
        match self.lane_of(run) {
            Lane::Main => self.main.insert(place),
            Lane::DeadLetters => self.dead.insert(place),
        };
    }

    fn rebuild_orders(&mut self) {
        self.main.clear();
        self.dead.clear();
        let runs: Vec<_> = self.shards.iter().flat_map(|(shard, runs)| runs.iter().map(|run| (*shard, *run))).collect();
        for (shard, run) in runs {
            self.enter(shard, &run);
        }
    }

    pub fn head(&self) -> Head {
        let shards = self.shards.iter().map(|(shard, runs)| ShardHead {
            shard: *shard,
            next: runs.next(),
            floor: runs.floor(),
            runs: runs.iter().copied().collect(),
        });
        Head { settings: self.settings, about: self.about.clone(), shards: shards.collect(), served: self.served }
    }

    pub fn from_head(head: Head) -> Self {
        let Head { settings, about, served, .. } = head;
        let mut queue = Self::new(&Created { about, settings, starts: BTreeMap::new() });
        queue.served = served;
        let shards = head.shards.into_iter();
        queue.shards = shards.map(|head| (head.shard, Runs::restore(head.next, head.floor, &head.runs))).collect();
        queue.rebuild_orders();
        queue
    }

    /// The lease that a run's records are under, for who holds a receipt.
    pub fn fate(&self, shard: ShardId, index: u64) -> Option<super::runs::Fate> {
        self.shards.get(&shard)?.at(index).map(|run| run.fate)
    }

    /// The highest lease it knows of; the next one has to be above.
    pub fn newest_lease(&self) -> LeaseId {
        let runs = self.shards.values().flat_map(Runs::iter);
        runs.map(|run| run.fate.lease).max().unwrap_or_default()
    }
}
