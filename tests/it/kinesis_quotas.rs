//! What the streams of an account may come to, and that Kinesis says so.

use crate::{
    broker::{KEY_ID, SECRET, TestBroker, TestClock, start, start_at_with},
    kinesis::{done, refused},
    kinesis_states::signed,
};
use forebay::{
    proto::stream::v1::{self as wire, stream_service_client::StreamServiceClient},
    service::{
        access::manage::CreateAccessKey,
        broker::{Rules, Via},
    },
};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tonic_types::StatusExt as _;

const SECOND: Duration = Duration::from_secs(1);

async fn with_rules(rules: Rules) -> (Arc<TestClock>, TestBroker) {
    let clock = TestClock::new();
    (clock.clone(), start_at_with(clock, rules).await)
}

fn provisioned(name: &str, shards: u32) -> Value {
    json!({"StreamName": name, "ShardCount": shards})
}

fn on_demand(name: &str) -> Value {
    json!({"StreamName": name, "StreamModeDetails": {"StreamMode": "ON_DEMAND"}})
}

/// Asserts that a call would take more shards than the account may have: so many are open, and so many more are asked for.
async fn no_shards_left(broker: &TestBroker, operation: &str, input: Value, used: u32, more: u32) {
    let (kind, text) = refused(broker, operation, input).await;
    assert_eq!(kind, "LimitExceededException", "{operation}: {text}");
    let numbers = format!(
        "for the account 000000000000 in us-east-1. Current shard count for the account: {used}. Limit: 4. Number of \
         additional shards that would have resulted from this request: {more}."
    );
    assert!(text.contains(&numbers), "{operation}: {text}");
}

#[tokio::test]
async fn shards_are_counted_over_all_streams_of_the_account() {
    let (clock, broker) = with_rules(Rules { stream_shards: 4, ..Rules::default() }).await;
    done(&broker, "CreateStream", provisioned("a", 2)).await;
    done(&broker, "CreateStream", provisioned("b", 1)).await;
    clock.advance(SECOND);
    no_shards_left(&broker, "CreateStream", provisioned("c", 2), 3, 2).await;
    assert_eq!(refused(&broker, "CreateStream", provisioned("a", 9)).await.0, "ResourceInUseException");
    let split = |name: &str| json!({"StreamName": name, "ShardToSplit": "0", "NewStartingHashKey": "1000"});
    done(&broker, "SplitShard", split("b")).await;
    clock.advance(SECOND);
    no_shards_left(&broker, "SplitShard", split("a"), 4, 1).await;
    let count = |target: u32| json!({"StreamName": "a", "TargetShardCount": target, "ScalingType": "UNIFORM_SCALING"});
    no_shards_left(&broker, "UpdateShardCount", count(3), 4, 1).await;
    done(&broker, "UpdateShardCount", count(1)).await;
    done(&broker, "CreateStream", on_demand("d")).await;
    clock.advance(SECOND);
    let to_provisioned = json!({"StreamARN": "arn:aws:kinesis:us-east-1:000000000000:stream/d", "StreamModeDetails": {"StreamMode": "PROVISIONED"}});
    no_shards_left(&broker, "UpdateStreamMode", to_provisioned, 3, 4).await;
    let limits = done(&broker, "DescribeLimits", json!({})).await;
    assert_eq!((&limits["ShardLimit"], &limits["OpenShardCount"]), (&json!(4), &json!(3)));
    done(&broker, "DeleteStream", json!({"StreamName": "b"})).await;
    done(&broker, "CreateStream", provisioned("e", 3)).await;
    let broker = broker.again_at(clock).await;
    assert_eq!(done(&broker, "DescribeLimits", json!({})).await["OpenShardCount"], 4, "closed shards stay closed");
    broker.end().await;
}

#[tokio::test]
async fn an_account_has_so_many_on_demand_streams() {
    let (clock, broker) = with_rules(Rules { on_demand_streams: 1, ..Rules::default() }).await;
    done(&broker, "CreateStream", on_demand("d")).await;
    done(&broker, "CreateStream", provisioned("p", 1)).await;
    clock.advance(SECOND);
    let mode = json!({"StreamARN": "arn:aws:kinesis:us-east-1:000000000000:stream/p", "StreamModeDetails": {"StreamMode": "ON_DEMAND"}});
    for (operation, input) in [("CreateStream", on_demand("e")), ("UpdateStreamMode", mode.clone())] {
        let (kind, text) = refused(&broker, operation, input).await;
        assert_eq!(kind, "LimitExceededException", "{text}");
        assert!(text.contains("limits.on_demand_streams"), "{text}");
    }
    let limits = done(&broker, "DescribeLimits", json!({})).await;
    assert_eq!((&limits["OnDemandStreamCount"], &limits["OnDemandStreamCountLimit"]), (&json!(1), &json!(1)));
    assert_eq!(limits["OpenShardCount"], 1, "those of on-demand streams do not count");
    done(&broker, "DeleteStream", json!({"StreamName": "d"})).await;
    done(&broker, "UpdateStreamMode", mode).await;
    broker.end().await;
}

#[tokio::test]
async fn a_stream_has_as_many_consumers_as_is_configured() {
    let (clock, broker) = with_rules(Rules { stream_consumers: 2, ..Rules::default() }).await;
    done(&broker, "CreateStream", provisioned("s", 1)).await;
    clock.advance(SECOND);
    let arn = "arn:aws:kinesis:us-east-1:000000000000:stream/s";
    let consumer = |number: u32| json!({"StreamARN": arn, "ConsumerName": format!("c{number}")});
    done(&broker, "RegisterStreamConsumer", consumer(0)).await;
    done(&broker, "RegisterStreamConsumer", consumer(1)).await;
    assert_eq!(refused(&broker, "RegisterStreamConsumer", consumer(2)).await.0, "LimitExceededException");
    broker.end().await;
}

#[tokio::test]
async fn the_native_protocol_keeps_the_same_quotas() {
    let (_, broker) = with_rules(Rules { stream_shards: 2, ..Rules::default() }).await;
    done(&broker, "CreateStream", provisioned("s", 2)).await;
    let mut streams = StreamServiceClient::new(broker.stranger().await);
    let asked = wire::CreateStreamRequest { stream_id: "t".into(), shard_count: 1, ..Default::default() };
    let status = streams.create_stream(asked).await.unwrap_err();
    let info = status.get_details_error_info().unwrap();
    assert_eq!((info.reason.as_str(), info.metadata["limit"].as_str()), ("STREAM_LIMIT", "2"), "{status}");
    broker.end().await;
}

#[tokio::test]
async fn who_may_ask_for_the_limits_alone_is_told_them() {
    let broker = start().await;
    let here = Via { source_ip: Some("127.0.0.1".parse().unwrap()), secure: false };
    let admin = broker.broker.bearer(Some(format!("Bearer {KEY_ID}:{SECRET}").as_bytes()), here).unwrap();
    let policy = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "kinesis:DescribeLimits", "Resource": "*"}
    ]});
    let new =
        CreateAccessKey { user: "looker".into(), policies: vec![policy.to_string()], ..CreateAccessKey::default() };
    let key = broker.broker.create_access_key(&admin, new).await.unwrap();
    let secret = key.secret.as_ref().unwrap().expose();
    #[expect(clippy::disallowed_methods, reason = "the broker under test reads the machine's clock")]
    let now = std::time::SystemTime::now();
    for (operation, status) in [("DescribeLimits", 200), ("ListStreams", 400)] {
        let head = signed(&broker, (&key.id, secret), now, operation);
        let answer = crate::aws::send(broker.address, &head, b"{}").await;
        assert_eq!(answer.status, status, "{operation}: {}", answer.body);
    }
    broker.end().await;
}
