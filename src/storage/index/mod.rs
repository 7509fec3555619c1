//! Pages of queues' backlogs: a cache of what the log says, never evidence. Losing it costs a replay.
//!
//! | file | what it knows |
//! | --- | --- |
//! | [`page`] | the bytes of a page, which name their queue and number and carry a CRC |
//! | [`mark`] | the record by which an index says how complete it is |
//! | [`directory`] | the generations on disk: creating, syncing, setting aside, removing |
//! | [`sled_index`] | the store over sled |
//! | [`memory`] | the same contract in memory, with a disk that can crash |

#[cfg(test)]
mod contract;
pub(crate) mod directory;
pub mod mark;
pub mod memory;
pub mod page;
pub mod sled_index;

use crate::base::id::QueueId;

/// Pages keyed by queue and page number.
///
/// Contract: a page is returned as it was put last or not at all; a damaged page is an error that names it. What was
/// put before a [`sync`](Self::sync) survives a power cut; of what came later, any part may.
pub trait IndexStore: Send {
    /// Stores a page, in place of an older one of the same number.
    ///
    /// # Errors
    /// [`IndexError::TooLarge`] past [`page::PAYLOAD_BYTES_MAX`]; [`IndexError::Failed`] when the store is broken.
    fn put(&mut self, queue: QueueId, page: u64, payload: &[u8]) -> Result<(), IndexError>;

    /// Removes a page; one that is not there is no error.
    fn remove(&mut self, queue: QueueId, page: u64) -> Result<(), IndexError>;

    /// Removes every page of a queue; returns how many there were.
    fn clear_queue(&mut self, queue: QueueId) -> Result<u64, IndexError>;

    /// Goes on empty, in a new generation. The old one stays until [`forget_old_generations`](Self::forget_old_generations).
    fn start_over(&mut self) -> Result<(), IndexError>;

    fn get(&self, queue: QueueId, page: u64) -> Result<Option<Vec<u8>>, IndexError>;

    /// Visits the pages of every queue in key order; ends with an error at the first damaged one.
    fn scan(&self, visit: &mut dyn FnMut(QueueId, u64, &[u8])) -> Result<(), IndexError>;

    /// Makes everything put so far survive a power cut. A checkpoint stores the returned mark.
    fn sync(&mut self) -> Result<IndexMark, IndexError>;

    /// The directory the pages live in; a checkpoint stores it beside the mark.
    fn generation(&self) -> u64;

    fn page_count(&self) -> u64;

    fn size_on_disk(&self) -> u64;

    /// Rewrites the pages into a new generation when the files have grown far beyond what they hold. The old
    /// generation stays until [`forget_old_generations`](Self::forget_old_generations). Returns whether it did.
    fn compact_if_oversized(&mut self) -> Result<bool, IndexError>;

    /// Removes older generations; to be called once no checkpoint in use names them.
    fn forget_old_generations(&mut self) -> Result<(), IndexError>;

    /// Makes the next start drop this index and replay. For a store that failed while in use.
    fn condemn(&mut self, why: &str) -> Result<(), IndexError>;
}

/// How often an index was synced. An index whose mark is below a checkpoint's is older than that checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IndexMark(pub u64);

/// Which index a checkpoint was written with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexPosition {
    pub generation: u64,
    pub mark: IndexMark,
}

/// What a start found of the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IndexState {
    /// It holds at least what the checkpoint needs.
    Usable,
    /// It is empty: the log has to be replayed from its oldest segment.
    Fresh { why: String },
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    #[error("page {page} of queue {queue} in the index is damaged: {what}")]
    Damaged { queue: QueueId, page: u64, what: &'static str },
    #[error("page {page} of queue {queue} has {len} bytes, the limit is {max}")]
    TooLarge { queue: QueueId, page: u64, len: usize, max: usize },
    #[error("the index failed: {0}")]
    Failed(String),
}
