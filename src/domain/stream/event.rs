//! What happened to a stream. Each event is one entry of the log.
//!
//! Events carry absolute values, so that replaying a stretch of the log over a state that already contains some of it
//! ends in the same state. An event may name a shard or a consumer that is gone; `apply` passes over it.

use super::{
    consumers::Consumer,
    demand::Load,
    hash::HashRange,
    sequence::ShardId,
    settings::{Settings, Tags},
};
use crate::base::{id::PartitionId, time::Timestamp};
use std::{sync::Arc, time::Duration};

/// How a stream began. Not an event of the stream: it makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    pub settings: Settings,
    pub shards: u32,
    /// Whose log holds the stream: the sequence numbers carry it.
    pub partition: PartitionId,
    /// For how long a change shows as being made.
    pub settle: Duration,
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A record was stored. Its key and data stand in the same entry.
    Appended(Appended),
    /// Shards were split or merged: one step.
    Resharded(Resharded),
    /// The number of shards was set; the steps stand before.
    ShardCountUpdated {
        at: Timestamp,
    },
    /// Records are gone from the storage of a shard.
    Trimmed {
        shard: ShardId,
        /// The first index that may be left.
        below: u64,
        /// Bytes of all records below.
        bytes: u64,
    },
    /// Closed shards whose records all outlived the retention.
    ShardsForgotten {
        shards: Vec<ShardId>,
    },
    SettingsChanged(Box<SettingsChanged>),
    ConsumerRegistered(Consumer),
    ConsumerTagged {
        name: Arc<str>,
        tags: Tags,
    },
    ConsumerDeregistered {
        name: Arc<str>,
        /// Until then its name is taken.
        gone_at: Timestamp,
        at: Timestamp,
    },
    /// The stream took more in than at any time of the day before.
    LoadMeasured {
        load: Load,
        at: Timestamp,
    },
    Deleting {
        at: Timestamp,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    pub shard: ShardId,
    /// Dense in the shard, from 1.
    pub index: u64,
    /// When the record arrived; never before the record in front of it.
    pub at: Timestamp,
    /// Bytes of all records of the shard up to here, also of those that are gone.
    pub bytes_total: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resharded {
    pub closed: Vec<ShardId>,
    pub opened: Vec<Opened>,
    pub at: Timestamp,
    /// Until then the stream shows as being updated.
    pub settled_at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    pub id: ShardId,
    pub range: HashRange,
    pub parent: Option<ShardId>,
    /// The second parent of a merge.
    pub adjacent_parent: Option<ShardId>,
    /// The second its sequence numbers begin with.
    pub created: u64,
}

/// Which memory a change of settings enters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Mode,
    Encryption,
    Other,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsChanged {
    pub settings: Settings,
    pub change: Change,
    /// What arrived before is gone, whatever the new retention is.
    pub hidden_before: Timestamp,
    pub at: Timestamp,
    /// Until then the stream shows as being updated. Not after `at`: it does not.
    pub settled_at: Timestamp,
}
