//! A broker that lost its index serves while it reads its messages again. The tests hold the reading up as long as they look.

use super::{
    client::Engine,
    definition::{QueueDefinition, QueueOptions},
    message::{BrowseOptions, Outcome, ReceiveOptions, ReceivedMessage, SendBatch},
    open::open_watched,
    opening::Opening,
    options::{EngineHost, EngineOptions},
    tests::{self, ack, bodies, message, path, queue, receive, send, start_with},
};
use crate::{
    base::reason::{Reason, Refusal},
    domain::queue::settings::Fifo,
    runtime::{SystemClock, SystemEntropy},
    storage::{
        io::{DirEntry, Io, IoFile, Space, SysIo},
        log::CorruptionPolicy,
    },
};
use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

/// The files of this machine; but who reads what was put off waits at the door.
#[derive(Clone, Default)]
struct Held(Arc<(Mutex<bool>, Condvar)>);

impl Held {
    fn open_the_door(&self) {
        *self.0.0.lock().expect("door") = true;
        self.0.1.notify_all();
    }
}

impl Io for Held {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn IoFile>> {
        if std::thread::current().name() == Some("later") {
            drop(self.0.1.wait_while(self.0.0.lock().expect("door"), |is_open| !*is_open).expect("door"));
        }
        SysIo.open(path)
    }

    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn IoFile>> {
        SysIo.open_read(path)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn IoFile>> {
        SysIo.create(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        SysIo.create_dir(path)
    }

    fn list_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        SysIo.list_dir(path)
    }

    fn fsync_dir(&self, path: &Path) -> io::Result<()> {
        SysIo.fsync_dir(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        SysIo.rename(from, to)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        SysIo.unlink(path)
    }

    fn remove_tree(&self, path: &Path) -> io::Result<()> {
        SysIo.remove_tree(path)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        SysIo.exists(path)
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        SysIo.canonical(path)
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        SysIo.space(path)
    }
}

fn host(held: &Held) -> EngineHost {
    EngineHost {
        io: Arc::new(held.clone()),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(|| Box::new(SystemEntropy::default())),
        fatal: Arc::new(|why| panic!("{why}")),
    }
}

fn start_held(dir: &Path, held: &Held) -> Engine {
    open_watched(&options(dir), host(held), &Opening::default()).expect("the engine opens")
}

fn fifo() -> QueueOptions {
    QueueOptions { fifo: Some(Fifo::default()), ..QueueOptions::default() }
}

/// Small segments, so that what is read is packed now and then.
fn options(dir: &Path) -> EngineOptions {
    let mut options = tests::options(dir);
    options.log.segment_bytes = 64 << 10;
    options
}

/// A store whose index was lost: `old` has 900 messages and `ordered.fifo` three, of which the first is leased; `gone` has one,
/// and `empty` has none any more.
async fn store(dir: &Path) -> ReceivedMessage {
    let engine = start_with(&options(dir));
    let old = queue(&engine, "old", QueueOptions::default()).await;
    let ordered = queue(&engine, "ordered.fifo", fifo()).await;
    let empty = queue(&engine, "empty", QueueOptions::default()).await;
    let gone = queue(&engine, "gone", QueueOptions::default()).await;
    send(&engine, &gone, &["never seen"], None).await;
    send(&engine, &empty, &["soon gone"], None).await;
    ack(&engine, &empty, &receive(&engine, &empty, 1).await).await;
    for first in (0..900).step_by(10) {
        let bodies: Vec<String> = (first..first + 10).map(|number| number.to_string()).collect();
        let bodies: Vec<&str> = bodies.iter().map(String::as_str).collect();
        send(&engine, &old, &bodies, None).await;
    }
    send(&engine, &ordered, &["a", "b", "c"], Some("g")).await;
    let mut taken = receive(&engine, &ordered, 1).await;
    engine.close();
    std::fs::remove_dir_all(dir.join("index")).expect("removed");
    taken.pop().expect("one")
}

fn find(engine: &Engine, name: &str) -> Arc<QueueDefinition> {
    engine.find_queue(&path(name)).expect("there")
}

fn is_rebuilding(engine: &Engine) -> bool {
    engine.status().alarms.iter().any(|alarm| alarm == "INDEX_REBUILDING")
}

/// All bodies, in the order of sending.
async fn present(engine: &Engine, queue: &QueueDefinition) -> Vec<String> {
    let page = engine.browse(queue, BrowseOptions { limit: 1000, ..BrowseOptions::default() }).await.expect("browsed");
    page.messages.iter().map(|message| String::from_utf8_lossy(&message.payload.body).into_owned()).collect()
}

fn is_refused<T>(result: Result<T, Refusal>) {
    let refusal = result.err().expect("refused");
    assert_eq!(refusal.reason, Reason::Starting);
    assert!(refusal.message.contains("read from the log again"), "{}", refusal.message);
}

async fn everything_that_needs_messages_is_refused(engine: &Engine, queue: &QueueDefinition, leased: &ReceivedMessage) {
    is_refused(engine.receive(queue, ReceiveOptions::default()).await);
    is_refused(
        engine.receive(queue, ReceiveOptions { wait: Duration::from_secs(20), ..ReceiveOptions::default() }).await,
    );
    is_refused(engine.settle(queue, vec![(leased.receipt, Outcome::Ack)]).await);
    is_refused(engine.browse(queue, BrowseOptions::default()).await);
    is_refused(engine.stats(queue).await);
    is_refused(engine.purge(queue).await);
    is_refused(engine.start_redrive(queue, None, 0).await);
    is_refused(engine.list_redrives(queue).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lacks_no_messages_serves_while_the_rest_is_read_and_takes_new_ones() {
    let dir = tempfile::tempdir().expect("tempdir");
    let leased = store(dir.path()).await;
    let held = Held::default();
    let engine = start_held(dir.path(), &held);
    assert!(is_rebuilding(&engine));
    let (old, ordered) = (find(&engine, "old"), find(&engine, "ordered.fifo"));
    everything_that_needs_messages_is_refused(&engine, &ordered, &leased).await;

    for queue in [find(&engine, "empty"), queue(&engine, "new", QueueOptions::default()).await] {
        send(&engine, &queue, &["at once"], None).await;
        let taken = receive(&engine, &queue, 10).await;
        assert_eq!(bodies(&taken), ["at once"]);
        ack(&engine, &queue, &taken).await;
    }
    send(&engine, &old, &["900"], None).await;
    let batch = SendBatch {
        messages: vec![message("b", Some("g")), message("d", Some("g"))],
        sender: "tester".into(),
        producer: None,
    };
    let sent = engine.send(&ordered, batch).await.expect("sent");
    assert_eq!(sent.iter().map(|one| one.as_ref().expect("sent").deduplicated).collect::<Vec<_>>(), [true, false]);
    let later = QueueOptions { visibility_timeout: Duration::from_secs(7), ..QueueOptions::default() };
    engine.update_queue(old.id, None, later.clone()).await.expect("changed");
    engine.delete_queue(find(&engine, "gone").id, None).await.expect("deleted");

    assert!(is_rebuilding(&engine));
    held.open_the_door();
    engine.0.wait_for_all();
    assert!(!is_rebuilding(&engine));
    assert!(engine.find_queue(&path("gone")).is_err());
    assert_eq!(find(&engine, "old").options.visibility_timeout, later.visibility_timeout);
    let wanted: Vec<String> = (0..=900).map(|number| number.to_string()).collect();
    assert_eq!(present(&engine, &old).await, wanted);
    // The lease of before the start holds, and its group with it.
    assert!(receive(&engine, &ordered, 10).await.is_empty());
    ack(&engine, &ordered, &[leased]).await;
    assert_eq!(bodies(&receive(&engine, &ordered, 10).await), ["b", "c", "d"]);
    ack(&engine, &old, &receive(&engine, &old, 100).await).await;
    engine.close();

    let engine = start_held(dir.path(), &Held::default());
    assert!(!is_rebuilding(&engine), "the new index serves the next start");
    assert_eq!(present(&engine, &old).await, wanted[100..]);
    assert_eq!(present(&engine, &ordered).await, ["b", "c", "d"]);
    engine.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_ends_before_everything_is_read_begins_again() {
    let dir = tempfile::tempdir().expect("tempdir");
    let leased = store(dir.path()).await;
    let checkpoints =
        || ["CHECKPOINT.a", "CHECKPOINT.b"].map(|file| std::fs::read(dir.path().join(file)).expect("read"));
    let before = checkpoints();
    for number in 900..903 {
        let held = Held::default();
        let engine = start_held(dir.path(), &held);
        assert!(is_rebuilding(&engine));
        send(&engine, &find(&engine, "old"), &[&number.to_string()], None).await;
        // As the end of the process does, before what is held up goes on.
        engine.0.hold.close();
        held.open_the_door();
        engine.close();
        assert_eq!(checkpoints(), before, "a checkpoint would have lost messages");
    }
    let engine = start_with(&options(dir.path()));
    let wanted: Vec<String> = (0..903).map(|number| number.to_string()).collect();
    assert_eq!(present(&engine, &find(&engine, "old")).await, wanted);
    ack(&engine, &find(&engine, "ordered.fifo"), &[leased]).await;
    engine.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_wants_to_hear_of_damage_first_waits_for_everything() {
    let dir = tempfile::tempdir().expect("tempdir");
    store(dir.path()).await;
    let mut strict = options(dir.path());
    strict.log.corruption = CorruptionPolicy::Strict;
    let engine = open_watched(&strict, host(&Held::default()), &Opening::default()).expect("the engine opens");
    assert!(!is_rebuilding(&engine));
    assert_eq!(present(&engine, &find(&engine, "old")).await.len(), 900);
    engine.close();
}
