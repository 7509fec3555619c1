//! What operators are told of the files of shards: every lost record by its position, and nothing that is not lost.

use super::{
    tests::{DATA, OWNER, append, disk, on_device, read_all, record_of, reopen, sealed},
    *,
};
use crate::storage::{
    io::{Io as _, sim::SimDisk},
    log::entry,
};
use bytes::Bytes;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

fn survey(disk: &SimDisk) -> Vec<SegmentFacts> {
    stream(disk).survey(&at_once(), &mut |_, _| {}).expect("surveyed")
}

fn stream(disk: &SimDisk) -> StreamFiles<'_> {
    StreamFiles { io: disk, data_dir: Path::new(DATA), store_uuid: OWNER.store_uuid, stream: OWNER.stream }
}

fn at_once() -> crate::storage::log::Pace {
    Arc::new(|_| true)
}

/// Writes again what can be; the partition is known from the other segments.
fn mend(disk: &SimDisk) {
    for facts in survey(disk) {
        for damage in &facts.damage {
            if let DamageKind::Frame(part) = damage.kind {
                let (stream_id, offset) = (OWNER.stream, damage.offsets.start);
                let mend = Mend { stream: stream_id, number: facts.number, partition: OWNER.partition, part, offset };
                stream(disk).mend(&mend).expect("mended");
            }
        }
    }
}

/// The bytes between records, which nothing covers and nobody reads.
fn padding(bytes: &[u8]) -> BTreeSet<usize> {
    let mut padding = BTreeSet::new();
    for (offset, header) in chunk::all(bytes, None) {
        let (mut at, end) = (offset as usize + chunk::HEADER_BYTES, (offset + header.len()) as usize);
        while at < end {
            let behind = at + entry::length(&bytes[at..]).expect("sound");
            at = behind.next_multiple_of(8);
            padding.extend(behind..at);
        }
    }
    padding
}

fn damage(facts: &[SegmentFacts]) -> Vec<&Damage> {
    facts.iter().flat_map(|facts| &facts.damage).collect()
}

/// What the survey says is lost, by shard and position.
fn lost(facts: &[SegmentFacts]) -> BTreeSet<(u32, u64)> {
    let records = damage(facts).into_iter().flat_map(|damage| &damage.records);
    records.flat_map(|lost| (lost.first..=lost.last).map(|position| (lost.shard, position))).collect()
}

/// What a reader misses from where he says that the shards begin.
fn missed(disk: &SimDisk) -> BTreeSet<(u32, u64)> {
    let (writer, _) = reopen(&disk.fork());
    let reader = writer.reader();
    let of = |shard| {
        let first = reader.first(shard).expect("known");
        read_all(&reader, shard, first, 500).1.into_iter().flat_map(|(from, to)| from..to).map(move |at| (shard, at))
    };
    of(1).chain(of(2)).collect()
}

#[test]
fn sound_segments_have_no_damage_and_every_record_is_counted() {
    let (disk, files) = sealed();
    let facts = survey(&disk);
    assert_eq!(damage(&facts), Vec::<&Damage>::new());
    assert_eq!(facts.len(), files.len());
    assert!(facts.iter().all(|facts| facts.sealed && facts.partition == Some(OWNER.partition)));
    assert_eq!(facts.iter().map(|facts| facts.records).sum::<u64>(), 27);
    assert_eq!(facts.iter().map(|facts| facts.chunks).sum::<u64>(), 18);
}

/// What the survey says of a changed copy, which has to be what a reader misses. Repair leaves nothing that it can mend.
fn check(damaged: &SimDisk, what: &str) -> Vec<SegmentFacts> {
    let facts = survey(damaged);
    let missed = missed(damaged);
    assert_eq!(lost(&facts), missed, "{what}: {facts:?}");
    let before = damaged.files();
    mend(damaged);
    let after = survey(damaged);
    assert!(damage(&after).iter().all(|damage| !matches!(damage.kind, DamageKind::Frame(_))), "{what}: {after:?}");
    assert_eq!((lost(&after), self::missed(damaged)), (missed.clone(), missed), "{what}: {after:?}");
    assert_eq!(damaged.files(), before, "{what}");
    facts
}

/// Only this file is named, with the byte.
fn check_named(facts: &[SegmentFacts], number: u64, byte: usize, what: &str) {
    for facts in facts {
        let is_named = facts.damage.iter().any(|damage| damage.offsets.contains(&(byte as u64)));
        assert_eq!(is_named, facts.number == number, "{what}: {facts:?}");
        assert!(facts.number == number || facts.damage.is_empty(), "{what}: {facts:?}");
    }
}

#[test]
fn whatever_byte_is_damaged_the_survey_tells_what_a_reader_misses() {
    let (disk, files) = sealed();
    for (path, number) in files.iter().zip(1..) {
        let bytes = disk.contents(path).expect("there");
        let padding = padding(&bytes);
        for at in 0..bytes.len() {
            let what = format!("byte {at} of {path:?}");
            let damaged = disk.fork();
            damaged.damage(path, |bytes| bytes[at] ^= 0x55);
            let facts = check(&damaged, &what);
            match padding.contains(&at) {
                true => assert_eq!(damage(&facts), Vec::<&Damage>::new(), "{what}"),
                false => check_named(&facts, number, at, &what),
            }
        }
    }
}

#[test]
fn whatever_length_a_sealed_segment_has_the_survey_tells_what_a_reader_misses() {
    let (disk, files) = sealed();
    for (path, number) in files.iter().zip(1..) {
        let len = disk.contents(path).expect("there").len();
        for keep in 0..len {
            let what = format!("{path:?} cut to {keep}");
            let damaged = disk.fork();
            damaged.damage(path, |bytes| bytes.truncate(keep));
            let is_newest = number == 3;
            let facts = if is_newest { survey(&damaged) } else { check(&damaged, &what) };
            for facts in &facts {
                assert!(facts.number == number || facts.damage.is_empty(), "{what}: {facts:?}");
            }
            let is_whole_without_footer = facts[number as usize - 1].end == keep as u64 && lost(&facts).is_empty();
            let is_named = !facts[number as usize - 1].damage.is_empty();
            assert!(is_named || is_whole_without_footer, "{what}: {facts:?}");
        }
    }
}

#[test]
fn a_missing_or_swapped_file_is_named_with_the_records_that_stood_there() {
    let (disk, files) = sealed();
    let gone = disk.fork();
    gone.unlink(&files[1]).expect("gone");
    let facts = survey(&gone);
    assert_eq!((facts[1].number, facts[1].bytes, facts[1].damage[0].what.as_str()), (2, 0, "it is missing"));
    assert_eq!(lost(&facts), missed(&gone));
    assert_eq!(lost(&facts).len(), 9);

    let swapped = disk.fork();
    let other = disk.contents(&files[0]).expect("there").to_vec();
    swapped.damage(&files[1], |bytes| bytes.clone_from(&other));
    let facts = survey(&swapped);
    assert_eq!(facts[1].damage[0].kind, DamageKind::Foreign);
    assert_eq!(facts[1].damage[0].what, "it is segment 1 of stream 0000000000000003 in partition 0 of this store");
    assert_eq!(lost(&facts).len(), 9);
}

#[test]
fn what_was_not_synced_at_the_end_is_torn_and_not_lost() {
    let disk = disk(3);
    let (mut writer, _) = reopen(&disk);
    append(&mut writer, 1, 0, 2, 1000).expect("written");
    writer.sync().expect("synced");
    append(&mut writer, 1, 2, 1, 1000).expect("written");
    let path = disk.files().pop().expect("a segment");
    on_device(&disk, &path);
    let disk = disk.restart_process();
    assert_eq!(damage(&survey(&disk)), Vec::<&Damage>::new());
    disk.damage(&path, |bytes| bytes.truncate(bytes.len() - 9));
    let facts = survey(&disk);
    let [torn] = damage(&facts)[..] else { panic!("{facts:?}") };
    assert_eq!((torn.kind, torn.records.len()), (DamageKind::Torn, 0));
}

#[test]
fn synced_chunks_that_a_later_one_tells_of_are_lost_at_the_end_too() {
    let disk = disk(3);
    let (mut writer, _) = reopen(&disk);
    for position in 0..4 {
        append(&mut writer, 1, position, 1, 1000).expect("written");
        writer.sync().expect("synced");
    }
    let path = disk.files().pop().expect("a segment");
    on_device(&disk, &path);
    let disk = disk.restart_process();
    // The header of the third of four.
    let len = disk.contents(&path).expect("there").len();
    let chunk = (len - 72) / 4;
    disk.damage(&path, |bytes| bytes[72 + 2 * chunk + 9] ^= 1);
    let facts = survey(&disk);
    assert_eq!(lost(&facts), missed(&disk), "{facts:?}");
    assert!(!lost(&facts).is_empty());
}

#[test]
fn what_stands_around_records_is_written_again_as_it_was() {
    let (disk, files) = sealed();
    let before = disk.contents(&files[1]).expect("there");
    let chunk = chunk::all(&before, None).nth(2).expect("a chunk").0 as usize;
    for places in
        [vec![20], vec![chunk + 40], vec![before.len() - 3], vec![20, chunk + 40], vec![20, before.len() - 70]]
    {
        let disk = disk.fork();
        disk.damage(&files[1], |bytes| places.iter().for_each(|at| bytes[*at] ^= 1));
        let facts = survey(&disk);
        assert_eq!(damage(&facts).len(), places.len(), "{facts:?}");
        mend(&disk);
        assert_eq!(damage(&survey(&disk)), Vec::<&Damage>::new());
        let after = disk.contents(&files[1]).expect("there");
        // The footer does not know how far a chunk was synced, nor its newest record.
        let unknown = [chunk + 24..chunk + 32, chunk + 56..chunk + 64, chunk + 68..chunk + 72];
        let same = |at: &usize| before[*at] == after[*at] || unknown.iter().any(|range| range.contains(at));
        assert!(before.len() == after.len() && (0..before.len()).all(|at| same(&at)), "{places:?}");
    }
}

#[test]
fn records_come_with_their_place() {
    let (disk, files) = sealed();
    let mut found = Vec::new();
    stream(&disk).survey(&at_once(), &mut |number, record| found.push((number, record))).expect("surveyed");
    assert_eq!(found.len(), 27);
    for (number, record) in found {
        let path: &PathBuf = &files[number as usize - 1];
        let bytes = Bytes::from(disk.contents(path).expect("there"));
        assert_eq!(entry::open(&bytes.slice(record.offset as usize..)).expect("sound"), record.entry);
        assert_eq!(record.entry.target, u64::from(record.shard));
    }
}

#[test]
fn the_check_of_a_running_store_finds_every_damaged_byte_and_calls_nothing_damage_that_went_by_its_age() {
    let (disk, files) = sealed();
    let (mut writer, _) = reopen(&disk);
    let reader = writer.reader();
    let sizes: Vec<u64> = files.iter().map(|path| disk.contents(path).expect("there").len() as u64).collect();
    assert_eq!(reader.sealed_files(), [(1, sizes[0]), (2, sizes[1]), (3, sizes[2])]);
    assert_eq!(Path::new(DATA).join(reader.relative_path(2)), files[1]);
    assert_eq!(reader.check(2, &at_once()), Checked::Damage(vec![]));
    assert_eq!(reader.check(2, &(Arc::new(|_| false) as crate::storage::log::Pace)), Checked::Stopped);
    let bytes = disk.contents(&files[1]).expect("there");
    let padding = padding(&bytes);
    for at in (0..bytes.len()).filter(|at| !padding.contains(at)) {
        let flip = |bytes: &mut Vec<u8>| bytes[at] ^= 0x20;
        disk.damage(&files[1], flip);
        let Checked::Damage(damage) = reader.check(2, &at_once()) else { panic!("byte {at}") };
        assert!(damage.iter().any(|damage| damage.offsets.contains(&(at as u64))), "byte {at}: {damage:?}");
        disk.damage(&files[1], flip);
    }
    disk.damage(&files[0], |bytes| bytes[100] ^= 1);
    assert_eq!(writer.trim(1003).expect("trimmed"), 1);
    assert_eq!(reader.check(1, &at_once()), Checked::Gone);
    disk.unlink(&files[1]).expect("gone");
    let Checked::Damage(damage) = reader.check(2, &at_once()) else { panic!("it is missing") };
    assert!(damage[0].what.starts_with("it cannot be read"), "{damage:?}");
}

#[test]
fn a_record_inside_another_one_is_never_taken_for_one() {
    let disk = disk(9);
    let (mut writer, _) = reopen(&disk);
    // The body of the first has what looks like the second and the third.
    let inner = [record_of(1, 1, b"forged"), record_of(1, 2, b"forged")].concat();
    let entries = [record_of(1, 0, &inner), record_of(1, 1, b"1"), record_of(1, 2, b"2")];
    writer.append(&NewChunk { shard: 1, first: 0, first_ms: 1, last_ms: 1, entries: &entries }).expect("written");
    writer.seal().expect("sealed");
    let path = disk.files().pop().expect("a segment");
    on_device(&disk, &path);
    // Its len, its header's len, a byte of what is inside.
    for at in [0, 1, 12, 15, 40] {
        let disk = disk.fork();
        disk.damage(&path, |bytes| bytes[file::HEADER_BYTES + chunk::HEADER_BYTES + at] ^= 0x41);
        let (writer, _) = reopen(&disk);
        let reader = writer.reader();
        let lost = reader.read(1, 0, 9, 999).expect_err("damaged");
        assert!(matches!(lost, ShardReadError::Lost { from: 0, to: 1 }), "{at}: {lost}");
        let bodies: Vec<Bytes> =
            reader.read(1, 1, 9, 999).expect("read").entries.into_iter().map(|entry| entry.body).collect();
        assert_eq!(bodies, ["1", "2"], "{at}");
    }
}
