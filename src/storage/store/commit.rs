//! Making a checkpoint durable.
//!
//! The order: what the checkpoint refers to first (index, snapshot), then the checkpoint itself, then what nothing
//! refers to any more goes. A crash between any two steps leaves the last checkpoint and all it needs.

use super::open::{Anchor, Store};
use crate::{
    base::{
        id::{Lsn, PartitionId},
        time::Timestamp,
    },
    storage::{
        checkpoint::{Checkpoint, PARTITIONS_MAX, PartitionPosition},
        file_error::FileError,
        index::{IndexError, IndexPosition, IndexStore},
        snapshot::{self, Section, Snapshot, SnapshotError},
    },
};
use std::collections::BTreeMap;

/// What a checkpoint says. Every frame up to the positions is durable already, and every page of the state at them
/// was put into the index.
#[derive(Clone, Debug)]
pub struct Commit {
    pub now: Timestamp,
    pub partitions: Vec<PartitionPosition>,
    /// `None`: nothing changed, the last snapshot still shows the state.
    pub sections: Option<Vec<Section>>,
    pub wal_segment: u64,
    pub durable_seq: u64,
    pub clean_shutdown: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    pub checkpoint: Checkpoint,
    /// Per partition: the frames above this LSN may still be needed by a start, all others may be forgotten. It looks
    /// back to the checkpoint before, which a start uses when the latest is damaged.
    pub needed_above: BTreeMap<PartitionId, Lsn>,
}

#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    #[error("a checkpoint of {found} partitions is refused: the limit is {max}")]
    TooManyPartitions { found: usize, max: usize },
    #[error(transparent)]
    Index(#[from] IndexError),
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    #[error(transparent)]
    File(#[from] FileError),
}

impl CommitError {
    /// A file could not be written for want of room; nothing is wrong with the store.
    pub fn is_no_space(&self) -> bool {
        match self {
            Self::File(error) | Self::Snapshot(SnapshotError::File(error)) => error.is_no_space(),
            Self::TooManyPartitions { .. } | Self::Index(_) | Self::Snapshot(_) => false,
        }
    }
}

impl Store {
    /// Commits a checkpoint: index, snapshot, `CHECKPOINT`, then the snapshots nobody needs are removed.
    ///
    /// # Errors
    /// The last checkpoint stands. After a failed sync of a file the caller must not go on writing.
    pub fn commit_checkpoint(&mut self, index: &mut dyn IndexStore, commit: Commit) -> Result<Committed, CommitError> {
        let found = commit.partitions.len();
        if found > PARTITIONS_MAX {
            return Err(CommitError::TooManyPartitions { found, max: PARTITIONS_MAX });
        }
        let rewritten = index.compact_if_oversized()?;
        let mark = index.sync()?;
        let (snapshot_generation, snapshot_lsns) = self.commit_snapshot(commit.sections, commit.now)?;
        let anchor = Anchor::new(&commit.partitions, snapshot_generation, snapshot_lsns);
        let checkpoint = Checkpoint {
            generation: self.next_generation,
            snapshot_generation,
            index: IndexPosition { generation: index.generation(), mark },
            wal_segment: commit.wal_segment,
            durable_seq: commit.durable_seq,
            clean_shutdown: commit.clean_shutdown,
            written: commit.now,
            partitions: commit.partitions,
        };
        self.checkpoints.write(&checkpoint)?;
        self.next_generation += 1;
        self.remember(anchor);
        self.remove_surplus()?;
        if rewritten {
            index.forget_old_generations()?;
        }
        Ok(Committed { checkpoint, needed_above: self.needed_above() })
    }

    /// Per partition: the frames above this LSN may still be needed. Empty before the first checkpoint.
    pub fn needed_above(&self) -> BTreeMap<PartitionId, Lsn> {
        lowest_lsns(self.recent.iter().flat_map(|anchor| anchor.needed_above.clone()))
    }

    fn commit_snapshot(
        &mut self,
        sections: Option<Vec<Section>>,
        now: Timestamp,
    ) -> Result<(u64, BTreeMap<PartitionId, Lsn>), SnapshotError> {
        let Some(sections) = sections else {
            let last = self.recent.last();
            return Ok(
                last.map_or_else(Default::default, |last| (last.snapshot_generation, last.snapshot_lsns.clone()))
            );
        };
        let snapshot = Snapshot { generation: self.next_snapshot, written: now, sections };
        snapshot.write(&*self.io, &self.dir, self.store_uuid)?;
        self.next_snapshot += 1;
        let lsns = lowest_lsns(snapshot.sections.iter().map(|section| (section.partition, section.lsn)));
        Ok((snapshot.generation, lsns))
    }

    fn remember(&mut self, anchor: Anchor) {
        self.recent.push(anchor);
        let surplus = self.recent.len().saturating_sub(2);
        self.recent.drain(..surplus);
    }

    fn remove_surplus(&self) -> Result<(), FileError> {
        let keep: Vec<u64> = self.recent.iter().map(|anchor| anchor.snapshot_generation).collect();
        snapshot::remove_others(&*self.io, &self.dir, &keep)
    }
}

impl Anchor {
    pub(super) fn new(
        positions: &[PartitionPosition],
        snapshot_generation: u64,
        snapshot_lsns: BTreeMap<PartitionId, Lsn>,
    ) -> Self {
        let own = positions.iter().map(|position| (position.partition, position.lsn));
        let needed_above = lowest_lsns(own.chain(snapshot_lsns.iter().map(|(partition, lsn)| (*partition, *lsn))));
        Self { snapshot_generation, needed_above, snapshot_lsns }
    }
}

pub(super) fn lowest_lsns(lsns: impl IntoIterator<Item = (PartitionId, Lsn)>) -> BTreeMap<PartitionId, Lsn> {
    let mut lowest = BTreeMap::new();
    for (partition, lsn) in lsns {
        let entry = lowest.entry(partition).or_insert(lsn);
        *entry = lsn.min(*entry);
    }
    lowest
}
