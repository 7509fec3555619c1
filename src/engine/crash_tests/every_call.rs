//! One script with rotations, checkpoints, the evacuation, new generations of the index and backups, and a power cut at
//! each of its calls.

use super::{
    keeping::{Taken, back_up, check_backups, verify_log},
    load::{ORDERED, Oracles, PLAIN, Site, check, circulate, pass_through, trade},
    machine::{DATA, Machine, TestClock},
    stream::Records,
};
use crate::storage::{
    index::memory::MemoryDisk,
    io::sim::{Fault, SimDisk},
};
use rand::{SeedableRng as _, rngs::SmallRng};
use std::{
    path::{Path, PathBuf},
    sync::Mutex,
    time::Duration,
};

/// Makes a checkpoint due.
pub(super) const CHECKPOINT_DUE: Duration = Duration::from_millis(2);

/// The first and the last segment of the log.
fn ends(disk: &SimDisk) -> (u64, u64) {
    let wal = Path::new(DATA).join("wal");
    let files = disk.files();
    let own = files.iter().filter(|path| path.parent() == Some(&wal));
    let seq = |path: &PathBuf| path.file_name()?.to_str()?.strip_suffix(".wal")?.parse().ok();
    let seqs: Vec<u64> = own.filter_map(seq).collect();
    (*seqs.iter().min().expect("a segment"), *seqs.iter().max().expect("a segment"))
}

/// Traffic until the segments of now are gone: the log went on, checkpoints came, and what lives moved up.
pub(super) async fn pass(site: Site<'_>) -> Option<()> {
    let disk = &site.machine.disk;
    // The last one may be empty yet.
    let last = ends(disk).1 - 1;
    for _ in 0..5_000 {
        site.machine.clock.advance(CHECKPOINT_DUE);
        if ends(disk).0 > last {
            return Some(());
        }
        // Once the log has gone on, little is enough to make checkpoints due, and they need their time.
        let has_gone_on = ends(disk).1 > last + 2;
        let size = if has_gone_on { 1 } else { 6000 };
        if has_gone_on {
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        pass_through(site, size).await?;
    }
    assert!(disk.has_crashed(), "the log's old end stays: {} of {last}", ends(disk).0);
    None
}

async fn some_of_everything(site: Site<'_>, seed: u64, rounds: usize) -> Option<()> {
    let random = || SmallRng::seed_from_u64(seed);
    trade(site, PLAIN, random(), rounds).await?;
    trade(site, ORDERED, random(), rounds).await?;
    circulate(site, random(), rounds).await
}

/// A store with messages, and an index that lacks a page: the next start makes a new generation of it.
async fn beginning() -> (Machine, Oracles) {
    // It stands still, so that checkpoints come where the script wants them.
    let clock = TestClock::new(Duration::ZERO);
    let mut machine = Machine::new(1, clock, MemoryDisk::rewritten_every(5));
    let oracles = Oracles::default();
    let engine = machine.start().expect("starts");
    let site = Site { machine: &machine, engine: &engine, oracles: &oracles };
    some_of_everything(site, 1, 8).await.expect("no power cut");
    engine.close();
    let (queue, page) = machine.index.pages()[0];
    assert!(machine.index.lose(queue, page));
    machine.kill(None);
    (machine, oracles)
}

async fn script(site: Site<'_>, taken: &Mutex<Vec<Taken>>) -> Option<()> {
    some_of_everything(site, 2, 2).await?;
    pass(site).await?;
    back_up(site, taken, &Mutex::default()).await?;
    some_of_everything(site, 3, 1).await?;
    pass(site).await?;
    verify_log(site).await?;
    back_up(site, taken, &Mutex::default()).await
}

/// Runs the script with a power cut at `call`, and looks at what is left; false when the script was over before.
async fn cut_at(call: u64, machine: &mut Machine, oracles: &Oracles) -> bool {
    let what = format!("call {call}");
    let taken = Mutex::default();
    machine.disk.fault_at(machine.disk.calls() + call, Fault::Crash);
    let engine = machine.start();
    if let Some(engine) = &engine {
        let site = Site { machine, engine, oracles };
        if script(site, &taken).await.is_some() {
            engine.close();
        }
    }
    let cut = machine.disk.has_crashed();
    machine.cut_power(engine);
    if call.is_multiple_of(3) {
        // A second one, in the recovery or soon after it.
        machine.disk.fault_at(call * 7 % 151, Fault::Crash);
        let engine = machine.start();
        if let Some(engine) = &engine {
            let site = Site { machine, engine, oracles };
            some_of_everything(site, call, 1).await;
        }
        machine.cut_power(engine);
    }
    let engine = machine.start().expect("a sound disk opens");
    check(machine, &engine, &oracles.copy().until(oracles), &what).await;
    machine.cut_power(Some(engine));
    let taken = taken.into_inner().expect("taken");
    if call.is_multiple_of(5) {
        check_backups(machine, &taken, call as usize / 5 % taken.len().max(1), &Records::default(), &what).await;
    }
    cut
}

/// Every second call, from the first or the second on.
async fn cut_at_every_second(first: u64) {
    let (machine, oracles) = beginning().await;
    let mut call = first;
    while cut_at(call, &mut machine.fork(), &oracles.copy()).await {
        call += 2;
    }
    assert!(call > 300, "the script has only {call} calls");
    eprintln!("{call} calls");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_power_cut_at_every_even_call_leaves_each_message_once() {
    cut_at_every_second(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_power_cut_at_every_odd_call_leaves_each_message_once() {
    cut_at_every_second(1).await;
}
