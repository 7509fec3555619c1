//! The queue: what it holds, and what time alone changes in it.
//!
//! A decision (one file a command) reads the queue and returns events; `apply` (in `apply.rs`) changes it. The state of
//! a message, ready or not, is what `advance` last made of it: the engine calls `advance` with the same `now` before
//! every decision. Ends of leases and delays are therefore no events.
//! Absent on purpose: payloads, message ids, clocks, randomness.

use super::{
    archive::Archived,
    attempts::Attempts,
    dedup::Dedup,
    event::Received,
    groups::Groups,
    pages::Pages,
    producers::Producers,
    redrive::Redrives,
    settings::{Kind, Scope, Settings},
    slots::Found,
    timers::Timers,
};
use crate::base::{
    id::{LeaseId, Location, MessageSeq, PartitionId, QueueId},
    limits::{CLEANUP_SLACK, TIMER_STEP},
    time::Timestamp,
};
use std::collections::BTreeMap;

/// A queue, standard or FIFO.
#[derive(Debug)]
pub struct Queue {
    pub(super) id: QueueId,
    pub(super) settings: Settings,
    /// The latest moment it heard of.
    pub(super) now: Timestamp,
    pub(super) next_seq: MessageSeq,
    pub(super) pages: Pages,
    pub(super) groups: Groups,
    /// When each message in flight or delayed becomes visible.
    pub(super) timers: Timers,
    pub(super) in_flight: usize,
    pub(super) delayed: usize,
    pub(super) bytes: u64,
    pub(super) archived: Archived,
    /// Messages in the archive that something happened to, until they are asked for.
    pub(super) archive_changes: Vec<MessageSeq>,
    pub(super) dedup: Dedup,
    pub(super) attempts: Attempts,
    pub(super) producers: Producers,
    /// The highest transfer number accepted from each partition.
    pub(super) transfers: BTreeMap<PartitionId, u64>,
    pub(super) redrives: Redrives,
    /// Everything below was purged.
    pub(super) purged_below: MessageSeq,
    pub(super) purged_at: Option<Timestamp>,
}

/// What a consumer gets of a leased message; the payload stands at `location`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    pub seq: MessageSeq,
    pub lease: LeaseId,
    pub location: Location,
    pub receive_count: u32,
    pub first_receive: Option<Timestamp>,
    pub lease_until: Timestamp,
    pub size: u32,
    pub send_time: Timestamp,
}

impl Queue {
    pub fn new(id: QueueId, settings: Settings) -> Self {
        let scope = match settings.kind {
            Kind::Standard => Scope::Queue,
            Kind::Fifo(fifo) => fifo.deduplication_scope,
        };
        Self {
            id,
            settings,
            now: Timestamp::ZERO,
            next_seq: MessageSeq(1),
            pages: Pages::default(),
            groups: Groups::default(),
            timers: Timers::default(),
            in_flight: 0,
            delayed: 0,
            bytes: 0,
            archived: Archived::default(),
            archive_changes: Vec::new(),
            dedup: Dedup::new(scope),
            attempts: Attempts::default(),
            producers: Producers::default(),
            transfers: BTreeMap::new(),
            redrives: Redrives::default(),
            purged_below: MessageSeq(0),
            purged_at: None,
        }
    }

    pub fn id(&self) -> QueueId {
        self.id
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Makes ready what time made ready, and forgets what time closed. Idempotent; `now` never goes back. Of very many
    /// messages that become ready at once some are left for the next call: the deadline is past then.
    pub fn advance(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
        for _ in 0..TIMER_STEP {
            if let Some(seq) = self.timers.pop_due(self.now) {
                self.follow_clock(seq);
            } else if let Some(seq) = self.timers.pop_near(self.now) {
                self.time_exactly(seq);
            } else {
                break;
            }
        }
        self.pages.refresh_ages(self.expiry_cutoff(self.now));
        self.dedup.advance(self.now);
        self.attempts.advance(self.now);
    }

    /// The earliest moment at which `advance`, `expire` or `redrive_step` would change something, or a little before it.
    /// May be in the past: then there is work now. Memories that nothing uses any more are dropped a little late.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let timer = self.timers.next();
        let expiry = self.pages.oldest_hint().map(|oldest| oldest + self.settings.retention);
        let windows = [self.dedup.next_end(), self.attempts.next_end()].into_iter().flatten().min();
        let windows = windows.map(|end| end + CLEANUP_SLACK);
        [timer, expiry, windows, self.redrives.next_step(self.now)].into_iter().flatten().min()
    }

    /// Whether a receive would find something, as of the last `advance`.
    pub fn has_ready(&self) -> bool {
        (self.groups.has_ready() || self.pages.has_ready()) && self.in_flight < self.settings.in_flight_max
    }

    /// The message as its last receive left it.
    pub fn delivery(&self, seq: MessageSeq) -> Option<Delivery> {
        let message = self.pages.get(seq)?;
        let rare = message.rare();
        Some(Delivery {
            seq,
            lease: rare.lease,
            location: message.location,
            receive_count: message.receive_count,
            first_receive: rare.first_receive(),
            lease_until: message.visible_at,
            size: message.size,
            send_time: message.send_time,
        })
    }

    /// The last sequence stored of a producer; zero when unknown.
    pub fn producer_sequence(&self, producer: &str) -> u64 {
        self.producers.sequence(producer)
    }

    /// Retention that started by then is over at `now`.
    pub(super) fn expiry_cutoff(&self, now: Timestamp) -> Timestamp {
        let retention = u64::try_from(self.settings.retention.as_millis()).unwrap_or(u64::MAX);
        Timestamp(now.0.saturating_sub(retention))
    }

    /// The message, unless it is gone or its retention is over.
    pub(super) fn living(&self, seq: MessageSeq, now: Timestamp) -> Option<Found<'_>> {
        self.pages.get(seq).filter(|message| !message.has_expired(now, self.settings.retention))
    }

    pub(super) fn visible(&self) -> usize {
        self.pages.len() - self.in_flight - self.delayed
    }

    pub(super) fn note_attempt(&mut self, received: &Received) {
        if let Some(attempt) = &received.attempt {
            self.attempts.note(attempt, received);
        }
    }
}
