//! Damage to the segments of a stream: the rest is served, and what is missing is said.

use super::support::{cursor, put, record, stream, stream_path};
use crate::{
    domain::stream::Position,
    engine::{
        client::Engine,
        options::{EngineOptions, ScrubOptions, StreamOptions},
        streams::handle::StreamHandle,
        tests::{options, start_with},
    },
    storage::shard::SegmentRule,
};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

const RECORDS: u64 = 200;

fn small(dir: &Path) -> EngineOptions {
    let segments = SegmentRule { bytes: 4096, age: Duration::from_secs(3600) };
    let streams = StreamOptions { segments, chunk_bytes: 512, rounds: 1, ..StreamOptions::default() };
    EngineOptions { streams, ..options(dir) }
}

/// The indexes of the records that are read, and those that are said to be lost.
async fn read(engine: &Engine, stream: &StreamHandle) -> (Vec<u64>, Vec<u64>) {
    let mut at = cursor(engine, stream, 0, Position::TrimHorizon).await;
    let (mut found, mut lost) = (Vec::new(), Vec::new());
    loop {
        let batch = engine.read_shard(stream, &at, 20, 1 << 20).await.expect("read");
        found.extend(batch.records.iter().map(|record| record.number.index));
        lost.extend(batch.lost.iter().flat_map(|(from, to)| *from..*to));
        if batch.next == at {
            return (found, lost);
        }
        at = batch.next;
    }
}

fn segments(dir: &Path, stream: &StreamHandle) -> Vec<PathBuf> {
    let dir = dir.join("shards").join(format!("{:016x}", stream.id().0));
    let names = std::fs::read_dir(dir).map(|names| names.map(|name| name.expect("a name").path()).collect());
    let mut names: Vec<PathBuf> = names.unwrap_or_default();
    names.sort();
    names
}

fn bytes_of(files: &[PathBuf]) -> u64 {
    files.iter().map(|file| std::fs::metadata(file).expect("there").len()).sum()
}

/// A store whose records stand in several segments, at rest.
async fn filled(dir: &Path) -> Vec<PathBuf> {
    let engine = start_with(&small(dir));
    let handle = stream(&engine, "s", 1).await;
    let other = stream(&engine, "other", 1).await;
    for first in (0..RECORDS).step_by(10) {
        let texts = (first..first + 10).map(|number| record("k", &format!("{number} {}", "x".repeat(90))));
        let before = bytes_of(&segments(dir, &handle));
        put(&engine, &handle, texts.collect()).await;
        // Each ten have a chunk of their own, however slow the writer is: it takes what checkpoints have passed over.
        while bytes_of(&segments(dir, &handle)) == before {
            put(&engine, &other, vec![record("k", "more")]).await;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    engine.close();
    segments(dir, &handle)
}

#[tokio::test]
async fn a_damaged_or_lost_segment_takes_its_own_records_along_and_no_others() {
    let dir = tempfile::tempdir().expect("tempdir");
    let files = filled(dir.path()).await;
    let whole: Vec<Vec<u8>> = files.iter().map(|file| std::fs::read(file).expect("readable")).collect();
    let mut missing = 0;
    for (file, bytes) in files.iter().zip(&whole).take(files.len() - 1) {
        for at in [None, Some(2), Some(120), Some(bytes.len() / 2), Some(bytes.len() - 20)] {
            match at {
                None => std::fs::remove_file(file).expect("gone"),
                Some(at) => {
                    let mut bytes = bytes.clone();
                    bytes[at] ^= 0x10;
                    std::fs::write(file, bytes).expect("written");
                }
            }
            let engine = start_with(&small(dir.path()));
            let handle = engine.find_stream(&stream_path("s")).expect("there");
            let (found, lost) = read(&engine, &handle).await;
            let what = format!("{} at {at:?}", file.display());
            let first = found.first().copied().unwrap_or(1).min(lost.first().copied().unwrap_or(u64::MAX));
            let is_oldest = Some(file) == files.first();
            assert!(first == 1 || (at.is_none() && is_oldest), "{what}: begins at {first}");
            let mut all: Vec<u64> = found.iter().chain(&lost).copied().collect();
            all.sort_unstable();
            assert_eq!(all, (first..=RECORDS).collect::<Vec<_>>(), "{what}");
            assert!(lost.len() as u64 <= RECORDS / 3, "{what}: {} lost", lost.len());
            missing += lost.len();
            engine.close();
            std::fs::write(file, bytes).expect("mended");
        }
    }
    assert!(missing > files.len(), "{missing} records were missing");
    let engine = start_with(&small(dir.path()));
    let handle = engine.find_stream(&stream_path("s")).expect("there");
    assert_eq!(read(&engine, &handle).await, ((1..=RECORDS).collect(), Vec::new()));
    engine.close();
}

#[tokio::test]
async fn a_segment_of_another_store_is_set_aside_and_everything_else_is_served() {
    let (dir, other) = (tempfile::tempdir().expect("tempdir"), tempfile::tempdir().expect("tempdir"));
    let files = filled(dir.path()).await;
    let foreign = std::fs::read(filled(other.path()).await.first().expect("a segment")).expect("readable");
    let number = files.last().and_then(|file| file.file_stem()?.to_str()?.parse::<u64>().ok()).expect("a number");
    let path = files[0].with_file_name(format!("{:020}.seg", number + 1));
    std::fs::write(&path, &foreign).expect("put there");
    let engine = start_with(&small(dir.path()));
    assert_eq!(engine.status().alarms, ["CORRUPT_SEGMENT"]);
    let handle = engine.find_stream(&stream_path("s")).expect("there");
    assert_eq!(read(&engine, &handle).await, ((1..=RECORDS).collect(), Vec::new()));
    put(&engine, &handle, vec![record("k", "goes on")]).await;
    let beside = engine.find_stream(&stream_path("other")).expect("there");
    assert!(read(&engine, &beside).await.1.is_empty());
    engine.close();
    let kept: Vec<_> = std::fs::read_dir(dir.path().join("damaged")).expect("made").collect();
    let [Ok(kept)] = &kept[..] else { panic!("{kept:?}") };
    assert_eq!(std::fs::read(kept.path()).expect("kept"), foreign);
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_to_a_segment_is_found_before_anybody_reads_it() {
    let dir = tempfile::tempdir().expect("tempdir");
    let files = filled(dir.path()).await;
    let sealed = bytes_of(&files);
    let bytes_per_second = 1 << 30;
    let scrub = ScrubOptions { bytes_per_second, interval: Duration::from_secs(3600) };
    let engine = start_with(&EngineOptions { scrub, ..small(dir.path()) });
    let pass = async || {
        let mut steps = engine.verify_storage(0).expect("asked");
        let whole = steps.wait_for(|progress| progress.done).await.expect("a whole pass");
        (whole.checked_bytes, whole.total_bytes, whole.problems.clone())
    };
    let (checked, total, problems) = pass().await;
    assert!(checked == total && total >= sealed, "{checked} of {total}, {sealed} of streams");
    assert_eq!((problems, engine.status().alarms), (vec![], vec![]));
    let file = files[1].strip_prefix(dir.path()).expect("inside").display().to_string();
    let segment = std::fs::File::options().write(true).open(&files[1]).expect("there");
    std::os::unix::fs::FileExt::write_all_at(&segment, b"?", 300).expect("written");
    for _ in 0..2 {
        let (checked, total, problems) = pass().await;
        let [problem] = &problems[..] else { panic!("{problems:?}") };
        assert!(checked == total && problem.starts_with(&format!("{file}: bytes ")), "{problem}");
        assert!(problem.contains(", shard 0 records ") && problem.ends_with("records cannot be read"), "{problem}");
    }
    assert_eq!(engine.status().alarms, ["CORRUPT_SEGMENT"]);
    let figures = engine.storage_figures().await.expect("told").scrub;
    assert_eq!((figures.damaged_blocks, figures.passes), (1, 3), "counted once, whatever the number of passes");
    tokio::task::spawn_blocking(move || engine.close()).await.expect("closed");
}
