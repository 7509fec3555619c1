//! The machine's clock and randomness.

use crate::base::{
    entropy::Entropy,
    time::{Clock, Timestamp},
};
use std::time::{SystemTime, UNIX_EPOCH};

/// The machine's clock.
#[derive(Debug)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock adapter")]
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
    }
}

/// The operating system's randomness, fetched a page at a time.
pub struct SystemEntropy {
    page: [u8; 4096],
    used: usize,
}

impl Default for SystemEntropy {
    fn default() -> Self {
        Self { page: [0; 4096], used: 4096 }
    }
}

impl Entropy for SystemEntropy {
    fn fill(&mut self, bytes: &mut [u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.used == self.page.len() {
                getrandom::fill(&mut self.page).expect("the operating system gives randomness");
                self.used = 0;
            }
            let unused = self.page.get(self.used..).unwrap_or_default();
            let taken = unused.len().min(rest.len());
            let (now, later) = rest.split_at_mut(taken);
            now.copy_from_slice(unused.get(..taken).unwrap_or_default());
            self.used += taken;
            rest = later;
        }
    }
}
