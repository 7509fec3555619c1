//! What a partition and its archive have not heard of each other.

use crate::base::id::{Lsn, MessageSeq, QueueId};
use std::collections::{BTreeSet, VecDeque};

/// Something happened to a message in the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ArchiveChange {
    /// The frame of the log that says so, which the log keeps until the archive has heard of it.
    pub(crate) lsn: Lsn,
    pub(crate) queue: QueueId,
    pub(crate) seq: MessageSeq,
}

/// What a partition knows of its archive.
#[derive(Debug, Default)]
pub(crate) struct ArchiveState {
    /// The last frame of the archive that was heard of: what it says, and what those before say, is in the state.
    pub(crate) lsn: Lsn,
    /// What the archive has not heard of, by the frames.
    changes: VecDeque<ArchiveChange>,
    /// The messages of those that nobody has looked at yet: what happens to one of them again is no news.
    fresh: BTreeSet<(QueueId, MessageSeq)>,
    /// While the log is replayed over pages that may be newer: a message that is gone from them may have to be told of.
    pub(crate) pages_are_newer: bool,
}

impl ArchiveState {
    /// As a snapshot has it.
    pub(crate) fn restored(lsn: Lsn, changes: Vec<ArchiveChange>) -> Self {
        let mut state = Self { lsn, ..Self::default() };
        changes.into_iter().for_each(|change| state.note(change));
        state
    }

    pub(crate) fn note(&mut self, change: ArchiveChange) {
        if self.fresh.insert((change.queue, change.seq)) {
            self.changes.push_back(change);
        }
    }

    pub(crate) fn changes(&self) -> impl ExactSizeIterator<Item = &ArchiveChange> {
        self.changes.iter()
    }

    pub(crate) fn oldest_change(&self) -> Option<Lsn> {
        self.changes.front().map(|change| change.lsn)
    }

    /// The messages of the oldest changes, in order, and how many changes these are. They stay until the archive has heard;
    /// what happens to the messages from now on is news.
    pub(crate) fn look(&mut self, limit: usize) -> (usize, BTreeSet<(QueueId, MessageSeq)>) {
        let mut messages = BTreeSet::new();
        for change in self.changes.iter().take(limit) {
            let message = (change.queue, change.seq);
            self.fresh.remove(&message);
            messages.insert(message);
        }
        (self.changes.len().min(limit), messages)
    }

    /// The archive's frame `lsn` has the oldest changes.
    pub(crate) fn heard(&mut self, count: usize, lsn: Lsn) {
        self.lsn = self.lsn.max(lsn);
        self.changes.drain(..count.min(self.changes.len()));
    }

    /// Called once, when everything is replayed: that begins further back than what a snapshot has.
    pub(crate) fn is_replayed(&mut self) {
        self.pages_are_newer = false;
        self.changes.make_contiguous().sort_by_key(|change| change.lsn);
    }
}
