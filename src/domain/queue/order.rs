//! The order in which ready messages are given out.
//!
//! FIFO: group by group, the group with the oldest head first, each as far as its members are ready without a gap. So a
//! group with a message in flight gives nothing, but for an earlier message of it that became visible again.
//! Standard: oldest first, but a noisy tenant waits until the quiet ones have nothing ready; then the tenant with the
//! fewest in flight goes first. A message without a group is its own, quiet tenant. Source: "Amazon SQS fair queues".

use super::{groups::Groups, machine::Queue, message::GroupNo, pages::Pages, seqs};
use crate::base::{
    id::MessageSeq,
    limits::{NOISY_IN_FLIGHT_MIN, NOISY_SHARE},
};
use std::{
    collections::{BTreeMap, BTreeSet, btree_set},
    iter::{Copied, Peekable},
};

pub(super) enum ReadyOrder<'a> {
    Tenants(Tenants<'a>),
    Groups(InGroups<'a>),
}

impl Queue {
    /// The messages a receive would give out, in that order.
    pub(super) fn order_to_receive(&self) -> ReadyOrder<'_> {
        self.order(MessageSeq(u64::MAX), true)
    }

    /// The messages below `below` that could be given out, tenants being equal.
    pub(super) fn order_to_move(&self, below: MessageSeq) -> ReadyOrder<'_> {
        self.order(below, false)
    }

    fn order(&self, below: MessageSeq, fair: bool) -> ReadyOrder<'_> {
        if self.settings.is_fifo() {
            return ReadyOrder::Groups(InGroups { queue: self, heads: self.groups.heads(), members: None, below });
        }
        ReadyOrder::Tenants(Tenants {
            pages: &self.pages,
            groups: &self.groups,
            in_flight: self.in_flight,
            fair,
            below,
            plain: self.pages.next_ready(MessageSeq(0)),
            heads: self.groups.heads().peekable(),
            again: BTreeSet::new(),
            noisy: BTreeSet::new(),
            leased: BTreeMap::new(),
            last: None,
        })
    }
}

impl ReadyOrder<'_> {
    pub(super) fn next(&mut self) -> Option<MessageSeq> {
        match self {
            Self::Tenants(order) => order.next(),
            Self::Groups(order) => order.next(),
        }
    }

    /// Says that the message given last will be in flight, which counts against its tenant.
    pub(super) fn lease_last(&mut self) {
        match self {
            Self::Tenants(order) => order.lease_last(),
            Self::Groups(_) => {}
        }
    }
}

pub(super) struct InGroups<'a> {
    queue: &'a Queue,
    heads: Copied<btree_set::Iter<'a, (MessageSeq, GroupNo)>>,
    members: Option<seqs::Iter<'a>>,
    below: MessageSeq,
}

impl InGroups<'_> {
    fn next(&mut self) -> Option<MessageSeq> {
        loop {
            let member = self.members.as_mut().and_then(Iterator::next);
            if let Some(seq) = member.filter(|seq| *seq < self.below && self.queue.pages.is_visible(*seq)) {
                return Some(seq);
            }
            let (head, no) = self.heads.next().filter(|(head, _)| *head < self.below)?;
            self.members = self.queue.groups.members_from(no, head);
        }
    }
}

pub(super) struct Tenants<'a> {
    pages: &'a Pages,
    groups: &'a Groups,
    in_flight: usize,
    fair: bool,
    below: MessageSeq,
    /// The next message without a group.
    plain: Option<MessageSeq>,
    /// Tenants that gave nothing yet.
    heads: Peekable<Copied<btree_set::Iter<'a, (MessageSeq, GroupNo)>>>,
    /// The next message of tenants that gave something.
    again: BTreeSet<(MessageSeq, GroupNo)>,
    /// Tenants put off, the one with the fewest in flight first.
    noisy: BTreeSet<(usize, MessageSeq, GroupNo)>,
    /// What this order gave each tenant to have in flight.
    leased: BTreeMap<GroupNo, usize>,
    /// The tenant of the message given last, and whether it is a noisy one.
    last: Option<(MessageSeq, GroupNo, bool)>,
}

impl Tenants<'_> {
    fn next(&mut self) -> Option<MessageSeq> {
        self.line_up_last();
        while let Some((seq, no)) = self.quiet() {
            let Some(no) = no else {
                self.plain = self.pages.next_ready(seq.next());
                return Some(seq);
            };
            if self.fair && self.is_noisy(no) {
                self.noisy.insert((self.in_flight_of(no), seq, no));
                continue;
            }
            self.last = Some((seq, no, false));
            return Some(seq);
        }
        let (_, seq, no) = self.noisy.pop_first()?;
        self.last = Some((seq, no, true));
        Some(seq)
    }

    /// Takes the oldest candidate out of those not put off.
    fn quiet(&mut self) -> Option<(MessageSeq, Option<GroupNo>)> {
        let plain = self.plain.map(|seq| (seq, None));
        let fresh = self.heads.peek().map(|(seq, no)| (*seq, Some(*no)));
        let again = self.again.first().map(|(seq, no)| (*seq, Some(*no)));
        let first = [plain, fresh, again].into_iter().flatten().filter(|(seq, _)| *seq < self.below).min()?;
        if Some(first) == fresh {
            self.heads.next();
        } else if Some(first) == again {
            self.again.pop_first();
        }
        Some(first)
    }

    /// Enters the next message of the tenant that gave the last one.
    fn line_up_last(&mut self) {
        let Some((seq, no, noisy)) = self.last.take() else { return };
        let Some(next) = self.groups.members_from(no, seq.next()).and_then(|mut members| members.next()) else {
            return;
        };
        if noisy {
            self.noisy.insert((self.in_flight_of(no), next, no));
        } else {
            self.again.insert((next, no));
        }
    }

    fn lease_last(&mut self) {
        self.in_flight += 1;
        if let Some((_, no, _)) = self.last {
            *self.leased.entry(no).or_default() += 1;
        }
    }

    fn in_flight_of(&self, no: GroupNo) -> usize {
        self.groups.in_flight(no) + self.leased.get(&no).copied().unwrap_or(0)
    }

    fn is_noisy(&self, no: GroupNo) -> bool {
        let held = self.in_flight_of(no);
        held >= NOISY_IN_FLIGHT_MIN && held * NOISY_SHARE > self.in_flight
    }
}
