//! `meta/<generation>.snap`: the state of the partitions' machines as opaque sections.
//!
//! A header, a table of sections and the sections, each part with a CRC of its own. A snapshot appears whole or not at
//! all (temporary name, sync, rename, sync of the directory) and is never changed. What the sections mean is not
//! known here.

use crate::{
    base::{
        id::{Lsn, PartitionId},
        time::Timestamp,
    },
    storage::{
        file_error::{FileError, at},
        fixed::{Fields, Record, crc_matches},
        io::{Io, read_exact_at, write_file_durably},
    },
};
use bytes::Bytes;
use std::path::{Path, PathBuf};

pub const DIRECTORY: &str = "meta";
pub const MAGIC: [u8; 8] = *b"FBSNAPSH";
pub const VERSION: u16 = 1;
pub const HEADER_BYTES: usize = 64;
pub const TABLE_ROW_BYTES: usize = 40;
/// A larger snapshot is refused when written and not read.
pub const BYTES_MAX: usize = 1 << 30;
pub const SECTIONS_MAX: usize = 65_536;
const HEADER_CRC_AT: usize = 60;
const SUFFIX: &str = ".snap";

/// A part of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    pub partition: PartitionId,
    /// What the bytes are; numbers are the writer's.
    pub kind: u32,
    /// The last frame the section contains: replay over it starts behind this one. When a start fell back to an
    /// older snapshot this is below the checkpoint's LSN.
    pub lsn: Lsn,
    pub bytes: Bytes,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    pub generation: u64,
    pub written: Timestamp,
    pub sections: Vec<Section>,
}

#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    #[error("snapshot {generation} is damaged: {what}")]
    Damaged { generation: u64, what: String },
    #[error(
        "a snapshot of {bytes} bytes and {sections} sections is refused: the limits are {BYTES_MAX} and {SECTIONS_MAX}"
    )]
    TooLarge { bytes: usize, sections: usize },
    #[error(transparent)]
    File(#[from] FileError),
}

impl Snapshot {
    /// # Errors
    /// [`SnapshotError::TooLarge`].
    pub fn encode(&self, store_uuid: [u8; 16]) -> Result<Vec<u8>, SnapshotError> {
        let table_end = HEADER_BYTES + self.sections.len() * TABLE_ROW_BYTES + 8;
        let lens = self.sections.iter().map(|section| section.bytes.len().next_multiple_of(8));
        let bytes = lens.fold(table_end, usize::saturating_add);
        if bytes > BYTES_MAX || self.sections.len() > SECTIONS_MAX {
            return Err(SnapshotError::TooLarge { bytes, sections: self.sections.len() });
        }
        let table = self.encode_table(table_end);
        let header =
            Record::with_capacity(HEADER_BYTES).bytes(&MAGIC).u16(VERSION).u16(0).u32(self.sections.len() as u32);
        let header = header.bytes(&store_uuid).u64(self.generation).u64(self.written.0).u64(bytes as u64);
        let header = header.zeroes_to(HEADER_BYTES).sealed(HEADER_CRC_AT);
        let start = Record::with_capacity(bytes).bytes(&header).bytes(&table).zeroes_to(table_end);
        let whole = self.sections.iter().fold((start, table_end), |(record, at), section| {
            let end = at + section.bytes.len().next_multiple_of(8);
            (record.bytes(&section.bytes).zeroes_to(end), end)
        });
        Ok(whole.0.into_bytes())
    }

    /// The rows and, behind them, eight bytes with their CRC.
    fn encode_table(&self, first_section: usize) -> Vec<u8> {
        let mut at = first_section;
        let rows = self.sections.iter().fold(Record::default(), |record, section| {
            let offset = at;
            at += section.bytes.len().next_multiple_of(8);
            let record = record.u32(section.partition.0).u32(section.kind).u64(section.lsn.0);
            record.u64(offset as u64).u64(section.bytes.len() as u64).u32(padded_crc(&section.bytes)).u32(0)
        });
        let crc_at = self.sections.len() * TABLE_ROW_BYTES;
        rows.u64(0).sealed(crc_at)
    }

    /// Reads a snapshot; the sections are slices of `bytes`.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn decode(bytes: &Bytes, store_uuid: [u8; 16]) -> Result<Self, String> {
        const SHORT: &str = "it is shorter than its header";
        let header = bytes.get(..HEADER_BYTES).ok_or(SHORT)?;
        let mut fields = Fields::new(header);
        if fields.array() != Some(MAGIC) {
            return Err("its magic number does not match".into());
        }
        if !crc_matches(header, HEADER_CRC_AT) {
            return Err("the CRC of its header does not match".into());
        }
        if fields.u16() != Some(VERSION) {
            return Err("its version is not known".into());
        }
        fields.skip(2).ok_or(SHORT)?;
        let count = fields.u32().ok_or(SHORT)? as usize;
        if fields.array() != Some(store_uuid) {
            return Err("it belongs to another store".into());
        }
        let generation = fields.u64().ok_or(SHORT)?;
        let written = Timestamp(fields.u64().ok_or(SHORT)?);
        let len = fields.u64().ok_or(SHORT)?;
        if len != bytes.len() as u64 {
            return Err(format!("it has {} bytes, its header says {len}", bytes.len()));
        }
        Ok(Self { generation, written, sections: decode_sections(bytes, count)? })
    }

    /// Writes the snapshot under its generation; durable on return.
    pub(crate) fn write(&self, io: &dyn Io, dir: &Path, store_uuid: [u8; 16]) -> Result<(), SnapshotError> {
        let path = path_of(dir, self.generation);
        let bytes = self.encode(store_uuid)?;
        Ok(write_file_durably(io, &path, &bytes).map_err(at("writing", &path))?)
    }

    /// Reads and verifies the snapshot of a generation.
    pub fn read(io: &dyn Io, dir: &Path, generation: u64, store_uuid: [u8; 16]) -> Result<Self, SnapshotError> {
        let path = path_of(dir, generation);
        let damaged = |what: String| SnapshotError::Damaged { generation, what };
        let file = io.open_read(&path).map_err(at("opening", &path))?;
        let len = file.len().map_err(at("measuring", &path))?;
        if len > BYTES_MAX as u64 {
            return Err(damaged(format!("it has {len} bytes, the limit is {BYTES_MAX}")));
        }
        let mut bytes = vec![0; len as usize];
        read_exact_at(&*file, &mut bytes, 0).map_err(at("reading", &path))?;
        let snapshot = Self::decode(&bytes.into(), store_uuid).map_err(damaged)?;
        if snapshot.generation != generation {
            return Err(damaged(format!("it calls itself generation {}", snapshot.generation)));
        }
        Ok(snapshot)
    }
}

fn decode_sections(bytes: &Bytes, count: usize) -> Result<Vec<Section>, String> {
    const SHORT: &str = "it is shorter than its table";
    if count > SECTIONS_MAX {
        return Err(format!("it counts {count} sections, the limit is {SECTIONS_MAX}"));
    }
    let rows_bytes = count * TABLE_ROW_BYTES;
    let table = bytes.get(HEADER_BYTES..HEADER_BYTES + rows_bytes + 8).ok_or(SHORT)?;
    if !crc_matches(table, rows_bytes) {
        return Err("the CRC of its table does not match".into());
    }
    let mut fields = Fields::new(table);
    (0..count)
        .map(|number| decode_section(bytes, &mut fields).map_err(|what| format!("section {number}: {what}")))
        .collect()
}

fn decode_section(bytes: &Bytes, fields: &mut Fields<'_>) -> Result<Section, &'static str> {
    const SHORT: &str = "its row is cut";
    let partition = PartitionId(fields.u32().ok_or(SHORT)?);
    let kind = fields.u32().ok_or(SHORT)?;
    let lsn = Lsn(fields.u64().ok_or(SHORT)?);
    let (offset, len) = (fields.u64().ok_or(SHORT)?, fields.u64().ok_or(SHORT)?);
    let crc = fields.u32().ok_or(SHORT)?;
    fields.skip(4).ok_or(SHORT)?;
    let padded = len.checked_next_multiple_of(8).and_then(|padded| offset.checked_add(padded));
    let end = padded.filter(|end| *end <= bytes.len() as u64).ok_or("it lies outside the file")?;
    let padded = bytes.slice(offset as usize..end as usize);
    if crc32fast::hash(&padded) != crc {
        return Err("its CRC does not match");
    }
    Ok(Section { partition, kind, lsn, bytes: padded.slice(..len as usize) })
}

/// The CRC of a section and the zeroes that pad it to a multiple of eight bytes.
fn padded_crc(section: &[u8]) -> u32 {
    let padding = section.len().next_multiple_of(8) - section.len();
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(section);
    hasher.update([0; 8].get(..padding).unwrap_or_default());
    hasher.finalize()
}

pub(crate) fn path_of(dir: &Path, generation: u64) -> PathBuf {
    dir.join(DIRECTORY).join(format!("{generation}{SUFFIX}"))
}

/// The generations present, in rising order.
pub fn generations(io: &dyn Io, dir: &Path) -> Result<Vec<u64>, FileError> {
    let directory = dir.join(DIRECTORY);
    if !io.exists(&directory).map_err(at("looking for", &directory))? {
        return Ok(Vec::new());
    }
    let entries = io.list_dir(&directory).map_err(at("listing", &directory))?;
    let mut found: Vec<u64> =
        entries.iter().filter_map(|entry| entry.name.strip_suffix(SUFFIX)?.parse().ok()).collect();
    found.sort_unstable();
    Ok(found)
}

/// Removes every snapshot but those in `keep`, and what an interrupted write left.
pub(crate) fn remove_others(io: &dyn Io, dir: &Path, keep: &[u64]) -> Result<(), FileError> {
    let directory = dir.join(DIRECTORY);
    for entry in io.list_dir(&directory).map_err(at("listing", &directory))? {
        let generation = entry.name.strip_suffix(SUFFIX).and_then(|stem| stem.parse::<u64>().ok());
        let surplus = generation.is_some_and(|generation| !keep.contains(&generation));
        if surplus || entry.name.ends_with(".snap.tmp") {
            let path = directory.join(&entry.name);
            io.unlink(&path).map_err(at("removing", &path))?;
        }
    }
    Ok(())
}

/// Finds the snapshot to start from: the one `preferred`, otherwise the newest that can be read. Says what was wrong
/// with those passed over.
pub(crate) fn find(
    io: &dyn Io,
    dir: &Path,
    preferred: Option<u64>,
    store_uuid: [u8; 16],
) -> Result<(Option<Snapshot>, Vec<String>), FileError> {
    let mut passed_over = Vec::new();
    let present = generations(io, dir)?;
    let others = present.iter().rev().copied().filter(|generation| Some(*generation) != preferred);
    for generation in preferred.into_iter().chain(others) {
        match Snapshot::read(io, dir, generation, store_uuid) {
            Ok(snapshot) => return Ok((Some(snapshot), passed_over)),
            Err(error) => passed_over.push(error.to_string()),
        }
    }
    Ok((None, passed_over))
}

#[cfg(test)]
#[path = "snapshot_tests.rs"]
mod tests;
