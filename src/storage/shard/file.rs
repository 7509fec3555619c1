//! The name and the first bytes of a shard segment: whose it is and which.

use super::{DIRECTORY, Owner, chunk};
use crate::{
    base::id::PartitionId,
    storage::fixed::{Fields, Record, crc_matches},
};
use std::path::{Path, PathBuf};

pub(super) const MAGIC: [u8; 8] = *b"FOREBAYS";
pub(super) const VERSION: u16 = 1;
pub(super) const HEADER_BYTES: usize = 72;
const CRC_AT: usize = 68;
const CRC32_ISO_HDLC: u8 = 1;

/// `magic [8] | version u16 | crc_algorithm u8 | reserved u8 | partition u32 | store_uuid [16] | stream u64 | number u64 |
/// file_id u64 | created_ms u64 | reserved u32 | header_crc u32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileHeader {
    pub(super) owner: Owner,
    /// Of the segment, without gaps from one to the next.
    pub(super) number: u64,
    /// Random, never 0: chunks with another one are not of this file.
    pub(super) file_id: u64,
    pub(super) created_ms: u64,
}

impl FileHeader {
    pub(super) fn encode(&self) -> Vec<u8> {
        Record::with_capacity(HEADER_BYTES)
            .bytes(&MAGIC)
            .u16(VERSION)
            .u8(CRC32_ISO_HDLC)
            .u8(0)
            .u32(self.owner.partition.0)
            .bytes(&self.owner.store_uuid)
            .u64(self.owner.stream)
            .u64(self.number)
            .u64(self.file_id)
            .u64(self.created_ms)
            .zeroes_to(HEADER_BYTES)
            .sealed(CRC_AT)
    }

    /// # Errors
    ///
    /// What is wrong with the bytes.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, &'static str> {
        let bytes = bytes.get(..HEADER_BYTES).ok_or("shorter than a header")?;
        let mut fields = Fields::new(bytes);
        if fields.array() != Some(MAGIC) {
            return Err("no segment of a shard");
        }
        if !crc_matches(bytes, CRC_AT) {
            return Err("the header's CRC does not match");
        }
        if (fields.u16(), fields.u8()) != (Some(VERSION), Some(CRC32_ISO_HDLC)) {
            return Err("written by a newer version");
        }
        let mut read = || {
            fields.skip(1)?;
            let partition = PartitionId(fields.u32()?);
            let (store_uuid, stream) = (fields.array()?, fields.u64()?);
            let owner = Owner { store_uuid, stream, partition };
            Some(Self { owner, number: fields.u64()?, file_id: fields.u64()?, created_ms: fields.u64()? })
        };
        read().ok_or("shorter than a header")
    }

    /// Which file it is, as somebody of the store sees it who expected another one.
    pub(super) fn describe(&self, store_uuid: &[u8; 16]) -> String {
        let Owner { store_uuid: own, stream, partition } = &self.owner;
        let whose = if own == store_uuid { "this" } else { "another" };
        format!("it is segment {} of stream {stream:016x} in partition {partition} of {whose} store", self.number)
    }
}

/// Whose a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// The one it should be, with this id.
    Ours(u64),
    /// Nothing that says anything: what is left of a file whose header never reached the device.
    Nobodys,
    /// Another file, or one that cannot be read as a segment; the text says which.
    Others(String),
}

impl Whose {
    /// By the header; by the chunks when it is damaged.
    pub(super) fn of(bytes: &[u8], owner: &Owner, number: u64) -> Self {
        match FileHeader::decode(bytes) {
            Ok(header) if header.owner == *owner && header.number == number => Self::Ours(header.file_id),
            Ok(header) => Self::Others(header.describe(&owner.store_uuid)),
            Err(what) => match chunk::all(bytes, None).next() {
                Some((_, chunk)) => Self::Ours(chunk.file_id),
                None if bytes.iter().take(HEADER_BYTES).all(|byte| *byte == 0) => Self::Nobodys,
                None => Self::Others(what.to_owned()),
            },
        }
    }

    pub(super) fn file_id(&self) -> Option<u64> {
        match self {
            Self::Ours(id) => Some(*id),
            Self::Nobodys | Self::Others(_) => None,
        }
    }
}

/// Where the segments of a stream stand.
pub fn stream_dir(data_dir: &Path, stream: u64) -> PathBuf {
    data_dir.join(DIRECTORY).join(format!("{stream:016x}"))
}

/// The stream whose directory has this name.
pub(super) fn stream_of(name: &str) -> Option<u64> {
    let plain = name.len() == 16 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if plain { u64::from_str_radix(name, 16).ok() } else { None }
}

/// `<dir>/<number>.seg`, zero-padded so that names sort like numbers.
pub(super) fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:020}.seg"))
}

pub(super) fn number_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".seg")?;
    let plain = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain { digits.parse().ok() } else { None }
}
