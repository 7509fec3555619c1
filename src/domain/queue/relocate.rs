//! Moving messages up the log, so that what stands before them can go.
//!
//! The message stays what and where it is in its queue; only its entry is written anew, with all that is known of it, since
//! the events that led there may go with the old entry.

use super::{checkpoint::StoredMessage, event::Event, machine::Queue, message::Message};
use crate::base::{
    id::{Location, Lsn, MessageSeq},
    limits::ENTRY_OVERHEAD_BYTES,
};

impl Queue {
    /// Messages from `from` on whose entries stand below `below`, in the order of sending, up to `limit` of them.
    pub fn standing_below(&self, below: Lsn, from: MessageSeq, limit: usize) -> Vec<(MessageSeq, Location)> {
        self.pages.standing_below(below, from, limit)
    }

    /// What the log holds of the messages, about.
    pub fn logged_bytes(&self) -> u64 {
        self.bytes + self.pages.len() as u64 * ENTRY_OVERHEAD_BYTES
    }

    /// The event that gives a message a new entry; none when it is not there any more, or not at `at`.
    pub fn relocate(&self, seq: MessageSeq, at: Location) -> Option<Event> {
        let message = self.pages.get(seq).filter(|message| message.location == at)?;
        Some(Event::Relocated(Box::new(self.stored(seq, &message))))
    }

    /// What is newer than the event knows more: of a message that is there only the place changes, and only upwards.
    pub(super) fn apply_relocated(&mut self, stored: &StoredMessage, at: Location) {
        self.next_seq = self.next_seq.max(stored.seq.next());
        if stored.seq < self.purged_below {
            return;
        }
        match self.pages.get(stored.seq).map(|message| message.location.lsn) {
            Some(lsn) if lsn >= at.lsn => {}
            Some(_) => self.change(stored.seq, |message| message.location = at),
            None => {
                let group = self.hold_group(stored.group.as_ref());
                let stored = StoredMessage { location: at, ..stored.clone() };
                self.insert_message(stored.seq, Message::restored(&stored, group));
            }
        }
    }
}
