//! The tree below `forebay queue`.

use super::{
    consume::ConsumeArgs, create::CreateArgs, delete::DeleteArgs, get::GetArgs, list::ListArgs, peek::PeekArgs,
    purge::PurgeArgs, receive::ReceiveArgs, redrive::RedriveAction, send::SendArgs, set::SetArgs, settle::SettleAction,
};
use crate::cli::{
    Failure,
    client::{Caller, ClientArgs, block_on},
    output::{Output, OutputArgs},
};
use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub(crate) struct QueueArgs {
    #[command(flatten)]
    client: ClientArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Create a queue; repeating it with equal settings changes nothing
    Create(CreateArgs),
    /// List queues
    List(ListArgs),
    /// Show one queue with its settings and counts
    Get(GetArgs),
    /// Change settings of a queue
    Set(SetArgs),
    /// Delete queues with all their messages
    Delete(DeleteArgs),
    /// Delete every message of a queue
    Purge(PurgeArgs),
    /// Send messages
    Send(SendArgs),
    /// Receive some messages and keep them leased
    Receive(ReceiveArgs),
    /// Receive and acknowledge messages until interrupted
    Consume(ConsumeArgs),
    /// Read messages without leasing them
    Peek(PeekArgs),
    /// Decide about leases: ack, nack, extend, dead-letter
    #[command(subcommand)]
    Settle(SettleAction),
    /// Move messages out of a dead-letter queue
    #[command(subcommand)]
    Redrive(RedriveAction),
}

impl Action {
    /// Asks before anything is destroyed; nothing is called until then.
    fn ask(&self) -> Result<(), Failure> {
        match self {
            Self::Delete(args) => args.ask(),
            Self::Purge(args) => args.ask(),
            Self::Create(_)
            | Self::List(_)
            | Self::Get(_)
            | Self::Set(_)
            | Self::Send(_)
            | Self::Receive(_)
            | Self::Consume(_)
            | Self::Peek(_)
            | Self::Settle(_)
            | Self::Redrive(_) => Ok(()),
        }
    }
}

pub(crate) fn run(args: QueueArgs) -> Result<(), Failure> {
    let output = Output::new(&args.output);
    args.action.ask()?;
    let server = args.client.server.clone();
    block_on(&server, async {
        let caller = Caller::connect(&args.client).await?;
        match args.action {
            Action::Create(args) => args.run(&caller, output).await,
            Action::List(args) => args.run(&caller, output).await,
            Action::Get(args) => args.run(&caller, output).await,
            Action::Set(args) => args.run(&caller, output).await,
            Action::Delete(args) => args.run(&caller, output).await,
            Action::Purge(args) => args.run(&caller, output).await,
            Action::Send(args) => args.run(&caller, output).await,
            Action::Receive(args) => args.run(&caller, output).await,
            Action::Consume(args) => args.run(&caller, output).await,
            Action::Peek(args) => args.run(&caller, output).await,
            Action::Settle(action) => action.run(&caller, output).await,
            Action::Redrive(action) => action.run(&caller, output).await,
        }
    })
}
