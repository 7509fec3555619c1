//! How events change a queue. The only file that does.
//!
//! Every event sets absolute values and passes over messages that are gone, so replaying a stretch of the log over a
//! state that already contains some of it ends in the same state. All orders and counters follow from the messages: a
//! change takes a message out of them as it stood, changes it, and enters it as it stands.

use super::{
    dedup::Remembered,
    event::{Event, MoveReason, Moved, Received, Sent, VisibilityChanged},
    machine::Queue,
    message::{GroupNo, Message, Place, State},
    producers::Producer,
    settings::Settings,
};
use crate::base::{
    id::{LeaseId, Location, MessageSeq},
    limits,
    time::Timestamp,
};
use std::sync::Arc;

impl Queue {
    /// Changes the queue as `event` says; `at` is where the event's entry stands.
    pub fn apply(&mut self, event: &Event, at: Location) {
        match event {
            Event::Sent(sent) => self.apply_sent(sent, at),
            Event::Received(received) => self.apply_received(received),
            Event::VisibilityChanged(change) => self.apply_visibility(change),
            Event::Deleted { seq } => self.drop_message(*seq),
            Event::Expired { seqs } => seqs.iter().for_each(|seq| self.drop_message(*seq)),
            Event::Purged { below, at } => self.apply_purged(*below, *at),
            Event::Moved(moved) => self.apply_moved(moved),
            Event::Relocated(stored) => self.apply_relocated(stored, at),
            Event::Archived { seq, to, since } => self.apply_archived(*seq, *to, since),
            Event::SettingsChanged(settings) => self.apply_settings(settings),
            Event::RedriveStarted(started) => {
                self.now = self.now.max(started.at);
                self.redrives.start(started);
            }
            Event::RedriveEnded { id, outcome, at } => {
                self.now = self.now.max(*at);
                self.redrives.end(*id, outcome, *at);
            }
        }
    }

    fn apply_sent(&mut self, sent: &Sent, at: Location) {
        self.now = self.now.max(sent.send_time);
        // In a replay the message may have moved on already.
        let at = if sent.seq < self.next_seq { self.place_in_archive(sent.seq).unwrap_or(at) } else { at };
        self.next_seq = self.next_seq.max(sent.seq.next());
        if let Some(transfer) = sent.transfer {
            let mark = self.transfers.entry(transfer.source).or_default();
            *mark = transfer.number.max(*mark);
        }
        if let Some((id, sequence)) = &sent.producer {
            self.producers.note(Producer { id: id.clone(), sequence: *sequence, last: sent.seq });
        }
        if sent.seq < self.purged_below {
            return;
        }
        if let (Some(id), None) = (&sent.deduplication_id, sent.transfer) {
            self.dedup.remember(Remembered {
                group: sent.group.clone(),
                deduplication_id: id.clone(),
                message_id: sent.message_id,
                seq: sent.seq,
                send_time: sent.send_time,
            });
        }
        let fifo = self.settings.is_fifo();
        let group = self.hold_group(sent.group.as_ref());
        self.insert_message(sent.seq, Message::sent(sent, at, group, fifo));
    }

    fn apply_received(&mut self, received: &Received) {
        self.now = self.now.max(received.at);
        self.note_attempt(received);
        self.change(received.seq, |message| {
            message.visible_at = received.visible_at;
            message.receive_count = received.receive_count;
            message.follows_queue_delay = false;
            message.leased = true;
            let rare = message.rare_mut();
            rare.note_receive(received.at);
            if rare.lease != received.lease {
                rare.leased_at = received.at;
            }
            rare.lease = received.lease;
        });
    }

    fn apply_visibility(&mut self, change: &VisibilityChanged) {
        self.now = self.now.max(change.at);
        self.change(change.seq, |message| {
            message.visible_at = change.visible_at;
            message.receive_count = change.receive_count;
            message.follows_queue_delay = false;
            message.leased = change.lease != LeaseId(0);
            if message.leased && message.rare().lease != change.lease {
                let rare = message.rare_mut();
                rare.lease = change.lease;
                rare.leased_at = change.at;
            }
        });
    }

    fn apply_purged(&mut self, below: MessageSeq, at: Timestamp) {
        self.now = self.now.max(at);
        self.purged_below = self.purged_below.max(below);
        self.purged_at = self.purged_at.max(Some(at));
        self.dedup.purge(below);
        if below >= self.next_seq {
            self.drop_all();
            return;
        }
        while let Some((seq, _)) = self.pages.first() {
            if seq >= below {
                break;
            }
            self.drop_message(seq);
        }
    }

    fn apply_moved(&mut self, moved: &Moved) {
        self.now = self.now.max(moved.at);
        self.drop_message(moved.seq);
        match &moved.why {
            MoveReason::MaxReceives | MoveReason::Explicit { .. } => {}
            MoveReason::Redrive { id, moved } => self.redrives.progress(*id, *moved),
        }
    }

    /// The delay of a FIFO queue moves what waits for it. Also when it seems to be the delay of before: in a replay over
    /// a newer head it may not be the one the messages were sent with. Only those of the last minutes can be waiting.
    fn apply_settings(&mut self, settings: &Settings) {
        self.settings = settings.clone();
        if !self.settings.is_fifo() {
            return;
        }
        let longest = settings.delay.max(limits::DELAY_MAX);
        let recent = self.pages.iter_back().take_while(|(_, message)| message.send_time + longest > self.now);
        let waiting = recent.filter(|(_, message)| {
            message.follows_queue_delay && message.visible_at != message.send_time + settings.delay
        });
        let seqs: Vec<_> = waiting.map(|(seq, _)| seq).collect();
        for seq in seqs {
            self.change(seq, |message| message.visible_at = message.send_time + settings.delay);
        }
    }
}

/// Messages in and out of the queue's orders.
impl Queue {
    /// A FIFO queue's message is always of a group, also when it names none.
    pub(super) fn hold_group(&mut self, name: Option<&Arc<str>>) -> Option<GroupNo> {
        match name {
            Some(name) => Some(self.groups.hold(name)),
            None if self.settings.is_fifo() => Some(self.groups.hold(&Arc::from(""))),
            None => None,
        }
    }

    pub(super) fn insert_message(&mut self, seq: MessageSeq, mut message: Message) {
        self.drop_message(seq);
        message.state = message.state_at(self.now);
        self.bytes += u64::from(message.size);
        self.archived.add(message.location, message.size);
        let place = message.place();
        self.pages.insert(seq, message);
        if let (Some(no), true) = (place.group, self.settings.is_fifo()) {
            self.groups.join(no, seq);
        }
        self.enter(seq, place);
    }

    pub(super) fn drop_message(&mut self, seq: MessageSeq) {
        let Some(message) = self.pages.remove(seq) else { return };
        self.bytes -= u64::from(message.size);
        self.archived.remove(message.location, message.size);
        if message.location.lsn.is_in_archive() {
            self.archive_changes.push(seq);
        }
        let place = message.place();
        if let (Some(no), true) = (place.group, self.settings.is_fifo()) {
            self.groups.leave(no, seq);
        }
        self.leave(seq, place);
        if let Some(no) = place.group {
            self.groups.release(no);
        }
    }

    fn drop_all(&mut self) {
        self.pages.clear();
        self.groups = Default::default();
        self.timers.clear();
        self.in_flight = 0;
        self.delayed = 0;
        self.bytes = 0;
        self.archived = Default::default();
    }

    /// Changes a message if it is there, and its state with it.
    pub(super) fn change(&mut self, seq: MessageSeq, change: impl FnOnce(&mut Message)) {
        let (now, archived) = (self.now, &mut self.archived);
        let mut was_archived = false;
        let places = self.pages.change(seq, |message| {
            was_archived = message.location.lsn.is_in_archive();
            archived.remove(message.location, message.size);
            change(message);
            archived.add(message.location, message.size);
            message.state = message.state_at(now);
        });
        if was_archived {
            self.archive_changes.push(seq);
        }
        self.follow(seq, places);
    }

    /// Lets a message's state follow the clock. Its page did not change: the state is not stored.
    pub(super) fn follow_clock(&mut self, seq: MessageSeq) {
        let places = self.pages.follow_clock(seq, self.now);
        self.follow(seq, places);
    }

    /// Enters the moment at which a hidden message becomes visible, now that it is near or has come.
    pub(super) fn time_exactly(&mut self, seq: MessageSeq) {
        let Some(visible_at) = self.pages.get(seq).map(|message| message.visible_at) else { return };
        if visible_at <= self.now {
            self.follow_clock(seq);
        } else {
            self.timers.insert(self.now, visible_at, seq);
        }
    }

    /// Takes a message from one place to another, both before and after its change.
    fn follow(&mut self, seq: MessageSeq, places: Option<(Place, Place)>) {
        if let Some((before, after)) = places.filter(|(before, after)| before != after) {
            self.leave(seq, before);
            self.enter(seq, after);
        }
    }

    fn leave(&mut self, seq: MessageSeq, place: Place) {
        match place.state {
            State::Visible => self.set_ready(seq, place.group, false),
            State::InFlight => {
                self.timers.remove(place.visible_at, seq);
                self.in_flight -= 1;
                if let Some(no) = place.group {
                    self.groups.unlease(no);
                }
            }
            State::Delayed => {
                self.timers.remove(place.visible_at, seq);
                self.delayed -= 1;
            }
        }
        self.refresh_head(place.group);
    }

    pub(super) fn enter(&mut self, seq: MessageSeq, place: Place) {
        match place.state {
            State::Visible => self.set_ready(seq, place.group, true),
            State::InFlight => {
                self.timers.insert(self.now, place.visible_at, seq);
                self.in_flight += 1;
                if let Some(no) = place.group {
                    self.groups.lease(no, seq);
                }
            }
            State::Delayed => {
                self.timers.insert(self.now, place.visible_at, seq);
                self.delayed += 1;
            }
        }
        self.refresh_head(place.group);
    }

    fn set_ready(&mut self, seq: MessageSeq, group: Option<GroupNo>, ready: bool) {
        match group {
            None => self.pages.set_ready(seq, ready),
            Some(_) if self.settings.is_fifo() => {}
            Some(no) if ready => self.groups.join(no, seq),
            Some(no) => self.groups.leave(no, seq),
        }
    }

    /// A group's first member leads it; on a FIFO queue only when it is ready.
    fn refresh_head(&mut self, group: Option<GroupNo>) {
        let Some(no) = group else { return };
        let first = self.groups.first(no);
        let fifo = self.settings.is_fifo();
        self.groups.set_head(no, first.filter(|seq| !fifo || self.pages.is_visible(*seq)));
    }
}
