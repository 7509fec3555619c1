//! A stream and what stands on it, as its partition keeps it: changed only by records, live and in replay alike.

use super::{
    definition::StreamDefinition,
    feed::Feed,
    handle::StreamHandle,
    tail::{Place, Tail},
    view::{Change, Groups, Queues},
    writer::Orders,
};
use crate::{
    base::{
        id::{LeaseId, Location, MessageSeq, StreamQueueId},
        time::Timestamp,
    },
    domain::{
        queue::{Producer, Producers},
        stream::{
            Head, ShardId, Stream,
            acks::{self, StreamQueue},
            event::{Appended, Event},
            groups::{self, Group},
            hash::HashKey,
            settings::Status,
            throttle::ShardLimits,
        },
    },
};
use std::{collections::BTreeMap, sync::Arc};

/// What every stream of a partition is made with.
#[derive(Clone)]
pub(crate) struct StreamParts {
    /// Of the shards of provisioned streams.
    pub(crate) limits: ShardLimits,
    /// So many bytes of a shard's records are worth a chunk.
    pub(crate) chunk_bytes: u64,
    pub(crate) orders: Orders,
}

pub(crate) struct StreamState {
    pub(crate) stream: Stream,
    pub(crate) queues: Queues,
    pub(crate) groups: Groups,
    pub(crate) producers: Producers,
    /// Where the last record went that the stream spread.
    spread: u128,
    /// How many records of producers came: their age.
    produced: u64,
    pub(crate) handle: Arc<StreamHandle>,
    /// Set once it is being deleted: then it goes.
    pub(crate) gone_at: Option<Timestamp>,
}

/// As a checkpoint keeps it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StreamImage {
    pub(crate) definition: Arc<StreamDefinition>,
    pub(crate) head: Head,
    pub(crate) queues: Vec<(Arc<str>, acks::Head)>,
    pub(crate) groups: Vec<(Arc<str>, groups::Head)>,
    /// The one heard of last is the last one.
    pub(crate) producers: Vec<(Arc<str>, u64)>,
    /// What only the log holds.
    pub(crate) tails: BTreeMap<ShardId, Tail>,
}

impl StreamState {
    pub(crate) fn new(definition: Arc<StreamDefinition>, parts: &StreamParts) -> Self {
        let stream = Stream::new(&definition.created);
        Self::with(definition, stream, BTreeMap::new(), parts)
    }

    fn with(
        definition: Arc<StreamDefinition>,
        stream: Stream,
        tails: BTreeMap<ShardId, Tail>,
        parts: &StreamParts,
    ) -> Self {
        let feed = Feed::new(definition.id, &stream, tails, parts);
        let handle = StreamHandle::new(definition, stream.settings().clone(), feed);
        Self {
            stream,
            queues: Queues::new(),
            groups: Groups::new(),
            producers: Producers::default(),
            spread: 0,
            produced: 0,
            handle: Arc::new(handle),
            gone_at: None,
        }
    }

    /// Changes what a record says, and returns the highest lease it gave out.
    pub(crate) fn apply(&mut self, change: &Change) -> Option<LeaseId> {
        match change {
            Change::Stream(event) => self.apply_event(event),
            Change::QueueCreated { name, created } => {
                self.queues.entry(name.clone()).or_insert_with(|| StreamQueue::new(created));
            }
            Change::Queue { name, event } => {
                if let Some(queue) = self.queues.get_mut(name) {
                    queue.apply(event);
                }
                if let acks::Event::Received(marked) = event {
                    return Some(marked.fate.lease);
                }
            }
            Change::QueueRemoved { name } => {
                self.queues.remove(name);
            }
            Change::GroupCreated { name, at, starts } => {
                self.groups.entry(name.clone()).or_insert_with(|| Group::new(*at, starts));
            }
            Change::Group { name, event } => {
                if let Some(group) = self.groups.get_mut(name) {
                    group.apply(event);
                }
            }
            Change::GroupRemoved { name } => {
                self.groups.remove(name);
            }
            Change::Heard { .. } => {}
        }
        None
    }

    fn apply_event(&mut self, event: &Event) {
        self.stream.apply(event);
        match event {
            Event::Resharded(step) => {
                let opened = step.opened.iter().filter_map(|opened| self.stream.shard(opened.id));
                opened.for_each(|shard| self.handle.feed.opened(shard));
            }
            Event::Deleting { at } => self.gone_at = Some(*at + self.handle.definition.created.settle),
            Event::Appended(_)
            | Event::ShardCountUpdated { .. }
            | Event::Trimmed { .. }
            | Event::ShardsForgotten { .. }
            | Event::SettingsChanged(_)
            | Event::ConsumerRegistered(_)
            | Event::ConsumerTagged { .. }
            | Event::ConsumerDeregistered { .. }
            | Event::LoadMeasured { .. } => {}
        }
    }

    pub(crate) fn apply_appended(&mut self, appended: &Appended, producer: Option<(&Arc<str>, u64)>, at: Location) {
        self.stream.apply(&Event::Appended(*appended));
        self.handle.feed.pushed(appended.shard, appended.index, Place { at, arrival: appended.at });
        if let Some((id, sequence)) = producer {
            self.note_producer(id, sequence);
        }
    }

    /// Where a record goes: by its key, or where the stream spreads them, by steps of the golden section, which fill the
    /// space of keys evenly.
    pub(crate) fn place(&mut self, hash: HashKey) -> HashKey {
        const STEP: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
        if !self.stream.settings().spreads_records() {
            return hash;
        }
        self.spread = self.spread.wrapping_add(STEP);
        HashKey(self.spread)
    }

    /// A queue on the stream, with its name.
    pub(crate) fn queue(&self, id: StreamQueueId) -> Option<(&Arc<str>, &StreamQueue)> {
        self.queues.iter().find(|(_, queue)| queue.about().id == id)
    }

    fn note_producer(&mut self, id: &Arc<str>, sequence: u64) {
        self.produced += 1;
        if sequence > self.producers.sequence(id) {
            self.producers.note(Producer { id: id.clone(), sequence, last: MessageSeq(self.produced) });
        }
    }

    /// When something happens by itself.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        let groups = self.groups.values().filter_map(Group::next_deadline).min();
        let queues = self.queues.values().filter_map(|queue| queue.about().gone_at).min();
        [self.stream.next_deadline(), groups, queues, self.gone_at].into_iter().flatten().min()
    }

    pub(crate) fn image(&self) -> StreamImage {
        let mut producers = self.producers.entries();
        producers.sort_by_key(|producer| producer.last);
        StreamImage {
            definition: self.handle.definition.clone(),
            head: self.stream.head(),
            queues: self.queues.iter().map(|(name, queue)| (name.clone(), queue.head())).collect(),
            groups: self.groups.iter().map(|(name, group)| (name.clone(), group.head())).collect(),
            producers: producers.into_iter().map(|producer| (producer.id, producer.sequence)).collect(),
            tails: self.handle.feed.tails(),
        }
    }

    pub(crate) fn from_image(image: StreamImage, parts: &StreamParts) -> Self {
        let stream = Stream::from_head(image.head);
        let is_ending = stream.status(Timestamp::ZERO) == Status::Deleting;
        let mut state = Self::with(image.definition, stream, image.tails, parts);
        state.gone_at = is_ending.then_some(Timestamp::ZERO);
        state.queues = image.queues.into_iter().map(|(name, head)| (name, StreamQueue::from_head(head))).collect();
        state.groups = image.groups.into_iter().map(|(name, head)| (name, Group::from_head(head))).collect();
        image.producers.iter().for_each(|(id, sequence)| state.note_producer(id, *sequence));
        state
    }
}
