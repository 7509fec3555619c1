//! The restore points of a directory, and which of them is meant.

use super::{
    BackupError, copy,
    manifest::{self, BYTES_MAX, Manifest, SEGMENTS, SUFFIX},
};
use crate::{
    base::time::Timestamp,
    storage::{
        file_error::at,
        io::{DirEntry, Io},
        store::lock,
    },
};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

/// What the root of a file system may contain of its own.
const FILE_SYSTEM_OWN: &str = "lost+found";

/// A restore point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    pub name: String,
    pub manifest: Manifest,
}

/// A directory of backups.
#[derive(Clone, Debug)]
pub struct Points {
    pub dir: PathBuf,
    /// Oldest first.
    pub points: Vec<Point>,
    /// Manifests that cannot be used, and why.
    pub damaged: Vec<(String, String)>,
}

/// Which restore point is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    Newest,
    Named(String),
    /// The newest one that is not younger.
    At(Timestamp),
}

impl Points {
    /// Reads every manifest.
    ///
    /// # Errors
    /// The directory cannot be read, or has no manifest.
    pub fn read(io: &dyn Io, dir: &Path) -> Result<Self, BackupError> {
        let found = Self::read_any(io, dir)?;
        if found.points.is_empty() && found.damaged.is_empty() {
            return Err(BackupError::NoBackups { dir: dir.to_owned() });
        }
        Ok(found)
    }

    /// The same for a directory that may have none yet.
    pub(super) fn read_any(io: &dyn Io, dir: &Path) -> Result<Self, BackupError> {
        let mut found = Self { dir: dir.to_owned(), points: Vec::new(), damaged: Vec::new() };
        for entry in entries(io, dir)? {
            let Some(name) = entry.name.strip_suffix(SUFFIX).filter(|_| !entry.is_dir) else { continue };
            let path = manifest::path_of(dir, name);
            let decoded = copy::read_all(io, &path, BYTES_MAX)
                .map_err(|error| error.to_string())
                .and_then(|bytes| Manifest::decode(&bytes));
            match decoded {
                Ok(manifest) => found.points.push(Point { name: name.to_owned(), manifest }),
                Err(what) => found.damaged.push((name.to_owned(), what)),
            }
        }
        found.points.sort_by(|a, b| (a.manifest.time_ms, &a.name).cmp(&(b.manifest.time_ms, &b.name)));
        Ok(found)
    }

    /// # Errors
    /// There is none such, or its manifest cannot be used.
    pub fn find(&self, wanted: &Wanted) -> Result<&Point, BackupError> {
        let no_point = |wanted: String| BackupError::NoPoint { dir: self.dir.clone(), wanted };
        match wanted {
            Wanted::Newest => self.points.last().ok_or_else(|| no_point("whose manifest can be read".to_owned())),
            Wanted::Named(name) => {
                let damaged = self.damaged.iter().find(|(other, _)| other == name);
                if let Some((_, what)) = damaged {
                    let path = manifest::path_of(&self.dir, name);
                    return Err(BackupError::Damaged { path, what: what.clone() });
                }
                self.points.iter().find(|point| point.name == *name).ok_or_else(|| no_point(format!("{name:?}")))
            }
            Wanted::At(time) => {
                let found = self.points.iter().rfind(|point| point.manifest.time() <= *time);
                found.ok_or_else(|| no_point(format!("as old as {}", name_of(*time))))
            }
        }
    }
}

/// The name of a restore point of this moment: sorts as time does.
pub fn name_of(time: Timestamp) -> String {
    let millis = i64::try_from(time.0).unwrap_or(i64::MAX);
    match jiff::Timestamp::from_millisecond(millis) {
        Ok(time) => time.strftime("%Y%m%dT%H%M%S.%3fZ").to_string(),
        Err(_) => millis.to_string(),
    }
}

pub(super) fn entries(io: &dyn Io, dir: &Path) -> Result<Vec<DirEntry>, BackupError> {
    if !io.exists(dir).map_err(at("looking for", dir))? {
        return Ok(Vec::new());
    }
    Ok(io.list_dir(dir).map_err(at("listing", dir))?)
}

/// The first name that belongs to nobody who makes backups. What broken-off runs left does not count.
pub(super) fn foreign(io: &dyn Io, dir: &Path) -> Result<Option<String>, BackupError> {
    let entries = entries(io, dir)?;
    let names: BTreeSet<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
    let is_ours = |entry: &&DirEntry| match entry.is_dir {
        true => [SEGMENTS, FILE_SYSTEM_OWN].contains(&entry.name.as_str()) || is_name(&entry.name),
        false if entry.name == lock::FILE => true,
        false => {
            let stem = entry.name.strip_suffix(".tmp").unwrap_or(&entry.name);
            stem.strip_suffix(SUFFIX).is_some_and(|name| is_name(name) || names.contains(name))
        }
    };
    Ok(entries.iter().find(|entry| !is_ours(entry)).map(|entry| entry.name.clone()))
}

/// Whether [`name_of`] gave this name.
pub(super) fn is_given_name(name: &str) -> bool {
    const FORM: &[u8] = b"00000000T000000.000Z";
    let fits = |(byte, form): (u8, &u8)| if *form == b'0' { byte.is_ascii_digit() } else { byte == *form };
    name.len() == FORM.len() && name.bytes().zip(FORM).all(fits)
}

/// Whether a restore point may have this name: digits, with `T`, a dot and `Z`.
pub(super) fn is_name(name: &str) -> bool {
    name.len() >= 8 && name.bytes().all(|byte| byte.is_ascii_digit() || b"T.Z".contains(&byte))
}
