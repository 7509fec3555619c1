//! One append of one partition, as bytes: a header and the entries of one round.
//!
//! The same bytes stand in a local segment, a replicated log or object storage, so nothing here knows a file.
//! All numbers are little endian; entries start at multiples of eight.

use crate::base::{
    id::{Epoch, Lsn, PartitionId},
    time::Timestamp,
};
use bytes::{Bytes, BytesMut};

pub const FRAME_HEADER_BYTES: usize = 72;
pub const ENTRY_HEADER_BYTES: usize = 32;

/// A frame being filled. The log adds what only it knows (store id, chain, CRC) when it takes the frame.
#[derive(Debug)]
pub struct FrameBuilder {
    pub partition: PartitionId,
    pub epoch: Epoch,
    pub lsn: Lsn,
    pub logical_time: Timestamp,
    entries: u32,
    bytes: BytesMut,
}

impl FrameBuilder {
    pub fn new(partition: PartitionId, epoch: Epoch, lsn: Lsn, logical_time: Timestamp) -> Self {
        let mut bytes = BytesMut::with_capacity(4096);
        bytes.resize(FRAME_HEADER_BYTES, 0);
        Self { partition, epoch, lsn, logical_time, entries: 0, bytes }
    }

    /// Appends an entry; `header` writes the variable header behind the fixed one. Returns where it stands.
    pub fn push(
        &mut self,
        kind: u8,
        target: u64,
        seq: u64,
        header: impl FnOnce(&mut BytesMut),
        body: &[u8],
    ) -> crate::base::id::Location {
        let start = self.bytes.len();
        self.bytes.resize(start + ENTRY_HEADER_BYTES, 0);
        header(&mut self.bytes);
        let header_len = self.bytes.len() - start - ENTRY_HEADER_BYTES;
        self.bytes.extend_from_slice(body);
        let len = self.bytes.len() - start;
        super::entry::seal(&mut self.bytes[start..], kind, target, seq, header_len);
        self.bytes.resize(start + len.next_multiple_of(8), 0);
        self.entries += 1;
        crate::base::id::Location { lsn: self.lsn, offset: start as u32, len: len as u32 }
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

    /// The frame with room for its header, which the log fills in.
    pub(crate) fn into_bytes(self) -> BytesMut {
        self.bytes
    }
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
