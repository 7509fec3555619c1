//! A partition's streams: records, decisions, and what they do by themselves.

use super::worker::Worker;
use crate::{
    base::{
        id::{LeaseId, StreamId},
        limits::GROUP_GRACE,
        reason::{Reason, Refusal},
        time::Timestamp,
    },
    domain::stream::{
        ShardId, StreamError,
        event::Event,
        put::Put,
        settings::{Encryption, Mode},
    },
    engine::{
        command::{Answer, Command, Decide, StreamCommand, Then, Trimmed},
        journal::{self, Record},
        streams::{
            definition::StreamDefinition,
            handle::StreamHandle,
            record::{NewRecord, PutBatch, PutError, PutRecord},
            state::StreamState,
            view::{Change, View},
        },
    },
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// What happens by itself happens again after this at the earliest.
const REST: Duration = Duration::from_millis(100);

/// The records of a frame that readers see once it is durable: up to which index, by shard.
pub(super) type Fresh = Arc<Mutex<BTreeMap<(StreamId, ShardId), (Arc<StreamHandle>, u64)>>>;

pub(super) fn no_stream() -> Refusal {
    Refusal::new(Reason::StreamNotFound, "the stream does not exist any more")
}

/// Whether the same record can be stored later.
fn comes_again(error: &PutError) -> bool {
    match error {
        PutError::Throttled(_) | PutError::Stream(StreamError::NotActive { .. }) => true,
        PutError::Refused(refusal) => refusal.retry_delay().is_some(),
        PutError::Stream(_) => false,
    }
}

fn sequence_gap(sequence: u64) -> Refusal {
    let message = format!("a record before sequence {sequence} was refused for now: it has to be stored first");
    Refusal::new(Reason::SequenceGap, message).with("sequence", sequence)
}

impl Worker {
    pub(super) fn execute_for_streams(&mut self, command: StreamCommand) {
        match command {
            StreamCommand::Put { stream, batch, answer } => self.put(stream, batch, answer),
            StreamCommand::ProducerSequence { stream, producer, answer } => {
                self.stream_producer_sequence(stream, &producer, answer);
            }
            StreamCommand::Decide { stream, decide } => self.decide(stream, decide),
            StreamCommand::Open { definition, then } => self.open_stream(&definition, then),
            StreamCommand::Close { stream } => self.close_stream(stream),
            StreamCommand::Trimmed { stream, trims } => self.stream_trimmed(stream, &trims),
            StreamCommand::Receive { stream, request, number, answer } => {
                self.receive_records(stream, request, number, answer);
            }
            StreamCommand::CancelReceive { key, number } => self.cancel_receive(key, number),
            StreamCommand::HandBack { stream, queue, marks } => self.hand_back(stream, queue, &marks),
            StreamCommand::Create { path, request, then } => self.create_stream(path, &request, then),
            StreamCommand::Remove { id } => self.remove_stream(id),
        }
    }

    /// Stores records one by one; each succeeds or fails alone.
    pub(super) fn put(&mut self, stream: StreamId, batch: PutBatch, answer: Answer<Vec<Result<PutRecord, PutError>>>) {
        if !self.state.streams.contains_key(&stream) {
            return self.reply(Box::new(move || drop(answer.send(Err(no_stream())))));
        }
        let mut results = Vec::with_capacity(batch.records.len());
        let first = batch.producer.as_ref().map_or(0, |(_, first)| *first);
        // A producer's record that was refused for now comes again, so none behind it may be stored before.
        let mut is_gap = false;
        for (sequence, record) in (first..).zip(&batch.records) {
            if self.make_room().is_none() {
                return;
            }
            let producer = batch.producer.as_ref().map(|(id, _)| (id, sequence));
            let result =
                if is_gap { Err(sequence_gap(sequence).into()) } else { self.put_one(stream, record, producer) };
            is_gap |= producer.is_some() && result.as_ref().is_err_and(comes_again);
            results.push(result);
        }
        self.reply(Box::new(move || drop(answer.send(Ok(results)))));
        self.touch_stream(stream);
        self.follow_load(stream);
    }

    fn put_one(
        &mut self,
        stream: StreamId,
        record: &NewRecord,
        producer: Option<(&Arc<str>, u64)>,
    ) -> Result<PutRecord, PutError> {
        let now = self.now();
        let state = self.state.streams.get_mut(&stream).ok_or_else(no_stream)?;
        if producer.is_some_and(|(id, sequence)| sequence <= state.producers.sequence(id)) {
            return Ok(PutRecord { stored: None, deduplicated: true });
        }
        let bytes = u32::try_from(record.size()).unwrap_or(u32::MAX);
        if record.partition_key.is_empty() && !state.stream.settings().spreads_records() {
            return Err(Refusal::invalid("partition_key", "the record has no partition key").into());
        }
        let hash = state.place(record.hash);
        let appended = state.stream.put(now, &Put { hash, bytes, after: record.after })?;
        state.handle.feed.throttle().write(now, appended.shard, bytes.into())?;
        let settings = state.stream.settings();
        let encrypted = matches!(settings.encryption, Encryption::Key { .. });
        if matches!(settings.mode, Mode::OnDemand { .. }) {
            self.loads.note(now, stream, appended.shard, bytes.into());
        }
        let number = state.stream.sequence_number(appended.shard, appended.index, appended.at);
        let number = number.ok_or_else(|| Refusal::new(Reason::Internal, "the shard was there a moment ago"))?;
        let handle = state.handle.clone();
        let written = producer.map(|(id, sequence)| (&**id, sequence));
        let at = journal::push_appended(self.frame(), stream, &appended, record, encrypted, written);
        if let Some(state) = self.state.streams.get_mut(&stream) {
            state.apply_appended(&appended, producer, at);
        }
        self.show_later(handle, appended.shard, appended.index + 1);
        Ok(PutRecord { stored: Some((appended.shard, number)), deduplicated: false })
    }

    /// Shows a record to readers when the open frame is durable; before any reply that depends on it leaves.
    fn show_later(&mut self, handle: Arc<StreamHandle>, shard: ShardId, next: u64) {
        let fresh = match &self.fresh {
            Some((lsn, fresh)) if *lsn == self.applied() => fresh.clone(),
            Some(_) | None => {
                let fresh = Fresh::default();
                let shown = fresh.clone();
                self.reply(Box::new(move || {
                    let records = std::mem::take(&mut *shown.lock().unwrap_or_else(PoisonError::into_inner));
                    for ((_, shard), (handle, next)) in records {
                        handle.feed.show(shard, next);
                    }
                }));
                self.fresh = Some((self.applied(), fresh.clone()));
                fresh
            }
        };
        fresh.lock().unwrap_or_else(PoisonError::into_inner).insert((handle.id(), shard), (handle, next));
    }

    pub(super) fn stream_producer_sequence(&self, stream: StreamId, producer: &str, answer: Answer<u64>) {
        let found = self.state.streams.get(&stream).map(|state| state.producers.sequence(producer));
        self.reply(Box::new(move || drop(answer.send(found.ok_or_else(no_stream)))));
    }

    /// Lets somebody look at the stream and say what is to change.
    pub(super) fn decide(&mut self, stream: StreamId, decide: Decide) {
        let (now, lease) = (self.now(), LeaseId(self.state.next_lease));
        let view = self.state.streams.get_mut(&stream).map(|state| {
            state.stream.advance(now);
            let StreamState { stream: machine, queues, groups, .. } = &*state;
            View { id: stream, now, stream: machine, queues, groups, lease }
        });
        let (changes, reply) = decide(view.ok_or_else(no_stream));
        let changed = !changes.is_empty();
        for change in changes {
            self.change(stream, change);
        }
        if changed {
            self.balance(stream);
            self.touch_stream(stream);
        }
        self.reply(reply);
        self.set_stream_timer(stream);
    }

    /// Writes a change and applies it; readers hear of it when it is durable.
    pub(super) fn change(&mut self, stream: StreamId, change: Change) {
        if let Change::Heard { group, member } = &change {
            let now = self.now();
            let group = self.state.streams.get_mut(&stream).and_then(|state| state.groups.get_mut(group));
            // One that was given up hears of it from the shards it has no more.
            let _ = group.map(|group| group.touch(now, *member));
            return;
        }
        if self.make_room().is_none() {
            return;
        }
        self.record(Record::Stream(stream, Box::new(change.clone())));
        self.tell_later(stream, &change);
    }

    /// What the feed shows of a change once it is durable.
    fn tell_later(&self, stream: StreamId, change: &Change) {
        let Some(state) = self.state.streams.get(&stream) else { return };
        let handle = state.handle.clone();
        match change {
            Change::Stream(Event::Resharded(step)) => {
                let end = |id: &ShardId| {
                    let last = state.stream.shard(*id)?.last_index;
                    Some((*id, last, state.stream.children(*id).iter().map(|child| child.id).collect()))
                };
                let ends: Vec<_> = step.closed.iter().filter_map(end).collect();
                self.reply(Box::new(move || handle.feed.closed(ends)));
            }
            Change::Stream(Event::SettingsChanged(changed)) => {
                let changed = changed.clone();
                self.reply(Box::new(move || {
                    handle.note(changed.settings.clone());
                    handle.feed.set(&changed.settings, changed.hidden_before);
                }));
            }
            Change::Stream(Event::ShardsForgotten { shards }) => {
                let shards = shards.clone();
                self.reply(Box::new(move || handle.feed.forgot(&shards)));
            }
            Change::Stream(Event::Deleting { .. }) => self.reply(Box::new(move || handle.feed.end())),
            Change::QueueRemoved { name } => {
                let (names, name) = (self.shared.queue_names.clone(), name.clone());
                self.reply(Box::new(move || {
                    names.free(handle.path(), &name);
                    handle.feed.changed();
                }));
            }
            Change::Stream(_)
            | Change::QueueCreated { .. }
            | Change::Queue { .. }
            | Change::GroupCreated { .. }
            | Change::Group { .. }
            | Change::GroupRemoved { .. }
            | Change::Heard { .. } => self.reply(Box::new(move || handle.feed.changed())),
        }
    }

    /// Gives the shards of a stream to the members of its groups.
    fn balance(&mut self, stream: StreamId) {
        let now = self.now();
        let Some(state) = self.state.streams.get(&stream) else { return };
        let assigned = state.groups.iter().flat_map(|(name, group)| {
            let events = group.assign(now, &state.stream, GROUP_GRACE);
            events.into_iter().map(|event| Change::Group { name: name.clone(), event })
        });
        for change in assigned.collect::<Vec<_>>() {
            self.change(stream, change);
        }
    }

    /// Lets time do its work on a stream.
    pub(super) fn stream_by_itself(&mut self, stream: StreamId) {
        let now = self.now();
        let Some(state) = self.state.streams.get_mut(&stream) else { return };
        state.stream.advance(now);
        if state.gone_at.is_some_and(|at| at <= now) {
            state.gone_at = None;
            if let Some(catalog) = self.shared.inboxes.first() {
                catalog.push_internal(Command::Stream(StreamCommand::Remove { id: stream }));
            }
            return self.set_stream_timer(stream);
        }
        let mut changes: Vec<Change> = state.stream.forget(now).map(Change::Stream).into_iter().collect();
        for (name, group) in &state.groups {
            let events = group.expire(now).into_iter();
            changes.extend(events.map(|event| Change::Group { name: name.clone(), event }));
        }
        changes.extend(self.queues_gone(stream));
        let forgotten: Vec<ShardId> = changes.iter().flat_map(forgotten_by).copied().collect();
        for change in changes {
            self.change(stream, change);
        }
        self.forget_shards(stream, &forgotten);
        self.balance(stream);
        self.touch_stream(stream);
        self.set_stream_timer(stream);
    }

    /// What stands on the stream forgets the shards too.
    fn forget_shards(&mut self, stream: StreamId, shards: &[ShardId]) {
        let Some(state) = self.state.streams.get(&stream).filter(|_| !shards.is_empty()) else { return };
        let of_groups = state.groups.iter().flat_map(|(name, group)| {
            let events = group.forget(&state.stream).into_iter();
            events.map(|event| Change::Group { name: name.clone(), event })
        });
        let of_queues = state.queues.iter().flat_map(|(name, queue)| {
            let events = shards.iter().filter_map(|shard| queue.forget(*shard));
            events.map(|event| Change::Queue { name: name.clone(), event })
        });
        for change in of_groups.chain(of_queues).collect::<Vec<_>>() {
            self.change(stream, change);
        }
    }

    /// The storage holds less than before.
    pub(super) fn stream_trimmed(&mut self, stream: StreamId, trims: &[Trimmed]) {
        let Some(state) = self.state.streams.get(&stream) else { return };
        let mut changes = Vec::new();
        for Trimmed { shard, below, bytes } in trims {
            let total = || state.stream.shard(*shard).map_or(0, |shard| shard.bytes_total);
            let event = state.stream.trim(*shard, *below, bytes.unwrap_or_else(total));
            changes.extend(event.map(Change::Stream));
            for (name, queue) in &state.queues {
                changes.extend(queue.trim(*shard, *below).map(|event| Change::Queue { name: name.clone(), event }));
            }
        }
        for change in changes {
            self.change(stream, change);
        }
        self.set_stream_timer(stream);
    }

    /// An on-demand stream splits and merges its shards as its load wants.
    fn follow_load(&mut self, stream: StreamId) {
        let now = self.now();
        let Some((total, loads)) = self.loads.take(now, stream) else { return };
        let Some(state) = self.state.streams.get(&stream) else { return };
        if let Some(measured) = state.stream.measure(now, total) {
            self.change(stream, Change::Stream(measured));
        }
        let Some(state) = self.state.streams.get(&stream) else { return };
        let steps = state.stream.scale(now, &loads);
        let are_steps = !steps.is_empty();
        for step in steps {
            self.change(stream, Change::Stream(step));
        }
        if are_steps {
            self.balance(stream);
            self.set_stream_timer(stream);
        }
    }

    pub(super) fn set_stream_timer(&mut self, stream: StreamId) {
        // A timer that is set stays where it is, or a stream that is asked all the time would never come to its own.
        let soonest = self.now() + REST;
        let soonest = self.stream_timers.of(stream).map_or(soonest, |set| set.min(soonest));
        let deadline = self.state.streams.get(&stream).and_then(StreamState::deadline);
        let by_itself = deadline.map(|deadline| deadline.max(soonest));
        self.stream_timers.set(stream, [by_itself, self.next_return(stream)].into_iter().flatten().min());
    }

    /// Opens the stream; repeating it changes nothing.
    pub(super) fn open_stream(&mut self, definition: &Arc<StreamDefinition>, then: Then<Arc<StreamHandle>>) {
        if !self.state.streams.contains_key(&definition.id) {
            self.record(Record::StreamOpened(definition.clone()));
        }
        let handle = self.state.streams.get(&definition.id).map(|state| state.handle.clone());
        let (directory, orders) = (self.shared.streams.clone(), self.state.parts.orders.clone());
        self.reply(Box::new(move || {
            if let Some(handle) = &handle {
                orders.opened(handle.clone());
                directory.put(handle.clone());
            }
            then(handle.ok_or_else(no_stream));
        }));
        self.set_stream_timer(definition.id);
    }

    pub(super) fn close_stream(&mut self, stream: StreamId) {
        if self.state.streams.contains_key(&stream) {
            self.record(Record::StreamClosed(stream));
        }
        self.stream_timers.set(stream, None);
        self.loads.forget(stream);
        let (directory, orders) = (self.shared.streams.clone(), self.state.parts.orders.clone());
        self.reply(Box::new(move || {
            directory.remove(stream);
            orders.removed(stream);
        }));
    }

    /// What a start does before the first call.
    pub(super) fn begin_streams(&mut self, now: Timestamp) {
        for state in self.state.streams.values_mut() {
            state.groups.values_mut().for_each(|group| group.begin_sessions(now));
        }
        for stream in self.state.streams.keys().copied().collect::<Vec<_>>() {
            self.set_stream_timer(stream);
        }
    }
}

fn forgotten_by(change: &Change) -> &[ShardId] {
    if let Change::Stream(Event::ShardsForgotten { shards }) = change { shards } else { &[] }
}
