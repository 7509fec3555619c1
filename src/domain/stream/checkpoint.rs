//! A stream taken apart for a checkpoint, and put together again.
//!
//! The log may be replayed from before the checkpoint: the end is the same, because events are absolute.

use super::{
    consumers::{Consumer, Consumers},
    demand::{Load, Peaks},
    machine::{Phase, Stream},
    recent::Recent,
    sequence::ShardId,
    settings::Settings,
    shards::{Shard, Shards},
};
use crate::base::{id::PartitionId, time::Timestamp};
use std::time::Duration;

/// Everything of a stream. Its size follows the shards, not the records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    pub settings: Settings,
    pub partition: PartitionId,
    pub settle: Duration,
    pub created_at: Timestamp,
    /// The latest moment the stream heard of.
    pub now: Timestamp,
    pub phase: Phase,
    /// By id.
    pub shards: Vec<Shard>,
    pub next_shard: ShardId,
    pub hidden_before: Timestamp,
    pub consumers: Vec<Consumer>,
    /// Of the last 24 hours, as the next two.
    pub mode_changes: Vec<Timestamp>,
    pub encryption_changes: Vec<Timestamp>,
    pub count_updates: Vec<Timestamp>,
    /// Days since the epoch, and the highest load of each.
    pub peaks: Vec<(u64, Load)>,
    pub resharded_at: Timestamp,
}

impl Stream {
    pub fn head(&self) -> Head {
        Head {
            settings: self.settings.clone(),
            partition: self.partition,
            settle: self.settle,
            created_at: self.created_at,
            now: self.now,
            phase: self.phase,
            shards: self.shards.iter().cloned().collect(),
            next_shard: self.shards.next_id(),
            hidden_before: self.hidden_before,
            consumers: self.consumers(self.now).cloned().collect(),
            mode_changes: self.mode_changes.moments(),
            encryption_changes: self.encryption_changes.moments(),
            count_updates: self.count_updates.moments(),
            peaks: self.peaks.days(),
            resharded_at: self.resharded_at,
        }
    }

    pub fn from_head(head: Head) -> Self {
        Self {
            settings: head.settings,
            partition: head.partition,
            settle: head.settle,
            created_at: head.created_at,
            now: head.now,
            phase: head.phase,
            shards: Shards::restore(head.shards, head.next_shard),
            hidden_before: head.hidden_before,
            consumers: Consumers::restore(head.consumers),
            mode_changes: Recent::restore(head.mode_changes),
            encryption_changes: Recent::restore(head.encryption_changes),
            count_updates: Recent::restore(head.count_updates),
            peaks: Peaks::restore(head.peaks),
            resharded_at: head.resharded_at,
        }
    }
}
