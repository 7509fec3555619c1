//! `LOCK`: an advisory lock that one process a data directory holds for its life.
//!
//! The file's text names the holder for people; only the lock itself decides. The kernel lets go of it when the process
//! ends, however it ends.

use crate::storage::{
    file_error::{FileError, at},
    io::{Io, IoFile},
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

pub const FILE: &str = "LOCK";
/// The text is padded to this length, so that rewriting it never leaves a piece of an older one.
const BYTES: usize = 64;

#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error("{} is in use by process {}", dir.display(), pid.as_deref().unwrap_or("(unknown)"))]
    Held { dir: PathBuf, pid: Option<String> },
    #[error(transparent)]
    File(#[from] FileError),
}

/// Held until dropped.
pub struct DirectoryLock {
    _file: Arc<dyn IoFile>,
}

impl DirectoryLock {
    /// # Errors
    /// [`LockError::Held`] when another process, or this one, has the directory open.
    pub fn take(io: &dyn Io, dir: &Path, pid: u32) -> Result<Self, LockError> {
        let path = dir.join(FILE);
        let file = if io.exists(&path).map_err(at("looking for", &path))? {
            io.open(&path).map_err(at("opening", &path))?
        } else {
            // Two processes may both see no file: the slower one opens what the faster one made.
            io.create(&path).or_else(|_| io.open(&path)).map_err(at("creating", &path))?
        };
        if !file.try_lock().map_err(at("locking", &path))? {
            return Err(LockError::Held { dir: dir.to_owned(), pid: holder(&*file) });
        }
        let text = format!("{:<width$}\n", format!("pid {pid}"), width = BYTES - 1);
        file.write_at(text.as_bytes(), 0).map_err(at("writing", &path))?;
        Ok(Self { _file: file })
    }
}

fn holder(file: &dyn IoFile) -> Option<String> {
    let mut bytes = [0; BYTES];
    let read = file.read_at(&mut bytes, 0).ok()?;
    let text = str::from_utf8(bytes.get(..read)?).ok()?;
    let pid = text.trim().strip_prefix("pid ")?;
    pid.parse::<u32>().ok().map(|pid| pid.to_string())
}
