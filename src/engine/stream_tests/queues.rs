//! Queues over a stream: over several lives, through splits, past the retention, and with receives that wait.

use super::support::{acknowledging, change, created, created_on_demand, put, record, showing, stream_path};
use crate::{
    base::{
        id::StreamQueueId,
        limits,
        reason::{Reason, Refusal},
    },
    domain::stream::{
        StreamError,
        acks::{About, AckError, Settings, Start, machine::Lane},
        queues::CreateQueue,
        settings::Mode,
    },
    engine::{
        client::Engine,
        crash_tests::machine::{Machine, TestClock},
        options::{EngineOptions, StreamOptions},
        streams::{
            delivery::{DeliveredRecord, ReceiveRecords},
            handle::StreamHandle,
            view::{Change, View},
        },
        tests::{abandon, options, start_with},
    },
    storage::{index::memory::MemoryDisk, shard::SegmentRule},
};
use std::{collections::BTreeSet, sync::Arc, time::Duration};

const DAY: Duration = Duration::from_secs(24 * 3600);
const LONG: Duration = Duration::from_secs(600);
const SETTINGS: Settings = Settings { visibility_timeout: LONG, max_receive_count: Some(2) };

async fn on_demand(engine: &Engine, name: &str) -> Arc<StreamHandle> {
    let request = created_on_demand(DAY);
    engine.create_stream(stream_path(name), request).await.expect("asked").expect("created")
}

async fn try_queue(engine: &Engine, stream: &Arc<StreamHandle>, name: &str, start: Start) -> Result<Queue, Refusal> {
    let request = CreateQueue { id: StreamQueueId(0), settings: SETTINGS, start, tags: [].into(), found: [].into() };
    let created = engine.create_stream_queue(stream, name.into(), request).await?.expect("created");
    Ok(Queue { stream: stream.clone(), id: created.about.id })
}

async fn queue(engine: &Engine, stream: &Arc<StreamHandle>, start: Start) -> Queue {
    try_queue(engine, stream, "q", start).await.expect("asked")
}

/// One that a life before this one made.
fn again(engine: &Engine, before: &Queue) -> Queue {
    let stream = engine.find_stream(before.stream.path()).expect("there");
    Queue { stream, id: before.id }
}

#[derive(Clone)]
struct Queue {
    stream: Arc<StreamHandle>,
    id: StreamQueueId,
}

fn asked(queue: &Queue, lane: Lane) -> ReceiveRecords {
    let (queue, visibility_timeout, wait) = (queue.id, None, Duration::ZERO);
    ReceiveRecords { queue, lane, max: 100, max_bytes: 10 << 20, visibility_timeout, wait }
}

async fn receive(engine: &Engine, queue: &Queue) -> Vec<DeliveredRecord> {
    engine.receive_records(&queue.stream, asked(queue, Lane::Main)).await.expect("received")
}

fn texts(records: &[DeliveredRecord]) -> BTreeSet<String> {
    records.iter().map(|delivered| String::from_utf8_lossy(&delivered.record.data).into_owned()).collect()
}

fn named(range: std::ops::Range<usize>) -> BTreeSet<String> {
    range.map(|number| format!("r{number:03}")).collect()
}

async fn put_named(engine: &Engine, queue: &Queue, range: std::ops::Range<usize>) {
    let records = range.map(|number| record(&format!("k{number}"), &format!("r{number:03}"))).collect();
    put(engine, &queue.stream, records).await;
}

async fn acknowledge(engine: &Engine, queue: &Queue, records: &[DeliveredRecord]) -> Vec<Result<(), AckError>> {
    let receipts: Vec<_> = records.iter().map(|delivered| delivered.receipt).collect();
    let decide = acknowledging(queue.id, receipts);
    engine.change_stream(&queue.stream, decide).await.expect("asked").expect("decided")
}

async fn about(engine: &Engine, queue: &Queue) -> Option<About> {
    let id = queue.id;
    let look = move |view: &View<'_>| view.queue(id).map(|(_, queue)| queue.about().clone());
    engine.ask_stream(&queue.stream, look).await.expect("asked")
}

async fn runs(engine: &Engine, queue: &Queue) -> usize {
    let id = queue.id;
    let look = move |view: &View<'_>| view.queue(id).expect("there").1.stats(view.now).runs;
    engine.ask_stream(&queue.stream, look).await.expect("asked")
}

async fn set(engine: &Engine, queue: &Queue, end: bool) {
    let id = queue.id;
    let decide = move |view: &View<'_>| {
        let (name, queue) = view.queue(id).expect("there");
        let event = match end {
            true => queue.delete(view.now, Duration::ZERO),
            false => Some(queue.set(view.now, SETTINGS, Duration::ZERO).expect("an active queue")),
        };
        let changes = event.map(|event| Change::Queue { name: name.clone(), event });
        Ok::<_, StreamError>((changes.into_iter().collect(), ()))
    };
    engine.change_stream(&queue.stream, decide).await.expect("asked").expect("decided");
}

#[tokio::test]
async fn what_was_acknowledged_stays_so_in_every_life_and_the_rest_comes_again() {
    let dir = tempfile::tempdir().expect("tempdir");
    let engine = start_with(&options(dir.path()));
    let made = queue(&engine, &on_demand(&engine, "s").await, Start::TrimHorizon).await;
    put_named(&engine, &made, 0..60).await;
    let first = receive(&engine, &made).await;
    assert_eq!(texts(&first), named(0..60));
    assert!(acknowledge(&engine, &made, &first[..20]).await.iter().all(Result::is_ok));
    let dir = abandon(engine, dir.path());
    // Without an end.
    let engine = start_with(&options(dir.path()));
    let made = again(&engine, &made);
    assert_eq!(receive(&engine, &made).await.len(), 0, "what is leased stays leased");
    assert!(acknowledge(&engine, &made, &first[10..40]).await.iter().all(Result::is_ok), "also what is acknowledged");
    engine.close();
    // With one.
    let engine = start_with(&options(dir.path()));
    let made = again(&engine, &made);
    put_named(&engine, &made, 60..70).await;
    assert_eq!(texts(&receive(&engine, &made).await), named(60..70));
    let left = texts(&first[40..]);
    assert_eq!(engine.list_stream_queues(&made.stream.path().namespace(), None, 9).len(), 1);
    let refused = try_queue(&engine, &made.stream, "q", Start::Latest).await.err().expect("its name is taken");
    assert_eq!(refused.reason, Reason::StreamPartExists);
    // Handed back, the rest comes again.
    let back = asked(&made, Lane::Main);
    let marks: Vec<_> = first[40..].iter().map(|delivered| delivered.receipt.handle).collect();
    let shown = engine.change_stream(&made.stream, showing(made.id, Lane::Main, marks)).await;
    shown.expect("asked").expect("decided").expect("held");
    let second = engine.receive_records(&made.stream, back).await.expect("received");
    assert_eq!(texts(&second), left);
    assert!(second.iter().all(|delivered| delivered.receive_count == 2));
    engine.close();
}

#[tokio::test]
async fn a_queue_that_keeps_up_costs_nothing_however_many_records_pass() {
    let dir = tempfile::tempdir().expect("tempdir");
    let engine = start_with(&options(dir.path()));
    let made = queue(&engine, &on_demand(&engine, "s").await, Start::Latest).await;
    for round in 0..20 {
        put_named(&engine, &made, round * 50..(round + 1) * 50).await;
        let received = receive(&engine, &made).await;
        assert_eq!(texts(&received), named(round * 50..(round + 1) * 50));
        acknowledge(&engine, &made, &received).await;
        assert_eq!(runs(&engine, &made).await, 0);
    }
    engine.close();
}

/// A receive that waits, and is known to: its first look found nothing.
async fn waiting(
    engine: &Engine,
    queue: &Queue,
    lane: Lane,
) -> tokio::task::JoinHandle<Result<Vec<DeliveredRecord>, Refusal>> {
    let (engine, queue) = (engine.clone(), queue.clone());
    let request = ReceiveRecords { wait: LONG, ..asked(&queue, lane) };
    let inner = engine.clone();
    let stream = queue.stream.clone();
    let task = tokio::spawn(async move { inner.receive_records(&stream, request).await });
    // Behind it in the same inbox.
    tokio::task::yield_now().await;
    about(&engine, &queue).await.expect("there");
    assert!(!task.is_finished(), "it does not wait");
    task
}

#[tokio::test]
async fn a_receive_wakes_for_a_new_record_one_that_comes_back_and_the_end_of_the_queue() {
    let dir = tempfile::tempdir().expect("tempdir");
    let engine = start_with(&options(dir.path()));
    let made = queue(&engine, &on_demand(&engine, "s").await, Start::Latest).await;
    let task = waiting(&engine, &made, Lane::Main).await;
    put_named(&engine, &made, 0..1).await;
    assert_eq!(texts(&task.await.expect("woke").expect("received")), named(0..1), "a new record");
    // A lease that ends while somebody waits, though it began later: nobody but the clock says so.
    let task = waiting(&engine, &made, Lane::Main).await;
    put_named(&engine, &made, 1..2).await;
    let mut first = task.await.expect("woke").expect("received");
    let short = Some(Duration::from_millis(30));
    put_named(&engine, &made, 2..3).await;
    let request = ReceiveRecords { visibility_timeout: short, ..asked(&made, Lane::Main) };
    let leased = engine.receive_records(&made.stream, request).await.expect("received");
    assert_eq!(texts(&leased), named(2..3));
    let request = ReceiveRecords { wait: LONG, ..asked(&made, Lane::Main) };
    let returned = engine.receive_records(&made.stream, request).await.expect("received");
    assert_eq!((texts(&returned), returned[0].receive_count), (named(2..3), 2));
    // The other lane hears of its own.
    let dead = waiting(&engine, &made, Lane::DeadLetters).await;
    let task = waiting(&engine, &made, Lane::Main).await;
    first.extend(returned);
    let handles: Vec<_> = first.iter().map(|delivered| delivered.receipt.handle).collect();
    let shown = engine.change_stream(&made.stream, showing(made.id, Lane::Main, handles)).await;
    shown.expect("asked").expect("decided").expect("held");
    assert_eq!(texts(&task.await.expect("woke").expect("received")), named(1..2), "shown again");
    assert_eq!(texts(&dead.await.expect("woke").expect("received")), named(2..3), "received twice in vain");
    let task = waiting(&engine, &made, Lane::Main).await;
    set(&engine, &made, true).await;
    assert_eq!(task.await.expect("woke").expect_err("it ends").reason, Reason::StreamNotActive);
    engine.close();
}

#[tokio::test]
async fn a_receive_that_nobody_hears_of_counts_for_nothing() {
    let dir = tempfile::tempdir().expect("tempdir");
    let engine = start_with(&options(dir.path()));
    let made = queue(&engine, &on_demand(&engine, "s").await, Start::Latest).await;
    for number in 0..20 {
        let task = waiting(&engine, &made, Lane::Main).await;
        // Whether the wait ends before it is served, or what it was given comes back.
        let put = put_named(&engine, &made, number..number + 1);
        task.abort();
        put.await;
        let _ = task.await;
        let request = ReceiveRecords { wait: LONG, ..asked(&made, Lane::Main) };
        let received = engine.receive_records(&made.stream, request).await.expect("received");
        assert_eq!((texts(&received), received[0].receive_count), (named(number..number + 1), 1));
        acknowledge(&engine, &made, &received).await;
    }
    assert_eq!(runs(&engine, &made).await, 0);
    engine.close();
}

#[tokio::test]
async fn what_does_not_fit_into_an_answer_waits_for_the_next_one_uncounted() {
    let dir = tempfile::tempdir().expect("tempdir");
    let engine = start_with(&options(dir.path()));
    let made = queue(&engine, &on_demand(&engine, "s").await, Start::Latest).await;
    let big = "x".repeat(1000);
    put(&engine, &made.stream, (0..6).map(|number| record(&format!("k{number}"), &big)).collect()).await;
    let mut seen = BTreeSet::new();
    for _ in 0..6 {
        let request = ReceiveRecords { max_bytes: 500, wait: LONG, ..asked(&made, Lane::Main) };
        let received = engine.receive_records(&made.stream, request).await.expect("received");
        assert_eq!((received.len(), received[0].receive_count), (1, 1));
        assert!(seen.insert(received[0].record.number));
    }
    assert_eq!(receive(&engine, &made).await.len(), 0);
    engine.close();
}

#[tokio::test]
async fn records_of_shards_that_open_later_come_too() {
    let dir = tempfile::tempdir().expect("tempdir");
    let engine = start_with(&options(dir.path()));
    let made = queue(&engine, &on_demand(&engine, "s").await, Start::Latest).await;
    put_named(&engine, &made, 0..20).await;
    let first = receive(&engine, &made).await;
    let merge = |view: &View<'_>| Ok(vec![view.stream.set_mode(view.now, Mode::Provisioned, 0)?]);
    change(&engine, &made.stream, merge).await.expect("asked").expect("changed");
    let split = |view: &View<'_>| view.stream.update_shard_count(view.now, 8);
    change(&engine, &made.stream, split).await.expect("asked").expect("split");
    put_named(&engine, &made, 20..60).await;
    assert_eq!(texts(&receive(&engine, &made).await), named(20..60));
    assert!(acknowledge(&engine, &made, &first).await.iter().all(Result::is_ok), "those of closed shards settle");
    engine.close();
}

#[tokio::test]
async fn a_name_is_free_when_its_queue_is_gone_and_old_handles_are_good_for_nothing() {
    let dir = tempfile::tempdir().expect("tempdir");
    let engine = start_with(&options(dir.path()));
    let (one, other) = (on_demand(&engine, "one").await, on_demand(&engine, "other").await);
    let made = queue(&engine, &one, Start::Latest).await;
    let taken = try_queue(&engine, &other, "q", Start::Latest).await.err().expect("a name of the account");
    assert_eq!(taken.reason, Reason::StreamPartExists);
    set(&engine, &made, true).await;
    let gone = async {
        while about(&engine, &made).await.is_some() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LONG, gone).await.expect("it goes");
    let new = loop {
        // It is free when its end is durable.
        match try_queue(&engine, &other, "q", Start::Latest).await {
            Ok(new) => break new,
            Err(refusal) => assert_eq!(refusal.reason, Reason::StreamPartExists),
        }
    };
    assert_ne!(new.id, made.id);
    let refused = engine.receive_records(&one, asked(&made, Lane::Main)).await.expect_err("it is gone");
    assert_eq!(refused.reason, Reason::StreamPartNotFound);
    engine.close();
}

#[tokio::test]
async fn a_stream_takes_so_many_queues_and_no_more() {
    let dir = tempfile::tempdir().expect("tempdir");
    let engine = start_with(&options(dir.path()));
    let stream = on_demand(&engine, "s").await;
    for number in 0..limits::CONSUMERS_MAX {
        try_queue(&engine, &stream, &format!("q{number}"), Start::Latest).await.expect("asked");
    }
    let request = CreateQueue {
        id: StreamQueueId(0),
        settings: SETTINGS,
        start: Start::Latest,
        tags: [].into(),
        found: [].into(),
    };
    let refused = engine.create_stream_queue(&stream, "more".into(), request.clone()).await.expect("asked");
    assert_eq!(refused.expect_err("too many").to_string(), "21 registered consumers; 20 is the most");
    let consumer = |view: &View<'_>| {
        let (name, tags) = ("c".into(), [].into());
        let event = view.stream.register_consumer(view.now, &name, &tags, view.queues.len(), limits::CONSUMERS_MAX)?;
        Ok(vec![event])
    };
    let refused = change(&engine, &stream, consumer).await.expect("asked").expect_err("both count");
    assert_eq!(refused.to_string(), "21 registered consumers; 20 is the most");
    let plain = engine.create_stream(stream_path("p"), created(1, DAY)).await.expect("asked").expect("created");
    let refused = engine.create_stream_queue(&plain, "more".into(), request).await.expect("asked");
    assert_eq!(refused.expect_err("not on-demand").to_string(), "the stream is not on-demand");
    engine.close();
}

#[tokio::test]
async fn records_that_outlive_the_retention_leave_the_queue() {
    let mut machine = Machine::new(1, TestClock::new(Duration::ZERO), MemoryDisk::default());
    let segments = SegmentRule { bytes: 1 << 20, age: Duration::from_secs(3600) };
    let options =
        EngineOptions { streams: StreamOptions { segments, ..machine.options().streams }, ..machine.options() };
    let engine = machine.start_with(&options).expect("starts");
    let made = queue(&engine, &on_demand(&engine, "s").await, Start::TrimHorizon).await;
    put_named(&engine, &made, 0..20).await;
    let request = ReceiveRecords { max: 5, visibility_timeout: Some(2 * DAY / 4), ..asked(&made, Lane::Main) };
    let old = engine.receive_records(&made.stream, request).await.expect("received");
    assert_eq!(old.len(), 5);
    machine.clock.advance(DAY / 2);
    put_named(&engine, &made, 20..30).await;
    machine.clock.advance(DAY / 2 + Duration::from_secs(1));
    // Of the first twenty, some were leased and are not any more; the rest was never received.
    assert_eq!(texts(&receive(&engine, &made).await), named(20..30));
    let settled = acknowledge(&engine, &made, &old).await;
    assert!(settled.iter().all(Result::is_ok), "there is nothing left to do: {settled:?}");
    machine.cut_power(Some(engine));
    let engine = machine.start_with(&options).expect("starts");
    let made = again(&engine, &made);
    machine.clock.advance(DAY);
    assert_eq!(receive(&engine, &made).await.len(), 0);
    assert_eq!(runs(&engine, &made).await, 0, "nothing of them is left");
    machine.cut_power(Some(engine));
}
