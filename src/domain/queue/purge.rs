//! Deleting every message of a queue at once.

use super::{event::Event, machine::Queue};
use crate::base::{limits::PURGE_INTERVAL, time::Timestamp};
use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PurgeError {
    #[error("the queue was purged less than {} s ago; try again in {} s", PURGE_INTERVAL.as_secs(), retry_after.as_secs_f64().ceil())]
    InProgress { retry_after: Duration },
}

impl Queue {
    /// Deletes every message, those in flight and delayed too, and forgets what deduplication remembered.
    pub fn purge(&self, now: Timestamp) -> Result<Event, PurgeError> {
        let again = self.purged_at.map(|at| at + PURGE_INTERVAL).filter(|again| *again > now);
        match again {
            Some(again) => Err(PurgeError::InProgress { retry_after: again.since(now) }),
            None => Ok(Event::Purged { below: self.next_seq, at: now }),
        }
    }
}
