//! `forebay queue settle`.

use super::receive::settle;
use crate::{
    cli::{Failure, client::Caller, output::Output, value},
    proto::queue::v1::{Ack, DeadLetter, Extend, Nack, settlement::Outcome},
};
use clap::{Args, Subcommand};
use std::{
    io::{self, BufRead as _},
    time::Duration,
};

#[derive(Debug, Subcommand)]
pub(crate) enum SettleAction {
    /// Done: delete the message
    Ack {
        #[command(flatten)]
        leases: Leases,
    },
    /// Not done: make the message visible again
    Nack {
        #[command(flatten)]
        leases: Leases,
        /// Hide it for this long first
        #[arg(long, value_name = "TIME", value_parser = value::duration)]
        delay: Option<Duration>,
        /// Do not count this receive
        #[arg(long)]
        keep_receive_count: bool,
    },
    /// Still working: move the end of the lease
    Extend {
        #[command(flatten)]
        leases: Leases,
        /// How long from now
        #[arg(long = "for", value_name = "TIME", value_parser = value::duration)]
        duration: Duration,
    },
    /// Never going to work: move the message to the dead-letter queue now
    DeadLetter {
        #[command(flatten)]
        leases: Leases,
        /// Stored with the dead letter
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        reason: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Leases {
    /// The queue
    queue: String,
    /// Receipt handles; - reads one a line from standard input
    #[arg(required = true, value_name = "HANDLE")]
    handles: Vec<String>,
}

impl SettleAction {
    pub(super) async fn run(self, caller: &Caller, output: Output) -> Result<(), Failure> {
        let (leases, outcome) = match self {
            Self::Ack { leases } => (leases, Outcome::Ack(Ack {})),
            Self::Nack { leases, delay, keep_receive_count } => {
                (leases, Outcome::Nack(Nack { delay: delay.map(value::to_proto), keep_receive_count }))
            }
            Self::Extend { leases, duration } => {
                (leases, Outcome::Extend(Extend { visibility_timeout: Some(value::to_proto(duration)) }))
            }
            Self::DeadLetter { leases, reason } => (leases, Outcome::DeadLetter(DeadLetter { reason })),
        };
        let mut handles = Vec::new();
        for handle in leases.handles {
            match handle.as_str() {
                "-" => handles.extend(lines()?),
                _ => handles.push(handle),
            }
        }
        let count = handles.len();
        settle(caller, leases.queue, handles, &outcome).await?;
        output.note(&format!("{count} leases are settled"));
        Ok(())
    }
}

fn lines() -> Result<Vec<String>, Failure> {
    let lines: Result<Vec<_>, _> = io::stdin().lock().lines().collect();
    Ok(lines?.into_iter().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect())
}
