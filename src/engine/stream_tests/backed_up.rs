//! Backups hold the segments of streams: a sealed one once, however many restore points there are.

use super::support::{follow, put, record, stream, stream_path};
use crate::{
    engine::{
        backup::BackupStep,
        client::Engine,
        options::{EngineOptions, StreamOptions},
        tests::{options, start_with},
    },
    storage::{
        backup::{Points, Removing, points::Wanted, restore, verify},
        io::SysIo,
        shard::SegmentRule,
    },
};
use std::{collections::BTreeSet, ops::ControlFlow, path::Path, time::Duration};

fn small(dir: &Path) -> EngineOptions {
    let segments = SegmentRule { bytes: 4096, age: Duration::from_secs(3600) };
    let streams = StreamOptions { segments, chunk_bytes: 512, rounds: 1, ..StreamOptions::default() };
    EngineOptions { streams, ..options(dir) }
}

async fn back_up(engine: &Engine, dir: &Path) {
    let mut running = engine.start_backup(dir.to_owned()).expect("begun");
    while let Some(step) = running.next().await {
        if let BackupStep::Done(_) = step.expect("goes well") {
            return;
        }
    }
    panic!("the backup ended without a word");
}

/// The copies of a stream's segments that restore points share, by restore point.
fn shared(points: &Points) -> Vec<BTreeSet<String>> {
    let of_point = |point: &crate::storage::backup::Point| {
        let paths = point.manifest.files.iter().map(|file| file.path.clone());
        paths.filter(|path| path.starts_with("wal/") && path.ends_with(".seg")).collect()
    };
    points.points.iter().map(of_point).collect()
}

#[tokio::test]
async fn a_restored_stream_has_its_records_and_sealed_segments_are_copied_once() {
    let (dir, backups, target) = (tempfile::tempdir(), tempfile::tempdir(), tempfile::tempdir());
    let (dir, backups, target) = (dir.expect("tempdir"), backups.expect("tempdir"), target.expect("tempdir"));
    let engine = start_with(&small(dir.path()));
    let handle = stream(&engine, "s", 1).await;
    let segments = dir.path().join("shards").join(format!("{:016x}", handle.id().0));
    let mut wanted = Vec::new();
    let count = || std::fs::read_dir(&segments).map_or(0, Iterator::count);
    for round in 1..=2 {
        while count() < 3 * round {
            let text = format!("{} {}", wanted.len(), "x".repeat(200));
            put(&engine, &handle, vec![record("k", &text)]).await;
            wanted.push(text);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        back_up(&engine, backups.path()).await;
    }
    engine.close();
    let points = Points::read(&SysIo, backups.path()).expect("there are some");
    assert_eq!(verify(&SysIo, &points, &mut |_| ControlFlow::Continue(())).expect("verified"), []);
    let [first, second] = &shared(&points)[..] else { panic!("two restore points") };
    assert!(first.len() >= 2 && first.is_subset(second) && second.len() > first.len(), "{first:?} {second:?}");
    let newest = points.find(&Wanted::Newest).expect("the second");
    let done = restore(&SysIo, backups.path(), newest, target.path(), &mut |_| ControlFlow::Continue(()));
    assert_eq!(done.expect("restored").lost, Vec::<String>::new());
    let engine = start_with(&small(target.path()));
    let handle = engine.find_stream(&stream_path("s")).expect("there");
    assert_eq!(follow(&engine, &handle).await.expect("read")["k"], wanted);
    engine.close();
    // With the second restore point go the segments that only it has.
    let name = newest.name.clone();
    let removing = Removing::begin(&SysIo, backups.path()).expect("nobody else is there");
    let removal = removing.plan(|point| point == name).expect("planned");
    removing.remove(&removal).expect("removed");
    let left = std::fs::read_dir(backups.path().join("wal")).expect("a directory");
    let left: BTreeSet<String> =
        left.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into()).collect();
    let left: BTreeSet<String> = left.into_iter().filter(|name| name.ends_with(".seg")).collect();
    assert_eq!(left, first.iter().map(|path| path.trim_start_matches("wal/").to_owned()).collect());
}
