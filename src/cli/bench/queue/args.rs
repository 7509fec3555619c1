//! What a run is made of.

use crate::cli::{Failure, bench::ledger::HEADER_BYTES, client::ClientArgs, value};
use clap::{Args, ValueEnum};
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// Send, one call after another in each client
    Send,
    /// Produce, one call a client, pipelined
    Produce,
    /// Receive and Settle, one call after another in each client
    Receive,
    /// Consume, one call a client, everything acknowledged
    Consume,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct QueueBenchArgs {
    #[command(flatten)]
    pub(super) client: ClientArgs,
    /// What the clients do
    #[arg(long, value_enum, default_value = "send")]
    pub(super) mode: Mode,
    /// Clients at the same time
    #[arg(long, value_name = "COUNT", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) clients: u32,
    /// Connections they share [default: 8, or one a client if those are fewer]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) connections: Option<u32>,
    /// Messages in one call or frame [default: send 1, produce 64, receive 10, consume as the server likes]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(super) batch: Option<u32>,
    /// Bytes of a body
    #[arg(long, value_name = "SIZE", default_value = "1KiB", value_parser = value::size)]
    pub(super) size: u64,
    /// Queues that the load is spread over
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) queues: u32,
    /// FIFO queues, a group for each client
    #[arg(long)]
    pub(super) fifo: bool,
    /// Measure for this long (send, produce)
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = value::duration)]
    pub(super) duration: Duration,
    /// Before that, load for this long and count nothing
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = value::duration)]
    pub(super) warmup: Duration,
    /// Messages to have in the queues before the clock starts (receive, consume)
    #[arg(long, value_name = "COUNT", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) messages: u64,
    /// Messages that stand in the queues besides and stay there: in front of those that are sent, behind those that are
    /// received. What was sent is not read back then
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    pub(super) backlog: u64,
    /// Messages that one client has unacknowledged (produce, consume)
    #[arg(long, value_name = "COUNT", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) window: u32,
    /// Open loop: this many messages a second, whether the server keeps up or not (send)
    #[arg(long, value_name = "MESSAGES")]
    pub(super) rate: Option<f64>,
    /// Also load a server in this process that stores nothing, and print the ratio
    #[arg(long)]
    pub(super) ceiling: bool,
    /// Do everything this often and take the median
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(super) rounds: u32,
    /// Do not read everything back to see whether a message is missing (send, produce)
    #[arg(long)]
    pub(super) no_verify: bool,
    /// As one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

impl QueueBenchArgs {
    pub(super) fn check(&self) -> Result<(), Failure> {
        if self.size < HEADER_BYTES as u64 {
            return Err(Failure::usage(format!("--size must be at least {HEADER_BYTES}B")));
        }
        if self.rate.is_some() && self.mode != Mode::Send {
            return Err(Failure::usage("--rate goes with --mode send only"));
        }
        if self.rate.is_some_and(|rate| !rate.is_finite() || rate <= 0.0) {
            return Err(Failure::usage("--rate must be more than 0"));
        }
        if self.mode == Mode::Consume && self.clients < self.queues {
            return Err(Failure::usage("--mode consume needs a client for each queue").hint("raise --clients"));
        }
        if self.mode == Mode::Produce && self.batch() > self.window {
            return Err(Failure::usage("--window is smaller than --batch"));
        }
        Ok(())
    }

    /// Whether the messages must be there before the clock starts.
    pub(super) fn receives(&self) -> bool {
        matches!(self.mode, Mode::Receive | Mode::Consume)
    }

    pub(super) fn connections(&self) -> u32 {
        self.connections.unwrap_or(8).min(self.clients)
    }

    pub(super) fn batch(&self) -> u32 {
        self.batch.unwrap_or(match self.mode {
            Mode::Send => 1,
            Mode::Produce => 64,
            Mode::Receive => 10,
            Mode::Consume => 64,
        })
    }
}
