//! What a run is made of.

use crate::cli::{Failure, bench::ledger::HEADER_BYTES, client::ClientArgs, value};
use clap::{Args, ValueEnum};
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// PutRecords, one call after another in each client
    Put,
    /// Produce, one call a client, pipelined
    Produce,
    /// PutRecords as with put, and one who follows the stream: calls take from a record's put until it is there
    Tail,
    /// ReadShard from the oldest record on, one call after another in each client
    Read,
    /// SubscribeShard from the oldest record on, one call at a time in each client
    Subscribe,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct StreamBenchArgs {
    #[command(flatten)]
    pub(super) client: ClientArgs,
    /// What the clients do
    #[arg(long, value_enum, default_value = "put")]
    pub(super) mode: Mode,
    /// Clients at the same time; of those that read no more than there are shards
    #[arg(long, value_name = "COUNT", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) clients: u32,
    /// Connections they share [default: 8, or one a client if those are fewer]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) connections: Option<u32>,
    /// Records in one call or frame [default: put and tail 1, produce 64, read 1000, subscribe as the server likes]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(super) batch: Option<u32>,
    /// Bytes of a record's data
    #[arg(long, value_name = "SIZE", default_value = "1KiB", value_parser = value::size)]
    pub(super) size: u64,
    /// A provisioned stream of so many shards, with their limits unless streams.shard_limits is false [default: a stream
    /// on demand, which has no limits]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) shards: Option<u32>,
    /// Measure for this long (put, produce, tail)
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = value::duration)]
    pub(super) duration: Duration,
    /// Before that, load for this long and count nothing
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = value::duration)]
    pub(super) warmup: Duration,
    /// Records to have in the stream before the clock starts (read, subscribe)
    #[arg(long, value_name = "COUNT", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) records: u64,
    /// Records that one client has unacknowledged (produce)
    #[arg(long, value_name = "COUNT", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) window: u32,
    /// Open loop: this many records a second, whether the server keeps up or not (put, tail)
    #[arg(long, value_name = "RECORDS")]
    pub(super) rate: Option<f64>,
    /// Also load a server in this process that stores nothing, and print the ratio (not tail)
    #[arg(long)]
    pub(super) ceiling: bool,
    /// Do everything this often and take the median
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(super) rounds: u32,
    /// Do not read everything back to see whether a record is missing (put, produce)
    #[arg(long)]
    pub(super) no_verify: bool,
    /// As one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

impl StreamBenchArgs {
    pub(super) fn check(&self) -> Result<(), Failure> {
        if self.size < HEADER_BYTES as u64 {
            return Err(Failure::usage(format!("--size must be at least {HEADER_BYTES}B")));
        }
        if self.rate.is_some() && !matches!(self.mode, Mode::Put | Mode::Tail) {
            return Err(Failure::usage("--rate goes with --mode put and tail only"));
        }
        if self.ceiling && self.mode == Mode::Tail {
            return Err(Failure::usage("--ceiling does not go with --mode tail: what is not stored is not read"));
        }
        if self.rate.is_some_and(|rate| !rate.is_finite() || rate <= 0.0) {
            return Err(Failure::usage("--rate must be more than 0"));
        }
        if self.mode == Mode::Produce && self.batch() > self.window {
            return Err(Failure::usage("--window is smaller than --batch"));
        }
        Ok(())
    }

    /// Whether the records must be there before the clock starts.
    pub(super) fn reads(&self) -> bool {
        matches!(self.mode, Mode::Read | Mode::Subscribe)
    }

    pub(super) fn connections(&self) -> u32 {
        self.connections.unwrap_or(8).min(self.clients)
    }

    pub(super) fn batch(&self) -> u32 {
        self.batch.unwrap_or(match self.mode {
            Mode::Put | Mode::Tail => 1,
            Mode::Produce => 64,
            Mode::Read | Mode::Subscribe => 1000,
        })
    }

    /// In bytes of memory.
    pub(super) fn data_bytes(&self) -> Result<usize, Failure> {
        usize::try_from(self.size).map_err(|error| Failure::usage(error.to_string()))
    }
}
