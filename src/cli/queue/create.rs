//! `forebay queue create`.

use super::{record::QueueDetail, settings::SettingsArgs};
use crate::{
    cli::{Failure, client::Caller, output::Output},
    proto::{
        common::v1::ResourceView,
        queue::v1::{CreateQueueRequest, GetQueueRequest, Queue, QueueType},
    },
};
use clap::Args;
use tonic::Code;

#[derive(Debug, Args)]
pub(super) struct CreateArgs {
    /// The queue's id; a FIFO queue's ends in .fifo
    name: String,
    #[command(flatten)]
    settings: SettingsArgs,
    /// A queue of this name is fine, whatever its settings
    #[arg(long)]
    idempotent: bool,
    /// Check everything, change nothing
    #[arg(long)]
    dry_run: bool,
}

impl CreateArgs {
    pub(super) async fn run(self, caller: &Caller, mut output: Output) -> Result<(), Failure> {
        let (parent, id) = match self.name.rsplit_once("/queues/") {
            Some((parent, id)) => (parent.to_owned(), id.to_owned()),
            None => (String::new(), self.name.clone()),
        };
        let mut queue = Queue::default();
        queue.set_type(if id.ends_with(".fifo") { QueueType::Fifo } else { QueueType::Standard });
        self.settings.write(&mut queue)?;
        let request = CreateQueueRequest { parent, queue_id: id, queue: Some(queue), validate_only: self.dry_run };
        let queue = match caller.queues().create_queue(caller.request(request)).await {
            Ok(answer) => answer.into_inner().queue,
            Err(status) if self.idempotent && status.code() == Code::AlreadyExists => {
                output.note("the queue exists with other settings; nothing was changed");
                let mut request = GetQueueRequest { name: self.name, ..GetQueueRequest::default() };
                request.set_view(ResourceView::Basic);
                caller.queues().get_queue(caller.request(request)).await?.into_inner().queue
            }
            Err(status) => return Err(status.into()),
        };
        if self.dry_run {
            output.note("the queue could be created like this; nothing was changed");
        }
        output.one(&QueueDetail::from(queue.unwrap_or_default()))
    }
}
