//! Messages that stand where the log is to end are written anew at its head.

use super::worker::Worker;
use crate::{
    base::{
        id::{Lsn, MessageSeq, QueueId},
        limits::RELOCATE_MESSAGES,
    },
    domain::queue::event::Event,
    engine::{
        command::{Relocation, Standing, Then},
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
            if !self.touched.contains(&queue) {
                self.state.queues.park(queue);
            }
            found.extend(standing.into_iter().map(|(seq, at)| Standing { queue, seq, at }));
            if found.len() >= RELOCATE_MESSAGES {
                break;
            }
        }
        // An evacuation that is over needs no answer.
        let _ = answer.send(found);
    }

    /// Writes those anew that still are where they were read.
    pub(super) fn relocate(&mut self, moves: Vec<Relocation>, then: Then<()>) {
        for Relocation { standing: Standing { queue, seq, at }, sent, body } in moves {
            let event = self.state.queues.wake(queue).and_then(|queue| queue.relocate(seq, at));
            let Some(Event::Relocated(stored)) = event else { continue };
            let at = journal::push_relocated(self.frame(), queue, &stored, &sent, &body);
            self.state.apply(&Record::Queue(queue, Event::Relocated(stored)), at);
        }
        self.reply(Box::new(move || then(Ok(()))));
    }
}
