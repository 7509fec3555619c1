//! Telling a directory that may become a store from one that belongs to somebody else.

use super::lock;
use crate::storage::{
    access, checkpoint,
    file_error::{FileError, at},
    identity,
    io::{DirEntry, Io},
    snapshot,
};
use std::path::Path;

/// What the root of a file system may contain of its own.
const FILE_SYSTEM_OWN: &str = "lost+found";

/// The first name that keeps a directory without `STORE` from becoming a store. What an interrupted creation leaves
/// does not count.
pub(super) fn find(io: &dyn Io, dir: &Path) -> Result<Option<String>, FileError> {
    for entry in io.list_dir(dir).map_err(at("listing", dir))? {
        if !is_left_by_creation(io, dir, &entry)? {
            return Ok(Some(entry.name));
        }
    }
    Ok(None)
}

fn is_left_by_creation(io: &dyn Io, dir: &Path, entry: &DirEntry) -> Result<bool, FileError> {
    if !entry.is_dir {
        let [a, b] = checkpoint::FILES;
        let temporary = format!("{}.tmp", identity::FILE);
        return Ok([lock::FILE, a, b, &temporary].contains(&entry.name.as_str()));
    }
    if entry.name == FILE_SYSTEM_OWN {
        return Ok(true);
    }
    let path = dir.join(&entry.name);
    let inside = io.list_dir(&path).map_err(at("listing", &path))?;
    // Access keys may be made before the first start.
    let keys = [access::FILE.to_owned(), format!("{}.tmp", access::FILE)];
    Ok(match entry.name.as_str() {
        snapshot::DIRECTORY => inside.is_empty(),
        access::DIRECTORY => inside.iter().all(|entry| !entry.is_dir && keys.contains(&entry.name)),
        _ => false,
    })
}
