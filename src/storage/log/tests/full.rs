//! A full disk: the reserve carries the log on, growth is to be refused, and space that comes back is used at once.

use super::support::{append, open_sim};
use crate::{
    base::id::{Lsn, PartitionId},
    storage::{
        io::{Io as _, sim::SimDisk},
        log::{LogOptions, LogStore as _},
    },
};

use std::path::Path;

const P: PartitionId = PartitionId(1);

fn options() -> LogOptions {
    LogOptions { segment_bytes: 64 << 10, ..LogOptions::small() }
}

fn used(disk: &SimDisk) -> u64 {
    disk.files().iter().map(|path| disk.contents(path).unwrap().len() as u64).sum()
}

#[test]
fn a_full_disk_is_carried_by_the_reserve_and_then_waits_for_space() {
    let disk = SimDisk::new(1);
    let opened = open_sim(&disk, &options()).unwrap();
    let mut writer = opened.log.acquire(P).unwrap();
    assert!(!opened.log.must_refuse_growth());
    disk.set_capacity(used(&disk));
    let mut places = Vec::new();
    // The active segment is full, and what was to follow the next one cannot be made whole again.
    while !opened.log.must_refuse_growth() {
        assert!(!opened.log.lacks_reserve());
        places.push(append(&opened.log, &mut *writer, 12 << 10).unwrap());
    }
    assert!(opened.log.lacks_reserve());
    // The next segment and the reserve, of 64 KiB each, are left to what is no growth.
    for _ in 0..8 {
        places.push(append(&opened.log, &mut *writer, 12 << 10).unwrap());
    }
    let (send, receive) = std::sync::mpsc::channel();
    for _ in 0..8 {
        let (frame, at) = super::support::frame(&*writer, 12 << 10);
        places.push(at);
        let send = send.clone();
        writer.append(frame, Box::new(move |result| send.send(result.is_ok()).unwrap()));
    }
    while opened.log.step() {}
    let done = receive.try_iter().count();
    assert!(done < 8, "the disk is full");
    writer.trim(places[10].lsn);
    while opened.log.step() {}
    assert_eq!(receive.try_iter().filter(|ok| *ok).count() + done, 8, "all is written once a segment came back");
    let reader = opened.log.reader();
    for at in places.iter().filter(|at| at.lsn >= places[10].lsn) {
        assert_eq!(reader.read(P, *at).unwrap().seq, at.lsn.0);
    }
}

#[test]
fn segments_out_of_the_reserve_of_a_full_disk_survive_a_power_cut() {
    for seed in 0..40 {
        let disk = SimDisk::new(seed);
        let opened = open_sim(&disk, &options()).unwrap();
        let mut writer = opened.log.acquire(P).unwrap();
        disk.set_capacity(used(&disk));
        let mut last = Lsn(0);
        while !opened.log.must_refuse_growth() {
            last = append(&opened.log, &mut *writer, 12 << 10).unwrap().lsn;
        }
        // Until the newest segment out of the reserve is in use.
        for _ in 0..3 {
            last = append(&opened.log, &mut *writer, 12 << 10).unwrap().lsn;
        }
        let disk = disk.reboot();
        disk.set_capacity(1 << 30);
        let opened = open_sim(&disk, &options()).unwrap();
        assert!(!opened.report.degraded, "seed {seed}: {:?}", opened.report);
        assert_eq!(opened.frames.last().unwrap().lsn(), last, "seed {seed}");
    }
}

#[test]
fn growth_is_refused_below_the_watermark_and_allowed_again_above_it() {
    let disk = SimDisk::new(1);
    disk.set_capacity(10 << 20);
    let opened = open_sim(&disk, &LogOptions { min_free_percent: 100, min_free_bytes: 2 << 20, ..options() }).unwrap();
    assert!(!opened.log.must_refuse_growth());
    let filler = disk.create(Path::new("/data/filler")).unwrap();
    filler.set_len((8 << 20) - used(&disk) + 1).unwrap();
    assert!(opened.log.must_refuse_growth());
    filler.set_len(1 << 20).unwrap();
    assert!(!opened.log.must_refuse_growth());
}

#[test]
fn growth_resumes_two_percent_above_the_watermark_and_not_at_it() {
    let disk = SimDisk::new(1);
    disk.set_capacity(100 << 20);
    let opened = open_sim(&disk, &LogOptions { min_free_percent: 5, min_free_bytes: u64::MAX, ..options() }).unwrap();
    let filler = disk.create(Path::new("/data/filler")).unwrap();
    let others = used(&disk);
    let leave = |free: u64| filler.set_len((100 << 20) - others - free).unwrap();
    let mib = 1 << 20;
    for (free, refused) in [
        (5 * mib, false),
        (5 * mib - 1, true),
        (5 * mib, true),
        (7 * mib - 1, true),
        (7 * mib, false),
        (5 * mib, false),
        (4 * mib, true),
    ] {
        leave(free);
        assert_eq!(opened.log.must_refuse_growth(), refused, "{free} bytes are free");
    }
}

#[test]
fn a_limit_in_bytes_is_passed_by_two_fifths_of_it() {
    let disk = SimDisk::new(1);
    disk.set_capacity(100 << 20);
    let limit = 10 << 10;
    let opened = open_sim(&disk, &LogOptions { min_free_percent: 5, min_free_bytes: limit, ..options() }).unwrap();
    let filler = disk.create(Path::new("/data/filler")).unwrap();
    let others = used(&disk);
    for (free, refused) in [(limit, false), (limit - 1, true), (limit / 5 * 7 - 1, true), (limit / 5 * 7, false)] {
        filler.set_len((100 << 20) - others - free).unwrap();
        assert_eq!(opened.log.must_refuse_growth(), refused, "{free} bytes are free");
    }
}

#[test]
fn a_log_that_was_closed_on_a_full_disk_opens_from_its_reserve() {
    let disk = SimDisk::new(1);
    let opened = open_sim(&disk, &options()).unwrap();
    let mut writer = opened.log.acquire(P).unwrap();
    append(&opened.log, &mut *writer, 100).unwrap();
    opened.log.close().unwrap();
    drop((writer, opened));
    let disk = disk.restart_process();
    disk.set_capacity(used(&disk));
    let opened = open_sim(&disk, &options()).unwrap();
    assert!(opened.report.clean_shutdown);
    assert_eq!(opened.log.acquire(P).unwrap().epoch().0, Lsn(3));
}

#[test]
fn on_a_small_disk_a_segment_is_a_part_of_it() {
    for (disk_mib, segment_mib) in [(32, 4), (160, 10), (1024, 16)] {
        let disk = SimDisk::new(1);
        disk.set_capacity(disk_mib << 20);
        let options = LogOptions { segment_bytes: 16 << 20, recycle_keep: 0, ..LogOptions::small() };
        let opened = open_sim(&disk, &options).unwrap();
        let bytes = disk.contents(&super::damage::path(1)).unwrap().len();
        assert_eq!(bytes, segment_mib << 20, "on {disk_mib} MiB");
        assert!(!opened.log.must_refuse_growth());
    }
}

#[test]
fn a_disk_that_stays_full_is_started_on_again_and_again() {
    let options = LogOptions { segment_bytes: 1 << 20, ..options() };
    let mut disk = SimDisk::new(1);
    let opened = open_sim(&disk, &options).unwrap();
    let mut writer = opened.log.acquire(P).unwrap();
    let mut frames = 1;
    disk.set_capacity(used(&disk));
    while !opened.log.must_refuse_growth() {
        append(&opened.log, &mut *writer, 12 << 10).unwrap();
        frames += 1;
    }
    drop((writer, opened));
    // As many segments as are empty now, and some more.
    for start in 0..6 {
        disk = disk.restart_process();
        let opened = open_sim(&disk, &options).unwrap_or_else(|error| panic!("start {start}: {error}"));
        assert!(!opened.report.degraded, "start {start}: {:?}", opened.report);
        assert_eq!(opened.frames.len(), frames, "start {start}");
        let mut writer = opened.log.acquire(P).unwrap();
        append(&opened.log, &mut *writer, 100).unwrap();
        frames += 2;
    }
    disk = disk.restart_process();
    disk.set_capacity(1 << 30);
    let opened = open_sim(&disk, &options).unwrap();
    let mut writer = opened.log.acquire(P).unwrap();
    append(&opened.log, &mut *writer, 30 << 10).unwrap();
    assert_eq!(opened.frames.len(), frames);
}
