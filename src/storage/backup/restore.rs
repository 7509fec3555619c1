//! A data directory out of a restore point.
//!
//! `STORE` comes last: until then the directory is none that a broker would start in. The log is replayed before, by
//! the code that a start uses.

use super::{BackupError, OnProgress, Progress, copy::copy, manifest::File, points::Point};
use crate::storage::{
    access, checkpoint,
    file_error::{FileError, at},
    identity,
    io::{DIRECT_ALIGNMENT, Io},
    log::{LostRange, examine},
    snapshot,
    store::{self, ARCHIVE_DIRECTORY, WAL_DIRECTORY},
};
use std::{collections::BTreeSet, path::Path};

/// What the root of a file system may contain of its own.
const FILE_SYSTEM_OWN: &str = "lost+found";

/// What the new data directory holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    pub bytes: u64,
    pub segments: u64,
    /// Frames that a start replays.
    pub frames: u64,
    /// What was damaged in the store when the backup was made.
    pub lost: Vec<String>,
}

/// Makes a data directory of a restore point; durable on return.
///
/// # Errors
/// The target is not empty, the backup is damaged, or the work was broken off. What was written is no data directory
/// then.
pub fn restore(
    io: &dyn Io,
    dir: &Path,
    point: &Point,
    data_dir: &Path,
    progress: OnProgress<'_>,
) -> Result<Restored, BackupError> {
    store::make_directory(io, data_dir)?;
    let entries = io.list_dir(data_dir).map_err(at("listing", data_dir))?;
    if let Some(entry) = entries.into_iter().find(|entry| entry.name != FILE_SYSTEM_OWN) {
        return Err(BackupError::NotEmpty { dir: data_dir.to_owned(), name: entry.name });
    }
    let manifest = &point.manifest;
    let mut below: BTreeSet<&Path> = [WAL_DIRECTORY, snapshot::DIRECTORY, access::DIRECTORY].map(Path::new).into();
    let targets = manifest.all_files().flat_map(|file| Path::new(&file.target).ancestors().skip(1));
    below.extend(targets.filter(|path| !path.as_os_str().is_empty()));
    for name in &below {
        store::make_directory(io, &data_dir.join(name))?;
    }
    let (mut done_bytes, total_bytes) = (0, manifest.bytes());
    let is_identity = |file: &&File| file.target == identity::FILE;
    for file in manifest.all_files().filter(|file| !is_identity(file)) {
        let step = |bytes| progress(Progress { done_bytes: done_bytes + bytes, total_bytes });
        copy_back(io, dir, data_dir, file, step)?;
        done_bytes += file.bytes;
    }
    for segment in manifest.segments.iter().filter(|segment| !segment.sealed) {
        show_end(io, data_dir, &segment.file)?;
    }
    checkpoint::create_files(io, data_dir)?;
    for name in below.iter().rev() {
        let path = data_dir.join(name);
        io.fsync_dir(&path).map_err(at("syncing", &path))?;
    }
    io.fsync_dir(data_dir).map_err(at("syncing", data_dir))?;
    let (frames, lost) = replay(io, point, data_dir)?;
    let identity = manifest.files.iter().find(is_identity).ok_or_else(|| BackupError::Damaged {
        path: super::manifest::path_of(dir, &point.name),
        what: format!("it names no {}", identity::FILE),
    })?;
    copy_back(io, dir, data_dir, identity, |_| std::ops::ControlFlow::Continue(()))?;
    io.fsync_dir(data_dir).map_err(at("syncing", data_dir))?;
    // A progress that is complete may not be broken off any more.
    let _ = progress(Progress { done_bytes: total_bytes, total_bytes });
    Ok(Restored { bytes: total_bytes, segments: manifest.segments.len() as u64, frames, lost })
}

fn copy_back(
    io: &dyn Io,
    dir: &Path,
    data_dir: &Path,
    file: &File,
    progress: impl FnMut(u64) -> std::ops::ControlFlow<()>,
) -> Result<(), BackupError> {
    let path = dir.join(&file.path);
    let (crc, bytes) = copy(io, &path, &data_dir.join(&file.target), file.bytes, progress)?;
    if (crc, bytes) == (file.crc, file.bytes) {
        return Ok(());
    }
    let found = format!("its {bytes} bytes have the CRC {crc:08x}");
    Err(BackupError::Damaged { path, what: format!("{found}, its manifest says {} and {:08x}", file.bytes, file.crc) })
}

/// A page of zeroes behind the last block of a segment that went on in the store: a start would else take the file for one
/// that was cut off.
fn show_end(io: &dyn Io, data_dir: &Path, file: &File) -> Result<(), FileError> {
    let path = data_dir.join(&file.target);
    let segment = io.open(&path).map_err(at("opening", &path))?;
    segment.write_at(&[0; DIRECT_ALIGNMENT], file.bytes).map_err(at("writing", &path))?;
    segment.sync().map_err(at("syncing", &path))
}

/// What a start would read, and what it would miss. Every file is what its manifest says, so all of that was missing in
/// the store.
fn replay(io: &dyn Io, point: &Point, data_dir: &Path) -> Result<(u64, Vec<String>), BackupError> {
    let manifest = &point.manifest;
    let mut frames = 0;
    let uuid = manifest.uuid().unwrap_or_default();
    let wal = data_dir.join(WAL_DIRECTORY);
    let mut corrupt = examine::replay(io, &wal, uuid, manifest.durable_seq, &mut |_| frames += 1)?.corrupt;
    if manifest.archive_durable_seq > 0 {
        let archive = data_dir.join(ARCHIVE_DIRECTORY);
        corrupt
            .extend(examine::replay(io, &archive, uuid, manifest.archive_durable_seq, &mut |_| frames += 1)?.corrupt);
    }
    Ok((frames, corrupt.iter().map(LostRange::to_string).collect()))
}
