//! What happened to a queue over a stream. Events carry absolute values, as those of the stream do.

use super::{about::Settings, runs::Fate};
use crate::{
    base::time::Timestamp,
    domain::stream::{sequence::ShardId, settings::Tags},
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Records were leased, as dead letters too.
    Received(Marked),
    /// The end of a lease moved.
    VisibilityChanged(Marked),
    /// A dead letter became a record to be received again.
    Restored(Marked),
    Acknowledged {
        shard: ShardId,
        from: u64,
        /// Included.
        to: u64,
    },
    /// Records outlived the stream's retention.
    Trimmed {
        shard: ShardId,
        /// The first that may be left.
        below: u64,
    },
    /// The stream forgot a shard.
    ShardForgotten {
        shard: ShardId,
    },
    SettingsChanged {
        settings: Settings,
        /// Until then the queue shows as being updated.
        settled_at: Timestamp,
    },
    Tagged(Tags),
    Deleting {
        /// Until then its name is taken.
        gone_at: Timestamp,
    },
}

/// Records of one shard, one after the other, that met one fate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marked {
    pub shard: ShardId,
    pub from: u64,
    /// Included.
    pub to: u64,
    pub fate: Fate,
    /// They were received for the first time: the next shard has its turn.
    pub first: bool,
    pub at: Timestamp,
}
