//! Queues over streams: made, described, listed, updated, deleted.

use super::{
    call::{Call, Outcome},
    fault, target, token, words,
};
use crate::{
    base::{
        limits::{STREAM_QUEUE_RECEIVES_DEFAULT, VISIBILITY_TIMEOUT_DEFAULT},
        reason::Reason,
        stream_name::StreamPath,
    },
    domain::stream::{
        PositionError,
        acks::{Settings, Start, Status},
    },
    protocol::aws::{
        fault::Fault,
        wire::value::{Members, Said, Value},
    },
    service::streams::{
        fault::StreamFault,
        queues::{NewQueue, QueueFields, QueueView, StreamFilter},
    },
};
use std::time::Duration;

const QUEUES: &str = "queues";
const PAGE_DEFAULT: u32 = 100;

pub(super) async fn create(call: &Call, input: &Value<'_>) -> Result<Outcome, Fault> {
    let (stream, start) = source(input)?;
    let fields = attributes(input)?;
    let settings = Settings {
        visibility_timeout: fields.visibility_timeout.unwrap_or(VISIBILITY_TIMEOUT_DEFAULT),
        max_receive_count: fields.max_receive_count.unwrap_or(Some(STREAM_QUEUE_RECEIVES_DEFAULT)),
    };
    let name = input.text("QueueName").unwrap_or_default();
    let request = NewQueue { name: name.into(), settings, start, tags: target::tags(input) };
    let created = call.broker.create_stream_queue(&call.caller, &stream, request).await;
    let created = created.map_err(|error| of_creation(&stream, name, error))?;
    Ok(Members::default().with("QueueDescription", description(&created)).into())
}

/// The one stream of a new queue, and where in it the queue begins.
fn source(input: &Value<'_>) -> Result<(StreamPath, Start), Fault> {
    let [source] = input.items("StreamConfigurationList") else {
        let found = input.items("StreamConfigurationList").len();
        return Err(fault::validation(format!(
            "StreamConfigurationList must contain exactly one entry, because a queue delivers records from a single data \
             stream. Found: {found}."
        )));
    };
    let stream = target::by_arn(source.text("StreamARN").unwrap_or_default())?;
    let position = source.member("StartingPosition");
    let kind = position.and_then(|position| position.text("Type")).unwrap_or("LATEST");
    let start = match (kind, position.and_then(|position| position.time("Timestamp"))) {
        ("AT_TIMESTAMP", Some(moment)) => Start::AtTime(moment),
        ("AT_TIMESTAMP", None) => {
            return Err(fault::validation("StartingPosition of type AT_TIMESTAMP requires a Timestamp."));
        }
        (kind, Some(_)) => {
            return Err(fault::validation(format!("StartingPosition of type {kind} must not have a Timestamp.")));
        }
        ("TRIM_HORIZON", None) => Start::TrimHorizon,
        (_, None) => Start::Latest,
    };
    Ok((stream, start))
}

/// What a call sets of a queue.
fn attributes(input: &Value<'_>) -> Result<QueueFields, Fault> {
    let Some(given) = input.member("QueueAttributes") else { return Ok(QueueFields::default()) };
    let seconds = given.count("VisibilityTimeoutSeconds");
    let visibility_timeout = seconds.map(|seconds| Duration::from_secs(seconds.into()));
    let Some(dead) = given.member("DeadLetterConfiguration") else {
        return Ok(QueueFields { visibility_timeout, max_receive_count: None });
    };
    let max_receive_count = match (dead.text("TargetType"), dead.count("MaxReceiveCount")) {
        (Some("NONE"), None) => None,
        (Some("NONE"), Some(_)) => {
            return Err(fault::validation("MaxReceiveCount is only for dead letters with the TargetType BUILT_IN."));
        }
        (_, Some(count)) => Some(count),
        (_, None) => {
            return Err(fault::validation("MaxReceiveCount must be specified when the TargetType is BUILT_IN."));
        }
    };
    Ok(QueueFields { visibility_timeout, max_receive_count: Some(max_receive_count) })
}

fn of_creation(stream: &StreamPath, name: &str, error: StreamFault) -> Fault {
    if let StreamFault::Position(PositionError::FutureTime { moment, now }) = &error {
        return fault::invalid(format!(
            "The Timestamp of the StartingPosition is later than now: {} and {} in milliseconds.",
            moment.as_millis(),
            now.as_millis()
        ));
    }
    if matches!(&error, StreamFault::Refused(refusal) if refusal.reason == Reason::StreamPartExists) {
        let text = format!("Queue {name} under account {} already exists.", stream.account);
        return Fault::new(&fault::RESOURCE_IN_USE, text);
    }
    words::fault(stream, error)
}

pub(super) async fn describe(call: &Call, input: &Value<'_>) -> Result<Outcome, Fault> {
    let queue = target::queue(call, input.text("QueueARN").unwrap_or_default())?;
    let found = call.broker.describe_stream_queue(&call.caller, &queue).await;
    let found = found.map_err(|error| words::of_queue(&queue, error))?;
    Ok(Members::default().with("QueueDescription", description(&found)).into())
}

pub(super) async fn update(call: &Call, input: &Value<'_>) -> Result<Outcome, Fault> {
    let queue = target::queue(call, input.text("QueueARN").unwrap_or_default())?;
    let fields = attributes(input)?;
    let updated = call.broker.update_stream_queue(&call.caller, &queue, fields).await;
    let updated = updated.map_err(|error| words::of_queue(&queue, error))?;
    Ok(Members::default().with("QueueDescription", description(&updated)).into())
}

pub(super) async fn delete(call: &Call, input: &Value<'_>) -> Result<Outcome, Fault> {
    let queue = target::queue(call, input.text("QueueARN").unwrap_or_default())?;
    let deleted = call.broker.delete_stream_queue(&call.caller, &queue).await;
    deleted.map(|()| Outcome::Nothing).map_err(|error| words::of_queue(&queue, error))
}

pub(super) async fn list(call: &Call, input: &Value<'_>) -> Result<Outcome, Fault> {
    let filter = filter(input)?;
    let after = match input.text("NextToken") {
        Some(token) => Some(token::read_next(call, QUEUES, token)?.pop().ok_or_else(token::invalid_next)?),
        None => None,
    };
    let limit = usize::try_from(input.count("MaxResults").unwrap_or(PAGE_DEFAULT)).unwrap_or(usize::MAX);
    let found = call.broker.list_stream_queues(&call.caller, &filter, after.as_deref(), limit.saturating_add(1)).await;
    let mut queues = found.map_err(fault::refused)?;
    let more = queues.len() > limit;
    queues.truncate(limit);
    let next = queues.last().filter(|_| more).map(|last| token::next(call, QUEUES, &[&last.name]));
    let summaries: Vec<Said> = queues.iter().map(|queue| summary(queue).into()).collect();
    Ok(Members::default().with("QueueSummaries", summaries).maybe("NextToken", next).into())
}

fn filter(input: &Value<'_>) -> Result<StreamFilter, Fault> {
    let wanted = input.items("StreamFilter").iter().map(|wanted| {
        let stream = target::by_arn(wanted.text("StreamARN").unwrap_or_default())?;
        Ok((stream, wanted.time("StreamCreationTimestamp").map(|time| time.as_millis() / 1000)))
    });
    wanted.collect()
}

/// What all answers say of a queue.
fn common(queue: &QueueView) -> Members {
    Members::default()
        .with("QueueName", queue.name.to_string())
        .with("QueueARN", queue.arn.to_string())
        .with("QueueStatus", words::name_of_queue_status(queue.status))
        .with("QueueCreationTimestamp", queue.about.created_at)
}

fn summary(queue: &QueueView) -> Members {
    let stream = Members::default().with("StreamARN", queue.stream.arn());
    let stream: Said = stream.with("StreamCreationTimestamp", queue.stream_created).into();
    common(queue).with("Streams", vec![stream])
}

fn description(queue: &QueueView) -> Members {
    let stream = Members::default().with("StreamARN", queue.stream.arn()).with("StartingPosition", position(queue));
    let dead = match queue.settings.max_receive_count {
        Some(count) => Members::default().with("TargetType", "BUILT_IN").with("MaxReceiveCount", count),
        None => Members::default().with("TargetType", "NONE"),
    };
    let attributes = Members::default()
        .with("VisibilityTimeoutSeconds", queue.settings.visibility_timeout.as_secs())
        .with("DeadLetterConfiguration", dead);
    common(queue).with("StreamConfigurationList", vec![stream.into()]).with("QueueAttributes", attributes)
}

/// Where the queue began; while it is being made, as it was asked for.
fn position(queue: &QueueView) -> Members {
    let is_new = queue.status == Status::Creating;
    let (kind, moment) = match queue.about.start {
        Start::TrimHorizon => ("TRIM_HORIZON", None),
        Start::Latest => ("LATEST", None),
        Start::AtTime(moment) => ("AT_TIMESTAMP", Some(moment)),
    };
    let moment = if is_new { moment } else { Some(queue.about.counts_from) };
    Members::default().with("Type", kind).maybe("Timestamp", moment)
}
