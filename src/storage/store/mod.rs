//! A data directory: everything in it but the log.
//!
//! | file | what it does |
//! | --- | --- |
//! | [`open`] | `Store::open`: lock, identity, checkpoint, snapshot, index |
//! | [`commit`] | `Store::commit_checkpoint`: the order in which a checkpoint becomes durable |
//! | [`lock`] | one process a directory |
//! | [`foreign`] | telling an empty directory from one that belongs to somebody else |

pub mod commit;
mod foreign;
pub mod lock;
pub mod open;

pub use commit::{Commit, CommitError, Committed};
pub use lock::LockError;
pub(crate) use open::make_directory;
pub use open::{ARCHIVE_DIRECTORY, IndexKind, OpenError, Opened, Options, Store, WAL_DIRECTORY, reserve};

#[cfg(test)]
mod store_tests;
