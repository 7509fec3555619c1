//! Who reads what is old gives way to who writes.
//!
//! A replay takes what the processors give: a few of them, and every other call waits its turn behind megabytes. Whether
//! there is too much to do is told by how long a task waits that has nothing to do. While that is long, and others write, a
//! replay pauses after each event, the longer the more it waited; on a machine with room to spare it never does.

use crate::service::broker::Broker;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// A turn that comes sooner says that there is room.
const PROMPT: Duration = Duration::from_micros(50);
/// A pause is so much longer than the wait for a turn.
const PAUSE_FACTOR: u32 = 256;
/// A replay goes on, however busy the broker is: at 2 MiB a second a shard, as much as a registered consumer of Kinesis gets.
const PAUSE_MAX: Duration = Duration::from_millis(60);

/// Who reads a stream from long ago on.
#[derive(Default)]
pub(super) struct Pace {
    /// Of the log, when last looked at.
    blocks: u64,
}

impl Pace {
    /// Pauses between two events of a call that follows so many shards.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub(super) async fn give_way(&mut self, broker: &Broker, shards: usize) {
        let blocks = broker.engine.log_blocks();
        if std::mem::replace(&mut self.blocks, blocks) == blocks {
            return;
        }
        let begun = Instant::now();
        tokio::task::yield_now().await;
        let pause = pause_after(begun.elapsed(), shards);
        if !pause.is_zero() {
            sleep(pause).await;
        }
    }
}

/// How long to pause after such a wait for a turn: who follows many shards gets as much of each as who follows one.
fn pause_after(wait: Duration, shards: usize) -> Duration {
    (wait.saturating_sub(PROMPT) * PAUSE_FACTOR).min(PAUSE_MAX) / u32::try_from(shards.max(1)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_follows_the_wait_for_a_turn_and_ends() {
        let cases = [(0, 0), (50, 0), (60, 2560), (150, 25_600), (400, 60_000), (u64::MAX / 2, 60_000)];
        for (wait, pause) in cases {
            assert_eq!(pause_after(Duration::from_micros(wait), 1), Duration::from_micros(pause), "{wait}");
        }
        assert_eq!(pause_after(PAUSE_MAX, 60), Duration::from_millis(1));
        assert_eq!(pause_after(PAUSE_MAX, 0), PAUSE_MAX);
    }
}
