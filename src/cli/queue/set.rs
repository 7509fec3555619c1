//! `forebay queue set`.

use super::{get::fetch, record::QueueDetail, settings::SettingsArgs};
use crate::{
    cli::{Failure, client::Caller, output::Output},
    proto::{
        common::v1::ResourceView,
        queue::v1::{Queue, UpdateQueueRequest},
    },
};
use clap::Args;
use prost_types::FieldMask;

#[derive(Debug, Args)]
pub(super) struct SetArgs {
    /// The queue
    name: String,
    #[command(flatten)]
    settings: SettingsArgs,
    /// Have no dead-letter queue
    #[arg(long, conflicts_with = "dead_letter_queue")]
    no_dead_letter_queue: bool,
    /// Have no access policy
    #[arg(long, conflicts_with = "policy")]
    no_policy: bool,
    /// Remove a label; may be repeated
    #[arg(long = "remove-tag", value_name = "NAME")]
    remove_tags: Vec<String>,
    /// Change only a queue that still has this etag
    #[arg(long, value_name = "ETAG")]
    etag: Option<String>,
    /// Check everything, change nothing
    #[arg(long)]
    dry_run: bool,
}

impl SetArgs {
    pub(super) async fn run(self, caller: &Caller, mut output: Output) -> Result<(), Failure> {
        let mut queue = if self.settings.needs_current() || !self.remove_tags.is_empty() {
            fetch(caller, self.name.clone(), ResourceView::Basic).await?
        } else {
            Queue { name: self.name.clone(), ..Queue::default() }
        };
        let mut paths = self.settings.write(&mut queue)?;
        if self.no_dead_letter_queue {
            queue.dead_letter_policy = None;
            paths.push("dead_letter_policy".to_owned());
        }
        if self.no_policy {
            queue.policy = String::new();
            paths.push("policy".to_owned());
        }
        if !self.remove_tags.is_empty() {
            queue.tags.retain(|name, _| !self.remove_tags.contains(name));
            paths.push("tags".to_owned());
        }
        if paths.is_empty() {
            return Err(Failure::usage("no setting is named").hint("forebay queue set --help"));
        }
        paths.dedup();
        if let Some(etag) = self.etag {
            queue.etag = etag;
        }
        let mask = FieldMask { paths };
        let request = UpdateQueueRequest { queue: Some(queue), update_mask: Some(mask), validate_only: self.dry_run };
        let queue = caller.queues().update_queue(caller.request(request)).await?.into_inner().queue;
        if self.dry_run {
            output.note("the queue could be changed like this; nothing was changed");
        }
        output.one(&QueueDetail::from(queue.unwrap_or_default()))
    }
}
