//! What is known of a queue over a stream besides its records.

use crate::{
    base::{id::StreamQueueId, time::Timestamp},
    domain::stream::{sequence::ShardId, settings::Tags},
};
use std::{collections::BTreeMap, fmt, time::Duration};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    pub visibility_timeout: Duration,
    /// A record received so often and not acknowledged is a dead letter. None: no record ever is one.
    pub max_receive_count: Option<u32>,
}

/// Where in its stream a queue begins, as it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the oldest record there is.
    TrimHorizon,
    /// With the first that comes after the queue was made.
    Latest,
    /// With the first that arrived then or later.
    AtTime(Timestamp),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    pub id: StreamQueueId,
    pub start: Start,
    /// What arrived before did not count when the queue was made.
    pub counts_from: Timestamp,
    pub created_at: Timestamp,
    /// Until then it is being created.
    pub active_at: Timestamp,
    /// Until then it shows as being updated.
    pub settled_at: Timestamp,
    /// Set when it is being deleted: then it goes.
    pub gone_at: Option<Timestamp>,
    pub tags: Tags,
}

/// How a queue began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    pub about: About,
    pub settings: Settings,
    /// The first record that counts of each shard there is; of a later shard all do.
    pub starts: BTreeMap<ShardId, u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Creating,
    Active,
    /// It works as an active one.
    Updating,
    Deleting,
}

impl About {
    pub fn status(&self, now: Timestamp) -> Status {
        match self.gone_at {
            Some(_) => Status::Deleting,
            None if now < self.active_at => Status::Creating,
            None if now < self.settled_at => Status::Updating,
            None => Status::Active,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Creating => "being created",
            Self::Active => "active",
            Self::Updating => "being updated",
            Self::Deleting => "being deleted",
        })
    }
}
