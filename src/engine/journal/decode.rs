//! Entries to records.

use super::{
    appended::appended,
    header::{definition_from, item_from, path_from, redrive_id, settings_from},
    kind,
    record::Record,
    sent::{RelocatedHeader, SentHeader},
    streams::{change_from, stream_definition_from},
    tables,
};
use crate::{
    base::{
        id::{LeaseId, Location, Lsn, MessageId, MessageSeq, PartitionId, QueueId, RedriveId, StreamId, TransferKey},
        time::Timestamp,
    },
    domain::queue::{
        Page, StoredMessage,
        event::{Event, Received, RedriveOutcome, RedriveStarted, Sent, Since, VisibilityChanged},
    },
    engine::message::{Attribute, AttributeValue, Payload},
    proto::storage::v1 as wire,
    storage::log::StoredEntry,
};
use bytes::Bytes;
use prost::Message as _;
use std::sync::Arc;

/// An entry whose CRC is right and whose content is not.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DecodeError {
    #[error("entry kind {0} is unknown to this version")]
    UnknownKind(u8),
    #[error("an entry's header is malformed: {0}")]
    Header(#[from] prost::DecodeError),
    #[error("an entry's header is malformed: {0}")]
    Malformed(&'static str),
    #[error("an entry's header lacks a valid {0}")]
    Missing(&'static str),
}

/// What an entry says happened.
pub(crate) fn decode(entry: &StoredEntry) -> Result<Record, DecodeError> {
    let queue = QueueId(entry.target);
    let seq = MessageSeq(entry.seq);
    let event = match entry.kind {
        kind::SENT => Event::Sent(sent(seq, &SentHeader::decode(&entry.header)?)?),
        kind::RECEIVED => Event::Received(received(seq, wire::ReceivedHeader::decode(&*entry.header)?)),
        kind::VISIBILITY_CHANGED => {
            let header = wire::VisibilityChangedHeader::decode(&*entry.header)?;
            Event::VisibilityChanged(VisibilityChanged {
                seq,
                lease: LeaseId(header.lease),
                visible_at: Timestamp(header.visible_at_ms),
                receive_count: header.receive_count,
                at: Timestamp(header.at_ms),
            })
        }
        kind::DELETED => Event::Deleted { seq },
        kind::EXPIRED => {
            let mut at = 0_u64;
            let deltas = wire::ExpiredHeader::decode(&*entry.header)?.seq_deltas;
            let seqs = deltas.into_iter().map(|delta| {
                at = at.saturating_add(delta);
                MessageSeq(at)
            });
            Event::Expired { seqs: seqs.collect() }
        }
        kind::PURGED => {
            let header = wire::PurgedHeader::decode(&*entry.header)?;
            Event::Purged { below: seq, at: Timestamp(header.at_ms) }
        }
        kind::RELOCATED => Event::Relocated(Box::new(relocated_state(RelocatedHeader::decode(&entry.header)?.state)?)),
        kind::ARCHIVED => {
            let header = wire::ArchivedHeader::decode(&*entry.header)?;
            let to = Location { lsn: Lsn(header.frame).in_archive(), offset: header.offset, len: header.len };
            let since = match (header.gone, header.state.as_slice()) {
                (true, _) => Since::Gone,
                (false, []) => Since::Nothing,
                (false, state) => Since::Changed(Box::new(relocated_state(state)?)),
            };
            Event::Archived { seq, to, since }
        }
        kind::SETTINGS_CHANGED => Event::SettingsChanged(settings_from(wire::Settings::decode(&*entry.header)?)),
        kind::REDRIVE_STARTED => {
            Event::RedriveStarted(redrive_started_from(wire::RedriveStartedHeader::decode(&*entry.header)?)?)
        }
        kind::REDRIVE_ENDED => {
            let (id, outcome, at) = redrive_ended_from(wire::RedriveEndedHeader::decode(&*entry.header)?)?;
            Event::RedriveEnded { id, outcome, at }
        }
        _ => return decode_partition(entry),
    };
    Ok(Record::Queue(queue, event))
}

/// One entry of the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Archived {
    /// A message, with its payload.
    Message(Box<StoredMessage>),
    /// What has become of one.
    State(Box<StoredMessage>),
    Gone,
}

/// What an entry of the archive says of the message it names.
pub(crate) fn decode_archived(entry: &StoredEntry) -> Result<Archived, DecodeError> {
    let state = || relocated_state(RelocatedHeader::decode(&entry.header)?.state).map(Box::new);
    match entry.kind {
        kind::RELOCATED => Ok(Archived::Message(state()?)),
        kind::STATE => Ok(Archived::State(state()?)),
        kind::GONE => Ok(Archived::Gone),
        unknown => Err(DecodeError::UnknownKind(unknown)),
    }
}

/// The records that are not about one queue's messages.
fn decode_partition(entry: &StoredEntry) -> Result<Record, DecodeError> {
    let queue = QueueId(entry.target);
    Ok(match entry.kind {
        kind::MOVED => {
            let header = wire::MovedHeader::decode(&*entry.header)?;
            Record::Moved(item_from(header.item.ok_or(DecodeError::Missing("item"))?)?)
        }
        kind::TRANSFERS_DONE => Record::TransfersDone { below: entry.seq },
        kind::TRANSFER_REROUTED => {
            let header = wire::ReroutedHeader::decode(&*entry.header)?;
            Record::Rerouted { old: entry.seq, item: item_from(header.item.ok_or(DecodeError::Missing("item"))?)? }
        }
        kind::QUEUE_OPENED => Record::QueueOpened(queue, settings_from(wire::Settings::decode(&*entry.header)?)),
        kind::QUEUE_CLOSED => Record::QueueClosed(queue),
        kind::QUEUE_DEFINED => {
            Record::Defined(Arc::new(definition_from(wire::QueueDefinition::decode(&*entry.header)?)?))
        }
        kind::QUEUE_REMOVED => {
            let header = wire::QueueRemovedHeader::decode(&*entry.header)?;
            let path = path_from(&header.account, &header.region, &header.name)?;
            Record::Removed { id: queue, path, at: Timestamp(header.at_ms) }
        }
        _ => return decode_stream(entry),
    })
}

/// The records about streams.
fn decode_stream(entry: &StoredEntry) -> Result<Record, DecodeError> {
    let stream = StreamId(entry.target);
    let definition = || stream_definition_from(wire::StreamDefinition::decode(&*entry.header)?).map(Arc::new);
    Ok(match entry.kind {
        kind::STREAM_APPENDED => {
            let (appended, producer) = appended(entry)?;
            Record::StreamAppended { stream, appended, producer }
        }
        kind::STREAM_CHANGED => {
            Record::Stream(stream, Box::new(change_from(wire::StreamChange::decode(&*entry.header)?)?))
        }
        kind::STREAM_OPENED => Record::StreamOpened(definition()?),
        kind::STREAM_CLOSED => Record::StreamClosed(stream),
        kind::STREAM_DEFINED => Record::StreamDefined(definition()?),
        kind::STREAM_REMOVED => Record::StreamRemoved(stream),
        _ => Record::Table(tables::decode(entry)?),
    })
}

/// What a consumer gets of a stored message.
pub(crate) fn payload(entry: &StoredEntry) -> Result<Payload, DecodeError> {
    PayloadReader::default().decode(entry.kind, &entry.header, entry.body.clone())
}

/// The header of a message's first entry, out of that entry or a later one.
pub(crate) fn sent_header(kind: u8, header: &[u8]) -> Result<&[u8], DecodeError> {
    match kind {
        kind::SENT => Ok(header),
        kind::RELOCATED => Ok(RelocatedHeader::decode(header)?.sent),
        _ => Err(DecodeError::UnknownKind(kind)),
    }
}

fn relocated_state(state: &[u8]) -> Result<StoredMessage, DecodeError> {
    let messages =
        Page::from_bytes(state).and_then(|page| page.messages()).map_err(|_| DecodeError::Malformed("its state"))?;
    let [message] = <[StoredMessage; 1]>::try_from(messages).map_err(|_| DecodeError::Malformed("its state"))?;
    Ok(message)
}

/// Reads the payloads of one delivery, one after the other: neighbours nearly always have one sender, and share its name.
#[derive(Debug, Default)]
pub(crate) struct PayloadReader {
    sender: Arc<str>,
}

impl PayloadReader {
    /// What a consumer gets of the entry with this kind, variable header and body.
    pub(crate) fn decode(&mut self, kind: u8, header: &[u8], body: Bytes) -> Result<Payload, DecodeError> {
        let header = SentHeader::decode(sent_header(kind, header)?)?;
        if *self.sender != *header.sender {
            self.sender = header.sender.into();
        }
        Ok(Payload {
            message_id: message_id(header.message_id)?,
            body,
            attributes: header.attributes.into_iter().map(attribute).collect::<Result<_, _>>()?,
            group: header.group.map(Into::into),
            deduplication_id: header.deduplication_id.map(Into::into),
            sender: self.sender.clone(),
            trace_context: header.trace_context.into(),
            dead_letter_source: header.dead_letter_source.into(),
            dead_letter_reason: header.dead_letter_reason.into(),
        })
    }
}

fn attribute(attribute: wire::Attribute) -> Result<Attribute, DecodeError> {
    let value = match attribute.value.ok_or(DecodeError::Missing("attribute value"))? {
        wire::attribute::Value::Text(text) => AttributeValue::Text(text),
        wire::attribute::Value::Binary(bytes) => AttributeValue::Binary(bytes.into()),
    };
    Ok(Attribute { name: attribute.name, data_type: attribute.data_type, value })
}

fn message_id(bytes: &[u8]) -> Result<MessageId, DecodeError> {
    Ok(MessageId(bytes.try_into().map_err(|_| DecodeError::Missing("message id"))?))
}

fn sent(seq: MessageSeq, header: &SentHeader<'_>) -> Result<Sent, DecodeError> {
    Ok(Sent {
        seq,
        message_id: message_id(header.message_id)?,
        send_time: Timestamp(header.send_time_ms),
        visible_at: Timestamp(header.visible_at_ms),
        size: header.size,
        group: header.group.map(Into::into),
        deduplication_id: header.deduplication_id.map(Into::into),
        receive_count: header.receive_count,
        first_receive: header.first_receive_ms.map(Timestamp),
        dead_letter_source: header.dead_letter_source_id.map(QueueId),
        transfer: header
            .transfer_source
            .map(|source| TransferKey { source: PartitionId(source), number: header.transfer_number }),
        producer: header.producer.map(|id| (id.into(), header.producer_sequence)),
    })
}

fn received(seq: MessageSeq, header: wire::ReceivedHeader) -> Received {
    Received {
        seq,
        lease: LeaseId(header.lease),
        at: Timestamp(header.at_ms),
        visible_at: Timestamp(header.visible_at_ms),
        receive_count: header.receive_count,
        attempt: header.attempt.map(Into::into),
    }
}

pub(crate) fn redrive_started_from(header: wire::RedriveStartedHeader) -> Result<RedriveStarted, DecodeError> {
    Ok(RedriveStarted {
        id: redrive_id(&header.id)?,
        to: header.target_queue.map(QueueId),
        max_messages_per_second: header.max_messages_per_second,
        messages_to_move: header.messages_to_move,
        below: MessageSeq(header.below),
        at: Timestamp(header.at_ms),
    })
}

pub(crate) fn redrive_ended_from(
    header: wire::RedriveEndedHeader,
) -> Result<(RedriveId, RedriveOutcome, Timestamp), DecodeError> {
    use wire::redrive_ended_header::Outcome;
    let outcome = match header.outcome.ok_or(DecodeError::Missing("outcome"))? {
        Outcome::Cancelled(_) => RedriveOutcome::Cancelled,
        Outcome::Completed(_) => RedriveOutcome::Completed,
        Outcome::Failure(why) => RedriveOutcome::Failed { why: why.into() },
    };
    Ok((redrive_id(&header.id)?, outcome, Timestamp(header.at_ms)))
}
