//! An index page's payload.

use crate::{
    base::{
        id::{LeaseId, Location, Lsn, MessageSeq, QueueId},
        time::Timestamp,
    },
    domain::queue::{Page, StoredMessage},
    engine::journal::DecodeError,
    proto::storage::v1 as wire,
};
use prost::Message as _;

/// The page's bytes; `lsn` is the frame it is current at.
pub(crate) fn encode_page(lsn: Lsn, page: &Page) -> Vec<u8> {
    wire::Page { lsn: lsn.0, messages: page.messages.iter().map(message_to).collect() }.encode_to_vec()
}

pub(crate) fn decode_page(bytes: &[u8]) -> Result<(Lsn, Page), DecodeError> {
    let page = wire::Page::decode(bytes)?;
    Ok((Lsn(page.lsn), Page { messages: page.messages.into_iter().map(message_from).collect() }))
}

fn message_to(message: &StoredMessage) -> wire::PageMessage {
    wire::PageMessage {
        seq: message.seq.0,
        lsn: message.location.lsn.0,
        offset: message.location.offset,
        len: message.location.len,
        send_time_ms: message.send_time.0,
        retention_from_ms: message.retention_from.map(|time| time.0),
        visible_at_ms: message.visible_at.0,
        follows_queue_delay: message.follows_queue_delay,
        size: message.size,
        group: message.group.as_deref().map(Into::into),
        receive_count: message.receive_count,
        first_receive_ms: message.first_receive.map(|time| time.0),
        lease: message.lease.0,
        leased: message.leased,
        leased_at_ms: message.leased_at.0,
        dead_letter_source: message.dead_letter_source.map(|queue| queue.0),
    }
}

fn message_from(message: wire::PageMessage) -> StoredMessage {
    StoredMessage {
        seq: MessageSeq(message.seq),
        location: Location { lsn: Lsn(message.lsn), offset: message.offset, len: message.len },
        send_time: Timestamp(message.send_time_ms),
        retention_from: message.retention_from_ms.map(Timestamp),
        visible_at: Timestamp(message.visible_at_ms),
        follows_queue_delay: message.follows_queue_delay,
        size: message.size,
        group: message.group.map(Into::into),
        receive_count: message.receive_count,
        first_receive: message.first_receive_ms.map(Timestamp),
        lease: LeaseId(message.lease),
        leased: message.leased,
        leased_at: Timestamp(message.leased_at_ms),
        dead_letter_source: message.dead_letter_source.map(QueueId),
    }
}
