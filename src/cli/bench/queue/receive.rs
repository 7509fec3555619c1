//! Unary `Receive` and `Settle`, one after the other.

use super::load::{Load, client};
use crate::cli::bench::{ledger::Ledger, tally::Tally};
use crate::cli::credentials::Wire;
use crate::{
    cli::bench::clock::now,
    proto::queue::v1::{Ack, ReceiveRequest, ReceivedMessage, SettleRequest, Settlement, settlement::Outcome},
};
use std::sync::{Arc, Mutex, PoisonError};

/// How often a client finds all queues empty before it believes that what is left is lost.
const EMPTY_ROUNDS: usize = 20;

pub(super) async fn run(load: Arc<Load>, ledger: Arc<Mutex<Ledger>>, channel: Wire, index: u32) -> Tally {
    let mut tally = Tally::default();
    let mut queues = client(channel);
    let mut empty = 0;
    for call in 0.. {
        if load.is_all_here() || empty > EMPTY_ROUNDS * load.queues.len() || !tally.errors.is_empty() {
            break;
        }
        let (at, queue) = load.queue(index, call);
        let begun = now();
        let request =
            ReceiveRequest { queue: queue.clone(), max_messages: load.args.batch(), ..ReceiveRequest::default() };
        let messages = match queues.receive(request).await {
            Ok(answer) => answer.into_inner().messages,
            Err(status) => {
                tally.refused(&status);
                continue;
            }
        };
        if messages.is_empty() {
            empty += 1;
            tokio::task::yield_now().await;
            continue;
        }
        empty = 0;
        let count = note(&load, &ledger, at, &messages);
        match queues.settle(SettleRequest { queue, settlements: acks(messages) }).await {
            Ok(answer) => {
                for failure in answer.into_inner().failures {
                    tally.error(&failure.error.unwrap_or_default().reason);
                }
                tally.call(count, begun.elapsed());
                load.came(count);
            }
            Err(status) => tally.refused(&status),
        }
    }
    tally
}

/// Reads the bodies, then takes note of them all under one lock; tells how many counted.
pub(super) fn note(load: &Load, ledger: &Mutex<Ledger>, queue: u32, messages: &[ReceivedMessage]) -> usize {
    let counted = messages.iter().filter(|message| !load.is_backlog(message));
    let read: Vec<_> = counted.map(|message| load.bodies.read(&message.body)).collect();
    let count = read.len();
    let mut ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
    for body in read {
        ledger.saw(queue, body);
    }
    count
}

pub(super) fn acks(messages: Vec<ReceivedMessage>) -> Vec<Settlement> {
    let ack = |message: ReceivedMessage| Settlement {
        receipt_handle: message.receipt_handle,
        outcome: Some(Outcome::Ack(Ack {})),
    };
    messages.into_iter().map(ack).collect()
}
