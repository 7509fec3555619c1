//! One round against one server: queues, messages, clients, verdict.

use super::{
    args::{Mode, QueueBenchArgs},
    consume, fill,
    load::{Load, client},
    receive, send,
};
use crate::{
    cli::{
        Failure,
        bench::{
            clock::{Window, now},
            figures::Round,
            ledger::{Bodies, Ledger, Sent, Verdict},
            produce,
            show::grouped,
            tally::{Tally, join},
        },
        client::{endpoint, unreachable},
        credentials::Wire,
        output, value,
    },
    proto::queue::v1::{CreateQueueRequest, DeleteQueueRequest, Queue, QueueType},
};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::task::JoinSet;

/// Clients that read everything back, and how much each asks for at a time.
const VERIFIERS: u32 = 16;
const VERIFY_BATCH: u32 = 1000;
const ADMIN_CALLS: usize = 32;
/// Longer than any round: a lease that ends in the middle would look like a message that came twice.
const VISIBILITY: Duration = Duration::from_secs(3600);
/// A round that ends with its messages, not with the time.
const ENDLESS: Duration = Duration::from_secs(365 * 86_400);

/// A server under load.
pub(super) struct Target {
    channels: Vec<Wire>,
    pub(super) queues: Vec<String>,
    bodies: Bodies,
    /// Whether it stores anything, so that there are queues to create and messages to read back.
    stores: bool,
}

impl Target {
    pub(super) async fn connect(
        args: &QueueBenchArgs,
        server: &str,
        run: u32,
        bodies: Bodies,
        stores: bool,
    ) -> Result<Self, Failure> {
        let endpoint = endpoint(server, &args.client.tls)?;
        let mut channels = Vec::new();
        for _ in 0..args.connections() {
            let channel = endpoint.connect().await.map_err(|error| unreachable(server, &error))?;
            channels.push(Wire::new(channel, &args.client.key)?);
        }
        let suffix = if args.fifo { ".fifo" } else { "" };
        let queues = (0..args.queues).map(|at| format!("bench-{run:08x}-{at}{suffix}")).collect();
        Ok(Self { channels, queues, bodies, stores })
    }

    fn channel(&self, index: usize) -> Result<Wire, Failure> {
        let channel = self.channels.get(index % self.channels.len().max(1));
        channel.cloned().ok_or_else(|| Failure::failed("there is no connection"))
    }

    pub(super) async fn create_queues(&self, args: &QueueBenchArgs) -> Result<(), Failure> {
        let fifo = args.fifo;
        self.each_queue(move |channel, name| async move {
            let mut queue = Queue { visibility_timeout: Some(value::to_proto(VISIBILITY)), ..Queue::default() };
            queue.set_type(if fifo { QueueType::Fifo } else { QueueType::Standard });
            let request = CreateQueueRequest { queue_id: name, queue: Some(queue), ..CreateQueueRequest::default() };
            client(channel).create_queue(request).await.map(drop)
        })
        .await
    }

    pub(super) async fn delete_queues(&self) -> Result<(), Failure> {
        self.each_queue(|channel, name| async move {
            let request = DeleteQueueRequest { name, etag: String::new() };
            match client(channel).delete_queue(request).await {
                Err(status) if status.code() != tonic::Code::NotFound => Err(status),
                Ok(_) | Err(_) => Ok(()),
            }
        })
        .await
    }

    async fn each_queue<F, R>(&self, call: F) -> Result<(), Failure>
    where
        F: Fn(Wire, String) -> R,
        R: Future<Output = Result<(), tonic::Status>> + Send + 'static,
    {
        if !self.stores {
            return Ok(());
        }
        let mut calls = JoinSet::new();
        for (at, name) in self.queues.iter().enumerate() {
            while calls.len() >= ADMIN_CALLS {
                finish_one(&mut calls).await?;
            }
            calls.spawn(call(self.channel(at)?, name.clone()));
        }
        while !calls.is_empty() {
            finish_one(&mut calls).await?;
        }
        Ok(())
    }

    pub(super) async fn round(&self, args: &QueueBenchArgs) -> Result<Round, Failure> {
        if args.receives() { self.receiving(args).await } else { self.sending(args).await }
    }

    /// Sends what is only to stand there.
    async fn pile_up(&self, args: &QueueBenchArgs) -> Result<(), Failure> {
        if !self.stores || args.backlog == 0 {
            return Ok(());
        }
        output::note(&format!("sending a backlog of {} messages", grouped(args.backlog)));
        let args = QueueBenchArgs { messages: args.backlog, ..args.clone() };
        let window = Window::after(Duration::ZERO, ENDLESS);
        let load = Load::new(args, self.queues.clone(), self.bodies.of_backlog(), window, 0);
        fill::fill(&Arc::new(load), &self.channels).await.map(drop)
    }

    async fn sending(&self, args: &QueueBenchArgs) -> Result<Round, Failure> {
        self.pile_up(args).await?;
        let load = Arc::new(self.load(args.clone(), Window::after(args.warmup, args.duration), 0));
        let mut clients = JoinSet::new();
        for index in 0..args.clients {
            let (load, channel) = (load.clone(), self.channel(index as usize)?);
            match args.mode {
                Mode::Send => clients.spawn(async move { (index, send::run(load, channel, index).await) }),
                Mode::Produce | Mode::Receive | Mode::Consume => {
                    clients.spawn(async move { (index, produce::run(load, channel, index).await) })
                }
            };
        }
        let (tally, sent) = join(clients, args.clients).await?;
        let is_verified = self.stores && !args.no_verify && args.backlog == 0;
        let verdict = if is_verified { Some(self.verify(args, sent).await?) } else { None };
        Ok(Round { tally, elapsed: args.duration, verdict })
    }

    async fn receiving(&self, args: &QueueBenchArgs) -> Result<Round, Failure> {
        let load = Arc::new(self.load(args.clone(), Window::after(Duration::ZERO, ENDLESS), args.messages));
        let sent = if self.stores {
            fill::fill(&load, &self.channels).await?
        } else {
            let everything = Sent { next: args.messages, ..Sent::default() };
            vec![everything]
        };
        self.pile_up(args).await?;
        let (tally, elapsed, verdict) = self.receive(&load, sent).await?;
        Ok(Round { tally, elapsed, verdict: Some(verdict) })
    }

    /// Reads everything back that is acknowledged.
    async fn verify(&self, args: &QueueBenchArgs, sent: Vec<Sent>) -> Result<Verdict, Failure> {
        let sure: u64 = sent.iter().map(|sent| sent.next - sent.unsure.len() as u64).sum();
        let clients = args.clients.min(VERIFIERS);
        let args = QueueBenchArgs { mode: Mode::Receive, clients, batch: Some(VERIFY_BATCH), ..args.clone() };
        let load = Arc::new(self.load(args, Window::after(Duration::ZERO, ENDLESS), sure));
        let (tally, _, verdict) = self.receive(&load, sent).await?;
        match tally.errors.first_key_value() {
            Some((reason, _)) => Err(Failure::failed("the messages cannot be read back").reason(reason)),
            None => Ok(verdict),
        }
    }

    async fn receive(&self, load: &Arc<Load>, sent: Vec<Sent>) -> Result<(Tally, Duration, Verdict), Failure> {
        let ledger = Arc::new(Mutex::new(Ledger::new(load.args.fifo, sent)));
        let begun = now();
        let mut clients = JoinSet::new();
        for index in 0..load.args.clients {
            let (load, ledger, channel) = (load.clone(), ledger.clone(), self.channel(index as usize)?);
            match load.args.mode {
                Mode::Consume => {
                    clients.spawn(async move { (index, consume::run(load, ledger, channel, index).await) })
                }
                Mode::Receive | Mode::Send | Mode::Produce => {
                    clients.spawn(async move { (index, receive::run(load, ledger, channel, index).await) })
                }
            };
        }
        let (tally, _) = join(clients, load.args.clients).await?;
        let elapsed = load.finished().map_or_else(|| begun.elapsed(), |finished| finished - begun);
        let verdict = ledger.lock().unwrap_or_else(std::sync::PoisonError::into_inner).verdict();
        Ok((tally, elapsed, verdict))
    }

    fn load(&self, args: QueueBenchArgs, window: Window, left: u64) -> Load {
        Load::new(args, self.queues.clone(), self.bodies.clone(), window, left)
    }
}

async fn finish_one(calls: &mut JoinSet<Result<(), tonic::Status>>) -> Result<(), Failure> {
    match calls.join_next().await {
        Some(done) => Ok(done.map_err(|error| Failure::failed(error.to_string()))??),
        None => Ok(()),
    }
}
