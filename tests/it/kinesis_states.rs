//! What the state of a stream, an account or a signature makes Kinesis refuse: the `scenarios` of the fixture. The state
//! is brought about, and the answer held against what was recorded of AWS.

use crate::{
    aws::{Answer, read, send},
    broker::{KEY_ID, SECRET, TestBroker, TestClock, soon, start, start_at},
    kinesis::{call, done, iterator, subscribe, until},
};
use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings},
    sign::v4::SigningParams,
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use regex::Regex;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const SECOND: Duration = Duration::from_secs(1);
const KIND: &str = "content-type: application/x-amz-json-1.1";
const TARGET: &str = "x-amz-target: Kinesis_20131202.ListStreams";

#[derive(Deserialize)]
struct Fixture {
    scenarios: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    operation: String,
    scenario: String,
    r#type: Option<String>,
    status: u16,
    /// Null: AWS has not been seen to say one text.
    message: Option<String>,
    /// Why it is not so here.
    differs: Option<String>,
}

impl Row {
    fn judge(&self, answer: &Answer) {
        let context = format!("{} {}: {} {}", self.operation, self.scenario, answer.status, answer.body);
        assert_eq!(answer.status, self.status, "{context}");
        let kind = self.r#type.as_deref().unwrap_or_default();
        assert!(answer.body.contains(kind.trim_start_matches("(record) ")), "{context}");
        if let Some(message) = &self.message {
            assert!(pattern(message).is_match(&answer.body), "{context}");
        }
    }
}

/// A recorded text, where what differs from one time to the next stands in `<…>`, is a moment, or is left out (`…`).
fn pattern(message: &str) -> Regex {
    let text = regex::escape(message).replace("<acct>", "000000000000").replace('…', ".*");
    let text = Regex::new("<[^>]+>").unwrap().replace_all(&text, "[^ ]+( [^ ]+)*?").into_owned();
    let text = Regex::new(r"\d{8}T\d{6}Z").unwrap().replace_all(&text, r"\d{8}T\d{6}Z").into_owned();
    Regex::new(&text).unwrap()
}

/// A broker whose clock stands still but for what a scenario needs.
struct Site {
    clock: Arc<TestClock>,
    broker: TestBroker,
}

impl Site {
    async fn done(&self, operation: &str, input: Value) -> Value {
        done(&self.broker, operation, input).await
    }

    async fn call(&self, operation: &str, input: Value) -> Answer {
        call(&self.broker, operation, &input).await
    }

    /// A new stream of one shard, still being made.
    async fn making(&self, name: &str) {
        self.done("CreateStream", json!({"StreamName": name, "ShardCount": 1})).await;
    }

    async fn stream(&self, name: &str) {
        self.making(name).await;
        self.clock.advance(SECOND);
    }

    async fn arn(&self, name: &str) -> Value {
        let found = self.done("DescribeStreamSummary", json!({"StreamName": name})).await;
        found["StreamDescriptionSummary"]["StreamARN"].clone()
    }

    /// Deletes it, and waits until it is gone.
    async fn delete(&self, name: &str) {
        self.done("DeleteStream", json!({"StreamName": name})).await;
        while self.call("DescribeStreamSummary", json!({"StreamName": name})).await.status == 200 {
            self.clock.advance(SECOND);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn record(name: &str, data: &[u8]) -> Value {
    json!({"StreamName": name, "PartitionKey": "k", "Data": BASE64.encode(data)})
}

fn records(name: &str, count: usize, data: &[u8]) -> Value {
    let data = BASE64.encode(data);
    let records: Vec<_> = (0..count).map(|_| json!({"PartitionKey": "k", "Data": data})).collect();
    json!({"StreamName": name, "Records": records})
}

/// A mebibyte with the key, which is all that a shard takes in a second.
fn second_of_data() -> Vec<u8> {
    vec![0; (1 << 20) - 1]
}

async fn throughput(site: &Site, row: &Row) -> Option<Vec<Answer>> {
    let name = "full";
    Some(vec![match (row.operation.as_str(), row.scenario.as_str()) {
        ("PutRecord", "shard rate exceeded") => {
            site.stream(name).await;
            site.done("PutRecord", record(name, &second_of_data())).await;
            site.call("PutRecord", record(name, b"x")).await
        }
        ("GetRecords", "shard rate exceeded") => {
            let input = json!({"ShardIterator": iterator(&site.broker, name, "0", "LATEST").await});
            for _ in 0..5 {
                site.done("GetRecords", input.clone()).await;
            }
            site.call("GetRecords", input).await
        }
        ("PutRecords", "shard rate exceeded (per record)") => {
            let put = site.call("PutRecords", records(name, 2, b"x")).await;
            assert_eq!(put.json()["FailedRecordCount"], 2);
            put
        }
        ("PutRecords", "501 records") => site.call("PutRecords", records(name, 501, b"")).await,
        ("PutRecords", "total > request limit") => site.call("PutRecords", records(name, 11, &second_of_data())).await,
        _ => return None,
    }])
}

async fn reading(site: &Site, row: &Row) -> Option<Vec<Answer>> {
    Some(vec![match (row.operation.as_str(), row.scenario.as_str()) {
        ("GetRecords", "iterator older than 5 minutes") => {
            site.stream("old").await;
            let input = json!({"ShardIterator": iterator(&site.broker, "old", "0", "LATEST").await});
            site.clock.advance(Duration::from_secs(301));
            site.call("GetRecords", input).await
        }
        ("GetRecords", "iterator of a shard/stream that no longer exists") => {
            let input = json!({"ShardIterator": iterator(&site.broker, "old", "0", "LATEST").await});
            site.delete("old").await;
            site.call("GetRecords", input).await
        }
        ("GetShardIterator", "StartingSequenceNumber of another incarnation of the stream/shard") => {
            site.stream("again").await;
            let put = site.done("PutRecord", record("again", b"")).await;
            site.delete("again").await;
            site.stream("again").await;
            let mut asked = json!({"StreamName": "again", "ShardId": "0", "ShardIteratorType": "AT_SEQUENCE_NUMBER"});
            asked["StartingSequenceNumber"] = put["SequenceNumber"].clone();
            site.call("GetShardIterator", asked).await
        }
        ("SubscribeToShard", _) => {
            site.stream("pushed").await;
            let asked = json!({"StreamARN": site.arn("pushed").await, "ConsumerName": "c"});
            let made = site.done("RegisterStreamConsumer", asked).await;
            site.clock.advance(SECOND);
            let consumer = &made["Consumer"]["ConsumerARN"];
            let mut first = subscribe(&site.broker, consumer).await;
            until(&mut first, "HTTP/1.1 200").await;
            let asked = json!({"ConsumerARN": consumer, "ShardId": "0", "StartingPosition": {"Type": "LATEST"}});
            site.call("SubscribeToShard", asked).await
        }
        _ => return None,
    }])
}

async fn settings(site: &Site, row: &Row) -> Option<Vec<Answer>> {
    let hours = |hours: u32| json!({"StreamName": "kept", "RetentionPeriodHours": hours});
    Some(vec![match (row.operation.as_str(), row.scenario.as_str()) {
        (increase @ "IncreaseStreamRetentionPeriod", "8761") => {
            site.stream("kept").await;
            site.call(increase, hours(8761)).await
        }
        (decrease @ "DecreaseStreamRetentionPeriod", "23") => site.call(decrease, hours(23)).await,
        (increase @ "IncreaseStreamRetentionPeriod", "value below the current period") => {
            site.done(increase, hours(30)).await;
            site.clock.advance(SECOND);
            site.call(increase, hours(25)).await
        }
        (decrease @ "DecreaseStreamRetentionPeriod", "value above the current period") => {
            site.done(decrease, hours(24)).await;
            site.clock.advance(SECOND);
            site.call(decrease, hours(30)).await
        }
        ("DeleteResourcePolicy", _) => {
            site.call("DeleteResourcePolicy", json!({"ResourceARN": site.arn("kept").await})).await
        }
        _ => return None,
    }])
}

/// The calls that change shards, of a stream of one shard or of one that was split.
async fn reshardings(site: &Site, name: &str) -> Vec<Answer> {
    let split = json!({"StreamName": name, "ShardToSplit": "0", "NewStartingHashKey": "1000"});
    let merge = json!({"StreamName": name, "ShardToMerge": "0", "AdjacentShardToMerge": "0"});
    vec![site.call("SplitShard", split).await, site.call("MergeShards", merge).await]
}

async fn shards(site: &Site, row: &Row) -> Option<Vec<Answer>> {
    match row.scenario.as_str() {
        "stream in ON_DEMAND mode" => {
            let mode = json!({"StreamMode": "ON_DEMAND"});
            site.done("CreateStream", json!({"StreamName": "demand", "StreamModeDetails": mode})).await;
            site.clock.advance(SECOND);
            let mut answers = reshardings(site, "demand").await;
            let count = json!({"StreamName": "demand", "TargetShardCount": 5, "ScalingType": "UNIFORM_SCALING"});
            answers.push(site.call("UpdateShardCount", count).await);
            Some(answers)
        }
        "shard already closed" => {
            site.stream("split").await;
            let split = json!({"StreamName": "split", "ShardToSplit": "0", "NewStartingHashKey": "1000"});
            site.done("SplitShard", split).await;
            site.clock.advance(SECOND);
            Some(reshardings(site, "split").await)
        }
        "more shards than the account may have" => {
            Some(vec![site.call("CreateStream", json!({"StreamName": "large", "ShardCount": 10_000})).await])
        }
        "stream not ACTIVE" => {
            site.making("new").await;
            let mut answers = reshardings(site, "new").await;
            let longer = json!({"StreamName": "new", "RetentionPeriodHours": 48});
            answers.push(site.call("IncreaseStreamRetentionPeriod", longer).await);
            let more = json!({"StreamName": "new", "ShardLevelMetrics": ["ALL"]});
            answers.push(site.call("EnableEnhancedMonitoring", more).await);
            Some(answers)
        }
        _ => None,
    }
}

async fn consumers(site: &Site, row: &Row) -> Option<Vec<Answer>> {
    match (row.operation.as_str(), row.scenario.as_str()) {
        ("RegisterStreamConsumer", _) => {
            site.stream("watched").await;
            let arn = site.arn("watched").await;
            let asked = |number: u32| json!({"StreamARN": arn, "ConsumerName": format!("c{number}")});
            let mut answers = Vec::new();
            for number in 0..20 {
                if number > 0 && number % 5 == 0 {
                    answers.push(site.call("RegisterStreamConsumer", asked(number)).await);
                    site.clock.advance(SECOND);
                }
                site.done("RegisterStreamConsumer", asked(number)).await;
            }
            site.clock.advance(SECOND);
            answers.push(site.call("RegisterStreamConsumer", asked(20)).await);
            Some(answers)
        }
        (operations, "unknown consumer") => {
            let arn = site.arn("kept").await;
            let consumer = format!("{}/consumer/nobody:1545084650", arn.as_str().unwrap());
            let mut answers = Vec::new();
            for operation in operations.split('|') {
                answers.push(site.call(operation, json!({"ConsumerARN": consumer})).await);
            }
            Some(answers)
        }
        _ => None,
    }
}

/// The answer to a request whose head alone says that it is too large.
async fn said_to_be_large(address: SocketAddr) -> Answer {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let length = (16 << 20) + 1;
    let head =
        format!("POST / HTTP/1.1\r\n{TARGET}\r\n{KIND}\r\nhost: h\r\nconnection: close\r\ncontent-length: {length}");
    socket.write_all(format!("{head}\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    soon(socket.read_to_string(&mut answer)).await.unwrap();
    read(&answer)
}

async fn http(site: &Site, row: &Row) -> Option<Vec<Answer>> {
    let address = site.broker.address;
    let post = |headers: String, body: &'static str| async move {
        send(address, &format!("POST / HTTP/1.1\r\n{headers}"), body.as_bytes()).await
    };
    Some(match row.scenario.as_str() {
        "method other than POST, no operation" => {
            let mut answers = Vec::new();
            for method in ["GET", "PUT", "DELETE"] {
                answers.push(send(address, &format!("{method} / HTTP/1.1\r\n{KIND}"), b"").await);
            }
            answers
        }
        "no X-Amz-Target or unknown target, json-1.1" => {
            let unknown = format!("{KIND}\r\nx-amz-target: Kinesis_20131202.Unknown");
            vec![post(KIND.to_owned(), "{}").await, post(unknown, "{}").await]
        }
        "unsupported Content-Type with a target header" => {
            vec![post(format!("{TARGET}\r\ncontent-type: text/plain"), "{}").await]
        }
        "valid target, body not JSON" => vec![post(format!("{TARGET}\r\n{KIND}"), "{\"Limit\"").await],
        "body > 16 MiB" => vec![said_to_be_large(address).await],
        "unknown stream" => {
            // {"StreamName": "wrong-stream-name"} in CBOR.
            let body = [&[0xa1, 0x6a][..], b"StreamName", &[0x71], b"wrong-stream-name"].concat();
            let head = "x-amz-target: Kinesis_20131202.DescribeStream\r\ncontent-type: application/x-amz-cbor-1.1";
            vec![send(address, &format!("POST / HTTP/1.1\r\n{head}"), &body).await]
        }
        _ => return None,
    })
}

/// The head of a call without input that AWS's own signer signed.
pub(crate) fn signed(broker: &TestBroker, (id, secret): (&str, &str), time: SystemTime, operation: &str) -> String {
    let identity = Credentials::new(id, secret, None, None, "test").into();
    let params = SigningParams::builder().identity(&identity).region("us-east-1").name("kinesis").time(time);
    let params = params.settings(SigningSettings::default()).build().unwrap();
    let (name, target) = ("x-amz-target", format!("Kinesis_20131202.{operation}"));
    let uri = format!("http://{}/", broker.address);
    let signable =
        SignableRequest::new("POST", uri, [(name, target.as_str())].into_iter(), SignableBody::Bytes(b"{}")).unwrap();
    let (instructions, _) = aws_sigv4::http_request::sign(signable, &params.into()).unwrap().into_parts();
    let (headers, _) = instructions.into_parts();
    let headers: String = headers.iter().map(|header| format!("\r\n{}: {}", header.name(), header.value())).collect();
    format!("POST / HTTP/1.1\r\n{name}: {target}\r\n{KIND}{headers}")
}

/// Answers of a broker that asks who calls.
async fn auth(broker: &TestBroker, row: &Row) -> Option<Vec<Answer>> {
    #[expect(clippy::disallowed_methods, reason = "the broker under test reads the machine's clock")]
    let now = SystemTime::now();
    let plain = format!("{TARGET}\r\n{KIND}");
    let key = (KEY_ID, SECRET);
    let signed = |key, time| signed(broker, key, time, "ListStreams");
    let head = match row.scenario.as_str() {
        "no Authorization header and no X-Amz-Algorithm" => format!("POST / HTTP/1.1\r\n{plain}"),
        "both header and query signature" => {
            signed(key, now).replacen("POST /", "POST /?X-Amz-Algorithm=AWS4-HMAC-SHA256", 1)
        }
        "Authorization: AWS4- (nothing else)" => format!("POST / HTTP/1.1\r\n{plain}\r\nauthorization: AWS4-"),
        "query signature with missing parts" => {
            format!("POST /?X-Amz-Algorithm=AWS4-HMAC-SHA256 HTTP/1.1\r\n{plain}")
        }
        "signature older than 15 min" => signed(key, now - Duration::from_secs(910)),
        "signature more than 15 min in the future" => signed(key, now + Duration::from_secs(960)),
        "bad signature" => signed((KEY_ID, "another secret"), now),
        "unknown access key" => signed(("AKIANOBODYNOBODYNOBO", SECRET), now),
        _ => return None,
    };
    Some(vec![send(broker.address, &head, b"{}").await])
}

impl Site {
    async fn answers(&self, asking: &TestBroker, row: &Row) -> Vec<Answer> {
        let found = match row.operation.split(['(', ')', ',']).nth(1) {
            Some("auth") => auth(asking, row).await,
            Some("http" | "CBOR") => http(self, row).await,
            _ => self.of_streams(row).await,
        };
        found.unwrap_or_else(|| panic!("nothing brings this about: {} {}", row.operation, row.scenario))
    }

    async fn of_streams(&self, row: &Row) -> Option<Vec<Answer>> {
        let mut found = throughput(self, row).await;
        found = if found.is_none() { reading(self, row).await } else { found };
        found = if found.is_none() { settings(self, row).await } else { found };
        found = if found.is_none() { shards(self, row).await } else { found };
        if found.is_none() { consumers(self, row).await } else { found }
    }
}

#[tokio::test]
async fn every_state_is_answered_in_the_words_of_aws() {
    let clock = TestClock::new();
    let site = Site { broker: start_at(clock.clone()).await, clock };
    let asking = start().await;
    let rows = serde_json::from_str::<Fixture>(include_str!("../fixtures/aws/kinesis-errors.json")).unwrap().scenarios;
    let (different, same): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.differs.is_some());
    for row in &same {
        let answers = site.answers(&asking, row).await;
        assert!(!answers.is_empty(), "{}", row.scenario);
        answers.iter().for_each(|answer| row.judge(answer));
    }
    assert_eq!((same.len(), different.len()), (34, 3), "rows were dropped from the fixture, or from this test");
    asking.end().await;
    site.broker.end().await;
}
