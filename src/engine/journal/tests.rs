//! Every record reads back as it was written.

use super::{
    Archived, OutboxItem, OutboxReason, PayloadReader, Record, decode, decode_archived, payload, push, push_gone,
    push_relocated, push_sent, push_state,
};
use crate::{
    base::{
        id::{Epoch, LeaseId, Location, Lsn, MessageId, MessageSeq, PartitionId, QueueId, RedriveId, TransferKey},
        name::{AccountId, QueueName, QueuePath, Region},
        time::Timestamp,
    },
    domain::queue::{
        StoredMessage,
        event::{Event, Received, RedriveOutcome, RedriveStarted, Sent, Since, VisibilityChanged},
        settings::{Fifo, Kind, Scope, Settings},
    },
    engine::{
        definition::{DeadLetterPolicy, QueueDefinition, QueueOptions, RedriveAllow},
        message::{Attribute, AttributeValue, Payload},
    },
    storage::log::{FrameBuilder, StoredEntry, entry},
};
use std::{sync::Arc, time::Duration};

const QUEUE: QueueId = QueueId(77);
const SEQ: MessageSeq = MessageSeq(5);
const AT: Timestamp = Timestamp(1_700_000_000_123);

fn frame() -> FrameBuilder {
    FrameBuilder::new(PartitionId(1), Epoch(Lsn(1)), Lsn(9), AT)
}

fn entry_at(frame: FrameBuilder, at: Location) -> StoredEntry {
    let bytes = bytes::Bytes::copy_from_slice(&frame.as_bytes()[at.offset as usize..]);
    entry::open(&bytes).expect("a sound entry")
}

fn path(name: &str) -> QueuePath {
    QueuePath {
        account: AccountId::parse("123456789012").expect("valid"),
        region: Region::parse("eu-north-1").expect("valid"),
        name: QueueName::parse(name).expect("valid"),
    }
}

fn definition() -> QueueDefinition {
    let options = QueueOptions {
        fifo: Some(Fifo {
            content_based_deduplication: true,
            deduplication_scope: Scope::MessageGroup,
            throughput_limit_scope: Scope::Queue,
        }),
        delay: Duration::from_millis(1500),
        dead_letter: Some(DeadLetterPolicy { queue: path("dead.fifo"), max_receive_count: 3 }),
        redrive_allow: RedriveAllow::Queues(vec![path("b.fifo"), path("c.fifo")]),
        policy: "{\"Statement\": {\"Effect\": \"Deny\", \"Principal\": \"*\", \"Action\": \"sqs:*\"} }".into(),
        tags: [("team".into(), "blue".into()), ("empty".into(), String::new())].into(),
        ..QueueOptions::default()
    };
    QueueDefinition {
        id: QUEUE,
        partition: PartitionId(3),
        path: path("a.fifo"),
        access: options.access(),
        options,
        created: AT,
        updated: Timestamp(AT.0 + 1),
        revision: 4,
    }
}

fn item(why: OutboxReason) -> OutboxItem {
    OutboxItem {
        number: 12,
        source: QUEUE,
        seq: SEQ,
        target: QueueId(78),
        location: Location { lsn: Lsn(8), offset: 72, len: 300 },
        at: AT,
        send_time: Timestamp(AT.0 - 5),
        receive_count: 2,
        first_receive: Some(Timestamp(AT.0 - 1)),
        size: 44,
        dead_letter_source: Some(QueueId(70)),
        why,
    }
}

fn events() -> Vec<Event> {
    let id = RedriveId([7; 16]);
    let received = Received {
        seq: SEQ,
        lease: LeaseId(1 << 33),
        at: AT,
        visible_at: Timestamp(AT.0 + 30_000),
        receive_count: 1,
        attempt: Some("attempt".into()),
    };
    let changed = VisibilityChanged { seq: SEQ, lease: LeaseId(0), visible_at: AT, receive_count: 0, at: AT };
    let started = RedriveStarted {
        id,
        to: Some(QueueId(2)),
        max_messages_per_second: 500,
        messages_to_move: 10,
        below: MessageSeq(11),
        at: AT,
    };
    vec![
        Event::Received(Received { attempt: None, ..received.clone() }),
        Event::Received(received),
        Event::VisibilityChanged(changed),
        Event::Deleted { seq: SEQ },
        Event::Expired { seqs: vec![MessageSeq(3), MessageSeq(4), MessageSeq(900)] },
        Event::Purged { below: SEQ, at: AT },
        Event::SettingsChanged(Settings { max_receive_count: Some(9), ..Settings::default() }),
        Event::SettingsChanged(Settings { kind: Kind::Fifo(Fifo::default()), ..Settings::default() }),
        Event::RedriveStarted(RedriveStarted { to: None, ..started.clone() }),
        Event::RedriveStarted(started),
        Event::RedriveEnded { id, outcome: RedriveOutcome::Cancelled, at: AT },
        Event::RedriveEnded { id, outcome: RedriveOutcome::Completed, at: AT },
        Event::RedriveEnded { id, outcome: RedriveOutcome::Failed { why: "gone".into() }, at: AT },
        Event::Archived { seq: SEQ, to: archived(), since: Since::Nothing },
        Event::Archived { seq: SEQ, to: archived(), since: Since::Changed(Box::new(stored())) },
        Event::Archived { seq: SEQ, to: archived(), since: Since::Gone },
    ]
}

fn archived() -> Location {
    Location { lsn: Lsn(41).in_archive(), offset: 72, len: 300 }
}

fn stored() -> StoredMessage {
    StoredMessage {
        seq: SEQ,
        location: archived(),
        send_time: AT,
        retention_from: None,
        visible_at: Timestamp(AT.0 + 7),
        follows_queue_delay: false,
        size: 12,
        group: Some("g".into()),
        receive_count: 3,
        first_receive: Some(AT),
        lease: LeaseId(1 << 33),
        leased: true,
        leased_at: AT,
        dead_letter_source: Some(QueueId(4)),
    }
}

#[test]
fn the_archive_reads_back_what_it_was_told() {
    let mut frame = frame();
    let message = push_relocated(&mut frame, QUEUE, &stored(), b"", b"body");
    let state = push_state(&mut frame, QUEUE, &stored());
    let gone = push_gone(&mut frame, QUEUE, SEQ);
    let entries = [message, state, gone].map(|at| {
        let bytes = bytes::Bytes::copy_from_slice(&frame.as_bytes()[at.offset as usize..]);
        entry::open(&bytes).expect("a sound entry")
    });
    assert!(entries.iter().all(|entry| (entry.target, entry.seq) == (QUEUE.0, SEQ.0)));
    let told = entries.map(|entry| decode_archived(&entry).expect("decodes"));
    let (stored, again) = (Box::new(stored()), Box::new(stored()));
    assert_eq!(told, [Archived::Message(stored), Archived::State(again), Archived::Gone]);
}

#[test]
fn every_record_reads_back_as_it_was_written() {
    let redrive = OutboxReason::Redrive { id: RedriveId([9; 16]), moved: 3 };
    let mut records: Vec<Record> = events().into_iter().map(|event| Record::Queue(QUEUE, event)).collect();
    records.extend([
        Record::Moved(item(OutboxReason::MaxReceives)),
        Record::Moved(item(OutboxReason::Explicit { reason: "bad".into() })),
        Record::Moved(item(redrive)),
        Record::Rerouted { old: 11, item: item(OutboxReason::Returned) },
        Record::TransfersDone { below: 13 },
        Record::QueueOpened(QUEUE, Settings::default()),
        Record::QueueClosed(QUEUE),
        Record::Defined(Arc::new(definition())),
        Record::Removed { id: QUEUE, path: path("a.fifo"), at: AT },
    ]);
    records.extend([RedriveAllow::Unset, RedriveAllow::All, RedriveAllow::None].map(|redrive_allow| {
        let options = QueueOptions { redrive_allow, ..definition().options };
        Record::Defined(Arc::new(QueueDefinition { options, ..definition() }))
    }));
    for record in records {
        let mut frame = frame();
        let at = push(&mut frame, &record);
        assert_eq!(decode(&entry_at(frame, at)).expect("decodes"), record);
    }
}

fn sent() -> Sent {
    Sent {
        seq: SEQ,
        message_id: MessageId([4; 16]),
        send_time: AT,
        visible_at: Timestamp(AT.0 + 9),
        size: 20,
        group: Some("g".into()),
        deduplication_id: Some("d".into()),
        receive_count: 2,
        first_receive: Some(Timestamp(AT.0 + 1)),
        dead_letter_source: Some(QueueId(8)),
        transfer: Some(TransferKey { source: PartitionId(0), number: 6 }),
        producer: Some(("p".into(), 99)),
    }
}

#[test]
fn a_stored_message_gives_back_its_event_and_its_payload() {
    let stored = Payload {
        message_id: MessageId([4; 16]),
        body: "body".into(),
        attributes: vec![
            Attribute { name: "n".into(), data_type: "Number".into(), value: AttributeValue::Text("1".into()) },
            Attribute {
                name: "b".into(),
                data_type: "Binary.x".into(),
                value: AttributeValue::Binary(vec![0, 255].into()),
            },
        ],
        group: Some("g".into()),
        deduplication_id: Some("d".into()),
        sender: "me".into(),
        trace_context: "00-trace".into(),
        dead_letter_source: "namespaces/1/queues/a".into(),
        dead_letter_reason: "bad".into(),
    };
    let bare = Sent {
        group: None,
        deduplication_id: None,
        receive_count: 0,
        first_receive: None,
        dead_letter_source: None,
        transfer: None,
        producer: None,
        ..sent()
    };
    let bare_payload = Payload { message_id: MessageId([4; 16]), ..Payload::default() };
    for (event, expected) in [(sent(), stored), (bare, bare_payload)] {
        let mut frame = frame();
        let at = push_sent(&mut frame, QUEUE, &event, &expected);
        let entry = entry_at(frame, at);
        assert_eq!(decode(&entry).expect("decodes"), Record::Queue(QUEUE, Event::Sent(event)));
        assert_eq!(payload(&entry).expect("parses"), expected);
    }
}

#[test]
fn neighbours_of_one_sender_share_its_name_and_others_do_not() {
    let mut payloads = PayloadReader::default();
    let mut read = |sender: &str| {
        let stored = Payload { sender: sender.into(), ..Payload::default() };
        let mut frame = frame();
        let at = push_sent(&mut frame, QUEUE, &sent(), &stored);
        let entry = entry_at(frame, at);
        payloads.decode(entry.kind, &entry.header, entry.body).expect("parses").sender
    };
    let (a, again, b, empty) = (read("a"), read("a"), read("b"), read(""));
    assert!(Arc::ptr_eq(&a, &again));
    assert_eq!([&*a, &*b, &*empty], ["a", "b", ""]);
}

#[test]
fn an_unknown_kind_and_a_broken_header_are_errors() {
    let mut frame = frame();
    let at = frame.push(99, 0, 0, |_| {}, &[]);
    assert!(decode(&entry_at(frame, at)).expect_err("unknown").to_string().contains("99"));
    let mut frame = self::frame();
    let at = frame.push(2, 0, 0, |out| out.extend_from_slice(&[0xff, 0xff]), &[]);
    assert!(decode(&entry_at(frame, at)).is_err());
}
