//! The fixed header of an entry.
//!
//! `len u32 | kind u8 | flags u8 | reserved u16 | entry_crc u32 | header_len u32 | target u64 | seq u64`, then the variable
//! header and the body. The CRC covers everything but itself, so one message is verified without its block.

use super::{
    frame::{ENTRY_HEADER_BYTES, StoredEntry},
    layout::{crc_around, put, u32_at, u64_at},
};
use bytes::Bytes;

const CRC_AT: usize = 8;

/// Fills the fixed header of the entry that `bytes` is; returns its CRC.
pub(super) fn seal(bytes: &mut [u8], kind: u8, target: u64, seq: u64, header_len: usize) -> u32 {
    let len = bytes.len() as u32;
    put(bytes, 0, &len.to_le_bytes());
    put(bytes, 4, &[kind, 0, 0, 0]);
    put(bytes, 12, &(header_len as u32).to_le_bytes());
    put(bytes, 16, &target.to_le_bytes());
    put(bytes, 24, &seq.to_le_bytes());
    let crc = crc_around(bytes, CRC_AT);
    put(bytes, CRC_AT, &crc.to_le_bytes());
    crc
}

/// Length and stored CRC of the entry at the start of `bytes`, its lengths checked and its CRC not.
pub(super) fn outline(bytes: &[u8]) -> Result<(usize, u32), &'static str> {
    let len = u32_at(bytes, 0).ok_or("shorter than an entry header")? as usize;
    let crc = u32_at(bytes, CRC_AT).ok_or("shorter than an entry header")?;
    let header_len = u32_at(bytes, 12).ok_or("shorter than an entry header")? as usize;
    if len < ENTRY_HEADER_BYTES || len > bytes.len() {
        return Err("its length does not fit");
    }
    if header_len > len - ENTRY_HEADER_BYTES {
        return Err("its header's length does not fit");
    }
    Ok((len, crc))
}

/// How long the entry at the start of `bytes` is; none when its lengths do not fit. Its CRC is not looked at.
pub fn length(bytes: &[u8]) -> Option<usize> {
    outline(bytes).ok().map(|(len, _)| len)
}

/// Compares the CRC of the entry at the start of `bytes`.
pub(super) fn verify(bytes: &[u8]) -> Result<(), &'static str> {
    let (len, crc) = outline(bytes)?;
    let whole = bytes.get(..len).ok_or("its length does not fit")?;
    if crc_around(whole, CRC_AT) == crc { Ok(()) } else { Err("its CRC does not match") }
}

/// An entry where it stands: nothing of it is copied or counted.
#[derive(Clone, Copy, Debug)]
pub struct EntryView<'a> {
    pub kind: u8,
    pub target: u64,
    pub seq: u64,
    pub header: &'a [u8],
    body: &'a [u8],
    /// What `header` and `body` are parts of.
    whole: &'a Bytes,
}

impl<'a> EntryView<'a> {
    /// The entry that starts at `from` and ends before `end`, without a look at its CRC: for bytes that were just
    /// verified as part of a block, or never left memory.
    pub(super) fn parse(whole: &'a Bytes, from: usize, end: usize) -> Result<Self, &'static str> {
        let short = "shorter than an entry header";
        let bytes = whole.get(from..end).ok_or(short)?;
        let (len, _) = outline(bytes)?;
        let (fixed, rest) =
            bytes.get(..len).and_then(|entry| entry.split_at_checked(ENTRY_HEADER_BYTES)).ok_or(short)?;
        let header_len = u32_at(fixed, 12).ok_or(short)? as usize;
        let (header, body) = rest.split_at_checked(header_len).ok_or(short)?;
        Ok(Self {
            kind: *fixed.get(4).ok_or(short)?,
            target: u64_at(fixed, 16).ok_or(short)?,
            seq: u64_at(fixed, 24).ok_or(short)?,
            header,
            body,
            whole,
        })
    }

    /// As [`EntryView::parse`], but verifies the CRC first; says what is wrong otherwise.
    pub(super) fn open(whole: &'a Bytes, from: usize, end: usize) -> Result<Self, &'static str> {
        verify(whole.get(from..end).ok_or("shorter than an entry header")?)?;
        Self::parse(whole, from, end)
    }

    /// The body, which keeps the bytes around it in memory as long as it lives.
    pub fn body(&self) -> Bytes {
        self.whole.slice_ref(self.body)
    }

    /// The entry's own bytes, its fixed header included, as they stand there.
    pub fn to_bytes(&self) -> Bytes {
        let header_at = self.header.as_ptr() as usize - self.whole.as_ptr() as usize;
        self.whole.slice(header_at - ENTRY_HEADER_BYTES..header_at + self.header.len() + self.body.len())
    }

    pub fn to_stored(&self) -> StoredEntry {
        StoredEntry {
            kind: self.kind,
            target: self.target,
            seq: self.seq,
            header: self.whole.slice_ref(self.header),
            body: self.body(),
        }
    }
}

/// Reads the entry at the start of `bytes` without a look at its CRC, as [`EntryView::parse`].
pub(super) fn parse(bytes: &Bytes) -> Result<StoredEntry, &'static str> {
    Ok(EntryView::parse(bytes, 0, bytes.len())?.to_stored())
}

/// Reads and verifies the entry at the start of `bytes`; says what is wrong with it otherwise.
pub fn open(bytes: &Bytes) -> Result<StoredEntry, &'static str> {
    Ok(EntryView::open(bytes, 0, bytes.len())?.to_stored())
}
