//! What a port says while the broker reads its data directory.

use crate::{
    aws::send,
    broker::{soon, with_key},
};
use forebay::{
    proto::queue::v1::{ListQueuesRequest, queue_service_client::QueueServiceClient},
    protocol::{
        front::{HowFar, answer_while_starting},
        port::serve::ServerOptions,
    },
    runtime::SystemClock,
};
use std::{net::TcpListener, sync::Arc};
use tokio_util::sync::CancellationToken;
use tonic::{Code, transport::Channel};
use tonic_types::StatusExt;

#[tokio::test(flavor = "multi_thread")]
async fn every_language_hears_that_the_server_is_starting_and_how_far_it_is() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let there = CancellationToken::new();
    let how_far: HowFar = Arc::new(|| "7 % of it".to_owned());
    let listeners = vec![listener.try_clone().unwrap()];
    let answering =
        answer_while_starting(listeners, Arc::new(SystemClock), ServerOptions::default(), how_far, there.clone());
    let answering = tokio::spawn(answering);

    let json = "POST / HTTP/1.1\r\nx-amz-target: AmazonSQS.ListQueues\r\ncontent-type: application/x-amz-json-1.0";
    let answer = send(address, json, b"{}").await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, "1"));
    assert_eq!(answer.json()["__type"], "com.amazon.coral.service#ServiceUnavailableException");
    assert_eq!(answer.json()["message"], "the server is starting: 7 % of it");
    let form = "POST / HTTP/1.1\r\ncontent-type: application/x-www-form-urlencoded";
    let answer = send(address, form, b"Action=ListQueues&Version=2012-11-05").await;
    assert_eq!((answer.status, answer.xml("Code").as_deref()), (503, Some("ServiceUnavailable")), "{}", answer.body);
    let answer = send(address, "GET /health HTTP/1.1", b"").await;
    assert_eq!((answer.status, answer.header("content-type")), (503, "application/json"));
    assert_eq!((&answer.json()["status"], &answer.json()["progress"]), (&"starting".into(), &"7 % of it".into()));

    let channel = Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
    let mut client = QueueServiceClient::with_interceptor(channel, with_key);
    let status = soon(client.list_queues(ListQueuesRequest::default())).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "the server is starting: 7 % of it"));
    assert_eq!(status.get_error_details().error_info().unwrap().reason, "STARTING");
    assert!(status.get_error_details().retry_info().is_some());

    there.cancel();
    soon(answering).await.unwrap().unwrap();
    // The port is open still: who connects now waits for the server itself.
    assert!(tokio::net::TcpStream::connect(address).await.is_ok());
    drop(listener);
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
