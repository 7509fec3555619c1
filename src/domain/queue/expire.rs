//! Deleting messages that outlived the retention, wherever they are: waiting, delayed or in flight.

use super::{event::Event, machine::Queue};
use crate::base::{limits::EXPIRE_STEP, time::Timestamp};

impl Queue {
    /// Deletes up to [`EXPIRE_STEP`] messages whose retention is over; None when there are none.
    pub fn expire(&self, now: Timestamp) -> Option<Event> {
        if self.pages.oldest_hint()? + self.settings.retention > now {
            return None;
        }
        let seqs = self.pages.started_by(self.expiry_cutoff(now), EXPIRE_STEP);
        (!seqs.is_empty()).then_some(Event::Expired { seqs })
    }
}
