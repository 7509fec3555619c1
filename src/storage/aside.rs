//! What cannot stay where it is and may not be lost: files move, and bytes are copied, to `damaged/` below the data
//! directory. What was kept before is never written over.

use super::{
    file_error::{FileError, at},
    io::{Io, IoFile, read_exact_at},
};
use std::{
    io,
    ops::Range,
    path::{Path, PathBuf},
};

pub(super) const DIRECTORY: &str = "damaged";
const COPY_BYTES: u64 = 1 << 20;

/// Moves a file of the data directory there, under a name that nothing has yet, and returns where it is now.
pub(super) fn set_aside(io: &dyn Io, data_dir: &Path, path: &Path) -> Result<PathBuf, FileError> {
    let (target, _) = find_name(io, name_of(io, data_dir, path, 0)?, |_| Ok(false))?;
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

/// Copies bytes of a file there; none when there are none, or when the same bytes were copied before.
pub(super) fn keep_copy(
    io: &dyn Io,
    data_dir: &Path,
    path: &Path,
    range: Range<u64>,
) -> Result<Option<PathBuf>, FileError> {
    if !io.exists(path).map_err(at("looking for", path))? {
        return Ok(None);
    }
    let file = io.open_read(path).map_err(at("opening", path))?;
    let range = range.start..range.end.min(file.len().map_err(at("measuring", path))?);
    if range.is_empty() {
        return Ok(None);
    }
    let is_same = |known: &Path| is_copy(&*file, &range, &*io.open_read(known)?);
    let (target, was_kept) = find_name(io, name_of(io, data_dir, path, range.start)?, is_same)?;
    if was_kept {
        return Ok(None);
    }
    let copy = io.create(&target).map_err(at("creating", &target))?;
    let write = |bytes: &[u8], offset| copy.write_at(bytes, offset).map(|()| true);
    pieces(&*file, &range, write).and_then(|_| copy.sync()).map_err(at("copying to", &target))?;
    let dir = directory(io, data_dir)?;
    io.fsync_dir(&dir).map_err(at("syncing", &dir))?;
    Ok(Some(target))
}

/// Hands over the bytes of a range, each piece with its offset in the range, until one of them is not wanted.
fn pieces(
    file: &dyn IoFile,
    range: &Range<u64>,
    mut want: impl FnMut(&[u8], u64) -> io::Result<bool>,
) -> io::Result<bool> {
    let mut buffer = vec![0; COPY_BYTES.min(range.end - range.start) as usize];
    let mut at = range.start;
    while at < range.end {
        let len = buffer.len().min((range.end - at) as usize);
        let piece = buffer.get_mut(..len).unwrap_or_default();
        read_exact_at(file, piece, at)?;
        if !want(piece, at - range.start)? {
            return Ok(false);
        }
        at += len as u64;
    }
    Ok(true)
}

fn is_copy(file: &dyn IoFile, range: &Range<u64>, copy: &dyn IoFile) -> io::Result<bool> {
    if copy.len()? != range.end - range.start {
        return Ok(false);
    }
    pieces(file, range, |bytes, offset| {
        let mut known = vec![0; bytes.len()];
        read_exact_at(copy, &mut known, offset)?;
        Ok(known == bytes)
    })
}

/// `<file>-<offset>.bin`, with the directories of the file spelled out in its name.
fn name_of(io: &dyn Io, data_dir: &Path, path: &Path, offset: u64) -> Result<PathBuf, FileError> {
    let name = path.strip_prefix(data_dir).unwrap_or(path).display().to_string().replace('/', "_");
    Ok(directory(io, data_dir)?.join(format!("{name}-{offset}.bin")))
}

/// The name, with a number behind it when something has it; or the first of these that `is_it`, and true.
fn find_name(
    io: &dyn Io,
    name: PathBuf,
    is_it: impl Fn(&Path) -> io::Result<bool>,
) -> Result<(PathBuf, bool), FileError> {
    let mut candidate = name.clone();
    let mut number = 2;
    while io.exists(&candidate).map_err(at("looking for", &candidate))? {
        if is_it(&candidate).map_err(at("comparing", &candidate))? {
            return Ok((candidate, true));
        }
        candidate = name.with_added_extension(number.to_string());
        number += 1;
    }
    Ok((candidate, false))
}
