//! `forebay group list`.

use super::record::GroupRow;
use crate::{
    cli::{Failure, client::Caller, output::Output},
    proto::stream::v1::{Group, ListGroupsRequest},
};
use clap::Args;

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// The stream
    stream: String,
}

impl ListArgs {
    pub(super) async fn run(self, caller: &Caller, mut output: Output) -> Result<(), Failure> {
        let groups = fetch(caller, self.stream).await?;
        output.list(&groups.iter().map(GroupRow::from).collect::<Vec<_>>())
    }
}

/// All groups of a stream, page by page.
pub(crate) async fn fetch(caller: &Caller, stream: String) -> Result<Vec<Group>, Failure> {
    let mut request = ListGroupsRequest { stream, page_size: 1000, ..ListGroupsRequest::default() };
    let mut groups = Vec::new();
    loop {
        let page = caller.streams().list_groups(caller.request(request.clone())).await?.into_inner();
        groups.extend(page.groups);
        if page.next_page_token.is_empty() {
            return Ok(groups);
        }
        request.page_token = page.next_page_token;
    }
}
