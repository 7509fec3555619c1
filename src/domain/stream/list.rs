//! Listing shards, and what a reader follows after the end of one.
//!
//! Source: "ListShards", ShardFilter.

use super::{
    machine::Stream,
    sequence::{SequenceNumber, ShardId},
    settings::Status,
    shards::Shard,
};
use crate::base::time::Timestamp;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// Those that were open at the horizon.
    AtTrimHorizon,
    /// All that may have records.
    FromTrimHorizon,
    /// The open ones.
    AtLatest,
    /// Those open at a moment.
    AtTime(Timestamp),
    /// Those open at a moment or later.
    FromTime(Timestamp),
    /// Those made after one.
    AfterShard(ShardId),
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed<'a> {
    pub shards: Vec<&'a Shard>,
    /// There are more after the last one.
    pub more: bool,
}

/// The first and the last number a shard can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    pub starting: SequenceNumber,
    /// None: the shard is open.
    pub ending: Option<SequenceNumber>,
}

impl Stream {
    /// Shards in the order of their ids, parents before children; from after `after` on, at most `limit`. A stream that
    /// is being created shows none.
    pub fn list_shards(&self, now: Timestamp, filter: &Filter, after: Option<ShardId>, limit: usize) -> Listed<'_> {
        if self.status(now) == Status::Creating {
            return Listed { shards: Vec::new(), more: false };
        }
        let mut found = self.shards.after(after).filter(|shard| self.matches(now, filter, shard));
        let shards = found.by_ref().take(limit).collect();
        Listed { shards, more: found.next().is_some() }
    }

    fn matches(&self, now: Timestamp, filter: &Filter, shard: &Shard) -> bool {
        let horizon = self.horizon(now);
        let open_from = |moment| shard.closed_at.is_none_or(|closed_at| closed_at >= moment);
        let fits = match filter {
            Filter::FromTrimHorizon => true,
            Filter::AtLatest => shard.is_open(),
            Filter::AtTrimHorizon => shard.opened_at <= horizon.max(self.created_at),
            Filter::AtTime(moment) => shard.opened_at <= (*moment).max(horizon) && open_from(*moment),
            Filter::FromTime(moment) => open_from(*moment),
            Filter::AfterShard(id) => shard.id > *id,
        };
        fits && open_from(horizon)
    }

    /// A shard that a reader may still ask for.
    pub fn readable_shard(&self, now: Timestamp, id: ShardId) -> Option<&Shard> {
        let horizon = self.horizon(now);
        self.shards.get(id).filter(|shard| shard.closed_at.is_none_or(|closed_at| closed_at >= horizon))
    }

    /// The shards that hold the records after a shard's last one: two of a split, one of a merge.
    pub fn children(&self, id: ShardId) -> Vec<&Shard> {
        let children = self.shards.get(id).into_iter().flat_map(|shard| &shard.children);
        children.filter_map(|child| self.shards.get(*child)).collect()
    }

    pub fn numbers(&self, shard: &Shard) -> Numbers {
        Numbers { starting: shard.starting_number(self.partition), ending: shard.ending_number(self.partition) }
    }
}
