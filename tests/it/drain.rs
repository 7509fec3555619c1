//! What becomes of those who wait when the server drains.

use crate::{
    aws::{done, send},
    broker::{KEY_ID, TestBroker, message, seconds, soon, start, start_dev_with},
};
use forebay::{proto::queue::v1 as wire, protocol::port::serve::ServerOptions};
use serde_json::json;
use std::time::Duration;
use tonic::Code;
use tonic_types::StatusExt;

/// Returns when somebody waits for a message of the queue.
async fn until_one_waits(broker: &TestBroker, name: &str) {
    let mut client = broker.queues().await;
    let view = forebay::proto::common::v1::ResourceView::Full as i32;
    loop {
        let request = wire::GetQueueRequest { name: name.into(), view };
        let queue = client.get_queue(request).await.unwrap().into_inner().queue.unwrap();
        if queue.stats.unwrap().consumers == 1 {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receive_that_waits_over_grpc_hears_that_the_server_drains() {
    let broker = start().await;
    broker.create("orders", wire::Queue::default()).await;
    let mut client = broker.queues().await;
    let poll = wire::ReceiveRequest { queue: "orders".into(), wait: seconds(20), ..Default::default() };
    let waiting = tokio::spawn(async move { client.receive(poll).await });
    until_one_waits(&broker, "orders").await;
    assert_eq!(soon(broker.end()).await.cut_calls, 0);
    let status = waiting.await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(status.get_error_details().error_info().unwrap().reason, "DRAINING");
    assert!(status.get_error_details().retry_info().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_poll_of_sqs_ends_empty_when_the_server_drains() {
    // A poll that waited on would be cut.
    let options = ServerOptions { drain_timeout: Duration::from_secs(10), ..ServerOptions::default() };
    let broker = start_dev_with(100, options).await;
    let url = done(&broker, "CreateQueue", &json!({"QueueName": "q"})).await["QueueUrl"].clone();
    let poll = json!({"QueueUrl": url, "WaitTimeSeconds": 20}).to_string();
    let kind = "content-type: application/x-amz-json-1.0";
    let head = format!("POST / HTTP/1.1\r\nx-amz-target: AmazonSQS.ReceiveMessage\r\n{kind}");
    let address = broker.address;
    let waiting = tokio::spawn(async move { send(address, &head, poll.as_bytes()).await });
    until_one_waits(&broker, "q").await;
    assert_eq!(soon(broker.end()).await.cut_calls, 0);
    let answer = waiting.await.unwrap();
    assert_eq!((answer.status, answer.json()["Messages"].as_array().map_or(0, Vec::len)), (200, 0), "{}", answer.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_drains_gives_what_it_has_and_lets_nobody_wait() {
    let broker = start().await;
    broker.create("orders", wire::Queue::default()).await;
    let mut client = broker.queues().await;
    let request = wire::SendRequest { queue: "orders".into(), messages: vec![message("1")], durability: 0 };
    client.send(request).await.unwrap();
    drop(client);
    let key = broker.broker.access_key(KEY_ID).unwrap();
    let caller = broker.broker.caller(&key, broker.broker.region().clone(), Default::default());
    broker.draining.cancel();
    let poll = || forebay::service::receive::Receive {
        queue: "orders".into(),
        wait: Some(Duration::from_secs(20)),
        ..Default::default()
    };
    let received = soon(broker.broker.receive(&caller, poll())).await.unwrap();
    assert_eq!(received.len(), 1);
    assert!(soon(broker.broker.receive(&caller, poll())).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_were_never_opened_do_not_hold_up_the_drain() {
    let broker = start().await;
    let mut client = broker.queues().await;
    let mut consume = client.consume(tokio_stream::pending()).await.unwrap().into_inner();
    let mut produce = client.produce(tokio_stream::pending()).await.unwrap().into_inner();
    assert_eq!(soon(broker.end()).await.cut_calls, 0);
    for status in [consume.message().await.unwrap_err(), produce.message().await.unwrap_err()] {
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        assert_eq!(status.get_error_details().error_info().unwrap().reason, "DRAINING");
    }
}
