//! Restore points that go take what only they need with them, and nothing else.

use super::{
    BackupError,
    backup_tests::{BACKUPS, NEW, World, findings, points, restored},
    points::Wanted,
    remove::{Removal, Removing},
};
use crate::storage::io::{
    Io as _,
    sim::{Fault, SimDisk},
};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

/// Everything below the directory of backups.
fn files(disk: &SimDisk) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut todo = vec![PathBuf::from(BACKUPS)];
    while let Some(dir) = todo.pop() {
        for entry in disk.list_dir(&dir).unwrap() {
            let path = dir.join(&entry.name);
            if entry.is_dir {
                todo.push(path);
            } else {
                found.insert(path.strip_prefix(BACKUPS).unwrap().display().to_string());
            }
        }
    }
    found
}

/// What the manifests name, with the manifests themselves.
fn named(disk: &SimDisk) -> BTreeSet<String> {
    let points = points(disk).points;
    let manifests = points.iter().map(|point| format!("{}.backup", point.name));
    let files = points.iter().flat_map(|point| point.manifest.all_files()).map(|file| file.path.clone());
    manifests.chain(files).chain(["LOCK".to_owned()]).collect()
}

/// Removes all but the newest `keep`.
fn prune(disk: &SimDisk, keep: usize) -> Result<Removal, BackupError> {
    let removing = Removing::begin(disk, Path::new(BACKUPS))?;
    let newest: Vec<_> = removing.points.points.iter().rev().take(keep).map(|point| point.name.clone()).collect();
    let removal = removing.plan(|name| !newest.iter().any(|kept| kept == name))?;
    removing.remove(&removal)?;
    Ok(removal)
}

/// Three restore points, between which the log was written and trimmed.
fn world() -> (World, [String; 3]) {
    let mut world = World::new(3);
    let names = [0, 1000, 2000].map(|now| {
        let last = world.append(12);
        let name = world.back_up(now).unwrap().name;
        world.trim(last);
        name
    });
    (world, names)
}

#[test]
fn what_a_later_restore_point_needs_stays_when_an_earlier_one_goes() {
    let (mut world, names) = world();
    let last = world.append(4);
    world.back_up(3000).unwrap();
    let before = files(&world.disk);
    let removal = prune(&world.disk, 2).unwrap();
    assert_eq!(removal.points, names[..2]);
    assert!(removal.bytes > 0 && removal.unknown.is_empty(), "{removal:?}");
    assert_eq!(files(&world.disk), named(&world.disk), "nothing is missing and nothing is left");
    assert!(before.len() > files(&world.disk).len());
    assert_eq!(findings(&world.disk), []);
    assert_eq!(restored(&world.disk, &Wanted::Newest, NEW).unwrap(), Some(last));
    // The next backup finds what it can share.
    world.append(1);
    let next = world.back_up(4000).unwrap();
    assert!(next.copied_segments < next.manifest.segments.len() as u64, "{next:?}");
}

#[test]
fn the_one_in_the_middle_goes_alone() {
    let (world, [first, middle, last]) = world();
    let removing = Removing::begin(&world.disk, Path::new(BACKUPS)).unwrap();
    let removal = removing.plan(|name| name == middle).unwrap();
    removing.remove(&removal).unwrap();
    let left: Vec<_> = points(&world.disk).points.into_iter().map(|point| point.name).collect();
    assert_eq!(left, [first, last]);
    assert_eq!(files(&world.disk), named(&world.disk));
    assert_eq!(findings(&world.disk), []);
}

#[test]
fn what_looks_like_ours_and_is_not_stays() {
    let (world, _) = world();
    let foreign = ["20240101/photo", "wal/notes.txt", "20240101T000000Z/report"];
    for file in foreign {
        let path = Path::new(BACKUPS).join(file);
        world.disk.create_dir(path.parent().unwrap()).unwrap();
        world.disk.create(&path).unwrap();
    }
    let left_over = Path::new(BACKUPS).join("20240101T000000.000Z");
    world.disk.create_dir(&left_over).unwrap();
    world.disk.create(&left_over.join("STORE")).unwrap();
    prune(&world.disk, 1).unwrap();
    let left = files(&world.disk);
    assert_eq!(left, named(&world.disk).into_iter().chain(foreign.map(str::to_owned)).collect());
    assert!(!world.disk.exists(&left_over).unwrap(), "of a run that broke off");
}

#[test]
fn nothing_goes_that_a_manifest_may_need_which_cannot_be_read() {
    let (world, [first, _, last]) = world();
    let manifest = Path::new(BACKUPS).join(format!("{last}.backup"));
    world.disk.damage(&manifest, |bytes| bytes[200] ^= 1);
    let before = files(&world.disk);
    let removing = Removing::begin(&world.disk, Path::new(BACKUPS)).unwrap();
    let removal = removing.plan(|name| name == first).unwrap();
    assert_eq!(removal.unknown, std::slice::from_ref(&last));
    removing.remove(&removal).unwrap();
    let gone: Vec<_> = before.difference(&files(&world.disk)).cloned().collect();
    assert!(gone.iter().all(|file| file.starts_with(&first)), "{gone:?}");
    world.disk.damage(&manifest, |bytes| bytes[200] ^= 1);
    assert_eq!(findings(&world.disk), []);
    // It may go by its name all the same.
    world.disk.damage(&manifest, |bytes| bytes[200] ^= 1);
    let removing = Removing::begin(&world.disk, Path::new(BACKUPS)).unwrap();
    let removal = removing.plan(|name| name == last).unwrap();
    removing.remove(&removal).unwrap();
    assert_eq!(files(&world.disk), named(&world.disk));
}

#[test]
fn a_power_cut_at_any_call_leaves_whole_restore_points_and_the_next_run_clears_the_rest() {
    let (world, _) = world();
    let fork = world.disk.fork();
    let calls = {
        let disk = fork.fork();
        let before = disk.calls();
        prune(&disk, 1).unwrap();
        disk.calls() - before
    };
    let mut counts = BTreeSet::new();
    for call in 0..calls {
        let disk = fork.fork();
        disk.fault_at(disk.calls() + call, Fault::Crash);
        prune(&disk, 1).unwrap_err();
        let disk = disk.reboot();
        assert_eq!(findings(&disk), [], "call {call}");
        counts.insert(points(&disk).points.len());
        prune(&disk, 1).unwrap();
        assert_eq!(files(&disk), named(&disk), "call {call}");
    }
    assert!(counts.contains(&1) && counts.contains(&3), "{counts:?}");
}

#[test]
fn a_backup_and_a_removal_keep_out_of_each_others_way() {
    let (mut world, _) = world();
    world.append(1);
    let disk = world.disk.clone();
    let removing = Removing::begin(&disk, Path::new(BACKUPS)).unwrap();
    assert!(matches!(world.back_up(5000), Err(BackupError::InUse(_))));
    assert!(matches!(Removing::begin(&world.disk, Path::new(BACKUPS)), Err(BackupError::InUse(_))));
    drop(removing);
    world.back_up(5000).unwrap();
}
