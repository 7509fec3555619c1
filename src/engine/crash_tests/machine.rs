//! A machine in memory: its disk, the part of it that the index stands for, and its clock.

use crate::{
    base::{
        entropy::Entropy,
        name::{AccountId, QueueName, QueuePath, Region},
        time::{Clock, Timestamp},
    },
    engine::{
        client::Engine,
        definition::{QueueDefinition, QueueOptions},
        message::BrowseOptions,
        open::{open, open_watched},
        opening::Opening,
        options::{EngineHost, EngineOptions, ScrubOptions, StreamOptions},
    },
    storage::{
        index::memory::MemoryDisk,
        io::sim::SimDisk,
        log::{Drive, LogOptions},
        shard::SegmentRule,
        snapshot,
        store::IndexKind,
    },
};
use rand::{Rng as _, RngCore as _, SeedableRng as _, rngs::SmallRng};
use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

pub(in crate::engine) const DATA: &str = "/data";

/// Shows what it is told to show. With a step it goes on by itself each time somebody looks.
pub(in crate::engine) struct TestClock {
    millis: AtomicU64,
    step: u64,
}

impl TestClock {
    pub(in crate::engine) fn new(step: Duration) -> Self {
        Self { millis: AtomicU64::new(1_700_000_000_000), step: step.as_millis() as u64 }
    }

    pub(in crate::engine) fn advance(&self, time: Duration) {
        self.millis.fetch_add(time.as_millis() as u64, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.millis.fetch_add(self.step, Ordering::Relaxed))
    }
}

pub(in crate::engine) struct Seeded(pub(in crate::engine) SmallRng);

impl Entropy for Seeded {
    fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }
}

pub(in crate::engine) struct Machine {
    pub(in crate::engine) disk: SimDisk,
    pub(in crate::engine) index: MemoryDisk,
    pub(in crate::engine) clock: Arc<TestClock>,
    /// Where the store is.
    pub(in crate::engine) data: PathBuf,
    /// The next engine serves while it reads what an index that was lost had.
    pub(in crate::engine) serves_at_once: bool,
    /// How the index was at earlier moments.
    copies: Vec<MemoryDisk>,
    seed: u64,
    lives: u64,
    /// Ends of threads that no power cut explains.
    surprises: Arc<Mutex<Vec<String>>>,
}

impl Machine {
    pub(in crate::engine) fn new(seed: u64, clock: TestClock, index: MemoryDisk) -> Self {
        let disk = SimDisk::new(seed);
        Self {
            disk,
            index,
            clock: Arc::new(clock),
            data: DATA.into(),
            serves_at_once: false,
            copies: Vec::new(),
            seed,
            lives: 0,
            surprises: Arc::default(),
        }
    }

    /// Another machine in the same state, for trying several ends of one beginning.
    pub(in crate::engine) fn fork(&self) -> Self {
        Self {
            disk: self.disk.fork(),
            index: self.index.copy(),
            clock: Arc::clone(&self.clock),
            data: self.data.clone(),
            serves_at_once: self.serves_at_once,
            copies: Vec::new(),
            seed: self.seed,
            lives: self.lives,
            surprises: Arc::clone(&self.surprises),
        }
    }

    /// Everything is small and happens all the time: segments, checkpoints, the evacuation of all that lives.
    pub(in crate::engine) fn options(&self) -> EngineOptions {
        EngineOptions {
            data_dir: self.data.clone(),
            region: region(),
            partitions: 4,
            in_flight_max: 120_000,
            queues_max: 100,
            recreate_wait: Duration::ZERO,
            inbox_bytes: 1 << 20,
            index: IndexKind::Memory(self.index.clone()),
            checkpoint_interval: Duration::from_millis(2),
            checkpoint_bytes: 64 << 20,
            log_retain_bytes: 0,
            log: LogOptions {
                segment_bytes: 64 << 10,
                heartbeat_after: Duration::from_millis(1),
                drive: Drive::Threads,
                ..LogOptions::small()
            },
            scrub: ScrubOptions::default(),
            streams: StreamOptions {
                segments: SegmentRule { bytes: 2048, age: Duration::from_secs(3600) },
                chunk_bytes: 200,
                rounds: 2,
                ..StreamOptions::default()
            },
        }
    }

    /// Starts an engine; none when the power went meanwhile.
    pub(in crate::engine) fn start(&mut self) -> Option<Engine> {
        let options = self.options();
        self.start_with(&options)
    }

    pub(in crate::engine) fn start_with(&mut self, options: &EngineOptions) -> Option<Engine> {
        self.lives += 1;
        let number = self.seed * 1000 + self.lives;
        let (disk, surprises) = (self.disk.clone(), Arc::clone(&self.surprises));
        let fatal = move |why: String| {
            if !disk.has_crashed() || why.contains("panicked") {
                surprises.lock().expect("surprises").push(why);
            }
        };
        let host = EngineHost {
            io: Arc::new(self.disk.clone()),
            clock: self.clock.clone(),
            entropy: Arc::new(move || Box::new(Seeded(SmallRng::seed_from_u64(number)))),
            fatal: Arc::new(fatal),
        };
        let opened = match self.serves_at_once {
            true => open_watched(options, host, &Opening::default()),
            false => open(options, host),
        };
        match opened {
            Ok(engine) => {
                self.expect_no_damage(&engine);
                Some(engine)
            }
            Err(error) => {
                assert!(self.disk.has_crashed(), "seed {}: the store does not open: {error}", self.seed);
                None
            }
        }
    }

    /// A power cut is no damage, and no reason for a thread to end in a panic.
    pub(in crate::engine) fn expect_no_damage(&self, engine: &Engine) {
        let alarms = engine.status().alarms;
        let damage = alarms.iter().any(|alarm| alarm.starts_with("CORRUPT") || alarm == "INDEX_FAILED");
        assert!(!damage || self.disk.has_crashed(), "seed {}: {alarms:?}", self.seed);
        let surprises = self.surprises.lock().expect("surprises");
        assert!(surprises.is_empty(), "seed {}: {surprises:?}", self.seed);
    }

    /// Cuts the power if it is still there, ends the engine, and turns the power on again.
    pub(in crate::engine) fn cut_power(&mut self, engine: Option<Engine>) {
        self.end(engine);
        self.disk = self.disk.reboot();
    }

    /// The same for a process that is killed: what it wrote is in the page cache.
    pub(in crate::engine) fn kill(&mut self, engine: Option<Engine>) {
        self.end(engine);
        self.disk = self.disk.restart_process();
    }

    fn end(&self, engine: Option<Engine>) {
        self.disk.crash();
        if let Some(engine) = engine {
            engine.close();
        }
        let surprises = self.surprises.lock().expect("surprises");
        assert!(surprises.is_empty(), "seed {}: {surprises:?}", self.seed);
    }

    /// Goes on with the store in another directory, which has no index yet.
    pub(in crate::engine) fn moves_to(&mut self, data: PathBuf) {
        self.data = data;
        self.index.erase();
        self.copies.clear();
    }

    /// Harms the index between two lives, or leaves it alone.
    pub(in crate::engine) fn harm_index(&mut self, random: &mut SmallRng) {
        let pages = self.index.pages();
        let page = (!pages.is_empty()).then(|| pages[random.random_range(0..pages.len())]);
        match (random.random_range(0..10), page, self.copies.last()) {
            (0, ..) => self.index.erase(),
            (1, Some((queue, page)), _) => assert!(self.index.damage(queue, page)),
            (2, Some((queue, page)), _) => assert!(self.index.lose(queue, page)),
            (3, _, Some(older)) => self.index.put_back(older),
            (4 | 5, ..) => self.copies.push(self.index.copy()),
            _ => {}
        }
    }

    /// Damages the newest snapshot when there is an older one: a start goes back to that.
    pub(in crate::engine) fn harm_snapshot(&self) {
        let generations = snapshot::generations(&self.disk, &self.data).expect("listed");
        if let [.., _, newest] = generations.as_slice() {
            // A name whose file a power cut left empty is damaged already.
            self.disk.damage(&snapshot::path_of(&self.data, *newest), |bytes| {
                bytes.iter_mut().skip(40).take(1).for_each(|byte| *byte ^= 1);
            });
        }
    }
}

pub(in crate::engine) fn region() -> Region {
    Region::parse("us-east-1").expect("valid")
}

pub(in crate::engine) fn path(name: &str) -> QueuePath {
    QueuePath {
        account: AccountId::parse("000000000000").expect("valid"),
        region: region(),
        name: QueueName::parse(name).expect("valid"),
    }
}

/// The queue of that name, made when it is not there; none when the power went meanwhile.
pub(in crate::engine) async fn queue(
    engine: &Engine,
    name: &str,
    options: QueueOptions,
) -> Option<Arc<QueueDefinition>> {
    engine.create_queue(path(name), options).await.ok().map(|created| created.definition)
}

/// The bodies of all messages of a queue, in the order of sending.
pub(in crate::engine) async fn present(engine: &Engine, queue: &QueueDefinition) -> Vec<String> {
    let mut present = Vec::new();
    let mut options = BrowseOptions { limit: 1000, ..BrowseOptions::default() };
    loop {
        let page = engine.browse(queue, options.clone()).await.expect("browsed");
        present.extend(page.messages.iter().map(|message| name_of(&message.payload.body)));
        match page.next {
            Some(next) => options.from = next,
            None => return present,
        }
    }
}

/// A body begins with the message's name, eight letters; the rest makes it longer.
pub(in crate::engine) fn name_of(body: &[u8]) -> String {
    String::from_utf8_lossy(body.get(..8).expect("a body with a name")).into_owned()
}
