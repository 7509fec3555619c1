//! The fixed header of an entry.
//!
//! `len u32 | kind u8 | flags u8 | reserved u16 | entry_crc u32 | header_len u32 | target u64 | seq u64`, then the variable
//! header and the body. The CRC covers everything but itself, so one message is verified without its block.

use super::frame::{ENTRY_HEADER_BYTES, StoredEntry};
use bytes::Bytes;

/// Fills the fixed header of the entry that `bytes` is.
pub(super) fn seal(bytes: &mut [u8], kind: u8, target: u64, seq: u64, header_len: usize) {
    let len = bytes.len() as u32;
    bytes[0..4].copy_from_slice(&len.to_le_bytes());
    bytes[4] = kind;
    bytes[12..16].copy_from_slice(&(header_len as u32).to_le_bytes());
    bytes[16..24].copy_from_slice(&target.to_le_bytes());
    bytes[24..32].copy_from_slice(&seq.to_le_bytes());
    let crc = crc_of(bytes);
    bytes[8..12].copy_from_slice(&crc.to_le_bytes());
}

fn crc_of(bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&bytes[..8]);
    hasher.update(&bytes[12..]);
    hasher.finalize()
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

/// Reads the entry at the start of `bytes`; says what is wrong with it otherwise.
pub fn open(bytes: &Bytes) -> Result<StoredEntry, &'static str> {
    let len = u32_at(bytes, 0).ok_or("shorter than an entry header")? as usize;
    if len < ENTRY_HEADER_BYTES || len > bytes.len() {
        return Err("its length does not fit");
    }
    let whole = bytes.slice(..len);
    let header_len = u32_at(&whole, 12).ok_or("shorter than an entry header")? as usize;
    if header_len > len - ENTRY_HEADER_BYTES {
        return Err("its header's length does not fit");
    }
    if u32_at(&whole, 8) != Some(crc_of(&whole)) {
        return Err("its CRC does not match");
    }
    let body = ENTRY_HEADER_BYTES + header_len;
    Ok(StoredEntry {
        kind: whole[4],
        target: u64_at(&whole, 16).ok_or("shorter than an entry header")?,
        seq: u64_at(&whole, 24).ok_or("shorter than an entry header")?,
        header: whole.slice(ENTRY_HEADER_BYTES..body),
        body: whole.slice(body..),
    })
}
