//! `forebay bench waiters`: many consumers that wait for messages or records which do not come.

use super::{
    clock::now,
    show::{grouped, span},
};
use crate::{
    cli::{
        Failure,
        client::{Caller, ClientArgs},
        interrupt::Interrupts,
        output, value,
    },
    config::unit::show_size,
    proto::{
        admin::v1::{GetStatusRequest, GetStatusResponse},
        queue::v1::{
            ConsumeRequest, CreateQueueRequest, DeleteQueueRequest, ReceiveRequest, consume_request, consume_response,
        },
        stream::v1::{
            CreateStreamRequest, DeleteStreamRequest, Position, SubscribeStreamRequest,
            position::{Latest, Start},
        },
    },
};
use clap::{Args, ValueEnum};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tokio::{sync::mpsc, task::JoinSet, time::sleep};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

/// What one connection carries unless the server is told otherwise.
const CALLS_PER_CONNECTION: u32 = 250;
/// How long the waiters get to open.
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(50);
/// The longest wait there is; shorter than a poll's time to open all of them would let the first ones end.
const POLL: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// One Consume call each
    Consume,
    /// One Receive call each, waiting up to 20 s, again and again
    Receive,
    /// One SubscribeStream call each, of a stream with one shard
    Subscribe,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct WaitersBenchArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// How they wait
    #[arg(long, value_enum, default_value = "consume")]
    kind: Kind,
    /// How many
    #[arg(long, value_name = "COUNT", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    clients: u32,
    /// How long to look at the server while they wait
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = value::duration)]
    duration: Duration,
}

pub(crate) fn run(args: &WaitersBenchArgs) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut interrupts = Interrupts::listen();
        let caller = Caller::connect(&args.client).await?;
        let name = create(args.kind, &caller).await?;
        let measured = tokio::select! {
            measured = measure(args, &caller, &name) => measured,
            () = interrupts.next() => Err(Failure::failed("interrupted")),
        };
        delete(args.kind, &caller, name).await?;
        output::print(&measured?)?;
        Ok(())
    })
}

/// The queue or the stream that nothing comes to.
async fn create(kind: Kind, caller: &Caller) -> Result<String, Failure> {
    let run = getrandom::u32().map_err(|error| Failure::failed(error.to_string()))?;
    let name = format!("bench-waiters-{run:08x}");
    if kind == Kind::Subscribe {
        let request = CreateStreamRequest { stream_id: name.clone(), ..CreateStreamRequest::default() };
        caller.streams().create_stream(caller.request(request)).await?;
    } else {
        let request = CreateQueueRequest { queue_id: name.clone(), ..CreateQueueRequest::default() };
        caller.queues().create_queue(caller.request(request)).await?;
    }
    Ok(name)
}

async fn delete(kind: Kind, caller: &Caller, name: String) -> Result<(), Failure> {
    if kind == Kind::Subscribe {
        let request = DeleteStreamRequest { name, ..DeleteStreamRequest::default() };
        caller.streams().delete_stream(caller.request(request)).await?;
    } else {
        let request = DeleteQueueRequest { name, ..DeleteQueueRequest::default() };
        caller.queues().delete_queue(caller.request(request)).await?;
    }
    Ok(())
}

async fn status(caller: &Caller) -> Result<GetStatusResponse, Failure> {
    Ok(caller.admin().get_status(caller.request(GetStatusRequest {})).await?.into_inner())
}

async fn measure(args: &WaitersBenchArgs, caller: &Caller, name: &str) -> Result<String, Failure> {
    let before = status(caller).await?;
    let open = Arc::new(AtomicU32::new(0));
    let mut waiters = JoinSet::new();
    let begun = now();
    for first in (0..args.clients).step_by(CALLS_PER_CONNECTION as usize) {
        let connection = Caller::connect(&args.client).await?;
        for _ in first..args.clients.min(first + CALLS_PER_CONNECTION) {
            waiters.spawn(wait(args.kind, connection.clone(), name.to_owned(), open.clone()));
        }
    }
    while open.load(Ordering::Relaxed) < args.clients {
        if let Some(ended) = waiters.try_join_next() {
            return Err(ended_early(ended));
        }
        if begun.elapsed() > PATIENCE {
            let message = format!("{} of {} waiters are open", open.load(Ordering::Relaxed), args.clients);
            return Err(Failure::failed(message).hint("raise listen.api.max_connections"));
        }
        sleep(LOOK).await;
    }
    // What opening them left to do is not what waiting costs.
    sleep(Duration::from_secs(1)).await;
    let from = now();
    let start = status(caller).await?;
    sleep(args.duration).await;
    let end = status(caller).await?;
    let elapsed = from.elapsed();
    if let Some(ended) = waiters.try_join_next() {
        return Err(ended_early(ended));
    }
    Ok(report(args, &[before, start, end], elapsed))
}

fn ended_early(ended: Result<Result<(), Status>, tokio::task::JoinError>) -> Failure {
    match ended {
        Ok(Err(status)) => status.into(),
        Ok(Ok(())) => Failure::failed("a waiter's call ended"),
        Err(error) => Failure::failed(error.to_string()),
    }
}

/// Waits until the call fails.
async fn wait(kind: Kind, caller: Caller, name: String, open: Arc<AtomicU32>) -> Result<(), Status> {
    match kind {
        Kind::Consume => consume(caller, name, &open).await,
        Kind::Receive => receive(caller, name, &open).await,
        Kind::Subscribe => subscribe(caller, name, &open).await,
    }
}

async fn receive(caller: Caller, queue: String, open: &AtomicU32) -> Result<(), Status> {
    open.fetch_add(1, Ordering::Relaxed);
    loop {
        let request = ReceiveRequest {
            queue: queue.clone(),
            max_messages: 1,
            wait: Some(value::to_proto(POLL)),
            ..ReceiveRequest::default()
        };
        caller.queues().receive(caller.request_with_wait(request, POLL)).await?;
    }
}

async fn consume(caller: Caller, queue: String, open: &AtomicU32) -> Result<(), Status> {
    let (frames, requests) = mpsc::channel(1);
    let begin = consume_request::Open { queue, ..consume_request::Open::default() };
    let frame = ConsumeRequest { frame: Some(consume_request::Frame::Open(begin)) };
    // The other end is in this function.
    drop(frames.send(frame).await);
    let mut answers = caller.queues().consume(caller.stream(ReceiverStream::new(requests))).await?.into_inner();
    while let Some(answer) = answers.message().await? {
        if let Some(consume_response::Frame::Opened(_)) = answer.frame {
            open.fetch_add(1, Ordering::Relaxed);
        }
    }
    drop(frames);
    Ok(())
}

async fn subscribe(caller: Caller, stream: String, open: &AtomicU32) -> Result<(), Status> {
    let position = Position { start: Some(Start::Latest(Latest {})) };
    let request = SubscribeStreamRequest { stream, position: Some(position), ..SubscribeStreamRequest::default() };
    let mut answers = caller.streams().subscribe_stream(caller.stream(request)).await?.into_inner();
    let mut is_open = false;
    // Every answer is a sign of life; the first one comes at once.
    while answers.message().await?.is_some() {
        if !std::mem::replace(&mut is_open, true) {
            open.fetch_add(1, Ordering::Relaxed);
        }
    }
    Ok(())
}

fn report(args: &WaitersBenchArgs, [before, start, end]: &[GetStatusResponse; 3], elapsed: Duration) -> String {
    let used = cpu(end).saturating_sub(cpu(start));
    let percent = used.as_secs_f64() / elapsed.as_secs_f64() * 100.0;
    let grown = end.memory_bytes.saturating_sub(before.memory_bytes);
    format!(
        "{} waiters, {:?}, for {}\nprocessor {percent:.2} % of a core\nmemory    {} before, {} with them: {} bytes a waiter\nlog       {} blocks written meanwhile\n",
        grouped(args.clients.into()),
        args.kind,
        span(elapsed),
        show_size(before.memory_bytes),
        show_size(end.memory_bytes),
        grouped(grown / u64::from(args.clients)),
        end.log_blocks - start.log_blocks,
    )
}

fn cpu(status: &GetStatusResponse) -> Duration {
    let time = status.cpu_time.unwrap_or_default();
    Duration::new(u64::try_from(time.seconds).unwrap_or(0), u32::try_from(time.nanos).unwrap_or(0))
}
