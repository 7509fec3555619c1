//! What becomes of received messages: deleted, or hidden for longer or shorter.

use super::{batch, message::shorten, name};
use crate::{
    base::{
        limits,
        name::QueuePath,
        reason::{Reason, Refusal},
    },
    protocol::aws::{
        call::{Call, Reply},
        errors::sqs,
        fault::{Fault, common},
        wire::input::{Input, Names},
    },
    service::settle::{Decision, Settle, Settlement},
};
use std::time::Duration;

const HANDLE: &str = "ReceiptHandle";
const TIMEOUT: &str = "VisibilityTimeout";

pub(in crate::protocol::aws) async fn delete(call: &Call, input: &Input<'_>) -> Result<Reply, Fault> {
    one(call, input, read_delete(input)?).await
}

pub(in crate::protocol::aws) async fn change_visibility(call: &Call, input: &Input<'_>) -> Result<Reply, Fault> {
    let settlement = read_change(input)?;
    if matches!(settlement.decision, Decision::Extend { visibility_timeout: None }) {
        return Err(common::missing(TIMEOUT));
    }
    one(call, input, settlement).await
}

pub(in crate::protocol::aws) async fn delete_batch(call: &Call, input: &Input<'_>) -> Result<Reply, Fault> {
    let names = ("Entries", "DeleteMessageBatchRequestEntry");
    many(call, input, names, "DeleteMessageBatchResultEntry", read_delete).await
}

pub(in crate::protocol::aws) async fn change_visibility_batch(call: &Call, input: &Input<'_>) -> Result<Reply, Fault> {
    let names = ("Entries", "ChangeMessageVisibilityBatchRequestEntry");
    many(call, input, names, "ChangeMessageVisibilityBatchResultEntry", read_change).await
}

fn read_delete(input: &Input<'_>) -> Result<Settlement, Fault> {
    Ok(Settlement { receipt_handle: handle(input)?, decision: Decision::Ack })
}

fn handle(input: &Input<'_>) -> Result<String, Fault> {
    input.required(HANDLE).map(std::borrow::Cow::into_owned)
}

/// A timeout may be missing: an entry of a batch then means the queue's own.
fn read_change(input: &Input<'_>) -> Result<Settlement, Fault> {
    let receipt_handle = handle(input)?;
    let visibility_timeout = input.integer(TIMEOUT)?.map(seconds).transpose()?;
    Ok(Settlement { receipt_handle, decision: Decision::Extend { visibility_timeout } })
}

fn seconds(value: i64) -> Result<Duration, Fault> {
    let most = limits::VISIBILITY_TIMEOUT_MAX.as_secs();
    let seconds = u64::try_from(value).ok().filter(|seconds| *seconds <= most);
    let reason = format!("Must be between 0 and {most}, if provided.");
    seconds.map(Duration::from_secs).ok_or_else(|| common::invalid_value(value, TIMEOUT, &reason))
}

async fn one(call: &Call, input: &Input<'_>, settlement: Settlement) -> Result<Reply, Fault> {
    let path = name::of_call(call, input)?;
    let said = Said::of(&settlement);
    let request = Settle { queue: name::native(call, &path).into_owned(), settlements: vec![settlement] };
    let failures = call.broker.settle(&call.caller, request).await.map_err(|refusal| call.fault(refusal))?;
    match failures.into_iter().next() {
        None => Ok(call.done()),
        Some(failure) => Err(fault(call, &path, failure.refusal, &said)),
    }
}

async fn many(
    call: &Call,
    input: &Input<'_>,
    names: Names,
    successful: &'static str,
    read: fn(&Input<'_>) -> Result<Settlement, Fault>,
) -> Result<Reply, Fault> {
    let path = name::of_call(call, input)?;
    let entries = batch::entries(input, names)?;
    let mut results = Vec::with_capacity(entries.len());
    let (mut settlements, mut said) = (Vec::new(), Vec::new());
    for (id, entry) in &entries {
        let result = read(entry).map(|settlement| {
            said.push((results.len(), Said::of(&settlement)));
            settlements.push(settlement);
        });
        results.push((id.clone(), result));
    }
    if !settlements.is_empty() {
        let request = Settle { queue: name::native(call, &path).into_owned(), settlements };
        let failures = call.broker.settle(&call.caller, request).await.map_err(|refusal| call.fault(refusal))?;
        for failure in failures {
            // A handle that comes twice fails twice: the first entry that has not failed yet is meant.
            let open = said.iter().position(|(_, said)| said.is(&failure.receipt_handle));
            let Some((place, said)) = open.map(|at| said.swap_remove(at)) else { continue };
            if let Some((_, result)) = results.get_mut(place) {
                *result = Err(fault(call, &path, failure.refusal, &said));
            }
        }
    }
    Ok(batch::reply(call, successful, results, |_, ()| {}))
}

/// What a fault repeats of an entry.
struct Said {
    handle: String,
    timeout: Option<Duration>,
}

impl Said {
    fn of(settlement: &Settlement) -> Self {
        let timeout = match settlement.decision {
            Decision::Extend { visibility_timeout } => visibility_timeout,
            Decision::Ack | Decision::Nack { .. } | Decision::DeadLetter { .. } | Decision::Missing => None,
        };
        Self { handle: settlement.receipt_handle.clone(), timeout }
    }

    /// Whether a failure repeats this handle; of very long ones it repeats the beginning.
    fn is(&self, echoed: &str) -> bool {
        self.handle == echoed || echoed.strip_suffix('…').is_some_and(|start| self.handle.starts_with(start))
    }
}

/// A refusal of one handle in the words of SQS.
fn fault(call: &Call, path: &QueuePath, refusal: Refusal, said: &Said) -> Fault {
    let handle = shorten(&said.handle);
    let is_fifo = path.name.is_fifo();
    match (refusal.reason, said.timeout) {
        (Reason::ReceiptHandleInvalid, _) => {
            let text = format!("The input receipt handle \"{handle}\" is not a valid receipt handle.");
            Fault::new(&sqs::RECEIPT_HANDLE_IS_INVALID, text)
        }
        (Reason::LeaseExpired, Some(_)) if is_gone(&refusal) || !is_fifo => {
            const REASON: &str = "Message does not exist or is not available for visibility timeout change.";
            common::invalid_value(handle, HANDLE, REASON)
        }
        (Reason::LeaseExpired, _) => common::invalid_value(handle, HANDLE, "The receipt handle has expired."),
        (Reason::LeaseTooLong, Some(timeout)) => {
            let (seconds, most) = (timeout.as_secs(), limits::VISIBILITY_TIMEOUT_MAX.as_secs());
            let reason = format!("Total VisibilityTimeout for the message is beyond the limit [{most} seconds]");
            common::invalid_value(seconds, TIMEOUT, &reason)
        }
        _ => call.fault(refusal),
    }
}

/// Whether the lease ended with its message.
fn is_gone(refusal: &Refusal) -> bool {
    refusal.metadata.iter().any(|(key, value)| *key == "message" && value == "gone")
}
