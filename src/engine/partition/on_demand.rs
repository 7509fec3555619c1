//! What comes into on-demand streams, measured by shard. Memory only.

use crate::{
    base::{id::StreamId, limits::ON_DEMAND_WINDOW, time::Timestamp},
    domain::stream::{ShardId, demand::Load},
};
use std::collections::BTreeMap;

#[derive(Default)]
pub(crate) struct Loads(BTreeMap<StreamId, Window>);

struct Window {
    since: Timestamp,
    /// Bytes and records.
    shards: BTreeMap<ShardId, (u64, u64)>,
}

impl Loads {
    pub(super) fn note(&mut self, now: Timestamp, stream: StreamId, shard: ShardId, bytes: u64) {
        let window = self.0.entry(stream).or_insert_with(|| Window { since: now, shards: BTreeMap::new() });
        let (all_bytes, records) = window.shards.entry(shard).or_default();
        *all_bytes += bytes;
        *records += 1;
    }

    /// The load of the stream and of each shard, once it was measured for long enough; then it is measured anew.
    pub(super) fn take(&mut self, now: Timestamp, stream: StreamId) -> Option<(Load, BTreeMap<ShardId, Load>)> {
        let window = self.0.get(&stream).filter(|window| window.since + ON_DEMAND_WINDOW <= now)?;
        let millis = now.since(window.since).as_millis() as u64;
        let rate = |count: u64| count.saturating_mul(1000) / millis.max(1);
        let load =
            |(bytes, records): (u64, u64)| Load { bytes_per_second: rate(bytes), records_per_second: rate(records) };
        let total = window.shards.values().fold((0, 0), |sum, shard| (sum.0 + shard.0, sum.1 + shard.1));
        let loads = window.shards.iter().map(|(shard, counted)| (*shard, load(*counted))).collect();
        self.0.remove(&stream);
        Some((load(total), loads))
    }

    pub(super) fn forget(&mut self, stream: StreamId) {
        self.0.remove(&stream);
    }
}
