//! The stopwatch: the one place of the command line that asks what time it is.

use std::time::{Duration, Instant};

#[expect(clippy::disallowed_methods, reason = "a benchmark measures")]
pub(super) fn now() -> Instant {
    Instant::now()
}

/// What counts of a run: not the warm-up, and nothing after the end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) from: Instant,
    pub(super) until: Instant,
}

impl Window {
    pub(super) fn after(warmup: Duration, duration: Duration) -> Self {
        let from = now() + warmup;
        Self { from, until: from + duration }
    }

    pub(super) fn counts(&self, moment: Instant) -> bool {
        moment >= self.from && moment < self.until
    }

    pub(super) fn is_over(&self, moment: Instant) -> bool {
        moment >= self.until
    }
}

/// When a client makes its next call.
#[derive(Debug)]
pub(super) struct Pace {
    /// Open loop: the time between two calls of this client.
    every: Option<Duration>,
    next: Instant,
}

impl Pace {
    /// Closed loop: at once, when the call before is answered.
    pub(super) fn closed() -> Self {
        Self { every: None, next: now() }
    }

    /// Open loop: `clients` share `calls_per_second`, evenly spread.
    pub(super) fn open(calls_per_second: f64, client: u32, clients: u32) -> Self {
        let every = Duration::from_secs_f64(f64::from(clients) / calls_per_second);
        Self { every: Some(every), next: now() + every.mul_f64(f64::from(client) / f64::from(clients)) }
    }

    /// Waits until the next call is due, and returns the moment from which its time counts. That is when it was due if the
    /// client was still busy then, so that a slow answer counts for every call it delayed (no coordinated omission); a client that
    /// was waiting starts its clock when the timer, which knows only milliseconds, lets it go.
    pub(super) async fn due(&mut self) -> Instant {
        let started = now();
        let Some(every) = self.every else { return started };
        let due = self.next;
        self.next += every;
        if due <= started {
            return due;
        }
        tokio::time::sleep_until(due.into()).await;
        now()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_could_not_start_in_time_counts_from_when_it_was_due() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(async {
            let mut pace = Pace::open(10.0, 0, 1);
            let first = pace.next;
            pace.next = first - Duration::from_secs(5);
            let due: Vec<_> = [pace.due().await, pace.due().await].to_vec();
            assert_eq!(due, [first - Duration::from_secs(5), first - Duration::from_millis(4_900)]);
        });
    }

    #[test]
    fn only_what_ends_within_the_window_counts() {
        let window = Window::after(Duration::from_secs(2), Duration::from_secs(10));
        assert!(!window.counts(window.from - Duration::from_nanos(1)));
        assert!(window.counts(window.from));
        assert!(!window.counts(window.until) && window.is_over(window.until));
    }
}
