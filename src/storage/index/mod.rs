//! Pages of queues' backlogs: a cache of what the log says, never evidence. Losing it costs a replay.

use crate::base::id::QueueId;

/// Fixed-size pages keyed by queue and page number.
pub trait IndexStore: Send {
    fn put(&mut self, queue: QueueId, page: u64, bytes: &[u8]) -> Result<(), IndexError>;

    fn remove(&mut self, queue: QueueId, page: u64) -> Result<(), IndexError>;

    fn get(&self, queue: QueueId, page: u64) -> Result<Option<Vec<u8>>, IndexError>;

    /// Visits the pages of every queue in key order.
    fn scan(&self, visit: &mut dyn FnMut(QueueId, u64, &[u8])) -> Result<(), IndexError>;

    /// Makes everything put so far survive a power cut.
    fn sync(&mut self) -> Result<(), IndexError>;

    fn size_on_disk(&self) -> u64;
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the index failed: {0}")]
pub struct IndexError(pub String);
