//! The limits of a shard: how much it takes in and gives out in a second.
//!
//! They are memory only: a start begins with full buckets. A bucket holds one second's worth. What is larger than that is
//! let through and waited for afterwards. Source: "Quotas and limits", shard limits.

use super::sequence::ShardId;
use crate::base::{limits, time::Timestamp};
use std::{collections::BTreeMap, num::NonZeroU64, time::Duration};

/// A second's worth of each. None: no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardLimits {
    pub write_bytes: Option<NonZeroU64>,
    pub write_records: Option<NonZeroU64>,
    pub read_bytes: Option<NonZeroU64>,
    pub reads: Option<NonZeroU64>,
}

impl ShardLimits {
    pub const NONE: Self = Self { write_bytes: None, write_records: None, read_bytes: None, reads: None };
    /// Those of AWS.
    pub const PROVISIONED: Self = Self {
        write_bytes: NonZeroU64::new(limits::SHARD_WRITE_BYTES),
        write_records: NonZeroU64::new(limits::SHARD_WRITE_RECORDS),
        read_bytes: NonZeroU64::new(limits::SHARD_READ_BYTES),
        reads: NonZeroU64::new(limits::SHARD_READS),
    };
}

/// What a shard had too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    WriteBytes,
    WriteRecords,
    ReadBytes,
    Reads,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{shard} may have {per_second} of {limit:?} in a second; there is room in {} ms", wait.as_millis())]
pub struct Throttled {
    pub shard: ShardId,
    pub limit: Limit,
    pub per_second: u64,
    /// When to come again, at the earliest.
    pub wait: Duration,
}

/// A credit that grows with time up to a second's worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    per_second: NonZeroU64,
    /// In thousandths; below zero when something large is still waited for.
    level: i128,
    at: Timestamp,
}

const UNIT: i128 = 1000;

impl Bucket {
    pub fn full(per_second: NonZeroU64, now: Timestamp) -> Self {
        Self { per_second, level: i128::from(per_second.get()) * UNIT, at: now }
    }

    /// What is in it at `now`; a clock that goes back fills nothing.
    fn level(&self, now: Timestamp) -> i128 {
        let rate = i128::from(self.per_second.get());
        let grown = rate * i128::from(now.as_millis().saturating_sub(self.at.as_millis()));
        (self.level + grown).min(rate * UNIT)
    }

    fn set(&mut self, now: Timestamp, level: i128) {
        self.level = level;
        self.at = self.at.max(now);
    }

    /// How long until there is room for `cost`, or the bucket is full.
    fn wait_for(&self, now: Timestamp, cost: u64) -> Duration {
        let rate = i128::from(self.per_second.get());
        let needed = i128::from(cost).min(rate) * UNIT;
        let missing = (needed - self.level(now)).max(0);
        Duration::from_millis(u64::try_from((missing + rate - 1) / rate).unwrap_or(u64::MAX))
    }

    /// Takes what was asked for and waited for.
    fn take(&mut self, now: Timestamp, cost: u64) {
        self.set(now, self.level(now) - i128::from(cost) * UNIT);
    }

    /// Takes what nobody knew the size of. Only what fits uses the credit; the rest is waited for whole.
    fn charge(&mut self, now: Timestamp, cost: u64) {
        let (level, cost) = (self.level(now), i128::from(cost) * UNIT);
        let credit = if cost > level { level.min(0) } else { level };
        self.set(now, credit - cost);
    }

    fn is_full(&self, now: Timestamp) -> bool {
        self.level(now) == i128::from(self.per_second.get()) * UNIT
    }
}

/// The buckets of one shard. None: no limit.
#[derive(Clone, Copy, Debug)]
struct Buckets {
    write_bytes: Option<Bucket>,
    write_records: Option<Bucket>,
    read_bytes: Option<Bucket>,
    reads: Option<Bucket>,
}

impl Buckets {
    fn full(limits: &ShardLimits, now: Timestamp) -> Self {
        let full = |per_second: Option<NonZeroU64>| per_second.map(|per_second| Bucket::full(per_second, now));
        Self {
            write_bytes: full(limits.write_bytes),
            write_records: full(limits.write_records),
            read_bytes: full(limits.read_bytes),
            reads: full(limits.reads),
        }
    }

    fn are_full(&self, now: Timestamp) -> bool {
        let all = [self.write_bytes, self.write_records, self.read_bytes, self.reads];
        all.iter().flatten().all(|bucket| bucket.is_full(now))
    }
}

/// The limits of all shards of a stream, for those that were used within the last second or so.
#[derive(Clone, Debug)]
pub struct Throttle {
    limits: ShardLimits,
    shards: BTreeMap<ShardId, Buckets>,
}

impl Throttle {
    pub fn new(limits: ShardLimits) -> Self {
        Self { limits, shards: BTreeMap::new() }
    }

    /// Other limits from now on; those that stay what they were keep their levels.
    pub fn limit(&mut self, limits: ShardLimits) {
        if limits != self.limits {
            *self = Self::new(limits);
        }
    }

    /// One record of so many bytes, key included. Nothing is taken when it is refused.
    pub fn write(&mut self, now: Timestamp, shard: ShardId, bytes: u64) -> Result<(), Throttled> {
        let buckets = self.buckets(now, shard);
        check(buckets.write_bytes, now, bytes).map_err(|found| found.at(shard, Limit::WriteBytes))?;
        check(buckets.write_records, now, 1).map_err(|found| found.at(shard, Limit::WriteRecords))?;
        take(&mut buckets.write_bytes, now, bytes);
        take(&mut buckets.write_records, now, 1);
        Ok(())
    }

    /// One read. Its bytes are told by [`Throttle::has_read`].
    pub fn read(&mut self, now: Timestamp, shard: ShardId) -> Result<(), Throttled> {
        let buckets = self.buckets(now, shard);
        check(buckets.read_bytes, now, 0).map_err(|found| found.at(shard, Limit::ReadBytes))?;
        check(buckets.reads, now, 1).map_err(|found| found.at(shard, Limit::Reads))?;
        take(&mut buckets.reads, now, 1);
        Ok(())
    }

    /// What a read gave. Ten MiB at once keep the next read waiting for five seconds, as on AWS.
    pub fn has_read(&mut self, now: Timestamp, shard: ShardId, bytes: u64) {
        if let Some(bucket) = &mut self.buckets(now, shard).read_bytes {
            bucket.charge(now, bytes);
        }
    }

    /// Forgets the shards whose buckets are full again.
    pub fn advance(&mut self, now: Timestamp) {
        self.shards.retain(|_, buckets| !buckets.are_full(now));
    }

    /// How many shards are remembered.
    pub fn remembered(&self) -> usize {
        self.shards.len()
    }

    fn buckets(&mut self, now: Timestamp, shard: ShardId) -> &mut Buckets {
        self.shards.entry(shard).or_insert_with(|| Buckets::full(&self.limits, now))
    }
}

/// How long to wait, and for which limit.
struct Short {
    per_second: u64,
    wait: Duration,
}

impl Short {
    fn at(self, shard: ShardId, limit: Limit) -> Throttled {
        Throttled { shard, limit, per_second: self.per_second, wait: self.wait }
    }
}

fn check(bucket: Option<Bucket>, now: Timestamp, cost: u64) -> Result<(), Short> {
    let Some(bucket) = bucket else { return Ok(()) };
    match bucket.wait_for(now, cost) {
        Duration::ZERO => Ok(()),
        wait => Err(Short { per_second: bucket.per_second.get(), wait }),
    }
}

fn take(bucket: &mut Option<Bucket>, now: Timestamp, cost: u64) {
    if let Some(bucket) = bucket {
        bucket.take(now, cost);
    }
}
