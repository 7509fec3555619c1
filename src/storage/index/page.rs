//! The bytes of a page as they stand in the index: a header that names the queue and the page, and the payload.
//!
//! `magic u32 | version u16 | reserved u16 | queue u64 | page u64 | payload_len u32 | crc u32 | payload`. The CRC covers
//! everything but itself, so a page in the wrong place is told from a right one as surely as a damaged page.

use super::IndexError;
use crate::{
    base::id::QueueId,
    storage::fixed::{Fields, Record, crc_matches},
};

pub const MAGIC: u32 = u32::from_le_bytes(*b"FBPG");
/// Raised with the payload too, so that an index of before is rebuilt and never misread.
pub const VERSION: u16 = 2;
pub const HEADER_BYTES: usize = 32;
/// Larger pages are refused. A usual page has 300 bytes to 8 KiB; this is what 256 messages with the longest ids need.
pub const PAYLOAD_BYTES_MAX: usize = 1 << 20;
const CRC_AT: usize = 28;

pub const KEY_BYTES: usize = 16;

/// The key of a page: queue and number big endian, so that pages of a queue follow each other.
pub fn key(queue: QueueId, page: u64) -> [u8; KEY_BYTES] {
    ((u128::from(queue.0) << 64) | u128::from(page)).to_be_bytes()
}

/// The queue and page number of a key; `None` for a key that is not a page's.
pub fn parse_key(key: &[u8]) -> Option<(QueueId, u64)> {
    let whole = u128::from_be_bytes(key.try_into().ok()?);
    Some((QueueId((whole >> 64) as u64), whole as u64))
}

/// # Errors
/// [`IndexError::TooLarge`].
pub fn encode(queue: QueueId, page: u64, payload: &[u8]) -> Result<Vec<u8>, IndexError> {
    let len = payload.len();
    if len > PAYLOAD_BYTES_MAX {
        return Err(IndexError::TooLarge { queue, page, len, max: PAYLOAD_BYTES_MAX });
    }
    let record = Record::with_capacity(HEADER_BYTES + len).u32(MAGIC).u16(VERSION).u16(0).u64(queue.0).u64(page);
    Ok(record.u32(len as u32).u32(0).bytes(payload).sealed(CRC_AT))
}

/// A page whose CRC and place were found right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page<'a> {
    pub crc: u32,
    pub payload: &'a [u8],
}

/// Reads the page that stands at (`queue`, `page`).
///
/// # Errors
/// [`IndexError::Damaged`] with what is wrong.
pub fn decode(queue: QueueId, page: u64, bytes: &[u8]) -> Result<Page<'_>, IndexError> {
    check(queue, page, bytes).map_err(|what| IndexError::Damaged { queue, page, what })
}

fn check(queue: QueueId, page: u64, bytes: &[u8]) -> Result<Page<'_>, &'static str> {
    const SHORT: &str = "shorter than a page's header";
    let mut fields = Fields::new(bytes);
    if fields.u32().ok_or(SHORT)? != MAGIC {
        return Err("its magic number does not match");
    }
    if !crc_matches(bytes, CRC_AT) {
        return Err("its CRC does not match");
    }
    if fields.u16().ok_or(SHORT)? != VERSION {
        return Err("its version is not known");
    }
    fields.skip(2).ok_or(SHORT)?;
    if (fields.u64(), fields.u64()) != (Some(queue.0), Some(page)) {
        return Err("it belongs to another queue or page");
    }
    let len = fields.u32().ok_or(SHORT)? as usize;
    let crc = fields.u32().ok_or(SHORT)?;
    let payload = fields.rest();
    if payload.len() != len || len > PAYLOAD_BYTES_MAX {
        return Err("its length does not match");
    }
    Ok(Page { crc, payload })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const QUEUE: QueueId = QueueId(7);

    #[test]
    fn the_format_is_what_it_was() {
        let golden = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/meta-v1/page"));
        assert_eq!(encode(QUEUE, 3, b"page of a queue"), Ok(golden.to_vec()));
        assert_eq!(decode(QUEUE, 3, golden).map(|page| page.payload), Ok(&b"page of a queue"[..]));
    }

    #[test]
    fn keys_sort_by_queue_and_then_by_page() {
        let keys = [key(QUEUE, 1), key(QUEUE, 256), key(QUEUE, u64::MAX), key(QueueId(8), 0), key(QueueId(256), 0)];
        assert!(keys.is_sorted());
        assert_eq!(parse_key(&keys[1]), Some((QUEUE, 256)));
        assert_eq!(parse_key(&keys[1][1..]), None);
    }

    #[test]
    fn a_page_in_the_wrong_place_is_damaged() {
        let bytes = encode(QUEUE, 3, b"entries").expect("small");
        assert_eq!(decode(QUEUE, 3, &bytes).map(|page| page.payload), Ok(&b"entries"[..]));
        let what = "it belongs to another queue or page";
        assert_eq!(decode(QUEUE, 4, &bytes), Err(IndexError::Damaged { queue: QUEUE, page: 4, what }));
    }

    #[test]
    fn a_page_of_an_older_version_is_told() {
        let older = Record::default().u32(MAGIC).u16(VERSION - 1).u16(0).u64(QUEUE.0).u64(3);
        let what = "its version is not known";
        let read = decode(QUEUE, 3, &older.u32(0).u32(0).sealed(CRC_AT)).map(|page| page.crc);
        assert_eq!(read, Err(IndexError::Damaged { queue: QUEUE, page: 3, what }));
    }

    #[test]
    fn a_page_past_the_limit_is_refused_with_both_sizes() {
        let refused = encode(QUEUE, 3, &vec![0; PAYLOAD_BYTES_MAX + 1]).expect_err("too large");
        assert_eq!(refused.to_string(), "page 3 of queue 7 has 1048577 bytes, the limit is 1048576");
    }

    proptest! {
        #[test]
        fn any_flipped_bit_or_cut_is_seen(payload in prop::collection::vec(any::<u8>(), 0..200), at in any::<prop::sample::Index>()) {
            let bytes = encode(QUEUE, 3, &payload).expect("small");
            let bit = at.index(bytes.len() * 8);
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(decode(QUEUE, 3, &flipped).is_err());
            prop_assert!(decode(QUEUE, 3, &bytes[..bit / 8]).is_err());
        }

        #[test]
        fn no_bytes_make_the_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            prop_assert!(decode(QUEUE, 3, &bytes).is_err());
        }
    }
}
