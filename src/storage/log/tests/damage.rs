//! A log of known content, and ways to damage it.

use super::support::{DIR, append, open_sim};
use crate::{
    base::id::{Lsn, PartitionId},
    storage::{
        io::sim::SimDisk,
        log::{
            LogOptions, LogStore as _,
            block::{BLOCK_HEADER_BYTES, BlockHeader},
            frame::FrameHeader,
            segment::{SEGMENT_HEADER_BYTES, segment_path},
        },
    },
};
use std::path::{Path, PathBuf};

pub(super) const P: PartitionId = PartitionId(1);
pub(super) const Q: PartitionId = PartitionId(2);

pub(super) fn options() -> LogOptions {
    LogOptions { segment_bytes: 64 << 10, hot_tail_bytes: 0, ..LogOptions::small() }
}

/// One block as it stands on the disk.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) segment: u64,
    pub(super) at: u64,
    pub(super) header: BlockHeader,
    pub(super) frames: Vec<(PartitionId, Lsn)>,
}

impl Block {
    pub(super) fn end(&self) -> u64 {
        self.at + self.header.total_len() as u64
    }
}

pub(super) fn path(segment: u64) -> PathBuf {
    segment_path(Path::new(DIR), segment)
}

/// Three segments and a bit, two partitions taking turns, killed at the end; with a heartbeat last or not.
pub(super) fn sample(with_heartbeat: bool) -> SimDisk {
    let disk = SimDisk::new(3);
    let opened = open_sim(&disk, &options()).unwrap();
    let mut p = opened.log.acquire(P).unwrap();
    let mut q = opened.log.acquire(Q).unwrap();
    for round in 0..15 {
        append(&opened.log, &mut *p, 100 + round * 700).unwrap();
        append(&opened.log, &mut *q, 3000).unwrap();
    }
    if with_heartbeat {
        opened.log.idle();
    }
    drop((p, q, opened));
    disk.restart_process()
}

/// Every block of the log, by a walk that knows nothing of recovery.
pub(super) fn blocks(disk: &SimDisk) -> Vec<Block> {
    let mut blocks = Vec::new();
    for segment in 1..20 {
        let Some(bytes) = disk.contents(&path(segment)) else { continue };
        let mut at = SEGMENT_HEADER_BYTES;
        while let Ok(header) = BlockHeader::decode(&bytes[at..]) {
            let mut frames = Vec::new();
            let (mut offset, end) = (at + BLOCK_HEADER_BYTES, at + BLOCK_HEADER_BYTES + header.body_len as usize);
            while header.is_data() && offset < end {
                let frame = FrameHeader::read(&bytes[offset..end]).unwrap();
                frames.push((frame.partition, frame.lsn));
                offset += frame.frame_len();
            }
            blocks.push(Block { segment, at: at as u64, header, frames });
            at += header.total_len();
            if at >= bytes.len() {
                break;
            }
        }
    }
    blocks
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Damage {
    ZeroFirstPage,
    ZeroLastPage,
    ZeroEverything,
    FlipHeaderSeq,
    FlipHeaderLen,
    FlipHeaderCrc,
    FlipFirstBodyByte,
    FlipLastBodyByte,
    StaleFileId,
    DuplicateOfPrevious,
}

pub(super) const DAMAGES: [Damage; 10] = [
    Damage::ZeroFirstPage,
    Damage::ZeroLastPage,
    Damage::ZeroEverything,
    Damage::FlipHeaderSeq,
    Damage::FlipHeaderLen,
    Damage::FlipHeaderCrc,
    Damage::FlipFirstBodyByte,
    Damage::FlipLastBodyByte,
    Damage::StaleFileId,
    Damage::DuplicateOfPrevious,
];

impl Damage {
    /// Damages a block on the device.
    pub(super) fn apply(self, disk: &SimDisk, block: &Block, previous: Option<&Block>) {
        let (start, end) = (block.at as usize, block.end() as usize);
        disk.damage(&path(block.segment), |bytes| match self {
            Self::ZeroFirstPage => bytes[start..start + 4096].fill(0),
            Self::ZeroLastPage => bytes[end - 4096..end].fill(0),
            Self::ZeroEverything => bytes[start..end].fill(0),
            Self::FlipHeaderSeq => bytes[start + 16] ^= 0x04,
            Self::FlipHeaderLen => bytes[start + 33] ^= 0x10,
            Self::FlipHeaderCrc => bytes[start + 60] ^= 0x80,
            Self::FlipFirstBodyByte => bytes[start + BLOCK_HEADER_BYTES] ^= 0x01,
            Self::FlipLastBodyByte => {
                bytes[start + BLOCK_HEADER_BYTES + block.header.body_len as usize - 1] ^= 0x01;
            }
            Self::StaleFileId => {
                let stale = BlockHeader { file_id: block.header.file_id ^ 0xff, ..block.header };
                bytes[start..start + BLOCK_HEADER_BYTES].copy_from_slice(&stale.encode());
            }
            Self::DuplicateOfPrevious => {
                let from = previous.filter(|previous| previous.segment == block.segment).map(|previous| previous.at);
                let from = from.unwrap_or(0) as usize;
                bytes.copy_within(from..from + 4096, start);
            }
        });
    }
}
