//! `forebay queue list`.

use super::record::QueueRow;
use crate::{
    cli::{Failure, client::Caller, output::Output},
    proto::{common::v1::ResourceView, queue::v1::ListQueuesRequest},
};
use clap::Args;

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Only queues whose id begins with this
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    prefix: String,
    /// Only queues whose dead-letter queue is this one
    #[arg(long, value_name = "QUEUE", default_value = "", hide_default_value = true)]
    dead_letter_queue: String,
    /// The namespace, with its region if that is not the server's [default: the caller's own]
    #[arg(long, value_name = "ACCOUNT[@REGION]")]
    namespace: Option<String>,
    /// At most this many
    #[arg(short = 'n', long, value_name = "COUNT")]
    limit: Option<usize>,
    /// Names and settings only: cheaper with very many queues
    #[arg(long)]
    no_stats: bool,
}

impl ListArgs {
    pub(super) async fn run(self, caller: &Caller, mut output: Output) -> Result<(), Failure> {
        let limit = self.limit.unwrap_or(usize::MAX);
        let parent = self.namespace.map(|account| format!("namespaces/{account}")).unwrap_or_default();
        let mut request = ListQueuesRequest {
            parent,
            page_size: i32::try_from(limit.min(1000)).unwrap_or(1000),
            id_prefix: self.prefix,
            dead_letter_queue: self.dead_letter_queue,
            ..ListQueuesRequest::default()
        };
        request.set_view(if self.no_stats { ResourceView::Basic } else { ResourceView::Full });
        let mut rows = Vec::new();
        loop {
            let page = caller.queues().list_queues(caller.request(request.clone())).await?.into_inner();
            rows.extend(page.queues.iter().map(QueueRow::from));
            if page.next_page_token.is_empty() || rows.len() >= limit {
                break;
            }
            request.page_token = page.next_page_token;
        }
        rows.truncate(limit);
        output.list(&rows)
    }
}
