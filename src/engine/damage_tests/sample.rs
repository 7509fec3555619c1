//! The store that is damaged: three lives of an engine on a simulated disk, the last one ended by a kill or on purpose.

use super::{
    account::{Account, Shown},
    raw,
};
use crate::{
    base::{
        entropy::Entropy,
        name::{AccountId, QueueName, QueuePath, Region},
        time::Timestamp,
    },
    domain::queue::settings::Fifo,
    engine::{
        client::Engine,
        definition::{DeadLetterPolicy, QueueDefinition, QueueOptions},
        message::{BrowseOptions, NewMessage, Outcome, ReceiveOptions, SendBatch},
        open::{OpenError, open},
        options::{EngineHost, EngineOptions, ScrubOptions, StreamOptions},
    },
    runtime::{SystemClock, SystemEntropy},
    storage::{
        access,
        index::memory::MemoryDisk,
        io::{SysIo, sim::SimDisk},
        log::{Drive, LogOptions},
        offline::{Stopped, Verification, Which},
        store::IndexKind,
    },
};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::OnceCell;

pub(super) const DIR: &str = "/data";
const HOUR: Duration = Duration::from_secs(3600);
/// Longer than all cases take: the clock is the machine's.
const LEASE: Duration = Duration::from_secs(12 * 3600);
const QUEUES: [&str; 8] = ["plain", "ordered.fifo", "dead", "work", "late", "cleared", "emptied", "traffic"];

/// A data directory nobody uses, and what it holds.
pub(super) struct Sample {
    pub(super) disk: SimDisk,
    pub(super) index: MemoryDisk,
    pub(super) sound: Account,
    archive: Account,
}

/// Killed while it was idle: two checkpoints, and a log that goes on behind them up to a heartbeat.
pub(super) async fn killed() -> &'static Sample {
    static SAMPLE: OnceCell<Sample> = OnceCell::const_new();
    SAMPLE.get_or_init(make).await
}

/// The same store after one more start and an end on purpose.
pub(super) async fn closed() -> &'static Sample {
    static SAMPLE: OnceCell<Sample> = OnceCell::const_new();
    SAMPLE
        .get_or_init(async || {
            let Sample { disk, index, .. } = killed().await;
            let (disk, index) = (disk.fork(), index.copy());
            start(&disk, &index, HOUR, u64::MAX).expect("a sound store opens").close();
            Sample::of(disk, index).await
        })
        .await
}

impl Sample {
    async fn of(disk: SimDisk, index: MemoryDisk) -> Self {
        let found = verify(&disk).expect("verifies");
        let shown = Life::of(&disk, &index).expect("opens").end().await;
        let account =
            |which| Account::of(&stopped(&disk.fork()).expect("stopped"), which, found.clone(), shown.clone());
        let (sound, archive) = (account(Which::Log), account(Which::Archive));
        Self { disk, index, sound, archive }
    }

    /// The files below a directory with this ending.
    pub(super) fn files(&self, inside: &str, ending: &str) -> Vec<PathBuf> {
        let wanted = |path: &PathBuf| {
            path.parent() == Some(Path::new(inside)) && path.to_str().is_some_and(|name| name.ends_with(ending))
        };
        self.disk.files().into_iter().filter(wanted).collect()
    }

    /// What the sound store shows, and what its log or its archive says.
    pub(super) fn account(&self, which: Which) -> &Account {
        if which == Which::Log { &self.sound } else { &self.archive }
    }

    /// The segments that were written to, with their bytes.
    pub(super) fn segments(&self, which: Which) -> Vec<(PathBuf, Vec<u8>)> {
        let dir = if which == Which::Log { "/data/wal" } else { "/data/archive" };
        let files = self.files(dir, ".wal").into_iter();
        let read = files.map(|path| (path.clone(), self.disk.contents(&path).expect("there")));
        read.filter(|(_, bytes)| raw::is_in_use(bytes)).collect()
    }

    /// A copy of the disk with one file changed.
    pub(super) fn damaged(&self, path: &Path, change: impl Fn(&mut Vec<u8>)) -> SimDisk {
        let disk = self.disk.fork();
        disk.damage(path, change);
        disk
    }

    pub(super) fn flipped(&self, path: &Path, at: usize, mask: u8) -> SimDisk {
        let disk = self.disk.fork();
        flip(&disk, path, at, mask);
        disk
    }

    /// What the engine shows of a damaged copy, when it opens.
    pub(super) async fn shown(&self, disk: &SimDisk) -> Result<Shown, OpenError> {
        Ok(Life::of(disk, &self.index)?.end().await)
    }
}

/// Changes a byte, where the device has it: what was never synced is in the cache only.
pub(super) fn flip(disk: &SimDisk, path: &Path, at: usize, mask: u8) {
    disk.damage(path, |bytes| {
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= mask;
        }
    });
}

pub(super) fn stopped(disk: &SimDisk) -> Result<Stopped, crate::storage::offline::OfflineError> {
    Stopped::open(Arc::new(disk.clone()), Path::new(DIR), 99)
}

/// What `storage verify` says, without the index: sled stands on real files only.
pub(super) fn verify(disk: &SimDisk) -> Result<Verification, crate::storage::offline::OfflineError> {
    let mut found = stopped(&disk.fork())?.verify(&mut |_| {})?;
    found.problems.retain(|problem| !problem.file.starts_with("index/"));
    Ok(found)
}

/// An engine on a copy of a disk, and what it said when it gave up.
struct Life {
    engine: Engine,
    disk: SimDisk,
    fatal: Arc<Mutex<Vec<String>>>,
}

impl Life {
    fn of(disk: &SimDisk, index: &MemoryDisk) -> Result<Self, OpenError> {
        let disk = disk.fork();
        let fatal: Arc<Mutex<Vec<String>>> = Arc::default();
        let said = fatal.clone();
        let engine =
            open(&options(index.copy(), HOUR, u64::MAX), host(&disk, move |why| said.lock().expect("said").push(why)))?;
        Ok(Self { engine, disk, fatal })
    }

    /// Looks at everything, and ends it as a kill would.
    async fn end(self) -> Shown {
        let shown = look(&self.engine).await;
        let said = self.fatal.lock().expect("said").clone();
        assert_eq!(said, Vec::<String>::new(), "the engine gave up");
        self.disk.crash();
        self.engine.close();
        shown
    }
}

/// Everything that an engine shows.
async fn look(engine: &Engine) -> Shown {
    let mut shown = Shown::default();
    for name in QUEUES {
        let Ok(queue) = engine.find_queue(&path(name)) else { continue };
        let mut options = BrowseOptions { limit: 1000, ..BrowseOptions::default() };
        loop {
            let page = engine.browse(&queue, options.clone()).await.expect("browsed");
            shown.messages.extend(page.messages.into_iter().map(|message| ((queue.id, message.seq), message)));
            match page.next {
                Some(next) => options.from = next,
                None => break,
            }
        }
        shown.queues.insert(queue.id, name.to_owned());
    }
    shown.alarms = engine.status().alarms;
    shown
}

/// An engine over real files.
pub(super) fn start_real(dir: &Path, index: IndexKind) -> Engine {
    let options = EngineOptions { data_dir: dir.to_owned(), index, ..options(MemoryDisk::default(), HOUR, u64::MAX) };
    let host = EngineHost { io: Arc::new(SysIo), ..host(&SimDisk::new(1), |why| panic!("{why}")) };
    open(&options, host).unwrap_or_else(|error| panic!("{}: {error}", dir.display()))
}

pub(super) async fn shown_by(engine: Engine) -> Shown {
    let shown = look(&engine).await;
    engine.close();
    shown
}

pub(super) fn host(disk: &SimDisk, fatal: impl Fn(String) + Send + Sync + 'static) -> EngineHost {
    EngineHost {
        io: Arc::new(disk.clone()),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(|| Box::new(SystemEntropy::default()) as Box<dyn Entropy>),
        fatal: Arc::new(fatal),
    }
}

pub(super) fn options(index: MemoryDisk, checkpoint_interval: Duration, log_retain_bytes: u64) -> EngineOptions {
    EngineOptions {
        data_dir: DIR.into(),
        region: Region::parse("us-east-1").expect("valid"),
        partitions: 2,
        in_flight_max: 1000,
        queues_max: 100,
        recreate_wait: Duration::ZERO,
        inbox_bytes: 1 << 20,
        index: IndexKind::Memory(index),
        checkpoint_interval,
        checkpoint_bytes: 64 << 20,
        log_retain_bytes,
        log: LogOptions { segment_bytes: 64 << 10, drive: Drive::Threads, ..LogOptions::small() },
        scrub: ScrubOptions::default(),
        streams: StreamOptions::default(),
    }
}

fn start(disk: &SimDisk, index: &MemoryDisk, interval: Duration, retain: u64) -> Result<Engine, OpenError> {
    open(&options(index.clone(), interval, retain), host(disk, |why| panic!("{why}")))
}

pub(super) fn path(name: &str) -> QueuePath {
    QueuePath {
        account: AccountId::parse("000000000000").expect("valid"),
        region: Region::parse("us-east-1").expect("valid"),
        name: QueueName::parse(name).expect("valid"),
    }
}

async fn queue(engine: &Engine, name: &str) -> Arc<QueueDefinition> {
    let fifo = name.ends_with(".fifo").then(Fifo::default);
    let policy = DeadLetterPolicy { queue: path("dead"), max_receive_count: 1 };
    let dead_letter = (name == "work").then_some(policy);
    let options = QueueOptions { fifo, dead_letter, visibility_timeout: LEASE, ..QueueOptions::default() };
    engine.create_queue(path(name), options).await.expect("created").definition
}

async fn send(engine: &Engine, name: &str, bodies: &[&str]) {
    let queue = queue(engine, name).await;
    let message = |body: &&str| NewMessage {
        body: (*body).to_owned().into(),
        group: queue.options.fifo.map(|_| "g".into()),
        deduplication_id: queue.options.fifo.map(|_| (*body).into()),
        size: body.len() as u32,
        ..NewMessage::default()
    };
    let batch = SendBatch { messages: bodies.iter().map(message).collect(), sender: "t".into(), producer: None };
    for sent in engine.send(&queue, batch).await.expect("sent") {
        sent.expect("stored");
    }
}

/// Receives this many and does this with them; `None`: the leases stay.
async fn take(engine: &Engine, name: &str, max_messages: usize, outcome: Option<Outcome>) {
    let queue = queue(engine, name).await;
    let options = ReceiveOptions { max_messages, ..ReceiveOptions::default() };
    let got = engine.receive(&queue, options).await.expect("received");
    assert_eq!(got.len(), max_messages, "{name}");
    let Some(outcome) = outcome else { return };
    let settled = got.iter().map(|message| (message.receipt, outcome.clone())).collect();
    for result in engine.settle(&queue, settled).await.expect("settled") {
        result.expect("settled");
    }
}

async fn purge(engine: &Engine, name: &str) {
    let queue = queue(engine, name).await;
    engine.purge(&queue).await.expect("purged");
}

async fn make() -> Sample {
    let (disk, index) = (SimDisk::new(7), MemoryDisk::default());
    let engine = start(&disk, &index, Duration::from_millis(2), 0).expect("opens");
    evacuated(&engine, &disk).await;
    engine.close();
    let engine = start(&disk, &index, HOUR, u64::MAX).expect("opens");
    between_checkpoints(&engine).await;
    engine.close();
    access::write(&disk, Path::new(DIR), Timestamp(1), b"keys").expect("written");
    let engine = start(&disk, &index, HOUR, u64::MAX).expect("opens");
    behind_the_checkpoint(&engine).await;
    until("the last block is a heartbeat", || {
        let last = newest_segment(&disk).and_then(|bytes| raw::blocks(&bytes).pop());
        last.is_some_and(|block| block.flags & raw::HEARTBEAT != 0)
    })
    .await;
    let (killed, pages) = (disk.fork(), index.copy());
    engine.close();
    Sample::of(killed, pages).await
}

/// Messages that nobody takes, moved up the log by traffic that is deleted.
async fn evacuated(engine: &Engine, disk: &SimDisk) {
    for name in QUEUES.iter().filter(|name| **name != "late") {
        queue(engine, name).await;
    }
    send(engine, "plain", &["old 1", "old 2", "old 3"]).await;
    let body = "x".repeat(6000);
    for _ in 0..200 {
        send(engine, "traffic", &[&body]).await;
        take(engine, "traffic", 1, Some(Outcome::Ack)).await;
        tokio::time::sleep(Duration::from_millis(3)).await;
        let kinds = stopped(&disk.fork()).map(|stopped| Account::kinds(&stopped, Which::Archive));
        if kinds.is_ok_and(|kinds| kinds.contains(&15)) {
            break;
        }
    }
    // The archive hears of one that was received, and that it is gone.
    let holds = |kind| {
        let kinds = stopped(&disk.fork()).map(|stopped| Account::kinds(&stopped, Which::Archive));
        kinds.is_ok_and(|kinds| kinds.contains(&kind))
    };
    until("a message stands in the archive", || holds(15)).await;
    take(engine, "plain", 1, Some(Outcome::Nack { delay: Duration::ZERO, keep_receive_count: false })).await;
    until("the archive hears of a receive", || holds(17)).await;
    take(engine, "plain", 1, Some(Outcome::Ack)).await;
    until("the archive hears of an end", || holds(18)).await;
}

async fn between_checkpoints(engine: &Engine) {
    send(engine, "plain", &["gone 1", "gone 2", "kept 1", &"long ".repeat(900)]).await;
    take(engine, "plain", 3, Some(Outcome::Nack { delay: Duration::ZERO, keep_receive_count: false })).await;
    send(engine, "ordered.fifo", &["1", "2", "3", "4"]).await;
    take(engine, "ordered.fifo", 1, Some(Outcome::Ack)).await;
    send(engine, "work", &["poison"]).await;
    take(engine, "work", 1, Some(Outcome::DeadLetter { reason: "no".into() })).await;
    send(engine, "cleared", &["c 1", "c 2"]).await;
    purge(engine, "cleared").await;
    take(engine, "plain", 2, Some(Outcome::Ack)).await;
}

async fn behind_the_checkpoint(engine: &Engine) {
    send(engine, "late", &["late 1", "late 2"]).await;
    for round in 0..4 {
        send(engine, "plain", &[&format!("new {round}"), &format!("brief {round}")]).await;
        take(engine, "plain", 1, Some(Outcome::Ack)).await;
    }
    send(engine, "plain", &[&"y".repeat(9000)]).await;
    take(engine, "ordered.fifo", 1, Some(Outcome::Ack)).await;
    send(engine, "ordered.fifo", &["5", "6"]).await;
    send(engine, "emptied", &["e 1"]).await;
    purge(engine, "emptied").await;
    send(engine, "emptied", &["e 2"]).await;
    take(engine, "late", 1, None).await;
    let traffic = queue(engine, "traffic").await;
    engine.delete_queue(traffic.id, None).await.expect("deleted");
    for round in 0..6 {
        send(engine, "plain", &[&format!("last {round}")]).await;
    }
}

fn newest_segment(disk: &SimDisk) -> Option<Vec<u8>> {
    let segments = disk.files().into_iter().filter(|path| path.parent() == Some(Path::new("/data/wal")));
    let bytes = segments.filter(|path| path.extension().is_some_and(|ending| ending == "wal"));
    bytes.filter_map(|path| disk.contents(&path)).rfind(|bytes| raw::is_in_use(bytes))
}

async fn until(what: &str, mut reached: impl FnMut() -> bool) {
    for _ in 0..2000 {
        if reached() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it was not reached that {what}");
}
