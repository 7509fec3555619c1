//! Puts messages into the queues before the clock starts, in the name of the clients.

use super::load::{Load, client};
use crate::cli::bench::ledger::Sent;
use crate::cli::credentials::Wire;
use crate::{
    cli::Failure,
    proto::queue::v1::{SendRequest, send_result},
};
use std::sync::Arc;
use tokio::task::JoinSet;

const WORKERS: u32 = 16;
const BATCH_BYTES: u64 = 1 << 20;

/// Sends `load.args.messages`, evenly spread over clients and queues; returns what each client is now said to have sent.
pub(super) async fn fill(load: &Arc<Load>, channels: &[Wire]) -> Result<Vec<Sent>, Failure> {
    let mut workers = JoinSet::new();
    for worker in 0..WORKERS.min(load.args.clients) {
        let channel = channels.get(worker as usize % channels.len().max(1)).cloned();
        let channel = channel.ok_or_else(|| Failure::failed("there is no connection"))?;
        workers.spawn(fill_some(load.clone(), channel, worker));
    }
    let mut sent: Vec<_> =
        (0..load.args.clients).map(|client| Sent { next: share(load, client), ..Sent::default() }).collect();
    while let Some(filled) = workers.join_next().await {
        filled.map_err(|error| Failure::failed(error.to_string()))??;
    }
    sent.shrink_to_fit();
    Ok(sent)
}

/// How many messages are sent in the name of this client.
pub(super) fn share(load: &Load, client: u32) -> u64 {
    let clients = u64::from(load.args.clients);
    load.args.messages / clients + u64::from(u64::from(client) < load.args.messages % clients)
}

async fn fill_some(load: Arc<Load>, channel: Wire, worker: u32) -> Result<(), Failure> {
    let mut queues = client(channel);
    let batch = (BATCH_BYTES / load.args.size.max(1)).clamp(1, 500);
    // A client's messages go out one batch after another, so that a FIFO queue has them in the order of their places.
    for index in (worker..load.args.clients).step_by(WORKERS as usize) {
        let all = share(&load, index);
        let mut place = 0;
        for call in 0.. {
            if place >= all {
                break;
            }
            let end = all.min(place + batch);
            let messages = (place..end).map(|place| load.message(index, place)).collect();
            let (_, queue) = load.queue(index, call);
            let answer = queues.send(SendRequest { queue, messages, ..SendRequest::default() }).await?;
            for result in answer.into_inner().results {
                if let Some(send_result::Result::Error(error)) = result.result {
                    return Err(Failure::failed(format!("the queues cannot be filled: {}", error.message))
                        .reason(&error.reason));
                }
            }
            place = end;
        }
    }
    Ok(())
}
