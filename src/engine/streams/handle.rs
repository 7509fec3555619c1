//! A stream as calls look it up: who it is, how it is set, and where its records stand.

use super::{definition::StreamDefinition, feed::Feed};
use crate::{
    base::{
        id::{PartitionId, StreamId},
        stream_name::StreamPath,
        time::Timestamp,
    },
    domain::{
        policy::{document::Policy, statement::Owner},
        stream::settings::Settings,
    },
};
use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

/// Shared by everybody who calls the stream; lives as long as any of them, also when the stream is gone.
#[derive(Debug)]
pub struct StreamHandle {
    pub definition: Arc<StreamDefinition>,
    notes: RwLock<Arc<Notes>>,
    pub(in crate::engine) feed: Feed,
}

/// What is set of a stream, as of the last durable change.
#[derive(Debug)]
pub struct Notes {
    pub settings: Settings,
    /// `settings.policy`, compiled.
    pub access: Option<Arc<Policy>>,
    /// `settings.tags`, as policies ask for them.
    pub tags: BTreeMap<String, String>,
}

impl Notes {
    pub(in crate::engine) fn of(settings: Settings) -> Self {
        let access = settings.policy.as_deref().and_then(|text| {
            let compiled = Policy::parse(text, Owner::Queue);
            compiled.inspect_err(|error| tracing::warn!(%error, "the policy of a stream is ignored")).ok()
        });
        let tags = settings.tags.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        Self { settings, access: access.map(Arc::new), tags }
    }
}

impl StreamHandle {
    pub(in crate::engine) fn new(definition: Arc<StreamDefinition>, settings: Settings, feed: Feed) -> Self {
        Self { definition, notes: RwLock::new(Arc::new(Notes::of(settings))), feed }
    }

    pub fn id(&self) -> StreamId {
        self.definition.id
    }

    pub fn partition(&self) -> PartitionId {
        self.definition.partition()
    }

    pub fn path(&self) -> &StreamPath {
        &self.definition.path
    }

    pub fn created(&self) -> Timestamp {
        self.definition.created.at
    }

    /// Shards that take records in, as of the last durable change.
    pub fn open_shards(&self) -> usize {
        self.feed.open_shards()
    }

    pub fn notes(&self) -> Arc<Notes> {
        self.notes.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(in crate::engine) fn note(&self, settings: Settings) {
        *self.notes.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Notes::of(settings));
    }
}
