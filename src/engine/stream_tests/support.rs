//! Streams, records and readers for the tests.

use crate::{
    base::{
        id::{PartitionId, StreamQueueId},
        name::{AccountId, Namespace, Region},
        stream_name::{StreamName, StreamPath},
    },
    domain::stream::{
        Cursor, Position, ShardId, StreamError,
        acks::{AckError, Handle, machine::Lane},
        create::Create,
        event::Event,
        hash::PartitionKey,
        settings::{Mode, Settings},
    },
    engine::{
        client::Engine,
        streams::{
            delivery::RecordReceipt,
            handle::StreamHandle,
            record::{NewRecord, PutBatch, PutRecord, ReadBatch},
            view::{Change, View},
        },
    },
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

pub(in crate::engine) fn stream_path(name: &str) -> StreamPath {
    let namespace = Namespace {
        account: AccountId::parse("000000000000").expect("valid"),
        region: Region::parse("us-east-1").expect("valid"),
    };
    StreamPath::new(namespace, StreamName::parse(name).expect("valid"))
}

pub(in crate::engine) fn created(shards: u32, retention: Duration) -> Create {
    let settings = Settings { retention, ..Settings::default() };
    Create { settings, shards, partition: PartitionId(0), settle: Duration::ZERO }
}

/// Of an on-demand stream, which queues can stand on.
pub(in crate::engine) fn created_on_demand(retention: Duration) -> Create {
    let plain = created(4, retention);
    Create { settings: Settings { mode: Mode::OnDemand { warm_throughput: 0 }, ..plain.settings }, ..plain }
}

/// What a decision changes, and what it tells.
type Decided<T> = Result<(Vec<Change>, T), StreamError>;

/// Acknowledges records of a queue.
pub(in crate::engine) fn acknowledging(
    id: StreamQueueId,
    receipts: Vec<RecordReceipt>,
) -> impl FnOnce(&View<'_>) -> Decided<Vec<Result<(), AckError>>> + Send + 'static {
    move |view: &View<'_>| {
        let (name, queue) = view.queue(id).expect("there");
        let mut changes = Vec::new();
        let results = receipts.iter().map(|receipt| {
            let event = queue.acknowledge(receipt.lane, &receipt.handle)?;
            changes.extend(event.map(|event| Change::Queue { name: name.clone(), event }));
            Ok(())
        });
        let results = results.collect();
        Ok((changes, results))
    }
}

/// Hands records of a queue back; all, or none when one is not leased any more.
pub(in crate::engine) fn showing(
    id: StreamQueueId,
    lane: Lane,
    handles: Vec<Handle>,
) -> impl FnOnce(&View<'_>) -> Decided<Result<(), AckError>> + Send + 'static {
    move |view: &View<'_>| {
        let (name, queue) = view.queue(id).expect("there");
        let shown = handles.iter().map(|handle| {
            let event = queue.change_visibility(view.now, lane, handle, Duration::ZERO)?;
            Ok(Change::Queue { name: name.clone(), event })
        });
        Ok(match shown.collect() {
            Ok(changes) => (changes, Ok(())),
            Err(error) => (Vec::new(), Err(error)),
        })
    }
}

pub(in crate::engine) fn record(key: &str, data: &str) -> NewRecord {
    let hash = PartitionKey::parse(key).expect("valid").hash();
    NewRecord { partition_key: key.into(), hash, data: data.to_owned().into(), after: None }
}

pub(in crate::engine) async fn stream(engine: &Engine, name: &str, shards: u32) -> Arc<StreamHandle> {
    let request = created(shards, Duration::from_secs(24 * 3600));
    engine.create_stream(stream_path(name), request).await.expect("asked").expect("created")
}

pub(in crate::engine) async fn put(engine: &Engine, stream: &StreamHandle, records: Vec<NewRecord>) -> Vec<PutRecord> {
    let results = engine.put_records(stream, PutBatch { records, producer: None }).await.expect("put");
    results.into_iter().map(|result| result.expect("stored")).collect()
}

/// Changes the stream as `decide` says.
pub(in crate::engine) async fn change(
    engine: &Engine,
    stream: &StreamHandle,
    decide: impl FnOnce(&View<'_>) -> Result<Vec<Event>, StreamError> + Send + 'static,
) -> Option<Result<(), StreamError>> {
    let decide = |view: &View<'_>| Ok((decide(view)?.into_iter().map(Change::Stream).collect(), ()));
    engine.change_stream(stream, decide).await.ok()
}

pub(in crate::engine) async fn cursor(
    engine: &Engine,
    stream: &StreamHandle,
    shard: u32,
    position: Position,
) -> Cursor {
    let ask = move |view: &View<'_>| view.stream.cursor(view.now, ShardId(shard), &position);
    engine.ask_stream(stream, ask).await.expect("asked").expect("a cursor")
}

/// Reads a shard from a cursor on until there is nothing more for now.
pub(super) async fn read_on(engine: &Engine, stream: &StreamHandle, from: Cursor) -> (Vec<String>, ReadBatch) {
    let mut texts = Vec::new();
    let mut cursor = from;
    loop {
        let batch = engine.read_shard(stream, &cursor, 7, 1 << 20).await.expect("read");
        assert_eq!(batch.lost, None);
        texts.extend(batch.records.iter().map(|record| String::from_utf8_lossy(&record.data).into_owned()));
        cursor = batch.next;
        if batch.records.is_empty() {
            return (texts, batch);
        }
    }
}

pub(super) async fn read_all(engine: &Engine, stream: &StreamHandle, shard: u32) -> Vec<String> {
    let from = cursor(engine, stream, shard, Position::TrimHorizon).await;
    read_on(engine, stream, from).await.0
}

/// Everything that a reader of the whole stream gets, parents before their children: texts by key.
pub(in crate::engine) async fn follow(engine: &Engine, stream: &StreamHandle) -> Option<BTreeMap<String, Vec<String>>> {
    let shards = |view: &View<'_>| {
        let trim = |shard: ShardId| view.stream.cursor(view.now, shard, &Position::TrimHorizon);
        view.stream.shards().filter_map(|shard| trim(shard.id).ok()).collect::<Vec<_>>()
    };
    let mut found = BTreeMap::<String, Vec<String>>::new();
    for mut cursor in engine.ask_stream(stream, shards).await.ok()? {
        loop {
            let batch = engine.read_shard(stream, &cursor, 50, 1 << 20).await.ok()?;
            assert_eq!(batch.lost, None, "records are missing");
            for record in &batch.records {
                let key = String::from_utf8_lossy(&record.partition_key).into_owned();
                found.entry(key).or_default().push(String::from_utf8_lossy(&record.data).into_owned());
            }
            cursor = batch.next;
            if batch.records.is_empty() {
                break;
            }
        }
    }
    Some(found)
}
