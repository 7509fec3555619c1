//! Messages on their way from one queue to another: dead letters and redrives.
//!
//! The source keeps an outbox item from the frame that moved the message until the target's frame that stores it is
//! durable; the target knows the highest number it took from each source, so a repeated delivery stores nothing.

use super::{refusal::no_queue, worker::Worker};
use crate::{
    base::entropy::random_16,
    base::id::{MessageId, PartitionId, QueueId, TransferKey},
    domain::queue::{
        Accept, AcceptDecision,
        event::{MoveReason, Moved},
    },
    engine::{
        command::Then,
        journal::{OutboxItem, OutboxReason, Record},
        message::Payload,
    },
};

impl Worker {
    /// The live queue that dead letters of `id` go to.
    pub(super) fn dead_letter_target(&self, id: QueueId) -> Option<QueueId> {
        self.state.queues.get(id)?.settings().max_receive_count?;
        let definition = self.shared.directory.by_id(id)?;
        let policy = definition.options.dead_letter.as_ref()?;
        Some(self.shared.directory.find(&policy.queue)?.id)
    }

    pub(super) fn outbox_item(&self, id: QueueId, moved: Moved) -> Option<OutboxItem> {
        let message = self.state.queues.get(id)?.message(moved.seq)?;
        Some(OutboxItem {
            number: moved.transfer,
            source: id,
            seq: moved.seq,
            target: moved.to,
            location: message.location,
            at: moved.at,
            send_time: message.retention_from,
            receive_count: message.receive_count,
            first_receive: message.first_receive,
            size: message.size,
            dead_letter_source: message.dead_letter_source,
            why: match moved.why {
                MoveReason::MaxReceives => OutboxReason::MaxReceives,
                MoveReason::Explicit { reason } => OutboxReason::Explicit { reason },
                MoveReason::Redrive { id, moved } => OutboxReason::Redrive { id, moved },
            },
        })
    }

    /// Stores a message out of the outbox of `source`, once.
    pub(super) fn accept(&mut self, item: &OutboxItem, source: PartitionId, payload: Payload, then: Then<()>) {
        let result = self.accept_item(item, source, payload);
        self.reply(Box::new(move || then(result)));
    }

    fn accept_item(
        &mut self,
        item: &OutboxItem,
        source: PartitionId,
        mut payload: Payload,
    ) -> Result<(), crate::base::reason::Refusal> {
        let id = item.target;
        self.advance(id)?;
        let dead_letter = match &item.why {
            OutboxReason::MaxReceives | OutboxReason::Explicit { .. } => true,
            OutboxReason::Redrive { .. } => {
                payload.message_id = MessageId::new(self.state.partition, random_16(self.entropy.as_mut()));
                payload.dead_letter_source.clear();
                payload.dead_letter_reason.clear();
                false
            }
            OutboxReason::Returned => true,
        };
        let queue = self.state.queues.get(id).ok_or_else(|| no_queue(id))?;
        let came_back = item.why == OutboxReason::Returned;
        let fifo = queue.settings().is_fifo();
        let accept = Accept {
            message_id: payload.message_id,
            size: item.size,
            group: payload.group.clone(),
            deduplication_id: fifo.then(|| payload.message_id.to_string().into()),
            send_time: dead_letter.then_some(item.send_time),
            receive_count: if dead_letter { item.receive_count } else { 0 },
            first_receive: item.first_receive.filter(|_| dead_letter),
            dead_letter_source: match (dead_letter, came_back) {
                (true, false) => Some(item.source),
                (true, true) => item.dead_letter_source,
                (false, _) => None,
            },
            transfer: TransferKey { source, number: item.number },
        };
        match queue.accept(self.now(), &accept) {
            AcceptDecision::Store(sent) => {
                self.record_sent(id, sent, &payload);
            }
            AcceptDecision::Repeated => {}
        }
        Ok(())
    }

    pub(super) fn transfers_done(&mut self, below: u64) {
        if self.state.outbox.first_key_value().is_some_and(|(number, _)| *number < below) {
            self.record(Record::TransfersDone { below });
        }
    }

    /// The target is gone: the message goes to `to` instead, under a new number, so that numbers rise at every target.
    pub(super) fn reroute(&mut self, number: u64, to: QueueId) {
        let Some(item) = self.state.outbox.get(&number) else { return };
        let item =
            OutboxItem { number: self.state.next_transfer, target: to, why: OutboxReason::Returned, ..item.clone() };
        self.record(Record::Rerouted { old: number, item });
    }
}
