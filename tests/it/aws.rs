//! A client of the AWS protocols for tests: what it sends and gets is written out, so that nothing hides a byte.

use crate::broker::{TestBroker, soon};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fmt::Write, net::SocketAddr};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(String::as_str).unwrap_or_default()
    }

    pub(crate) fn json(&self) -> Value {
        if self.body.is_empty() { json!({}) } else { serde_json::from_str(&self.body).expect(&self.body) }
    }

    /// The text of the first XML element of this name, unescaped.
    pub(crate) fn xml(&self, element: &str) -> Option<String> {
        let text = self.body.split_once(&format!("<{element}>"))?.1.split_once(&format!("</{element}>"))?.0;
        let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#xD;", "\r");
        Some(text.replace("&amp;", "&"))
    }
}

/// Sends one request over a connection of its own.
pub(crate) async fn send(address: SocketAddr, head: &str, body: &[u8]) -> Answer {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let host = if head.contains("host:") { String::new() } else { format!("host: {address}\r\n") };
    let head = format!("{head}\r\n{host}connection: close\r\ncontent-length: {length}\r\n\r\n");
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.write_all(body).await.unwrap();
    let mut answer = Vec::new();
    soon(socket.read_to_end(&mut answer)).await.unwrap();
    // The one form that is no text is looked at only for the texts in it.
    read(&String::from_utf8_lossy(&answer))
}

pub(crate) fn read(answer: &str) -> Answer {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let pair = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned())).unwrap();
    Answer { status, headers: lines.map(pair).collect(), body: body.to_owned() }
}

/// Calls an operation in AWS JSON 1.0.
pub(crate) async fn call(broker: &TestBroker, operation: &str, input: &Value) -> Answer {
    let kind = "content-type: application/x-amz-json-1.0\r\nx-amzn-query-mode: true";
    let head = format!("POST / HTTP/1.1\r\nx-amz-target: AmazonSQS.{operation}\r\n{kind}");
    send(broker.address, &head, input.to_string().as_bytes()).await
}

/// Calls an operation that succeeds.
pub(crate) async fn done(broker: &TestBroker, operation: &str, input: &Value) -> Value {
    let answer = call(broker, operation, input).await;
    assert_eq!(answer.status, 200, "{operation}: {}", answer.body);
    answer.json()
}

/// Calls an operation in the Query protocol; without an operation no action is named.
pub(crate) async fn query(broker: &TestBroker, path: &str, operation: &str, input: &Value) -> Answer {
    let mut body = form(operation, input);
    if !operation.is_empty() {
        body = format!("Action={operation}&Version=2012-11-05&{body}");
    }
    let kind = "content-type: application/x-www-form-urlencoded; charset=utf-8";
    send(broker.address, &format!("POST {path} HTTP/1.1\r\n{kind}"), body.as_bytes()).await
}

/// An input as the parameters of a Query, by the names that SQS gives them there.
pub(crate) fn form(operation: &str, input: &Value) -> String {
    let mut pairs = Vec::new();
    flatten(operation, "", input, &mut pairs);
    let encode = |text: &str| {
        text.bytes().fold(String::new(), |mut out, byte| {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
                b' ' => out.push('+'),
                _ => write!(out, "%{byte:02X}").unwrap(),
            }
            out
        })
    };
    pairs.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect::<Vec<_>>().join("&")
}

fn flatten(operation: &str, prefix: &str, input: &Value, pairs: &mut Vec<(String, String)>) {
    for (member, value) in input.as_object().unwrap() {
        let list = match member.as_str() {
            "Entries" => format!("{operation}RequestEntry"),
            "Attributes" => "Attribute".to_owned(),
            "Tags" | "tags" => "Tag".to_owned(),
            "Actions" => "ActionName".to_owned(),
            other => other.trim_end_matches('s').to_owned(),
        };
        let mut add = |name: String, value: &Value| {
            let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
            pairs.push((format!("{prefix}{name}"), text));
        };
        match value {
            Value::Array(items) if items.iter().all(Value::is_object) => {
                for (at, item) in items.iter().enumerate() {
                    flatten(operation, &format!("{prefix}{list}.{}.", at + 1), item, pairs);
                }
            }
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(at, item)| add(format!("{list}.{}", at + 1), item));
            }
            Value::Object(members) => {
                let key = if list == "Tag" { "Key" } else { "Name" };
                for (at, (name, value)) in members.iter().enumerate() {
                    let at = at + 1;
                    add(format!("{list}.{at}.{key}"), &json!(name));
                    match value.as_object() {
                        Some(parts) => {
                            parts.iter().for_each(|(part, value)| add(format!("{list}.{at}.Value.{part}"), value));
                        }
                        None => add(format!("{list}.{at}.Value"), value),
                    }
                }
            }
            scalar => add(member.clone(), scalar),
        }
    }
}
