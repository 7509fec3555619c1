//! Signed calls of the AWS protocol over HTTP/1.1, against the broker and against a server that answers nothing.
//!
//! `cargo bench --bench aws`. Both servers run beside the client on the same processors and check every signature, so the
//! ratio is what a call costs beyond HTTP and its signature. `--backlog 0,1000,100000` measures with messages in the queue.
#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "a benchmark measures, and prints what it found")]

mod broker;
mod client;
mod nothing;

use clap::{Parser, ValueEnum};
use client::{Client, Key};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::task::JoinSet;

/// An error for the one who runs this.
type Failure = Box<dyn std::error::Error + Send + Sync>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// SendMessage of 1 KiB
    Send,
    /// SendMessageBatch of ten
    Batch,
    /// ReceiveMessage of ten, DeleteMessageBatch
    Receive,
}

#[derive(Clone, Debug, Parser)]
struct Options {
    /// What to measure; may be repeated
    #[arg(long, value_enum)]
    mode: Vec<Mode>,
    /// Connections, each with one call at a time
    #[arg(long, default_value_t = 64)]
    connections: usize,
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Messages in the queue before the clock starts
    #[arg(long, value_delimiter = ',', default_value = "0")]
    backlog: Vec<u64>,
    /// Cargo says this to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<(), Failure> {
    let options = Options::parse();
    let modes = if options.mode.is_empty() { Mode::value_variants() } else { options.mode.as_slice() };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let key =
        Key { id: "AKIABENCHBENCHBENCH2".to_owned(), secret: "benchmarks-have-no-secrets-0123456789abc".to_owned() };
    let nothing = nothing::start(key.clone())?;
    for mode in modes {
        for backlog in &options.backlog {
            let broker = broker::Broker::start(&key)?;
            let found = runtime.block_on(measure(&options, *mode, &key, broker.address, *backlog))?;
            drop(broker);
            let ceiling = runtime.block_on(measure(&options, *mode, &key, nothing, 0))?;
            let name = format!("{mode:?}").to_lowercase();
            println!(
                "{name:<8} behind {backlog:>8}: broker {found:>8.0} calls/s   nothing {ceiling:>8.0} calls/s   ratio {:.2}",
                found / ceiling
            );
        }
    }
    Ok(())
}

/// Calls a second.
async fn measure(options: &Options, mode: Mode, key: &Key, server: SocketAddr, backlog: u64) -> Result<f64, Failure> {
    let mut first = Client::connect(server, key).await?;
    first.call("CreateQueue", r#"{"QueueName":"bench","Attributes":{"VisibilityTimeout":"3600"}}"#).await?;
    let warm_up = Duration::from_secs(1);
    let length = Duration::from_secs(options.seconds);
    // A receiver may not run dry before the end.
    let expected = if mode == Mode::Receive { 80_000 * (options.seconds + 1) } else { 0 };
    fill(server, key, backlog + expected).await?;
    let begun = Instant::now();
    let calls = Arc::new(AtomicU64::new(0));
    let mut clients = JoinSet::new();
    for _ in 0..options.connections {
        let mut client = Client::connect(server, key).await?;
        let calls = calls.clone();
        clients.spawn(async move {
            while begun.elapsed() < warm_up + length {
                let done = once(&mut client, mode).await?;
                let at = begun.elapsed();
                if at >= warm_up && at < warm_up + length {
                    calls.fetch_add(done, Ordering::Relaxed);
                }
            }
            Ok::<_, Failure>(())
        });
    }
    while let Some(ended) = clients.join_next().await {
        ended??;
    }
    Ok(calls.load(Ordering::Relaxed) as f64 / length.as_secs_f64())
}

async fn once(client: &mut Client, mode: Mode) -> Result<u64, Failure> {
    match mode {
        Mode::Send => client.call("SendMessage", &client::one_message()).await?,
        Mode::Batch => client.call("SendMessageBatch", &client::ten_messages()).await?,
        Mode::Receive => {
            let received = client.call("ReceiveMessage", &client::receive()).await?;
            let mut receipts = client::receipts(&received)?;
            if !client.stores() {
                receipts = vec![client::NO_RECEIPT; 10];
            }
            if receipts.is_empty() {
                return Err("the queue ran dry: fewer --seconds".into());
            }
            client.call("DeleteMessageBatch", &client::deletions(&receipts)).await?;
            return Ok(2);
        }
    };
    Ok(1)
}

async fn fill(server: SocketAddr, key: &Key, messages: u64) -> Result<(), Failure> {
    let left = Arc::new(AtomicU64::new(messages.div_ceil(10)));
    let mut fillers = JoinSet::new();
    for _ in 0..32 {
        let mut client = Client::connect(server, key).await?;
        if !client.stores() {
            return Ok(());
        }
        let left = left.clone();
        fillers.spawn(async move {
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                client.call("SendMessageBatch", &client::ten_messages()).await?;
            }
            Ok::<_, Failure>(())
        });
    }
    while let Some(ended) = fillers.join_next().await {
        ended??;
    }
    Ok(())
}
