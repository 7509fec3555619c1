//! Scripts with rotations, checkpoints, the evacuation, new generations of the index and backups, and a power cut at each
//! of their calls: one for messages, one for the records of streams.

use super::{
    keeping::{Taken, back_up, check_backups, verify_log},
    load::{ORDERED, Oracles, PLAIN, Site, check, circulate, pass_through, trade},
    machine::{DATA, Machine, TestClock},
    record_queue::{self, Fates, share},
    stream::{self, Records, put_and_reshard},
};
use crate::{
    engine::client::Engine,
    storage::{
        index::memory::MemoryDisk,
        io::sim::{Fault, SimDisk},
    },
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

/// Records that are put while the shards change, and others that a queue over their stream gives out.
async fn records(site: Site<'_>, told: &Told, seed: u64, rounds: usize) -> Option<()> {
    let random = || SmallRng::seed_from_u64(seed);
    put_and_reshard(site, &told.records, random(), rounds).await?;
    share(site, &told.fates, random(), rounds).await
}

#[derive(Clone, Copy)]
enum Script {
    Messages,
    Records,
}

impl Script {
    async fn run(self, site: Site<'_>, told: &Told, taken: &Mutex<Vec<Taken>>) -> Option<()> {
        match self {
            Self::Messages => {
                some_of_everything(site, 2, 2).await?;
                pass(site).await?;
                back_up(site, taken, &told.records).await?;
                some_of_everything(site, 3, 1).await?;
                pass(site).await?;
                verify_log(site).await?;
                back_up(site, taken, &told.records).await
            }
            Self::Records => {
                records(site, told, 2, 4).await?;
                pass(site).await?;
                records(site, told, 3, 4).await?;
                back_up(site, taken, &told.records).await
            }
        }
    }

    /// What goes on after a power cut.
    async fn go_on(self, site: Site<'_>, told: &Told, seed: u64) -> Option<()> {
        match self {
            Self::Messages => some_of_everything(site, seed, 1).await,
            Self::Records => records(site, told, seed, 1).await,
        }
    }
}

/// What clients were told of the store.
#[derive(Default)]
struct Told {
    oracles: Oracles,
    records: Mutex<Records>,
    fates: Mutex<Fates>,
}

impl Told {
    fn copy(&self) -> Self {
        let records = self.records.lock().expect("records").clone();
        let fates = self.fates.lock().expect("fates").clone();
        Self { oracles: self.oracles.copy(), records: records.into(), fates: fates.into() }
    }

    async fn check(&self, machine: &Machine, engine: &Engine, what: &str) {
        check(machine, engine, &self.oracles.copy().until(&self.oracles), what).await;
        record_queue::check(Site { machine, engine, oracles: &self.oracles }, &self.fates, what).await;
        let records = self.records.lock().expect("records").clone();
        stream::check(engine, &records, what).await;
    }
}

/// A store with messages and records, and an index that lacks a page: the next start makes a new generation of it.
async fn beginning() -> (Machine, Told) {
    // It stands still, so that checkpoints come where the script wants them.
    let clock = TestClock::new(Duration::ZERO);
    let mut machine = Machine::new(1, clock, MemoryDisk::rewritten_every(5));
    let told = Told::default();
    let engine = machine.start().expect("starts");
    let site = Site { machine: &machine, engine: &engine, oracles: &told.oracles };
    some_of_everything(site, 1, 8).await.expect("no power cut");
    records(site, &told, 1, 8).await.expect("no power cut");
    engine.close();
    let (queue, page) = machine.index.pages()[0];
    assert!(machine.index.lose(queue, page));
    machine.kill(None);
    (machine, told)
}

/// Runs the script with a power cut at `call`, and looks at what is left; false when the script was over before.
async fn cut_at(script: Script, call: u64, machine: &mut Machine, told: &Told) -> bool {
    let what = format!("call {call}");
    let taken = Mutex::default();
    machine.disk.fault_at(machine.disk.calls() + call, Fault::Crash);
    let engine = machine.start();
    if let Some(engine) = &engine {
        let site = Site { machine, engine, oracles: &told.oracles };
        if script.run(site, told, &taken).await.is_some() {
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
            let site = Site { machine, engine, oracles: &told.oracles };
            script.go_on(site, told, call).await;
        }
        machine.cut_power(engine);
    }
    let engine = machine.start().expect("a sound disk opens");
    told.check(machine, &engine, &what).await;
    machine.cut_power(Some(engine));
    let taken = taken.into_inner().expect("taken");
    if call.is_multiple_of(5) {
        let records = told.records.lock().expect("records").clone();
        check_backups(machine, &taken, call as usize / 5 % taken.len().max(1), &records, &what).await;
    }
    cut
}

/// Every second call, from the first or the second on.
async fn cut_at_every_second(script: Script, first: u64) {
    let (machine, told) = beginning().await;
    let mut call = first;
    while cut_at(script, call, &mut machine.fork(), &told.copy()).await {
        call += 2;
    }
    assert!(call > 300, "the script has only {call} calls");
    eprintln!("{call} calls");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_power_cut_at_every_even_call_leaves_each_message_once() {
    cut_at_every_second(Script::Messages, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_power_cut_at_every_odd_call_leaves_each_message_once() {
    cut_at_every_second(Script::Messages, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_power_cut_at_every_even_call_leaves_each_record_once() {
    cut_at_every_second(Script::Records, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_power_cut_at_every_odd_call_leaves_each_record_once() {
    cut_at_every_second(Script::Records, 1).await;
}
