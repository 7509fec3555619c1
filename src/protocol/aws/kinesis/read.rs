//! Where readers begin, and records on their way out.

use super::{
    call::{Call, Outcome},
    fault,
    put::dry_run,
    target, token, words,
};
use crate::{
    base::{reason::Reason, time::Timestamp},
    domain::stream::{Cursor, Position, SequenceNumber, ShardId, sequence::SequenceError, settings::Encryption},
    protocol::aws::{
        fault::Fault,
        wire::value::{Members, Said, Value},
    },
    service::{
        authorise::Action,
        words::{ReadBatch, StoredRecord, StreamHandle},
    },
};

const RECORDS_MAX: u32 = 10_000;
/// What one answer holds of records, keys included.
const ANSWER_BYTES_MAX: usize = 10 << 20;

/// What is said of the encryption of records; nothing when there is none.
pub(super) fn encryption(stream: &StreamHandle) -> Option<&'static str> {
    matches!(stream.notes().settings.encryption, Encryption::Key { .. }).then_some("KMS")
}

pub(super) async fn get_shard_iterator(call: &Call, input: &Value<'_>) -> Result<Outcome, Fault> {
    let path = target::path(call, input)?;
    let shard = target::shard(&path, input, "ShardId")?;
    let stream = target::find(call, Action::GetShardIterator, &path).map_err(|fault| {
        // To who reads, the shard of a stream that is not there is what is missing.
        if *fault.kind == fault::RESOURCE_NOT_FOUND { words::shard_gone(&path, shard) } else { fault }
    })?;
    let asked = Asked {
        kind: input.text("ShardIteratorType").unwrap_or_default(),
        number: input.text("StartingSequenceNumber"),
        time: input.time("Timestamp"),
    };
    let cursor = cursor(call, &stream, shard, &asked).await?;
    dry_run(input)?;
    Ok(Members::default().with("ShardIterator", token::iterator(call, &stream, &cursor)).into())
}

/// A starting position as a request says it.
pub(super) struct Asked<'a> {
    pub(super) kind: &'a str,
    pub(super) number: Option<&'a str>,
    pub(super) time: Option<Timestamp>,
}

/// The place it means.
pub(super) async fn cursor(
    call: &Call,
    stream: &StreamHandle,
    shard: ShardId,
    asked: &Asked<'_>,
) -> Result<Cursor, Fault> {
    let path = stream.path();
    let is_there = call.broker.ask_stream(stream, move |view| view.stream.readable_shard(view.now, shard).is_some());
    if !is_there.await.map_err(|refusal| words::refused(path, refusal))? {
        return Err(words::shard_gone(path, shard));
    }
    let position = position(stream, shard, asked)?;
    let found = call.broker.ask_stream(stream, move |view| view.stream.cursor(view.now, shard, &position));
    let found = found.await.map_err(|refusal| words::refused(path, refusal))?;
    found.map_err(|error| words::of_position(path, shard, asked.number.unwrap_or_default(), &error))
}

fn position(stream: &StreamHandle, shard: ShardId, asked: &Asked<'_>) -> Result<Position, Fault> {
    let by_number = matches!(asked.kind, "AT_SEQUENCE_NUMBER" | "AFTER_SEQUENCE_NUMBER");
    let wrong = match (by_number, asked.number) {
        (true, None) => Some("no"),
        (false, Some(_)) => Some("also a"),
        (true, Some(_)) | (false, None) => None,
    };
    if let Some(wrong) = wrong {
        return Err(fault::invalid(format!(
            "Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and StartingSequenceNumber or (2) \
             TRIM_HORIZON or LATEST and no StartingSequenceNumber. Request specified {} and {wrong} \
             StartingSequenceNumber.",
            asked.kind
        )));
    }
    match (asked.kind, asked.number, asked.time) {
        ("AT_SEQUENCE_NUMBER", Some(text), _) => Ok(Position::At(number(stream, shard, text)?)),
        ("AFTER_SEQUENCE_NUMBER", Some(text), _) => Ok(Position::After(number(stream, shard, text)?)),
        ("LATEST", ..) => Ok(Position::Latest),
        ("AT_TIMESTAMP", _, Some(time)) => Ok(Position::AtTime(time)),
        ("AT_TIMESTAMP", _, None) => Err(fault::invalid(
            "Must specify timestampInMillis parameter for iterator of type AT_TIMESTAMP. Current request has no \
             timestamp parameter.",
        )),
        _ => Ok(Position::TrimHorizon),
    }
}

fn number(stream: &StreamHandle, shard: ShardId, text: &str) -> Result<SequenceNumber, Fault> {
    SequenceNumber::parse(text).map_err(|error| match error {
        SequenceError::FirstVersion { shard: encoded } if encoded != shard => words::other_shard(encoded, shard),
        SequenceError::FirstVersion { .. } | SequenceError::Malformed(_) => {
            words::bad_number(stream.path(), shard, text, ".")
        }
    })
}

pub(super) async fn get_records(call: &Call, input: &Value<'_>) -> Result<Outcome, Fault> {
    let iterator = token::read_iterator(call, input.text("ShardIterator").unwrap_or_default())?;
    let (path, shard) = (&iterator.path, iterator.cursor.shard);
    let found = target::find(call, Action::GetRecords, path);
    let stream =
        found.map_err(
            |fault| {
                if *fault.kind == fault::RESOURCE_NOT_FOUND { words::shard_gone(path, shard) } else { fault }
            },
        )?;
    if stream.id().0 != iterator.stream {
        return Err(words::shard_gone(path, shard));
    }
    dry_run(input)?;
    let throttled = call.broker.throttle_read(&stream, shard);
    throttled.map_err(|throttled| words::rate_exceeded(path, throttled))?;
    let limit = input.count("Limit").unwrap_or(RECORDS_MAX);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let batch = call.broker.read_shard(&stream, &iterator.cursor, limit, ANSWER_BYTES_MAX).await;
    let batch = batch.map_err(|refusal| {
        if refusal.reason == Reason::ShardNotFound {
            words::shard_gone(path, shard)
        } else {
            words::refused(path, refusal)
        }
    })?;
    call.broker.has_read(&stream, shard, bytes_of(&batch));
    answer(call, &stream, batch).await
}

/// What the limits count of an answer.
pub(super) fn bytes_of(batch: &ReadBatch) -> u64 {
    let bytes: usize = batch.records.iter().map(|record| record.data.len() + record.partition_key.len()).sum();
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

async fn answer(call: &Call, stream: &StreamHandle, batch: ReadBatch) -> Result<Outcome, Fault> {
    let behind = millis_behind(call, &batch);
    let next = batch.ended.is_none().then(|| token::iterator(call, stream, &batch.next));
    let children = match &batch.ended {
        Some(ended) => Some(children(call, stream, ended.clone()).await?),
        None => None,
    };
    let records: Vec<Said> = batch.records.into_iter().map(record).collect();
    let answer = Members::default().with("Records", records).maybe("NextShardIterator", next);
    Ok(answer.with("MillisBehindLatest", behind).maybe("ChildShards", children).into())
}

/// How far behind the newest record a reader is: as old as the next one it has not got.
pub(super) fn millis_behind(call: &Call, batch: &ReadBatch) -> u64 {
    let now = call.broker.now();
    batch.behind.map_or(0, |arrival| now.as_millis().saturating_sub(arrival.as_millis()))
}

/// None: the producer gave none.
pub(super) fn partition_key(stored: &[u8]) -> Option<String> {
    (!stored.is_empty()).then(|| String::from_utf8_lossy(stored).into_owned())
}

pub(super) fn record(record: StoredRecord) -> Said {
    let members = Members::default()
        .with("SequenceNumber", record.number.to_string())
        .with("ApproximateArrivalTimestamp", record.arrival)
        .with("Data", record.data)
        .maybe("PartitionKey", partition_key(&record.partition_key));
    members.maybe("EncryptionType", record.encrypted.then_some("KMS")).into()
}

/// The shards where records go on after the end of one.
pub(super) async fn children(call: &Call, stream: &StreamHandle, ids: Vec<ShardId>) -> Result<Vec<Said>, Fault> {
    let look = move |view: &crate::service::words::View<'_>| {
        let shards = ids.iter().filter_map(|id| view.stream.shard(*id));
        let child = |shard: &crate::domain::stream::Shard| {
            let parents: Vec<Said> = shard.parents().map(|parent| parent.to_string().into()).collect();
            let members = Members::default().with("ShardId", shard.id.to_string()).with("ParentShards", parents);
            members.with("HashKeyRange", super::describe::range(shard)).into()
        };
        shards.map(child).collect::<Vec<Said>>()
    };
    let children = call.broker.ask_stream(stream, look).await;
    children.map_err(|refusal| words::refused(stream.path(), refusal))
}
