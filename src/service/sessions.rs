//! What consume calls hold, by session, so that a client whose call broke can take its leases over.
//!
//! A session is registered while its call lives and, if it held leases at the end, until those end. Nothing here is
//! durable: after a restart the leases simply run out.

use super::{broker::Caller, consume::ledger::Ledger};
use crate::base::id::QueueId;
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio_util::sync::CancellationToken;

/// Names one consume session. Unguessable: who knows it and may receive from the queue may take the leases over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionId(pub [u8; 16]);

impl SessionId {
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = text.len() == 32 && text.is_ascii();
        is_hex.then(|| u128::from_str_radix(text, 16).ok().map(|number| Self(number.to_be_bytes())))?
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// What one session holds, shared between its call and the registry.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) queue: QueueId,
    pub(super) owner: Caller,
    /// Taken out when another call resumes the session: then this call is over.
    ledger: Mutex<Option<Ledger>>,
    taken: CancellationToken,
}

impl Held {
    pub(super) fn new(queue: QueueId, owner: Caller, ledger: Ledger) -> Self {
        Self { queue, owner, ledger: Mutex::new(Some(ledger)), taken: CancellationToken::new() }
    }

    /// Runs `work` on what is held; `None` when another call has taken it.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut Ledger) -> T) -> Option<T> {
        lock(&self.ledger).as_mut().map(work)
    }

    /// Cancelled when another call takes the session over.
    pub(super) fn taken(&self) -> &CancellationToken {
        &self.taken
    }

    fn take(&self) -> Option<Ledger> {
        let ledger = lock(&self.ledger).take();
        self.taken.cancel();
        ledger
    }
}

#[derive(Debug, Default)]
pub struct Sessions {
    by_id: Mutex<HashMap<SessionId, Arc<Held>>>,
}

impl Sessions {
    pub(super) fn insert(&self, id: SessionId, held: Arc<Held>) {
        lock(&self.by_id).insert(id, held);
    }

    /// Forgets the session, unless another call has taken it over since.
    pub(super) fn remove(&self, id: SessionId, held: &Arc<Held>) {
        let mut sessions = lock(&self.by_id);
        if sessions.get(&id).is_some_and(|found| Arc::ptr_eq(found, held)) {
            sessions.remove(&id);
        }
    }

    /// Takes what the session holds away from the call that held it; `None` when it is unknown, another caller's or
    /// another queue's.
    pub(super) fn take_over(&self, id: SessionId, queue: QueueId, caller: &Caller) -> Option<Ledger> {
        let mut sessions = lock(&self.by_id);
        let held = sessions.get(&id).filter(|held| held.queue == queue && held.owner.is_same_user(caller))?.clone();
        sessions.remove(&id);
        drop(sessions);
        held.take()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_is_written() {
        let id = SessionId([7; 16]);
        assert_eq!(SessionId::parse(&id.to_string()), Some(id));
        for bad in ["", "07", &"g".repeat(32), &"0".repeat(33), "+0000000000000000000000000000001"] {
            assert_eq!(SessionId::parse(bad).filter(|id| id.to_string() == bad), None, "{bad}");
        }
    }
}
