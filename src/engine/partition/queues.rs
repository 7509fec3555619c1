//! A queue's life in its partition, what it does by itself, and what operators ask of it.

use super::{
    refusal::{no_queue, of_purge, of_redrive},
    worker::Worker,
};
use crate::{
    base::{
        id::{QueueId, RedriveId},
        limits,
        reason::{Reason, Refusal},
    },
    domain::queue::{Browse, RedriveView, State as Place, event::Event},
    engine::{
        command::{Answer, Browsed, Then},
        definition::QueueDefinition,
        journal::Record,
        message::{BrowseOptions, MessageState, QueueStats, Redrive},
    },
};
use std::sync::Arc;

/// Messages a redrive moves before other work of the partition gets its turn.
const REDRIVE_STEP: usize = 256;

impl Worker {
    /// Makes the queue see the time, and marks it for its waiters and timers.
    pub(super) fn advance(&mut self, id: QueueId) -> Result<(), Refusal> {
        let now = self.now();
        let queue = self.state.queues.wake(id).ok_or_else(|| no_queue(id))?;
        queue.advance(now);
        self.touched.insert(id);
        Ok(())
    }

    /// Opens the queue or brings its settings up to date; repeating it changes nothing.
    pub(super) fn open_queue(&mut self, definition: &Arc<QueueDefinition>, then: Then<()>) {
        let settings = definition.options.settings(self.shared.in_flight_max);
        let id = definition.id;
        match self.state.queues.wake(id) {
            None => self.record(Record::QueueOpened(id, settings)),
            Some(queue) if *queue.settings() != settings => {
                self.record(Record::Queue(id, Event::SettingsChanged(settings)));
            }
            Some(_) => {}
        }
        self.touched.insert(id);
        self.reply(Box::new(move || then(Ok(()))));
    }

    pub(super) fn close_queue(&mut self, id: QueueId, then: Then<()>) {
        if self.state.queues.contains(id) {
            self.record(Record::QueueClosed(id));
        }
        self.timers.set(id, None);
        for waiter in self.waiters.remove_all(id) {
            self.reply(Box::new(move || drop(waiter.answer.send(Err(no_queue(id))))));
        }
        self.reply(Box::new(move || then(Ok(()))));
    }

    /// Lets time do its work on every queue whose moment has come.
    pub(super) fn fire_timers(&mut self) {
        while let Some(waiter) = self.waiters.pop_due(self.now()) {
            self.reply(Box::new(move || drop(waiter.answer.send(Ok(Vec::new())))));
        }
        while let Some(waiter) = self.record_waiters.pop_due(self.now()) {
            self.reply(Box::new(move || drop(waiter.answer.send(Ok(Vec::new())))));
        }
        while self.make_room().is_some()
            && let Some(id) = self.timers.pop_due(self.now())
        {
            self.work_by_itself(id);
        }
        while self.make_room().is_some()
            && let Some(id) = self.stream_timers.pop_due(self.now())
        {
            self.stream_by_itself(id);
        }
        if self.park_at.is_some_and(|at| at <= self.now()) {
            self.park_idle();
        }
    }

    /// Expiry and redrive, one bounded step each; what is left is due again at once.
    fn work_by_itself(&mut self, id: QueueId) {
        if self.advance(id).is_err() {
            return;
        }
        let (now, next_transfer) = (self.now(), self.state.next_transfer);
        let Some(queue) = self.state.queues.get(id) else { return };
        let expired = queue.expire(now);
        let directory = self.shared.directory.clone();
        let exists = move |id| directory.by_id(id).is_some();
        let moves = queue.redrive_step(now, next_transfer, REDRIVE_STEP, &exists);
        for event in expired.into_iter().chain(moves) {
            self.record_event(id, event);
        }
    }

    pub(super) fn park_idle(&mut self) {
        self.state.queues.park_idle(&self.touched);
        self.park_at = None;
    }

    /// Serves the waiters of every queue that changed, and sets its timer.
    pub(super) fn settle_touched(&mut self) {
        while let Some(id) = self.touched.pop_first() {
            if self.lacks_messages_of(id) {
                continue;
            }
            if self.state.queues.wake(id).is_some() {
                self.serve_waiters(id);
            }
            self.timers.set(id, self.state.queues.deadline(id));
        }
        if self.state.queues.are_many_awake() {
            self.park_idle();
        }
        if self.park_at.is_none() && self.state.queues.may_become_idle() {
            self.park_at = Some(self.now() + limits::PARK_AFTER);
        }
    }

    fn serve_waiters(&mut self, id: QueueId) {
        let ready = |worker: &Self| worker.state.queues.get(id).is_some_and(|queue| queue.has_ready());
        while self.waiters.count(id) > 0 && ready(self) && self.make_room().is_some() {
            let Some((number, waiter)) = self.waiters.pop(id) else { return };
            match self.lease(id, &waiter.options) {
                Ok(deliveries) if deliveries.is_empty() => {
                    self.waiters.add(id, number, waiter);
                    return;
                }
                Ok(deliveries) => self.deliver(id, deliveries, waiter.answer),
                Err(refusal) => self.reply(Box::new(move || drop(waiter.answer.send(Err(refusal))))),
            }
        }
    }

    pub(super) fn purge(&mut self, id: QueueId, answer: Answer<u64>) {
        let result = self.purge_queue(id);
        self.reply(Box::new(move || drop(answer.send(result))));
    }

    fn purge_queue(&mut self, id: QueueId) -> Result<u64, Refusal> {
        self.advance(id)?;
        let now = self.now();
        let queue = self.state.queues.get(id).ok_or_else(|| no_queue(id))?;
        let purged = queue.stats(now).total as u64;
        let event = queue.purge(now).map_err(|error| of_purge(&error))?;
        self.record(Record::Queue(id, event));
        Ok(purged)
    }

    pub(super) fn browse(
        &mut self,
        id: QueueId,
        options: BrowseOptions,
        answer: Answer<crate::engine::command::BrowsePage>,
    ) {
        let result = self.browse_queue(id, options);
        self.reply(Box::new(move || drop(answer.send(result))));
    }

    fn browse_queue(
        &mut self,
        id: QueueId,
        options: BrowseOptions,
    ) -> Result<crate::engine::command::BrowsePage, Refusal> {
        self.advance(id)?;
        let now = self.now();
        let queue = self.state.queues.get(id).ok_or_else(|| no_queue(id))?;
        let request = Browse {
            states: options.states.into_iter().map(place).collect(),
            group: options.group,
            from: options.from,
            limit: options.limit.min(limits::PAGE_SIZE_MAX),
        };
        let found = queue.browse(now, &request);
        let messages = found.messages.into_iter().map(|view| Browsed {
            seq: view.seq,
            state: state_of(view.state),
            location: view.location,
            receive_count: view.receive_count,
            send_time: view.send_time,
            first_receive: view.first_receive,
            visible_at: view.hidden_until.unwrap_or(view.send_time),
            size: view.size,
        });
        let fifo = queue.settings().is_fifo();
        Ok(crate::engine::command::BrowsePage { messages: messages.collect(), next: found.next, fifo })
    }

    pub(super) fn stats(&mut self, id: QueueId, answer: Answer<QueueStats>) {
        let result = self.advance(id).and_then(|()| {
            let queue = self.state.queues.get(id).ok_or_else(|| no_queue(id))?;
            let stats = queue.stats(self.now());
            Ok(QueueStats {
                visible: stats.visible as u64,
                in_flight: stats.in_flight as u64,
                delayed: stats.delayed as u64,
                bytes: stats.bytes,
                oldest_send_time: stats.oldest,
                groups_in_flight: stats.groups_in_flight as u64,
                consumers: u32::try_from(self.waiters.count(id)).unwrap_or(u32::MAX),
            })
        });
        self.reply(Box::new(move || drop(answer.send(result))));
    }

    pub(super) fn start_redrive(
        &mut self,
        id: QueueId,
        redrive: RedriveId,
        to: Option<QueueId>,
        rate: u32,
        answer: Answer<Redrive>,
    ) {
        let now = self.now();
        let result = self.advance(id).and_then(|()| {
            let queue = self.state.queues.get(id).ok_or_else(|| no_queue(id))?;
            queue.start_redrive(now, redrive, to, rate).map_err(|error| of_redrive(&error))
        });
        let result = result.and_then(|event| {
            self.record(Record::Queue(id, event));
            self.redrive(id, redrive)
        });
        self.reply(Box::new(move || drop(answer.send(result))));
    }

    pub(super) fn cancel_redrive(&mut self, id: QueueId, redrive: RedriveId, answer: Answer<Redrive>) {
        let now = self.now();
        let result = self.advance(id).and_then(|()| {
            let queue = self.state.queues.get(id).ok_or_else(|| no_queue(id))?;
            queue.cancel_redrive(now, redrive).map_err(|error| of_redrive(&error))
        });
        let result = result.and_then(|event| {
            self.record(Record::Queue(id, event));
            self.redrive(id, redrive)
        });
        self.reply(Box::new(move || drop(answer.send(result))));
    }

    pub(super) fn list_redrives(&mut self, id: QueueId, answer: Answer<Vec<Redrive>>) {
        let queue = self.state.queues.wake(id).ok_or_else(|| no_queue(id));
        let result = queue.map(|queue| queue.redrives().iter().map(|view| redrive_of(id, view)).collect());
        self.reply(Box::new(move || drop(answer.send(result))));
    }

    fn redrive(&self, id: QueueId, redrive: RedriveId) -> Result<Redrive, Refusal> {
        let queue = self.state.queues.get(id).ok_or_else(|| no_queue(id))?;
        let found = queue.redrives().iter().find(|view| view.started.id == redrive).map(|view| redrive_of(id, view));
        found.ok_or_else(|| Refusal::new(Reason::RedriveNotFound, format!("the queue has no redrive {redrive}")))
    }
}

fn redrive_of(source: QueueId, view: &RedriveView) -> Redrive {
    Redrive {
        id: view.started.id,
        source,
        destination: view.started.to,
        max_messages_per_second: view.started.max_messages_per_second,
        messages_to_move: view.started.messages_to_move,
        messages_moved: view.moved,
        started: view.started.at,
        outcome: view.ended.as_ref().map(|(outcome, _)| outcome.clone()),
    }
}

fn place(state: MessageState) -> Place {
    match state {
        MessageState::Visible => Place::Visible,
        MessageState::InFlight => Place::InFlight,
        MessageState::Delayed => Place::Delayed,
    }
}

fn state_of(place: Place) -> MessageState {
    match place {
        Place::Visible => MessageState::Visible,
        Place::InFlight => MessageState::InFlight,
        Place::Delayed => MessageState::Delayed,
    }
}
