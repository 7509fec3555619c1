//! `forebay queue redrive`.

use super::record::RedriveRow;
use crate::{
    cli::{Failure, client::Caller, output::Output},
    proto::queue::v1::{CancelRedriveRequest, ListRedrivesRequest, StartRedriveRequest},
};
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum RedriveAction {
    /// Start moving messages out of a dead-letter queue
    Start {
        /// The dead-letter queue
        queue: String,
        /// Where they go [default: each to the queue it came from]
        #[arg(long, value_name = "QUEUE", default_value = "", hide_default_value = true)]
        to: String,
        /// Messages a second [default: as fast as the server likes]
        #[arg(long, value_name = "COUNT", default_value_t = 0, hide_default_value = true)]
        rate: u32,
    },
    /// List the redrives of a dead-letter queue, newest first
    List {
        /// The dead-letter queue
        queue: String,
        /// At most this many
        #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 10)]
        limit: i32,
    },
    /// Stop a redrive that is running
    Cancel {
        /// The redrive, as start and list name it
        name: String,
    },
}

impl RedriveAction {
    pub(super) async fn run(self, caller: &Caller, mut output: Output) -> Result<(), Failure> {
        let mut queues = caller.queues();
        match self {
            Self::Start { queue, to, rate } => {
                let request =
                    StartRedriveRequest { source_queue: queue, destination_queue: to, max_messages_per_second: rate };
                let answer = queues.start_redrive(caller.request(request)).await?.into_inner();
                output.one(&RedriveRow::from(answer.redrive.unwrap_or_default()))
            }
            Self::List { queue, limit } => {
                let request =
                    ListRedrivesRequest { source_queue: queue, page_size: limit, ..ListRedrivesRequest::default() };
                let answer = queues.list_redrives(caller.request(request)).await?.into_inner();
                let rows: Vec<_> = answer.redrives.into_iter().map(RedriveRow::from).collect();
                output.list(&rows)
            }
            Self::Cancel { name } => {
                let answer = queues.cancel_redrive(caller.request(CancelRedriveRequest { name })).await?.into_inner();
                output.one(&RedriveRow::from(answer.redrive.unwrap_or_default()))
            }
        }
    }
}
