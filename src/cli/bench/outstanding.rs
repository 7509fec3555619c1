//! What a pipelined client has sent and nobody has acknowledged yet.

use super::clock::now;
use std::{collections::VecDeque, time::Instant};
use tokio::sync::mpsc;

#[derive(Debug, Default)]
pub(super) struct Outstanding {
    frames: VecDeque<Frame>,
    /// Entries of all of them.
    count: u64,
}

#[derive(Debug)]
struct Frame {
    first: u64,
    count: u64,
    begun: Instant,
}

impl Outstanding {
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn begin(&mut self, first: u64, count: u64) {
        self.frames.push_back(Frame { first, count, begun: now() });
        self.count += count;
    }

    /// Takes acknowledged entries off the front, whole frames or parts; returns when the last of them was begun.
    pub(super) fn settle(&mut self, mut count: u64) -> Option<Instant> {
        self.count -= count.min(self.count);
        let mut begun = None;
        while count > 0 {
            let front = self.frames.front_mut()?;
            begun = Some(front.begun);
            let part = count.min(front.count);
            front.first += part;
            front.count -= part;
            count -= part;
            if front.count == 0 {
                self.frames.pop_front();
            }
        }
        begun
    }

    /// The places that nobody acknowledged.
    pub(super) fn places(&self) -> impl Iterator<Item = u64> {
        self.frames.iter().flat_map(|frame| frame.first..frame.first + frame.count)
    }
}

/// Room for a frame on its way out, never when none may go; nothing when the call has ended.
pub(super) async fn reserve<T>(frames: Option<mpsc::Sender<T>>) -> Option<mpsc::OwnedPermit<T>> {
    match frames {
        Some(frames) => frames.reserve_owned().await.ok(),
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_acknowledged_leaves_from_the_front_in_parts_too() {
        let mut outstanding = Outstanding::default();
        outstanding.begin(0, 3);
        outstanding.begin(3, 2);
        assert!(outstanding.settle(4).is_some());
        assert_eq!((outstanding.count(), outstanding.places().collect::<Vec<_>>()), (1, vec![4]));
        assert!(outstanding.settle(1).is_some());
        assert_eq!((outstanding.count(), outstanding.settle(1)), (0, None));
    }
}
