//! Bodies in chunks over the real port, put together and signed by hand.

use crate::{
    aws::{Answer, send},
    broker::{KEY_ID, SECRET, TestBroker, start, start_dev},
};
use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings},
    sign::v4::{SigningParams, calculate_signature, generate_signing_key},
};
use sha2::{Digest, Sha256};
use std::{fmt::Write, time::SystemTime};

const REGION: &str = "eu-north-1";
const SIGNED: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
const UNSIGNED: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";

/// A signed head whose body comes in chunks of this form, its date, and its signature.
struct Head {
    text: String,
    date: String,
    signature: String,
    time: SystemTime,
}

fn head(broker: &TestBroker, form: &str) -> Head {
    #[expect(clippy::disallowed_methods, reason = "the broker under test reads the machine's clock")]
    let time = SystemTime::now();
    let identity = Credentials::new(KEY_ID, SECRET, None, None, "test").into();
    let mut settings = SigningSettings::default();
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    let params = SigningParams::builder().identity(&identity).region(REGION).name("sqs").time(time).settings(settings);
    let headers = [("x-amz-target", "AmazonSQS.CreateQueue"), ("content-encoding", "aws-chunked")];
    let uri = format!("http://{}/", broker.address);
    let body = SignableBody::Precomputed(form.to_owned());
    let signable = SignableRequest::new("POST", uri, headers.into_iter(), body).unwrap();
    let signed = aws_sigv4::http_request::sign(signable, &params.build().unwrap().into()).unwrap();
    let (instructions, signature) = signed.into_parts();
    let (signed, _) = instructions.into_parts();
    let date = signed.iter().find(|header| header.name() == "x-amz-date").unwrap().value().to_owned();
    let mut text = "POST / HTTP/1.1".to_owned();
    for (name, value) in headers.into_iter().chain(signed.iter().map(|header| (header.name(), header.value()))) {
        write!(text, "\r\n{name}: {value}").unwrap();
    }
    Head { text, date, signature, time }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// The chunks, the empty one at the end, and the trailer, each with its signature.
fn signed_body(head: &Head, parts: &[&str], trailer: (&str, &str)) -> String {
    let key = generate_signing_key(SECRET, head.time, REGION, "sqs");
    let scope = format!("{}/{REGION}/sqs/aws4_request", &head.date[..8]);
    let mut before = head.signature.clone();
    let mut sign = |what: &str, hashes: &str| {
        let text = format!("AWS4-HMAC-SHA256-{what}\n{}\n{scope}\n{before}\n{hashes}", head.date);
        before = calculate_signature(key.as_ref(), text.as_bytes());
        before.clone()
    };
    let empty = hex(&Sha256::digest(b""));
    let mut body = String::new();
    for part in parts.iter().copied().chain([""]) {
        let signature = sign("PAYLOAD", &format!("{empty}\n{}", hex(&Sha256::digest(part))));
        let end = if part.is_empty() { "" } else { "\r\n" };
        write!(body, "{:x};chunk-signature={signature}\r\n{part}{end}", part.len()).unwrap();
    }
    let (name, value) = trailer;
    let signature = sign("TRAILER", &hex(&Sha256::digest(format!("{name}:{value}\n"))));
    body + &format!("{name}:{value}\r\nx-amz-trailer-signature:{signature}\r\n\r\n")
}

fn code(answer: &Answer) -> (u16, String) {
    let kind = answer.json()["__type"].as_str().unwrap_or_default().to_owned();
    (answer.status, kind.rsplit('#').next().unwrap().to_owned())
}

#[tokio::test]
async fn chunks_that_are_signed_are_read_and_a_changed_one_is_refused() {
    let broker = start().await;
    let head = head(&broker, SIGNED);
    let trailer = ("x-amz-checksum-crc32c", "sOO8/Q==");
    let body = signed_body(&head, &["{\"QueueName\":", "\"q\"}"], trailer);
    let answer = send(broker.address, &head.text, body.as_bytes()).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.json()["QueueUrl"].as_str().unwrap().ends_with("/q"));
    for (from, to) in [("\"q\"", "\"p\""), ("sOO8", "sOO9"), ("x-amz-trailer-signature:", "x-amz-other:")] {
        let changed = body.replace(from, to);
        assert_ne!(changed, body);
        let answer = send(broker.address, &head.text, changed.as_bytes()).await;
        assert_eq!(code(&answer), (403, "InvalidSignatureException".to_owned()), "{from} {}", answer.body);
    }
    let cut = send(broker.address, &head.text, &body.as_bytes()[..40]).await;
    assert_eq!(code(&cut), (400, "SerializationException".to_owned()));
}

#[tokio::test]
async fn chunks_that_are_not_signed_are_read_with_their_checksum() {
    let broker = start().await;
    let head = head(&broker, UNSIGNED);
    let (content, sum) = ("{\"QueueName\":\"q\"}", "x-amz-checksum-sha256");
    let digest = |text: &str| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, Sha256::digest(text));
    let body = |sum: &str| format!("5\r\n{}\r\nc\r\n{}\r\n0\r\n{sum}\r\n\r\n", &content[..5], &content[5..]);
    let good = body(&format!("{sum}:{}", digest(content)));
    let answer = send(broker.address, &head.text, good.as_bytes()).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let bad = send(broker.address, &head.text, body(&format!("{sum}:{}", digest("other"))).as_bytes()).await;
    assert_eq!(code(&bad), (400, "SerializationException".to_owned()));
    assert_eq!(bad.json()["message"], "The request's body does not match the checksum of its trailer.");
    let unframed = send(broker.address, &head.text, content.as_bytes()).await;
    assert_eq!(code(&unframed), (400, "SerializationException".to_owned()));
}

#[tokio::test]
async fn a_query_in_chunks_is_read_too() {
    let broker = start_dev(100).await;
    let head = format!(
        "POST / HTTP/1.1\r\ncontent-type: application/x-www-form-urlencoded\r\nx-amz-content-sha256: {UNSIGNED}"
    );
    let form = "Action=CreateQueue&Version=2012-11-05&QueueName=q";
    let body = format!("{:x}\r\n{form}\r\n0\r\n\r\n", form.len());
    let answer = send(broker.address, &head, body.as_bytes()).await;
    assert_eq!(answer.xml("QueueUrl").as_deref(), Some("http://127.0.0.1:9400/000000000000/q"), "{}", answer.body);
}
