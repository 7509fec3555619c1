//! A stream in a checkpoint: its head, what stands on it, and where the records stand that only the log has.

use super::{
    definition::{stream_definition_from, stream_definition_to},
    group::{group_head_from, group_head_to},
    head::{stream_head_from, stream_head_to},
    queue::{queue_head_from, queue_head_to},
};
use crate::{
    base::{
        id::{Location, Lsn},
        time::Timestamp,
    },
    domain::stream::ShardId,
    engine::{
        journal::DecodeError,
        streams::{
            state::StreamImage,
            tail::{Place, Tail},
        },
    },
    proto::storage::v1 as wire,
};
use std::sync::Arc;

pub(crate) fn stream_image_to(image: &StreamImage) -> wire::StreamImage {
    let producers = image.producers.iter().map(|(id, sequence)| (id.to_string(), *sequence));
    wire::StreamImage {
        definition: Some(stream_definition_to(&image.definition)),
        head: Some(stream_head_to(&image.head)),
        queues: image.queues.iter().map(|(name, head)| queue_head_to(name, head)).collect(),
        groups: image.groups.iter().map(|(name, head)| group_head_to(name, head)).collect(),
        producers: producers.map(|(id, sequence)| wire::StreamProducer { id, sequence }).collect(),
        tails: image.tails.iter().map(|(shard, tail)| tail_to(*shard, tail)).collect(),
    }
}

pub(crate) fn stream_image_from(image: wire::StreamImage) -> Result<StreamImage, DecodeError> {
    Ok(StreamImage {
        definition: Arc::new(stream_definition_from(image.definition.ok_or(DecodeError::Missing("definition"))?)?),
        head: stream_head_from(image.head.ok_or(DecodeError::Missing("head"))?)?,
        queues: image.queues.into_iter().map(queue_head_from).collect::<Result<_, _>>()?,
        groups: image.groups.into_iter().map(group_head_from).collect::<Result<_, _>>()?,
        producers: image.producers.into_iter().map(|producer| (producer.id.into(), producer.sequence)).collect(),
        tails: image.tails.iter().map(tail_from).collect::<Result<_, _>>()?,
    })
}

/// Column by column: small numbers, most of them one or two bytes.
fn tail_to(shard: ShardId, tail: &Tail) -> wire::ShardTail {
    let mut message = wire::ShardTail { shard: shard.0, first_index: tail.first(), ..Default::default() };
    let (mut lsn, mut at) = (0, 0);
    for Place { at: location, arrival } in tail.places() {
        message.lsn_deltas.push(location.lsn.0.wrapping_sub(lsn));
        message.offsets.push(location.offset);
        message.lens.push(location.len);
        message.arrival_ms_deltas.push(arrival.0.wrapping_sub(at));
        (lsn, at) = (location.lsn.0, arrival.0);
    }
    message
}

fn tail_from(tail: &wire::ShardTail) -> Result<(ShardId, Tail), DecodeError> {
    let records = tail.lsn_deltas.len();
    if [tail.offsets.len(), tail.lens.len(), tail.arrival_ms_deltas.len()] != [records; 3] {
        return Err(DecodeError::Malformed("the columns of a tail differ in length"));
    }
    let (mut lsn, mut at) = (0_u64, 0_u64);
    let columns = tail.lsn_deltas.iter().zip(&tail.offsets).zip(&tail.lens).zip(&tail.arrival_ms_deltas);
    let places = columns.map(|(((lsn_delta, offset), len), at_delta)| {
        (lsn, at) = (lsn.wrapping_add(*lsn_delta), at.wrapping_add(*at_delta));
        Place { at: Location { lsn: Lsn(lsn), offset: *offset, len: *len }, arrival: Timestamp(at) }
    });
    Ok((ShardId(tail.shard), Tail::of(tail.first_index, places)))
}
