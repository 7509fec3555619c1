//! The check of sealed segments while the log is in use: what it finds, and what it leaves alone.

use super::{
    damage::{Block, DAMAGES, Damage, P, Q, blocks, options, path},
    support::{DIR, Opened, append, open_sim},
};
use crate::storage::{
    io::sim::SimDisk,
    log::{LogStore as _, LogWriter, LostRange, Pace, Scrubbed, segment::free_dir},
};
use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

type Writers = [Box<dyn LogWriter>; 2];

/// A log in use: three segments and a bit, two partitions taking turns.
fn in_use() -> (SimDisk, Opened, Writers) {
    let disk = SimDisk::new(3);
    let opened = open_sim(&disk, &options()).unwrap();
    let mut writers = [P, Q].map(|partition| opened.log.acquire(partition).unwrap());
    for round in 0..15 {
        append(&opened.log, &mut *writers[0], 100 + round * 700).unwrap();
        append(&opened.log, &mut *writers[1], 3000).unwrap();
    }
    (disk, opened, writers)
}

fn at_once() -> Pace {
    Arc::new(|_| true)
}

/// Checks every sealed segment: the sound blocks, and the damage.
fn scrub(opened: &Opened) -> (u64, Vec<LostRange>) {
    let scrubber = opened.log.scrubber();
    let (mut sound, mut found) = (0, Vec::new());
    for (seq, _) in scrubber.sealed() {
        let Scrubbed::Checked { blocks, damage } = scrubber.check(seq, &at_once()) else { panic!("{seq} is there") };
        sound += blocks;
        found.extend(damage);
    }
    (sound, found)
}

/// The blocks of the sealed segments.
fn sealed_blocks(disk: &SimDisk, opened: &Opened) -> Vec<Block> {
    let sealed = opened.log.scrubber().sealed();
    blocks(disk).into_iter().filter(|block| sealed.iter().any(|(seq, _)| *seq == block.segment)).collect()
}

#[test]
fn a_sound_log_has_no_damage_and_every_block_is_read() {
    let (disk, opened, _writers) = in_use();
    assert!(opened.log.scrubber().sealed().len() >= 2);
    assert_eq!(scrub(&opened), (sealed_blocks(&disk, &opened).len() as u64, Vec::new()));
}

#[test]
fn a_log_that_was_opened_again_is_sound_too() {
    for clean in [true, false] {
        let (disk, opened, writers) = in_use();
        if clean {
            opened.log.close().unwrap();
        }
        drop((opened, writers));
        let disk = disk.restart_process();
        let opened = open_sim(&disk, &options()).unwrap();
        assert_eq!(scrub(&opened), (sealed_blocks(&disk, &opened).len() as u64, Vec::new()), "clean: {clean}");
    }
}

#[test]
fn every_kind_of_damage_to_every_sealed_block_is_found_where_it_is() {
    let (disk, opened, _writers) = in_use();
    let all = sealed_blocks(&disk, &opened);
    for (index, block) in all.iter().enumerate() {
        for damage in DAMAGES {
            let before = disk.contents(&path(block.segment)).unwrap();
            damage.apply(&disk, block, index.checked_sub(1).and_then(|index| all.get(index)));
            let (sound, found) = scrub(&opened);
            let shown = format!("{damage:?} of block {} in segment {}", block.header.block_seq, block.segment);
            assert_eq!(sound, all.len() as u64 - 1, "{shown}: the others are sound");
            let [range] = &found[..] else { panic!("{shown}: {found:?}") };
            assert_eq!((range.segment, range.offsets.start), (block.segment, block.at), "{shown}");
            assert_eq!(range.blocks, block.header.block_seq..block.header.block_seq + 1, "{shown}");
            let is_last = all.get(index + 1).is_none_or(|next| next.segment != block.segment);
            assert!(range.offsets.end == block.end() || (is_last && range.offsets.end > block.end()), "{shown}");
            let lost: Vec<_> = range.frames.iter().map(|lost| (lost.partition, lost.first)).collect();
            assert!(lost.iter().all(|lost| block.frames.contains(lost)), "{shown}: {lost:?}");
            if matches!(damage, Damage::ZeroEverything | Damage::FlipFirstBodyByte) {
                assert_eq!(lost, block.frames, "{shown}");
            }
            disk.damage(&path(block.segment), |bytes| bytes.clone_from(&before));
        }
    }
    assert_eq!(scrub(&opened), (all.len() as u64, Vec::new()), "all is as it was");
}

#[test]
fn a_damaged_segment_header_costs_no_block() {
    let (disk, opened, _writers) = in_use();
    let all = sealed_blocks(&disk, &opened).len() as u64;
    disk.damage(&path(2), |bytes| bytes[40] ^= 1);
    let (sound, found) = scrub(&opened);
    assert_eq!(sound, all);
    let [range] = &found[..] else { panic!("{found:?}") };
    assert_eq!((range.segment, range.offsets.clone(), range.blocks.clone()), (2, 0..4096, 0..0));
}

#[test]
fn a_segment_that_is_let_go_of_while_it_is_read_is_not_damaged() {
    let (disk, opened, writers) = in_use();
    let scrubber = opened.log.scrubber();
    let (seq, _) = scrubber.sealed()[0];
    let writers = Mutex::new(writers);
    let let_go: Pace = Arc::new({
        let disk = disk.clone();
        move |_| {
            for writer in writers.lock().unwrap().iter_mut() {
                let below = writer.next_lsn();
                writer.trim(below);
            }
            // The reserve may give it away: whatever is in it now is not the segment's.
            let spare = free_dir(Path::new(DIR)).join(format!("{seq:020}.wal"));
            if disk.contents(&spare).is_some() {
                disk.damage(&spare, |bytes| bytes.fill(0));
            }
            true
        }
    });
    assert_eq!(scrubber.check(seq, &let_go), Scrubbed::Gone);
    assert_eq!(scrubber.check(seq, &at_once()), Scrubbed::Gone);
}

#[test]
fn a_file_that_is_missing_is_damage() {
    let (disk, opened, _writers) = in_use();
    crate::storage::io::Io::unlink(&disk, &path(2)).unwrap();
    let Scrubbed::Checked { blocks: 0, damage } = opened.log.scrubber().check(2, &at_once()) else { panic!("checked") };
    assert!(damage[0].what.contains("cannot be read"), "{damage:?}");
}

#[test]
fn the_pace_hears_of_every_byte_and_can_end_the_check() {
    let (disk, opened, _writers) = in_use();
    let scrubber = opened.log.scrubber();
    let (seq, len) = scrubber.sealed()[0];
    let heard = Arc::new(AtomicU64::new(0));
    let counting: Pace = Arc::new({
        let heard = heard.clone();
        move |bytes| heard.fetch_add(bytes, Ordering::Relaxed) < u64::MAX
    });
    assert!(matches!(scrubber.check(seq, &counting), Scrubbed::Checked { .. }));
    let end = sealed_blocks(&disk, &opened).iter().filter(|block| block.segment == seq).map(Block::end).max().unwrap();
    let heard = heard.load(Ordering::Relaxed);
    assert!(heard >= end && heard <= 2 * len, "{heard} of {len}");
    assert_eq!(scrubber.check(seq, &(Arc::new(|_| false) as Pace)), Scrubbed::Stopped);
}
