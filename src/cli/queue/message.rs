//! A received or peeked message as a result.

use crate::{
    cli::{
        Failure,
        output::{Format, Output, Record},
        value::show_time,
    },
    proto::{common::v1::attribute_value::Value, queue::v1::ReceivedMessage},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use serde::Serialize;
use std::{
    collections::BTreeMap,
    io::{self, Write as _},
};

/// How messages are printed.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct PrintArgs {
    /// Print bodies only, as they are, each followed by a new line
    #[arg(long)]
    raw: bool,
}

#[derive(Serialize)]
pub(super) struct MessageRecord {
    message_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    receipt_handle: String,
    /// When it is UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    /// When it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    body_truncated: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    state: &'static str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    attributes: BTreeMap<String, Attribute>,
    #[serde(skip_serializing_if = "String::is_empty")]
    group_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    deduplication_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    sequence_number: String,
    receive_count: u32,
    send_time: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    first_receive_time: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    lease_expire_time: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    sender_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    dead_letter_source: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    trace_context: String,
}

#[derive(Serialize)]
struct Attribute {
    #[serde(rename = "type")]
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_base64: Option<String>,
}

impl MessageRecord {
    /// Adds what only a peek knows.
    pub(super) fn peeked(self, state: &'static str, body_truncated: bool) -> Self {
        Self { state, body_truncated, ..self }
    }
}

impl From<ReceivedMessage> for MessageRecord {
    fn from(message: ReceivedMessage) -> Self {
        let (body, body_base64) = text_or_base64(&message.body);
        let attributes = message.attributes.into_iter().map(|(name, attribute)| {
            let (value, value_base64) = match attribute.value {
                Some(Value::StringValue(text)) => (Some(text), None),
                Some(Value::BinaryValue(bytes)) => (None, Some(BASE64_STANDARD.encode(bytes))),
                None => (None, None),
            };
            (name, Attribute { kind: attribute.data_type, value, value_base64 })
        });
        Self {
            body,
            body_base64,
            attributes: attributes.collect(),
            message_id: message.message_id,
            receipt_handle: message.receipt_handle,
            body_truncated: false,
            state: "",
            group_id: message.group_id,
            deduplication_id: message.deduplication_id,
            sequence_number: message.sequence_number,
            receive_count: message.receive_count,
            send_time: show_time(message.send_time),
            first_receive_time: show_time(message.first_receive_time),
            lease_expire_time: show_time(message.lease_expire_time),
            sender_id: message.sender_id,
            dead_letter_source: message.dead_letter_source,
            trace_context: message.trace_context,
        }
    }
}

fn text_or_base64(body: &Bytes) -> (Option<String>, Option<String>) {
    match std::str::from_utf8(body) {
        Ok(text) => (Some(text.to_owned()), None),
        Err(_) => (None, Some(BASE64_STANDARD.encode(body))),
    }
}

impl Record for MessageRecord {
    const COLUMNS: &'static [&'static str] = &[
        "message id",
        "state",
        "sent",
        "receives",
        "group",
        "sequence",
        "dead letter of",
        "attributes",
        "lease ends",
        "receipt handle",
        "body",
    ];

    fn cells(&self) -> Vec<String> {
        let attributes = self.attributes.iter().map(|(name, attribute)| {
            let value = attribute.value.as_ref().or(attribute.value_base64.as_ref());
            format!("{name}={}", value.map_or("", String::as_str))
        });
        let body = match (&self.body, &self.body_base64) {
            (Some(text), _) => text.clone(),
            (None, Some(text)) => format!("base64:{text}"),
            (None, None) => String::new(),
        };
        vec![
            self.message_id.clone(),
            self.state.to_owned(),
            self.send_time.clone(),
            self.receive_count.to_string(),
            self.group_id.clone(),
            self.sequence_number.clone(),
            self.dead_letter_source.clone(),
            attributes.collect::<Vec<_>>().join(" "),
            self.lease_expire_time.clone(),
            self.receipt_handle.clone(),
            if self.body_truncated { format!("{body}…") } else { body },
        ]
    }
}

/// Prints one message after another; on a terminal with an empty line between.
pub(super) struct Printer<'o> {
    output: &'o mut Output,
    raw: bool,
    printed: usize,
}

impl<'o> Printer<'o> {
    pub(super) fn new(output: &'o mut Output, args: PrintArgs) -> Self {
        Self { output, raw: args.raw, printed: 0 }
    }

    /// Tells a person something that is no message.
    pub(super) fn note(&self, text: &str) {
        self.output.note(text);
    }

    /// After the last message.
    pub(super) fn end(&mut self) -> Result<(), Failure> {
        if self.raw { Ok(()) } else { self.output.end() }
    }

    pub(super) fn print(&mut self, message: ReceivedMessage) -> Result<(), Failure> {
        if self.raw {
            let mut out = io::stdout().lock();
            out.write_all(&message.body)?;
            out.write_all(b"\n")?;
            return Ok(out.flush()?);
        }
        let table = self.output.format() == Format::Table;
        if table && self.printed > 0 {
            crate::cli::output::print("\n")?;
        }
        self.printed += 1;
        let record = MessageRecord::from(message);
        if table { self.output.one(&record) } else { self.output.next(&record) }
    }
}
