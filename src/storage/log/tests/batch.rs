//! Entries read as a batch: what each read alone gives, in the order of the places.

use super::support::{Opened, Place, body};
use crate::{
    base::{
        id::{Location, Lsn, PartitionId},
        time::Timestamp,
    },
    storage::log::{
        FrameBuilder, LogOptions, LogReader, LogStore as _, LogWriter, ReadError, StoredEntry, mem::MemLog,
    },
};

const P: PartitionId = PartitionId(3);
const Q: PartitionId = PartitionId(4);
const ENTRIES: u64 = 5;

/// A frame of several entries; their places.
fn fill(writer: &dyn LogWriter) -> (FrameBuilder, Vec<Location>) {
    let (partition, lsn) = (writer.partition(), writer.next_lsn());
    let mut frame = FrameBuilder::new(partition, writer.epoch(), lsn, Timestamp(1000 + lsn.0));
    let places = (0..ENTRIES).map(|seq| {
        let len = (lsn.0 * 131 + seq * 577) as usize % 3000;
        frame.push(1, lsn.0, seq, |header| header.extend_from_slice(b"er"), &body(partition, lsn, len))
    });
    let places = places.collect();
    (frame, places)
}

fn append(opened: &Opened, writer: &mut dyn LogWriter) -> Vec<Location> {
    let (frame, places) = fill(writer);
    writer.append(frame, Box::new(|result| assert!(result.is_ok())));
    while opened.log.step() {}
    places
}

fn batch(reader: &dyn LogReader, at: &[Location]) -> Vec<Result<StoredEntry, ReadError>> {
    let mut entries = Vec::new();
    reader.read_all(P, at, &mut |entry| entries.push(entry.map(|entry| entry.to_stored())));
    entries
}

fn hot_batch(reader: &dyn LogReader, at: &[Location]) -> Vec<Option<StoredEntry>> {
    let mut entries = vec![None; at.len()];
    let mut next = 0;
    reader.read_hot_all(P, at, &mut |index, entry| {
        assert!(index >= next, "in order");
        next = index + 1;
        entries[index] = Some(entry.to_stored());
    });
    entries
}

fn near_batch(reader: &dyn LogReader, at: &[Location]) -> Option<Vec<Result<StoredEntry, ReadError>>> {
    let mut entries = Vec::new();
    let was_near = reader.read_near_all(P, at, &mut |entry| entries.push(entry.map(|entry| entry.to_stored())));
    assert!(was_near || entries.is_empty());
    was_near.then_some(entries)
}

/// Orders in which places may be asked for: as they stand, backwards, and with their frames mixed.
fn orders(places: &[Location]) -> Vec<Vec<Location>> {
    let backwards = places.iter().rev().copied().collect();
    let mixed = (0..places.len()).map(|index| places[index * 7919 % places.len()]).collect();
    let sparse = places.iter().step_by(3).copied().collect();
    vec![places.to_vec(), backwards, mixed, sparse, Vec::new()]
}

fn assert_same(reader: &dyn LogReader, at: &[Location]) {
    let alone: Vec<_> = at.iter().map(|at| reader.read(P, *at)).collect();
    assert_eq!(batch(reader, at), alone);
    if let Some(near) = near_batch(reader, at) {
        assert_eq!(near, alone);
    }
    let alone: Vec<_> = at.iter().map(|at| reader.read_hot(P, *at)).collect();
    assert_eq!(hot_batch(reader, at), alone);
}

fn with_odd_places(places: &[Location]) -> Vec<Location> {
    let odd = |at: &Location| {
        let (offset, len) = (at.offset, at.len);
        [
            *at,
            Location { offset: offset + 8, ..*at },
            Location { len: 3, ..*at },
            Location { offset: u32::MAX, len: u32::MAX, ..*at },
            Location { lsn: Lsn(99_999), ..*at },
            Location { lsn: Lsn(0), offset, len },
        ]
    };
    places.iter().flat_map(odd).collect()
}

#[test]
fn a_batch_is_what_each_of_its_places_gives_alone() {
    for place in [Place::simulated(), Place::real()] {
        let opened = place.open(&LogOptions::small());
        let mut p = opened.log.acquire(P).unwrap();
        let mut q = opened.log.acquire(Q).unwrap();
        let mut places = Vec::new();
        for _ in 0..80 {
            places.extend(append(&opened, &mut *p));
            append(&opened, &mut *q);
        }
        assert!(opened.log.segment_count() > 4, "some of it is sealed");
        assert_batches(&*opened.log.reader(), &places);
        drop((p, q, opened));
        assert_batches(&*place.open(&LogOptions::small()).log.reader(), &places);
    }
}

fn assert_batches(reader: &dyn LogReader, places: &[Location]) {
    for at in orders(places) {
        let read = batch(reader, &at);
        let frames: Vec<_> = read.iter().map(|entry| entry.as_ref().unwrap().target).collect();
        assert_eq!(frames, at.iter().map(|at| at.lsn.0).collect::<Vec<_>>());
        assert_same(reader, &at);
    }
    assert_same(reader, &with_odd_places(places));
}

#[test]
fn only_what_is_open_and_in_memory_is_near() {
    for place in [Place::simulated(), Place::real()] {
        let options = LogOptions { open_segments_max: 2, ..LogOptions::small() };
        let opened = place.open(&options);
        let mut writer = opened.log.acquire(P).unwrap();
        let places: Vec<_> = (0..80).map(|_| append(&opened, &mut *writer)).collect();
        let reader = opened.log.reader();
        let (first, last) = (&places[0][..], &places[79][..]);
        assert_eq!(near_batch(&*reader, first), None, "not open yet");
        let read = batch(&*reader, first);
        assert_eq!(near_batch(&*reader, first), Some(read));
        assert_eq!(near_batch(&*reader, last), None, "the active segment has no map");
        assert_eq!(near_batch(&*reader, &[first, last].concat()), None);
        assert_eq!(near_batch(&*reader, &with_odd_places(first)), None);
        assert_eq!(near_batch(&*reader, &[]), None);
        for others in &places[20..60] {
            assert!(batch(&*reader, others).iter().all(Result::is_ok));
        }
        assert_eq!(near_batch(&*reader, first), None, "closed for those that were read since");
        let read = batch(&*reader, first);
        assert_eq!(near_batch(&*reader, first), Some(read), "open again");
        writer.trim(Lsn(60));
        while opened.log.step() {}
        assert_eq!(near_batch(&*reader, first), None, "gone");
    }
}

#[test]
fn a_batch_over_what_was_trimmed_says_so_place_by_place() {
    let place = Place::simulated();
    let opened = place.open(&LogOptions::small());
    let mut writer = opened.log.acquire(P).unwrap();
    let places: Vec<_> = (0..120).flat_map(|_| append(&opened, &mut *writer)).collect();
    writer.trim(Lsn(90));
    while opened.log.step() {}
    let reader = opened.log.reader();
    let read = batch(&*reader, &places);
    assert!(matches!(read.first(), Some(Err(ReadError::Trimmed { lsn: Lsn(2), .. }))), "{:?}", read.first());
    assert!(read.last().unwrap().is_ok());
    assert_same(&*reader, &places);
}

#[test]
fn the_log_in_memory_reads_batches_too() {
    let log = MemLog::default();
    let mut writer = log.acquire(P).unwrap();
    let mut places = Vec::new();
    for _ in 0..3 {
        let (frame, at) = fill(&*writer);
        writer.append(frame, Box::new(|result| assert!(result.is_ok())));
        places.extend(at);
    }
    for at in orders(&with_odd_places(&places)) {
        assert_same(&*log.reader(), &at);
    }
    assert!(batch(&*log.reader(), &places).iter().all(Result::is_ok));
}
