//! The engine's plain data that passes through the services unchanged, under the names protocols use for it. Protocols
//! name these and never the engine.

use crate::engine::{definition, message};

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

/// What became of one entry of a batch.
pub type EntryResult<T> = Result<T, crate::base::reason::Refusal>;
