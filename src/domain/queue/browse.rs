//! Looking at messages without leasing them: for operators, never for consumers. And the figures of a queue.

use super::{
    machine::Queue,
    message::{Message, State},
};
use crate::base::{
    id::{Location, MessageSeq, QueueId},
    limits::BROWSE_SCAN,
    time::Timestamp,
};
use std::sync::Arc;

#[derive(Clone, Debug, Default)]
pub struct Browse {
    /// Empty: every state.
    pub states: Vec<State>,
    pub group: Option<Arc<str>>,
    /// The first message to look at.
    pub from: MessageSeq,
    pub limit: usize,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Browsed {
    /// In the order of sending. May be fewer than the limit although there are more: one call looks at
    /// [`BROWSE_SCAN`] messages at most.
    pub messages: Vec<MessageView>,
    /// Where to go on; None at the end.
    pub next: Option<MessageSeq>,
}

/// A message without its payload, which stands at `location`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageView {
    pub seq: MessageSeq,
    pub state: State,
    pub location: Location,
    pub size: u32,
    pub group: Option<Arc<str>>,
    pub send_time: Timestamp,
    /// The retention's clock started here.
    pub retention_from: Timestamp,
    pub receive_count: u32,
    pub first_receive: Option<Timestamp>,
    /// The end of the lease or delay; None when visible.
    pub hidden_until: Option<Timestamp>,
    pub dead_letter_source: Option<QueueId>,
}

/// Exact as of the last `advance`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    pub visible: usize,
    pub in_flight: usize,
    pub delayed: usize,
    pub total: usize,
    pub bytes: u64,
    /// Since when the oldest message is kept.
    pub oldest: Option<Timestamp>,
    pub groups_in_flight: usize,
}

impl Queue {
    /// Up to `limit` messages that match. Those whose retention is over do not show.
    pub fn browse(&self, now: Timestamp, request: &Browse) -> Browsed {
        let mut browsed = Browsed::default();
        let group = match &request.group {
            None => None,
            Some(name) => match self.groups.number(name) {
                Some(no) => Some(no),
                None => return browsed,
            },
        };
        let matches = |message: &Message| {
            let state = request.states.is_empty() || request.states.contains(&message.state);
            state && (group.is_none() || group == message.group) && !message.has_expired(now, self.settings.retention)
        };
        for (looked_at, (seq, message)) in self.pages.iter_from(request.from).enumerate() {
            if looked_at == BROWSE_SCAN || browsed.messages.len() == request.limit {
                browsed.next = Some(seq);
                break;
            }
            if matches(&message) {
                browsed.messages.push(self.view(seq, &message));
            }
        }
        browsed
    }

    /// One message, if it is there.
    pub fn message(&self, seq: MessageSeq) -> Option<MessageView> {
        self.pages.get(seq).map(|message| self.view(seq, &message))
    }

    pub fn stats(&self, _now: Timestamp) -> Stats {
        Stats {
            visible: self.visible(),
            in_flight: self.in_flight,
            delayed: self.delayed,
            total: self.pages.len(),
            bytes: self.bytes,
            oldest: self.pages.oldest(),
            groups_in_flight: self.groups.with_leases(),
        }
    }

    fn view(&self, seq: MessageSeq, message: &Message) -> MessageView {
        let rare = message.rare();
        let name = message.group.and_then(|no| self.groups.name(no)).filter(|name| !name.is_empty());
        MessageView {
            seq,
            state: message.state,
            location: message.location,
            size: message.size,
            group: name.cloned(),
            send_time: message.send_time,
            retention_from: message.retention_from(),
            receive_count: message.receive_count,
            first_receive: rare.first_receive(),
            hidden_until: (message.state != State::Visible).then_some(message.visible_at),
            dead_letter_source: rare.origin().dead_letter_source,
        }
    }
}
