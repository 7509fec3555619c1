//! Keeping segments where they are while somebody copies them.
//!
//! A sealed segment never changes, until it is trimmed and its file becomes another segment. While a pin lives nothing
//! from its first segment on is trimmed. There is one at a time.

use super::{commit::Commit, options::LogPosition};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// Nothing is pinned.
const NOTHING: u64 = u64::MAX;

/// The first segment that must stay.
pub(super) struct Pinned(AtomicU64);

impl Default for Pinned {
    fn default() -> Self {
        Self(AtomicU64::new(NOTHING))
    }
}

impl Pinned {
    /// Pins everything; false when something is pinned already.
    pub(super) fn take(&self) -> bool {
        self.0.compare_exchange(NOTHING, 0, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    pub(super) fn holds(&self, seq: u64) -> bool {
        seq >= self.0.load(Ordering::Acquire)
    }
}

/// What stands in the log at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogCut {
    /// Oldest first; the last one may still be written to.
    pub segments: Vec<u64>,
    /// Everything up to the block `durable_seq` is durable, and stands in `segments`.
    pub position: LogPosition,
}

/// No segment goes away or is used again while this lives.
pub struct Pin(pub(super) Arc<Commit>);

impl Pin {
    /// The log as it stands now.
    pub fn cut(&self) -> LogCut {
        // The position first: what is sealed before it was sealed by then, and none of it is trimmed.
        let position = self.0.position();
        let mut segments = self.0.segments.sealed_seqs();
        segments.retain(|seq| *seq < position.segment);
        segments.push(position.segment);
        LogCut { segments, position }
    }

    /// Segments below `seq` are not needed any more.
    pub fn release_below(&self, seq: u64) {
        self.0.segments.pinned.0.store(seq, Ordering::Release);
    }

    /// Space is so short that what this holds back should go.
    pub fn must_give_way(&self) -> bool {
        self.0.must_refuse_growth()
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.release_below(NOTHING);
        self.0.trim_again();
    }
}
