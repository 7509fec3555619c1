//! `forebay queue receive`.

use super::message::{PrintArgs, Printer};
use crate::{
    cli::{
        Failure,
        client::{Caller, Entries},
        output::Output,
        value,
    },
    proto::queue::v1::{Ack, ReceiveRequest, SettleRequest, Settlement, settlement::Outcome},
};
use clap::Args;
use std::time::Duration;

#[derive(Debug, Args)]
pub(super) struct ReceiveArgs {
    /// The queue
    queue: String,
    /// At most this many messages
    #[arg(short = 'n', long = "max", value_name = "COUNT", default_value_t = 1)]
    max_messages: u32,
    /// How long to wait for a first message [default: the queue's]
    #[arg(short, long, value_name = "TIME", value_parser = value::duration)]
    wait: Option<Duration>,
    /// How long the messages stay hidden from others [default: the queue's]
    #[arg(long, value_name = "TIME", value_parser = value::duration)]
    visibility_timeout: Option<Duration>,
    /// FIFO: repeating a lost receive with the same id returns the same messages
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    attempt_id: String,
    /// Acknowledge the messages after they are printed
    #[arg(long)]
    ack: bool,
    #[command(flatten)]
    print: PrintArgs,
}

impl ReceiveArgs {
    pub(super) async fn run(self, caller: &Caller, mut output: Output) -> Result<(), Failure> {
        let request = ReceiveRequest {
            queue: self.queue.clone(),
            max_messages: self.max_messages,
            wait: self.wait.map(value::to_proto),
            visibility_timeout: self.visibility_timeout.map(value::to_proto),
            receive_attempt_id: self.attempt_id,
        };
        let wait = self.wait.unwrap_or(Duration::from_secs(20));
        let messages = caller.queues().receive(caller.request_with_wait(request, wait)).await?.into_inner().messages;
        if messages.is_empty() {
            output.note("no message");
        }
        let handles: Vec<_> = messages.iter().map(|message| message.receipt_handle.clone()).collect();
        let mut printer = Printer::new(&mut output, self.print);
        for message in messages {
            printer.print(message)?;
        }
        printer.end()?;
        if self.ack {
            settle(caller, self.queue, handles, &Outcome::Ack(Ack {})).await?;
        }
        Ok(())
    }
}

/// Settles every lease the same way; tells which failed.
pub(super) async fn settle(
    caller: &Caller,
    queue: String,
    handles: Vec<String>,
    outcome: &Outcome,
) -> Result<(), Failure> {
    let mut entries = Entries::default();
    let one = |handle: &String| Settlement { receipt_handle: handle.clone(), outcome: Some(outcome.clone()) };
    for part in handles.chunks(crate::base::limits::BATCH_ENTRIES) {
        let settlements = part.iter().map(one).collect();
        let request = SettleRequest { queue: queue.clone(), settlements };
        let failures = caller.queues().settle(caller.request(request)).await?.into_inner().failures;
        entries.done(part.len().saturating_sub(failures.len()));
        for failure in failures {
            let error = failure.error.unwrap_or_default();
            if handles.len() == 1 {
                entries.failed_silently(&error);
            } else {
                entries.failed(&failure.receipt_handle, &error);
            }
        }
    }
    entries.finish("leases")
}
