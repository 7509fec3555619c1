//! The segments of streams before the offline tools: what they find, what they keep, what they write again.

use super::{
    offline_tests::{Counting, Place},
    *,
};
use crate::{
    base::{
        id::{Epoch, Lsn, PartitionId},
        time::Timestamp,
    },
    storage::{
        io::SysIo,
        log::FrameBuilder,
        shard::{self, NewChunk, Owner, Part, SegmentRule},
    },
};
use bytes::Bytes;
use std::{fs, ops::ControlFlow, sync::Arc, time::Duration};

const STREAM: u64 = 0x2a;
const ROUNDS: u64 = 6;

fn name(number: u64) -> String {
    format!("shards/{STREAM:016x}/{number:020}.seg")
}

fn text(shard: u32, index: u64) -> String {
    format!("<shard {shard} record {index:03}>").repeat(4)
}

fn record(shard: u32, index: u64) -> Bytes {
    let mut frame = FrameBuilder::new(PartitionId(1), Epoch(Lsn(1)), Lsn(2), Timestamp(0));
    let at = frame.push(30, STREAM, index, |header| header.extend_from_slice(b"header"), text(shard, index).as_bytes());
    Bytes::copy_from_slice(&frame.as_bytes()[at.offset as usize..(at.offset + at.len) as usize])
}

/// A store with a stream of two shards: three sealed segments, each with four records of either shard.
fn filled() -> Place {
    let place = Place::filled();
    let store_uuid = place.stopped().identity().uuid.into_bytes();
    let owner = Owner { store_uuid, stream: STREAM, partition: PartitionId(1) };
    let rule = SegmentRule { bytes: 1 << 20, age: Duration::from_secs(3600) };
    fs::create_dir(place.file("shards")).expect("made");
    let (mut writer, _) =
        shard::open(Arc::new(SysIo), place.path(), owner, rule, Box::new(Counting(3))).expect("opened");
    for round in 0..ROUNDS {
        for shard in [0, 1] {
            let first = round * 2;
            let entries = [record(shard, first), record(shard, first + 1)];
            let (first_ms, last_ms) = (1000 + round, 1000 + round);
            writer.append(&NewChunk { shard, first, first_ms, last_ms, entries: &entries }).expect("written");
        }
        if round % 2 == 1 {
            writer.seal().expect("sealed");
        }
    }
    place
}

fn find(place: &Place, number: u64, shard: u32, index: u64) -> usize {
    let wanted = text(shard, index).into_bytes();
    place.read(&name(number)).windows(wanted.len()).position(|window| window == wanted).expect("there")
}

fn dumped(place: &Place, filter: &RecordFilter, limit: usize) -> Vec<RecordRow> {
    let mut rows = Vec::new();
    let mut row = |row| {
        rows.push(row);
        if rows.len() == limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    place.stopped().dump_records(filter, &mut row, &mut |_| {}).expect("dumps");
    rows
}

fn indexes(place: &Place, shard: u32) -> Vec<u64> {
    let filter = RecordFilter { shard: Some(shard), ..RecordFilter::default() };
    dumped(place, &filter, usize::MAX).iter().map(|row| row.index).collect()
}

#[test]
fn sound_segments_are_counted_and_have_no_problems() {
    let place = filled();
    let mut last = Progress::default();
    let found = place.stopped().verify(&mut |progress| {
        assert!(progress.done_bytes >= last.done_bytes, "{progress:?} after {last:?}");
        last = progress;
    });
    let found = found.expect("verifies");
    assert_eq!((found.problems, found.stream_segments, found.stream_records), (vec![], 3, 24));
    assert!(last.total_bytes > 0 && last.done_bytes == last.total_bytes, "{last:?}");
    let inspection = place.stopped().inspect(&mut |_| {}).expect("inspects");
    let [stream] = &inspection.streams[..] else { panic!("{:?}", inspection.streams) };
    assert_eq!(stream.stream, STREAM);
    let facts: Vec<_> = stream.segments.iter().map(|facts| (facts.number, facts.sealed, facts.records)).collect();
    assert_eq!(facts, [(1, true, 8), (2, true, 8), (3, true, 8)]);
    assert_eq!(place.repair(), Repair::default());
}

#[test]
fn a_damaged_record_is_named_and_kept_and_no_other_byte_is_touched() {
    let place = filled();
    let offset = find(&place, 2, 1, 5);
    place.flip(&name(2), offset + 3);
    let damaged = place.read(&name(2));
    let found = place.verify();
    let [problem] = &found.problems[..] else { panic!("{found:?}") };
    assert_eq!((&problem.file, problem.acknowledged, problem.remedy), (&name(2), true, Remedy::KeepCopy));
    assert!(problem.offsets.contains(&(offset as u64 + 3)) && problem.offsets.end - problem.offsets.start < 200);
    let range = format!("{}..{}", problem.offsets.start, problem.offsets.end);
    assert_eq!(
        problem.to_string(),
        format!("{} bytes {range}, shard 1 records 5 to 5: records cannot be read", name(2))
    );
    let repair = place.repair();
    assert_eq!(place.read(&name(2)), damaged);
    let report = String::from_utf8(place.read(&repair.report.expect("a report"))).expect("text");
    assert_eq!(report, format!("{problem}\n"));
    let bytes = problem.offsets.start as usize..problem.offsets.end as usize;
    let kept = format!("damaged/{}-{}.bin", name(2).replace('/', "_"), bytes.start);
    assert_eq!(place.read(&kept), damaged[bytes.clone()]);
    assert_eq!(place.repair().actions, vec![], "it was kept before");
    assert_eq!(indexes(&place, 1), [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11]);
    assert_eq!(indexes(&place, 0), (0..12).collect::<Vec<_>>());
    // Other damage in the same place is kept beside.
    place.flip(&name(2), offset + 4);
    assert_eq!(place.repair().actions.len(), 1);
    assert_eq!(place.read(&kept), damaged[bytes]);
    assert_eq!(place.names("damaged", ".bin.2").len(), 1);
}

#[test]
fn header_chunk_and_footer_are_written_again_and_what_stood_there_is_kept() {
    for (part, at) in [(Part::Header, 30), (Part::Chunk, 72 + 10), (Part::Footer, usize::MAX)] {
        let place = filled();
        let sound = place.read(&name(2));
        place.flip(&name(2), at.min(sound.len() - 5));
        let damaged = place.read(&name(2));
        let found = place.verify();
        let [problem] = &found.problems[..] else { panic!("{found:?}") };
        let Remedy::Mend(mend) = problem.remedy else { panic!("{problem:?}") };
        assert_eq!((mend.part, mend.partition, mend.number), (part, PartitionId(1), 2));
        assert!(found.is_sound() && !problem.acknowledged);
        let repair = place.repair();
        assert_eq!((repair.actions.len(), repair.report), (1, None));
        assert_eq!(place.verify().problems, vec![]);
        assert_eq!(place.read(&name(2)).len(), sound.len());
        let kept = format!("damaged/{}-{}.bin", name(2).replace('/', "_"), problem.offsets.start);
        let bytes = problem.offsets.start as usize..problem.offsets.end as usize;
        assert_eq!(place.read(&kept), damaged[bytes]);
        assert_eq!([indexes(&place, 0), indexes(&place, 1)], [(0..12).collect::<Vec<_>>(), (0..12).collect()]);
    }
}

#[test]
fn a_segment_of_somebody_else_and_a_missing_one_are_named_with_the_records_that_are_gone() {
    let place = filled();
    let other = place.read(&name(1));
    fs::write(place.file(&name(2)), &other).expect("written");
    let found = place.verify();
    let [problem] = &found.problems[..] else { panic!("{found:?}") };
    assert_eq!((&problem.file, problem.acknowledged, problem.remedy), (&name(2), true, Remedy::SetAside));
    let lost: Vec<_> = problem.records.iter().map(|lost| (lost.shard, lost.first, lost.last)).collect();
    assert_eq!(lost, [(0, 4, 7), (1, 4, 7)]);
    let repair = place.repair();
    assert!(repair.report.is_some());
    assert_eq!(place.read(&format!("damaged/{}-0.bin", name(2).replace('/', "_"))), other);
    let found = place.verify();
    let [problem] = &found.problems[..] else { panic!("{found:?}") };
    assert_eq!((problem.what.as_str(), problem.records.len()), ("it is missing", 2));
}

#[test]
fn a_dump_shows_the_records_that_the_filter_accepts_and_ends_when_told() {
    let place = filled();
    assert_eq!(dumped(&place, &RecordFilter::default(), usize::MAX).len(), 24);
    assert_eq!(dumped(&place, &RecordFilter::default(), 5).len(), 5);
    let filter = RecordFilter { stream: Some(STREAM), shard: Some(1), first: Some(3), last: Some(4) };
    let rows = dumped(&place, &filter, usize::MAX);
    let found: Vec<_> = rows.iter().map(|row| (row.segment, row.shard, row.index, row.kind)).collect();
    assert_eq!(found, [(1, 1, 3, 30), (2, 1, 4, 30)]);
    assert_eq!((&rows[0].header[..], &rows[0].body[..]), (&b"header"[..], text(1, 3).as_bytes()));
    assert_eq!(rows[0].body, place.read(&name(1))[find(&place, 1, 1, 3)..][..rows[0].body.len()]);
    let other = RecordFilter { stream: Some(7), ..RecordFilter::default() };
    assert_eq!(dumped(&place, &other, usize::MAX), []);
}

#[test]
fn a_header_is_not_written_again_when_no_segment_says_which_partition_it_had() {
    let place = filled();
    [1, 2, 3].into_iter().for_each(|number| place.flip(&name(number), 20));
    place.flip(&name(3), place.read(&name(3)).len() - 70);
    let before = [1, 2, 3].map(|number| place.read(&name(number)));
    let found = place.verify();
    let headers: Vec<_> = found.problems.iter().filter(|problem| problem.offsets.start == 0).collect();
    assert!(headers.len() == 3 && headers.iter().all(|problem| problem.remedy == Remedy::Nothing), "{found:?}");
    place.repair();
    assert_eq!([1, 2, 3].map(|number| place.read(&name(number))), before);
    let owner =
        Owner { store_uuid: place.stopped().identity().uuid.into_bytes(), stream: STREAM, partition: PartitionId(1) };
    let rule = SegmentRule { bytes: 1 << 20, age: Duration::from_secs(3600) };
    let (writer, recovered) =
        shard::open(Arc::new(SysIo), place.path(), owner, rule, Box::new(Counting(3))).expect("opened");
    assert_eq!((recovered.strangers, writer.next(0), writer.next(1)), (vec![], Some(12), Some(12)));
}
