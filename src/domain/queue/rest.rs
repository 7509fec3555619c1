//! Whether a queue may be taken apart and forgotten until somebody asks for it.

use super::machine::Queue;
use crate::base::limits::{PARKED_MEMORIES_MAX, PARKED_PAGES_MAX};

impl Queue {
    /// True when nobody works on it, its pages are as the last [`Queue::take_changes`] gave them, and putting it together
    /// again takes little.
    pub fn may_rest(&self) -> bool {
        let memories = self.dedup.len() + self.attempts.len() + self.producers.len() + self.redrives.len();
        self.in_flight == 0
            && self.pages.is_clean()
            && self.pages.count() <= PARKED_PAGES_MAX
            && memories <= PARKED_MEMORIES_MAX
    }
}
