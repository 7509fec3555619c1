//! Every file of every restore point against its manifest, and every block of the log in them.

use super::{
    BackupError, OnProgress, Progress, copy,
    manifest::{self, File, Segment},
    points::Points,
};
use crate::storage::{file_error::at, io::Io, log::extent::extent};
use std::{
    collections::BTreeMap,
    ops::ControlFlow,
    path::{Path, PathBuf},
};

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// From the directory of backups.
    pub file: String,
    pub what: String,
    /// The restore points that need the file.
    pub points: Vec<String>,
    /// It was so in the store already; the copy is what it was.
    pub from_store: bool,
}

/// A file to look at, once, however many restore points share it.
struct Wanted<'a> {
    file: &'a File,
    segment: Option<&'a Segment>,
    points: Vec<String>,
}

/// Reads everything.
///
/// # Errors
/// There are no backups, or the work was broken off. What is wrong with them is no error.
pub fn verify(io: &dyn Io, points: &Points, progress: OnProgress<'_>) -> Result<Vec<Finding>, BackupError> {
    let dir = &points.dir;
    let mut findings: Vec<Finding> = points
        .damaged
        .iter()
        .map(|(name, what)| Finding {
            file: relative(dir, manifest::path_of(dir, name)),
            what: what.clone(),
            points: vec![name.clone()],
            from_store: false,
        })
        .collect();
    let files = wanted(points);
    let total_bytes = files.values().map(|wanted| wanted.file.bytes).sum();
    let mut done_bytes = 0;
    for wanted in files.into_values() {
        let step = &mut |bytes| progress(Progress { done_bytes: done_bytes + bytes, total_bytes });
        let (what, from_store) = match check(io, dir, &wanted, step)? {
            Some(what) => (Some(what), false),
            None => (wanted.segment.and_then(|segment| segment.damage.clone()), true),
        };
        let file = wanted.file.path.clone();
        findings.extend(what.map(|what| Finding { file, what, points: wanted.points, from_store }));
        done_bytes += wanted.file.bytes;
    }
    Ok(findings)
}

fn relative(dir: &Path, path: PathBuf) -> String {
    path.strip_prefix(dir).unwrap_or(&path).display().to_string()
}

fn wanted(points: &Points) -> BTreeMap<(&str, u32, u64), Wanted<'_>> {
    let mut files: BTreeMap<(&str, u32, u64), Wanted<'_>> = BTreeMap::new();
    for point in &points.points {
        let plain = point.manifest.files.iter().map(|file| (file, None));
        let segments = point.manifest.segments.iter().map(|segment| (&segment.file, Some(segment)));
        for (file, segment) in plain.chain(segments) {
            let key = (file.path.as_str(), file.crc, file.bytes);
            let wanted = files.entry(key).or_insert_with(|| Wanted { file, segment, points: Vec::new() });
            wanted.points.push(point.name.clone());
        }
    }
    files
}

/// What is wrong with one file.
fn check(
    io: &dyn Io,
    dir: &Path,
    wanted: &Wanted<'_>,
    progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Result<Option<String>, BackupError> {
    let (path, file) = (dir.join(&wanted.file.path), wanted.file);
    if !io.exists(&path).map_err(at("looking for", &path))? {
        return Ok(Some("it is missing".to_owned()));
    }
    let handle = io.open_read(&path).map_err(at("opening", &path))?;
    let bytes = handle.len().map_err(at("measuring", &path))?;
    if bytes != file.bytes {
        return Ok(Some(format!("it has {bytes} bytes, its manifest says {}", file.bytes)));
    }
    let (crc, _) = copy::read_chunks(&handle, &path, bytes, |chunk, at| Ok(progress(at + chunk.len() as u64)))?;
    let undamaged = wanted.segment.filter(|segment| segment.damage.is_none());
    let block = match undamaged {
        Some(segment) => extent(handle, &segment.cut()).map_err(at("reading", &path))?.damage,
        None => None,
    };
    let other = || format!("its CRC is {crc:08x}, its manifest says {:08x}", file.crc);
    Ok(block.or_else(|| (crc != file.crc).then(other)))
}
