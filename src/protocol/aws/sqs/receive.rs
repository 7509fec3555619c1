//! Messages on their way out.

use super::{
    message::{self, AttributeNames, SystemNames, View},
    name,
};
use crate::{
    base::{limits, reason::Reason},
    protocol::aws::{
        call::{Call, Reply},
        fault::{Fault, common},
        wire::{input::Input, writer::Form},
    },
    service::{receive::Receive, words::ReceivedMessage},
};
use std::time::Duration;

const MESSAGES_MAX: i64 = 10;
const ATTEMPT: &str = "ReceiveRequestAttemptId";
/// About what a message takes in an answer besides its body.
const MESSAGE_BYTES: usize = 600;

pub(in crate::protocol::aws) async fn receive(call: &Call, input: &Input<'_>) -> Result<Reply, Fault> {
    let path = name::of_call(call, input)?;
    let asked = read(input, name::native(call, &path).into_owned())?;
    let received = match call.broker.receive(&call.caller, asked.request).await {
        // To these clients a wait that ends early is one that brought nothing: they ask again, without an error.
        Err(refusal) if refusal.reason == Reason::Draining => Ok(Vec::new()),
        received => received,
    };
    let received = received.map_err(|refusal| match refusal.field.as_deref() {
        Some("receive_attempt_id") => common::invalid_value(
            asked.attempt_id.as_deref().unwrap_or_default(),
            ATTEMPT,
            "The request includes a parameter that is not valid for this queue type.",
        ),
        _ => call.fault(refusal),
    })?;
    let bytes = received.iter().map(|message| message.size as usize + MESSAGE_BYTES).sum();
    // The one member whose name differs between the two forms of a Query's answer.
    let name = if call.form == Form::QueryJson { "messages" } else { "Message" };
    Ok(call.reply(bytes, |w| {
        w.list(("Messages", name), &received, |w, message| {
            let handle = call.broker.receipt_handle(&message.receipt);
            view(message, &handle)
                .write(w, asked.system, &asked.attributes, |source| name::arn_of_native(call, source));
        });
    }))
}

/// What a receiver asks for.
struct Asked {
    request: Receive,
    system: SystemNames,
    attributes: AttributeNames,
    attempt_id: Option<String>,
}

fn read(input: &Input<'_>, queue: String) -> Result<Asked, Fault> {
    let count = input.integer("MaxNumberOfMessages")?;
    if let Some(count) = count.filter(|count| !(1..=MESSAGES_MAX).contains(count)) {
        let reason = "Must be between 1 and 10, if provided.";
        return Err(common::invalid_value(count, "MaxNumberOfMessages", reason));
    }
    let wait = seconds(input, "WaitTimeSeconds", limits::RECEIVE_WAIT_MAX)?;
    let visibility_timeout = seconds(input, "VisibilityTimeout", limits::VISIBILITY_TIMEOUT_MAX)?;
    let attempt_id = input.text(ATTEMPT)?.map(std::borrow::Cow::into_owned);
    message::check_short_id(ATTEMPT, attempt_id.as_deref())?;
    // The newer name wins when both are used.
    let system = match input.texts(("MessageSystemAttributeNames", "MessageSystemAttributeName"))? {
        Some(names) if !names.is_empty() => names,
        _ => input.texts(("AttributeNames", "AttributeName"))?.unwrap_or_default(),
    };
    let attributes = input.texts(("MessageAttributeNames", "MessageAttributeName"))?.unwrap_or_default();
    let request = Receive {
        queue,
        max_messages: count.and_then(|count| u32::try_from(count).ok()),
        wait,
        visibility_timeout,
        receive_attempt_id: attempt_id.clone().unwrap_or_default(),
    };
    let system = SystemNames::parse(&system)?;
    Ok(Asked { request, system, attributes: AttributeNames::parse(attributes), attempt_id })
}

fn seconds(input: &Input<'_>, name: &str, most: Duration) -> Result<Option<Duration>, Fault> {
    let Some(value) = input.integer(name)? else { return Ok(None) };
    let most = most.as_secs();
    let seconds = u64::try_from(value).ok().filter(|seconds| *seconds <= most);
    let reason = format!("Must be >= 0 and <= {most}, if provided.");
    seconds.map(|seconds| Some(Duration::from_secs(seconds))).ok_or_else(|| common::invalid_value(value, name, &reason))
}

fn view<'a>(message: &'a ReceivedMessage, receipt_handle: &'a str) -> View<'a> {
    View {
        payload: &message.payload,
        receipt_handle,
        sequence_number: message.sequence_number,
        receive_count: message.receive_count,
        send_time: message.send_time,
        first_receive: message.first_receive,
    }
}
