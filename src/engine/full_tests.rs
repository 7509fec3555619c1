//! Limits of the disk and of the log: what is refused, and what goes on.

use super::tests::{message, options, queue, receive, send, start_with};
use crate::{
    base::reason::Reason,
    engine::{definition::QueueOptions, message::SendBatch, options::EngineOptions},
    storage::log::LogOptions,
};
use std::path::Path;
use tokio::task::JoinSet;

fn small_segments(dir: &Path) -> EngineOptions {
    let log = LogOptions { segment_bytes: 64 << 10, ..options(dir).log };
    EngineOptions { partitions: 1, log, ..options(dir) }
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
