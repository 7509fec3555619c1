//! Records of queues over streams as plain data, and their receipt handles.

use super::record::StoredRecord;
use crate::{
    base::{
        id::{LeaseId, StreamId, StreamQueueId},
        time::Timestamp,
    },
    domain::stream::{
        ShardId,
        acks::{Handle, machine::Lane},
    },
};
use std::time::Duration;

/// A lane of a queue.
pub(in crate::engine) type LaneKey = (StreamId, StreamQueueId, Lane);

/// The first byte of what is sealed: no text begins with it.
const KIND: u8 = 0;

#[derive(Clone, Copy, Debug)]
pub struct ReceiveRecords {
    pub queue: StreamQueueId,
    pub lane: Lane,
    pub max: u64,
    /// So many bytes fill an answer; the rest is handed back.
    pub max_bytes: usize,
    /// None: as the queue says.
    pub visibility_timeout: Option<Duration>,
    /// How long to wait for the first record.
    pub wait: Duration,
}

/// A record as a consumer gets it.
#[derive(Clone, Debug)]
pub struct DeliveredRecord {
    pub receipt: RecordReceipt,
    pub record: StoredRecord,
    pub first_receive: Timestamp,
    pub receive_count: u32,
}

/// What a receipt handle says: a record under a lease, and of which queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordReceipt {
    pub stream: StreamId,
    pub queue: StreamQueueId,
    pub lane: Lane,
    pub handle: Handle,
}

impl RecordReceipt {
    /// `0 u8 | lane u8 | stream u64 | queue u64 | shard u32 | index u64 | lease u64`, little endian.
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let lane = match self.lane {
            Lane::Main => 0,
            Lane::DeadLetters => 1,
        };
        let Handle { shard, index, lease } = self.handle;
        let mut bytes = vec![KIND, lane];
        bytes.extend_from_slice(&self.stream.0.to_le_bytes());
        bytes.extend_from_slice(&self.queue.0.to_le_bytes());
        bytes.extend_from_slice(&shard.0.to_le_bytes());
        bytes.extend_from_slice(&index.to_le_bytes());
        bytes.extend_from_slice(&lease.0.to_le_bytes());
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (kind, rest) = bytes.split_first()?;
        let (lane, rest) = rest.split_first()?;
        let (stream, rest) = rest.split_first_chunk()?;
        let (queue, rest) = rest.split_first_chunk()?;
        let (shard, rest) = rest.split_first_chunk()?;
        let (index, rest) = rest.split_first_chunk()?;
        let lease = rest.try_into().ok()?;
        let lane = match lane {
            0 => Lane::Main,
            1 => Lane::DeadLetters,
            _ => return None,
        };
        let handle = Handle {
            shard: ShardId(u32::from_le_bytes(*shard)),
            index: u64::from_le_bytes(*index),
            lease: LeaseId(u64::from_le_bytes(lease)),
        };
        let (stream, queue) = (StreamId(u64::from_le_bytes(*stream)), StreamQueueId(u64::from_le_bytes(*queue)));
        (*kind == KIND).then_some(Self { stream, queue, lane, handle })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_reads_back_and_nothing_shorter_longer_or_of_another_kind_does() {
        for lane in Lane::ALL {
            let handle = Handle { shard: ShardId(7), index: 1 << 40, lease: LeaseId(9) };
            let receipt = RecordReceipt { stream: StreamId(3), queue: StreamQueueId(1 << 50), lane, handle };
            let bytes = receipt.to_bytes();
            assert_eq!(RecordReceipt::from_bytes(&bytes), Some(receipt));
            assert!((0..bytes.len()).all(|end| RecordReceipt::from_bytes(&bytes[..end]).is_none()));
            for (at, value) in [(0, b'i'), (1, 2)] {
                let mut other = bytes.clone();
                other[at] = value;
                assert_eq!(RecordReceipt::from_bytes(&other), None);
            }
            assert_eq!(RecordReceipt::from_bytes(&[bytes, vec![0]].concat()), None);
        }
    }
}
