//! Streams between the wire's words and the services'.

use super::{convert, errors, queues};
use crate::{
    base::{name::Region, reason::Refusal, time::Timestamp},
    domain::stream::{
        Position, ShardId,
        groups::Sought,
        hash::HashKey,
        settings::{Mode, Status},
    },
    proto::stream::v1::{self as wire, position::Start, put_result, until::Stop},
    service::{
        check,
        streams::{
            change::{Reshard, StreamFields},
            follow::Until,
            groups::{Checkpoint, GroupView},
            records::{Record, hash_key},
            view::{ShardView, StreamView, sequence_number, shard_id},
        },
        words::{EntryResult, PutRecord, StoredRecord},
    },
};
use std::{collections::BTreeMap, time::Duration};

pub(super) fn stream(region: &Region, view: StreamView) -> wire::Stream {
    let StreamView { handle, settings, status, open_shards, etag, figures } = view;
    let (capacity_mode, warm_throughput) = match settings.mode {
        Mode::Provisioned => (wire::CapacityMode::Provisioned, 0),
        Mode::OnDemand { warm_throughput } => (wire::CapacityMode::OnDemand, warm_throughput),
    };
    let state = match status {
        Status::Creating => wire::StreamState::Creating,
        Status::Active => wire::StreamState::Active,
        Status::Updating => wire::StreamState::Updating,
        Status::Deleting => wire::StreamState::Deleting,
    };
    wire::Stream {
        name: handle.path().seen_from(region),
        arn: handle.path().arn(),
        state: state.into(),
        capacity_mode: capacity_mode.into(),
        open_shards: open_shards as u32,
        retention: Some(convert::to_duration(settings.retention)),
        max_record_bytes: settings.record_bytes_max,
        durability: crate::proto::common::v1::Durability::Fsync.into(),
        policy: settings.policy.as_deref().unwrap_or_default().to_owned(),
        tags: settings.tags.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
        etag,
        create_time: Some(convert::to_timestamp(handle.created())),
        stats: Some(wire::StreamStats {
            stored_records: figures.stored_records,
            stored_bytes: figures.stored_bytes,
            closed_shards: figures.closed_shards as u32,
            groups: figures.groups as u32,
            registered_consumers: figures.registered_consumers as u32,
        }),
        warm_throughput,
    }
}

/// What a new stream says of itself; what it does not say is the usual.
pub(super) fn given(stream: wire::Stream) -> Result<StreamFields, Refusal> {
    queues::durability("stream.durability", stream.durability)?;
    Ok(StreamFields {
        retention: convert::duration("stream.retention", stream.retention)?,
        record_bytes_max: (stream.max_record_bytes != 0).then_some(stream.max_record_bytes),
        on_demand: on_demand(stream.capacity_mode)?,
        warm_throughput: (stream.warm_throughput != 0).then_some(stream.warm_throughput),
        policy: (!stream.policy.is_empty()).then_some(stream.policy),
        tags: (!stream.tags.is_empty()).then(|| tags(stream.tags)),
    })
}

/// The fields that the mask names.
pub(super) fn masked(stream: wire::Stream, paths: &[String]) -> Result<StreamFields, Refusal> {
    let mut fields = StreamFields::default();
    for path in paths {
        match path.as_str() {
            "retention" => {
                let asked = convert::duration("stream.retention", stream.retention)?;
                fields.retention = Some(asked.unwrap_or_default());
            }
            "max_record_bytes" => fields.record_bytes_max = Some(stream.max_record_bytes),
            "capacity_mode" => fields.on_demand = on_demand(stream.capacity_mode)?,
            "warm_throughput" => fields.warm_throughput = Some(stream.warm_throughput),
            "policy" => fields.policy = Some(stream.policy.clone()),
            "tags" => fields.tags = Some(tags(stream.tags.clone())),
            unknown => {
                let limit = "a field of a stream that can change";
                return Err(check::outside("update_mask", format!("{:?}", check::shorten(unknown)), limit));
            }
        }
    }
    Ok(fields)
}

fn on_demand(mode: i32) -> Result<Option<bool>, Refusal> {
    Ok(match convert::known("stream.capacity_mode", mode)? {
        wire::CapacityMode::Unspecified => None,
        wire::CapacityMode::Provisioned => Some(false),
        wire::CapacityMode::OnDemand => Some(true),
    })
}

fn tags(tags: std::collections::HashMap<String, String>) -> crate::domain::stream::settings::Tags {
    let sorted: BTreeMap<String, String> = tags.into_iter().collect();
    sorted.into_iter().map(|(key, value)| (key.into(), value.into())).collect()
}

pub(super) fn shard(view: ShardView) -> wire::Shard {
    let ShardView { shard, starting, ending } = view;
    let id = |id: Option<ShardId>| id.map(|id| id.to_string()).unwrap_or_default();
    wire::Shard {
        shard_id: shard.id.to_string(),
        parent_shard_id: id(shard.parent),
        adjacent_parent_shard_id: id(shard.adjacent_parent),
        starting_hash_key: shard.range.start.to_string(),
        ending_hash_key: shard.range.end.to_string(),
        starting_sequence_number: starting.to_string(),
        ending_sequence_number: ending.map(|number| number.to_string()).unwrap_or_default(),
        stored_records: shard.stored_records(),
        stored_bytes: shard.stored_bytes(),
        open_time: Some(convert::to_timestamp(shard.opened_at)),
        close_time: shard.closed_at.map(convert::to_timestamp),
    }
}

pub(super) fn reshard(change: Option<wire::reshard_stream_request::Change>) -> Result<Reshard, Refusal> {
    use wire::reshard_stream_request::Change;
    Ok(match change {
        Some(Change::Split(split)) => Reshard::Split {
            shard: shard_id("split.shard_id", &split.shard_id)?,
            key: match split.new_starting_hash_key.as_str() {
                "" => None,
                text => Some(key("split.new_starting_hash_key", text)?),
            },
        },
        Some(Change::Merge(merge)) => Reshard::Merge {
            first: shard_id("merge.shard_id", &merge.shard_id)?,
            second: shard_id("merge.adjacent_shard_id", &merge.adjacent_shard_id)?,
        },
        Some(Change::ShardCount(count)) => Reshard::Count(count),
        None => return Err(check::outside("change", "nothing", "a split, a merge or a number of shards")),
    })
}

fn key(field: &'static str, text: &str) -> Result<HashKey, Refusal> {
    hash_key(text).map_err(|refusal| refusal.at(field))
}

pub(super) fn records(records: Vec<wire::RecordInput>) -> Vec<Record> {
    let record = |record: wire::RecordInput| Record {
        data: record.data,
        partition_key: record.partition_key,
        explicit_hash_key: record.explicit_hash_key,
    };
    records.into_iter().map(record).collect()
}

pub(super) fn results(results: Vec<EntryResult<PutRecord>>) -> Vec<wire::PutResult> {
    let result = |result: EntryResult<PutRecord>| {
        let result = match result {
            Ok(PutRecord { stored, deduplicated }) => {
                let (shard_id, sequence_number) =
                    stored.map(|(shard, number)| (shard.to_string(), number.to_string())).unwrap_or_default();
                put_result::Result::Put(wire::PutRecord { shard_id, sequence_number, deduplicated })
            }
            Err(refusal) => put_result::Result::Error(errors::entry(refusal)),
        };
        wire::PutResult { result: Some(result) }
    };
    results.into_iter().map(result).collect()
}

pub(super) fn stored(records: Vec<StoredRecord>) -> Vec<wire::Record> {
    let record = |record: StoredRecord| wire::Record {
        sequence_number: record.number.to_string(),
        partition_key: String::from_utf8_lossy(&record.partition_key).into_owned(),
        data: record.data,
        arrival_time: Some(convert::to_timestamp(record.arrival)),
    };
    records.into_iter().map(record).collect()
}

pub(super) fn behind(behind: Option<Duration>) -> Option<prost_types::Duration> {
    Some(convert::to_duration(behind.unwrap_or_default()))
}

/// Unset: what the caller says.
pub(super) fn position(
    field: &'static str,
    position: Option<wire::Position>,
    unset: Position,
) -> Result<Position, Refusal> {
    Ok(match position.and_then(|position| position.start) {
        None => unset,
        Some(Start::TrimHorizon(_)) => Position::TrimHorizon,
        Some(Start::Latest(_)) => Position::Latest,
        Some(Start::AtSequenceNumber(number)) => Position::At(sequence_number(field, &number)?),
        Some(Start::AfterSequenceNumber(number)) => Position::After(sequence_number(field, &number)?),
        Some(Start::AtTime(at)) => Position::AtTime(convert::timestamp(field, Some(at))?.unwrap_or(Timestamp::ZERO)),
    })
}

pub(super) fn to_position(position: Position) -> wire::Position {
    let start = match position {
        Position::TrimHorizon => Start::TrimHorizon(wire::position::TrimHorizon {}),
        Position::Latest => Start::Latest(wire::position::Latest {}),
        Position::At(number) => Start::AtSequenceNumber(number.to_string()),
        Position::After(number) => Start::AfterSequenceNumber(number.to_string()),
        Position::AtTime(at) => Start::AtTime(convert::to_timestamp(at)),
    };
    wire::Position { start: Some(start) }
}

pub(super) fn until(until: Option<wire::Until>) -> Result<Until, Refusal> {
    Ok(match until.and_then(|until| until.stop) {
        None => Until::Never,
        Some(Stop::Tail(_)) => Until::Tail,
        Some(Stop::SequenceNumber(number)) => Until::Number(sequence_number("until.sequence_number", &number)?),
        Some(Stop::Time(at)) => Until::Time(convert::timestamp("until.time", Some(at))?.unwrap_or(Timestamp::ZERO)),
        Some(Stop::Records(count)) => Until::Records(count),
    })
}

pub(super) fn group(region: &Region, view: GroupView) -> wire::Group {
    let GroupView { stream, name, checkpoints, members } = view;
    let owned = |member| {
        let shards = checkpoints.iter().filter(move |checkpoint| checkpoint.lease.owner == Some(member));
        shards.map(|checkpoint| checkpoint.shard.to_string()).collect()
    };
    let members = members.into_iter().map(|(id, member)| wire::Member {
        member_id: id.0.to_string(),
        consumer_name: member.consumer_name.to_string(),
        shard_ids: owned(id),
    });
    wire::Group {
        name: format!("{}/groups/{name}", stream.seen_from(region)),
        members: members.collect(),
        checkpoints: checkpoints.iter().map(checkpoint).collect(),
    }
}

fn checkpoint(checkpoint: &Checkpoint) -> wire::Checkpoint {
    let Checkpoint { shard, lease, lag_records } = checkpoint;
    wire::Checkpoint {
        shard_id: shard.to_string(),
        sequence_number: lease.checkpoint.map(|number| number.to_string()).unwrap_or_default(),
        update_time: lease.checkpoint.map(|_| convert::to_timestamp(lease.committed_at)),
        lag_records: *lag_records,
        generation: lease.generation,
        member_id: lease.owner.map(|member| member.0.to_string()).unwrap_or_default(),
    }
}

pub(super) fn sought(sought: &Sought) -> wire::SoughtShard {
    wire::SoughtShard {
        shard_id: sought.shard.to_string(),
        skipped_records: sought.after.saturating_sub(sought.before),
        repeated_records: sought.before.saturating_sub(sought.after),
    }
}
