//! One group commit of the node: a header, the frames of the partitions that had something, padding to a page.
//!
//! `magic u32 | version u16 | flags u16 | file_id u64 | block_seq u64 | durable_seq u64 | body_len u32 | frame_count u32 |
//! body_crc u32 | prev_header_crc u32 | segment_seq u64 | reserved u32 | header_crc u32`. A good header over a bad body still tells what was lost
//! and where the next block starts.

use super::layout::{crc_around, padded, put, u16_at, u32_at, u64_at};
use crate::base::limits::BLOCK_BODY_BYTES;

pub const BLOCK_HEADER_BYTES: usize = 64;
pub const BLOCK_MAGIC: [u8; 4] = *b"FBbl";
pub const BLOCK_VERSION: u16 = 1;

const CRC_AT: usize = 60;

/// What a block is for. Every block but DATA carries the table of heads as its body.
pub mod flags {
    /// Frames.
    pub const DATA: u16 = 1;
    /// Written when the log falls idle, so that its `durable_seq` covers the last data.
    pub const HEARTBEAT: u16 = 2;
    /// The last block of its segment.
    pub const SEAL: u16 = 4;
    /// The first block of its segment.
    pub const START: u16 = 8;
    /// With SEAL: the process ended on purpose and nothing was in flight.
    pub const CLEAN: u16 = 16;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockHeader {
    pub flags: u16,
    pub file_id: u64,
    /// Rises by one from block to block of the whole log; never reused.
    pub block_seq: u64,
    /// The highest block known to be synced when this one was encoded: proof that everything up to it was promised.
    pub durable_seq: u64,
    pub body_len: u32,
    pub frame_count: u32,
    pub body_crc: u32,
    /// `header_crc` of the block before, also across segments.
    pub prev_header_crc: u32,
    pub segment_seq: u64,
}

impl BlockHeader {
    pub fn encode(&self) -> [u8; BLOCK_HEADER_BYTES] {
        let mut bytes = [0; BLOCK_HEADER_BYTES];
        put(&mut bytes, 0, &BLOCK_MAGIC);
        put(&mut bytes, 4, &BLOCK_VERSION.to_le_bytes());
        put(&mut bytes, 6, &self.flags.to_le_bytes());
        put(&mut bytes, 8, &self.file_id.to_le_bytes());
        put(&mut bytes, 16, &self.block_seq.to_le_bytes());
        put(&mut bytes, 24, &self.durable_seq.to_le_bytes());
        put(&mut bytes, 32, &self.body_len.to_le_bytes());
        put(&mut bytes, 36, &self.frame_count.to_le_bytes());
        put(&mut bytes, 40, &self.body_crc.to_le_bytes());
        put(&mut bytes, 44, &self.prev_header_crc.to_le_bytes());
        put(&mut bytes, 48, &self.segment_seq.to_le_bytes());
        let crc = crc_around(&bytes, CRC_AT);
        put(&mut bytes, CRC_AT, &crc.to_le_bytes());
        bytes
    }

    /// The CRC that the encoded header ends with.
    pub fn crc(&self) -> u32 {
        u32_at(&self.encode(), CRC_AT).unwrap_or_default()
    }

    /// Reads a header; every length in it is within its limit.
    pub fn decode(bytes: &[u8]) -> Result<Self, &'static str> {
        let short = "shorter than a block header";
        let bytes = bytes.get(..BLOCK_HEADER_BYTES).ok_or(short)?;
        if bytes.get(..4).ok_or(short)? != BLOCK_MAGIC {
            return Err("no block magic");
        }
        if u32_at(bytes, CRC_AT) != Some(crc_around(bytes, CRC_AT)) {
            return Err("the block header's CRC does not match");
        }
        if u16_at(bytes, 4) != Some(BLOCK_VERSION) {
            return Err("unknown block version");
        }
        let header = Self {
            flags: u16_at(bytes, 6).ok_or(short)?,
            file_id: u64_at(bytes, 8).ok_or(short)?,
            block_seq: u64_at(bytes, 16).ok_or(short)?,
            durable_seq: u64_at(bytes, 24).ok_or(short)?,
            body_len: u32_at(bytes, 32).ok_or(short)?,
            frame_count: u32_at(bytes, 36).ok_or(short)?,
            body_crc: u32_at(bytes, 40).ok_or(short)?,
            prev_header_crc: u32_at(bytes, 44).ok_or(short)?,
            segment_seq: u64_at(bytes, 48).ok_or(short)?,
        };
        if header.body_len as usize > BLOCK_BODY_BYTES {
            return Err("the block's body is longer than its limit");
        }
        Ok(header)
    }

    /// Bytes from this block's start to the next one's.
    pub fn total_len(&self) -> usize {
        padded(BLOCK_HEADER_BYTES + self.body_len as usize)
    }

    pub fn is_data(&self) -> bool {
        self.flags & flags::DATA != 0
    }
}
