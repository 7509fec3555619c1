//! When to make a call again that broke.

use std::time::Duration;
use tokio::time::Instant;

/// Between a break and the first attempt to call again; twice as long each time, up to the last.
const FIRST: Duration = Duration::from_millis(100);
const LAST: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
pub(crate) struct Retry {
    /// A call was opened: before that, a failure is final.
    opened: bool,
    /// Since when no call has been opened.
    since: Option<Instant>,
    attempts: u32,
}

impl Retry {
    pub(crate) fn opened(&mut self) {
        *self = Self { opened: true, since: None, attempts: 0 };
    }

    /// How long to wait before the next attempt; `None` when there is to be none.
    pub(crate) fn next(&mut self, longest: Duration) -> Option<Duration> {
        let wait = FIRST.saturating_mul(1 << self.attempts.min(8)).min(LAST);
        self.attempts += 1;
        let now = Instant::now();
        let since = *self.since.get_or_insert(now);
        (self.opened && now.duration_since(since) < longest).then_some(wait)
    }
}
