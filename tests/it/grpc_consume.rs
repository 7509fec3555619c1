//! Consume: credit, settlements, leases, resume, drain.

use crate::broker::{TestBroker, ack, bodies, grouped, message, seconds, settle, soon, start};
use forebay::proto::{
    common::v1::FlowControl,
    queue::v1::{
        self as wire, ConsumeRequest, ConsumeResponse, ReceivedMessage,
        consume_request::{self, Frame as Said},
        consume_response::{Delivery, Frame, Opened, SettledThrough},
        settlement::Outcome,
    },
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};
use tonic_types::StatusExt;

/// One consume call from the client's side.
struct Consumer {
    frames: Option<mpsc::Sender<ConsumeRequest>>,
    answers: Streaming<ConsumeResponse>,
    settle_id: u64,
}

impl Consumer {
    async fn start(broker: &TestBroker, first: Said) -> Self {
        let (frames, requests) = mpsc::channel(16);
        frames.send(ConsumeRequest { frame: Some(first) }).await.unwrap();
        let answers = broker.queues().await.consume(ReceiverStream::new(requests)).await.unwrap().into_inner();
        Self { frames: Some(frames), answers, settle_id: 0 }
    }

    async fn open(broker: &TestBroker, open: consume_request::Open) -> (Self, Opened) {
        let mut consumer = Self::start(broker, Said::Open(open)).await;
        match consumer.next().await {
            Frame::Opened(opened) => (consumer, opened),
            other => panic!("{other:?}"),
        }
    }

    async fn say(&self, frame: Said) {
        self.frames.as_ref().unwrap().send(ConsumeRequest { frame: Some(frame) }).await.unwrap();
    }

    async fn next(&mut self) -> Frame {
        soon(self.answers.message()).await.unwrap().unwrap().frame.unwrap()
    }

    async fn delivery(&mut self) -> Vec<ReceivedMessage> {
        match self.next().await {
            Frame::Delivery(Delivery { messages }) => messages,
            other => panic!("{other:?}"),
        }
    }

    /// Deliveries until there are so many messages.
    async fn deliveries(&mut self, count: usize) -> Vec<ReceivedMessage> {
        let mut messages = Vec::new();
        while messages.len() < count {
            messages.extend(self.delivery().await);
        }
        assert_eq!(messages.len(), count);
        messages
    }

    async fn settle(&mut self, settlements: Vec<wire::Settlement>) {
        self.settle_id += 1;
        self.say(Said::Settle(consume_request::Settle { settle_id: self.settle_id, settlements })).await;
    }

    async fn settled(&mut self) -> SettledThrough {
        match self.next().await {
            Frame::SettledThrough(settled) => settled,
            other => panic!("{other:?}"),
        }
    }

    /// So many messages and a confirmation, in whichever order.
    async fn delivered_and_settled(&mut self, count: usize) -> (Vec<ReceivedMessage>, SettledThrough) {
        let (mut messages, mut settled) = (Vec::new(), None);
        while messages.len() < count || settled.is_none() {
            match self.next().await {
                Frame::Delivery(delivery) => messages.extend(delivery.messages),
                Frame::SettledThrough(through) => settled = Some(through),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(messages.len(), count);
        (messages, settled.unwrap())
    }

    async fn error(&mut self) -> Status {
        loop {
            match soon(self.answers.message()).await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("the call ended well"),
                Err(status) => return status,
            }
        }
    }

    /// Says that nothing more comes, and waits for the server's end.
    async fn finish(mut self) {
        self.frames = None;
        let last = soon(self.answers.message()).await.unwrap();
        assert_eq!(last, None);
    }
}

fn open(queue: &str) -> consume_request::Open {
    consume_request::Open { queue: queue.into(), ..Default::default() }
}

fn credit(messages: u32, bytes: u64) -> FlowControl {
    FlowControl { max_outstanding_messages: messages, max_outstanding_bytes: bytes }
}

fn limited(queue: &str, messages: u32) -> consume_request::Open {
    consume_request::Open { flow_control: Some(credit(messages, 0)), ..open(queue) }
}

async fn send(broker: &TestBroker, queue: &str, messages: Vec<wire::Message>) {
    let request = wire::SendRequest { queue: queue.into(), messages, durability: 0 };
    for result in broker.queues().await.send(request).await.unwrap().into_inner().results {
        assert!(matches!(result.result, Some(wire::send_result::Result::Sent(_))), "{result:?}");
    }
}

/// What a long poll of so many seconds finds.
async fn poll(broker: &TestBroker, queue: &str, wait: i64) -> Vec<ReceivedMessage> {
    let (queue, wait) = (queue.into(), seconds(wait));
    let request = wire::ReceiveRequest { queue, wait, max_messages: 10, ..Default::default() };
    broker.queues().await.receive(request).await.unwrap().into_inner().messages
}

async fn queue_with(broker: &TestBroker, queue: &str, texts: &[&str]) {
    broker.create(queue, wire::Queue::default()).await;
    send(broker, queue, texts.iter().map(|text| message(text)).collect()).await;
}

#[tokio::test]
async fn messages_are_delivered_settled_and_gone() {
    let broker = start().await;
    queue_with(&broker, "orders", &["1", "2"]).await;
    let (mut consumer, opened) = Consumer::open(&broker, open("orders")).await;
    assert_eq!(opened.queue.unwrap().name, "namespaces/000000000000/queues/orders");
    let delivered = consumer.deliveries(2).await;
    assert_eq!(bodies(&delivered), ["1", "2"]);
    consumer.settle(delivered.iter().map(ack).collect()).await;
    assert_eq!(consumer.settled().await, SettledThrough { settle_id: 1, failures: vec![] });
    send(&broker, "orders", vec![message("3")]).await;
    let delivered = consumer.delivery().await;
    assert_eq!(bodies(&delivered), ["3"]);
    consumer.settle(vec![ack(&delivered[0])]).await;
    assert_eq!(consumer.settled().await.settle_id, 2);
    consumer.finish().await;
    assert_eq!(poll(&broker, "orders", 0).await, []);
}

#[tokio::test]
async fn credit_bounds_what_is_outstanding_and_zero_pauses() {
    let broker = start().await;
    queue_with(&broker, "orders", &["1", "2", "3", "4", "5"]).await;
    let (mut consumer, _) = Consumer::open(&broker, limited("orders", 2)).await;
    let first = consumer.deliveries(2).await;
    consumer.settle(vec![ack(&first[0])]).await;
    let (third, _) = consumer.delivered_and_settled(1).await;
    assert_eq!(bodies(&third), ["3"]);
    consumer.say(Said::FlowControl(credit(0, 0))).await;
    consumer.settle(vec![ack(&first[1]), ack(&third[0])]).await;
    assert_eq!(consumer.settled().await.settle_id, 2);
    consumer.settle(vec![ack(&first[0])]).await;
    let settled = consumer.settled().await;
    assert_eq!(settled, SettledThrough { settle_id: 3, failures: vec![] }, "a second ack of the same lease is fine");
    consumer.say(Said::FlowControl(credit(10, 0))).await;
    assert_eq!(bodies(&consumer.deliveries(2).await), ["4", "5"]);
}

#[tokio::test]
async fn a_message_beyond_the_byte_credit_waits_and_a_giant_comes_alone() {
    let broker = start().await;
    queue_with(&broker, "orders", &[&"x".repeat(600), &"y".repeat(600), &"z".repeat(5_000)]).await;
    let flow = consume_request::Open { flow_control: Some(credit(10, 1_000)), ..open("orders") };
    let (mut consumer, _) = Consumer::open(&broker, flow).await;
    let mut one = consumer.deliveries(1).await;
    for (size, next) in [(600, 1), (600, 1), (5_000, 0)] {
        assert_eq!(one[0].body.len(), size);
        assert_eq!(one[0].receive_count, 1, "what was given back does not count");
        consumer.settle(vec![ack(&one[0])]).await;
        let (messages, settled) = consumer.delivered_and_settled(next).await;
        assert_eq!(settled.failures, []);
        one = messages;
    }
}

#[tokio::test]
async fn no_delivery_frame_passes_two_mebibytes() {
    let broker = start().await;
    broker.create("large", wire::Queue::default()).await;
    for _ in 0..5 {
        send(&broker, "large", vec![message(&"x".repeat(1_000_000))]).await;
    }
    let all = consume_request::Open {
        flow_control: Some(credit(100, 100 << 20)),
        max_batch_delay: Some(prost_types::Duration { seconds: 0, nanos: 200_000_000 }),
        ..open("large")
    };
    let (mut consumer, _) = Consumer::open(&broker, all).await;
    let mut seen = 0;
    while seen < 5 {
        let messages = consumer.delivery().await;
        seen += messages.len();
        assert!(prost::Message::encoded_len(&Delivery { messages }) <= 2 << 20);
    }
}

#[tokio::test]
async fn a_resumed_session_holds_what_it_held_and_receives_none_of_it_again() {
    let broker = start().await;
    queue_with(&broker, "orders", &["1", "2", "3"]).await;
    let first_open = consume_request::Open { release_grace: seconds(60), ..limited("orders", 2) };
    let (mut consumer, opened) = Consumer::open(&broker, first_open.clone()).await;
    let held = consumer.deliveries(2).await;
    drop(consumer);

    let resume = consume_request::Open { resume_session_id: opened.session_id.clone(), ..first_open };
    let (mut consumer, resumed) = Consumer::open(&broker, resume).await;
    assert_eq!(resumed.session_id, opened.session_id);
    consumer.settle(held.iter().map(ack).collect()).await;
    let (third, settled) = consumer.delivered_and_settled(1).await;
    assert_eq!((bodies(&third), third[0].receive_count), (vec!["3".to_owned()], 1));
    assert_eq!(settled.failures, []);
}

#[tokio::test]
async fn what_the_client_lost_with_the_connection_is_delivered_again() {
    let broker = start().await;
    queue_with(&broker, "orders", &["1", "2"]).await;
    let first_open = consume_request::Open { release_grace: seconds(60), ..open("orders") };
    let (mut consumer, opened) = Consumer::open(&broker, first_open.clone()).await;
    let held = consumer.deliveries(2).await;
    drop(consumer);
    let resume = consume_request::Open {
        resume_session_id: opened.session_id,
        held_receipt_handles: vec![held[0].receipt_handle.clone()],
        ..first_open
    };
    let (mut consumer, _) = Consumer::open(&broker, resume).await;
    let again = consumer.deliveries(1).await;
    assert_eq!((bodies(&again), again[0].receive_count), (vec!["2".to_owned()], 1));
    consumer.settle(vec![ack(&held[0]), ack(&again[0])]).await;
    assert_eq!(consumer.settled().await.failures, []);
}

#[tokio::test]
async fn a_live_session_is_taken_over_by_the_call_that_resumes_it() {
    let broker = start().await;
    queue_with(&broker, "orders", &["1"]).await;
    let (mut old, opened) = Consumer::open(&broker, open("orders")).await;
    let held = old.deliveries(1).await;
    let resume = consume_request::Open { resume_session_id: opened.session_id, ..open("orders") };
    let (mut new, _) = Consumer::open(&broker, resume).await;
    assert_eq!(old.error().await.code(), Code::InvalidArgument);
    new.settle(vec![ack(&held[0])]).await;
    assert_eq!(new.settled().await.failures, []);
}

#[tokio::test]
async fn without_grace_to_wait_a_broken_calls_messages_are_visible_at_once() {
    let broker = start().await;
    queue_with(&broker, "orders", &["1"]).await;
    let (mut consumer, _) =
        Consumer::open(&broker, consume_request::Open { release_grace: seconds(0), ..open("orders") }).await;
    consumer.deliveries(1).await;
    drop(consumer);
    assert_eq!(bodies(&poll(&broker, "orders", 20).await), ["1"]);
}

#[tokio::test]
async fn leases_live_as_long_as_the_call() {
    let broker = start().await;
    queue_with(&broker, "orders", &["1"]).await;
    let (mut consumer, _) =
        Consumer::open(&broker, consume_request::Open { visibility_timeout: seconds(1), ..open("orders") }).await;
    let held = consumer.deliveries(1).await;
    assert_eq!(poll(&broker, "orders", 3).await, [], "three timeouts pass and nobody else gets it");
    consumer.settle(vec![ack(&held[0])]).await;
    assert_eq!(consumer.settled().await.failures, []);
    assert_eq!(poll(&broker, "orders", 2).await, []);
}

#[tokio::test]
async fn a_lease_ends_at_its_highest_age() {
    let broker = start().await;
    queue_with(&broker, "orders", &["1"]).await;
    let short =
        consume_request::Open { visibility_timeout: seconds(30), max_lease: seconds(1), ..limited("orders", 1) };
    let (mut consumer, _) = Consumer::open(&broker, short).await;
    assert_eq!(consumer.deliveries(1).await[0].receive_count, 1);
    assert_eq!(consumer.deliveries(1).await[0].receive_count, 2, "its credit is free again");
}

#[tokio::test]
async fn a_fifo_nack_voids_the_later_leases_of_its_group() {
    let broker = start().await;
    broker.create("jobs.fifo", wire::Queue::default()).await;
    send(&broker, "jobs.fifo", ["1", "2", "3"].map(|text| grouped("g", text)).to_vec()).await;
    let (mut consumer, _) = Consumer::open(&broker, open("jobs.fifo")).await;
    let held = consumer.deliveries(3).await;
    let nack = settle(&held[0], Outcome::Nack(wire::Nack::default()));
    consumer.settle(vec![nack, ack(&held[1])]).await;
    let (again, settled) = consumer.delivered_and_settled(3).await;
    assert_eq!(bodies(&again), ["1", "2", "3"]);
    let failures = settled.failures;
    assert_eq!(failures.len(), 1);
    assert_eq!(failures[0].receipt_handle, held[1].receipt_handle);
    assert_eq!(failures[0].error.as_ref().unwrap().reason, "LEASE_EXPIRED");
}

#[tokio::test]
async fn a_lease_is_settled_by_whichever_call() {
    let broker = start().await;
    queue_with(&broker, "orders", &["1"]).await;
    let (mut consumer, _) = Consumer::open(&broker, open("orders")).await;
    let held = consumer.deliveries(1).await;
    let request = wire::SettleRequest { queue: "orders".into(), settlements: vec![ack(&held[0])] };
    assert_eq!(broker.queues().await.settle(request).await.unwrap().into_inner().failures, []);
    consumer.settle(vec![ack(&held[0])]).await;
    assert_eq!(consumer.settled().await.failures, []);
}

#[tokio::test]
async fn a_draining_server_lets_consumers_settle_what_they_hold() {
    let broker = start().await;
    queue_with(&broker, "orders", &["1"]).await;
    let (mut consumer, _) = Consumer::open(&broker, open("orders")).await;
    let held = consumer.deliveries(1).await;
    broker.draining.cancel();
    let Frame::Draining(draining) = consumer.next().await else { panic!("draining is said") };
    assert_eq!(draining.grace, seconds(20));
    consumer.settle(vec![ack(&held[0])]).await;
    assert_eq!(consumer.settled().await.failures, []);
    consumer.finish().await;
    assert_eq!(broker.end().await.cut_calls, 0);
}

#[tokio::test]
async fn a_deleted_queue_ends_the_call() {
    let broker = start().await;
    broker.create("orders", wire::Queue::default()).await;
    let (mut consumer, _) = Consumer::open(&broker, open("orders")).await;
    let request = wire::DeleteQueueRequest { name: "orders".into(), ..Default::default() };
    broker.queues().await.delete_queue(request).await.unwrap();
    assert_eq!(consumer.error().await.code(), Code::NotFound);
}

#[tokio::test]
async fn frames_out_of_turn_end_the_call() {
    let broker = start().await;
    queue_with(&broker, "orders", &["1"]).await;
    let settle =
        |settle_id| Said::Settle(consume_request::Settle { settle_id, settlements: vec![wire::Settlement::default()] });
    let reason = |status: Status| status.get_error_details().error_info().unwrap().reason.clone();
    let mut early = Consumer::start(&broker, settle(1)).await;
    assert_eq!(reason(early.error().await), "UNEXPECTED_FRAME");
    let (mut twice, _) = Consumer::open(&broker, open("orders")).await;
    twice.say(Said::Open(open("orders"))).await;
    assert_eq!(reason(twice.error().await), "UNEXPECTED_FRAME");
    let (mut skipping, _) = Consumer::open(&broker, open("orders")).await;
    skipping.say(settle(1)).await;
    skipping.say(settle(3)).await;
    let status = skipping.error().await;
    assert_eq!(status.get_error_details().bad_request().unwrap().field_violations[0].field, "settle.settle_id");
}
