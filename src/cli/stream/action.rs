//! The tree below `forebay stream`.

use super::{
    create::CreateArgs,
    delete::DeleteArgs,
    get::GetArgs,
    list::ListArgs,
    put::PutArgs,
    read::{ReadArgs, TailArgs},
    report::ReportArgs,
    reshard::{MergeArgs, ReshardArgs, SplitArgs},
    set::SetArgs,
    shards::ShardsArgs,
};
use crate::cli::{
    Failure,
    client::{Caller, ClientArgs, block_on},
    output::{Output, OutputArgs},
};
use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub(crate) struct StreamArgs {
    #[command(flatten)]
    client: ClientArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Create a stream, and wait until it takes records
    Create(CreateArgs),
    /// List streams
    List(ListArgs),
    /// Show one stream with its settings and counts
    Get(GetArgs),
    /// Change settings of a stream
    Set(SetArgs),
    /// Delete streams with all their records
    Delete(DeleteArgs),
    /// Show what streams hold, how evenly their shards fill, and how far behind their groups are; the largest first
    Report(ReportArgs),
    /// List the shards of a stream, parents before their children
    Shards(ShardsArgs),
    /// Split a shard in two
    Split(SplitArgs),
    /// Merge two shards whose keys are next to each other
    Merge(MergeArgs),
    /// Set how many shards there are, by splits and merges
    Reshard(ReshardArgs),
    /// Put records
    Put(PutArgs),
    /// Read the records that are there
    Read(ReadArgs),
    /// Follow the records that come, through splits and merges, until interrupted
    Tail(TailArgs),
}

impl Action {
    /// Asks before anything is destroyed; nothing is called until then.
    fn ask(&self) -> Result<(), Failure> {
        match self {
            Self::Delete(args) => args.ask(),
            Self::Create(_)
            | Self::List(_)
            | Self::Get(_)
            | Self::Set(_)
            | Self::Report(_)
            | Self::Shards(_)
            | Self::Split(_)
            | Self::Merge(_)
            | Self::Reshard(_)
            | Self::Put(_)
            | Self::Read(_)
            | Self::Tail(_) => Ok(()),
        }
    }
}

pub(crate) fn run(args: StreamArgs) -> Result<(), Failure> {
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
            Action::Report(args) => args.run(&caller, output).await,
            Action::Shards(args) => args.run(&caller, output).await,
            Action::Split(args) => args.run(&caller, output).await,
            Action::Merge(args) => args.run(&caller, output).await,
            Action::Reshard(args) => args.run(&caller, output).await,
            Action::Put(args) => args.run(&caller, output).await,
            Action::Read(args) => args.run(&caller, output).await,
            Action::Tail(args) => args.run(&caller, output).await,
        }
    })
}
