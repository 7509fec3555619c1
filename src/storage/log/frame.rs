//! One append of one partition, as bytes: a header and the entries of one round.
//!
//! The same bytes stand in a local segment, a replicated log or object storage, so nothing here knows a file.
//! All numbers are little endian; entries start at multiples of eight.
//!
//! `magic u32 | version u16 | kind u8 | flags u8 | store_uuid [16] | partition u32 | entry_count u32 | epoch u64 |
//! logical_time_ms u64 | prev_chain u64 | payload_len u32 | crc u32 | lsn u64`. The CRC covers the CRCs of the entries,
//! in order, and then the header but for the CRC itself: the payload is hashed once, by the thread that made it.

use super::{
    entry,
    layout::{array_at, put, u16_at, u32_at, u64_at},
};
use crate::base::{
    id::{Epoch, Location, Lsn, PartitionId},
    time::Timestamp,
};
use bytes::{Bytes, BytesMut};

pub const FRAME_HEADER_BYTES: usize = 72;
pub const ENTRY_HEADER_BYTES: usize = 32;
pub const FRAME_MAGIC: [u8; 4] = *b"FBfr";
pub const FRAME_VERSION: u16 = 1;

/// The room that a frame is given at least.
const FRAME_BYTES_MIN: usize = 4096;

const CRC_AT: usize = 60;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// Entries of a partition.
    Data,
    /// Opens the partition for a new owner; its LSN is the epoch of that owner's frames. No entries.
    Fence,
}

impl FrameKind {
    fn code(self) -> u8 {
        match self {
            Self::Data => 1,
            Self::Fence => 2,
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Data),
            2 => Some(Self::Fence),
            _ => None,
        }
    }
}

/// A frame being filled. The log adds what only it knows (store id, chain, CRC) when it takes the frame.
#[derive(Debug)]
pub struct FrameBuilder {
    pub partition: PartitionId,
    pub epoch: Epoch,
    pub lsn: Lsn,
    pub logical_time: Timestamp,
    entries: u32,
    crcs: crc32fast::Hasher,
    bytes: BytesMut,
}

impl FrameBuilder {
    pub fn new(partition: PartitionId, epoch: Epoch, lsn: Lsn, logical_time: Timestamp) -> Self {
        Self::within(partition, epoch, lsn, logical_time, BytesMut::with_capacity(FRAME_BYTES_MIN))
    }

    /// Like [`Self::new`], in the memory of `bytes`, whose content goes.
    pub fn within(
        partition: PartitionId,
        epoch: Epoch,
        lsn: Lsn,
        logical_time: Timestamp,
        mut bytes: BytesMut,
    ) -> Self {
        bytes.clear();
        bytes.resize(FRAME_HEADER_BYTES, 0);
        Self { partition, epoch, lsn, logical_time, entries: 0, crcs: crc32fast::Hasher::new(), bytes }
    }

    /// Appends an entry; `header` writes the variable header behind the fixed one. Returns where it stands.
    pub fn push(
        &mut self,
        kind: u8,
        target: u64,
        seq: u64,
        header: impl FnOnce(&mut BytesMut),
        body: &[u8],
    ) -> Location {
        let start = self.bytes.len();
        self.bytes.resize(start + ENTRY_HEADER_BYTES, 0);
        header(&mut self.bytes);
        let header_len = self.bytes.len() - start - ENTRY_HEADER_BYTES;
        self.bytes.extend_from_slice(body);
        let len = self.bytes.len() - start;
        let whole = self.bytes.get_mut(start..).unwrap_or_default();
        let crc = entry::seal(whole, kind, target, seq, header_len);
        self.crcs.update(&crc.to_le_bytes());
        self.bytes.resize(start + len.next_multiple_of(8), 0);
        self.entries += 1;
        Location { lsn: self.lsn, offset: start as u32, len: len as u32 }
    }

    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    pub fn entry_count(&self) -> u32 {
        self.entries
    }

    /// Bytes so far, the header included.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// What was pushed so far, behind room for the header.
    #[cfg(test)]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Fills in the header. The frame is a fence when it has no entries and opens its own epoch.
    pub(super) fn seal(self, kind: FrameKind, store_uuid: [u8; 16], prev_chain: u64) -> SealedFrame {
        let mut header = FrameHeader {
            kind,
            store_uuid,
            partition: self.partition,
            entry_count: self.entries,
            epoch: self.epoch,
            logical_time: self.logical_time,
            prev_chain,
            payload_len: (self.bytes.len() - FRAME_HEADER_BYTES) as u32,
            crc: 0,
            lsn: self.lsn,
        };
        let mut bytes = self.bytes;
        let head = bytes.get_mut(..FRAME_HEADER_BYTES).unwrap_or_default();
        header.write(head);
        header.crc = header_crc(self.crcs, head);
        put(head, CRC_AT, &header.crc.to_le_bytes());
        // A frame stays in memory for a while; what it was given too much would stay with it.
        let is_roomy = bytes.capacity() > bytes.len() + bytes.len() / 2;
        SealedFrame { header, bytes: if is_roomy { Bytes::copy_from_slice(&bytes) } else { bytes.freeze() } }
    }
}

fn header_crc(mut entry_crcs: crc32fast::Hasher, header: &[u8]) -> u32 {
    entry_crcs.update(header.get(..CRC_AT).unwrap_or_default());
    entry_crcs.update(header.get(CRC_AT + 4..FRAME_HEADER_BYTES).unwrap_or_default());
    entry_crcs.finalize()
}

/// A frame as it stands in the log.
#[derive(Clone, Debug)]
pub(super) struct SealedFrame {
    pub(super) header: FrameHeader,
    pub(super) bytes: Bytes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    pub kind: FrameKind,
    pub store_uuid: [u8; 16],
    pub partition: PartitionId,
    pub entry_count: u32,
    /// The LSN of the fence that opened it.
    pub epoch: Epoch,
    pub logical_time: Timestamp,
    /// What [`FrameHeader::chain`] said of the partition's frame before; 0 when that frame was not known.
    pub prev_chain: u64,
    pub payload_len: u32,
    pub crc: u32,
    pub lsn: Lsn,
}

impl FrameHeader {
    /// A value that depends on this frame and every one before it.
    pub fn chain(&self) -> u64 {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&self.prev_chain.to_le_bytes());
        hasher.update(&self.crc.to_le_bytes());
        u64::from(hasher.finalize()) << 32 | u64::from(self.crc)
    }

    pub fn frame_len(&self) -> usize {
        FRAME_HEADER_BYTES + self.payload_len as usize
    }

    fn write(&self, bytes: &mut [u8]) {
        put(bytes, 0, &FRAME_MAGIC);
        put(bytes, 4, &FRAME_VERSION.to_le_bytes());
        put(bytes, 6, &[self.kind.code(), 0]);
        put(bytes, 8, &self.store_uuid);
        put(bytes, 24, &self.partition.0.to_le_bytes());
        put(bytes, 28, &self.entry_count.to_le_bytes());
        put(bytes, 32, &self.epoch.0.0.to_le_bytes());
        put(bytes, 40, &self.logical_time.0.to_le_bytes());
        put(bytes, 48, &self.prev_chain.to_le_bytes());
        put(bytes, 56, &self.payload_len.to_le_bytes());
        put(bytes, 64, &self.lsn.0.to_le_bytes());
    }

    /// Reads the header at the start of `bytes`; its length fits into them.
    pub fn read(bytes: &[u8]) -> Result<Self, &'static str> {
        let short = "shorter than a frame header";
        if bytes.get(..4).ok_or(short)? != FRAME_MAGIC {
            return Err("no frame magic");
        }
        if u16_at(bytes, 4) != Some(FRAME_VERSION) {
            return Err("unknown frame version");
        }
        let header = Self {
            kind: bytes.get(6).and_then(|code| FrameKind::from_code(*code)).ok_or("unknown frame kind")?,
            store_uuid: array_at(bytes, 8).ok_or(short)?,
            partition: PartitionId(u32_at(bytes, 24).ok_or(short)?),
            entry_count: u32_at(bytes, 28).ok_or(short)?,
            epoch: Epoch(Lsn(u64_at(bytes, 32).ok_or(short)?)),
            logical_time: Timestamp(u64_at(bytes, 40).ok_or(short)?),
            prev_chain: u64_at(bytes, 48).ok_or(short)?,
            payload_len: u32_at(bytes, 56).ok_or(short)?,
            crc: u32_at(bytes, CRC_AT).ok_or(short)?,
            lsn: Lsn(u64_at(bytes, 64).ok_or(short)?),
        };
        if header.frame_len() > bytes.len() || !header.payload_len.is_multiple_of(8) {
            return Err("the frame's length does not fit");
        }
        Ok(header)
    }
}

/// Whether the entries' own CRCs are compared too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    /// The bytes were verified as part of their block.
    Outline,
    /// Nothing is known of the bytes.
    Full,
}

/// Reads and verifies the frame at the start of `bytes`.
pub(super) fn open(bytes: &Bytes, depth: Depth) -> Result<SealedFrame, &'static str> {
    let header = FrameHeader::read(bytes)?;
    let mut crcs = crc32fast::Hasher::new();
    let (mut at, end, mut count) = (FRAME_HEADER_BYTES, header.frame_len(), 0_u32);
    while at < end {
        let rest = bytes.get(at..end).ok_or("an entry does not fit")?;
        let (len, crc) = entry::outline(rest)?;
        if depth == Depth::Full {
            entry::verify(rest)?;
        }
        crcs.update(&crc.to_le_bytes());
        at += len.next_multiple_of(8);
        count += 1;
    }
    if at != end || count != header.entry_count {
        return Err("the frame's entries do not fill it");
    }
    if header_crc(crcs, bytes.get(..FRAME_HEADER_BYTES).ok_or("shorter than a frame header")?) != header.crc {
        return Err("the frame's CRC does not match");
    }
    Ok(SealedFrame { header, bytes: bytes.slice(..end) })
}

/// The entries of a verified frame, with their places.
pub(super) fn entries(header: FrameHeader, bytes: Bytes) -> impl Iterator<Item = (Location, StoredEntry)> {
    let mut at = FRAME_HEADER_BYTES;
    std::iter::from_fn(move || {
        if at >= bytes.len() {
            return None;
        }
        let rest = bytes.slice(at..);
        let (len, _) = entry::outline(&rest).ok()?;
        let place = Location { lsn: header.lsn, offset: at as u32, len: len as u32 };
        at += len.next_multiple_of(8);
        Some((place, entry::parse(&rest).ok()?))
    })
}

/// One entry read back: its fixed fields, its variable header and its body, without a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEntry {
    pub kind: u8,
    pub target: u64,
    pub seq: u64,
    pub header: Bytes,
    pub body: Bytes,
}
