//! `forebay queue get`.

use super::record::QueueDetail;
use crate::{
    cli::{Failure, client::Caller, output::Output},
    proto::{
        common::v1::ResourceView,
        queue::v1::{GetQueueRequest, Queue},
    },
};
use clap::Args;

#[derive(Debug, Args)]
pub(super) struct GetArgs {
    /// The queue
    name: String,
}

impl GetArgs {
    pub(super) async fn run(self, caller: &Caller, mut output: Output) -> Result<(), Failure> {
        let queue = fetch(caller, self.name, ResourceView::Full).await?;
        output.one(&QueueDetail::from(queue))
    }
}

pub(super) async fn fetch(caller: &Caller, name: String, view: ResourceView) -> Result<Queue, Failure> {
    let mut request = GetQueueRequest { name, ..GetQueueRequest::default() };
    request.set_view(view);
    let answer = caller.queues().get_queue(caller.request(request)).await?.into_inner();
    answer.queue.ok_or_else(|| Failure::failed("the server answered without a queue"))
}
