//! Backups of a log on a simulated disk: consistent, incremental, all or nothing, verified to the byte.

use super::{BackupError, Created, Points, Source, create, points::Wanted, restore, verify};
use crate::{
    base::{
        entropy::Entropy,
        id::{Lsn, PartitionId},
        time::{Clock, Timestamp},
    },
    storage::{
        identity::Identity,
        index::memory::MemoryDisk,
        io::{
            Io as _,
            sim::{Fault, SimDisk},
        },
        log::{
            FrameBuilder, LocalLog, LogHost, LogOptions, LogStore as _, LogWriter, ReplayFrom, ReplayedFrame, examine,
        },
        store::{IndexKind, Options, Store, WAL_DIRECTORY},
    },
};
use std::{collections::BTreeSet, ops::ControlFlow, path::Path, sync::Arc};

const DATA: &str = "/data";
pub(super) const BACKUPS: &str = "/backups";
pub(super) const NEW: &str = "/new";
const P: PartitionId = PartitionId(0);

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp(1_700_000_000_000)
    }
}

struct Counter(u8);

impl Entropy for Counter {
    fn fill(&mut self, bytes: &mut [u8]) {
        self.0 = self.0.wrapping_add(1);
        bytes.fill(self.0);
    }
}

/// A store with a log, open.
pub(super) struct World {
    pub(super) disk: SimDisk,
    dir: &'static Path,
    log: LocalLog,
    writer: Box<dyn LogWriter>,
    _store: Store,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        Self::open(SimDisk::new(seed), DATA, 100)
    }

    /// The store in this directory; what is drawn goes on from `random`.
    fn open(disk: SimDisk, dir: &'static str, random: u8) -> Self {
        let (io, dir) = (Arc::new(disk.clone()), Path::new(dir));
        let options = Options {
            index: IndexKind::Memory(MemoryDisk::default()),
            pid: 1,
            now: Still.now(),
            node_id: 0,
            partition_count: 1,
            entropy: &mut Counter(0),
        };
        let opened = Store::open(io.clone(), dir, options).unwrap();
        let host = LogHost { io, clock: Arc::new(Still), entropy: Box::new(Counter(random)), fatal: Box::new(|_| {}) };
        let options = LogOptions { segment_bytes: 64 << 10, ..LogOptions::small() };
        let wal = dir.join(WAL_DIRECTORY);
        let uuid = opened.identity.uuid.into_bytes();
        let (log, _) = LocalLog::open(host, &wal, uuid, &options, &ReplayFrom::default(), &mut |_| {}).unwrap();
        let writer = log.acquire(P).unwrap();
        Self { disk, dir, log, writer, _store: opened.store }
    }

    /// Appends frames; says the last one's LSN.
    pub(super) fn append(&mut self, count: usize) -> Lsn {
        let mut lsn = self.writer.next_lsn();
        for _ in 0..count {
            lsn = self.writer.next_lsn();
            let mut frame = FrameBuilder::new(P, self.writer.epoch(), lsn, Timestamp(lsn.0));
            let body = vec![letter(self.dir); 12 << 10];
            frame.push(1, 7, lsn.0, |header| header.extend_from_slice(b"head"), &body);
            self.writer.append(frame, Box::new(|result| assert!(result.is_ok())));
            while self.log.step() {}
        }
        lsn
    }

    pub(super) fn trim(&mut self, below: Lsn) {
        self.writer.trim(below);
    }

    pub(super) fn back_up(&self, now: u64) -> Result<Created, BackupError> {
        let pin = self.log.pin().unwrap();
        let source = Source {
            io: &self.disk,
            data_dir: self.dir,
            pin: &pin,
            archive: &|| None,
            now: Timestamp(Still.now().0 + now),
        };
        create(&source, Path::new(BACKUPS), &mut |_| ControlFlow::Continue(()))
    }
}

/// What the messages of a store in this directory consist of.
fn letter(dir: &Path) -> u8 {
    dir.as_os_str().as_encoded_bytes()[1]
}

fn last_letter(disk: &SimDisk, dir: &Path) -> Option<u8> {
    let uuid = Identity::read(disk, dir).unwrap().unwrap().uuid.into_bytes();
    let mut last = None;
    let mut visit =
        |frame: ReplayedFrame| last = frame.entries().last().and_then(|(_, entry)| entry.body.last().copied());
    examine::replay(disk, &dir.join(WAL_DIRECTORY), uuid, 0, &mut visit).unwrap();
    last
}

pub(super) fn points(disk: &SimDisk) -> Points {
    Points::read(disk, Path::new(BACKUPS)).unwrap()
}

/// What is wrong, by file.
pub(super) fn findings(disk: &SimDisk) -> Vec<(String, String)> {
    let found = verify(disk, &points(disk), &mut |_| ControlFlow::Continue(())).unwrap();
    found.into_iter().map(|finding| (finding.file, finding.what)).collect()
}

/// Restores to a new directory and says the last LSN that its log has.
pub(super) fn restored(disk: &SimDisk, wanted: &Wanted, to: &str) -> Result<Option<Lsn>, BackupError> {
    let points = points(disk);
    let point = points.find(wanted)?;
    let done = restore(disk, &points.dir, point, Path::new(to), &mut |_| ControlFlow::Continue(()))?;
    assert_eq!(done.lost, Vec::<String>::new());
    let identity = Identity::read(disk, Path::new(to)).unwrap().unwrap();
    let wal = Path::new(to).join(WAL_DIRECTORY);
    let mut last = None;
    let uuid = identity.uuid.into_bytes();
    let report = examine::replay(disk, &wal, uuid, 0, &mut |frame| last = Some(frame.lsn())).unwrap();
    assert!(!report.degraded && report.torn_bytes_dropped == 0, "{report:?}");
    Ok(last)
}

#[test]
fn a_backup_has_what_was_acknowledged_before_it_and_a_later_one_copies_less() {
    let mut world = World::new(1);
    let first = world.append(20);
    let one = world.back_up(0).unwrap();
    assert_eq!(one.copied_segments, one.manifest.segments.len() as u64);
    let second = world.append(8);
    let two = world.back_up(1000).unwrap();
    assert!(two.manifest.segments.len() > one.manifest.segments.len());
    assert!(two.copied_segments < one.copied_segments, "{one:?} {two:?}");
    assert!(two.copied_bytes < one.copied_bytes);
    assert_eq!(findings(&world.disk), []);
    assert_eq!(restored(&world.disk, &Wanted::Newest, NEW).unwrap(), Some(second));
    let middle = Timestamp(Still.now().0 + 999);
    assert_eq!(restored(&world.disk, &Wanted::At(middle), "/at").unwrap(), Some(first));
    assert_eq!(restored(&world.disk, &Wanted::Named(one.name), "/named").unwrap(), Some(first));
    let too_old = restored(&world.disk, &Wanted::At(Timestamp(5)), "/old").unwrap_err();
    assert!(matches!(too_old, BackupError::NoPoint { .. }), "{too_old}");
}

#[test]
fn a_store_and_what_was_restored_of_it_share_a_directory_without_harm() {
    let mut world = World::new(1);
    world.append(7);
    world.back_up(0).unwrap();
    restored(&world.disk, &Wanted::Newest, NEW).unwrap();
    let disk = world.disk.clone();
    let mut worlds = [world, World::open(disk.clone(), NEW, 200)];
    // Both go on with the segment that was in use.
    let mut taken = Vec::new();
    for time in 1..=4 {
        for world in &mut worlds {
            let last = world.append(4);
            let created = world.back_up(1000 * time).unwrap();
            taken.push((created.name, last, letter(world.dir)));
            assert_eq!(findings(&disk), []);
        }
    }
    let files = disk.files();
    let sealed = files.iter().filter_map(|path| path.to_str()).filter(|path| path.starts_with("/backups/wal/"));
    let ids: Vec<&str> = sealed.filter_map(|path| path.split('-').nth(1)).collect();
    assert!(ids.iter().collect::<BTreeSet<_>>().len() < ids.len(), "no segment went on in both: {files:?}");
    for (name, last, letter) in taken {
        let to = format!("/again-{name}");
        assert_eq!(restored(&disk, &Wanted::Named(name), &to).unwrap(), Some(last));
        assert_eq!(last_letter(&disk, Path::new(&to)), Some(letter));
    }
}

#[test]
fn segments_that_were_recycled_meanwhile_are_in_the_backup_as_they_were() {
    let mut world = World::new(1);
    let first = world.append(12);
    let one = world.back_up(0).unwrap();
    world.writer.trim(first);
    world.append(30);
    assert_eq!(findings(&world.disk), []);
    assert_eq!(restored(&world.disk, &Wanted::Named(one.name), NEW).unwrap(), Some(first));
}

#[test]
fn every_flipped_byte_is_found_and_its_file_named() {
    let mut world = World::new(1);
    world.append(12);
    let created = world.back_up(0).unwrap();
    for file in created.manifest.all_files() {
        for at in [0, file.bytes / 2, file.bytes - 1] {
            let flip = |bytes: &mut Vec<u8>| bytes[at as usize] ^= 4;
            let path = Path::new(BACKUPS).join(&file.path);
            world.disk.damage(&path, flip);
            let found = findings(&world.disk);
            assert_eq!(found.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), [file.path.as_str()]);
            let refused = restored(&world.disk, &Wanted::Newest, &format!("{NEW}-{at}-{}", file.crc)).unwrap_err();
            assert!(refused.to_string().contains(&file.path), "{refused}");
            world.disk.damage(&path, flip);
        }
    }
    let manifest = Path::new(BACKUPS).join(format!("{}.backup", created.name));
    world.disk.damage(&manifest, |bytes| bytes[200] ^= 1);
    let expected = (format!("{}.backup", created.name), "its CRC does not match".to_owned());
    assert_eq!(findings(&world.disk), [expected]);
}

#[test]
fn a_power_cut_at_any_call_leaves_a_whole_restore_point_or_none() {
    let mut world = World::new(7);
    world.append(9);
    world.back_up(0).unwrap();
    world.append(9);
    let fork = world.disk.fork();
    drop(world);
    // The log is opened again on each copy of the disk: what a restart finds is what a backup starts from.
    let calls = {
        let disk = fork.fork();
        let before = disk.calls();
        attempt(&disk).unwrap();
        disk.calls() - before
    };
    let mut outcomes = [0, 0];
    for call in 0..calls {
        let disk = fork.fork();
        disk.fault_at(disk.calls() + call, Fault::Crash);
        let done = attempt(&disk).is_some();
        let disk = disk.reboot();
        let count = points(&disk).points.len();
        assert!(count == 2 || (count == 1 && !done), "call {call}: {count} restore points");
        assert_eq!(findings(&disk), [], "call {call}");
        outcomes[count - 1] += 1;
    }
    assert!(outcomes[0] > 20, "{outcomes:?}");
}

/// Opens the log of this disk and adds a restore point.
fn attempt(disk: &SimDisk) -> Option<Created> {
    let io = Arc::new(disk.clone());
    let host = LogHost { io, clock: Arc::new(Still), entropy: Box::new(Counter(200)), fatal: Box::new(|_| {}) };
    let options = LogOptions { segment_bytes: 64 << 10, ..LogOptions::small() };
    let uuid = Identity::read(disk, Path::new(DATA)).ok()??.uuid.into_bytes();
    let wal = Path::new(DATA).join(WAL_DIRECTORY);
    let (log, _) = LocalLog::open(host, &wal, uuid, &options, &ReplayFrom::default(), &mut |_| {}).ok()?;
    let pin = log.pin()?;
    let source = Source {
        io: disk,
        data_dir: Path::new(DATA),
        pin: &pin,
        archive: &|| None,
        now: Timestamp(Still.now().0 + 5000),
    };
    create(&source, Path::new(BACKUPS), &mut |_| ControlFlow::Continue(())).ok()
}

#[test]
fn a_backup_that_broke_off_is_not_listed_and_the_next_one_is_whole() {
    let mut world = World::new(1);
    world.append(20);
    let pin = world.log.pin().unwrap();
    let source = Source { io: &world.disk, data_dir: Path::new(DATA), pin: &pin, archive: &|| None, now: Still.now() };
    let mut steps = 0;
    let error = create(&source, Path::new(BACKUPS), &mut |_| {
        steps += 1;
        if steps > 4 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(matches!(error, Err(BackupError::BrokenOff)));
    drop(pin);
    assert!(matches!(Points::read(&world.disk, Path::new(BACKUPS)), Err(BackupError::NoBackups { .. })));
    world.back_up(0).unwrap();
    assert_eq!(points(&world.disk).points.len(), 1);
    assert_eq!(findings(&world.disk), []);
}

#[test]
fn directories_of_something_else_are_refused() {
    let mut world = World::new(1);
    world.append(1);
    let pin = world.log.pin().unwrap();
    let source = Source { io: &world.disk, data_dir: Path::new(DATA), pin: &pin, archive: &|| None, now: Still.now() };
    let mut go_on = |_| ControlFlow::Continue(());
    let inside = create(&source, Path::new("/data/backups"), &mut go_on).unwrap_err();
    assert_eq!(inside.to_string(), "/data/backups is inside the data directory /data");
    world.disk.create_dir(Path::new("/home")).unwrap();
    world.disk.create(Path::new("/home/letter")).unwrap();
    let foreign = create(&source, Path::new("/home"), &mut go_on).unwrap_err();
    assert_eq!(foreign.to_string(), "/home holds \"letter\", which is no part of a backup");
    drop(pin);
    world.back_up(0).unwrap();
    let occupied = restored(&world.disk, &Wanted::Newest, "/home").unwrap_err();
    assert_eq!(occupied.to_string(), "/home is not empty: it holds \"letter\"");
}

#[test]
fn the_same_run_makes_the_same_calls() {
    let history = |seed| {
        let mut world = World::new(seed);
        let last = world.append(20);
        world.back_up(0).unwrap();
        world.writer.trim(last);
        world.append(9);
        world.back_up(1000).unwrap();
        (world.disk.calls(), world.disk.history())
    };
    assert_eq!(history(1), history(1));
}
