//! Whatever a client sends, the broker answers: nothing breaks a connection, nothing is the broker's fault.

use crate::{
    aws::{Answer, call, done, form, send},
    broker::{TestBroker, start_dev},
};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json};

const OPERATIONS: &str = include_str!("../fixtures/aws/operations.txt");
const MEMBERS: [&str; 26] = [
    "QueueUrl",
    "QueueName",
    "Attributes",
    "AttributeNames",
    "Entries",
    "Id",
    "MessageBody",
    "MessageAttributes",
    "MessageSystemAttributes",
    "DelaySeconds",
    "ReceiptHandle",
    "VisibilityTimeout",
    "MaxNumberOfMessages",
    "WaitTimeSeconds",
    "MessageAttributeNames",
    "Tags",
    "TagKeys",
    "Label",
    "AWSAccountIds",
    "Actions",
    "SourceArn",
    "TaskHandle",
    "MaxResults",
    "NextToken",
    "DataType",
    "StringValue",
];
const TEXTS: [&str; 16] = [
    "",
    "All",
    "0",
    "-1",
    "99999999999999999999",
    "true",
    "String",
    "Binary",
    ".*",
    "a.b",
    "http://x/000000000000/q",
    "arn:aws:sqs:us-east-1:000000000000:q",
    "{\"maxReceiveCount\":1}",
    "\u{0}",
    "ä%2",
    "VisibilityTimeout",
];

fn value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        (0..15i64).prop_map(Value::from),
        prop::sample::select(&TEXTS[..]).prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
    ];
    scalar.prop_recursive(4, 40, 6, |inner| {
        let name = prop_oneof![prop::sample::select(&MEMBERS[..]).prop_map(str::to_owned), ".{0,8}"];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(name, inner, 0..6).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

/// An input of which at least the outside looks right, and often the queue too.
fn input() -> impl Strategy<Value = Value> {
    let members = prop::collection::btree_map(prop::sample::select(&MEMBERS[..]), value(), 0..8);
    (members, any::<bool>()).prop_map(|(members, named)| {
        let mut input: serde_json::Map<_, _> =
            members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        // Nobody waits for a fuzzer.
        input.remove("WaitTimeSeconds");
        if named {
            input.insert("QueueUrl".into(), "http://x/000000000000/q".into());
        }
        Value::Object(input)
    })
}

fn check(answer: &Answer, what: &dyn std::fmt::Debug) {
    assert!((200..500).contains(&answer.status), "{what:?}: {answer:?}");
    assert!(!answer.header("x-amzn-requestid").is_empty(), "{what:?}: {answer:?}");
}

async fn try_one(broker: &TestBroker, operation: &str, input: &Value, bytes: &[u8]) {
    check(&call(broker, operation, input).await, &(operation, input));
    let head = format!("POST / HTTP/1.1\r\nx-amz-target: AmazonSQS.{operation}");
    check(&send(broker.address, &head, bytes).await, &(operation, bytes));
    let kind = "content-type: application/x-www-form-urlencoded";
    let query = format!("Action={operation}&{}", form(operation, input));
    check(&send(broker.address, &format!("POST / HTTP/1.1\r\n{kind}"), query.as_bytes()).await, &query);
    check(&send(broker.address, &format!("POST /a/b HTTP/1.1\r\n{kind}"), bytes).await, &bytes);
}

#[tokio::test]
async fn every_request_gets_an_answer() {
    let broker = start_dev(1000).await;
    let operations: Vec<_> = OPERATIONS.lines().filter_map(|line| line.strip_prefix("sqs.")).collect();
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    for round in 0..8 {
        for operation in &operations {
            let (input, bytes) = (input(), prop::collection::vec(any::<u8>(), 0..200));
            let (input, bytes) = (input, bytes).new_tree(&mut runner).unwrap().current();
            let name = format!("q{round}-{operation}");
            done(&broker, "CreateQueue", &json!({ "QueueName": name })).await;
            let input = input.to_string().replace("000000000000/q\"", &format!("000000000000/{name}\""));
            let input = serde_json::from_str(&input).unwrap();
            try_one(&broker, operation, &input, &bytes).await;
        }
    }
}
