//! `forebay stream split`, `merge` and `reshard`: one call, three ways to say how many shards there are.

use super::{get::settled, shard::ShardRow};
use crate::{
    cli::{
        Failure,
        client::Caller,
        output::{Format, Output},
    },
    proto::stream::v1::{
        ReshardStreamRequest,
        reshard_stream_request::{Change, Merge, Split},
    },
};
use clap::Args;

#[derive(Debug, Args)]
pub(super) struct SplitArgs {
    /// The stream
    stream: String,
    /// The shard, such as shardId-000000000000 or 0
    shard: String,
    /// The hash key at which the second half begins [default: the middle]
    #[arg(long, value_name = "HASH_KEY", default_value = "", hide_default_value = true)]
    at: String,
}

#[derive(Debug, Args)]
pub(super) struct MergeArgs {
    /// The stream
    stream: String,
    /// A shard, such as shardId-000000000000 or 0
    shard: String,
    /// The shard whose keys begin where those of the first one end
    adjacent: String,
}

#[derive(Debug, Args)]
pub(super) struct ReshardArgs {
    /// The stream
    stream: String,
    /// So many shards of equal ranges
    shards: u32,
}

impl SplitArgs {
    pub(super) async fn run(self, caller: &Caller, output: Output) -> Result<(), Failure> {
        let split = Split { shard_id: self.shard, new_starting_hash_key: self.at };
        change(caller, output, self.stream, Change::Split(split)).await
    }
}

impl MergeArgs {
    pub(super) async fn run(self, caller: &Caller, output: Output) -> Result<(), Failure> {
        let merge = Merge { shard_id: self.shard, adjacent_shard_id: self.adjacent };
        change(caller, output, self.stream, Change::Merge(merge)).await
    }
}

impl ReshardArgs {
    pub(super) async fn run(self, caller: &Caller, output: Output) -> Result<(), Failure> {
        change(caller, output, self.stream, Change::ShardCount(self.shards)).await
    }
}

/// Shows the shards that are new, once the next change can be made.
async fn change(caller: &Caller, mut output: Output, stream: String, change: Change) -> Result<(), Failure> {
    let request = ReshardStreamRequest { stream, change: Some(change) };
    let answer = caller.streams().reshard_stream(caller.request(request)).await?.into_inner();
    let open = settled(caller, answer.stream.unwrap_or_default()).await?.open_shards;
    let new: Vec<_> = answer.new_shards.iter().map(ShardRow::from).collect();
    match new.len() {
        0 => output.note(&format!("nothing was changed: {open} shards are open")),
        count => output.note(&format!("{count} shards are new, {open} are open")),
    }
    if new.is_empty() && output.format() == Format::Table {
        return Ok(());
    }
    output.list(&new)
}
