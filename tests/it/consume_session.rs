//! A consume session whose client does not read.

use crate::broker::{KEY_ID, SECRET, TestBroker, message, soon, start};
use forebay::{
    base::reason::Refusal,
    proto::queue::v1 as wire,
    service::{
        broker::{Caller, Via},
        consume::{
            open::OpenConsume,
            session::{Command, Event},
        },
        settle::{Decision, Settlement},
    },
};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use tokio::sync::mpsc;
use tokio_stream::{Stream, StreamExt, wrappers::ReceiverStream};

fn caller(broker: &TestBroker) -> Caller {
    let via = Via { source_ip: Some("127.0.0.1".parse().unwrap()), secure: false };
    broker.broker.bearer(Some(format!("Bearer {KEY_ID}:{SECRET}").as_bytes()), via).unwrap()
}

/// Runs a session over these commands; nobody reads what it says yet.
async fn session(
    broker: &TestBroker,
    commands: impl Stream<Item = Result<Command, Refusal>> + Send + 'static,
) -> mpsc::Receiver<Result<Event, Refusal>> {
    let open = OpenConsume { queue: "q".into(), ..OpenConsume::default() };
    let session = broker.broker.open_consume(&caller(broker), open).await.unwrap();
    let (sender, events) = mpsc::channel(1);
    tokio::spawn(session.run(commands, sender));
    events
}

/// The session runs on this thread and waits for nothing outside: these are far more turns than it can use.
async fn let_it_work() {
    for _ in 0..10_000 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_client_that_settles_nonsense_and_never_reads_has_to_wait() {
    let broker = start().await;
    broker.create("q", wire::Queue::default()).await;
    let read = Arc::new(AtomicU64::new(0));
    let counted = read.clone();
    let nonsense = Settlement { receipt_handle: "nonsense".into(), decision: Decision::Ack };
    let frames = tokio_stream::iter(1..).map(move |settle_id| {
        counted.store(settle_id, Ordering::Relaxed);
        Ok(Command::Settle { settle_id, settlements: vec![nonsense.clone(); 1000] })
    });
    let mut events = session(&broker, frames).await;
    let_it_work().await;
    let taken = read.load(Ordering::Relaxed);
    assert!((5..=20).contains(&taken), "{taken} frames of 1000 failures were taken in");
    // Who reads again is read from again.
    while read.load(Ordering::Relaxed) < 5 * taken {
        soon(events.recv()).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn what_has_not_left_when_the_client_ends_is_given_back() {
    let broker = start().await;
    broker.create("q", wire::Queue::default()).await;
    let (commands, frames) = mpsc::channel(1);
    let mut events = session(&broker, ReceiverStream::new(frames)).await;
    let mut client = broker.queues().await;
    let send = wire::SendRequest { queue: "q".into(), messages: vec![message("late")], durability: 0 };
    client.send(send).await.unwrap();
    let mut counts = async || {
        let request = wire::GetQueueRequest { name: "q".into(), view: 2 };
        let stats = client.get_queue(request).await.unwrap().into_inner().queue.unwrap().stats.unwrap();
        (stats.visible_messages, stats.in_flight_messages)
    };
    soon(async { while counts().await != (0, 1) {} }).await;
    drop(commands);
    let_it_work().await;
    assert!(matches!(soon(events.recv()).await, Some(Ok(Event::Opened { .. }))));
    assert!(soon(events.recv()).await.is_none(), "nothing is delivered to a client that cannot settle it");
    soon(async { while counts().await != (1, 0) {} }).await;
}
