//! The pump: carries messages out of the partitions' outboxes to their targets.
//!
//! One thread takes durable items in order, reads each payload, and hands it to the target's partition. When the
//! target has it durably the source forgets the item. A crash in between repeats the hand-over; the target knows what
//! it has. An item whose target is gone goes back to its source queue; if that is gone too, nobody can want it.

use crate::{
    base::{
        id::{PartitionId, QueueId},
        reason::Refusal,
    },
    engine::{
        command::Command,
        journal::{self, OutboxItem, OutboxReason},
        message::Payload,
        partition::worker::Shared,
    },
    storage::log::LogReader,
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        mpsc::{self, Receiver},
    },
};

/// Items handed over before the first is waited for.
const BATCH: usize = 256;

type Item = (PartitionId, OutboxItem);

/// Runs until every sender of `items` is gone or the engine closes.
pub(crate) fn pump(shared: &Shared, reader: &Arc<dyn LogReader>, items: &Receiver<Item>) {
    while let Ok(first) = items.recv() {
        let mut batch = vec![first];
        while batch.len() < BATCH
            && let Ok(item) = items.try_recv()
        {
            batch.push(item);
        }
        if carry(shared, reader, batch).is_none() {
            return;
        }
    }
}

/// Hands a batch over and tells the sources. `None`: the engine closes.
fn carry(shared: &Shared, reader: &Arc<dyn LogReader>, batch: Vec<Item>) -> Option<()> {
    let (done, results) = mpsc::channel::<(usize, Result<(), Refusal>)>();
    let mut undeliverable = vec![false; batch.len()];
    let mut handed_over = 0;
    for (index, ((source, item), failed)) in batch.iter().zip(&mut undeliverable).enumerate() {
        let target = shared.directory.by_id(item.target);
        let inbox = target.and_then(|queue| shared.inbox(queue.partition));
        let payload = inbox.and_then(|inbox| Some((inbox, payload(shared, reader, *source, item)?)));
        let Some((inbox, payload)) = payload else {
            *failed = true;
            continue;
        };
        let done = done.clone();
        // A pump that stopped listening is going away with the engine.
        let then = Box::new(move |result| drop(done.send((index, result))));
        inbox.push_internal(Command::Accept { item: item.clone(), source: *source, payload: Box::new(payload), then });
        handed_over += 1;
    }
    drop(done);
    for _ in 0..handed_over {
        let (index, result) = results.recv().ok()?;
        if let (Err(_), Some(failed)) = (result, undeliverable.get_mut(index)) {
            *failed = true;
        }
    }
    settle(shared, batch, &undeliverable);
    Some(())
}

/// Sends back what could not be delivered, then lets the sources forget the batch.
fn settle(shared: &Shared, batch: Vec<Item>, undeliverable: &[bool]) {
    let mut below: BTreeMap<PartitionId, u64> = BTreeMap::new();
    for ((source, item), failed) in batch.into_iter().zip(undeliverable) {
        let Some(inbox) = shared.inbox(source) else { continue };
        if *failed && let Some(to) = way_back(shared, &item) {
            inbox.push_internal(Command::Reroute { number: item.number, to });
        }
        let next = item.number + 1;
        below.entry(source).and_modify(|below| *below = (*below).max(next)).or_insert(next);
    }
    for (source, below) in below {
        if let Some(inbox) = shared.inbox(source) {
            inbox.push_internal(Command::TransfersDone { below });
        }
    }
}

fn way_back(shared: &Shared, item: &OutboxItem) -> Option<QueueId> {
    let back = item.target != item.source && shared.directory.by_id(item.source).is_some();
    if !back {
        tracing::error!(
            source = item.source.0,
            target = item.target.0,
            seq = item.seq.0,
            "a message in transfer is dropped: neither its target nor its source can take it"
        );
    }
    back.then_some(item.source)
}

fn payload(shared: &Shared, reader: &Arc<dyn LogReader>, source: PartitionId, item: &OutboxItem) -> Option<Payload> {
    let read = reader.read(source, item.location).map_err(|error| error.to_string());
    let payload = read.and_then(|entry| journal::payload(&entry).map_err(|error| error.to_string()));
    let mut payload = payload
        .inspect_err(|error| tracing::error!(partition = source.0, seq = item.seq.0, %error, "a message in transfer cannot be read"))
        .ok()?;
    let from = || shared.directory.by_id(item.source).map(|queue| queue.path.to_string()).unwrap_or_default();
    match &item.why {
        OutboxReason::MaxReceives => {
            payload.dead_letter_source = from();
            payload.dead_letter_reason.clear();
        }
        OutboxReason::Explicit { reason } => {
            payload.dead_letter_source = from();
            payload.dead_letter_reason = reason.to_string();
        }
        OutboxReason::Redrive { .. } | OutboxReason::Returned => {}
    }
    Some(payload)
}
