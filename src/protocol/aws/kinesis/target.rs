//! Which stream a call is about: by name, by ARN, or by the ARN of something on it.

use super::{call::Call, fault, words};
use crate::{
    base::{
        stream_name::{StreamName, StreamPath},
        stream_queue_arn::StreamQueueArn,
    },
    domain::stream::{ShardId, settings::Tags},
    protocol::aws::{fault::Fault, wire::value::Value},
    service::{authorise::Action, words::StreamHandle},
};
use std::sync::Arc;

const CONSUMER: &str = "/consumer/";
const QUEUE: &str = ":queue/";

/// The stream that a call names; nothing is looked up.
pub(super) fn path(call: &Call, input: &Value<'_>) -> Result<StreamPath, Fault> {
    let by_name = input.text("StreamName").map(|name| named(call, name)).transpose()?;
    let by_arn = input.text("StreamARN").map(by_arn).transpose()?;
    match (by_name, by_arn) {
        (Some(name), Some(arn)) if name.name != arn.name => {
            Err(fault::invalid("StreamName and StreamARN are of different streams."))
        }
        (_, Some(path)) | (Some(path), None) => Ok(path),
        (None, None) => Err(fault::invalid("Either StreamName or StreamARN should be provided.")),
    }
}

pub(super) fn named(call: &Call, name: &str) -> Result<StreamPath, Fault> {
    let name = StreamName::parse(name).map_err(|error| fault::invalid(error.to_string()))?;
    Ok(StreamPath::new(call.caller.namespace(), name))
}

pub(super) fn by_arn(arn: &str) -> Result<StreamPath, Fault> {
    StreamPath::parse_arn(arn).ok_or_else(|| bad_arn(arn))
}

fn bad_arn(arn: &str) -> Fault {
    fault::invalid(format!("Invalid ARN. {arn:.200} is not the ARN of a resource of Kinesis."))
}

/// The stream, if the caller may do that to it.
pub(super) fn find(call: &Call, action: Action, path: &StreamPath) -> Result<Arc<StreamHandle>, Fault> {
    let found = call.broker.stream_at(&call.caller, action, path);
    found.map_err(|refusal| words::refused(path, refusal))
}

pub(super) fn stream(call: &Call, input: &Value<'_>, action: Action) -> Result<Arc<StreamHandle>, Fault> {
    find(call, action, &path(call, input)?)
}

/// A stream, or a consumer of it.
pub(super) struct Named {
    pub(super) stream: StreamPath,
    pub(super) consumer: Option<ConsumerName>,
}

/// What the ARN of a consumer says of it.
pub(super) struct ConsumerName {
    pub(super) name: Arc<str>,
    /// In seconds: one that was registered again is another one.
    pub(super) created: u64,
}

pub(super) fn resource(arn: &str) -> Result<Named, Fault> {
    let Some((stream, consumer)) = arn.split_once(CONSUMER) else {
        return Ok(Named { stream: by_arn(arn)?, consumer: None });
    };
    let parts = consumer.rsplit_once(':').and_then(|(name, created)| Some((name, created.parse().ok()?)));
    let (name, created) = parts.ok_or_else(|| bad_arn(arn))?;
    Ok(Named { stream: by_arn(stream)?, consumer: Some(ConsumerName { name: name.into(), created }) })
}

/// The queue of an ARN; one that this server did not make is of no queue.
pub(super) fn queue(call: &Call, arn: &str) -> Result<StreamQueueArn, Fault> {
    StreamQueueArn::parse(arn).ok_or_else(|| {
        let id = arn.rsplit_once(QUEUE).map_or(arn, |(_, id)| id);
        words::no_such_queue(id, &call.caller.account)
    })
}

/// What a call about a resource is about, if that is a queue.
pub(super) fn queue_resource(call: &Call, input: &Value<'_>) -> Result<Option<StreamQueueArn>, Fault> {
    let arn = input.text("ResourceARN").unwrap_or_default();
    if arn.contains(QUEUE) { queue(call, arn).map(Some) } else { Ok(None) }
}

/// The ARN of a consumer.
pub(super) fn consumer_arn(stream: &StreamPath, name: &str, created: crate::base::time::Timestamp) -> String {
    format!("{}{CONSUMER}{name}:{}", stream.arn(), created.as_millis() / 1000)
}

/// A shard's id, as leniently as AWS reads it; in `member`.
pub(super) fn shard(stream: &StreamPath, input: &Value<'_>, member: &str) -> Result<ShardId, Fault> {
    let text = input.text(member).unwrap_or_default();
    ShardId::parse(text).ok_or_else(|| words::no_such_shard(stream, text))
}

pub(super) fn tags(input: &Value<'_>) -> Tags {
    input.pairs("Tags").map(|(key, value)| (key.into(), value.into())).collect()
}

pub(super) fn tag_keys(input: &Value<'_>) -> Vec<Arc<str>> {
    input.items("TagKeys").iter().filter_map(Value::as_text).map(Arc::from).collect()
}
