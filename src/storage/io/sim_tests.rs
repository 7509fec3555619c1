//! The disk in memory loses exactly what a power cut may take.

use super::{
    Io,
    sim::{Fault, SimDisk},
};
use std::path::Path;

const FILE: &str = "/d/file";

fn disk_with_durable_file(seed: u64) -> SimDisk {
    let disk = SimDisk::new(seed);
    disk.create_dir(Path::new("/d")).unwrap();
    disk.fsync_dir(Path::new("/")).unwrap();
    let file = disk.create(Path::new(FILE)).unwrap();
    file.write_at(&[1; 4096], 0).unwrap();
    file.sync().unwrap();
    disk.fsync_dir(Path::new("/d")).unwrap();
    disk
}

#[test]
fn what_was_synced_survives_every_power_cut() {
    for seed in 0..50 {
        let disk = disk_with_durable_file(seed).reboot();
        assert_eq!(disk.contents(Path::new(FILE)), Some(vec![1; 4096]), "seed {seed}");
    }
}

#[test]
fn unsynced_sectors_survive_torn_in_some_run_and_whole_in_no_promise() {
    let mut torn = 0;
    for seed in 0..50 {
        let disk = disk_with_durable_file(seed);
        disk.open(Path::new(FILE)).unwrap().write_at(&[2; 4096], 0).unwrap();
        let bytes = disk.reboot().contents(Path::new(FILE)).unwrap();
        for sector in bytes.chunks(512) {
            assert!(sector == [1; 512] || sector == [2; 512], "a sector is atomic");
        }
        torn += usize::from(bytes.contains(&1) && bytes.contains(&2));
    }
    assert!(torn > 5, "only {torn} torn writes in 50 power cuts");
}

#[test]
fn a_name_is_pending_until_its_directory_is_synced() {
    let survived = (0..50).filter(|seed| {
        let disk = disk_with_durable_file(*seed);
        let file = disk.create(Path::new("/d/new")).unwrap();
        file.write_at(b"x", 0).unwrap();
        file.sync().unwrap();
        disk.reboot().exists(Path::new("/d/new")).unwrap()
    });
    let survived = survived.count();
    assert!((5..45).contains(&survived), "{survived} of 50 names survived");
}

#[test]
fn a_rename_is_whole_or_absent() {
    for seed in 0..50 {
        let disk = disk_with_durable_file(seed);
        disk.create_dir(Path::new("/d/free")).unwrap();
        disk.fsync_dir(Path::new("/d")).unwrap();
        disk.rename(Path::new(FILE), Path::new("/d/free/file")).unwrap();
        let after = disk.reboot();
        let (old, new) = (after.contents(Path::new(FILE)), after.contents(Path::new("/d/free/file")));
        assert!(old.is_some() != new.is_some(), "seed {seed}: {} {}", old.is_some(), new.is_some());
    }
}

#[test]
fn a_removal_that_outlived_a_kill_may_still_be_lost_with_the_power() {
    let outcomes = (0..50).map(|seed| {
        let disk = disk_with_durable_file(seed);
        disk.unlink(Path::new(FILE)).unwrap();
        let killed = disk.restart_process();
        assert!(!killed.exists(Path::new(FILE)).unwrap());
        let contents = killed.reboot().contents(Path::new(FILE));
        assert!(contents.as_ref().is_none_or(|bytes| *bytes == [1; 4096]), "seed {seed}");
        contents.is_some()
    });
    let back = outcomes.filter(|back| *back).count();
    assert!((5..45).contains(&back), "{back} of 50 removals were lost");
}

#[test]
fn what_is_held_is_counted_until_it_is_dropped() {
    let disk = disk_with_durable_file(1);
    let file = disk.open(Path::new(FILE)).unwrap();
    let map = file.map().unwrap();
    assert_eq!((disk.open_files(), disk.maps(), disk.used_bytes()), (1, 1, 4096));
    drop((file, map));
    assert_eq!((disk.open_files(), disk.maps()), (0, 0));
}

#[test]
fn a_failed_sync_loses_pages_and_the_next_one_says_nothing() {
    let disk = disk_with_durable_file(7);
    let file = disk.open(Path::new(FILE)).unwrap();
    file.write_at(&[2; 4096], 0).unwrap();
    disk.fault_at_sync(disk.syncs(), Fault::Eio);
    assert!(file.sync().is_err());
    file.sync().unwrap();
    assert_eq!(disk.contents(Path::new(FILE)), Some(vec![2; 4096]), "the cache shows the new bytes");
    file.drop_cache().unwrap();
    assert_ne!(disk.contents(Path::new(FILE)), Some(vec![2; 4096]), "the device has not all of them");
}

#[test]
fn after_a_crash_every_call_fails() {
    let disk = disk_with_durable_file(1);
    disk.fault_at(disk.calls(), Fault::Crash);
    assert!(disk.open(Path::new(FILE)).is_err());
    assert!(disk.list_dir(Path::new("/d")).is_err());
    assert!(disk.has_crashed());
    assert!(disk.reboot().open(Path::new(FILE)).is_ok());
}

#[test]
fn a_full_disk_refuses_growth_and_takes_overwrites() {
    let disk = disk_with_durable_file(1);
    disk.set_capacity(4096);
    let file = disk.open(Path::new(FILE)).unwrap();
    assert!(super::is_no_space(&file.write_at(&[1; 10], 4096).unwrap_err()));
    file.write_at(&[3; 4096], 0).unwrap();
    assert_eq!(disk.space(Path::new("/d")).unwrap().free, 0);
}
