//! What streams refuse, in the sentences that were recorded of AWS.

use crate::{
    base::{
        stream_name::{StreamName, StreamPath},
        time::Timestamp,
    },
    domain::stream::{
        Field, PositionError, SequenceNumber, ShardId, StreamError,
        settings::Status,
        throttle::{Limit, Throttled},
    },
    protocol::aws::kinesis::{token, words},
};
use std::time::Duration;

fn path() -> StreamPath {
    let arn = "arn:aws:kinesis:us-east-1:111111111111:stream/s";
    let path = StreamPath::parse_arn(arn).expect("an arn");
    assert_eq!(path.name, StreamName::parse("s").expect("a name"));
    path
}

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn refusals_of_changes_are_the_sentences_of_aws() {
    let (first, second) = (ShardId(0), ShardId(2));
    let hours = |field, value, limit| match value < limit {
        true => StreamError::TooLow { field, value, min: limit },
        false => StreamError::TooHigh { field, value, max: limit },
    };
    let cases = [
        (
            StreamError::NotActive { status: Status::Creating },
            "ResourceInUseException",
            "Stream s under account 111111111111 not ACTIVE, instead in state CREATING",
        ),
        (
            hours(Field::RetentionHours, 8761, 8760),
            "InvalidArgumentException",
            "Maximum allowed retention period is 8760 hours. Requested retention period (8761 hours) is too long.",
        ),
        (
            hours(Field::RetentionHours, 23, 24),
            "InvalidArgumentException",
            "Minimum allowed retention period is 24 hours. Requested retention period (23 hours) is too short.",
        ),
        (
            StreamError::ShorterThanNow { asked: HOUR * 25, current: HOUR * 30 },
            "InvalidArgumentException",
            "Requested retention period (25 hours) for stream s can not be shorter than existing retention period (30 hours). Use DecreaseRetentionPeriod API.",
        ),
        (
            StreamError::LongerThanNow { asked: HOUR * 30, current: HOUR * 24 },
            "InvalidArgumentException",
            "Requested retention period (30 hours) for stream s can not be longer than existing retention period (24 hours). Use IncreaseRetentionPeriod API.",
        ),
        (
            StreamError::OnDemand,
            "ValidationException",
            "Request is invalid. Stream s under account 111111111111 is in On-Demand mode.",
        ),
        (
            StreamError::ShardClosed(first),
            "InvalidArgumentException",
            "Shard shardId-000000000000 in stream s under account 111111111111 has already been merged or split, and thus is not eligible for merging or splitting.",
        ),
        (
            StreamError::NotAdjacent { first, second },
            "InvalidArgumentException",
            "Shards shardId-000000000000 and shardId-000000000002 in stream s under account 111111111111 are not an adjacent pair of shards eligible for merging",
        ),
        (
            StreamError::ConsumerNotFound("c".into()),
            "ResourceNotFoundException",
            "Consumer c, account 111111111111 not found.",
        ),
        (
            StreamError::NoPolicy,
            "ResourceNotFoundException",
            "No resource policy found for resource ARN arn:aws:kinesis:us-east-1:111111111111:stream/s.",
        ),
    ];
    for (error, kind, text) in cases {
        let fault = words::fault(&path(), error);
        assert_eq!((fault.kind.json_type, fault.message.as_ref()), (kind, text));
    }
    for error in [hours(Field::Consumers, 21, 20), hours(Field::ConsumersCreating, 6, 5)] {
        assert_eq!(words::fault(&path(), error).kind.json_type, "LimitExceededException");
    }
}

#[test]
fn refusals_of_puts_and_reads_are_the_sentences_of_aws() {
    let shard = ShardId(0);
    let throttled = Throttled { shard, limit: Limit::Reads, per_second: 5, wait: Duration::from_millis(200) };
    let fault = words::fault_of_use(&path(), throttled);
    assert_eq!(fault.kind.json_type, "ProvisionedThroughputExceededException");
    assert_eq!(fault.message, "Rate exceeded for shard shardId-000000000000 in stream s under account 111111111111.");
    let fault = words::fault_of_use(&path(), StreamError::NotActive { status: Status::Creating });
    assert_eq!(fault.message, "Stream s under account 111111111111 not found.");
    let number = "49590338271490256608559692538361571095921575989136588898";
    let other = PositionError::OtherStream(SequenceNumber::parse(number).expect("a number"));
    assert_eq!(
        words::of_position(&path(), shard, number, &other).message,
        format!(
            "StartingSequenceNumber {number} used in GetShardIterator on shard shardId-000000000000 in stream s under \
             account 111111111111 is invalid because it did not come from this stream."
        )
    );
    let gone = words::shard_gone(&path(), shard);
    assert_eq!(gone.message, "Shard shardId-000000000000 in stream s under account 111111111111 does not exist");
}

#[test]
fn an_old_iterator_says_how_old_it_is() {
    let made = Timestamp(1_421_889_722_000);
    assert_eq!(
        token::expired_text(made, made + Duration::from_secs(480)),
        "Iterator expired. The iterator was created at time Thu Jan 22 01:22:02 UTC 2015 while right now it is Thu Jan 22 \
         01:30:02 UTC 2015 which is further in the future than the tolerated delay of 300000 milliseconds."
    );
}
