//! Kinesis in CBOR, as the SDKs for Java speak it. No such SDK runs here: what it sends is written down by hand, from the
//! standard (RFC 8949) and from what is known of its generator: maps and lists that end with a mark, text and bytes with
//! their length, numbers as short as they can be, and a moment as tag 1 over whole milliseconds.

use crate::{
    broker::{TestBroker, TestClock, soon, start_at},
    kinesis::{data, done},
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use minicbor::{
    Decoder,
    data::{IanaTag, Type},
};
use serde_json::{Map, Value, json};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const SECOND: Duration = Duration::from_secs(1);

/// A value as the generator of the SDK writes it.
enum Java {
    Text(&'static str),
    Long(String),
    Bytes(&'static [u8]),
    Number(u64),
    Millis(u64),
    List(Vec<Java>),
    Map(Vec<(&'static str, Java)>),
}

use Java::{Bytes, List, Long, Millis, Number, Text};

/// The head of an item: its major type and its length or value, as short as can be.
fn head(to: &mut Vec<u8>, major: u8, value: u64) {
    let bytes = value.to_be_bytes();
    let short = |to: &mut Vec<u8>, mark: u8, from: usize| {
        to.push(major << 5 | mark);
        to.extend_from_slice(&bytes[from..]);
    };
    match value {
        0..24 => to.push(major << 5 | bytes[7]),
        24..0x100 => short(to, 24, 7),
        0x100..0x1_0000 => short(to, 25, 6),
        0x1_0000..0x1_0000_0000 => short(to, 26, 4),
        _ => short(to, 27, 0),
    }
}

impl Java {
    fn write(&self, to: &mut Vec<u8>) {
        match self {
            Text(text) => write_text(to, text),
            Long(text) => write_text(to, text),
            Bytes(bytes) => {
                head(to, 2, bytes.len() as u64);
                to.extend_from_slice(bytes);
            }
            Number(number) => head(to, 0, *number),
            Millis(millis) => {
                to.push(0xc1);
                head(to, 0, *millis);
            }
            List(items) => {
                to.push(0x9f);
                items.iter().for_each(|item| item.write(to));
                to.push(0xff);
            }
            Self::Map(members) => {
                to.push(0xbf);
                for (name, value) in members {
                    write_text(to, name);
                    value.write(to);
                }
                to.push(0xff);
            }
        }
    }
}

fn write_text(to: &mut Vec<u8>, text: &str) {
    head(to, 3, text.len() as u64);
    to.extend_from_slice(text.as_bytes());
}

fn body(members: Vec<(&'static str, Java)>) -> Vec<u8> {
    let mut body = Vec::new();
    Java::Map(members).write(&mut body);
    body
}

/// A request's bytes, and what comes back up to the end of the connection.
async fn exchange(broker: &TestBroker, operation: &str, body: &[u8]) -> (String, Vec<u8>) {
    let mut socket = post(broker, operation, body).await;
    let mut answer = Vec::new();
    soon(socket.read_to_end(&mut answer)).await.unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    (String::from_utf8(answer[..end].to_vec()).unwrap(), answer[end + 4..].to_vec())
}

async fn post(broker: &TestBroker, operation: &str, body: &[u8]) -> TcpStream {
    let head = format!(
        "POST / HTTP/1.1\r\nhost: h\r\nconnection: close\r\nx-amz-target: Kinesis_20131202.{operation}\r\n\
         content-type: application/x-amz-cbor-1.1\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut socket = TcpStream::connect(broker.address).await.unwrap();
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.write_all(body).await.unwrap();
    socket
}

/// An answer as JSON: bytes in Base64, moments as `{"millis": …}`. Whatever the reader of the SDK breaks at, this does.
fn read(from: &mut Decoder<'_>) -> Value {
    match from.datatype().unwrap() {
        Type::Map => {
            let count = from.map().unwrap().unwrap();
            let member = |from: &mut Decoder<'_>| (from.str().unwrap().to_owned(), read(from));
            Value::Object((0..count).map(|_| member(from)).collect::<Map<_, _>>())
        }
        Type::Array => {
            let count = from.array().unwrap().unwrap();
            Value::Array((0..count).map(|_| read(from)).collect())
        }
        Type::Tag => {
            assert_eq!(from.tag().unwrap(), IanaTag::Timestamp.tag());
            json!({"millis": from.u64().expect("whole milliseconds")})
        }
        Type::Bytes => json!(BASE64.encode(from.bytes().unwrap())),
        Type::String => json!(from.str().unwrap()),
        Type::Bool => json!(from.bool().unwrap()),
        _ => json!(from.i64().unwrap()),
    }
}

fn whole(bytes: &[u8]) -> Value {
    if bytes.is_empty() {
        return json!({});
    }
    let mut decoder = Decoder::new(bytes);
    let value = read(&mut decoder);
    assert_eq!(decoder.position(), bytes.len());
    value
}

async fn say(broker: &TestBroker, operation: &str, members: Vec<(&'static str, Java)>) -> Value {
    let (head, answer) = exchange(broker, operation, &body(members)).await;
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("application/x-amz-cbor-1.1"), "{operation}: {head}");
    whole(&answer)
}

async fn refused(broker: &TestBroker, operation: &str, members: Vec<(&'static str, Java)>) -> Value {
    let (head, answer) = exchange(broker, operation, &body(members)).await;
    assert!(head.starts_with("HTTP/1.1 400") && head.contains("application/x-amz-cbor-1.1"), "{operation}: {head}");
    whole(&answer)
}

fn text(value: &Value) -> Java {
    Long(value.as_str().unwrap().to_owned())
}

fn millis(value: &Value) -> u64 {
    value["millis"].as_u64().unwrap()
}

#[tokio::test]
async fn records_go_round_in_cbor_and_are_the_same_in_json() {
    let clock = TestClock::new();
    let broker = start_at(clock.clone()).await;
    say(&broker, "CreateStream", vec![("StreamName", Text("s")), ("ShardCount", Number(1))]).await;
    clock.advance(SECOND);
    let described = say(&broker, "DescribeStreamSummary", vec![("StreamName", Text("s"))]).await;
    let summary = &described["StreamDescriptionSummary"];
    assert_eq!((&summary["StreamStatus"], &summary["OpenShardCount"]), (&json!("ACTIVE"), &json!(1)));
    let created = millis(&summary["StreamCreationTimestamp"]);

    let data_of_all: [&[u8]; 3] = [b"\x00\xff", b"two", b""];
    let first = vec![("StreamName", Text("s")), ("Data", Bytes(data_of_all[0])), ("PartitionKey", Text("k"))];
    let put = say(&broker, "PutRecord", first).await;
    clock.advance(SECOND);
    let entry = |data| Java::Map(vec![("Data", Bytes(data)), ("PartitionKey", Text("k"))]);
    let more = List(vec![entry(data_of_all[1]), entry(data_of_all[2])]);
    let batch = say(&broker, "PutRecords", vec![("Records", more), ("StreamName", Text("s"))]).await;
    assert_eq!((&batch["FailedRecordCount"], batch["Records"].as_array().unwrap().len()), (&json!(0), 2));

    let start = vec![
        ("StreamName", Text("s")),
        ("ShardId", text(&put["ShardId"])),
        ("ShardIteratorType", Text("AT_TIMESTAMP")),
    ];
    let at = |millis| start_at_time(&start, millis);
    let all = read_from(&broker, at(created)).await;
    assert_eq!(data_in(&all), data_of_all.map(|data| BASE64.encode(data)));
    let arrival = &all["Records"][1]["ApproximateArrivalTimestamp"];
    let later = read_from(&broker, at(millis(arrival))).await;
    assert_eq!(data_in(&later), data_of_all[1..].iter().map(|data| BASE64.encode(data)).collect::<Vec<_>>());

    let asked = json!({"StreamName": "s", "ShardId": "0", "ShardIteratorType": "TRIM_HORIZON"});
    let from = done(&broker, "GetShardIterator", asked).await["ShardIterator"].clone();
    let in_json = done(&broker, "GetRecords", json!({"ShardIterator": from, "Limit": 2})).await;
    assert_eq!(in_json["Records"][0]["Data"], BASE64.encode(data_of_all[0]));
    let rest = vec![("ShardIterator", text(&in_json["NextShardIterator"]))];
    let rest = say(&broker, "GetRecords", rest).await;
    assert_eq!(data(&rest), [""], "an iterator of one form is one of the other");
    broker.end().await;
}

/// The same request with a moment.
fn start_at_time(start: &[(&'static str, Java)], millis: u64) -> Vec<(&'static str, Java)> {
    let copy = |(name, value): &(&'static str, Java)| match value {
        Text(text) => (*name, Text(text)),
        Long(text) => (*name, Long(text.clone())),
        _ => panic!("{name} is no text"),
    };
    start.iter().map(copy).chain([("Timestamp", Millis(millis))]).collect()
}

async fn read_from(broker: &TestBroker, start: Vec<(&'static str, Java)>) -> Value {
    let iterator = say(broker, "GetShardIterator", start).await;
    let asked = vec![("ShardIterator", text(&iterator["ShardIterator"])), ("Limit", Number(1000))];
    say(broker, "GetRecords", asked).await
}

fn data_in(read: &Value) -> Vec<String> {
    let data = |record: &Value| record["Data"].as_str().unwrap().to_owned();
    read["Records"].as_array().unwrap().iter().map(data).collect()
}

#[tokio::test]
async fn shards_and_errors_are_told_in_cbor() {
    let clock = TestClock::new();
    let broker = start_at(clock.clone()).await;
    say(&broker, "CreateStream", vec![("StreamName", Text("s")), ("ShardCount", Number(1))]).await;
    clock.advance(SECOND);
    let middle = Long((u128::MAX / 2 + 1).to_string());
    let split = vec![("StreamName", Text("s")), ("ShardToSplit", Text("0")), ("NewStartingHashKey", middle)];
    say(&broker, "SplitShard", split).await;
    let filter = Java::Map(vec![("Type", Text("AT_LATEST"))]);
    let listed = say(&broker, "ListShards", vec![("StreamName", Text("s")), ("ShardFilter", filter)]).await;
    assert_eq!(listed["Shards"][1]["HashKeyRange"]["EndingHashKey"], u128::MAX.to_string());
    assert_eq!(listed["Shards"][1]["ParentShardId"], "shardId-000000000000");

    let missing = refused(&broker, "DescribeStream", vec![("StreamName", Text("nowhere"))]).await;
    let sentence = "Stream nowhere under account 000000000000 not found.";
    assert_eq!(missing, json!({"__type": "ResourceNotFoundException", "message": sentence}));
    let bad = refused(&broker, "GetRecords", vec![("ShardIterator", Text("made up"))]).await;
    assert_eq!(bad, json!({"__type": "InvalidArgumentException", "message": "Invalid ShardIterator."}));
    let wrong = refused(&broker, "CreateStream", vec![("StreamName", Number(23))]).await;
    assert_eq!(wrong["__type"], "SerializationException");
    let (head, answer) = exchange(&broker, "ListStreams", b"\xbf\x65Limit").await;
    assert!(head.starts_with("HTTP/1.1 400"), "a map without an end: {head}");
    assert_eq!(whole(&answer), json!({"__type": "SerializationException"}));
    broker.end().await;
}

/// The payload of the first event of this kind, once it is there whole: a body in chunks, in each of them one event.
fn payload<'a>(answer: &'a [u8], kind: &str) -> Option<&'a [u8]> {
    let line_end = |bytes: &[u8]| bytes.windows(2).position(|two| two == b"\r\n");
    let mut rest = answer.get(answer.windows(4).position(|four| four == b"\r\n\r\n")? + 4..)?;
    loop {
        let line = line_end(rest)?;
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap(), 16).unwrap();
        let event = rest.get(line + 2..line + 2 + size)?;
        rest = rest.get(line + 2 + size + 2..)?;
        // Its length, that of its headers, and a checksum of both; another one of all at the end.
        let headers = u32::from_be_bytes(event[4..8].try_into().unwrap()) as usize;
        if event[12..12 + headers].windows(kind.len()).any(|some| some == kind.as_bytes()) {
            return Some(&event[12 + headers..size - 4]);
        }
    }
}

#[tokio::test]
async fn a_subscription_pushes_cbor() {
    let clock = TestClock::new();
    let broker = start_at(clock.clone()).await;
    say(&broker, "CreateStream", vec![("StreamName", Text("s")), ("ShardCount", Number(1))]).await;
    clock.advance(SECOND);
    let put = vec![("StreamName", Text("s")), ("Data", Bytes(b"\xfe\xff")), ("PartitionKey", Text("k"))];
    let put = say(&broker, "PutRecord", put).await;
    let arn = "arn:aws:kinesis:us-east-1:000000000000:stream/s";
    let made = vec![("StreamARN", Text(arn)), ("ConsumerName", Text("c"))];
    let made = say(&broker, "RegisterStreamConsumer", made).await;
    assert!(millis(&made["Consumer"]["ConsumerCreationTimestamp"]) > 0);
    clock.advance(SECOND);
    let asked = vec![
        ("ConsumerARN", text(&made["Consumer"]["ConsumerARN"])),
        ("ShardId", text(&put["ShardId"])),
        ("StartingPosition", Java::Map(vec![("Type", Text("TRIM_HORIZON"))])),
    ];
    let mut socket = post(&broker, "SubscribeToShard", &body(asked)).await;
    let mut bytes = Vec::new();
    let event = async {
        loop {
            let mut some = [0; 4096];
            let count = socket.read(&mut some).await.unwrap();
            assert!(count > 0, "{}", String::from_utf8_lossy(&bytes));
            bytes.extend_from_slice(&some[..count]);
            if let Some(payload) = payload(&bytes, "SubscribeToShardEvent") {
                return whole(payload);
            }
        }
    };
    let event = soon(event).await;
    assert_eq!(data_in(&event), [BASE64.encode(b"\xfe\xff")]);
    assert_eq!(event["ContinuationSequenceNumber"], put["SequenceNumber"]);
    assert!(millis(&event["Records"][0]["ApproximateArrivalTimestamp"]) > 0);
    broker.end().await;
}
