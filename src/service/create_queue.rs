//! Creates a queue. Repeating it with equal settings returns the queue; a field said differently is refused by name.

use super::{
    authorise::{Action, Resource},
    broker::{Broker, Caller, parse_namespace},
    check,
    get_queue::QueueView,
    settings::{QueueFields, first_difference},
    words::{QueueDefinition, QueueOptions},
};
use crate::{
    base::{
        id::{PartitionId, QueueId},
        name::{QueueName, QueuePath, SeenFrom},
        reason::{Reason, Refusal},
    },
    domain::{policy::request::Tags, queue::settings::Fifo},
};
use std::sync::Arc;

#[derive(Clone, Debug, Default)]
pub struct CreateQueue {
    /// `namespaces/{account}` or `namespaces/{account}@{region}`; empty: the caller's own.
    pub parent: String,
    pub queue_id: String,
    /// When given, must be what the name says: FIFO queues end in `.fifo`.
    pub is_fifo: Option<bool>,
    pub fields: QueueFields,
    /// Check everything, change nothing.
    pub validate_only: bool,
}

impl Broker {
    pub async fn create_queue(&self, caller: &Caller, request: CreateQueue) -> Result<QueueView, Refusal> {
        let namespace = parse_namespace(caller, &request.parent)?;
        let name = QueueName::parse(&request.queue_id)
            .map_err(|error| Refusal::invalid("queue_id", error.to_string()).with("limit", error.rule))?;
        let path = QueuePath::new(namespace, name);
        let known = self.engine.find_queue(&path).ok();
        let resource = Resource::Queue(&path, known.as_deref());
        let tags = request.fields.tags.as_ref().filter(|tags| !tags.is_empty()).map_or(Tags::None, Tags::Pairs);
        self.authorise_with(caller, Action::CreateQueue, resource, tags)?;
        if !matches!(tags, Tags::None) {
            self.authorise_with(caller, Action::TagQueue, resource, tags)?;
        }
        let is_fifo = path.name.is_fifo();
        if request.is_fifo.is_some_and(|said| said != is_fifo) {
            let said = if is_fifo { "standard" } else { "FIFO" };
            let limit = "FIFO for names that end in .fifo, standard for all others";
            return Err(check::outside("queue.type", said, limit).with("queue", path.seen_from(self.region())));
        }
        let rules = &self.facts.rules;
        let base = QueueOptions {
            fifo: is_fifo.then(Fifo::default),
            visibility_timeout: rules.visibility_timeout,
            retention: rules.retention,
            receive_wait: rules.receive_wait,
            ..QueueOptions::default()
        };
        let options = self.lay_over(caller, &path, base, &request.fields)?;
        let definition = self.create_or_find(path, options.clone(), request.validate_only).await?;
        match first_difference(&request.fields, &options, &definition.options) {
            None => Ok(self.plain_view(definition)),
            Some(field) => Err(exists_differently(definition.path.seen_from(self.region()), field)),
        }
    }

    async fn create_or_find(
        &self,
        path: QueuePath,
        options: QueueOptions,
        validate_only: bool,
    ) -> Result<Arc<QueueDefinition>, Refusal> {
        // Most repeats end here, without a write.
        if let Ok(found) = self.engine.find_queue(&path) {
            return Ok(found);
        }
        if validate_only {
            return Ok(Arc::new(self.pretend(path, options)));
        }
        Ok(self.engine.create_queue(path, options).await?.definition)
    }

    /// The queue that would have been made.
    fn pretend(&self, path: QueuePath, options: QueueOptions) -> QueueDefinition {
        let now = self.now();
        let (id, partition) = (QueueId::default(), PartitionId::default());
        let access = options.access();
        QueueDefinition { id, partition, path, options, access, created: now, updated: now, revision: 0 }
    }
}

fn exists_differently(path: SeenFrom<'_>, field: &'static str) -> Refusal {
    let message = format!("{path} exists with a different value for {field}");
    Refusal::new(Reason::QueueExistsDifferently, message)
        .at(format!("queue.{field}"))
        .with("queue", path)
        .with("field", field)
}
