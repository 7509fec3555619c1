//! Records of queues over streams: received, acknowledged, hidden for longer or less; and dead letters, restored too.

use super::{
    call::{Call, Outcome},
    fault::{INVALID_ARGUMENT, RESOURCE_NOT_FOUND},
    read, target, words,
};
use crate::{
    domain::stream::acks::AckError,
    protocol::aws::{
        fault::{Fault, Kind},
        wire::value::{Members, Said, Value},
    },
    service::{
        authorise::Action,
        streams::queue_records::{Entry, EntryError, Receive, Settlement},
        words::DeliveredRecord,
    },
};
use std::time::Duration;

const RECORDS_DEFAULT: u32 = 10;
const WAIT_SECONDS_DEFAULT: u32 = 9;
/// What one answer holds of records; one that is larger comes alone.
const ANSWER_BYTES_MAX: usize = 10 << 20;

fn seconds(input: &Value<'_>, member: &str) -> Option<Duration> {
    input.count(member).map(|seconds| Duration::from_secs(seconds.into()))
}

pub(super) async fn receive(call: &Call, input: &Value<'_>) -> Result<Outcome, Fault> {
    receive_from(call, input, false).await
}

pub(super) async fn receive_dead_letters(call: &Call, input: &Value<'_>) -> Result<Outcome, Fault> {
    receive_from(call, input, true).await
}

async fn receive_from(call: &Call, input: &Value<'_>, dead_letters: bool) -> Result<Outcome, Fault> {
    let queue = target::queue(call, input.text("QueueARN").unwrap_or_default())?;
    let wait = Duration::from_secs(WAIT_SECONDS_DEFAULT.into());
    let receive = Receive {
        dead_letters,
        max: input.count("Limit").unwrap_or(RECORDS_DEFAULT),
        max_bytes: ANSWER_BYTES_MAX,
        visibility_timeout: seconds(input, "VisibilityTimeoutSeconds"),
        wait: seconds(input, "WaitTimeSeconds").unwrap_or(wait),
    };
    let received = call.broker.receive_records(&call.caller, &queue, receive).await;
    let received = received.map_err(|error| words::of_queue(&queue, error))?;
    let records: Vec<Said> = received.into_iter().map(|record| said(call, record)).collect();
    Ok(Members::default().with("QueueRecords", records).into())
}

fn said(call: &Call, delivered: DeliveredRecord) -> Said {
    let handle = call.broker.record_handle(&delivered);
    let record = delivered.record;
    Members::default()
        .with("ReceiptHandle", handle)
        .with("RecordId", record.number.to_string())
        .maybe("PartitionKey", read::partition_key(&record.partition_key))
        .with("Data", record.data)
        .with("ApproximateArrivalTimestamp", record.arrival)
        .with("FirstReceiveTimestamp", delivered.first_receive)
        .with("ReceiveCount", delivered.receive_count)
        .into()
}

pub(super) async fn acknowledge(call: &Call, input: &Value<'_>) -> Result<Outcome, Fault> {
    settle(call, input, Action::AcknowledgeRecords, false, |_| Settlement::Acknowledge).await
}

pub(super) async fn acknowledge_dead_letters(call: &Call, input: &Value<'_>) -> Result<Outcome, Fault> {
    settle(call, input, Action::AcknowledgeDeadLetterRecords, true, |_| Settlement::Acknowledge).await
}

pub(super) async fn restore(call: &Call, input: &Value<'_>) -> Result<Outcome, Fault> {
    settle(call, input, Action::RestoreDeadLetterRecords, true, |_| Settlement::Restore).await
}

pub(super) async fn update_visibility(call: &Call, input: &Value<'_>) -> Result<Outcome, Fault> {
    settle(call, input, Action::UpdateRecordsVisibility, false, visibility).await
}

pub(super) async fn update_dead_letter_visibility(call: &Call, input: &Value<'_>) -> Result<Outcome, Fault> {
    settle(call, input, Action::UpdateDeadLetterRecordsVisibility, true, visibility).await
}

fn visibility(entry: &Value<'_>) -> Settlement {
    Settlement::Visibility(seconds(entry, "VisibilityTimeoutSeconds").unwrap_or_default())
}

/// Settles the entries of a call, and says of each how it went.
async fn settle(
    call: &Call,
    input: &Value<'_>,
    action: Action,
    dead_letters: bool,
    settlement: fn(&Value<'_>) -> Settlement,
) -> Result<Outcome, Fault> {
    let queue = target::queue(call, input.text("QueueARN").unwrap_or_default())?;
    let entries = input.items("Entries").iter().map(|entry| Entry {
        handle: entry.text("ReceiptHandle").unwrap_or_default().to_owned(),
        settlement: settlement(entry),
    });
    let entries: Vec<_> = entries.collect();
    let handles: Vec<_> = entries.iter().map(|entry| entry.handle.clone()).collect();
    let settled = call.broker.settle_records(&call.caller, action, &queue, dead_letters, entries).await;
    let settled = settled.map_err(|error| words::of_queue(&queue, error))?;
    let (mut successful, mut failed): (Vec<Said>, Vec<Said>) = (Vec::new(), Vec::new());
    for (handle, result) in handles.into_iter().zip(settled) {
        let entry = Members::default().with("ReceiptHandle", handle);
        match result {
            Ok(()) => successful.push(entry.into()),
            Err(error) => {
                let code = kind(&error).json_type;
                failed.push(entry.with("ErrorCode", code).with("ErrorMessage", error.to_string()).into());
            }
        }
    }
    Ok(Members::default().with("Successful", successful).with("Failed", failed).into())
}

fn kind(error: &EntryError) -> &'static Kind {
    match error {
        EntryError::Queue(AckError::Gone | AckError::NotActive) => &RESOURCE_NOT_FOUND,
        EntryError::NoHandle
        | EntryError::Queue(
            AckError::LeaseExpired | AckError::TimeoutTooLong(_) | AckError::ReceiveCount(_) | AckError::Busy(_),
        ) => &INVALID_ARGUMENT,
    }
}
