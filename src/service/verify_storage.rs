//! A pass over the storage that somebody asked for: how far it is, and what it finds.

use super::{
    authorise::Action,
    broker::{Broker, Caller},
    check,
};
use crate::{
    base::reason::{Reason, Refusal},
    engine::scrub::PassProgress,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// A slower pass would wait seconds between two reads.
const BYTES_PER_SECOND_MIN: u64 = 64 << 10;

/// A pass while somebody listens; dropping it ends the pass.
pub struct Verification {
    progress: watch::Receiver<PassProgress>,
    draining: CancellationToken,
    told: usize,
    is_over: bool,
}

/// What is new of a pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyStep {
    pub checked_bytes: u64,
    pub total_bytes: u64,
    /// Those that were not told before.
    pub problems: Vec<String>,
}

impl Broker {
    /// Starts a pass now, or behind those that others asked for. At zero bytes a second it goes as configured.
    pub fn verify_storage(&self, caller: &Caller, bytes_per_second: u64) -> Result<Verification, Refusal> {
        self.authorise_server(caller, Action::VerifyStorage)?;
        if (1..BYTES_PER_SECOND_MIN).contains(&bytes_per_second) {
            let limit = format!("0, or {BYTES_PER_SECOND_MIN} and more");
            return Err(check::outside("max_bytes_per_second", bytes_per_second, limit));
        }
        self.refuse_when_draining()?;
        let progress = self.engine.verify_storage(bytes_per_second)?;
        Ok(Verification { progress, draining: self.draining().clone(), told: 0, is_over: false })
    }
}

impl Verification {
    /// The next news; `None` once the pass is over, and was whole.
    ///
    /// # Cancel safety
    ///
    /// What a dropped call would have told, the next one tells.
    pub async fn next(&mut self) -> Option<Result<VerifyStep, Refusal>> {
        if self.is_over {
            return None;
        }
        let changed = tokio::select! {
            changed = self.progress.changed() => changed.is_ok(),
            () = self.draining.cancelled() => false,
        };
        if !changed {
            self.is_over = true;
            let message = "the broker is shutting down; the storage was not read to its end";
            return Some(Err(Refusal::new(Reason::Draining, message)));
        }
        let progress = self.progress.borrow_and_update();
        let problems = progress.problems.get(self.told..).unwrap_or_default().to_vec();
        self.told = progress.problems.len();
        self.is_over = progress.done;
        let PassProgress { checked_bytes, total_bytes, .. } = *progress;
        Some(Ok(VerifyStep { checked_bytes, total_bytes, problems }))
    }
}
