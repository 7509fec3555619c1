//! `forebay group seek`.

use super::{get::Named, record::SoughtRow};
use crate::{
    cli::{
        Failure,
        client::Caller,
        output::Output,
        stream::range::{self, Beginning},
    },
    proto::stream::v1::SeekGroupRequest,
};
use clap::Args;

#[derive(Debug, Args)]
pub(super) struct SeekArgs {
    #[command(flatten)]
    group: Named,
    /// The record that comes next: start, end, @TIME (@-1h, @2026-11-01), a sequence number or after:SEQUENCE
    #[arg(long, value_name = "PLACE", value_parser = range::target, allow_negative_numbers = true)]
    to: Beginning,
    /// Only this shard; may be repeated [default: all; with a sequence number the shard of it]
    #[arg(long = "shard", value_name = "SHARD")]
    shards: Vec<String>,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
}

impl SeekArgs {
    pub(super) async fn run(self, caller: &Caller, mut output: Output) -> Result<(), Failure> {
        let request = SeekGroupRequest {
            name: self.group.name(),
            position: Some(self.to.position()?),
            shard_ids: self.shards,
            validate_only: self.dry_run,
        };
        let answer = caller.streams().seek_group(caller.request(request)).await?.into_inner();
        if self.dry_run {
            output.note("the group could be moved like this; nothing was changed");
        }
        output.list(&answer.shards.iter().map(SoughtRow::from).collect::<Vec<_>>())
    }
}
