//! Limits of the disk and of the log: what is refused, and what goes on.

use super::tests::{ack, bodies, message, options, path, queue, receive, send, start_with};
use crate::{
    base::reason::Reason,
    engine::{
        client::Engine,
        definition::QueueOptions,
        message::SendBatch,
        open::open,
        options::{EngineHost, EngineOptions},
    },
    runtime::{SystemClock, SystemEntropy},
    storage::{checkpoint::FILES, index::memory::MemoryDisk, io::sim::SimDisk, log::LogOptions, store::IndexKind},
};
use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::task::JoinSet;

fn small_segments(dir: &Path) -> EngineOptions {
    let log = LogOptions { segment_bytes: 64 << 10, ..options(dir).log };
    EngineOptions { partitions: 1, log, ..options(dir) }
}

/// Every disk is too full for this one.
fn full(dir: &Path) -> EngineOptions {
    let log = LogOptions { min_free_percent: 100, min_free_bytes: u64::MAX, ..options(dir).log };
    EngineOptions { log, ..options(dir) }
}

async fn until(what: &str, reached: impl Fn() -> bool) {
    for _ in 0..10_000 {
        if reached() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("it was not reached that {what}");
}

async fn until_full(engine: &Engine) {
    until("the disk counts as full", || engine.status().alarms.iter().any(|alarm| alarm == "DISK_LOW")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_many_callers_ask_for_at_once_does_not_outgrow_a_block_of_the_log() {
    let dir = tempfile::tempdir().expect("tempdir");
    let engine = start_with(&small_segments(dir.path()));
    let orders = queue(&engine, "orders", QueueOptions::default()).await;
    for _ in 0..60 {
        send(&engine, &orders, &["x"; 40], None).await;
    }
    // The entries of all together are several times as long as a segment, and a receive itself carries no bytes.
    let mut receives = JoinSet::new();
    for _ in 0..24 {
        let (engine, orders) = (engine.clone(), orders.clone());
        receives.spawn(async move { receive(&engine, &orders, 100).await.len() });
    }
    assert_eq!(receives.join_all().await.into_iter().sum::<usize>(), 2400);
    engine.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_the_log_takes_at_once_is_refused_and_the_rest_goes_on() {
    let dir = tempfile::tempdir().expect("tempdir");
    let engine = start_with(&small_segments(dir.path()));
    let orders = queue(&engine, "orders", QueueOptions::default()).await;
    let body = "x".repeat(1000);
    let batch = |count: usize| SendBatch {
        messages: vec![message(&body, None); count],
        sender: "tester".into(),
        producer: None,
    };
    let refused = engine.send(&orders, batch(60)).await.expect_err("too much");
    assert_eq!(refused.reason, Reason::MessageTooLarge, "{refused:?}");
    let sent = engine.send(&orders, batch(10)).await.expect("fits");
    assert!(sent.iter().all(Result::is_ok));
    engine.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_nothing_new_is_made_and_what_is_there_can_go() {
    let dir = tempfile::tempdir().expect("tempdir");
    let engine = start_with(&options(dir.path()));
    for name in ["orders", "dead"] {
        let made = queue(&engine, name, QueueOptions::default()).await;
        send(&engine, &made, &["a", "b"], None).await;
    }
    engine.close();

    let engine = start_with(&full(dir.path()));
    until_full(&engine).await;
    let orders = engine.find_queue(&path("orders")).expect("kept");
    let refused =
        engine.create_queue(path("new"), QueueOptions::default()).await.expect_err("a queue grows the catalog");
    assert_eq!(refused.reason, Reason::StorageFull);
    let again = engine.create_queue(path("orders"), QueueOptions::default()).await.expect("it is there");
    assert!(again.existed);
    let batch = SendBatch { messages: vec![message("c", None)], sender: "tester".into(), producer: None };
    assert_eq!(engine.send(&orders, batch).await.expect_err("a message").reason, Reason::StorageFull);
    let dead = engine.find_queue(&path("dead")).expect("kept");
    let moved = engine.start_redrive(&dead, Some(orders.id), 0).await.expect_err("messages are written anew");
    assert_eq!(moved.reason, Reason::StorageFull);
    let got = receive(&engine, &orders, 10).await;
    assert_eq!(got.len(), 2);
    ack(&engine, &orders, &got).await;
    engine.purge(&dead).await.expect("purged");
    engine.delete_queue(dead.id, None).await.expect("deleted");
    engine.close();
}

fn oldest_segment(dir: &Path) -> u64 {
    let names = std::fs::read_dir(dir.join("wal")).expect("a log").map(|entry| entry.expect("entry").file_name());
    let seqs = names.filter_map(|name| name.to_str()?.strip_suffix(".wal")?.parse().ok());
    seqs.min().expect("a segment")
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_an_old_message_does_not_keep_the_log_behind_it() {
    let dir = tempfile::tempdir().expect("tempdir");
    let engine = start_with(&options(dir.path()));
    let kept = queue(&engine, "kept", QueueOptions::default()).await;
    send(&engine, &kept, &["old"], None).await;
    let traffic = queue(&engine, "traffic", QueueOptions::default()).await;
    let body = "x".repeat(200 << 10);
    for _ in 0..20 {
        send(&engine, &traffic, &[&body], None).await;
        let got = receive(&engine, &traffic, 1).await;
        ack(&engine, &traffic, &got).await;
    }
    engine.close();
    assert_eq!(oldest_segment(dir.path()), 1, "all that is retained on a disk with room is kept");

    let engine = start_with(&full(dir.path()));
    until("the old end is gone", || oldest_segment(dir.path()) > 4).await;
    let kept = engine.find_queue(&path("kept")).expect("kept");
    assert_eq!(bodies(&receive(&engine, &kept, 10).await), ["old"]);
    engine.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_failed_is_made_anew_while_the_engine_runs() {
    let dir = tempfile::tempdir().expect("tempdir");
    let index = MemoryDisk::default();
    let options = || EngineOptions { index: IndexKind::Memory(index.clone()), ..options(dir.path()) };
    let engine = start_with(&options());
    let orders = queue(&engine, "orders", QueueOptions::default()).await;
    send(&engine, &orders, &["a", "b"], None).await;
    engine.close();

    let engine = start_with(&options());
    let has_failed = || engine.status().alarms.iter().any(|alarm| alarm == "INDEX_FAILED");
    index.set_broken(true);
    let late = queue(&engine, "late", QueueOptions::default()).await;
    send(&engine, &late, &["c"], None).await;
    until("the index fails", has_failed).await;
    index.set_broken(false);
    until("the index is back", || !has_failed()).await;
    engine.close();

    let engine = start_with(&options());
    assert_eq!(engine.status().recovery.frames, 0, "the index has everything, so nothing is replayed");
    for (name, expected) in [("orders", vec!["a", "b"]), ("late", vec!["c"])] {
        let queue = engine.find_queue(&path(name)).expect("kept");
        assert_eq!(bodies(&receive(&engine, &queue, 10).await), expected);
    }
    engine.close();
}

/// On a simulated disk, with threads; what would end the process is said to `ended`.
fn on_disk(disk: &SimDisk, ended: &Arc<Mutex<Vec<String>>>, checkpoint_interval: Duration) -> Engine {
    let said = ended.clone();
    let host = EngineHost {
        io: Arc::new(disk.clone()),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(|| Box::new(SystemEntropy::default())),
        fatal: Arc::new(move |why| said.lock().expect("said").push(why)),
    };
    let log = LogOptions { drive: crate::storage::log::Drive::Threads, ..LogOptions::small() };
    let index = IndexKind::Memory(MemoryDisk::default());
    let options = EngineOptions { index, log, checkpoint_interval, ..options(Path::new("/data")) };
    open(&options, host).expect("opens")
}

#[tokio::test(flavor = "multi_thread")]
async fn senders_that_are_faster_than_the_look_at_the_disk_leave_the_reserve_to_deletes() {
    let disk = SimDisk::new(1);
    let ended = Arc::default();
    let engine = on_disk(&disk, &ended, Duration::from_secs(3600));
    let orders = queue(&engine, "orders", QueueOptions::default()).await;
    disk.set_capacity(0);
    let body = "x".repeat(8 << 10);
    let batch = || SendBatch { messages: vec![message(&body, None)], sender: "tester".into(), producer: None };
    let mut sent = 0;
    let refused = loop {
        match engine.send(&orders, batch()).await {
            Ok(stored) => sent += stored.iter().filter(|result| result.is_ok()).count(),
            Err(refused) => break refused,
        }
    };
    assert_eq!(refused.reason, Reason::StorageFull);
    let mut deleted = 0;
    while deleted < sent {
        let got = receive(&engine, &orders, 10).await;
        ack(&engine, &orders, &got).await;
        deleted += got.len();
    }
    engine.close();
    assert_eq!(*ended.lock().expect("said"), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_has_no_room_for_a_checkpoint_does_not_end_the_engine() {
    let disk = SimDisk::new(1);
    let ended: Arc<Mutex<Vec<String>>> = Arc::default();
    let engine = on_disk(&disk, &ended, options(Path::new("/data")).checkpoint_interval);
    let orders = queue(&engine, "orders", QueueOptions::default()).await;
    disk.set_capacity(0);
    send(&engine, &orders, &["a"], None).await;
    let calls = disk.calls();
    until("checkpoints were tried", || disk.calls() > calls + 200).await;
    let checkpoints = || FILES.map(|name| disk.contents(&Path::new("/data").join(name)));
    let before = checkpoints();
    assert_eq!(*ended.lock().expect("said"), Vec::<String>::new());
    disk.set_capacity(1 << 30);
    until("a checkpoint is written", || checkpoints() != before).await;
    assert_eq!(bodies(&receive(&engine, &orders, 10).await), ["a"]);
    engine.close();
    assert_eq!(*ended.lock().expect("said"), Vec::<String>::new());
}
