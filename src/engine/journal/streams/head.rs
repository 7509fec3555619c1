//! All that a checkpoint keeps of a stream itself.

use super::{
    event::{consumer_from, consumer_to, load_from, load_to, opened_from, opened_to},
    parts::{ids_from, ids_to, millis, moments_from, moments_to, settings_from, settings_to},
};
use crate::{
    base::{id::PartitionId, time::Timestamp},
    domain::stream::{Head, Phase, Shard, ShardId, event::Opened, settings::Status},
    engine::journal::DecodeError,
    proto::storage::v1::{self as wire, StreamStatus},
};
use std::time::Duration;

pub(crate) fn stream_head_to(head: &Head) -> wire::StreamHead {
    let peaks = head.peaks.iter().map(|(day, load)| wire::DayPeak { day: *day, load: Some(load_to(*load)) });
    wire::StreamHead {
        settings: Some(settings_to(&head.settings)),
        partition: head.partition.0,
        settle_ms: millis(head.settle),
        created_at_ms: head.created_at.0,
        now_ms: head.now.0,
        status: status_to(head.phase.status).into(),
        status_until_ms: head.phase.until.0,
        shards: head.shards.iter().map(shard_to).collect(),
        next_shard: head.next_shard.0,
        hidden_before_ms: head.hidden_before.0,
        consumers: head.consumers.iter().map(consumer_to).collect(),
        mode_changes_ms: moments_to(&head.mode_changes),
        encryption_changes_ms: moments_to(&head.encryption_changes),
        count_updates_ms: moments_to(&head.count_updates),
        peaks: peaks.collect(),
        resharded_at_ms: head.resharded_at.0,
    }
}

pub(crate) fn stream_head_from(head: wire::StreamHead) -> Result<Head, DecodeError> {
    let peaks = head.peaks.into_iter().map(|peak| Ok((peak.day, load_from(peak.load)?)));
    Ok(Head {
        settings: settings_from(head.settings)?,
        partition: PartitionId(head.partition),
        settle: Duration::from_millis(head.settle_ms),
        created_at: Timestamp(head.created_at_ms),
        now: Timestamp(head.now_ms),
        phase: Phase { status: status_from(head.status)?, until: Timestamp(head.status_until_ms) },
        shards: head.shards.into_iter().map(shard_from).collect::<Result<_, _>>()?,
        next_shard: ShardId(head.next_shard),
        hidden_before: Timestamp(head.hidden_before_ms),
        consumers: head.consumers.into_iter().map(consumer_from).collect(),
        mode_changes: moments_from(head.mode_changes_ms),
        encryption_changes: moments_from(head.encryption_changes_ms),
        count_updates: moments_from(head.count_updates_ms),
        peaks: peaks.collect::<Result<_, DecodeError>>()?,
        resharded_at: Timestamp(head.resharded_at_ms),
    })
}

fn status_to(status: Status) -> StreamStatus {
    match status {
        Status::Creating => StreamStatus::Creating,
        Status::Active => StreamStatus::Active,
        Status::Updating => StreamStatus::Updating,
        Status::Deleting => StreamStatus::Deleting,
    }
}

fn status_from(status: i32) -> Result<Status, DecodeError> {
    match StreamStatus::try_from(status) {
        Ok(StreamStatus::Creating) => Ok(Status::Creating),
        Ok(StreamStatus::Active) => Ok(Status::Active),
        Ok(StreamStatus::Updating) => Ok(Status::Updating),
        Ok(StreamStatus::Deleting) => Ok(Status::Deleting),
        Ok(StreamStatus::Unspecified) | Err(_) => Err(DecodeError::Missing("status")),
    }
}

fn shard_to(shard: &Shard) -> wire::ShardState {
    let Shard { id, range, parent, adjacent_parent, created, .. } = *shard;
    wire::ShardState {
        opened: Some(opened_to(&Opened { id, range, parent, adjacent_parent, created })),
        children: ids_to(&shard.children),
        opened_at_ms: shard.opened_at.0,
        closed_at_ms: shard.closed_at.map(|at| at.0),
        last_index: shard.last_index,
        last_arrival_ms: shard.last_arrival.0,
        bytes_total: shard.bytes_total,
        first_index: shard.first_index,
        bytes_trimmed: shard.bytes_trimmed,
    }
}

fn shard_from(shard: wire::ShardState) -> Result<Shard, DecodeError> {
    let opened = opened_from(shard.opened.ok_or(DecodeError::Missing("shard"))?)?;
    let Opened { id, range, parent, adjacent_parent, created } = opened;
    Ok(Shard {
        id,
        range,
        parent,
        adjacent_parent,
        children: ids_from(shard.children),
        created,
        opened_at: Timestamp(shard.opened_at_ms),
        closed_at: shard.closed_at_ms.map(Timestamp),
        last_index: shard.last_index,
        last_arrival: Timestamp(shard.last_arrival_ms),
        bytes_total: shard.bytes_total,
        first_index: shard.first_index,
        bytes_trimmed: shard.bytes_trimmed,
    })
}
