//! The record by which an index says how complete it is: how often it was synced, and a tally of all its pages.
//!
//! Two states. `Clean`: every page counted in the tally is there; anything else means pages were lost without an
//! error. `Writing`: puts followed the last sync, so the tally says nothing and pages may be newer than the checkpoint.

use super::{IndexMark, page};
use crate::{
    base::id::QueueId,
    storage::fixed::{Fields, Record, crc_matches},
};

pub const MAGIC: u32 = u32::from_le_bytes(*b"FBMK");
pub const VERSION: u16 = 1;
pub const BYTES: usize = 64;
const CRC_AT: usize = 56;
/// Shorter than a page's key, and before all of them.
pub const KEY: [u8; 1] = [0];

/// Count, bytes and digest of a set of pages; pages go in and out in any order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub pages: u64,
    pub payload_bytes: u64,
    digest: u64,
}

impl Tally {
    pub fn add(&mut self, queue: QueueId, number: u64, page: page::Page<'_>) {
        self.pages = self.pages.wrapping_add(1);
        self.payload_bytes = self.payload_bytes.wrapping_add(page.payload.len() as u64);
        self.digest = self.digest.wrapping_add(weight(queue, number, page.crc));
    }

    pub fn subtract(&mut self, queue: QueueId, number: u64, page: page::Page<'_>) {
        self.pages = self.pages.wrapping_sub(1);
        self.payload_bytes = self.payload_bytes.wrapping_sub(page.payload.len() as u64);
        self.digest = self.digest.wrapping_sub(weight(queue, number, page.crc));
    }
}

/// Spreads a page's place and CRC over 64 bits (the finalizer of SplitMix64), so that sums of them tell sets apart.
fn weight(queue: QueueId, number: u64, crc: u32) -> u64 {
    [queue.0, number, u64::from(crc)].into_iter().fold(0x9e37_79b9_7f4a_7c15, |sum, field| {
        let mut z = (sum ^ field).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    Clean,
    Writing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarkRecord {
    pub store_uuid: [u8; 16],
    pub mark: IndexMark,
    pub progress: Progress,
    pub tally: Tally,
}

impl MarkRecord {
    pub fn encode(&self) -> Vec<u8> {
        let progress = match self.progress {
            Progress::Clean => 1,
            Progress::Writing => 2,
        };
        let record = Record::with_capacity(BYTES).u32(MAGIC).u16(VERSION).u8(progress).u8(0).bytes(&self.store_uuid);
        let record = record.u64(self.mark.0).u64(self.tally.pages).u64(self.tally.payload_bytes);
        record.u64(self.tally.digest).zeroes_to(BYTES).sealed(CRC_AT)
    }

    pub fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != BYTES || !crc_matches(bytes, CRC_AT) {
            return None;
        }
        let mut fields = Fields::new(bytes);
        if fields.u32()? != MAGIC || fields.u16()? != VERSION {
            return None;
        }
        let progress = match fields.u8()? {
            1 => Progress::Clean,
            2 => Progress::Writing,
            _ => return None,
        };
        fields.skip(1)?;
        let store_uuid = fields.array()?;
        let mark = IndexMark(fields.u64()?);
        let tally = Tally { pages: fields.u64()?, payload_bytes: fields.u64()?, digest: fields.u64()? };
        Some(Self { store_uuid, mark, progress, tally })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn page(crc: u32) -> page::Page<'static> {
        page::Page { crc, payload: b"abc" }
    }

    #[test]
    fn a_tally_forgets_the_order_but_not_the_pages() {
        let (mut one, mut other) = (Tally::default(), Tally::default());
        one.add(QueueId(1), 1, page(5));
        one.add(QueueId(1), 2, page(6));
        other.add(QueueId(1), 2, page(6));
        other.add(QueueId(1), 1, page(5));
        assert_eq!(one, other);
        other.subtract(QueueId(1), 2, page(6));
        other.add(QueueId(2), 1, page(6));
        assert_ne!(one, other);
    }

    #[test]
    fn a_mark_is_read_back() {
        let mut tally = Tally::default();
        tally.add(QueueId(1), 1, page(5));
        let mark = MarkRecord { store_uuid: [9; 16], mark: IndexMark(3), progress: Progress::Writing, tally };
        assert_eq!(MarkRecord::decode(&mark.encode()), Some(mark));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            prop_assert_eq!(MarkRecord::decode(&bytes), None);
        }
    }
}
