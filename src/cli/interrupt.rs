//! Ctrl-C and its siblings.

use std::future::pending;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Waits for SIGINT or SIGTERM, again and again.
pub(crate) struct Interrupts {
    signals: Vec<Signal>,
}

impl Interrupts {
    /// From now on the signals do not end the process by themselves.
    pub(crate) fn listen() -> Self {
        let kinds = [SignalKind::interrupt(), SignalKind::terminate()];
        Self { signals: kinds.into_iter().filter_map(|kind| signal(kind).ok()).collect() }
    }

    /// # Cancel safety
    /// No signal is lost when this is dropped.
    pub(crate) async fn next(&mut self) {
        match self.signals.as_mut_slice() {
            [first, second] => tokio::select! {
                _ = first.recv() => {}
                _ = second.recv() => {}
            },
            [only] => {
                only.recv().await;
            }
            _ => pending().await,
        }
    }
}
