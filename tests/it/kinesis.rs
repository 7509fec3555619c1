//! Streams over the protocol of Kinesis, in JSON and CBOR, and every bad request of the fixture.

use crate::{
    aws::{Answer, send},
    broker::{TestBroker, soon, start_dev},
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use regex::Regex;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

async fn call(broker: &TestBroker, operation: &str, input: &Value) -> Answer {
    let head = format!(
        "POST / HTTP/1.1\r\nx-amz-target: Kinesis_20131202.{operation}\r\ncontent-type: application/x-amz-json-1.1"
    );
    send(broker.address, &head, input.to_string().as_bytes()).await
}

pub(crate) async fn done(broker: &TestBroker, operation: &str, input: Value) -> Value {
    let answer = call(broker, operation, &input).await;
    assert_eq!(answer.status, 200, "{operation}: {}", answer.body);
    answer.json()
}

/// The type and the message of a call that fails.
pub(crate) async fn refused(broker: &TestBroker, operation: &str, input: Value) -> (String, String) {
    let answer = call(broker, operation, &input).await;
    assert_eq!(answer.status, 400, "{operation} {input:.200}: {}", answer.body);
    let json = answer.json();
    let message = json.get("message").or(json.get("Message")).and_then(Value::as_str).unwrap_or_default();
    (json["__type"].as_str().unwrap().to_owned(), message.to_owned())
}

/// A stream that is there to be used.
pub(crate) async fn stream(broker: &TestBroker, name: &str, shards: u32) {
    done(broker, "CreateStream", json!({"StreamName": name, "ShardCount": shards})).await;
    active(broker, name).await;
}

pub(crate) async fn active(broker: &TestBroker, name: &str) {
    let look = async {
        loop {
            let found = done(broker, "DescribeStreamSummary", json!({"StreamName": name})).await;
            if found["StreamDescriptionSummary"]["StreamStatus"] == "ACTIVE" {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    soon(look).await;
}

async fn iterator(broker: &TestBroker, name: &str, shard: &str, kind: &str) -> String {
    let asked = json!({"StreamName": name, "ShardId": shard, "ShardIteratorType": kind});
    done(broker, "GetShardIterator", asked).await["ShardIterator"].as_str().unwrap().to_owned()
}

fn data(records: &Value) -> Vec<String> {
    let text = |record: &Value| String::from_utf8(BASE64.decode(record["Data"].as_str().unwrap()).unwrap()).unwrap();
    records["Records"].as_array().unwrap().iter().map(text).collect()
}

#[tokio::test]
async fn records_are_put_and_read_in_order_and_go_on_in_the_children_of_a_split() {
    let broker = start_dev(120_000).await;
    stream(&broker, "s", 1).await;
    for number in 0..3 {
        let put = json!({"StreamName": "s", "PartitionKey": "k", "Data": BASE64.encode(format!("r{number}"))});
        let put = done(&broker, "PutRecord", put).await;
        assert_eq!(put["ShardId"], "shardId-000000000000");
        assert_eq!(put["SequenceNumber"].as_str().unwrap().len(), 56);
    }
    let from = iterator(&broker, "s", "shardId-000000000000", "TRIM_HORIZON").await;
    let read = done(&broker, "GetRecords", json!({"ShardIterator": format!("\"{from}\""), "Limit": 2})).await;
    assert_eq!(data(&read), ["r0", "r1"], "an iterator in quotes is one too");
    assert!(read["MillisBehindLatest"].is_u64());
    let rest = done(&broker, "GetRecords", json!({"ShardIterator": read["NextShardIterator"]})).await;
    assert_eq!(data(&rest), ["r2"]);
    assert_eq!(rest["MillisBehindLatest"], 0);
    let middle = (u128::MAX / 2 + 1).to_string();
    done(&broker, "SplitShard", json!({"StreamName": "s", "ShardToSplit": "0", "NewStartingHashKey": middle})).await;
    let end = done(&broker, "GetRecords", json!({"ShardIterator": rest["NextShardIterator"]})).await;
    assert_eq!(end.get("NextShardIterator"), None);
    assert_eq!(end["ChildShards"][1]["ShardId"], "shardId-000000000002");
    assert_eq!(end["ChildShards"][0]["ParentShards"], json!(["shardId-000000000000"]));
    let shards = done(&broker, "ListShards", json!({"StreamName": "s", "MaxResults": 2})).await;
    assert_eq!(shards["Shards"].as_array().unwrap().len(), 2);
    let next = done(&broker, "ListShards", json!({"NextToken": shards["NextToken"]})).await;
    assert_eq!(next["Shards"][0]["ParentShardId"], "shardId-000000000000");
    assert_eq!(next.get("NextToken"), None);
    broker.end().await;
}

#[tokio::test]
async fn a_batch_answers_for_each_record_in_order() {
    let broker = start_dev(120_000).await;
    stream(&broker, "s", 2).await;
    let records: Vec<_> = (0..4).map(|number| json!({"PartitionKey": number.to_string(), "Data": ""})).collect();
    let put = done(&broker, "PutRecords", json!({"StreamName": "s", "Records": records})).await;
    assert_eq!(put["FailedRecordCount"], 0);
    assert_eq!(put["Records"].as_array().unwrap().len(), 4);
    let hash = |key: &str, shard: &str| json!({"StreamName": "s", "PartitionKey": "k", "Data": "", "ExplicitHashKey": key, "x": shard});
    for (key, shard) in
        [("0", "shardId-000000000000"), ("340282366920938463463374607431768211455", "shardId-000000000001")]
    {
        assert_eq!(done(&broker, "PutRecord", hash(key, shard)).await["ShardId"], shard);
    }
    let dry = json!({"StreamName": "s", "PartitionKey": "k", "Data": "", "DryRun": true});
    assert_eq!(refused(&broker, "PutRecord", dry).await.0, "DryRunOperationException");
    broker.end().await;
}

#[tokio::test]
async fn settings_tags_policies_and_consumers_are_kept() {
    let broker = start_dev(120_000).await;
    stream(&broker, "s", 1).await;
    let summary = done(&broker, "DescribeStreamSummary", json!({"StreamName": "s"})).await;
    let arn = summary["StreamDescriptionSummary"]["StreamARN"].as_str().unwrap().to_owned();
    done(&broker, "AddTagsToStream", json!({"StreamName": "s", "Tags": {"a": "1", "b": "2"}})).await;
    done(&broker, "UntagResource", json!({"ResourceARN": arn, "TagKeys": ["b", "unknown"]})).await;
    let tags = done(&broker, "ListTagsForStream", json!({"StreamARN": arn})).await;
    assert_eq!(tags, json!({"Tags": [{"Key": "a", "Value": "1"}], "HasMoreTags": false}));
    assert_eq!(done(&broker, "GetResourcePolicy", json!({"ResourceARN": arn})).await, json!({"Policy": "{}"}));
    let (kind, text) = refused(&broker, "DeleteResourcePolicy", json!({"ResourceARN": arn})).await;
    assert_eq!(
        (kind.as_str(), text),
        ("ResourceNotFoundException", format!("No resource policy found for resource ARN {arn}."))
    );
    done(&broker, "EnableEnhancedMonitoring", json!({"StreamName": "s", "ShardLevelMetrics": ["ALL"]})).await;
    active(&broker, "s").await;
    done(&broker, "StartStreamEncryption", json!({"StreamName": "s", "EncryptionType": "KMS", "KeyId": "alias/k"}))
        .await;
    active(&broker, "s").await;
    let described = done(&broker, "DescribeStream", json!({"StreamName": "s"})).await;
    assert_eq!(described["StreamDescription"]["KeyId"], "alias/k");
    assert_eq!(
        described["StreamDescription"]["EnhancedMonitoring"][0]["ShardLevelMetrics"].as_array().unwrap().len(),
        7
    );
    let made = done(&broker, "RegisterStreamConsumer", json!({"StreamARN": arn, "ConsumerName": "c"})).await;
    let consumer = &made["Consumer"]["ConsumerARN"];
    assert!(consumer.as_str().unwrap().starts_with(&format!("{arn}/consumer/c:")), "{consumer}");
    let found = done(&broker, "DescribeStreamConsumer", json!({"ConsumerARN": consumer})).await;
    assert_eq!(found["ConsumerDescription"]["StreamARN"], arn);
    let (kind, _) = refused(&broker, "RegisterStreamConsumer", json!({"StreamARN": arn, "ConsumerName": "c"})).await;
    assert_eq!(kind, "ResourceInUseException");
    let (kind, _) = refused(&broker, "DeleteStream", json!({"StreamName": "s"})).await;
    assert_eq!(kind, "ResourceInUseException", "a consumer keeps its stream");
    done(&broker, "DeleteStream", json!({"StreamName": "s", "EnforceConsumerDeletion": true})).await;
    assert_eq!(done(&broker, "ListChannels", json!({})).await, json!({"ChannelSummaries": []}));
    broker.end().await;
}

#[tokio::test]
async fn no_text_but_an_iterator_of_this_server_is_one() {
    let broker = start_dev(120_000).await;
    stream(&broker, "s", 1).await;
    done(&broker, "PutRecord", json!({"StreamName": "s", "PartitionKey": "k", "Data": "YQ=="})).await;
    let from = iterator(&broker, "s", "0", "TRIM_HORIZON").await;
    let changed = format!("{}{}", &from[..from.len() - 1], if from.ends_with('A') { 'B' } else { 'A' });
    for bad in [&changed, "garbage"] {
        let (kind, text) = refused(&broker, "GetRecords", json!({"ShardIterator": bad})).await;
        assert_eq!((kind.as_str(), text.as_str()), ("InvalidArgumentException", "Invalid ShardIterator."));
    }
    let read = done(&broker, "GetRecords", json!({"ShardIterator": from})).await;
    assert_eq!(data(&read), ["a"]);
    broker.end().await;
}

/// A subscription as its bytes come.
async fn subscribe(broker: &TestBroker, consumer: &Value) -> TcpStream {
    let input =
        json!({"ConsumerARN": consumer, "ShardId": "0", "StartingPosition": {"Type": "TRIM_HORIZON"}}).to_string();
    let head = format!(
        "POST / HTTP/1.1\r\nhost: h\r\nx-amz-target: Kinesis_20131202.SubscribeToShard\r\n\
         content-type: application/x-amz-json-1.1\r\ncontent-length: {}\r\n\r\n{input}",
        input.len()
    );
    let mut socket = TcpStream::connect(broker.address).await.unwrap();
    socket.write_all(head.as_bytes()).await.unwrap();
    socket
}

/// Reads until the text comes.
async fn until(socket: &mut TcpStream, wanted: &str) -> String {
    let mut all = Vec::new();
    let read = async {
        while !String::from_utf8_lossy(&all).contains(wanted) {
            let mut bytes = [0; 4096];
            let count = socket.read(&mut bytes).await.unwrap();
            assert!(count > 0, "the stream ended: {}", String::from_utf8_lossy(&all));
            all.extend_from_slice(&bytes[..count]);
        }
    };
    soon(read).await;
    String::from_utf8_lossy(&all).into_owned()
}

#[tokio::test]
async fn records_are_pushed_to_a_subscription_until_its_consumer_is_gone() {
    let broker = start_dev(120_000).await;
    stream(&broker, "s", 1).await;
    let arn = done(&broker, "DescribeStreamSummary", json!({"StreamName": "s"})).await;
    let arn = &arn["StreamDescriptionSummary"]["StreamARN"];
    let made = done(&broker, "RegisterStreamConsumer", json!({"StreamARN": arn, "ConsumerName": "c"})).await;
    let consumer = &made["Consumer"]["ConsumerARN"];
    let ready = async {
        while done(&broker, "DescribeStreamConsumer", json!({"ConsumerARN": consumer})).await["ConsumerDescription"]["ConsumerStatus"]
            != "ACTIVE"
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    soon(ready).await;
    let mut socket = subscribe(&broker, consumer).await;
    let head = until(&mut socket, "initial-response").await;
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("application/vnd.amazon.eventstream"), "{head}");
    done(&broker, "PutRecord", json!({"StreamName": "s", "PartitionKey": "k", "Data": "cHVzaGVk"})).await;
    let event = until(&mut socket, "cHVzaGVk").await;
    assert!(event.contains("SubscribeToShardEvent") && event.contains("ContinuationSequenceNumber"), "{event}");
    let again = json!({"ConsumerARN": consumer, "ShardId": "0", "StartingPosition": {"Type": "LATEST"}});
    assert_eq!(refused(&broker, "SubscribeToShard", again).await.0, "ResourceInUseException");
    done(&broker, "DeregisterStreamConsumer", json!({"ConsumerARN": consumer})).await;
    until(&mut socket, "ResourceNotFoundException").await;
    broker.end().await;
}

#[tokio::test]
async fn what_is_no_request_is_answered_as_aws_does() {
    let broker = start_dev(120_000).await;
    let kind = "content-type: application/x-amz-json-1.1";
    let target = "x-amz-target: Kinesis_20131202.ListStreams";
    let cases: [(&str, String, &str, u16, &str); 7] = [
        ("GET", format!("{target}\r\n{kind}"), "", 403, "Unable to determine service/operation name to be authorized"),
        ("POST", format!("{target}\r\ncontent-type: text/plain"), "{}", 404, "<UnknownOperationException/>"),
        ("POST", kind.to_owned(), "{}", 400, r#"{"__type":"UnknownOperationException"}"#),
        (
            "POST",
            format!("x-amz-target: Kinesis_20131202.No\r\n{kind}"),
            "{}",
            400,
            r#"{"__type":"UnknownOperationException"}"#,
        ),
        ("POST", format!("{target}\r\n{kind}"), "{", 400, r#"{"__type":"SerializationException"}"#),
        ("POST", format!("{target}\r\n{kind}"), "", 400, r#"{"__type":"SerializationException"}"#),
        (
            "POST",
            format!("{target}\r\ncontent-type: application/json"),
            "{}",
            404,
            r#"{"Output":{"__type":"com.amazon.coral.service#UnknownOperationException"},"Version":"1.0"}"#,
        ),
    ];
    for (method, headers, body, status, text) in cases {
        let answer = send(broker.address, &format!("{method} / HTTP/1.1\r\n{headers}"), body.as_bytes()).await;
        assert_eq!(answer.status, status, "{method} {headers}: {}", answer.body);
        assert!(answer.body.contains(text), "{method} {headers}: {}", answer.body);
        assert!(!answer.header("x-amzn-requestid").is_empty() && !answer.header("x-amz-id-2").is_empty());
    }
    // An empty map of CBOR.
    let head = format!("POST / HTTP/1.1\r\nhost: h\r\n{target}\r\ncontent-type: application/x-amz-cbor-1.1");
    let mut socket = TcpStream::connect(broker.address).await.unwrap();
    socket.write_all(format!("{head}\r\ncontent-length: 2\r\n\r\n").as_bytes()).await.unwrap();
    socket.write_all(&[0xbf, 0xff]).await.unwrap();
    let answer = until(&mut socket, "HasMoreStreams").await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("application/x-amz-cbor-1.1"), "{answer}");
    broker.end().await;
}

#[derive(Deserialize)]
struct Fixture {
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    operation: String,
    r#type: String,
    body: Value,
    message: Option<String>,
    pattern: Option<String>,
    #[serde(default)]
    unordered: bool,
}

/// The errors of a message, in any order.
fn parts(message: &str) -> BTreeSet<&str> {
    let (count, errors) = message.split_once(": ").unwrap_or(("", message));
    errors.split("; ").chain([count]).collect()
}

#[tokio::test]
async fn every_bad_request_is_answered_in_the_words_of_aws() {
    const STREAM: &str = "__kinesalite_test_1";
    let broker = start_dev(120_000).await;
    stream(&broker, STREAM, 3).await;
    let mut judged = 0;
    for row in serde_json::from_str::<Fixture>(include_str!("../fixtures/aws/kinesis-errors.json")).unwrap().rows {
        // Those with texts too long to be written out are told apart by a test of the shapes.
        if row.body.to_string().contains("\"$repeat\"") {
            continue;
        }
        // AWS has been seen to fail of itself there, and SDKs would try that again.
        if row.r#type == "InternalFailure" {
            continue;
        }
        let (kind, text) = refused(&broker, &row.operation, row.body.clone()).await;
        let context = format!("{} {:.200}", row.operation, row.body.to_string());
        assert_eq!(kind, row.r#type, "{context}: {text}");
        match (&row.message, &row.pattern) {
            (Some(message), _) if row.unordered => assert_eq!(parts(&text), parts(message), "{context}"),
            (Some(message), _) => assert_eq!(&text, message, "{context}"),
            (None, Some(pattern)) => assert!(Regex::new(pattern).unwrap().is_match(&text), "{context}: {text}"),
            (None, None) => panic!("{context}: a row without a message"),
        }
        judged += 1;
    }
    assert!(judged > 420, "{judged}");
    broker.end().await;
}
