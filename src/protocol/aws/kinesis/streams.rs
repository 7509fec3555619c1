//! Streams as a whole, and their shards: made, divided, joined, deleted.

use super::{
    call::{Call, Outcome},
    fault, target, words,
};
use crate::{
    domain::stream::{
        StreamError,
        event::Event,
        hash::HashKey,
        settings::{Distribution, Mode, Settings},
    },
    protocol::aws::{
        fault::Fault,
        wire::value::{Members, Value},
    },
    service::{
        authorise::Action,
        streams::{call::CreateStream, fault::StreamFault},
        words::{Change, StreamHandle, View},
    },
};

/// Does what a stream decides; answers when that is durable.
pub(super) async fn change<T: Send + 'static>(
    call: &Call,
    stream: &StreamHandle,
    decide: impl FnOnce(&View<'_>) -> Result<(Vec<Event>, T), StreamError> + Send + 'static,
) -> Result<T, Fault> {
    let changed = call.broker.change_stream(stream, move |view| decide(view).map(as_changes)).await;
    let changed = changed.map_err(StreamFault::from).and_then(|changed| changed.map_err(StreamFault::from));
    changed.map_err(|error| words::fault(stream.path(), error))
}

/// The same for what the account may have no room for.
async fn grow<T: Send + 'static>(
    call: &Call,
    stream: &StreamHandle,
    decide: impl FnOnce(&View<'_>) -> Result<(Vec<Event>, T), StreamError> + Send + 'static,
) -> Result<T, Fault> {
    let grown = call.broker.grow_stream(stream, move |view| decide(view).map(as_changes)).await;
    grown.map_err(|error| words::fault(stream.path(), error))
}

fn as_changes<T>((events, told): (Vec<Event>, T)) -> (Vec<Change>, T) {
    (events.into_iter().map(Change::Stream).collect(), told)
}

pub(super) async fn grow_once(
    call: &Call,
    stream: &StreamHandle,
    decide: impl FnOnce(&View<'_>) -> Result<Event, StreamError> + Send + 'static,
) -> Result<Outcome, Fault> {
    grow(call, stream, move |view| Ok((vec![decide(view)?], ()))).await.map(|()| Outcome::Nothing)
}

/// The same where a decision is one event.
pub(super) async fn change_once(
    call: &Call,
    stream: &StreamHandle,
    decide: impl FnOnce(&View<'_>) -> Result<Event, StreamError> + Send + 'static,
) -> Result<Outcome, Fault> {
    change(call, stream, move |view| Ok((vec![decide(view)?], ()))).await.map(|()| Outcome::Nothing)
}

pub(super) async fn create(call: &Call, input: &Value<'_>) -> Result<Outcome, Fault> {
    let name = input.text("StreamName").unwrap_or_default();
    let path = target::named(call, name)?;
    let mode = mode(input)?;
    let shards = match (mode, input.count("ShardCount")) {
        (Mode::Provisioned, None) => {
            return Err(fault::validation("ShardCount must be specified for a stream in PROVISIONED mode."));
        }
        (_, shards) => shards.unwrap_or(1),
    };
    if input.text("RecordDistributionStrategy").is_some() && mode == Mode::Provisioned {
        return Err(fault::validation("RecordDistributionStrategy is only for streams in ON_DEMAND mode."));
    }
    let defaults = Settings::default();
    let record_bytes_max = input.count("MaxRecordSizeInKiB").map_or(defaults.record_bytes_max, |kib| kib * 1024);
    let distribution = distribution(input);
    let settings = Settings { mode, distribution, record_bytes_max, tags: target::tags(input), ..defaults };
    let created = call.broker.create_stream(&call.caller, name, CreateStream { settings, shards }).await;
    created.map_err(|error| words::fault(&path, error))?;
    Ok(Outcome::Nothing)
}

/// Who says where records go.
pub(super) fn distribution(input: &Value<'_>) -> Distribution {
    let is_auto = input.text("RecordDistributionStrategy") == Some("AUTO");
    if is_auto { Distribution::Auto } else { Distribution::UserKey }
}

/// The mode that a call asks for, with the throughput to be ready for.
pub(super) fn mode(input: &Value<'_>) -> Result<Mode, Fault> {
    let asked = input.member("StreamModeDetails").and_then(|details| details.text("StreamMode"));
    match (asked, input.count("WarmThroughputMiBps")) {
        (Some("ON_DEMAND"), warm) => Ok(Mode::OnDemand { warm_throughput: warm.unwrap_or(0) }),
        (_, Some(_)) => Err(fault::validation("WarmThroughputMiBps is only for streams in ON_DEMAND mode.")),
        (_, None) => Ok(Mode::Provisioned),
    }
}

pub(super) async fn delete(call: &Call, input: &Value<'_>) -> Result<Outcome, Fault> {
    let stream = target::stream(call, input, Action::DeleteStream)?;
    let deleted = call.broker.delete_stream(&stream, input.flag("EnforceConsumerDeletion")).await;
    deleted.map_err(|error| words::fault(stream.path(), error))?;
    Ok(Outcome::Nothing)
}

pub(super) async fn split(call: &Call, input: &Value<'_>) -> Result<Outcome, Fault> {
    let path = target::path(call, input)?;
    let shard = target::shard(&path, input, "ShardToSplit")?;
    let stream = target::find(call, Action::SplitShard, &path)?;
    let text = input.text("NewStartingHashKey").unwrap_or_default();
    let Ok(key) = HashKey::parse(text) else {
        let range = call.broker.ask_stream(&stream, move |view| view.stream.shard(shard).map(|shard| shard.range));
        return Err(match range.await {
            Ok(Some(range)) => words::split_key(&path, shard, text, range),
            Ok(None) => words::no_such_shard(&path, shard),
            Err(refusal) => words::refused(&path, refusal),
        });
    };
    grow_once(call, &stream, move |view| view.stream.split(view.now, shard, Some(key))).await
}

pub(super) async fn merge(call: &Call, input: &Value<'_>) -> Result<Outcome, Fault> {
    let path = target::path(call, input)?;
    let first = target::shard(&path, input, "ShardToMerge")?;
    let second = target::shard(&path, input, "AdjacentShardToMerge")?;
    let stream = target::find(call, Action::MergeShards, &path)?;
    change_once(call, &stream, move |view| view.stream.merge(view.now, first, second)).await
}

pub(super) async fn update_count(call: &Call, input: &Value<'_>) -> Result<Outcome, Fault> {
    let stream = target::stream(call, input, Action::UpdateShardCount)?;
    let wanted = input.count("TargetShardCount").unwrap_or(0);
    let decide =
        move |view: &View<'_>| Ok((view.stream.update_shard_count(view.now, wanted)?, view.stream.open_shards()));
    let before = grow(call, &stream, decide).await?;
    let path = stream.path();
    let answer = Members::default().with("StreamName", path.name.to_string()).with("CurrentShardCount", before);
    Ok(answer.with("TargetShardCount", wanted).with("StreamARN", path.arn()).into())
}
