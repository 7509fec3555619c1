//! The port itself: health, reflection, gRPC-Web, connections, limits, request ids, deadlines.

use crate::broker::{KEY_ID, SECRET, bodies, message, seconds, soon, start, start_with};
use forebay::{
    proto::{
        admin::v1 as admin,
        queue::v1::{self as wire, queue_service_client::QueueServiceClient},
    },
    protocol::port::serve::ServerOptions,
};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tonic::{Code, Request};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};
use tonic_reflection::pb::{v1, v1alpha};
use tonic_types::StatusExt;

#[tokio::test]
async fn health_serves_and_stops_serving_with_the_drain() {
    let broker = start().await;
    let mut health = HealthClient::new(broker.channel().await);
    for service in ["", "forebay.queue.v1.QueueService", "forebay.admin.v1.AdminService"] {
        let request = HealthCheckRequest { service: service.into() };
        let answer = health.check(request).await.unwrap().into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "{service}");
    }
    let mut watch = health.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert_eq!(soon(watch.message()).await.unwrap().unwrap().status(), ServingStatus::Serving);
    broker.draining.cancel();
    assert_eq!(soon(watch.message()).await.unwrap().unwrap().status(), ServingStatus::NotServing);
    assert!(soon(watch.message()).await.unwrap().is_none(), "a watch does not hold up the drain");
    assert_eq!(soon(broker.end()).await.cut_calls, 0);
}

#[tokio::test]
async fn reflection_lists_the_services_in_both_versions() {
    let broker = start().await;
    let expected = ["forebay.admin.v1.AdminService", "forebay.queue.v1.QueueService", "grpc.health.v1.Health"];
    let asked = v1::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(v1::server_reflection_request::MessageRequest::ListServices(String::new())),
    };
    let mut client = v1::server_reflection_client::ServerReflectionClient::new(broker.channel().await);
    let mut answers = client.server_reflection_info(tokio_stream::once(asked)).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response.unwrap();
    let v1::server_reflection_response::MessageResponse::ListServicesResponse(list) = answer else {
        panic!("{answer:?}")
    };
    let names: Vec<_> = list.service.iter().map(|service| service.name.as_str()).collect();
    assert!(expected.iter().all(|name| names.contains(name)), "{names:?}");

    let asked = v1alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(v1alpha::server_reflection_request::MessageRequest::FileContainingSymbol(
            "forebay.queue.v1.QueueService".into(),
        )),
    };
    let mut client = v1alpha::server_reflection_client::ServerReflectionClient::new(broker.channel().await);
    let mut answers = client.server_reflection_info(tokio_stream::once(asked)).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response.unwrap();
    use v1alpha::server_reflection_response::MessageResponse;
    assert!(matches!(answer, MessageResponse::FileDescriptorResponse(_)), "{answer:?}");
}

/// Sends one HTTP/1.1 request and returns the whole answer.
async fn http1(address: std::net::SocketAddr, head: &str, body: &[u8]) -> Vec<u8> {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let head = format!("{head}\r\nhost: forebay\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.write_all(body).await.unwrap();
    let mut answer = Vec::new();
    soon(socket.read_to_end(&mut answer)).await.unwrap();
    answer
}

fn contains(answer: &[u8], text: &str) -> bool {
    answer.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test]
async fn a_browser_calls_over_plain_http_one() {
    let page = "https://console.example";
    let broker = start_with(ServerOptions { web_origins: vec![page.into()], ..ServerOptions::default() }).await;
    broker.create("orders", wire::Queue::default()).await;
    let request = wire::GetQueueRequest { name: "orders".into(), view: 0 };
    let bytes = prost::Message::encode_to_vec(&request);
    let mut body = vec![0];
    body.extend((bytes.len() as u32).to_be_bytes());
    body.extend(bytes);
    let head = |origin: &str| {
        let kind = "content-type: application/grpc-web+proto\r\nx-grpc-web: 1";
        let key = format!("authorization: Bearer {KEY_ID}:{SECRET}");
        format!("POST /forebay.queue.v1.QueueService/GetQueue HTTP/1.1\r\n{kind}\r\n{key}\r\norigin: {origin}")
    };
    let answer = http1(broker.address, &head(page), &body).await;
    assert!(contains(&answer, "HTTP/1.1 200"));
    assert!(contains(&answer, "namespaces/000000000000/queues/orders"));
    assert!(contains(&answer, "grpc-status:0"));
    assert!(contains(&answer, &format!("access-control-allow-origin: {page}")));
    let stranger = http1(broker.address, &head("https://evil.example"), &body).await;
    assert!(!contains(&stranger, "access-control-allow-origin"));
    let asks = "OPTIONS /forebay.queue.v1.QueueService/GetQueue HTTP/1.1\r\naccess-control-request-method: POST\r\n\
                access-control-request-headers: authorization,x-grpc-web";
    let preflight = http1(broker.address, &format!("{asks}\r\norigin: {page}"), b"").await;
    assert!(contains(&preflight, "access-control-allow-methods: POST"));
    assert!(contains(&preflight, "access-control-allow-headers: authorization,x-grpc-web"));
}

#[tokio::test]
async fn connections_are_listed_with_their_client_and_closed_by_id() {
    let broker = start().await;
    let mut victim = broker.queues().await;
    let mut hello = Request::new(wire::ListQueuesRequest::default());
    hello.metadata_mut().insert("x-forebay-client", "tester/1".parse().unwrap());
    victim.list_queues(hello).await.unwrap();
    let mut admin = broker.admin().await;
    let listed = admin.list_connections(admin::ListConnectionsRequest::default()).await.unwrap().into_inner();
    let found: Vec<_> = listed.connections.iter().filter(|connection| connection.client == "tester/1").collect();
    let [found] = found[..] else { panic!("{listed:?}") };
    assert_eq!(
        (found.protocol.as_str(), found.principal.as_str(), found.open_calls),
        ("grpc", "arn:aws:iam::000000000000:user/admin", 0)
    );
    assert!(found.received_bytes > 0 && found.sent_bytes > 0 && found.open_time.is_some());
    let own = listed.connections.iter().find(|connection| connection.id != found.id).unwrap();
    assert_eq!(own.open_calls, 1, "the call that asks is open");
    // A call that waits notices; the channel may connect again afterwards.
    broker.create("orders", wire::Queue::default()).await;
    let wait = wire::ReceiveRequest { queue: "orders".into(), wait: seconds(20), ..Default::default() };
    let waiting = tokio::spawn(async move { victim.receive(wait).await });
    let id = found.id.clone();
    loop {
        let listed = admin.list_connections(admin::ListConnectionsRequest::default()).await.unwrap().into_inner();
        if listed.connections.iter().any(|connection| connection.id == id && connection.open_calls == 1) {
            break;
        }
    }
    admin.close_connection(admin::CloseConnectionRequest { id: id.clone() }).await.unwrap();
    assert!(soon(waiting).await.unwrap().is_err());
    loop {
        let listed = admin.list_connections(admin::ListConnectionsRequest::default()).await.unwrap().into_inner();
        if listed.connections.iter().all(|connection| connection.id != id) {
            break;
        }
    }
}

#[tokio::test]
async fn a_request_id_is_echoed_and_quoted_in_errors() {
    let broker = start().await;
    let mut client = broker.queues().await;
    let with_id = |name: &str| {
        let mut request = Request::new(wire::GetQueueRequest { name: name.into(), view: 0 });
        request.metadata_mut().insert("x-request-id", "r-42".parse().unwrap());
        request
    };
    broker.create("orders", wire::Queue::default()).await;
    let answer = client.get_queue(with_id("orders")).await.unwrap();
    assert_eq!(answer.metadata().get("x-request-id").unwrap(), "r-42");
    let status = client.get_queue(with_id("missing")).await.unwrap_err();
    assert_eq!(status.get_error_details().request_info().unwrap().request_id, "r-42");
    assert_eq!(status.metadata().get("x-request-id").unwrap(), "r-42");
    let status = client.get_queue(wire::GetQueueRequest { name: "missing".into(), view: 0 }).await.unwrap_err();
    let id = status.get_error_details().request_info().unwrap().request_id.clone();
    assert_eq!(status.metadata().get("x-request-id").unwrap(), id.as_str());
}

#[tokio::test]
async fn what_the_transport_refuses_has_details_too() {
    let broker = start_with(ServerOptions { max_request_bytes: 4096, ..ServerOptions::default() }).await;
    broker.create("orders", wire::Queue::default()).await;
    let large = message(&"x".repeat(5000));
    let request = wire::SendRequest { queue: "orders".into(), messages: vec![large], durability: 0 };
    let status = broker.queues().await.send(request).await.unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange);
    assert_eq!(status.get_error_details().error_info().unwrap().reason, "INVALID_ARGUMENT");

    let mut grpc = tonic::client::Grpc::new(broker.channel().await);
    grpc.ready().await.unwrap();
    let path = http::uri::PathAndQuery::from_static("/forebay.queue.v1.QueueService/Nothing");
    let codec = tonic_prost::ProstCodec::<(), ()>::default();
    let status = grpc.unary(Request::new(()), path, codec).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    assert_eq!(status.get_error_details().error_info().unwrap().reason, "UNIMPLEMENTED");
}

#[tokio::test]
async fn a_deadline_ends_a_long_poll_and_loses_nothing() {
    let broker = start().await;
    broker.create("orders", wire::Queue::default()).await;
    let mut client = broker.queues().await;
    let poll = wire::ReceiveRequest { queue: "orders".into(), wait: seconds(20), ..Default::default() };
    let mut hurried = Request::new(poll.clone());
    hurried.set_timeout(Duration::from_millis(50));
    let status = soon(client.receive(hurried)).await.unwrap_err();
    assert!(matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled), "{status:?}");
    let request = wire::SendRequest { queue: "orders".into(), messages: vec![message("1")], durability: 0 };
    client.send(request).await.unwrap();
    let received = client.receive(poll).await.unwrap().into_inner().messages;
    assert_eq!((bodies(&received), received[0].receive_count), (vec!["1".to_owned()], 1));
}

#[tokio::test]
async fn calls_left_when_the_grace_ends_are_cut_and_counted() {
    let broker = start_with(ServerOptions { drain_timeout: Duration::from_millis(50), ..Default::default() }).await;
    broker.create("orders", wire::Queue::default()).await;
    let mut client = broker.queues().await;
    // It is told of the drain and stays all the same.
    let open = wire::consume_request::Open { queue: "orders".into(), ..Default::default() };
    let open = wire::ConsumeRequest { frame: Some(wire::consume_request::Frame::Open(open)) };
    let frames = tokio_stream::StreamExt::chain(tokio_stream::iter([open]), tokio_stream::pending());
    let mut answers = client.consume(frames).await.unwrap().into_inner();
    let waiting = tokio::spawn(async move {
        while answers.message().await?.is_some() {}
        Ok::<_, tonic::Status>(())
    });
    let mut admin = broker.admin().await;
    loop {
        let listed = admin.list_connections(admin::ListConnectionsRequest::default()).await.unwrap().into_inner();
        if listed.connections.iter().map(|connection| connection.open_calls).sum::<u32>() == 2 {
            break;
        }
    }
    drop(admin);
    assert_eq!(soon(broker.end()).await.cut_calls, 1);
    assert!(soon(waiting).await.unwrap().is_err());
}

#[tokio::test]
async fn a_compressed_request_is_read() {
    let broker = start().await;
    broker.create("orders", wire::Queue::default()).await;
    let client = QueueServiceClient::new(broker.channel().await);
    let mut client = client.send_compressed(tonic::codec::CompressionEncoding::Gzip);
    let request = wire::SendRequest { queue: "orders".into(), messages: vec![message("hello")], durability: 0 };
    assert_eq!(client.send(request).await.unwrap().into_inner().results.len(), 1);
}

#[tokio::test]
async fn the_server_tells_what_it_is() {
    let broker = start().await;
    let mut admin = broker.admin().await;
    let info = admin.get_server_info(admin::GetServerInfoRequest {}).await.unwrap().into_inner();
    assert_eq!((info.version.as_str(), info.region.as_str()), (env!("CARGO_PKG_VERSION"), "us-east-1"));
    assert!(info.capabilities.iter().any(|name| name == "queue.consume.resume"));
    assert_eq!(info.limits["batch_entries"], 1000);
    admin.set_log_filter(admin::SetLogFilterRequest { filter: "debug".into() }).await.unwrap();
    assert!(admin.get_config(admin::GetConfigRequest {}).await.unwrap().into_inner().values.is_empty());
}
