//! The whole engine over a disk that loses power at a random call, several times in a row, under load.
//!
//! The oracle knows what was acknowledged: every acknowledged send is there unless its delete was asked for; no
//! acknowledged delete comes back; a FIFO group is in order and has no message twice; a message on its way between
//! queues arrives, once.

use super::{
    client::Engine,
    definition::{DeadLetterPolicy, QueueDefinition, QueueOptions},
    message::{NewMessage, Outcome, ReceiveOptions, SendBatch},
    open::open,
    options::{EngineHost, EngineOptions, ScrubOptions},
};
use crate::{
    base::{
        entropy::Entropy,
        name::{AccountId, QueueName, QueuePath, Region},
    },
    domain::queue::settings::Fifo,
    runtime::SystemClock,
    storage::{
        index::memory::MemoryDisk,
        io::sim::{Fault, SimDisk},
        log::LogOptions,
        store::IndexKind,
    },
};
use rand::{Rng as _, RngCore as _, SeedableRng as _, rngs::SmallRng};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

const SEEDS: u64 = 40;
/// Moves need more: what once went wrong with them took three hundred on average.
const SEEDS_OF_MOVES: u64 = 120;
const LIVES: usize = 4;

struct Seeded(SmallRng);

impl Entropy for Seeded {
    fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }
}

/// What the clients were told.
#[derive(Default)]
struct Oracle {
    sent: BTreeSet<String>,
    delete_asked: BTreeSet<String>,
    deleted: BTreeSet<String>,
    next: u64,
}

fn start(disk: &SimDisk, index: &MemoryDisk, seed: u64) -> Option<Engine> {
    let options = EngineOptions {
        data_dir: "/data".into(),
        region: Region::parse("us-east-1").expect("valid"),
        partitions: 4,
        in_flight_max: 120_000,
        queues_max: 100,
        recreate_wait: Duration::ZERO,
        inbox_bytes: 1 << 20,
        index: IndexKind::Memory(index.clone()),
        checkpoint_interval: Duration::from_millis(2),
        checkpoint_bytes: 64 << 20,
        // Everything that lives moves up the log all the time.
        log_retain_bytes: 0,
        log: LogOptions { drive: crate::storage::log::Drive::Threads, ..LogOptions::small() },
        scrub: ScrubOptions::default(),
    };
    let host = EngineHost {
        io: Arc::new(disk.clone()),
        clock: Arc::new(SystemClock),
        entropy: Box::new(move || Box::new(Seeded(SmallRng::seed_from_u64(seed)))),
        fatal: Arc::new(|_| {}),
    };
    match open(&options, host) {
        Ok(engine) => Some(engine),
        Err(error) => {
            assert!(disk.has_crashed(), "seed {seed}: the store does not open: {error}");
            None
        }
    }
}

fn path(name: &str) -> QueuePath {
    QueuePath {
        account: AccountId::parse("000000000000").expect("valid"),
        region: Region::parse("us-east-1").expect("valid"),
        name: QueueName::parse(name).expect("valid"),
    }
}

async fn queue(engine: &Engine, name: &str) -> Option<Arc<QueueDefinition>> {
    let options = QueueOptions {
        fifo: name.ends_with(".fifo").then(Fifo::default),
        visibility_timeout: Duration::ZERO,
        ..QueueOptions::default()
    };
    engine.create_queue(path(name), options).await.ok().map(|created| created.definition)
}

/// A queue whose messages become dead letters at their second receive, and the queue they go to.
async fn poisoned(engine: &Engine) -> Option<[Arc<QueueDefinition>; 2]> {
    let dead = queue(engine, "dead").await?;
    let policy = DeadLetterPolicy { queue: dead.path.clone(), max_receive_count: 1 };
    let options =
        QueueOptions { dead_letter: Some(policy), visibility_timeout: Duration::ZERO, ..QueueOptions::default() };
    let work = engine.create_queue(path("work"), options).await.ok()?.definition;
    Some([work, dead])
}

/// Sends, receives and deletes until the disk fails or the rounds are over.
async fn work(engine: &Engine, name: &str, oracle: &Mutex<Oracle>, rounds: usize) -> Option<()> {
    let fifo = name.ends_with(".fifo");
    let queue = queue(engine, name).await?;
    for _ in 0..rounds {
        let bodies: Vec<String> = {
            let mut oracle = oracle.lock().expect("oracle");
            oracle.next += 3;
            (oracle.next - 3..oracle.next).map(|number| format!("{number:08}")).collect()
        };
        let messages = bodies.iter().map(|body| NewMessage {
            body: body.clone().into(),
            group: fifo.then(|| "g".into()),
            deduplication_id: fifo.then(|| body.as_str().into()),
            size: 8,
            ..NewMessage::default()
        });
        let batch = SendBatch { messages: messages.collect(), sender: "t".into(), producer: None };
        engine.send(&queue, batch).await.ok()?;
        oracle.lock().expect("oracle").sent.extend(bodies);
        let options = ReceiveOptions {
            max_messages: 2,
            visibility_timeout: Some(Duration::from_secs(30)),
            ..ReceiveOptions::default()
        };
        let got = engine.receive(&queue, options).await.ok()?;
        let bodies: Vec<String> = got.iter().map(|message| text(&message.payload.body)).collect();
        {
            let mut oracle = oracle.lock().expect("oracle");
            for body in &bodies {
                assert!(!oracle.deleted.contains(body), "{body} was deleted and comes back");
            }
            oracle.delete_asked.extend(bodies.clone());
        }
        let acks = got.iter().map(|message| (message.receipt, Outcome::Ack)).collect();
        engine.settle(&queue, acks).await.ok()?;
        oracle.lock().expect("oracle").deleted.extend(bodies);
    }
    Some(())
}

/// Sends messages that nobody deletes, and moves them to the dead letters and back.
async fn circulate(engine: &Engine, oracle: &Mutex<Oracle>, rounds: usize) -> Option<()> {
    let [work, dead] = poisoned(engine).await?;
    for round in 0..rounds {
        let body = {
            let mut oracle = oracle.lock().expect("oracle");
            oracle.next += 1;
            format!("{:08}", oracle.next)
        };
        let message = NewMessage { body: body.clone().into(), size: 8, ..NewMessage::default() };
        let batch = SendBatch { messages: vec![message], sender: "t".into(), producer: None };
        engine.send(&work, batch).await.ok()?;
        oracle.lock().expect("oracle").sent.insert(body);
        let options =
            ReceiveOptions { max_messages: 2, visibility_timeout: Some(Duration::ZERO), ..ReceiveOptions::default() };
        engine.receive(&work, options).await.ok()?;
        if round % 5 == 4 {
            // Refused while the one before runs.
            let _ = engine.start_redrive(&dead, None, 0).await;
        }
    }
    Some(())
}

async fn present(engine: &Engine, queue: &QueueDefinition) -> Vec<String> {
    let mut present = Vec::new();
    let mut options = super::message::BrowseOptions { limit: 1000, ..Default::default() };
    loop {
        let page = engine.browse(queue, options.clone()).await.expect("browsed");
        present.extend(page.messages.iter().map(|message| text(&message.payload.body)));
        match page.next {
            Some(next) => options.from = next,
            None => return present,
        }
    }
}

/// Waits until every message is in one queue: one in none is on its way, or lost, and one in both was seen twice while
/// it moved, or is there twice.
async fn check_circulation(engine: &Engine, oracle: &Mutex<Oracle>, seed: u64) {
    let [work, dead] = poisoned(engine).await.expect("the queues are there");
    let mut lost = Vec::new();
    let mut twice = 0;
    for _ in 0..5_000 {
        let there = [present(engine, &work).await, present(engine, &dead).await].concat();
        let set: BTreeSet<String> = there.iter().cloned().collect();
        lost = oracle.lock().expect("oracle").sent.difference(&set).cloned().collect();
        twice = there.len() - set.len();
        if lost.is_empty() && twice == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("seed {seed}: lost {lost:?}, {twice} are there twice");
}

fn text(body: &[u8]) -> String {
    String::from_utf8_lossy(body).into_owned()
}

/// Looks at everything there is and compares.
async fn check(engine: &Engine, name: &str, oracle: &Mutex<Oracle>, seed: u64) {
    let queue = queue(engine, name).await.expect("the queue is there");
    let present = present(engine, &queue).await;
    let oracle = oracle.lock().expect("oracle");
    let set: BTreeSet<String> = present.iter().cloned().collect();
    for body in &oracle.sent {
        let there = set.contains(body) || oracle.delete_asked.contains(body);
        assert!(there, "seed {seed}: {name} lost {body}, which was acknowledged");
    }
    for body in &oracle.deleted {
        assert!(!set.contains(body), "seed {seed}: {name} still has {body}, whose delete was acknowledged");
    }
    assert_eq!(set.len(), present.len(), "seed {seed}: {name} holds a message twice");
    assert!(present.is_sorted() || !name.ends_with(".fifo"), "seed {seed}: {name} is out of order");
}

async fn trial(seed: u64) {
    let mut random = SmallRng::seed_from_u64(seed);
    let mut disk = SimDisk::new(seed);
    let index = MemoryDisk::default();
    let oracles = [Mutex::new(Oracle::default()), Mutex::new(Oracle::default())];
    for life in 0..LIVES {
        disk.fault_at(disk.calls() + random.random_range(5..400), Fault::Crash);
        if let Some(engine) = start(&disk, &index, seed * 100 + life as u64) {
            let rounds = random.random_range(1..40);
            // Several at once, so that a partition finds commands on both sides of a checkpoint's freeze.
            tokio::join!(
                work(&engine, "plain", &oracles[0], rounds),
                work(&engine, "plain", &oracles[0], rounds),
                work(&engine, "plain", &oracles[0], rounds),
                work(&engine, "plain", &oracles[0], rounds),
                work(&engine, "ordered.fifo", &oracles[1], rounds)
            );
            disk.crash();
            engine.close();
        }
        disk = disk.reboot();
        if random.random_bool(0.2) {
            index.erase();
        }
    }
    let engine = start(&disk, &index, seed).expect("a sound disk opens");
    check(&engine, "plain", &oracles[0], seed).await;
    check(&engine, "ordered.fifo", &oracles[1], seed).await;
    engine.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn power_cuts_at_any_call_lose_nothing_that_was_acknowledged() {
    for seed in 0..SEEDS {
        trial(seed).await;
    }
}

async fn trial_of_moves(seed: u64) {
    let mut random = SmallRng::seed_from_u64(seed);
    let mut disk = SimDisk::new(seed);
    let index = MemoryDisk::default();
    let oracle = Mutex::new(Oracle::default());
    for life in 0..LIVES {
        disk.fault_at(disk.calls() + random.random_range(5..400), Fault::Crash);
        if let Some(engine) = start(&disk, &index, seed * 100 + life as u64) {
            circulate(&engine, &oracle, random.random_range(10..100)).await;
            disk.crash();
            engine.close();
        }
        disk = disk.reboot();
        if random.random_bool(0.2) {
            index.erase();
        }
    }
    let engine = start(&disk, &index, seed).expect("a sound disk opens");
    check_circulation(&engine, &oracle, seed).await;
    engine.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn power_cuts_at_any_call_leave_a_moving_message_in_one_queue() {
    for seed in 0..SEEDS_OF_MOVES {
        trial_of_moves(seed).await;
    }
}
