//! The files of a partition's shards: what was synced is read back, whatever happened.

use super::*;
use crate::{
    base::{
        entropy::Entropy,
        id::{Epoch, Lsn},
        time::Timestamp,
    },
    storage::{
        io::{
            Io as _,
            sim::{Fault, SimDisk},
        },
        log::FrameBuilder,
    },
};
use bytes::Bytes;
use rand::{Rng as _, RngCore as _, SeedableRng as _, rngs::SmallRng};
use std::{collections::BTreeMap, path::Path, sync::Arc};

pub(super) const DATA: &str = "/data";
pub(super) const DIR: &str = "/data/shards/0000000000000003";
pub(super) const OWNER: Owner = Owner { store_uuid: [7; 16], stream: 3, partition: PartitionId(0) };
const RULE: SegmentRule = SegmentRule { bytes: 2000, age: Duration::from_secs(3600) };

struct Seeded(SmallRng);

impl Entropy for Seeded {
    fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }
}

fn entropy(seed: u64) -> Box<dyn Entropy> {
    Box::new(Seeded(SmallRng::seed_from_u64(seed)))
}

pub(super) fn disk(seed: u64) -> SimDisk {
    let disk = SimDisk::new(seed);
    disk.create_dir(Path::new(DIR)).expect("made");
    for dir in ["/", DATA, "/data/shards"] {
        disk.fsync_dir(Path::new(dir)).expect("synced");
    }
    disk
}

pub(super) fn reopen(disk: &SimDisk) -> (ShardWriter, Recovered) {
    open(Arc::new(disk.clone()), Path::new(DATA), OWNER, RULE, entropy(disk.calls())).expect("opened")
}

/// A record as the log has it; its body says which it is.
fn record(shard: u32, position: u64) -> Bytes {
    record_of(shard, position, format!("{shard}/{position}/{}", "x".repeat((position % 90) as usize)).as_bytes())
}

pub(super) fn record_of(shard: u32, position: u64, body: &[u8]) -> Bytes {
    let mut frame = FrameBuilder::new(PartitionId(0), Epoch(Lsn(1)), Lsn(2), Timestamp(0));
    let at = frame.push(9, u64::from(shard), position, |_| {}, body);
    let bytes = frame.as_bytes();
    Bytes::copy_from_slice(&bytes[at.offset as usize..(at.offset + at.len) as usize])
}

pub(super) fn append(
    writer: &mut ShardWriter,
    shard: u32,
    first: u64,
    count: u64,
    time_ms: u64,
) -> std::io::Result<()> {
    let entries: Vec<Bytes> = (first..first + count).map(|position| record(shard, position)).collect();
    writer.append(&NewChunk { shard, first, first_ms: time_ms, last_ms: time_ms, entries: &entries })
}

/// Every position from `from` on, each checked to be what was written there, and the damage between.
pub(super) fn read_all(
    reader: &ShardReader,
    shard: u32,
    mut from: u64,
    max_bytes: usize,
) -> (Vec<u64>, Vec<(u64, u64)>) {
    let (mut positions, mut lost) = (Vec::new(), Vec::new());
    loop {
        match reader.read(shard, from, usize::MAX, max_bytes) {
            Ok(records) if records.entries.is_empty() => return (positions, lost),
            Ok(records) => {
                for entry in &records.entries {
                    let body = String::from_utf8_lossy(&entry.body).into_owned();
                    assert!(body.starts_with(&format!("{shard}/{}/", entry.seq)), "{body} at {}", entry.seq);
                    positions.push(entry.seq);
                }
                assert_eq!(records.next, positions.last().expect("some") + 1);
                from = records.next;
            }
            Err(ShardReadError::Lost { from: lost_from, to }) => {
                assert!(lost_from == from && to > from, "{lost_from} to {to} at {from}");
                lost.push((lost_from, to));
                from = to;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

fn whole(reader: &ShardReader, shard: u32) -> Vec<u64> {
    let first = reader.first(shard).expect("known");
    let (positions, lost) = read_all(reader, shard, first, 1000);
    assert!(lost.is_empty(), "{lost:?}");
    positions
}

#[test]
fn records_are_read_back_from_any_position_over_segments_and_restarts() {
    let disk = disk(1);
    let (mut writer, _) = reopen(&disk);
    for round in 0..40 {
        append(&mut writer, 1, round * 3, 3, 1000 + round).expect("written");
        append(&mut writer, 2, 500 + round, 1, 1000 + round).expect("written");
    }
    let reader = writer.reader();
    assert!(reader.oldest_sealed().is_some(), "there are several segments");
    let check = |reader: &ShardReader| {
        assert_eq!(whole(reader, 1), (0..120).collect::<Vec<_>>());
        assert_eq!(whole(reader, 2), (500..540).collect::<Vec<_>>());
        for from in 0..=120 {
            assert_eq!(read_all(reader, 1, from, 1).0, (from..120).collect::<Vec<_>>());
        }
        assert!(matches!(reader.read(2, 10, usize::MAX, 1000), Err(ShardReadError::Trimmed { first: 500 })));
        assert_eq!(reader.read(9, 0, usize::MAX, 1000).expect("read").entries, []);
    };
    check(&reader);
    let (writer, recovered) = reopen(&disk.restart_process());
    assert_eq!((writer.next(1), writer.next(2), writer.next(9)), (Some(120), Some(540), None));
    assert_eq!(recovered, Recovered::default());
    check(&writer.reader());
}

#[test]
fn who_reads_on_in_a_segment_opens_no_other() {
    let disk = disk(1);
    let (mut writer, _) = reopen(&disk);
    for round in 0..1000 {
        append(&mut writer, 1, round, 1, 1000 + round).expect("written");
    }
    let reader = writer.reader();
    // Two readers far from each other, one record at a time.
    let far = |from: u64| [from, 700 - from];
    let read = |at: u64| reader.read(1, at, 1, usize::MAX).expect("read").entries[0].seq == at;
    let mut quiet = 0;
    for from in 0..300 {
        let before = disk.calls();
        assert!(far(from).into_iter().all(read));
        quiet += u64::from(disk.calls() == before);
    }
    assert!(quiet > 200, "{quiet} of 300 steps opened nothing");
}

#[test]
fn a_chunk_that_does_not_go_on_the_shard_is_refused() {
    let (mut writer, _) = reopen(&disk(1));
    append(&mut writer, 1, 0, 3, 1000).expect("written");
    assert!(append(&mut writer, 1, 2, 1, 1000).is_err());
    assert!(append(&mut writer, 1, 3, 0, 1000).is_err());
    append(&mut writer, 1, 3, 1, 1000).expect("written");
    assert_eq!(whole(&writer.reader(), 1), [0, 1, 2, 3]);
}

#[test]
fn what_is_older_than_the_retention_goes_by_whole_segments() {
    let disk = disk(1);
    let (mut writer, _) = reopen(&disk);
    for round in 0..60 {
        append(&mut writer, 1, round, 1, 1000 + 10 * round).expect("written");
        // A shard that ends early and one that begins late.
        if round < 5 {
            append(&mut writer, 2, round, 1, 1000 + 10 * round).expect("written");
        }
        if round >= 40 {
            append(&mut writer, 3, round, 1, 1000 + 10 * round).expect("written");
        }
    }
    let reader = writer.reader();
    assert_eq!((reader.first(2).expect("known"), reader.first(3).expect("known")), (0, 40));
    let files = disk.files().len();
    assert!(writer.trim(1300).expect("trimmed") >= 2);
    assert!(disk.files().len() < files);
    let first = reader.first(1).expect("known");
    assert!((10..=30).contains(&first), "{first}");
    assert_eq!(whole(&reader, 1), (first..60).collect::<Vec<_>>());
    assert!(matches!(reader.read(1, 0, usize::MAX, 100), Err(ShardReadError::Trimmed { first: at }) if at == first));
    assert_eq!(reader.first(2).expect("known"), 5, "an empty shard goes on where it ended");
    assert_eq!(writer.trim(1300).expect("trimmed"), 0);
    writer.forget(2);
    writer.seal().expect("sealed");
    let (writer, _) = reopen(&disk.restart_process());
    assert_eq!(whole(&writer.reader(), 1), (first..60).collect::<Vec<_>>());
    assert_eq!(whole(&writer.reader(), 3), (40..60).collect::<Vec<_>>());
}

#[test]
fn a_time_leads_to_the_first_record_that_is_not_older() {
    let (mut writer, _) = reopen(&disk(1));
    for round in 0..50 {
        append(&mut writer, 1, 2 * round, 2, 1000 + 10 * round).expect("written");
        append(&mut writer, 2, round, 1, 1000 + 10 * round).expect("written");
    }
    let reader = writer.reader();
    for time in 990..1501 {
        let wanted = 2 * (time.max(1000) - 1000_u64).div_ceil(10);
        let found = reader.seek(1, time).expect("found");
        assert!(found <= wanted && wanted - found <= 2, "{time}: {found} for {wanted}");
    }
    assert_eq!(reader.seek(9, 1200).expect("nothing"), 0);
}

/// Appends by a script until the disk fails; says how far each shard was synced.
fn script(writer: &mut ShardWriter, rounds: u64, synced: &mut BTreeMap<u32, u64>) -> std::io::Result<()> {
    let mut written = BTreeMap::new();
    for round in 0..rounds {
        for shard in [1, 2] {
            let first = writer.next(shard).unwrap_or(0);
            append(writer, shard, first, 1 + round % 4, 1000 + round)?;
            written.insert(shard, first + 1 + round % 4);
        }
        if round % 3 == 2 {
            writer.sync()?;
            synced.extend(written.clone());
        }
        if round % 11 == 10 {
            writer.seal()?;
        }
    }
    Ok(())
}

#[test]
fn a_power_cut_at_any_call_keeps_what_was_synced_and_a_sound_end() {
    let calls = {
        let disk = disk(0);
        let (mut writer, _) = reopen(&disk);
        script(&mut writer, 24, &mut BTreeMap::new()).expect("no fault");
        disk.calls()
    };
    assert!(calls > 90, "{calls} calls");
    for call in 0..calls + 1 {
        let mut disk = disk(call);
        let mut synced = BTreeMap::new();
        // Three lives, each cut a little later, so that starts are cut too.
        for life in 0..3 {
            let (writer, recovered) = reopen(&disk.fork());
            assert_eq!((recovered.lost, recovered.strangers), (vec![], vec![]), "call {call}, life {life}");
            for (shard, next) in &synced {
                let found = whole(&writer.reader(), *shard);
                assert_eq!(found, (0..writer.next(*shard).expect("known")).collect::<Vec<_>>(), "call {call}");
                assert!(found.len() as u64 >= *next, "call {call}, life {life}: {} of {next}", found.len());
            }
            disk.fault_at(disk.calls() + call / (life + 1), Fault::Crash);
            let host = Arc::new(disk.clone());
            if let Ok((mut writer, _)) = open(host, Path::new(DATA), OWNER, RULE, entropy(call + life)) {
                let _cut = script(&mut writer, 24, &mut synced);
            }
            disk = disk.reboot();
        }
        let (writer, recovered) = reopen(&disk);
        assert_eq!((recovered.lost, recovered.strangers), (vec![], vec![]), "call {call}");
        for (shard, next) in &synced {
            assert!(whole(&writer.reader(), *shard).len() as u64 >= *next, "call {call}");
        }
    }
}

/// Damage is to what the device has.
pub(super) fn on_device(disk: &SimDisk, path: &Path) {
    disk.open(path).expect("there").sync().expect("synced");
}

/// Three sealed segments of two shards.
pub(super) fn sealed() -> (SimDisk, Vec<std::path::PathBuf>) {
    let disk = disk(5);
    let (mut writer, _) = reopen(&disk);
    for round in 0..9 {
        append(&mut writer, 1, 2 * round, 2, 1000 + round).expect("written");
        append(&mut writer, 2, round, 1, 1000 + round).expect("written");
        if round % 3 == 2 {
            writer.seal().expect("sealed");
        }
    }
    let files = disk.files();
    files.iter().for_each(|path| on_device(&disk, path));
    (disk, files)
}

#[test]
fn what_a_start_that_is_killed_found_unsynced_is_synced_by_the_next_one() {
    for call in 1..20 {
        let disk = disk(call);
        let (mut writer, _) = reopen(&disk);
        append(&mut writer, 1, 0, 3, 1000).expect("written");
        // Killed before the sync, and again while the end is put right: what was written is in the page cache.
        let disk = disk.restart_process();
        disk.fault_at(call, Fault::Crash);
        let _killed = open(Arc::new(disk.clone()), Path::new(DATA), OWNER, RULE, entropy(call));
        let disk = disk.restart_process();
        let (writer, _) = reopen(&disk);
        assert_eq!(writer.next(1), Some(3), "call {call}");
        let (writer, recovered) = reopen(&disk.reboot());
        assert_eq!((writer.next(1), recovered.lost), (Some(3), vec![]), "call {call}");
    }
}

#[test]
fn any_damaged_byte_loses_at_most_what_is_reported() {
    let (disk, files) = sealed();
    for (file, path) in files.iter().enumerate() {
        for at in 0..disk.contents(path).expect("there").len() {
            let damaged = disk.fork();
            damaged.damage(path, |bytes| bytes[at] ^= 0x55);
            let (writer, recovered) = reopen(&damaged);
            let reader = writer.reader();
            for (shard, len) in [(1, 18), (2, 9)] {
                let (found, lost) = read_all(&reader, shard, 0, 500);
                let missing: Vec<u64> = (0..len).filter(|position| !found.contains(position)).collect();
                let is_told = |position: &u64| lost.iter().any(|(from, to)| (from..to).contains(&position));
                let is_at_end = !recovered.lost.is_empty() && file == files.len() - 1;
                assert!(
                    missing.iter().all(|position| is_told(position) || is_at_end),
                    "byte {at} of {path:?}: {missing:?}"
                );
                assert!(missing.len() <= 2, "byte {at} of {path:?}: {missing:?}");
            }
        }
    }
}

#[test]
fn a_file_cut_anywhere_or_missing_loses_only_its_own_records() {
    let (disk, files) = sealed();
    let path = &files[1];
    let len = disk.contents(path).expect("there").len();
    for keep in (0..len).rev() {
        let damaged = disk.fork();
        damaged.damage(path, |bytes| bytes.truncate(keep));
        let (writer, _) = reopen(&damaged);
        let (found, lost) = read_all(&writer.reader(), 1, 0, 500);
        let missing: Vec<u64> = (0..18).filter(|position| !found.contains(position)).collect();
        assert!(missing.iter().all(|position| (6..12).contains(position)), "{keep} bytes: {missing:?}");
        let told: Vec<u64> = lost.iter().flat_map(|(from, to)| *from..*to).collect();
        assert_eq!(missing, told, "{keep} bytes");
    }
    let damaged = disk.fork();
    damaged.unlink(path).expect("gone");
    let (writer, _) = reopen(&damaged);
    let (found, lost) = read_all(&writer.reader(), 1, 0, 500);
    assert_eq!((found.len(), lost), (12, vec![(6, 12)]));
    assert_eq!(writer.next(1), Some(18));
}

#[test]
fn damage_to_synced_chunks_at_the_end_is_reported_and_torn_ones_are_not() {
    let start = || {
        let disk = disk(3);
        let (mut writer, _) = reopen(&disk);
        for position in 0..3 {
            append(&mut writer, 1, position, 1, 1000).expect("written");
            writer.sync().expect("synced");
        }
        append(&mut writer, 1, 3, 1, 1000).expect("written");
        let path = disk.files().pop().expect("a segment");
        on_device(&disk, &path);
        (disk.restart_process(), path)
    };
    // The last chunk says that the third was synced.
    let (disk, path) = start();
    disk.damage(&path, |bytes| {
        let last = bytes.len() - 12;
        bytes[last] ^= 1;
    });
    let (writer, recovered) = reopen(&disk);
    assert_eq!((whole(&writer.reader(), 1), recovered.lost), (vec![0, 1, 2], vec![]));
    assert!(recovered.dropped_bytes > 0);

    let (disk, path) = start();
    let third = offsets(&disk, &path)[2];
    disk.damage(&path, |bytes| bytes[third + 8] ^= 1);
    let (writer, recovered) = reopen(&disk);
    assert_eq!(recovered.lost, [LostChunks { path, from: 3, to: 4 }]);
    assert_eq!(read_all(&writer.reader(), 1, 0, 500), (vec![0, 1, 3], vec![(2, 3)]));

    let (disk, path) = start();
    let third = offsets(&disk, &path)[2];
    disk.damage(&path, |bytes| bytes.truncate(third + 80));
    let (writer, recovered) = reopen(&disk);
    assert_eq!(whole(&writer.reader(), 1), [0, 1]);
    assert_eq!(recovered.lost, [], "nothing is left that says how far it was synced");
}

#[test]
fn a_hole_at_the_very_beginning_is_torn_and_no_beginning() {
    let disk = disk(4);
    let (mut writer, _) = reopen(&disk);
    for position in [0, 3] {
        append(&mut writer, 1, position, 3, 1000).expect("written");
    }
    let path = disk.files().pop().expect("a segment");
    on_device(&disk, &path);
    let disk = disk.restart_process();
    disk.damage(&path, |bytes| bytes[file::HEADER_BYTES] ^= 1);
    let (writer, recovered) = reopen(&disk);
    assert_eq!((writer.next(1), recovered.lost), (None, vec![]), "nothing was synced: the log has it");
}

/// What of `damaged/` a disk has.
fn kept(disk: &SimDisk) -> Vec<Bytes> {
    let files = disk.files().into_iter().filter(|path| path.starts_with("/data/damaged"));
    files.map(|path| disk.contents(&path).expect("there").into()).collect()
}

/// A whole segment of somebody else.
fn of(owner: Owner) -> Vec<u8> {
    let disk = disk(77);
    let io = Arc::new(disk.clone());
    let (mut writer, _) = open(io, Path::new(DATA), owner, RULE, entropy(7)).expect("opened");
    for position in 0..5 {
        append(&mut writer, 1, position, 1, 1000).expect("written");
    }
    writer.seal().expect("sealed");
    disk.contents(&disk.files()[0]).expect("there")
}

#[test]
fn a_newest_segment_of_another_owner_is_set_aside_whole_and_named() {
    let others = [
        (
            Owner { store_uuid: [8; 16], ..OWNER },
            "segment 1 of stream 0000000000000003 in partition 0 of another store",
        ),
        (Owner { stream: 4, ..OWNER }, "segment 1 of stream 0000000000000004 in partition 0 of this store"),
        (Owner { partition: PartitionId(2), ..OWNER }, "segment 1 of stream 0000000000000003 in partition 2 of this"),
    ];
    for (owner, what) in others {
        let (disk, files) = sealed();
        let bytes = of(owner);
        let path = file::path(Path::new(DIR), 4);
        disk.create(&path).and_then(|file| file.write_at(&bytes, 0)).expect("put there");
        let (mut writer, recovered) = reopen(&disk);
        let [stranger] = &recovered.strangers[..] else { panic!("{recovered:?}") };
        assert_eq!(stranger.path, path);
        assert!(stranger.to_string().contains(what), "{stranger}");
        assert_eq!(disk.contents(&stranger.kept).as_ref(), Some(&bytes), "{what}");
        assert_eq!(whole(&writer.reader(), 1), (0..18).collect::<Vec<_>>());
        append(&mut writer, 1, 18, 1, 2000).expect("goes on");
        let (writer, recovered) = reopen(&disk);
        assert_eq!((whole(&writer.reader(), 1).len(), recovered.strangers), (19, vec![]));
        assert_eq!(disk.files().len(), files.len() + 2);
    }
}

#[test]
fn a_newest_segment_that_is_not_readable_at_all_is_set_aside_and_an_empty_one_goes() {
    let (disk, _) = sealed();
    let path = file::path(Path::new(DIR), 4);
    for bytes in [vec![0x5a; 3000], vec![0x5a; 10], of(OWNER).iter().map(|byte| byte ^ 1).collect()] {
        let file = disk.create(&path).expect("created");
        file.write_at(&bytes, 0).expect("written");
        let (_, recovered) = reopen(&disk);
        assert_eq!(recovered.strangers.len(), 1, "{recovered:?}");
        assert_eq!(disk.contents(&recovered.strangers[0].kept), Some(bytes));
    }
    assert_eq!(kept(&disk).len(), 3, "none has taken the name of another");
    for bytes in [vec![], vec![0; 500]] {
        let file = disk.create(&path).expect("created");
        file.write_at(&bytes, 0).expect("written");
        assert_eq!(reopen(&disk).1.strangers, []);
        assert!(!disk.exists(&path).expect("asked"));
    }
    assert_eq!(kept(&disk).len(), 3);
}

#[test]
fn a_file_under_the_name_of_the_next_segment_is_never_written_over() {
    for bytes in [of(OWNER), of(Owner { stream: 4, ..OWNER }), b"a note".to_vec()] {
        let (disk, _) = sealed();
        let (mut writer, _) = reopen(&disk);
        let path = file::path(Path::new(DIR), 4);
        disk.create(&path).and_then(|file| file.write_at(&bytes, 0)).expect("put there");
        append(&mut writer, 1, 18, 1, 2000).expect("written");
        let strangers = writer.take_strangers();
        assert_eq!(strangers.len(), 1);
        assert_eq!((disk.contents(&strangers[0].kept), kept(&disk).len()), (Some(bytes), 1));
        assert_eq!(whole(&writer.reader(), 1), (0..19).collect::<Vec<_>>());
        assert_eq!(writer.take_strangers(), []);
    }
}

#[test]
fn a_segment_that_could_not_be_begun_is_begun_again_in_its_own_file() {
    let start = sealed().0;
    // Making the file, emptying it, its header, the chunk: each fails once.
    for call in 0..4 {
        let disk = start.fork();
        let (mut writer, _) = reopen(&disk);
        disk.fault_at(disk.calls() + call, Fault::NoSpace);
        assert!(append(&mut writer, 1, 18, 1, 2000).is_err(), "call {call}");
        append(&mut writer, 1, 18, 1, 2000).expect("written");
        assert_eq!((writer.take_strangers(), kept(&disk).len()), (vec![], 0), "call {call}");
        assert_eq!(whole(&writer.reader(), 1), (0..19).collect::<Vec<_>>(), "call {call}");
    }
}

#[test]
fn what_is_no_segment_of_the_stream_is_not_unlinked_by_age() {
    let (disk, files) = sealed();
    let bytes = of(Owner { stream: 4, ..OWNER });
    disk.damage(&files[1], |damaged| damaged.clone_from(&bytes));
    let (mut writer, _) = reopen(&disk);
    assert_eq!(writer.trim(5000).expect("trimmed"), 3);
    let strangers = writer.take_strangers();
    assert_eq!((strangers.len(), &strangers[0].path), (1, &files[1]));
    assert_eq!(disk.contents(&strangers[0].kept), Some(bytes));
    assert_eq!(disk.files(), [strangers[0].kept.clone()]);
}

/// Where the chunks of a file begin.
fn offsets(disk: &SimDisk, path: &Path) -> Vec<usize> {
    let bytes = disk.contents(path).expect("there");
    let mut offsets = vec![file::HEADER_BYTES];
    while let Some(header) = chunk::ChunkHeader::decode(&bytes[offsets[offsets.len() - 1]..]) {
        offsets.push(offsets[offsets.len() - 1] + header.len() as usize);
    }
    offsets
}

#[test]
fn random_use_reads_as_a_list_does() {
    for seed in 0..60 {
        let mut random = SmallRng::seed_from_u64(seed);
        let mut disk = disk(seed);
        let (mut writer, _) = reopen(&disk);
        let mut nexts = [0; 3];
        let mut time = 1000_u64;
        for _ in 0..120 {
            time += random.random_range(0..50);
            match random.random_range(0..20) {
                0 => writer.seal().expect("sealed"),
                1 => writer.sync().expect("synced"),
                2 => drop(writer.trim(time.saturating_sub(1500)).expect("trimmed")),
                3 => {
                    disk = disk.restart_process();
                    writer = reopen(&disk).0;
                }
                _ => {
                    let shard = random.random_range(0..3_u32);
                    let (next, count) = (&mut nexts[shard as usize], random.random_range(1..6));
                    append(&mut writer, shard, *next, count, time).expect("written");
                    *next += count;
                }
            }
            let shard = random.random_range(0..3_u32);
            let (reader, next) = (writer.reader(), nexts[shard as usize]);
            let first = reader.first(shard).expect("known");
            let from = random.random_range(first..=next);
            assert_eq!(read_all(&reader, shard, from, 200).0, (from..next).collect::<Vec<_>>(), "seed {seed}");
            assert!(reader.seek(shard, time).expect("found") >= first, "seed {seed}");
        }
    }
}
