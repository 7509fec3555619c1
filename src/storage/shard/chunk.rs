//! A chunk: a header, and records of one shard as the log's entries.

use super::file;
use crate::storage::{
    fixed::{Fields, Record, crc_matches},
    log::{StoredEntry, entry},
};
use bytes::Bytes;
use std::ops::Range;

pub(super) const MAGIC: [u8; 4] = *b"FBck";
pub(super) const VERSION: u16 = 1;
pub(super) const HEADER_BYTES: usize = 72;
pub(super) const BODY_BYTES_MAX: usize = 32 << 20;
/// Every chunk begins at a multiple of this.
pub(super) const STEP_BYTES: usize = 8;
const CRC_AT: usize = 68;

/// `magic [4] | version u16 | reserved u16 | file_id u64 | number u64 | durable u64 | shard u32 | count u32 | first u64 |
/// first_ms u64 | last_ms u64 | body_len u32 | header_crc u32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ChunkHeader {
    pub(super) file_id: u64,
    /// Without gaps over all segments of the owner.
    pub(super) number: u64,
    /// The highest number known to be synced when this chunk was written.
    pub(super) durable: u64,
    pub(super) shard: u32,
    pub(super) count: u32,
    /// The position of the first record; the others follow without gaps.
    pub(super) first: u64,
    pub(super) first_ms: u64,
    pub(super) last_ms: u64,
    pub(super) body_len: u32,
}

impl ChunkHeader {
    pub(super) fn encode(&self) -> Vec<u8> {
        Record::with_capacity(HEADER_BYTES)
            .bytes(&MAGIC)
            .u16(VERSION)
            .u16(0)
            .u64(self.file_id)
            .u64(self.number)
            .u64(self.durable)
            .u32(self.shard)
            .u32(self.count)
            .u64(self.first)
            .u64(self.first_ms)
            .u64(self.last_ms)
            .u32(self.body_len)
            .zeroes_to(HEADER_BYTES)
            .sealed(CRC_AT)
    }

    /// None: no header of this version stands there.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..HEADER_BYTES)?;
        let mut fields = Fields::new(bytes);
        if fields.array() != Some(MAGIC) || fields.u16() != Some(VERSION) || !crc_matches(bytes, CRC_AT) {
            return None;
        }
        fields.skip(2)?;
        let header = Self {
            file_id: fields.u64()?,
            number: fields.u64()?,
            durable: fields.u64()?,
            shard: fields.u32()?,
            count: fields.u32()?,
            first: fields.u64()?,
            first_ms: fields.u64()?,
            last_ms: fields.u64()?,
            body_len: fields.u32()?,
        };
        (header.body_len as usize <= BODY_BYTES_MAX).then_some(header)
    }

    pub(super) fn len(&self) -> u64 {
        HEADER_BYTES as u64 + u64::from(self.body_len)
    }
}

/// The chunks of a file, those behind damage too, each with its offset; without an id those of any file.
pub(super) fn all(bytes: &[u8], file_id: Option<u64>) -> impl Iterator<Item = (u64, ChunkHeader)> {
    let mut at = file::HEADER_BYTES;
    std::iter::from_fn(move || {
        while let Some(rest) = bytes.get(at..).filter(|rest| rest.len() >= HEADER_BYTES) {
            let here = at as u64;
            match ChunkHeader::decode(rest).filter(|header| file_id.is_none_or(|id| header.file_id == id)) {
                Some(header) => {
                    at += header.len() as usize;
                    return Some((here, header));
                }
                None => at += STEP_BYTES,
            }
        }
        None
    })
}

/// Puts entries behind each other, each at a multiple of eight.
pub(super) fn join(entries: &[Bytes], out: &mut Vec<u8>) {
    for entry in entries {
        out.extend_from_slice(entry);
        out.resize(out.len().next_multiple_of(STEP_BYTES), 0);
    }
}

/// The records of a chunk, one after the other, and between them the positions whose records are not sound.
pub(super) struct Entries {
    body: Bytes,
    at: usize,
    position: u64,
    /// Behind the last position.
    end: u64,
}

impl Entries {
    /// Of a body, or of what is left of it.
    pub(super) fn of(body: Bytes, first: u64, count: u32) -> Self {
        Self { body, at: 0, position: first, end: first + u64::from(count) }
    }

    /// Where the next one begins.
    pub(super) fn at(&self) -> u64 {
        self.at as u64
    }

    fn from(&self, at: usize) -> Bytes {
        self.body.slice(at.min(self.body.len())..)
    }

    /// The record of this position, if it stands there and is sound, and where the next one begins.
    fn sound(&self, at: usize, position: u64) -> Option<(StoredEntry, usize)> {
        let rest = self.from(at);
        let entry = entry::open(&rest).ok().filter(|entry| entry.seq == position)?;
        Some((entry, at + entry::length(&rest)?.next_multiple_of(STEP_BYTES)))
    }

    /// Where the records go on behind one that is not sound, and with which position.
    fn goes_on(&self) -> (usize, u64) {
        let next = self.position + 1;
        let len = entry::length(&self.from(self.at));
        let by_length = len.map(|len| (self.at + len.next_multiple_of(STEP_BYTES), next));
        let is_next = |(at, next): &(usize, u64)| *next == self.end || self.sound(*at, *next).is_some();
        by_length.filter(is_next).or_else(|| self.search()).or(by_length).unwrap_or((self.body.len(), self.end))
    }

    /// The first place from which on everything up to the last position is sound. Bytes inside a record that only look like
    /// records do not lead there.
    fn search(&self) -> Option<(usize, u64)> {
        let mut at = self.at + STEP_BYTES;
        while at < self.body.len() {
            let found = entry::open(&self.from(at)).ok().map(|entry| entry.seq);
            match found.filter(|seq| (self.position + 1..self.end).contains(seq)).map(|seq| (seq, self.follow(at, seq)))
            {
                Some((seq, Ok(()))) => return Some((at, seq)),
                Some((_, Err(broken_at))) => at = broken_at,
                None => at += STEP_BYTES,
            }
        }
        None
    }

    /// Whether everything from there on is sound, or where it is not.
    fn follow(&self, mut at: usize, first: u64) -> Result<(), usize> {
        for position in first..self.end {
            (_, at) = self.sound(at, position).ok_or(at)?;
        }
        Ok(())
    }
}

impl Iterator for Entries {
    type Item = Result<StoredEntry, Range<u64>>;

    fn next(&mut self) -> Option<Self::Item> {
        let position = self.position;
        if position >= self.end {
            return None;
        }
        if let Some((entry, behind)) = self.sound(self.at, position) {
            (self.at, self.position) = (behind, position + 1);
            return Some(Ok(entry));
        }
        (self.at, self.position) = self.goes_on();
        Some(Err(position..self.position))
    }
}

/// Whether all records of a chunk are there and sound.
pub(super) fn is_sound(header: &ChunkHeader, body: Bytes) -> bool {
    Entries::of(body, header.first, header.count).all(|entry| entry.is_ok())
}
