//! Power cuts at random calls, several in a row, while clients and operators do everything that can be done.

use super::{
    keeping::{Taken, back_up, check_backups, verify_backups, verify_log},
    load::{ORDERED, Oracles, PLAIN, Producer, Site, check, circulate, produce, sweep, trade},
    machine::{Machine, TestClock},
    record_queue::{self, share},
    stream::{self, put_and_reshard},
};
use crate::{
    engine::client::Engine,
    storage::{index::memory::MemoryDisk, io::sim::Fault},
};
use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};
use std::{future::Future, ops::Range, sync::Mutex, time::Duration};
use tokio::task::JoinSet;

/// What once went wrong with moves took three hundred on average.
const SEEDS: u64 = 300;
const LIVES: usize = 4;
/// Trials wait for threads more than they work.
const AT_ONCE: usize = 4;

/// Says in which trial a panic came.
pub(super) struct Trial(pub(super) u64);

impl Drop for Trial {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("this was seed {0}; FOREBAY_CRASH_SEEDS={0}..{1} runs it alone", self.0, self.0 + 1);
        }
    }
}

/// What outlives the engines, besides the machine.
#[derive(Default)]
struct Told {
    oracles: Oracles,
    producer: Mutex<Producer>,
    taken: Mutex<Vec<Taken>>,
    records: Mutex<stream::Records>,
    fates: Mutex<record_queue::Fates>,
}

pub(super) async fn when(wanted: bool, work: impl Future<Output = Option<()>>) -> Option<()> {
    if wanted { work.await } else { None }
}

/// Backups at some moments of a life.
async fn keep(site: Site<'_>, told: &Told, mut random: SmallRng) -> Option<()> {
    let plain = site.queue(PLAIN).await?;
    for _ in 0..2 {
        for _ in 0..random.random_range(0..40) {
            site.unless_cut(site.engine.stats(&plain).await)?;
        }
        back_up(site, &told.taken, &told.records).await?;
        if random.random_bool(0.2) {
            verify_backups(site)?;
        }
    }
    Some(())
}

async fn live(machine: &Machine, engine: &Engine, told: &Told, random: &mut SmallRng) {
    let site = Site { machine, engine, oracles: &told.oracles };
    let rounds = random.random_range(1..25);
    let mut own = || SmallRng::seed_from_u64(random.random());
    let rngs: [SmallRng; 9] = std::array::from_fn(|_| own());
    let [one, other, ordered, swept, produced, moving, kept, streamed, shared] = rngs;
    let chances = [0.5, 0.4, 0.5, 0.7, 0.4, 0.3, 0.6, 0.6].map(|chance| random.random_bool(chance));
    let [more, sweeps, produces, moves, keeps, verifies, streams, shares] = chances;
    // Several at once, so that a partition finds commands on both sides of a checkpoint's freeze.
    tokio::join!(
        trade(site, PLAIN, one, rounds),
        when(more, trade(site, PLAIN, other, rounds)),
        trade(site, ORDERED, ordered, rounds),
        when(sweeps, sweep(site, swept, rounds)),
        when(produces, produce(site, &told.producer, produced, rounds)),
        when(moves, circulate(site, moving, 2 * rounds)),
        when(keeps, keep(site, told, kept)),
        when(verifies, verify_log(site)),
        when(streams, put_and_reshard(site, &told.records, streamed, 2 * rounds)),
        when(shares, share(site, &told.fates, shared, rounds)),
    );
}

async fn trial(seed: u64) {
    let _trial = Trial(seed);
    let mut random = SmallRng::seed_from_u64(seed);
    let index = MemoryDisk::rewritten_every(random.random_range(3..20));
    let mut machine = Machine::new(seed, TestClock::new(Duration::from_millis(1)), index);
    let told = Told::default();
    for _ in 0..LIVES {
        machine.disk.fault_at(random.random_range(5..600), Fault::Crash);
        machine.serves_at_once = random.random_bool(0.5);
        let engine = machine.start();
        if let Some(engine) = &engine {
            live(&machine, engine, &told, &mut random).await;
            if random.random_bool(0.1) {
                engine.close();
            }
        }
        if random.random_bool(0.2) {
            machine.kill(engine);
        } else {
            machine.cut_power(engine);
        }
        machine.harm_index(&mut random);
        if random.random_bool(0.1) {
            machine.harm_snapshot();
        }
    }
    let what = format!("seed {seed}");
    machine.serves_at_once = false;
    let engine = machine.start().expect("a sound disk opens");
    check(&machine, &engine, &told.oracles.copy().until(&told.oracles), &what).await;
    let site = Site { machine: &machine, engine: &engine, oracles: &told.oracles };
    record_queue::check(site, &told.fates, &what).await;
    let records = told.records.into_inner().expect("records");
    stream::check(&engine, &records, &what).await;
    machine.cut_power(Some(engine));
    let taken = told.taken.into_inner().expect("taken");
    let chosen = random.random_range(0..taken.len().max(1));
    check_backups(&mut machine, &taken, chosen, &records, &what).await;
}

/// `FOREBAY_CRASH_SEEDS`: how many, or from where to where.
fn seeds(usual: u64) -> Range<u64> {
    let Ok(wanted) = std::env::var("FOREBAY_CRASH_SEEDS") else { return 0..usual };
    let number = |text: &str| text.parse().expect("FOREBAY_CRASH_SEEDS is a number, or two with .. between them");
    wanted.split_once("..").map_or_else(|| 0..number(&wanted), |(from, to)| number(from)..number(to))
}

/// Tries so many seeds, or those that are asked for.
pub(super) async fn in_trials<T: Future<Output = ()> + Send + 'static>(usual: u64, trial: impl Fn(u64) -> T) {
    if std::env::var("RUST_LOG").is_ok() {
        let filter = tracing_subscriber::EnvFilter::from_default_env();
        // The other test may have been first.
        let _ = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).try_init();
    }
    let mut running = JoinSet::new();
    for seed in seeds(usual) {
        running.spawn(trial(seed));
        if running.len() >= AT_ONCE {
            running.join_next().await.expect("one runs").expect("a trial passes");
        }
        if seed > 0 && seed.is_multiple_of(1000) {
            eprintln!("seed {seed}");
        }
    }
    while let Some(done) = running.join_next().await {
        done.expect("a trial passes");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn power_cuts_at_any_call_lose_nothing_and_bring_nothing_back() {
    in_trials(SEEDS, trial).await;
}
