//! Replies that wait for the disk: each leaves when the frame it depends on is durable, never before.
//!
//! Invariant: replies that waited leave one after another in the order of their frames, although frames become durable on
//! several threads. Who hands on what a frame moved, or shows what it changed, relies on that.

use crate::base::id::Lsn;
use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

/// Runs once, on the thread that makes its frame durable or on the one that finds it durable already.
pub(crate) type Reply = Box<dyn FnOnce() + Send>;

/// The durable position of one partition, and who waits for a higher one.
#[derive(Default)]
pub(crate) struct Gate(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    durable: Lsn,
    /// In rising order of LSN.
    waiting: VecDeque<(Lsn, Vec<Reply>)>,
    /// A thread lets replies out, and will not stop before those that became ready meanwhile.
    is_opening: bool,
    /// Nothing more will be durable.
    failed: bool,
}

impl Gate {
    pub(crate) fn new(durable: Lsn) -> Self {
        Self(Mutex::new(Inner { durable, ..Inner::default() }))
    }

    /// Runs `reply` once `lsn` is durable: now, if it is.
    pub(crate) fn when(&self, lsn: Lsn, reply: Reply) {
        let mut inner = self.lock();
        if lsn <= inner.durable {
            drop(inner);
            return reply();
        }
        if inner.failed {
            return;
        }
        let at = inner.waiting.partition_point(|(waiting, _)| *waiting < lsn);
        match inner.waiting.get_mut(at) {
            Some((waiting, replies)) if *waiting == lsn => replies.push(reply),
            _ => inner.waiting.insert(at, (lsn, vec![reply])),
        }
    }

    /// Lets everything out that waits for `lsn` or less.
    pub(crate) fn open(&self, lsn: Lsn) {
        let mut inner = self.lock();
        inner.durable = inner.durable.max(lsn);
        if inner.is_opening {
            return;
        }
        loop {
            let durable = inner.durable;
            let out = inner.waiting.partition_point(|(waiting, _)| *waiting <= durable);
            let ready: Vec<_> = inner.waiting.drain(..out).collect();
            inner.is_opening = !ready.is_empty();
            if ready.is_empty() {
                return;
            }
            drop(inner);
            for reply in ready.into_iter().flat_map(|(_, replies)| replies) {
                reply();
            }
            inner = self.lock();
        }
    }

    /// Drops every reply that waits, and every later one that would have to: what it depends on will never be durable.
    pub(crate) fn fail(&self) {
        let mut inner = self.lock();
        inner.failed = true;
        let dropped = std::mem::take(&mut inner.waiting);
        drop(inner);
        drop(dropped);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    };

    #[test]
    fn a_reply_leaves_when_its_frame_is_durable_and_not_before() {
        let gate = Gate::new(Lsn(5));
        let seen = Arc::new(AtomicU64::new(0));
        let reply = |bit: u64| -> Reply {
            let seen = seen.clone();
            Box::new(move || {
                seen.fetch_or(bit, Ordering::Relaxed);
            })
        };
        gate.when(Lsn(5), reply(1));
        gate.when(Lsn(7), reply(4));
        gate.when(Lsn(6), reply(2));
        assert_eq!(seen.load(Ordering::Relaxed), 1);
        gate.open(Lsn(6));
        assert_eq!(seen.load(Ordering::Relaxed), 3);
        gate.open(Lsn(7));
        assert_eq!(seen.load(Ordering::Relaxed), 7);
    }

    #[test]
    fn a_frame_that_is_durable_while_replies_leave_lets_its_own_out_behind_them() {
        let gate = Arc::new(Gate::new(Lsn(5)));
        let order = Arc::new(Mutex::new(Vec::new()));
        let note = |lsn: u64| {
            let order = order.clone();
            move || order.lock().expect("no panic").push(lsn)
        };
        let (first, again) = (note(6), gate.clone());
        // As another thread does that made the next frame durable.
        gate.when(Lsn(6), Box::new(move || (again.open(Lsn(7)), first()).1));
        gate.when(Lsn(6), Box::new(note(6)));
        gate.when(Lsn(7), Box::new(note(7)));
        gate.open(Lsn(6));
        assert_eq!(*order.lock().expect("no panic"), [6, 6, 7]);
        gate.when(Lsn(8), Box::new(note(8)));
        gate.open(Lsn(8));
        assert_eq!(order.lock().expect("no panic").last(), Some(&8));
    }

    #[test]
    fn a_reply_never_leaves_once_its_frame_cannot_be_durable() {
        let gate = Gate::new(Lsn(5));
        let left = Arc::new(AtomicU64::new(0));
        let reply = || -> Reply {
            let left = left.clone();
            Box::new(move || {
                left.fetch_add(1, Ordering::Relaxed);
            })
        };
        gate.when(Lsn(6), reply());
        gate.fail();
        gate.when(Lsn(6), reply());
        assert_eq!(left.load(Ordering::Relaxed), 0);
        assert_eq!(Arc::strong_count(&left), 1, "the replies are dropped, so their callers hear of it");
        gate.when(Lsn(5), reply());
        assert_eq!(left.load(Ordering::Relaxed), 1, "what was durable before still is");
    }
}
