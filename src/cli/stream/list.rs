//! `forebay stream list`.

use super::record::StreamRow;
use crate::{
    cli::{Failure, client::Caller, output::Output},
    proto::{
        common::v1::ResourceView,
        stream::v1::{ListStreamsRequest, Stream},
    },
};
use clap::Args;

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    which: Which,
    /// At most this many
    #[arg(short = 'n', long, value_name = "COUNT")]
    limit: Option<usize>,
}

/// Which streams of a namespace.
#[derive(Debug, Args)]
pub(super) struct Which {
    /// Only streams whose id begins with this
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    prefix: String,
    /// The namespace, with its region if that is not the server's [default: the caller's own]
    #[arg(long, value_name = "ACCOUNT[@REGION]")]
    namespace: Option<String>,
}

impl ListArgs {
    pub(super) async fn run(self, caller: &Caller, mut output: Output) -> Result<(), Failure> {
        let streams = self.which.fetch(caller, self.limit.unwrap_or(usize::MAX)).await?;
        output.list(&streams.iter().map(StreamRow::from).collect::<Vec<_>>())
    }
}

impl Which {
    /// The first `limit` of them, page by page.
    pub(super) async fn fetch(self, caller: &Caller, limit: usize) -> Result<Vec<Stream>, Failure> {
        let parent = self.namespace.map(|account| format!("namespaces/{account}")).unwrap_or_default();
        let mut request = ListStreamsRequest {
            parent,
            page_size: i32::try_from(limit.min(1000)).unwrap_or(1000),
            id_prefix: self.prefix,
            ..ListStreamsRequest::default()
        };
        request.set_view(ResourceView::Full);
        let mut streams = Vec::new();
        loop {
            let page = caller.streams().list_streams(caller.request(request.clone())).await?.into_inner();
            streams.extend(page.streams);
            if page.next_page_token.is_empty() || streams.len() >= limit {
                break;
            }
            request.page_token = page.next_page_token;
        }
        streams.truncate(limit);
        Ok(streams)
    }
}
