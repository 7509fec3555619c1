//! Weeks of a broker's life in seconds: dead letters that nobody looks at trickle into a queue that keeps them for two
//! weeks, among fast traffic, and everything that could grow stays as large as what lives.

use super::{
    client::Engine,
    crash_tests::machine::{Machine, TestClock, path, queue},
    definition::{DeadLetterPolicy, QueueDefinition, QueueOptions},
    figures::StorageFigures,
    message::{BrowseOptions, NewMessage, Outcome, ReceiveOptions, SendBatch},
    options::EngineOptions,
};
use crate::{
    base::{
        limits::{ENTRY_OVERHEAD_BYTES, PAGE_MESSAGES, RETENTION_MAX},
        time::{Clock as _, Timestamp},
    },
    storage::{index::memory::MemoryDisk, log::LogOptions},
};
use std::{sync::Arc, time::Duration};

const HOURS: Duration = Duration::from_secs(2 * 3600);
const STEPS_A_DAY: u32 = 12;
const SEGMENT_BYTES: u64 = 256 << 10;
const RETAIN_BYTES: u64 = 1 << 20;
/// Of the log and of the archive: the active segment, the one that was sealed last, and one to round up.
const SLACK_BYTES: u64 = 6 * SEGMENT_BYTES;

struct Letter {
    name: String,
    sent: Timestamp,
}

struct World {
    machine: Machine,
    engine: Engine,
    letters: Vec<Letter>,
}

/// The most of everything in some stretch of time.
#[derive(Clone, Copy, Debug, Default)]
struct Peak {
    segments: u64,
    disk_bytes: u64,
    open_files: u64,
    maps: u64,
    index_pages: u64,
    index_bytes: u64,
    /// Of the log and the archive to what lives, in percent.
    ratio: u64,
}

fn options(machine: &Machine) -> EngineOptions {
    let log = LogOptions { segment_bytes: SEGMENT_BYTES, ..machine.options().log };
    EngineOptions { log_retain_bytes: RETAIN_BYTES, log, ..machine.options() }
}

fn body(name: &str) -> String {
    name.repeat(4000)
}

/// What lives takes this of a log in which nothing else is.
fn live_bytes(figures: &StorageFigures) -> u64 {
    figures.live_bytes + figures.live_messages * ENTRY_OVERHEAD_BYTES
}

/// What decision record 24 says: what lives and less than a third of that, and what is retained of the log.
fn bound(figures: &StorageFigures) -> u64 {
    RETAIN_BYTES + live_bytes(figures) * 13 / 10 + SLACK_BYTES
}

fn kept_bytes(figures: &StorageFigures) -> u64 {
    figures.log_bytes + figures.archive_bytes
}

async fn send(engine: &Engine, queue: &QueueDefinition, bodies: Vec<String>) {
    let message = |body: String| NewMessage { size: body.len() as u32, body: body.into(), ..NewMessage::default() };
    let messages = bodies.into_iter().map(message).collect();
    let batch = SendBatch { messages, sender: "t".into(), producer: None };
    for result in engine.send(queue, batch).await.expect("sent") {
        result.expect("stored");
    }
}

async fn receive_and_delete(engine: &Engine, queue: &QueueDefinition, count: usize) {
    let options = ReceiveOptions { max_messages: count, ..ReceiveOptions::default() };
    let got = engine.receive(queue, options).await.expect("received");
    assert_eq!(got.len(), count);
    let settlements = got.iter().map(|message| (message.receipt, Outcome::Ack)).collect();
    for result in engine.settle(queue, settlements).await.expect("settled") {
        result.expect("deleted");
    }
}

impl World {
    fn new() -> Self {
        let clock = TestClock::new(Duration::from_millis(1));
        let mut machine = Machine::new(1, clock, MemoryDisk::rewritten_every(50));
        let engine = Self::start(&mut machine);
        Self { machine, engine, letters: Vec::new() }
    }

    fn start(machine: &mut Machine) -> Engine {
        let options = options(machine);
        machine.start_with(&options).expect("starts")
    }

    /// A power cut, after which the index may be gone.
    fn restart(&mut self, erase: bool) {
        self.machine.cut_power(Some(self.engine.clone()));
        if erase {
            self.machine.index.erase();
        }
        self.engine = Self::start(&mut self.machine);
    }

    async fn queue(&self, name: &str, options: QueueOptions) -> Arc<QueueDefinition> {
        queue(&self.engine, name, options).await.expect("there")
    }

    async fn dead(&self) -> Arc<QueueDefinition> {
        self.queue("dead", QueueOptions { retention: RETENTION_MAX, ..QueueOptions::default() }).await
    }

    async fn traffic(&self) {
        let fast = self.queue("fast", QueueOptions::default()).await;
        for _ in 0..10 {
            send(&self.engine, &fast, vec!["x".repeat(2048); 8]).await;
            receive_and_delete(&self.engine, &fast, 8).await;
        }
    }

    /// A message that nobody can work on.
    async fn dead_letter(&mut self) {
        self.dead().await;
        let dead_letter = Some(DeadLetterPolicy { queue: path("dead"), max_receive_count: 1 });
        let work = self.queue("work", QueueOptions { dead_letter, ..QueueOptions::default() }).await;
        let name = format!("{:08}", self.letters.len());
        self.letters.push(Letter { name: name.clone(), sent: self.machine.clock.now() });
        send(&self.engine, &work, vec![body(&name)]).await;
        for received in [1, 0] {
            let options = ReceiveOptions {
                max_messages: 1,
                visibility_timeout: Some(Duration::ZERO),
                ..ReceiveOptions::default()
            };
            assert_eq!(self.engine.receive(&work, options).await.expect("received").len(), received);
        }
    }

    async fn figures(&self) -> StorageFigures {
        self.engine.storage_figures().await.expect("figures")
    }

    /// Two hours pass, and the engine has done what it does in such a time.
    async fn pass(&self, time: Duration, peak: &mut Peak) {
        self.machine.clock.advance(time);
        let mut figures = self.figures().await;
        for _ in 0..20_000 {
            if kept_bytes(&figures) <= bound(&figures) {
                break;
            }
            // What the engine does takes its share of the time, and nobody looks at the clock while nothing is sent.
            self.machine.clock.advance(Duration::from_millis(100));
            tokio::time::sleep(Duration::from_millis(1)).await;
            figures = self.figures().await;
        }
        let (kept, bound) = (kept_bytes(&figures), bound(&figures));
        assert!(kept <= bound, "log and archive stay larger than {bound}: {figures:?}");
        peak.note(&self.machine, &figures);
    }

    /// Exactly those dead letters are there, whole, whose time is not over.
    async fn check_letters(&self) {
        let dead = self.dead().await;
        let now = self.machine.clock.now();
        let living = self.letters.iter().filter(|letter| letter.sent + RETENTION_MAX > now);
        let wanted: Vec<String> = living.map(|letter| body(&letter.name)).collect();
        let mut found = Vec::new();
        for _ in 0..5_000 {
            let browse = BrowseOptions { limit: 1000, ..BrowseOptions::default() };
            let page = self.engine.browse(&dead, browse).await.expect("browsed");
            let text = |body: &[u8]| String::from_utf8_lossy(body).into_owned();
            found = page.messages.iter().map(|message| text(&message.payload.body)).collect();
            // The newest may be on its way.
            if found.len() == wanted.len() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(found == wanted, "{} dead letters are there, not {}", found.len(), wanted.len());
    }
}

impl Peak {
    fn note(&mut self, machine: &Machine, figures: &StorageFigures) {
        let now = Self {
            segments: figures.log_segments + figures.archive_segments,
            disk_bytes: machine.disk.used_bytes(),
            open_files: machine.disk.open_files(),
            maps: machine.disk.maps(),
            index_pages: figures.index_pages,
            index_bytes: figures.index_bytes,
            ratio: kept_bytes(figures) * 100 / live_bytes(figures).max(1),
        };
        self.segments = self.segments.max(now.segments);
        self.disk_bytes = self.disk_bytes.max(now.disk_bytes);
        self.open_files = self.open_files.max(now.open_files);
        self.maps = self.maps.max(now.maps);
        self.index_pages = self.index_pages.max(now.index_pages);
        self.index_bytes = self.index_bytes.max(now.index_bytes);
        self.ratio = self.ratio.max(now.ratio);
    }

    /// That nothing has grown since.
    fn expect_flat_since(&self, before: &Self) {
        let pairs = [
            ("segments", self.segments, before.segments, 2),
            ("bytes on the disk", self.disk_bytes, before.disk_bytes, 2 * SEGMENT_BYTES),
            ("open files", self.open_files, before.open_files, 3),
            ("maps", self.maps, before.maps, 1),
            ("pages", self.index_pages, before.index_pages, 2),
            ("bytes of the index", self.index_bytes, before.index_bytes, before.index_bytes / 20),
        ];
        for (what, now, then, slack) in pairs {
            assert!(now <= then + slack, "{what} grew from {then} to {now}");
        }
    }
}

/// Weeks in which a dead letter comes every two hours.
async fn live(world: &mut World, days: u32) -> Peak {
    let mut peak = Peak::default();
    for _ in 0..days {
        for _ in 0..STEPS_A_DAY {
            world.traffic().await;
            world.dead_letter().await;
            world.pass(HOURS, &mut peak).await;
        }
        world.check_letters().await;
    }
    peak
}

#[tokio::test(flavor = "multi_thread")]
async fn weeks_of_dead_letters_among_fast_traffic_keep_everything_as_large_as_what_lives() {
    let mut world = World::new();
    let filling = live(&mut world, 8).await;
    world.restart(false);
    live(&mut world, 7).await;
    let third = live(&mut world, 6).await;
    world.restart(true);
    let fourth = live(&mut world, 6).await;
    eprintln!("days 1 to 8: {filling:?}\ndays 16 to 21: {third:?}\ndays 22 to 27: {fourth:?}");
    fourth.expect_flat_since(&third);
    let living = world.figures().await;
    assert!(living.live_messages.abs_diff(14 * u64::from(STEPS_A_DAY)) <= 1, "{living:?}");
    assert!(fourth.index_pages <= living.live_messages / PAGE_MESSAGES + 6, "{fourth:?}");
    // Of the log and of the archive.
    let maps_max = 2 * (options(&world.machine).log.open_segments_max as u64 + 1);
    assert!(fourth.maps <= maps_max, "{fourth:?}");
    // Nothing more dies, and day by day those whose time is over are gone.
    let mut peak = Peak::default();
    for _ in 0..15 {
        world.traffic().await;
        world.pass(STEPS_A_DAY * HOURS, &mut peak).await;
        world.check_letters().await;
    }
    let left = world.figures().await;
    assert_eq!((left.live_messages, left.live_bytes), (0, 0), "{left:?}");
    world.machine.expect_no_damage(&world.engine);
    world.engine.close();
}
