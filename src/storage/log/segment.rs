//! The first page of a segment file: who wrote it, which segment it is, and where its predecessor really ended.

use super::layout::{PAGE_BYTES, array_at, crc_around, put, u16_at, u32_at, u64_at};
use std::path::{Path, PathBuf};

pub const SEGMENT_MAGIC: [u8; 8] = *b"FOREBAYW";
pub const SEGMENT_VERSION: u16 = 1;
pub const SEGMENT_HEADER_BYTES: usize = PAGE_BYTES;

const KIND_WAL: u8 = 1;
const CRC32_ISO_HDLC: u8 = 1;
const FLAG_ACTIVE: u32 = 1;
const CRC_AT: usize = 108;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SegmentHeader {
    /// False while the file only waits for its turn: it never held anything.
    pub active: bool,
    pub store_uuid: [u8; 16],
    pub node_id: u64,
    pub seq: u64,
    /// Random, never 0, new at each reuse of the file: blocks with another one are leftovers.
    pub file_id: u64,
    pub first_block_seq: u64,
    pub created_ms: u64,
    pub capacity: u64,
    pub prev: Predecessor,
}

/// Where the segment before really ended, whatever its bytes look like; all zero for the first one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Predecessor {
    pub seq: u64,
    pub file_id: u64,
    pub last_block_seq: u64,
    pub last_crc: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderError {
    Damaged(&'static str),
    /// Written by a newer release.
    Newer(u16),
}

impl SegmentHeader {
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![0; SEGMENT_HEADER_BYTES];
        put(&mut bytes, 0, &SEGMENT_MAGIC);
        put(&mut bytes, 8, &SEGMENT_VERSION.to_le_bytes());
        put(&mut bytes, 10, &[KIND_WAL, CRC32_ISO_HDLC]);
        put(&mut bytes, 12, &(if self.active { FLAG_ACTIVE } else { 0 }).to_le_bytes());
        put(&mut bytes, 16, &self.store_uuid);
        let numbers = [
            self.node_id,
            self.seq,
            self.file_id,
            self.first_block_seq,
            self.created_ms,
            self.capacity,
            self.prev.seq,
            self.prev.file_id,
            self.prev.last_block_seq,
        ];
        for (index, number) in numbers.iter().enumerate() {
            put(&mut bytes, 32 + index * 8, &number.to_le_bytes());
        }
        put(&mut bytes, 104, &self.prev.last_crc.to_le_bytes());
        let crc = crc_around(&bytes, CRC_AT);
        put(&mut bytes, CRC_AT, &crc.to_le_bytes());
        bytes
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        let short = HeaderError::Damaged("shorter than a segment header");
        let bytes = bytes.get(..SEGMENT_HEADER_BYTES).ok_or(short)?;
        if bytes.get(..8).ok_or(short)? != SEGMENT_MAGIC {
            return Err(HeaderError::Damaged("no segment magic"));
        }
        if u32_at(bytes, CRC_AT) != Some(crc_around(bytes, CRC_AT)) {
            return Err(HeaderError::Damaged("the segment header's CRC does not match"));
        }
        let version = u16_at(bytes, 8).ok_or(short)?;
        if version != SEGMENT_VERSION {
            return Err(HeaderError::Newer(version));
        }
        if bytes.get(10..12) != Some(&[KIND_WAL, CRC32_ISO_HDLC]) {
            return Err(HeaderError::Damaged("unknown segment kind or CRC algorithm"));
        }
        let number = |index: usize| u64_at(bytes, 32 + index * 8).ok_or(short);
        Ok(Self {
            active: u32_at(bytes, 12).ok_or(short)? & FLAG_ACTIVE != 0,
            store_uuid: array_at(bytes, 16).ok_or(short)?,
            node_id: number(0)?,
            seq: number(1)?,
            file_id: number(2)?,
            first_block_seq: number(3)?,
            created_ms: number(4)?,
            capacity: number(5)?,
            prev: Predecessor {
                seq: number(6)?,
                file_id: number(7)?,
                last_block_seq: number(8)?,
                last_crc: u32_at(bytes, 104).ok_or(short)?,
            },
        })
    }
}

/// `<dir>/<seq>.wal`, zero-padded so that names sort like numbers.
pub fn segment_path(dir: &Path, seq: u64) -> PathBuf {
    dir.join(format!("{seq:020}.wal"))
}

/// The side file with the places of a segment's frames.
pub fn table_path(dir: &Path, seq: u64) -> PathBuf {
    dir.join(format!("{seq:020}.idx"))
}

pub fn free_dir(dir: &Path) -> PathBuf {
    dir.join("free")
}

/// The sequence that a file name of the form `<20 digits>.<extension>` stands for.
pub fn seq_of_name(name: &str, extension: &str) -> Option<u64> {
    let digits = name.strip_suffix(extension)?.strip_suffix('.')?;
    let plain = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain { digits.parse().ok() } else { None }
}
