//! One message as a queue keeps it in memory: where its payload stands, and who may have it when.
//!
//! What a message has once it was received stands in a box beside, and what only few have in another: one that was never
//! received costs 56 bytes in motion, one in flight 88.
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
    /// Whether its last lease was neither given back nor voided; it may still have timed out.
    pub(super) leased: bool,
}

const _: () = assert!(size_of::<Option<Message>>() <= 56 && size_of::<Rare>() <= 32);

/// What a message has once it was received, or came from elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rare {
    /// The last lease, also when it has ended: an older one never settles it.
    pub(super) lease: LeaseId,
    pub(super) leased_at: Timestamp,
    /// [`NEVER`] until it is received.
    first_receive: Timestamp,
    origin: Option<Box<Origin>>,
}

/// What a message has that is not simply one of those sent here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) dead_letter_source: Option<QueueId>,
    /// The retention's clock starts here instead of at the send time.
    pub(super) retention_from: Option<Timestamp>,
}

const NEVER: Timestamp = Timestamp(u64::MAX);
const COMMON: Rare = Rare { lease: LeaseId(0), leased_at: Timestamp::ZERO, first_receive: NEVER, origin: None };

impl Rare {
    pub(super) fn of(lease: LeaseId, leased_at: Timestamp, first_receive: Option<Timestamp>, origin: Origin) -> Self {
        let origin = (origin != Origin::default()).then(|| Box::new(origin));
        Self { lease, leased_at, first_receive: first_receive.unwrap_or(NEVER), origin }
    }

    pub(super) fn first_receive(&self) -> Option<Timestamp> {
        Some(self.first_receive).filter(|at| *at != NEVER)
    }

    /// Remembers the first receive, if this is it.
    pub(super) fn note_receive(&mut self, at: Timestamp) {
        self.first_receive = self.first_receive().unwrap_or(at);
    }

    pub(super) fn origin(&self) -> Origin {
        self.origin.as_deref().copied().unwrap_or_default()
    }
}

impl Message {
    pub(super) fn sent(sent: &Sent, location: Location, group: Option<GroupNo>, fifo: bool) -> Self {
        let origin = Origin { dead_letter_source: sent.dead_letter_source, retention_from: retention_start(sent) };
        Self {
            location,
            send_time: sent.send_time,
            visible_at: sent.visible_at,
            rare: None,
            size: sent.size,
            receive_count: sent.receive_count,
            group,
            state: State::Visible,
            follows_queue_delay: fifo && sent.transfer.is_none(),
            leased: false,
        }
        .with_rare(Rare::of(LeaseId(0), Timestamp::ZERO, sent.first_receive, origin))
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
        if self.visible_at <= now { State::Visible } else { self.hidden_state() }
    }

    /// What hides it until its moment comes.
    pub(super) fn hidden_state(&self) -> State {
        if self.leased { State::InFlight } else { State::Delayed }
    }

    /// Whether `lease` holds this message at `now`.
    pub(super) fn is_held_by(&self, lease: LeaseId, now: Timestamp) -> bool {
        self.rare().lease == lease && self.state_at(now) == State::InFlight
    }

    pub(super) fn retention_from(&self) -> Timestamp {
        self.rare().origin().retention_from.unwrap_or(self.send_time)
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
