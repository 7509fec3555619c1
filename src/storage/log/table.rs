//! Where the frames of one segment stand: for each partition a base LSN and one number a frame.
//!
//! Sealed segments keep it in a side file beside them, which is a cache: lost or damaged, it is made again by a scan.

use super::{
    heads::Heads,
    layout::{crc_around, put, u16_at, u32_at, u64_at},
};
use crate::base::id::{Lsn, PartitionId};
use std::{collections::BTreeMap, ops::Range};

pub const TABLE_MAGIC: [u8; 4] = *b"FBix";
const TABLE_VERSION: u16 = 1;
const HEADER_BYTES: usize = 40;
const RUN_BYTES: usize = 16;
const CRC_AT: usize = 36;
/// A segment of the largest size holds fewer frames than this of one partition.
const FRAMES_MAX: u64 = 1 << 26;

/// The frames of one partition in one segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// The partition's last LSN before this segment.
    pub before: Lsn,
    /// Offset / 8 of each frame from `before + 1` on; 0 for a frame that was lost.
    offsets: Vec<u32>,
}

impl Run {
    /// The partition's last LSN at the end of this segment.
    pub fn last(&self) -> Lsn {
        Lsn(self.before.0 + self.offsets.len() as u64)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    runs: BTreeMap<PartitionId, Run>,
}

/// What a table says of one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Bytes from the start of the file.
    At(u64),
    /// The frame was here and is damaged.
    Lost,
    /// In an older segment, if anywhere.
    Before,
    /// In a newer segment, if anywhere.
    After,
}

impl Table {
    /// An empty table of a segment that starts with these heads.
    pub fn starting_at(heads: &Heads) -> Self {
        let mut table = Self::default();
        heads.iter().for_each(|(partition, head)| table.skip_to(*partition, head.lsn));
        table
    }

    /// Says that the partition's log stood at `lsn` here; frames not seen up to it are lost.
    pub fn skip_to(&mut self, partition: PartitionId, lsn: Lsn) {
        let run = self.runs.entry(partition).or_insert(Run { before: lsn, offsets: Vec::new() });
        let missing = lsn.0.saturating_sub(run.last().0);
        if run.offsets.is_empty() || missing > FRAMES_MAX {
            *run = Run { before: lsn.max(run.before), offsets: Vec::new() };
        } else {
            run.offsets.resize(run.offsets.len() + missing as usize, 0);
        }
    }

    /// Adds a frame. `offset` is a multiple of eight.
    pub fn push(&mut self, partition: PartitionId, lsn: Lsn, offset: u64) {
        self.skip_to(partition, Lsn(lsn.0.saturating_sub(1)));
        if let Some(run) = self.runs.get_mut(&partition)
            && run.last().next() == lsn
        {
            run.offsets.push((offset / 8) as u32);
        }
    }

    pub fn find(&self, partition: PartitionId, lsn: Lsn) -> Place {
        let Some(run) = self.runs.get(&partition) else { return Place::After };
        if lsn <= run.before {
            return Place::Before;
        }
        match run.offsets.get((lsn.0 - run.before.0 - 1) as usize) {
            None => Place::After,
            Some(0) => Place::Lost,
            Some(offset) => Place::At(u64::from(*offset) * 8),
        }
    }

    /// The frames that start within these bytes of the file, each with its place; those of a partition rise.
    pub fn frames_within(&self, bytes: &Range<u64>) -> Vec<(PartitionId, Lsn, u64)> {
        let of_run = |(partition, run): (&PartitionId, &Run)| {
            let (partition, first) = (*partition, run.before.0 + 1);
            let places = run.offsets.iter().map(|offset| u64::from(*offset) * 8);
            let frames = (first..).zip(places).filter(|(_, at)| *at != 0 && bytes.contains(at));
            frames.map(|(lsn, at)| (partition, Lsn(lsn), at)).collect::<Vec<_>>()
        };
        self.runs.iter().flat_map(of_run).collect()
    }

    /// The partition's last LSN so far; 0 when nothing is known of it.
    pub fn last(&self, partition: PartitionId) -> Lsn {
        self.runs.get(&partition).map(Run::last).unwrap_or_default()
    }

    /// Each partition with its last LSN before the segment and its last in it.
    pub fn ranges(&self) -> impl Iterator<Item = (PartitionId, Lsn, Lsn)> {
        self.runs.iter().map(|(partition, run)| (*partition, run.before, run.last()))
    }

    /// `magic u32 | version u16 | reserved u16 | segment_seq u64 | file_id u64 | run_count u32 | offset_count u32 | reserved u32 | crc u32`,
    /// then the runs `partition u32 | frame_count u32 | before u64`, then all offsets.
    pub fn encode(&self, segment_seq: u64, file_id: u64) -> Vec<u8> {
        let offsets: usize = self.runs.values().map(|run| run.offsets.len()).sum();
        let mut bytes = vec![0; HEADER_BYTES];
        bytes.reserve(self.runs.len() * RUN_BYTES + offsets * 4);
        put(&mut bytes, 0, &TABLE_MAGIC);
        put(&mut bytes, 4, &TABLE_VERSION.to_le_bytes());
        put(&mut bytes, 8, &segment_seq.to_le_bytes());
        put(&mut bytes, 16, &file_id.to_le_bytes());
        put(&mut bytes, 24, &(self.runs.len() as u32).to_le_bytes());
        put(&mut bytes, 28, &(offsets as u32).to_le_bytes());
        for (partition, run) in &self.runs {
            bytes.extend_from_slice(&partition.0.to_le_bytes());
            bytes.extend_from_slice(&(run.offsets.len() as u32).to_le_bytes());
            bytes.extend_from_slice(&run.before.0.to_le_bytes());
        }
        for offset in self.runs.values().flat_map(|run| &run.offsets) {
            bytes.extend_from_slice(&offset.to_le_bytes());
        }
        let crc = crc_around(&bytes, CRC_AT);
        put(&mut bytes, CRC_AT, &crc.to_le_bytes());
        bytes
    }

    /// None unless the bytes are the table of exactly this file.
    pub fn decode(bytes: &[u8], segment_seq: u64, file_id: u64) -> Option<Self> {
        let fits = bytes.get(..4)? == TABLE_MAGIC
            && u16_at(bytes, 4)? == TABLE_VERSION
            && u64_at(bytes, 8)? == segment_seq
            && u64_at(bytes, 16)? == file_id;
        let (run_count, offset_count) = (u32_at(bytes, 24)? as usize, u32_at(bytes, 28)? as usize);
        let len =
            HEADER_BYTES.checked_add(run_count.checked_mul(RUN_BYTES)?)?.checked_add(offset_count.checked_mul(4)?)?;
        if !fits || bytes.len() != len || u32_at(bytes, CRC_AT)? != crc_around(bytes, CRC_AT) {
            return None;
        }
        let mut table = Self::default();
        let mut offset_at = HEADER_BYTES + run_count * RUN_BYTES;
        for index in 0..run_count {
            let at = HEADER_BYTES + index * RUN_BYTES;
            let end = offset_at.checked_add((u32_at(bytes, at + 4)? as usize).checked_mul(4)?)?;
            let offsets = bytes.get(offset_at..end)?.chunks_exact(4).filter_map(|chunk| u32_at(chunk, 0)).collect();
            table.runs.insert(PartitionId(u32_at(bytes, at)?), Run { before: Lsn(u64_at(bytes, at + 8)?), offsets });
            offset_at = end;
        }
        Some(table)
    }
}
