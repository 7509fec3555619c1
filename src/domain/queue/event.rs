//! What happened to a queue. Each event is one entry of the log.
//!
//! Events carry absolute values (a new count, never "one more"), so that replaying a stretch of the log over a state
//! that already contains some of it ends in the same state. An event may name a message that is gone; `apply`
//! passes over it.

use super::{checkpoint::StoredMessage, settings::Settings};
use crate::base::{
    id::{LeaseId, Location, MessageId, MessageSeq, QueueId, RedriveId, TransferKey},
    time::Timestamp,
};
use std::{slice, sync::Arc};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A message was stored. Its payload stands in the same entry.
    Sent(Sent),
    /// A message was leased.
    Received(Received),
    /// A lease's end moved, or the message was given back (`visible_at` not after the entry's time).
    VisibilityChanged(VisibilityChanged),
    /// A message was acknowledged.
    Deleted {
        seq: MessageSeq,
    },
    /// Messages outlived the retention.
    Expired {
        seqs: Vec<MessageSeq>,
    },
    /// Every message below `below` is gone, and so is what deduplication remembered.
    Purged {
        below: MessageSeq,
        at: Timestamp,
    },
    /// A message left for another queue; the engine's outbox carries it there.
    Moved(Moved),
    /// A message has another entry in the log: the one that says so, with the payload.
    Relocated(Box<StoredMessage>),
    /// A message has its entry in the archive from now on, durably.
    Archived {
        seq: MessageSeq,
        to: Location,
        since: Since,
    },
    SettingsChanged(Settings),
    RedriveStarted(RedriveStarted),
    /// A redrive was told to stop, or stopped.
    RedriveEnded {
        id: RedriveId,
        outcome: RedriveOutcome,
        at: Timestamp,
    },
}

impl Event {
    /// The messages that are gone after it.
    pub fn ended(&self) -> &[MessageSeq] {
        match self {
            Self::Deleted { seq } => slice::from_ref(seq),
            Self::Expired { seqs } => seqs,
            Self::Moved(moved) => slice::from_ref(&moved.seq),
            // A purge is told by the head of its queue.
            Self::Sent(_)
            | Self::Received(_)
            | Self::VisibilityChanged(_)
            | Self::Purged { .. }
            | Self::Relocated(_)
            | Self::Archived { .. }
            | Self::SettingsChanged(_)
            | Self::RedriveStarted(_)
            | Self::RedriveEnded { .. } => &[],
        }
    }
}

/// What had happened to a message since its entry in the archive was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Since {
    Nothing,
    /// It is as this says.
    Changed(Box<StoredMessage>),
    Gone,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    pub seq: MessageSeq,
    pub message_id: MessageId,
    /// The retention's clock starts here; kept when a standard queue's message becomes a dead letter.
    pub send_time: Timestamp,
    pub visible_at: Timestamp,
    /// Bytes of body and attributes as the limits count them.
    pub size: u32,
    /// FIFO: order scope. Standard: fair-queue tenant.
    pub group: Option<Arc<str>>,
    /// What deduplication compares: the explicit id or the body's hash. FIFO only.
    pub deduplication_id: Option<Arc<str>>,
    /// Above zero only for a message that came from another queue.
    pub receive_count: u32,
    pub first_receive: Option<Timestamp>,
    /// The queue this dead letter came from.
    pub dead_letter_source: Option<QueueId>,
    /// Set when the message came out of another queue's outbox.
    pub transfer: Option<TransferKey>,
    /// Who produced it, and that producer's sequence for it.
    pub producer: Option<(Arc<str>, u64)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    pub seq: MessageSeq,
    pub lease: LeaseId,
    pub at: Timestamp,
    pub visible_at: Timestamp,
    pub receive_count: u32,
    /// FIFO: the attempt id this receive was made with.
    pub attempt: Option<Arc<str>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VisibilityChanged {
    pub seq: MessageSeq,
    /// Zero when the change ended the lease (nack, or visible at once).
    pub lease: LeaseId,
    pub visible_at: Timestamp,
    pub receive_count: u32,
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    pub seq: MessageSeq,
    pub to: QueueId,
    /// Names the transfer; rises by one a move in its partition.
    pub transfer: u64,
    pub why: MoveReason,
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MoveReason {
    /// Received too often.
    MaxReceives,
    /// A consumer asked for it.
    Explicit { reason: Arc<str> },
    /// Part of a redrive, with the count of messages that redrive has moved, this one included.
    Redrive { id: RedriveId, moved: u64 },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedriveStarted {
    pub id: RedriveId,
    /// None: each message goes back to the queue it came from.
    pub to: Option<QueueId>,
    /// 0: as fast as it goes.
    pub max_messages_per_second: u32,
    pub messages_to_move: u64,
    /// Only messages below this move: what arrives later stays.
    pub below: MessageSeq,
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedriveOutcome {
    /// Asked to stop; nothing more moves.
    Cancelled,
    Completed,
    Failed {
        why: Arc<str>,
    },
}
