//! How far the opening of a data directory is, for those who wait for it.

use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug, Default)]
pub struct Opening {
    replayed: AtomicU64,
    /// Of the log, about; zero before the replay.
    total: AtomicU64,
}

impl Opening {
    pub(crate) fn replay_begins(&self, total: u64) {
        self.total.store(total, Ordering::Relaxed);
    }

    pub(crate) fn replayed(&self, bytes: u64) {
        self.replayed.fetch_add(bytes, Ordering::Relaxed);
    }

    /// How many tenths are replayed, about.
    pub(crate) fn tenths(&self) -> u64 {
        self.replayed.load(Ordering::Relaxed) * 10 / self.total.load(Ordering::Relaxed).max(1)
    }

    /// Half a sentence about it.
    pub fn describe(&self) -> String {
        let (replayed, total) = (self.replayed.load(Ordering::Relaxed), self.total.load(Ordering::Relaxed));
        if total == 0 {
            return "the index is read".to_owned();
        }
        let percent = (u128::from(replayed) * 100 / u128::from(total)).min(99);
        format!("{percent} % of {} MiB of log are replayed", total >> 20)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_tells_how_far_it_is_and_never_that_it_is_done() {
        let opening = Opening::default();
        assert_eq!(opening.describe(), "the index is read");
        opening.replay_begins(200 << 20);
        assert_eq!(opening.describe(), "0 % of 200 MiB of log are replayed");
        opening.replayed(50 << 20);
        assert_eq!(opening.tenths(), 2);
        assert_eq!(opening.describe(), "25 % of 200 MiB of log are replayed");
        opening.replayed(151 << 20);
        assert_eq!(opening.describe(), "99 % of 200 MiB of log are replayed");
    }
}
