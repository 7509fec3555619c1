//! Receives that wait for a message or a record. An idle one costs a map entry and no CPU.

use crate::{
    base::{id::QueueId, time::Timestamp},
    domain::queue::Delivery,
    engine::{command::Answer, message::ReceiveOptions},
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::Hash,
};

/// Who waits for messages.
pub(crate) type QueueWaiters = Waiters<QueueId, ReceiveOptions, Vec<Delivery>>;

pub(crate) struct Waiter<O, T> {
    pub(crate) options: O,
    pub(crate) answer: Answer<T>,
    pub(crate) deadline: Timestamp,
}

/// Waiters by queue, served in the order they came.
pub(crate) struct Waiters<Q, O, T> {
    by_queue: HashMap<Q, BTreeMap<u64, Waiter<O, T>>>,
    deadlines: BTreeSet<(Timestamp, Q, u64)>,
}

impl<Q, O, T> Default for Waiters<Q, O, T> {
    fn default() -> Self {
        Self { by_queue: HashMap::new(), deadlines: BTreeSet::new() }
    }
}

impl<Q: Copy + Ord + Hash, O, T> Waiters<Q, O, T> {
    /// `number` rises from waiter to waiter.
    pub(crate) fn add(&mut self, queue: Q, number: u64, waiter: Waiter<O, T>) {
        self.deadlines.insert((waiter.deadline, queue, number));
        self.by_queue.entry(queue).or_default().insert(number, waiter);
    }

    /// Takes the first waiter of a queue whose taker is still there.
    pub(crate) fn pop(&mut self, queue: Q) -> Option<(u64, Waiter<O, T>)> {
        loop {
            let (number, waiter) = self.by_queue.get_mut(&queue)?.pop_first()?;
            self.forget(queue, number, waiter.deadline);
            if !waiter.answer.is_closed() {
                return Some((number, waiter));
            }
        }
    }

    pub(crate) fn remove(&mut self, queue: Q, number: u64) -> Option<Waiter<O, T>> {
        let waiter = self.by_queue.get_mut(&queue)?.remove(&number)?;
        self.forget(queue, number, waiter.deadline);
        Some(waiter)
    }

    /// Takes every waiter of a queue.
    pub(crate) fn remove_all(&mut self, queue: Q) -> Vec<Waiter<O, T>> {
        let waiters = self.by_queue.remove(&queue).unwrap_or_default();
        for (number, waiter) in &waiters {
            self.deadlines.remove(&(waiter.deadline, queue, *number));
        }
        waiters.into_values().collect()
    }

    /// Takes one waiter whose time is over.
    pub(crate) fn pop_due(&mut self, now: Timestamp) -> Option<Waiter<O, T>> {
        let (deadline, queue, number) = *self.deadlines.first()?;
        if deadline > now {
            return None;
        }
        self.deadlines.pop_first();
        let waiter = self.by_queue.get_mut(&queue)?.remove(&number);
        self.drop_if_empty(queue);
        waiter
    }

    pub(crate) fn next_deadline(&self) -> Option<Timestamp> {
        self.deadlines.first().map(|(deadline, ..)| *deadline)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_queue.is_empty()
    }

    pub(crate) fn count(&self, queue: Q) -> usize {
        self.by_queue.get(&queue).map_or(0, BTreeMap::len)
    }

    fn forget(&mut self, queue: Q, number: u64, deadline: Timestamp) {
        self.deadlines.remove(&(deadline, queue, number));
        self.drop_if_empty(queue);
    }

    fn drop_if_empty(&mut self, queue: Q) {
        if self.by_queue.get(&queue).is_some_and(BTreeMap::is_empty) {
            self.by_queue.remove(&queue);
        }
    }
}
