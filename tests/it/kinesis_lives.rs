//! What ends with time in streams over the protocol of Kinesis: iterators, and subscriptions.

use crate::{
    broker::{TestBroker, TestClock, start_at},
    kinesis::{data, done, iterator, refused, subscribe, subscribe_from, until},
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use regex::Regex;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

const SECOND: Duration = Duration::from_secs(1);
const SHARD: &str = "shardId-000000000000";
/// How a body in chunks ends.
const END: &str = "0\r\n\r\n";

/// A broker with a stream of one shard that may be used, and the clock that both go by.
async fn with_stream() -> (Arc<TestClock>, TestBroker) {
    let clock = TestClock::new();
    let broker = start_at(clock.clone()).await;
    done(&broker, "CreateStream", json!({"StreamName": "s", "ShardCount": 1})).await;
    clock.advance(SECOND);
    (clock, broker)
}

async fn put(broker: &TestBroker, text: &str) {
    let record = json!({"StreamName": "s", "PartitionKey": "k", "Data": BASE64.encode(text)});
    done(broker, "PutRecord", record).await;
}

async fn read(broker: &TestBroker, iterator: &Value, limit: u32) -> Value {
    done(broker, "GetRecords", json!({"ShardIterator": iterator, "Limit": limit})).await
}

#[tokio::test]
async fn an_iterator_is_good_for_five_minutes() {
    let (clock, broker) = with_stream().await;
    put(&broker, "a").await;
    let first: Value = iterator(&broker, "s", SHARD, "TRIM_HORIZON").await.into();
    clock.advance(Duration::from_secs(300));
    let next = read(&broker, &first, 1).await;
    assert_eq!(data(&next), ["a"], "on its last millisecond");
    clock.advance(Duration::from_millis(1));
    let (kind, text) = refused(&broker, "GetRecords", json!({"ShardIterator": first})).await;
    let date = r"[A-Z][a-z]{2} [A-Z][a-z]{2} \d{2} \d{2}:\d{2}:\d{2} UTC \d{4}";
    let sentence = format!(
        "^Iterator expired. The iterator was created at time {date} while right now it is {date} which is further in \
         the future than the tolerated delay of 300000 milliseconds.$"
    );
    assert_eq!(kind, "ExpiredIteratorException");
    assert!(Regex::new(&sentence).unwrap().is_match(&text), "{text}");
    put(&broker, "b").await;
    assert_eq!(data(&read(&broker, &next["NextShardIterator"], 1).await), ["b"], "each has five minutes of its own");
    broker.end().await;
}

#[tokio::test]
async fn an_iterator_goes_on_after_a_restart_and_only_on_its_own_server() {
    let (clock, broker) = with_stream().await;
    for text in ["a", "b", "c"] {
        put(&broker, text).await;
    }
    let first: Value = iterator(&broker, "s", SHARD, "TRIM_HORIZON").await.into();
    let latest: Value = iterator(&broker, "s", SHARD, "LATEST").await.into();
    let next = read(&broker, &first, 2).await["NextShardIterator"].clone();
    let broker = broker.again_at(clock.clone()).await;
    put(&broker, "d").await;
    assert_eq!(data(&read(&broker, &next, 10).await), ["c", "d"]);
    assert_eq!(data(&read(&broker, &first, 10).await), ["a", "b", "c", "d"]);
    assert_eq!(data(&read(&broker, &latest, 10).await), ["d"]);
    let (_, other) = with_stream().await;
    let (kind, text) = refused(&other, "GetRecords", json!({"ShardIterator": next})).await;
    assert_eq!((kind.as_str(), text.as_str()), ("InvalidArgumentException", "Invalid ShardIterator."));
    clock.advance(Duration::from_secs(301));
    let late = refused(&broker, "GetRecords", json!({"ShardIterator": next})).await;
    assert_eq!(late.0, "ExpiredIteratorException", "a restart makes it no younger");
    other.end().await;
    broker.end().await;
}

/// The ARN of a new consumer that may subscribe.
async fn consumer(clock: &TestClock, broker: &TestBroker) -> Value {
    let arn = done(broker, "DescribeStreamSummary", json!({"StreamName": "s"})).await;
    let arn = &arn["StreamDescriptionSummary"]["StreamARN"];
    let made = done(broker, "RegisterStreamConsumer", json!({"StreamARN": arn, "ConsumerName": "c"})).await;
    clock.advance(SECOND);
    made["Consumer"]["ConsumerARN"].clone()
}

#[tokio::test]
async fn a_second_subscription_of_a_consumer_takes_over_from_one_that_is_five_seconds_old() {
    let (clock, broker) = with_stream().await;
    let consumer = consumer(&clock, &broker).await;
    put(&broker, "first").await;
    let mut before = subscribe(&broker, &consumer).await;
    until(&mut before, &BASE64.encode("first")).await;
    clock.advance(Duration::from_millis(4_999));
    let again = json!({"ConsumerARN": consumer, "ShardId": SHARD, "StartingPosition": {"Type": "LATEST"}});
    assert_eq!(refused(&broker, "SubscribeToShard", again).await.0, "ResourceInUseException");
    put(&broker, "second").await;
    until(&mut before, &BASE64.encode("second")).await;
    clock.advance(Duration::from_millis(1));
    let mut after = subscribe(&broker, &consumer).await;
    let all = until(&mut after, &BASE64.encode("second")).await;
    assert!(all.starts_with("HTTP/1.1 200") && all.contains(&BASE64.encode("first")), "{all}");
    let end = until(&mut before, END).await;
    assert!(end.contains("exception") && end.contains("ResourceInUseException"), "{end}");
    put(&broker, "third").await;
    until(&mut after, &BASE64.encode("third")).await;
    broker.end().await;
}

/// What stands behind the last "ContinuationSequenceNumber" of events.
fn continuation(events: &str) -> String {
    let (_, rest) = events.rsplit_once("\"ContinuationSequenceNumber\":\"").unwrap();
    rest.split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_subscription_ends_after_five_minutes_also_when_there_is_much_to_push() {
    let (clock, broker) = with_stream().await;
    let consumer = consumer(&clock, &broker).await;
    put(&broker, "pushed").await;
    let mut socket = subscribe(&broker, &consumer).await;
    let events = until(&mut socket, &BASE64.encode("pushed")).await;
    clock.advance(Duration::from_secs(299));
    put(&broker, "also pushed").await;
    let more = until(&mut socket, &BASE64.encode("also pushed")).await;
    clock.advance(SECOND);
    put(&broker, "not pushed").await;
    let end = until(&mut socket, END).await;
    assert!(!end.contains(&BASE64.encode("not pushed")), "{end}");
    assert!(!events.contains("exception") && !more.contains("exception") && !end.contains("exception"), "{end}");
    let from = json!({"Type": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": continuation(&more)});
    let mut socket = subscribe_from(&broker, &consumer, from).await;
    let rest = until(&mut socket, &BASE64.encode("not pushed")).await;
    assert!(!rest.contains(&BASE64.encode("also pushed")), "it goes on right behind what was pushed: {rest}");
    broker.end().await;
}

#[tokio::test]
async fn the_end_of_a_shard_is_an_event_of_its_own_without_a_number() {
    let (clock, broker) = with_stream().await;
    let consumer = consumer(&clock, &broker).await;
    put(&broker, "last").await;
    let split = json!({"StreamName": "s", "ShardToSplit": "0", "NewStartingHashKey": "1000"});
    done(&broker, "SplitShard", split).await;
    let all = until(&mut subscribe(&broker, &consumer).await, END).await;
    let (records, end) = all.split_once("MillisBehindLatest").unwrap();
    assert!(records.contains(&BASE64.encode("last")), "{records}");
    assert_eq!(records.matches("ContinuationSequenceNumber").count(), 1, "{records}");
    assert!(end.contains("\"Records\":[]") && end.contains("shardId-000000000002"), "{end}");
    assert!(!end.contains("ContinuationSequenceNumber") && !end.contains("exception"), "{end}");
    broker.end().await;
}

#[tokio::test]
async fn after_a_restart_a_consumer_may_subscribe_again_at_once() {
    let (clock, broker) = with_stream().await;
    let consumer = consumer(&clock, &broker).await;
    put(&broker, "kept").await;
    until(&mut subscribe(&broker, &consumer).await, &BASE64.encode("kept")).await;
    let broker = broker.again_at(clock).await;
    until(&mut subscribe(&broker, &consumer).await, &BASE64.encode("kept")).await;
    broker.end().await;
}
