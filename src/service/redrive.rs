//! Moves messages out of a dead-letter queue: start, list, cancel.

use super::{
    authorise::Action,
    broker::{Broker, Caller},
    check,
    words::QueueDefinition,
};
use crate::{
    base::{
        id::{QueueId, RedriveId},
        limits,
        name::QueuePath,
        reason::{Reason, Refusal},
        time::Timestamp,
    },
    domain::queue::event::RedriveOutcome,
    engine::message,
};

/// Stands for the name of a destination that is not there any more; no name, because names are given in full.
pub const DELETED: &str = "deleted";
const RULE: &str = "namespaces/{namespace}/queues/{queue}/redrives/{redrive}";

#[derive(Clone, Debug, Default)]
pub struct StartRedrive {
    pub source_queue: String,
    /// Empty: each message goes back to the queue it came from.
    pub destination_queue: String,
    /// 0: as fast as it goes.
    pub max_messages_per_second: u32,
}

#[derive(Clone, Debug, Default)]
pub struct ListRedrives {
    pub source_queue: String,
    pub page_size: i64,
    pub page_token: String,
}

/// A redrive as callers see it.
#[derive(Clone, Debug)]
pub struct RedriveView {
    pub name: String,
    pub source_queue: String,
    pub destination_queue: String,
    pub max_messages_per_second: u32,
    pub messages_to_move: u64,
    pub messages_moved: u64,
    pub started: Timestamp,
    /// `None` while it runs.
    pub outcome: Option<RedriveOutcome>,
}

#[derive(Clone, Debug)]
pub struct RedrivePage {
    /// Newest first.
    pub redrives: Vec<RedriveView>,
    pub next_page_token: String,
}

impl Broker {
    pub async fn start_redrive(&self, caller: &Caller, request: StartRedrive) -> Result<RedriveView, Refusal> {
        let source = self.queue_for(caller, Action::StartRedrive, "source_queue", &request.source_queue)?;
        let destination = match request.destination_queue.as_str() {
            "" => None,
            name => Some(self.destination(caller, &source, name)?),
        };
        let (rate, most) = (request.max_messages_per_second, limits::REDRIVE_VELOCITY_MAX);
        check::number("max_messages_per_second", rate, 0, most)?;
        if !self.is_dead_letter_queue(&source) {
            let message = format!("{} is no queue's dead-letter queue", source.path.seen_from(self.region()));
            return Err(Refusal::new(Reason::NotADeadLetterQueue, message).at("source_queue"));
        }
        let redrive = self.engine.start_redrive(&source, destination, rate).await?;
        Ok(self.redrive_view(&source, redrive))
    }

    pub async fn list_redrives(&self, caller: &Caller, request: ListRedrives) -> Result<RedrivePage, Refusal> {
        let source = self.queue_for(caller, Action::ListRedrives, "source_queue", &request.source_queue)?;
        let size = check::page_size(request.page_size)?;
        let skip = match request.page_token.as_str() {
            "" => 0,
            token => token.parse::<usize>().map_err(|_| check::page_token(token))?,
        };
        let all = self.engine.list_redrives(&source).await?;
        let end = skip.saturating_add(size);
        let next_page_token = if all.len() > end { end.to_string() } else { String::new() };
        let page = all.into_iter().skip(skip).take(size);
        let redrives = page.map(|redrive| self.redrive_view(&source, redrive)).collect();
        Ok(RedrivePage { redrives, next_page_token })
    }

    pub async fn cancel_redrive(&self, caller: &Caller, name: &str) -> Result<RedriveView, Refusal> {
        let invalid = || check::outside("name", format!("{:?}", check::shorten(name)), RULE);
        let (queue, id) = name.split_once("/redrives/").ok_or_else(invalid)?;
        let id = uuid::Uuid::parse_str(id).map_err(|_| invalid())?;
        let source = self.queue_for(caller, Action::CancelRedrive, "name", queue)?;
        let redrive = self.engine.cancel_redrive(&source, RedriveId(id.into_bytes())).await?;
        Ok(self.redrive_view(&source, redrive))
    }

    fn destination(&self, caller: &Caller, source: &QueueDefinition, name: &str) -> Result<QueueId, Refusal> {
        const FIELD: &str = "destination_queue";
        let destination = self
            .queue_for(caller, Action::StartRedrive, FIELD, name)
            .map_err(|refusal| if refusal.reason == Reason::QueueNotFound { refusal.at(FIELD) } else { refusal })?;
        if destination.id == source.id {
            return Err(check::outside(
                FIELD,
                destination.path.seen_from(self.region()),
                "another queue than the source",
            ));
        }
        if destination.options.fifo.is_some() != source.options.fifo.is_some() {
            let kind = if source.options.fifo.is_some() { "a FIFO queue" } else { "a standard queue" };
            return Err(check::outside(
                FIELD,
                destination.path.seen_from(self.region()),
                format!("{kind}, as the source is"),
            ));
        }
        Ok(destination.id)
    }

    fn is_dead_letter_queue(&self, queue: &QueueDefinition) -> bool {
        let namespace = queue.path.namespace();
        let mut after: Option<String> = None;
        loop {
            let step = self.engine.list_queues(&namespace, "", after.as_deref(), limits::PAGE_SIZE_MAX);
            let leads_here = |path: &QueuePath| *path == queue.path;
            let mut targets = step.iter().filter_map(|source| source.options.dead_letter.as_ref());
            if targets.any(|policy| leads_here(&policy.queue)) {
                return true;
            }
            let Some(last) = step.last() else { return false };
            after = Some(last.path.name.as_str().to_owned());
        }
    }

    fn redrive_view(&self, source: &QueueDefinition, redrive: message::Redrive) -> RedriveView {
        let name_of = |id: QueueId| {
            let queue = self.engine.queue_by_id(id);
            queue.map_or_else(|| DELETED.to_owned(), |queue| queue.path.seen_from(self.region()).to_string())
        };
        let source = source.path.seen_from(self.region());
        RedriveView {
            name: format!("{source}/redrives/{}", redrive.id),
            source_queue: source.to_string(),
            destination_queue: redrive.destination.map(name_of).unwrap_or_default(),
            max_messages_per_second: redrive.max_messages_per_second,
            messages_to_move: redrive.messages_to_move,
            messages_moved: redrive.messages_moved,
            started: redrive.started,
            outcome: redrive.outcome,
        }
    }
}
