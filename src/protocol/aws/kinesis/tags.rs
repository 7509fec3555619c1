//! Tags of streams, of consumers and of queues, in both of the ways that Kinesis has, and resource policies.

use super::{
    call::{Call, Outcome},
    consumers, fault,
    streams::{change, change_once},
    target::{self, Named},
    words,
};
use crate::{
    domain::{
        policy::{document::Policy, statement::Owner},
        stream::settings::Tags,
    },
    protocol::aws::{
        fault::Fault,
        wire::value::{Members, Said, Value},
    },
    service::{authorise::Action, words::View},
};

const PAGE_DEFAULT: u32 = 50;

pub(super) async fn add(call: &Call, input: &Value<'_>) -> Result<Outcome, Fault> {
    let stream = target::stream(call, input, Action::AddTagsToStream)?;
    let tags = target::tags(input);
    change_once(call, &stream, move |view| view.stream.tag(view.now, &tags)).await
}

pub(super) async fn remove(call: &Call, input: &Value<'_>) -> Result<Outcome, Fault> {
    let stream = target::stream(call, input, Action::RemoveTagsFromStream)?;
    let keys = target::tag_keys(input);
    change_once(call, &stream, move |view| view.stream.untag(view.now, &keys)).await.map_err(of_removal)
}

/// What is said of bad characters names what the tags were meant for.
fn of_removal(fault: Fault) -> Fault {
    match fault.message.strip_prefix("Failed to add tags to ") {
        Some(rest) => fault::invalid(format!("Failed to remove tags from {rest}")),
        None => fault,
    }
}

fn said<'t>(tags: impl Iterator<Item = (&'t std::sync::Arc<str>, &'t std::sync::Arc<str>)>) -> Vec<Said> {
    tags.map(|(key, value)| Members::default().with("Key", key.to_string()).with("Value", value.to_string()).into())
        .collect()
}

pub(super) async fn list(call: &Call, input: &Value<'_>) -> Result<Outcome, Fault> {
    let stream = target::stream(call, input, Action::ListTagsForStream)?;
    let limit = usize::try_from(input.count("Limit").unwrap_or(PAGE_DEFAULT)).unwrap_or(usize::MAX);
    let after = input.text("ExclusiveStartTagKey");
    let notes = stream.notes();
    let behind = || notes.settings.tags.iter().filter(|(key, _)| after.is_none_or(|after| &***key > after));
    let more = behind().count() > limit;
    Ok(Members::default().with("Tags", said(behind().take(limit))).with("HasMoreTags", more).into())
}

pub(super) async fn tag_resource(call: &Call, input: &Value<'_>) -> Result<Outcome, Fault> {
    if let Some(queue) = target::queue_resource(call, input)? {
        let tagged = call.broker.tag_stream_queue(&call.caller, &queue, target::tags(input)).await;
        return tagged.map(|()| Outcome::Nothing).map_err(|fault| words::of_queue(&queue, fault));
    }
    let Named { stream, consumer } = target::resource(input.text("ResourceARN").unwrap_or_default())?;
    let stream = target::find(call, Action::TagResource, &stream)?;
    let tags = target::tags(input);
    let Some(consumer) = consumer else {
        return change_once(call, &stream, move |view| view.stream.tag(view.now, &tags)).await;
    };
    let found = consumers::one(call, &stream, &consumer.name, Some(consumer.created)).await?;
    change_once(call, &stream, move |view| view.stream.tag_consumer(view.now, &found.name, &tags)).await
}

pub(super) async fn untag_resource(call: &Call, input: &Value<'_>) -> Result<Outcome, Fault> {
    if let Some(queue) = target::queue_resource(call, input)? {
        let untagged = call.broker.untag_stream_queue(&call.caller, &queue, target::tag_keys(input)).await;
        return untagged.map(|()| Outcome::Nothing).map_err(|fault| words::of_queue(&queue, fault));
    }
    let Named { stream, consumer } = target::resource(input.text("ResourceARN").unwrap_or_default())?;
    let stream = target::find(call, Action::UntagResource, &stream)?;
    let keys = target::tag_keys(input);
    let Some(consumer) = consumer else {
        return change_once(call, &stream, move |view| view.stream.untag(view.now, &keys)).await;
    };
    let found = consumers::one(call, &stream, &consumer.name, Some(consumer.created)).await?;
    change_once(call, &stream, move |view| view.stream.untag_consumer(view.now, &found.name, &keys)).await
}

pub(super) async fn list_of_resource(call: &Call, input: &Value<'_>) -> Result<Outcome, Fault> {
    if let Some(queue) = target::queue_resource(call, input)? {
        let tags = call.broker.list_stream_queue_tags(&call.caller, &queue).await;
        let tags = tags.map_err(|fault| words::of_queue(&queue, fault))?;
        return Ok(Members::default().with("Tags", said(tags.iter())).into());
    }
    let Named { stream, consumer } = target::resource(input.text("ResourceARN").unwrap_or_default())?;
    let stream = target::find(call, Action::ListTagsForResource, &stream)?;
    let tags: Tags = match consumer {
        None => stream.notes().settings.tags.clone(),
        Some(consumer) => consumers::one(call, &stream, &consumer.name, Some(consumer.created)).await?.tags,
    };
    Ok(Members::default().with("Tags", said(tags.iter())).into())
}

/// The stream of a call about its policy. Consumers and queues have none of their own here.
fn of_policy(
    call: &Call,
    input: &Value<'_>,
    action: Action,
) -> Result<std::sync::Arc<crate::service::words::StreamHandle>, Fault> {
    if target::queue_resource(call, input)?.is_some() {
        return Err(fault::invalid("A queue has no policy of its own: those of keys say who may use it."));
    }
    let Named { stream, consumer } = target::resource(input.text("ResourceARN").unwrap_or_default())?;
    if consumer.is_some() {
        return Err(fault::invalid("A consumer has no policy of its own: the policy of its stream counts."));
    }
    target::find(call, action, &stream)
}

pub(super) async fn put_policy(call: &Call, input: &Value<'_>) -> Result<Outcome, Fault> {
    let stream = of_policy(call, input, Action::PutResourcePolicy)?;
    let policy = input.text("Policy").unwrap_or_default();
    Policy::parse(policy, Owner::Queue).map_err(|error| fault::invalid(format!("Invalid policy: {error}")))?;
    let policy = policy.into();
    change_once(call, &stream, move |view| view.stream.set_policy(view.now, policy)).await
}

pub(super) async fn get_policy(call: &Call, input: &Value<'_>) -> Result<Outcome, Fault> {
    let stream = of_policy(call, input, Action::GetResourcePolicy)?;
    let look = |view: &View<'_>| Ok((Vec::new(), view.stream.settings().policy.clone()));
    let policy = change(call, &stream, look).await?;
    // AWS answers with an empty document where there is none.
    let text = policy.map_or_else(|| "{}".to_owned(), |policy| policy.to_string());
    Ok(Members::default().with("Policy", text).into())
}

pub(super) async fn delete_policy(call: &Call, input: &Value<'_>) -> Result<Outcome, Fault> {
    let stream = of_policy(call, input, Action::DeleteResourcePolicy)?;
    change_once(call, &stream, |view| view.stream.delete_policy(view.now)).await
}
