//! A data directory that no process uses: locked for as long as the value lives.

use crate::storage::{
    checkpoint::Slots,
    file_error::FileError,
    identity::{Identity, IdentityError},
    index::IndexError,
    io::Io,
    log,
    store::{
        ARCHIVE_DIRECTORY, WAL_DIRECTORY,
        lock::{DirectoryLock, LockError},
    },
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// Bytes looked at so far, and in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    pub done_bytes: u64,
    pub total_bytes: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum OfflineError {
    #[error("{} is not a data directory: it has no STORE file", dir.display())]
    NotAStore { dir: PathBuf },
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error("{}: {source}", dir.display())]
    Identity { dir: PathBuf, source: IdentityError },
    #[error(transparent)]
    Log(#[from] log::OpenError),
    #[error(transparent)]
    Index(#[from] IndexError),
    #[error(transparent)]
    File(#[from] FileError),
}

pub struct Stopped {
    pub(super) io: Arc<dyn Io>,
    pub(super) dir: PathBuf,
    pub(super) identity: Identity,
    _lock: DirectoryLock,
}

/// Both are made of the same files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Which {
    #[default]
    Log,
    /// Where what is old stands.
    Archive,
}

impl Stopped {
    /// Takes the directory's lock.
    ///
    /// # Errors
    /// A process uses the directory, it is no store, or its identity cannot be read.
    pub fn open(io: Arc<dyn Io>, dir: &Path, pid: u32) -> Result<Self, OfflineError> {
        let read = |io: &dyn Io| {
            let found = Identity::read(io, dir);
            found.map_err(|source| OfflineError::Identity { dir: dir.to_owned(), source })
        };
        let identity = read(&*io)?.ok_or_else(|| OfflineError::NotAStore { dir: dir.to_owned() })?;
        let lock = DirectoryLock::take(&*io, dir, pid)?;
        Ok(Self { io, dir: dir.to_owned(), identity, _lock: lock })
    }

    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    pub(super) fn store_uuid(&self) -> [u8; 16] {
        self.identity.uuid.into_bytes()
    }

    pub(super) fn slots(&self) -> Slots {
        Slots::read(&*self.io, &self.dir, self.store_uuid())
    }

    pub(super) fn dir_of(&self, which: Which) -> PathBuf {
        self.dir.join(match which {
            Which::Log => WAL_DIRECTORY,
            Which::Archive => ARCHIVE_DIRECTORY,
        })
    }

    /// How far it was durable for certain; of the archive only the archive itself says.
    pub(super) fn durable_seq(&self, which: Which) -> u64 {
        match which {
            Which::Log => self.slots().latest().map_or(0, |latest| latest.durable_seq),
            Which::Archive => 0,
        }
    }
}
