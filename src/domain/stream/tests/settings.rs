//! What a stream is like, and changing it.

use super::script::run;
use crate::{
    base::{id::PartitionId, limits, time::Timestamp},
    domain::stream::{
        SequenceNumber, ShardId, Stream, StreamError,
        create::Create,
        error::Field,
        hash::HashKey,
        put::Put,
        settings::{Encryption, Mode, Settings, ShardMetric, ShardMetrics},
    },
};
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

fn create(settings: Settings, shards: u32) -> Result<u32, StreamError> {
    let request = Create { settings, shards, partition: PartitionId(0), settle: Duration::ZERO };
    Stream::create(Timestamp::ZERO, &request).map(|created| created.shards)
}

#[test]
fn a_stream_is_created_within_the_limits() {
    let with = |settings: Settings| create(settings, 1);
    let default = Settings::default;
    assert_eq!(create(default(), 3), Ok(3));
    assert_eq!(create(default(), 0), Err(StreamError::TooLow { field: Field::Shards, value: 0, min: 1 }));
    assert_eq!(
        create(default(), 10_001),
        Err(StreamError::TooHigh { field: Field::Shards, value: 10_001, max: 10_000 })
    );
    let retention = |retention| with(Settings { retention, ..default() });
    assert_eq!(retention(365 * DAY), Ok(1));
    let second = Duration::from_secs(1);
    assert_eq!(retention(DAY - second), Err(StreamError::TooLow { field: Field::RetentionHours, value: 23, min: 24 }));
    let long = StreamError::TooHigh { field: Field::RetentionHours, value: 8761, max: 8760 };
    assert_eq!(retention(365 * DAY + second), Err(long));
    let bytes = |record_bytes_max| with(Settings { record_bytes_max, ..default() });
    assert_eq!(bytes(10 << 20), Ok(1));
    assert!(matches!(bytes((10 << 20) + 1), Err(StreamError::TooHigh { field: Field::RecordBytesMax, .. })));
    assert!(matches!(bytes((1 << 20) - 1), Err(StreamError::TooLow { field: Field::RecordBytesMax, .. })));
    let policy = |length| with(Settings { policy: Some("p".repeat(length).into()), ..default() });
    assert_eq!(policy(limits::STREAM_POLICY_BYTES), Ok(1));
    assert!(matches!(
        policy(limits::STREAM_POLICY_BYTES + 1),
        Err(StreamError::TooHigh { field: Field::PolicyBytes, .. })
    ));
    let key = Encryption::Key { id: "k".repeat(limits::KEY_ID_CHARS + 1).into() };
    let key = with(Settings { encryption: key, ..default() });
    assert!(matches!(key, Err(StreamError::TooHigh { field: Field::KeyIdChars, .. })));
}

#[test]
fn an_on_demand_stream_begins_with_four_shards_or_what_it_is_to_be_ready_for() {
    let on_demand =
        |warm_throughput| create(Settings { mode: Mode::OnDemand { warm_throughput }, ..Settings::default() }, 1);
    assert_eq!(on_demand(0), Ok(4));
    assert_eq!(on_demand(100), Ok(100));
    assert_eq!(on_demand(10_240), Ok(10_000));
    let much = StreamError::TooHigh { field: Field::WarmThroughput, value: 10_241, max: 10_240 };
    assert_eq!(on_demand(10_241), Err(much));
}

#[test]
fn the_retention_goes_up_and_down_and_brings_nothing_back() {
    run("
        stream retention=24h settle=1
        t=1     raise 23h    -> error: 23 hours of retention; 24 is the least
        t=1     raise 8761h  -> error: 8761 hours of retention; 8760 is the most
        t=1     lower 23h    -> error: 23 hours of retention; 24 is the least
        t=1     lower 25h    -> error: a retention of 25 h is longer than the current 24 h
        t=1     raise 24h
        t=2     raise 30h
        t=3     raise 25h    -> error: a retention of 25 h is shorter than the current 30 h
        t=3     lower 30h
        t=4     split 0      -> 1 2
        t=30h   shards       -> 0! 1<0 2<0
        t=30h   lower 24h
        t=30h   shards       -> 1<0 2<0
        t=31h   raise 8760h
        t=31h   shards       -> 1<0 2<0
        t=31h   forget
    ");
}

#[test]
fn the_horizon_never_moves_back() {
    let created = Stream::create(
        Timestamp::ZERO,
        &Create { settings: Settings::default(), shards: 1, partition: PartitionId(0), settle: Duration::ZERO },
    );
    let mut stream = Stream::new(&created.expect("a stream"));
    let day = |days: u64| Timestamp(days * 86_400_000);
    assert_eq!(stream.horizon(day(3)), day(2));
    let raised = stream.raise_retention(day(3), 30 * DAY).expect("a longer retention");
    stream.apply(&raised);
    assert_eq!(stream.horizon(day(3)), day(2));
    assert_eq!(stream.horizon(day(32)), day(2));
    assert_eq!(stream.horizon(day(33)), day(3));
    let lowered = stream.lower_retention(day(33), DAY).expect("a shorter retention");
    stream.apply(&lowered);
    assert_eq!(stream.horizon(day(33)), day(32));
}

#[test]
fn the_mode_changes_twice_within_24_hours_and_keeps_the_shards() {
    run("
        stream shards=2
        t=0    mode on-demand
        t=0    split 0             -> error: an on-demand stream sets its shards itself
        t=0    merge 0 1           -> error: an on-demand stream sets its shards itself
        t=0    count 4             -> error: an on-demand stream sets its shards itself
        t=1    mode queues=1       -> error: the stream has 1 queues
        t=1    mode
        t=1    shards              -> 0 1
        t=2    mode on-demand      -> error: 2 changes of the mode within 24 h, as many as there may be; the next after 86400000 ms
        t=2    warm 100            -> error: the stream is not on-demand
        t=24h  mode on-demand
        t=24h  warm 10240
        t=24h  warm 10241          -> error: 10241 MiB/s of warm throughput; 10240 is the most
        t=24h  wanted              -> 10000
    ");
}

#[test]
fn the_encryption_starts_and_stops_with_the_same_key() {
    run("
        stream settle=1
        t=1  decrypt alias/a   -> error: the stream is not encrypted with \"alias/a\"
        t=1  encrypt alias/a
        t=1  status            -> being updated
        t=2  decrypt alias/b   -> error: the stream is not encrypted with \"alias/b\"
        t=2  decrypt alias/a
        t=3  decrypt alias/a   -> error: the stream is not encrypted with \"alias/a\"
    ");
}

#[test]
fn the_encryption_changes_25_times_within_24_hours() {
    let changes: String = (0..25).map(|second| format!("t={second} encrypt key{second}\n")).collect();
    run(&format!(
        "stream
        {changes}
        t=25     encrypt more  -> error: 25 changes of the encryption within 24 h, as many as there may be; the next after 86400000 ms
        t=86400  encrypt more"
    ));
}

#[test]
fn a_policy_is_set_and_deleted() {
    run("
        stream settle=1
        t=1  policy none   -> error: there is no policy
        t=1  policy {}
        t=1  status        -> active
        t=1  policy none
        t=1  policy none   -> error: there is no policy
        t=1  metrics
        t=1  status        -> being updated
    ");
}

#[test]
fn tags_follow_their_rules() {
    let many: String = (0..50).map(|tag| format!(" k{tag}=v")).collect();
    run(&format!(
        "stream
        t=0  tag{many}
        t=0  tag k0=w
        t=0  tag more=v        -> error: 51 tags; 50 is the most
        t=0  untag k1 unknown
        t=0  tag more=ü
        t=0  tag a;b=c         -> error: the tag \"a;b\" contains ';', which no tag may
        t=0  tag a%b=c         -> error: the tag \"a%b\" contains '%', which no tag may
        t=0  tag a=b,c         -> error: the tag \"a\" contains ',', which no tag may
        t=0  tag aws:a=b       -> error: the tag key \"aws:a\" begins as only the system's do
        t=0  untag a;b         -> error: the tag \"a;b\" contains ';', which no tag may
        t=0  tag {long}=v      -> error: 129 characters of a tag's key; 128 is the most
        t=0  tag k0={value}    -> error: 257 characters of a tag's value; 256 is the most
        t=0  tag k0=w",
        long = "k".repeat(129),
        value = "v".repeat(257),
    ));
}

#[test]
fn consumers_are_registered_up_to_a_limit() {
    run("
        stream settle=2
        t=2  consumer register a team=x      
        t=2  consumer list                   -> a creating team=x
        t=2  consumer register a             -> error: the consumer \"a\" exists
        t=4  consumer list                   -> a active team=x
        t=4  consumer tag a cost=1
        t=4  consumer untag a team
        t=4  consumer list                   -> a active cost=1
        t=4  consumer register b max=1       -> error: 2 registered consumers; 1 is the most
        t=4  consumer deregister a
        t=4  consumer deregister a           -> nothing
        t=5  consumer list                   -> a deleting cost=1
        t=5  consumer register a             -> error: the consumer \"a\" exists
        t=5  deadline                        -> 6
        t=6  consumer list                   -> none
        t=6  consumer deregister a           -> error: there is no consumer \"a\"
        t=6  consumer register a
        t=6  consumer list                   -> a creating
    ");
}

#[test]
fn five_consumers_are_created_at_a_time() {
    run("
        stream settle=1
        t=1  consumer register a
        t=1  consumer register b
        t=1  consumer register c
        t=1  consumer register d
        t=1  consumer register e
        t=1  consumer register f   -> error: 6 consumers being created; 5 is the most
        t=2  consumer register f
    ");
}

#[test]
fn a_stream_with_consumers_or_queues_is_not_deleted_by_chance() {
    run("
        stream settle=1
        t=1  consumer register a
        t=1  delete             -> error: the stream has 1 registered consumers
        t=1  delete queues=2 consumers  -> error: the stream has 2 queues
        t=1  delete consumers
        t=9  status             -> being deleted
        t=9  delete consumers   -> error: the stream is being deleted, not active
        t=9  put a              -> error: the stream is being deleted, not active
        t=9  read 0 latest      -> error: the stream is being deleted, not active
        t=9  raise 48h          -> error: the stream is being deleted, not active
        t=9  consumer register b  -> error: the stream is being deleted, not active
    ");
    run("
        stream settle=1
        t=0  delete
        t=9  status             -> being deleted
    ");
}

#[test]
fn a_record_may_be_as_large_as_the_stream_says() {
    run("
        stream
        t=0  put a size=1048577   -> error: 1048577 bytes of a record and its key; 1048576 is the most
        t=0  record-size 10485760
        t=0  record-size 10485761 -> error: 10485761 bytes that a record may have; 10485760 is the most
        t=0  record-size 1048575  -> error: 1048575 bytes that a record may have; 1048576 is the least
        t=0  put a size=10485760  -> 0:1
    ");
}

/// Numbers that AWS has been seen to refuse.
#[test]
fn a_number_of_the_future_is_no_predecessor() {
    let request =
        Create { settings: Settings::default(), shards: 1, partition: PartitionId(0), settle: Duration::ZERO };
    let now = Timestamp(1_700_000_000_000);
    let stream = Stream::new(&Stream::create(now, &request).expect("a stream"));
    let put = |after| stream.put(now, &Put { hash: HashKey::MIN, bytes: 1, after: Some(after) }).map(|put| put.index);
    let number =
        |created, index, time| SequenceNumber::new(ShardId(0), created, index, PartitionId(0), Timestamp(time));
    let far = SequenceNumber::parse("73559785961551514828601391991642864028743539089244946418").expect("a number");
    for future in [far, number(1_700_000_000, 1, 1_700_000_000_000), number(5, 1, 1_700_000_001_000)] {
        assert_eq!(put(future), Err(StreamError::FutureSequence(future)));
    }
    assert_eq!(put(number(1_700_000_000, 0, 1_700_000_000_000)), Ok(1));
    assert_eq!(put(number(5, 77, 6)), Ok(1), "of a shard that is long gone");
}

#[test]
fn metrics_are_a_set() {
    let some = ShardMetrics::of(&[ShardMetric::IteratorAge, ShardMetric::IncomingBytes]);
    assert_eq!(some.iter().collect::<Vec<_>>(), [ShardMetric::IncomingBytes, ShardMetric::IteratorAge]);
    let more = some.with(ShardMetrics::of(&[ShardMetric::OutgoingBytes]));
    assert!(more.has(ShardMetric::OutgoingBytes) && !some.has(ShardMetric::OutgoingBytes));
    assert_eq!(more.without(some), ShardMetrics::of(&[ShardMetric::OutgoingBytes]));
    assert_eq!(ShardMetrics::of(&ShardMetric::ALL).iter().count(), 7);
}
