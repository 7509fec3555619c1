//! What one consume session has delivered and not yet seen settled.
//!
//! Invariants: the messages and bytes outstanding never exceed the flow control in force when they were delivered, but
//! for one message larger than the byte limit while nothing else is outstanding; every outstanding lease has exactly
//! one moment at which it is due, and its place in `due`.
//!
//! Absent on purpose: IO and clocks. Time is an argument.

use crate::{
    base::{id::MessageSeq, limits},
    engine::message::{Outcome, Receipt},
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};
use tokio::time::Instant;

/// The most a client wants outstanding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowControl {
    /// 0 pauses delivery.
    pub messages: u32,
    pub bytes: u64,
}

impl Default for FlowControl {
    fn default() -> Self {
        Self { messages: limits::CONSUME_MESSAGES_DEFAULT, bytes: limits::CONSUME_BYTES_DEFAULT }
    }
}

/// How long leases are made, and how old they may become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::service) struct LeaseRule {
    pub(in crate::service) visibility_timeout: Duration,
    pub(in crate::service) max_lease: Duration,
}

impl LeaseRule {
    /// What a fresh lease lasts.
    pub(in crate::service) fn first(&self) -> Duration {
        self.visibility_timeout.min(self.max_lease)
    }
}

/// What may be delivered now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::service) struct Room {
    pub(in crate::service) messages: usize,
    pub(in crate::service) bytes: u64,
}

#[derive(Debug)]
struct Lease {
    size: u64,
    since: Instant,
    due: Due,
    group: Option<Arc<str>>,
    /// The lease was extended to the highest age; it is not extended again.
    is_ending: bool,
}

/// A moment and a number that keeps moments apart.
type Due = (Instant, u64);

#[derive(Debug)]
pub(in crate::service) struct Ledger {
    flow: FlowControl,
    rule: LeaseRule,
    bytes: u64,
    held: HashMap<Receipt, Lease>,
    due: BTreeMap<Due, Receipt>,
    /// FIFO only: the outstanding leases of each group, in order.
    groups: HashMap<Arc<str>, BTreeMap<MessageSeq, Receipt>>,
    is_fifo: bool,
    /// Size of the last message delivered: a guess at the next.
    last_size: u64,
    next_number: u64,
}

impl Ledger {
    pub(in crate::service) fn new(flow: FlowControl, rule: LeaseRule, is_fifo: bool) -> Self {
        Self {
            flow,
            rule,
            bytes: 0,
            held: HashMap::new(),
            due: BTreeMap::new(),
            groups: HashMap::new(),
            is_fifo,
            last_size: 1,
            next_number: 0,
        }
    }

    /// The same leases in a new call: all of them are due, because nobody knows how much of them is left.
    pub(in crate::service) fn resume(&mut self, flow: FlowControl, rule: LeaseRule, now: Instant) {
        self.flow = flow;
        self.rule = rule;
        for receipt in self.receipts() {
            self.reschedule(&receipt, now);
        }
    }

    pub(in crate::service) fn set_flow(&mut self, flow: FlowControl) {
        self.flow = flow;
    }

    #[cfg(test)]
    pub(in crate::service) fn len(&self) -> usize {
        self.held.len()
    }

    pub(in crate::service) fn receipts(&self) -> Vec<Receipt> {
        self.due.values().copied().collect()
    }

    /// What may be delivered; `None` when it is not worth asking, because the next message would not fit either.
    pub(in crate::service) fn room(&self) -> Option<Room> {
        let messages = (self.flow.messages as usize).saturating_sub(self.held.len());
        let bytes = self.flow.bytes.saturating_sub(self.bytes);
        let is_worth_it = messages > 0 && (self.held.is_empty() || bytes >= self.last_size.max(1));
        is_worth_it.then_some(Room { messages, bytes: bytes.max(1) })
    }

    /// Whether a message of this size may be delivered now.
    pub(in crate::service) fn fits(&self, size: u64) -> bool {
        let is_room = self.held.len() < self.flow.messages as usize;
        is_room && (self.held.is_empty() || self.bytes.saturating_add(size) <= self.flow.bytes)
    }

    /// Takes messages, each with its size and group, as long as they fit; tells how many. The size of the last one that
    /// waits is remembered, so that nobody asks again before it fits.
    pub(in crate::service) fn deliver_fitting<'a>(
        &mut self,
        now: Instant,
        messages: impl IntoIterator<Item = (Receipt, u64, Option<&'a Arc<str>>)>,
    ) -> usize {
        let mut taken = 0;
        let mut is_full = false;
        for (receipt, size, group) in messages {
            is_full = is_full || !self.fits(size);
            if is_full {
                self.last_size = size;
                continue;
            }
            self.deliver(now, receipt, size, group);
            taken += 1;
        }
        taken
    }

    /// Takes a message that fits.
    pub(in crate::service) fn deliver(&mut self, now: Instant, receipt: Receipt, size: u64, group: Option<&Arc<str>>) {
        let group = group.filter(|_| self.is_fifo).cloned();
        if let Some(group) = &group {
            self.groups.entry(group.clone()).or_default().insert(receipt.seq, receipt);
        }
        let due = self.schedule(receipt, now + self.rule.first() / 2);
        self.bytes += size;
        self.last_size = size;
        // A lease is new by its number; were it not, the older entry must not keep its credit.
        if let Some(old) = self.held.insert(receipt, Lease { size, since: now, due, group, is_ending: false }) {
            self.bytes = self.bytes.saturating_sub(old.size);
            self.due.remove(&old.due);
        }
    }

    /// Notes what the client decided. Returns the leases of the same group that the decision voids, in order.
    pub(in crate::service) fn settle(&mut self, now: Instant, receipt: &Receipt, outcome: &Outcome) -> Vec<Receipt> {
        match outcome {
            Outcome::Extend { visibility_timeout } if !visibility_timeout.is_zero() => {
                let margin = (self.rule.visibility_timeout / 2).min(*visibility_timeout / 2);
                self.reschedule(receipt, now + (*visibility_timeout - margin));
                Vec::new()
            }
            Outcome::Ack | Outcome::DeadLetter { .. } => {
                self.forget(receipt);
                Vec::new()
            }
            Outcome::Nack { .. } | Outcome::Extend { .. } => {
                let voided = self.later_of_group(receipt);
                self.forget(receipt);
                for receipt in &voided {
                    self.forget(receipt);
                }
                voided
            }
        }
    }

    fn later_of_group(&self, receipt: &Receipt) -> Vec<Receipt> {
        let group = self.held.get(receipt).and_then(|lease| lease.group.as_ref());
        let Some(members) = group.and_then(|group| self.groups.get(group)) else { return Vec::new() };
        members.range(receipt.seq.next()..).map(|(_, receipt)| *receipt).collect()
    }

    /// Frees what the lease took; nothing happens when it is not outstanding.
    pub(in crate::service) fn forget(&mut self, receipt: &Receipt) {
        let Some(lease) = self.held.remove(receipt) else { return };
        self.due.remove(&lease.due);
        self.bytes = self.bytes.saturating_sub(lease.size);
        let Some(group) = lease.group else { return };
        if let Some(members) = self.groups.get_mut(&group) {
            members.remove(&receipt.seq);
            if members.is_empty() {
                self.groups.remove(&group);
            }
        }
    }

    /// When there is something to extend.
    pub(in crate::service) fn next_due(&self) -> Option<Instant> {
        self.due.keys().next().map(|(moment, _)| *moment)
    }

    /// The leases to extend now, each with how long it is to last from now. Leases that reached the highest age are
    /// forgotten: they end by themselves, and the message becomes visible.
    pub(in crate::service) fn extend(&mut self, now: Instant) -> Vec<(Receipt, Duration)> {
        // What falls due soon goes along, so that one command serves many leases.
        let horizon = now + self.rule.first() / 16;
        let mut extended = Vec::new();
        while extended.len() < limits::BATCH_ENTRIES
            && let Some((&(moment, _), &receipt)) = self.due.first_key_value()
            && moment <= horizon
        {
            let Some(lease) = self.held.get_mut(&receipt) else {
                self.due.pop_first();
                continue;
            };
            let left = (lease.since + self.rule.max_lease).saturating_duration_since(now);
            if lease.is_ending || left.is_zero() {
                self.forget(&receipt);
                continue;
            }
            let length = self.rule.visibility_timeout.min(left);
            lease.is_ending = length == left;
            let next = if lease.is_ending { now + left } else { now + length / 2 };
            self.reschedule(&receipt, next.max(horizon + Duration::from_millis(1)));
            extended.push((receipt, length));
        }
        extended
    }

    fn schedule(&mut self, receipt: Receipt, moment: Instant) -> Due {
        self.next_number += 1;
        let due = (moment, self.next_number);
        self.due.insert(due, receipt);
        due
    }

    fn reschedule(&mut self, receipt: &Receipt, moment: Instant) {
        let Some(old) = self.held.get(receipt).map(|lease| lease.due) else { return };
        self.due.remove(&old);
        let due = self.schedule(*receipt, moment);
        if let Some(lease) = self.held.get_mut(receipt) {
            lease.due = due;
        }
    }
}
