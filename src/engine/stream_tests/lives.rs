//! A stream over several lives of its engine.

use super::support::{change, cursor, follow, put, read_all, read_on, record, stream, stream_path};
use crate::{
    base::{reason::Reason, time::Clock as _},
    domain::stream::{Position, ShardId, StreamError, hash::HashKey},
    engine::{
        client::Engine,
        options::{EngineOptions, StreamOptions},
        streams::{
            record::{PutBatch, PutError},
            view::View,
        },
        tests::{abandon, options, start_with},
    },
    runtime::SystemClock,
    storage::{log::LogOptions, shard::SegmentRule},
};
use std::{path::Path, time::Duration};

/// Segments of a few records.
fn small(dir: &Path) -> EngineOptions {
    let segments = SegmentRule { bytes: 4096, age: Duration::from_secs(3600) };
    EngineOptions { streams: StreamOptions { segments, ..StreamOptions::default() }, ..options(dir) }
}

fn texts(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| format!("r{number}")).collect()
}

async fn put_texts(engine: &Engine, name: &str, range: std::ops::Range<usize>) {
    let stream = engine.find_stream(&stream_path(name)).expect("there");
    let records = texts(range).iter().map(|text| record("k", text)).collect();
    put(engine, &stream, records).await;
}

#[tokio::test]
async fn what_was_put_is_read_in_every_life() {
    let dir = tempfile::tempdir().expect("tempdir");
    let engine = start_with(&small(dir.path()));
    stream(&engine, "s", 1).await;
    put_texts(&engine, "s", 0..30).await;
    engine.close();
    // A clean end, then two that are none.
    let engine = start_with(&small(dir.path()));
    put_texts(&engine, "s", 30..60).await;
    let dir = abandon(engine, dir.path());
    let engine = start_with(&small(dir.path()));
    put_texts(&engine, "s", 60..90).await;
    let dir = abandon(engine, dir.path());
    std::fs::remove_dir_all(dir.path().join("index")).expect("an index");
    let engine = start_with(&small(dir.path()));
    let handle = engine.find_stream(&stream_path("s")).expect("there");
    assert_eq!(read_all(&engine, &handle, 0).await, texts(0..90));
    engine.close();
}

#[tokio::test]
async fn a_reader_at_the_tip_hears_of_the_next_record_and_of_the_end() {
    let dir = tempfile::tempdir().expect("tempdir");
    let engine = start_with(&small(dir.path()));
    let handle = stream(&engine, "s", 1).await;
    put_texts(&engine, "s", 0..3).await;
    let latest = cursor(&engine, &handle, 0, Position::Latest).await;
    let waiting = {
        let (engine, handle) = (engine.clone(), handle.clone());
        tokio::spawn(async move {
            engine.wait_for_records(&handle, &latest).await;
            read_on(&engine, &handle, latest).await
        })
    };
    tokio::task::yield_now().await;
    put_texts(&engine, "s", 3..4).await;
    let (found, batch) = waiting.await.expect("heard");
    assert_eq!((found, batch.ended), (texts(3..4), None));
    let split = change(&engine, &handle, |view| Ok(vec![view.stream.split(view.now, ShardId(0), None)?])).await;
    split.expect("asked").expect("split");
    engine.wait_for_records(&handle, &batch.next).await;
    let (found, batch) = read_on(&engine, &handle, batch.next).await;
    assert_eq!((found.len(), batch.ended), (0, Some(vec![ShardId(1), ShardId(2)])));
    engine.close();
}

#[tokio::test]
async fn positions_lead_to_the_same_records_before_and_after_they_left_the_log() {
    let dir = tempfile::tempdir().expect("tempdir");
    let engine = start_with(&small(dir.path()));
    let handle = stream(&engine, "s", 1).await;
    let stored = put(&engine, &handle, texts(0..40).iter().map(|text| record("k", text)).collect()).await;
    let number = stored[10].stored.expect("stored").1;
    let other = stream(&engine, "other", 1).await;
    tokio::time::sleep(Duration::from_millis(2)).await;
    let later = SystemClock.now();
    put(&engine, &handle, vec![record("k", "r40")]).await;
    for _ in 0..2 {
        for (position, from) in [(Position::At(number), 10), (Position::After(number), 11), (Position::TrimHorizon, 0)]
        {
            let at = cursor(&engine, &handle, 0, position).await;
            assert_eq!(read_on(&engine, &handle, at).await.0, texts(from..41), "{position:?}");
        }
        // By time too, also when the log holds none of them any more.
        let at_time = cursor(&engine, &handle, 0, Position::AtTime(later)).await;
        assert_eq!(read_on(&engine, &handle, at_time).await.0, texts(40..41));
        // Enough checkpoints with something to say, and the records go over to a segment.
        let segments = dir.path().join("shards").join(format!("{:016x}", handle.id().0));
        while handle.feed.oldest().is_some() || !segments.exists() {
            put(&engine, &other, vec![record("k", "more")]).await;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    engine.close();
}

#[tokio::test]
async fn a_producer_that_repeats_itself_stores_nothing_twice() {
    let dir = tempfile::tempdir().expect("tempdir");
    let engine = start_with(&small(dir.path()));
    let handle = stream(&engine, "s", 2).await;
    let batch =
        |first| PutBatch { records: vec![record("a", "x"), record("b", "y")], producer: Some(("p".into(), first)) };
    engine.put_records(&handle, batch(1)).await.expect("put");
    let engine = {
        let dir = abandon(engine, dir.path());
        let engine = start_with(&small(dir.path()));
        std::mem::forget(dir);
        engine
    };
    let handle = engine.find_stream(&stream_path("s")).expect("there");
    assert_eq!(engine.stream_producer_sequence(&handle, "p".into()).await, Ok(2));
    let results = engine.put_records(&handle, batch(2)).await.expect("put");
    let repeated: Vec<bool> = results.into_iter().map(|result| result.expect("stored").deduplicated).collect();
    assert_eq!(repeated, [true, false]);
    let found = follow(&engine, &handle).await.expect("read");
    assert_eq!((found["a"].len(), found["b"].len()), (1, 2));
    engine.close();
}

#[tokio::test]
async fn behind_a_record_that_is_refused_for_now_a_producer_stores_nothing() {
    let dir = tempfile::tempdir().expect("tempdir");
    let log = LogOptions { segment_bytes: 8 << 20, ..options(dir.path()).log };
    let engine = start_with(&EngineOptions { log, ..small(dir.path()) });
    let handle = stream(&engine, "s", 1).await;
    let large = "x".repeat(600 << 10);
    let records = vec![record("k", &large), record("k", &large), record("k", "small")];
    let batch = PutBatch { records, producer: Some(("p".into(), 1)) };
    let results = engine.put_records(&handle, batch).await.expect("put");
    assert!(results[0].is_ok() && matches!(results[1], Err(PutError::Throttled(_))), "{results:?}");
    assert!(matches!(&results[2], Err(PutError::Refused(refusal)) if refusal.reason == Reason::SequenceGap));
    assert_eq!(engine.stream_producer_sequence(&handle, "p".into()).await, Ok(1), "the second one can come again");
    engine.close();
}

#[tokio::test]
async fn limits_refuse_single_records_and_a_stream_that_goes_takes_its_files_along() {
    let dir = tempfile::tempdir().expect("tempdir");
    let log = LogOptions { segment_bytes: 8 << 20, ..options(dir.path()).log };
    let engine = start_with(&EngineOptions { log, ..small(dir.path()) });
    let handle = stream(&engine, "s", 1).await;
    let large = "x".repeat(600 << 10);
    let records = vec![record("k", &large), record("k", &large), record("k", "small")];
    let results = engine.put_records(&handle, PutBatch { records, producer: None }).await.expect("put");
    assert!(results[0].is_ok() && matches!(results[1], Err(PutError::Throttled(_))) && results[2].is_ok());
    let too_large = vec![record("k", &"x".repeat(2 << 20))];
    let results = engine.put_records(&handle, PutBatch { records: too_large, producer: None }).await.expect("put");
    assert!(matches!(results[0], Err(PutError::Stream(StreamError::TooHigh { .. }))), "{results:?}");
    let again = engine.create_stream(stream_path("s"), super::support::created(1, Duration::from_secs(86_400))).await;
    assert_eq!(again.expect_err("refused").reason, Reason::StreamExists);
    let delete = |view: &View<'_>| Ok(vec![view.stream.delete(view.now, &Default::default())?]);
    change(&engine, &handle, delete).await.expect("asked").expect("deleted");
    while engine.find_stream(&stream_path("s")).is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(engine.is_stream_ending(&handle));
    let found = engine.put_records(&handle, PutBatch { records: vec![record("k", "late")], producer: None }).await;
    assert_eq!(found.expect_err("refused").reason, Reason::StreamNotFound);
    stream(&engine, "s", 1).await;
    engine.close();
    let engine = start_with(&small(dir.path()));
    let handle = engine.find_stream(&stream_path("s")).expect("made again");
    assert_eq!(read_all(&engine, &handle, 0).await, Vec::<String>::new());
    engine.close();
}

#[tokio::test]
async fn a_stream_that_goes_does_so_however_often_it_is_asked() {
    let dir = tempfile::tempdir().expect("tempdir");
    let engine = start_with(&small(dir.path()));
    let handle = stream(&engine, "s", 1).await;
    let delete = |view: &View<'_>| Ok(vec![view.stream.delete(view.now, &Default::default())?]);
    change(&engine, &handle, delete).await.expect("asked").expect("deleted");
    let gone = async { while engine.ask_stream(&handle, |_| ()).await.is_ok() {} };
    tokio::time::timeout(Duration::from_secs(60), gone).await.expect("it goes within a minute");
    engine.close();
}

#[tokio::test]
async fn keys_keep_their_order_through_splits_merges_and_restarts() {
    let dir = tempfile::tempdir().expect("tempdir");
    let mut engine = start_with(&small(dir.path()));
    let mut dirs = vec![dir];
    stream(&engine, "s", 2).await;
    for round in 0..6_u32 {
        let handle = engine.find_stream(&stream_path("s")).expect("there");
        let records = (0..20).map(|key| record(&format!("k{key}"), &format!("{round}")));
        put(&engine, &handle, records.collect()).await;
        let reshard = move |view: &View<'_>| {
            let open: Vec<_> = view.stream.shards().filter(|shard| shard.is_open()).map(|shard| shard.id).collect();
            match (round % 2, &open[..]) {
                (0, [first, ..]) => Ok(vec![view.stream.split(view.now, *first, None::<HashKey>)?]),
                _ => view.stream.update_shard_count(view.now, 2),
            }
        };
        change(&engine, &handle, reshard).await.expect("asked").expect("resharded");
        if round % 3 == 2 {
            let next = abandon(engine, dirs.last().expect("a directory").path());
            engine = start_with(&small(next.path()));
            dirs.push(next);
        }
    }
    let handle = engine.find_stream(&stream_path("s")).expect("there");
    let found = follow(&engine, &handle).await.expect("read");
    assert_eq!(found.len(), 20);
    let wanted: Vec<String> = (0..6).map(|round| round.to_string()).collect();
    for (key, rounds) in found {
        assert_eq!(rounds, wanted, "{key}");
    }
    engine.close();
}
