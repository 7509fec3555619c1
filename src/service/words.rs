//! The engine's plain data that passes through the services unchanged, under the names protocols use for it. Protocols
//! name these and never the engine.

use crate::engine::{
    definition, message,
    streams::{delivery, handle, record, view},
};

pub type Attribute = message::Attribute;
pub type AttributeValue = message::AttributeValue;
pub type BrowsedMessage = message::BrowsedMessage;
pub type MessageState = message::MessageState;
pub type Outcome = message::Outcome;
pub type Payload = message::Payload;
pub type QueueDefinition = definition::QueueDefinition;
pub type QueueOptions = definition::QueueOptions;
pub type Encryption = definition::Encryption;
pub type DeadLetterPolicy = definition::DeadLetterPolicy;
pub type QueueStats = message::QueueStats;
pub type Receipt = message::Receipt;
pub type ReceivedMessage = message::ReceivedMessage;
pub type RedriveAllow = definition::RedriveAllow;
pub type SentMessage = message::SentMessage;
pub type StreamHandle = handle::StreamHandle;
pub type Notes = handle::Notes;
pub type NewRecord = record::NewRecord;
pub type PutBatch = record::PutBatch;
pub type PutError = record::PutError;
pub type PutRecord = record::PutRecord;
pub type ReadBatch = record::ReadBatch;
pub type StoredRecord = record::StoredRecord;
pub type DeliveredRecord = delivery::DeliveredRecord;
pub type View<'a> = view::View<'a>;
pub type Change = view::Change;

/// What became of one entry of a batch.
pub type EntryResult<T> = Result<T, crate::base::reason::Refusal>;
