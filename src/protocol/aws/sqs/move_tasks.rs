//! Message move tasks: what the broker calls redrives, by the ARNs of their queues.

use super::{message::shorten, name};
use crate::{
    base::{
        limits,
        name::QueuePath,
        reason::{Reason, Refusal},
    },
    domain::queue::{event::RedriveOutcome, redrive::NO_SOURCE},
    protocol::aws::{
        call::{Call, Reply},
        errors::sqs,
        fault::{Fault, common},
        wire::{
            input::Input,
            json::Json,
            writer::{Form, Writer},
        },
    },
    service::redrive::{DELETED, ListRedrives, RedriveView, StartRedrive},
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use std::borrow::Cow;

const SOURCE: &str = "SourceArn";
const DESTINATION: &str = "DestinationArn";
const RATE: &str = "MaxNumberOfMessagesPerSecond";
const HANDLE: &str = "TaskHandle";
const RESULTS_MAX: i64 = 10;

pub(in crate::protocol::aws) async fn start(call: &Call, input: &Input<'_>) -> Result<Reply, Fault> {
    let source = queue_of(&input.required(SOURCE)?, SOURCE)?;
    let destination = match input.text(DESTINATION)? {
        Some(arn) if !arn.is_empty() => Some(queue_of(&arn, DESTINATION)?),
        _ => None,
    };
    if let Some(destination) = &destination {
        check_destination(&source, destination)?;
    }
    let rate = input.integer(RATE)?;
    let most = limits::REDRIVE_VELOCITY_MAX;
    let fits = |rate: i64| u32::try_from(rate).ok().filter(|rate| (1..=most).contains(rate));
    let max_messages_per_second = match rate {
        None => 0,
        Some(rate) => fits(rate)
            .ok_or_else(|| common::invalid_value(rate, RATE, &format!("Must be >= 1 and <= {most}, if provided.")))?,
    };
    let request = StartRedrive {
        source_queue: name::native(call, &source).into_owned(),
        destination_queue: destination.as_ref().map(|path| name::native(call, path)).unwrap_or_default().into_owned(),
        max_messages_per_second,
    };
    let started = call.broker.start_redrive(&call.caller, request).await;
    let redrive = started.map_err(|refusal| fault(call, refusal))?;
    Ok(call.reply(192, |w| w.plain(HANDLE, task_handle(&source, &redrive))))
}

/// What the two names alone tell.
fn check_destination(source: &QueuePath, destination: &QueuePath) -> Result<(), Fault> {
    let reason = match (source == destination, source.name.is_fifo() == destination.name.is_fifo()) {
        (true, _) => "Must be another queue than the source.",
        (false, false) => "Must be same type of queue as the source.",
        (false, true) => return Ok(()),
    };
    Err(common::invalid_value(destination.arn(), DESTINATION, reason))
}

pub(in crate::protocol::aws) async fn list(call: &Call, input: &Input<'_>) -> Result<Reply, Fault> {
    let source = queue_of(&input.required(SOURCE)?, SOURCE)?;
    let size = input.integer("MaxResults")?.unwrap_or(1);
    if !(1..=RESULTS_MAX).contains(&size) {
        return Err(common::invalid_value(size, "MaxResults", "Must be >= 1 and <= 10, if provided."));
    }
    let source_queue = name::native(call, &source).into_owned();
    let request = ListRedrives { source_queue, page_size: size, ..ListRedrives::default() };
    let page = call.broker.list_redrives(&call.caller, request).await.map_err(|refusal| fault(call, refusal))?;
    Ok(call.reply(512, |w| {
        w.list(("Results", "ListMessageMoveTasksResultEntry"), &page.redrives, |w, redrive| {
            write(w, call, &source, redrive);
        });
    }))
}

pub(in crate::protocol::aws) async fn cancel(call: &Call, input: &Input<'_>) -> Result<Reply, Fault> {
    let handle = input.required(HANDLE)?;
    let (id, source) =
        read_handle(&handle).ok_or_else(|| common::invalid(format!("Value for parameter {HANDLE} is invalid.")))?;
    let task = format!("{}/redrives/{id}", name::native(call, &source));
    let cancelled = call.broker.cancel_redrive(&call.caller, &task).await;
    let redrive = cancelled.map_err(|refusal| fault(call, refusal))?;
    Ok(call.reply(96, |w| w.number("ApproximateNumberOfMessagesMoved", redrive.messages_moved)))
}

fn write(w: &mut Writer, call: &Call, source: &QueuePath, redrive: &RedriveView) {
    let (status, failure) = match &redrive.outcome {
        None => ("RUNNING", None),
        Some(RedriveOutcome::Completed) => ("COMPLETED", None),
        Some(RedriveOutcome::Cancelled) => ("CANCELLED", None),
        Some(RedriveOutcome::Failed { why }) => ("FAILED", Some(why)),
    };
    if redrive.outcome.is_none() {
        w.plain(HANDLE, task_handle(source, redrive));
    }
    w.plain("Status", status);
    w.plain(SOURCE, source.arn());
    let destination = Some(redrive.destination_queue.as_str()).filter(|name| *name != DELETED);
    if let Some(arn) = destination.and_then(|name| name::arn_of_native(call, name)) {
        w.plain(DESTINATION, arn);
    }
    if redrive.max_messages_per_second > 0 {
        w.number(RATE, redrive.max_messages_per_second.into());
    }
    w.number("ApproximateNumberOfMessagesMoved", redrive.messages_moved);
    w.number("ApproximateNumberOfMessagesToMove", redrive.messages_to_move);
    if let Some(why) = failure {
        let is_unknown = why.ends_with(NO_SOURCE);
        let gone = sqs::QUEUE_DOES_NOT_EXIST.query_code;
        w.plain("FailureReason", if is_unknown { "CouldNotDetermineMessageSource" } else { gone });
    }
    w.number("StartedTimestamp", redrive.started.as_millis());
}

/// Base64 of `{"taskId":"…","sourceArn":"…"}`.
fn task_handle(source: &QueuePath, redrive: &RedriveView) -> String {
    let id = redrive.name.rsplit('/').next().unwrap_or_default();
    let mut writer = Writer::new(Form::Json);
    writer.structure(|w| {
        w.plain("taskId", id);
        w.plain("sourceArn", source.arn());
    });
    BASE64.encode(writer.finish())
}

fn read_handle(handle: &str) -> Option<(uuid::Uuid, QueuePath)> {
    let bytes = BASE64.decode(handle).ok()?;
    let json = Json::parse(&bytes).ok()?;
    let text = |name| json.member(name).and_then(Json::as_text);
    Some((uuid::Uuid::parse_str(text("taskId")?).ok()?, name::of_arn(text("sourceArn")?)?))
}

fn queue_of(arn: &str, member: &'static str) -> Result<QueuePath, Fault> {
    name::of_arn(arn).ok_or_else(|| common::invalid_value(shorten(arn), member, "Must be the ARN of an SQS queue."))
}

/// A refusal in the words of SQS.
fn fault(call: &Call, refusal: Refusal) -> Fault {
    let not_found = |text: Cow<'static, str>| Fault::new(&sqs::RESOURCE_NOT_FOUND, text);
    match (refusal.reason, refusal.field.as_deref()) {
        (Reason::QueueNotFound, field) => {
            let member = if field == Some("destination_queue") { DESTINATION } else { SOURCE };
            not_found(format!("The resource that you specified for the {member} parameter doesn't exist.").into())
        }
        (Reason::NotADeadLetterQueue, _) => common::invalid("Source queue must be configured as a Dead Letter Queue."),
        (Reason::RedriveRunning, _) => common::invalid(
            "There is already a task running. Only one active task is allowed for a source queue arn at a given time.",
        ),
        (Reason::RedriveNotFound, _) => not_found("Task does not exist.".into()),
        (Reason::RedriveEnded, _) => common::invalid("Only active tasks can be cancelled."),
        _ => call.fault(refusal),
    }
}
