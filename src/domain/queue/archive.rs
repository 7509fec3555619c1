//! Messages in the archive: what is old moves there from the log, so that what stands before it can go.
//!
//! The message stays what and where it is in its queue; only its entry is written anew, with all that is known of it, since
//! the events that led there may go with the old entry. What happens to it later is in the log, and has to get into the
//! archive too before the log may forget it: such messages are noted.

use super::{
    checkpoint::StoredMessage,
    event::{Event, Since},
    machine::Queue,
    message::Message,
    slots::Low,
};
use crate::base::{
    id::{Location, Lsn, MessageSeq},
    limits::ENTRY_OVERHEAD_BYTES,
};

/// What stands in the archive of a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Archived {
    messages: u64,
    bytes: u64,
}

impl Archived {
    pub(super) fn add(&mut self, location: Location, size: u32) {
        if location.lsn.is_in_archive() {
            self.messages += 1;
            self.bytes += u64::from(size);
        }
    }

    pub(super) fn remove(&mut self, location: Location, size: u32) {
        if location.lsn.is_in_archive() {
            self.messages -= 1;
            self.bytes -= u64::from(size);
        }
    }
}

impl Queue {
    /// Messages from `from` on whose entries stand below `below`, in the order of sending, up to `limit` of them.
    pub fn standing_below(&self, below: Lsn, from: MessageSeq, limit: usize) -> Vec<StoredMessage> {
        let standing = self.pages.standing_below(below, from);
        standing.map(|(seq, message)| self.stored(seq, &message)).take(limit).collect()
    }

    /// The first frames that hold messages, of the log and of the archive: both must keep everything from there. May be too
    /// low between checkpoints.
    pub fn lowest_frames(&self) -> Low {
        self.pages.lowest_frames()
    }

    /// What the log holds of the messages, about.
    pub fn logged_bytes(&self) -> u64 {
        self.bytes - self.archived.bytes + (self.pages.len() as u64 - self.archived.messages) * ENTRY_OVERHEAD_BYTES
    }

    /// What the archive holds of them, about.
    pub fn archived_bytes(&self) -> u64 {
        self.archived.bytes + self.archived.messages * ENTRY_OVERHEAD_BYTES
    }

    /// All that is known of a message.
    pub fn stored_message(&self, seq: MessageSeq) -> Option<StoredMessage> {
        self.pages.get(seq).map(|message| self.stored(seq, &message))
    }

    /// Of messages that an event ends, those that are not there: in a replay over pages that are newer than the event. Any of
    /// them may have an entry in the archive.
    pub fn ended_before(&self, event: &Event) -> Vec<MessageSeq> {
        let is_gone = |seq: &MessageSeq| *seq >= self.purged_below && self.pages.get(*seq).is_none();
        event.ended().iter().copied().filter(is_gone).collect()
    }

    /// The event that gives a message a new entry in the log; none when it is not there any more, or not at `at`.
    pub fn relocate(&self, seq: MessageSeq, at: Location) -> Option<Event> {
        let message = self.pages.get(seq).filter(|message| message.location == at)?;
        Some(Event::Relocated(Box::new(self.stored(seq, &message))))
    }

    /// The event that says of a message that its entry stands at `to` in the archive, written when it was as `then`. What has
    /// happened to it since has to follow.
    pub fn archive(&self, then: &StoredMessage, to: Location) -> Event {
        let since = match self.stored_message(then.seq) {
            Some(now) if now == *then => Since::Nothing,
            Some(now) => Since::Changed(Box::new(now)),
            None => Since::Gone,
        };
        Event::Archived { seq: then.seq, to, since }
    }

    /// The event that says of a message that its entry stands at `to` in the archive, when nobody knows how it was then.
    pub fn archive_late(&self, seq: MessageSeq, to: Location) -> Event {
        let now = self.stored_message(seq).map(Box::new);
        Event::Archived { seq, to, since: now.map_or(Since::Gone, Since::Changed) }
    }

    /// Messages in the archive that something happened to since this was asked, in order; some more than once.
    pub fn take_archive_changes(&mut self) -> Vec<MessageSeq> {
        std::mem::take(&mut self.archive_changes)
    }

    /// What is newer than the event knows more: of a message that is there only the place changes, and only upwards.
    pub(super) fn apply_relocated(&mut self, stored: &StoredMessage, at: Location) {
        self.next_seq = self.next_seq.max(stored.seq.next());
        if stored.seq < self.purged_below {
            return;
        }
        match self.pages.get(stored.seq).map(|message| message.location.lsn) {
            Some(lsn) if lsn >= at.lsn => {}
            Some(_) => self.place(stored.seq, at),
            None => self.restore_message(stored, at),
        }
    }

    /// In a replay the archive may have told of the message before, as it was when its entry was written.
    pub(super) fn apply_archived(&mut self, seq: MessageSeq, to: Location, since: &Since) {
        if seq < self.purged_below {
            return;
        }
        let place = self.pages.get(seq).map(|message| message.location);
        match (place, since) {
            (Some(_), Since::Gone) => self.drop_message(seq),
            (Some(at), Since::Changed(stored)) => {
                self.restore_message(stored, if at.lsn < to.lsn { to } else { at });
            }
            (Some(at), Since::Nothing) if at.lsn < to.lsn => self.place(seq, to),
            (Some(_), Since::Nothing) => return,
            (None, _) => {}
        }
        if place.is_none() || *since != Since::Nothing {
            self.archive_changes.push(seq);
        }
    }

    /// Where a message stands in the archive, if that is where it is.
    pub(super) fn place_in_archive(&self, seq: MessageSeq) -> Option<Location> {
        self.pages.get(seq).map(|message| message.location).filter(|at| at.lsn.is_in_archive())
    }

    /// Nothing has happened to the message but that it stands elsewhere.
    fn place(&mut self, seq: MessageSeq, at: Location) {
        let noted = self.archive_changes.len();
        self.change(seq, |message| message.location = at);
        self.archive_changes.truncate(noted);
    }

    fn restore_message(&mut self, stored: &StoredMessage, at: Location) {
        let group = self.hold_group(stored.group.as_ref());
        let stored = StoredMessage { location: at, ..stored.clone() };
        self.insert_message(stored.seq, Message::restored(&stored, group));
    }
}

/// For a start without the index: the archive tells what it has, in the order in which it was written.
impl Queue {
    /// A message whose entry stands at `at`.
    pub fn restore_archived(&mut self, stored: &StoredMessage, at: Location) {
        self.next_seq = self.next_seq.max(stored.seq.next());
        if stored.seq >= self.purged_below {
            self.restore_message(stored, at);
        }
        self.archive_changes.clear();
    }

    /// What had become of a message whose entry came before.
    pub fn restore_archived_state(&mut self, stored: &StoredMessage) {
        if let Some(at) = self.place_in_archive(stored.seq) {
            self.restore_archived(stored, at);
        }
    }

    /// A message that had gone.
    pub fn restore_archived_gone(&mut self, seq: MessageSeq) {
        self.drop_message(seq);
        self.archive_changes.clear();
    }
}
