//! What happened to a consumer group. Events carry absolute values, as those of the stream do.

use super::machine::MemberId;
use crate::{
    base::time::Timestamp,
    domain::stream::sequence::{SequenceNumber, ShardId},
};
use std::{sync::Arc, time::Duration};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    MemberJoined {
        member: MemberId,
        consumer_name: Arc<str>,
        session_timeout: Duration,
        at: Timestamp,
    },
    /// Its shards have no owner from then on.
    MemberLeft {
        member: MemberId,
        at: Timestamp,
    },
    Assigned {
        shard: ShardId,
        member: MemberId,
        /// Above that of every assignment before.
        generation: u64,
        at: Timestamp,
    },
    /// The owner is asked to finish and give the shard up.
    Revoked {
        shard: ShardId,
        generation: u64,
        /// Then it loses the shard.
        until: Timestamp,
    },
    /// The shard has no owner any more.
    Freed {
        shard: ShardId,
        generation: u64,
    },
    Committed {
        shard: ShardId,
        number: SequenceNumber,
        at: Timestamp,
    },
    /// The group is to begin elsewhere.
    Sought {
        to: Vec<(ShardId, SequenceNumber)>,
        at: Timestamp,
    },
    /// The stream forgot a shard.
    ShardForgotten {
        shard: ShardId,
    },
}
