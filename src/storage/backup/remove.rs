//! Lets restore points go, with the files that none of those left needs.
//!
//! The manifests go first, durably: a removal that breaks off leaves files that nobody names, which the next one takes.
//! While it runs no backup does, so that what nobody names is what broken-off runs left.

use super::{
    BackupError,
    manifest::{self, SEGMENTS, SUFFIX},
    points::{self, Points},
};
use crate::storage::{
    file_error::at,
    io::{DirEntry, Io},
    store::lock::DirectoryLock,
};
use std::{collections::BTreeSet, path::Path};

/// What a removal takes away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removal {
    /// The restore points, oldest first.
    pub points: Vec<String>,
    /// Files and directories, from the directory of backups; the manifests are not among them.
    pub files: Vec<String>,
    /// Of the files.
    pub bytes: u64,
    /// Manifests that cannot be read: nobody knows which segments they need, so all of those stay.
    pub unknown: Vec<String>,
}

/// A directory of backups in which nobody makes one.
pub struct Removing<'a> {
    io: &'a dyn Io,
    pub points: Points,
    _lock: DirectoryLock,
}

impl<'a> Removing<'a> {
    /// # Errors
    /// The directory cannot be read or has no manifest, or a backup is being made in it.
    pub fn begin(io: &'a dyn Io, dir: &Path) -> Result<Self, BackupError> {
        Points::read(io, dir)?;
        let lock = DirectoryLock::take(io, dir, std::process::id())?;
        Ok(Self { io, points: Points::read(io, dir)?, _lock: lock })
    }

    /// What has to go when these restore points go.
    pub fn plan(&self, goes: impl Fn(&str) -> bool) -> Result<Removal, BackupError> {
        let dir = &self.points.dir;
        let damaged = self.points.damaged.iter().map(|(name, _)| name);
        let names = self.points.points.iter().map(|point| &point.name).chain(damaged.clone());
        let going: Vec<_> = names.filter(|name| goes(name)).cloned().collect();
        let unknown: Vec<_> = damaged.filter(|name| !goes(name)).cloned().collect();
        let stays = self.points.points.iter().filter(|point| !goes(&point.name));
        let needed: BTreeSet<&str> =
            stays.flat_map(|point| point.manifest.all_files()).map(|file| file.path.as_str()).collect();
        let mut removal = Removal { points: going, unknown, ..Removal::default() };
        for entry in points::entries(self.io, dir)? {
            let name = entry.name.as_str();
            let may_go = match name {
                SEGMENTS => removal.unknown.is_empty(),
                // A directory of somebody else may look much like one of ours.
                _ => {
                    let is_ours = removal.points.contains(&entry.name) || points::is_given_name(name);
                    is_ours && !removal.unknown.contains(&entry.name)
                }
            };
            if is_left_over(&entry) {
                removal.files.push(entry.name);
            } else if entry.is_dir && may_go {
                self.plan_directory(name, &needed, &mut removal)?;
            }
        }
        Ok(removal)
    }

    /// The files of a directory that nobody needs, and the directory itself when nothing is left in it.
    fn plan_directory(&self, name: &str, needed: &BTreeSet<&str>, removal: &mut Removal) -> Result<(), BackupError> {
        let dir = self.points.dir.join(name);
        let (mut is_empty, before) = (true, removal.files.len());
        for entry in points::entries(self.io, &dir)? {
            let path = format!("{name}/{}", entry.name);
            let is_foreign =
                entry.is_dir || (name == SEGMENTS && ![".wal", ".seg"].iter().any(|end| entry.name.ends_with(end)));
            if needed.contains(path.as_str()) || is_foreign {
                is_empty = false;
                continue;
            }
            let at_path = dir.join(&entry.name);
            let file = self.io.open_read(&at_path).map_err(at("opening", &at_path))?;
            removal.bytes += file.len().map_err(at("measuring", &at_path))?;
            removal.files.push(path);
        }
        if is_empty && name != SEGMENTS {
            removal.files.truncate(before);
            removal.files.push(name.to_owned());
        }
        Ok(())
    }

    /// Durable on return.
    pub fn remove(self, removal: &Removal) -> Result<(), BackupError> {
        let (io, dir) = (self.io, &self.points.dir);
        for name in &removal.points {
            let path = manifest::path_of(dir, name);
            io.unlink(&path).map_err(at("removing", &path))?;
        }
        io.fsync_dir(dir).map_err(at("syncing", dir))?;
        for file in &removal.files {
            let path = dir.join(file);
            // Only what a restore point has of its own is a directory.
            let is_own = points::is_given_name(file) || removal.points.contains(file);
            let removed = if is_own { io.remove_tree(&path) } else { io.unlink(&path) };
            removed.map_err(at("removing", &path))?;
        }
        io.fsync_dir(dir).map_err(at("syncing", dir))?;
        let segments = dir.join(SEGMENTS);
        Ok(io.fsync_dir(&segments).map_err(at("syncing", &segments))?)
    }
}

/// A manifest that was never finished.
fn is_left_over(entry: &DirEntry) -> bool {
    let stem = entry.name.strip_suffix(".tmp").and_then(|name| name.strip_suffix(SUFFIX));
    !entry.is_dir && stem.is_some_and(points::is_name)
}
