//! The engine over a real directory: what was acknowledged is there after every kind of end.

use super::{
    client::Engine,
    definition::{DeadLetterPolicy, QueueDefinition, QueueOptions},
    message::{NewMessage, Outcome, ReceiveOptions, ReceivedMessage, SendBatch},
    open::open,
    options::{EngineHost, EngineOptions, ScrubOptions, StreamOptions},
};
use crate::{
    base::{
        name::{AccountId, Namespace, QueueName, QueuePath, Region},
        reason::Reason,
    },
    domain::queue::settings::Fifo,
    runtime::{SystemClock, SystemEntropy},
    storage::{io::SysIo, log::LogOptions, store::IndexKind},
};
use std::{os::unix::fs::FileExt as _, path::Path, sync::Arc, time::Duration};

pub(super) fn options(dir: &Path) -> EngineOptions {
    EngineOptions {
        data_dir: dir.to_owned(),
        region: Region::parse("us-east-1").expect("valid"),
        partitions: 4,
        in_flight_max: 120_000,
        queues_max: 1000,
        recreate_wait: Duration::ZERO,
        inbox_bytes: 64 << 20,
        index: IndexKind::Sled { cache_bytes: 1 << 20 },
        checkpoint_interval: Duration::from_millis(20),
        checkpoint_bytes: 64 << 20,
        log_retain_bytes: 1 << 30,
        log: LogOptions { segment_bytes: 1 << 20, min_free_bytes: 0, min_free_percent: 0, ..LogOptions::default() },
        scrub: ScrubOptions::default(),
        streams: StreamOptions::default(),
    }
}

fn start(dir: &Path) -> Engine {
    start_with(&options(dir))
}

pub(super) fn start_with(options: &EngineOptions) -> Engine {
    let host = EngineHost {
        io: Arc::new(SysIo),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(|| Box::new(SystemEntropy::default())),
        fatal: Arc::new(|why| panic!("{why}")),
    };
    open(options, host).expect("the engine opens")
}

pub(super) fn path(name: &str) -> QueuePath {
    QueuePath {
        account: AccountId::parse("000000000000").expect("valid"),
        region: Region::parse("us-east-1").expect("valid"),
        name: QueueName::parse(name).expect("valid"),
    }
}

pub(super) async fn queue(engine: &Engine, name: &str, options: QueueOptions) -> Arc<QueueDefinition> {
    engine.create_queue(path(name), options).await.expect("created").definition
}

pub(super) fn message(body: &str, group: Option<&str>) -> NewMessage {
    NewMessage {
        body: body.to_owned().into(),
        group: group.map(Into::into),
        deduplication_id: group.map(|_| body.into()),
        size: body.len() as u32,
        ..NewMessage::default()
    }
}

pub(super) async fn send(engine: &Engine, queue: &QueueDefinition, bodies: &[&str], group: Option<&str>) {
    let messages = bodies.iter().map(|body| message(body, group)).collect();
    let batch = SendBatch { messages, sender: "tester".into(), producer: None };
    for result in engine.send(queue, batch).await.expect("sent") {
        result.expect("stored");
    }
}

pub(super) async fn receive(engine: &Engine, queue: &QueueDefinition, max: usize) -> Vec<ReceivedMessage> {
    let options = ReceiveOptions { max_messages: max, ..ReceiveOptions::default() };
    engine.receive(queue, options).await.expect("received")
}

pub(super) async fn ack(engine: &Engine, queue: &QueueDefinition, messages: &[ReceivedMessage]) {
    let settlements = messages.iter().map(|message| (message.receipt, Outcome::Ack)).collect();
    for result in engine.settle(queue, settlements).await.expect("settled") {
        result.expect("acknowledged");
    }
}

pub(super) fn bodies(messages: &[ReceivedMessage]) -> Vec<String> {
    messages.iter().map(|message| String::from_utf8_lossy(&message.payload.body).into_owned()).collect()
}

/// Ends an engine as `kill -9` would: nothing is written any more, nothing is closed. The lock goes with the process,
/// so the directory is copied.
pub(super) fn abandon(engine: Engine, dir: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("tempdir");
    copy_dir(dir, copy.path());
    engine.close();
    copy
}

fn copy_dir(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("readable") {
        let entry = entry.expect("entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("type").is_dir() {
            std::fs::create_dir_all(&target).expect("made");
            copy_dir(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("copied");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_there_after_a_clean_stop() {
    let dir = tempfile::tempdir().expect("tempdir");
    let engine = start(dir.path());
    let orders = queue(&engine, "orders", QueueOptions::default()).await;
    send(&engine, &orders, &["a", "b", "c"], None).await;
    let got = receive(&engine, &orders, 1).await;
    assert_eq!(bodies(&got), ["a"]);
    ack(&engine, &orders, &got).await;
    engine.close();
    assert_eq!(engine.send(&orders, SendBatch::default()).await.expect_err("closed").reason, Reason::Draining);

    let engine = start(dir.path());
    assert!(engine.status().recovery.clean);
    let orders = engine.find_queue(&path("orders")).expect("kept");
    assert_eq!(bodies(&receive(&engine, &orders, 10).await), ["b", "c"]);
    engine.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_of_another_queue_are_refused_in_their_places() {
    let dir = tempfile::tempdir().expect("tempdir");
    let engine = start(dir.path());
    let (own, other) =
        (queue(&engine, "own", QueueOptions::default()).await, queue(&engine, "other", QueueOptions::default()).await);
    for queue in [&own, &other] {
        send(&engine, queue, &["a", "b", "c"], None).await;
    }
    let (ours, theirs) = (receive(&engine, &own, 3).await, receive(&engine, &other, 3).await);
    let mixed = [&theirs[0], &ours[0], &ours[1], &theirs[1], &theirs[2]];
    let settlements = mixed.map(|message| (message.receipt, Outcome::Ack)).to_vec();
    let results = engine.settle(&own, settlements).await.expect("settled");
    let reasons: Vec<_> = results.into_iter().map(|result| result.err().map(|refusal| refusal.reason)).collect();
    let refused = Some(Reason::ReceiptHandleInvalid);
    assert_eq!(reasons, [refused, None, None, refused, refused]);
    ack(&engine, &own, &ours[2..]).await;
    ack(&engine, &other, &theirs).await;
    engine.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_in_two_accounts_and_two_regions_is_four_queues() {
    let namespace = |account: &str, region: &str| Namespace {
        account: AccountId::parse(account).expect("valid"),
        region: Region::parse(region).expect("valid"),
    };
    let (a, b) = ("111111111111", "222222222222");
    let namespaces = [(a, "eu-north-1"), (a, "us-east-1"), (b, "eu-north-1"), (b, "us-east-1")];
    let at = |(account, region): (&str, &str)| {
        QueuePath::new(namespace(account, region), QueueName::parse("orders").expect("valid"))
    };
    let dir = tempfile::tempdir().expect("tempdir");
    let engine = start(dir.path());
    for place in namespaces {
        let made = engine.create_queue(at(place), QueueOptions::default()).await.expect("created");
        assert!(!made.existed, "{place:?}");
        send(&engine, &made.definition, &[&format!("{place:?}")], None).await;
    }
    let gone = engine.find_queue(&at(namespaces[0])).expect("made");
    engine.delete_queue(gone.id, None).await.expect("deleted");
    engine.close();

    let engine = start(dir.path());
    assert_eq!(engine.find_queue(&at(namespaces[0])).expect_err("deleted").reason, Reason::QueueNotFound);
    for place in &namespaces[1..] {
        let queue = engine.find_queue(&at(*place)).expect("kept");
        assert_eq!(bodies(&receive(&engine, &queue, 10).await), [format!("{place:?}")]);
        let listed = engine.list_queues(&namespace(place.0, place.1), "", None, 10);
        assert_eq!(listed.iter().map(|queue| queue.id).collect::<Vec<_>>(), [queue.id]);
    }
    assert!(engine.list_queues(&namespace(a, "eu-north-1"), "", None, 10).is_empty());
    engine.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_listed_by_prefix_from_any_place_on() {
    let dir = tempfile::tempdir().expect("tempdir");
    let engine = start(dir.path());
    for name in ["a", "b-1", "b-2", "b-3", "c"] {
        queue(&engine, name, QueueOptions::default()).await;
    }
    let home = path("a").namespace();
    let names = |prefix: &str, after: Option<&str>, limit: usize| -> Vec<String> {
        let found = engine.list_queues(&home, prefix, after, limit);
        found.iter().map(|queue| queue.path.name.to_string()).collect()
    };
    assert_eq!(names("", None, 10), ["a", "b-1", "b-2", "b-3", "c"]);
    assert_eq!(names("b", None, 10), ["b-1", "b-2", "b-3"]);
    assert_eq!(names("b", Some("b-1"), 1), ["b-2"]);
    assert_eq!(names("b", Some("a"), 1), ["b-1"]);
    assert_eq!(names("", Some("b-9"), 10), ["c"]);
    assert!(names("b", Some("c"), 10).is_empty() && names("d", None, 10).is_empty());
    engine.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_there_after_a_kill() {
    let dir = tempfile::tempdir().expect("tempdir");
    let engine = start(dir.path());
    let orders = queue(&engine, "orders", QueueOptions::default()).await;
    let fifo = QueueOptions { fifo: Some(Fifo::default()), ..QueueOptions::default() };
    let ledger = queue(&engine, "ledger.fifo", fifo).await;
    send(&engine, &orders, &["a", "b", "c"], None).await;
    send(&engine, &ledger, &["1", "2", "3"], Some("g")).await;
    let got = receive(&engine, &orders, 2).await;
    ack(&engine, &orders, &got[..1]).await;
    let dir = abandon(engine, dir.path());

    let engine = start(dir.path());
    let ledger = engine.find_queue(&path("ledger.fifo")).expect("kept");
    let orders = engine.find_queue(&path("orders")).expect("kept");
    assert_eq!(bodies(&receive(&engine, &ledger, 10).await), ["1", "2", "3"]);
    let stats = engine.stats(&orders).await.expect("stats");
    assert_eq!((stats.visible, stats.in_flight), (1, 1), "a is gone, b is leased, c waits");
    // The lease of before the kill still settles.
    ack(&engine, &orders, &got[1..]).await;
    assert_eq!(bodies(&receive(&engine, &orders, 10).await), ["c"]);
    // And a duplicate is still known as one.
    let batch = SendBatch { messages: vec![message("1", Some("g"))], sender: "tester".into(), producer: None };
    let sent = engine.send(&ledger, batch).await.expect("sent");
    assert!(sent[0].as_ref().expect("stored").deduplicated);
    engine.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_received_too_often_lands_in_the_dead_letter_queue_and_redrives_back() {
    let dir = tempfile::tempdir().expect("tempdir");
    let engine = start(dir.path());
    let dead = queue(&engine, "dead", QueueOptions::default()).await;
    let policy = DeadLetterPolicy { queue: path("dead"), max_receive_count: 1 };
    let options =
        QueueOptions { dead_letter: Some(policy), visibility_timeout: Duration::ZERO, ..QueueOptions::default() };
    let work = queue(&engine, "work", options).await;
    assert_ne!(work.partition, dead.partition, "the test is about two partitions");
    send(&engine, &work, &["poison"], None).await;
    assert_eq!(receive(&engine, &work, 1).await.len(), 1);
    assert!(receive(&engine, &work, 1).await.is_empty());
    let wait = ReceiveOptions {
        max_messages: 1,
        wait: Duration::from_secs(20),
        visibility_timeout: Some(Duration::ZERO),
        ..ReceiveOptions::default()
    };
    let letters = engine.receive(&dead, wait.clone()).await.expect("received");
    assert_eq!(bodies(&letters), ["poison"]);
    assert_eq!(letters[0].receive_count, 2);
    assert_eq!(letters[0].payload.dead_letter_source, path("work").to_string());

    let redrive = engine.start_redrive(&dead, None, 0).await.expect("started");
    assert_eq!(redrive.messages_to_move, 1);
    let back = engine.receive(&work, wait).await.expect("received");
    assert_eq!(bodies(&back), ["poison"]);
    assert_eq!(back[0].receive_count, 1);
    engine.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn losing_the_index_loses_nothing() {
    let dir = tempfile::tempdir().expect("tempdir");
    let engine = start(dir.path());
    let orders = queue(&engine, "orders", QueueOptions::default()).await;
    for round in 0..20 {
        let bodies: Vec<String> = (0..100).map(|number| format!("{round}-{number}")).collect();
        let bodies: Vec<&str> = bodies.iter().map(String::as_str).collect();
        send(&engine, &orders, &bodies, None).await;
        let got = receive(&engine, &orders, 50).await;
        ack(&engine, &orders, &got).await;
    }
    engine.close();
    std::fs::remove_dir_all(dir.path().join("index")).expect("removed");
    let engine = start(dir.path());
    let orders = engine.find_queue(&path("orders")).expect("kept");
    assert_eq!(engine.stats(&orders).await.expect("stats").visible, 1000);
    let got = receive(&engine, &orders, 1000).await;
    assert_eq!(got.len(), 1000);
    assert_eq!(bodies(&got)[0], "10-0");
    engine.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_receive_wakes_when_a_message_comes_and_a_dropped_one_takes_none() {
    let dir = tempfile::tempdir().expect("tempdir");
    let engine = start(dir.path());
    let orders = queue(&engine, "orders", QueueOptions::default()).await;
    let wait = ReceiveOptions { max_messages: 10, wait: Duration::from_secs(20), ..ReceiveOptions::default() };
    let dropped = tokio::spawn({
        let (engine, orders, wait) = (engine.clone(), orders.clone(), wait.clone());
        async move { engine.receive(&orders, wait).await }
    });
    while engine.stats(&orders).await.expect("stats").consumers == 0 {
        tokio::task::yield_now().await;
    }
    dropped.abort();
    assert!(dropped.await.is_err());
    let waiting = tokio::spawn({
        let (engine, orders) = (engine.clone(), orders.clone());
        async move { engine.receive(&orders, wait).await }
    });
    while engine.stats(&orders).await.expect("stats").consumers == 0 {
        tokio::task::yield_now().await;
    }
    send(&engine, &orders, &["late"], None).await;
    let got = waiting.await.expect("joined").expect("received");
    assert_eq!(bodies(&got), ["late"]);
    engine.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_to_a_sealed_segment_is_found_before_anybody_asks() {
    let dir = tempfile::tempdir().expect("tempdir");
    let scrub = ScrubOptions { bytes_per_second: 1 << 30, interval: Duration::from_millis(1) };
    let engine = start_with(&EngineOptions { scrub, ..options(dir.path()) });
    let orders = queue(&engine, "orders", QueueOptions::default()).await;
    let large = "x".repeat(600 << 10);
    for _ in 0..3 {
        send(&engine, &orders, &[&large], None).await;
    }
    let segment = std::fs::File::options().write(true).open(dir.path().join("wal/00000000000000000001.wal"));
    std::os::unix::fs::FileExt::write_all_at(&segment.expect("there"), b"y", 300 << 10).expect("written");
    let found = async {
        loop {
            let scrub = engine.storage_figures().await.expect("told").scrub;
            if scrub.damaged_blocks > 0 && scrub.passes > 2 {
                return scrub;
            }
        }
    };
    let scrub = tokio::time::timeout(Duration::from_secs(60), found).await.expect("found within a minute");
    assert_eq!(scrub.damaged_blocks, 1, "counted once, whatever the number of passes");
    assert_eq!(engine.status().alarms, ["CORRUPT_SEGMENT"]);
    tokio::task::spawn_blocking(move || engine.close()).await.expect("closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_overtakes_a_message_of_its_group_that_cannot_be_read() {
    let dir = tempfile::tempdir().expect("tempdir");
    let engine = start(dir.path());
    let fifo = || QueueOptions { fifo: Some(Fifo::default()), ..QueueOptions::default() };
    let order = queue(&engine, "order.fifo", fifo()).await;
    for (body, group) in [("first of a", "a"), ("second of a", "a"), ("first of b", "b")] {
        send(&engine, &order, &[body], Some(group)).await;
    }
    engine.close();
    let engine = start(dir.path());
    flip(&dir.path().join("wal"), b"first of a");
    assert_eq!(bodies(&receive(&engine, &order, 10).await), [""; 0], "what is behind it is not given");
    assert!(engine.status().alarms.contains(&"CORRUPT_ENTRY".to_owned()));
    assert_eq!(bodies(&receive(&engine, &order, 10).await), ["first of b"], "it keeps its own group only");
    engine.close();
}

/// Flips a bit of every place of the log where these bytes stand.
fn flip(wal: &Path, text: &[u8]) {
    let mut flipped = 0;
    for entry in std::fs::read_dir(wal).expect("a log") {
        let path = entry.expect("entry").path();
        let Ok(bytes) = std::fs::read(&path) else { continue };
        let file = std::fs::OpenOptions::new().write(true).open(&path).expect("opened");
        for at in (0..bytes.len()).filter(|at| bytes[*at..].starts_with(text)) {
            file.write_all_at(&[text[0] ^ 1], at as u64).expect("written");
            flipped += 1;
        }
    }
    assert!(flipped > 0, "it is nowhere");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_at_once_is_written_in_frames_that_a_block_takes() {
    let dir = tempfile::tempdir().expect("tempdir");
    let engine = start(dir.path());
    let orders = queue(&engine, "orders", QueueOptions::default()).await;
    let mut calls = tokio::task::JoinSet::new();
    // Little to carry each, but more in the log than one of its segments takes.
    for _ in 0..100 {
        let (engine, orders) = (engine.clone(), orders.clone());
        calls.spawn(async move { send(&engine, &orders, &["x"; 200], None).await });
    }
    while let Some(sent) = calls.join_next().await {
        sent.expect("sent");
    }
    assert_eq!(engine.stats(&orders).await.expect("stats").visible, 20_000);
    engine.close();
}
