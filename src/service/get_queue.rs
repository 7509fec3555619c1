//! Reads one queue, with or without its live figures.

use super::{
    authorise::Action,
    broker::{Broker, Caller},
    words::{QueueDefinition, QueueOptions, QueueStats},
};
use crate::base::reason::Refusal;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// A queue as callers see it.
#[derive(Clone, Debug)]
pub struct QueueView {
    pub definition: Arc<QueueDefinition>,
    pub arn: String,
    /// Empty when the server has no public address.
    pub url: String,
    pub figures: Option<Figures>,
}

/// Live figures of a queue.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    pub stats: QueueStats,
    pub oldest_message_age: Option<Duration>,
}

#[derive(Clone, Debug, Default)]
pub struct GetQueue {
    pub name: String,
    /// Whether to count messages.
    pub with_figures: bool,
}

impl Broker {
    pub async fn get_queue(&self, caller: &Caller, request: GetQueue) -> Result<QueueView, Refusal> {
        let queue = self.queue_for(caller, Action::GetQueue, "name", &request.name)?;
        self.view(shown_to(caller, queue), request.with_figures).await
    }

    /// Whether the queue is there, and what it is.
    pub fn locate_queue(&self, caller: &Caller, name: &str) -> Result<QueueView, Refusal> {
        let queue = self.queue_for(caller, Action::GetQueueUrl, "name", name)?;
        Ok(self.plain_view(queue))
    }

    pub(super) async fn view(&self, queue: Arc<QueueDefinition>, with_figures: bool) -> Result<QueueView, Refusal> {
        let figures = if with_figures { Some(self.figures(&queue).await?) } else { None };
        Ok(QueueView { figures, ..self.plain_view(queue) })
    }

    pub(super) fn plain_view(&self, definition: Arc<QueueDefinition>) -> QueueView {
        let path = &definition.path;
        let url = match self.facts.public_url.as_str() {
            "" => String::new(),
            base => format!("{base}/{}/{}", path.account, path.name),
        };
        QueueView { arn: path.arn(), url, definition, figures: None }
    }

    pub(super) async fn figures(&self, queue: &QueueDefinition) -> Result<Figures, Refusal> {
        let stats = self.engine.stats(queue).await?;
        let oldest_message_age = stats.oldest_send_time.map(|sent| self.now().since(sent));
        Ok(Figures { stats, oldest_message_age })
    }
}

/// Tags are the owner's: no permission to look at a queue shows them to another account.
pub(super) fn shown_to(caller: &Caller, queue: Arc<QueueDefinition>) -> Arc<QueueDefinition> {
    if caller.account == queue.path.account || queue.options.tags.is_empty() {
        return queue;
    }
    let options = QueueOptions { tags: BTreeMap::new(), ..queue.options.clone() };
    Arc::new(QueueDefinition { options, path: queue.path.clone(), access: queue.access.clone(), ..*queue })
}
