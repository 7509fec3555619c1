//! `CHECKPOINT.a` and `CHECKPOINT.b`: how far the durable state reaches, written in turn.
//!
//! Each file is one block of 4096 bytes that is overwritten in place and synced, never renamed; a crash while one is
//! written leaves the other. The valid one of the higher generation counts. When neither is valid the answer is "replay
//! from the oldest segment", never "a new store".

use crate::{
    base::{
        id::{Lsn, PartitionId},
        time::Timestamp,
    },
    storage::{
        file_error::{FileError, at},
        fixed::{Fields, Record, crc_matches},
        index::{IndexMark, IndexPosition},
        io::{Io, IoFile},
    },
};
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

pub const FILES: [&str; 2] = ["CHECKPOINT.a", "CHECKPOINT.b"];
pub const MAGIC: [u8; 8] = *b"FBCHKPT\0";
pub const VERSION: u16 = 1;
pub const BYTES: usize = 4096;
pub const PARTITIONS_MAX: usize = 128;
const CRC_AT: usize = 4092;
const CLEAN_SHUTDOWN: u16 = 1;

/// What the durable state of one partition is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionPosition {
    pub partition: PartitionId,
    /// The last frame the state contains: replay starts behind it.
    pub lsn: Lsn,
    /// Compared with the state rebuilt at this LSN.
    pub state_hash: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Rises by one with each checkpoint.
    pub generation: u64,
    /// The catalog snapshot this checkpoint stands on; 0 while there is none.
    pub snapshot_generation: u64,
    pub index: IndexPosition,
    /// Hint: the WAL segment that was being written.
    pub wal_segment: u64,
    /// The highest block known to be synced.
    pub durable_seq: u64,
    /// Nothing was written after this checkpoint.
    pub clean_shutdown: bool,
    pub written: Timestamp,
    pub partitions: Vec<PartitionPosition>,
}

impl Checkpoint {
    /// The block of 4096 bytes. More than [`PARTITIONS_MAX`] partitions do not fit and are refused before.
    pub fn encode(&self, store_uuid: [u8; 16]) -> Vec<u8> {
        let flags = if self.clean_shutdown { CLEAN_SHUTDOWN } else { 0 };
        let record = Record::with_capacity(BYTES).bytes(&MAGIC).u16(VERSION).u16(flags);
        let record = record.u32(self.partitions.len() as u32).bytes(&store_uuid).u64(self.generation);
        let record = record.u64(self.snapshot_generation).u64(self.index.generation).u64(self.index.mark.0);
        let record = record.u64(self.wal_segment).u64(self.durable_seq).u64(self.written.0).u64(0);
        let record = self.partitions.iter().take(PARTITIONS_MAX).fold(record, |record, position| {
            record.u32(position.partition.0).u32(0).u64(position.lsn.0).u64(position.state_hash)
        });
        record.zeroes_to(BYTES).sealed(CRC_AT)
    }

    /// # Errors
    /// What is wrong with the bytes.
    pub fn decode(bytes: &[u8], store_uuid: [u8; 16]) -> Result<Self, &'static str> {
        if bytes.len() != BYTES {
            return Err("it does not have 4096 bytes");
        }
        let mut fields = Fields::new(bytes);
        if fields.array() != Some(MAGIC) {
            return Err("its magic number does not match");
        }
        if !crc_matches(bytes, CRC_AT) {
            return Err("its CRC does not match");
        }
        if fields.u16() != Some(VERSION) {
            return Err("its version is not known");
        }
        let flags = fields.u16().unwrap_or_default();
        let count = fields.u32().unwrap_or_default() as usize;
        if fields.array() != Some(store_uuid) {
            return Err("it belongs to another store");
        }
        if count > PARTITIONS_MAX {
            return Err("it counts more partitions than fit");
        }
        Self::decode_fields(&mut fields, flags, count).ok_or("it does not have 4096 bytes")
    }

    fn decode_fields(fields: &mut Fields<'_>, flags: u16, count: usize) -> Option<Self> {
        let generation = fields.u64()?;
        let snapshot_generation = fields.u64()?;
        let index = IndexPosition { generation: fields.u64()?, mark: IndexMark(fields.u64()?) };
        let (wal_segment, durable_seq, written) = (fields.u64()?, fields.u64()?, Timestamp(fields.u64()?));
        fields.skip(8)?;
        let mut partitions = Vec::with_capacity(count);
        for _ in 0..count {
            let partition = PartitionId(fields.u32()?);
            fields.skip(4)?;
            partitions.push(PartitionPosition { partition, lsn: Lsn(fields.u64()?), state_hash: fields.u64()? });
        }
        let clean_shutdown = flags & CLEAN_SHUTDOWN != 0;
        Some(Self {
            generation,
            snapshot_generation,
            index,
            wal_segment,
            durable_seq,
            clean_shutdown,
            written,
            partitions,
        })
    }
}

/// What stands in one of the two files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Slot {
    Valid(Checkpoint),
    /// Made with the store and not written yet.
    Empty,
    Damaged {
        what: String,
    },
}

/// Both files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slots(pub [Slot; 2]);

impl Slots {
    /// Reads both files. An unreadable or missing file is a damaged slot, not an error: the other one may do.
    pub fn read(io: &dyn Io, dir: &Path, store_uuid: [u8; 16]) -> Self {
        Self(FILES.map(|name| read_slot(io, &dir.join(name), store_uuid)))
    }

    /// The valid checkpoint of the highest generation.
    pub fn latest(&self) -> Option<&Checkpoint> {
        self.valid().max_by_key(|checkpoint| checkpoint.generation)
    }

    pub fn valid(&self) -> impl Iterator<Item = &Checkpoint> {
        self.0.iter().filter_map(|slot| match slot {
            Slot::Valid(checkpoint) => Some(checkpoint),
            Slot::Empty | Slot::Damaged { .. } => None,
        })
    }

    /// What is wrong with which file.
    pub fn damage(&self) -> impl Iterator<Item = (&'static str, &str)> {
        FILES.into_iter().zip(&self.0).filter_map(|(name, slot)| match slot {
            Slot::Damaged { what } => Some((name, what.as_str())),
            Slot::Empty | Slot::Valid(_) => None,
        })
    }

    /// The file that may be overwritten: never the one that holds the latest checkpoint.
    fn spare(&self) -> usize {
        let [first, _] = &self.0;
        match (first, self.latest()) {
            (Slot::Valid(checkpoint), Some(latest)) if checkpoint.generation == latest.generation => 1,
            _ => 0,
        }
    }
}

fn read_slot(io: &dyn Io, path: &Path, store_uuid: [u8; 16]) -> Slot {
    let mut bytes = [0; BYTES];
    let read = io.open_read(path).and_then(|file| file.read_at(&mut bytes, 0));
    match read {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Slot::Damaged { what: "it is missing".into() },
        Err(error) => Slot::Damaged { what: format!("it cannot be read: {error}") },
        Ok(BYTES) if bytes.iter().all(|byte| *byte == 0) => Slot::Empty,
        Ok(read) => match Checkpoint::decode(bytes.get(..read).unwrap_or_default(), store_uuid) {
            Ok(checkpoint) => Slot::Valid(checkpoint),
            Err(what) => Slot::Damaged { what: what.into() },
        },
    }
}

/// Makes both files, empty, durable but for their names: the caller syncs the directory.
pub(crate) fn create_files(io: &dyn Io, dir: &Path) -> Result<(), FileError> {
    for name in FILES {
        open_or_create(io, &dir.join(name))?;
    }
    Ok(())
}

fn open_or_create(io: &dyn Io, path: &Path) -> Result<Arc<dyn IoFile>, FileError> {
    if io.exists(path).map_err(at("looking for", path))? {
        let file = io.open(path).map_err(at("opening", path))?;
        if file.len().map_err(at("measuring", path))? == BYTES as u64 {
            return Ok(file);
        }
        file.set_len(0).map_err(at("clearing", path))?;
        return zeroed(file, path);
    }
    let file = io.create(path).map_err(at("creating", path))?;
    zeroed(file, path)
}

fn zeroed(file: Arc<dyn IoFile>, path: &Path) -> Result<Arc<dyn IoFile>, FileError> {
    file.write_at(&[0; BYTES], 0).and_then(|()| file.sync()).map_err(at("filling", path))?;
    Ok(file)
}

/// Writes checkpoints to the two files in turn.
pub(crate) struct CheckpointWriter {
    files: [(PathBuf, Arc<dyn IoFile>); 2],
    store_uuid: [u8; 16],
    spare: usize,
}

impl CheckpointWriter {
    /// Opens both files for writing; makes one that is missing or has another length.
    pub(crate) fn open(io: &dyn Io, dir: &Path, store_uuid: [u8; 16], slots: &Slots) -> Result<Self, FileError> {
        let open = |name: &str| {
            let path = dir.join(name);
            let file = open_or_create(io, &path)?;
            Ok((path, file))
        };
        let [a, b] = FILES;
        let files = [open(a)?, open(b)?];
        io.fsync_dir(dir).map_err(at("syncing", dir))?;
        Ok(Self { files, store_uuid, spare: slots.spare() })
    }

    /// Overwrites the older file; durable on return.
    pub(crate) fn write(&mut self, checkpoint: &Checkpoint) -> Result<(), FileError> {
        let [a, b] = &self.files;
        let (path, file) = if self.spare == 0 { a } else { b };
        file.write_at(&checkpoint.encode(self.store_uuid), 0).map_err(at("writing", path))?;
        file.sync().map_err(at("syncing", path))?;
        self.spare = 1 - self.spare;
        Ok(())
    }
}

#[cfg(test)]
#[path = "checkpoint_tests.rs"]
mod tests;
