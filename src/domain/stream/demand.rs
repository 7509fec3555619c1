//! How many shards an on-demand stream makes of its load.
//!
//! It is ready for twice the highest load of the last thirty days. It splits where the load is, at once; it merges where
//! the load is not, seldom. Source: "Choose the data stream capacity mode", on-demand mode.

use super::{
    event::Event,
    machine::Stream,
    reshard::Steps,
    sequence::ShardId,
    settings::{Mode, Status},
    shards::Shard,
};
use crate::base::{
    limits::{self, SHARD_WRITE_BYTES, SHARD_WRITE_RECORDS},
    time::Timestamp,
};
use std::{cmp::Reverse, collections::BTreeMap};

/// What comes in, measured over a while.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    pub bytes_per_second: u64,
    pub records_per_second: u64,
}

/// A shard that takes in all it may.
const FULL: u64 = 1_000_000;

impl Load {
    /// How much of one shard it would take, in millionths.
    fn share(self) -> u64 {
        let bytes = self.bytes_per_second.saturating_mul(FULL) / SHARD_WRITE_BYTES;
        bytes.max(self.records_per_second.saturating_mul(FULL) / SHARD_WRITE_RECORDS)
    }

    /// The shards that are ready for it and as much again.
    fn shards(self) -> u64 {
        self.share().saturating_mul(limits::ON_DEMAND_HEADROOM).div_ceil(FULL)
    }

    fn max(self, other: Self) -> Self {
        Self {
            bytes_per_second: self.bytes_per_second.max(other.bytes_per_second),
            records_per_second: self.records_per_second.max(other.records_per_second),
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            bytes_per_second: self.bytes_per_second.saturating_add(other.bytes_per_second),
            records_per_second: self.records_per_second.saturating_add(other.records_per_second),
        }
    }

    fn half(self) -> Self {
        Self {
            bytes_per_second: self.bytes_per_second.div_ceil(2),
            records_per_second: self.records_per_second.div_ceil(2),
        }
    }
}

/// The highest load of each of the last days.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Peaks(BTreeMap<u64, Load>);

const DAY_MILLIS: u64 = 86_400_000;

impl Peaks {
    pub(super) fn restore(days: Vec<(u64, Load)>) -> Self {
        Self(days.into_iter().collect())
    }

    /// Days since the epoch, and their loads.
    pub(super) fn days(&self) -> Vec<(u64, Load)> {
        self.0.iter().map(|(day, load)| (*day, *load)).collect()
    }

    pub(super) fn note(&mut self, at: Timestamp, load: Load) {
        let today = at.as_millis() / DAY_MILLIS;
        let peak = self.0.entry(today).or_default();
        *peak = peak.max(load);
        self.0.retain(|day, _| day + limits::ON_DEMAND_PEAK_DAYS > today);
    }

    fn today(&self, now: Timestamp) -> Load {
        self.0.get(&(now.as_millis() / DAY_MILLIS)).copied().unwrap_or_default()
    }

    fn highest(&self, now: Timestamp) -> Load {
        let today = now.as_millis() / DAY_MILLIS;
        let first = today.saturating_sub(limits::ON_DEMAND_PEAK_DAYS - 1);
        self.0.range(first..).fold(Load::default(), |peak, (_, load)| peak.max(*load))
    }
}

impl Stream {
    /// Takes note of the load of all shards together, if the day had no higher one.
    pub fn measure(&self, now: Timestamp, load: Load) -> Option<Event> {
        let before = self.peaks.today(now);
        let peak = before.max(load);
        (peak != before).then_some(Event::LoadMeasured { load: peak, at: now })
    }

    /// How many open shards an on-demand stream should have. None: it is provisioned.
    pub fn wanted_shards(&self, now: Timestamp) -> Option<u32> {
        let Mode::OnDemand { warm_throughput } = self.settings.mode else { return None };
        let least = warm_throughput.clamp(limits::ON_DEMAND_SHARDS, limits::STREAM_SHARDS_MAX);
        let most = least.max(limits::ON_DEMAND_SHARDS_MAX);
        let peak = u32::try_from(self.peaks.highest(now).shards()).unwrap_or(u32::MAX);
        Some(peak.clamp(least, most))
    }

    /// The steps towards what the load wants; `loads` says that of each open shard now. Empty: nothing to do.
    pub fn scale(&self, now: Timestamp, loads: &BTreeMap<ShardId, Load>) -> Vec<Event> {
        let Some(wanted) = self.wanted_shards(now).and_then(|wanted| usize::try_from(wanted).ok()) else {
            return Vec::new();
        };
        if self.status(now) != Status::Active {
            return Vec::new();
        }
        let mut scaling = Scaling { steps: Steps::new(self, now), loads: loads.clone() };
        scaling.split_to(wanted);
        if scaling.steps.events.is_empty() && self.resharded_at + limits::ON_DEMAND_MERGE_AFTER <= now {
            scaling.merge_to(wanted);
        }
        scaling.steps.events
    }
}

struct Scaling {
    steps: Steps,
    loads: BTreeMap<ShardId, Load>,
}

impl Scaling {
    fn load(&self, shard: &Shard) -> Load {
        self.loads.get(&shard.id).copied().unwrap_or_default()
    }

    /// Splits the shard with the highest load until there are enough; and a shard too hot by itself, until there are
    /// twice as many, because one hot key stays hot however often its shard is split.
    fn split_to(&mut self, wanted: usize) {
        loop {
            let open = self.steps.shards.open_count();
            let splittable = |shard: &&Shard| shard.range.split_at(shard.range.middle()).is_some();
            let order = |shard: &&Shard| (self.load(shard).share(), shard.range.width(), Reverse(shard.id));
            let Some(hottest) = self.steps.shards.open_shards().filter(splittable).max_by_key(order) else { return };
            let load = self.load(hottest);
            let too_hot = load.shards() > 1 && open < wanted * 2;
            if open >= wanted && !too_hot {
                return;
            }
            let (id, middle) = (hottest.id, hottest.range.middle());
            let Some(children) = self.steps.split(id, middle) else { return };
            self.loads.extend(children.map(|child| (child, load.half())));
        }
    }

    /// Merges the neighbours with the lowest load while one shard is ready for both.
    fn merge_to(&mut self, wanted: usize) {
        while self.steps.shards.open_count() > wanted {
            let open: Vec<_> = self.steps.shards.open_shards().map(|shard| (shard.id, self.load(shard))).collect();
            let pairs = open.iter().zip(open.iter().skip(1));
            let pairs = pairs.map(|((first, a), (second, b))| (*first, *second, a.plus(*b)));
            let Some((first, second, load)) = pairs.min_by_key(|(_, _, load)| load.share()) else { return };
            if load.shards() > 1 {
                return;
            }
            let Some(child) = self.steps.merge(first, second) else { return };
            self.loads.insert(child, load);
        }
    }
}
