//! What a decision about a stream sees, and what it changes.

use crate::{
    base::{
        id::{LeaseId, StreamId, StreamQueueId},
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

impl<'a> View<'a> {
    /// A queue on the stream, with its name.
    pub fn queue(&self, id: StreamQueueId) -> Option<(&'a Arc<str>, &'a StreamQueue)> {
        self.queues.iter().find(|(_, queue)| queue.about().id == id)
    }

    /// For a new queue: above those that are there, and above those that are gone, which were made before now.
    pub fn next_queue_id(&self) -> StreamQueueId {
        let newest = self.queues.values().map(|queue| queue.about().id.0).max();
        StreamQueueId(newest.map_or(0, |newest| newest + 1).max(self.now.as_millis()))
    }
}

/// One change. Each but `Heard` is one entry of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Stream(Event),
    QueueCreated {
        name: Arc<str>,
        created: Box<acks::Created>,
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
