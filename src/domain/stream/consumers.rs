//! Registered consumers: names that may have the records of a shard pushed to them.
//!
//! Source: "RegisterStreamConsumer".

use super::{
    error::{Field, StreamError},
    event::Event,
    machine::Stream,
    settings::Tags,
    tags,
};
use crate::base::{limits, time::Timestamp};
use std::{collections::BTreeMap, sync::Arc};

/// One of them, as a checkpoint keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consumer {
    pub name: Arc<str>,
    pub created_at: Timestamp,
    /// Until then it is being created.
    pub active_at: Timestamp,
    /// Set when it was deregistered: from then on its name is free.
    pub gone_at: Option<Timestamp>,
    pub tags: Tags,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsumerStatus {
    Creating,
    Active,
    Deleting,
}

impl Consumer {
    pub fn status(&self, now: Timestamp) -> ConsumerStatus {
        match self.gone_at {
            Some(_) => ConsumerStatus::Deleting,
            None if now < self.active_at => ConsumerStatus::Creating,
            None => ConsumerStatus::Active,
        }
    }

    fn is_gone(&self, now: Timestamp) -> bool {
        self.gone_at.is_some_and(|gone_at| gone_at <= now)
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Consumers(BTreeMap<Arc<str>, Consumer>);

impl Consumers {
    pub(super) fn restore(consumers: Vec<Consumer>) -> Self {
        Self(consumers.into_iter().map(|consumer| (consumer.name.clone(), consumer)).collect())
    }

    pub(super) fn advance(&mut self, now: Timestamp) {
        self.0.retain(|_, consumer| !consumer.is_gone(now));
    }

    pub(super) fn next_end(&self) -> Option<Timestamp> {
        self.0.values().filter_map(|consumer| consumer.gone_at).min()
    }

    pub(super) fn register(&mut self, consumer: &Consumer) {
        self.0.insert(consumer.name.clone(), consumer.clone());
    }

    pub(super) fn set_tags(&mut self, name: &str, tags: &Tags) {
        if let Some(consumer) = self.0.get_mut(name) {
            consumer.tags = tags.clone();
        }
    }

    pub(super) fn deregister(&mut self, name: &str, gone_at: Timestamp) {
        if let Some(consumer) = self.0.get_mut(name) {
            consumer.gone_at = Some(gone_at);
        }
    }
}

impl Stream {
    /// All of them by name.
    pub fn consumers(&self, now: Timestamp) -> impl Iterator<Item = &Consumer> {
        self.consumers.0.values().filter(move |consumer| !consumer.is_gone(now))
    }

    pub fn consumer(&self, now: Timestamp, name: &str) -> Result<&Consumer, StreamError> {
        let found = self.consumers.0.get(name).filter(|consumer| !consumer.is_gone(now));
        found.ok_or_else(|| StreamError::ConsumerNotFound(name.into()))
    }

    /// `queues`: how many there are on the stream, which count too; `max`: how many of both the account may have on one.
    pub fn register_consumer(
        &self,
        now: Timestamp,
        name: &Arc<str>,
        tags: &Tags,
        queues: usize,
        max: usize,
    ) -> Result<Event, StreamError> {
        self.check_usable(now)?;
        if self.consumer(now, name).is_ok() {
            return Err(StreamError::ConsumerExists(name.clone()));
        }
        StreamError::length(Field::Consumers, self.consumers(now).count() + queues + 1, max)?;
        let creating = self.consumers(now).filter(|consumer| consumer.status(now) == ConsumerStatus::Creating).count();
        StreamError::length(Field::ConsumersCreating, creating + 1, limits::CONSUMERS_CREATING_MAX)?;
        let tags = tags::add(&Tags::new(), tags)?;
        let (name, active_at) = (name.clone(), now + self.settle);
        Ok(Event::ConsumerRegistered(Consumer { name, created_at: now, active_at, gone_at: None, tags }))
    }

    /// Its readers end at once, its name is free a little later. None: it is on its way out.
    pub fn deregister_consumer(&self, now: Timestamp, name: &str) -> Result<Option<Event>, StreamError> {
        let consumer = self.consumer(now, name)?;
        let event = || Event::ConsumerDeregistered { name: consumer.name.clone(), gone_at: now + self.settle, at: now };
        Ok(consumer.gone_at.is_none().then(event))
    }

    pub fn tag_consumer(&self, now: Timestamp, name: &str, added: &Tags) -> Result<Event, StreamError> {
        let consumer = self.consumer(now, name)?;
        let tags = tags::add(&consumer.tags, added)?;
        Ok(Event::ConsumerTagged { name: consumer.name.clone(), tags })
    }

    pub fn untag_consumer(&self, now: Timestamp, name: &str, keys: &[Arc<str>]) -> Result<Event, StreamError> {
        let consumer = self.consumer(now, name)?;
        let tags = tags::remove(&consumer.tags, keys)?;
        Ok(Event::ConsumerTagged { name: consumer.name.clone(), tags })
    }
}
