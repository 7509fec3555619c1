//! Leasing messages to a consumer.

use super::{
    event::{Event, MoveReason, Moved, Received},
    machine::Queue,
    message::Message,
};
use crate::base::{
    id::{LeaseId, MessageSeq, QueueId},
    limits,
    time::Timestamp,
};
use std::{ops::ControlFlow, sync::Arc, time::Duration};

#[derive(Clone, Debug)]
pub struct Receive {
    pub max: usize,
    /// The sum of the messages' sizes; one message larger than this may still come alone.
    pub max_bytes: Option<u64>,
    /// None: as the queue says. Zero: the messages stay visible, but the receive counts.
    pub visibility_timeout: Option<Duration>,
    /// FIFO: repeats a receive whose answer was lost.
    pub attempt: Option<Arc<str>>,
    /// This one and the ones above are free. Zero is no lease.
    pub first_lease: LeaseId,
    /// Where messages go that were received too often. None: they are received again.
    pub dead_letter_to: Option<QueueId>,
    pub next_transfer: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiveError {
    #[error("the queue has {limit} messages in flight, as many as it may")]
    InFlightLimit { limit: usize },
    #[error("a visibility timeout of {} s is longer than {} s", .0.as_secs(), limits::VISIBILITY_TIMEOUT_MAX.as_secs())]
    TimeoutTooLong(Duration),
}

impl Queue {
    /// Leases up to `max` messages: a `Received` each, and a `Moved` for each message found that was received too often.
    /// At most [`limits::RECEIVE_MOVES_MAX`] move at once, so an answer of nothing but moves is worth another receive.
    ///
    /// # Errors
    /// A standard queue says when the in-flight limit alone kept messages back; a FIFO queue then gives none.
    pub fn receive(&self, now: Timestamp, request: &Receive) -> Result<Vec<Event>, ReceiveError> {
        let timeout = request.visibility_timeout.unwrap_or(self.settings.visibility_timeout);
        if timeout > limits::VISIBILITY_TIMEOUT_MAX {
            return Err(ReceiveError::TimeoutTooLong(timeout));
        }
        if let Some(events) = self.repeat_attempt(now, request, timeout) {
            return Ok(events);
        }
        let limit = self.settings.in_flight_max;
        let room = if timeout.is_zero() { usize::MAX } else { limit.saturating_sub(self.in_flight) };
        if room == 0 {
            let kept_back = !self.settings.is_fifo() && self.pages.has_ready() | self.groups.has_ready();
            return if kept_back { Err(ReceiveError::InFlightLimit { limit }) } else { Ok(Vec::new()) };
        }
        let mut batch = Batch::new(self, now, request, room.min(request.max), now + timeout);
        let mut order = self.order_to_receive();
        while batch.given < batch.max
            && let Some(seq) = order.next()
        {
            let given = batch.given;
            if batch.offer(seq).is_break() {
                break;
            }
            if batch.given > given && !timeout.is_zero() {
                order.lease_last();
            }
        }
        Ok(batch.events)
    }

    /// The same messages under the same leases, hidden anew, if the attempt is known and nothing of it has changed.
    fn repeat_attempt(&self, now: Timestamp, request: &Receive, timeout: Duration) -> Option<Vec<Event>> {
        let id = request.attempt.as_ref().filter(|_| self.settings.is_fifo())?;
        let attempt = self.attempts.find(now, id)?;
        let mut events = Vec::with_capacity(attempt.leases.len());
        for &(seq, lease) in &attempt.leases {
            let message = self.living(seq, now)?;
            if !message.is_held_by(lease, now) || message.visible_at != attempt.visible_at {
                return None;
            }
            let longest = message.rare().leased_at + limits::VISIBILITY_TIMEOUT_MAX;
            events.push(Event::Received(Received {
                seq,
                lease,
                at: now,
                visible_at: longest.min(now + timeout),
                receive_count: message.receive_count,
                attempt: Some(id.clone()),
            }));
        }
        Some(events)
    }
}

/// A receive as it fills.
struct Batch<'a> {
    queue: &'a Queue,
    now: Timestamp,
    request: &'a Receive,
    max: usize,
    visible_at: Timestamp,
    attempt: Option<Arc<str>>,
    dead_letters: Option<(QueueId, u32)>,
    given: usize,
    bytes: u64,
    moved: usize,
    passed: usize,
    events: Vec<Event>,
}

impl<'a> Batch<'a> {
    fn new(queue: &'a Queue, now: Timestamp, request: &'a Receive, max: usize, visible_at: Timestamp) -> Self {
        Self {
            queue,
            now,
            request,
            max,
            visible_at,
            attempt: request.attempt.clone().filter(|_| queue.settings.is_fifo()),
            dead_letters: request.dead_letter_to.zip(queue.settings.max_receive_count),
            given: 0,
            bytes: 0,
            moved: 0,
            passed: 0,
            events: Vec::new(),
        }
    }

    /// Takes the message, moves it away, or passes over it; breaks when the receive is full.
    fn offer(&mut self, seq: MessageSeq) -> ControlFlow<()> {
        let Some(message) = self.queue.living(seq, self.now) else { return self.pass() };
        match self.dead_letters {
            Some((to, max)) if message.receive_count >= max => self.send_away(seq, to),
            Some(_) | None => self.take(seq, &message),
        }
    }

    /// An expired message waits for the next `expire`; a receive does not look at more than so many.
    fn pass(&mut self) -> ControlFlow<()> {
        self.passed += 1;
        if self.passed < limits::EXPIRE_STEP { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }

    fn send_away(&mut self, seq: MessageSeq, to: QueueId) -> ControlFlow<()> {
        if self.moved == limits::RECEIVE_MOVES_MAX {
            return ControlFlow::Break(());
        }
        let transfer = self.request.next_transfer + self.moved as u64;
        self.moved += 1;
        self.events.push(Event::Moved(Moved { seq, to, transfer, why: MoveReason::MaxReceives, at: self.now }));
        ControlFlow::Continue(())
    }

    fn take(&mut self, seq: MessageSeq, message: &Message) -> ControlFlow<()> {
        let bytes = self.bytes + u64::from(message.size);
        if self.given > 0 && self.request.max_bytes.is_some_and(|max| bytes > max) {
            return ControlFlow::Break(());
        }
        self.bytes = bytes;
        self.events.push(Event::Received(Received {
            seq,
            lease: LeaseId(self.request.first_lease.0 + self.given as u64),
            at: self.now,
            visible_at: self.visible_at,
            receive_count: message.receive_count.saturating_add(1),
            attempt: self.attempt.clone(),
        }));
        self.given += 1;
        ControlFlow::Continue(())
    }
}
