//! Messages that stand where the log, or the archive, is to end: where they are, that they have moved, and what has become
//! of those in the archive.

use super::worker::Worker;
use crate::{
    base::{
        id::{Lsn, MessageSeq, QueueId},
        limits::RELOCATE_MESSAGES,
    },
    domain::queue::event::Event,
    engine::{
        command::{Changes, Move, Relocation, Standing, Then},
        journal::{self, Record},
    },
};
use std::sync::mpsc;

impl Worker {
    /// The first messages, by queue and number, from `from` on that stand below `below`.
    pub(super) fn standing(&mut self, below: Lsn, from: (QueueId, MessageSeq), answer: &mpsc::Sender<Vec<Standing>>) {
        let mut found = Vec::new();
        for queue in self.state.queues.standing_below(below, from.0) {
            let Some(state) = self.state.queues.wake(queue) else { continue };
            let first = if queue == from.0 { from.1 } else { MessageSeq(0) };
            let standing = state.standing_below(below, first, RELOCATE_MESSAGES - found.len());
            self.park_untouched(queue);
            found.extend(standing.into_iter().map(|message| Standing { queue, message }));
            if found.len() >= RELOCATE_MESSAGES {
                break;
            }
        }
        // An evacuation that is over needs no answer.
        let _ = answer.send(found);
    }

    /// Writes those anew in the log that still are where they were read.
    pub(super) fn relocate(&mut self, moves: Vec<Relocation>, then: Then<()>) {
        for Relocation { queue, seq, at, sent, body } in moves {
            let event = self.state.queues.wake(queue).and_then(|queue| queue.relocate(seq, at));
            let Some(Event::Relocated(stored)) = event else { continue };
            let at = journal::push_relocated(self.frame(), queue, &stored, &sent, &body);
            self.state.apply(&Record::Queue(queue, Event::Relocated(stored)), at);
        }
        self.reply(Box::new(move || then(Ok(()))));
    }

    /// Records where messages stand in the archive.
    pub(super) fn archive(&mut self, moves: Vec<Move>, then: Then<()>) {
        for Move { queue, message, to } in moves {
            let event = self.state.queues.wake(queue).map(|queue| queue.archive(&message, to));
            if let Some(event) = event {
                self.record(Record::Queue(queue, event));
            }
        }
        self.reply(Box::new(move || then(Ok(()))));
    }

    /// What has become of messages in the archive since it last heard of them: the oldest changes.
    pub(super) fn archive_changes(&mut self, limit: usize, answer: mpsc::Sender<Changes>) {
        let all = self.state.archive.changes().len();
        let (count, changed) = self.state.archive.look(limit);
        let mut messages = Vec::with_capacity(changed.len());
        let mut woken = None;
        for (queue, seq) in changed {
            // What a queue that is gone had is gone with it.
            let Some(state) = self.state.queues.wake(queue) else { continue };
            messages.push((queue, seq, state.stored_message(seq)));
            if let Some(before) = woken.replace(queue).filter(|before| *before != queue) {
                self.park_untouched(before);
            }
        }
        woken.into_iter().for_each(|queue| self.park_untouched(queue));
        let changes = Changes { count, all, messages };
        // Only what is durable here may be durable there. An evacuation that is over needs no answer.
        self.reply(Box::new(move || drop(answer.send(changes))));
    }

    /// The archive has heard of the oldest changes.
    pub(super) fn archive_heard(&mut self, count: usize, lsn: Lsn) {
        self.state.archive.heard(count, lsn);
    }

    fn park_untouched(&mut self, queue: QueueId) {
        if !self.touched.contains(&queue) {
            self.state.queues.park(queue);
        }
    }
}
