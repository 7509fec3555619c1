//! By the protocol of Kinesis: channels, which there are none of.

use crate::{
    broker::start_dev,
    kinesis::{done, refused, stream},
};
use serde_json::{Value, json};

const STREAM: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/s";
const CHANNEL: &str = "arn:aws:kinesis:us-east-1:000000000000:channel/c";

fn channel(stream: &str, more: Value) -> Value {
    let mut input = json!({
        "ChannelName": "c",
        "ServiceExecutionRoleARN": "arn:aws:iam::000000000000:role/r",
        "StreamConfigurationList": [{"StreamARN": stream, "RecordConfiguration": {"RecordFormatType": "JSON"}}],
    });
    for (name, value) in more.as_object().unwrap() {
        input[name] = value.clone();
    }
    input
}

#[tokio::test]
async fn no_channel_is_made_and_what_is_asked_of_one_finds_none() {
    let broker = start_dev(120_000).await;
    stream(&broker, "s", 1).await;
    let bucket =
        json!({"BucketARN": "arn:aws:s3:::bucket", "ExpectedBucketOwner": "000000000000", "CompressionType": "NONE"});
    let s3 = json!({"S3DestinationConfiguration": {"StorageConfiguration": bucket}});
    let two = json!([{"StreamARN": STREAM, "RecordConfiguration": {"RecordFormatType": "JSON"}}, {"StreamARN": STREAM, "RecordConfiguration": {"RecordFormatType": "JSON"}}]);
    let mut twice = s3.clone();
    twice["StreamConfigurationList"] = two;
    let cases = [
        (
            channel(STREAM, s3.clone()),
            "ValidationException",
            "S3DestinationConfiguration: this server delivers to no S3 buckets",
        ),
        (channel(STREAM, json!({})), "ValidationException", "Exactly one of S3DestinationConfiguration and"),
        (channel(STREAM, twice), "ValidationException", "exactly one entry. Found: 2."),
        (channel(&STREAM.replace("stream/s", "stream/t"), s3), "ResourceNotFoundException", "Stream t under account"),
    ];
    for (input, kind, text) in cases {
        let found = refused(&broker, "CreateChannel", input.clone()).await;
        assert!(found.0 == kind && found.1.contains(text), "{input}: {found:?}");
    }
    assert_eq!(done(&broker, "ListChannels", json!({})).await, json!({"ChannelSummaries": []}));
    let (kind, _) = refused(&broker, "ListChannels", json!({"NextToken": "t"})).await;
    assert_eq!(kind, "InvalidArgumentException");
    for operation in ["DescribeChannel", "UpdateChannel", "DeleteChannel"] {
        let (kind, text) = refused(&broker, operation, json!({"ChannelARN": CHANNEL})).await;
        assert_eq!(
            (kind.as_str(), text.as_str()),
            ("ResourceNotFoundException", "Channel c under account 000000000000 not found.")
        );
    }
    broker.end().await;
}
