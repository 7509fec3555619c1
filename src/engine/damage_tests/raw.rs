//! The blocks of a segment file and the frames in them, read by the tables of `storage-format.md` and by nothing of the
//! product, so that a mistake there cannot hide itself here.

use crate::base::id::{Lsn, PartitionId};
use std::ops::Range;

pub(super) const PAGE: usize = 4096;
pub(super) const HEARTBEAT: u16 = 2;
const DATA: u16 = 1;

/// A block as it stands in a sound file.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) at: usize,
    pub(super) flags: u16,
    /// Header and body: what a CRC covers.
    pub(super) covered: Range<usize>,
    pub(super) frames: Vec<(PartitionId, Lsn)>,
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> u64 {
    let mut whole = [0; 8];
    whole[..N].copy_from_slice(&bytes[at..at + N]);
    u64::from_le_bytes(whole)
}

/// The segment was written to: flag bit 0 of its header.
pub(super) fn is_in_use(bytes: &[u8]) -> bool {
    bytes.len() > PAGE && bytes.starts_with(b"FOREBAYW") && number::<4>(bytes, 12) & 1 == 1
}

/// Every block of a sound segment, in order.
pub(super) fn blocks(bytes: &[u8]) -> Vec<Block> {
    let file_id = number::<8>(bytes, 48);
    let (mut at, mut found) = (PAGE, Vec::new());
    while at + 64 <= bytes.len() && bytes[at..].starts_with(b"FBbl") && number::<8>(bytes, at + 8) == file_id {
        let end = at + 64 + number::<4>(bytes, at + 32) as usize;
        let flags = number::<2>(bytes, at + 6) as u16;
        let frames = if flags & DATA == 0 { Vec::new() } else { frames(&bytes[at + 64..end]) };
        found.push(Block { at, flags, covered: at..end, frames });
        at = end.next_multiple_of(PAGE);
    }
    found
}

fn frames(body: &[u8]) -> Vec<(PartitionId, Lsn)> {
    let (mut at, mut found) = (0, Vec::new());
    while at + 72 <= body.len() {
        assert!(body[at..].starts_with(b"FBfr"), "a frame starts at {at}");
        found.push((PartitionId(number::<4>(body, at + 24) as u32), Lsn(number::<8>(body, at + 64))));
        at += 72 + number::<4>(body, at + 56) as usize;
    }
    found
}
