//! What the state machines refuse, in the words that every protocol shares.

use crate::{
    base::{
        id::QueueId,
        reason::{Reason, Refusal},
    },
    domain::queue::{PurgeError, ReceiveError, RedriveError, SendError, SettleError},
};

pub(super) fn no_queue(_id: QueueId) -> Refusal {
    Refusal::new(Reason::QueueNotFound, "the queue does not exist any more")
}

pub(super) fn of_send(error: &SendError) -> Refusal {
    let message = error.to_string();
    match error {
        SendError::TooLarge { size, limit } => {
            Refusal::new(Reason::MessageTooLarge, message).at("body").with("size", size).with("limit", limit)
        }
        SendError::GroupMissing => Refusal::invalid("group_id", message),
        SendError::DeduplicationIdMissing | SendError::DeduplicationNotFifo => {
            Refusal::invalid("deduplication_id", message)
        }
        SendError::DelayOnFifo(_) | SendError::DelayTooLong(_) => Refusal::invalid("delay", message),
        SendError::SequenceZero => Refusal::invalid("first_sequence", message),
    }
}

pub(super) fn of_receive(error: &ReceiveError) -> Refusal {
    let message = error.to_string();
    match error {
        ReceiveError::InFlightLimit { limit } => Refusal::new(Reason::InFlightLimit, message).with("limit", limit),
        ReceiveError::TimeoutTooLong(_) => Refusal::invalid("visibility_timeout", message),
    }
}

pub(super) fn of_settle(error: &SettleError) -> Refusal {
    let message = error.to_string();
    match error {
        SettleError::Gone => Refusal::new(Reason::LeaseExpired, message).with("message", "gone"),
        SettleError::LeaseExpired => Refusal::new(Reason::LeaseExpired, message),
        SettleError::TimeoutTooLong(_) => Refusal::invalid("visibility_timeout", message),
        SettleError::LeaseTooLong { .. } => Refusal::new(Reason::LeaseTooLong, message).at("visibility_timeout"),
    }
}

pub(super) fn of_purge(error: &PurgeError) -> Refusal {
    match error {
        PurgeError::InProgress { retry_after } => {
            Refusal::new(Reason::PurgeInProgress, error.to_string()).retry_after(*retry_after)
        }
    }
}

pub(super) fn of_redrive(error: &RedriveError) -> Refusal {
    let reason = match error {
        RedriveError::Running(_) => Reason::RedriveRunning,
        RedriveError::NotFound(_) => Reason::RedriveNotFound,
        RedriveError::Ended(_) => Reason::RedriveEnded,
    };
    Refusal::new(reason, error.to_string())
}
