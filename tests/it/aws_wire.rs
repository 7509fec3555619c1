//! The AWS protocol as HTTP carries it: both versions, `Expect`, limits, links that were signed, keys that have ended.

use crate::{
    aws::{Answer, call, done, send},
    aws_sqs::sign,
    broker::{KEY_ID, SECRET, TestBroker, soon, start, start_dev},
};
use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings},
    sign::v4::SigningParams,
};
use bytes::Bytes;
use forebay::{
    base::time::{Clock as _, Timestamp},
    runtime::SystemClock,
    service::{access::manage::CreateAccessKey, broker::Via},
};
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use std::time::{Duration, SystemTime};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

fn now() -> SystemTime {
    #[expect(clippy::disallowed_methods, reason = "the broker under test reads the machine's clock")]
    SystemTime::now()
}

/// One request over HTTP/2, without asking whether the server speaks it: status and body.
async fn over_http2(broker: &TestBroker, head: &str, body: &[u8]) -> (u16, String) {
    let socket = TcpStream::connect(broker.address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(socket)).await.unwrap();
    tokio::spawn(connection);
    let mut lines = head.split("\r\n");
    let path = lines.next().unwrap().split(' ').nth(1).unwrap();
    let mut request = Request::post(format!("http://{}{path}", broker.address));
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        request = request.header(name, value);
    }
    let request = request.body(Full::new(Bytes::copy_from_slice(body))).unwrap();
    let answer = soon(sender.send_request(request)).await.unwrap();
    assert!(answer.headers().contains_key("x-amzn-requestid"));
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn a_query_of_very_many_parameters_is_refused_before_it_is_read() {
    let broker = start().await;
    let head = "POST / HTTP/1.1\r\ncontent-type: application/x-www-form-urlencoded";
    let answer = send(broker.address, head, "a&".repeat(10_000).as_bytes()).await;
    assert_eq!((answer.status, answer.xml("Code").as_deref()), (400, Some("MalformedInput")), "{}", answer.body);
    assert_eq!(answer.xml("Message").as_deref(), Some("The request has more than 10000 parameters."));
    let fewer = send(broker.address, head, "a&".repeat(9_999).as_bytes()).await;
    assert_eq!(fewer.status, 404, "it names no action: {}", fewer.body);
}

#[tokio::test]
async fn http2_carries_both_forms_without_being_announced() {
    let broker = start().await;
    let body = b"{\"QueueName\":\"q\"}";
    let signed = sign(&broker, (KEY_ID, SECRET), now(), body);
    assert_eq!(over_http2(&broker, &signed, body).await.0, 200);
    let (status, answer) = over_http2(&broker, &signed, b"{\"QueueName\":\"p\"}").await;
    assert!(status == 403 && answer.contains("InvalidSignatureException"), "{answer}");
    let kind = "content-type: application/x-www-form-urlencoded";
    let (status, answer) = over_http2(&broker, &format!("POST /1/q HTTP/2\r\n{kind}"), b"Action=DeleteQueue").await;
    assert!(status == 403 && answer.contains("<Code>MissingAuthenticationToken</Code>"), "{answer}");
}

#[tokio::test]
async fn a_client_that_waits_to_be_told_is_told_to_go_on() {
    let broker = start_dev(100).await;
    let mut socket = TcpStream::connect(broker.address).await.unwrap();
    let head = format!(
        "POST / HTTP/1.1\r\nhost: {}\r\nx-amz-target: AmazonSQS.ListQueues\r\nexpect: 100-continue\r\n\
         connection: close\r\ncontent-length: 2\r\n\r\n",
        broker.address
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut told = [0; 25];
    soon(socket.read_exact(&mut told)).await.unwrap();
    assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n", "nothing of the body was sent yet");
    socket.write_all(b"{}").await.unwrap();
    let mut answer = String::new();
    soon(socket.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("{}"), "{answer}");
}

#[tokio::test]
async fn a_request_that_says_it_is_too_large_is_refused_unread() {
    let broker = start_dev(100).await;
    for (head, code) in [
        ("POST / HTTP/1.1\r\nx-amz-target: AmazonSQS.SendMessage", "RequestEntityTooLargeException"),
        ("POST / HTTP/1.1\r\ncontent-type: application/x-www-form-urlencoded", "<Code>RequestEntityTooLarge</Code>"),
    ] {
        let mut socket = TcpStream::connect(broker.address).await.unwrap();
        let head = format!("{head}\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", (16 << 20) + 1);
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        soon(socket.read_to_string(&mut answer)).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains(code), "{answer}");
    }
}

/// The head of a GET of a link that AWS's own signer signed.
fn link(broker: &TestBroker, token: Option<&str>, time: SystemTime, query: &str) -> String {
    let identity = Credentials::new(KEY_ID, SECRET, token.map(ToOwned::to_owned), None, "test").into();
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(Duration::from_secs(60));
    let params = SigningParams::builder().identity(&identity).region("us-east-1").name("sqs");
    let params = params.time(time).settings(settings).build().unwrap();
    let uri = format!("http://{}/000000000000/q?{query}", broker.address);
    let signable = SignableRequest::new("GET", uri, [].into_iter(), SignableBody::Bytes(b"")).unwrap();
    let (instructions, _) = aws_sigv4::http_request::sign(signable, &params.into()).unwrap().into_parts();
    let (_, added) = instructions.into_parts();
    let encode = |text: &str| text.replace('/', "%2F").replace('+', "%2B").replace('=', "%3D").replace(';', "%3B");
    let added: String = added.iter().map(|(name, value)| format!("&{name}={}", encode(value))).collect();
    format!("GET /000000000000/q?{query}{added} HTTP/1.1")
}

#[tokio::test]
async fn whoever_holds_a_signed_link_may_follow_it_as_it_is_until_it_expires() {
    let broker = start().await;
    broker.create("q", forebay::proto::queue::v1::Queue::default()).await;
    let query = "Action=SendMessage&Version=2012-11-05&MessageBody=a%20b";
    let follow = |head: String| {
        let address = broker.address;
        async move { send(address, &head, b"").await }
    };
    for token in [None, Some("a/session+token=")] {
        let sent = follow(link(&broker, token, now(), query)).await;
        assert_eq!((sent.status, sent.xml("MD5OfMessageBody").is_some()), (200, true), "{sent:?}");
    }
    let code = |answer: &Answer| (answer.status, answer.xml("Code").unwrap_or_default());
    let refused = (403, "SignatureDoesNotMatch".to_owned());
    let changed = follow(link(&broker, None, now(), query).replace("a%20b", "a%20c")).await;
    assert_eq!(code(&changed), refused);
    let late = follow(link(&broker, None, now() - Duration::from_secs(62), query)).await;
    assert_eq!(code(&late), refused);
    assert!(late.xml("Message").unwrap().starts_with("Signature expired: "), "{late:?}");
}

#[tokio::test]
async fn a_key_that_has_ended_is_told_apart_from_one_that_is_not_known() {
    let broker = start().await;
    let here = Via { source_ip: Some("127.0.0.1".parse().unwrap()), secure: false };
    let admin = broker.broker.bearer(Some(format!("Bearer {KEY_ID}:{SECRET}").as_bytes()), here).unwrap();
    let soon = Timestamp(SystemClock.now().0 + 300);
    let passing = CreateAccessKey { user: "bob".into(), expires: Some(soon), ..CreateAccessKey::default() };
    let key = broker.broker.create_access_key(&admin, passing).await.unwrap();
    tokio::time::sleep(soon.since(SystemClock.now()) + Duration::from_millis(1)).await;
    let secret = key.secret.as_ref().unwrap().expose();
    let code = |answer: Answer| (answer.status, answer.header("x-amzn-query-error").to_owned());
    let body = b"{\"QueueName\":\"q\"}";
    let ended = send(broker.address, &sign(&broker, (&key.id, secret), now(), body), body).await;
    assert_eq!(code(ended), (403, "ExpiredToken;Sender".to_owned()));
    broker.broker.revoke_access_key(&admin, &key.id, true).await.unwrap();
    let unknown = send(broker.address, &sign(&broker, (&key.id, secret), now(), body), body).await;
    assert_eq!(code(unknown), (403, "InvalidClientTokenId;Sender".to_owned()));
}

#[tokio::test]
async fn attributes_of_one_name_are_refused_however_they_are_spelled() {
    let broker = start_dev(100).await;
    let url = done(&broker, "CreateQueue", &json!({"QueueName": "q"})).await["QueueUrl"].clone();
    let twice = format!(
        "{{\"QueueUrl\":{url},\"MessageBody\":\"m\",\"MessageAttributes\":{{\
         \"a\":{{\"DataType\":\"String\",\"StringValue\":\"1\"}},\"a\":{{\"DataType\":\"String\",\"StringValue\":\"2\"}}}}}}"
    );
    let head = "POST / HTTP/1.1\r\nx-amz-target: AmazonSQS.SendMessage";
    let refused = send(broker.address, head, twice.as_bytes()).await;
    assert_eq!(refused.header("x-amzn-query-error"), "InvalidParameterValue;Sender", "{refused:?}");
    let one = |at: u8| {
        let names = format!("MessageAttribute.{at}.Name=a&MessageAttribute.{at}.Value.DataType=String");
        format!("{names}&MessageAttribute.{at}.Value.StringValue={at}")
    };
    let body = format!("Action=SendMessage&MessageBody=m&{}&{}", one(1), one(2));
    let refused = send(broker.address, "POST /000000000000/q HTTP/1.1", body.as_bytes()).await;
    assert_eq!(refused.xml("Code").as_deref(), Some("InvalidParameterValue"), "{refused:?}");
    assert_eq!(
        call(&broker, "ReceiveMessage", &json!({"QueueUrl": url})).await.json(),
        json!({}),
        "nothing was stored"
    );
}
