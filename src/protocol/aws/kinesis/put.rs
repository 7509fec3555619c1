//! Records on their way in.

use super::{
    call::{Call, Outcome},
    fault::{self, DRY_RUN},
    read::encryption,
    target,
    validate::Keys,
    words,
};
use crate::{
    domain::stream::{
        SequenceNumber, StreamError,
        hash::{HashKey, PartitionKey},
    },
    protocol::aws::{
        fault::Fault,
        wire::value::{Members, Said, Value},
    },
    service::{
        authorise::Action,
        words::{NewRecord, PutBatch, PutError, PutRecord, StreamHandle},
    },
};

/// The most that one request may bring, keys included.
const REQUEST_BYTES_MAX: usize = 10 << 20;

/// Whether the records of a call need partition keys. Only of one that lacks some is the stream looked at, and only for
/// somebody who may put.
pub(super) fn keys(call: &Call, operation: &str, input: &Value<'_>) -> Keys {
    let lacks = |record: &Value<'_>| record.member("PartitionKey").is_none();
    let action = match operation {
        "PutRecord" if lacks(input) => Action::PutRecord,
        "PutRecords" if input.items("Records").iter().any(lacks) => Action::PutRecords,
        _ => return Keys::Needed,
    };
    let spreads = target::stream(call, input, action).is_ok_and(|stream| stream.notes().settings.spreads_records());
    if spreads { Keys::Optional } else { Keys::Needed }
}

pub(super) async fn put_record(call: &Call, input: &Value<'_>) -> Result<Outcome, Fault> {
    let stream = target::stream(call, input, Action::PutRecord)?;
    let mut record = record(&stream, input)?;
    if let Some(number) = input.text("SequenceNumberForOrdering") {
        record.after = Some(SequenceNumber::parse(number).map_err(|_| words::bad_order(stream.path(), number))?);
    }
    dry_run(input)?;
    let number = input.text("SequenceNumberForOrdering").unwrap_or_default();
    let mut results = put(call, &stream, vec![record]).await?;
    let put = match results.pop() {
        Some(Ok(put)) => put,
        Some(Err(PutError::Stream(StreamError::FutureSequence(_)))) => {
            return Err(words::bad_order(stream.path(), number));
        }
        Some(Err(error)) => return Err(words::fault_of_use(stream.path(), error)),
        None => return Err(Fault::new(&fault::INTERNAL, "Internal Service Failure")),
    };
    Ok(stored(&put).maybe("EncryptionType", encryption(&stream)).into())
}

pub(super) async fn put_records(call: &Call, input: &Value<'_>) -> Result<Outcome, Fault> {
    let stream = target::stream(call, input, Action::PutRecords)?;
    let records = input.items("Records").iter().map(|entry| record(&stream, entry));
    let records = records.collect::<Result<Vec<_>, _>>()?;
    let bytes: usize = records.iter().map(NewRecord::size).sum();
    if bytes > REQUEST_BYTES_MAX {
        return Err(fault::invalid("Records size exceeds 10 MB limit"));
    }
    dry_run(input)?;
    let results = put(call, &stream, records).await?;
    let none_can =
        |result: &Result<_, PutError>| matches!(result, Err(PutError::Stream(StreamError::NotActive { .. })));
    if results.iter().all(none_can) {
        return Err(words::not_found(stream.path()));
    }
    let failed = results.iter().filter(|result| result.is_err()).count();
    let entries: Vec<Said> = results.into_iter().map(|result| entry(&stream, result).into()).collect();
    let answer = Members::default().with("FailedRecordCount", failed).with("Records", entries);
    Ok(answer.maybe("EncryptionType", encryption(&stream)).into())
}

/// Says that the call would have succeeded, if it is made to learn just that.
pub(super) fn dry_run(input: &Value<'_>) -> Result<(), Fault> {
    match input.flag("DryRun") {
        true => Err(Fault::new(&DRY_RUN, "Request would have succeeded, but DryRun flag is set.")),
        false => Ok(()),
    }
}

fn record(stream: &StreamHandle, entry: &Value<'_>) -> Result<NewRecord, Fault> {
    let key = entry.text("PartitionKey").unwrap_or_default();
    let hash = match entry.text("ExplicitHashKey") {
        _ if stream.notes().settings.spreads_records() => HashKey::MIN,
        Some(text) => HashKey::parse(text).map_err(|_| {
            fault::invalid(format!(
                "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was {text}"
            ))
        })?,
        None => PartitionKey::parse(key).map_err(|error| fault::invalid(error.to_string()))?.hash(),
    };
    let data = entry.blob("Data").cloned().unwrap_or_default();
    let record = NewRecord { partition_key: key.into(), hash, data, after: None };
    let max = stream.notes().settings.record_bytes_max;
    if record.size() > usize::try_from(max).unwrap_or(usize::MAX) {
        let size = record.size();
        let error = StreamError::TooHigh {
            field: crate::domain::stream::Field::RecordBytes,
            value: u64::try_from(size).unwrap_or(u64::MAX),
            max: max.into(),
        };
        return Err(words::fault(stream.path(), error));
    }
    Ok(record)
}

async fn put(
    call: &Call,
    stream: &StreamHandle,
    records: Vec<NewRecord>,
) -> Result<Vec<Result<PutRecord, PutError>>, Fault> {
    let batch = PutBatch { records, producer: None };
    let results = call.broker.put_records(stream, batch).await;
    results.map_err(|refusal| words::refused(stream.path(), refusal))
}

fn stored(put: &PutRecord) -> Members {
    let (shard, number) = put.stored.unzip();
    let members = Members::default().maybe("ShardId", shard.map(|shard| shard.to_string()));
    members.maybe("SequenceNumber", number.map(|number| number.to_string()))
}

fn entry(stream: &StreamHandle, result: Result<PutRecord, PutError>) -> Members {
    let failed =
        |code: &'static str, text: String| Members::default().with("ErrorCode", code).with("ErrorMessage", text);
    match result {
        Ok(put) => stored(&put),
        Err(PutError::Throttled(throttled)) => {
            let fault = words::rate_exceeded(stream.path(), throttled);
            failed(fault.kind.json_type, fault.message.into_owned())
        }
        Err(PutError::Stream(_) | PutError::Refused(_)) => {
            failed("InternalFailure", "Internal Service Failure".to_owned())
        }
    }
}
