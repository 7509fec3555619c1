//! One message as a queue keeps it in memory: where its payload stands, and who may have it when.
//!
//! What only few messages have stands in a box beside, so that a message in motion costs 56 bytes.
//! Absent on purpose: the body, its attributes and the message id, which the log's entry holds.

use super::event::Sent;
use crate::base::{
    id::{LeaseId, Location, QueueId},
    limits,
    time::Timestamp,
};
use std::{num::NonZeroU32, time::Duration};

/// Where a message is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// A receive may take it (on a FIFO queue: once it leads its group).
    Visible,
    /// Leased to a consumer.
    InFlight,
    /// Not yet to be seen: sent or given back with a delay.
    Delayed,
}

/// A group or tenant of one queue; a small number in place of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct GroupNo(pub(super) NonZeroU32);

/// Where a message stands in the queue's orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) state: State,
    pub(super) group: Option<GroupNo>,
    pub(super) visible_at: Timestamp,
}

#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) location: Location,
    pub(super) send_time: Timestamp,
    pub(super) visible_at: Timestamp,
    pub(super) rare: Option<Box<Rare>>,
    pub(super) size: u32,
    pub(super) receive_count: u32,
    pub(super) group: Option<GroupNo>,
    /// As the queue's orders and counters have it; follows the clock in `advance`.
    pub(super) state: State,
    /// FIFO: hidden by the queue's delay only, so a change of that delay moves it.
    pub(super) follows_queue_delay: bool,
}

const _: () = assert!(size_of::<Option<Message>>() <= 56);

/// What a message has once it was received, or came from elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rare {
    /// The last lease, also when it has ended: an older one never settles it.
    pub(super) lease: LeaseId,
    /// Whether `lease` was neither given back nor voided; it may still have timed out.
    pub(super) leased: bool,
    pub(super) leased_at: Timestamp,
    pub(super) first_receive: Option<Timestamp>,
    pub(super) dead_letter_source: Option<QueueId>,
    /// The retention's clock starts here instead of at the send time.
    pub(super) retention_from: Option<Timestamp>,
}

const COMMON: Rare = Rare {
    lease: LeaseId(0),
    leased: false,
    leased_at: Timestamp::ZERO,
    first_receive: None,
    dead_letter_source: None,
    retention_from: None,
};

impl Message {
    pub(super) fn sent(sent: &Sent, location: Location, group: Option<GroupNo>, fifo: bool) -> Self {
        let rare = Rare {
            first_receive: sent.first_receive,
            dead_letter_source: sent.dead_letter_source,
            retention_from: retention_start(sent),
            ..COMMON
        };
        Self {
            location,
            send_time: sent.send_time,
            visible_at: sent.visible_at,
            rare: (rare != COMMON).then(|| Box::new(rare)),
            size: sent.size,
            receive_count: sent.receive_count,
            group,
            state: State::Visible,
            follows_queue_delay: fifo && sent.transfer.is_none(),
        }
    }

    pub(super) fn with_rare(self, rare: Rare) -> Self {
        Self { rare: (rare != COMMON).then(|| Box::new(rare)), ..self }
    }

    pub(super) fn rare(&self) -> &Rare {
        self.rare.as_deref().unwrap_or(&COMMON)
    }

    pub(super) fn rare_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_with(|| Box::new(COMMON))
    }

    pub(super) fn place(&self) -> Place {
        Place { state: self.state, group: self.group, visible_at: self.visible_at }
    }

    pub(super) fn state_at(&self, now: Timestamp) -> State {
        if self.visible_at <= now {
            State::Visible
        } else if self.rare().leased {
            State::InFlight
        } else {
            State::Delayed
        }
    }

    /// Whether `lease` holds this message at `now`.
    pub(super) fn is_held_by(&self, lease: LeaseId, now: Timestamp) -> bool {
        self.rare().lease == lease && self.state_at(now) == State::InFlight
    }

    pub(super) fn retention_from(&self) -> Timestamp {
        self.rare().retention_from.unwrap_or(self.send_time)
    }

    pub(super) fn has_expired(&self, now: Timestamp, retention: Duration) -> bool {
        self.retention_from() + retention <= now
    }
}

/// A delay longer than a queue can have would outlive most retentions; the clock of such a message starts when the
/// delay ends.
fn retention_start(sent: &Sent) -> Option<Timestamp> {
    let long = sent.visible_at.since(sent.send_time) > limits::DELAY_MAX;
    (long && sent.transfer.is_none()).then_some(sent.visible_at)
}
