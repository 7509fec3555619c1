//! Backups of a broker that serves, as an operator makes them: create, list, verify, restore.

use crate::broker::{KEY_ID, SECRET, TestBroker, message, start, start_over};
use assert_cmd::Command;
use forebay::proto::queue::v1 as wire;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Ran {
    fn rows(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn row(&self) -> Value {
        assert_eq!(self.code, 0, "{}", self.err);
        self.rows().remove(0)
    }
}

/// `forebay backup` with these arguments and one directory.
async fn backup(broker: &TestBroker, action: &str, dir: &Path, more: &[&str]) -> Ran {
    let mut command = Command::cargo_bin("forebay").unwrap();
    command.env_clear().env("FOREBAY_SERVER", format!("http://{}", broker.address));
    command.env("FOREBAY_ACCESS_KEY_ID", KEY_ID).env("FOREBAY_SECRET_ACCESS_KEY", SECRET);
    command.args(["backup", action]).arg(dir).args(more);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    Ran {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

const BODY_BYTES: usize = 60_000;

async fn send(broker: &TestBroker, name: &str) {
    let body = format!("{name:-<BODY_BYTES$}");
    let request = wire::SendRequest { queue: "orders".into(), messages: vec![message(&body)], durability: 0 };
    let result = broker.queues().await.send(request).await.unwrap().into_inner().results.remove(0).result;
    assert!(matches!(result, Some(wire::send_result::Result::Sent(_))), "{result:?}");
}

/// Every message of the queue.
async fn present(broker: &TestBroker) -> BTreeSet<String> {
    let mut client = broker.queues().await;
    let mut names = BTreeSet::new();
    loop {
        let request = wire::ReceiveRequest { queue: "orders".into(), max_messages: 100, ..Default::default() };
        let messages = client.receive(request).await.unwrap().into_inner().messages;
        if messages.is_empty() {
            return names;
        }
        for found in messages {
            let body = String::from_utf8(found.body.to_vec()).unwrap();
            assert_eq!(body.len(), BODY_BYTES);
            assert!(names.insert(body.trim_end_matches('-').to_owned()), "{body:.9} is there twice");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_under_load_restores_everything_acknowledged_before_it_and_a_second_one_copies_less() {
    let broker = Arc::new(start().await);
    broker.create("orders", wire::Queue::default()).await;
    let (acknowledged, stop) = (Arc::new(Mutex::new(BTreeSet::new())), Arc::new(AtomicBool::new(false)));
    for number in 0..300 {
        send(&broker, &format!("{number}")).await;
        acknowledged.lock().unwrap().insert(format!("{number}"));
    }
    let sender = {
        let (broker, acknowledged, stop) = (broker.clone(), acknowledged.clone(), stop.clone());
        tokio::spawn(async move {
            for number in (300..).take_while(|_| !stop.load(Ordering::Relaxed)) {
                send(&broker, &format!("{number}")).await;
                acknowledged.lock().unwrap().insert(format!("{number}"));
            }
        })
    };
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("backups");
    let mut points = Vec::new();
    for _ in 0..2 {
        let before = acknowledged.lock().unwrap().clone();
        let created = backup(&broker, "create", &dir, &[]).await.row();
        points.push((created, before));
    }
    stop.store(true, Ordering::Relaxed);
    sender.await.unwrap();
    let copied = |index: usize| points[index].0["copied_segments"].as_u64().unwrap();
    assert!(copied(0) > 1 && copied(1) < points[1].0["segments"].as_u64().unwrap(), "{points:?}");
    let verified = backup(&broker, "verify", &dir, &[]).await;
    assert_eq!((verified.code, verified.out.as_str()), (0, ""), "{}", verified.err);
    assert!(verified.err.contains("2 restore points: 0 problems"), "{}", verified.err);
    for (created, before) in &points {
        let new = tempfile::tempdir().unwrap();
        let to = new.path().to_str().unwrap();
        let point = created["name"].as_str().unwrap();
        backup(&broker, "restore", &dir, &["--data-dir", to, "--point", point]).await.row();
        let restored = start_over(new).await;
        let found = present(&restored).await;
        let lost: Vec<_> = before.difference(&found).collect();
        assert!(lost.is_empty(), "{lost:?} were acknowledged before the backup");
        assert!(found.is_subset(&acknowledged.lock().unwrap()), "what is there was sent");
        send(&restored, "after").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_earlier_point_is_restored_by_its_time_and_what_is_wrong_is_named() {
    let broker = start().await;
    broker.create("orders", wire::Queue::default()).await;
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("backups");
    let none = backup(&broker, "list", &dir, &[]).await;
    assert!(none.code == 4 && none.err.contains("is not a directory of backups"), "{}", none.err);
    send(&broker, "early").await;
    let early = backup(&broker, "create", &dir, &[]).await.row();
    send(&broker, "late").await;
    let late = backup(&broker, "create", &dir, &[]).await.row();
    let listed = backup(&broker, "list", &dir, &[]).await.rows();
    let names: Vec<_> = listed.iter().map(|row| &row["name"]).collect();
    assert_eq!(names, [&early["name"], &late["name"]]);
    // What a broken-off run leaves: files, and no manifest.
    fs::remove_file(dir.join(format!("{}.backup", late["name"].as_str().unwrap()))).unwrap();
    assert_eq!(backup(&broker, "list", &dir, &[]).await.rows().len(), 1);
    let (new, time) = (tempfile::tempdir().unwrap(), early["time"].as_str().unwrap());
    let to = new.path().to_str().unwrap();
    backup(&broker, "restore", &dir, &["--data-dir", to, "--at", time]).await.row();
    let again = backup(&broker, "restore", &dir, &["--data-dir", to]).await;
    assert!(again.code == 2 && again.err.contains("is not empty"), "{}", again.err);
    assert_eq!(present(&start_over(new).await).await, ["early".to_owned()].into());

    let tail = dir.join(early["name"].as_str().unwrap()).join("00000000000000000001.wal");
    let mut bytes = fs::read(&tail).unwrap();
    let last = bytes.len() - 5000;
    bytes[last] ^= 1;
    fs::write(&tail, bytes).unwrap();
    let verified = backup(&broker, "verify", &dir, &[]).await;
    assert_eq!(verified.code, 1, "{}", verified.err);
    let file = verified.rows()[0]["file"].as_str().unwrap().to_owned();
    assert!(tail.ends_with(&file), "{file}");
    let refused = backup(&broker, "restore", &dir, &["--data-dir", place.path().join("x").to_str().unwrap()]).await;
    assert!(refused.code == 1 && refused.err.contains(&file), "{}", refused.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_goes_nowhere_near_the_data_directory_and_asks_for_the_right() {
    let broker = start().await;
    let inside = backup(&broker, "create", &broker.dir.path().join("backups"), &[]).await;
    assert!(inside.code == 2 && inside.err.contains("is inside the data directory"), "{}", inside.err);
    assert!(!broker.dir.path().join("backups").exists());
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("letter"), "dear").unwrap();
    let foreign = backup(&broker, "create", place.path(), &[]).await;
    assert!(foreign.code == 2 && foreign.err.contains("\"letter\""), "{}", foreign.err);
    let bad_time = backup(&broker, "restore", place.path(), &["--data-dir", "/nowhere", "--at", "noon"]).await;
    assert!(bad_time.code == 2 && bad_time.err.contains("noon"), "{}", bad_time.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_link_leads_a_backup_into_the_data_directory() {
    let broker = start().await;
    let dir = tempfile::tempdir().unwrap();
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(broker.dir.path().join("wal"), &link).unwrap();
    for inside in [link.clone(), link.join("backups")] {
        let ran = backup(&broker, "create", &inside, &[]).await;
        assert_eq!(ran.code, 2, "{} {}", ran.out, ran.err);
        assert!(ran.err.contains("is inside the data directory"), "{}", ran.err);
    }
    assert!(!broker.dir.path().join("wal/backups").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn old_restore_points_are_pruned_and_the_newest_still_restores() {
    let broker = start().await;
    broker.create("orders", wire::Queue::default()).await;
    let dir = tempfile::tempdir().unwrap();
    let backups = dir.path().join("backups");
    let mut names = Vec::new();
    for number in 0..4 {
        for part in 0..200 {
            send(&broker, &format!("{number}-{part}")).await;
        }
        names.push(backup(&broker, "create", &backups, &[]).await.row()["name"].as_str().unwrap().to_owned());
    }
    let listed = || async {
        let rows = backup(&broker, "list", &backups, &[]).await.rows();
        rows.iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(backup(&broker, "prune", &backups, &[]).await.code, 2, "it must be said what goes");
    let young = backup(&broker, "prune", &backups, &["--keep", "1", "--older-than", "30d"]).await.row();
    assert_eq!((&young["removed"], &young["kept"]), (&serde_json::json!([]), &serde_json::json!(4)));
    let would = backup(&broker, "prune", &backups, &["--keep", "2", "--dry-run"]).await;
    assert!(would.err.contains("nothing was removed"), "{}", would.err);
    assert_eq!(would.row()["removed"], serde_json::json!(names[..2]));
    assert_eq!(listed().await, names);
    let pruned = backup(&broker, "prune", &backups, &["--keep", "2"]).await.row();
    assert_eq!((&pruned["removed"], &pruned["bytes"]), (&would.row()["removed"], &would.row()["bytes"]));
    assert_eq!(listed().await, names[2..]);
    let unsaid = backup(&broker, "delete", &backups, &[names[2].as_str()]).await;
    assert_eq!((unsaid.code, listed().await.len()), (2, 2), "{}", unsaid.err);
    assert_eq!(backup(&broker, "delete", &backups, &[names[0].as_str(), "--yes"]).await.code, 4);
    backup(&broker, "delete", &backups, &[names[2].as_str(), "--yes"]).await.row();
    let verified = backup(&broker, "verify", &backups, &[]).await;
    assert!(verified.code == 0 && verified.err.contains("1 restore points: 0 problems"), "{}", verified.err);
    let restored = tempfile::tempdir().unwrap();
    let target = restored.path().to_str().unwrap();
    backup(&broker, "restore", &backups, &["--data-dir", target]).await.row();
    assert_eq!(present(&start_over(restored).await).await.len(), 800);
}
