//! The way into a partition's thread: commands, bounded in number and bytes, and the news that its append is durable.

use crate::base::{
    id::Lsn,
    limits,
    reason::{Reason, Refusal},
    time::Timestamp,
};
use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// What the partition's thread finds when it looks.
pub(crate) struct Taken<C> {
    pub(crate) commands: VecDeque<C>,
    pub(crate) durable: Option<Lsn>,
}

pub(crate) struct Inbox<C> {
    inner: Mutex<Inner<C>>,
    news: Condvar,
    max_bytes: usize,
}

struct Inner<C> {
    commands: VecDeque<(C, usize)>,
    bytes: usize,
    durable: Option<Lsn>,
    /// The thread sleeps and wants to be woken.
    waiting: bool,
    closed: bool,
    /// The log failed: the thread is to end without another word.
    failed: bool,
}

impl<C> Inbox<C> {
    pub(crate) fn new(max_bytes: usize) -> Self {
        let inner =
            Inner { commands: VecDeque::new(), bytes: 0, durable: None, waiting: false, closed: false, failed: false };
        Self { inner: Mutex::new(inner), news: Condvar::new(), max_bytes }
    }

    /// Adds a command of about `bytes` bytes.
    ///
    /// # Errors
    ///
    /// Gives the command back with the reason: the inbox is full (retry), or closed (the broker is going away).
    pub(crate) fn push(&self, command: C, bytes: usize) -> Result<(), Refusal> {
        let inner = self.lock();
        if inner.closed {
            return Err(Refusal::new(Reason::Draining, "the broker is shutting down"));
        }
        let full = inner.commands.len() >= limits::INBOX_COMMANDS || inner.bytes + bytes > self.max_bytes;
        if full && !inner.commands.is_empty() {
            let (waiting, bytes) = (inner.commands.len(), inner.bytes);
            let message = format!("{waiting} commands of {bytes} bytes wait already, of at most {}", self.max_bytes);
            return Err(Refusal::new(Reason::ThroughputExceeded, message));
        }
        self.add(inner, command, bytes);
        Ok(())
    }

    /// Whether those who may wait with what they have should.
    pub(crate) fn is_half_full(&self) -> bool {
        let inner = self.lock();
        inner.commands.len() > limits::INBOX_COMMANDS / 2 || inner.bytes > self.max_bytes / 2
    }

    /// Adds a command of the engine itself, which may not be refused for want of room. Lost when closed.
    pub(crate) fn push_internal(&self, command: C) {
        let inner = self.lock();
        if !inner.closed {
            self.add(inner, command, 0);
        }
    }

    fn add(&self, mut inner: MutexGuard<'_, Inner<C>>, command: C, bytes: usize) {
        inner.commands.push_back((command, bytes));
        inner.bytes += bytes;
        self.wake(inner);
    }

    /// Tells the thread that its append is durable.
    pub(crate) fn set_durable(&self, lsn: Lsn) {
        let mut inner = self.lock();
        inner.durable = Some(lsn);
        self.wake(inner);
    }

    /// Refuses commands from now on; those inside are still taken.
    pub(crate) fn close(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        self.wake(inner);
    }

    /// Ends the thread at once. What waits inside is dropped, so that its callers hear of it.
    pub(crate) fn fail(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        inner.failed = true;
        let dropped = std::mem::take(&mut inner.commands);
        self.wake(inner);
        drop(dropped);
    }

    fn wake(&self, mut inner: MutexGuard<'_, Inner<C>>) {
        if std::mem::take(&mut inner.waiting) {
            drop(inner);
            self.news.notify_one();
        }
    }

    /// Waits until there is something to take or `deadline` is over, as told by `remaining`. `None` once the inbox is
    /// closed and empty, or failed. With `commands` false only a durable append counts.
    pub(crate) fn wait(&self, commands: bool, most_bytes: usize, deadline: Option<Duration>) -> Option<Taken<C>> {
        let mut inner = self.lock();
        loop {
            if inner.failed {
                return None;
            }
            if inner.durable.is_some() || (commands && !inner.commands.is_empty()) {
                let most = if commands { most_bytes } else { 0 };
                return Some(Self::take_from(&mut inner, most));
            }
            if inner.closed && commands {
                return None;
            }
            inner.waiting = true;
            let Some(wait) = deadline else {
                inner = self.news.wait(inner).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let (guard, timeout) = self.news.wait_timeout(inner, wait).unwrap_or_else(PoisonError::into_inner);
            inner = guard;
            inner.waiting = false;
            if timeout.timed_out() {
                return Some(Self::take_from(&mut inner, if commands { most_bytes } else { 0 }));
            }
        }
    }

    fn take_from(inner: &mut Inner<C>, most_bytes: usize) -> Taken<C> {
        let durable = inner.durable.take();
        let mut commands = VecDeque::new();
        let mut taken = 0;
        while taken < most_bytes
            && let Some((command, bytes)) = inner.commands.pop_front()
        {
            // A command costs something even when it carries no bytes.
            taken += bytes + 64;
            inner.bytes -= bytes;
            commands.push_back(command);
        }
        Taken { commands, durable }
    }

    fn lock(&self) -> MutexGuard<'_, Inner<C>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long from `now` to `deadline`.
pub(crate) fn remaining(now: Timestamp, deadline: Option<Timestamp>) -> Option<Duration> {
    deadline.map(|deadline| deadline.since(now))
}
