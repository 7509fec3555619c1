//! What a consumer decides about a lease: done, more time, give back, or give up.
//!
//! A lease settles only the receive it came from. On a standard queue it still does after it timed out, until the message
//! is received again; on a FIFO queue it ends with its time. A lease newer than the message knows of was given out just
//! before a crash that took the receive back: nobody received the message since, so it is good.

use super::{
    event::{Event, MoveReason, Moved, VisibilityChanged},
    machine::Queue,
    message::Message,
};
use crate::base::{
    id::{LeaseId, MessageSeq, QueueId},
    limits::VISIBILITY_TIMEOUT_MAX,
    time::Timestamp,
};
use std::{cmp::Ordering, sync::Arc, time::Duration};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettleError {
    #[error("the message does not exist any more")]
    Gone,
    #[error("the lease has ended, or the message was received again")]
    LeaseExpired,
    #[error("a visibility timeout of {} s is longer than {} s", .0.as_secs(), VISIBILITY_TIMEOUT_MAX.as_secs())]
    TimeoutTooLong(Duration),
    #[error(
        "with {} s more the lease would pass {} s since the receive; {} s are left",
        timeout.as_secs(), VISIBILITY_TIMEOUT_MAX.as_secs(), left.as_secs()
    )]
    LeaseTooLong { timeout: Duration, left: Duration },
}

impl Queue {
    /// Deletes the message. None: there is nothing to do, because it is gone, or (standard) was received again.
    pub fn delete(&self, now: Timestamp, seq: MessageSeq, lease: LeaseId) -> Result<Option<Event>, SettleError> {
        let Some(message) = self.living(seq, now) else { return Ok(None) };
        match self.check_held(&message, lease, now) {
            Ok(()) => Ok(Some(Event::Deleted { seq })),
            Err(error) if self.settings.is_fifo() => Err(error),
            Err(_) => Ok(None),
        }
    }

    /// Moves the end of the lease to `timeout` from now; zero ends it.
    pub fn change_visibility(
        &self,
        now: Timestamp,
        seq: MessageSeq,
        lease: LeaseId,
        timeout: Duration,
    ) -> Result<Event, SettleError> {
        if timeout > VISIBILITY_TIMEOUT_MAX {
            return Err(SettleError::TimeoutTooLong(timeout));
        }
        let message = self.living(seq, now).ok_or(SettleError::Gone)?;
        self.check_held(&message, lease, now)?;
        let rare = message.rare();
        let leased_at = if rare.lease == lease { rare.leased_at } else { now };
        let left = (leased_at + VISIBILITY_TIMEOUT_MAX).since(now);
        if timeout > left {
            return Err(SettleError::LeaseTooLong { timeout, left });
        }
        Ok(Event::VisibilityChanged(VisibilityChanged {
            seq,
            lease: if timeout.is_zero() { LeaseId(0) } else { lease },
            visible_at: now + timeout,
            receive_count: message.receive_count,
            at: now,
        }))
    }

    /// Gives the message back, to be visible after `delay`. On a FIFO queue the later messages of its group that are in
    /// flight come back too, so that they follow it again. `keep_receive_count`: these receives do not count.
    pub fn nack(
        &self,
        now: Timestamp,
        seq: MessageSeq,
        lease: LeaseId,
        delay: Duration,
        keep_receive_count: bool,
    ) -> Result<Vec<Event>, SettleError> {
        if delay > VISIBILITY_TIMEOUT_MAX {
            return Err(SettleError::TimeoutTooLong(delay));
        }
        let message = self.living(seq, now).ok_or(SettleError::Gone)?;
        self.check_open(&message, lease, now)?;
        let give_back = |seq, message: &Message, visible_at| {
            let uncounted = u32::from(keep_receive_count && message.rare().lease != LeaseId(0));
            let receive_count = message.receive_count.saturating_sub(uncounted);
            Event::VisibilityChanged(VisibilityChanged { seq, lease: LeaseId(0), visible_at, receive_count, at: now })
        };
        let mut events = vec![give_back(seq, &message, now + delay)];
        for later in self.leased_after(seq, &message, now) {
            if let Some(message) = self.pages.get(later) {
                events.push(give_back(later, &message, now));
            }
        }
        Ok(events)
    }

    /// Moves the message to the dead-letter queue now.
    pub fn dead_letter(
        &self,
        now: Timestamp,
        seq: MessageSeq,
        lease: LeaseId,
        reason: Arc<str>,
        to: QueueId,
        transfer: u64,
    ) -> Result<Event, SettleError> {
        let message = self.living(seq, now).ok_or(SettleError::Gone)?;
        self.check_open(&message, lease, now)?;
        Ok(Event::Moved(Moved { seq, to, transfer, why: MoveReason::Explicit { reason }, at: now }))
    }

    /// Whether `lease` may still decide about the message.
    fn check_held(&self, message: &Message, lease: LeaseId, now: Timestamp) -> Result<(), SettleError> {
        let held = if self.settings.is_fifo() {
            message.is_held_by(lease, now)
        } else {
            lease >= message.rare().lease.max(LeaseId(1))
        };
        held.then_some(()).ok_or(SettleError::LeaseExpired)
    }

    /// As `check_held`, and the lease was not given back before.
    fn check_open(&self, message: &Message, lease: LeaseId, now: Timestamp) -> Result<(), SettleError> {
        self.check_held(message, lease, now)?;
        match lease.cmp(&message.rare().lease) {
            Ordering::Equal if !message.leased => Err(SettleError::LeaseExpired),
            Ordering::Less | Ordering::Equal | Ordering::Greater => Ok(()),
        }
    }

    /// FIFO: the messages of the same group after `seq` that are in flight.
    fn leased_after(&self, seq: MessageSeq, message: &Message, now: Timestamp) -> Vec<MessageSeq> {
        let Some(no) = message.group.filter(|_| self.settings.is_fifo()) else { return Vec::new() };
        let later = self.groups.leased_from(no, seq.next()).filter(|seq| !self.pages.is_visible(*seq));
        let held = |seq: &MessageSeq| self.pages.get(*seq).is_some_and(|m| m.is_held_by(m.rare().lease, now));
        later.filter(held).take(self.groups.in_flight(no).saturating_sub(1)).collect()
    }
}
