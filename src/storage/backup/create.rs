//! Adds a restore point to a directory of backups, while the broker runs.
//!
//! The order is what makes it consistent: the log is pinned, then snapshot and checkpoint are read, and only then is the
//! log cut. So the log reaches at least as far as the snapshot, and as far as everything that was acknowledged before
//! the call. The archive is cut at the same moment: whatever the log says stands there is in it, and nothing that it heard
//! of later.

use super::{
    BackupError, OnProgress, Progress,
    copy::{self, copy},
    manifest::{self, File, Manifest, SEGMENTS, Segment, store_text},
    points::{self, Points},
};
use crate::{
    base::time::Timestamp,
    storage::{
        access,
        checkpoint::{self, Checkpoint, Slots},
        file_error::at,
        identity::{self, Identity},
        io::{Io, resolve, write_file_durably},
        log::{
            LogCut, LogPosition, Pin,
            extent::{self, CutSegment, extent},
            segment::segment_path,
        },
        shard::{self, Seal},
        snapshot::{self, Snapshot},
        store::{self, ARCHIVE_DIRECTORY, WAL_DIRECTORY, lock::DirectoryLock},
    },
};
use std::{ops::ControlFlow, path::Path};

/// How often the snapshot is looked for again, when a checkpoint replaced it meanwhile.
const SNAPSHOT_TRIES: usize = 8;

/// How often a moment is looked for in which the archive is not written to.
const CUT_TRIES: usize = 100_000;

/// A running store.
pub struct Source<'a> {
    pub io: &'a dyn Io,
    pub data_dir: &'a Path,
    pub pin: &'a Pin,
    /// Of the archive, if there is one by now.
    pub archive: &'a dyn Fn() -> Option<Pin>,
    pub now: Timestamp,
}

/// A restore point that was added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    pub name: String,
    pub manifest: Manifest,
    pub copied_segments: u64,
    /// Of those and of everything else that was written.
    pub copied_bytes: u64,
}

/// Adds a restore point; durable on return. A segment of which `dir` has a whole copy is not copied again.
///
/// # Errors
/// The directory cannot be written or belongs to something else, or the work was broken off. No restore point was added.
pub fn create(source: &Source<'_>, dir: &Path, progress: OnProgress<'_>) -> Result<Created, BackupError> {
    let identity = identity_of(source.io, source.data_dir)?
        .ok_or_else(|| BackupError::NoBackups { dir: source.data_dir.to_owned() })?;
    let store_uuid = identity.uuid.into_bytes();
    refuse_inside_store(source.io, dir)?;
    if let Some(name) = points::foreign(source.io, dir)? {
        return Err(BackupError::Foreign { dir: dir.to_owned(), name });
    }
    store::make_directory(source.io, dir)?;
    let _lock = DirectoryLock::take(source.io, dir, std::process::id())?;
    let before = Points::read_any(source.io, dir)?;
    let store = store_text(store_uuid);
    if let Some(other) = before.points.iter().find(|point| point.manifest.store != store) {
        return Err(BackupError::OtherStore { dir: dir.to_owned(), store: other.manifest.store.clone() });
    }
    let mut run = Run {
        source,
        dir,
        store_uuid,
        before,
        name: String::new(),
        copied_segments: 0,
        copied_bytes: 0,
        done_bytes: 0,
    };
    run.make_directories()?;
    let archive = (source.archive)();
    let (checkpoint, snapshot) = run.state()?;
    // Behind the snapshot, which counts on what was synced by then; before the cut, so that the log has all that is newer.
    let shards = run.shards(progress)?;
    let (cut, archive) = cut(source, archive)?;
    let mut files = vec![run.put(identity::FILE, identity::FILE, &identity.encode())?];
    files.extend(run.put_checkpoint(checkpoint, cut.position)?);
    files.extend(run.put_snapshot(snapshot)?);
    files.extend(run.put_keys()?);
    files.extend(shards);
    let mut segments = run.segments(WAL_DIRECTORY, &cut, source.pin, progress)?;
    let mut archive_durable_seq = 0;
    if let Some((cut, pin)) = archive {
        segments.extend(run.segments(ARCHIVE_DIRECTORY, &cut, &pin, progress)?);
        archive_durable_seq = cut.position.durable_seq;
    }
    // A progress that is complete may not be broken off any more.
    let _ = progress(Progress { done_bytes: run.done_bytes, total_bytes: run.done_bytes });
    let (time_ms, durable_seq) = (source.now.0, cut.position.durable_seq);
    run.finish(Manifest { store, time_ms, durable_seq, archive_durable_seq, files, segments })
}

/// The log and the archive at one moment: nothing is written to the archive between its cut and the log's.
fn cut(source: &Source<'_>, archive: Option<Pin>) -> Result<(LogCut, Option<(LogCut, Pin)>), BackupError> {
    let mut archive = archive.or_else(source.archive);
    for _ in 0..CUT_TRIES {
        let before = archive.as_ref().map(Pin::cut);
        let cut = source.pin.cut();
        archive = archive.or_else(source.archive);
        let after = archive.as_ref().map(Pin::cut);
        if before == after {
            return Ok((cut, after.zip(archive)));
        }
    }
    Err(BackupError::GaveWay)
}

fn identity_of(io: &dyn Io, dir: &Path) -> Result<Option<Identity>, BackupError> {
    Identity::read(io, dir).map_err(|source| BackupError::Identity { dir: dir.to_owned(), source })
}

/// A backup inside a data directory would be lost with it, whatever links lead there.
fn refuse_inside_store(io: &dyn Io, dir: &Path) -> Result<(), BackupError> {
    let resolved = resolve(io, dir).map_err(at("looking for", dir))?;
    for above in resolved.ancestors() {
        let store = above.join(identity::FILE);
        if io.exists(&store).map_err(at("looking for", &store))? {
            return Err(BackupError::InsideStore { dir: dir.to_owned(), store: above.to_owned() });
        }
    }
    Ok(())
}

struct Run<'a> {
    source: &'a Source<'a>,
    dir: &'a Path,
    store_uuid: [u8; 16],
    before: Points,
    name: String,
    copied_segments: u64,
    copied_bytes: u64,
    /// Of the segments that were copied: those of streams, of the log, of the archive.
    done_bytes: u64,
}

impl Run<'_> {
    /// The directory, that of the segments, and a new one for what only this restore point has.
    fn make_directories(&mut self) -> Result<(), BackupError> {
        let io = self.source.io;
        store::make_directory(io, &self.dir.join(SEGMENTS))?;
        let mut time = self.source.now;
        loop {
            self.name = points::name_of(time);
            let own = self.dir.join(&self.name);
            if !self.is_taken(&own)? && !self.is_taken(&manifest::path_of(self.dir, &self.name))? {
                return Ok(store::make_directory(io, &own)?);
            }
            time = Timestamp(time.0 + 1);
        }
    }

    fn is_taken(&self, path: &Path) -> Result<bool, BackupError> {
        Ok(self.source.io.exists(path).map_err(at("looking for", path))?)
    }

    /// The newest checkpoint and the snapshot that belongs to it.
    fn state(&self) -> Result<(Option<Checkpoint>, Option<Snapshot>), BackupError> {
        let (io, dir) = (self.source.io, self.source.data_dir);
        for _ in 0..SNAPSHOT_TRIES {
            let checkpoint = Slots::read(io, dir, self.store_uuid).latest().cloned();
            let named = checkpoint.as_ref().map_or(0, |latest| latest.snapshot_generation);
            if named == 0 {
                break;
            }
            if let Ok(snapshot) = Snapshot::read(io, dir, named, self.store_uuid) {
                return Ok((checkpoint, Some(snapshot)));
            }
        }
        // What a start would do.
        let checkpoint = Slots::read(io, dir, self.store_uuid).latest().cloned();
        let named = checkpoint.as_ref().map(|latest| latest.snapshot_generation);
        let snapshot = if named == Some(0) { None } else { snapshot::find(io, dir, named, self.store_uuid)?.0 };
        Ok((checkpoint, snapshot))
    }

    /// Writes a file that only this restore point has.
    fn put(&mut self, file: &str, target: &str, bytes: &[u8]) -> Result<File, BackupError> {
        copy::write(self.source.io, &self.dir.join(&self.name).join(file), bytes)?;
        self.copied_bytes += bytes.len() as u64;
        Ok(File {
            path: format!("{}/{file}", self.name),
            target: target.to_owned(),
            bytes: bytes.len() as u64,
            crc: crc32fast::hash(bytes),
        })
    }

    /// The checkpoint, which also says how far the log reaches: a tail that is missing later is damage then.
    fn put_checkpoint(
        &mut self,
        checkpoint: Option<Checkpoint>,
        position: LogPosition,
    ) -> Result<Option<File>, BackupError> {
        let Some(checkpoint) = checkpoint else { return Ok(None) };
        let durable_seq = checkpoint.durable_seq.max(position.durable_seq);
        let checkpoint = Checkpoint { durable_seq, clean_shutdown: false, ..checkpoint };
        let [name, _] = checkpoint::FILES;
        self.put(name, name, &checkpoint.encode(self.store_uuid)).map(Some)
    }

    fn put_snapshot(&mut self, snapshot: Option<Snapshot>) -> Result<Option<File>, BackupError> {
        let Some(snapshot) = snapshot else { return Ok(None) };
        let path = snapshot::path_of(Path::new(""), snapshot.generation);
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let target = format!("{}/{name}", snapshot::DIRECTORY);
        self.put(&name, &target, &snapshot.encode(self.store_uuid)?).map(Some)
    }

    fn put_keys(&mut self) -> Result<Option<File>, BackupError> {
        let (io, path) = (self.source.io, access::path_of(self.source.data_dir));
        if !io.exists(&path).map_err(at("looking for", &path))? {
            return Ok(None);
        }
        let bytes = copy::read_all(io, &path, access::HEADER_BYTES + access::PAYLOAD_BYTES_MAX)?;
        let target = format!("{}/{}", access::DIRECTORY, access::FILE);
        self.put(access::FILE, &target, &bytes).map(Some)
    }

    /// The segments of streams. One that is in use is copied as far as it reaches; what is torn at its end is in the log.
    fn shards(&mut self, progress: OnProgress<'_>) -> Result<Vec<File>, BackupError> {
        let (io, data_dir) = (self.source.io, self.source.data_dir);
        let paths = shard::segments(io, data_dir).map_err(at("listing", &data_dir.join(shard::DIRECTORY)))?;
        let mut files = Vec::with_capacity(paths.len());
        for path in paths {
            if progress(Progress { done_bytes: self.done_bytes, total_bytes: self.done_bytes }).is_break() {
                return Err(BackupError::BrokenOff);
            }
            if self.source.pin.must_give_way() {
                return Err(BackupError::GaveWay);
            }
            files.extend(self.shard(&path, progress)?);
        }
        Ok(files)
    }

    /// None: the segment went by its age meanwhile.
    fn shard(&mut self, path: &Path, progress: OnProgress<'_>) -> Result<Option<File>, BackupError> {
        let (io, from) = (self.source.io, self.source.data_dir.join(path));
        let looked = shard::seal(io, &from).and_then(|seal| Ok((seal, io.open_read(&from)?.len()?)));
        let (sealed, bytes) = match looked {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            looked => looked.map_err(at("reading", &from))?,
        };
        let parts: Vec<_> = path.components().skip(1).map(|part| part.as_os_str().to_string_lossy()).collect();
        let name = parts.join("-");
        let stem = name.strip_suffix(".seg").unwrap_or(&name);
        let target = path.to_string_lossy().into_owned();
        let copied = match sealed {
            Some(Seal { file_id, crc }) => format!("{SEGMENTS}/{stem}-{file_id:016x}-{crc:08x}.seg"),
            None => format!("{}/{name}", self.name),
        };
        let known = self.before.points.iter().rev().flat_map(|point| &point.manifest.files);
        let known = known.into_iter().find(|file| sealed.is_some() && file.path == copied && file.bytes == bytes);
        if let Some(known) = known
            && io.open_read(&self.dir.join(&known.path)).and_then(|file| file.len()).is_ok_and(|len| len == bytes)
        {
            return Ok(Some(known.clone()));
        }
        let before = self.done_bytes;
        let step = |done| progress(Progress { done_bytes: before + done, total_bytes: before + bytes });
        let (crc, bytes) = match copy(io, &from, &self.dir.join(&copied), bytes, step) {
            Err(BackupError::File(_)) if io.exists(&from).is_ok_and(|is_there| !is_there) => return Ok(None),
            copied => copied?,
        };
        self.done_bytes += bytes;
        self.copied_bytes += bytes;
        Ok(Some(File { path: copied, target, bytes, crc }))
    }

    /// The log or the archive, oldest segment first, so that what was copied may go.
    fn segments(
        &mut self,
        name: &str,
        cut: &LogCut,
        pin: &Pin,
        progress: OnProgress<'_>,
    ) -> Result<Vec<Segment>, BackupError> {
        let dir = self.source.data_dir.join(name);
        let found = extent::cut(self.source.io, &dir, self.store_uuid, &cut.segments, cut.position.durable_seq);
        let found = found.map_err(at("reading", &dir))?;
        let plan: Vec<_> = found.into_iter().map(|segment| (self.known(name, &segment), segment)).collect();
        let missing = plan.iter().filter(|(known, _)| known.is_none());
        let total_bytes = self.done_bytes + missing.map(|(_, segment)| segment.file_bytes).sum::<u64>();
        let mut segments = Vec::with_capacity(plan.len());
        for (known, segment) in plan {
            let done_bytes = self.done_bytes;
            if progress(Progress { done_bytes, total_bytes }).is_break() {
                return Err(BackupError::BrokenOff);
            }
            if pin.must_give_way() {
                return Err(BackupError::GaveWay);
            }
            match known {
                Some(known) => segments.push(known),
                None => {
                    segments.push(self.copy_segment(name, &segment, &mut |bytes| {
                        progress(Progress { done_bytes: done_bytes + bytes, total_bytes })
                    })?);
                    self.done_bytes += segment.file_bytes;
                }
            }
            pin.release_below(segment.seq + 1);
        }
        Ok(segments)
    }

    /// The copy that an earlier restore point has, if it is still there.
    fn known(&self, of: &str, wanted: &CutSegment) -> Option<Segment> {
        let segments = self.before.points.iter().rev().flat_map(|point| &point.manifest.segments);
        let is_of = |segment: &&Segment| Path::new(&segment.file.target).starts_with(of);
        let known = segments.into_iter().filter(is_of).find(|segment| wanted.sealed && segment.is_copy_of(wanted))?;
        let file = self.source.io.open_read(&self.dir.join(&known.file.path)).ok()?;
        (file.len().ok()? == known.file.bytes).then(|| known.clone())
    }

    fn copy_segment(
        &mut self,
        of: &str,
        segment: &CutSegment,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<Segment, BackupError> {
        let io = self.source.io;
        let from = segment_path(&self.source.data_dir.join(of), segment.seq);
        let file = io.open_read(&from).map_err(at("opening", &from))?;
        let found = extent(file, segment).map_err(at("reading", &from))?;
        let name = segment_path(Path::new(""), segment.seq).to_string_lossy().into_owned();
        let prefix = if of == WAL_DIRECTORY { String::new() } else { format!("{of}-") };
        let path = match (segment.file_id, segment.last_crc) {
            (Some(id), Some(crc)) if segment.sealed && found.damage.is_none() => {
                format!("{SEGMENTS}/{prefix}{:020}-{id:016x}-{crc:08x}.wal", segment.seq)
            }
            _ => format!("{}/{prefix}{name}", self.name),
        };
        let (crc, bytes) = copy(io, &from, &self.dir.join(&path), found.end_offset, progress)?;
        self.copied_segments += 1;
        self.copied_bytes += bytes;
        Ok(Segment {
            seq: segment.seq,
            file_id: segment.file_id,
            last_block_seq: segment.last_block_seq,
            last_crc: segment.last_crc,
            sealed: segment.sealed,
            damage: found.damage,
            file: File { path, target: format!("{of}/{name}"), bytes, crc },
        })
    }

    /// Names first, then the manifest that makes them count.
    fn finish(self, manifest: Manifest) -> Result<Created, BackupError> {
        let io = self.source.io;
        for dir in [self.dir.join(SEGMENTS), self.dir.join(&self.name), self.dir.to_owned()] {
            io.fsync_dir(&dir).map_err(at("syncing", &dir))?;
        }
        let path = manifest::path_of(self.dir, &self.name);
        let bytes =
            manifest.encode().map_err(|error| BackupError::Damaged { path: path.clone(), what: error.to_string() })?;
        write_file_durably(io, &path, &bytes).map_err(at("writing", &path))?;
        let Self { name, copied_segments, copied_bytes, .. } = self;
        Ok(Created { name, manifest, copied_segments, copied_bytes })
    }
}
