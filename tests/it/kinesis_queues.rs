//! Queues over streams by the protocol of Kinesis: each operation as it is meant, and with what is wrong.

use crate::{
    broker::{TestBroker, soon, start_dev},
    kinesis::{active, done, refused, stream},
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};

const NOWHERE: &str = "arn:aws:kinesis:us-east-1:000000000000:queue/00000000000000010000000000000001";

/// The ARN of an on-demand stream that is there to be used.
async fn on_demand(broker: &TestBroker, name: &str) -> String {
    done(broker, "CreateStream", json!({"StreamName": name, "StreamModeDetails": {"StreamMode": "ON_DEMAND"}})).await;
    active(broker, name).await;
    let found = done(broker, "DescribeStreamSummary", json!({"StreamName": name})).await;
    found["StreamDescriptionSummary"]["StreamARN"].as_str().unwrap().to_owned()
}

fn new_queue(name: &str, stream: &str) -> Value {
    json!({"QueueName": name, "StreamConfigurationList": [{"StreamARN": stream}]})
}

/// The ARN of a queue that delivers.
async fn queue(broker: &TestBroker, input: Value) -> String {
    let made = done(broker, "CreateQueue", input).await;
    let arn = made["QueueDescription"]["QueueARN"].as_str().unwrap().to_owned();
    is_active(broker, &arn).await;
    arn
}

async fn describe(broker: &TestBroker, arn: &str) -> Value {
    done(broker, "DescribeQueue", json!({"QueueARN": arn})).await["QueueDescription"].take()
}

async fn is_active(broker: &TestBroker, arn: &str) {
    let look = async {
        while describe(broker, arn).await["QueueStatus"] != "ACTIVE" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    soon(look).await;
}

async fn is_gone(broker: &TestBroker, arn: &str) {
    let look = async {
        while done(broker, "ListQueues", json!({})).await["QueueSummaries"]
            .as_array()
            .unwrap()
            .iter()
            .any(|queue| queue["QueueARN"] == arn)
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    soon(look).await;
}

async fn put(broker: &TestBroker, stream: &str, texts: &[&str]) {
    let record = |text: &&str| json!({"PartitionKey": format!("key of {text}"), "Data": BASE64.encode(text)});
    let records: Vec<_> = texts.iter().map(record).collect();
    let put = done(broker, "PutRecords", json!({"StreamARN": stream, "Records": records})).await;
    assert_eq!(put["FailedRecordCount"], 0, "{put}");
}

async fn receive(broker: &TestBroker, arn: &str) -> Vec<Value> {
    let input = json!({"QueueARN": arn, "WaitTimeSeconds": 20});
    done(broker, "ReceiveQueueRecords", input).await["QueueRecords"].as_array().unwrap().clone()
}

fn data(record: &Value) -> String {
    String::from_utf8(BASE64.decode(record["Data"].as_str().unwrap()).unwrap()).unwrap()
}

fn texts(records: &[Value]) -> BTreeSet<String> {
    records.iter().map(data).collect()
}

fn set(texts: &[&str]) -> BTreeSet<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn entries(records: &[Value]) -> Vec<Value> {
    records.iter().map(|record| json!({"ReceiptHandle": record["ReceiptHandle"]})).collect()
}

/// How many entries of an answer went well, and the codes of those that did not.
fn outcome(answer: &Value) -> (usize, Vec<String>) {
    let failed = answer["Failed"].as_array().unwrap().iter();
    let codes = failed.map(|entry| entry["ErrorCode"].as_str().unwrap().to_owned()).collect();
    (answer["Successful"].as_array().unwrap().len(), codes)
}

#[tokio::test]
async fn a_queue_is_made_described_listed_changed_and_deleted() {
    let broker = start_dev(120_000).await;
    let (stream, other) = (on_demand(&broker, "s").await, on_demand(&broker, "t").await);
    let made = done(&broker, "CreateQueue", new_queue("q", &stream)).await["QueueDescription"].take();
    assert_eq!((&made["QueueName"], &made["QueueStatus"]), (&json!("q"), &json!("CREATING")));
    let position = &made["StreamConfigurationList"][0];
    assert_eq!(*position, json!({"StreamARN": stream, "StartingPosition": {"Type": "LATEST"}}));
    let defaults = json!({
        "VisibilityTimeoutSeconds": 30,
        "DeadLetterConfiguration": {"TargetType": "BUILT_IN", "MaxReceiveCount": 6},
    });
    assert_eq!(made["QueueAttributes"], defaults);
    let arn = made["QueueARN"].as_str().unwrap().to_owned();
    assert!(!arn.contains("queue/q"), "the name is not the id: {arn}");
    is_active(&broker, &arn).await;
    let described = describe(&broker, &arn).await;
    let since = &described["StreamConfigurationList"][0]["StartingPosition"]["Timestamp"];
    assert_eq!(since.as_f64(), made["QueueCreationTimestamp"].as_f64(), "{described}");

    let attributes = json!({"DeadLetterConfiguration": {"TargetType": "NONE"}});
    let update = json!({"QueueARN": arn, "QueueAttributes": attributes});
    let updated = done(&broker, "UpdateQueue", update).await["QueueDescription"].take();
    assert_eq!(updated["QueueStatus"], "UPDATING");
    assert_eq!(
        updated["QueueAttributes"],
        json!({"VisibilityTimeoutSeconds": 30, "DeadLetterConfiguration": {"TargetType": "NONE"}})
    );
    is_active(&broker, &arn).await;
    assert_eq!(describe(&broker, &arn).await["QueueAttributes"], updated["QueueAttributes"]);

    for name in ["a", "b", "c"] {
        queue(&broker, new_queue(name, &other)).await;
    }
    let page = done(&broker, "ListQueues", json!({"MaxResults": 3})).await;
    let names = |page: &Value| {
        let names = page["QueueSummaries"].as_array().unwrap().iter().map(|queue| queue["QueueName"].clone());
        names.collect::<Vec<_>>()
    };
    assert_eq!(names(&page), ["a", "b", "c"]);
    let rest = done(&broker, "ListQueues", json!({"NextToken": page["NextToken"]})).await;
    assert_eq!((names(&rest), rest.get("NextToken")), (vec![json!("q")], None));
    let summary = &rest["QueueSummaries"][0]["Streams"][0];
    assert_eq!(summary["StreamARN"], *stream);
    let filter = |second: f64| json!({"StreamFilter": [{"StreamARN": stream, "StreamCreationTimestamp": second}]});
    let second = summary["StreamCreationTimestamp"].as_f64().unwrap();
    assert_eq!(names(&done(&broker, "ListQueues", filter(second)).await), ["q"]);
    assert!(names(&done(&broker, "ListQueues", filter(second - 5.0)).await).is_empty());

    let (kind, text) = refused(&broker, "DeleteStream", json!({"StreamARN": stream})).await;
    assert_eq!(kind, "ResourceInUseException", "{text}");
    done(&broker, "DeleteQueue", json!({"QueueARN": arn})).await;
    is_gone(&broker, &arn).await;
    assert_eq!(refused(&broker, "DescribeQueue", json!({"QueueARN": arn})).await.0, "ResourceNotFoundException");
    let summary = done(&broker, "DescribeStreamSummary", json!({"StreamARN": other})).await;
    assert_eq!(summary["StreamDescriptionSummary"]["QueueCount"], 3);
    done(&broker, "DeleteStream", json!({"StreamARN": stream})).await;
    broker.end().await;
}

#[tokio::test]
async fn a_queue_that_cannot_be_made_says_why() {
    let broker = start_dev(120_000).await;
    let stream_arn = on_demand(&broker, "s").await;
    stream(&broker, "provisioned", 1).await;
    let provisioned = stream_arn.replace("stream/s", "stream/provisioned");
    queue(&broker, new_queue("q", &stream_arn)).await;
    let with = |member: &str, value: Value| {
        let mut input = new_queue("bad", &stream_arn);
        input[member] = value;
        input
    };
    let starting = |position: Value| {
        with("StreamConfigurationList", json!([{"StreamARN": stream_arn, "StartingPosition": position}]))
    };
    let dead = |configuration: Value| with("QueueAttributes", json!({"DeadLetterConfiguration": configuration}));
    let source = json!({"StreamARN": stream_arn});
    let cases = [
        (new_queue("q", &stream_arn), "ResourceInUseException", "Queue q under account 000000000000 already exists."),
        (new_queue("bad", &provisioned), "ValidationException", "is in Provisioned mode"),
        (new_queue("bad", &format!("{stream_arn}x")), "ResourceNotFoundException", "Stream sx under account"),
        (with("StreamConfigurationList", json!([source, source])), "ValidationException", "exactly one entry"),
        (with("StreamConfigurationList", json!([])), "ValidationException", "length greater than or equal to 1"),
        (with("QueueName", json!("a b")), "ValidationException", "Value 'a b' at 'queueName' failed"),
        (starting(json!({"Type": "AT_TIMESTAMP"})), "ValidationException", "requires a Timestamp"),
        (starting(json!({"Type": "LATEST", "Timestamp": 1})), "ValidationException", "must not have a Timestamp"),
        (
            starting(json!({"Type": "NOW"})),
            "ValidationException",
            "enum value set: [TRIM_HORIZON, LATEST, AT_TIMESTAMP]",
        ),
        (starting(json!({"Type": "AT_TIMESTAMP", "Timestamp": 9e9})), "InvalidArgumentException", "later than now"),
        (dead(json!({"TargetType": "BUILT_IN"})), "ValidationException", "MaxReceiveCount must be specified"),
        (dead(json!({"TargetType": "NONE", "MaxReceiveCount": 3})), "ValidationException", "only for dead letters"),
        (
            dead(json!({"TargetType": "BUILT_IN", "MaxReceiveCount": 1001})),
            "ValidationException",
            "Value '1001' at 'queueAttributes.deadLetterConfiguration.maxReceiveCount' failed to satisfy constraint: \
             Member must have value less than or equal to 1000",
        ),
        (
            with("QueueAttributes", json!({"VisibilityTimeoutSeconds": 43201})),
            "ValidationException",
            "Value '43201' at 'queueAttributes.visibilityTimeoutSeconds'",
        ),
        (with("Tags", json!({"a": "<"})), "InvalidArgumentException", "Some tags contain invalid characters"),
    ];
    for (input, kind, text) in cases {
        let found = refused(&broker, "CreateQueue", input.clone()).await;
        assert!(found.0 == kind && found.1.contains(text), "{input}: {found:?}");
    }
    let names = done(&broker, "ListQueues", json!({})).await;
    assert_eq!(names["QueueSummaries"].as_array().unwrap().len(), 1, "what is refused takes no name");
    broker.end().await;
}

#[tokio::test]
async fn what_is_asked_of_a_queue_that_is_not_there_or_busy_is_refused() {
    let broker = start_dev(120_000).await;
    let arn = queue(&broker, new_queue("q", &on_demand(&broker, "s").await)).await;
    done(&broker, "UpdateQueue", json!({"QueueARN": arn, "QueueAttributes": {"VisibilityTimeoutSeconds": 1}})).await;
    let twice = json!({"QueueARN": arn, "QueueAttributes": {"VisibilityTimeoutSeconds": 2}});
    let (kind, text) = refused(&broker, "UpdateQueue", twice).await;
    assert_eq!(kind, "ResourceInUseException");
    assert!(text.ends_with("not ACTIVE, instead in state UPDATING"), "{text}");
    for (operation, more) in [
        ("DescribeQueue", json!({})),
        ("DeleteQueue", json!({})),
        ("UpdateQueue", json!({"QueueAttributes": {}})),
        ("ReceiveQueueRecords", json!({})),
        ("ReceiveDeadLetterQueueRecords", json!({})),
        ("AcknowledgeQueueRecords", json!({"Entries": [{"ReceiptHandle": "x"}]})),
        ("AcknowledgeDeadLetterQueueRecords", json!({"Entries": [{"ReceiptHandle": "x"}]})),
        ("RestoreDeadLetterQueueRecords", json!({"Entries": [{"ReceiptHandle": "x"}]})),
        ("UpdateQueueRecordsVisibility", json!({"Entries": [{"ReceiptHandle": "x", "VisibilityTimeoutSeconds": 1}]})),
        (
            "UpdateDeadLetterQueueRecordsVisibility",
            json!({"Entries": [{"ReceiptHandle": "x", "VisibilityTimeoutSeconds": 1}]}),
        ),
    ] {
        for missing in [NOWHERE, &NOWHERE.replace("0000000000000001", "name")] {
            let mut input = more.clone();
            input["QueueARN"] = missing.into();
            let (kind, text) = refused(&broker, operation, input).await;
            assert_eq!(kind, "ResourceNotFoundException", "{operation} {missing}");
            assert!(text.starts_with("Queue ") && text.ends_with("not found."), "{operation}: {text}");
        }
        let (kind, text) = refused(&broker, operation, more).await;
        assert_eq!(kind, "ValidationException", "{operation}");
        assert!(text.contains("Value null at 'queueARN' failed"), "{operation}: {text}");
    }
    let bad = json!({"NextToken": "garbage"});
    assert_eq!(
        refused(&broker, "ListQueues", bad).await,
        ("InvalidArgumentException".into(), "Invalid NextToken.".into())
    );
    broker.end().await;
}

#[tokio::test]
async fn tags_of_a_queue_are_its_own_and_it_has_no_policy() {
    let broker = start_dev(120_000).await;
    let stream = on_demand(&broker, "s").await;
    let mut input = new_queue("q", &stream);
    input["Tags"] = json!({"a": "1"});
    let arn = queue(&broker, input).await;
    done(&broker, "TagResource", json!({"ResourceARN": arn, "Tags": {"b": "2"}})).await;
    done(&broker, "UntagResource", json!({"ResourceARN": arn, "TagKeys": ["a"]})).await;
    let tags = done(&broker, "ListTagsForResource", json!({"ResourceARN": arn})).await;
    assert_eq!(tags, json!({"Tags": [{"Key": "b", "Value": "2"}]}));
    let of_stream = done(&broker, "ListTagsForResource", json!({"ResourceARN": stream})).await;
    assert_eq!(of_stream, json!({"Tags": []}));
    let (kind, text) = refused(&broker, "PutResourcePolicy", json!({"ResourceARN": arn, "Policy": "{}"})).await;
    assert_eq!((kind.as_str(), text.contains("A queue has no policy")), ("InvalidArgumentException", true));
    for operation in ["TagResource", "UntagResource"] {
        let input = json!({"ResourceARN": NOWHERE, "Tags": {"b": "2"}, "TagKeys": ["a"]});
        assert_eq!(refused(&broker, operation, input).await.0, "ResourceNotFoundException");
    }
    broker.end().await;
}

#[tokio::test]
async fn records_are_received_acknowledged_and_shown_again() {
    let broker = start_dev(120_000).await;
    let stream = on_demand(&broker, "s").await;
    put(&broker, &stream, &["before"]).await;
    let arn = queue(&broker, new_queue("q", &stream)).await;
    let all = json!([{"StreamARN": stream, "StartingPosition": {"Type": "TRIM_HORIZON"}}]);
    let whole = queue(&broker, json!({"QueueName": "whole", "StreamConfigurationList": all})).await;
    put(&broker, &stream, &["one", "two", "three"]).await;
    let received = receive(&broker, &arn).await;
    assert_eq!(texts(&received), set(&["one", "two", "three"]));
    let first = &received[0];
    assert_eq!(first["PartitionKey"], format!("key of {}", data(first)));
    assert_eq!((&first["ReceiveCount"], first["RecordId"].as_str().unwrap().len()), (&json!(1), 56));
    assert!(first["ReceiptHandle"].as_str().unwrap().len() < 100);
    let arrival = first["ApproximateArrivalTimestamp"].as_f64().unwrap();
    assert!(first["FirstReceiveTimestamp"].as_f64().unwrap() >= arrival);
    let of_whole = receive(&broker, &whole).await;
    assert_eq!(texts(&of_whole), set(&["before", "one", "two", "three"]), "each queue for itself");
    let ids = |records: &[Value]| records.iter().map(|record| record["RecordId"].to_string()).collect::<BTreeSet<_>>();
    assert!(ids(&of_whole).is_superset(&ids(&received)), "a record has one id");

    let acknowledge = json!({"QueueARN": arn, "Entries": entries(&received[..1])});
    let done_one = done(&broker, "AcknowledgeQueueRecords", acknowledge.clone()).await;
    assert_eq!(done_one, json!({"Successful": entries(&received[..1]), "Failed": []}));
    assert_eq!(outcome(&done(&broker, "AcknowledgeQueueRecords", acknowledge).await), (1, vec![]), "once more");
    let show = |record: &Value, seconds: u32| json!({"ReceiptHandle": record["ReceiptHandle"], "VisibilityTimeoutSeconds": seconds});
    let visibility =
        json!({"QueueARN": arn, "Entries": [show(&received[0], 0), show(&received[1], 0), show(&received[2], 600)]});
    let shown = done(&broker, "UpdateQueueRecordsVisibility", visibility).await;
    assert_eq!(outcome(&shown), (2, vec!["ResourceNotFoundException".to_owned()]), "what is acknowledged is gone");
    assert_eq!(shown["Failed"][0]["ReceiptHandle"], received[0]["ReceiptHandle"]);
    let again = receive(&broker, &arn).await;
    assert_eq!((texts(&again), &again[0]["ReceiveCount"]), (texts(&received[1..2]), &json!(2)));
    assert_eq!(again[0]["FirstReceiveTimestamp"], received[1]["FirstReceiveTimestamp"]);
    let stale = json!({"QueueARN": arn, "Entries": entries(&received[1..2])});
    let stale = done(&broker, "AcknowledgeQueueRecords", stale).await;
    assert_eq!(outcome(&stale), (0, vec!["InvalidArgumentException".to_owned()]), "somebody else has it: {stale}");
    broker.end().await;
}

#[tokio::test]
async fn a_receive_wakes_at_once_and_a_handle_of_elsewhere_settles_nothing() {
    let broker = start_dev(120_000).await;
    let stream = on_demand(&broker, "s").await;
    let arn = queue(&broker, new_queue("q", &stream)).await;
    let other = queue(&broker, new_queue("other", &stream)).await;
    let (received, ()) = tokio::join!(receive(&broker, &arn), put(&broker, &stream, &["x"]));
    assert_eq!(texts(&received), set(&["x"]));
    let handle = received[0]["ReceiptHandle"].as_str().unwrap();
    let changed = format!("{}{}", &handle[..handle.len() - 1], if handle.ends_with('A') { 'B' } else { 'A' });
    let bad = [changed.as_str(), "garbage", "\u{e4}"];
    let wrong: Vec<_> = bad.iter().map(|handle| json!({"ReceiptHandle": handle})).collect();
    let settled = done(&broker, "AcknowledgeQueueRecords", json!({"QueueARN": arn, "Entries": wrong})).await;
    assert_eq!(outcome(&settled), (0, vec!["InvalidArgumentException".to_owned(); 3]));
    for (operation, queue) in [
        ("AcknowledgeQueueRecords", &other),
        ("AcknowledgeDeadLetterQueueRecords", &arn),
        ("RestoreDeadLetterQueueRecords", &arn),
    ] {
        let input = json!({"QueueARN": queue, "Entries": entries(&received)});
        let settled = done(&broker, operation, input).await;
        assert_eq!(outcome(&settled), (0, vec!["InvalidArgumentException".to_owned()]), "{operation}");
    }
    let long: Vec<_> = (0..11).map(|_| json!({"ReceiptHandle": handle})).collect();
    let cases = [
        ("AcknowledgeQueueRecords", json!({"Entries": long}), "Value '<list>' at 'entries' failed"),
        ("AcknowledgeQueueRecords", json!({"Entries": []}), "length greater than or equal to 1"),
        ("AcknowledgeQueueRecords", json!({"Entries": [{}]}), "Value null at 'entries.1.member.receiptHandle' failed"),
        ("ReceiveQueueRecords", json!({"Limit": 11}), "Value '11' at 'limit' failed"),
        ("ReceiveQueueRecords", json!({"WaitTimeSeconds": 0}), "Value '0' at 'waitTimeSeconds' failed"),
        ("ReceiveQueueRecords", json!({"WaitTimeSeconds": 21}), "Value '21' at 'waitTimeSeconds' failed"),
        ("ReceiveQueueRecords", json!({"VisibilityTimeoutSeconds": 43201}), "'visibilityTimeoutSeconds' failed"),
        (
            "UpdateQueueRecordsVisibility",
            json!({"Entries": [{"ReceiptHandle": "x", "VisibilityTimeoutSeconds": -1}]}),
            "Value '-1' at 'entries.1.member.visibilityTimeoutSeconds' failed",
        ),
    ];
    for (operation, mut input, text) in cases {
        input["QueueARN"] = arn.as_str().into();
        let found = refused(&broker, operation, input.clone()).await;
        assert!(found.0 == "ValidationException" && found.1.contains(text), "{operation} {input}: {found:?}");
    }
    done(&broker, "DeleteQueue", json!({"QueueARN": arn})).await;
    let (kind, text) = refused(&broker, "ReceiveQueueRecords", json!({"QueueARN": arn, "WaitTimeSeconds": 20})).await;
    assert_eq!(kind, "ResourceNotFoundException", "{text}");
    is_gone(&broker, &arn).await;
    let late = json!({"QueueARN": arn, "Entries": entries(&received)});
    assert_eq!(refused(&broker, "AcknowledgeQueueRecords", late).await.0, "ResourceNotFoundException");
    broker.end().await;
}

#[tokio::test]
async fn a_record_received_in_vain_is_a_dead_letter_until_it_is_acknowledged_or_restored() {
    let broker = start_dev(120_000).await;
    let stream = on_demand(&broker, "s").await;
    let mut input = new_queue("q", &stream);
    input["QueueAttributes"] = json!({"DeadLetterConfiguration": {"TargetType": "BUILT_IN", "MaxReceiveCount": 2}});
    let arn = queue(&broker, input).await;
    put(&broker, &stream, &["one", "two", "three"]).await;
    for _ in 0..2 {
        let input = json!({"QueueARN": arn, "VisibilityTimeoutSeconds": 0});
        let received = done(&broker, "ReceiveQueueRecords", input).await;
        assert_eq!(received["QueueRecords"].as_array().unwrap().len(), 3);
    }
    let short = json!({"QueueARN": arn, "WaitTimeSeconds": 1});
    assert_eq!(done(&broker, "ReceiveQueueRecords", short.clone()).await, json!({"QueueRecords": []}));
    let dead = done(&broker, "ReceiveDeadLetterQueueRecords", json!({"QueueARN": arn})).await;
    let dead = dead["QueueRecords"].as_array().unwrap();
    assert_eq!(texts(dead), set(&["one", "two", "three"]));
    assert_eq!(dead[0]["ReceiveCount"], 3);
    let of = |operation, records: &[Value]| {
        let (broker, input) = (&broker, json!({"QueueARN": arn, "Entries": entries(records)}));
        async move { outcome(&done(broker, operation, input).await) }
    };
    let failed = |count| (0, vec!["InvalidArgumentException".to_owned(); count]);
    assert_eq!(of("AcknowledgeQueueRecords", dead).await, failed(3), "they have operations of their own");
    assert_eq!(of("AcknowledgeDeadLetterQueueRecords", &dead[..1]).await, (1, vec![]));
    assert_eq!(of("RestoreDeadLetterQueueRecords", &dead[1..2]).await, (1, vec![]));
    assert_eq!(of("RestoreDeadLetterQueueRecords", &dead[1..2]).await, failed(1), "it is none any more");
    let restored = receive(&broker, &arn).await;
    assert_eq!((texts(&restored), &restored[0]["ReceiveCount"]), (texts(&dead[1..2]), &json!(1)));
    let shown = json!({"QueueARN": arn, "Entries": [{"ReceiptHandle": dead[2]["ReceiptHandle"], "VisibilityTimeoutSeconds": 0}]});
    assert_eq!(outcome(&done(&broker, "UpdateDeadLetterQueueRecordsVisibility", shown).await), (1, vec![]));
    let again = done(&broker, "ReceiveDeadLetterQueueRecords", json!({"QueueARN": arn})).await;
    assert_eq!(texts(again["QueueRecords"].as_array().unwrap()), texts(&dead[2..]));
    broker.end().await;
}

#[tokio::test]
async fn a_queue_begins_at_a_moment_and_its_stream_stays_on_demand() {
    let broker = start_dev(120_000).await;
    let stream = on_demand(&broker, "s").await;
    put(&broker, &stream, &["before"]).await;
    let shards = done(&broker, "ListShards", json!({"StreamARN": stream})).await;
    assert_eq!(shards["Shards"].as_array().unwrap().len(), 4);
    put(&broker, &stream, &["after"]).await;
    let all = json!([{"StreamARN": stream, "StartingPosition": {"Type": "TRIM_HORIZON"}}]);
    let whole = queue(&broker, json!({"QueueName": "whole", "StreamConfigurationList": all})).await;
    let arrived = receive(&broker, &whole).await;
    let arrival = |record: &Value| record["ApproximateArrivalTimestamp"].as_f64().unwrap();
    let moment = arrival(arrived.iter().find(|record| data(record) == "after").unwrap());
    let since: Vec<_> = arrived.into_iter().filter(|record| arrival(record) >= moment).collect();
    let at = json!([{"StreamARN": stream, "StartingPosition": {"Type": "AT_TIMESTAMP", "Timestamp": moment}}]);
    let arn = queue(&broker, json!({"QueueName": "q", "StreamConfigurationList": at})).await;
    let described = describe(&broker, &arn).await;
    let position = &described["StreamConfigurationList"][0]["StartingPosition"];
    assert_eq!((&position["Type"], position["Timestamp"].as_f64()), (&json!("AT_TIMESTAMP"), Some(moment)));
    assert_eq!(texts(&receive(&broker, &arn).await), texts(&since));
    let mode = json!({"StreamARN": stream, "StreamModeDetails": {"StreamMode": "PROVISIONED"}});
    let (kind, text) = refused(&broker, "UpdateStreamMode", mode).await;
    assert!(kind == "ResourceInUseException" && text.contains("has 2 queues"), "{kind}: {text}");
    broker.end().await;
}
