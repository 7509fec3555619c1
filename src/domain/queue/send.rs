//! Storing a message: one a client sends, or one that comes out of another queue.

use super::{
    event::Sent,
    machine::Queue,
    settings::{Kind, Settings},
};
use crate::base::{
    id::{MessageId, MessageSeq, QueueId, TransferKey},
    limits,
    time::Timestamp,
};
use std::{sync::Arc, time::Duration};

#[derive(Clone, Debug, Default)]
pub struct Send {
    pub message_id: MessageId,
    /// Bytes of body and attributes as the limits count them.
    pub size: u32,
    /// FIFO: order scope, required. Standard: fair-queue tenant.
    pub group: Option<Arc<str>>,
    /// FIFO only.
    pub deduplication_id: Option<Arc<str>>,
    /// Stands in for a missing deduplication id where the queue is set so.
    pub content_hash: Option<Arc<str>>,
    /// None: as the queue says. Standard only.
    pub delay: Option<Duration>,
    /// Who produces it, and that producer's sequence for it, from 1.
    pub producer: Option<(Arc<str>, u64)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendDecision {
    Store(Sent),
    /// Deduplication recognised it; this is the message that was stored.
    Duplicate {
        message_id: MessageId,
        seq: MessageSeq,
    },
    /// The producer's sequence is stored already.
    Repeated,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    #[error("the message has {size} bytes; the queue takes up to {limit}")]
    TooLarge { size: u32, limit: u32 },
    #[error("a message to a FIFO queue needs a group id")]
    GroupMissing,
    #[error("the message has no deduplication id, and the queue does not derive one from the body")]
    DeduplicationIdMissing,
    #[error("a deduplication id needs a FIFO queue")]
    DeduplicationNotFifo,
    #[error("a message to a FIFO queue has no delay of its own; it says {} s", .0.as_secs())]
    DelayOnFifo(Duration),
    #[error("a delay of {} s is longer than {} s", .0.as_secs(), limits::LONG_DELAY_MAX.as_secs())]
    DelayTooLong(Duration),
    #[error("a producer's sequences start at 1")]
    SequenceZero,
}

/// A message out of another queue's outbox.
#[derive(Clone, Debug)]
pub struct Accept {
    pub message_id: MessageId,
    pub size: u32,
    pub group: Option<Arc<str>>,
    pub deduplication_id: Option<Arc<str>>,
    /// A standard queue keeps it as the send time, and the retention's clock with it: the source's
    /// [`MessageView::retention_from`](super::browse::MessageView). None: now, as for a redrive.
    pub send_time: Option<Timestamp>,
    pub receive_count: u32,
    pub first_receive: Option<Timestamp>,
    pub dead_letter_source: Option<QueueId>,
    /// Numbers of one source arrive rising.
    pub transfer: TransferKey,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AcceptDecision {
    Store(Sent),
    /// It arrived before.
    Repeated,
}

impl Queue {
    /// Stores a message, unless it repeats one.
    pub fn send(&self, now: Timestamp, request: &Send) -> Result<SendDecision, SendError> {
        check(&self.settings, request)?;
        if let Some((producer, sequence)) = &request.producer
            && *sequence <= self.producers.sequence(producer)
        {
            return Ok(SendDecision::Repeated);
        }
        let deduplication_id = self.deduplication_id(request)?;
        let found = deduplication_id.as_ref().and_then(|id| self.dedup.find(now, request.group.as_ref(), id));
        if let Some(found) = found {
            return Ok(SendDecision::Duplicate { message_id: found.message_id, seq: found.seq });
        }
        let delay = match self.settings.kind {
            Kind::Standard => request.delay.unwrap_or(self.settings.delay),
            Kind::Fifo(_) => self.settings.delay,
        };
        Ok(SendDecision::Store(Sent {
            seq: self.next_seq,
            message_id: request.message_id,
            send_time: now,
            visible_at: now + delay,
            size: request.size,
            group: request.group.clone(),
            deduplication_id,
            receive_count: 0,
            first_receive: None,
            dead_letter_source: None,
            transfer: None,
            producer: request.producer.clone(),
        }))
    }

    /// Stores a message out of another queue once. Neither delay nor deduplication concerns it.
    pub fn accept(&self, now: Timestamp, request: &Accept) -> AcceptDecision {
        let transfer = request.transfer;
        if self.transfers.get(&transfer.source).is_some_and(|mark| transfer.number <= *mark) {
            return AcceptDecision::Repeated;
        }
        let kept = request.send_time.filter(|_| !self.settings.is_fifo());
        AcceptDecision::Store(Sent {
            seq: self.next_seq,
            message_id: request.message_id,
            send_time: kept.unwrap_or(now),
            visible_at: now,
            size: request.size,
            group: request.group.clone(),
            deduplication_id: request.deduplication_id.clone(),
            receive_count: request.receive_count,
            first_receive: request.first_receive,
            dead_letter_source: request.dead_letter_source,
            transfer: Some(transfer),
            producer: None,
        })
    }

    /// An explicit id comes before the body's hash.
    fn deduplication_id(&self, request: &Send) -> Result<Option<Arc<str>>, SendError> {
        let Kind::Fifo(fifo) = self.settings.kind else { return Ok(None) };
        let hash = request.content_hash.as_ref().filter(|_| fifo.content_based_deduplication);
        let id = request.deduplication_id.as_ref().or(hash);
        id.cloned().map(Some).ok_or(SendError::DeduplicationIdMissing)
    }
}

fn check(settings: &Settings, request: &Send) -> Result<(), SendError> {
    let limit = settings.max_message_bytes;
    if request.size > limit {
        return Err(SendError::TooLarge { size: request.size, limit });
    }
    if request.producer.as_ref().is_some_and(|(_, sequence)| *sequence == 0) {
        return Err(SendError::SequenceZero);
    }
    let delay = request.delay.unwrap_or_default();
    match settings.kind {
        Kind::Standard if request.deduplication_id.is_some() => Err(SendError::DeduplicationNotFifo),
        Kind::Standard if delay > limits::LONG_DELAY_MAX => Err(SendError::DelayTooLong(delay)),
        Kind::Fifo(_) if request.group.is_none() => Err(SendError::GroupMissing),
        Kind::Fifo(_) if !delay.is_zero() => Err(SendError::DelayOnFifo(delay)),
        Kind::Standard | Kind::Fifo(_) => Ok(()),
    }
}
