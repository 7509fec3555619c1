//! Puts records into the stream before the clock starts, in the name of the clients.

use super::load::{Load, client};
use crate::{
    cli::{Failure, bench::ledger::Sent, credentials::Wire},
    proto::stream::v1::{PutRecordsRequest, put_result},
};
use std::sync::Arc;
use tokio::task::JoinSet;

const WORKERS: u32 = 16;
const BATCH_BYTES: u64 = 1 << 20;

/// Puts `load.args.records`, evenly spread over clients; returns what each client is now said to have put.
pub(super) async fn fill(load: &Arc<Load>, channels: &[Wire]) -> Result<Vec<Sent>, Failure> {
    let mut workers = JoinSet::new();
    for worker in 0..WORKERS.min(load.args.clients) {
        let channel = channels.get(worker as usize % channels.len().max(1)).cloned();
        let channel = channel.ok_or_else(|| Failure::failed("there is no connection"))?;
        workers.spawn(fill_some(load.clone(), channel, worker));
    }
    while let Some(filled) = workers.join_next().await {
        filled.map_err(|error| Failure::failed(error.to_string()))??;
    }
    Ok((0..load.args.clients).map(|client| Sent { next: share(load, client), ..Sent::default() }).collect())
}

/// How many records are put in the name of this client.
fn share(load: &Load, client: u32) -> u64 {
    let clients = u64::from(load.args.clients);
    load.args.records / clients + u64::from(u64::from(client) < load.args.records % clients)
}

async fn fill_some(load: Arc<Load>, channel: Wire, worker: u32) -> Result<(), Failure> {
    let mut streams = client(channel);
    let batch = (BATCH_BYTES / load.args.size.max(1)).clamp(1, 500);
    // A client's records go out one batch after another, so that a shard has them in the order of their places.
    for index in (worker..load.args.clients).step_by(WORKERS as usize) {
        let all = share(&load, index);
        for place in (0..all).step_by(usize::try_from(batch).unwrap_or(1)) {
            let records = (place..all.min(place + batch)).map(|place| load.record(index, place)).collect();
            let request = PutRecordsRequest { stream: load.stream.clone(), records, ..PutRecordsRequest::default() };
            for result in streams.put_records(request).await?.into_inner().results {
                if let Some(put_result::Result::Error(error)) = result.result {
                    return Err(Failure::failed(format!("the stream cannot be filled: {}", error.message))
                        .reason(&error.reason)
                        .hint("without --shards, or with streams.shard_limits = false, shards have no limits"));
                }
            }
        }
    }
    Ok(())
}
