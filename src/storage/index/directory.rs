//! The index's place on disk: `index/<generation>/`, one of them in use, and `index.bad-<n>/` for what was set aside.
//!
//! Sled opens its files itself, so this always means the operating system's files. Nothing here is a durability point;
//! losing all of it costs a replay.

use crate::storage::io::{Io, SysIo, read_exact_at, write_file_durably};
use std::{
    io,
    path::{Path, PathBuf},
};

const PARENT: &str = "index";
const BAD_PREFIX: &str = "index.bad-";
const CONDEMNED: &str = "CONDEMNED";
/// Longest reason that is read back.
const CONDEMNED_BYTES_MAX: u64 = 4096;
/// How many indexes that were set aside are kept for a look.
const BAD_KEPT: usize = 2;

pub(crate) fn path_of(data_dir: &Path, generation: u64) -> PathBuf {
    data_dir.join(PARENT).join(generation.to_string())
}

/// The generations present, in rising order.
pub(crate) fn generations(data_dir: &Path) -> io::Result<Vec<u64>> {
    numbers(&data_dir.join(PARENT), "")
}

/// The numbers behind `prefix` in the names of a directory, in rising order; none when there is no directory.
fn numbers(directory: &Path, prefix: &str) -> io::Result<Vec<u64>> {
    if !SysIo.exists(directory)? {
        return Ok(Vec::new());
    }
    let entries = SysIo.list_dir(directory)?;
    let number = |name: &str| name.strip_prefix(prefix)?.parse::<u64>().ok();
    let mut found: Vec<u64> = entries.iter().filter_map(|entry| number(&entry.name)).collect();
    found.sort_unstable();
    Ok(found)
}

/// Makes the directory ready for sled, which stumbles over a snapshot it was writing when the process ended.
pub(crate) fn prepare(directory: &Path) -> io::Result<()> {
    SysIo.create_dir(directory)?;
    for entry in SysIo.list_dir(directory)? {
        if entry.name.starts_with("snap.") && entry.name.ends_with(".generating") {
            SysIo.unlink(&directory.join(entry.name))?;
        }
    }
    Ok(())
}

pub(crate) fn exists(directory: &Path) -> bool {
    SysIo.list_dir(directory).is_ok()
}

pub(crate) fn remove(directory: &Path) -> io::Result<()> {
    if SysIo.exists(directory)? { SysIo.remove_tree(directory) } else { Ok(()) }
}

/// Moves an unusable index out of the way and forgets the oldest of those set aside before.
pub(crate) fn set_aside(data_dir: &Path, directory: &Path) -> io::Result<PathBuf> {
    let mut bad = numbers(data_dir, BAD_PREFIX)?;
    let number = bad.last().map_or(1, |last| last + 1);
    let target = data_dir.join(format!("{BAD_PREFIX}{number}"));
    SysIo.rename(directory, &target)?;
    bad.push(number);
    let surplus = bad.len().saturating_sub(BAD_KEPT);
    for old in bad.into_iter().take(surplus) {
        remove(&data_dir.join(format!("{BAD_PREFIX}{old}")))?;
    }
    Ok(target)
}

/// Removes every index that was set aside.
pub(crate) fn remove_set_aside(data_dir: &Path) -> io::Result<()> {
    for number in numbers(data_dir, BAD_PREFIX)? {
        remove(&data_dir.join(format!("{BAD_PREFIX}{number}")))?;
    }
    Ok(())
}

/// Leaves a note that the next start must not use this index.
pub(crate) fn condemn(directory: &Path, why: &str) -> io::Result<()> {
    write_file_durably(&SysIo, &directory.join(CONDEMNED), why.as_bytes())
}

/// Why the index was condemned, if it was.
pub(crate) fn condemned(directory: &Path) -> Option<String> {
    let note = SysIo.open_read(&directory.join(CONDEMNED)).ok()?;
    let len = note.len().unwrap_or(0).min(CONDEMNED_BYTES_MAX);
    let mut bytes = vec![0; len as usize];
    let read = read_exact_at(&*note, &mut bytes, 0);
    Some(read.map_or_else(|error| error.to_string(), |()| String::from_utf8_lossy(&bytes).into_owned()))
}

/// Syncs every file and directory of an index, and the directories that lead to it.
pub(crate) fn sync_tree(data_dir: &Path, directory: &Path) -> io::Result<()> {
    walk(directory, &mut |path| SysIo.open_read(path)?.sync(), &mut |path| SysIo.fsync_dir(path))?;
    SysIo.fsync_dir(&data_dir.join(PARENT))?;
    SysIo.fsync_dir(data_dir)
}

/// Bytes of all files of an index.
pub(crate) fn size(directory: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    let mut add = |path: &Path| {
        bytes += SysIo.open_read(path)?.len()?;
        Ok(())
    };
    walk(directory, &mut add, &mut |_| Ok(()))?;
    Ok(bytes)
}

type Visit<'a> = &'a mut dyn FnMut(&Path) -> io::Result<()>;

/// Visits every file and directory of a tree. A file that sled removes meanwhile is passed over.
fn walk(directory: &Path, file: Visit<'_>, dir: Visit<'_>) -> io::Result<()> {
    for entry in SysIo.list_dir(directory)? {
        let path = directory.join(entry.name);
        let visited = if entry.is_dir { walk(&path, file, dir) } else { file(&path) };
        match visited {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other?,
        }
    }
    dir(directory)
}
