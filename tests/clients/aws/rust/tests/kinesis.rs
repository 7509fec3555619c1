//! aws-sdk-kinesis as programs use it. The environment names server and key.

use aws_sdk_kinesis::{
    Client, Config,
    config::{BehaviorVersion, Credentials, Region, retry::RetryConfig},
    error::ProvideErrorMetadata,
    operation::{get_records::GetRecordsError, put_record::PutRecordError},
    primitives::Blob,
    types::{
        ConsumerStatus, PutRecordsRequestEntry, ScalingType, ShardIteratorType, StartingPosition, StreamStatus,
        SubscribeToShardEventStream,
    },
};
use std::{collections::VecDeque, env::var, time::Duration};

const SHARD: &str = "shardId-000000000000";

fn client() -> Client {
    let variable = |name: &str| var(name).unwrap();
    let (id, secret) = (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY"));
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(variable("AWS_ENDPOINT_URL"))
        .region(Region::new(variable("AWS_REGION")))
        .credentials_provider(Credentials::new(id, secret, None, None, "environment"))
        .retry_config(RetryConfig::disabled())
        .build();
    Client::from_conf(config)
}

/// Waits until the stream may be used, or used again. The SDK's own waiter looks once in ten seconds.
async fn active(kinesis: &Client, name: &str) {
    loop {
        let found = kinesis.describe_stream_summary().stream_name(name).send().await.unwrap();
        if found.stream_description_summary.unwrap().stream_status == StreamStatus::Active {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn create(kinesis: &Client, name: &str) {
    kinesis.create_stream().stream_name(name).shard_count(1).send().await.unwrap();
    active(kinesis, name).await;
}

/// So many records from `first` on, with ten keys.
async fn put(kinesis: &Client, name: &str, first: usize, count: usize) {
    let entry = |number: usize| {
        let entry = PutRecordsRequestEntry::builder().data(Blob::new(number.to_string()));
        entry.partition_key(format!("key-{}", number % 10)).build().unwrap()
    };
    let entries = (first..first + count).map(entry).collect();
    let put = kinesis.put_records().stream_name(name).set_records(Some(entries)).send().await.unwrap();
    assert_eq!((put.failed_record_count(), put.records().len()), (Some(0), count));
}

/// The numbers of a shard to its tip or its end, and where it goes on.
async fn read_shard(kinesis: &Client, name: &str, shard: &str) -> (Vec<usize>, Vec<String>) {
    let start = kinesis.get_shard_iterator().stream_name(name).shard_id(shard);
    let start = start.shard_iterator_type(ShardIteratorType::TrimHorizon).send().await.unwrap();
    let (mut iterator, mut found) = (start.shard_iterator, Vec::new());
    while let Some(now) = iterator {
        let read = kinesis.get_records().shard_iterator(now).limit(100).send().await.unwrap();
        let number = |data: &Blob| std::str::from_utf8(data.as_ref()).unwrap().parse::<usize>().unwrap();
        found.extend(read.records().iter().map(|record| number(record.data())));
        if let Some(children) = read.child_shards {
            return (found, children.into_iter().map(|child| child.shard_id).collect());
        }
        let is_at_tip = read.records.is_empty() && read.millis_behind_latest == Some(0);
        iterator = read.next_shard_iterator.filter(|_| !is_at_tip);
    }
    (found, Vec::new())
}

#[tokio::test]
async fn every_record_is_read_once_through_a_reshard() {
    let kinesis = client();
    create(&kinesis, "rust").await;
    put(&kinesis, "rust", 0, 150).await;
    let more = kinesis.update_shard_count().stream_name("rust").target_shard_count(2);
    more.scaling_type(ScalingType::UniformScaling).send().await.unwrap();
    active(&kinesis, "rust").await;
    put(&kinesis, "rust", 150, 150).await;

    let (mut left, mut all) = (VecDeque::from([SHARD.to_owned()]), Vec::new());
    while let Some(shard) = left.pop_front() {
        let (found, children) = read_shard(&kinesis, "rust", &shard).await;
        all.extend(found);
        left.extend(children);
    }
    for key in 0..10 {
        let of_key: Vec<_> = all.iter().filter(|number| *number % 10 == key).collect();
        assert!(of_key.is_sorted(), "{of_key:?}");
    }
    all.sort_unstable();
    assert_eq!(all, (0..300).collect::<Vec<_>>());
}

/// A consumer that may subscribe.
async fn consumer(kinesis: &Client, name: &str) -> String {
    let arn = kinesis.describe_stream_summary().stream_name(name).send().await.unwrap();
    let arn = arn.stream_description_summary.unwrap().stream_arn;
    let made = kinesis.register_stream_consumer().stream_arn(arn).consumer_name("rust").send().await.unwrap();
    let arn = made.consumer.unwrap().consumer_arn;
    loop {
        let found = kinesis.describe_stream_consumer().consumer_arn(&arn).send().await.unwrap();
        if found.consumer_description.unwrap().consumer_status == ConsumerStatus::Active {
            return arn;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn records_are_pushed_up_to_the_end_of_the_shard() {
    let kinesis = client();
    create(&kinesis, "rust-pushed").await;
    let consumer = consumer(&kinesis, "rust-pushed").await;
    put(&kinesis, "rust-pushed", 0, 20).await;
    let start = StartingPosition::builder().r#type(ShardIteratorType::TrimHorizon).build().unwrap();
    let subscribed = kinesis.subscribe_to_shard().consumer_arn(&consumer).shard_id(SHARD);
    let mut events = subscribed.starting_position(start.clone()).send().await.unwrap().event_stream;
    let again = kinesis.subscribe_to_shard().consumer_arn(&consumer).shard_id(SHARD).starting_position(start);
    let refused = again.send().await.unwrap_err();
    assert_eq!(refused.code(), Some("ResourceInUseException"), "{refused:?}");

    let mut found = 0;
    let children = loop {
        let event = match events.recv().await.unwrap().expect("an end of the shard first") {
            SubscribeToShardEventStream::SubscribeToShardEvent(event) => event,
            other => panic!("{other:?}"),
        };
        found += event.records.len();
        if let Some(children) = event.child_shards {
            break children;
        }
        assert!(!event.continuation_sequence_number.is_empty());
        // An event without records only says that the subscription lives.
        if event.records.is_empty() {
            continue;
        }
        if found == 20 {
            put(&kinesis, "rust-pushed", 20, 20).await;
        }
        if found == 40 {
            let split = kinesis.split_shard().stream_name("rust-pushed").shard_to_split(SHARD);
            split.new_starting_hash_key((1_u128 << 127).to_string()).send().await.unwrap();
        }
    };
    assert_eq!(found, 40);
    assert_eq!(children.len(), 2);
    assert!(events.recv().await.unwrap().is_none(), "nothing comes after the end");
}

#[tokio::test]
async fn errors_are_those_of_the_sdk() {
    let kinesis = client();
    let put = kinesis.put_record().stream_name("nowhere").partition_key("k").data(Blob::new("")).send().await;
    let error = put.unwrap_err().into_service_error();
    assert!(matches!(error, PutRecordError::ResourceNotFoundException(_)), "{error:?}");
    let error = kinesis.get_records().shard_iterator("made up").send().await.unwrap_err().into_service_error();
    assert!(matches!(error, GetRecordsError::InvalidArgumentException(_)), "{error:?}");
    assert_eq!(error.message(), Some("Invalid ShardIterator."));
}
