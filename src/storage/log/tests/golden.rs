//! Files that were written from the tables of the format document, by another program: this log makes the same ones, and
//! opens them.

use super::{
    damage::path,
    support::{DIR, FixedClock, Opened},
};
use crate::{
    base::{
        entropy::Entropy,
        id::{Lsn, PartitionId},
        time::Timestamp,
    },
    storage::{
        io::{Io as _, sim::SimDisk},
        log::{FrameBuilder, LocalLog, LogHost, LogOptions, LogStore as _, LogWriter, ReplayFrom, segment::table_path},
    },
};
use std::{path::Path, sync::Arc};

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/wal-v1/", $name))
    };
}

const SEGMENT_1: &[u8] = fixture!("00000000000000000001.wal");
const SEGMENT_2: &[u8] = fixture!("00000000000000000002.wal");
const TABLE_1: &[u8] = fixture!("00000000000000000001.idx");
const DAMAGED_1: &[u8] = fixture!("damaged-1.wal");
const STORE: [u8; 16] = [0x11; 16];
const P: PartitionId = PartitionId(1);
const Q: PartitionId = PartitionId(2);

/// File ids 1111…, 2222…, and so on.
struct Repdigits(u8);

impl Entropy for Repdigits {
    fn fill(&mut self, bytes: &mut [u8]) {
        self.0 += 0x11;
        bytes.fill(self.0);
    }
}

fn open(disk: &SimDisk) -> Opened {
    let options = LogOptions { segment_bytes: 64 << 10, node_id: 1, ..LogOptions::small() };
    let host = LogHost {
        io: Arc::new(disk.clone()),
        clock: Arc::new(FixedClock),
        entropy: Box::new(Repdigits(0)),
        fatal: Box::new(|_| {}),
    };
    let mut frames = Vec::new();
    let from = ReplayFrom::default();
    let (log, report) =
        LocalLog::open(host, Path::new(DIR), STORE, &options, &from, &mut |frame| frames.push(frame)).unwrap();
    Opened { log, report, frames }
}

fn begin(writer: &dyn LogWriter, time: u64) -> FrameBuilder {
    FrameBuilder::new(writer.partition(), writer.epoch(), writer.next_lsn(), Timestamp(time))
}

fn submit(writer: &mut dyn LogWriter, frame: FrameBuilder) {
    writer.append(frame, Box::new(|result| assert!(result.is_ok())));
}

fn big() -> Vec<u8> {
    (0..20_000).map(|index| (index % 251) as u8).collect()
}

#[test]
fn the_same_appends_make_the_same_bytes_as_in_version_1() {
    let disk = SimDisk::new(1);
    let opened = open(&disk);
    let mut p = opened.log.acquire(P).unwrap();
    let mut q = opened.log.acquire(Q).unwrap();
    let mut frame = begin(&*p, 1002);
    frame.push(1, 7, 1, |header| header.extend_from_slice(b"head"), b"hello");
    submit(&mut *p, frame);
    opened.log.step();
    let mut frame = begin(&*q, 1000);
    frame.push(1, 9, 4, |_| {}, &[b'y'; 20_000]);
    submit(&mut *q, frame);
    opened.log.step();
    let mut frame = begin(&*p, 1003);
    frame.push(2, 7, 1, |_| {}, b"");
    frame.push(1, 7, 2, |header| header.extend_from_slice(b"h"), &[b'x'; 100]);
    submit(&mut *p, frame);
    let mut frame = begin(&*q, 1001);
    frame.push(3, 9, 5, |header| header.extend_from_slice(b"abc"), b"");
    submit(&mut *q, frame);
    opened.log.step();
    let mut frame = begin(&*p, 1004);
    frame.push(1, 7, 3, |header| header.extend_from_slice(b"big"), &big());
    submit(&mut *p, frame);
    opened.log.step();
    opened.log.idle();
    for (seq, golden) in [(1, SEGMENT_1), (2, SEGMENT_2)] {
        let made = disk.contents(&path(seq)).unwrap();
        assert_eq!(made.iter().zip(golden).position(|(made, golden)| made != golden), None, "segment {seq}");
    }
    assert_eq!(disk.contents(&table_path(Path::new(DIR), 1)).unwrap(), TABLE_1);
}

/// A disk with the two segments, the first as given.
fn disk_with(segment_1: &[u8]) -> SimDisk {
    let disk = SimDisk::new(1);
    disk.create_dir(Path::new("/data/wal/free")).unwrap();
    for (path, bytes) in [(path(1), segment_1), (path(2), SEGMENT_2)] {
        let file = disk.create(&path).unwrap();
        file.write_at(bytes, 0).unwrap();
        file.sync().unwrap();
    }
    disk
}

fn seen(opened: &Opened) -> Vec<(u32, u64, usize)> {
    opened.frames.iter().map(|frame| (frame.partition().0, frame.lsn().0, frame.entries().count())).collect()
}

#[test]
fn a_log_of_version_1_opens() {
    let opened = open(&disk_with(SEGMENT_1));
    assert!(!opened.report.degraded && !opened.report.clean_shutdown);
    assert_eq!(seen(&opened), [(1, 1, 0), (2, 1, 0), (1, 2, 1), (2, 2, 1), (1, 3, 2), (2, 3, 1), (1, 4, 1)]);
    let (at, entry) = opened.frames[6].entries().next().unwrap();
    assert_eq!((entry.kind, entry.target, entry.seq), (1, 7, 3));
    assert_eq!(entry.header, "big");
    assert_eq!(entry.body, big());
    assert_eq!(opened.log.reader().read(P, at), Ok(entry));
    assert_eq!(opened.log.acquire(P).unwrap().epoch().0, Lsn(5));
}

#[test]
fn a_damaged_log_of_version_1_opens_and_says_what_is_lost() {
    let opened = open(&disk_with(DAMAGED_1));
    assert_eq!(seen(&opened), [(1, 1, 0), (2, 1, 0), (2, 2, 1), (1, 3, 2), (2, 3, 1), (1, 4, 1)]);
    let lost: Vec<String> = opened.report.corrupt.iter().map(ToString::to_string).collect();
    let expected = "segment 1 bytes 16384..20480 blocks 4..5, partition 1 frames 2 to 2: \
                    a block's body does not match its CRC";
    assert_eq!(lost, [expected]);
}

#[test]
fn the_examples_in_the_format_document_are_these_files() {
    let document = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/storage-format.md"));
    let mut examples = 0;
    for example in document.split("```hex WAL ").skip(1) {
        let (place, rest) = example.split_once('\n').unwrap();
        let (hex, _) = rest.split_once("```").unwrap();
        let at: usize = place.parse().unwrap();
        let bytes: Vec<u8> = hex.split_whitespace().map(|hex| u8::from_str_radix(hex, 16).unwrap()).collect();
        assert_eq!(bytes, SEGMENT_1[at..at + bytes.len()], "the example at {at}");
        examples += 1;
    }
    assert_eq!(examples, 3);
}
