//! Inputs against their shapes. The rows are those of `tests/fixtures/aws/kinesis-errors.json` that need no stream.

use crate::protocol::aws::{
    fault::Fault,
    kinesis::{
        cbor,
        convert::convert,
        fault::{self, Encoding},
        shape,
        validate::{Keys, validate},
    },
    wire::{json::Json, value::Value},
};
use bytes::Bytes;
use regex::Regex;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeSet;

const FIXTURE: &str = include_str!("../../../../../tests/fixtures/aws/kinesis-errors.json");

#[derive(Deserialize)]
struct Fixture {
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    operation: String,
    r#type: String,
    body: serde_json::Value,
    message: Option<String>,
    pattern: Option<String>,
    #[serde(default)]
    unordered: bool,
}

/// Puts the texts in that the rows only describe.
fn expand(value: serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Object(members) => {
            if let Some(repeat) = members.get("$repeat") {
                let (text, times) = (repeat[0].as_str().expect("text"), repeat[1].as_u64().expect("number"));
                return text.repeat(usize::try_from(times).expect("small")).into();
            }
            if let Some(parts) = members.get("$concat") {
                let parts = parts.as_array().expect("list").iter().map(|part| expand(part.clone()));
                return parts.map(|part| part.as_str().expect("text").to_owned()).collect::<String>().into();
            }
            members.into_iter().map(|(name, value)| (name, expand(value))).collect()
        }
        serde_json::Value::Array(items) => items.into_iter().map(expand).collect(),
        other @ (serde_json::Value::Null
        | serde_json::Value::Bool(_)
        | serde_json::Value::Number(_)
        | serde_json::Value::String(_)) => other,
    }
}

fn judge(operation: &str, body: &serde_json::Value) -> Result<(), Fault> {
    let body = body.to_string();
    let shape = shape::of_operation(operation).expect("an operation");
    let input = convert(Json::parse(body.as_bytes()).expect("valid").into(), shape, Encoding::Json)?;
    validate(&input, shape, Keys::Needed)
}

/// The errors of a message, in any order.
fn parts(message: &str) -> BTreeSet<&str> {
    let (count, errors) = message.split_once(": ").expect("a count first");
    errors.split("; ").chain([count]).collect()
}

#[test]
fn every_row_is_answered_in_the_words_of_aws() {
    let rows = serde_json::from_str::<Fixture>(FIXTURE).expect("the fixture").rows;
    let mut judged = 0;
    for row in
        rows.into_iter().filter(|row| ["SerializationException", "ValidationException"].contains(&row.r#type.as_str()))
    {
        let fault = judge(&row.operation, &expand(row.body.clone())).expect_err(&row.operation);
        let context = format!("{} {:.200}", row.operation, row.body.to_string());
        assert_eq!(fault.kind.json_type, row.r#type, "{context}");
        match (&row.message, &row.pattern) {
            (Some(message), _) if row.unordered => assert_eq!(parts(&fault.message), parts(message), "{context}"),
            (Some(message), _) => assert_eq!(&fault.message, message, "{context}"),
            (None, Some(pattern)) => {
                assert!(Regex::new(pattern).expect("valid").is_match(&fault.message), "{context}: {}", fault.message);
            }
            (None, None) => panic!("{context}: a row without a message"),
        }
        judged += 1;
    }
    assert_eq!(judged, 341, "rows were dropped from the fixture, or from this test");
}

#[test]
fn ordinary_inputs_pass() {
    let arn = "arn:aws:kinesis:us-east-1:123456789012:stream/a";
    let consumer = format!("{arn}/consumer/c:1545084650");
    let queue = "arn:aws:kinesis:us-east-1:123456789012:queue/q";
    let good = [
        ("PutRecord", json!({"StreamARN": arn, "Data": "", "PartitionKey": "k", "ExplicitHashKey": "0"})),
        ("DescribeStream", json!({"StreamARN": arn, "Unknown": [1], "Limit": null})),
        (
            "GetShardIterator",
            json!({"StreamName": "a", "ShardId": "shardId-0", "ShardIteratorType": "LATEST", "Timestamp": 1.5}),
        ),
        ("SubscribeToShard", json!({"ConsumerARN": consumer, "ShardId": "0", "StartingPosition": {"Type": "LATEST"}})),
        ("ListShards", json!({})),
        ("ListTagsForResource", json!({"ResourceARN": consumer})),
        ("AcknowledgeQueueRecords", json!({"QueueARN": queue, "Entries": [{"ReceiptHandle": "r"}]})),
        ("DescribeLimits", json!({})),
    ];
    for (operation, body) in good {
        assert_eq!(judge(operation, &body), Ok(()), "{operation}");
    }
    let bad = json!({"ConsumerARN": consumer, "ShardId": "0", "StartingPosition": {"Type": "NOW"}});
    let fault = judge("SubscribeToShard", &bad).expect_err("no such type");
    assert!(fault.message.contains("Value 'NOW' at 'startingPosition.type' failed"), "{}", fault.message);
    let bad = json!({"StreamName": "a", "ShardLevelMetrics": ["ALL", "NONE"]});
    let fault = judge("EnableEnhancedMonitoring", &bad).expect_err("no such figure");
    assert!(fault.message.contains("Value '[ALL, NONE]' at 'shardLevelMetrics' failed"), "{}", fault.message);
    assert!(fault.message.contains("Member must satisfy constraint: [Member must satisfy enum value set: [Incom"));
}

#[test]
fn a_moment_is_seconds_in_json_and_milliseconds_in_cbor() {
    let shape = shape::of_operation("GetShardIterator").expect("there");
    let body = br#"{"Timestamp": 1545084650.987}"#;
    let json = convert(Json::parse(body).expect("valid").into(), shape, Encoding::Json).expect("good");
    assert_eq!(json.time("Timestamp").map(|time| time.as_millis()), Some(1_545_084_650_987));
    let plain = Value::Map(vec![("Timestamp".into(), Value::Integer(1_545_084_650_987))]);
    let written = Bytes::from(cbor::write(&plain));
    let cbor = convert(cbor::parse(&written).expect("valid"), shape, Encoding::Cbor).expect("good");
    assert_eq!(cbor.time("Timestamp"), json.time("Timestamp"));
    let wrong = Value::Map(vec![("Timestamp".into(), Value::Integer(-5))]);
    let early = convert(wrong, shape, Encoding::Json).expect("good");
    assert_eq!(early.time("Timestamp").map(|time| time.as_millis()), Some(0));
}

#[test]
fn an_error_is_one_map_in_both_forms() {
    let missing = Fault::new(&fault::RESOURCE_NOT_FOUND, "Stream s under account 123456789012 not found.");
    let json = Encoding::Json.write(&fault::body(&missing));
    let text = r#"{"__type":"ResourceNotFoundException","message":"Stream s under account 123456789012 not found."}"#;
    assert_eq!(String::from_utf8(json).expect("text"), text);
    let cbor = Bytes::from(Encoding::Cbor.write(&fault::body(&missing)));
    let read = cbor::parse(&cbor).expect("valid");
    assert_eq!(read.text("__type"), Some("ResourceNotFoundException"));
    let json = Encoding::Json.write(&fault::body(&fault::serialization("no")));
    assert_eq!(String::from_utf8(json).expect("text"), r#"{"__type":"SerializationException","Message":"no"}"#);
    let silent = Encoding::Json.write(&fault::body(&Fault::new(&fault::UNKNOWN_OPERATION, "")));
    assert_eq!(String::from_utf8(silent).expect("text"), r#"{"__type":"UnknownOperationException"}"#);
}
