//! Torn or damaged: every block position against every kind of damage, with the exact verdict and range.

use super::{
    damage::{Block, DAMAGES, Damage, P, Q, blocks, options, path, sample},
    support::{DIR, Opened, append, open_sim, open_sim_from},
};
use crate::{
    base::id::{Lsn, PartitionId},
    storage::{
        io::{Io as _, sim::SimDisk},
        log::{
            CorruptionPolicy, LogOptions, LogStore as _, OpenError, ReplayFrom,
            block::flags,
            segment::{SegmentHeader, table_path},
        },
    },
};
use std::{collections::BTreeSet, path::Path};

type Frames = BTreeSet<(PartitionId, Lsn)>;

fn all_frames(blocks: &[Block]) -> Frames {
    blocks.iter().flat_map(|block| block.frames.iter().copied()).collect()
}

fn replayed(opened: &Opened) -> Frames {
    opened.frames.iter().map(|frame| (frame.partition(), frame.lsn())).collect()
}

fn reported(opened: &Opened) -> Frames {
    let lost = opened.report.corrupt.iter().flat_map(|range| &range.frames);
    lost.flat_map(|lost| (lost.first.0..=lost.last.0).map(|lsn| (lost.partition, Lsn(lsn)))).collect()
}

/// What is replayed and what is reported as lost make up what there was; what is replayed can be read.
fn assert_accounted(opened: &Opened, all: &Frames, what: &str) {
    let (seen, lost) = (replayed(opened), reported(opened));
    let missing: Vec<_> = all.iter().filter(|frame| !seen.contains(frame) && !lost.contains(frame)).collect();
    assert!(missing.is_empty(), "{what}: not replayed and not reported: {missing:?}\n{:?}", opened.report);
    assert!(seen.is_disjoint(&lost), "{what}: replayed and reported as lost");
    let reader = opened.log.reader();
    for frame in &opened.frames {
        for (at, entry) in frame.entries() {
            assert_eq!(reader.read(frame.partition(), at).as_ref(), Ok(&entry), "{what}: frame {}", frame.lsn());
        }
    }
}

/// Another start says the same, and nothing that was promised gets its LSN given out again.
fn assert_stable(opened: Opened, disk: &SimDisk, all: &Frames, what: &str) {
    let verdict: Vec<_> = opened
        .report
        .corrupt
        .iter()
        .map(|range| (range.segment, range.offsets.clone(), range.blocks.clone()))
        .collect();
    let seen = replayed(&opened);
    for partition in [P, Q] {
        let mut writer = opened.log.acquire(partition).unwrap();
        let newest = all.iter().filter(|(other, _)| *other == partition).map(|(_, lsn)| *lsn).max().unwrap();
        assert!(writer.epoch().0 > newest, "{what}: LSN {} of {partition} was given out twice", writer.epoch().0);
        append(&opened.log, &mut *writer, 100).unwrap();
    }
    drop(opened);
    let again = open_sim(&disk.restart_process(), &options()).unwrap();
    let second: Vec<_> =
        again.report.corrupt.iter().map(|range| (range.segment, range.offsets.clone(), range.blocks.clone())).collect();
    assert_eq!(second, verdict, "{what}: the second start has another verdict");
    assert!(replayed(&again).is_superset(&seen), "{what}: the second start shows less");
}

#[test]
fn damage_below_the_durable_watermark_is_named_exactly() {
    let disk = sample(true);
    let blocks = blocks(&disk);
    let all = all_frames(&blocks);
    assert!(blocks.len() > 30 && blocks.iter().map(|block| block.segment).max() >= Some(3));
    // The heartbeat proves everything below it; whether it is there itself, nothing proves.
    for (index, block) in blocks.iter().enumerate().take(blocks.len() - 1) {
        for damage in DAMAGES {
            let what = format!("{damage:?} of block {} in segment {}", block.header.block_seq, block.segment);
            let disk = disk.fork();
            damage.apply(&disk, block, index.checked_sub(1).and_then(|index| blocks.get(index)));
            let opened = open_sim(&disk, &options()).unwrap();
            let report = &opened.report;
            assert!(report.degraded && report.corrupt.len() == 1, "{what}: {report:?}");
            let range = &report.corrupt[0];
            assert_eq!(range.segment, block.segment, "{what}");
            // Nothing behind a SEAL tells where it ended.
            let to_the_end = block.header.flags & flags::SEAL != 0 && range.offsets == (block.at..64 << 10);
            assert!(range.offsets == (block.at..block.end()) || to_the_end, "{what}: {range}");
            assert_eq!(range.blocks, block.header.block_seq..block.header.block_seq + 1, "{what}");
            assert_eq!(report.torn_bytes_dropped, 0, "{what}");
            let in_block: Frames = block.frames.iter().copied().collect();
            assert!(reported(&opened).is_subset(&in_block), "{what}: reports more than the block had");
            assert_accounted(&opened, &all, &what);
            if block.header.block_seq % 5 == 0 {
                assert_stable(opened, &disk, &all, &what);
            }
        }
    }
}

#[test]
fn frames_of_a_block_whose_header_is_damaged_are_kept() {
    let disk = sample(true);
    let blocks = blocks(&disk);
    let all = all_frames(&blocks);
    for block in blocks.iter().filter(|block| block.header.is_data()) {
        for damage in [Damage::FlipHeaderSeq, Damage::FlipHeaderLen, Damage::StaleFileId] {
            let disk = disk.fork();
            damage.apply(&disk, block, None);
            let opened = open_sim(&disk, &options()).unwrap();
            assert!(opened.report.degraded);
            // The last data block has no data behind it that would tell its LSNs.
            assert_eq!(replayed(&opened), all, "{damage:?} of block {}", block.header.block_seq);
        }
    }
}

#[test]
fn damage_above_every_watermark_is_a_torn_tail() {
    let disk = sample(false);
    let blocks = blocks(&disk);
    let (last, rest) = blocks.split_last().unwrap();
    assert!(last.header.is_data());
    for damage in DAMAGES {
        let disk = disk.fork();
        damage.apply(&disk, last, rest.last());
        let opened = open_sim(&disk, &options()).unwrap();
        let what = format!("{damage:?} of the last block");
        assert!(!opened.report.degraded && !opened.report.clean_shutdown, "{what}: {:?}", opened.report);
        assert_eq!(replayed(&opened), all_frames(rest), "{what}");
        let newest = disk.contents(&path(opened_segment(&disk))).unwrap();
        let first = SegmentHeader::decode(&newest).unwrap().first_block_seq;
        assert!(first > last.header.block_seq, "{what}: block {first} was written before");
    }
}

#[test]
fn a_checkpoint_turns_a_torn_tail_into_damage() {
    let disk = sample(false);
    let blocks = blocks(&disk);
    let last = blocks.last().unwrap();
    for damage in DAMAGES {
        let disk = disk.fork();
        damage.apply(&disk, last, blocks.iter().rev().nth(1));
        let from = ReplayFrom { durable_seq: last.header.block_seq, ..ReplayFrom::default() };
        let opened = open_sim_from(&disk, &options(), &from).unwrap();
        assert!(opened.report.degraded, "{damage:?}");
        let range = &opened.report.corrupt[0];
        assert_eq!((range.segment, range.offsets.start), (last.segment, last.at), "{damage:?}");
        assert_eq!(range.blocks, last.header.block_seq..last.header.block_seq + 1, "{damage:?}");
        assert_accounted(&opened, &all_frames(&blocks), &format!("{damage:?}"));
        assert_stable_with(&opened, &disk, &from);
    }
}

fn assert_stable_with(opened: &Opened, disk: &SimDisk, from: &ReplayFrom) {
    let again = open_sim_from(&disk.restart_process(), &options(), from).unwrap();
    assert_eq!(again.report.corrupt.len(), opened.report.corrupt.len(), "{:?}", again.report);
}

#[test]
fn a_damaged_segment_header_costs_nothing_and_is_reported() {
    let disk = sample(true);
    let blocks = blocks(&disk);
    let all = all_frames(&blocks);
    for segment in 1..=blocks.last().unwrap().segment {
        for at in [0, 8, 9, 12, 20, 48, 56, 108, 4000] {
            let disk = disk.fork();
            disk.damage(&path(segment), |bytes| bytes[at] ^= 0x20);
            let opened = open_sim(&disk, &options()).unwrap();
            let what = format!("byte {at} of the header of segment {segment}");
            let report = &opened.report;
            assert_eq!(report.corrupt.len(), 1, "{what}: {report:?}");
            assert_eq!((report.corrupt[0].segment, report.corrupt[0].offsets.clone()), (segment, 0..4096), "{what}");
            assert_eq!(replayed(&opened), all, "{what}");
            assert_stable(opened, &disk, &all, &what);
        }
    }
}

#[test]
fn a_truncated_segment_is_lost_from_there_to_its_end() {
    let disk = sample(true);
    let blocks = blocks(&disk);
    let all = all_frames(&blocks);
    let last_segment = blocks.last().unwrap().segment;
    for block in blocks.iter().filter(|block| block.segment < last_segment) {
        let disk = disk.fork();
        disk.damage(&path(block.segment), |bytes| bytes.truncate(block.at as usize));
        let opened = open_sim(&disk, &options()).unwrap();
        let what = format!("segment {} truncated to {}", block.segment, block.at);
        let range = &opened.report.corrupt[0];
        assert_eq!((range.segment, range.offsets.clone()), (block.segment, block.at..64 << 10), "{what}");
        let sealed = blocks.iter().rfind(|other| other.segment == block.segment).unwrap();
        assert_eq!(range.blocks, block.header.block_seq..sealed.header.block_seq + 1, "{what}");
        assert_accounted(&opened, &all, &what);
        assert_stable(opened, &disk, &all, &what);
    }
}

#[test]
fn the_newest_segment_cut_short_is_damage_and_no_torn_tail() {
    let disk = sample(false);
    let blocks = blocks(&disk);
    let all = all_frames(&blocks);
    let newest = blocks.last().unwrap().segment;
    for block in blocks.iter().filter(|block| block.segment == newest) {
        for len in [block.at, block.at + 63, block.at + 70] {
            let disk = disk.fork();
            disk.damage(&path(newest), |bytes| bytes.truncate(len as usize));
            let opened = open_sim(&disk, &options()).unwrap();
            let what = format!("segment {newest} cut to {len}");
            assert!(opened.report.degraded, "{what}: {:?}", opened.report);
            let first = &opened.report.corrupt[0];
            assert_eq!((first.segment, first.offsets.start), (newest, block.at), "{what}");
            let last = opened.report.corrupt.last().unwrap();
            assert_eq!((last.segment, last.offsets.end), (newest, 64 << 10), "{what}");
            assert_accounted(&opened, &all, &what);
            assert_stable(opened, &disk, &all, &what);
        }
    }
}

#[test]
fn zeroes_cut_off_the_newest_segment_are_no_damage() {
    let disk = sample(false);
    let blocks = blocks(&disk);
    let last = blocks.last().unwrap();
    disk.damage(&path(last.segment), |bytes| bytes.truncate(last.end() as usize + 64));
    let opened = open_sim(&disk, &options()).unwrap();
    assert!(!opened.report.degraded, "{:?}", opened.report);
    assert_eq!(replayed(&opened), all_frames(&blocks));
}

#[test]
fn a_missing_segment_is_named() {
    let disk = sample(true);
    let blocks = blocks(&disk);
    let all = all_frames(&blocks);
    let last_segment = blocks.last().unwrap().segment;
    for segment in 2..last_segment {
        let disk = disk.fork();
        disk.unlink(&path(segment)).unwrap();
        let opened = open_sim(&disk, &options()).unwrap();
        let what = format!("segment {segment} deleted");
        let range = &opened.report.corrupt[0];
        assert_eq!((range.segment, opened.report.corrupt.len()), (segment, 1), "{what}");
        let mut inside = blocks.iter().filter(|block| block.segment == segment).map(|block| block.header.block_seq);
        assert_eq!(
            (range.blocks.start, range.blocks.end),
            (inside.next().unwrap(), inside.next_back().unwrap() + 1),
            "{what}"
        );
        assert_accounted(&opened, &all, &what);
        assert_stable(opened, &disk, &all, &what);
    }
}

#[test]
fn the_newest_segment_missing_is_told_by_the_checkpoint() {
    let disk = sample(true);
    let blocks = blocks(&disk);
    let last = blocks.last().unwrap();
    let last_segment = last.segment;
    disk.unlink(&path(last_segment)).unwrap();
    let from =
        ReplayFrom { segment: Some(last_segment), durable_seq: last.header.durable_seq, ..ReplayFrom::default() };
    let opened = open_sim_from(&disk, &options(), &from).unwrap();
    assert_eq!(opened.report.corrupt.len(), 1, "{:?}", opened.report);
    assert_eq!(opened.report.corrupt[0].segment, last_segment);
    let later: Vec<_> = blocks.iter().filter(|block| block.segment >= last_segment - 1).cloned().collect();
    assert_accounted(&opened, &all_frames(&later), "newest segment deleted");
    let writer = opened.log.acquire(P).unwrap();
    assert!(writer.epoch().0 > Lsn(17));
}

#[test]
fn swapped_segments_are_reported_and_not_read_as_each_other() {
    let disk = sample(true);
    let blocks = blocks(&disk);
    let all = all_frames(&blocks);
    let last_segment = blocks.last().unwrap().segment;
    for first in 1..last_segment {
        let disk = disk.fork();
        let temporary = Path::new("/data/wal/swap");
        disk.rename(&path(first), temporary).unwrap();
        disk.rename(&path(first + 1), &path(first)).unwrap();
        disk.rename(temporary, &path(first + 1)).unwrap();
        let opened = open_sim(&disk, &options()).unwrap();
        let what = format!("segments {first} and {} swapped", first + 1);
        let named: BTreeSet<u64> = opened.report.corrupt.iter().map(|range| range.segment).collect();
        assert!(named.contains(&first) && named.contains(&(first + 1)), "{what}: {:?}", opened.report);
        if first > 1 {
            assert_accounted(&opened, &all, &what);
        }
        for partition in [P, Q] {
            let newest = all.iter().filter(|(other, _)| *other == partition).map(|(_, lsn)| *lsn).max().unwrap();
            let writer = opened.log.acquire(partition).unwrap();
            assert!(writer.epoch().0 > newest, "{what}: LSN {} of {partition} again", writer.epoch().0);
        }
    }
}

#[test]
fn a_segment_of_another_store_is_not_ours() {
    let disk = sample(true);
    let segment = 2;
    disk.damage(&path(segment), |bytes| {
        let header = SegmentHeader::decode(bytes).unwrap();
        let other = SegmentHeader { store_uuid: [9; 16], ..header };
        bytes[..4096].copy_from_slice(&other.encode());
    });
    let opened = open_sim(&disk, &options()).unwrap();
    assert_eq!(opened.report.corrupt.len(), 1);
    assert_eq!(opened.report.corrupt[0].what, "the file belongs to another store");
}

#[test]
fn a_newer_format_is_refused_and_nothing_is_touched() {
    let disk = sample(true);
    disk.damage(&path(2), |bytes| {
        bytes[8] = 2;
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&bytes[..108]);
        hasher.update(&bytes[112..4096]);
        bytes[108..112].copy_from_slice(&hasher.finalize().to_le_bytes());
    });
    let before = disk.files();
    let refused = open_sim(&disk, &options()).err().unwrap();
    assert!(matches!(refused, OpenError::NewerFormat { segment: 2, found: 2, supported: 1 }), "{refused}");
    assert_eq!(disk.files(), before);
}

#[test]
fn the_strict_policy_refuses_damage_and_touches_nothing() {
    let disk = sample(true);
    let blocks = blocks(&disk);
    Damage::FlipLastBodyByte.apply(&disk, &blocks[7], None);
    let before = disk.files();
    let strict = LogOptions { corruption: CorruptionPolicy::Strict, ..options() };
    let refused = open_sim(&disk, &strict).err().unwrap();
    assert!(matches!(&refused, OpenError::Corrupt(report) if report.corrupt.len() == 1), "{refused}");
    assert_eq!(disk.files(), before);
    let text = refused.to_string();
    assert!(text.contains("segment 1") && text.contains("blocks 8..9"), "{text}");
}

#[test]
fn leftovers_of_creating_a_segment_are_no_damage() {
    let disk = sample(true);
    let next = blocks(&disk).last().unwrap().segment + 1;
    let all = all_frames(&blocks(&disk));
    for (len, fill) in [(0, 0), (100, 0), (8192, 0), (64 << 10, 0), (64 << 10, 0xa5)] {
        let disk = disk.fork();
        if disk.contents(&path(next)).is_none() {
            disk.create(&path(next)).unwrap();
        }
        disk.damage(&path(next), |bytes| *bytes = vec![fill; len]);
        let opened = open_sim(&disk, &options()).unwrap();
        assert!(!opened.report.degraded, "{len} bytes of {fill}: {:?}", opened.report);
        assert_eq!(replayed(&opened), all);
    }
}

#[test]
fn a_lost_or_damaged_table_is_made_again() {
    let disk = sample(true);
    let opened = open_sim(&disk, &options()).unwrap();
    let frames = opened.frames.clone();
    drop(opened);
    let disk = disk.restart_process();
    let tables: Vec<_> =
        (1..10).map(|seq| table_path(Path::new(DIR), seq)).filter(|path| disk.contents(path).is_some()).collect();
    assert!(tables.len() >= 3);
    disk.unlink(&tables[0]).unwrap();
    // The side files were never synced; the device may not have them yet.
    disk.damage(&tables[1], |bytes| bytes.iter_mut().skip(50).take(1).for_each(|byte| *byte ^= 1));
    disk.damage(&tables[2], Vec::clear);
    // With the hint at the newest segment nothing is scanned, so that reads depend on the tables.
    let hint = ReplayFrom { segment: Some(opened_segment(&disk)), ..ReplayFrom::default() };
    let opened = open_sim_from(&disk, &options(), &hint).unwrap();
    let reader = opened.log.reader();
    for frame in &frames {
        for (at, entry) in frame.entries() {
            assert_eq!(reader.read(frame.partition(), at), Ok(entry), "frame {}", frame.lsn());
        }
    }
}

fn opened_segment(disk: &SimDisk) -> u64 {
    let active = |segment: &u64| {
        let bytes = disk.contents(&path(*segment));
        bytes.is_some_and(|bytes| SegmentHeader::decode(&bytes).is_ok_and(|header| header.active))
    };
    (1..20).rfind(active).unwrap()
}

#[test]
fn a_flip_of_any_byte_is_found_or_harms_nothing() {
    let disk = SimDisk::new(3);
    let opened = open_sim(&disk, &options()).unwrap();
    let mut writer = opened.log.acquire(P).unwrap();
    for _ in 0..3 {
        append(&opened.log, &mut *writer, 500).unwrap();
    }
    opened.log.idle();
    drop((writer, opened));
    let disk = disk.restart_process();
    let blocks = blocks(&disk);
    let all = all_frames(&blocks);
    let end = blocks.last().unwrap().at as usize;
    for at in (0..end).filter(|at| at % 4096 < 800 || at % 97 == 0) {
        let disk = disk.fork();
        disk.damage(&path(1), |bytes| bytes[at] ^= 1 << (at % 8));
        let opened = open_sim(&disk, &options()).unwrap();
        assert_accounted(&opened, &all, &format!("byte {at}"));
        assert!(opened.report.degraded || replayed(&opened) == all, "byte {at}");
    }
}
