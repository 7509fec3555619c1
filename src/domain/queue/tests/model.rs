//! The rules of a queue once more, as naively as they can be said: one list of messages, looked through every time.
//!
//! Written against the rules, not against the machine: nothing of it is shared but the words of requests and events.

use crate::{
    base::{
        id::{LeaseId, MessageSeq, PartitionId, QueueId, RedriveId},
        limits,
        time::Timestamp,
    },
    domain::queue::{
        Accept, AcceptDecision, PurgeError, Receive, ReceiveError, RedriveError, Send, SendDecision, SettleError,
        State,
        event::{Event, MoveReason, Moved, Received, RedriveOutcome, RedriveStarted, Sent, VisibilityChanged},
        settings::{Kind, Scope, Settings},
    },
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

const HALF_DAY: Duration = Duration::from_secs(12 * 3600);
const FIVE_MINUTES: Duration = Duration::from_secs(300);

#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) seq: MessageSeq,
    pub(super) sent: Sent,
    visible_at: Timestamp,
    lease: LeaseId,
    leased: bool,
    leased_at: Timestamp,
    count: u32,
    never_received: bool,
}

#[derive(Debug)]
struct Redrive {
    started: RedriveStarted,
    moved: u64,
    running: bool,
}

#[derive(Debug)]
struct Attempt {
    at: Timestamp,
    until: Timestamp,
    leases: Vec<(MessageSeq, LeaseId)>,
}

#[derive(Debug)]
pub(super) struct Model {
    settings: Settings,
    next_seq: u64,
    pub(super) messages: Vec<Message>,
    /// Accepted sends of a FIFO queue, oldest first.
    sends: Vec<Sent>,
    producers: BTreeMap<Arc<str>, u64>,
    transfers: BTreeMap<PartitionId, u64>,
    attempts: BTreeMap<Arc<str>, Attempt>,
    purged_at: Option<Timestamp>,
    redrives: Vec<Redrive>,
}

impl Message {
    pub(super) fn state(&self, now: Timestamp) -> State {
        match (self.visible_at > now, self.leased) {
            (false, _) => State::Visible,
            (true, true) => State::InFlight,
            (true, false) => State::Delayed,
        }
    }

    pub(super) fn hidden_until(&self, now: Timestamp) -> Option<Timestamp> {
        Some(self.visible_at).filter(|at| *at > now)
    }

    fn retention_from(&self) -> Timestamp {
        let own_delay = self.sent.visible_at.since(self.sent.send_time);
        if self.sent.transfer.is_none() && own_delay > Duration::from_secs(900) {
            return self.sent.visible_at;
        }
        self.sent.send_time
    }
}

/// Sending.
impl Model {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            next_seq: 1,
            messages: Vec::new(),
            sends: Vec::new(),
            producers: BTreeMap::new(),
            transfers: BTreeMap::new(),
            attempts: BTreeMap::new(),
            purged_at: None,
            redrives: Vec::new(),
        }
    }

    fn fifo(&self) -> bool {
        self.settings.kind != Kind::Standard
    }

    pub(super) fn send(&mut self, now: Timestamp, request: &Send) -> SendDecision {
        if let Some((producer, sequence)) = &request.producer
            && self.producers.get(producer).is_some_and(|last| sequence <= last)
        {
            return SendDecision::Repeated;
        }
        if let (Kind::Fifo(fifo), Some(id)) = (self.settings.kind, &request.deduplication_id) {
            for sent in &self.sends {
                let scope = fifo.deduplication_scope == Scope::Queue || sent.group == request.group;
                if scope && sent.deduplication_id.as_ref() == Some(id) && sent.send_time + FIVE_MINUTES > now {
                    return SendDecision::Duplicate { message_id: sent.message_id, seq: sent.seq };
                }
            }
        }
        if let Some((producer, sequence)) = &request.producer {
            self.producers.insert(producer.clone(), *sequence);
        }
        let sent = self.store(Sent {
            seq: MessageSeq(self.next_seq),
            message_id: request.message_id,
            send_time: now,
            visible_at: now + request.delay.unwrap_or(self.settings.delay),
            size: request.size,
            group: request.group.clone(),
            deduplication_id: request.deduplication_id.clone(),
            receive_count: 0,
            first_receive: None,
            dead_letter_source: None,
            transfer: None,
            producer: request.producer.clone(),
        });
        self.sends.push(sent.clone());
        SendDecision::Store(sent)
    }

    pub(super) fn accept(&mut self, now: Timestamp, request: &Accept) -> AcceptDecision {
        let mark = self.transfers.entry(request.transfer.source).or_default();
        if request.transfer.number <= *mark {
            return AcceptDecision::Repeated;
        }
        *mark = request.transfer.number;
        let send_time = if self.fifo() { now } else { request.send_time.unwrap_or(now) };
        AcceptDecision::Store(self.store(Sent {
            seq: MessageSeq(self.next_seq),
            message_id: request.message_id,
            send_time,
            visible_at: now,
            size: request.size,
            group: request.group.clone(),
            deduplication_id: request.deduplication_id.clone(),
            receive_count: request.receive_count,
            first_receive: request.first_receive,
            dead_letter_source: request.dead_letter_source,
            transfer: Some(request.transfer),
            producer: None,
        }))
    }

    fn store(&mut self, sent: Sent) -> Sent {
        self.next_seq += 1;
        self.messages.push(Message {
            seq: sent.seq,
            visible_at: sent.visible_at,
            lease: LeaseId(0),
            leased: false,
            leased_at: Timestamp::ZERO,
            count: sent.receive_count,
            never_received: sent.transfer.is_none(),
            sent: sent.clone(),
        });
        sent
    }
}

/// Receiving.
impl Model {
    fn outlived(&self, message: &Message, now: Timestamp) -> bool {
        message.retention_from() + self.settings.retention <= now
    }

    pub(super) fn in_flight(&self, now: Timestamp) -> usize {
        self.messages.iter().filter(|message| message.state(now) == State::InFlight).count()
    }

    pub(super) fn has_ready(&self, now: Timestamp) -> bool {
        let ready = if self.fifo() { self.order_in_groups(now) } else { self.order_of_tenants(now, |_| false) };
        !ready.is_empty() && self.in_flight(now) < self.settings.in_flight_max
    }

    fn order_in_groups(&self, now: Timestamp) -> Vec<MessageSeq> {
        let mut order = Vec::new();
        let mut seen = BTreeSet::new();
        for first in &self.messages {
            if !seen.insert(&first.sent.group) {
                continue;
            }
            let group = self.messages.iter().filter(|message| message.sent.group == first.sent.group);
            order.extend(group.take_while(|message| message.state(now) == State::Visible).map(|message| message.seq));
        }
        order
    }

    /// `leased` tells which messages will be in flight once taken, and count against their tenant from then on.
    fn order_of_tenants(&self, now: Timestamp, leased: impl Fn(&Message) -> bool) -> Vec<MessageSeq> {
        let mut held: BTreeMap<&str, usize> = BTreeMap::new();
        let mut total = 0;
        for message in self.messages.iter().filter(|message| message.state(now) == State::InFlight) {
            total += 1;
            if let Some(tenant) = &message.sent.group {
                *held.entry(tenant).or_default() += 1;
            }
        }
        let mut waiting: Vec<_> = self.messages.iter().filter(|m| m.state(now) == State::Visible).collect();
        let mut put_off: BTreeSet<&str> = BTreeSet::new();
        let mut order = Vec::new();
        while !waiting.is_empty() {
            let quiet =
                waiting.iter().position(|m| m.sent.group.as_deref().is_none_or(|tenant| !put_off.contains(tenant)));
            let at = match quiet {
                Some(at) => at,
                None => {
                    let key = |at: &usize| {
                        let message = waiting[*at];
                        (held.get(message.sent.group.as_deref().unwrap_or("")).copied().unwrap_or(0), message.seq)
                    };
                    (0..waiting.len()).min_by_key(key).expect("not empty")
                }
            };
            if let Some(tenant) = waiting[at].sent.group.as_deref() {
                let count = held.entry(tenant).or_default();
                if quiet.is_some() && *count >= 30 && *count * 10 > total {
                    put_off.insert(tenant);
                    continue;
                }
                *count += usize::from(leased(waiting[at]));
            }
            total += usize::from(leased(waiting[at]));
            order.push(waiting.remove(at).seq);
        }
        order
    }

    pub(super) fn receive(&mut self, now: Timestamp, request: &Receive) -> Result<Vec<Event>, ReceiveError> {
        let timeout = request.visibility_timeout.unwrap_or(self.settings.visibility_timeout);
        if let Some(events) = self.repeat(now, request, timeout) {
            return Ok(events);
        }
        let limit = self.settings.in_flight_max;
        let mut room = usize::MAX;
        if !timeout.is_zero() {
            room = limit.saturating_sub(self.in_flight(now));
        }
        let max_receives = self.settings.max_receive_count.filter(|_| request.dead_letter_to.is_some());
        let too_often = |message: &Message| max_receives.is_some_and(|max| message.count >= max);
        let leased = |message: &Message| !timeout.is_zero() && !self.outlived(message, now) && !too_often(message);
        let order = if self.fifo() { self.order_in_groups(now) } else { self.order_of_tenants(now, leased) };
        if room == 0 {
            let kept_back = !self.fifo() && !order.is_empty();
            return if kept_back { Err(ReceiveError::InFlightLimit { limit }) } else { Ok(Vec::new()) };
        }
        let (mut events, mut given, mut transfer) = (Vec::new(), 0, request.next_transfer);
        for seq in order {
            if given == room.min(request.max) {
                break;
            }
            let at = self.messages.iter().position(|message| message.seq == seq).expect("it is there");
            let message = &self.messages[at];
            if self.outlived(message, now) {
                continue;
            }
            if let (true, Some(to)) = (too_often(message), request.dead_letter_to) {
                events.push(Event::Moved(Moved { seq, to, transfer, why: MoveReason::MaxReceives, at: now }));
                transfer += 1;
                self.messages.remove(at);
                continue;
            }
            let message = &mut self.messages[at];
            message.count += 1;
            message.lease = LeaseId(request.first_lease.0 + given as u64);
            message.leased = true;
            message.leased_at = now;
            message.never_received = false;
            message.visible_at = now + timeout;
            given += 1;
            events.push(Event::Received(Received {
                seq,
                lease: message.lease,
                at: now,
                visible_at: message.visible_at,
                receive_count: message.count,
                attempt: request.attempt.clone().filter(|_| self.settings.kind != Kind::Standard),
            }));
        }
        if let (true, true, Some(id)) = (self.fifo(), given > 0, &request.attempt) {
            let taken = self.messages.iter().filter(|message| message.lease >= request.first_lease);
            let mut leases: Vec<_> = taken.map(|message| (message.seq, message.lease)).collect();
            leases.sort_by_key(|(_, lease)| *lease);
            self.attempts.insert(id.clone(), Attempt { at: now, until: now + timeout, leases });
        }
        Ok(events)
    }

    fn repeat(&mut self, now: Timestamp, request: &Receive, timeout: Duration) -> Option<Vec<Event>> {
        let id = request.attempt.clone().filter(|_| self.fifo())?;
        let attempt = self.attempts.get(&id).filter(|attempt| attempt.at + FIVE_MINUTES > now)?;
        let held = attempt.leases.iter().all(|(seq, lease)| {
            self.messages.iter().any(|m| {
                m.seq == *seq && m.lease == *lease && m.leased && m.visible_at > now && m.visible_at == attempt.until
            })
        });
        let outlived = self
            .messages
            .iter()
            .any(|message| self.outlived(message, now) && attempt.leases.iter().any(|(seq, _)| *seq == message.seq));
        if !held || outlived {
            return None;
        }
        let mut events = Vec::new();
        let until = attempt.leases.iter().filter_map(|(seq, _)| {
            let message = self.messages.iter().find(|message| message.seq == *seq)?;
            Some((now + timeout).min(message.leased_at + HALF_DAY))
        });
        let until = until.min()?;
        for (seq, lease) in attempt.leases.clone() {
            let message = self.messages.iter_mut().find(|message| message.seq == seq)?;
            message.visible_at = until;
            let (attempt, receive_count) = (Some(id.clone()), message.count);
            events.push(Event::Received(Received { seq, lease, at: now, visible_at: until, receive_count, attempt }));
        }
        self.attempts.get_mut(&id)?.until = until;
        Some(events)
    }
}

/// Settling.
impl Model {
    fn find(&self, seq: MessageSeq, now: Timestamp) -> Option<usize> {
        self.messages.iter().position(|message| message.seq == seq && !self.outlived(message, now))
    }

    /// Whether the lease may settle: FIFO while it lasts, standard until the message is received again.
    fn may_settle(&self, message: &Message, lease: LeaseId, now: Timestamp) -> bool {
        if self.fifo() {
            return message.leased && message.lease == lease && message.visible_at > now;
        }
        lease >= message.lease && lease != LeaseId(0)
    }

    pub(super) fn delete(
        &mut self,
        now: Timestamp,
        seq: MessageSeq,
        lease: LeaseId,
    ) -> Result<Option<Event>, SettleError> {
        let Some(at) = self.find(seq, now) else { return Ok(None) };
        match (self.may_settle(&self.messages[at], lease, now), self.fifo()) {
            (false, true) => Err(SettleError::LeaseExpired),
            (false, false) => Ok(None),
            (true, _) => {
                self.messages.remove(at);
                Ok(Some(Event::Deleted { seq }))
            }
        }
    }

    pub(super) fn change_visibility(
        &mut self,
        now: Timestamp,
        seq: MessageSeq,
        lease: LeaseId,
        timeout: Duration,
    ) -> Result<Event, SettleError> {
        let at = self.find(seq, now).ok_or(SettleError::Gone)?;
        if !self.may_settle(&self.messages[at], lease, now) {
            return Err(SettleError::LeaseExpired);
        }
        let message = &mut self.messages[at];
        let left = (message.leased_at + HALF_DAY).since(now);
        if timeout > left {
            return Err(SettleError::LeaseTooLong { timeout, left });
        }
        message.visible_at = now + timeout;
        message.leased = !timeout.is_zero();
        let lease = if message.leased { lease } else { LeaseId(0) };
        let (visible_at, receive_count) = (message.visible_at, message.count);
        Ok(Event::VisibilityChanged(VisibilityChanged { seq, lease, visible_at, receive_count, at: now }))
    }

    fn check_open(&self, seq: MessageSeq, lease: LeaseId, now: Timestamp) -> Result<usize, SettleError> {
        let at = self.find(seq, now).ok_or(SettleError::Gone)?;
        let message = &self.messages[at];
        let open = self.may_settle(message, lease, now) && message.leased;
        if open { Ok(at) } else { Err(SettleError::LeaseExpired) }
    }

    pub(super) fn nack(
        &mut self,
        now: Timestamp,
        seq: MessageSeq,
        lease: LeaseId,
        delay: Duration,
        keep: bool,
    ) -> Result<Vec<Event>, SettleError> {
        let at = self.check_open(seq, lease, now)?;
        let group = self.messages[at].sent.group.clone();
        let fifo = self.fifo();
        let mut events = Vec::new();
        for message in &mut self.messages[at..] {
            let later = fifo && message.sent.group == group && message.leased && message.visible_at > now;
            if message.seq != seq && !later {
                continue;
            }
            message.leased = false;
            message.visible_at = if message.seq == seq { now + delay } else { now };
            message.count = message.count.saturating_sub(u32::from(keep));
            events.push(Event::VisibilityChanged(VisibilityChanged {
                seq: message.seq,
                lease: LeaseId(0),
                visible_at: message.visible_at,
                receive_count: message.count,
                at: now,
            }));
        }
        Ok(events)
    }

    pub(super) fn dead_letter(
        &mut self,
        now: Timestamp,
        seq: MessageSeq,
        lease: LeaseId,
        to: QueueId,
        transfer: u64,
    ) -> Result<Event, SettleError> {
        let at = self.check_open(seq, lease, now)?;
        self.messages.remove(at);
        Ok(Event::Moved(Moved { seq, to, transfer, why: MoveReason::Explicit { reason: "".into() }, at: now }))
    }
}

/// The rest.
impl Model {
    pub(super) fn purge(&mut self, now: Timestamp) -> Result<Event, PurgeError> {
        if let Some(at) = self.purged_at.filter(|at| *at + Duration::from_secs(60) > now) {
            return Err(PurgeError::InProgress { retry_after: (at + Duration::from_secs(60)).since(now) });
        }
        self.purged_at = Some(now);
        self.messages.clear();
        self.sends.clear();
        Ok(Event::Purged { below: MessageSeq(self.next_seq), at: now })
    }

    pub(super) fn expire(&mut self, now: Timestamp) -> Option<Event> {
        let outlived = self.messages.iter().filter(|message| self.outlived(message, now));
        let seqs: Vec<_> = outlived.map(|message| message.seq).collect();
        self.messages.retain(|message| !seqs.contains(&message.seq));
        (!seqs.is_empty()).then_some(Event::Expired { seqs })
    }

    pub(super) fn set(&mut self, settings: &Settings) {
        if self.fifo() && settings.delay != self.settings.delay {
            for message in self.messages.iter_mut().filter(|message| message.never_received) {
                message.visible_at = message.sent.send_time + settings.delay;
            }
        }
        self.settings = settings.clone();
    }

    pub(super) fn start_redrive(
        &mut self,
        now: Timestamp,
        id: RedriveId,
        to: Option<QueueId>,
        rate: u32,
    ) -> Result<Event, RedriveError> {
        if let Some(running) = self.redrives.iter().find(|redrive| redrive.running) {
            return Err(RedriveError::Running(running.started.id));
        }
        let visible = self.messages.iter().filter(|message| message.state(now) == State::Visible).count();
        let started = RedriveStarted {
            id,
            to,
            max_messages_per_second: rate,
            messages_to_move: visible as u64,
            below: MessageSeq(self.next_seq),
            at: now,
        };
        self.redrives.push(Redrive { started: started.clone(), moved: 0, running: true });
        Ok(Event::RedriveStarted(started))
    }

    pub(super) fn cancel_redrive(&mut self, now: Timestamp, id: RedriveId) -> Result<Event, RedriveError> {
        let kept = self.redrives.len().saturating_sub(limits::REDRIVES_KEPT);
        let known = self.redrives[kept..].iter_mut().find(|redrive| redrive.started.id == id);
        let redrive = known.ok_or(RedriveError::NotFound(id))?;
        if !std::mem::take(&mut redrive.running) {
            return Err(RedriveError::Ended(id));
        }
        Ok(Event::RedriveEnded { id, outcome: RedriveOutcome::Cancelled, at: now })
    }

    pub(super) fn redrive_step(&mut self, now: Timestamp, first_transfer: u64, budget: usize) -> Vec<Event> {
        let mut events = Vec::new();
        let Some(index) = self.redrives.iter().position(|redrive| redrive.running) else { return events };
        let started = self.redrives[index].started.clone();
        let id = started.id;
        let mut order = if self.fifo() { self.order_in_groups(now) } else { Vec::new() };
        if !self.fifo() {
            let visible = self.messages.iter().filter(|message| message.state(now) == State::Visible);
            order.extend(visible.map(|message| message.seq));
        }
        order.retain(|seq| *seq < started.below);
        for seq in order {
            let moved = self.redrives[index].moved;
            let rate = u64::from(started.max_messages_per_second);
            if events.len() == budget || rate > 0 && moved >= now.since(started.at).as_millis() as u64 * rate / 1000 {
                return events;
            }
            let Some(at) = self.find(seq, now) else { continue };
            let Some(to) = started.to.or(self.messages[at].sent.dead_letter_source) else {
                let why = format!("message {seq} came from no other queue and no destination is given").into();
                events.push(Event::RedriveEnded { id, outcome: RedriveOutcome::Failed { why }, at: now });
                self.redrives[index].running = false;
                return events;
            };
            let why = MoveReason::Redrive { id, moved: moved + 1 };
            let transfer = first_transfer + events.len() as u64;
            events.push(Event::Moved(Moved { seq, to, transfer, why, at: now }));
            self.redrives[index].moved += 1;
            self.messages.remove(at);
        }
        events.push(Event::RedriveEnded { id, outcome: RedriveOutcome::Completed, at: now });
        self.redrives[index].running = false;
        events
    }

    /// What a browse shows: what is not outlived.
    pub(super) fn living(&self, now: Timestamp) -> impl Iterator<Item = &Message> {
        self.messages.iter().filter(move |message| !self.outlived(message, now))
    }

    /// The earliest moment at which time alone changes something.
    pub(super) fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let hidden = self.messages.iter().filter_map(|message| message.hidden_until(now));
        let ends = self.messages.iter().map(|message| message.retention_from() + self.settings.retention);
        hidden.chain(ends).min()
    }
}
