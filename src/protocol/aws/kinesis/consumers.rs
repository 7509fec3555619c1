//! Registered consumers.

use super::{
    call::{Call, Outcome},
    fault,
    streams::change,
    target, token, words,
};
use crate::{
    base::{limits, stream_name::StreamPath, time::Timestamp},
    domain::stream::consumers::{Consumer, ConsumerStatus},
    protocol::aws::{
        fault::Fault,
        wire::value::{Members, Said, Value},
    },
    service::{authorise::Action, words::StreamHandle},
};
use std::sync::Arc;

const CONSUMERS: &str = "consumers";
const PAGE_DEFAULT: u32 = 100;

fn status(consumer: &Consumer, now: Timestamp) -> &'static str {
    match consumer.status(now) {
        ConsumerStatus::Creating => "CREATING",
        ConsumerStatus::Active => "ACTIVE",
        ConsumerStatus::Deleting => "DELETING",
    }
}

fn said(path: &StreamPath, consumer: &Consumer, now: Timestamp) -> Members {
    Members::default()
        .with("ConsumerName", consumer.name.to_string())
        .with("ConsumerARN", target::consumer_arn(path, &consumer.name, consumer.created_at))
        .with("ConsumerStatus", status(consumer, now))
        .with("ConsumerCreationTimestamp", consumer.created_at)
}

pub(super) async fn register(call: &Call, input: &Value<'_>) -> Result<Outcome, Fault> {
    let stream = target::stream(call, input, Action::RegisterStreamConsumer)?;
    let (name, tags): (Arc<str>, _) = (input.text("ConsumerName").unwrap_or_default().into(), target::tags(input));
    let path = stream.path().clone();
    let max = call.broker.stream_consumers_max();
    let decide = move |view: &crate::service::words::View<'_>| {
        let event = view.stream.register_consumer(view.now, &name, &tags, view.queues.len(), max)?;
        let created =
            Consumer { name, created_at: view.now, active_at: view.now + limits::STREAM_SETTLE, gone_at: None, tags };
        Ok((vec![event], said(&path, &created, view.now)))
    };
    let said = change(call, &stream, decide).await?;
    Ok(Members::default().with("Consumer", said).into())
}

/// A consumer that is there, as a call names it.
pub(super) struct Found {
    pub(super) stream: Arc<StreamHandle>,
    pub(super) consumer: Consumer,
}

/// # Errors
///
/// It is not there, or another one of that name is.
pub(super) async fn find(call: &Call, input: &Value<'_>, action: Action) -> Result<Found, Fault> {
    let (path, name, created) = match (input.text("ConsumerARN"), input.text("ConsumerName")) {
        (Some(arn), _) => {
            let named = target::resource(arn)?;
            let consumer = named.consumer.ok_or_else(|| fault::invalid("The ConsumerARN is not one of a consumer."))?;
            (named.stream, consumer.name, Some(consumer.created))
        }
        (None, Some(name)) if input.text("StreamARN").is_some() => (target::path(call, input)?, name.into(), None),
        (None, _) => {
            return Err(fault::invalid("Either ConsumerARN or StreamARN and ConsumerName should be provided."));
        }
    };
    let stream = target::find(call, action, &path)?;
    let consumer = one(call, &stream, &name, created).await?;
    Ok(Found { stream, consumer })
}

pub(super) async fn one(
    call: &Call,
    stream: &StreamHandle,
    name: &Arc<str>,
    created: Option<u64>,
) -> Result<Consumer, Fault> {
    let wanted = name.clone();
    let found = call.broker.ask_stream(stream, move |view| view.stream.consumer(view.now, &wanted).ok().cloned());
    let found = found.await.map_err(|refusal| words::refused(stream.path(), refusal))?;
    let fits = |consumer: &Consumer| created.is_none_or(|at| at == consumer.created_at.as_millis() / 1000);
    let written = || match created {
        Some(seconds) => target::consumer_arn(stream.path(), name, Timestamp(seconds.saturating_mul(1000))),
        None => name.to_string(),
    };
    found.filter(fits).ok_or_else(|| words::no_such_consumer(stream.path(), &written()))
}

pub(super) async fn describe(call: &Call, input: &Value<'_>) -> Result<Outcome, Fault> {
    let Found { stream, consumer } = find(call, input, Action::DescribeStreamConsumer).await?;
    let said = said(stream.path(), &consumer, call.broker.now()).with("StreamARN", stream.path().arn());
    Ok(Members::default().with("ConsumerDescription", said).into())
}

pub(super) async fn deregister(call: &Call, input: &Value<'_>) -> Result<Outcome, Fault> {
    let Found { stream, consumer } = find(call, input, Action::DeregisterStreamConsumer).await?;
    let decide = move |view: &crate::service::words::View<'_>| {
        let event = view.stream.deregister_consumer(view.now, &consumer.name)?;
        Ok((event.into_iter().collect(), ()))
    };
    change(call, &stream, decide).await?;
    Ok(Outcome::Nothing)
}

pub(super) async fn list(call: &Call, input: &Value<'_>) -> Result<Outcome, Fault> {
    let stream = target::stream(call, input, Action::ListStreamConsumers)?;
    let path = stream.path();
    let after = match input.text("NextToken") {
        None => None,
        Some(token) => match token::read_next(call, CONSUMERS, token)?.as_slice() {
            [arn, last] if *arn == path.arn() => Some(last.clone()),
            _ => return Err(token::invalid_next()),
        },
    };
    let limit = usize::try_from(input.count("MaxResults").unwrap_or(PAGE_DEFAULT)).unwrap_or(usize::MAX);
    let look = move |view: &crate::service::words::View<'_>| {
        let behind = |consumer: &&Consumer| after.as_deref().is_none_or(|after| &*consumer.name > after);
        let found = view.stream.consumers(view.now).filter(behind).take(limit.saturating_add(1));
        (view.now, found.cloned().collect::<Vec<_>>())
    };
    let (now, mut consumers) =
        call.broker.ask_stream(&stream, look).await.map_err(|refusal| words::refused(path, refusal))?;
    let more = consumers.len() > limit;
    consumers.truncate(limit);
    let last = consumers.last().filter(|_| more);
    let next = last.map(|consumer| token::next(call, CONSUMERS, &[&path.arn(), &consumer.name]));
    let consumers: Vec<Said> = consumers.iter().map(|consumer| said(path, consumer, now).into()).collect();
    Ok(Members::default().with("Consumers", consumers).maybe("NextToken", next).into())
}
