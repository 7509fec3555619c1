//! Why a call on a stream was refused, in the words of whoever refused it.

use super::quota::QuotaError;
use crate::{
    base::reason::{Reason, Refusal},
    domain::stream::{
        PositionError, StreamError, acks::AckError, groups::GroupError, queues::CreateQueueError, throttle::Throttled,
    },
    service::words::PutError,
};

/// A refusal, or what the state machine said. Protocols whose texts are fixed look inside.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamFault {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Stream(#[from] StreamError),
    #[error(transparent)]
    Position(#[from] PositionError),
    #[error(transparent)]
    Group(#[from] GroupError),
    #[error(transparent)]
    Ack(#[from] AckError),
    #[error(transparent)]
    Throttled(#[from] Throttled),
    #[error(transparent)]
    Quota(#[from] QuotaError),
}

impl From<CreateQueueError> for StreamFault {
    fn from(error: CreateQueueError) -> Self {
        match error {
            CreateQueueError::Stream(error) => Self::Stream(error),
            CreateQueueError::Queue(error) => Self::Ack(error),
        }
    }
}

impl From<PutError> for StreamFault {
    fn from(error: PutError) -> Self {
        match error {
            PutError::Stream(error) => Self::Stream(error),
            PutError::Throttled(error) => Self::Throttled(error),
            PutError::Refused(refusal) => Self::Refused(refusal),
        }
    }
}

impl From<StreamFault> for Refusal {
    fn from(fault: StreamFault) -> Self {
        match fault {
            StreamFault::Refused(refusal) => refusal,
            StreamFault::Stream(error) | StreamFault::Position(PositionError::Stream(error)) => of_stream(&error),
            StreamFault::Position(error) => Self::invalid("position", error.to_string()),
            StreamFault::Group(error) => of_group(&error),
            StreamFault::Ack(error) => of_ack(&error),
            StreamFault::Throttled(error) => Self::new(Reason::ShardThroughputExceeded, error.to_string())
                .with("shard", error.shard)
                .with("limit", error.per_second)
                .retry_after(error.wait),
            StreamFault::Quota(error) => of_quota(error),
        }
    }
}

fn of_stream(error: &StreamError) -> Refusal {
    use crate::domain::stream::Field;
    let message = error.to_string();
    match error {
        StreamError::NotActive { .. } => Refusal::new(Reason::StreamNotActive, message),
        StreamError::TooHigh { field: Field::RecordBytes, value, max } => {
            Refusal::new(Reason::RecordTooLarge, message).at("data").with("size", value).with("limit", max)
        }
        StreamError::TooHigh { field: Field::Consumers | Field::ConsumersCreating | Field::Tags, max, .. } => {
            Refusal::new(Reason::StreamLimit, message).with("limit", max)
        }
        StreamError::TooLow { value, min, .. } => {
            Refusal::new(Reason::InvalidArgument, message).with("value", value).with("limit", min)
        }
        StreamError::TooHigh { value, max, .. } => {
            Refusal::new(Reason::InvalidArgument, message).with("value", value).with("limit", max)
        }
        StreamError::TooOften { limit, .. } => Refusal::new(Reason::StreamLimit, message).with("limit", limit),
        StreamError::ShardNotFound(shard) => Refusal::new(Reason::ShardNotFound, message).with("shard", shard),
        StreamError::ShardClosed(_)
        | StreamError::OnDemand
        | StreamError::Provisioned
        | StreamError::NotEncrypted(_)
        | StreamError::HasConsumers(_)
        | StreamError::HasQueues(_) => Refusal::new(Reason::StreamStateForbids, message),
        StreamError::ShorterThanNow { .. } | StreamError::LongerThanNow { .. } => {
            Refusal::invalid("retention", message)
        }
        StreamError::NotAdjacent { .. } => Refusal::invalid("adjacent_shard_id", message),
        StreamError::SplitKey { .. } => Refusal::invalid("new_starting_hash_key", message),
        StreamError::FutureSequence(_) => Refusal::invalid("sequence_number", message),
        StreamError::TagCharacter { .. } | StreamError::TagReserved(_) => Refusal::invalid("tags", message),
        StreamError::ConsumerExists(_) => Refusal::new(Reason::StreamPartExists, message),
        StreamError::ConsumerNotFound(_) | StreamError::NoPolicy => Refusal::new(Reason::StreamPartNotFound, message),
    }
}

fn of_quota(error: QuotaError) -> Refusal {
    let (QuotaError::Shards { quota, .. } | QuotaError::OnDemandStreams(quota)) = error;
    Refusal::new(Reason::StreamLimit, error.to_string()).with("limit", quota.max)
}

fn of_group(error: &GroupError) -> Refusal {
    let message = error.to_string();
    match error {
        GroupError::HasMembers(_) => Refusal::new(Reason::StreamStateForbids, message),
        GroupError::TooManyMembers { limit } => Refusal::new(Reason::StreamLimit, message).with("limit", limit),
        GroupError::SessionTimeout(_) => Refusal::invalid("session_timeout", message),
        GroupError::MemberGone | GroupError::Fenced { .. } => Refusal::new(Reason::GroupFenced, message),
        GroupError::Backwards { .. } | GroupError::OtherShard { .. } | GroupError::NotYet(_) => {
            Refusal::invalid("sequence_number", message)
        }
        GroupError::ShardNotFound(shard) => Refusal::new(Reason::ShardNotFound, message).with("shard", shard),
    }
}

fn of_ack(error: &AckError) -> Refusal {
    let message = error.to_string();
    match error {
        AckError::NotActive | AckError::Busy(_) => Refusal::new(Reason::StreamNotActive, message),
        AckError::ReceiveCount(_) => Refusal::invalid("max_receive_count", message),
        AckError::TimeoutTooLong(_) => Refusal::invalid("visibility_timeout", message),
        AckError::LeaseExpired => Refusal::new(Reason::LeaseExpired, message),
        AckError::Gone => Refusal::new(Reason::StreamPartNotFound, message),
    }
}
