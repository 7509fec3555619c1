//! How a stream behaves: retention, mode, sizes, encryption, monitoring.

use super::{
    call::{Call, Outcome},
    describe, fault,
    streams::{self, change, change_once, grow_once},
    target,
};
use crate::{
    domain::stream::settings::{ShardMetric, ShardMetrics},
    protocol::aws::{
        fault::Fault,
        wire::value::{Members, Said, Value},
    },
    service::authorise::Action,
};
use std::{sync::Arc, time::Duration};

fn hours(input: &Value<'_>) -> Duration {
    Duration::from_secs(u64::from(input.count("RetentionPeriodHours").unwrap_or(0)) * 3600)
}

pub(super) async fn increase_retention(call: &Call, input: &Value<'_>) -> Result<Outcome, Fault> {
    let stream = target::stream(call, input, Action::IncreaseStreamRetentionPeriod)?;
    let asked = hours(input);
    change_once(call, &stream, move |view| view.stream.raise_retention(view.now, asked)).await
}

pub(super) async fn decrease_retention(call: &Call, input: &Value<'_>) -> Result<Outcome, Fault> {
    let stream = target::stream(call, input, Action::DecreaseStreamRetentionPeriod)?;
    let asked = hours(input);
    change_once(call, &stream, move |view| view.stream.lower_retention(view.now, asked)).await
}

pub(super) async fn update_mode(call: &Call, input: &Value<'_>) -> Result<Outcome, Fault> {
    let stream = target::stream(call, input, Action::UpdateStreamMode)?;
    let mode = streams::mode(input)?;
    grow_once(call, &stream, move |view| view.stream.set_mode(view.now, mode, view.queues.len())).await
}

pub(super) async fn update_distribution(call: &Call, input: &Value<'_>) -> Result<Outcome, Fault> {
    let stream = target::stream(call, input, Action::UpdateStreamRecordDistributionStrategy)?;
    let distribution = streams::distribution(input);
    change_once(call, &stream, move |view| view.stream.set_distribution(view.now, distribution)).await
}

pub(super) async fn update_record_size(call: &Call, input: &Value<'_>) -> Result<Outcome, Fault> {
    let stream = target::stream(call, input, Action::UpdateMaxRecordSize)?;
    let bytes = input.count("MaxRecordSizeInKiB").unwrap_or(0).saturating_mul(1024);
    change_once(call, &stream, move |view| view.stream.set_record_bytes_max(view.now, bytes)).await
}

pub(super) async fn update_warm_throughput(call: &Call, input: &Value<'_>) -> Result<Outcome, Fault> {
    let stream = target::stream(call, input, Action::UpdateStreamWarmThroughput)?;
    let asked = input.count("WarmThroughputMiBps").unwrap_or(0);
    change_once(call, &stream, move |view| view.stream.set_warm_throughput(view.now, asked)).await?;
    let path = stream.path();
    let answer = Members::default().with("StreamARN", path.arn()).with("StreamName", path.name.to_string());
    Ok(answer.with("WarmThroughput", describe::warm_throughput_of(asked)).into())
}

/// The key that encryption begins or ends with.
fn key(input: &Value<'_>) -> Result<Arc<str>, Fault> {
    match input.text("EncryptionType") {
        Some("KMS") => Ok(input.text("KeyId").unwrap_or_default().into()),
        _ => Err(fault::invalid("Invalid EncryptionType. EncryptionType must be KMS.")),
    }
}

pub(super) async fn start_encryption(call: &Call, input: &Value<'_>) -> Result<Outcome, Fault> {
    let stream = target::stream(call, input, Action::StartStreamEncryption)?;
    let key = key(input)?;
    change_once(call, &stream, move |view| view.stream.start_encryption(view.now, key)).await
}

pub(super) async fn stop_encryption(call: &Call, input: &Value<'_>) -> Result<Outcome, Fault> {
    let stream = target::stream(call, input, Action::StopStreamEncryption)?;
    let key = key(input)?;
    change_once(call, &stream, move |view| view.stream.stop_encryption(view.now, &key)).await
}

const NAMES: [(ShardMetric, &str); 7] = [
    (ShardMetric::IncomingBytes, "IncomingBytes"),
    (ShardMetric::IncomingRecords, "IncomingRecords"),
    (ShardMetric::OutgoingBytes, "OutgoingBytes"),
    (ShardMetric::OutgoingRecords, "OutgoingRecords"),
    (ShardMetric::WriteThrottled, "WriteProvisionedThroughputExceeded"),
    (ShardMetric::ReadThrottled, "ReadProvisionedThroughputExceeded"),
    (ShardMetric::IteratorAge, "IteratorAgeMilliseconds"),
];

pub(super) fn metrics_of(metrics: ShardMetrics) -> Vec<Said> {
    NAMES.iter().filter(|(metric, _)| metrics.has(*metric)).map(|(_, name)| (*name).into()).collect()
}

fn metrics(input: &Value<'_>) -> ShardMetrics {
    let asked: Vec<_> = input.items("ShardLevelMetrics").iter().filter_map(Value::as_text).collect();
    let all = asked.contains(&"ALL");
    let named = NAMES.iter().filter(|(_, name)| all || asked.contains(name)).map(|(metric, _)| *metric);
    ShardMetrics::of(&named.collect::<Vec<_>>())
}

pub(super) async fn enable_monitoring(call: &Call, input: &Value<'_>) -> Result<Outcome, Fault> {
    monitor(call, input, Action::EnableEnhancedMonitoring, ShardMetrics::with).await
}

pub(super) async fn disable_monitoring(call: &Call, input: &Value<'_>) -> Result<Outcome, Fault> {
    monitor(call, input, Action::DisableEnhancedMonitoring, ShardMetrics::without).await
}

async fn monitor(
    call: &Call,
    input: &Value<'_>,
    action: Action,
    changed: fn(ShardMetrics, ShardMetrics) -> ShardMetrics,
) -> Result<Outcome, Fault> {
    let stream = target::stream(call, input, action)?;
    let asked = metrics(input);
    let decide = move |view: &crate::service::words::View<'_>| {
        let before = view.stream.settings().metrics;
        let after = changed(before, asked);
        Ok((vec![view.stream.set_metrics(view.now, after)?], (before, after)))
    };
    let (before, after) = change(call, &stream, decide).await?;
    let path = stream.path();
    let answer = Members::default()
        .with("StreamName", path.name.to_string())
        .with("CurrentShardLevelMetrics", metrics_of(before))
        .with("DesiredShardLevelMetrics", metrics_of(after));
    Ok(answer.with("StreamARN", path.arn()).into())
}
