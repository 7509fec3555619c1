//! Sending, receiving and settling.

use super::{
    refusal::{no_queue, of_receive, of_send, of_settle},
    waiters::Waiter,
    worker::Worker,
};
use crate::{
    base::{
        entropy::random_16,
        id::{LeaseId, Lsn, MessageId, MessageSeq, QueueId},
        reason::{Reason, Refusal},
    },
    domain::queue::{Delivery, Receive, Send, SendDecision, event::Event},
    engine::{
        command::{Answer, Command, Settlement},
        journal::Record,
        message::{NewMessage, Outcome, Payload, ReceiveOptions, SendBatch, SentMessage},
    },
};
use std::{sync::Arc, time::Duration};

impl Worker {
    pub(super) fn send(&mut self, id: QueueId, batch: SendBatch, answer: Answer<Vec<Result<SentMessage, Refusal>>>) {
        let result = match self.refuse_more_of(id).and_then(|()| self.advance(id)) {
            Err(refusal) => Err(refusal),
            Ok(()) => {
                let mut results = Vec::with_capacity(batch.messages.len());
                let mut sequence = batch.producer;
                for message in batch.messages {
                    results.push(self.send_one(id, message, &batch.sender, sequence.clone()));
                    sequence = sequence.map(|(producer, sequence)| (producer, sequence + 1));
                }
                Ok(results)
            }
        };
        // A caller that is gone does not hear of it; the messages are stored all the same.
        self.reply(Box::new(move || drop(answer.send(result))));
    }

    fn send_one(
        &mut self,
        id: QueueId,
        message: NewMessage,
        sender: &Arc<str>,
        producer: Option<(Arc<str>, u64)>,
    ) -> Result<SentMessage, Refusal> {
        let now = self.now();
        let message_id = MessageId::new(self.state.partition, random_16(self.entropy.as_mut()));
        let queue = self.state.queues.get(id).ok_or_else(|| no_queue(id))?;
        let fifo = queue.settings().is_fifo();
        let request = Send {
            message_id,
            size: message.size,
            group: message.group.clone(),
            deduplication_id: message.deduplication_id,
            content_hash: message.content_hash,
            delay: message.delay,
            producer,
        };
        match queue.send(now, &request).map_err(|error| of_send(&error))? {
            SendDecision::Store(sent) => {
                let seq = sent.seq;
                let payload = Payload {
                    message_id,
                    body: message.body,
                    attributes: message.attributes,
                    group: None,
                    deduplication_id: None,
                    sender: sender.clone(),
                    trace_context: message.trace_context,
                    dead_letter_source: String::new(),
                    dead_letter_reason: String::new(),
                };
                self.record_sent(id, sent, &payload);
                let sequence_number = fifo.then_some(seq.0);
                Ok(SentMessage { message_id: Some(message_id), sequence_number, deduplicated: false })
            }
            SendDecision::Duplicate { message_id, seq } => Ok(SentMessage {
                message_id: Some(message_id),
                sequence_number: fifo.then_some(seq.0),
                deduplicated: true,
            }),
            SendDecision::Repeated => Ok(SentMessage { message_id: None, sequence_number: None, deduplicated: true }),
        }
    }

    pub(super) fn producer_sequence(&mut self, id: QueueId, producer: &str, answer: Answer<u64>) {
        let result = self.advance(id).and_then(|()| {
            let queue = self.state.queues.get(id).ok_or_else(|| no_queue(id))?;
            Ok(queue.producer_sequence(producer))
        });
        self.reply(Box::new(move || drop(answer.send(result))));
    }

    pub(super) fn receive(&mut self, id: QueueId, options: ReceiveOptions, number: u64, answer: Answer<Vec<Delivery>>) {
        if answer.is_closed() {
            return;
        }
        let result = self.advance(id).and_then(|()| self.lease(id, &options));
        match result {
            Ok(deliveries) if deliveries.is_empty() && !options.wait.is_zero() => {
                let deadline = self.now() + options.wait;
                self.waiters.add(id, number, Waiter { options, answer, deadline });
            }
            Ok(deliveries) => self.deliver(id, deliveries, answer),
            Err(refusal) => self.reply(Box::new(move || drop(answer.send(Err(refusal))))),
        }
    }

    pub(super) fn cancel_wait(&mut self, id: QueueId, number: u64) {
        self.waiters.remove(id, number);
    }

    /// Leases up to `options.max_messages`; messages received too often go to the dead-letter queue instead.
    pub(super) fn lease(&mut self, id: QueueId, options: &ReceiveOptions) -> Result<Vec<Delivery>, Refusal> {
        let dead_letter_to = self.dead_letter_target(id);
        loop {
            let request = Receive {
                max: options.max_messages,
                max_bytes: options.max_bytes,
                visibility_timeout: options.visibility_timeout,
                attempt: options.attempt_id.clone(),
                first_lease: LeaseId(self.state.next_lease),
                dead_letter_to,
                next_transfer: self.state.next_transfer,
            };
            let queue = self.state.queues.get(id).ok_or_else(|| no_queue(id))?;
            let events = queue.receive(self.now(), &request).map_err(|error| of_receive(&error))?;
            let mut leased = Vec::with_capacity(events.len());
            let nothing = events.is_empty();
            for event in events {
                if let Event::Received(received) = &event {
                    leased.push((received.seq, received.lease, received.visible_at));
                }
                self.record_event(id, event);
            }
            let deliveries = self.deliveries(id, &leased);
            // Only dead letters came: there may be more behind them.
            if nothing || !deliveries.is_empty() {
                return Ok(deliveries);
            }
        }
    }

    fn deliveries(&self, id: QueueId, leased: &[(MessageSeq, LeaseId, crate::base::time::Timestamp)]) -> Vec<Delivery> {
        let Some(queue) = self.state.queues.get(id) else { return Vec::new() };
        let deliver = |(seq, lease, until): &(MessageSeq, LeaseId, crate::base::time::Timestamp)| {
            let delivery = queue.delivery(*seq)?;
            Some(Delivery { lease: *lease, lease_until: *until, ..delivery })
        };
        leased.iter().filter_map(deliver).collect()
    }

    /// Answers with leased messages once they cannot be taken back; gives them back when the taker is gone.
    ///
    /// A standard queue's own lease need not be durable: losing it means another delivery.
    pub(super) fn deliver(&mut self, id: QueueId, deliveries: Vec<Delivery>, answer: Answer<Vec<Delivery>>) {
        let fifo = self.state.queues.get(id).is_some_and(|queue| queue.settings().is_fifo());
        // What is in the archive is durable.
        let in_log = deliveries.iter().map(|delivery| delivery.location.lsn).filter(|lsn| !lsn.is_in_archive());
        let depends_on = if fifo { self.applied() } else { in_log.max().unwrap_or(Lsn(0)) };
        let inbox = self.inbox.clone();
        let reply = move || {
            if let Err(Ok(lost)) = answer.send(Ok(deliveries)) {
                let leases = lost.iter().map(|delivery| (delivery.seq, delivery.lease)).collect();
                inbox.push_internal(Command::Release { queue: id, leases });
            }
        };
        self.gate.when(depends_on, Box::new(reply));
    }

    pub(super) fn settle(
        &mut self,
        id: QueueId,
        settlements: Vec<Settlement>,
        answer: Answer<Vec<Result<(), Refusal>>>,
    ) {
        let result = self.advance(id).map(|()| {
            settlements.into_iter().map(|(seq, lease, outcome)| self.settle_one(id, seq, lease, outcome)).collect()
        });
        self.reply(Box::new(move || drop(answer.send(result))));
    }

    fn settle_one(&mut self, id: QueueId, seq: MessageSeq, lease: LeaseId, outcome: Outcome) -> Result<(), Refusal> {
        let now = self.now();
        let queue = self.state.queues.get(id).ok_or_else(|| no_queue(id))?;
        let events = match outcome {
            Outcome::Ack => queue.delete(now, seq, lease).map(Vec::from_iter),
            Outcome::Nack { delay, keep_receive_count } => queue.nack(now, seq, lease, delay, keep_receive_count),
            Outcome::Extend { visibility_timeout } => {
                queue.change_visibility(now, seq, lease, visibility_timeout).map(|event| vec![event])
            }
            Outcome::DeadLetter { reason } => {
                let to = self.dead_letter_target(id).ok_or_else(|| {
                    Refusal::new(Reason::NoDeadLetterQueue, "the queue has no dead-letter queue to move the message to")
                })?;
                queue.dead_letter(now, seq, lease, reason, to, self.state.next_transfer).map(|event| vec![event])
            }
        };
        for event in events.map_err(|error| of_settle(&error))? {
            self.record_event(id, event);
        }
        Ok(())
    }

    pub(super) fn release(&mut self, id: QueueId, leases: Vec<(MessageSeq, LeaseId)>) {
        if self.advance(id).is_err() {
            return;
        }
        // From the last to the first: on a FIFO queue giving one back voids the leases behind it.
        for (seq, lease) in leases.into_iter().rev() {
            let outcome = Outcome::Nack { delay: Duration::ZERO, keep_receive_count: true };
            // A lease that has ended meanwhile needs no release.
            let _ended = self.settle_one(id, seq, lease, outcome);
        }
    }

    /// Writes what a queue decided; a move becomes an outbox item that says all about its message.
    pub(super) fn record_event(&mut self, id: QueueId, event: Event) {
        let Event::Moved(moved) = event else { return self.record(Record::Queue(id, event)) };
        if let Some(item) = self.outbox_item(id, moved) {
            self.record(Record::Moved(item));
        }
    }
}
