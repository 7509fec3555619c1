//! What the engine relies on, through the traits alone, on every log there is.

use super::support::{Place, frame};
use crate::{
    base::id::{Location, Lsn, PartitionId},
    storage::log::{AppendError, Drive, LogOptions, LogStore, LogWriter, ReadError, mem::MemLog},
};
use std::sync::mpsc;

const P: PartitionId = PartitionId(1);
const Q: PartitionId = PartitionId(2);

/// With threads, so that nobody has to step the log.
fn on_every_log(test: impl Fn(&dyn LogStore)) {
    let options = LogOptions { drive: Drive::Threads, ..LogOptions::small() };
    test(&MemLog::default());
    test(&Place::simulated().open(&options).log);
    test(&Place::real().open(&options).log);
}

fn append(writer: &mut dyn LogWriter, len: usize) -> Result<Location, AppendError> {
    let (frame, at) = frame(writer, len);
    let (send, receive) = mpsc::channel();
    writer.append(frame, Box::new(move |result| send.send(result).unwrap()));
    receive.recv().unwrap().map(|_| at)
}

#[test]
fn the_fence_has_the_epoch_and_frames_follow_it_densely() {
    on_every_log(|log| {
        let mut writer = log.acquire(P).unwrap();
        assert_eq!((writer.partition(), writer.epoch().0, writer.next_lsn()), (P, Lsn(1), Lsn(2)));
        for lsn in 2..6 {
            assert_eq!(append(&mut *writer, 100).unwrap().lsn, Lsn(lsn));
        }
        assert_eq!(log.acquire(P).unwrap().epoch().0, Lsn(6));
        assert_eq!(log.acquire(Q).unwrap().epoch().0, Lsn(1), "partitions do not share LSNs");
    });
}

#[test]
fn an_acknowledged_entry_is_read_hot_and_cold() {
    on_every_log(|log| {
        let mut writer = log.acquire(P).unwrap();
        let at = append(&mut *writer, 5000).unwrap();
        let reader = log.reader();
        let cold = reader.read(P, at).unwrap();
        assert_eq!(reader.read_hot(P, at), Some(cold.clone()));
        assert_eq!((cold.kind, cold.target, cold.body.len()), (2, 8, 5000));
    });
}

#[test]
fn places_where_nothing_stands_are_errors() {
    on_every_log(|log| {
        let mut writer = log.acquire(P).unwrap();
        let at = append(&mut *writer, 100).unwrap();
        let reader = log.reader();
        let ahead = Location { lsn: Lsn(99), ..at };
        assert_eq!(reader.read(P, ahead), Err(ReadError::Trimmed { partition: P, lsn: Lsn(99) }));
        assert!(matches!(reader.read(Q, at), Err(ReadError::Trimmed { .. })));
        for odd in [
            Location { offset: at.offset + 8, ..at },
            Location { offset: u32::MAX, ..at },
            Location { len: 3, ..at },
            Location { offset: u32::MAX, len: u32::MAX, ..at },
        ] {
            assert!(matches!(reader.read(P, odd), Err(ReadError::Corrupt { .. })), "{odd:?}");
        }
    });
}

#[test]
fn a_replaced_writer_is_fenced() {
    on_every_log(|log| {
        let mut old = log.acquire(P).unwrap();
        append(&mut *old, 10).unwrap();
        let mut new = log.acquire(P).unwrap();
        assert_eq!(append(&mut *old, 10), Err(AppendError::Fenced { found: Lsn(1), newer: Lsn(3) }));
        append(&mut *new, 10).unwrap();
    });
}

#[test]
fn partitions_append_from_their_own_threads() {
    on_every_log(|log| {
        std::thread::scope(|scope| {
            for partition in 0..4 {
                scope.spawn(move || {
                    let mut writer = log.acquire(PartitionId(partition)).unwrap();
                    let places: Vec<_> = (0..50).map(|_| append(&mut *writer, 2000).unwrap()).collect();
                    writer.trim(Lsn(10));
                    let reader = log.reader();
                    for at in places.iter().filter(|at| at.lsn >= Lsn(10)) {
                        assert_eq!(reader.read(PartitionId(partition), *at).unwrap().seq, at.lsn.0);
                    }
                });
            }
        });
    });
}

#[test]
fn an_empty_disk_has_room() {
    on_every_log(|log| {
        let space = log.space().unwrap();
        assert!(space.free <= space.total && space.total > 0);
        assert!(!log.must_refuse_growth());
        assert!(log.position().segment > 0);
    });
}
