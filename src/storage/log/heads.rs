//! Where each partition's log ends: the body of every block that holds no frames.
//!
//! A segment starts with such a table, so that it can be understood without its predecessors, and what was lost
//! between two tables can be told by LSN.

use super::layout::{put, u32_at, u64_at};
use crate::base::{
    id::{Epoch, Lsn, PartitionId},
    time::Timestamp,
};
use std::collections::BTreeMap;

const TABLE_HEADER_BYTES: usize = 8;
const HEAD_BYTES: usize = 40;

/// The last frame of a partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    pub lsn: Lsn,
    pub epoch: Epoch,
    pub logical_time: Timestamp,
    /// [`super::frame::FrameHeader::chain`] of that frame; 0 when unknown.
    pub chain: u64,
}

pub type Heads = BTreeMap<PartitionId, Head>;

pub(super) fn encoded_len(count: usize) -> usize {
    TABLE_HEADER_BYTES + count * HEAD_BYTES
}

/// `count u32 | reserved u32`, then for each partition
/// `partition u32 | reserved u32 | lsn u64 | epoch u64 | logical_time_ms u64 | chain u64`.
pub(super) fn encode(heads: &Heads) -> Vec<u8> {
    let mut bytes = vec![0; encoded_len(heads.len())];
    put(&mut bytes, 0, &(heads.len() as u32).to_le_bytes());
    for (index, (partition, head)) in heads.iter().enumerate() {
        let at = encoded_len(index);
        put(&mut bytes, at, &partition.0.to_le_bytes());
        put(&mut bytes, at + 8, &head.lsn.0.to_le_bytes());
        put(&mut bytes, at + 16, &head.epoch.0.0.to_le_bytes());
        put(&mut bytes, at + 24, &head.logical_time.0.to_le_bytes());
        put(&mut bytes, at + 32, &head.chain.to_le_bytes());
    }
    bytes
}

/// None when the bytes are no such table.
pub(super) fn decode(bytes: &[u8]) -> Option<Heads> {
    let count = u32_at(bytes, 0)? as usize;
    if bytes.len() != count.checked_mul(HEAD_BYTES)?.checked_add(TABLE_HEADER_BYTES)? {
        return None;
    }
    let mut heads = Heads::new();
    for index in 0..count {
        let at = encoded_len(index);
        let head = Head {
            lsn: Lsn(u64_at(bytes, at + 8)?),
            epoch: Epoch(Lsn(u64_at(bytes, at + 16)?)),
            logical_time: Timestamp(u64_at(bytes, at + 24)?),
            chain: u64_at(bytes, at + 32)?,
        };
        heads.insert(PartitionId(u32_at(bytes, at)?), head);
    }
    Some(heads)
}
