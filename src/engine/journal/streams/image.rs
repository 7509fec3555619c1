//! A stream in a checkpoint: its head, what stands on it, and where the records stand that only the log has.

use super::{
    group::{group_head_from, group_head_to},
    head::{stream_head_from, stream_head_to},
    queue::{queue_head_from, queue_head_to},
};
use crate::{
    base::{
        id::{Location, Lsn, StreamId},
        time::Timestamp,
    },
    domain::stream::{Head, ShardId, acks, groups},
    engine::journal::DecodeError,
    proto::storage::v1 as wire,
};
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StreamImage {
    pub(crate) id: StreamId,
    pub(crate) head: Head,
    pub(crate) queues: Vec<(Arc<str>, acks::Head)>,
    pub(crate) groups: Vec<(Arc<str>, groups::Head)>,
    /// Each with the last of its sequences that is stored.
    pub(crate) producers: Vec<(Arc<str>, u64)>,
    pub(crate) tails: Vec<Tail>,
}

/// The records of a shard that only the log has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tail {
    pub(crate) shard: ShardId,
    /// The index of the first; the others follow without gaps.
    pub(crate) first: u64,
    /// Where each one stands, and when it arrived.
    pub(crate) places: Vec<(Location, Timestamp)>,
}

pub(crate) fn image_to(image: &StreamImage) -> wire::StreamImage {
    let producers = image.producers.iter().map(|(id, sequence)| (id.to_string(), *sequence));
    wire::StreamImage {
        id: image.id.0,
        head: Some(stream_head_to(&image.head)),
        queues: image.queues.iter().map(|(name, head)| queue_head_to(name, head)).collect(),
        groups: image.groups.iter().map(|(name, head)| group_head_to(name, head)).collect(),
        producers: producers.map(|(id, sequence)| wire::StreamProducer { id, sequence }).collect(),
        tails: image.tails.iter().map(tail_to).collect(),
    }
}

pub(crate) fn image_from(image: wire::StreamImage) -> Result<StreamImage, DecodeError> {
    Ok(StreamImage {
        id: StreamId(image.id),
        head: stream_head_from(image.head.ok_or(DecodeError::Missing("head"))?)?,
        queues: image.queues.into_iter().map(queue_head_from).collect::<Result<_, _>>()?,
        groups: image.groups.into_iter().map(group_head_from).collect::<Result<_, _>>()?,
        producers: image.producers.into_iter().map(|producer| (producer.id.into(), producer.sequence)).collect(),
        tails: image.tails.iter().map(tail_from).collect::<Result<_, _>>()?,
    })
}

/// Column by column: small numbers, most of them one or two bytes.
fn tail_to(tail: &Tail) -> wire::ShardTail {
    let mut message = wire::ShardTail { shard: tail.shard.0, first_index: tail.first, ..Default::default() };
    let (mut lsn, mut at) = (0, 0);
    for (location, arrival) in &tail.places {
        message.lsn_deltas.push(location.lsn.0.wrapping_sub(lsn));
        message.offsets.push(location.offset);
        message.lens.push(location.len);
        message.arrival_ms_deltas.push(arrival.0.wrapping_sub(at));
        (lsn, at) = (location.lsn.0, arrival.0);
    }
    message
}

fn tail_from(tail: &wire::ShardTail) -> Result<Tail, DecodeError> {
    let records = tail.lsn_deltas.len();
    if [tail.offsets.len(), tail.lens.len(), tail.arrival_ms_deltas.len()] != [records; 3] {
        return Err(DecodeError::Malformed("the columns of a tail differ in length"));
    }
    let (mut lsn, mut at) = (0_u64, 0_u64);
    let columns = tail.lsn_deltas.iter().zip(&tail.offsets).zip(&tail.lens).zip(&tail.arrival_ms_deltas);
    let places = columns.map(|(((lsn_delta, offset), len), at_delta)| {
        (lsn, at) = (lsn.wrapping_add(*lsn_delta), at.wrapping_add(*at_delta));
        (Location { lsn: Lsn(lsn), offset: *offset, len: *len }, Timestamp(at))
    });
    Ok(Tail { shard: ShardId(tail.shard), first: tail.first_index, places: places.collect() })
}
