//! The index's place on disk: `index/<generation>/`, one of them in use, and `index.bad-<n>/` for what was set aside.
//!
//! The store over sled does its own file access, so this file does too: it is the index's IO adapter and stands beside
//! `storage::io`, not on top of it. Nothing here is a durability point; losing all of it costs a replay.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

const PARENT: &str = "index";
const BAD_PREFIX: &str = "index.bad-";
const CONDEMNED: &str = "CONDEMNED";
/// How many indexes that were set aside are kept for a look.
const BAD_KEPT: usize = 2;

pub(crate) fn path_of(data_dir: &Path, generation: u64) -> PathBuf {
    data_dir.join(PARENT).join(generation.to_string())
}

/// The generations present, in rising order.
pub(crate) fn generations(data_dir: &Path) -> io::Result<Vec<u64>> {
    let mut found: Vec<u64> =
        names(&data_dir.join(PARENT))?.iter().filter_map(|name| name.parse::<u64>().ok()).collect();
    found.sort_unstable();
    Ok(found)
}

/// Makes the directory ready for sled, which stumbles over a snapshot it was writing when the process ended.
pub(crate) fn prepare(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    for name in names(directory)? {
        if name.starts_with("snap.") && name.ends_with(".generating") {
            fs::remove_file(directory.join(name))?;
        }
    }
    Ok(())
}

pub(crate) fn exists(directory: &Path) -> bool {
    directory.is_dir()
}

pub(crate) fn remove(directory: &Path) -> io::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Moves an unusable index out of the way and forgets the oldest of those set aside before.
pub(crate) fn set_aside(data_dir: &Path, directory: &Path) -> io::Result<PathBuf> {
    let mut bad = set_aside_before(data_dir)?;
    let number = bad.last().map_or(1, |last| last + 1);
    let target = data_dir.join(format!("{BAD_PREFIX}{number}"));
    fs::rename(directory, &target)?;
    bad.push(number);
    let surplus = bad.len().saturating_sub(BAD_KEPT);
    for old in bad.into_iter().take(surplus) {
        remove(&data_dir.join(format!("{BAD_PREFIX}{old}")))?;
    }
    Ok(target)
}

fn set_aside_before(data_dir: &Path) -> io::Result<Vec<u64>> {
    let mut numbers: Vec<u64> =
        names(data_dir)?.iter().filter_map(|name| name.strip_prefix(BAD_PREFIX)?.parse::<u64>().ok()).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// Leaves a note that the next start must not use this index.
pub(crate) fn condemn(directory: &Path, why: &str) -> io::Result<()> {
    let note = directory.join(CONDEMNED);
    fs::write(&note, why)?;
    sync(&note)?;
    sync(directory)
}

/// Why the index was condemned, if it was.
pub(crate) fn condemned(directory: &Path) -> Option<String> {
    let note = fs::read(directory.join(CONDEMNED)).ok()?;
    Some(String::from_utf8_lossy(&note).into_owned())
}

/// Syncs every file and directory of an index, and the directories that lead to it.
pub(crate) fn sync_tree(data_dir: &Path, directory: &Path) -> io::Result<()> {
    walk(directory, &mut |path, _| sync(path))?;
    sync(directory)?;
    sync(&data_dir.join(PARENT))?;
    sync(data_dir)
}

/// Bytes of all files of an index.
pub(crate) fn size(directory: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    walk(directory, &mut |_, metadata| {
        if metadata.is_file() {
            bytes += metadata.len();
        }
        Ok(())
    })?;
    Ok(bytes)
}

fn sync(path: &Path) -> io::Result<()> {
    fs::File::open(path)?.sync_all()
}

/// Visits everything below `directory`. A file that sled removes meanwhile is passed over.
fn walk(directory: &Path, visit: &mut dyn FnMut(&Path, &fs::Metadata) -> io::Result<()>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let visited = fs::metadata(&path).and_then(|metadata| {
            if metadata.is_dir() {
                walk(&path, visit)?;
            }
            visit(&path, &metadata)
        });
        match visited {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other?,
        }
    }
    Ok(())
}

fn names(directory: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}
