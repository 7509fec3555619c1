//! Opening a data directory: lock, identity, checkpoint, snapshot, index. The log is opened by the engine with what
//! this returns.
//!
//! `STORE` is the last thing that making a store writes. A directory that has it is never treated as new again: if
//! both checkpoints are lost, that means a replay from the oldest segment.

use super::{
    foreign,
    lock::{DirectoryLock, LockError},
};
use crate::{
    base::{
        entropy::Entropy,
        id::{Lsn, PartitionId},
        time::Timestamp,
    },
    storage::{
        checkpoint::{self, Checkpoint, CheckpointWriter, Slots},
        file_error::{FileError, at},
        identity::{Identity, IdentityError},
        index::{
            IndexError, IndexState, IndexStore,
            memory::{MemoryDisk, MemoryIndex},
            sled_index::{SledIndex, SledOptions},
        },
        io::Io,
        snapshot::{self, Snapshot},
    },
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The log's directory inside the data directory.
pub const WAL_DIRECTORY: &str = "wal";
/// A second log, of what is old.
pub const ARCHIVE_DIRECTORY: &str = "archive";

/// Which index stands behind [`IndexStore`].
#[derive(Clone, Debug)]
pub enum IndexKind {
    Sled { cache_bytes: u64 },
    Memory(MemoryDisk),
}

/// What opening needs to know. The last four matter only when the store is made.
pub struct Options<'a> {
    pub index: IndexKind,
    pub pid: u32,
    pub now: Timestamp,
    pub node_id: u64,
    pub partition_count: u32,
    pub entropy: &'a mut dyn Entropy,
}

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error("{}: {source}", dir.display())]
    Identity { dir: PathBuf, source: IdentityError },
    #[error("{} is not a data directory: it holds {name:?} and no {store} file", dir.display(), store = crate::storage::identity::FILE)]
    Foreign { dir: PathBuf, name: String },
    #[error("a store of {found} partitions cannot be made: the limit is {max}")]
    TooManyPartitions { found: u32, max: usize },
    #[error(transparent)]
    Index(#[from] IndexError),
    #[error(transparent)]
    File(#[from] FileError),
}

/// What was found in the directory.
pub struct Opened {
    pub store: Store,
    pub identity: Identity,
    /// The directory was made by this call.
    pub created: bool,
    /// `None`: replay from the oldest segment, over the snapshot if there is one.
    pub checkpoint: Option<Checkpoint>,
    /// Sections carry their own LSN: after a fall-back it differs from the checkpoint's.
    pub snapshot: Option<Snapshot>,
    pub index: Box<dyn IndexStore>,
    pub index_state: IndexState,
    /// Damage that was worked around, one sentence each: to be logged.
    pub warnings: Vec<String>,
}

/// An open data directory: holds its lock and writes its checkpoints.
pub struct Store {
    pub(super) io: Arc<dyn Io>,
    pub(super) dir: PathBuf,
    pub(super) store_uuid: [u8; 16],
    pub(super) checkpoints: CheckpointWriter,
    /// The generation the next checkpoint gets.
    pub(super) next_generation: u64,
    pub(super) next_snapshot: u64,
    /// The latest checkpoint and the one before: both may be what the next start finds.
    pub(super) recent: Vec<Anchor>,
    _lock: DirectoryLock,
}

/// What must be kept for a checkpoint to be usable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Anchor {
    pub(super) snapshot_generation: u64,
    /// Per partition the lowest LSN of the checkpoint and its snapshot: the frames above it are needed.
    pub(super) needed_above: BTreeMap<PartitionId, Lsn>,
    pub(super) snapshot_lsns: BTreeMap<PartitionId, Lsn>,
}

impl Store {
    /// Opens a data directory, or makes one where there is nothing yet.
    ///
    /// # Errors
    /// The directory is in use, of a newer format, not a store, or its identity cannot be read. Damage to checkpoints,
    /// snapshots and the index is no error: it is worked around and reported in [`Opened::warnings`].
    pub fn open(io: Arc<dyn Io>, dir: &Path, options: Options<'_>) -> Result<Opened, OpenError> {
        make_directory(&*io, dir)?;
        let identity = read_identity(&*io, dir)?;
        if identity.is_none() {
            refuse_foreign(&*io, dir)?;
        }
        let lock = DirectoryLock::take(&*io, dir, options.pid)?;
        // Read again: another process may have made the store and gone.
        let found = read_identity(&*io, dir)?;
        let created = found.is_none();
        let identity = match found {
            Some(identity) => identity,
            None => {
                make_store(&*io, dir, &mut *options.entropy, options.now, options.node_id, options.partition_count)?
            }
        };
        let store_uuid = identity.uuid.into_bytes();
        let slots = Slots::read(&*io, dir, store_uuid);
        let mut warnings: Vec<String> =
            slots.damage().map(|(file, what)| format!("{file} is damaged: {what}")).collect();
        let checkpoint = slots.latest().cloned();
        let snapshot = find_snapshot(&*io, dir, checkpoint.as_ref(), store_uuid, &mut warnings)?;
        let (index, index_state) = open_index(dir, options.index, store_uuid, checkpoint.as_ref())?;
        let store = Self {
            checkpoints: CheckpointWriter::open(&*io, dir, store_uuid, &slots)?,
            next_generation: checkpoint.as_ref().map_or(1, |latest| latest.generation + 1),
            next_snapshot: snapshot::generations(&*io, dir)?.last().map_or(1, |last| last + 1),
            recent: anchors(checkpoint.as_ref(), snapshot.as_ref()),
            io,
            dir: dir.to_owned(),
            store_uuid,
            _lock: lock,
        };
        Ok(Opened { store, identity, created, checkpoint, snapshot, index, index_state, warnings })
    }
}

/// Takes a data directory that no process uses, or one that may become one, and leaves it as it is.
///
/// # Errors
/// The directory is in use, or belongs to somebody else.
pub fn reserve(io: &dyn Io, dir: &Path, pid: u32) -> Result<DirectoryLock, OpenError> {
    make_directory(io, dir)?;
    if read_identity(io, dir)?.is_none() {
        refuse_foreign(io, dir)?;
    }
    Ok(DirectoryLock::take(io, dir, pid)?)
}

pub(crate) fn make_directory(io: &dyn Io, dir: &Path) -> Result<(), FileError> {
    let mut missing = Vec::new();
    for ancestor in dir.ancestors().filter(|ancestor| !ancestor.as_os_str().is_empty()) {
        if io.exists(ancestor).map_err(at("looking for", ancestor))? {
            break;
        }
        missing.push(ancestor);
    }
    if missing.is_empty() {
        return Ok(());
    }
    io.create_dir(dir).map_err(at("creating", dir))?;
    for created in missing {
        let parent = created.parent().unwrap_or(Path::new("."));
        io.fsync_dir(parent).map_err(at("syncing", parent))?;
    }
    Ok(())
}

fn read_identity(io: &dyn Io, dir: &Path) -> Result<Option<Identity>, OpenError> {
    Identity::read(io, dir).map_err(|source| OpenError::Identity { dir: dir.to_owned(), source })
}

fn refuse_foreign(io: &dyn Io, dir: &Path) -> Result<(), OpenError> {
    match foreign::find(io, dir)? {
        None => Ok(()),
        Some(name) => Err(OpenError::Foreign { dir: dir.to_owned(), name }),
    }
}

/// Makes everything, `STORE` last: a crash before leaves a directory that is still new.
fn make_store(
    io: &dyn Io,
    dir: &Path,
    entropy: &mut dyn Entropy,
    now: Timestamp,
    node_id: u64,
    partition_count: u32,
) -> Result<Identity, OpenError> {
    if partition_count as usize > checkpoint::PARTITIONS_MAX {
        return Err(OpenError::TooManyPartitions { found: partition_count, max: checkpoint::PARTITIONS_MAX });
    }
    checkpoint::create_files(io, dir)?;
    let meta = dir.join(snapshot::DIRECTORY);
    io.create_dir(&meta).map_err(at("creating", &meta))?;
    io.fsync_dir(dir).map_err(at("syncing", dir))?;
    let identity = Identity::generate(entropy, now, node_id, partition_count);
    identity.write(io, dir)?;
    Ok(identity)
}

fn find_snapshot(
    io: &dyn Io,
    dir: &Path,
    checkpoint: Option<&Checkpoint>,
    store_uuid: [u8; 16],
    warnings: &mut Vec<String>,
) -> Result<Option<Snapshot>, FileError> {
    let preferred = checkpoint.map(|latest| latest.snapshot_generation);
    if preferred == Some(0) {
        return Ok(None);
    }
    let (snapshot, passed_over) = snapshot::find(io, dir, preferred, store_uuid)?;
    warnings.extend(passed_over);
    Ok(snapshot)
}

fn open_index(
    dir: &Path,
    kind: IndexKind,
    store_uuid: [u8; 16],
    checkpoint: Option<&Checkpoint>,
) -> Result<(Box<dyn IndexStore>, IndexState), IndexError> {
    let expected = checkpoint.map(|latest| latest.index);
    match kind {
        IndexKind::Sled { cache_bytes } => {
            let options = SledOptions { data_dir: dir.to_owned(), store_uuid, cache_bytes };
            let (index, state) = SledIndex::open(options, expected)?;
            Ok((Box::new(index), state))
        }
        IndexKind::Memory(disk) => {
            let (index, state) = MemoryIndex::open(disk, expected);
            Ok((Box::new(index), state))
        }
    }
}

/// The anchor of the checkpoint that was found. The other slot is the one overwritten next, so it needs none.
fn anchors(checkpoint: Option<&Checkpoint>, snapshot: Option<&Snapshot>) -> Vec<Anchor> {
    let Some(checkpoint) = checkpoint else { return Vec::new() };
    let sections = snapshot.map_or(&[][..], |snapshot| &snapshot.sections);
    let snapshot_lsns = super::commit::lowest_lsns(sections.iter().map(|section| (section.partition, section.lsn)));
    let generation = snapshot.map_or(0, |snapshot| snapshot.generation);
    vec![Anchor::new(&checkpoint.partitions, generation, snapshot_lsns)]
}
