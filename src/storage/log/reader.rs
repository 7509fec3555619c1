//! How entries are read back, on every log there is.

use super::{EntryView, StoredEntry};
use crate::base::id::{Location, Lsn, PartitionId};

/// Reads entries back. Places of one batch that stand side by side in one frame or one segment are looked up together.
pub trait LogReader: Send + Sync + 'static {
    /// Calls `visit` with the index of each place whose entry is in memory, in order, and the entry. Never blocks,
    /// never touches a page of a file.
    fn read_hot_all(&self, partition: PartitionId, at: &[Location], visit: &mut dyn FnMut(usize, EntryView<'_>));

    /// Calls `visit` once a place, in order, with its entry, the CRC verified unless it never left memory. May wait for
    /// the disk: not for async workers.
    fn read_all(
        &self,
        partition: PartitionId,
        at: &[Location],
        visit: &mut dyn FnMut(Result<EntryView<'_>, ReadError>),
    );

    /// As [`LogReader::read_all`] when that needs no disk, because the system has what the places are in in memory. False
    /// otherwise, and `visit` was not called. For a few places at a time; not for a partition's thread.
    fn read_near_all(
        &self,
        partition: PartitionId,
        at: &[Location],
        visit: &mut dyn FnMut(Result<EntryView<'_>, ReadError>),
    ) -> bool;

    /// The one entry, if it is in memory, as [`LogReader::read_hot_all`].
    fn read_hot(&self, partition: PartitionId, at: Location) -> Option<StoredEntry> {
        let mut found = None;
        self.read_hot_all(partition, &[at], &mut |_, entry| found = Some(entry.to_stored()));
        found
    }

    /// The one entry, as [`LogReader::read_all`].
    fn read(&self, partition: PartitionId, at: Location) -> Result<StoredEntry, ReadError> {
        let mut found = Err(ReadError::Trimmed { partition, lsn: at.lsn });
        self.read_all(partition, &[at], &mut |entry| found = entry.map(|entry| entry.to_stored()));
        found
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    #[error("frame {lsn} of partition {partition} is not in the log any more")]
    Trimmed { partition: PartitionId, lsn: Lsn },
    #[error("the entry at frame {lsn} offset {offset} of partition {partition} is damaged: {what}")]
    Corrupt { partition: PartitionId, lsn: Lsn, offset: u32, what: String },
    #[error("reading the log failed: {0}")]
    Io(String),
}
