//! Makes the fixture: three lives of an engine, the last one copied in the middle.

use super::{BACKUP, DATA, KEY_ID, KEY_SECRET, MADE, RECEIPT, fixture, packed, start, streams};
use crate::{
    base::{name::AccountId, secret::Secret},
    domain::queue::settings::Fifo,
    engine::{
        access::{KeyFile, StoredKey},
        backup::BackupStep,
        client::Engine,
        definition::{DeadLetterPolicy, QueueOptions},
        message::{Attribute, AttributeValue, NewMessage, Outcome, ReceivedMessage, SendBatch},
        tests::{ack, message, path, queue, receive, send},
    },
    storage::io::SysIo,
};
use bytes::Bytes;
use std::{fs, path::Path, sync::Arc, time::Duration};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test(flavor = "multi_thread")]
async fn the_fixture_is_made_when_it_is_asked_for() {
    if std::env::var_os("FOREBAY_MAKE_GOLDEN").is_none() {
        assert!(fixture().exists());
        return;
    }
    let whole = tempfile::tempdir().expect("tempdir");
    let running = tempfile::tempdir().expect("tempdir");
    let dir = running.path();
    write_keys(dir);
    let engine = start(dir, MADE);
    create_queues(&engine).await;
    streams::make(&engine).await;
    archive(&engine, dir).await;
    engine.close();
    let engine = start(dir, MADE);
    fill(&engine).await;
    back_up(&engine, &whole.path().join(BACKUP)).await;
    engine.close();
    let engine = start(dir, MADE);
    let receipt = go_on(&engine).await;
    streams::go_on(&engine).await;
    copy(dir, &whole.path().join(DATA));
    engine.close();
    fs::write(whole.path().join(RECEIPT), receipt).expect("written");
    let packed = packed::pack(whole.path());
    assert!(packed.len() < 300 << 10, "{} bytes are too many for a repository", packed.len());
    fs::write(fixture(), packed).expect("written");
}

fn write_keys(dir: &Path) {
    let key = StoredKey {
        id: KEY_ID.into(),
        secret: Secret::new(KEY_SECRET),
        account: AccountId::parse("000000000000").expect("valid"),
        user: "golden".into(),
        policies: vec![r#"{"Statement":{"Effect":"Allow","Action":"sqs:*","Resource":"*"}}"#.into()],
        created: MADE,
        expires: None,
        last_used: Some(MADE),
        disabled: false,
    };
    KeyFile::new(Arc::new(SysIo), dir).save(MADE, std::iter::once(key)).expect("written");
}

async fn create_queues(engine: &Engine) {
    let tags = [("team".to_owned(), "shop".to_owned())].into();
    let long = QueueOptions { visibility_timeout: HOUR, retention: 14 * DAY, ..QueueOptions::default() };
    queue(engine, "orders", QueueOptions { tags, ..long.clone() }).await;
    let fifo = Some(Fifo::default());
    queue(engine, "jobs.fifo", QueueOptions { fifo, ..long.clone() }).await;
    queue(engine, "failed", long.clone()).await;
    let dead_letter = Some(DeadLetterPolicy { queue: path("failed"), max_receive_count: 3 });
    queue(engine, "work", QueueOptions { dead_letter, ..long.clone() }).await;
    queue(engine, "traffic", long).await;
}

/// Messages of the beginning move to the archive, and it hears what becomes of them.
async fn archive(engine: &Engine, dir: &Path) {
    let orders = engine.find_queue(&path("orders")).expect("made");
    send(engine, &orders, &["old", "older"], None).await;
    pass(engine, dir).await;
    let got = receive(engine, &orders, 2).await;
    let (old, older): (Vec<_>, Vec<_>) = got.into_iter().partition(|message| message.payload.body == "old");
    settle(engine, "orders", &old, Outcome::Nack { delay: Duration::ZERO, keep_receive_count: false }).await;
    settle(engine, "orders", &older, Outcome::Ack).await;
    pass(engine, dir).await;
}

/// Traffic until the log's first segments are gone.
async fn pass(engine: &Engine, dir: &Path) {
    let oldest = || {
        let names = fs::read_dir(dir.join("wal")).expect("a log").map(|entry| entry.expect("an entry").file_name());
        let seqs = names.filter_map(|name| name.to_str()?.strip_suffix(".wal")?.parse::<u64>().ok());
        seqs.min().expect("a segment")
    };
    let before = oldest();
    let traffic = engine.find_queue(&path("traffic")).expect("made");
    let body = "x".repeat(6000);
    for _ in 0..500 {
        send(engine, &traffic, &[&body], None).await;
        let got = receive(engine, &traffic, 1).await;
        ack(engine, &traffic, &got).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
        if oldest() > before + 2 {
            return;
        }
    }
    panic!("segment {before} stays");
}

async fn settle(engine: &Engine, name: &str, messages: &[ReceivedMessage], outcome: Outcome) {
    let queue = engine.find_queue(&path(name)).expect("made");
    let settled = messages.iter().map(|message| (message.receipt, outcome.clone())).collect();
    for result in engine.settle(&queue, settled).await.expect("settled") {
        result.expect("settled");
    }
}

async fn send_one(engine: &Engine, name: &str, message: NewMessage) {
    let queue = engine.find_queue(&path(name)).expect("made");
    let batch =
        SendBatch { messages: vec![message], sender: "arn:aws:iam::000000000000:user/golden".into(), producer: None };
    engine.send(&queue, batch).await.expect("sent").remove(0).expect("stored");
}

async fn fill(engine: &Engine) {
    let text = |name: &str, kind: &str, value: &str| Attribute {
        name: name.into(),
        data_type: kind.into(),
        value: AttributeValue::Text(value.into()),
    };
    let bytes = AttributeValue::Binary(Bytes::from_static(&[0, 1, 0xfe, 0xff]));
    let binary = Attribute { name: "raw".into(), data_type: "Binary.png".into(), value: bytes };
    let attributes = vec![text("colour", "String", "blue"), text("weight", "Number", "12.5"), binary];
    let trace_context = "Root=1-5759e988-bd862e3fe1be46a994272793".to_owned();
    send_one(engine, "orders", NewMessage { attributes, trace_context, ..message("plain", None) }).await;
    send_one(engine, "orders", message(&"large ".repeat(2000), None)).await;
    send_one(engine, "orders", NewMessage { delay: Some(Duration::from_secs(900)), ..message("later", None) }).await;
    for (group, body) in [("a", "1"), ("b", "2"), ("a", "3"), ("a", "4")] {
        send_one(engine, "jobs.fifo", message(body, Some(group))).await;
    }
    send_one(engine, "work", message("poison", None)).await;
    let work = engine.find_queue(&path("work")).expect("made");
    let got = receive(engine, &work, 1).await;
    settle(engine, "work", &got, Outcome::DeadLetter { reason: "it has a hole".into() }).await;
    until("the dead letter arrives", async || {
        let failed = engine.find_queue(&path("failed")).expect("made");
        engine.stats(&failed).await.expect("stats").visible == 1
    })
    .await;
}

async fn until(what: &str, mut reached: impl AsyncFnMut() -> bool) {
    for _ in 0..2000 {
        if reached().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it was not reached that {what}");
}

async fn back_up(engine: &Engine, dir: &Path) {
    let mut running = engine.start_backup(dir.to_owned()).expect("begins");
    while let Some(step) = running.next().await {
        if let BackupStep::Done(point) = step.expect("goes on") {
            assert_eq!(point.damage, Vec::<String>::new());
        }
    }
}

/// What only the log has when the broker is killed; returns the receipt handle of a lease.
async fn go_on(engine: &Engine) -> String {
    let jobs = engine.find_queue(&path("jobs.fifo")).expect("made");
    let got = receive(engine, &jobs, 1).await;
    settle(engine, "jobs.fifo", &got, Outcome::Ack).await;
    send_one(engine, "orders", message("leased", None)).await;
    send_one(engine, "orders", message("gone", None)).await;
    let orders = engine.find_queue(&path("orders")).expect("made");
    let got = receive(engine, &orders, 5).await;
    let find = |body: &str| got.iter().find(|found| found.payload.body == body).cloned().expect("received");
    let rest: Vec<_> =
        got.iter().filter(|found| found.payload.body != "leased" && found.payload.body != "gone").cloned().collect();
    assert_eq!(rest.len(), 3);
    settle(engine, "orders", &rest, Outcome::Nack { delay: Duration::ZERO, keep_receive_count: false }).await;
    settle(engine, "orders", &[find("gone")], Outcome::Ack).await;
    queue(engine, "brief", QueueOptions::default()).await;
    send_one(engine, "brief", message("last", None)).await;
    engine.receipt_handle(&find("leased").receipt)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("lists") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("copied");
        }
    }
}
