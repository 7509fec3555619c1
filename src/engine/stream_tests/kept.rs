//! A year in minutes: segments by the hour, replay from any day, retention lowered and raised, memory and files flat.

use super::support::{change, created, record, stream_path};
use crate::{
    base::time::Timestamp,
    domain::stream::{Cursor, Position, ShardId},
    engine::{
        client::Engine,
        crash_tests::machine::{Machine, TestClock},
        options::{EngineOptions, StreamOptions},
        streams::{handle::StreamHandle, record::PutBatch, view::View},
    },
    storage::{index::memory::MemoryDisk, shard::SegmentRule},
};
use std::{sync::Arc, time::Duration};

const HOUR: Duration = Duration::from_secs(3600);
const YEAR_HOURS: u64 = 8760;

fn options(machine: &Machine) -> EngineOptions {
    let segments = SegmentRule { bytes: 1 << 20, age: HOUR };
    EngineOptions { streams: StreamOptions { segments, ..machine.options().streams }, ..machine.options() }
}

async fn put(engine: &Engine, stream: &StreamHandle, hour: u64) {
    let records = vec![record("k", &format!("{hour}"))];
    let results = engine.put_records(stream, PutBatch { records, producer: None }).await.expect("put");
    assert!(results.iter().all(Result::is_ok), "{results:?}");
}

/// The hours of the records from a position on, up to `most`.
async fn read(engine: &Engine, stream: &StreamHandle, position: Position, most: usize) -> Vec<u64> {
    let ask = move |view: &View<'_>| view.stream.cursor(view.now, ShardId(0), &position);
    let mut cursor: Cursor = engine.ask_stream(stream, ask).await.expect("asked").expect("a cursor");
    let mut hours = Vec::new();
    while hours.len() < most {
        let batch = engine.read_shard(stream, &cursor, most - hours.len(), 1 << 20).await.expect("read");
        assert_eq!(batch.lost, None);
        let number = |text: &[u8]| String::from_utf8_lossy(text).parse::<u64>().expect("a number");
        hours.extend(batch.records.iter().map(|record| number(&record.data)));
        cursor = batch.next;
        if batch.records.is_empty() {
            break;
        }
    }
    hours
}

async fn set_retention(engine: &Engine, stream: &Arc<StreamHandle>, hours: u64) {
    let asked = Duration::from_secs(hours * 3600);
    let decide = move |view: &View<'_>| {
        let is_longer = asked >= view.stream.settings().retention;
        let event = match is_longer {
            true => view.stream.raise_retention(view.now, asked)?,
            false => view.stream.lower_retention(view.now, asked)?,
        };
        Ok(vec![event])
    };
    change(engine, stream, decide).await.expect("asked").expect("set");
}

/// Segments on the disk.
fn segments(machine: &Machine, stream: &StreamHandle) -> usize {
    use crate::storage::io::Io as _;
    let dir = format!("/data/shards/{:016x}", stream.id().0);
    machine.disk.list_dir(std::path::Path::new(&dir)).map_or(0, |names| names.len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_year_of_records_is_replayed_from_any_day_and_goes_with_its_retention() {
    let mut machine = Machine::new(1, TestClock::new(Duration::ZERO), MemoryDisk::default());
    let options = options(&machine);
    let engine = machine.start_with(&options).expect("starts");
    let start = engine_now(&machine);
    let request = created(1, Duration::from_secs(YEAR_HOURS * 3600));
    let stream = engine.create_stream(stream_path("year"), request).await.expect("asked").expect("created");
    for hour in 0..YEAR_HOURS + 48 {
        put(&engine, &stream, hour).await;
        machine.clock.advance(HOUR);
        if hour % 6 == 0 {
            // Checkpoints take their turns.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    let at = |hour: u64| Position::AtTime(Timestamp(start.0 + hour * 3_600_000));
    for day in [60, 100, 200, 365] {
        let hour = day * 24;
        assert_eq!(read(&engine, &stream, at(hour), 3).await, [hour, hour + 1, hour + 2], "day {day}");
    }
    let oldest = read(&engine, &stream, Position::TrimHorizon, 1).await;
    assert_eq!(oldest, [48], "what is older than a year is hidden");
    // After a power cut the same.
    machine.cut_power(Some(engine));
    let engine = machine.start_with(&options).expect("starts");
    let stream = engine.find_stream(&stream_path("year")).expect("there");
    assert_eq!(read(&engine, &stream, at(5000), 2).await, [5000, 5001]);
    // Lowered, older records are gone at once, and their files soon; raised, they do not come back.
    set_retention(&engine, &stream, 24 * 30).await;
    let first = YEAR_HOURS + 48 - 24 * 30;
    assert_eq!(read(&engine, &stream, Position::TrimHorizon, 1).await, [first]);
    let many = segments(&machine, &stream);
    for _ in 0..200 {
        put(&engine, &stream, 0).await;
        machine.clock.advance(Duration::from_secs(1));
        tokio::time::sleep(Duration::from_millis(5)).await;
        if segments(&machine, &stream) < many / 2 {
            break;
        }
    }
    let few = segments(&machine, &stream);
    assert!(many > 20 && few < many / 2, "{many} segments became {few}");
    // The seconds that passed hid one more.
    set_retention(&engine, &stream, YEAR_HOURS).await;
    assert_eq!(read(&engine, &stream, Position::TrimHorizon, 1).await, [first + 1]);
    machine.cut_power(Some(engine));
}

fn engine_now(machine: &Machine) -> Timestamp {
    use crate::base::time::Clock as _;
    machine.clock.now()
}
