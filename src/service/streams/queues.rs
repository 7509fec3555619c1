//! Queues over streams as a whole: made, looked at, listed, set, tagged, deleted.

use super::{fault::StreamFault, readers};
use crate::{
    base::{
        id::StreamQueueId,
        limits,
        reason::{Reason, Refusal},
        stream_name::StreamPath,
        stream_queue_arn::StreamQueueArn,
        time::Timestamp,
    },
    domain::{
        policy::request,
        stream::{
            Cursor, Position, ShardId,
            acks::{About, Event, Settings, Start, Status, StreamQueue},
            queues::CreateQueue,
            settings::Tags,
        },
    },
    service::{
        authorise::{Action, Resource},
        broker::{Broker, Caller},
        words::{Change, StreamHandle, View},
    },
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// A queue as it is now.
#[derive(Clone, Debug)]
pub struct QueueView {
    pub name: Arc<str>,
    pub arn: StreamQueueArn,
    pub stream: StreamPath,
    pub stream_created: Timestamp,
    pub status: Status,
    pub settings: Settings,
    pub about: About,
}

#[derive(Clone, Debug)]
pub struct NewQueue {
    pub name: Arc<str>,
    pub settings: Settings,
    pub start: Start,
    pub tags: Tags,
}

/// What to change of a queue. `None`: it stays.
#[derive(Clone, Copy, Debug, Default)]
pub struct QueueFields {
    pub visibility_timeout: Option<Duration>,
    /// Inside, none: no record is ever a dead letter.
    pub max_receive_count: Option<Option<u32>>,
}

/// The streams whose queues are listed, each with the second in which it was made if that matters.
pub type StreamFilter = Vec<(StreamPath, Option<u64>)>;

impl QueueView {
    fn of(stream: &StreamHandle, name: &Arc<str>, now: Timestamp, settings: Settings, about: About) -> Self {
        let path = stream.path().clone();
        let arn = StreamQueueArn {
            account: path.account.clone(),
            region: path.region.clone(),
            stream: stream.id(),
            queue: about.id,
        };
        let (name, stream_created, status) = (name.clone(), stream.created(), about.status(now));
        Self { name, arn, stream: path, stream_created, status, settings, about }
    }
}

fn no_queue(arn: &StreamQueueArn) -> Refusal {
    Refusal::new(Reason::StreamPartNotFound, format!("queue {arn} does not exist")).with("queue", arn)
}

impl Broker {
    /// Makes a queue on a stream.
    pub async fn create_stream_queue(
        &self,
        caller: &Caller,
        stream: &StreamPath,
        request: NewQueue,
    ) -> Result<QueueView, StreamFault> {
        let tags = request.tags.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        let tags = request::Tags::Pairs(&tags);
        let stream = self.stream_with(caller, Action::CreateStreamQueue, stream, tags)?;
        if !request.tags.is_empty() {
            self.stream_with(caller, Action::TagResource, stream.path(), tags)?;
        }
        self.refuse_when_draining()?;
        let NewQueue { name, settings, start, tags } = request;
        let found = match start {
            Start::AtTime(moment) => self.found_at(&stream, moment).await?,
            Start::TrimHorizon | Start::Latest => BTreeMap::new(),
        };
        let create = CreateQueue { id: StreamQueueId(0), settings, start, tags, found };
        let created = self.engine.create_stream_queue(&stream, name.clone(), create).await??;
        let (now, about) = (created.about.created_at, created.about);
        Ok(QueueView::of(&stream, &name, now, created.settings, about))
    }

    /// The first record of each shard that did not arrive before a moment.
    async fn found_at(&self, stream: &StreamHandle, moment: Timestamp) -> Result<BTreeMap<ShardId, u64>, StreamFault> {
        let cursors = self.ask_stream(stream, move |view| {
            let readable =
                view.stream.shards().filter(|shard| view.stream.readable_shard(view.now, shard.id).is_some());
            let cursors = readable.map(|shard| view.stream.cursor(view.now, shard.id, &Position::AtTime(moment)));
            cursors.collect::<Result<Vec<Cursor>, _>>()
        });
        let mut found = BTreeMap::new();
        for cursor in cursors.await?? {
            found.insert(cursor.shard, readers::first_index(self, stream, cursor).await?);
        }
        Ok(found)
    }

    pub async fn describe_stream_queue(&self, caller: &Caller, arn: &StreamQueueArn) -> Result<QueueView, StreamFault> {
        let stream = self.queue_stream(caller, Action::DescribeStreamQueue, arn)?;
        let found = self.look_at_queue(&stream, arn.queue).await?;
        found.ok_or_else(|| no_queue(arn).into())
    }

    async fn look_at_queue(&self, stream: &Arc<StreamHandle>, id: StreamQueueId) -> Result<Option<QueueView>, Refusal> {
        let handle = stream.clone();
        let look = move |view: &View<'_>| {
            let (name, queue) = view.queue(id)?;
            Some(QueueView::of(&handle, name, view.now, queue.settings(), queue.about().clone()))
        };
        self.ask_stream(stream, look).await
    }

    /// Queues of the caller's account and region by name, behind `after`, at most so many.
    pub async fn list_stream_queues(
        &self,
        caller: &Caller,
        filter: &StreamFilter,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<QueueView>, Refusal> {
        let namespace = self.namespace_for(caller, Action::ListStreamQueues, "")?;
        let mut listed = Vec::new();
        let mut after = after.map(Arc::from);
        loop {
            let wanted = limit - listed.len();
            let names = self.engine.list_stream_queues(&namespace, after.as_deref(), wanted);
            let Some((last, _)) = names.last() else { return Ok(listed) };
            after = Some(last.clone());
            for (name, stream) in names.iter().filter(|(_, stream)| fits(filter, stream)) {
                listed.extend(self.named_queue(stream, name.clone()).await?);
            }
            if listed.len() >= limit {
                return Ok(listed);
            }
        }
    }

    /// None: it is not there yet, or not any more.
    async fn named_queue(&self, stream: &Arc<StreamHandle>, name: Arc<str>) -> Result<Option<QueueView>, Refusal> {
        let handle = stream.clone();
        let look = move |view: &View<'_>| {
            let queue = view.queues.get(&name)?;
            Some(QueueView::of(&handle, &name, view.now, queue.settings(), queue.about().clone()))
        };
        match self.ask_stream(stream, look).await {
            Err(refusal) if refusal.reason == Reason::StreamNotFound => Ok(None),
            found => found,
        }
    }

    pub async fn update_stream_queue(
        &self,
        caller: &Caller,
        arn: &StreamQueueArn,
        fields: QueueFields,
    ) -> Result<QueueView, StreamFault> {
        let stream = self.queue_stream(caller, Action::UpdateStreamQueue, arn)?;
        let handle = stream.clone();
        self.change_queue(&stream, arn, move |view, name, queue| {
            let now = queue.settings();
            let settings = Settings {
                visibility_timeout: fields.visibility_timeout.unwrap_or(now.visibility_timeout),
                max_receive_count: fields.max_receive_count.unwrap_or(now.max_receive_count),
            };
            let event = queue.set(view.now, settings, limits::STREAM_SETTLE)?;
            let about = About { settled_at: view.now + limits::STREAM_SETTLE, ..queue.about().clone() };
            Ok((vec![event], QueueView::of(&handle, name, view.now, settings, about)))
        })
        .await
    }

    /// Ends the queue; its name is free a moment later.
    pub async fn delete_stream_queue(&self, caller: &Caller, arn: &StreamQueueArn) -> Result<(), StreamFault> {
        let stream = self.queue_stream(caller, Action::DeleteStreamQueue, arn)?;
        let delete = |view: &View<'_>, _: &Arc<str>, queue: &StreamQueue| {
            Ok((queue.delete(view.now, limits::STREAM_SETTLE).into_iter().collect(), ()))
        };
        self.change_queue(&stream, arn, delete).await
    }

    pub async fn tag_stream_queue(&self, caller: &Caller, arn: &StreamQueueArn, tags: Tags) -> Result<(), StreamFault> {
        let stream = self.queue_stream(caller, Action::TagResource, arn)?;
        self.change_queue(&stream, arn, move |_, _, queue| Ok((vec![queue.tag(&tags)?], ()))).await
    }

    pub async fn untag_stream_queue(
        &self,
        caller: &Caller,
        arn: &StreamQueueArn,
        keys: Vec<Arc<str>>,
    ) -> Result<(), StreamFault> {
        let stream = self.queue_stream(caller, Action::UntagResource, arn)?;
        self.change_queue(&stream, arn, move |_, _, queue| Ok((vec![queue.untag(&keys)?], ()))).await
    }

    pub async fn list_stream_queue_tags(&self, caller: &Caller, arn: &StreamQueueArn) -> Result<Tags, StreamFault> {
        let stream = self.queue_stream(caller, Action::ListTagsForResource, arn)?;
        self.change_queue(&stream, arn, |_, _, queue| Ok((Vec::new(), queue.about().tags.clone()))).await
    }

    /// Asks whether the caller may do that to a queue, and finds its stream.
    pub(super) fn queue_stream(
        &self,
        caller: &Caller,
        action: Action,
        arn: &StreamQueueArn,
    ) -> Result<Arc<StreamHandle>, Refusal> {
        let namespace = arn.namespace();
        self.authorise(caller, action, Resource::Part("kinesis", &namespace, &arn.resource()))?;
        let stream = self.engine.stream_by_id(arn.stream).filter(|stream| stream.path().is_in(&namespace));
        stream.ok_or_else(|| no_queue(arn))
    }

    /// Lets `decide` look at the queue and say what happens to it; answers when that is durable.
    pub(super) async fn change_queue<T: Send + 'static>(
        &self,
        stream: &StreamHandle,
        arn: &StreamQueueArn,
        decide: impl FnOnce(&View<'_>, &Arc<str>, &StreamQueue) -> Result<(Vec<Event>, T), StreamFault> + Send + 'static,
    ) -> Result<T, StreamFault> {
        let arn = arn.clone();
        let decide = move |view: &View<'_>| {
            let (name, queue) = view.queue(arn.queue).ok_or_else(|| no_queue(&arn))?;
            let (events, told) = decide(view, name, queue)?;
            let changes = events.into_iter().map(|event| Change::Queue { name: name.clone(), event });
            Ok::<_, StreamFault>((changes.collect(), told))
        };
        self.change_stream(stream, decide).await?
    }
}

fn fits(filter: &StreamFilter, stream: &StreamHandle) -> bool {
    let created = stream.created().as_millis() / 1000;
    let is_it = |(path, second): &(StreamPath, Option<u64>)| {
        path == stream.path() && second.is_none_or(|second| second == created)
    };
    filter.is_empty() || filter.iter().any(is_it)
}
