//! Segments that have served: they serve again, as many as the disk has room for.

use super::support::{append, open_sim};
use crate::{
    base::id::PartitionId,
    storage::{
        io::sim::SimDisk,
        log::{LogOptions, LogStore as _, sealed::Sealed, segment::free_dir},
    },
};
use std::path::Path;

const P: PartitionId = PartitionId(1);
const SEGMENT_BYTES: u64 = 64 << 10;

fn options() -> LogOptions {
    LogOptions { segment_bytes: SEGMENT_BYTES, recycled_bytes: 8 * SEGMENT_BYTES, ..LogOptions::small() }
}

fn free_files(disk: &SimDisk) -> usize {
    let free = free_dir(Path::new("/data/wal"));
    disk.files().iter().filter(|path| path.starts_with(&free)).count()
}

/// Fills so many segments and needs none of them any more; the log has one for each of them then.
fn fill_and_trim(disk: &SimDisk, segments: usize) -> super::support::Opened {
    let opened = open_sim(disk, &options()).unwrap();
    let mut writer = opened.log.acquire(P).unwrap();
    let mut last = append(&opened.log, &mut *writer, 100).unwrap();
    while opened.log.segment_count() <= segments {
        last = append(&opened.log, &mut *writer, 12 << 10).unwrap();
    }
    writer.trim(last.lsn);
    assert_eq!(opened.log.segment_count(), 1);
    opened
}

#[test]
fn a_log_that_is_trimmed_as_fast_as_it_grows_makes_no_new_segment() {
    let disk = SimDisk::new(1);
    let opened = fill_and_trim(&disk, 6);
    assert_eq!(free_files(&disk), 2 + 6, "the reserve, and those that served");
    let used = disk.used_bytes();
    let mut writer = opened.log.acquire(P).unwrap();
    let mut places = Vec::new();
    while opened.log.segment_count() <= 6 {
        places.push(append(&opened.log, &mut *writer, 12 << 10).unwrap());
        assert!(disk.used_bytes() <= used + (8 << 10), "side files are all that comes");
    }
    let reader = opened.log.reader();
    assert!(places.iter().all(|at| reader.read(P, *at).unwrap().seq == at.lsn.0));
    drop((writer, opened));
    let reopened = open_sim(&disk.reboot(), &options()).unwrap();
    assert!(!reopened.report.degraded, "what the files held before is no damage: {:?}", reopened.report);
    assert!(places.iter().all(|at| reopened.frames.iter().any(|frame| frame.lsn() == at.lsn)));
}

#[test]
fn no_more_are_kept_than_was_allowed() {
    let disk = SimDisk::new(1);
    let opened = fill_and_trim(&disk, 20);
    assert_eq!(free_files(&disk), 8);
    opened.log.close().unwrap();
    drop(opened);
    let disk = disk.restart_process();
    let opened = open_sim(&disk, &LogOptions { recycled_bytes: 4 * SEGMENT_BYTES, ..options() }).unwrap();
    assert_eq!(free_files(&disk), 4 - 2, "one is in use and one the next");
    drop(opened);
}

#[test]
fn a_disk_that_fills_gets_back_all_but_the_reserve() {
    let disk = SimDisk::new(1);
    let opened = fill_and_trim(&disk, 6);
    assert!(!opened.log.must_refuse_growth());
    opened.log.step();
    assert_eq!(free_files(&disk), 8, "there is room enough");
    // An eighth of what is free is room for three.
    disk.set_capacity(disk.used_bytes() + 21 * SEGMENT_BYTES);
    opened.log.must_refuse_growth();
    opened.log.step();
    assert_eq!(free_files(&disk), 2 + 3);
    disk.set_capacity(disk.used_bytes());
    opened.log.must_refuse_growth();
    opened.log.step();
    assert_eq!(free_files(&disk), 2);
}

#[test]
fn a_file_is_not_used_again_while_a_slice_of_an_earlier_map_lives() {
    let disk = SimDisk::new(1);
    let opened = open_sim(&disk, &options()).unwrap();
    let mut writer = opened.log.acquire(P).unwrap();
    while opened.log.segment_count() < 2 {
        append(&opened.log, &mut *writer, 12 << 10).unwrap();
    }
    let (dir, seq) = (Path::new("/data/wal"), opened.log.inner.segments.sealed_seqs()[0]);
    for keeps_slice in [true, false] {
        let segment = Sealed::unknown(seq);
        let map = segment.open(&disk, dir).unwrap().unwrap().map;
        let slice = keeps_slice.then(|| map.slice(0..10));
        drop(map);
        segment.close();
        drop(segment.open(&disk, dir).unwrap().unwrap());
        assert_eq!(segment.retire(), slice.is_none());
    }
}
