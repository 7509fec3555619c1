//! More connections than there may be.

use crate::{
    aws::send,
    broker::{TestBroker, soon, start_with, with_key},
};
use forebay::{
    proto::{
        admin::v1::{GetStatusRequest, admin_service_client::AdminServiceClient},
        queue::v1::{ListQueuesRequest, queue_service_client::QueueServiceClient},
    },
    protocol::port::serve::ServerOptions,
};
use tonic::Code;
use tonic_types::StatusExt;

/// A broker that takes one connection, and that one.
async fn full() -> (TestBroker, AdminServiceClient<crate::broker::Wire>) {
    let broker = start_with(ServerOptions { max_connections: 1, ..ServerOptions::default() }).await;
    let mut admin = broker.admin().await;
    admin.get_status(GetStatusRequest {}).await.unwrap();
    (broker, admin)
}

async fn refused(admin: &mut AdminServiceClient<crate::broker::Wire>) -> u64 {
    admin.get_status(GetStatusRequest {}).await.unwrap().into_inner().refused_connections
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_over_the_limit_is_told_so_in_http_1() {
    let (broker, mut admin) = full().await;
    let json = "POST / HTTP/1.1\r\nx-amz-target: AmazonSQS.ListQueues\r\ncontent-type: application/x-amz-json-1.0";
    // A body that is larger than the buffers of the socket: the answer must not be lost behind it.
    let answer = send(broker.address, json, &vec![b' '; 4 << 20]).await;
    assert_eq!((answer.status, answer.header("retry-after"), answer.header("connection")), (503, "1", "close"));
    assert_eq!(answer.json()["__type"], "com.amazon.coral.service#ServiceUnavailableException");
    assert_eq!(answer.json()["message"], "1 connections are open, and no more are taken");
    let form = "POST / HTTP/1.1\r\ncontent-type: application/x-www-form-urlencoded";
    let answer = send(broker.address, form, b"Action=ListQueues&Version=2012-11-05").await;
    assert_eq!((answer.status, answer.xml("Code").as_deref()), (503, Some("ServiceUnavailable")), "{}", answer.body);
    assert_eq!(refused(&mut admin).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_over_the_limit_is_told_so_in_grpc() {
    let (broker, mut admin) = full().await;
    let mut client = QueueServiceClient::with_interceptor(broker.stranger().await, with_key);
    let status = soon(client.list_queues(ListQueuesRequest::default())).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    assert_eq!(status.get_error_details().error_info().unwrap().reason, "TOO_MANY_CONNECTIONS");
    assert!(status.get_error_details().retry_info().is_some());
    assert_eq!(refused(&mut admin).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_is_free_again_is_given_to_the_next() {
    let (broker, admin) = full().await;
    drop(admin);
    // The connection ends when its client has gone; until then the others are refused.
    let answer = soon(async {
        loop {
            let answer = send(broker.address, "GET /health HTTP/1.1", b"").await;
            if answer.status != 503 {
                return answer;
            }
        }
    });
    assert_eq!(answer.await.status, 200);
}
