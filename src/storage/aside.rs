//! Files that cannot stay where they are and may not be lost: they move to `damaged/` below the data directory.

use super::{
    file_error::{FileError, at},
    io::Io,
};
use std::path::{Path, PathBuf};

pub(super) const DIRECTORY: &str = "damaged";

/// Moves a file of the data directory there, under a name that nothing has yet, and returns where it is now.
pub(super) fn set_aside(io: &dyn Io, data_dir: &Path, path: &Path) -> Result<PathBuf, FileError> {
    let name = path.strip_prefix(data_dir).unwrap_or(path).display().to_string();
    let target = unused(io, &directory(io, data_dir)?.join(kept_name(&name, 0)))?;
    io.rename(path, &target).map_err(at("moving", path))?;
    for dir in [target.parent(), path.parent()].into_iter().flatten() {
        io.fsync_dir(dir).map_err(at("syncing", dir))?;
    }
    Ok(target)
}

/// Makes the directory if it is not there.
pub(super) fn directory(io: &dyn Io, data_dir: &Path) -> Result<PathBuf, FileError> {
    let dir = data_dir.join(DIRECTORY);
    if !io.exists(&dir).map_err(at("looking for", &dir))? {
        io.create_dir(&dir).map_err(at("creating", &dir))?;
        io.fsync_dir(data_dir).map_err(at("syncing", data_dir))?;
    }
    Ok(dir)
}

/// `<file>-<offset>.bin`, with the directories of the file spelled out in its name.
pub(super) fn kept_name(name: &str, offset: u64) -> String {
    format!("{}-{offset}.bin", name.replace('/', "_"))
}

/// The path, with a number behind it when something has it: what was kept before stays.
fn unused(io: &dyn Io, path: &Path) -> Result<PathBuf, FileError> {
    let mut candidate = path.to_owned();
    let mut number = 2;
    while io.exists(&candidate).map_err(at("looking for", &candidate))? {
        candidate = path.with_added_extension(number.to_string());
        number += 1;
    }
    Ok(candidate)
}
