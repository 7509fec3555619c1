//! By the protocol of Kinesis: channels, which there are none of, and streams that spread their records.

use crate::{
    broker::start_dev,
    kinesis::{active, done, refused, stream},
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

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

async fn strategy(broker: &crate::broker::TestBroker) -> Value {
    let found = done(broker, "DescribeStreamSummary", json!({"StreamName": "a"})).await;
    found["StreamDescriptionSummary"]["RecordDistributionStrategy"].clone()
}

#[tokio::test]
async fn a_stream_that_spreads_its_records_needs_no_keys_and_keeps_those_it_gets() {
    let broker = start_dev(120_000).await;
    stream(&broker, "s", 1).await;
    let auto = json!({
        "StreamName": "a",
        "StreamModeDetails": {"StreamMode": "ON_DEMAND"},
        "RecordDistributionStrategy": "AUTO",
    });
    done(&broker, "CreateStream", auto).await;
    active(&broker, "a").await;
    assert_eq!(strategy(&broker).await, "AUTO");
    // One key, and no key: all shards have some of them.
    let keyed: Vec<_> = (0..20).map(|_| json!({"PartitionKey": "k", "Data": "", "ExplicitHashKey": "0"})).collect();
    let keyless: Vec<_> = (0..20).map(|_| json!({"Data": ""})).collect();
    for records in [keyed, keyless] {
        let put = done(&broker, "PutRecords", json!({"StreamName": "a", "Records": records})).await;
        assert_eq!(put["FailedRecordCount"], 0, "{put}");
        let shards: BTreeSet<_> =
            put["Records"].as_array().unwrap().iter().map(|put| put["ShardId"].to_string()).collect();
        assert_eq!(shards.len(), 4);
    }
    let put = done(&broker, "PutRecord", json!({"StreamName": "a", "Data": "YQ=="})).await;
    let asked = json!({
        "StreamName": "a",
        "ShardId": put["ShardId"],
        "ShardIteratorType": "AT_SEQUENCE_NUMBER",
        "StartingSequenceNumber": put["SequenceNumber"],
    });
    let from = done(&broker, "GetShardIterator", asked).await;
    let read = done(&broker, "GetRecords", json!({"ShardIterator": from["ShardIterator"]})).await;
    assert_eq!((&read["Records"][0]["Data"], read["Records"][0].get("PartitionKey")), (&json!("YQ=="), None));

    let by_key = json!({"StreamARN": STREAM.replace("stream/s", "stream/a"), "RecordDistributionStrategy": "USER_PARTITION_KEY"});
    done(&broker, "UpdateStreamRecordDistributionStrategy", by_key).await;
    active(&broker, "a").await;
    assert_eq!(strategy(&broker).await, "USER_PARTITION_KEY");
    for name in ["a", "s", "nowhere"] {
        let (kind, text) = refused(&broker, "PutRecord", json!({"StreamName": name, "Data": ""})).await;
        assert_eq!(kind, "ValidationException");
        assert!(
            text.contains("Value null at 'partitionKey' failed to satisfy constraint: Member must not be null"),
            "{text}"
        );
    }
    let input = json!({"StreamARN": STREAM, "RecordDistributionStrategy": "AUTO"});
    let (kind, text) = refused(&broker, "UpdateStreamRecordDistributionStrategy", input).await;
    assert!(kind == "ValidationException" && text.contains("is in Provisioned mode"), "{kind}: {text}");
    let input = json!({"StreamName": "p", "ShardCount": 1, "RecordDistributionStrategy": "AUTO"});
    let (kind, text) = refused(&broker, "CreateStream", input).await;
    assert!(kind == "ValidationException" && text.contains("only for streams in ON_DEMAND mode"), "{kind}: {text}");
    broker.end().await;
}
