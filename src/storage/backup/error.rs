//! What can go wrong with backups, and how far the work is.

use crate::storage::{
    file_error::FileError, identity::IdentityError, log, snapshot::SnapshotError, store::lock::LockError,
};
use std::{ops::ControlFlow, path::PathBuf};

/// Bytes done, and in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    pub done_bytes: u64,
    pub total_bytes: u64,
}

/// Hears how far the work is, and says whether it goes on.
pub type OnProgress<'a> = &'a mut dyn FnMut(Progress) -> ControlFlow<()>;

#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    #[error(transparent)]
    Log(#[from] log::OpenError),
    #[error("{}: {source}", dir.display())]
    Identity { dir: PathBuf, source: IdentityError },
    #[error(transparent)]
    InUse(#[from] LockError),
    #[error("{} is inside the data directory {}", dir.display(), store.display())]
    InsideStore { dir: PathBuf, store: PathBuf },
    #[error("{} holds {name:?}, which is no part of a backup", dir.display())]
    Foreign { dir: PathBuf, name: String },
    #[error("{} holds backups of another store, {store}", dir.display())]
    OtherStore { dir: PathBuf, store: String },
    #[error("{} is not a directory of backups", dir.display())]
    NoBackups { dir: PathBuf },
    #[error("{} has no restore point {wanted}", dir.display())]
    NoPoint { dir: PathBuf, wanted: String },
    #[error("{} is damaged: {what}", path.display())]
    Damaged { path: PathBuf, what: String },
    #[error("{} is not empty: it holds {name:?}", dir.display())]
    NotEmpty { dir: PathBuf, name: String },
    #[error("the disk of the store is nearly full, and the backup keeps the log from giving space back")]
    GaveWay,
    #[error("it was broken off")]
    BrokenOff,
}

impl BackupError {
    /// No room is left, here or there.
    pub fn is_no_space(&self) -> bool {
        match self {
            Self::File(error) => error.is_no_space(),
            Self::GaveWay => true,
            Self::Snapshot(_)
            | Self::Log(_)
            | Self::Identity { .. }
            | Self::InUse(_)
            | Self::InsideStore { .. }
            | Self::Foreign { .. }
            | Self::OtherStore { .. }
            | Self::NoBackups { .. }
            | Self::NoPoint { .. }
            | Self::Damaged { .. }
            | Self::NotEmpty { .. }
            | Self::BrokenOff => false,
        }
    }
}
