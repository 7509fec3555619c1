//! Decoders on arbitrary bytes and on valid files with mutations: no panic, no allocation that the input does not pay
//! for, and nothing taken for valid that was changed.

use super::{
    damage::{blocks, options, path, sample},
    support::{DIR, STORE, open_sim},
};
use crate::{
    base::{
        id::{Epoch, Lsn, PartitionId},
        limits::BLOCK_BODY_BYTES,
        time::Timestamp,
    },
    storage::{
        io::sim::SimDisk,
        log::{
            FrameBuilder, Head, Heads,
            block::{BlockHeader, flags},
            entry,
            frame::{self, Depth, FrameHeader, FrameKind},
            heads,
            segment::{HeaderError, Predecessor, SegmentHeader, table_path},
            table::Table,
        },
    },
};
use bytes::Bytes;
use proptest::prelude::*;
use std::path::Path;

fn sealed_frame(bodies: &[Vec<u8>]) -> Bytes {
    let mut builder = FrameBuilder::new(PartitionId(1), Epoch(Lsn(3)), Lsn(9), Timestamp(77));
    for (index, body) in bodies.iter().enumerate() {
        builder.push(index as u8, 5, index as u64, |header| header.extend_from_slice(&body[..body.len() / 3]), body);
    }
    builder.seal(FrameKind::Data, STORE, 12).bytes
}

fn block_header(numbers: [u64; 4], lengths: [u32; 4], flags: u16) -> BlockHeader {
    BlockHeader {
        flags,
        file_id: numbers[0],
        block_seq: numbers[1],
        durable_seq: numbers[2],
        segment_seq: numbers[3],
        body_len: lengths[0] % (BLOCK_BODY_BYTES as u32 + 1),
        frame_count: lengths[1],
        body_crc: lengths[2],
        prev_header_crc: lengths[3],
    }
}

/// Every decoder on the same bytes.
fn decode_everything(bytes: &[u8]) {
    let shared = Bytes::copy_from_slice(bytes);
    let _ = entry::open(&shared);
    let _ = FrameHeader::read(bytes);
    for depth in [Depth::Outline, Depth::Full] {
        if let Ok(frame) = frame::open(&shared, depth) {
            assert!(frame::entries(frame.header, frame.bytes).count() <= bytes.len() / 32);
        }
    }
    if let Ok(header) = BlockHeader::decode(bytes) {
        assert!(header.body_len as usize <= BLOCK_BODY_BYTES);
    }
    let _ = SegmentHeader::decode(bytes);
    let _ = Table::decode(bytes, 1, 2);
    if let Some(heads) = heads::decode(bytes) {
        assert!(heads.len() <= bytes.len() / 40);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_never_panic_a_decoder(bytes in prop::collection::vec(any::<u8>(), 0..6000), magic in 0..5_usize) {
        let mut bytes = bytes;
        let magics: [&[u8]; 5] = [b"", b"FBfr\x01\0\x01\0", b"FBbl\x01\0", b"FOREBAYW\x01\0\x01\x01", b"FBix\x01\0"];
        for (place, byte) in bytes.iter_mut().zip(magics[magic]) {
            *place = *byte;
        }
        decode_everything(&bytes);
    }

    #[test]
    fn a_frame_is_read_back_and_any_change_of_it_is_noticed(
        bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..6),
        at in any::<prop::sample::Index>(),
        bit in 0..8_u8,
    ) {
        let bytes = sealed_frame(&bodies);
        let frame = frame::open(&bytes, Depth::Full).unwrap();
        let read: Vec<Vec<u8>> = frame::entries(frame.header, frame.bytes).map(|(_, entry)| entry.body.to_vec()).collect();
        prop_assert_eq!(&read, &bodies);
        let mut changed = bytes.to_vec();
        let at = at.index(changed.len());
        changed[at] ^= 1_u8 << bit;
        decode_everything(&changed);
        if let Ok(frame) = frame::open(&Bytes::from(changed), Depth::Full) {
            // Only the padding behind an entry may change unnoticed here; the block's CRC covers it.
            let read: Vec<Vec<u8>> = frame::entries(frame.header, frame.bytes).map(|(_, entry)| entry.body.to_vec()).collect();
            prop_assert_eq!(read, bodies);
        }
    }

    #[test]
    fn a_block_header_is_read_back_and_any_change_of_it_is_noticed(
        numbers in any::<[u64; 4]>(),
        lengths in any::<[u32; 4]>(),
        flags in any::<u16>(),
        at in 0..64_usize,
        bit in 0..8_u8,
    ) {
        let header = block_header(numbers, lengths, flags);
        let mut bytes = header.encode();
        prop_assert_eq!(BlockHeader::decode(&bytes), Ok(header));
        bytes[at] ^= 1_u8 << bit;
        prop_assert!(BlockHeader::decode(&bytes).is_err());
    }

    #[test]
    fn a_segment_header_is_read_back_and_any_change_of_it_is_noticed(
        numbers in any::<[u64; 9]>(),
        active in any::<bool>(),
        last_crc in any::<u32>(),
        at in 0..4096_usize,
        bit in 0..8_u8,
    ) {
        let header = SegmentHeader {
            active,
            store_uuid: STORE,
            node_id: numbers[0],
            seq: numbers[1],
            file_id: numbers[2],
            first_block_seq: numbers[3],
            created_ms: numbers[4],
            capacity: numbers[5],
            prev: Predecessor { seq: numbers[6], file_id: numbers[7], last_block_seq: numbers[8], last_crc },
        };
        let mut bytes = header.encode();
        prop_assert_eq!(SegmentHeader::decode(&bytes), Ok(header));
        bytes[at] ^= 1_u8 << bit;
        prop_assert!(matches!(SegmentHeader::decode(&bytes), Err(HeaderError::Damaged(_))));
    }

    #[test]
    fn a_table_is_read_back_and_any_change_of_it_is_noticed(
        frames in prop::collection::vec((0..3_u32, 1..3_u64, 1..1_000_000_u64), 0..50),
        at in any::<prop::sample::Index>(),
        bit in 0..8_u8,
    ) {
        let mut table = Table::default();
        let mut last = [10_u64; 3];
        for (partition, step, offset) in frames {
            last[partition as usize] += step;
            table.push(PartitionId(partition), Lsn(last[partition as usize]), offset * 8);
        }
        let mut bytes = table.encode(4, 5);
        prop_assert_eq!(Table::decode(&bytes, 4, 5), Some(table));
        prop_assert_eq!(Table::decode(&bytes, 4, 6), None);
        let at = at.index(bytes.len());
        bytes[at] ^= 1_u8 << bit;
        prop_assert_eq!(Table::decode(&bytes, 4, 5), None);
    }

    #[test]
    fn a_table_of_heads_is_read_back(list in prop::collection::btree_map(any::<u32>(), any::<[u64; 4]>(), 0..20)) {
        let heads: Heads = list
            .into_iter()
            .map(|(partition, [lsn, epoch, time, chain])| {
                let head = Head { lsn: Lsn(lsn), epoch: Epoch(Lsn(epoch)), logical_time: Timestamp(time), chain };
                (PartitionId(partition), head)
            })
            .collect();
        prop_assert_eq!(heads::decode(&heads::encode(&heads)), Some(heads));
    }
}

/// Damages a place of a segment, and its table if asked to, and reads every frame that recovery shows.
fn damage_and_read(disk: &SimDisk, segment: u64, at: usize, len: usize) -> Result<(), TestCaseError> {
    disk.damage(&path(segment), |bytes| bytes.iter_mut().skip(at).take(len).for_each(|place| *place = 1));
    disk.damage(&table_path(Path::new(DIR), segment), |bytes| {
        bytes.iter_mut().skip(6).take(3).for_each(|place| *place = 1);
    });
    let opened = open_sim(disk, &options()).unwrap();
    let reader = crate::storage::log::LogStore::reader(&opened.log);
    for frame in &opened.frames {
        for (at, entry) in frame.entries() {
            prop_assert_eq!(reader.read(frame.partition(), at), Ok(entry));
        }
    }
    Ok(())
}

#[test]
fn what_recovery_shows_can_be_read_when_the_begin_of_a_segment_and_its_table_are_damaged() {
    for segment in 1..5 {
        for at in (4096..4300).step_by(4) {
            let disk = SAMPLE.with(SimDisk::fork);
            damage_and_read(&disk, segment, at, 6).unwrap_or_else(|error| panic!("segment {segment} at {at}: {error}"));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_log_with_any_mutations_opens_and_what_it_shows_is_true(
        changes in prop::collection::vec((1..5_u64, any::<prop::sample::Index>(), any::<u8>(), 1..5000_usize), 1..5),
        tables in any::<bool>(),
    ) {
        let disk = SAMPLE.with(SimDisk::fork);
        for (segment, at, byte, len) in changes {
            disk.damage(&path(segment), |bytes| {
                let at = at.index(bytes.len().max(1));
                bytes.iter_mut().skip(at).take(len).for_each(|place| *place = byte);
            });
            if tables {
                disk.damage(&table_path(Path::new(DIR), segment), |bytes| {
                    bytes.iter_mut().skip(len % 60).take(3).for_each(|place| *place = byte);
                });
            }
        }
        let opened = open_sim(&disk, &options()).unwrap();
        let reader = crate::storage::log::LogStore::reader(&opened.log);
        for frame in &opened.frames {
            for (at, entry) in frame.entries() {
                prop_assert_eq!(entry.seq, frame.lsn().0);
                prop_assert_eq!(reader.read(frame.partition(), at), Ok(entry));
            }
        }
    }
}

thread_local! {
    static SAMPLE: SimDisk = sample(true);
}

#[test]
fn the_sample_has_every_kind_of_block() {
    let seen = blocks(&sample(true)).iter().fold(0, |seen, block| seen | block.header.flags);
    assert_eq!(seen, flags::START | flags::DATA | flags::SEAL | flags::HEARTBEAT);
}
