//! One round against one server: a stream, records, clients, verdict.

use super::{
    args::{Mode, StreamBenchArgs},
    fill,
    load::{Load, client},
    put,
    read::{self, Numbered},
    tail::{self, Flights},
};
use crate::{
    cli::{
        Failure,
        bench::{
            clock::{Window, now},
            figures::Round,
            ledger::{Bodies, Ledger, Sent, Verdict},
            produce,
            tally::{Tally, join},
        },
        client::{endpoint, unreachable},
        credentials::Wire,
    },
    proto::stream::v1::{CapacityMode, CreateStreamRequest, DeleteStreamRequest, ListShardsRequest, Stream},
};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::task::JoinSet;

/// A round that ends with its records, not with the time.
const ENDLESS: Duration = Duration::from_secs(365 * 86_400);

/// A server under load.
pub(super) struct Target {
    channels: Vec<Wire>,
    stream: String,
    bodies: Bodies,
    /// The shards of a server that stores nothing: there is nothing to create and nothing to read back.
    pretended_shards: Option<u32>,
}

impl Target {
    pub(super) async fn connect(
        args: &StreamBenchArgs,
        server: &str,
        run: u32,
        bodies: Bodies,
        pretended_shards: Option<u32>,
    ) -> Result<Self, Failure> {
        let endpoint = endpoint(server, &args.client.tls)?;
        let mut channels = Vec::new();
        for _ in 0..args.connections() {
            let channel = endpoint.connect().await.map_err(|error| unreachable(server, &error))?;
            channels.push(Wire::new(channel, &args.client.key)?);
        }
        Ok(Self { channels, stream: format!("bench-{run:08x}"), bodies, pretended_shards })
    }

    fn channel(&self, index: usize) -> Result<Wire, Failure> {
        let channel = self.channels.get(index % self.channels.len().max(1));
        channel.cloned().ok_or_else(|| Failure::failed("there is no connection"))
    }

    pub(super) async fn create_stream(&self, args: &StreamBenchArgs) -> Result<(), Failure> {
        let mut stream = Stream::default();
        stream.set_capacity_mode(match args.shards {
            Some(_) => CapacityMode::Provisioned,
            None => CapacityMode::OnDemand,
        });
        // A record as large as any may be.
        stream.max_record_bytes = 10 << 20;
        let request = CreateStreamRequest {
            stream_id: self.stream.clone(),
            stream: Some(stream),
            shard_count: args.shards.unwrap_or_default(),
            ..CreateStreamRequest::default()
        };
        client(self.channel(0)?).create_stream(request).await?;
        Ok(())
    }

    pub(super) async fn delete_stream(&self) -> Result<(), Failure> {
        let request = DeleteStreamRequest { name: self.stream.clone(), ..DeleteStreamRequest::default() };
        match client(self.channel(0)?).delete_stream(request).await {
            Err(status) if status.code() != tonic::Code::NotFound => Err(status.into()),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Every shard of the stream, those that were split or merged first.
    pub(super) async fn shards(&self) -> Result<Vec<Numbered>, Failure> {
        if let Some(count) = self.pretended_shards {
            return Ok((0..count).map(|number| (number, format!("shardId-{number:012}"))).collect());
        }
        let mut request = ListShardsRequest {
            stream: self.stream.clone(),
            page_size: 1000,
            include_closed: true,
            ..ListShardsRequest::default()
        };
        let mut ids = Vec::new();
        loop {
            let page = client(self.channel(0)?).list_shards(request.clone()).await?.into_inner();
            ids.extend(page.shards.into_iter().map(|shard| shard.shard_id));
            if page.next_page_token.is_empty() {
                return Ok((0..).zip(ids).collect());
            }
            request.page_token = page.next_page_token;
        }
    }

    pub(super) async fn round(&self, args: &StreamBenchArgs) -> Result<Round, Failure> {
        match args.mode {
            Mode::Put | Mode::Produce => self.writing(args).await,
            Mode::Tail => self.tailing(args).await,
            Mode::Read | Mode::Subscribe => self.reading(args).await,
        }
    }

    async fn writing(&self, args: &StreamBenchArgs) -> Result<Round, Failure> {
        let load = self.load(args, Window::after(args.warmup, args.duration));
        let (tally, sent) = self.write(&load).await?;
        let stores = self.pretended_shards.is_none();
        let verdict = if stores && !args.no_verify { Some(self.verify(args, sent).await?) } else { None };
        Ok(Round { tally, elapsed: args.duration, verdict })
    }

    async fn write(&self, load: &Arc<Load>) -> Result<(Tally, Vec<Sent>), Failure> {
        let mut clients = JoinSet::new();
        for index in 0..load.args.clients {
            let (load, channel) = (load.clone(), self.channel(index as usize)?);
            match load.args.mode {
                Mode::Put | Mode::Tail => clients.spawn(async move { (index, put::run(load, channel, index).await) }),
                Mode::Produce | Mode::Read | Mode::Subscribe => {
                    clients.spawn(async move { (index, produce::run(load, channel, index).await) })
                }
            };
        }
        join(clients, load.args.clients).await
    }

    /// What counts is when the records are there, not when they are put.
    async fn tailing(&self, args: &StreamBenchArgs) -> Result<Round, Failure> {
        let load = self.load(args, Window::after(args.warmup, args.duration));
        let mut follower = JoinSet::new();
        follower.spawn(tail::run(load.clone(), self.channel(0)?));
        let (put, sent) = self.write(&load).await?;
        load.flights.all_put(sent.iter().map(|sent| sent.next - sent.unsure.len() as u64).sum());
        let followed = follower.join_next().await.ok_or_else(|| Failure::failed("nobody followed"))?;
        let (mut tally, seen) = followed.map_err(|error| Failure::failed(error.to_string()))?;
        for (reason, count) in put.errors {
            *tally.errors.entry(reason).or_default() += count;
        }
        let mut ledger = Ledger::new(true, sent);
        seen.into_iter().for_each(|(shard, read)| ledger.saw(shard, read));
        Ok(Round { tally, elapsed: args.duration, verdict: Some(ledger.verdict()) })
    }

    async fn reading(&self, args: &StreamBenchArgs) -> Result<Round, Failure> {
        let load = self.load(args, Window::after(Duration::ZERO, ENDLESS));
        let sent = match self.pretended_shards {
            None => fill::fill(&load, &self.channels).await?,
            Some(_) => vec![Sent { next: args.records, ..Sent::default() }],
        };
        let (tally, elapsed, verdict) = self.read(&load, sent).await?;
        Ok(Round { tally, elapsed, verdict: Some(verdict) })
    }

    /// Reads everything back that is acknowledged.
    async fn verify(&self, args: &StreamBenchArgs, sent: Vec<Sent>) -> Result<Verdict, Failure> {
        let load = self.load(args, Window::after(Duration::ZERO, ENDLESS));
        let (tally, _, verdict) = self.read(&load, sent).await?;
        match tally.errors.first_key_value() {
            Some((reason, _)) => Err(Failure::failed("the records cannot be read back").reason(reason)),
            None => Ok(verdict),
        }
    }

    /// Shares the shards among the readers, so that every record is read once.
    async fn read(&self, load: &Arc<Load>, sent: Vec<Sent>) -> Result<(Tally, Duration, Verdict), Failure> {
        let shards = self.shards().await?;
        let ledger = Arc::new(Mutex::new(Ledger::new(true, sent)));
        let readers = load.args.clients.min(u32::try_from(shards.len()).unwrap_or(u32::MAX));
        let begun = now();
        let mut clients = JoinSet::new();
        for index in 0..readers {
            let (load, ledger, channel) = (load.clone(), ledger.clone(), self.channel(index as usize)?);
            let mine = shards.iter().skip(index as usize).step_by(readers as usize).cloned().collect();
            clients.spawn(async move { (index, read::run(load, ledger, channel, mine).await) });
        }
        let (tally, _) = join(clients, readers).await?;
        let elapsed = begun.elapsed();
        let verdict = ledger.lock().unwrap_or_else(PoisonError::into_inner).verdict();
        Ok((tally, elapsed, verdict))
    }

    fn load(&self, args: &StreamBenchArgs, window: Window) -> Arc<Load> {
        let (stream, bodies) = (self.stream.clone(), self.bodies.clone());
        Arc::new(Load { args: args.clone(), stream, bodies, window, flights: Flights::default() })
    }
}
