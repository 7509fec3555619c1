//! How much of a segment's file counts, and whether all of it is sound.

use super::{
    block::flags,
    scan::{Found, Scan},
    segment::{SEGMENT_HEADER_BYTES, SegmentHeader, segment_path},
};
use crate::storage::io::{Io, IoFile};
use std::{io, path::Path, sync::Arc};

/// One segment of a log that is cut at a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CutSegment {
    pub seq: u64,
    /// None: the file's header cannot be read.
    pub file_id: Option<u64>,
    /// The last block that counts.
    pub last_block_seq: u64,
    /// The header's CRC of that block, which stands for all blocks up to there. None: no later segment tells.
    pub last_crc: Option<u32>,
    /// Length of the file.
    pub file_bytes: u64,
    /// Nothing is written to it any more.
    pub sealed: bool,
}

/// What [`extent`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Where the last block that counts ends; the file's end where damage leaves that unknown.
    pub end_offset: u64,
    pub damage: Option<String>,
}

/// The segments `seqs` (oldest first) of a log that ends with the block `durable_seq`. A segment without a block up to
/// there is left out.
///
/// # Errors
/// A file cannot be read.
pub fn cut(
    io: &dyn Io,
    dir: &Path,
    store_uuid: [u8; 16],
    seqs: &[u64],
    durable_seq: u64,
) -> io::Result<Vec<CutSegment>> {
    let mut segments: Vec<CutSegment> = Vec::with_capacity(seqs.len());
    let mut next: Option<SegmentHeader> = None;
    for seq in seqs.iter().rev() {
        let file = io.open_read(&segment_path(dir, *seq))?;
        let header = read_header(&*file)?.filter(|header| header.store_uuid == store_uuid && header.seq == *seq);
        let recorded = next.map(|next| next.prev).filter(|prev| prev.seq == *seq);
        next = header.filter(|header| header.active).or(next);
        let is_empty = header.is_some_and(|header| !header.active || header.first_block_seq > durable_seq);
        if is_empty && segments.is_empty() {
            continue;
        }
        segments.push(CutSegment {
            seq: *seq,
            file_id: header.map(|header| header.file_id),
            last_block_seq: recorded.map_or(durable_seq, |prev| prev.last_block_seq.min(durable_seq)),
            last_crc: recorded.filter(|prev| prev.last_block_seq <= durable_seq).map(|prev| prev.last_crc),
            file_bytes: file.len()?,
            sealed: !segments.is_empty(),
        });
    }
    segments.reverse();
    Ok(segments)
}

fn read_header(file: &dyn IoFile) -> io::Result<Option<SegmentHeader>> {
    let mut bytes = vec![0; SEGMENT_HEADER_BYTES];
    let read = file.read_at(&mut bytes, 0)?;
    Ok(SegmentHeader::decode(bytes.get(..read).unwrap_or_default()).ok())
}

/// Reads every block of a segment's file up to the one that `segment` names as its last.
///
/// # Errors
/// The file cannot be read.
pub fn extent(file: Arc<dyn IoFile>, segment: &CutSegment) -> io::Result<Extent> {
    let damaged = |what: String| Extent { end_offset: segment.file_bytes, damage: Some(what) };
    let Some(file_id) = segment.file_id else { return Ok(damaged("its header cannot be read".to_owned())) };
    // A power cut may leave a new segment's header and take its first block; the next segment follows on the one before.
    let is_empty = read_header(&*file)?.is_some_and(|header| header.first_block_seq > segment.last_block_seq);
    let mut at = SEGMENT_HEADER_BYTES as u64;
    if is_empty {
        return Ok(Extent { end_offset: at.min(segment.file_bytes), damage: None });
    }
    let mut scan = Scan::new(file, file_id)?;
    let mut expected = None;
    loop {
        let header = match scan.at(at)? {
            Found::Block(header, _) if expected.is_none_or(|expected| expected == header.block_seq) => header,
            Found::Block(header, _) => return Ok(damaged(format!("another block, {}, at {at}", header.block_seq))),
            Found::BadBody(header, _) => {
                return Ok(damaged(format!("the body of block {} at {at} does not match its CRC", header.block_seq)));
            }
            Found::Nothing(what) => return Ok(damaged(format!("no block at {at}: {what}"))),
        };
        at += header.total_len() as u64;
        expected = Some(header.block_seq + 1);
        if header.block_seq >= segment.last_block_seq || header.flags & flags::SEAL != 0 {
            return Ok(Extent { end_offset: at.min(segment.file_bytes), damage: None });
        }
    }
}
