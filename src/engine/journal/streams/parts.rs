//! The parts that several of the messages have.

use crate::{
    base::time::Timestamp,
    domain::stream::{
        SequenceNumber, ShardId,
        hash::{HashKey, HashRange},
        settings::{Distribution, Encryption, Mode, Settings, ShardMetrics, Tags},
    },
    engine::journal::DecodeError,
    proto::storage::v1 as wire,
};
use std::time::Duration;

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

pub(super) fn ids_to(shards: &[ShardId]) -> Vec<u32> {
    shards.iter().map(|shard| shard.0).collect()
}

pub(super) fn ids_from(shards: Vec<u32>) -> Vec<ShardId> {
    shards.into_iter().map(ShardId).collect()
}

pub(super) fn moments_to(moments: &[Timestamp]) -> Vec<u64> {
    moments.iter().map(|moment| moment.0).collect()
}

pub(super) fn moments_from(moments: Vec<u64>) -> Vec<Timestamp> {
    moments.into_iter().map(Timestamp).collect()
}

pub(super) fn settings_to(settings: &Settings) -> wire::StreamSettings {
    wire::StreamSettings {
        warm_throughput: match settings.mode {
            Mode::Provisioned => None,
            Mode::OnDemand { warm_throughput } => Some(warm_throughput),
        },
        retention_ms: millis(settings.retention),
        record_bytes_max: settings.record_bytes_max,
        key_id: match &settings.encryption {
            Encryption::None => None,
            Encryption::Key { id } => Some(id.to_string()),
        },
        metrics: settings.metrics.0.into(),
        tags: tags_to(&settings.tags),
        policy: settings.policy.as_ref().map(ToString::to_string),
        spreads_records: settings.distribution == Distribution::Auto,
    }
}

pub(super) fn settings_from(settings: Option<wire::StreamSettings>) -> Result<Settings, DecodeError> {
    let settings = settings.ok_or(DecodeError::Missing("settings"))?;
    Ok(Settings {
        mode: match settings.warm_throughput {
            None => Mode::Provisioned,
            Some(warm_throughput) => Mode::OnDemand { warm_throughput },
        },
        distribution: if settings.spreads_records { Distribution::Auto } else { Distribution::UserKey },
        retention: Duration::from_millis(settings.retention_ms),
        record_bytes_max: settings.record_bytes_max,
        encryption: settings.key_id.map_or(Encryption::None, |id| Encryption::Key { id: id.into() }),
        metrics: ShardMetrics(u8::try_from(settings.metrics).map_err(|_| DecodeError::Missing("metrics"))?),
        tags: tags_from(settings.tags),
        policy: settings.policy.map(Into::into),
    })
}

pub(super) fn tags_to(tags: &Tags) -> Vec<wire::Tag> {
    tags.iter().map(|(key, value)| wire::Tag { key: key.to_string(), value: value.to_string() }).collect()
}

pub(super) fn tags_from(tags: Vec<wire::Tag>) -> Tags {
    tags.into_iter().map(|tag| (tag.key.into(), tag.value.into())).collect()
}

pub(super) fn range_to(range: HashRange) -> wire::HashRange {
    let bytes = |key: HashKey| key.0.to_be_bytes().to_vec();
    wire::HashRange { start: bytes(range.start), end: bytes(range.end) }
}

pub(super) fn range_from(range: Option<wire::HashRange>) -> Result<HashRange, DecodeError> {
    let range = range.ok_or(DecodeError::Missing("range"))?;
    let key = |bytes: Vec<u8>| {
        let bytes = <[u8; 16]>::try_from(bytes).map_err(|_| DecodeError::Missing("hash key"))?;
        Ok::<_, DecodeError>(HashKey(u128::from_be_bytes(bytes)))
    };
    let range = HashRange { start: key(range.start)?, end: key(range.end)? };
    (range.start <= range.end).then_some(range).ok_or(DecodeError::Malformed("a range ends before it begins"))
}

/// Decimal, as clients see it: the only form that keeps every bit.
pub(super) fn number_from(text: &str) -> Result<SequenceNumber, DecodeError> {
    SequenceNumber::parse(text).map_err(|_| DecodeError::Missing("sequence number"))
}

pub(super) fn shard_number_to(shard: ShardId, number: SequenceNumber) -> wire::ShardNumber {
    wire::ShardNumber { shard: shard.0, number: number.to_string() }
}

pub(super) fn shard_number_from(pair: &wire::ShardNumber) -> Result<(ShardId, SequenceNumber), DecodeError> {
    Ok((ShardId(pair.shard), number_from(&pair.number)?))
}

/// Indexes of records, both ends included.
pub(super) fn check_interval(from: u64, to: u64) -> Result<(), DecodeError> {
    let sound = from <= to && to <= SequenceNumber::INDEX_END;
    sound.then_some(()).ok_or(DecodeError::Malformed("an interval of records has no sound end"))
}
