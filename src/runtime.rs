//! Where everything is put together: the clock, the randomness and the files of this machine, the engine, the servers,
//! and the order in which they end.

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
        for byte in bytes {
            if self.used == self.page.len() {
                getrandom::fill(&mut self.page).expect("the operating system gives randomness");
                self.used = 0;
            }
            *byte = std::mem::take(&mut self.page[self.used]);
            self.used += 1;
        }
    }
}
