//! The offline tools on real files: what they find, and what they leave.

use super::*;
use crate::{
    base::{
        entropy::Entropy,
        id::{Lsn, PartitionId, QueueId},
        time::{Clock, Timestamp},
    },
    storage::{
        checkpoint::{FILES, PartitionPosition, Slot},
        index::IndexState,
        io::SysIo,
        log::{FrameBuilder, LocalLog, LogHost, LogOptions, LogStore, LogWriter, ReplayFrom, examine::SegmentState},
        snapshot::Section,
        store::{Commit, IndexKind, Opened, Options, Store, WAL_DIRECTORY},
    },
};
use std::{
    collections::BTreeMap,
    fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Arc,
};

const NOW: Timestamp = Timestamp(1_700_000_000_000);

pub(super) struct Counting(pub(super) u8);

impl Entropy for Counting {
    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.0 = self.0.wrapping_add(1);
            *byte = self.0;
        }
    }
}

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        NOW
    }
}

/// A data directory under a temporary one.
pub(super) struct Place(tempfile::TempDir);

impl Place {
    /// A store with a log of two partitions, two segments or more, two checkpoints, a page.
    pub(super) fn filled() -> Self {
        let place = Self(tempfile::tempdir().expect("a temporary directory"));
        let mut opened = place.open_store();
        let (log, mut writers) = place.open_log(&opened);
        for round in 1..=40_u64 {
            for writer in &mut writers {
                append(&log, writer, round);
            }
            if round % 20 == 0 {
                commit(&mut opened, &log, round);
            }
        }
        log.close().expect("closes");
        place
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(super) fn open_store(&self) -> Opened {
        let entropy = &mut Counting(0);
        let index = IndexKind::Sled { cache_bytes: 1 << 20 };
        let options = Options { index, pid: 1, now: NOW, node_id: 1, partition_count: 2, entropy };
        Store::open(Arc::new(SysIo), self.path(), options).expect("opens")
    }

    fn open_log(&self, opened: &Opened) -> (LocalLog, Vec<Box<dyn LogWriter>>) {
        let fatal = Box::new(|what: String| panic!("{what}"));
        let host = LogHost { io: Arc::new(SysIo), clock: Arc::new(Fixed), entropy: Box::new(Counting(9)), fatal };
        let wal = self.path().join(WAL_DIRECTORY);
        let uuid = opened.identity.uuid.into_bytes();
        let options = LogOptions { segment_bytes: 128 << 10, ..LogOptions::small() };
        let (log, report) =
            LocalLog::open(host, &wal, uuid, &options, &ReplayFrom::default(), &mut |_| {}).expect("opens");
        assert!(!report.degraded, "{report:?}");
        let writers = [0, 1].map(|partition| log.acquire(PartitionId(partition)).expect("acquired"));
        (log, writers.into())
    }

    pub(super) fn stopped(&self) -> Stopped {
        Stopped::open(Arc::new(SysIo), self.path(), 99).expect("nobody uses it")
    }

    pub(super) fn verify(&self) -> Verification {
        self.stopped().verify(&mut |_| {}).expect("verifies")
    }

    pub(super) fn repair(&self) -> Repair {
        let stopped = self.stopped();
        let found = stopped.verify(&mut |_| {}).expect("verifies");
        stopped.repair(&found, NOW, &mut |_| {}).expect("repairs")
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub(super) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.file(name)).expect("reads")
    }

    pub(super) fn flip(&self, name: &str, offset: usize) {
        let mut bytes = self.read(name);
        bytes[offset] ^= 1;
        fs::write(self.file(name), bytes).expect("writes");
    }

    /// The files below a directory with this ending, as relative names.
    pub(super) fn names(&self, directory: &str, ending: &str) -> Vec<String> {
        let entries = fs::read_dir(self.file(directory)).expect("lists");
        let names = entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"));
        let mut names: Vec<String> = names.filter(|name| name.ends_with(ending)).collect();
        names.sort();
        names.into_iter().map(|name| format!("{directory}/{name}")).collect()
    }

    fn segments(&self) -> Vec<String> {
        self.names(WAL_DIRECTORY, ".wal")
    }

    /// Finds the body that [`append`] wrote for this partition and round.
    fn find_body(&self, partition: u32, round: u64) -> (String, usize) {
        let body = body(partition, round);
        for name in self.segments() {
            if let Some(offset) = self.read(&name).windows(body.len()).position(|window| window == body) {
                return (name, offset);
            }
        }
        panic!("the body is not in the log");
    }
}

fn body(partition: u32, round: u64) -> Vec<u8> {
    format!("<partition {partition} round {round:04}>").into_bytes().repeat(100)
}

fn append(log: &LocalLog, writer: &mut Box<dyn LogWriter>, round: u64) {
    let partition = writer.partition();
    let mut frame = FrameBuilder::new(partition, writer.epoch(), writer.next_lsn(), NOW);
    frame.push(1, 7, round, |header| header.extend_from_slice(b"header"), &body(partition.0, round));
    writer.append(frame, Box::new(|done| assert!(done.is_ok())));
    assert!(log.step());
}

fn commit(opened: &mut Opened, log: &LocalLog, round: u64) {
    opened.index.put(QueueId(7), round, b"page").expect("put");
    let position = log.position();
    let heads: Vec<_> = log.heads().into_iter().map(|(partition, head)| (partition, head.lsn)).collect();
    let place = |&(partition, lsn)| PartitionPosition { partition, lsn, state_hash: round };
    let section = |&(partition, lsn)| Section { partition, kind: 1, lsn, bytes: b"heads".as_slice().into() };
    let commit = Commit {
        now: NOW,
        partitions: heads.iter().map(place).collect(),
        sections: Some(heads.iter().map(section).collect()),
        wal_segment: position.segment,
        durable_seq: position.durable_seq,
        clean_shutdown: false,
    };
    opened.store.commit_checkpoint(&mut *opened.index, commit).expect("committed");
}

#[test]
fn a_sound_directory_has_no_problems() {
    let place = Place::filled();
    let found = place.verify();
    assert_eq!(found.problems, vec![]);
    assert!(found.clean_shutdown && found.is_sound());
    assert_eq!((found.frames, found.entries, found.index_pages), (82, 80, 2), "two fences hold no entry");
    assert_eq!(place.repair(), Repair::default());
    assert!(!place.file("damaged").exists(), "nothing to keep");
}

#[test]
fn an_inspection_says_what_there_is() {
    let place = Place::filled();
    let mut last = Progress::default();
    let found = place.stopped().inspect(&mut |progress| last = progress).expect("inspects");
    assert_eq!(found.identity.partition_count, 2);
    assert_eq!(found.checkpoints.latest().map(|latest| latest.generation), Some(2));
    assert_eq!(found.snapshots.iter().map(|snapshot| snapshot.generation).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(found.snapshots[1].content, Ok((NOW, 2)));
    assert!(found.segments.len() > 1);
    let in_use: Vec<_> = found.segments.iter().filter(|segment| segment.blocks > 0).collect();
    assert!(in_use.iter().all(|segment| matches!(segment.state, SegmentState::InUse { .. })));
    let first = in_use[0].frames[&PartitionId(1)].0;
    let last_frame = in_use.iter().rev().find_map(|segment| segment.frames.get(&PartitionId(1))).expect("there").1;
    assert_eq!((first, last_frame), (Lsn(1), Lsn(41)));
    assert!(found.index.bytes > 0 && found.index.generations == [1]);
    assert!(last.total_bytes > 0 && last.done_bytes == last.total_bytes, "{last:?}");
}

#[test]
fn a_flipped_bit_in_an_acknowledged_message_is_named_and_kept_but_no_sound_byte_is_touched() {
    let place = Place::filled();
    let (name, offset) = place.find_body(1, 10);
    place.flip(&name, offset + 5);
    let found = place.verify();
    let [problem] = &found.problems[..] else { panic!("{found:?}") };
    assert_eq!((&problem.file, problem.acknowledged, problem.remedy), (&name, true, Remedy::KeepCopy));
    assert!(problem.offsets.contains(&(offset as u64)));
    let lost = problem.frames.iter().find(|lost| lost.partition == PartitionId(1)).expect("named");
    assert!((lost.first..=lost.last).contains(&Lsn(11)), "round 10 is the frame behind the fence: {lost:?}");
    assert!(!found.is_sound());

    let before: Vec<_> = place.segments().iter().map(|name| place.read(name)).collect();
    let repair = place.repair();
    assert_eq!(before, place.segments().iter().map(|name| place.read(name)).collect::<Vec<_>>());
    let report = place.read(&repair.report.expect("a report"));
    assert!(String::from_utf8_lossy(&report).contains("partition 1 frames"), "{report:?}");
    let kept = place.names("damaged", ".bin");
    let range = problem.offsets.start as usize..problem.offsets.end as usize;
    assert_eq!(place.read(&kept[0]), place.read(&name)[range]);
    assert_eq!(place.repair().actions, vec![], "it was kept before");
}

/// The frames a dump shows, entries and all.
fn dumped(stopped: &Stopped) -> BTreeMap<(PartitionId, Lsn), Vec<Row>> {
    let mut frames: BTreeMap<(PartitionId, Lsn), Vec<Row>> = BTreeMap::new();
    let mut collect = |row: Row| {
        let place = match &row {
            Row::Frame(frame) => (frame.partition, frame.lsn),
            Row::Entry(entry) => (entry.partition, entry.lsn),
        };
        frames.entry(place).or_default().push(row);
        ControlFlow::Continue(())
    };
    stopped.dump(&Filter::default(), &mut collect, &mut |_| {}).expect("dumps");
    frames
}

#[test]
fn whatever_byte_of_the_log_is_flipped_the_frames_that_are_lost_are_named() {
    let place = Place::filled();
    let stopped = place.stopped();
    let sound = dumped(&stopped);
    let facts = stopped.inspect(&mut |_| {}).expect("inspects").segments;
    let mut named = 0;
    for (name, segment) in place.segments().iter().zip(&facts) {
        for offset in (0..segment.end_offset as usize).step_by(2503) {
            place.flip(name, offset);
            let found = stopped.verify(&mut |_| {}).expect("verifies");
            let left = dumped(&stopped);
            place.flip(name, offset);
            let is_named = |partition, lsn| {
                let mut lost = found.problems.iter().flat_map(|problem| &problem.frames);
                lost.any(|lost| lost.partition == partition && (lost.first..=lost.last).contains(&lsn))
            };
            for (&(partition, lsn), rows) in &sound {
                match left.get(&(partition, lsn)) {
                    Some(left) => {
                        assert_eq!(left, rows, "{name} at {offset}: a frame is shown as written or not at all")
                    }
                    None => assert!(is_named(partition, lsn), "{name} at {offset}: {partition} {lsn} in {found:?}"),
                }
            }
            named += found.problems.len();
        }
    }
    assert!(named > 10, "most bytes matter: {named}");
}

#[test]
fn whatever_byte_of_the_log_is_flipped_repair_discards_no_sound_block_and_keeps_what_is_damaged() {
    let place = Place::filled();
    let facts = place.stopped().inspect(&mut |_| {}).expect("inspects").segments;
    let mut repaired = 0;
    for (name, segment) in place.segments().iter().zip(&facts) {
        for offset in (0..segment.end_offset as usize).step_by(7919) {
            place.flip(name, offset);
            let damaged = place.read(name);
            let stopped = place.stopped();
            let found = stopped.verify(&mut |_| {}).expect("verifies");
            let left = dumped(&stopped);
            let repair = stopped.repair(&found, NOW, &mut |_| {}).expect("repairs");
            assert_eq!(place.read(name), damaged, "{name} at {offset}: the log is as it was");
            assert_eq!(dumped(&stopped), left, "{name} at {offset}: every sound frame is still read");
            if !found.is_sound() {
                let report = String::from_utf8(place.read(&repair.report.expect("a report"))).expect("text");
                for problem in found.problems.iter().filter(|problem| problem.acknowledged) {
                    assert!(report.contains(&problem.to_string()), "{name} at {offset}: {report}");
                    let bytes = problem.offsets.start as usize..problem.offsets.end as usize;
                    let kept = format!("damaged/{}-{}.bin", name.replace('/', "_"), bytes.start);
                    assert_eq!(place.read(&kept), damaged[bytes], "{name} at {offset}");
                }
                fs::remove_dir_all(place.file("damaged")).expect("removed");
                repaired += 1;
            }
            drop(stopped);
            place.flip(name, offset);
        }
    }
    assert!(repaired > 5, "most bytes matter: {repaired}");
}

#[test]
fn a_damaged_last_block_that_nothing_proves_durable_is_a_torn_tail() {
    let place = Place(tempfile::tempdir().expect("a temporary directory"));
    let opened = place.open_store();
    let (log, mut writers) = place.open_log(&opened);
    (1..=5).for_each(|round| append(&log, &mut writers[0], round));
    // Not closed: the process was killed.
    drop((log, writers, opened));
    let (name, offset) = place.find_body(0, 5);
    place.flip(&name, offset);
    let found = place.verify();
    let [problem] = &found.problems[..] else { panic!("{found:?}") };
    assert_eq!((&problem.file, problem.acknowledged, problem.remedy), (&name, false, Remedy::Nothing));
    assert!(problem.offsets.contains(&(offset as u64)));
    assert!(found.is_sound());
    assert_eq!(place.repair(), Repair::default());
}

#[test]
fn a_damaged_checkpoint_is_written_again_from_the_other() {
    for name in FILES {
        let place = Place::filled();
        place.flip(name, 50);
        let found = place.verify();
        assert_eq!(found.problems.len(), 1, "{found:?}");
        assert_eq!(found.problems[0].to_string(), format!("{name}: its CRC does not match"));
        place.repair();
        assert_eq!(place.verify().problems, vec![]);
        assert_eq!(place.names("damaged", ".bin"), [format!("damaged/{name}-0.bin")]);
        let opened = place.open_store();
        assert_eq!(opened.warnings, Vec::<String>::new());
        assert!(opened.checkpoint.is_some());
    }
}

#[test]
fn two_damaged_checkpoints_are_cleared_and_the_next_start_replays() {
    let place = Place::filled();
    FILES.iter().for_each(|name| place.flip(name, 50));
    assert_eq!(place.verify().problems.len(), 2);
    place.repair();
    let stopped = place.stopped();
    assert_eq!(stopped.inspect(&mut |_| {}).expect("inspects").checkpoints.0, [Slot::Empty, Slot::Empty]);
    drop(stopped);
    let opened = place.open_store();
    assert_eq!((opened.created, opened.checkpoint, opened.warnings), (false, None, vec![]));
    assert_eq!(opened.snapshot.map(|snapshot| snapshot.generation), Some(2));
}

#[test]
fn a_damaged_snapshot_is_set_aside() {
    let place = Place::filled();
    let bytes = place.read("meta/2.snap");
    place.flip("meta/2.snap", bytes.len() - 3);
    assert_eq!(place.verify().problems[0].file, "meta/2.snap");
    place.repair();
    assert_eq!(place.names("meta", ""), ["meta/1.snap"]);
    assert_eq!(place.names("damaged", ""), ["damaged/meta_2.snap-0.bin"]);
    assert_eq!(place.verify().problems, vec![]);
    assert_eq!(place.open_store().snapshot.map(|snapshot| snapshot.generation), Some(1));
}

#[test]
fn damaged_access_keys_are_named_and_set_aside() {
    let place = Place::filled();
    crate::storage::access::write(&SysIo, place.path(), Timestamp(1), b"keys").expect("written");
    assert!(place.verify().problems.is_empty());
    place.flip("access/keys", 66);
    let found = place.verify();
    let files: Vec<_> = found.problems.iter().map(|problem| (problem.file.as_str(), problem.remedy)).collect();
    assert_eq!(files, [("access/keys", Remedy::SetAside)]);
    assert!(!found.is_sound());
    place.repair();
    assert_eq!(place.names("damaged", "keys-0.bin"), ["damaged/access_keys-0.bin"]);
    assert!(place.verify().problems.is_empty());
}

#[test]
fn a_damaged_index_is_set_aside_and_a_start_makes_a_new_one() {
    let place = Place::filled();
    fs::write(place.file("index/1/db"), b"not a database").expect("writes");
    let found = place.verify();
    assert_eq!((found.problems.len(), &found.problems[0].file[..]), (1, "index/1"), "{found:?}");
    assert!(found.is_sound(), "the index is a cache");
    assert_eq!(place.repair().actions[0].what, "moved to index.bad-1");
    assert!(matches!(place.open_store().index_state, IndexState::Fresh { .. }));
}

#[test]
fn a_damaged_side_file_is_set_aside() {
    let place = Place::filled();
    let side = place.names(WAL_DIRECTORY, ".idx").remove(0);
    place.flip(&side, 9);
    assert_eq!(place.verify().problems[0].file, side);
    place.repair();
    assert!(!place.file(&side).exists());
    assert_eq!(place.verify().problems, vec![]);
}

#[test]
fn a_dump_shows_the_frames_that_the_filter_accepts() {
    let place = Place::filled();
    let filter =
        Filter { partition: Some(PartitionId(1)), first: Some(Lsn(1)), last: Some(Lsn(3)), ..Filter::default() };
    let mut rows = Vec::new();
    let mut collect = |row| {
        rows.push(row);
        ControlFlow::Continue(())
    };
    place.stopped().dump(&filter, &mut collect, &mut |_| {}).expect("dumps");
    let [Row::Frame(fence), Row::Frame(frame), Row::Entry(entry), Row::Frame(_), Row::Entry(_)] = &rows[..] else {
        panic!("{rows:?}")
    };
    assert!(fence.is_fence && fence.entries == 0);
    assert_eq!((frame.partition, frame.lsn, frame.entries), (PartitionId(1), Lsn(2), 1));
    assert_eq!((entry.kind, entry.target, entry.seq, &entry.header[..]), (1, 7, 1, &b"header"[..]));
    assert_eq!(entry.body, body(1, 1));
}

#[test]
fn a_dump_ends_when_told() {
    let place = Place::filled();
    let mut count = 0;
    let mut first_three = |_| {
        count += 1;
        if count == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    place.stopped().dump(&Filter::default(), &mut first_three, &mut |_| {}).expect("dumps");
    assert_eq!(count, 3);
}

#[test]
fn a_directory_in_use_is_refused() {
    let place = Place(tempfile::tempdir().expect("a temporary directory"));
    let _opened = place.open_store();
    let refused = Stopped::open(Arc::new(SysIo), place.path(), 2).err().expect("in use").to_string();
    assert!(refused.ends_with("is in use by process 1"), "{refused}");
}

#[test]
fn a_directory_that_is_no_store_is_refused() {
    let place = Place(tempfile::tempdir().expect("a temporary directory"));
    let refused = Stopped::open(Arc::new(SysIo), place.path(), 2).err().expect("no store").to_string();
    assert!(refused.ends_with("is not a data directory: it has no STORE file"), "{refused}");
    assert!(!place.file("LOCK").exists(), "it was left alone");
}
