//! Opens a copy of the fixture and looks at everything.

use super::{BACKUP, DATA, KEY_ID, KEY_SECRET, LOOKED_AT, MADE, RECEIPT, fixture, packed, start, streams};
use crate::{
    base::time::Timestamp,
    engine::{
        access::KeyFile,
        client::Engine,
        message::{AttributeValue, BrowseOptions, BrowsedMessage, MessageState, Outcome, SendBatch},
        tests::{message, path, queue, send},
    },
    storage::{
        backup::{self, Points, points::Wanted},
        io::SysIo,
        offline::{Filter, Row, Stopped, Which},
    },
};
use std::{collections::BTreeSet, fs, ops::ControlFlow, path::Path, sync::Arc, time::Duration};

fn unpacked() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("tempdir");
    packed::unpack(&fs::read(fixture()).expect("the fixture"), dir.path());
    dir
}

async fn browse(engine: &Engine, name: &str) -> Vec<BrowsedMessage> {
    let queue = engine.find_queue(&path(name)).unwrap_or_else(|error| panic!("{name}: {error:?}"));
    let options = BrowseOptions { limit: 1000, ..BrowseOptions::default() };
    engine.browse(&queue, options).await.expect("browsed").messages
}

/// Body, state and receives of each message, in their order.
async fn shown(engine: &Engine, name: &str) -> Vec<(String, MessageState, u32)> {
    let text = |message: &BrowsedMessage| String::from_utf8_lossy(&message.payload.body).into_owned();
    let messages = browse(engine, name).await;
    messages.iter().map(|message| (text(message), message.state, message.receive_count)).collect()
}

fn large() -> String {
    "large ".repeat(2000)
}

/// What was there when the backup was made, and still is.
async fn check_common(engine: &Engine) {
    let failed = browse(engine, "failed").await;
    let [poison] = &failed[..] else { panic!("{failed:?}") };
    assert_eq!(poison.payload.body, "poison");
    assert_eq!(poison.payload.dead_letter_reason, "it has a hole");
    assert!(poison.payload.dead_letter_source.ends_with("work"), "{}", poison.payload.dead_letter_source);
    for empty in ["work", "traffic"] {
        assert_eq!(shown(engine, empty).await, vec![], "{empty}");
    }
    let orders = engine.find_queue(&path("orders")).expect("kept");
    assert_eq!(orders.options.tags.get("team").map(String::as_str), Some("shop"));
    assert_eq!(orders.options.retention, Duration::from_secs(14 * 86_400));
    assert_eq!(orders.created, MADE);
    let work = engine.find_queue(&path("work")).expect("kept");
    let policy = work.options.dead_letter.clone().expect("a policy");
    assert_eq!((policy.queue, policy.max_receive_count), (path("failed"), 3));
    assert!(engine.find_queue(&path("jobs.fifo")).expect("kept").options.fifo.is_some());
    let messages = browse(engine, "orders").await;
    let plain = messages.iter().find(|message| message.payload.body == "plain").expect("there");
    let kinds: Vec<_> = plain.payload.attributes.iter().map(|a| (a.name.as_str(), a.data_type.as_str())).collect();
    assert_eq!(kinds, [("colour", "String"), ("weight", "Number"), ("raw", "Binary.png")]);
    assert_eq!(plain.payload.attributes[2].value, AttributeValue::Binary(vec![0, 1, 0xfe, 0xff].into()));
    assert_eq!(plain.payload.trace_context, "Root=1-5759e988-bd862e3fe1be46a994272793");
    assert_eq!(&*plain.payload.sender, "arn:aws:iam::000000000000:user/golden");
    assert_eq!(plain.send_time, MADE);
}

async fn check_killed(engine: &Engine) {
    use MessageState::{Delayed, InFlight, Visible};
    check_common(engine).await;
    streams::check_killed(engine).await;
    let seen = |body: &str, state, count| (body.to_owned(), state, count);
    assert_eq!(
        shown(engine, "orders").await,
        [
            seen("old", Visible, 2),
            seen("plain", Visible, 1),
            seen(&large(), Visible, 1),
            seen("later", Delayed, 0),
            seen("leased", InFlight, 1)
        ]
    );
    assert_eq!(shown(engine, "jobs.fifo").await, [seen("2", Visible, 0), seen("3", Visible, 0), seen("4", Visible, 0)]);
    assert_eq!(shown(engine, "brief").await, [seen("last", Visible, 0)]);
}

/// Time goes on for what was left: the lease is settled by the handle of then, what was sent before is a repeat.
async fn go_on(engine: &Engine, receipt: &str) {
    let orders = engine.find_queue(&path("orders")).expect("kept");
    let receipt = engine.parse_receipt(receipt).expect("a handle of this store");
    let settled = engine.settle(&orders, vec![(receipt, Outcome::Ack)]).await.expect("settled");
    settled.into_iter().for_each(|result| result.expect("the lease still holds"));
    let jobs = engine.find_queue(&path("jobs.fifo")).expect("kept");
    let batch = SendBatch { messages: vec![message("3", Some("a"))], sender: "t".into(), producer: None };
    let repeated = engine.send(&jobs, batch).await.expect("sent").remove(0).expect("stored");
    assert!(repeated.deduplicated, "{repeated:?}");
    send(engine, &orders, &["new"], None).await;
    queue(engine, "newer", Default::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_version_1_opens_with_everything_in_it_and_goes_on() {
    let whole = unpacked();
    let dir = whole.path().join(DATA);
    let receipt = fs::read_to_string(whole.path().join(RECEIPT)).expect("text");
    let engine = start(&dir, LOOKED_AT);
    check_killed(&engine).await;
    go_on(&engine, &receipt).await;
    engine.close();
    let engine = start(&dir, LOOKED_AT);
    let bodies: Vec<String> = shown(&engine, "orders").await.into_iter().map(|(body, ..)| body).collect();
    assert_eq!(bodies, ["old", "plain", &large(), "later", "new"]);
    assert_eq!(shown(&engine, "newer").await, vec![]);
    check_common(&engine).await;
    engine.close();
}

fn kinds_in_archive(stopped: &Stopped) -> BTreeSet<u8> {
    let mut kinds = BTreeSet::new();
    let mut note = |row| {
        if let Row::Entry(entry) = row {
            kinds.insert(entry.kind);
        }
        ControlFlow::Continue(())
    };
    stopped.dump(&Filter { which: Which::Archive, ..Filter::default() }, &mut note, &mut |_| {}).expect("dumped");
    kinds
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_version_1_is_sound_and_opens_without_its_index() {
    let whole = unpacked();
    let dir = whole.path().join(DATA);
    assert!(!dir.join("wal/00000000000000000001.wal").exists(), "what it held was archived");
    assert!(dir.join("archive/00000000000000000001.wal").exists());
    let (sealed, others) = streams::segments(&dir);
    assert!(sealed > 2 && others > 0, "{sealed} sealed segments of the stream, {others} others");
    let stopped = Stopped::open(Arc::new(SysIo), &dir, 1).expect("a store");
    let found = stopped.verify(&mut |_| {}).expect("verifies");
    assert_eq!(found.problems, vec![]);
    assert!(found.entries > 20 && found.index_pages > 0 && !found.clean_shutdown, "{found:?}");
    // Messages, what became of one, and that one is gone.
    assert_eq!(kinds_in_archive(&stopped), [15, 17, 18].into());
    drop(stopped);
    fs::remove_dir_all(dir.join("index")).expect("removed");
    let engine = start(&dir, LOOKED_AT);
    check_killed(&engine).await;
    engine.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_version_1_is_restored() {
    let whole = unpacked();
    let points = Points::read(&SysIo, &whole.path().join(BACKUP)).expect("backups");
    let findings = backup::verify(&SysIo, &points, &mut |_| ControlFlow::Continue(())).expect("verifies");
    assert!(findings.is_empty(), "{findings:?}");
    let point = points.find(&Wanted::Newest).expect("a restore point");
    let dir = whole.path().join("restored");
    let restored = backup::restore(&SysIo, &points.dir, point, &dir, &mut |_| ControlFlow::Continue(()));
    assert_eq!(restored.expect("restores").lost, Vec::<String>::new());
    check_keys(&dir);
    let engine = start(&dir, LOOKED_AT);
    check_common(&engine).await;
    streams::check_backup(&engine).await;
    let jobs: Vec<String> = shown(&engine, "jobs.fifo").await.into_iter().map(|(body, ..)| body).collect();
    assert_eq!(jobs, ["1", "2", "3", "4"], "none was taken yet");
    assert!(engine.find_queue(&path("brief")).is_err(), "it was made later");
    engine.close();
}

fn check_keys(dir: &Path) {
    let keys = KeyFile::new(Arc::new(SysIo), dir).load().expect("keys");
    let [key] = &keys[..] else { panic!("{keys:?}") };
    assert_eq!((&key.id[..], &key.user[..], key.created), (KEY_ID, "golden", MADE));
    assert_eq!(key.secret, crate::base::secret::Secret::new(KEY_SECRET));
    assert_eq!((key.policies.len(), key.last_used, key.disabled), (1, Some(Timestamp(MADE.0)), false));
}

#[test]
fn keys_of_version_1_are_read() {
    check_keys(&unpacked().path().join(DATA));
}
