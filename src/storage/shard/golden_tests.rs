//! Segments that were written from the tables of the format document, by another program: this writer makes the same
//! ones, and opens them.

use super::*;
use crate::{
    base::{
        entropy::Entropy,
        id::{Epoch, Lsn},
        time::Timestamp,
    },
    storage::{
        io::{Io as _, sim::SimDisk},
        log::FrameBuilder,
    },
};
use bytes::Bytes;
use std::{path::Path, sync::Arc};

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/shards-v1/", $name))
    };
}

const SEGMENT_1: &[u8] = fixture!("00000000000000000001.seg");
const SEGMENT_2: &[u8] = fixture!("00000000000000000002.seg");
const TORN_2: &[u8] = fixture!("torn-2.seg");
const RECOVERED_2: &[u8] = fixture!("recovered-2.seg");
const DATA: &str = "/data";
const OWNER: Owner = Owner { store_uuid: [0x11; 16], stream: 3, partition: PartitionId(1) };
const TIME: u64 = 1_700_000_000_000;

/// File ids 1111…, 2222…, and so on.
struct Repdigits(u8);

impl Entropy for Repdigits {
    fn fill(&mut self, bytes: &mut [u8]) {
        self.0 += 0x11;
        bytes.fill(self.0);
    }
}

fn start(disk: &SimDisk) -> (ShardWriter, Recovered) {
    let rule = SegmentRule { bytes: 1 << 20, age: Duration::from_secs(3600) };
    open(Arc::new(disk.clone()), Path::new(DATA), OWNER, rule, Box::new(Repdigits(0))).expect("opened")
}

fn path(number: u64) -> std::path::PathBuf {
    file::path(&stream_dir(Path::new(DATA), OWNER.stream), number)
}

/// A disk with the two segments, the second as given.
fn disk_with(segment_2: &[u8]) -> SimDisk {
    let disk = SimDisk::new(1);
    disk.create_dir(&stream_dir(Path::new(DATA), OWNER.stream)).expect("made");
    for (number, bytes) in [(1, SEGMENT_1), (2, segment_2)] {
        let file = disk.create(&path(number)).expect("created");
        file.write_at(bytes, 0).and_then(|()| file.sync()).expect("written");
    }
    disk
}

fn record(index: u64, header: &[u8], body: &[u8]) -> Bytes {
    let mut frame = FrameBuilder::new(OWNER.partition, Epoch(Lsn(1)), Lsn(2), Timestamp(0));
    let at = frame.push(30, OWNER.stream, index, |out| out.extend_from_slice(header), body);
    Bytes::copy_from_slice(&frame.as_bytes()[at.offset as usize..(at.offset + at.len) as usize])
}

fn bodies(reader: &ShardReader, shard: u32) -> Vec<(u64, Bytes, Bytes)> {
    let (mut found, mut from) = (Vec::new(), reader.first(shard).expect("known"));
    loop {
        let records = reader.read(shard, from, usize::MAX, usize::MAX).expect("read");
        if records.entries.is_empty() {
            return found;
        }
        from = records.next;
        found.extend(records.entries.into_iter().map(|entry| (entry.seq, entry.header, entry.body)));
    }
}

#[test]
fn the_same_records_make_the_same_bytes_as_in_version_1() {
    let disk = SimDisk::new(1);
    disk.create_dir(Path::new("/data/shards")).expect("made");
    let (mut writer, _) = start(&disk);
    let mut append = |shard, first, first_ms, last_ms, entries: &[Bytes]| {
        writer.append(&NewChunk { shard, first, first_ms, last_ms, entries }).expect("written");
        writer.sync().expect("synced");
        if shard == 5 {
            writer.seal().expect("sealed");
        }
    };
    append(0, 1, TIME, TIME + 1, &[record(1, b"head", b"hello"), record(2, b"", b"")]);
    append(5, 1, TIME + 2, TIME + 2, &[record(1, b"h", &[b'y'; 100])]);
    append(0, 3, TIME + 3, TIME + 3, &[record(3, b"head", b"again")]);
    append(0, 4, TIME + 4, TIME + 4, &[record(4, b"", &[b'x'; 50])]);
    assert_eq!(disk.contents(&path(1)).expect("there"), SEGMENT_1);
    assert_eq!(disk.contents(&path(2)).expect("there"), SEGMENT_2);
}

#[test]
fn segments_of_version_1_open_with_every_record() {
    let disk = disk_with(SEGMENT_2);
    let (writer, recovered) = start(&disk);
    assert_eq!(recovered, Recovered::default());
    assert_eq!((writer.next(0), writer.next(5), writer.next(1)), (Some(5), Some(2), None));
    let text = |index, header: &'static str, body: &str| (index, Bytes::from(header), Bytes::from(body.to_owned()));
    let reader = writer.reader();
    let first = [text(1, "head", "hello"), text(2, "", ""), text(3, "head", "again"), text(4, "", &"x".repeat(50))];
    assert_eq!(bodies(&reader, 0), first);
    assert_eq!(bodies(&reader, 5), [text(1, "h", &"y".repeat(100))]);
    assert_eq!(reader.seek(0, TIME + 3).expect("found"), 1, "the chunk before may have one as young");
}

#[test]
fn a_torn_segment_of_version_1_is_recovered_to_the_same_bytes() {
    let disk = disk_with(TORN_2);
    let (writer, recovered) = start(&disk);
    assert_eq!((recovered.lost, recovered.strangers), (vec![], vec![]));
    assert!(recovered.dropped_bytes > 0);
    assert_eq!(writer.next(0), Some(4));
    assert_eq!(disk.contents(&path(2)).expect("there"), RECOVERED_2);
}

#[test]
fn the_examples_in_the_format_document_are_these_files() {
    let document = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/storage-format.md"));
    let mut examples = 0;
    for example in document.split("```hex SHARD ").skip(1) {
        let (place, rest) = example.split_once('\n').expect("a line");
        let (hex, _) = rest.split_once("```").expect("it ends");
        let at: usize = place.parse().expect("a number");
        let bytes: Vec<u8> = hex.split_whitespace().map(|hex| u8::from_str_radix(hex, 16).expect("hex")).collect();
        assert_eq!(bytes, SEGMENT_1[at..at + bytes.len()], "the example at {at}");
        examples += 1;
    }
    assert_eq!(examples, 3);
}
