//! Reads messages without leasing them: for operators, never for consumers.

use super::{
    authorise::Action,
    broker::{Broker, Caller},
    check,
    receive::MESSAGE_OVERHEAD_BYTES,
    words::{BrowsedMessage, MessageState},
};
use crate::{
    base::{id::MessageSeq, limits, reason::Refusal},
    engine::message::BrowseOptions,
};

/// Messages read in the first step of a page: few, because their sizes are not known yet.
const FIRST_STEP: usize = 8;

#[derive(Clone, Debug, Default)]
pub struct Peek {
    pub queue: String,
    pub page_size: i64,
    pub page_token: String,
    /// Empty: every state.
    pub states: Vec<MessageState>,
    /// Empty: every group.
    pub group_id: String,
    /// Cut bodies to this size; 0: whole.
    pub max_body_bytes: u32,
}

#[derive(Clone, Debug, Default)]
pub struct PeekPage {
    pub messages: Vec<PeekedMessage>,
    /// Empty on the last page.
    pub next_page_token: String,
}

#[derive(Clone, Debug)]
pub struct PeekedMessage {
    pub message: BrowsedMessage,
    pub body_truncated: bool,
}

impl Broker {
    /// A page ends at `page_size` messages or at what one response may hold, whichever comes first.
    pub async fn peek(&self, caller: &Caller, request: Peek) -> Result<PeekPage, Refusal> {
        let queue = self.queue_for(caller, Action::Peek, "queue", &request.queue)?;
        let size = check::page_size(request.page_size)?;
        let group = check::short_id("group_id", &request.group_id)?;
        let mut from = match request.page_token.as_str() {
            "" => MessageSeq::default(),
            token => MessageSeq(token.parse().map_err(|_| check::page_token(token))?),
        };
        let mut page = Page { messages: Vec::new(), bytes: 0, cut: request.max_body_bytes };
        loop {
            let limit = page.step().min(size - page.messages.len());
            let options = BrowseOptions { states: request.states.clone(), group: group.clone(), from, limit };
            let found = self.engine.browse(&queue, options).await?;
            for message in found.messages {
                let seq = message.seq;
                if !page.add(message) {
                    return Ok(page.end(Some(seq)));
                }
            }
            match found.next {
                Some(next) if page.messages.len() < size => from = next,
                next => return Ok(page.end(next)),
            }
        }
    }
}

/// A page being filled.
struct Page {
    messages: Vec<PeekedMessage>,
    bytes: usize,
    cut: u32,
}

impl Page {
    /// How many messages to read next: about as many as still fit, judged by those already here.
    fn step(&self) -> usize {
        match self.bytes.checked_div(self.messages.len()) {
            Some(mean) => (limits::RESPONSE_FRAME_BYTES.saturating_sub(self.bytes) / mean.max(1)).clamp(1, 256),
            None => FIRST_STEP,
        }
    }

    /// Adds a message, unless it does not fit. The first always fits.
    fn add(&mut self, mut message: BrowsedMessage) -> bool {
        let cut = self.cut as usize;
        let body_truncated = cut > 0 && message.payload.body.len() > cut;
        let mut bytes = message.size as usize + MESSAGE_OVERHEAD_BYTES;
        if body_truncated {
            bytes = bytes.saturating_sub(message.payload.body.len() - cut);
            message.payload.body.truncate(cut);
        }
        if !self.messages.is_empty() && self.bytes + bytes > limits::RESPONSE_FRAME_BYTES {
            return false;
        }
        self.bytes += bytes;
        self.messages.push(PeekedMessage { message, body_truncated });
        true
    }

    fn end(self, next: Option<MessageSeq>) -> PeekPage {
        let next_page_token = next.map(|seq| seq.to_string()).unwrap_or_default();
        PeekPage { messages: self.messages, next_page_token }
    }
}
