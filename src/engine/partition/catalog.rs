//! Partition 0's other work: which queues and streams there are. What it decides goes to the queue's own partition once durable.

use super::worker::Worker;
use crate::{
    base::{
        id::{QueueId, StreamId},
        name::QueuePath,
        reason::Refusal,
        stream_name::StreamPath,
    },
    domain::stream::{Stream, StreamError, create::Create},
    engine::{
        catalog::Creation,
        command::{CatalogAnswer, Command, StreamCommand, Then},
        definition::{QueueDefinition, QueueOptions},
        journal::Record,
        streams::{definition::StreamDefinition, handle::StreamHandle},
    },
};
use std::sync::Arc;

impl Worker {
    pub(super) fn create(&mut self, path: QueuePath, options: QueueOptions, then: Then<CatalogAnswer>) {
        let now = self.now();
        self.state.catalog.advance(now, &self.shared.rules);
        match self.state.catalog.create(now, &self.shared.rules, path, options) {
            Ok(Creation::Exists(definition)) => self.open_in_partition(definition, true, then),
            Ok(Creation::New(definition)) => {
                self.record(Record::Defined(definition.clone()));
                self.open_in_partition(definition, false, then);
            }
            Err(refusal) => self.refuse(refusal, then),
        }
    }

    pub(super) fn update(
        &mut self,
        id: QueueId,
        expected_revision: Option<u64>,
        options: QueueOptions,
        then: Then<CatalogAnswer>,
    ) {
        match self.state.catalog.update(self.now(), id, expected_revision, options) {
            Ok(definition) => {
                self.record(Record::Defined(definition.clone()));
                self.open_in_partition(definition, true, then);
            }
            Err(refusal) => self.refuse(refusal, then),
        }
    }

    pub(super) fn remove(&mut self, id: QueueId, expected: Option<u64>, then: Then<Arc<QueueDefinition>>) {
        let definition = match self.state.catalog.remove(id, expected) {
            Ok(definition) => definition,
            Err(refusal) => return self.refuse(refusal, then),
        };
        self.record(Record::Removed { id, path: definition.path.clone(), at: self.now() });
        let shared = self.shared.clone();
        self.reply(Box::new(move || {
            let Some(inbox) = shared.inbox(definition.partition).cloned() else { return };
            let closed: Then<()> = Box::new(move |result| {
                shared.directory.remove(id);
                then(result.map(|()| definition));
            });
            inbox.push_internal(Command::CloseQueue { queue: id, then: closed });
        }));
    }

    pub(super) fn create_stream(
        &mut self,
        path: StreamPath,
        request: &Create,
        then: Then<Result<Arc<StreamHandle>, StreamError>>,
    ) {
        let (id, partition) = match self.state.stream_catalog.place(&self.shared.rules, &path) {
            Ok(place) => place,
            Err(refusal) => return self.refuse(refusal, then),
        };
        let created = match Stream::create(self.now(), &Create { partition, ..request.clone() }) {
            Ok(created) => created,
            Err(error) => return self.reply(Box::new(move || then(Ok(Err(error))))),
        };
        let definition = Arc::new(StreamDefinition { id, path, created });
        self.record(Record::StreamDefined(definition.clone()));
        let shared = self.shared.clone();
        self.reply(Box::new(move || {
            let Some(inbox) = shared.inbox(definition.partition()).cloned() else { return };
            let opened: Then<Arc<StreamHandle>> = Box::new(move |result| then(result.map(Ok)));
            inbox.push_internal(Command::Stream(StreamCommand::Open { definition, then: opened }));
        }));
    }

    /// A stream that was being deleted is gone.
    pub(super) fn remove_stream(&mut self, id: StreamId) {
        let Some(definition) = self.state.stream_catalog.get(id).cloned() else { return };
        self.record(Record::StreamRemoved(id));
        let shared = self.shared.clone();
        self.reply(Box::new(move || {
            if let Some(inbox) = shared.inbox(definition.partition()) {
                inbox.push_internal(Command::Stream(StreamCommand::Close { stream: id }));
            }
        }));
    }

    /// Brings the definition to the queue's partition once it is durable here, then shows it to everybody.
    fn open_in_partition(&self, definition: Arc<QueueDefinition>, existed: bool, then: Then<CatalogAnswer>) {
        let shared = self.shared.clone();
        self.reply(Box::new(move || {
            let Some(inbox) = shared.inbox(definition.partition).cloned() else { return };
            let shown = definition.clone();
            let opened: Then<()> = Box::new(move |result| {
                shared.directory.put(shown.clone());
                then(result.map(|()| CatalogAnswer { definition: shown, existed }));
            });
            inbox.push_internal(Command::OpenQueue { definition, then: opened });
        }));
    }

    fn refuse<T: 'static>(&self, refusal: Refusal, then: Then<T>) {
        self.reply(Box::new(move || then(Err(refusal))));
    }
}
