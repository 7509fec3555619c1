//! Records of queues over streams: received, and settled each for itself.

use super::fault::StreamFault;
use crate::{
    base::stream_queue_arn::StreamQueueArn,
    domain::stream::acks::{AckError, Event, StreamQueue, machine::Lane},
    engine::streams::delivery::{ReceiveRecords, RecordReceipt},
    service::{
        authorise::Action,
        broker::{Broker, Caller, draining},
        words::{DeliveredRecord, View},
    },
};
use std::time::Duration;

/// A receive, within limits that the protocol has checked.
#[derive(Clone, Copy, Debug)]
pub struct Receive {
    pub dead_letters: bool,
    pub max: u32,
    pub max_bytes: usize,
    /// None: as the queue says.
    pub visibility_timeout: Option<Duration>,
    /// How long to wait for the first record.
    pub wait: Duration,
}

/// What is to become of a received record.
#[derive(Clone, Copy, Debug)]
pub enum Settlement {
    Acknowledge,
    /// The lease ends so long from now; at once, if that is nothing.
    Visibility(Duration),
    /// A dead letter is a record like any other again.
    Restore,
}

/// One entry of a call: a receipt handle, and what is to be done.
#[derive(Clone, Debug)]
pub struct Entry {
    pub handle: String,
    pub settlement: Settlement,
}

/// Why one record was not settled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    #[error("it is no receipt handle that this queue gave out for such a record")]
    NoHandle,
    #[error(transparent)]
    Queue(#[from] AckError),
}

fn lane(dead_letters: bool) -> Lane {
    if dead_letters { Lane::DeadLetters } else { Lane::Main }
}

impl Broker {
    /// Leases records, waiting for the first one if asked to. Once the server drains nobody waits any more.
    ///
    /// # Cancel safety
    /// Dropping the future gives back what it leased.
    pub async fn receive_records(
        &self,
        caller: &Caller,
        arn: &StreamQueueArn,
        receive: Receive,
    ) -> Result<Vec<DeliveredRecord>, StreamFault> {
        let action = if receive.dead_letters { Action::ReceiveDeadLetterRecords } else { Action::ReceiveRecords };
        let stream = self.queue_stream(caller, action, arn)?;
        let wait = if self.draining().is_cancelled() { Duration::ZERO } else { receive.wait };
        let request = ReceiveRecords {
            queue: arn.queue,
            lane: lane(receive.dead_letters),
            max: receive.max.into(),
            max_bytes: receive.max_bytes,
            visibility_timeout: receive.visibility_timeout,
            wait,
        };
        tokio::select! {
            received = self.engine.receive_records(&stream, request) => Ok(received?),
            () = self.draining().cancelled(), if !wait.is_zero() => Err(draining().into()),
        }
    }

    /// The receipt as clients spell it.
    pub fn record_handle(&self, record: &DeliveredRecord) -> String {
        self.engine.record_handle(record.receipt)
    }

    /// Settles records; one result each, in order, durable on return.
    pub async fn settle_records(
        &self,
        caller: &Caller,
        action: Action,
        arn: &StreamQueueArn,
        dead_letters: bool,
        entries: Vec<Entry>,
    ) -> Result<Vec<Result<(), EntryError>>, StreamFault> {
        let stream = self.queue_stream(caller, action, arn)?;
        let is_own = |receipt: &RecordReceipt| {
            (receipt.stream, receipt.queue, receipt.lane) == (arn.stream, arn.queue, lane(dead_letters))
        };
        let parsed = entries.into_iter().map(|entry| {
            let receipt = self.engine.parse_record_handle(&entry.handle).filter(is_own);
            (receipt, entry.settlement)
        });
        let parsed: Vec<_> = parsed.collect();
        self.change_queue(&stream, arn, move |view, _, queue| {
            let mut events = Vec::new();
            let mut results = Vec::with_capacity(parsed.len());
            for (receipt, settlement) in parsed {
                let settled = receipt
                    .ok_or(EntryError::NoHandle)
                    .and_then(|receipt| Ok(settle(view, queue, &receipt, settlement)?));
                results.push(settled.map(|event| events.extend(event)));
            }
            Ok((events, results))
        })
        .await
    }
}

fn settle(
    view: &View<'_>,
    queue: &StreamQueue,
    receipt: &RecordReceipt,
    settlement: Settlement,
) -> Result<Option<Event>, AckError> {
    let RecordReceipt { lane, handle, .. } = receipt;
    match settlement {
        Settlement::Acknowledge => queue.acknowledge(*lane, handle),
        Settlement::Visibility(timeout) => queue.change_visibility(view.now, *lane, handle, timeout).map(Some),
        Settlement::Restore => queue.restore(view.now, handle).map(Some),
    }
}
