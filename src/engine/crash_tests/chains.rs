//! Lives in a row that set each other traps: pages of the index that are newer than the snapshot, and lost when the log has
//! let go what came before them; a snapshot that a start has to go back from; stores that were restored and go on.
//!
//! Nearly everything that is old is in the archive here, and most of what happens happens to that.

use super::{
    every_call::{CHECKPOINT_DUE, pass},
    keeping::{Taken, back_up, check_backups, go_back},
    load::{ORDERED, Oracles, PLAIN, Site, check, circulate, pass_through, trade, with_dead_letters},
    machine::{Machine, TestClock, present},
    random::{Trial, in_trials, when},
    stream::Records,
};
use crate::{
    engine::{
        message::{BrowseOptions, NewMessage, Outcome, ReceiveOptions, ReceivedMessage, SendBatch},
        options::EngineOptions,
    },
    storage::{checkpoint, index::memory::MemoryDisk, io::sim::Fault, snapshot, store::ARCHIVE_DIRECTORY},
};
use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};
use std::{sync::Mutex, time::Duration};
use tokio::task::JoinSet;

const SEEDS: u64 = 30;
const LIVES: usize = 8;
/// What comes later in the script is like what came before.
const SYNCS: u64 = 8;
/// Nothing becomes a dead letter by itself.
const RECEIVES: u32 = 100;

/// So much goes through that the log goes on and what is old is archived.
async fn push(site: Site<'_>, mut random: SmallRng, rounds: usize) -> Option<()> {
    for _ in 0..rounds {
        pass_through(site, random.random_range(1..6000)).await?;
        if random.random_bool(0.2) {
            // Time for a checkpoint.
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    Some(())
}

async fn live(site: Site<'_>, taken: &Mutex<Vec<Taken>>, random: &mut SmallRng, is_calm: bool) {
    let rounds = random.random_range(0..30);
    let chances = [0.7, 0.4, 0.5, 0.7, 0.2].map(|chance| random.random_bool(chance));
    let [plain, ordered, moves, pushes, keeps] = chances;
    let passing = if is_calm { 150 } else { 2 * rounds };
    let rngs: [SmallRng; 4] = std::array::from_fn(|_| SmallRng::seed_from_u64(random.random()));
    let [one, two, moving, pushed] = rngs;
    // There is no stream here.
    let no_records = Mutex::default();
    tokio::join!(
        when(plain, trade(site, PLAIN, one, rounds)),
        when(ordered, trade(site, ORDERED, two, rounds)),
        when(moves, circulate(site, moving, rounds)),
        when(is_calm || pushes, push(site, pushed, passing)),
        when(keeps, back_up(site, taken, &no_records)),
    );
}

/// Ends a life where something is durable that the rest does not know of yet, or anywhere.
fn aim(machine: &Machine, random: &mut SmallRng) {
    let syncs = random.random_range(1..12);
    match random.random_range(0..10) {
        0..4 => machine.index.cut_behind_sync(syncs, &machine.disk),
        4..6 => machine.disk.cut_behind_sync(&machine.data.join(ARCHIVE_DIRECTORY), syncs),
        6 => machine.disk.cut_behind_sync(&machine.data.join(snapshot::DIRECTORY), syncs),
        7 => machine.disk.cut_behind_sync(&machine.data.join(checkpoint::FILES[0]), syncs),
        _ => machine.disk.fault_at(machine.disk.calls() + random.random_range(5..1500), Fault::Crash),
    }
}

async fn trial(seed: u64) {
    let _trial = Trial(seed);
    let mut random = SmallRng::seed_from_u64(seed);
    let index = MemoryDisk::rewritten_every(random.random_range(5..50));
    let mut machine = Machine::new(seed, TestClock::new(Duration::from_millis(1)), index);
    let (oracles, mut taken) = (Oracles::default(), Mutex::<Vec<Taken>>::default());
    let what = format!("seed {seed}");
    // The more seldom they are, the more has happened since the last one.
    let checkpoint_interval = Duration::from_millis([2, 30, 300][random.random_range(0..3)]);
    for life in 0..LIVES {
        // Now and then the log goes on until nothing of what was before is left in it.
        let is_calm = random.random_bool(0.3);
        if !is_calm {
            aim(&machine, &mut random);
        }
        let options = EngineOptions { checkpoint_interval, ..machine.options() };
        machine.serves_at_once = random.random_bool(0.3);
        let engine = machine.start_with(&options);
        if let Some(engine) = &engine {
            live(Site { machine: &machine, engine, oracles: &oracles }, &taken, &mut random, is_calm).await;
            if random.random_bool(0.1) {
                engine.close();
            }
        }
        if random.random_bool(0.3) {
            machine.kill(engine);
        } else {
            machine.cut_power(engine);
        }
        if random.random_bool(if is_calm { 0.6 } else { 0.2 }) {
            machine.index.erase();
        } else {
            machine.harm_index(&mut random);
        }
        if random.random_bool(0.2) {
            machine.harm_snapshot();
        }
        machine.serves_at_once = false;
        let points = taken.get_mut().expect("taken");
        if !points.is_empty() && random.random_bool(0.2) {
            let wanted = &points[random.random_range(0..points.len())];
            let engine = go_back(&mut machine, wanted, format!("/again-{life}").into(), &what).await;
            oracles.start_over(&engine).await;
            machine.cut_power(Some(engine));
        }
    }
    let engine = machine.start().expect("a sound disk opens");
    check(&machine, &engine, &oracles.copy().until(&oracles), &what).await;
    machine.cut_power(Some(engine));
    let taken = taken.into_inner().expect("taken");
    let chosen = random.random_range(0..taken.len().max(1));
    check_backups(&mut machine, &taken, chosen, &Records::default(), &what).await;
}

/// Waits until the engine has nothing to do.
async fn quiet(machine: &Machine) {
    let mut before = u64::MAX;
    while before != machine.disk.calls() {
        before = machine.disk.calls();
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

/// Where the power goes: behind a sync that leaves something on the disk that nobody else knows of yet.
#[derive(Clone, Copy, Debug)]
enum Place {
    Index,
    Below(&'static str),
}

impl Place {
    fn cut(self, machine: &Machine, syncs: u64) {
        match self {
            Self::Index => machine.index.cut_behind_sync(syncs, &machine.disk),
            Self::Below(name) => machine.disk.cut_behind_sync(&machine.data.join(name), syncs),
        }
    }
}

/// Everything becomes old, and the log lets it go.
async fn age(site: Site<'_>) -> Option<()> {
    for _ in 0..2 {
        pass(site).await?;
    }
    quiet(site.machine).await;
    Some(())
}

/// Of three messages one is deleted and one becomes a dead letter, as far as that has not happened yet.
async fn end_two(site: Site<'_>) -> Option<()> {
    // What was received before the power went is there again.
    site.machine.clock.advance(Duration::from_secs(60));
    let [work, dead] = with_dead_letters(site.engine, RECEIVES).await?;
    let options = ReceiveOptions { max_messages: 4, ..ReceiveOptions::default() };
    let got = site.unless_cut(site.engine.receive(&work, options).await)?;
    let outcome = |message: &ReceivedMessage| match &*message.payload.body {
        b"deleted-" => Outcome::Ack,
        b"moved---" => Outcome::DeadLetter { reason: "bad".into() },
        _ => Outcome::Nack { delay: Duration::ZERO, keep_receive_count: true },
    };
    let settlements = got.iter().map(|message| (message.receipt, outcome(message))).collect();
    site.unless_cut(site.engine.settle(&work, settlements).await)?.into_iter().for_each(|result| result.expect("held"));
    let options = || BrowseOptions { limit: 10, ..BrowseOptions::default() };
    while site.unless_cut(site.engine.browse(&dead, options()).await)?.messages.is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Some(())
}

async fn send(site: Site<'_>, names: &[&'static str]) -> Option<()> {
    let [work, _] = with_dead_letters(site.engine, RECEIVES).await?;
    let one = |name: &&'static str| NewMessage { body: (*name).into(), size: 8, ..NewMessage::default() };
    let batch = SendBatch { messages: names.iter().map(one).collect(), sender: "t".into(), producer: None };
    site.unless_cut(site.engine.send(&work, batch).await)?
        .into_iter()
        .for_each(|result| result.map(drop).expect("stored"));
    Some(())
}

/// Three messages are archived, behind one that keeps their part of the archive; two of them end, and the log lets go of that.
async fn script(site: Site<'_>, cut: impl Fn(&'static str)) -> Option<()> {
    send(site, &["keeper--"]).await?;
    age(site).await?;
    send(site, &["deleted-", "moved---", "stays---"]).await?;
    quiet(site.machine).await;
    cut("they are archived");
    age(site).await?;
    cut("they end");
    end_two(site).await?;
    site.machine.clock.advance(CHECKPOINT_DUE);
    quiet(site.machine).await;
    age(site).await
}

/// The power goes at one place; a life later the log has let go of everything, and a life after that there is no index.
/// False: the script was over before.
async fn cut_and_without_index(place: Place, when: &'static str, syncs: u64) -> bool {
    let what = format!("{place:?}, sync {syncs}, when {when}");
    // It stands still, so that checkpoints come where they are wanted.
    let mut machine = Machine::new(syncs, TestClock::new(Duration::ZERO), MemoryDisk::default());
    let oracles = Oracles::default();
    let engine = machine.start().expect("starts");
    let cut = |now: &'static str| {
        if now == when {
            place.cut(&machine, syncs);
        }
    };
    script(Site { machine: &machine, engine: &engine, oracles: &oracles }, cut).await;
    let was_cut = machine.disk.has_crashed();
    machine.cut_power(Some(engine));

    let engine = machine.start().expect("a sound disk opens");
    let site = Site { machine: &machine, engine: &engine, oracles: &oracles };
    end_two(site).await.expect("no power cut");
    age(site).await.expect("no power cut");
    machine.kill(Some(engine));
    machine.index.erase();
    let engine = machine.start().expect("a sound disk opens");
    let [work, dead] = with_dead_letters(&engine, RECEIVES).await.expect("there");
    let there = [present(&engine, &work).await, present(&engine, &dead).await];
    assert_eq!(there, [vec!["keeper--".to_owned(), "stays---".to_owned()], vec!["moved---".to_owned()]], "{what}");
    engine.close();
    was_cut
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ended_does_not_come_back_without_the_index_wherever_the_power_went() {
    let checkpoints = checkpoint::FILES.map(Place::Below);
    let places = [Place::Index, Place::Below(ARCHIVE_DIRECTORY), Place::Below(snapshot::DIRECTORY)];
    let mut running = JoinSet::new();
    for place in places.into_iter().chain(checkpoints) {
        for when in ["they are archived", "they end"] {
            running.spawn(async move {
                let mut syncs = 1;
                while syncs <= SYNCS && cut_and_without_index(place, when, syncs).await {
                    syncs += 1;
                }
                assert!(syncs > 1, "{place:?} is not reached when {when}");
            });
        }
    }
    while let Some(done) = running.join_next().await {
        done.expect("nothing comes back");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_a_life_leaves_behind_is_no_trap_for_a_later_one() {
    in_trials(SEEDS, trial).await;
}
