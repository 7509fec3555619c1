//! What there is: streams, and their shards.

use super::{
    call::{Call, Outcome},
    fault,
    settings::metrics_of,
    target, token, words,
};
use crate::{
    base::{stream_name::StreamPath, time::Timestamp},
    domain::stream::{
        Shard, ShardId, Stream,
        list::Filter,
        settings::{Distribution, Encryption, Mode, Settings, Status},
    },
    protocol::aws::{
        fault::Fault,
        wire::value::{Members, Said, Value},
    },
    service::{
        authorise::Action,
        words::{StreamHandle, View},
    },
};

/// The most shards of one description, whatever is asked for.
const DESCRIBED_MAX: u32 = 100;
const STREAMS_DEFAULT: u32 = 100;
const SHARDS_DEFAULT: u32 = 1000;
const STREAMS: &str = "streams";
const SHARDS: &str = "shards";

fn size(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

pub(super) fn range(shard: &Shard) -> Members {
    let range = Members::default().with("StartingHashKey", shard.range.start.to_string());
    range.with("EndingHashKey", shard.range.end.to_string())
}

fn shard(stream: &Stream, shard: &Shard) -> Said {
    let numbers = stream.numbers(shard);
    let sequence = Members::default().with("StartingSequenceNumber", numbers.starting.to_string());
    let sequence = sequence.maybe("EndingSequenceNumber", numbers.ending.map(|number| number.to_string()));
    Members::default()
        .with("ShardId", shard.id.to_string())
        .maybe("ParentShardId", shard.parent.map(|id| id.to_string()))
        .maybe("AdjacentParentShardId", shard.adjacent_parent.map(|id| id.to_string()))
        .with("HashKeyRange", range(shard))
        .with("SequenceNumberRange", sequence)
        .into()
}

pub(super) fn mode(mode: Mode) -> Members {
    Members::default().with("StreamMode", words::name_of_mode(mode))
}

/// What both descriptions begin with.
fn common(path: &StreamPath, created: Timestamp, status: Status, settings: &Settings) -> Members {
    let monitoring = Members::default().with("ShardLevelMetrics", metrics_of(settings.metrics));
    let (kind, key) = match &settings.encryption {
        Encryption::None => ("NONE", None),
        Encryption::Key { id } => ("KMS", Some(id.to_string())),
    };
    Members::default()
        .with("StreamName", path.name.to_string())
        .with("StreamARN", path.arn())
        .with("StreamStatus", words::name_of(status))
        .with("StreamModeDetails", mode(settings.mode))
        .with("RetentionPeriodHours", settings.retention.as_secs() / 3600)
        .with("StreamCreationTimestamp", created)
        .with("EnhancedMonitoring", vec![Said::from(monitoring)])
        .with("EncryptionType", kind)
        .maybe("KeyId", key)
}

async fn ask<T: Send + 'static>(
    call: &Call,
    stream: &StreamHandle,
    look: impl FnOnce(&View<'_>) -> T + Send + 'static,
) -> Result<T, Fault> {
    call.broker.ask_stream(stream, look).await.map_err(|refusal| words::refused(stream.path(), refusal))
}

pub(super) async fn describe_stream(call: &Call, input: &Value<'_>) -> Result<Outcome, Fault> {
    let stream = target::stream(call, input, Action::DescribeStream)?;
    let path = stream.path().clone();
    let after = input.text("ExclusiveStartShardId").map(|_| target::shard(&path, input, "ExclusiveStartShardId"));
    let after = after.transpose()?;
    let limit = size(input.count("Limit").unwrap_or(DESCRIBED_MAX).min(DESCRIBED_MAX));
    let look = move |view: &View<'_>| {
        let listed = view.stream.list_shards(view.now, &Filter::FromTrimHorizon, after, limit);
        let shards: Vec<Said> = listed.shards.iter().map(|found| shard(view.stream, found)).collect();
        common(&path, view.stream.created_at(), view.stream.status(view.now), view.stream.settings())
            .with("Shards", shards)
            .with("HasMoreShards", listed.more)
    };
    let description = ask(call, &stream, look).await?;
    Ok(Members::default().with("StreamDescription", description).into())
}

pub(super) async fn describe_summary(call: &Call, input: &Value<'_>) -> Result<Outcome, Fault> {
    let stream = target::stream(call, input, Action::DescribeStreamSummary)?;
    let path = stream.path().clone();
    let look = move |view: &View<'_>| {
        let settings = view.stream.settings();
        let warm = match settings.mode {
            Mode::OnDemand { warm_throughput } if warm_throughput > 0 => Some(warm_throughput_of(warm_throughput)),
            Mode::OnDemand { .. } | Mode::Provisioned => None,
        };
        let strategy = matches!(settings.mode, Mode::OnDemand { .. }).then_some(match settings.distribution {
            Distribution::Auto => "AUTO",
            Distribution::UserKey => "USER_PARTITION_KEY",
        });
        common(&path, view.stream.created_at(), view.stream.status(view.now), settings)
            .with("OpenShardCount", view.stream.open_shards())
            .with("ConsumerCount", view.stream.consumers(view.now).count())
            .maybe("WarmThroughput", warm)
            .with("MaxRecordSizeInKiB", settings.record_bytes_max / 1024)
            .maybe("RecordDistributionStrategy", strategy)
            .with("QueueCount", view.queues.len())
            .with("ChannelCount", 0_u32)
    };
    let summary = ask(call, &stream, look).await?;
    Ok(Members::default().with("StreamDescriptionSummary", summary).into())
}

pub(super) fn warm_throughput_of(mib_per_second: u32) -> Members {
    Members::default().with("TargetMiBps", mib_per_second).with("CurrentMiBps", mib_per_second)
}

pub(super) async fn list_streams(call: &Call, input: &Value<'_>) -> Result<Outcome, Fault> {
    let limit = size(input.count("Limit").unwrap_or(STREAMS_DEFAULT));
    let after = match input.text("NextToken") {
        Some(token) => Some(token::read_next(call, STREAMS, token)?.pop().ok_or_else(token::invalid_next)?),
        None => input.text("ExclusiveStartStreamName").map(ToOwned::to_owned),
    };
    let found = call.broker.list_streams(&call.caller, "", "", after.as_deref(), limit.saturating_add(1));
    let mut streams = found.map_err(fault::refused)?;
    let more = streams.len() > limit;
    streams.truncate(limit);
    let mut summaries: Vec<Said> = Vec::with_capacity(streams.len());
    for stream in &streams {
        // One that went away meanwhile is not listed.
        let status = call.broker.ask_stream(stream, |view| view.stream.status(view.now)).await;
        let status = status.unwrap_or(Status::Deleting);
        let path = stream.path();
        let members = Members::default()
            .with("StreamName", path.name.to_string())
            .with("StreamARN", path.arn())
            .with("StreamStatus", words::name_of(status))
            .with("StreamModeDetails", mode(stream.notes().settings.mode))
            .with("StreamCreationTimestamp", stream.created());
        summaries.push(members.into());
    }
    let names: Vec<Said> = streams.iter().map(|stream| stream.path().name.to_string().into()).collect();
    let last = streams.last().filter(|_| more).map(|stream| token::next(call, STREAMS, &[&stream.path().name]));
    let answer = Members::default().with("StreamNames", names).with("HasMoreStreams", more);
    Ok(answer.maybe("NextToken", last).with("StreamSummaries", summaries).into())
}

/// Which shards are listed, and from where on.
struct Listing {
    path: StreamPath,
    filter: Filter,
    after: Option<ShardId>,
}

pub(super) async fn list_shards(call: &Call, input: &Value<'_>) -> Result<Outcome, Fault> {
    let listing = match input.text("NextToken") {
        Some(_) if input.text("StreamName").is_some() || input.text("StreamARN").is_some() => {
            return Err(fault::invalid("NextToken and StreamName cannot be provided together."));
        }
        Some(token) => next_listing(call, token)?,
        None if input.text("StreamName").is_none() && input.text("StreamARN").is_none() => {
            return Err(fault::invalid("Either NextToken or StreamName should be provided."));
        }
        None => first_listing(call, input)?,
    };
    let stream = target::find(call, Action::ListShards, &listing.path)?;
    if input
        .time("StreamCreationTimestamp")
        .is_some_and(|time| time.as_millis() / 1000 != stream.created().as_millis() / 1000)
    {
        return Err(words::not_found(&listing.path));
    }
    let limit = size(input.count("MaxResults").unwrap_or(SHARDS_DEFAULT));
    let (filter, after) = (listing.filter, listing.after);
    let look = move |view: &View<'_>| {
        let listed = view.stream.list_shards(view.now, &filter, after, limit);
        let last = listed.shards.last().filter(|_| listed.more).map(|shard| shard.id);
        (listed.shards.iter().map(|found| shard(view.stream, found)).collect::<Vec<Said>>(), last)
    };
    let (shards, last) = ask(call, &stream, look).await?;
    let token = last.map(|last| next_token(call, &listing, last));
    Ok(Members::default().with("Shards", shards).maybe("NextToken", token).into())
}

fn first_listing(call: &Call, input: &Value<'_>) -> Result<Listing, Fault> {
    let path = target::path(call, input)?;
    let after = input.text("ExclusiveStartShardId").map(|_| target::shard(&path, input, "ExclusiveStartShardId"));
    let filter = match input.member("ShardFilter") {
        None => Filter::FromTrimHorizon,
        Some(filter) => {
            let time = || filter.time("Timestamp").ok_or_else(|| missing("Timestamp"));
            match filter.text("Type").unwrap_or_default() {
                "AT_TRIM_HORIZON" => Filter::AtTrimHorizon,
                "AT_LATEST" => Filter::AtLatest,
                "AT_TIMESTAMP" => Filter::AtTime(time()?),
                "FROM_TIMESTAMP" => Filter::FromTime(time()?),
                "AFTER_SHARD_ID" if filter.text("ShardId").is_none() => return Err(missing("ShardId")),
                "AFTER_SHARD_ID" => Filter::AfterShard(target::shard(&path, filter, "ShardId")?),
                _ => Filter::FromTrimHorizon,
            }
        }
    };
    Ok(Listing { filter, after: after.transpose()?, path })
}

fn missing(member: &str) -> Fault {
    fault::invalid(format!("The ShardFilter needs a {member}."))
}

fn next_token(call: &Call, listing: &Listing, last: ShardId) -> String {
    let (kind, value) = match listing.filter {
        Filter::AtTrimHorizon => ("at-horizon", 0),
        Filter::FromTrimHorizon => ("from-horizon", 0),
        Filter::AtLatest => ("latest", 0),
        Filter::AtTime(time) => ("at", time.as_millis()),
        Filter::FromTime(time) => ("from", time.as_millis()),
        Filter::AfterShard(shard) => ("after", shard.0.into()),
    };
    token::next(call, SHARDS, &[&listing.path.arn(), &kind, &value, &last.0])
}

fn next_listing(call: &Call, token: &str) -> Result<Listing, Fault> {
    let parts = token::read_next(call, SHARDS, token)?;
    let read = || {
        let [arn, kind, value, last] = parts.as_slice() else { return None };
        let value: u64 = value.parse().ok()?;
        let filter = match kind.as_str() {
            "at-horizon" => Filter::AtTrimHorizon,
            "from-horizon" => Filter::FromTrimHorizon,
            "latest" => Filter::AtLatest,
            "at" => Filter::AtTime(Timestamp(value)),
            "from" => Filter::FromTime(Timestamp(value)),
            _ => Filter::AfterShard(ShardId(u32::try_from(value).ok()?)),
        };
        Some(Listing { path: StreamPath::parse_arn(arn)?, filter, after: Some(ShardId(last.parse().ok()?)) })
    };
    read().ok_or_else(token::invalid_next)
}

/// How many shards and streams there are, of those that there may be.
pub(super) async fn describe_limits(call: &Call, _: &Value<'_>) -> Result<Outcome, Fault> {
    call.broker.authorise_account(&call.caller, Action::DescribeLimits).map_err(fault::refused)?;
    let quotas = call.broker.stream_quotas(&call.caller.namespace());
    let answer = Members::default()
        .with("ShardLimit", quotas.shards.max)
        .with("OpenShardCount", quotas.shards.used)
        .with("OnDemandStreamCount", quotas.on_demand_streams.used)
        .with("OnDemandStreamCountLimit", quotas.on_demand_streams.max);
    Ok(answer.with("ChannelCount", 0_u32).with("ChannelCountLimit", 0_u32).into())
}
