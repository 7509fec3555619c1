//! Power cuts at every IO call, in normal work, in recovery and again in the recovery after that.

use super::{
    support::{DIR, append, open_sim, open_sim_from},
    world::World,
};
use crate::{
    base::id::{Lsn, PartitionId},
    storage::{
        io::{
            Io as _,
            sim::{Fault, SimDisk},
        },
        log::{LogOptions, LogStore as _, ReplayFrom, segment::segment_path},
    },
};
use std::path::Path;

const OPERATIONS: usize = 25;

/// One life of a scripted log that loses power at `call`; false when it ended before that.
fn crash_at(world: &mut World, call: u64) -> bool {
    world.disk.fault_at(call, Fault::Crash);
    if let Ok(session) = world.open()
        && let Some(session) = world.run(session, OPERATIONS)
    {
        world.close(session);
    }
    world.disk.has_crashed()
}

#[test]
fn a_power_cut_at_any_call_loses_nothing_that_was_promised() {
    let mut call = 0;
    loop {
        let mut world = World::new(42);
        world.use_checkpoint = call % 2 == 0;
        if !crash_at(&mut world, call) {
            break;
        }
        world.reboot();
        let session = world.recover_through(&[call * 7 % 61, call * 13 % 53]);
        drop(world.run(session, 3));
        call += 1;
    }
    assert!(call > 150, "the script has only {call} calls");
}

#[test]
fn a_kill_at_any_call_and_a_power_cut_soon_after_lose_nothing() {
    let mut call = 0;
    loop {
        let mut world = World::new(23);
        if !crash_at(&mut world, call) {
            break;
        }
        // What the killed process wrote and did not sync is in the cache, counts, and must not go with the power.
        world.restart_process();
        let session = world.open().unwrap();
        drop(world.run(session, call as usize % 3));
        world.reboot();
        drop(world.open().unwrap());
        call += 1;
    }
    assert!(call > 100, "the script has only {call} calls");
}

#[test]
fn a_power_cut_at_any_call_of_a_recovery_changes_nothing() {
    for first in [47, 61, 78, 102] {
        let mut call = 0;
        loop {
            let mut world = World::new(7);
            assert!(crash_at(&mut world, first));
            world.reboot();
            world.disk.fault_at(call, Fault::Crash);
            let opened = world.open();
            let crashed = world.disk.has_crashed();
            drop(opened);
            world.reboot();
            drop(world.open().unwrap());
            if !crashed {
                break;
            }
            call += 1;
        }
        assert!(call > 15, "the recovery after call {first} has only {call} calls");
    }
}

#[test]
fn random_lives_with_crashes_kills_and_clean_ends_keep_every_promise() {
    for seed in 0..120_u64 {
        let outcome = std::panic::catch_unwind(|| live(seed));
        assert!(outcome.is_ok(), "seed {seed}");
    }
}

fn live(seed: u64) {
    let mut world = World::new(seed);
    for life in 0..6 {
        let dice = seed * 31 + life * 17;
        world.use_checkpoint = !dice.is_multiple_of(3);
        match dice % 4 {
            0 => {
                let session = world.open().unwrap();
                let session = world.run(session, OPERATIONS).unwrap();
                world.close(session);
                world.restart_process();
            }
            1 => {
                // A kill: the page cache survives, and may be lost by the power cut of the next life.
                let session = world.open().unwrap();
                drop(world.run(session, OPERATIONS));
                world.restart_process();
            }
            _ => {
                crash_at(&mut world, dice * 5 % 140);
                world.reboot();
                drop(world.recover_through(&[dice % 29, dice % 37]));
                world.reboot();
            }
        }
    }
    world.use_checkpoint = seed.is_multiple_of(2);
    drop(world.open().unwrap());
}

/// What each of some lives with power cuts did to its disk: how many calls, and a digest of all of them.
fn histories(seed: u64) -> Vec<(u64, u64)> {
    let mut world = World::new(seed);
    let mut lives = Vec::new();
    for call in [90, 130, 70, u64::MAX] {
        crash_at(&mut world, call);
        lives.push((world.disk.calls(), world.disk.history()));
        world.reboot();
    }
    lives
}

#[test]
fn the_same_seed_makes_the_same_calls_through_every_power_cut() {
    assert_eq!(histories(5), histories(5));
    for (one, other) in histories(5).into_iter().zip(histories(6)) {
        assert_ne!(one.1, other.1);
    }
}

#[test]
fn after_a_failed_sync_nothing_is_acknowledged_and_the_restart_is_correct() {
    let mut sync = 0;
    loop {
        let mut world = World::new(11);
        world.disk.fault_at_sync(sync, Fault::Eio);
        if let Ok(session) = world.open() {
            world.run_until_failure(session, OPERATIONS);
        }
        if world.disk.syncs() <= sync {
            break;
        }
        if sync % 2 == 0 {
            world.reboot()
        } else {
            world.restart_process()
        }
        drop(world.open().unwrap());
        sync += 1;
    }
    assert!(sync > 40, "the script has only {sync} syncs");
}

#[test]
fn a_segment_that_the_checkpoint_names_and_covers_may_be_gone() {
    const P: PartitionId = PartitionId(1);
    let disk = SimDisk::new(1);
    let options = LogOptions { segment_bytes: 64 << 10, ..LogOptions::small() };
    let opened = open_sim(&disk, &options).unwrap();
    let mut writer = opened.log.acquire(P).unwrap();
    // A checkpoint notes where the log is, and the log goes on before it looks at the partitions.
    let position = opened.log.position();
    let mut newest = Lsn(0);
    while opened.log.position().segment == position.segment {
        newest = append(&opened.log, &mut *writer, 9000).unwrap().lsn;
    }
    writer.trim(newest);
    assert!(!disk.exists(&segment_path(Path::new(DIR), position.segment)).unwrap());
    drop((writer, opened));
    let report = |lsn| {
        let from =
            ReplayFrom { segment: Some(position.segment), lsns: [(P, lsn)].into(), durable_seq: position.durable_seq };
        open_sim_from(&disk.fork(), &options, &from).unwrap().report
    };
    let last_in_it = Lsn(newest.0 - 1);
    for covered in [newest, last_in_it] {
        assert!(!report(covered).degraded, "{:?}", report(covered));
    }
    let missed = report(Lsn(last_in_it.0 - 1));
    assert_eq!((missed.corrupt.len(), missed.corrupt[0].segment), (1, position.segment), "{missed:?}");
}
