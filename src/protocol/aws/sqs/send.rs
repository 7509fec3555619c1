//! Messages on their way in.

use super::{batch, message, name};
use crate::{
    base::{
        limits,
        reason::{Reason, Refusal},
    },
    protocol::aws::{
        call::{Call, Reply},
        errors::sqs,
        fault::{Fault, common},
        wire::{
            digest::{self, Hex},
            input::Input,
            writer::Writer,
        },
    },
    service::{
        send::{Message, Send},
        words::{Attribute, AttributeValue, SentMessage},
    },
};
use std::{borrow::Cow, time::Duration};

const DELAY: &str = "DelaySeconds";
const GROUP: &str = "MessageGroupId";
const DEDUPLICATION: &str = "MessageDeduplicationId";
const NOT_OF_THIS_TYPE: &str = "The request includes a parameter that is not valid for this queue type.";
const WITHOUT_DEDUPLICATION: &str =
    "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly";

/// A message that was read, and what its answer and its faults repeat of it.
struct Read {
    message: Message,
    size: usize,
    delay: Option<i64>,
    deduplication_id: String,
    digests: Digests,
}

/// What clients compare.
struct Digests {
    body: Hex,
    attributes: Option<Hex>,
    system: Option<Hex>,
}

pub(in crate::protocol::aws) async fn send(call: &Call, input: &Input<'_>) -> Result<Reply, Fault> {
    let path = name::of_call(call, input)?;
    let read = read(call, input)?;
    let Read { message, delay, deduplication_id, digests, .. } = read;
    let queue = name::native(call, &path).into_owned();
    let request = Send { queue, messages: vec![message], ..Send::default() };
    let sent = call.broker.send(&call.caller, request).await.map(|mut sent| sent.pop());
    let sent = sent.and_then(|sent| sent.unwrap_or_else(|| Err(Refusal::new(Reason::Internal, "no answer"))));
    let sent = sent.map_err(|refusal| fault(call, refusal, delay, &deduplication_id, Whose::Call))?;
    Ok(call.reply(256, |w| write(w, &digests, &sent)))
}

pub(in crate::protocol::aws) async fn send_batch(call: &Call, input: &Input<'_>) -> Result<Reply, Fault> {
    let path = name::of_call(call, input)?;
    let entries = batch::entries(input, ("Entries", "SendMessageBatchRequestEntry"))?;
    let mut results = Vec::with_capacity(entries.len());
    let (mut messages, mut places) = (Vec::new(), Vec::new());
    let mut bytes = 0;
    for (id, entry) in &entries {
        let result = match read(call, entry) {
            Ok(Read { message, size, delay, deduplication_id, digests }) => {
                bytes += size;
                messages.push(message);
                places.push((results.len(), delay, deduplication_id, digests));
                Err(Fault::new(&common::INTERNAL, ""))
            }
            Err(fault) => {
                bytes += entry.text("MessageBody")?.map_or(0, |body| body.len());
                Err(fault)
            }
        };
        results.push((id.clone(), result));
    }
    let most = limits::MESSAGE_BYTES_MAX as usize;
    if bytes > most {
        let text = format!("Batch requests cannot be longer than {most} bytes. You have sent {bytes} bytes.");
        return Err(Fault::new(&sqs::BATCH_REQUEST_TOO_LONG, text));
    }
    if !messages.is_empty() {
        let queue = name::native(call, &path).into_owned();
        let request = Send { queue, messages, all_need_ids: true };
        let sent = call.broker.send(&call.caller, request).await;
        let sent = sent.map_err(|refusal| fault(call, refusal, None, "", Whose::Batch))?;
        for ((place, delay, deduplication_id, digests), sent) in places.into_iter().zip(sent) {
            let sent = sent.map_err(|refusal| fault(call, refusal, delay, &deduplication_id, Whose::Entry));
            if let Some((_, result)) = results.get_mut(place) {
                *result = sent.map(|sent| (digests, sent));
            }
        }
    }
    Ok(batch::reply(call, "SendMessageBatchResultEntry", results, |w, (digests, sent)| write(w, &digests, &sent)))
}

fn write(w: &mut Writer, digests: &Digests, sent: &SentMessage) {
    w.plain("MD5OfMessageBody", digests.body.as_str());
    if let Some(md5) = &digests.attributes {
        w.plain("MD5OfMessageAttributes", md5.as_str());
    }
    if let Some(md5) = &digests.system {
        w.plain("MD5OfMessageSystemAttributes", md5.as_str());
    }
    w.plain("MessageId", sent.message_id.unwrap_or_default());
    if let Some(number) = sent.sequence_number {
        w.plain("SequenceNumber", message::sequence_number(number));
    }
}

fn read(call: &Call, input: &Input<'_>) -> Result<Read, Fault> {
    let body = input.required("MessageBody")?;
    message::check_characters(&body)?;
    let delay = input.integer(DELAY)?;
    let delay_max = limits::DELAY_MAX.as_secs();
    let duration = match delay {
        None => None,
        Some(seconds) => match u64::try_from(seconds) {
            Ok(seconds) if seconds <= delay_max => Some(Duration::from_secs(seconds)),
            _ => {
                let reason = format!("DelaySeconds must be >= 0 and <= {delay_max}.");
                return Err(common::invalid_value(seconds, DELAY, &reason));
            }
        },
    };
    let (group, deduplication) = (input.text(GROUP)?, input.text(DEDUPLICATION)?);
    message::check_short_id(GROUP, group.as_deref())?;
    message::check_short_id(DEDUPLICATION, deduplication.as_deref())?;
    let attributes = input.attributes(("MessageAttributes", "MessageAttribute"))?;
    message::check_attributes(&attributes)?;
    let system = input.attributes(("MessageSystemAttributes", "MessageSystemAttribute"))?;
    let trace = trace(&system)?.or_else(|| header_trace(call));
    let text = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned).unwrap_or_default();
    let deduplication_id = text(deduplication);
    let digests = Digests {
        body: digest::of_body(body.as_bytes()),
        attributes: digest::of_attributes(attributes.iter()),
        system: digest::of_attributes(system.iter()),
    };
    let size = message::size(&body, &attributes);
    let message = Message {
        body: call.bytes_of(body),
        attributes,
        delay: duration,
        group_id: text(group),
        deduplication_id: deduplication_id.clone(),
        trace_context: trace.unwrap_or_default(),
    };
    Ok(Read { message, size, delay, deduplication_id, digests })
}

/// What the tracing header of the request says, when it fits: no client is refused for what something on the way added.
fn header_trace(call: &Call) -> Option<String> {
    let trace = call.trace.as_ref()?.to_str().ok()?;
    (trace.len() <= limits::TRACE_CONTEXT_CHARS).then(|| trace.to_owned())
}

/// The tracing header, the one attribute of the system that may be sent.
fn trace(system: &[Attribute]) -> Result<Option<String>, Fault> {
    let mut trace = None;
    for attribute in system {
        let name = message::shorten(&attribute.name);
        if attribute.name != message::TRACE_HEADER {
            return Err(common::invalid(format!(
                "Message system attribute name '{name}' is invalid. The only one that may be sent is {}.",
                message::TRACE_HEADER
            )));
        }
        let text = match &attribute.value {
            AttributeValue::Text(text) if attribute.data_type == "String" => text.as_str(),
            AttributeValue::Text(_) | AttributeValue::Binary(_) => "",
        };
        if text.is_empty() {
            let rule = "must contain a non-empty value of type 'String'.";
            return Err(common::invalid(format!("Message (system) attribute '{name}' {rule}")));
        }
        message::check_characters(text)?;
        let (bytes, most) = (text.len(), limits::TRACE_CONTEXT_CHARS);
        if bytes > most {
            let text = format!("Message (system) attribute '{name}' has {bytes} bytes, allowed are {most}.");
            return Err(common::invalid(text));
        }
        trace = Some(text.to_owned());
    }
    Ok(trace)
}

/// What was refused: the wording depends on it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    Call,
    Batch,
    Entry,
}

/// A refusal of one message in the words of SQS.
fn fault(call: &Call, refusal: Refusal, delay: Option<i64>, deduplication_id: &str, whose: Whose) -> Fault {
    let field = refusal.field.as_deref().unwrap_or_default();
    let field = match field.strip_prefix("messages[") {
        Some(rest) => rest.split_once("].").map_or("", |(_, field)| field),
        None => field,
    };
    let attribute = refusal.metadata.iter().find(|(key, _)| *key == "attribute").map(|(_, name)| name.as_str());
    match (refusal.reason, field) {
        (Reason::MessageTooLarge, _) => {
            let limit = refusal.metadata.iter().find(|(key, _)| *key == "limit").map(|(_, limit)| limit.as_str());
            let verb = if whose == Whose::Entry { "cannot be validated" } else { "are invalid" };
            let limit = limit.unwrap_or_default();
            common::invalid(format!(
                "One or more parameters {verb}. Reason: Message must be shorter than {limit} bytes."
            ))
        }
        (Reason::InvalidArgument, "delay") => {
            const REASON: &str = "The request include parameter that is not valid for this queue type.";
            common::invalid_value(delay.unwrap_or_default(), DELAY, REASON)
        }
        (Reason::InvalidArgument, "group_id") if whose == Whose::Call => common::missing(GROUP),
        (Reason::InvalidArgument, "group_id") => {
            common::invalid(format!("The request must contain the parameter {GROUP}."))
        }
        (Reason::InvalidArgument, "deduplication_id") if deduplication_id.is_empty() => {
            common::invalid(WITHOUT_DEDUPLICATION)
        }
        (Reason::InvalidArgument, "deduplication_id") => {
            common::invalid_value(deduplication_id, DEDUPLICATION, NOT_OF_THIS_TYPE)
        }
        (Reason::InvalidArgument, _) if attribute.is_some() => {
            let name = attribute.unwrap_or_default();
            common::invalid(format!("Can't cast the value of message (user) attribute '{name}' to a number."))
        }
        _ => call.fault(refusal),
    }
}
