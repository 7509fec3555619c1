//! What a decision about a stream sees, and what it changes.

use crate::{
    base::{
        id::{LeaseId, StreamId},
        time::Timestamp,
    },
    domain::stream::{
        SequenceNumber, ShardId, Stream,
        acks::{self, StreamQueue},
        event::Event,
        groups::{self, Group, MemberId},
    },
};
use std::{collections::BTreeMap, sync::Arc};

pub type Queues = BTreeMap<Arc<str>, StreamQueue>;
pub type Groups = BTreeMap<Arc<str>, Group>;

/// A stream and what stands on it, at one moment of its partition.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    pub id: StreamId,
    pub now: Timestamp,
    pub stream: &'a Stream,
    pub queues: &'a Queues,
    pub groups: &'a Groups,
    /// Free, and above every lease given out: for one receive.
    pub lease: LeaseId,
}

/// One change. Each but `Heard` is one entry of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Stream(Event),
    QueueCreated {
        name: Arc<str>,
        settings: acks::Settings,
        /// Until then it is being created.
        active_at: Timestamp,
        /// The first record that counts, of each shard there is.
        starts: BTreeMap<ShardId, u64>,
    },
    Queue {
        name: Arc<str>,
        event: acks::Event,
    },
    QueueRemoved {
        name: Arc<str>,
    },
    GroupCreated {
        name: Arc<str>,
        at: Timestamp,
        /// Up to where each shard that there is counts as processed.
        starts: BTreeMap<ShardId, SequenceNumber>,
    },
    Group {
        name: Arc<str>,
        event: groups::Event,
    },
    GroupRemoved {
        name: Arc<str>,
    },
    /// A member of a group is there. Memory only.
    Heard {
        group: Arc<str>,
        member: MemberId,
    },
}
