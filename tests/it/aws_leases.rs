//! Tables of leases and metrics as HTTP carries them: heads, sums, forms, packed bodies.

use crate::{
    aws::{Answer, send},
    broker::{TestBroker, start_dev},
};
use flate2::{Compression, write::GzEncoder};
use forebay::service::explain::Explain;
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json};
use std::io::Write as _;

const OPERATIONS: &str = include_str!("../fixtures/aws/operations.txt");

async fn ask(broker: &TestBroker, operation: &str, input: &Value) -> Answer {
    let kind = "content-type: application/x-amz-json-1.0";
    let head = format!("POST / HTTP/1.1\r\nx-amz-target: DynamoDB_20120810.{operation}\r\n{kind}");
    send(broker.address, &head, input.to_string().as_bytes()).await
}

async fn done(broker: &TestBroker, operation: &str, input: &Value) -> Value {
    let answer = ask(broker, operation, input).await;
    assert_eq!(answer.status, 200, "{operation}: {}", answer.body);
    assert_eq!(answer.header("content-type"), "application/x-amz-json-1.0");
    check_sum(&answer);
    answer.json()
}

fn check_sum(answer: &Answer) {
    assert_eq!(answer.header("x-amz-crc32"), crc32fast::hash(answer.body.as_bytes()).to_string());
}

/// Three hundred metrics in JSON, packed as the SDKs do it.
fn packed() -> Vec<u8> {
    let datum =
        |number: u64| json!({ "MetricName": format!("m{number}"), "Value": number as f64 + 0.5, "Unit": "Count" });
    let body = json!({ "Namespace": "app", "MetricData": (0..300).map(datum).collect::<Vec<_>>() });
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body.to_string().as_bytes()).unwrap();
    encoder.finish().unwrap()
}

async fn with_table(broker: &TestBroker) {
    let key = |name: &str, kind: &str| json!([{ "AttributeName": name, "KeyType": kind }]);
    let create = json!({
        "TableName": "leases",
        "AttributeDefinitions": [
            { "AttributeName": "leaseKey", "AttributeType": "S" }, { "AttributeName": "leaseOwner", "AttributeType": "S" }
        ],
        "KeySchema": key("leaseKey", "HASH"),
        "GlobalSecondaryIndexes": [
            { "IndexName": "owners", "KeySchema": key("leaseOwner", "HASH"), "Projection": { "ProjectionType": "ALL" } }
        ],
        "BillingMode": "PAY_PER_REQUEST",
    });
    done(broker, "CreateTable", &create).await;
}

#[tokio::test]
async fn an_item_is_put_found_and_refused_to_the_second_taker() {
    let broker = start_dev(10).await;
    with_table(&broker).await;
    let item = json!({ "leaseKey": { "S": "s1" }, "leaseOwner": { "S": "w1" }, "leaseCounter": { "N": "007" } });
    let put = json!({
        "TableName": "leases", "Item": item, "ConditionExpression": "attribute_not_exists(leaseKey)",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    });
    assert_eq!(done(&broker, "PutItem", &put).await, json!({}));
    let get = json!({ "TableName": "leases", "Key": { "leaseKey": { "S": "s1" } } });
    let found = done(&broker, "GetItem", &get).await;
    assert_eq!(found["Item"]["leaseCounter"], json!({ "N": "7" }));
    let refused = ask(&broker, "PutItem", &put).await;
    check_sum(&refused);
    assert_eq!(refused.status, 400);
    assert_eq!(refused.header("x-amzn-query-error"), "", "tables never spoke Query");
    let expected = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
        "message": "The conditional request failed",
        "Item": found["Item"],
    });
    assert_eq!(refused.json(), expected);
}

#[tokio::test]
async fn a_request_without_a_table_or_a_sense_is_told() {
    let broker = start_dev(10).await;
    for (operation, input, status, kind, text) in [
        ("GetItem", json!({}), 400, "ValidationException", "Value null at 'tableName' failed to satisfy constraint"),
        ("DescribeTable", json!({ "TableName": "a" }), 400, "ValidationException", "at least 3 characters long"),
        ("DescribeTable", json!({ "TableName": "a b c" }), 400, "ValidationException", "[a-zA-Z0-9_.-]+"),
        ("DescribeTable", json!({ "TableName": 7 }), 400, "SerializationException", "not a string"),
        ("Scan", json!({ "TableName": "none" }), 400, "ResourceNotFoundException", "Requested resource not found"),
        ("ExecuteStatement", json!({}), 400, "UnknownOperationException", ""),
    ] {
        let answer = ask(&broker, operation, &input).await;
        let told = answer.json();
        assert_eq!(answer.status, status, "{operation}: {}", answer.body);
        assert!(told["__type"].as_str().unwrap().ends_with(&format!("#{kind}")), "{operation}: {told}");
        assert!(told["message"].as_str().unwrap_or_default().contains(text), "{operation}: {told}");
    }
}

#[tokio::test]
async fn metrics_come_in_every_form() {
    let broker = start_dev(10).await;
    let target = "x-amz-target: GraniteServiceVersion20100801.PutMetricData";
    let json = send(broker.address, &format!("POST / HTTP/1.1\r\n{target}\r\ncontent-encoding: gzip"), &packed()).await;
    assert_eq!((json.status, json.body.as_str()), (200, ""));
    let form = "content-type: application/x-www-form-urlencoded";
    let query = "Action=PutMetricData&Version=2010-08-01&Namespace=app&MetricData.member.1.MetricName=a\
                 &MetricData.member.1.StatisticValues.Sum=1.5&MetricData.member.1.StatisticValues.SampleCount=1\
                 &MetricData.member.1.Dimensions.member.1.Name=n&MetricData.member.1.Dimensions.member.1.Value=v";
    let xml = send(broker.address, &format!("POST / HTTP/1.1\r\n{form}"), query.as_bytes()).await;
    assert_eq!(xml.status, 200, "{}", xml.body);
    assert!(xml.body.contains("<PutMetricDataResponse xmlns=\"http://monitoring.amazonaws.com/doc/2010-08-01/\">"));
    let refused =
        send(broker.address, &format!("POST / HTTP/1.1\r\n{form}"), query.replace("=1.5", "=x").as_bytes()).await;
    assert_eq!((refused.status, refused.xml("Code").as_deref()), (400, Some("InvalidParameterValue")));
    let path = "/service/GraniteServiceVersion20100801/operation/PutMetricData";
    let head = format!("POST {path} HTTP/1.1\r\nsmithy-protocol: rpc-v2-cbor\r\ncontent-type: application/cbor");
    // {"Namespace": "app", "MetricData": []}
    let cbor = send(broker.address, &head, b"\xa2\x69Namespace\x63app\x6aMetricData\x80").await;
    assert_eq!((cbor.status, cbor.header("smithy-protocol")), (200, "rpc-v2-cbor"));
    let refused = send(broker.address, &head, b"\xa0").await;
    assert_eq!((refused.status, refused.header("content-type")), (400, "application/cbor"));
    assert!(refused.body.contains("MissingRequiredParameterException"), "{}", refused.body);
    assert_eq!(refused.header("x-amzn-query-error"), "MissingParameter;Sender");
}

#[tokio::test]
async fn a_packed_body_that_is_too_large_or_no_gzip_is_refused() {
    let broker = start_dev(10).await;
    let target = "x-amz-target: GraniteServiceVersion20100801.PutMetricData\r\ncontent-encoding: gzip";
    let answer = send(broker.address, &format!("POST / HTTP/1.1\r\n{target}"), b"{}").await;
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("not gzip"), "{}", answer.body);
}

#[tokio::test]
async fn the_decision_about_a_table_is_explained() {
    let broker = start_dev(10).await;
    let caller = broker.broker.anonymous();
    let explain = |action: &str, resource: &str| {
        let (action, resource) = (action.to_owned(), resource.to_owned());
        broker.broker.explain_access(&caller, &Explain { action, resource, ..Explain::default() })
    };
    let told = explain("dynamodb:GetItem", "leases").unwrap();
    assert!(told.allowed && told.explanation.contains(":000000000000:table/leases"), "{told:?}");
    let arn = "arn:aws:dynamodb:eu-north-1:000000000000:table/leases/index/owners";
    assert!(explain("dynamodb:Query", arn).unwrap().explanation.contains(arn));
    assert!(explain("dynamodb:GetItem", "arn:aws:sqs:us-east-1:000000000000:leases").is_err());
    assert!(explain("dynamodb:GetItem", "a").is_err());
}

const MEMBERS: [&str; 24] = [
    "TableName",
    "Item",
    "Key",
    "Keys",
    "S",
    "N",
    "B",
    "M",
    "L",
    "SS",
    "NULL",
    "KeySchema",
    "ConditionExpression",
    "UpdateExpression",
    "FilterExpression",
    "KeyConditionExpression",
    "ProjectionExpression",
    "ExpressionAttributeNames",
    "ExpressionAttributeValues",
    "RequestItems",
    "TransactItems",
    "Limit",
    "ExclusiveStartKey",
    "Expected",
];
const TEXTS: [&str; 16] = [
    "",
    "leases",
    "owners",
    "a = :v",
    "SET a = :v",
    "leaseKey = :v AND",
    "size(a) > :v",
    "#n[0].a",
    "(((",
    "1e125",
    "ALL_NEW",
    "REMOVE a[0], a[1] ADD n :v",
    "arn:aws:dynamodb:us-east-1:000000000000:table/leases",
    "NOT NOT",
    "ä",
    "\u{0}",
];

fn value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop::sample::select(&TEXTS[..]).prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    scalar.prop_recursive(4, 30, 5, |inner| {
        let name = prop_oneof![
            prop::sample::select(&MEMBERS[..]).prop_map(str::to_owned),
            prop::sample::select(&["leases", ":v", "#n", "leaseKey", "Put", "Update"][..]).prop_map(str::to_owned),
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name, inner, 0..5).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

#[tokio::test]
async fn every_request_about_tables_gets_an_answer() {
    let broker = start_dev(1000).await;
    with_table(&broker).await;
    let operations = OPERATIONS.lines().filter_map(|line| line.strip_prefix("dynamodb."));
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    for operation in operations.filter(|operation| *operation != "DeleteTable") {
        for _ in 0..12 {
            let members = prop::collection::btree_map(prop::sample::select(&MEMBERS[..]), value(), 0..8);
            let mut input = json!(members.new_tree(&mut runner).unwrap().current());
            input["TableName"] = json!("leases");
            let answer = ask(&broker, operation, &input).await;
            assert!((200..500).contains(&answer.status), "{operation} {input}: {answer:?}");
        }
    }
    done(&broker, "DescribeTable", &json!({ "TableName": "leases" })).await;
}
