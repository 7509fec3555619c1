//! Produce: order, deduplication by sequence, entries that fail alone.

use crate::broker::{TestBroker, message, soon, start, start_on};
use forebay::proto::queue::v1::{
    self as wire, ProduceRequest, ProduceResponse,
    produce_request::{Batch, Frame as Said, Open},
    produce_response::{Acked, Frame, Opened},
    send_result::Result as Sent,
};
use forebay::storage::io::SysIo;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};
use tonic_types::StatusExt;

/// One produce call from the client's side.
struct Producer {
    frames: Option<mpsc::Sender<ProduceRequest>>,
    answers: Streaming<ProduceResponse>,
}

impl Producer {
    async fn start(broker: &TestBroker, first: Said) -> Self {
        let (frames, requests) = mpsc::channel(256);
        frames.send(ProduceRequest { frame: Some(first) }).await.unwrap();
        let answers = broker.queues().await.produce(ReceiverStream::new(requests)).await.unwrap().into_inner();
        Self { frames: Some(frames), answers }
    }

    async fn open(broker: &TestBroker, queue: &str, producer_id: &str) -> (Self, Opened) {
        let open = Open { queue: queue.into(), producer_id: producer_id.into(), durability: 0 };
        let mut producer = Self::start(broker, Said::Open(open)).await;
        match producer.next().await {
            Frame::Opened(opened) => (producer, opened),
            other => panic!("{other:?}"),
        }
    }

    async fn send(&self, first_sequence: u64, messages: Vec<wire::Message>) {
        let frame = Some(Said::Batch(Batch { first_sequence, messages }));
        self.frames.as_ref().unwrap().send(ProduceRequest { frame }).await.unwrap();
    }

    async fn next(&mut self) -> Frame {
        soon(self.answers.message()).await.unwrap().unwrap().frame.unwrap()
    }

    async fn acked(&mut self) -> Acked {
        match self.next().await {
            Frame::Acked(acked) => acked,
            other => panic!("{other:?}"),
        }
    }

    async fn error(&mut self) -> Status {
        soon(self.answers.message()).await.unwrap_err()
    }

    async fn finish(mut self) {
        self.frames = None;
        assert_eq!(soon(self.answers.message()).await.unwrap(), None);
    }
}

fn texts(texts: &[&str]) -> Vec<wire::Message> {
    texts.iter().map(|text| message(text)).collect()
}

/// "stored", "repeated", or the reason of each entry.
fn outcomes(acked: &Acked) -> Vec<&str> {
    let outcome = |result: &'_ wire::SendResult| match &result.result {
        Some(Sent::Sent(sent)) if sent.deduplicated => "repeated",
        Some(Sent::Sent(_)) => "stored",
        Some(Sent::Error(error)) => match error.reason.as_str() {
            "INVALID_ARGUMENT" => "INVALID_ARGUMENT",
            "MESSAGE_TOO_LARGE" => "MESSAGE_TOO_LARGE",
            _ => "another error",
        },
        None => "nothing",
    };
    acked.results.iter().map(outcome).collect()
}

async fn bodies_of(broker: &TestBroker, queue: &str) -> Vec<String> {
    let request = wire::PeekRequest { queue: queue.into(), page_size: 1000, ..Default::default() };
    let page = broker.queues().await.peek(request).await.unwrap().into_inner();
    let body = |peeked: wire::PeekedMessage| String::from_utf8(peeked.message.unwrap().body.to_vec()).unwrap();
    page.messages.into_iter().map(body).collect()
}

#[tokio::test]
async fn batches_are_acknowledged_in_order() {
    let broker = start().await;
    broker.create("orders", wire::Queue::default()).await;
    let (mut producer, opened) = Producer::open(&broker, "orders", "").await;
    assert_eq!((opened.last_sequence, opened.max_outstanding_bytes), (0, 16 << 20));
    for number in 0..200 {
        producer.send(number * 2, texts(&[&format!("{number}a"), &format!("{number}b")])).await;
    }
    for number in 0..200 {
        let acked = producer.acked().await;
        assert_eq!(acked.first_sequence, number * 2);
        assert_eq!(outcomes(&acked), ["stored", "stored"]);
    }
    producer.finish().await;
    let expected: Vec<_> = (0..200).flat_map(|number| [format!("{number}a"), format!("{number}b")]).collect();
    assert_eq!(bodies_of(&broker, "orders").await, expected);
}

#[tokio::test]
async fn producers_that_send_faster_than_the_engine_takes_wait_and_are_not_refused() {
    let broker = start_on(Arc::new(SysIo), |options| options.inbox_bytes = 4 << 20).await;
    broker.create("orders", wire::Queue::default()).await;
    let batch = vec![message(&"x".repeat(16 << 10)); 8];
    let mut producers = Vec::new();
    for _ in 0..8 {
        producers.push(Producer::open(&broker, "orders", "").await.0);
    }
    // What the eight may have outstanding is thirty-two times what the engine takes.
    for number in 0..64 {
        for producer in &producers {
            producer.send(number * 8, batch.clone()).await;
        }
    }
    for mut producer in producers {
        for number in 0..64 {
            let acked = producer.acked().await;
            assert_eq!(acked.first_sequence, number * 8);
            assert_eq!(outcomes(&acked), ["stored"; 8]);
        }
        producer.finish().await;
    }
}

#[tokio::test]
async fn a_producer_that_reconnects_stores_nothing_twice() {
    let broker = start().await;
    broker.create("orders", wire::Queue::default()).await;
    let (mut producer, opened) = Producer::open(&broker, "orders", "p-1").await;
    assert_eq!(opened.last_sequence, 0);
    producer.send(1, texts(&["1", "2"])).await;
    assert_eq!(outcomes(&producer.acked().await), ["stored", "stored"]);
    drop(producer);
    let (mut producer, opened) = Producer::open(&broker, "orders", "p-1").await;
    assert_eq!(opened.last_sequence, 2);
    producer.send(2, texts(&["2", "3"])).await;
    assert_eq!(outcomes(&producer.acked().await), ["repeated", "stored"]);
    let (_, other) = Producer::open(&broker, "orders", "p-2").await;
    assert_eq!(other.last_sequence, 0);
    assert_eq!(bodies_of(&broker, "orders").await, ["1", "2", "3"]);
}

#[tokio::test]
async fn an_entry_that_cannot_be_stored_does_not_stop_the_others() {
    let broker = start().await;
    let small = wire::Queue { max_message_bytes: 1024, ..Default::default() };
    broker.create("orders", small).await;
    let (mut producer, _) = Producer::open(&broker, "orders", "p-1").await;
    let large = "x".repeat(2000);
    producer.send(1, texts(&["1", &large, "3", &large, "5"])).await;
    producer.send(6, texts(&["6"])).await;
    producer.send(7, texts(&[&large])).await;
    let too_large = "MESSAGE_TOO_LARGE";
    assert_eq!(outcomes(&producer.acked().await), ["stored", too_large, "stored", too_large, "stored"]);
    assert_eq!(outcomes(&producer.acked().await), ["stored"]);
    let last = producer.acked().await;
    assert_eq!(outcomes(&last), [too_large]);
    let Some(Sent::Error(error)) = &last.results[0].result else { panic!("{last:?}") };
    assert_eq!(error.metadata["field"], "batch.messages[0].body");
    assert_eq!(bodies_of(&broker, "orders").await, ["1", "3", "5", "6"]);
}

#[tokio::test]
async fn a_sequence_that_skips_ends_the_call_after_what_came_before_it() {
    let broker = start().await;
    broker.create("orders", wire::Queue::default()).await;
    let (mut producer, _) = Producer::open(&broker, "orders", "p-1").await;
    producer.send(1, texts(&["1"])).await;
    producer.send(3, texts(&["3"])).await;
    assert_eq!(outcomes(&producer.acked().await), ["stored"]);
    let status = producer.error().await;
    assert_eq!(status.code(), Code::FailedPrecondition);
    let details = status.get_error_details();
    assert_eq!(details.error_info().unwrap().reason, "SEQUENCE_GAP");
    assert_eq!(details.error_info().unwrap().metadata["limit"], "2");
    assert_eq!(bodies_of(&broker, "orders").await, ["1"]);
}

#[tokio::test]
async fn more_than_may_be_outstanding_is_stored_all_the_same() {
    let broker = start().await;
    broker.create("large", wire::Queue::default()).await;
    let (mut producer, _) = Producer::open(&broker, "large", "").await;
    let body = "x".repeat(1 << 20);
    for number in 0..40 {
        producer.send(number, texts(&[&body])).await;
    }
    for number in 0..40 {
        let acked = producer.acked().await;
        assert_eq!((acked.first_sequence, outcomes(&acked)), (number, vec!["stored"]));
    }
    producer.finish().await;
}

#[tokio::test]
async fn a_draining_server_says_so_and_acknowledges_what_comes_until_the_client_ends() {
    let broker = start().await;
    broker.create("orders", wire::Queue::default()).await;
    let (mut producer, _) = Producer::open(&broker, "orders", "").await;
    broker.draining.cancel();
    assert!(matches!(producer.next().await, Frame::Draining(_)));
    producer.send(1, texts(&["1"])).await;
    assert_eq!(outcomes(&producer.acked().await), ["stored"]);
    producer.finish().await;
    assert_eq!(broker.end().await.cut_calls, 0);
}

#[tokio::test]
async fn a_frame_out_of_turn_ends_the_call() {
    let broker = start().await;
    broker.create("orders", wire::Queue::default()).await;
    let batch = Said::Batch(Batch { first_sequence: 1, messages: texts(&["1"]) });
    let mut producer = Producer::start(&broker, batch).await;
    let status = producer.error().await;
    assert_eq!(status.get_error_details().error_info().unwrap().reason, "UNEXPECTED_FRAME");
}
