//! When each queue, or each stream, next has something to do by itself. Idle ones cost nothing.

use crate::base::time::Timestamp;
use std::{
    collections::{BTreeSet, HashMap},
    hash::Hash,
};

pub(crate) struct Timers<Id> {
    by_time: BTreeSet<(Timestamp, Id)>,
    by_id: HashMap<Id, Timestamp>,
}

impl<Id> Default for Timers<Id> {
    fn default() -> Self {
        Self { by_time: BTreeSet::new(), by_id: HashMap::new() }
    }
}

impl<Id: Copy + Ord + Hash> Timers<Id> {
    pub(crate) fn set(&mut self, id: Id, when: Option<Timestamp>) {
        let before = match when {
            Some(when) => self.by_id.insert(id, when),
            None => self.by_id.remove(&id),
        };
        if before == when {
            return;
        }
        if let Some(before) = before {
            self.by_time.remove(&(before, id));
        }
        if let Some(when) = when {
            self.by_time.insert((when, id));
        }
    }

    pub(crate) fn get(&self, id: Id) -> Option<Timestamp> {
        self.by_id.get(&id).copied()
    }

    /// Takes one whose time has come.
    pub(crate) fn pop_due(&mut self, now: Timestamp) -> Option<Id> {
        let (when, id) = *self.by_time.first()?;
        if when > now {
            return None;
        }
        self.by_time.pop_first();
        self.by_id.remove(&id);
        Some(id)
    }

    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.by_time.first().map(|(when, _)| *when)
    }
}
