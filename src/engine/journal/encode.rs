//! Records to entries.

use super::{
    header::{definition_to, item_to, settings_to},
    kind,
    record::Record,
    streams::{change_to, stream_definition_to},
    tables,
};
use crate::{
    base::{
        id::{Location, MessageSeq, QueueId, RedriveId},
        time::Timestamp,
    },
    domain::queue::{
        Page, StoredMessage,
        event::{Event, Received, RedriveOutcome, RedriveStarted, Sent, Since, VisibilityChanged},
    },
    engine::message::{AttributeValue, Payload},
    proto::storage::v1 as wire,
    storage::log::FrameBuilder,
};
use bytes::{BufMut, BytesMut};
use prost::{Message as _, encoding::encode_varint};

/// Appends a stored message: what its queue keeps, and its payload.
pub(crate) fn push_sent(frame: &mut FrameBuilder, queue: QueueId, sent: &Sent, payload: &Payload) -> Location {
    frame.push(kind::SENT, queue.0, sent.seq.0, |out| sent_header(out, sent, payload), &payload.body)
}

/// Appends a stored message once more; `sent` is the header of its first entry.
pub(crate) fn push_relocated(
    frame: &mut FrameBuilder,
    queue: QueueId,
    stored: &StoredMessage,
    sent: &[u8],
    body: &[u8],
) -> Location {
    let state = state_bytes(stored);
    let header = |out: &mut BytesMut| {
        put_bytes(out, 1, &state);
        put_bytes(out, 2, sent);
    };
    frame.push(kind::RELOCATED, queue.0, stored.seq.0, header, body)
}

/// All that a queue knows of a message: a page of one.
fn state_bytes(stored: &StoredMessage) -> Vec<u8> {
    Page::pack(std::iter::once(stored.clone())).to_bytes()
}

/// Appends what has become of a message that stands in the archive.
pub(crate) fn push_state(frame: &mut FrameBuilder, queue: QueueId, stored: &StoredMessage) -> Location {
    let state = state_bytes(stored);
    frame.push(kind::STATE, queue.0, stored.seq.0, |out| put_bytes(out, 1, &state), &[])
}

/// Appends that a message which stands in the archive is gone.
pub(crate) fn push_gone(frame: &mut FrameBuilder, queue: QueueId, seq: MessageSeq) -> Location {
    push_bare(frame, kind::GONE, queue.0, seq.0)
}

/// Appends any record but a stored message or a stream's record, which need their payload ([`push_sent`],
/// [`push_relocated`], [`super::push_appended`]).
pub(crate) fn push(frame: &mut FrameBuilder, record: &Record) -> Location {
    match record {
        Record::Queue(queue, event) => push_event(frame, *queue, event),
        Record::Moved(item) => {
            let header = wire::MovedHeader { item: Some(item_to(item)) };
            push_message(frame, kind::MOVED, item.source.0, item.seq.0, &header)
        }
        Record::TransfersDone { below } => push_bare(frame, kind::TRANSFERS_DONE, 0, *below),
        Record::Rerouted { old, item } => {
            let header = wire::ReroutedHeader { item: Some(item_to(item)) };
            push_message(frame, kind::TRANSFER_REROUTED, item.source.0, *old, &header)
        }
        Record::QueueOpened(queue, settings) => {
            push_message(frame, kind::QUEUE_OPENED, queue.0, 0, &settings_to(settings))
        }
        Record::QueueClosed(queue) => push_bare(frame, kind::QUEUE_CLOSED, queue.0, 0),
        Record::Defined(definition) => {
            let header = definition_to(definition);
            push_message(frame, kind::QUEUE_DEFINED, definition.id.0, definition.revision, &header)
        }
        Record::Removed { id, path, at } => {
            let header = wire::QueueRemovedHeader {
                account: path.account.to_string(),
                region: path.region.to_string(),
                name: path.name.to_string(),
                at_ms: at.0,
            };
            push_message(frame, kind::QUEUE_REMOVED, id.0, 0, &header)
        }
        Record::StreamAppended { .. } => unreachable!("written with its key and data"),
        Record::Stream(id, change) => match change_to(change) {
            Some(header) => push_message(frame, kind::STREAM_CHANGED, id.0, 0, &header),
            None => unreachable!("written elsewhere, or not at all"),
        },
        Record::StreamOpened(definition) => {
            push_message(frame, kind::STREAM_OPENED, definition.id.0, 0, &stream_definition_to(definition))
        }
        Record::StreamClosed(id) => push_bare(frame, kind::STREAM_CLOSED, id.0, 0),
        Record::StreamDefined(definition) => {
            push_message(frame, kind::STREAM_DEFINED, definition.id.0, 0, &stream_definition_to(definition))
        }
        Record::StreamRemoved(id) => push_bare(frame, kind::STREAM_REMOVED, id.0, 0),
        Record::Table(event) => tables::push(frame, event),
    }
}

fn push_event(frame: &mut FrameBuilder, queue: QueueId, event: &Event) -> Location {
    match event {
        Event::Sent(_) | Event::Moved(_) | Event::Relocated(_) => unreachable!("written with their payload or item"),
        Event::Received(received) => {
            frame.push(kind::RECEIVED, queue.0, received.seq.0, |out| received_header(out, received), &[])
        }
        Event::VisibilityChanged(changed) => {
            push_message(frame, kind::VISIBILITY_CHANGED, queue.0, changed.seq.0, &visibility_header(changed))
        }
        Event::Archived { seq, to, since } => {
            let header = wire::ArchivedHeader {
                frame: to.lsn.of_archive().0,
                offset: to.offset,
                len: to.len,
                state: match since {
                    Since::Changed(stored) => state_bytes(stored),
                    Since::Nothing | Since::Gone => Vec::new(),
                },
                gone: *since == Since::Gone,
            };
            push_message(frame, kind::ARCHIVED, queue.0, seq.0, &header)
        }
        Event::Deleted { seq } => push_bare(frame, kind::DELETED, queue.0, seq.0),
        Event::Expired { seqs } => {
            let mut before = 0;
            let seq_deltas = seqs.iter().map(|seq| seq.0 - std::mem::replace(&mut before, seq.0)).collect();
            push_message(frame, kind::EXPIRED, queue.0, 0, &wire::ExpiredHeader { seq_deltas })
        }
        Event::Purged { below, at } => {
            push_message(frame, kind::PURGED, queue.0, below.0, &wire::PurgedHeader { at_ms: at.0 })
        }
        Event::SettingsChanged(settings) => {
            push_message(frame, kind::SETTINGS_CHANGED, queue.0, 0, &settings_to(settings))
        }
        Event::RedriveStarted(started) => {
            push_message(frame, kind::REDRIVE_STARTED, queue.0, 0, &redrive_started_to(started))
        }
        Event::RedriveEnded { id, outcome, at } => {
            push_message(frame, kind::REDRIVE_ENDED, queue.0, 0, &redrive_ended_to(*id, outcome, *at))
        }
    }
}

pub(super) fn push_message(
    frame: &mut FrameBuilder,
    kind: u8,
    target: u64,
    seq: u64,
    header: &impl prost::Message,
) -> Location {
    frame.push(kind, target, seq, |out| out.extend_from_slice(&header.encode_to_vec()), &[])
}

fn push_bare(frame: &mut FrameBuilder, kind: u8, target: u64, seq: u64) -> Location {
    frame.push(kind, target, seq, |_| {}, &[])
}

pub(crate) fn redrive_ended_to(id: RedriveId, outcome: &RedriveOutcome, at: Timestamp) -> wire::RedriveEndedHeader {
    use wire::redrive_ended_header::Outcome;
    let outcome = match outcome {
        RedriveOutcome::Cancelled => Outcome::Cancelled(true),
        RedriveOutcome::Completed => Outcome::Completed(true),
        RedriveOutcome::Failed { why } => Outcome::Failure(why.to_string()),
    };
    wire::RedriveEndedHeader { id: id.0.to_vec(), outcome: Some(outcome), at_ms: at.0 }
}

fn visibility_header(changed: &VisibilityChanged) -> wire::VisibilityChangedHeader {
    wire::VisibilityChangedHeader {
        lease: changed.lease.0,
        visible_at_ms: changed.visible_at.0,
        receive_count: changed.receive_count,
        at_ms: changed.at.0,
    }
}

pub(crate) fn redrive_started_to(started: &RedriveStarted) -> wire::RedriveStartedHeader {
    wire::RedriveStartedHeader {
        id: started.id.0.to_vec(),
        target_queue: started.to.map(|queue| queue.0),
        max_messages_per_second: started.max_messages_per_second,
        messages_to_move: started.messages_to_move,
        below: started.below.0,
        at_ms: started.at.0,
    }
}

// The headers of the hot path are written field by field: building the generated structs would copy every string.
// A test decodes them with the generated code.

fn sent_header(out: &mut BytesMut, sent: &Sent, payload: &Payload) {
    put_bytes(out, 1, &sent.message_id.0);
    put_number(out, 2, sent.send_time.0);
    put_number(out, 3, sent.visible_at.0);
    put_number(out, 4, u64::from(sent.size));
    put_optional_text(out, 5, sent.group.as_deref());
    put_optional_text(out, 6, sent.deduplication_id.as_deref());
    put_number(out, 7, u64::from(sent.receive_count));
    put_optional_number(out, 8, sent.first_receive.map(|time| time.0));
    put_optional_number(out, 9, sent.dead_letter_source.map(|queue| queue.0));
    put_optional_number(out, 10, sent.transfer.map(|key| u64::from(key.source.0)));
    put_number(out, 11, sent.transfer.map_or(0, |key| key.number));
    put_optional_text(out, 12, sent.producer.as_ref().map(|(id, _)| &**id));
    put_number(out, 13, sent.producer.as_ref().map_or(0, |(_, sequence)| *sequence));
    for attribute in &payload.attributes {
        let value = match &attribute.value {
            AttributeValue::Text(text) => wire::attribute::Value::Text(text.clone()),
            AttributeValue::Binary(bytes) => wire::attribute::Value::Binary(bytes.to_vec()),
        };
        let message = wire::Attribute {
            name: attribute.name.clone(),
            data_type: attribute.data_type.clone(),
            value: Some(value),
        };
        put_bytes(out, 14, &message.encode_to_vec());
    }
    put_text(out, 15, &payload.sender);
    put_text(out, 16, &payload.trace_context);
    put_text(out, 17, &payload.dead_letter_source);
    put_text(out, 18, &payload.dead_letter_reason);
}

fn received_header(out: &mut BytesMut, received: &Received) {
    put_number(out, 1, received.lease.0);
    put_number(out, 2, received.at.0);
    put_number(out, 3, received.visible_at.0);
    put_number(out, 4, u64::from(received.receive_count));
    put_optional_text(out, 5, received.attempt.as_deref());
}

fn put_key(out: &mut BytesMut, field: u64, wire_type: u64) {
    encode_varint(field << 3 | wire_type, out);
}

fn put_number(out: &mut BytesMut, field: u64, value: u64) {
    put_optional_number(out, field, (value != 0).then_some(value));
}

fn put_optional_number(out: &mut BytesMut, field: u64, value: Option<u64>) {
    if let Some(value) = value {
        put_key(out, field, 0);
        encode_varint(value, out);
    }
}

fn put_bytes(out: &mut BytesMut, field: u64, value: &[u8]) {
    put_key(out, field, 2);
    encode_varint(value.len() as u64, out);
    out.put_slice(value);
}

fn put_text(out: &mut BytesMut, field: u64, value: &str) {
    put_optional_text(out, field, (!value.is_empty()).then_some(value));
}

fn put_optional_text(out: &mut BytesMut, field: u64, value: Option<&str>) {
    if let Some(value) = value {
        put_bytes(out, field, value.as_bytes());
    }
}
