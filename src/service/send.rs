//! Stores messages. Each entry succeeds or fails alone; what is wrong with the call itself refuses the whole of it.

use super::{
    attributes,
    authorise::Action,
    broker::{Broker, Caller},
    check,
    words::{Attribute, EntryResult, QueueDefinition, SentMessage},
};
use crate::{
    base::{
        limits,
        reason::{Reason, Refusal},
    },
    engine::message::{NewMessage, SendBatch},
};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::{fmt::Write, sync::Arc, time::Duration};

/// What a refusal says of an id that was not given.
const EMPTY: &str = "empty";

/// A message as a producer gives it. Empty text: not said.
#[derive(Clone, Debug, Default)]
pub struct Message {
    pub body: Bytes,
    pub attributes: Vec<Attribute>,
    pub delay: Option<Duration>,
    pub group_id: String,
    pub deduplication_id: String,
    pub trace_context: String,
}

#[derive(Clone, Debug, Default)]
pub struct Send {
    pub queue: String,
    pub messages: Vec<Message>,
    /// FIFO: one message without the ids its queue needs refuses the whole call.
    pub all_need_ids: bool,
}

impl Broker {
    /// One result a message, in the order of the request.
    pub async fn send(&self, caller: &Caller, request: Send) -> Result<Vec<EntryResult<SentMessage>>, Refusal> {
        let queue = self.queue_for(caller, Action::Send, "queue", &request.queue)?;
        check_batch(&request.messages)?;
        let Checked { good, mut refused } = check_messages(&queue, request.messages);
        if request.all_need_ids
            && let Some((_, refusal)) = refused.iter().find(|(_, refusal)| lacks_an_id(refusal))
        {
            return Err(refusal.clone());
        }
        let sender = caller.principal.clone();
        let sent = match good.is_empty() {
            true => Vec::new(),
            false => self.engine.send(&queue, SendBatch { messages: good, sender, producer: None }).await?,
        };
        if refused.is_empty() {
            return Ok(sent);
        }
        // Both lists are in the order of the request.
        let mut sent = sent.into_iter();
        let mut results = Vec::with_capacity(sent.len() + refused.len());
        for (index, refusal) in refused.drain(..) {
            results.extend(sent.by_ref().take(index - results.len()));
            results.push(Err(refusal));
        }
        results.extend(sent);
        Ok(results)
    }
}

/// The messages of one call, told apart.
pub(super) struct Checked {
    pub(super) good: Vec<NewMessage>,
    /// With the index of each in the call, rising.
    pub(super) refused: Vec<(usize, Refusal)>,
}

/// What holds for the call as a whole.
pub(super) fn check_batch(messages: &[Message]) -> Result<(), Refusal> {
    check::entries("messages", messages.len())?;
    if messages.len() == 1 {
        return Ok(());
    }
    let bytes = messages.iter().map(|message| message.body.len()).sum::<usize>();
    if bytes > limits::BATCH_BYTES {
        let limit = format!("{} bytes in one call", limits::BATCH_BYTES);
        return Err(check::outside("messages", format!("{bytes} bytes"), limit));
    }
    Ok(())
}

pub(super) fn check_messages(queue: &QueueDefinition, messages: Vec<Message>) -> Checked {
    let mut checked = Checked { good: Vec::with_capacity(messages.len()), refused: Vec::new() };
    for (index, message) in messages.into_iter().enumerate() {
        match check_message(queue, message) {
            Ok(message) => checked.good.push(message),
            Err(refusal) => checked.refused.push((index, within_entry(index, refusal))),
        }
    }
    checked
}

/// Whether the message lacks an id that its queue needs.
fn lacks_an_id(refusal: &Refusal) -> bool {
    let field = refusal.field.as_deref().unwrap_or_default();
    let is_empty = refusal.metadata.iter().any(|(key, value)| *key == "value" && value == EMPTY);
    is_empty && (field.ends_with(".group_id") || field.ends_with(".deduplication_id"))
}

/// Says which entry a field belongs to.
fn within_entry(index: usize, mut refusal: Refusal) -> Refusal {
    refusal.field = refusal.field.map(|field| format!("messages[{index}].{field}"));
    refusal
}

/// Checks one message against the limits and the rules of the queue's type.
fn check_message(queue: &QueueDefinition, message: Message) -> Result<NewMessage, Refusal> {
    let options = &queue.options;
    if !message.attributes.is_empty() {
        attributes::check(&message.attributes)?;
    }
    let bytes = attributes::size(&message.body, &message.attributes);
    let size = u32::try_from(bytes).ok().filter(|size| *size <= options.max_message_bytes);
    let size = size.ok_or_else(|| too_large(bytes, options.max_message_bytes))?;
    check::text("trace_context", &message.trace_context, limits::TRACE_CONTEXT_CHARS)?;
    let group = check::short_id("group_id", &message.group_id)?;
    let deduplication_id = check::short_id("deduplication_id", &message.deduplication_id)?;
    check_delay(queue, message.delay)?;
    let mut content_hash = None;
    match options.fifo {
        None if deduplication_id.is_some() => {
            return Err(check::outside("deduplication_id", "set", "only on FIFO queues"));
        }
        Some(_) if group.is_none() => {
            return Err(check::outside("group_id", EMPTY, "1 to 128 characters on FIFO queues"));
        }
        Some(fifo) if deduplication_id.is_none() => {
            if !fifo.content_based_deduplication {
                let limit = "1 to 128 characters on FIFO queues without content_based_deduplication";
                return Err(check::outside("deduplication_id", EMPTY, limit));
            }
            content_hash = Some(hash(&message.body));
        }
        None | Some(_) => {}
    }
    let Message { body, attributes, delay, trace_context, .. } = message;
    Ok(NewMessage { body, attributes, group, deduplication_id, content_hash, delay, trace_context, size })
}

fn too_large(bytes: usize, limit: u32) -> Refusal {
    let message = format!("the message has {bytes} bytes of body and attributes, the queue allows {limit}");
    Refusal::new(Reason::MessageTooLarge, message).at("body").with("value", bytes).with("limit", limit)
}

fn check_delay(queue: &QueueDefinition, delay: Option<Duration>) -> Result<(), Refusal> {
    match delay {
        Some(delay) if queue.options.fifo.is_some() && !delay.is_zero() => {
            Err(check::outside("delay", check::spell(delay), "unset on FIFO queues, whose delay is the queue's"))
        }
        Some(delay) => check::duration("delay", delay, Duration::ZERO, limits::LONG_DELAY_MAX).map(drop),
        None => Ok(()),
    }
}

/// SHA-256 of the body in hex: what content-based deduplication compares.
fn hash(body: &[u8]) -> Arc<str> {
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(body) {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text.into()
}
