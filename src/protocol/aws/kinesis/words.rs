//! What a stream refuses, in the words of Kinesis: they name the stream and its account.

use super::fault::{
    self, INVALID_ARGUMENT, LIMIT_EXCEEDED, RESOURCE_IN_USE, RESOURCE_NOT_FOUND, THROUGHPUT_EXCEEDED, VALIDATION,
};
use crate::{
    base::{
        name::AccountId,
        reason::{Reason, Refusal},
        stream_name::StreamPath,
        stream_queue_arn::StreamQueueArn,
    },
    domain::stream::{
        Field, PositionError, ShardId, StreamError,
        acks::{AckError, Status as QueueStatus},
        settings::{Mode, Status},
        throttle::Throttled,
    },
    protocol::aws::fault::{Fault, Kind},
    service::streams::{fault::StreamFault, quota::QuotaError},
};

const TAG_CHARACTERS: &str =
    "Some tags contain invalid characters. Valid characters: Unicode letters, digits, white space, _ . / = + - % @.";

/// "X under account A".
fn place(stream: &StreamPath) -> String {
    format!("{} under account {}", stream.name, stream.account)
}

pub(super) fn not_found(stream: &StreamPath) -> Fault {
    Fault::new(&RESOURCE_NOT_FOUND, format!("Stream {} not found.", place(stream)))
}

/// A shard that is no shard of the stream, as it was written.
pub(super) fn no_such_shard(stream: &StreamPath, shard: impl std::fmt::Display) -> Fault {
    Fault::new(&RESOURCE_NOT_FOUND, format!("Could not find shard {shard} in stream {}.", place(stream)))
}

/// The same to somebody who reads. AWS ends that sentence without a dot.
pub(super) fn shard_gone(stream: &StreamPath, shard: ShardId) -> Fault {
    Fault::new(&RESOURCE_NOT_FOUND, format!("Shard {shard} in stream {} does not exist", place(stream)))
}

pub(super) fn rate_exceeded(stream: &StreamPath, throttled: Throttled) -> Fault {
    let text = format!("Rate exceeded for shard {} in stream {}.", throttled.shard, place(stream));
    Fault::new(&THROUGHPUT_EXCEEDED, text)
}

fn quota_exceeded(stream: &StreamPath, error: QuotaError) -> Fault {
    let text = match error {
        QuotaError::Shards { more, quota } => format!(
            "This request would exceed the shard limit for the account {} in {}. Current shard count for the account: {}. \
             Limit: {}. Number of additional shards that would have resulted from this request: {more}. Refer to the AWS \
             Service Limits page (http://docs.aws.amazon.com/general/latest/gr/aws_service_limits.html) for current limits \
             and how to request higher limits.",
            stream.account, stream.region, quota.used, quota.max
        ),
        QuotaError::OnDemandStreams(_) => format!("Account {} in {}: {error}.", stream.account, stream.region),
    };
    Fault::new(&LIMIT_EXCEEDED, text)
}

pub(super) fn no_such_consumer(stream: &StreamPath, consumer: &str) -> Fault {
    Fault::new(&RESOURCE_NOT_FOUND, format!("Consumer {consumer}, account {} not found.", stream.account))
}

pub(super) fn no_such_queue(id: &str, account: &AccountId) -> Fault {
    Fault::new(&RESOURCE_NOT_FOUND, format!("Queue {id:.200} under account {account} not found."))
}

/// What the service or a queue said to a call about it.
pub(super) fn of_queue(queue: &StreamQueueArn, error: StreamFault) -> Fault {
    let resource = queue.resource();
    let id = resource.trim_start_matches("queue/");
    let place = format!("{id} under account {}", queue.account);
    let inactive = || Fault::new(&RESOURCE_NOT_FOUND, format!("Queue {place} is not ACTIVE: it delivers no records."));
    match error {
        StreamFault::Refused(refusal) if refusal.reason == Reason::StreamNotActive => inactive(),
        StreamFault::Refused(refusal) => {
            let is_gone = [Reason::StreamNotFound, Reason::StreamPartNotFound].contains(&refusal.reason);
            if is_gone { no_such_queue(id, &queue.account) } else { fault::refused(refusal) }
        }
        StreamFault::Ack(AckError::NotActive) => inactive(),
        StreamFault::Ack(AckError::Busy(status)) => {
            in_use(format!("Queue {place} not ACTIVE, instead in state {}", name_of_queue_status(status)))
        }
        StreamFault::Stream(StreamError::TagCharacter { .. }) => fault::invalid(TAG_CHARACTERS),
        StreamFault::Stream(error) => fault::invalid(format!("Queue {place}: {error}.")),
        other @ (StreamFault::Position(_)
        | StreamFault::Group(_)
        | StreamFault::Ack(_)
        | StreamFault::Throttled(_)
        | StreamFault::Quota(_)) => fault::refused(other.into()),
    }
}

pub(super) fn name_of_queue_status(status: QueueStatus) -> &'static str {
    match status {
        QueueStatus::Creating => "CREATING",
        QueueStatus::Active => "ACTIVE",
        QueueStatus::Updating => "UPDATING",
        QueueStatus::Deleting => "DELETING",
    }
}

/// A refusal of a call about that stream.
pub(super) fn refused(stream: &StreamPath, refusal: Refusal) -> Fault {
    let known = [
        (Reason::StreamNotFound, not_found(stream)),
        (Reason::StreamExists, in_use(format!("Stream {} already exists.", place(stream)))),
        (
            Reason::ThroughputExceeded,
            Fault::new(&THROUGHPUT_EXCEEDED, format!("Rate exceeded for stream {}.", place(stream))),
        ),
    ];
    let said = known.into_iter().find(|(reason, _)| *reason == refusal.reason);
    said.map_or_else(|| fault::refused(refusal), |(_, fault)| fault)
}

fn in_use(text: String) -> Fault {
    Fault::new(&RESOURCE_IN_USE, text)
}

/// What the service or the stream said to a change.
pub(super) fn fault(stream: &StreamPath, error: impl Into<StreamFault>) -> Fault {
    match error.into() {
        StreamFault::Refused(refusal) => refused(stream, refusal),
        StreamFault::Stream(error) => of_stream(stream, error),
        StreamFault::Throttled(throttled) => rate_exceeded(stream, throttled),
        StreamFault::Quota(error) => quota_exceeded(stream, error),
        other @ (StreamFault::Position(_) | StreamFault::Group(_) | StreamFault::Ack(_)) => {
            fault::refused(other.into())
        }
    }
}

/// The same to somebody who puts or reads: to those a stream that is being made or deleted does not exist.
pub(super) fn fault_of_use(stream: &StreamPath, error: impl Into<StreamFault>) -> Fault {
    let error = error.into();
    let is_state = matches!(error, StreamFault::Stream(StreamError::NotActive { .. }));
    if is_state { not_found(stream) } else { fault(stream, error) }
}

fn of_stream(stream: &StreamPath, error: StreamError) -> Fault {
    let (kind, text): (&'static Kind, String) = match error {
        StreamError::NotActive { status } => {
            let text = format!("Stream {} not ACTIVE, instead in state {}", place(stream), name_of(status));
            (&RESOURCE_IN_USE, text)
        }
        StreamError::TooLow { field: Field::RetentionHours, value, min } => (
            &INVALID_ARGUMENT,
            format!(
                "Minimum allowed retention period is {min} hours. Requested retention period ({value} hours) is too short."
            ),
        ),
        StreamError::TooHigh { field: Field::RetentionHours, value, max } => (
            &INVALID_ARGUMENT,
            format!(
                "Maximum allowed retention period is {max} hours. Requested retention period ({value} hours) is too long."
            ),
        ),
        StreamError::ShorterThanNow { asked, current } => {
            (&INVALID_ARGUMENT, retention(stream, "shorter", asked, current))
        }
        StreamError::LongerThanNow { asked, current } => {
            (&INVALID_ARGUMENT, retention(stream, "longer", asked, current))
        }
        StreamError::ShardNotFound(shard) => return no_such_shard(stream, shard),
        StreamError::ShardClosed(shard) => (
            &INVALID_ARGUMENT,
            format!(
                "Shard {shard} in stream {} has already been merged or split, and thus is not eligible for merging or \
                 splitting.",
                place(stream)
            ),
        ),
        StreamError::NotAdjacent { first, second } => (
            &INVALID_ARGUMENT,
            format!(
                "Shards {first} and {second} in stream {} are not an adjacent pair of shards eligible for merging",
                place(stream)
            ),
        ),
        StreamError::SplitKey { shard, key, range } => return split_key(stream, shard, &key.to_string(), range),
        StreamError::OnDemand => {
            (&VALIDATION, format!("Request is invalid. Stream {} is in On-Demand mode.", place(stream)))
        }
        StreamError::Provisioned => {
            (&VALIDATION, format!("Request is invalid. Stream {} is in Provisioned mode.", place(stream)))
        }
        error @ (StreamError::TooLow { .. }
        | StreamError::TooHigh { .. }
        | StreamError::TooOften { .. }
        | StreamError::FutureSequence(_)
        | StreamError::NotEncrypted(_)
        | StreamError::TagCharacter { .. }
        | StreamError::TagReserved(_)
        | StreamError::ConsumerExists(_)
        | StreamError::ConsumerNotFound(_)
        | StreamError::HasConsumers(_)
        | StreamError::HasQueues(_)
        | StreamError::NoPolicy) => return of_the_rest(stream, &error),
    };
    Fault::new(kind, text)
}

/// What is said of tags, consumers and limits.
fn of_the_rest(stream: &StreamPath, error: &StreamError) -> Fault {
    match error {
        StreamError::TagCharacter { character: '%', .. } => fault::invalid(format!(
            "Failed to add tags to stream {} because some tags contained illegal characters. The allowed characters are \
             Unicode letters, white-spaces, '_',',','/','=','+','-','@'.",
            place(stream)
        )),
        StreamError::TagCharacter { .. } => fault::invalid(TAG_CHARACTERS),
        StreamError::TooHigh { field: Field::Tags, max, .. } => fault::invalid(format!(
            "Failed to add tags to stream {} because a given stream cannot have more than {max} tags associated with it.",
            place(stream)
        )),
        StreamError::ConsumerExists(name) => {
            in_use(format!("Consumer {name} of stream {} already exists.", place(stream)))
        }
        StreamError::ConsumerNotFound(name) => no_such_consumer(stream, name),
        StreamError::HasConsumers(count) => in_use(format!(
            "Stream {} has {count} registered consumers. Deregister them, or set EnforceConsumerDeletion.",
            place(stream)
        )),
        StreamError::HasQueues(count) => {
            in_use(format!("Stream {} has {count} queues. Delete them first.", place(stream)))
        }
        StreamError::NoPolicy => {
            let text = format!("No resource policy found for resource ARN {}.", stream.arn());
            Fault::new(&RESOURCE_NOT_FOUND, text)
        }
        StreamError::TooHigh { field: Field::Consumers | Field::ConsumersCreating, .. }
        | StreamError::TooOften { .. } => Fault::new(&LIMIT_EXCEEDED, format!("Stream {}: {error}.", place(stream))),
        StreamError::TooHigh { field: Field::RecordBytes, value, max } => fault::invalid(format!(
            "The record and its partition key have {value} bytes; stream {} takes {max} at most.",
            place(stream)
        )),
        StreamError::NotActive { .. }
        | StreamError::TooLow { .. }
        | StreamError::TooHigh { .. }
        | StreamError::ShorterThanNow { .. }
        | StreamError::LongerThanNow { .. }
        | StreamError::ShardNotFound(_)
        | StreamError::ShardClosed(_)
        | StreamError::NotAdjacent { .. }
        | StreamError::SplitKey { .. }
        | StreamError::OnDemand
        | StreamError::Provisioned
        | StreamError::FutureSequence(_)
        | StreamError::NotEncrypted(_)
        | StreamError::TagReserved(_) => fault::invalid(format!("Stream {}: {error}.", place(stream))),
    }
}

fn retention(stream: &StreamPath, how: &str, asked: std::time::Duration, current: std::time::Duration) -> String {
    let hours = |duration: std::time::Duration| duration.as_secs() / 3600;
    let (asked, current) = (hours(asked), hours(current));
    let other = if how == "shorter" { "DecreaseRetentionPeriod" } else { "IncreaseRetentionPeriod" };
    format!(
        "Requested retention period ({asked} hours) for stream {} can not be {how} than existing retention period \
         ({current} hours). Use {other} API.",
        stream.name
    )
}

/// A key that does not divide the shard; it may be larger than any key is.
pub(super) fn split_key(
    stream: &StreamPath,
    shard: ShardId,
    key: &str,
    range: crate::domain::stream::hash::HashRange,
) -> Fault {
    fault::invalid(format!(
        "NewStartingHashKey {key} used in SplitShard() on shard {shard} in stream {} is not both greater than one plus \
         the shard's StartingHashKey {} and less than the shard's EndingHashKey {}.",
        place(stream),
        range.start,
        range.end
    ))
}

/// Where somebody wants to read from; `number` is what they wrote.
pub(super) fn of_position(stream: &StreamPath, shard: ShardId, number: &str, error: &PositionError) -> Fault {
    match error {
        PositionError::Stream(StreamError::ShardNotFound(shard)) => shard_gone(stream, *shard),
        PositionError::Stream(StreamError::NotActive { .. }) => not_found(stream),
        PositionError::OtherShard { encoded, shard } => other_shard(*encoded, *shard),
        PositionError::OtherStream(_) => {
            bad_number(stream, shard, number, " because it did not come from this stream.")
        }
        PositionError::FutureTime { moment, now } => fault::invalid(format!(
            "The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. timestampInMillis: {}, \
             currentTimestampInMillis: {}",
            moment.as_millis(),
            now.as_millis()
        )),
        PositionError::Stream(_) => bad_number(stream, shard, number, "."),
    }
}

pub(super) fn other_shard(encoded: ShardId, shard: ShardId) -> Fault {
    fault::invalid(format!(
        "Invalid StartingSequenceNumber. It encodes {encoded}, while it was used in a call to a shard with {shard}"
    ))
}

/// A number that cannot be one of the shard; `why` ends the sentence.
pub(super) fn bad_number(stream: &StreamPath, shard: ShardId, number: &str, why: &str) -> Fault {
    fault::invalid(format!(
        "StartingSequenceNumber {number} used in GetShardIterator on shard {shard} in stream {} is invalid{why}",
        place(stream)
    ))
}

pub(super) fn bad_order(stream: &StreamPath, number: &str) -> Fault {
    fault::invalid(format!(
        "ExclusiveMinimumSequenceNumber {number} used in PutRecord on stream {} is invalid.",
        place(stream)
    ))
}

pub(super) fn name_of(status: Status) -> &'static str {
    match status {
        Status::Creating => "CREATING",
        Status::Active => "ACTIVE",
        Status::Updating => "UPDATING",
        Status::Deleting => "DELETING",
    }
}

pub(super) fn name_of_mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Provisioned => "PROVISIONED",
        Mode::OnDemand { .. } => "ON_DEMAND",
    }
}
