//! Messages and what is asked about them, as plain data between the services and the partitions.

use crate::{
    base::{
        id::{LeaseId, MessageId, MessageSeq, PartitionId, QueueId, RedriveId},
        time::Timestamp,
    },
    domain::queue::event::RedriveOutcome,
};
use bytes::Bytes;
use std::{sync::Arc, time::Duration};

/// A typed attribute, in the three logical types of Amazon SQS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    pub name: String,
    /// "String", "Number" or "Binary", with an optional ".label".
    pub data_type: String,
    pub value: AttributeValue,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttributeValue {
    Text(String),
    Binary(Bytes),
}

/// A message to store. Checked by the service; the queue's own rules are the state machine's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewMessage {
    pub body: Bytes,
    pub attributes: Vec<Attribute>,
    pub group: Option<Arc<str>>,
    pub deduplication_id: Option<Arc<str>>,
    /// SHA-256 of the body in hex, when the queue deduplicates by content and no id was given.
    pub content_hash: Option<Arc<str>>,
    pub delay: Option<Duration>,
    pub trace_context: String,
    /// Bytes of body and attributes as the limits count them.
    pub size: u32,
}

/// Messages of one call. Each succeeds or fails alone.
#[derive(Clone, Debug, Default)]
pub struct SendBatch {
    pub messages: Vec<NewMessage>,
    pub sender: Arc<str>,
    /// The producer and its sequence for the first message; the others follow without gaps.
    pub producer: Option<(Arc<str>, u64)>,
}

/// A stored message, or the original that it repeats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentMessage {
    /// `None` when only the producer's sequence says that it was stored before.
    pub message_id: Option<MessageId>,
    /// FIFO only.
    pub sequence_number: Option<u64>,
    pub deduplicated: bool,
}

#[derive(Clone, Debug, Default)]
pub struct ReceiveOptions {
    pub max_messages: usize,
    /// Stop before this many bytes of bodies and attributes; the first message is always given.
    pub max_bytes: Option<u64>,
    /// How long to wait for the first message.
    pub wait: Duration,
    pub visibility_timeout: Option<Duration>,
    /// FIFO: repeating a lost receive with the same id returns the same messages.
    pub attempt_id: Option<Arc<str>>,
}

/// A right to settle one lease of one message; spelled as a receipt handle outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Receipt {
    pub partition: PartitionId,
    pub queue: QueueId,
    pub seq: MessageSeq,
    pub lease: LeaseId,
}

/// What the log keeps of a message besides what its state machine keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payload {
    pub message_id: MessageId,
    pub body: Bytes,
    pub attributes: Vec<Attribute>,
    pub group: Option<Arc<str>>,
    pub deduplication_id: Option<Arc<str>>,
    pub sender: Arc<str>,
    pub trace_context: String,
    /// Full name of the queue this dead letter came from; empty for all others.
    pub dead_letter_source: String,
    /// Why a consumer dead-lettered it; empty when it was received too often.
    pub dead_letter_reason: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedMessage {
    pub receipt: Receipt,
    pub payload: Payload,
    /// FIFO only.
    pub sequence_number: Option<u64>,
    pub receive_count: u32,
    pub send_time: Timestamp,
    pub first_receive: Timestamp,
    pub lease_until: Timestamp,
    pub size: u32,
}

/// What a consumer decides about one lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Ack,
    Nack { delay: Duration, keep_receive_count: bool },
    Extend { visibility_timeout: Duration },
    DeadLetter { reason: Arc<str> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageState {
    Visible,
    InFlight,
    Delayed,
}

#[derive(Clone, Debug, Default)]
pub struct BrowseOptions {
    /// Empty: every state.
    pub states: Vec<MessageState>,
    pub group: Option<Arc<str>>,
    /// The first message to look at.
    pub from: MessageSeq,
    pub limit: usize,
}

/// A message seen without leasing it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrowsedMessage {
    pub seq: MessageSeq,
    pub state: MessageState,
    pub payload: Payload,
    pub sequence_number: Option<u64>,
    pub receive_count: u32,
    pub send_time: Timestamp,
    pub first_receive: Option<Timestamp>,
    /// End of the lease or of the delay.
    pub visible_at: Timestamp,
    pub size: u32,
}

/// Exact at the moment of the read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueStats {
    pub visible: u64,
    pub in_flight: u64,
    pub delayed: u64,
    pub bytes: u64,
    pub oldest_send_time: Option<Timestamp>,
    pub groups_in_flight: u64,
    /// Open consume calls and waiting receives.
    pub consumers: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redrive {
    pub id: RedriveId,
    pub source: QueueId,
    /// `None`: each message goes back to the queue it came from.
    pub destination: Option<QueueId>,
    pub max_messages_per_second: u32,
    pub messages_to_move: u64,
    pub messages_moved: u64,
    pub started: Timestamp,
    /// `None` while it runs.
    pub outcome: Option<RedriveOutcome>,
}

/// Part of a browse.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BrowsedPage {
    /// May be fewer than asked for although there are more.
    pub messages: Vec<BrowsedMessage>,
    /// Where to go on; `None` at the end.
    pub next: Option<MessageSeq>,
}
