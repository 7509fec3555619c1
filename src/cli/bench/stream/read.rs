//! Everything of some shards, one after another: page by page with `ReadShard`, or pushed with `SubscribeShard`.

use super::{
    args::Mode,
    load::{Load, client},
};
use crate::{
    cli::{
        bench::{clock::now, ledger::Ledger, tally::Tally},
        credentials::Wire,
    },
    proto::stream::v1::{
        Position, ReadShardRequest, Record, SubscribeShardRequest, Until,
        position::{Start, TrimHorizon},
        stream_service_client::StreamServiceClient,
        subscribe_shard_response::Event,
        until::{Stop, Tail},
    },
};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::sleep;
use tonic::{Code, Status};

/// After a shard has given out what it gives out in a second.
const REST: Duration = Duration::from_millis(100);

/// A shard, and what the ledger calls it.
pub(super) type Numbered = (u32, String);

pub(super) async fn run(load: Arc<Load>, ledger: Arc<Mutex<Ledger>>, channel: Wire, shards: Vec<Numbered>) -> Tally {
    let mut reader = Reader { load: &load, ledger: &ledger, streams: client(channel), tally: Tally::default() };
    for (number, shard) in shards {
        let read = match load.args.mode {
            Mode::Read => reader.pages(number, shard).await,
            Mode::Subscribe | Mode::Put | Mode::Produce | Mode::Tail => reader.pushed(number, shard).await,
        };
        if let Err(status) = read {
            reader.tally.refused(&status);
        }
    }
    reader.tally
}

struct Reader<'a> {
    load: &'a Load,
    ledger: &'a Mutex<Ledger>,
    streams: StreamServiceClient<Wire>,
    tally: Tally,
}

impl Reader<'_> {
    async fn pages(&mut self, number: u32, shard: String) -> Result<(), Status> {
        let mut request = ReadShardRequest {
            stream: self.load.stream.clone(),
            shard_id: shard,
            position: oldest(),
            max_records: self.load.args.batch(),
            ..ReadShardRequest::default()
        };
        loop {
            let begun = now();
            let page = match self.streams.read_shard(request.clone()).await {
                Ok(page) => page.into_inner(),
                Err(status) if status.code() == Code::ResourceExhausted => {
                    self.tally.refused(&status);
                    sleep(REST).await;
                    continue;
                }
                Err(status) => return Err(status),
            };
            let count = page.records.len();
            self.note(number, &page.records);
            if count == 0 {
                return Ok(());
            }
            self.tally.call(count, begun.elapsed());
            match page.next {
                Some(next) => request.position = Some(next),
                None => return Ok(()),
            }
        }
    }

    /// A frame takes as long as it comes after the one before it.
    async fn pushed(&mut self, number: u32, shard: String) -> Result<(), Status> {
        let request = SubscribeShardRequest {
            stream: self.load.stream.clone(),
            shard_id: shard,
            position: oldest(),
            until: Some(Until { stop: Some(Stop::Tail(Tail {})) }),
        };
        let mut begun = now();
        let mut answers = self.streams.subscribe_shard(request).await?.into_inner();
        while let Some(answer) = answers.message().await? {
            match answer.event {
                Some(Event::Records(records)) => {
                    self.note(number, &records.records);
                    self.tally.call(records.records.len(), begun.elapsed());
                    begun = now();
                }
                Some(Event::Draining(_)) => return Err(Status::unavailable("the server is shutting down")),
                Some(Event::Ended(_)) | None => {}
            }
        }
        Ok(())
    }

    /// Reads the data, then takes note of it all under one lock.
    fn note(&self, number: u32, records: &[Record]) {
        let read: Vec<_> = records.iter().map(|record| self.load.bodies.read(&record.data)).collect();
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        for body in read {
            ledger.saw(number, body);
        }
    }
}

fn oldest() -> Option<Position> {
    Some(Position { start: Some(Start::TrimHorizon(TrimHorizon {})) })
}
