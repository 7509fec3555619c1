//! A disk that fails: whoever waits hears of it, the process is told once, and nothing is promised afterwards.

use super::support::{DIR, FixedClock, STORE, append, frame};
use crate::{
    base::id::PartitionId,
    storage::{
        io::sim::{Fault, SimDisk},
        log::{AppendError, Drive, LocalLog, LogHost, LogOptions, LogStore as _, ReplayFrom},
    },
};
use std::{
    path::Path,
    sync::{Arc, mpsc},
};

const P: PartitionId = PartitionId(1);
const Q: PartitionId = PartitionId(2);

/// A log, and the channel that hears what the process would be ended for.
fn open(disk: &SimDisk, drive: Drive) -> (LocalLog, mpsc::Receiver<String>) {
    let (send, fatal) = mpsc::channel();
    let host = LogHost {
        io: Arc::new(disk.clone()),
        clock: Arc::new(FixedClock),
        entropy: Box::new(super::support::Counter),
        fatal: Box::new(move |why| send.send(why).unwrap()),
    };
    let options = LogOptions { drive, ..LogOptions::small() };
    let from = ReplayFrom::default();
    let (log, _) = LocalLog::open(host, Path::new(DIR), STORE, &options, &from, &mut |_| {}).unwrap();
    (log, fatal)
}

#[test]
fn every_append_of_the_block_and_all_later_ones_hear_of_a_failed_sync() {
    let disk = SimDisk::new(1);
    let (log, fatal) = open(&disk, Drive::Manual);
    let mut p = log.acquire(P).unwrap();
    let mut q = log.acquire(Q).unwrap();
    append(&log, &mut *p, 10).unwrap();
    disk.fault_at_sync(disk.syncs(), Fault::Eio);
    let (send, answers) = mpsc::channel();
    for writer in [&mut p, &mut q] {
        let (frame, _) = frame(&**writer, 10);
        let send = send.clone();
        writer.append(frame, Box::new(move |result| send.send(result).unwrap()));
    }
    assert!(!log.step());
    assert_eq!(answers.try_iter().filter(|answer| matches!(answer, Err(AppendError::Failed(_)))).count(), 2);
    assert_eq!(fatal.try_iter().count(), 1);
    let calls = disk.calls();
    assert!(matches!(append(&log, &mut *p, 10), Err(AppendError::Failed(_))));
    assert!(matches!(log.acquire(Q), Err(AppendError::Failed(_))));
    log.idle();
    assert!(matches!(log.close(), Err(AppendError::Failed(_))));
    assert_eq!(disk.calls(), calls, "a failed log touches the disk no more");
    assert_eq!(fatal.try_iter().count(), 0);
}

#[test]
fn a_failed_write_and_a_failed_heartbeat_end_the_log_as_well() {
    for heartbeat in [false, true] {
        let disk = SimDisk::new(1);
        let (log, fatal) = open(&disk, Drive::Manual);
        let mut writer = log.acquire(P).unwrap();
        disk.fault_at(disk.calls(), Fault::Eio);
        if heartbeat {
            log.idle();
        }
        assert!(matches!(append(&log, &mut *writer, 10), Err(AppendError::Failed(_))));
        assert_eq!(fatal.try_iter().count(), 1);
    }
}

#[test]
fn the_threads_end_and_nobody_waits_for_ever() {
    let disk = SimDisk::new(1);
    let (log, fatal) = open(&disk, Drive::Threads);
    let mut writer = log.acquire(P).unwrap();
    append(&log, &mut *writer, 10).unwrap();
    let next = disk.syncs();
    (next..next + 100).for_each(|sync| disk.fault_at_sync(sync, Fault::Eio));
    assert!(matches!(append(&log, &mut *writer, 10), Err(AppendError::Failed(_))));
    fatal.recv().expect("the process is told");
    assert!(matches!(log.close(), Err(AppendError::Failed(_))));
}

#[test]
fn a_log_on_threads_carries_many_segments_and_closes_cleanly() {
    let disk = SimDisk::new(1);
    let (log, fatal) = open(&disk, Drive::Threads);
    std::thread::scope(|scope| {
        for partition in 0..3 {
            let log = &log;
            scope.spawn(move || {
                let mut writer = log.acquire(PartitionId(partition)).unwrap();
                for _ in 0..40 {
                    append(log, &mut *writer, 20 << 10).unwrap();
                }
            });
        }
    });
    assert!(log.segment_count() > 8);
    log.close().unwrap();
    drop(log);
    assert_eq!(fatal.try_iter().count(), 0);
    let again = super::support::open_sim(&disk.restart_process(), &LogOptions::small()).unwrap();
    assert!(again.report.clean_shutdown && !again.report.degraded);
    assert_eq!(again.frames.len(), 3 * 41);
}
