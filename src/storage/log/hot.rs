//! The newest frames in memory: what was just sent is read without a system call.

use crate::base::id::{Location, Lsn, PartitionId};
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};

/// Frames in the order of their commits, up to a number of bytes.
#[derive(Debug)]
pub(super) struct HotTail {
    bytes_max: usize,
    bytes: usize,
    order: VecDeque<PartitionId>,
    frames: BTreeMap<PartitionId, Window>,
}

#[derive(Debug, Default)]
struct Window {
    first: Lsn,
    frames: VecDeque<Bytes>,
}

impl HotTail {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, bytes: 0, order: VecDeque::new(), frames: BTreeMap::new() }
    }

    /// `gone` gets the frames that make room.
    pub(super) fn push(&mut self, partition: PartitionId, lsn: Lsn, frame: Bytes, gone: &mut Vec<Bytes>) {
        let window = self.frames.entry(partition).or_default();
        if window.frames.is_empty() {
            window.first = lsn;
        }
        debug_assert_eq!(window.first.0 + window.frames.len() as u64, lsn.0, "frames of a partition are dense");
        self.bytes += frame.len();
        window.frames.push_back(frame);
        self.order.push_back(partition);
        while self.bytes > self.bytes_max {
            let Some(oldest) = self.order.pop_front() else { break };
            if let Some(window) = self.frames.get_mut(&oldest)
                && let Some(frame) = window.frames.pop_front()
            {
                window.first = window.first.next();
                self.bytes -= frame.len();
                gone.push(frame);
            }
        }
    }

    /// One answer a run of places in the same frame, as [`runs`] divides them: the frame, if it is still here.
    pub(super) fn frames(&self, partition: PartitionId, at: &[Location]) -> Vec<Option<Bytes>> {
        let window = self.frames.get(&partition);
        runs(at).map(|(lsn, _)| window.and_then(|window| window.frame(lsn)).cloned()).collect()
    }
}

impl Window {
    fn frame(&self, lsn: Lsn) -> Option<&Bytes> {
        self.frames.get(lsn.0.checked_sub(self.first.0)? as usize)
    }
}

/// The places, divided where the frame changes; each part with its frame's LSN.
pub(super) fn runs(at: &[Location]) -> impl Iterator<Item = (Lsn, &[Location])> {
    at.chunk_by(|one, next| one.lsn == next.lsn).filter_map(|run| Some((run.first()?.lsn, run)))
}
