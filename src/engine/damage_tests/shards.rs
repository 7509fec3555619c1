//! Segments of a stream: every byte flipped, every length. `storage verify` and a reader of the engine agree about what is
//! lost, `storage repair` keeps every sound record and leaves nothing that it can write again.

use super::{sample, stride};
use crate::{
    base::time::Timestamp,
    domain::stream::Position,
    engine::{
        client::Engine,
        open::open,
        options::{EngineOptions, StreamOptions},
        stream_tests::support::{cursor, put, record, stream, stream_path},
    },
    storage::{
        index::memory::MemoryDisk,
        io::{Io as _, sim::SimDisk},
        offline::{Problem, RecordFilter, RecordRow, Remedy, Verification},
        shard::SegmentRule,
    },
};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::{ControlFlow, Range},
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::sync::OnceCell;

const HOUR: Duration = Duration::from_secs(3600);
const SHARDS: u32 = 2;

/// A record by shard and index.
type At = (u32, u64);

struct Store {
    disk: SimDisk,
    index: MemoryDisk,
    sound: BTreeMap<At, RecordRow>,
    files: Vec<PathBuf>,
}

fn start(disk: &SimDisk, index: &MemoryDisk, checkpoint_interval: Duration) -> Engine {
    let segments = SegmentRule { bytes: 1500, age: HOUR };
    let streams = StreamOptions { segments, chunk_bytes: 300, rounds: 1, ..StreamOptions::default() };
    let options = EngineOptions { streams, ..sample::options(index.clone(), checkpoint_interval, 0) };
    open(&options, sample::host(disk, |why| panic!("{why}"))).expect("opens")
}

fn segments(disk: &SimDisk) -> Vec<PathBuf> {
    disk.files().into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "seg")).collect()
}

/// Every record is in a segment, and every segment is sealed and on the device.
async fn store() -> &'static Store {
    static STORE: OnceCell<Store> = OnceCell::const_new();
    STORE
        .get_or_init(async || {
            let (disk, index) = (SimDisk::new(11), MemoryDisk::default());
            let engine = start(&disk, &index, Duration::from_millis(2));
            let handle = stream(&engine, "s", SHARDS).await;
            let mut number = 0;
            while segments(&disk).len() < 4 {
                let keys = ["a", "b", "c", "d"];
                let records = keys.map(|key| record(key, &format!("{key} {number} {}", "x".repeat(number % 60))));
                put(&engine, &handle, records.to_vec()).await;
                number += 1;
                tokio::time::sleep(Duration::from_millis(4)).await;
            }
            engine.close();
            start(&disk, &index, HOUR).close();
            let files = segments(&disk);
            files.iter().for_each(|path| disk.open(path).and_then(|file| file.sync()).expect("synced"));
            let sound = dumped(&disk);
            assert!(sound.keys().map(|(shard, _)| shard).collect::<BTreeSet<_>>().len() == SHARDS as usize);
            assert_eq!(verify(&disk).problems, vec![]);
            Store { disk, index, sound, files }
        })
        .await
}

fn verify(disk: &SimDisk) -> Verification {
    sample::verify(disk).expect("verifies")
}

fn dumped(disk: &SimDisk) -> BTreeMap<At, RecordRow> {
    let mut rows = BTreeMap::new();
    let mut row = |row: RecordRow| {
        rows.insert((row.shard, row.index), row);
        ControlFlow::Continue(())
    };
    let stopped = sample::stopped(&disk.fork()).expect("stopped");
    stopped.dump_records(&RecordFilter::default(), &mut row, &mut |_| {}).expect("dumps");
    rows
}

fn lost(problems: &[Problem]) -> BTreeSet<At> {
    let ranges = problems.iter().flat_map(|problem| &problem.records);
    ranges.flat_map(|lost| (lost.first..=lost.last).map(|index| (lost.shard, index))).collect()
}

impl Store {
    fn name(&self, file: usize) -> String {
        self.files[file].strip_prefix(sample::DIR).expect("inside").display().to_string()
    }

    /// The records of a segment with their bytes, without the padding.
    fn records(&self, file: usize) -> Vec<(At, Range<u64>)> {
        let number = file as u64 + 1;
        let len = |row: &RecordRow| (32 + row.header.len() + row.body.len()) as u64;
        let own = self.sound.iter().filter(|(_, row)| row.segment == number);
        own.map(|(at, row)| (*at, row.offset..row.offset + len(row))).collect()
    }

    fn damaged(&self, file: usize, change: impl Fn(&mut Vec<u8>)) -> SimDisk {
        let disk = self.disk.fork();
        disk.damage(&self.files[file], change);
        disk
    }

    /// Everything but what is lost is dumped as it was.
    fn check_dump(&self, disk: &SimDisk, lost: &BTreeSet<At>, what: &str) {
        let left = dumped(disk);
        let expected = self.sound.iter().filter(|(at, _)| !lost.contains(at));
        assert!(left.iter().eq(expected), "{what}: {} of {} left", left.len(), self.sound.len());
    }

    /// A reader gets everything but what is lost, and is told of that.
    async fn check_engine(&self, disk: &SimDisk, lost: &BTreeSet<At>, what: &str) {
        let engine = start(&disk.fork(), &self.index.copy(), HOUR);
        let handle = engine.find_stream(&stream_path("s")).expect("there");
        for shard in 0..SHARDS {
            let mut at = cursor(&engine, &handle, shard, Position::TrimHorizon).await;
            let (mut found, mut told) = (BTreeSet::new(), BTreeSet::new());
            loop {
                let batch = engine.read_shard(&handle, &at, 100, 1 << 20).await.expect("read");
                found.extend(batch.records.iter().map(|record| (shard, record.number.index)));
                told.extend(batch.lost.iter().flat_map(|(from, to)| *from..*to).map(|index| (shard, index)));
                if batch.next == at {
                    break;
                }
                at = batch.next;
            }
            let own = |at: &&At| at.0 == shard;
            let wanted: BTreeSet<At> = self.sound.keys().filter(own).filter(|at| !lost.contains(at)).copied().collect();
            let missing: BTreeSet<At> = lost.iter().filter(own).copied().collect();
            assert_eq!((found.intersection(&wanted).count(), &told), (wanted.len(), &missing), "{what}");
        }
        engine.close();
    }

    /// Repairs a disk: no record is lost by it, and nothing is left that can be written again.
    fn check_repair(&self, disk: &SimDisk, found: &Verification, file: usize, what: &str) {
        let before = disk.contents(&self.files[file]).expect("there");
        let lost = lost(&found.problems);
        let stopped = sample::stopped(disk).expect("stopped");
        let repair = stopped.repair(found, Timestamp(1), &mut |_| {}).expect("repairs");
        drop(stopped);
        assert_eq!(repair.report.is_some(), !found.is_sound(), "{what}");
        for problem in found.problems.iter().filter(|problem| problem.remedy != Remedy::Nothing) {
            let offsets = problem.offsets.start as usize..problem.offsets.end as usize;
            let name = format!("{}/damaged/{}-{}.bin", sample::DIR, problem.file.replace('/', "_"), offsets.start);
            let kept = disk.contents(Path::new(&name));
            assert!(offsets.is_empty() || kept.as_deref() == before.get(offsets), "{what}: {name}");
        }
        let after = verify(disk);
        let is_mended = after.problems.iter().all(|problem| !matches!(problem.remedy, Remedy::Mend(_)));
        assert!(is_mended && after.is_sound() == found.is_sound(), "{what}: {after:?}");
        self.check_dump(disk, &lost, what);
    }
}

/// What `verify` says of a flipped byte, compared with what stood there.
fn check_flip(store: &Store, file: usize, at: u64, found: &Verification, what: &str) {
    let records = store.records(file);
    let hit = records.iter().find(|(_, bytes)| bytes.contains(&at));
    let is_padding = records.iter().any(|(_, bytes)| (bytes.end..bytes.end.next_multiple_of(8)).contains(&at));
    if is_padding {
        assert_eq!(found.problems, vec![], "{what}");
        return;
    }
    let [problem] = &found.problems[..] else { panic!("{what}: {found:?}") };
    assert!(problem.file == store.name(file) && problem.offsets.contains(&at), "{what}: {problem}");
    let lost = lost(&found.problems);
    match hit {
        None => {
            assert!(lost.is_empty() && !problem.acknowledged, "{what}: {problem}");
            assert!(matches!(problem.remedy, Remedy::Mend(_) | Remedy::Nothing), "{what}: {problem}");
        }
        Some((own, _)) => {
            assert!(problem.acknowledged && problem.remedy == Remedy::KeepCopy, "{what}: {problem}");
            assert_eq!(lost, [*own].into(), "{what}: {problem}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_of_a_stream_costs_no_more_than_the_report_names() {
    let store = store().await;
    let mut cases = 0_usize;
    for file in 0..store.files.len() {
        let len = store.disk.contents(&store.files[file]).expect("there").len();
        for at in (0..len).filter(|at| *at < 200 || *at + 200 > len || at.is_multiple_of(stride(3))) {
            let what = format!("{} at {at}", store.name(file));
            let disk = store.damaged(file, |bytes| bytes[at] ^= 1 << (at % 8));
            let found = verify(&disk);
            check_flip(store, file, at as u64, &found, &what);
            let lost = lost(&found.problems);
            store.check_dump(&disk, &lost, &what);
            cases += 1;
            if cases.is_multiple_of(stride(29)) {
                store.check_engine(&disk, &lost, &what).await;
            }
            if cases.is_multiple_of(stride(5)) {
                store.check_repair(&disk, &found, file, &what);
            }
        }
    }
    assert!(cases > 1000, "{cases} cases");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_segment_of_any_length_costs_no_more_than_the_report_names() {
    let store = store().await;
    let newest = store.files.len() - 1;
    let mut cases = 0_usize;
    for file in 0..store.files.len() {
        let len = store.disk.contents(&store.files[file]).expect("there").len();
        for keep in (0..len).filter(|keep| *keep < 160 || *keep + 160 > len || keep.is_multiple_of(stride(3))) {
            let what = format!("{} cut to {keep}", store.name(file));
            let disk = store.damaged(file, |bytes| bytes.truncate(keep));
            let found = verify(&disk);
            assert!(found.problems.iter().all(|problem| problem.file == store.name(file)), "{what}: {found:?}");
            let (lost, records) = (lost(&found.problems), store.records(file));
            let is_cut = |at: &At| records.iter().any(|(known, bytes)| known == at && bytes.end > keep as u64);
            assert!(lost.iter().all(is_cut), "{what}: {found:?}");
            cases += 1;
            if file == newest || file == 0 {
                // What goes before and behind the cut nobody tells: a start compares with the snapshot.
                let left = dumped(&disk);
                assert!(store.sound.keys().all(|at| left.contains_key(at) || is_cut(at)), "{what}: {found:?}");
                continue;
            }
            store.check_dump(&disk, &lost, &what);
            if cases.is_multiple_of(stride(29)) {
                store.check_engine(&disk, &lost, &what).await;
            }
        }
    }
    assert!(cases > 500, "{cases} cases");
}
