//! What lives at the log's old end moves to the archive, and is the same after a restart, with the index and without. Power
//! cuts in between are those of `crash_tests`, where everything moves all the time.

use super::tests::{ack, bodies, message, options, path, queue, receive, send, start_with};
use crate::{
    domain::queue::settings::Fifo,
    engine::{
        client::Engine,
        definition::QueueOptions,
        message::{Attribute, AttributeValue, NewMessage, Outcome, ReceiveOptions, ReceivedMessage, SendBatch},
        options::EngineOptions,
    },
};
use std::{path::Path, time::Duration};

/// A log of two segments, besides what lives in it.
fn tight(dir: &Path) -> EngineOptions {
    EngineOptions { log_retain_bytes: 2 << 20, ..options(dir) }
}

fn segments(dir: &Path) -> Vec<u64> {
    segments_of(dir, "wal")
}

fn segments_of(dir: &Path, log: &str) -> Vec<u64> {
    let names = std::fs::read_dir(dir.join(log)).expect("a log").map(|entry| entry.expect("entry").file_name());
    let mut seqs: Vec<u64> = names.filter_map(|name| name.to_str()?.strip_suffix(".wal")?.parse().ok()).collect();
    seqs.sort_unstable();
    seqs
}

/// Sends and acknowledges until the segments of now are gone.
async fn pass(engine: &Engine, dir: &Path) {
    let traffic = queue(engine, "traffic", QueueOptions::default()).await;
    let newest = *segments(dir).last().expect("a segment");
    let body = "x".repeat(32 << 10);
    for _ in 0..5000 {
        send(engine, &traffic, &[body.as_str(); 8], None).await;
        let got = receive(engine, &traffic, 8).await;
        ack(engine, &traffic, &got).await;
        if segments(dir).first().is_some_and(|oldest| *oldest > newest) {
            return;
        }
    }
    panic!("the log's old end did not go: {:?}", segments(dir));
}

/// What a consumer sees of a message, but for the lease: body, receives, attributes, send time, group.
type Seen = (String, u32, Vec<Attribute>, u64, Option<String>);

fn seen(messages: &[ReceivedMessage]) -> Vec<Seen> {
    let one = |message: &ReceivedMessage| {
        let payload = &message.payload;
        let group = payload.group.as_ref().map(ToString::to_string);
        let body = String::from_utf8_lossy(&payload.body).into_owned();
        (body, message.receive_count, payload.attributes.clone(), message.send_time.0, group)
    };
    messages.iter().map(one).collect()
}

async fn check(engine: &Engine, before: &[Seen]) {
    let kept = engine.find_queue(&path("kept")).expect("there");
    let mut got = receive(engine, &kept, 10).await;
    got.sort_by_key(|message| message.receipt.seq);
    let mut now = seen(&got);
    now.iter_mut().for_each(|(_, count, ..)| *count -= 1);
    assert_eq!(now, before, "nothing but the place of the entries has changed");
    let order = engine.find_queue(&path("order.fifo")).expect("there");
    let got = receive(engine, &order, 10).await;
    assert_eq!(bodies(&got), ["1", "2", "3"], "a group keeps its order");
    let stats = engine.stats(&engine.find_queue(&path("later")).expect("there")).await.expect("stats");
    assert_eq!((stats.visible, stats.delayed), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_takes_moves_to_the_archive_and_the_old_end_goes() {
    let dir = tempfile::tempdir().expect("tempdir");
    let engine = start_with(&tight(dir.path()));
    let kept = queue(&engine, "kept", QueueOptions::default()).await;
    let order =
        queue(&engine, "order.fifo", QueueOptions { fifo: Some(Fifo::default()), ..QueueOptions::default() }).await;
    let later = queue(&engine, "later", QueueOptions::default()).await;
    let value = AttributeValue::Text("blue".into());
    let colour = Attribute { name: "colour".into(), data_type: "String".into(), value };
    let messages =
        vec![NewMessage { attributes: vec![colour], ..message("a", None) }, message("b", None), message("gone", None)];
    let batch = SendBatch { messages, sender: "tester".into(), producer: None };
    engine.send(&kept, batch).await.expect("sent");
    send(&engine, &order, &["1", "2", "3"], Some("g")).await;
    let delayed = NewMessage { delay: Some(Duration::from_secs(86_400)), ..message("tomorrow", None) };
    let batch = SendBatch { messages: vec![delayed], sender: "tester".into(), producer: None };
    engine.send(&later, batch).await.expect("sent");
    // One was received before, one is deleted.
    let got = receive(&engine, &kept, 3).await;
    let nack = Outcome::Nack { delay: Duration::ZERO, keep_receive_count: false };
    let settled = vec![(got[0].receipt, nack.clone()), (got[1].receipt, nack), (got[2].receipt, Outcome::Ack)];
    engine.settle(&kept, settled).await.expect("settled");
    let before = seen(&got[..2]);

    pass(&engine, dir.path()).await;
    assert!(!segments_of(dir.path(), "archive").is_empty());
    pass(&engine, dir.path()).await;
    engine.close();
    let engine = start_with(&tight(dir.path()));
    check(&engine, &before).await;
    engine.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_index_what_moved_is_found_in_the_archive() {
    let dir = tempfile::tempdir().expect("tempdir");
    let engine = start_with(&tight(dir.path()));
    let kept = queue(&engine, "kept", QueueOptions::default()).await;
    send(&engine, &kept, &["a", "b", "c"], None).await;
    let lease = ReceiveOptions {
        max_messages: 1,
        visibility_timeout: Some(Duration::from_secs(3600)),
        ..ReceiveOptions::default()
    };
    let leased = engine.receive(&kept, lease).await.expect("received");
    pass(&engine, dir.path()).await;
    engine.close();
    std::fs::remove_dir_all(dir.path().join("index")).expect("removed");
    let engine = start_with(&tight(dir.path()));
    let kept = engine.find_queue(&path("kept")).expect("there");
    assert_eq!(bodies(&receive(&engine, &kept, 10).await), ["b", "c"], "the lease still holds");
    let settled = engine.settle(&kept, vec![(leased[0].receipt, Outcome::Ack)]).await.expect("settled");
    settled.into_iter().next().expect("one").expect("the lease of before the move settles the message");
    engine.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_archive_hears_what_becomes_of_its_messages_before_the_log_forgets_it() {
    let dir = tempfile::tempdir().expect("tempdir");
    let engine = start_with(&tight(dir.path()));
    let kept = queue(&engine, "kept", QueueOptions::default()).await;
    send(&engine, &kept, &["a", "b", "c", "d"], None).await;
    pass(&engine, dir.path()).await;
    let got = receive(&engine, &kept, 2).await;
    let nack = Outcome::Nack { delay: Duration::ZERO, keep_receive_count: false };
    engine.settle(&kept, vec![(got[0].receipt, nack), (got[1].receipt, Outcome::Ack)]).await.expect("settled");
    // The segment that says so goes.
    pass(&engine, dir.path()).await;
    engine.close();
    std::fs::remove_dir_all(dir.path().join("index")).expect("removed");
    let engine = start_with(&tight(dir.path()));
    let kept = engine.find_queue(&path("kept")).expect("there");
    let mut got = receive(&engine, &kept, 10).await;
    got.sort_by_key(|message| message.receipt.seq);
    let counts: Vec<_> = got.iter().map(|message| message.receive_count).collect();
    assert_eq!((bodies(&got), counts), (vec!["a".into(), "c".into(), "d".into()], vec![2, 1, 1]));
    engine.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_archive_gives_back_what_is_gone_of_it() {
    let dir = tempfile::tempdir().expect("tempdir");
    let engine = start_with(&tight(dir.path()));
    let kept = queue(&engine, "kept", QueueOptions::default()).await;
    let body = "y".repeat(100 << 10);
    for _ in 0..16 {
        send(&engine, &kept, &[body.as_str(); 5], None).await;
    }
    pass(&engine, dir.path()).await;
    let full = segments_of(dir.path(), "archive");
    assert!(full.len() > 6, "{full:?}");
    // All but one in ten die, all over the archive.
    for _ in 0..8 {
        let got = receive(&engine, &kept, 10).await;
        ack(&engine, &kept, &got[1..]).await;
    }
    for _ in 0..10 {
        pass(&engine, dir.path()).await;
        // What lives, a quarter of it, the segments that are retained, and one that is prepared.
        if segments_of(dir.path(), "archive").len() <= 6 {
            engine.close();
            return;
        }
    }
    panic!("the archive stays as large as it was: {:?}", segments_of(dir.path(), "archive"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_that_is_gone_is_named() {
    let dir = tempfile::tempdir().expect("tempdir");
    let engine = start_with(&tight(dir.path()));
    let kept = queue(&engine, "kept", QueueOptions::default()).await;
    send(&engine, &kept, &["a"], None).await;
    pass(&engine, dir.path()).await;
    engine.close();
    std::fs::remove_dir_all(dir.path().join("archive")).expect("removed");
    let engine = start_with(&tight(dir.path()));
    assert!(engine.status().alarms.contains(&"CORRUPT_SEGMENT".to_owned()), "{:?}", engine.status().alarms);
    engine.close();
}
