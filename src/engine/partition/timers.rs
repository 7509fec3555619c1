//! When each queue next has something to do by itself. Idle queues cost nothing.

use crate::base::{id::QueueId, time::Timestamp};
use std::collections::{BTreeSet, HashMap};

#[derive(Default)]
pub(crate) struct Timers {
    by_time: BTreeSet<(Timestamp, QueueId)>,
    by_queue: HashMap<QueueId, Timestamp>,
}

impl Timers {
    pub(crate) fn set(&mut self, queue: QueueId, when: Option<Timestamp>) {
        let before = match when {
            Some(when) => self.by_queue.insert(queue, when),
            None => self.by_queue.remove(&queue),
        };
        if before == when {
            return;
        }
        if let Some(before) = before {
            self.by_time.remove(&(before, queue));
        }
        if let Some(when) = when {
            self.by_time.insert((when, queue));
        }
    }

    /// Takes one queue whose time has come.
    pub(crate) fn pop_due(&mut self, now: Timestamp) -> Option<QueueId> {
        let (when, queue) = *self.by_time.first()?;
        if when > now {
            return None;
        }
        self.by_time.pop_first();
        self.by_queue.remove(&queue);
        Some(queue)
    }

    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.by_time.first().map(|(when, _)| *when)
    }
}
