//! How much a queue holds, and what of it stands furthest back in the log.

use super::machine::Queue;
use crate::base::{id::Location, time::Timestamp};

impl Queue {
    /// Messages in any state.
    pub fn message_count(&self) -> usize {
        self.pages.len()
    }

    /// Bytes of the bodies and attributes of all of them.
    pub fn stored_bytes(&self) -> u64 {
        self.bytes
    }

    /// What its messages take of memory, about: spread out or packed, with the orders and timers they stand in.
    pub fn backlog_bytes(&self) -> usize {
        self.pages.bytes() + self.groups.heap_bytes() + self.timers.heap_bytes()
    }

    /// Where the first message stands, and when it was sent.
    pub fn oldest_stored(&self) -> Option<(Location, Timestamp)> {
        self.pages.first().map(|(_, message)| (message.location, message.send_time))
    }
}
