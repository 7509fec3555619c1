//! Idle queues are parked, and everything that can be asked of a queue finds it as it was.

use super::{
    client::Engine,
    definition::{DeadLetterPolicy, QueueDefinition, QueueOptions},
    message::{BrowseOptions, NewMessage, Outcome, ReceiveOptions, SendBatch},
    tests::{ack, bodies, message, options, path, queue, receive, send, start_with},
};
use crate::{base::reason::Reason, domain::queue::settings::Fifo};
use std::{sync::Arc, time::Duration};

/// Waits until every queue is parked.
async fn idle(engine: &Engine) {
    for _ in 0..2000 {
        let parked = engine.storage_figures().await.expect("figures").parked_queues;
        if parked == engine.queue_count() as u64 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the queues do not park");
}

async fn visible(engine: &Engine, queue: &QueueDefinition) -> u64 {
    engine.stats(queue).await.expect("stats").visible
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_a_parked_queue_are_sent_seen_received_and_purged() {
    let dir = tempfile::tempdir().expect("tempdir");
    let engine = start_with(&options(dir.path()));
    let plain = queue(&engine, "plain", QueueOptions::default()).await;
    idle(&engine).await;
    send(&engine, &plain, &["a", "b"], None).await;
    idle(&engine).await;
    let figures = engine.storage_figures().await.expect("figures");
    assert_eq!((figures.live_messages, figures.live_bytes), (2, 2));
    assert!(figures.partitions.iter().any(|partition| partition.queue.is_some() && partition.send_time.is_some()));
    let page = engine.browse(&plain, BrowseOptions { limit: 10, ..BrowseOptions::default() }).await.expect("browsed");
    assert_eq!(page.messages.len(), 2);
    idle(&engine).await;
    let taken = receive(&engine, &plain, 1).await;
    assert_eq!(bodies(&taken), ["a"]);
    ack(&engine, &plain, &taken).await;
    idle(&engine).await;
    assert_eq!(visible(&engine, &plain).await, 1);
    idle(&engine).await;
    assert_eq!(engine.purge(&plain).await.expect("purged"), 1);
    idle(&engine).await;
    assert_eq!(visible(&engine, &plain).await, 0);
    engine.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parked_queue_remembers_producers_deduplication_and_delays() {
    let dir = tempfile::tempdir().expect("tempdir");
    let engine = start_with(&options(dir.path()));
    let plain = queue(&engine, "plain", QueueOptions::default()).await;
    let ordered = QueueOptions { fifo: Some(Fifo::default()), ..QueueOptions::default() };
    let ordered = queue(&engine, "ordered.fifo", ordered).await;
    let late = NewMessage { delay: Some(Duration::from_millis(300)), ..message("late", None) };
    let batch = SendBatch { messages: vec![late], sender: "tester".into(), producer: Some(("p".into(), 5)) };
    engine.send(&plain, batch).await.expect("sent").remove(0).expect("stored");
    send(&engine, &ordered, &["1"], Some("g")).await;
    idle(&engine).await;
    assert_eq!(engine.producer_sequence(&plain, "p".into()).await.expect("told"), 5);
    let again = SendBatch { messages: vec![message("1", Some("g"))], sender: "tester".into(), producer: None };
    let again = engine.send(&ordered, again).await.expect("sent").remove(0).expect("stored");
    assert!(again.deduplicated);
    idle(&engine).await;
    let wait = ReceiveOptions { max_messages: 1, wait: Duration::from_secs(20), ..ReceiveOptions::default() };
    // The queue may be parked when the delay is over: its timer wakes it.
    assert_eq!(bodies(&engine.receive(&plain, wait).await.expect("received")), ["late"]);
    engine.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_redrives_and_changes_find_parked_queues() {
    let dir = tempfile::tempdir().expect("tempdir");
    let engine = start_with(&options(dir.path()));
    let dead = queue(&engine, "dead", QueueOptions::default()).await;
    let policy = DeadLetterPolicy { queue: path("dead"), max_receive_count: 9 };
    let work = QueueOptions { dead_letter: Some(policy), ..QueueOptions::default() };
    let work = queue(&engine, "work", work).await;
    send(&engine, &work, &["poison"], None).await;
    idle(&engine).await;
    let taken = receive(&engine, &work, 1).await;
    let outcome = Outcome::DeadLetter { reason: "bad".into() };
    engine.settle(&work, vec![(taken[0].receipt, outcome)]).await.expect("settled").remove(0).expect("moved");
    idle(&engine).await;
    assert_eq!((visible(&engine, &work).await, visible(&engine, &dead).await), (0, 1));
    idle(&engine).await;
    let redrive = engine.start_redrive(&dead, None, 0).await.expect("started");
    idle(&engine).await;
    assert_eq!(visible(&engine, &work).await, 1);
    idle(&engine).await;
    assert_eq!(engine.list_redrives(&dead).await.expect("listed").len(), 1);
    idle(&engine).await;
    let over = engine.cancel_redrive(&dead, redrive.id).await.expect_err("it is over");
    assert_eq!(over.reason, Reason::RedriveEnded);
    idle(&engine).await;
    let changed = QueueOptions { visibility_timeout: Duration::ZERO, ..work.options.clone() };
    let work = engine.update_queue(work.id, None, changed).await.expect("changed");
    idle(&engine).await;
    assert_eq!(bodies(&receive(&engine, &work, 1).await), ["poison"]);
    assert_eq!(bodies(&receive(&engine, &work, 1).await), ["poison"], "the new visibility timeout is zero");
    idle(&engine).await;
    engine.delete_queue(work.id, None).await.expect("deleted");
    engine.close();

    let engine = start_with(&options(dir.path()));
    assert_eq!(engine.queue_count(), 1);
    let dead: Arc<QueueDefinition> = engine.find_queue(&path("dead")).expect("it stays");
    assert_eq!(visible(&engine, &dead).await, 0);
    engine.close();
}
