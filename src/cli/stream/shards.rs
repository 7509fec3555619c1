//! `forebay stream shards`.

use super::shard::ShardRow;
use crate::{
    cli::{Failure, client::Caller, output::Output},
    proto::stream::v1::{ListShardsRequest, Shard},
};
use clap::Args;

#[derive(Debug, Args)]
pub(super) struct ShardsArgs {
    /// The stream
    stream: String,
    /// Also those that were split or merged and still have records
    #[arg(short, long)]
    all: bool,
}

impl ShardsArgs {
    pub(super) async fn run(self, caller: &Caller, mut output: Output) -> Result<(), Failure> {
        let shards = fetch(caller, self.stream, self.all).await?;
        output.list(&shards.iter().map(ShardRow::from).collect::<Vec<_>>())
    }
}

/// The open shards of a stream, and with `include_closed` those that came before them.
pub(super) async fn fetch(caller: &Caller, stream: String, include_closed: bool) -> Result<Vec<Shard>, Failure> {
    let mut request = ListShardsRequest { stream, page_size: 1000, include_closed, ..ListShardsRequest::default() };
    let mut shards = Vec::new();
    loop {
        let page = caller.streams().list_shards(caller.request(request.clone())).await?.into_inner();
        shards.extend(page.shards);
        if page.next_page_token.is_empty() {
            return Ok(shards);
        }
        request.page_token = page.next_page_token;
    }
}
