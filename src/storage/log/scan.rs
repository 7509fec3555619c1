//! Walking the blocks of one segment file with `pread`, a window at a time.
//!
//! Says what stands at a place; what that means (torn, damaged, the end) is for `recovery` to decide.

use super::{
    block::{BLOCK_HEADER_BYTES, BlockHeader},
    layout::PAGE_BYTES,
};
use crate::storage::io::IoFile;
use bytes::{Bytes, BytesMut};
use std::{io, sync::Arc};

const WINDOW_BYTES: usize = 512 << 10;

/// Hears how many bytes are about to be read, and waits as long as it wants; false: the walk ends with `Interrupted`.
pub type Pace = Arc<dyn Fn(u64) -> bool + Send + Sync>;

pub(in crate::storage) struct Scan {
    file: Arc<dyn IoFile>,
    pace: Option<Pace>,
    pub(super) file_id: u64,
    pub(in crate::storage) len: u64,
    window_start: u64,
    window: Bytes,
}

/// What stands at a place that should be a block.
#[derive(Debug)]
pub(super) enum Found {
    Block(BlockHeader, Bytes),
    /// The header is good and the body is not; the bytes are what can be read of it.
    BadBody(BlockHeader, Bytes),
    /// No header of this file. The reason is for people.
    Nothing(&'static str),
}

impl Scan {
    pub(in crate::storage) fn new(file: Arc<dyn IoFile>, file_id: u64) -> io::Result<Self> {
        let len = file.len()?;
        Ok(Self { file, pace: None, file_id, len, window_start: 0, window: Bytes::new() })
    }

    /// A walk that asks before each read.
    pub(in crate::storage) fn paced(file: Arc<dyn IoFile>, file_id: u64, pace: Pace) -> io::Result<Self> {
        Ok(Self { pace: Some(pace), ..Self::new(file, file_id)? })
    }

    /// Up to `len` bytes at `at`; fewer at the end of the file.
    pub(in crate::storage) fn bytes(&mut self, at: u64, len: usize) -> io::Result<Bytes> {
        let len = len.min(usize::try_from(self.len.saturating_sub(at)).unwrap_or(usize::MAX));
        let skipped = at.checked_sub(self.window_start).map(|skipped| skipped as usize);
        if let Some(skipped) = skipped
            && skipped <= self.window.len()
            && len <= self.window.len() - skipped
        {
            return Ok(self.window.slice(skipped..skipped + len));
        }
        let wanted = len.max(WINDOW_BYTES).min(usize::try_from(self.len.saturating_sub(at)).unwrap_or(usize::MAX));
        if self.pace.as_ref().is_some_and(|pace| !pace(wanted as u64)) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let mut buffer = BytesMut::zeroed(wanted);
        let read = self.file.read_at(&mut buffer, at)?;
        buffer.truncate(read);
        self.window = buffer.freeze();
        self.window_start = at;
        Ok(self.window.slice(..len.min(self.window.len())))
    }

    fn header_at(&mut self, at: u64) -> io::Result<Result<BlockHeader, &'static str>> {
        let bytes = self.bytes(at, BLOCK_HEADER_BYTES)?;
        Ok(BlockHeader::decode(&bytes).and_then(|header| {
            if header.file_id != self.file_id {
                return Err("a block of another file");
            }
            Ok(header)
        }))
    }

    pub(super) fn at(&mut self, at: u64) -> io::Result<Found> {
        let header = match self.header_at(at)? {
            Ok(header) => header,
            Err(what) => return Ok(Found::Nothing(what)),
        };
        let body = self.bytes(at + BLOCK_HEADER_BYTES as u64, header.body_len as usize)?;
        let good = body.len() == header.body_len as usize && crc32fast::hash(&body) == header.body_crc;
        Ok(if good { Found::Block(header, body) } else { Found::BadBody(header, body) })
    }

    /// The first page from `from` on that starts with a header of this file that `wanted` accepts.
    pub(super) fn look_ahead(
        &mut self,
        from: u64,
        mut wanted: impl FnMut(&BlockHeader) -> bool,
    ) -> io::Result<Option<(u64, BlockHeader)>> {
        let mut at = from;
        while at < self.len {
            if let Ok(header) = self.header_at(at)?
                && wanted(&header)
            {
                return Ok(Some((at, header)));
            }
            at += PAGE_BYTES as u64;
        }
        Ok(None)
    }

    /// The file id of the first intact block that belongs to segment `seq`: the file's own header is not readable.
    pub(super) fn guess_file_id(&mut self, seq: u64, block_seq_min: u64) -> io::Result<Option<u64>> {
        let mut at = PAGE_BYTES as u64;
        while at < self.len {
            let bytes = self.bytes(at, BLOCK_HEADER_BYTES)?;
            if let Ok(header) = BlockHeader::decode(&bytes)
                && header.segment_seq == seq
                && header.block_seq >= block_seq_min
            {
                return Ok(Some(header.file_id));
            }
            at += PAGE_BYTES as u64;
        }
        Ok(None)
    }
}
