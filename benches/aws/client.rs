//! A client as SDKs are: one connection, one call at a time, a new signature for each.

use super::Failure;
use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4::SigningParams,
};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use std::{fmt::Write, net::SocketAddr, time::SystemTime};
use tokio::net::TcpStream;

const BODY_BYTES: usize = 1024;
/// As long as the broker's own: what is sent to a server that stores nothing is no shorter.
pub(super) const NO_RECEIPT: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
/// Says that the server stores nothing.
pub(super) const STORES_NOTHING: &str = "x-stores-nothing";

#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) id: String,
    pub(super) secret: String,
}

pub(super) struct Client {
    connection: SendRequest<Full<Bytes>>,
    host: String,
    credentials: Credentials,
    stores: bool,
}

impl Client {
    pub(super) async fn connect(server: SocketAddr, key: &Key) -> Result<Self, Failure> {
        let socket = TcpStream::connect(server).await?;
        socket.set_nodelay(true)?;
        let (connection, driver) = http1::handshake(TokioIo::new(socket)).await?;
        tokio::spawn(driver);
        let credentials = Credentials::new(&key.id, &key.secret, None, None, "bench");
        let mut client = Self { connection, host: server.to_string(), credentials, stores: true };
        client.call("ListQueues", "{}").await?;
        Ok(client)
    }

    /// Whether what is sent can be received.
    pub(super) fn stores(&self) -> bool {
        self.stores
    }

    pub(super) async fn call(&mut self, operation: &str, body: &str) -> Result<Bytes, Failure> {
        let target = format!("AmazonSQS.{operation}");
        let uri = format!("http://{}/", self.host);
        let headers =
            [("host", self.host.as_str()), ("x-amz-target", &target), ("content-type", "application/x-amz-json-1.0")];
        let identity = self.credentials.clone().into();
        let params = SigningParams::builder()
            .identity(&identity)
            .region("us-east-1")
            .name("sqs")
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()?;
        let signable = SignableRequest::new("POST", &uri, headers.into_iter(), SignableBody::Bytes(body.as_bytes()))?;
        let (instructions, _) = sign(signable, &params.into())?.into_parts();
        let (added, _) = instructions.into_parts();
        let mut request = Request::post("/");
        for (name, value) in headers.into_iter().chain(added.iter().map(|header| (header.name(), header.value()))) {
            request = request.header(name, value);
        }
        self.connection.ready().await?;
        let request = request.body(Full::new(Bytes::copy_from_slice(body.as_bytes())))?;
        let response = self.connection.send_request(request).await?;
        let status = response.status();
        self.stores &= !response.headers().contains_key(STORES_NOTHING);
        let answer = response.into_body().collect().await?.to_bytes();
        if !status.is_success() {
            return Err(format!("{operation}: {status} {}", String::from_utf8_lossy(&answer)).into());
        }
        Ok(answer)
    }
}

fn queue_url() -> &'static str {
    r#""QueueUrl":"http://127.0.0.1/000000000000/bench""#
}

pub(super) fn one_message() -> String {
    format!(r#"{{{},"MessageBody":"{}"}}"#, queue_url(), "x".repeat(BODY_BYTES))
}

pub(super) fn ten_messages() -> String {
    let body = "x".repeat(BODY_BYTES);
    let mut entries = String::new();
    for id in 0..10 {
        let comma = if id > 0 { "," } else { "" };
        // Writing to a string cannot fail.
        let _ = write!(entries, r#"{comma}{{"Id":"{id}","MessageBody":"{body}"}}"#);
    }
    format!(r#"{{{},"Entries":[{entries}]}}"#, queue_url())
}

pub(super) fn receive() -> String {
    format!(r#"{{{},"MaxNumberOfMessages":10}}"#, queue_url())
}

pub(super) fn receipts(received: &[u8]) -> Result<Vec<&str>, Failure> {
    let answer: Received<'_> = serde_json::from_slice(received)?;
    Ok(answer.messages.into_iter().map(|message| message.receipt_handle).collect())
}

/// What the bench wants of an answer to ReceiveMessage.
#[derive(Deserialize)]
struct Received<'a> {
    #[serde(borrow, default, rename = "Messages")]
    messages: Vec<ReceivedMessage<'a>>,
}

#[derive(Deserialize)]
struct ReceivedMessage<'a> {
    #[serde(rename = "ReceiptHandle")]
    receipt_handle: &'a str,
}

pub(super) fn deletions(receipts: &[&str]) -> String {
    let mut entries = String::new();
    for (id, receipt) in receipts.iter().enumerate() {
        let comma = if id > 0 { "," } else { "" };
        // Writing to a string cannot fail.
        let _ = write!(entries, r#"{comma}{{"Id":"{id}","ReceiptHandle":"{receipt}"}}"#);
    }
    format!(r#"{{{},"Entries":[{entries}]}}"#, queue_url())
}
