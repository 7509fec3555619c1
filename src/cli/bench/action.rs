//! The tree below `forebay bench`.

use super::{disk, queue, stream, waiters};
use crate::cli::Failure;
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// Measure calls and messages a second, and how long calls take
    Queue(Box<queue::QueueBenchArgs>),
    /// Measure calls and records a second, and how long calls take
    Stream(Box<stream::StreamBenchArgs>),
    /// Measure what idle consumers cost
    Waiters(waiters::WaitersBenchArgs),
    /// Measure what the disk takes, and what send rate to expect of it
    Disk(disk::DiskBenchArgs),
}

pub(crate) fn run(command: BenchCommand) -> Result<(), Failure> {
    match command {
        BenchCommand::Queue(args) => queue::run(*args),
        BenchCommand::Stream(args) => stream::run(*args),
        BenchCommand::Waiters(args) => waiters::run(&args),
        BenchCommand::Disk(args) => disk::run(&args),
    }
}
