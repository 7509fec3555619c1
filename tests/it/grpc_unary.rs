//! Unary calls end to end.

use crate::broker::{ack, bodies, grouped, message, seconds, settle, start};
use forebay::proto::{
    admin::v1 as admin, common::v1::AttributeValue, common::v1::attribute_value::Value, queue::v1 as wire,
};
use tonic::Code;
use tonic_types::StatusExt;

fn send(queue: &str, messages: Vec<wire::Message>) -> wire::SendRequest {
    wire::SendRequest { queue: queue.into(), messages, durability: 0 }
}

fn receive(queue: &str, max_messages: u32) -> wire::ReceiveRequest {
    wire::ReceiveRequest { queue: queue.into(), max_messages, ..Default::default() }
}

#[tokio::test]
async fn a_message_is_sent_received_and_acknowledged() {
    let broker = start().await;
    let queue = broker.create("orders", wire::Queue::default()).await;
    assert_eq!(queue.name, "namespaces/000000000000/queues/orders");
    assert_eq!(queue.arn, "arn:aws:sqs:us-east-1:000000000000:orders");
    assert_eq!(queue.url, "http://127.0.0.1:9400/000000000000/orders");
    let mut client = broker.queues().await;
    let mut sent = message("hello");
    let value = AttributeValue { data_type: "String".into(), value: Some(Value::StringValue("x".into())) };
    sent.attributes.insert("colour".into(), value.clone());
    let results = client.send(send("orders", vec![sent])).await.unwrap().into_inner().results;
    let Some(wire::send_result::Result::Sent(stored)) = &results[0].result else { panic!("{results:?}") };

    let request = wire::ReceiveRequest { wait: seconds(5), ..receive("orders", 10) };
    let received = client.receive(request).await.unwrap().into_inner().messages;
    assert_eq!(bodies(&received), ["hello"]);
    assert_eq!(received[0].message_id, stored.message_id);
    assert_eq!(received[0].attributes["colour"], value);
    assert_eq!(
        (received[0].receive_count, received[0].sender_id.as_str()),
        (1, "arn:aws:iam::000000000000:user/admin")
    );

    let settlements = vec![ack(&received[0])];
    let request = wire::SettleRequest { queue: "orders".into(), settlements };
    assert_eq!(client.settle(request).await.unwrap().into_inner().failures, []);
    let peeked = client.peek(wire::PeekRequest { queue: "orders".into(), ..Default::default() }).await.unwrap();
    assert_eq!(peeked.into_inner().messages, []);
}

#[tokio::test]
async fn an_entry_fails_alone_and_names_its_field() {
    let broker = start().await;
    broker.create("jobs.fifo", wire::Queue::default()).await;
    let mut client = broker.queues().await;
    let batch = vec![grouped("a", "1"), message("no group"), grouped("a", "2")];
    let results = client.send(send("jobs.fifo", batch)).await.unwrap().into_inner().results;
    let [
        Some(wire::send_result::Result::Sent(first)),
        Some(wire::send_result::Result::Error(error)),
        Some(wire::send_result::Result::Sent(last)),
    ] = [0, 1, 2].map(|index: usize| results[index].result.clone())
    else {
        panic!("{results:?}")
    };
    assert!(first.sequence_number.parse::<u64>().unwrap() < last.sequence_number.parse::<u64>().unwrap());
    assert_eq!((error.code, error.reason.as_str()), (Code::InvalidArgument as i32, "INVALID_ARGUMENT"));
    assert_eq!(error.metadata["field"], "messages[1].group_id");
    assert!(error.sender_fault && error.retry_delay.is_none());
}

#[tokio::test]
async fn creating_again_is_fine_until_something_differs() {
    let broker = start().await;
    let queue = wire::Queue { delay: seconds(5), ..Default::default() };
    let first = broker.create("orders", queue.clone()).await;
    assert_eq!(broker.create("orders", queue).await, first);
    assert_eq!(broker.create("orders", wire::Queue::default()).await, first);
    let differing = wire::Queue { delay: seconds(5), retention: seconds(60), ..Default::default() };
    let request = wire::CreateQueueRequest { queue_id: "orders".into(), queue: Some(differing), ..Default::default() };
    let status = broker.queues().await.create_queue(request).await.unwrap_err();
    assert_eq!(status.code(), Code::AlreadyExists);
    let details = status.get_error_details();
    assert_eq!(details.error_info().unwrap().reason, "QUEUE_EXISTS_DIFFERENTLY");
    assert_eq!(details.error_info().unwrap().metadata["field"], "retention");
    assert!(details.retry_info().is_none());
}

#[tokio::test]
async fn an_update_changes_what_its_mask_names_and_a_stale_etag_is_refused() {
    let broker = start().await;
    let created = broker.create("orders", wire::Queue { delay: seconds(5), ..Default::default() }).await;
    let mut client = broker.queues().await;
    let change = wire::Queue { visibility_timeout: seconds(7), retention: seconds(120), ..created.clone() };
    let mask = prost_types::FieldMask { paths: vec!["visibility_timeout".into(), "delay".into()] };
    let update = wire::UpdateQueueRequest {
        queue: Some(wire::Queue { delay: None, ..change }),
        update_mask: Some(mask),
        validate_only: false,
    };
    let updated = client.update_queue(update.clone()).await.unwrap().into_inner().queue.unwrap();
    assert_eq!((updated.visibility_timeout, updated.delay), (seconds(7), seconds(0)));
    assert_eq!(updated.retention, created.retention);
    assert_ne!(updated.etag, created.etag);
    let status = client.update_queue(update).await.unwrap_err();
    assert_eq!(status.code(), Code::Aborted);
    assert_eq!(status.get_error_details().error_info().unwrap().reason, "ETAG_MISMATCH");
}

#[tokio::test]
async fn queues_are_listed_page_by_page_and_by_their_dead_letter_queue() {
    let broker = start().await;
    for name in ["a1", "a2", "a3", "b1", "dead"] {
        broker.create(name, wire::Queue::default()).await;
    }
    let policy = wire::DeadLetterPolicy { dead_letter_queue: "dead".into(), max_receive_count: 3 };
    broker.create("source", wire::Queue { dead_letter_policy: Some(policy), ..Default::default() }).await;
    let mut client = broker.queues().await;
    let mut names = Vec::new();
    let mut request = wire::ListQueuesRequest { page_size: 2, id_prefix: "a".into(), ..Default::default() };
    loop {
        let page = client.list_queues(request.clone()).await.unwrap().into_inner();
        names.push(
            page.queues.iter().map(|queue| queue.name.rsplit('/').next().unwrap().to_owned()).collect::<Vec<_>>(),
        );
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert_eq!(names, [vec!["a1", "a2"], vec!["a3"]]);
    let request = wire::ListQueuesRequest { dead_letter_queue: "dead".into(), view: 2, ..Default::default() };
    let found = client.list_queues(request).await.unwrap().into_inner().queues;
    assert_eq!(
        found.iter().map(|queue| queue.name.as_str()).collect::<Vec<_>>(),
        ["namespaces/000000000000/queues/source"]
    );
    assert_eq!(found[0].stats.as_ref().unwrap().visible_messages, 0);
}

#[tokio::test]
async fn a_dead_letter_keeps_its_reason_and_is_redriven() {
    let broker = start().await;
    broker.create("dead", wire::Queue::default()).await;
    let policy = wire::DeadLetterPolicy { dead_letter_queue: "dead".into(), max_receive_count: 3 };
    broker.create("orders", wire::Queue { dead_letter_policy: Some(policy), ..Default::default() }).await;
    let mut client = broker.queues().await;
    client.send(send("orders", vec![message("poison")])).await.unwrap();
    let received = client.receive(receive("orders", 1)).await.unwrap().into_inner().messages;
    let outcome = wire::settlement::Outcome::DeadLetter(wire::DeadLetter { reason: "cannot parse".into() });
    let settlements = vec![settle(&received[0], outcome)];
    let request = wire::SettleRequest { queue: "orders".into(), settlements };
    assert_eq!(client.settle(request).await.unwrap().into_inner().failures, []);
    let wait = wire::ReceiveRequest { wait: seconds(10), visibility_timeout: seconds(0), ..receive("dead", 1) };
    let dead = client.receive(wait).await.unwrap().into_inner().messages;
    assert_eq!(dead[0].dead_letter_source, "namespaces/000000000000/queues/orders");
    assert_eq!(dead[0].dead_letter_reason, "cannot parse");

    let request = wire::StartRedriveRequest { source_queue: "dead".into(), ..Default::default() };
    let redrive = client.start_redrive(request).await.unwrap().into_inner().redrive.unwrap();
    assert_eq!(redrive.source_queue, "namespaces/000000000000/queues/dead");
    let wait = wire::ReceiveRequest { wait: seconds(10), ..receive("orders", 1) };
    assert_eq!(bodies(&client.receive(wait).await.unwrap().into_inner().messages), ["poison"]);
    let request = wire::ListRedrivesRequest { source_queue: "dead".into(), ..Default::default() };
    let listed = client.list_redrives(request).await.unwrap().into_inner().redrives;
    assert_eq!(listed[0].name, redrive.name);
}

#[tokio::test]
async fn pages_and_receives_stay_below_the_frame_limit() {
    let broker = start().await;
    broker.create("large", wire::Queue::default()).await;
    let mut client = broker.queues().await;
    let body = "x".repeat(700_000);
    for _ in 0..6 {
        client.send(send("large", vec![message(&body)])).await.unwrap();
    }
    let mut seen = 0;
    let mut request = wire::PeekRequest { queue: "large".into(), ..Default::default() };
    loop {
        let page = client.peek(request.clone()).await.unwrap().into_inner();
        assert!(prost::Message::encoded_len(&page) <= 2 << 20);
        seen += page.messages.len();
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, 6);
    let received = client.receive(receive("large", 100)).await.unwrap().into_inner();
    assert_eq!(received.messages.len(), 2);
    assert!(prost::Message::encoded_len(&received) <= 2 << 20);
}

#[tokio::test]
async fn a_drain_over_the_wire_ends_the_server_and_says_so_before() {
    let broker = start().await;
    let mut admin = broker.admin().await;
    let status = admin.get_status(admin::GetStatusRequest {}).await.unwrap().into_inner();
    assert!(status.ready && status.start_time.is_some());
    admin.drain(admin::DrainRequest { grace: seconds(20) }).await.unwrap();
    assert!(broker.draining.is_cancelled());
    drop(admin);
    assert_eq!(broker.end().await.cut_calls, 0);
}

#[tokio::test]
async fn a_queue_of_another_region_is_another_queue() {
    let broker = start().await;
    let near = broker.create("orders", wire::Queue::default()).await;
    let mut client = broker.queues().await;
    let parent = "namespaces/000000000000@eu-north-1";
    let request = wire::CreateQueueRequest { parent: parent.into(), queue_id: "orders".into(), ..Default::default() };
    let far = client.create_queue(request).await.unwrap().into_inner().queue.unwrap();
    assert_eq!(far.name, format!("{parent}/queues/orders"));
    assert_eq!(far.arn, "arn:aws:sqs:eu-north-1:000000000000:orders");
    client.send(send(&far.name, vec![message("far")])).await.unwrap();
    assert_eq!(client.receive(receive(&near.name, 10)).await.unwrap().into_inner().messages, []);
    let received = client.receive(receive(&far.name, 10)).await.unwrap().into_inner().messages;
    assert_eq!(bodies(&received), ["far"]);
    let here = client.list_queues(wire::ListQueuesRequest::default()).await.unwrap().into_inner().queues;
    assert_eq!(here.iter().map(|queue| queue.name.as_str()).collect::<Vec<_>>(), [near.name.as_str()]);
    let there = wire::ListQueuesRequest { parent: parent.into(), ..Default::default() };
    let there = client.list_queues(there).await.unwrap().into_inner().queues;
    assert_eq!(there.iter().map(|queue| queue.name.as_str()).collect::<Vec<_>>(), [far.name.as_str()]);
}
