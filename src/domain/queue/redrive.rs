//! Moving the messages of a dead-letter queue back to where they came from, or to one queue.
//!
//! A redrive moves what is ready and was there when it started, no faster than told, and completes when nothing of that
//! is ready. What is in flight or delayed stays. Progress is absolute, so it survives a restart.

use super::{
    event::{Event, MoveReason, Moved, RedriveOutcome, RedriveStarted},
    machine::Queue,
};
use crate::base::{
    id::{MessageSeq, QueueId, RedriveId},
    limits::{EXPIRE_STEP, REDRIVES_KEPT},
    time::Timestamp,
};
use std::sync::Arc;

/// How the reason ends of a redrive that found a message which was sent to the queue itself. The other reason to fail is a
/// queue that is gone.
pub const NO_SOURCE: &str = "came from no other queue and no destination is given";

/// A redrive, as operators see it and a checkpoint keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedriveView {
    pub started: RedriveStarted,
    pub moved: u64,
    /// None: it runs.
    pub ended: Option<(RedriveOutcome, Timestamp)>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedriveError {
    #[error("redrive {0} of this queue is running")]
    Running(RedriveId),
    #[error("the queue has no redrive {0}")]
    NotFound(RedriveId),
    #[error("redrive {0} has ended")]
    Ended(RedriveId),
}

/// The last redrives, newest first.
#[derive(Debug, Default)]
pub(super) struct Redrives(Vec<RedriveView>);

impl Redrives {
    pub(super) fn start(&mut self, started: &RedriveStarted) {
        self.restore(RedriveView { started: started.clone(), moved: 0, ended: None });
    }

    pub(super) fn restore(&mut self, redrive: RedriveView) {
        self.0.retain(|known| known.started.id != redrive.started.id);
        let at = self.0.partition_point(|known| known.started.at > redrive.started.at);
        self.0.insert(at, redrive);
        self.0.truncate(REDRIVES_KEPT);
    }

    fn find_mut(&mut self, id: RedriveId) -> Option<&mut RedriveView> {
        self.0.iter_mut().find(|redrive| redrive.started.id == id)
    }

    pub(super) fn progress(&mut self, id: RedriveId, moved: u64) {
        if let Some(redrive) = self.find_mut(id) {
            redrive.moved = moved;
        }
    }

    pub(super) fn end(&mut self, id: RedriveId, outcome: &RedriveOutcome, at: Timestamp) {
        if let Some(redrive) = self.find_mut(id) {
            redrive.ended = Some((outcome.clone(), at));
        }
    }

    fn running(&self) -> Option<&RedriveView> {
        self.0.iter().find(|redrive| redrive.ended.is_none())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn entries(&self) -> Vec<RedriveView> {
        self.0.clone()
    }

    /// When the running redrive may move its next message.
    pub(super) fn next_step(&self, now: Timestamp) -> Option<Timestamp> {
        let redrive = self.running()?;
        let rate = u64::from(redrive.started.max_messages_per_second);
        match redrive.moved.saturating_add(1).saturating_mul(1000).div_ceil(rate.max(1)) {
            _ if rate == 0 => Some(now),
            millis => Some(Timestamp(redrive.started.at.0.saturating_add(millis))),
        }
    }
}

impl RedriveView {
    /// How many messages it may have moved by `now`.
    fn allowance(&self, now: Timestamp) -> u64 {
        let rate = u64::from(self.started.max_messages_per_second);
        match rate {
            0 => u64::MAX,
            rate => now.0.saturating_sub(self.started.at.0).saturating_mul(rate) / 1000,
        }
    }
}

impl Queue {
    pub fn start_redrive(
        &self,
        now: Timestamp,
        id: RedriveId,
        to: Option<QueueId>,
        max_per_second: u32,
    ) -> Result<Event, RedriveError> {
        if let Some(running) = self.redrives.running() {
            return Err(RedriveError::Running(running.started.id));
        }
        Ok(Event::RedriveStarted(RedriveStarted {
            id,
            to,
            max_messages_per_second: max_per_second,
            messages_to_move: self.visible() as u64,
            below: self.next_seq,
            at: now,
        }))
    }

    pub fn cancel_redrive(&self, now: Timestamp, id: RedriveId) -> Result<Event, RedriveError> {
        let known = self.redrives.0.iter().find(|redrive| redrive.started.id == id);
        match known.ok_or(RedriveError::NotFound(id))?.ended {
            Some(_) => Err(RedriveError::Ended(id)),
            None => Ok(Event::RedriveEnded { id, outcome: RedriveOutcome::Cancelled, at: now }),
        }
    }

    /// The redrives, newest first.
    pub fn redrives(&self) -> Vec<RedriveView> {
        self.redrives.entries()
    }

    /// The next moves of the running redrive, and its end when it comes. `next_transfer` is the first free transfer
    /// number, `budget` the most messages to move in this step.
    pub fn redrive_step(
        &self,
        now: Timestamp,
        next_transfer: u64,
        budget: usize,
        exists: &dyn Fn(QueueId) -> bool,
    ) -> Vec<Event> {
        let Some(redrive) = self.redrives.running() else { return Vec::new() };
        let id = redrive.started.id;
        let allowed = redrive.allowance(now).saturating_sub(redrive.moved).min(budget as u64);
        let mut events = Vec::new();
        let mut order = self.order_to_move(redrive.started.below);
        let mut passed = 0;
        while let Some(seq) = order.next() {
            if events.len() as u64 >= allowed || passed >= EXPIRE_STEP {
                return events;
            }
            if self.living(seq, now).is_none() {
                passed += 1;
                continue;
            }
            match self.redrive_target(seq, redrive.started.to, exists) {
                Ok(to) => {
                    let done = events.len() as u64;
                    let why = MoveReason::Redrive { id, moved: redrive.moved + done + 1 };
                    events.push(Event::Moved(Moved { seq, to, transfer: next_transfer + done, why, at: now }));
                }
                Err(why) => {
                    events.push(Event::RedriveEnded { id, outcome: RedriveOutcome::Failed { why }, at: now });
                    return events;
                }
            }
        }
        events.push(Event::RedriveEnded { id, outcome: RedriveOutcome::Completed, at: now });
        events
    }

    fn redrive_target(
        &self,
        seq: MessageSeq,
        to: Option<QueueId>,
        exists: &dyn Fn(QueueId) -> bool,
    ) -> Result<QueueId, Arc<str>> {
        let source = || self.pages.get(seq).and_then(|message| message.rare().origin().dead_letter_source);
        let to = to.or_else(source);
        let to = to.ok_or_else(|| format!("message {seq} {NO_SOURCE}"))?;
        if exists(to) { Ok(to) } else { Err(format!("queue {to} does not exist any more").into()) }
    }
}
