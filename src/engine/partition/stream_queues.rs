//! Receives from queues over streams: served at once, or when a record comes or comes back. An idle one costs a map entry.

use super::{
    streams::no_stream,
    waiters::{Waiter, Waiters},
    worker::Worker,
};
use crate::{
    base::{
        id::{LeaseId, StreamId, StreamQueueId},
        reason::{Reason, Refusal},
        time::Timestamp,
    },
    domain::stream::acks::{
        AckError, Event,
        event::Marked,
        machine::Lane,
        receive::{Receive, Stored},
    },
    engine::{
        command::{Answer, Command, StreamCommand},
        streams::{
            delivery::{LaneKey, ReceiveRecords},
            view::Change,
        },
    },
};

pub(super) type RecordWaiters = Waiters<LaneKey, ReceiveRecords, Vec<Marked>>;

fn no_queue() -> Refusal {
    Refusal::new(Reason::StreamPartNotFound, "the queue does not exist any more")
}

fn refused(error: &AckError) -> Refusal {
    let reason = match error {
        AckError::NotActive | AckError::Busy(_) => Reason::StreamNotActive,
        AckError::TimeoutTooLong(_) | AckError::ReceiveCount(_) => Reason::InvalidArgument,
        AckError::LeaseExpired => Reason::LeaseExpired,
        AckError::Gone => Reason::StreamPartNotFound,
    };
    Refusal::new(reason, error.to_string())
}

impl Worker {
    pub(super) fn receive_records(
        &mut self,
        stream: StreamId,
        request: ReceiveRecords,
        number: u64,
        answer: Answer<Vec<Marked>>,
    ) {
        if answer.is_closed() {
            return;
        }
        match self.lease_records(stream, &request) {
            Ok(marks) if marks.is_empty() && !request.wait.is_zero() => {
                let deadline = self.now() + request.wait;
                let waiter = Waiter { options: request, answer, deadline };
                self.record_waiters.add((stream, request.queue, request.lane), number, waiter);
                self.set_stream_timer(stream);
            }
            result => self.tell_marks(stream, request.queue, result, answer),
        }
        // Some of them may be visible again at once, and now others wait for less.
        self.touch_stream(stream);
    }

    pub(super) fn cancel_receive(&mut self, key: LaneKey, number: u64) {
        self.record_waiters.remove(key, number);
    }

    /// Takes back what was leased to somebody who is gone.
    pub(super) fn hand_back(&mut self, stream: StreamId, id: StreamQueueId, marks: &[Marked]) {
        let now = self.now();
        let found = self.state.streams.get(&stream).and_then(|state| state.queue(id));
        let Some((name, queue)) = found else { return };
        let events = marks.iter().flat_map(|mark| queue.hand_back(now, mark));
        let changes: Vec<_> = events.map(|event| Change::Queue { name: name.clone(), event }).collect();
        for change in changes {
            self.change(stream, change);
        }
        self.touch_stream(stream);
    }

    /// Something happened that receives of this stream may wait for.
    pub(super) fn touch_stream(&mut self, stream: StreamId) {
        if !self.record_waiters.is_empty() {
            self.touched_streams.insert(stream);
        }
    }

    pub(super) fn settle_touched_streams(&mut self) {
        while let Some(stream) = self.touched_streams.pop_first() {
            for key in self.awaited(stream) {
                self.serve_records(key);
            }
            self.set_stream_timer(stream);
        }
    }

    /// When a record comes back that a receive waits for.
    pub(super) fn next_return(&self, stream: StreamId) -> Option<Timestamp> {
        let state = self.state.streams.get(&stream)?;
        let returns = |(_, queue, lane): LaneKey| state.queue(queue)?.1.returns_after(lane, self.now());
        self.awaited(stream).into_iter().filter_map(returns).min()
    }

    /// The lanes of a stream's queues that receives wait for.
    fn awaited(&self, stream: StreamId) -> Vec<LaneKey> {
        let Some(state) = self.state.streams.get(&stream).filter(|_| !self.record_waiters.is_empty()) else {
            return Vec::new();
        };
        let ids = state.queues.values().map(|queue| queue.about().id);
        let keys = ids.flat_map(|id| Lane::ALL.map(|lane| (stream, id, lane)));
        keys.filter(|key| self.record_waiters.count(*key) > 0).collect()
    }

    fn serve_records(&mut self, key: LaneKey) {
        let (stream, queue, _) = key;
        while self.make_room().is_some()
            && let Some((number, waiter)) = self.record_waiters.pop(key)
        {
            match self.lease_records(stream, &waiter.options) {
                Ok(marks) if marks.is_empty() => return self.record_waiters.add(key, number, waiter),
                result => self.tell_marks(stream, queue, result, waiter.answer),
            }
        }
    }

    /// Leases what there is; the intervals of records, all under one lease.
    fn lease_records(&mut self, stream: StreamId, request: &ReceiveRecords) -> Result<Vec<Marked>, Refusal> {
        let (now, lease) = (self.now(), LeaseId(self.state.next_lease));
        let state = self.state.streams.get(&stream).ok_or_else(no_stream)?;
        let (name, queue) = state.queue(request.queue).ok_or_else(no_queue)?;
        let ReceiveRecords { lane, max, visibility_timeout, .. } = *request;
        let shards = state.stream.shards();
        let stored = shards.map(|shard| (shard.id, Stored { first: shard.first_index, last: shard.last_index }));
        let receive = Receive { lane, max, visibility_timeout, lease, stored: stored.collect() };
        let events = queue.receive(now, &receive).map_err(|error| refused(&error))?;
        let name = name.clone();
        let mut marks = Vec::with_capacity(events.len());
        for event in events {
            if let Event::Received(mark) = &event {
                marks.push(*mark);
            }
            self.change(stream, Change::Queue { name: name.clone(), event });
        }
        Ok(marks)
    }

    /// Answers when the leases are durable; takes them back when the taker is gone.
    fn tell_marks(
        &self,
        stream: StreamId,
        queue: StreamQueueId,
        result: Result<Vec<Marked>, Refusal>,
        answer: Answer<Vec<Marked>>,
    ) {
        let inbox = self.inbox.clone();
        self.reply(Box::new(move || {
            if let Err(Ok(marks)) = answer.send(result)
                && !marks.is_empty()
            {
                inbox.push_internal(Command::Stream(StreamCommand::HandBack { stream, queue, marks }));
            }
        }));
    }

    /// The queues of a stream whose end has come.
    pub(super) fn queues_gone(&self, stream: StreamId) -> Vec<Change> {
        let now = self.now();
        let queues = self.state.streams.get(&stream).into_iter().flat_map(|state| &state.queues);
        let gone = queues.filter(|(_, queue)| queue.about().gone_at.is_some_and(|at| at <= now));
        gone.map(|(name, _)| Change::QueueRemoved { name: name.clone() }).collect()
    }
}
