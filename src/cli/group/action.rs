//! The tree below `forebay group`.

use super::{delete::DeleteArgs, get::GetArgs, list::ListArgs, seek::SeekArgs};
use crate::cli::{
    Failure,
    client::{Caller, ClientArgs, block_on},
    output::{Output, OutputArgs},
};
use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub(crate) struct GroupArgs {
    #[command(flatten)]
    client: ClientArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the groups of a stream
    List(ListArgs),
    /// Show one group: how far each shard is processed, and who has it
    Get(GetArgs),
    /// Move the checkpoints of a group that has no members
    Seek(SeekArgs),
    /// Delete groups that have no members
    Delete(DeleteArgs),
}

pub(crate) fn run(args: GroupArgs) -> Result<(), Failure> {
    let output = Output::new(&args.output);
    match &args.action {
        // Nothing is called until somebody agrees.
        Action::Delete(args) => args.ask()?,
        Action::List(_) | Action::Get(_) | Action::Seek(_) => {}
    }
    let server = args.client.server.clone();
    block_on(&server, async {
        let caller = Caller::connect(&args.client).await?;
        match args.action {
            Action::List(args) => args.run(&caller, output).await,
            Action::Get(args) => args.run(&caller, output).await,
            Action::Seek(args) => args.run(&caller, output).await,
            Action::Delete(args) => args.run(&caller, output).await,
        }
    })
}
