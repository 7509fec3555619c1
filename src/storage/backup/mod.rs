//! Backups: restore points of a running store in a directory, and stores made from them again.
//!
//! | file | what it does |
//! | --- | --- |
//! | [`error`] | what can go wrong, and how far the work is |
//! | [`manifest`] | what one restore point consists of |
//! | [`points`] | the restore points of a directory |
//! | [`mod@create`] | adds a restore point, while the broker runs |
//! | [`copy`] | files there and back, with their CRC |
//! | [`mod@verify`] | every file and every block against the manifests |
//! | [`remove`] | restore points that go, and what only they need |
//! | [`mod@restore`] | a data directory out of a restore point |
//!
//! Invariants: a manifest is written last and names only what is durable, so what a broken-off run left is never taken
//! for a restore point; a file that a manifest names is never changed.

mod copy;
pub mod create;
pub mod error;
pub mod manifest;
pub mod points;
pub mod remove;
pub mod restore;
pub mod verify;

#[cfg(test)]
mod backup_tests;
#[cfg(test)]
mod remove_tests;

pub use create::{Created, Source, create};
pub use error::{BackupError, OnProgress, Progress};
pub use manifest::Manifest;
pub use points::{Point, Points};
pub use remove::{Removal, Removing};
pub use restore::{Restored, restore};
pub use verify::{Finding, verify};
