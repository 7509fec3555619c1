//! Changes some settings of a queue, and only if nobody else did in between when the caller says which state it saw.

use super::{
    authorise::{Action, Resource},
    broker::{Broker, Caller},
    get_queue::QueueView,
    settings::QueueFields,
    words::QueueDefinition,
};
use crate::{
    base::{
        name::Region,
        reason::{Reason, Refusal},
    },
    domain::policy::request::Tags,
};
use std::{collections::BTreeMap, sync::Arc};

#[derive(Clone, Debug, Default)]
pub struct UpdateQueue {
    pub name: String,
    /// What to change; everything else stays.
    pub fields: QueueFields,
    /// Empty: whatever is there.
    pub etag: String,
    pub validate_only: bool,
}

impl Broker {
    pub async fn update_queue(&self, caller: &Caller, request: UpdateQueue) -> Result<QueueView, Refusal> {
        let queue = self.queue_for(caller, Action::UpdateQueue, "queue.name", &request.name)?;
        if let Some(tags) = &request.fields.tags {
            self.authorise_tags(caller, &queue, tags)?;
        }
        let revision = expected_revision(self.region(), &queue, &request.etag, "queue.etag")?;
        let options = self.lay_over(caller, &queue.path, queue.options.clone(), &request.fields)?;
        if request.validate_only {
            let access = options.access();
            return Ok(self.plain_view(Arc::new(QueueDefinition { options, access, ..(*queue).clone() })));
        }
        // Fields not named come from `queue`: without an etag of the caller, its revision guards them.
        let mut expected = revision.unwrap_or(queue.revision);
        let mut wanted = options;
        loop {
            match self.engine.update_queue(queue.id, Some(expected), wanted).await {
                Err(refusal) if refusal.reason == Reason::EtagMismatch && revision.is_none() => {
                    let fresh = self.engine.find_queue(&queue.path)?;
                    if fresh.id != queue.id || fresh.revision == expected {
                        return Err(refusal);
                    }
                    wanted = self.lay_over(caller, &fresh.path, fresh.options.clone(), &request.fields)?;
                    expected = fresh.revision;
                }
                result => return result.map(|definition| self.plain_view(definition)),
            }
        }
    }
}

impl Broker {
    /// All tags are replaced: some are set, and those that are not named again are taken away.
    fn authorise_tags(
        &self,
        caller: &Caller,
        queue: &QueueDefinition,
        tags: &BTreeMap<String, String>,
    ) -> Result<(), Refusal> {
        let resource = Resource::Queue(&queue.path, Some(queue));
        let gone: Vec<_> = queue.options.tags.keys().filter(|key| !tags.contains_key(*key)).cloned().collect();
        if !tags.is_empty() {
            self.authorise_with(caller, Action::TagQueue, resource, Tags::Pairs(tags))?;
        }
        if !gone.is_empty() {
            self.authorise_with(caller, Action::UntagQueue, resource, Tags::Names(&gone))?;
        }
        Ok(())
    }
}

/// What the etag says; refused at once when it is not the queue's.
pub(super) fn expected_revision(
    region: &Region,
    queue: &QueueDefinition,
    etag: &str,
    field: &'static str,
) -> Result<Option<u64>, Refusal> {
    if etag.is_empty() {
        return Ok(None);
    }
    if etag == self::etag(queue) {
        return Ok(Some(queue.revision));
    }
    let shown = queue.path.seen_from(region);
    let message = format!("{shown} has the etag {:?}, not {etag:?}", self::etag(queue));
    Err(Refusal::new(Reason::EtagMismatch, message).at(field).with("queue", shown))
}

/// The state of a queue as callers quote it.
pub fn etag(queue: &QueueDefinition) -> String {
    queue.revision.to_string()
}
