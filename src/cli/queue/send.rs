//! `forebay queue send`.

use crate::{
    base::limits,
    cli::{
        Failure,
        client::{Caller, Entries},
        input,
        output::{Output, Record},
        value,
    },
    proto::{
        common::v1::{AttributeValue, attribute_value::Value},
        queue::v1::{Message, SendRequest, SentMessage, send_result},
    },
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use clap::Args;
use serde::Serialize;
use std::{collections::HashMap, time::Duration};

/// Bytes of bodies in one call; well below what the server reads.
const BATCH_BYTES: usize = 1 << 20;

#[derive(Debug, Args)]
pub(super) struct SendArgs {
    /// The queue
    queue: String,
    /// The body; - reads standard input
    #[arg(required_unless_present = "file")]
    body: Option<String>,
    /// Read the body from a file; - reads standard input
    #[arg(short, long, conflicts_with = "body")]
    file: Option<String>,
    /// Every line of the input is a message
    #[arg(long)]
    lines: bool,
    /// An attribute; may be repeated. NAME:Number=5 and NAME:Binary=BASE64 name a type
    #[arg(short, long = "attribute", value_name = "NAME=VALUE", value_parser = value::pair)]
    attributes: Vec<(String, String)>,
    /// Hide the message for this long
    #[arg(long, value_name = "TIME", value_parser = value::duration)]
    delay: Option<Duration>,
    /// FIFO: the scope of order. Standard: the tenant that shares fairly
    #[arg(short, long, value_name = "ID", default_value = "", hide_default_value = true)]
    group: String,
    /// FIFO: a repeat with the same id within 5 minutes is not stored again
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    deduplication_id: String,
    /// W3C traceparent that travels with the message
    #[arg(long, value_name = "TRACEPARENT", default_value = "", hide_default_value = true)]
    trace_context: String,
    /// Messages in one call, with --lines
    #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=limits::BATCH_ENTRIES as i64))]
    batch: u32,
}

impl SendArgs {
    pub(super) async fn run(self, caller: &Caller, mut output: Output) -> Result<(), Failure> {
        let template = self.template()?;
        let mut entries = Entries::default();
        if !self.lines {
            let body = input::whole(self.file.as_deref(), self.body.as_deref())?;
            self.send(caller, vec![Message { body, ..template }], &mut entries, &mut output).await?;
            return entries.finish("messages");
        }
        let mut batch = Vec::new();
        let mut bytes = 0;
        for line in input::lines(self.file.as_deref(), self.body.as_deref())? {
            let body = Bytes::from(line?);
            bytes += body.len();
            batch.push(Message { body, ..template.clone() });
            if batch.len() >= self.batch as usize || bytes >= BATCH_BYTES {
                self.send(caller, std::mem::take(&mut batch), &mut entries, &mut output).await?;
                bytes = 0;
            }
        }
        if !batch.is_empty() {
            self.send(caller, batch, &mut entries, &mut output).await?;
        }
        output.end()?;
        entries.finish("messages")
    }

    async fn send(
        &self,
        caller: &Caller,
        messages: Vec<Message>,
        entries: &mut Entries,
        output: &mut Output,
    ) -> Result<(), Failure> {
        let single = messages.len() == 1 && !self.lines;
        let request = SendRequest { queue: self.queue.clone(), messages, ..SendRequest::default() };
        let answer = caller.queues().send(caller.request(request)).await?.into_inner();
        for (at, result) in answer.results.into_iter().enumerate() {
            match result.result {
                Some(send_result::Result::Sent(sent)) => {
                    entries.done(1);
                    let row = SentRow::from(sent);
                    if single { output.one(&row)? } else { output.next(&row)? }
                }
                Some(send_result::Result::Error(error)) if single => {
                    return Err(Entries::only(&error));
                }
                Some(send_result::Result::Error(error)) => entries.failed(&format!("message {}", at + 1), &error),
                None => return Err(Failure::failed("the server answered without a result")),
            }
        }
        Ok(())
    }

    /// Everything of a message but its body.
    fn template(&self) -> Result<Message, Failure> {
        let attributes: Result<HashMap<_, _>, _> =
            self.attributes.iter().map(|(name, text)| attribute(name, text)).collect();
        Ok(Message {
            body: Bytes::new(),
            attributes: attributes?,
            delay: self.delay.map(value::to_proto),
            group_id: self.group.clone(),
            deduplication_id: self.deduplication_id.clone(),
            trace_context: self.trace_context.clone(),
        })
    }
}

/// Reads `name=text`, `name:Number=5`, `name:Binary=BASE64`; a label may follow the type after a dot.
fn attribute(name: &str, text: &str) -> Result<(String, AttributeValue), Failure> {
    let (name, data_type) = name.rsplit_once(':').unwrap_or((name, "String"));
    let value = match data_type.split('.').next() {
        Some("String" | "Number") => Value::StringValue(text.to_owned()),
        Some("Binary") => {
            let bytes = BASE64_STANDARD.decode(text);
            let bytes = bytes.map_err(|error| Failure::usage(format!("attribute {name:?} is not base64: {error}")))?;
            Value::BinaryValue(bytes)
        }
        _ => {
            let text = format!("attribute {name:?} has the type {data_type:?}");
            return Err(Failure::usage(text).hint("types are String, Number and Binary, each with an optional .label"));
        }
    };
    Ok((name.to_owned(), AttributeValue { data_type: data_type.to_owned(), value: Some(value) }))
}

#[derive(Serialize)]
struct SentRow {
    message_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    sequence_number: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    deduplicated: bool,
}

impl From<SentMessage> for SentRow {
    fn from(sent: SentMessage) -> Self {
        Self { message_id: sent.message_id, sequence_number: sent.sequence_number, deduplicated: sent.deduplicated }
    }
}

impl Record for SentRow {
    const COLUMNS: &'static [&'static str] = &["message id", "sequence", "deduplicated"];

    fn cells(&self) -> Vec<String> {
        let deduplicated = if self.deduplicated { "yes: it was there already" } else { "" };
        vec![self.message_id.clone(), self.sequence_number.clone(), deduplicated.to_owned()]
    }
}
