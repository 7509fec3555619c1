//! Lists the queues of a namespace by name, a page at a time.

use super::{
    authorise::Action,
    broker::{Broker, Caller},
    check,
    get_queue::QueueView,
    words::QueueDefinition,
};
use crate::base::{
    limits,
    name::{Namespace, QueueName, QueuePath},
    reason::{Reason, Refusal},
};
use std::sync::Arc;

/// Most bytes of a queue in a response, besides its policy and tags: names, numbers, ten source queues.
const QUEUE_BYTES: usize = 2048;

#[derive(Clone, Debug, Default)]
pub struct ListQueues {
    pub parent: String,
    pub page_size: i64,
    pub page_token: String,
    pub id_prefix: String,
    /// Only queues whose dead-letter queue is this one; empty: all.
    pub dead_letter_queue: String,
    pub with_figures: bool,
}

#[derive(Clone, Debug, Default)]
pub struct ListSources {
    pub queue: String,
    pub page_size: i64,
    pub page_token: String,
}

#[derive(Clone, Debug)]
pub struct QueuePage {
    pub queues: Vec<QueueView>,
    /// Empty on the last page.
    pub next_page_token: String,
}

impl Broker {
    pub async fn list_queues(&self, caller: &Caller, request: ListQueues) -> Result<QueuePage, Refusal> {
        let namespace = self.namespace_for(caller, Action::ListQueues, &request.parent)?;
        check::text("id_prefix", &request.id_prefix, limits::QUEUE_NAME_CHARS)?;
        let target = match request.dead_letter_queue.as_str() {
            "" => None,
            name => Some(self.path_for(caller, Action::ListQueues, "dead_letter_queue", name)?),
        };
        let ListQueues { page_size, page_token, id_prefix, with_figures, .. } = request;
        self.page(&namespace, Selection { id_prefix, target, page_size, page_token, with_figures }).await
    }

    /// The queues whose dead-letter queue is this one, which must exist.
    pub async fn list_dead_letter_sources(&self, caller: &Caller, request: ListSources) -> Result<QueuePage, Refusal> {
        let queue = self.queue_for(caller, Action::ListDeadLetterSources, "queue", &request.queue)?;
        let ListSources { page_size, page_token, .. } = request;
        let target = Some(queue.path.clone());
        let selection = Selection { id_prefix: String::new(), target, page_size, page_token, with_figures: false };
        self.page(&queue.path.namespace(), selection).await
    }

    async fn page(&self, namespace: &Namespace, selection: Selection) -> Result<QueuePage, Refusal> {
        let Selection { id_prefix, target, page_size, page_token, with_figures } = selection;
        let size = check::page_size(page_size)?;
        let after = match page_token.as_str() {
            "" => None,
            token => Some(QueueName::parse(token).map_err(|_| check::page_token(token))?),
        };
        let mut after = after.map(|name| name.as_str().to_owned());
        let mut found: Vec<Arc<QueueDefinition>> = Vec::new();
        // One more than the page tells whether there is a next one.
        while found.len() <= size {
            let step = self.engine.list_queues(namespace, &id_prefix, after.as_deref(), size + 1);
            let Some(last) = step.last() else { break };
            after = Some(last.path.name.as_str().to_owned());
            found.extend(step.into_iter().filter(|queue| leads_to(queue, target.as_ref())));
        }
        let fitting = fitting(&found).min(size);
        let has_more = found.len() > fitting;
        found.truncate(fitting);
        let last = found.last().filter(|_| has_more);
        let next_page_token = last.map(|queue| queue.path.name.to_string()).unwrap_or_default();
        let mut queues = Vec::with_capacity(found.len());
        for queue in found {
            queues.push(match self.view(queue.clone(), with_figures).await {
                // Its messages are still being read: a list does without their number.
                Err(refusal) if refusal.reason == Reason::Starting => self.plain_view(queue),
                view => view?,
            });
        }
        Ok(QueuePage { queues, next_page_token })
    }
}

/// Which queues, and how many of them.
struct Selection {
    id_prefix: String,
    target: Option<QueuePath>,
    page_size: i64,
    page_token: String,
    with_figures: bool,
}

/// How many queues from the start one response may hold; at least one.
fn fitting(queues: &[Arc<QueueDefinition>]) -> usize {
    let mut bytes = 0;
    let fits = |queue: &&Arc<QueueDefinition>| {
        let options = &queue.options;
        let tags: usize = options.tags.iter().map(|(key, value)| key.len() + value.len() + 8).sum();
        bytes += QUEUE_BYTES + options.policy.len() + tags;
        bytes <= limits::RESPONSE_FRAME_BYTES
    };
    queues.iter().take_while(fits).count().max(1)
}

fn leads_to(queue: &QueueDefinition, target: Option<&QueuePath>) -> bool {
    let Some(target) = target else { return true };
    queue.options.dead_letter.as_ref().is_some_and(|policy| policy.queue == *target)
}
