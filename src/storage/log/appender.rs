//! The write side: blocks into the active segment, one write and one sync each.
//!
//! Nothing here retries: after an error the appender is never used again. Nothing here knows threads.

use super::{
    block::{BLOCK_HEADER_BYTES, BlockHeader, flags},
    frame::SealedFrame,
    heads::{self, Head, Heads},
    layout::padded,
    options::LogPosition,
    pool::Prepared,
    segment::{Predecessor, SEGMENT_HEADER_BYTES, SegmentHeader},
};
use crate::{
    base::{
        id::{Lsn, PartitionId},
        limits::BLOCK_BODY_BYTES,
    },
    storage::io::{AlignedBuffer, IoFile, write_direct_at},
};
use std::{io, sync::Arc};

/// What a giant block needed is given back; what usual blocks need is kept.
const BUFFER_KEPT_BYTES: usize = 8 << 20;

pub(super) struct Appender {
    file: Arc<dyn IoFile>,
    /// For readers.
    reader: Arc<dyn IoFile>,
    header: SegmentHeader,
    /// What a segment usually has; the active one may be smaller.
    segment_bytes: u64,
    /// Where `buffer` goes.
    position: u64,
    buffer: AlignedBuffer,
    next_block_seq: u64,
    durable_seq: u64,
    prev_header_crc: u32,
    pub(super) heads: Heads,
    /// Partitions never seen start above this: a lost block may have named them.
    pub(super) lsn_floor: Lsn,
}

/// What the log continues from.
#[derive(Clone, Debug, Default)]
pub(super) struct Continuation {
    pub(super) prev: Predecessor,
    pub(super) next_block_seq: u64,
    pub(super) heads: Heads,
    pub(super) lsn_floor: Lsn,
}

impl Appender {
    /// Starts the log in a fresh segment, durably: from here on the predecessor's end is a fact.
    pub(super) fn start(prepared: Prepared, from: Continuation, segment_bytes: u64) -> io::Result<Self> {
        let mut appender = Self {
            file: Arc::clone(&prepared.file),
            reader: Arc::clone(&prepared.reader),
            header: prepared.header,
            segment_bytes,
            position: 0,
            buffer: AlignedBuffer::default(),
            next_block_seq: from.next_block_seq,
            durable_seq: from.prev.last_block_seq,
            prev_header_crc: from.prev.last_crc,
            heads: from.heads,
            lsn_floor: from.lsn_floor,
        };
        appender.begin(prepared, from.prev);
        appender.flush()?;
        Ok(appender)
    }

    /// Puts the header and the START block of a new segment into the buffer; the next flush writes them with
    /// whatever follows.
    fn begin(&mut self, prepared: Prepared, prev: Predecessor) {
        self.file = prepared.file;
        self.reader = prepared.reader;
        self.header = SegmentHeader { active: true, first_block_seq: self.next_block_seq, prev, ..prepared.header };
        self.position = 0;
        self.buffer.clear(BUFFER_KEPT_BYTES);
        self.buffer.extend_from_slice(&self.header.encode());
        self.push_heads(flags::START);
    }

    fn push_heads(&mut self, flags: u16) {
        let table = heads::encode(&self.heads);
        self.push_block(flags, 0, table.len(), |buffer| buffer.extend_from_slice(&table));
    }

    fn push_block(&mut self, flags: u16, frame_count: u32, body_len: usize, body: impl FnOnce(&mut AlignedBuffer)) {
        let start = self.buffer.len();
        self.buffer.reserve(padded(BLOCK_HEADER_BYTES + body_len));
        self.buffer.resize(start + BLOCK_HEADER_BYTES);
        body(&mut self.buffer);
        let written = self.buffer.get(start + BLOCK_HEADER_BYTES..).unwrap_or_default();
        let header = BlockHeader {
            flags,
            file_id: self.header.file_id,
            block_seq: self.next_block_seq,
            durable_seq: self.durable_seq,
            body_len: written.len() as u32,
            frame_count,
            body_crc: crc32fast::hash(written),
            prev_header_crc: self.prev_header_crc,
            segment_seq: self.header.seq,
        };
        self.buffer.resize(start + header.total_len());
        super::layout::put(&mut self.buffer, start, &header.encode());
        self.prev_header_crc = header.crc();
        self.next_block_seq += 1;
    }

    /// Writes and syncs the buffer. After an error nothing more may be promised.
    fn flush(&mut self) -> io::Result<()> {
        write_direct_at(&*self.file, &self.buffer, self.position)?;
        self.file.sync()?;
        self.position += self.buffer.len() as u64;
        self.buffer.clear(BUFFER_KEPT_BYTES);
        self.durable_seq = self.next_block_seq - 1;
        Ok(())
    }

    fn seal_len(&self) -> u64 {
        padded(BLOCK_HEADER_BYTES + heads::encoded_len(self.heads.len() + 64)) as u64
    }

    /// Whether a block of this body still leaves room for a HEARTBEAT and the SEAL.
    pub(super) fn has_room(&self, body_len: usize) -> bool {
        let block = padded(BLOCK_HEADER_BYTES + body_len) as u64;
        self.position + self.buffer.len() as u64 + block + 2 * self.seal_len() <= self.header.capacity
    }

    /// Bytes left in the active segment, the marks at its end included.
    pub(super) fn rest(&self) -> u64 {
        self.header.capacity.saturating_sub(self.position)
    }

    /// The longest body a block of these segments can have.
    pub(super) fn body_max(&self) -> usize {
        let rest = self.segment_bytes.saturating_sub(SEGMENT_HEADER_BYTES as u64 + 3 * self.seal_len());
        (rest as usize).saturating_sub(BLOCK_HEADER_BYTES).min(BLOCK_BODY_BYTES)
    }

    /// Ends the active segment, durably, and goes on in `next`. The new segment's first bytes are written with its
    /// first block.
    pub(super) fn rotate(&mut self, next: Prepared) -> io::Result<()> {
        self.push_heads(flags::SEAL);
        self.flush()?;
        let prev = Predecessor {
            seq: self.header.seq,
            file_id: self.header.file_id,
            last_block_seq: self.durable_seq,
            last_crc: self.prev_header_crc,
        };
        self.begin(next, prev);
        Ok(())
    }

    /// Makes one block of the frames, durable on return. Says where each stands in the file.
    pub(super) fn commit(&mut self, frames: &[SealedFrame]) -> io::Result<Vec<u64>> {
        let mut offset = self.position + (self.buffer.len() + BLOCK_HEADER_BYTES) as u64;
        let mut offsets = Vec::with_capacity(frames.len());
        for frame in frames {
            offsets.push(offset);
            offset += frame.bytes.len() as u64;
            self.heads.insert(frame.header.partition, head_after(frame));
        }
        let body_len = frames.iter().map(|frame| frame.bytes.len()).sum();
        self.push_block(flags::DATA, frames.len() as u32, body_len, |buffer| {
            frames.iter().for_each(|frame| buffer.extend_from_slice(&frame.bytes));
        });
        self.flush()?;
        Ok(offsets)
    }

    /// Lets `durable_seq` on disk cover the last data, for which there is always room once after data.
    pub(super) fn heartbeat(&mut self) -> io::Result<()> {
        let table = padded(BLOCK_HEADER_BYTES + heads::encoded_len(self.heads.len())) as u64;
        if self.position + table + self.seal_len() > self.header.capacity {
            return Ok(());
        }
        self.push_heads(flags::HEARTBEAT);
        self.flush()
    }

    /// The mark of a shutdown on purpose.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.push_heads(flags::SEAL | flags::CLEAN);
        self.flush()
    }

    pub(super) fn head(&self, partition: PartitionId) -> Head {
        self.heads.get(&partition).copied().unwrap_or(Head { lsn: self.lsn_floor, ..Head::default() })
    }

    pub(super) fn position(&self) -> LogPosition {
        LogPosition { segment: self.header.seq, durable_seq: self.durable_seq }
    }

    /// The active segment's file, to read from.
    pub(super) fn reader(&self) -> &Arc<dyn IoFile> {
        &self.reader
    }

    pub(super) fn segment_seq(&self) -> u64 {
        self.header.seq
    }

    pub(super) fn file_id(&self) -> u64 {
        self.header.file_id
    }
}

/// Where its partition's log stands after a frame.
pub(super) fn head_after(frame: &SealedFrame) -> Head {
    Head {
        lsn: frame.header.lsn,
        epoch: frame.header.epoch,
        logical_time: frame.header.logical_time,
        chain: frame.header.chain(),
    }
}
