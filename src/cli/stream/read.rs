//! `forebay stream read` and `tail`: what is there, and what comes.

use super::{
    print::{PrintArgs, Printer},
    range::{self, Beginning, Ending},
    reading::{Limits, Reading},
};
use crate::cli::{Failure, client::Caller, output::Output, value};
use clap::Args;
use std::time::Duration;

/// What is read of a stream.
#[derive(Debug, Args)]
pub(super) struct Which {
    /// The stream
    stream: String,
    /// Only this shard, such as shardId-000000000000 or 0
    #[arg(long, value_name = "SHARD", value_parser = shard_id)]
    shard: Option<String>,
    /// End after this many records
    #[arg(short = 'n', long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    #[command(flatten)]
    print: PrintArgs,
}

#[derive(Debug, Args)]
pub(super) struct ReadArgs {
    #[command(flatten)]
    which: Which,
    /// Where to begin: start, end, -COUNT for the newest records, @TIME (@-1h, @2026-11-01), a sequence number or
    /// after:SEQUENCE
    #[arg(long, value_name = "PLACE", default_value = "start", value_parser = range::beginning, allow_negative_numbers = true)]
    from: Beginning,
    /// Where to stop: tail for the newest record as of now, @TIME, a sequence number, or "COUNT records", which are
    /// waited for
    #[arg(long, value_name = "PLACE", default_value = "tail", value_parser = range::ending)]
    until: Ending,
}

#[derive(Debug, Args)]
pub(super) struct TailArgs {
    #[command(flatten)]
    which: Which,
    /// Where to begin: start, end, -COUNT for the newest records, @TIME (@-1h, @2026-11-01), a sequence number or
    /// after:SEQUENCE
    #[arg(long, value_name = "PLACE", default_value = "end", value_parser = range::beginning, allow_negative_numbers = true)]
    from: Beginning,
    /// Where to stop: @TIME, a sequence number or "COUNT records" [default: never]
    #[arg(long, value_name = "PLACE", value_parser = range::ending)]
    until: Option<Ending>,
    /// End when no record came for this long
    #[arg(long, value_name = "TIME", value_parser = value::duration)]
    idle_exit: Option<Duration>,
    /// How long to try again when the connection breaks or the server restarts; 0s: not at all
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = value::duration)]
    reconnect: Duration,
}

/// Reads a shard's id, or its number alone; for clap.
fn shard_id(text: &str) -> Result<String, String> {
    match text.parse::<u32>() {
        Ok(number) => Ok(format!("shardId-{number:012}")),
        Err(_) if text.starts_with("shardId-") => Ok(text.to_owned()),
        Err(_) => Err(format!("{text:?} is not a shard such as shardId-000000000000 or 0")),
    }
}

impl ReadArgs {
    pub(super) async fn run(self, caller: &Caller, output: Output) -> Result<(), Failure> {
        let limits = Limits { count: self.which.count, ..Limits::default() };
        let Which { stream, shard, print, .. } = self.which;
        let printer = Printer::new(output, print);
        Reading::open(caller, (stream, shard), self.from, Some(self.until), printer).await?.run(caller, limits).await
    }
}

impl TailArgs {
    pub(super) async fn run(self, caller: &Caller, output: Output) -> Result<(), Failure> {
        let limits = Limits { count: self.which.count, idle: self.idle_exit, reconnect: Some(self.reconnect) };
        let Which { stream, shard, print, .. } = self.which;
        let printer = Printer::new(output, print);
        Reading::open(caller, (stream, shard), self.from, self.until, printer).await?.run(caller, limits).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_named_by_its_id_or_its_number() {
        for text in ["7", "007", "shardId-000000000007"] {
            assert_eq!(shard_id(text).as_deref(), Ok("shardId-000000000007"), "{text}");
        }
        for text in ["", "seven", "-1"] {
            assert!(shard_id(text).is_err(), "{text}");
        }
    }
}
