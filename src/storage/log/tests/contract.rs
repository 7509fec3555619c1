//! What every log must do, on a simulated and on a real disk.

use super::support::{Opened, Place, append, body, frame};
use crate::{
    base::id::{Location, Lsn, PartitionId},
    storage::log::{AppendError, Drive, LogOptions, LogStore as _, ReadError},
};
use std::sync::mpsc;

const P: PartitionId = PartitionId(3);
const Q: PartitionId = PartitionId(4);

fn on_every_disk(test: impl Fn(&Place, &LogOptions)) {
    test(&Place::simulated(), &LogOptions::small());
    test(&Place::real(), &LogOptions::small());
    test(&Place::real(), &LogOptions { drive: Drive::Threads, ..LogOptions::small() });
}

fn assert_reads(opened: &Opened, partition: PartitionId, at: Location, len: usize) {
    let entry = opened.log.reader().read(partition, at).unwrap();
    assert_eq!((entry.kind, entry.target, entry.seq), (2, 8, at.lsn.0));
    assert_eq!(entry.header, "er");
    assert_eq!(entry.body, body(partition, at.lsn, len), "frame {}", at.lsn);
}

#[test]
fn a_fresh_log_is_empty_and_clean() {
    on_every_disk(|place, options| {
        let opened = place.open(options);
        assert!(opened.report.clean_shutdown && !opened.report.degraded);
        assert!(opened.frames.is_empty());
    });
}

#[test]
fn what_was_appended_is_read_back_hot_and_cold_and_after_a_restart() {
    on_every_disk(|place, options| {
        let mut places = Vec::new();
        let opened = place.open(options);
        let mut p = opened.log.acquire(P).unwrap();
        let mut q = opened.log.acquire(Q).unwrap();
        for round in 0..100 {
            let len = 1 + round * 97 % 9000;
            places.push((P, append(&opened.log, &mut *p, len).unwrap(), len));
            places.push((Q, append(&opened.log, &mut *q, len / 2).unwrap(), len / 2));
        }
        assert!(opened.log.segment_count() > 3, "the test is about rotation too");
        for (partition, at, len) in &places {
            assert_reads(&opened, *partition, *at, *len);
        }
        let (partition, at, _) = places.last().unwrap();
        assert!(opened.log.reader().read_hot(*partition, *at).is_some());
        assert!(opened.log.reader().read_hot(places[0].0, places[0].1).is_none(), "the hot tail is bounded");
        drop(opened);
        let opened = place.open(options);
        assert!(!opened.report.clean_shutdown && !opened.report.degraded);
        assert_eq!(opened.report.replayed_frames, 202);
        for (partition, at, len) in &places {
            assert_reads(&opened, *partition, *at, *len);
        }
    });
}

#[test]
fn replay_visits_frames_in_order_with_their_entries_and_places() {
    on_every_disk(|place, options| {
        let opened = place.open(options);
        let mut writer = opened.log.acquire(P).unwrap();
        let places: Vec<_> = (0..20).map(|_| append(&opened.log, &mut *writer, 300).unwrap()).collect();
        opened.log.close().unwrap();
        drop(opened);
        let opened = place.open(options);
        assert!(opened.report.clean_shutdown);
        let mut frames = opened.frames.iter();
        assert!(frames.next().unwrap().is_fence());
        for (frame, at) in frames.zip(&places) {
            assert_eq!((frame.partition(), frame.lsn(), frame.logical_time().0), (P, at.lsn, 1000 + at.lsn.0));
            let entries: Vec<_> = frame.entries().collect();
            assert_eq!(entries.len(), 2);
            assert_eq!(entries[1].0, *at);
            assert_eq!(entries[1].1.body, body(P, at.lsn, 300));
        }
        assert_eq!(opened.frames.len(), 21);
    });
}

#[test]
fn lsns_go_on_densely_and_the_epoch_is_the_fence() {
    on_every_disk(|place, options| {
        let opened = place.open(options);
        let mut writer = opened.log.acquire(P).unwrap();
        assert_eq!((writer.epoch().0, writer.next_lsn()), (Lsn(1), Lsn(2)));
        append(&opened.log, &mut *writer, 10).unwrap();
        drop((writer, opened));
        let opened = place.open(options);
        let writer = opened.log.acquire(P).unwrap();
        assert_eq!((writer.epoch().0, writer.next_lsn()), (Lsn(3), Lsn(4)));
    });
}

#[test]
fn a_writer_that_was_replaced_is_refused() {
    on_every_disk(|place, options| {
        let opened = place.open(options);
        let mut old = opened.log.acquire(P).unwrap();
        let mut new = opened.log.acquire(P).unwrap();
        let refused = append(&opened.log, &mut *old, 10);
        assert_eq!(refused, Err(AppendError::Fenced { found: Lsn(1), newer: Lsn(2) }));
        append(&opened.log, &mut *new, 10).unwrap();
    });
}

#[test]
fn logical_time_never_goes_back() {
    on_every_disk(|place, options| {
        let opened = place.open(options);
        let mut writer = opened.log.acquire(P).unwrap();
        append(&opened.log, &mut *writer, 10).unwrap();
        let (mut late, _) = frame(&*writer, 10);
        late.logical_time = crate::base::time::Timestamp(5);
        let (send, receive) = mpsc::channel();
        writer.append(late, Box::new(move |result| send.send(result).unwrap()));
        opened.log.step();
        receive.recv().unwrap().unwrap();
        assert_eq!(opened.log.heads()[&P].logical_time.0, 1002);
    });
}

#[test]
fn frames_of_several_partitions_share_one_block() {
    let place = Place::simulated();
    let opened = place.open(&LogOptions::small());
    let mut writers: Vec<_> = (0..8).map(|p| opened.log.acquire(PartitionId(p)).unwrap()).collect();
    let before = opened.log.block_count();
    for writer in &mut writers {
        let (frame, _) = frame(&**writer, 100);
        writer.append(frame, Box::new(|result| assert!(result.is_ok())));
    }
    assert!(opened.log.step());
    assert!(!opened.log.step());
    assert_eq!(opened.log.block_count() - before, 1);
}

#[test]
fn a_frame_that_no_segment_holds_is_refused_and_the_log_goes_on() {
    on_every_disk(|place, options| {
        let opened = place.open(options);
        let mut writer = opened.log.acquire(P).unwrap();
        assert!(matches!(append(&opened.log, &mut *writer, 300 << 10), Err(AppendError::TooLarge { .. })));
        let mut writer = opened.log.acquire(P).unwrap();
        let at = append(&opened.log, &mut *writer, 200 << 10).unwrap();
        assert_reads(&opened, P, at, 200 << 10);
    });
}

#[test]
fn a_closed_log_refuses_appends() {
    on_every_disk(|place, options| {
        let opened = place.open(options);
        let mut writer = opened.log.acquire(P).unwrap();
        opened.log.close().unwrap();
        assert_eq!(append(&opened.log, &mut *writer, 10), Err(AppendError::Closed));
        assert!(matches!(opened.log.acquire(Q), Err(AppendError::Closed)));
    });
}

#[test]
fn trimming_frees_the_oldest_segments_and_reading_them_says_so() {
    on_every_disk(|place, options| {
        let opened = place.open(options);
        let mut p = opened.log.acquire(P).unwrap();
        let mut q = opened.log.acquire(Q).unwrap();
        let first = append(&opened.log, &mut *q, 10).unwrap();
        let places: Vec<_> = (0..40).map(|_| append(&opened.log, &mut *p, 30 << 10).unwrap()).collect();
        let count = opened.log.segment_count();
        p.trim(places[30].lsn);
        opened.log.close().unwrap();
        assert_eq!(opened.log.segment_count(), count, "partition Q still needs the first segment");
        drop((p, q, opened));

        let opened = place.open(options);
        let mut p = opened.log.acquire(P).unwrap();
        let mut q = opened.log.acquire(Q).unwrap();
        let last = append(&opened.log, &mut *p, 10).unwrap();
        q.trim(first.lsn.next());
        p.trim(places[30].lsn);
        if options.drive == Drive::Threads {
            opened.log.close().unwrap();
        }
        assert!(opened.log.segment_count() < count);
        let gone = opened.log.reader().read(P, places[0]);
        assert_eq!(gone, Err(ReadError::Trimmed { partition: P, lsn: places[0].lsn }));
        assert_reads(&opened, P, places[30], 30 << 10);
        assert_reads(&opened, P, last, 10);
        drop((p, q, opened));
        let opened = place.open(options);
        assert!(!opened.report.degraded, "{:?}", opened.report);
        assert_reads(&opened, P, places[39], 30 << 10);
    });
}

#[test]
fn a_map_that_is_still_read_survives_trimming_and_reuse() {
    let place = Place::real();
    let options = LogOptions { hot_tail_bytes: 0, ..LogOptions::small() };
    let opened = place.open(&options);
    let mut writer = opened.log.acquire(P).unwrap();
    let first = append(&opened.log, &mut *writer, 30 << 10).unwrap();
    let mut last = first;
    for _ in 0..20 {
        last = append(&opened.log, &mut *writer, 30 << 10).unwrap();
    }
    let held = opened.log.reader().read(P, first).unwrap();
    writer.trim(last.lsn);
    for _ in 0..60 {
        last = append(&opened.log, &mut *writer, 30 << 10).unwrap();
        writer.trim(last.lsn);
    }
    assert!(opened.log.segment_count() <= 3);
    assert_eq!(held.body, body(P, first.lsn, 30 << 10));
}

#[test]
fn an_idle_log_writes_one_heartbeat_and_then_nothing() {
    let disk = crate::storage::io::sim::SimDisk::new(1);
    let opened = super::support::open_sim(&disk, &LogOptions::small()).unwrap();
    let mut writer = opened.log.acquire(P).unwrap();
    append(&opened.log, &mut *writer, 10).unwrap();
    let before = opened.log.position().durable_seq;
    opened.log.idle();
    assert_eq!(opened.log.position().durable_seq, before + 1);
    assert!(!opened.log.step());
}
