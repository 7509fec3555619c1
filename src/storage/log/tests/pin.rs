//! A pin keeps segments, and the cut of a log is what stands up to one block.

use super::support::{DIR, STORE, append, open_sim};
use crate::{
    base::id::PartitionId,
    storage::{
        io::{Io as _, sim::SimDisk},
        log::{
            LogOptions, LogStore as _,
            extent::{CutSegment, Extent, cut, extent},
            segment::segment_path,
        },
    },
};
use std::path::Path;

const P: PartitionId = PartitionId(1);

fn options() -> LogOptions {
    LogOptions { segment_bytes: 64 << 10, ..LogOptions::small() }
}

fn there(disk: &SimDisk, seq: u64) -> bool {
    disk.exists(&segment_path(Path::new(DIR), seq)).unwrap()
}

#[test]
fn nothing_is_trimmed_under_a_pin_until_it_is_released() {
    let disk = SimDisk::new(1);
    let opened = open_sim(&disk, &options()).unwrap();
    let mut writer = opened.log.acquire(P).unwrap();
    let pin = opened.log.pin().unwrap();
    assert!(opened.log.pin().is_none(), "there is one pin at a time");
    let last = (0..20).map(|_| append(&opened.log, &mut *writer, 12 << 10).unwrap()).last().unwrap();
    let cut = pin.cut();
    assert!(cut.segments.len() > 3, "{cut:?}");
    writer.trim(last.lsn);
    assert!(cut.segments.iter().all(|seq| there(&disk, *seq)));
    pin.release_below(cut.segments[2]);
    writer.trim(last.lsn);
    assert!(!there(&disk, cut.segments[0]) && !there(&disk, cut.segments[1]));
    assert!(cut.segments[2..].iter().all(|seq| there(&disk, *seq)));
    drop(pin);
    writer.trim(last.lsn);
    assert!(!there(&disk, cut.segments[2]));
    assert!(opened.log.pin().is_some());
}

#[test]
fn a_cut_ends_every_segment_where_its_last_block_does() {
    let disk = SimDisk::new(1);
    let opened = open_sim(&disk, &options()).unwrap();
    let mut writer = opened.log.acquire(P).unwrap();
    for _ in 0..9 {
        append(&opened.log, &mut *writer, 12 << 10).unwrap();
    }
    let found = opened.log.pin().unwrap().cut();
    append(&opened.log, &mut *writer, 1000).unwrap();
    let dir = Path::new(DIR);
    let segments = cut(&disk, dir, STORE, &found.segments, found.position.durable_seq).unwrap();
    assert_eq!(segments.iter().map(|segment| segment.seq).collect::<Vec<_>>(), found.segments);
    assert_eq!(
        segments.last().map(|last| (last.sealed, last.last_block_seq)),
        Some((false, found.position.durable_seq))
    );
    for segment in &segments {
        let path = segment_path(dir, segment.seq);
        let extent = extent(disk.open_read(&path).unwrap(), segment).unwrap();
        assert_eq!(extent.damage, None);
        assert!(extent.end_offset < segment.file_bytes && extent.end_offset > 12 << 10);
    }
    let first = segment_path(dir, segments[0].seq);
    disk.damage(&first, |bytes| bytes[20_000] ^= 1);
    let found = extent(disk.open_read(&first).unwrap(), &segments[0]).unwrap();
    assert_eq!(found.end_offset, segments[0].file_bytes);
    assert!(found.damage.unwrap().contains("does not match its CRC"));
}

#[test]
fn a_pin_gives_way_when_growth_is_refused_and_not_before() {
    let disk = SimDisk::new(1);
    disk.set_capacity(100 << 20);
    let opened = open_sim(&disk, &LogOptions { min_free_percent: 5, min_free_bytes: u64::MAX, ..options() }).unwrap();
    let pin = opened.log.pin().unwrap();
    let filler = disk.create(Path::new("/data/filler")).unwrap();
    let leave = |free: u64| {
        let space = disk.space(Path::new(DIR)).unwrap();
        let others = space.total - space.free - filler.len().unwrap();
        filler.set_len(space.total - others - free).unwrap();
    };
    for (free, gives_way) in [(6, false), (4, true), (6, true), (7, false)] {
        leave(free << 20);
        assert_eq!(
            (pin.must_give_way(), opened.log.must_refuse_growth()),
            (gives_way, gives_way),
            "{free} MiB are free"
        );
    }
}

#[test]
fn a_segment_that_lost_its_first_block_with_the_power_ends_at_its_header() {
    let disk = SimDisk::new(1);
    let opened = open_sim(&disk, &options()).unwrap();
    let mut writer = opened.log.acquire(P).unwrap();
    append(&opened.log, &mut *writer, 100).unwrap();
    let found = opened.log.pin().unwrap().cut();
    let segments = cut(&disk, Path::new(DIR), STORE, &found.segments, found.position.durable_seq).unwrap();
    let file = || disk.open_read(&segment_path(Path::new(DIR), segments[0].seq)).unwrap();
    assert!(extent(file(), &segments[0]).unwrap().end_offset > 4096);
    // The next segment says that it follows on the one before this.
    let lost = CutSegment { last_block_seq: 0, ..segments[0].clone() };
    assert_eq!(extent(file(), &lost).unwrap(), Extent { end_offset: 4096, damage: None });
}
