//! Everything about a stream reads back as it was written, and nothing that is not sound is read at all.

use super::{
    AppendedHeader, change_from, change_to, definition::created_from, head::stream_head_from, queue::queue_head_from,
    stream_definition_from, stream_definition_to, stream_image_from as image_from, stream_image_to as image_to,
};
use crate::{
    base::{
        id::{LeaseId, Location, Lsn, PartitionId, StreamId, StreamQueueId},
        name::{AccountId, Region},
        stream_name::{StreamName, StreamPath},
        time::Timestamp,
    },
    domain::stream::{
        SequenceNumber, ShardId, Stream,
        acks::{self, Fate, StreamQueue, event::Marked},
        consumers::Consumer,
        demand::Load,
        event::{Change as Kind, Created, Event, Opened, Resharded, SettingsChanged},
        groups::{self, Group, MemberId},
        hash::{HashKey, HashRange},
        settings::{Distribution, Encryption, Mode, Settings, ShardMetric, ShardMetrics},
    },
    engine::{
        journal::DecodeError,
        streams::{
            definition::StreamDefinition,
            state::StreamImage,
            tail::{Place, Tail},
            view::Change,
        },
    },
    proto::storage::v1 as wire,
};
use bytes::BytesMut;
use proptest::{collection::vec, prelude::*};
use prost::Message as _;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

const AT: Timestamp = Timestamp(1_700_000_000_123);
const SHARD: ShardId = ShardId(17);

fn later(millis: u64) -> Timestamp {
    Timestamp(AT.0 + millis)
}

fn name() -> Arc<str> {
    "name".into()
}

fn number(shard: ShardId, index: u64) -> SequenceNumber {
    SequenceNumber::new(shard, 1_700_000_000, index, PartitionId(3), later(4_000))
}

fn rich_settings() -> Settings {
    Settings {
        mode: Mode::OnDemand { warm_throughput: 12 },
        distribution: Distribution::Auto,
        retention: Duration::from_hours(48),
        record_bytes_max: 10_485_760,
        encryption: Encryption::Key { id: "alias/key".into() },
        metrics: ShardMetrics::of(&[ShardMetric::IncomingBytes, ShardMetric::IteratorAge]),
        tags: [("team".into(), "blue".into()), ("empty".into(), "".into())].into(),
        policy: Some("{}".into()),
    }
}

fn created() -> Created {
    Created { settings: rich_settings(), shards: 3, partition: PartitionId(3), settle: Duration::from_secs(2), at: AT }
}

fn consumer(gone_at: Option<Timestamp>) -> Consumer {
    let tags = rich_settings().tags;
    Consumer { name: name(), created_at: AT, active_at: later(9), gone_at, tags }
}

fn resharded() -> Event {
    let range = HashRange { start: HashKey(u128::MAX - 7), end: HashKey::MAX };
    let merged = Opened { id: ShardId(5), range, parent: Some(ShardId(0)), adjacent_parent: Some(SHARD), created: 8 };
    let first = Opened { id: ShardId(6), range: HashRange::ALL, parent: None, adjacent_parent: None, created: 9 };
    let (closed, opened) = (vec![ShardId(0), SHARD], vec![merged, first]);
    Event::Resharded(Resharded { closed, opened, at: AT, settled_at: later(5) })
}

fn settings_changes() -> impl Iterator<Item = Event> {
    [(Kind::Mode, Settings::default()), (Kind::Encryption, rich_settings()), (Kind::Other, Settings::default())]
        .into_iter()
        .map(|(change, settings)| {
            let (hidden_before, settled_at) = (later(1), later(2));
            Event::SettingsChanged(Box::new(SettingsChanged { settings, change, hidden_before, at: AT, settled_at }))
        })
}

fn stream_events() -> Vec<Event> {
    let load = Load { bytes_per_second: 1 << 40, records_per_second: 7 };
    let mut events: Vec<_> = settings_changes().collect();
    events.extend([
        resharded(),
        Event::ShardCountUpdated { at: AT },
        Event::Trimmed { shard: SHARD, below: 9, bytes: 1 << 50 },
        Event::ShardsForgotten { shards: vec![ShardId(1), SHARD] },
        Event::ConsumerRegistered(consumer(None)),
        Event::ConsumerRegistered(consumer(Some(later(70)))),
        Event::ConsumerTagged { name: name(), tags: rich_settings().tags },
        Event::ConsumerDeregistered { name: name(), gone_at: later(3), at: AT },
        Event::LoadMeasured { load, at: AT },
        Event::Deleting { at: AT },
    ]);
    events
}

fn marked(fate: Fate, first: bool) -> Marked {
    Marked { shard: SHARD, from: 4, to: 9, fate, first, at: AT }
}

fn queue_settings() -> acks::Settings {
    acks::Settings { visibility_timeout: Duration::from_millis(1500), max_receive_count: Some(4) }
}

fn queue_created() -> acks::Created {
    let about = acks::About {
        id: StreamQueueId(1 << 40),
        start: acks::Start::AtTime(later(5)),
        counts_from: later(6),
        created_at: AT,
        active_at: later(1),
        settled_at: later(2),
        gone_at: Some(later(3)),
        tags: rich_settings().tags,
    };
    acks::Created { about, settings: queue_settings(), starts: [(ShardId(0), 3), (SHARD, u64::MAX)].into() }
}

fn bare_queue(start: acks::Start) -> acks::Created {
    let created = queue_created();
    let about = acks::About { start, gone_at: None, tags: BTreeMap::new(), ..created.about };
    let settings = acks::Settings { max_receive_count: None, ..created.settings };
    acks::Created { about, settings, starts: [(ShardId(0), 3)].into() }
}

fn fate() -> Fate {
    let (visible_at, first_receive) = (later(30_000), Some(AT));
    Fate { lease: LeaseId(1 << 33), visible_at, receive_count: 2, first_receive, dead: true }
}

fn queue_events() -> Vec<acks::Event> {
    vec![
        acks::Event::Received(marked(fate(), true)),
        acks::Event::VisibilityChanged(marked(Fate { dead: false, ..fate() }, false)),
        acks::Event::Restored(marked(Fate::default(), false)),
        acks::Event::Acknowledged { shard: SHARD, from: 2, to: 2 },
        acks::Event::Trimmed { shard: SHARD, below: 3 },
        acks::Event::ShardForgotten { shard: SHARD },
        acks::Event::SettingsChanged { settings: queue_settings(), settled_at: later(8) },
        acks::Event::Tagged(rich_settings().tags),
        acks::Event::Deleting { gone_at: later(9) },
    ]
}

fn group_events() -> Vec<groups::Event> {
    let member = MemberId(8);
    vec![
        groups::Event::MemberJoined {
            member,
            consumer_name: "host-1".into(),
            session_timeout: Duration::from_secs(10),
            at: AT,
        },
        groups::Event::MemberLeft { member, at: AT },
        groups::Event::Assigned { shard: SHARD, member, generation: 6, at: AT },
        groups::Event::Revoked { shard: SHARD, generation: 6, until: later(7) },
        groups::Event::Freed { shard: SHARD, generation: 6 },
        groups::Event::Committed { shard: SHARD, number: number(SHARD, 44), at: AT },
        groups::Event::Sought {
            to: vec![(SHARD, number(SHARD, 0)), (ShardId(0), number(ShardId(0), SequenceNumber::INDEX_END))],
            at: AT,
        },
        groups::Event::Sought { to: Vec::new(), at: AT },
        groups::Event::ShardForgotten { shard: SHARD },
    ]
}

fn changes() -> Vec<Change> {
    let mut changes: Vec<_> = stream_events().into_iter().map(Change::Stream).collect();
    changes.extend(queue_events().into_iter().map(|event| Change::Queue { name: name(), event }));
    changes.extend(group_events().into_iter().map(|event| Change::Group { name: name(), event }));
    changes.extend([
        Change::QueueCreated { name: name(), created: Box::new(queue_created()) },
        Change::QueueCreated { name: name(), created: Box::new(bare_queue(acks::Start::Latest)) },
        Change::QueueCreated { name: name(), created: Box::new(bare_queue(acks::Start::TrimHorizon)) },
        Change::QueueRemoved { name: name() },
        Change::GroupCreated { name: name(), at: AT, starts: [(SHARD, number(SHARD, 5))].into() },
        Change::GroupRemoved { name: name() },
    ]);
    changes
}

#[test]
fn every_change_reads_back_as_it_was_written() {
    for change in changes() {
        let bytes = change_to(&change).expect("an entry").encode_to_vec();
        let read = change_from(wire::StreamChange::decode(&*bytes).expect("a message"));
        assert_eq!(read.expect("decodes"), change);
    }
}

#[test]
fn what_has_no_entry_of_its_own_is_not_written() {
    assert_eq!(change_to(&Change::Heard { group: name(), member: MemberId(1) }), None);
    let appended = crate::domain::stream::event::Appended { shard: SHARD, index: 1, at: AT, bytes_total: 5 };
    assert_eq!(change_to(&Change::Stream(Event::Appended(appended))), None);
}

fn path() -> StreamPath {
    StreamPath {
        account: AccountId::parse("123456789012").expect("valid"),
        region: Region::parse("eu-north-1").expect("valid"),
        name: StreamName::parse("orders").expect("valid"),
    }
}

#[test]
fn a_definition_reads_back_as_it_was_written() {
    for settings in [rich_settings(), Settings::default()] {
        let created = Created { settings, ..created() };
        let definition = StreamDefinition { id: StreamId(7), path: path(), created };
        let read = stream_definition_from(stream_definition_to(&definition)).expect("decodes");
        assert_eq!(read, definition);
    }
}

/// A stream to which everything has happened.
fn image() -> StreamImage {
    let mut stream = Stream::new(&created());
    stream_events().iter().for_each(|event| stream.apply(event));
    let mut queue = StreamQueue::new(&bare_queue(acks::Start::Latest));
    queue_events().iter().take(3).for_each(|event| queue.apply(event));
    queue.apply(&acks::Event::Acknowledged { shard: SHARD, from: 6, to: 7 });
    let mut group = Group::new(AT, &BTreeMap::from([(ShardId(0), number(ShardId(0), 2))]));
    for index in [0, 2, 3, 5, 6] {
        group.apply(&group_events()[index]);
    }
    let place = |lsn, offset, at| Place { at: Location { lsn: Lsn(lsn), offset, len: 100 }, arrival: later(at) };
    let places = [place(8, 64, 0), place(8, 200, 0), place(1 << 40, 64, 50)];
    StreamImage {
        definition: Arc::new(StreamDefinition { id: StreamId(7), path: path(), created: created() }),
        head: stream.head(),
        queues: vec![("fresh".into(), StreamQueue::new(&queue_created()).head()), (name(), queue.head())],
        groups: vec![("fresh".into(), Group::default().head()), (name(), group.head())],
        producers: vec![("p".into(), 99)],
        tails: BTreeMap::from([(ShardId(0), Tail::starting_at(1)), (SHARD, Tail::of(40, places.into_iter()))]),
    }
}

#[test]
fn an_image_reads_back_as_it_was_written() {
    let image = image();
    assert!(image.head.shards.iter().any(|shard| shard.closed_at.is_some() && !shard.children.is_empty()));
    assert!(image.queues[1].1.shards.iter().any(|shard| shard.runs.len() > 1));
    assert!(image.groups[1].1.leases.iter().any(|(_, lease)| lease.revoked_until.is_some() && lease.owner.is_some()));
    let bytes = image_to(&image).encode_to_vec();
    let read = image_from(wire::StreamImage::decode(&*bytes).expect("a message")).expect("decodes");
    assert_eq!(read, image);
    assert_eq!(Stream::from_head(read.head).head(), image.head);
}

#[test]
fn what_is_stored_of_a_record_reads_back_as_the_generated_code_has_it() {
    let bare =
        AppendedHeader { shard: SHARD, arrival: AT, bytes_total: 1 << 40, partition_key: "k", ..Default::default() };
    for header in [
        bare,
        AppendedHeader { encrypted: true, producer: Some(("p", 12)), ..bare },
        AppendedHeader { shard: ShardId(0), producer: Some(("", 0)), ..bare },
    ] {
        let mut bytes = BytesMut::new();
        header.encode(&mut bytes);
        assert_eq!(AppendedHeader::decode(&bytes).expect("decodes"), header);
        let generated = wire::AppendedHeader::decode(&*bytes).expect("a message");
        let expected = wire::AppendedHeader {
            shard: header.shard.0,
            at_ms: AT.0,
            bytes_total: 1 << 40,
            partition_key: "k".into(),
            encrypted: header.encrypted,
            producer: header.producer.map(|(producer, _)| producer.into()),
            producer_sequence: header.producer.map_or(0, |(_, sequence)| sequence),
        };
        assert_eq!(generated, expected);
    }
}

fn lacks<T: std::fmt::Debug>(read: Result<T, DecodeError>, what: &str) {
    let error = read.expect_err("not whole");
    assert!(matches!(error, DecodeError::Missing(missing) if missing == what), "{error}");
}

#[test]
fn what_lacks_a_part_is_an_error() {
    lacks(AppendedHeader::decode(&[]), "partition key");
    lacks(change_from(wire::StreamChange::default()), "change");
    lacks(created_from(wire::StreamCreated::default()), "settings");
    lacks(stream_definition_from(wire::StreamDefinition::default()), "account");
    lacks(stream_head_from(wire::StreamHead::default()), "settings");
    lacks(queue_head_from(wire::StreamQueueHead::default()), "settings");
    lacks(image_from(wire::StreamImage::default()), "definition");
    let bare = wire::stream_change::Change::Stream(wire::StreamEvent::default());
    lacks(change_from(wire::StreamChange { change: Some(bare) }), "event");
    let mut head = image_to(&image()).head.expect("a head");
    head.status = 9;
    lacks(stream_head_from(head), "status");
}

#[test]
fn an_interval_that_ends_before_it_begins_and_a_torn_tail_are_errors() {
    let event = acks::Event::Acknowledged { shard: SHARD, from: 2, to: 1 };
    let change = change_to(&Change::Queue { name: name(), event }).expect("an entry");
    assert!(matches!(change_from(change), Err(DecodeError::Malformed(_))));
    let mut torn = image_to(&image());
    torn.tails[1].lens.pop();
    assert!(matches!(image_from(torn), Err(DecodeError::Malformed(_))));
    let mut turned = image_to(&image()).head.expect("a head");
    let range = turned.shards[0].opened.as_mut().and_then(|opened| opened.range.as_mut()).expect("a range");
    (range.start, range.end) = (vec![1; 16], vec![0; 16]);
    assert!(matches!(stream_head_from(turned), Err(DecodeError::Malformed(_))));
}

/// What was written, with one byte changed and cut off somewhere.
fn spoilt(mut bytes: Vec<u8>, at: usize, value: u8, cut: usize) -> Vec<u8> {
    let len = bytes.len().max(1);
    if let Some(byte) = bytes.get_mut(at % len) {
        *byte = value;
    }
    if cut.is_multiple_of(2) {
        bytes.truncate(cut % len);
    }
    bytes
}

/// Reads bytes as everything there is; what is read can be written again.
fn read_as_everything(bytes: &[u8]) {
    if let Ok(Ok(change)) = wire::StreamChange::decode(bytes).map(change_from) {
        assert!(change_to(&change).is_some());
    }
    if let Ok(Ok(image)) = wire::StreamImage::decode(bytes).map(image_from) {
        assert_eq!(image_from(image_to(&image)).expect("decodes"), image);
    }
    if let Ok(Ok(definition)) = wire::StreamDefinition::decode(bytes).map(stream_definition_from) {
        assert_eq!(stream_definition_from(stream_definition_to(&definition)).expect("decodes"), definition);
    }
    if let Ok(header) = AppendedHeader::decode(bytes) {
        assert_eq!(
            wire::AppendedHeader::decode(bytes).expect("as the generated code").partition_key,
            header.partition_key
        );
    }
}

proptest! {
    #[test]
    fn garbage_is_an_error_or_something_and_never_a_panic(
        garbage in vec(any::<u8>(), 0..200),
        pick in any::<usize>(),
        at in any::<usize>(),
        value in any::<u8>(),
        cut in any::<usize>(),
    ) {
        read_as_everything(&garbage);
        let changes = changes();
        let change = change_to(&changes[pick % changes.len()]).expect("an entry").encode_to_vec();
        read_as_everything(&spoilt(change, at, value, cut));
        read_as_everything(&spoilt(image_to(&image()).encode_to_vec(), at, value, cut));
    }
}
