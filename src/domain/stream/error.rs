//! Why a stream refuses: the field, what was asked, and the limit.

use super::{
    hash::{HashKey, HashRange},
    sequence::{SequenceNumber, ShardId},
    settings::Status,
};
use crate::base::{limits, time::Timestamp};
use std::{fmt, sync::Arc, time::Duration};

/// What a number is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    RetentionHours,
    RecordBytes,
    /// The greatest size of a record, as a setting.
    RecordBytesMax,
    Shards,
    WarmThroughput,
    Tags,
    TagKeyChars,
    TagValueChars,
    Consumers,
    ConsumersCreating,
    PolicyBytes,
    KeyIdChars,
    ModeChanges,
    EncryptionChanges,
    ShardCountUpdates,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RetentionHours => "hours of retention",
            Self::RecordBytes => "bytes of a record and its key",
            Self::RecordBytesMax => "bytes that a record may have",
            Self::Shards => "open shards",
            Self::WarmThroughput => "MiB/s of warm throughput",
            Self::Tags => "tags",
            Self::TagKeyChars => "characters of a tag's key",
            Self::TagValueChars => "characters of a tag's value",
            Self::Consumers => "registered consumers",
            Self::ConsumersCreating => "consumers being created",
            Self::PolicyBytes => "bytes of a policy",
            Self::KeyIdChars => "characters of a key's id",
            Self::ModeChanges => "changes of the mode",
            Self::EncryptionChanges => "changes of the encryption",
            Self::ShardCountUpdates => "updates of the number of shards",
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    #[error("the stream is {status}, not active")]
    NotActive { status: Status },
    #[error("{value} {field}; {min} is the least")]
    TooLow { field: Field, value: u64, min: u64 },
    #[error("{value} {field}; {max} is the most")]
    TooHigh { field: Field, value: u64, max: u64 },
    #[error("{limit} {field} within {} h, as many as there may be; the next after {again_at}", limits::STREAM_CHANGES_WINDOW.as_secs() / 3600)]
    TooOften { field: Field, limit: usize, again_at: Timestamp },
    #[error("a retention of {} h is shorter than the current {} h", hours(.asked), hours(.current))]
    ShorterThanNow { asked: Duration, current: Duration },
    #[error("a retention of {} h is longer than the current {} h", hours(.asked), hours(.current))]
    LongerThanNow { asked: Duration, current: Duration },
    #[error("there is no {0}")]
    ShardNotFound(ShardId),
    #[error("{0} was split or merged before")]
    ShardClosed(ShardId),
    #[error("{first} does not end where {second} begins")]
    NotAdjacent { first: ShardId, second: ShardId },
    #[error("the new starting hash key {key} does not divide {shard}, which has {range}")]
    SplitKey { shard: ShardId, key: HashKey, range: HashRange },
    #[error("an on-demand stream sets its shards itself")]
    OnDemand,
    #[error("the stream is not on-demand")]
    Provisioned,
    #[error("the sequence number {0} is not of the past")]
    FutureSequence(SequenceNumber),
    #[error("the stream is not encrypted with {0:?}")]
    NotEncrypted(Arc<str>),
    #[error("the tag {key:?} contains {character:?}, which no tag may")]
    TagCharacter { key: Arc<str>, character: char },
    #[error("the tag key {0:?} begins as only the system's do")]
    TagReserved(Arc<str>),
    #[error("the consumer {0:?} exists")]
    ConsumerExists(Arc<str>),
    #[error("there is no consumer {0:?}")]
    ConsumerNotFound(Arc<str>),
    #[error("the stream has {0} registered consumers")]
    HasConsumers(usize),
    #[error("the stream has {0} queues")]
    HasQueues(usize),
    #[error("there is no policy")]
    NoPolicy,
}

impl StreamError {
    /// `value`, if it is of `min` to `max`.
    pub(super) fn within(field: Field, value: u64, min: u64, max: u64) -> Result<u64, Self> {
        if value < min {
            return Err(Self::TooLow { field, value, min });
        }
        Self::at_most(field, value, max)
    }

    pub(super) fn at_most(field: Field, value: u64, max: u64) -> Result<u64, Self> {
        if value > max { Err(Self::TooHigh { field, value, max }) } else { Ok(value) }
    }

    /// As `at_most`, of a length.
    pub(super) fn length(field: Field, length: usize, max: usize) -> Result<(), Self> {
        let wide = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
        Self::at_most(field, wide(length), wide(max)).map(|_| ())
    }
}

/// Whole hours, rounded towards where the limit is broken: never shown as the limit itself.
fn hours(duration: &Duration) -> u64 {
    duration.as_secs() / 3600
}
