//! Begins the end of a server, and says how long it may take.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Calls that were still open when the grace ended.
    pub cut_calls: u64,
}

/// A server's drain; clones share it.
#[derive(Clone)]
pub struct DrainControl {
    begun: CancellationToken,
    grace: Arc<Mutex<Duration>>,
}

impl DrainControl {
    pub fn new(begun: CancellationToken, grace: Duration) -> Self {
        Self { begun, grace: Arc::new(Mutex::new(grace)) }
    }

    pub fn begin(&self, grace: Option<Duration>) {
        if let Some(grace) = grace {
            *self.grace.lock().unwrap_or_else(PoisonError::into_inner) = grace;
        }
        self.begun.cancel();
    }

    pub fn begun(&self) -> &CancellationToken {
        &self.begun
    }

    pub fn grace(&self) -> Duration {
        *self.grace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
