//! Receives of a FIFO queue that were made with an attempt id, so that a consumer who lost the answer gets it again.
//!
//! An attempt is good for five minutes, and while every message of it is held by the same lease with the same end:
//! a delete or a change of visibility ends it. Source: "ReceiveMessage", ReceiveRequestAttemptId.

use super::event::Received;
use crate::base::{
    id::{LeaseId, MessageSeq},
    limits::RECEIVE_ATTEMPT_WINDOW,
    time::Timestamp,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// One receive, as a checkpoint keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    pub id: Arc<str>,
    /// When the id was first used.
    pub at: Timestamp,
    /// The end of every lease of it.
    pub visible_at: Timestamp,
    pub leases: Vec<(MessageSeq, LeaseId)>,
}

#[derive(Debug, Default)]
pub(super) struct Attempts {
    by_id: BTreeMap<Arc<str>, Attempt>,
    by_age: BTreeSet<(Timestamp, Arc<str>)>,
}

impl Attempts {
    pub(super) fn find(&self, now: Timestamp, id: &str) -> Option<&Attempt> {
        self.by_id.get(id).filter(|attempt| attempt.at + RECEIVE_ATTEMPT_WINDOW > now)
    }

    /// Takes note of one message of a receive. A message that the attempt holds under the same lease was given again;
    /// one of the same moment belongs to the same receive.
    pub(super) fn note(&mut self, id: &Arc<str>, received: &Received) {
        let lease = (received.seq, received.lease);
        if let Some(attempt) = self.by_id.get_mut(id) {
            let again = attempt.leases.contains(&lease);
            if again || attempt.at == received.at {
                attempt.visible_at = received.visible_at;
                if !again {
                    attempt.leases.push(lease);
                }
                return;
            }
        }
        self.restore(Attempt { id: id.clone(), at: received.at, visible_at: received.visible_at, leases: vec![lease] });
    }

    pub(super) fn restore(&mut self, attempt: Attempt) {
        self.by_age.insert((attempt.at, attempt.id.clone()));
        if let Some(before) = self.by_id.insert(attempt.id.clone(), attempt.clone())
            && before.at != attempt.at
        {
            self.by_age.remove(&(before.at, before.id));
        }
    }

    /// Forgets what was received longer ago than the window.
    pub(super) fn advance(&mut self, now: Timestamp) {
        while let Some((at, _)) = self.by_age.first() {
            if *at + RECEIVE_ATTEMPT_WINDOW > now {
                break;
            }
            if let Some((_, id)) = self.by_age.pop_first() {
                self.by_id.remove(&id);
            }
        }
    }

    /// When the first attempt ends.
    pub(super) fn next_end(&self) -> Option<Timestamp> {
        self.by_age.first().map(|(at, _)| *at + RECEIVE_ATTEMPT_WINDOW)
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn entries(&self) -> Vec<Attempt> {
        self.by_id.values().cloned().collect()
    }
}
