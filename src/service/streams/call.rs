//! What a call does to its stream.

use super::{fault::StreamFault, find::parse_path};
use crate::{
    base::{id::PartitionId, limits, reason::Refusal},
    domain::{
        policy::request::Tags,
        stream::{
            Cursor, ShardId, StreamError,
            create::{Create, Delete},
            settings::Settings,
            throttle::Throttled,
        },
    },
    service::{
        authorise::{Action, Resource},
        broker::{Broker, Caller},
        words::{Change, PutBatch, PutError, PutRecord, ReadBatch, StreamHandle, View},
    },
};
use std::sync::Arc;
use tokio::sync::watch;

/// A stream to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateStream {
    pub settings: Settings,
    /// An on-demand stream begins with as many as it likes.
    pub shards: u32,
}

impl Broker {
    pub async fn create_stream(
        &self,
        caller: &Caller,
        name: &str,
        create: CreateStream,
    ) -> Result<Arc<StreamHandle>, StreamFault> {
        let path = parse_path(caller, "stream_id", name)?;
        let CreateStream { settings, shards } = create;
        let tags = settings.tags.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        let resource = Resource::Stream(&path, None);
        self.authorise_with(caller, Action::CreateStream, resource, Tags::Pairs(&tags))?;
        if !tags.is_empty() {
            self.authorise_with(caller, Action::AddTagsToStream, resource, Tags::Pairs(&tags))?;
        }
        self.refuse_when_draining()?;
        let _turn = self.growing.lock().await;
        // One that exists is told so by the engine.
        if self.engine.find_stream(&path).is_err() {
            self.check_room(&path, &settings, shards)?;
        }
        let create = Create { settings, shards, partition: PartitionId(0), settle: limits::STREAM_SETTLE };
        Ok(self.engine.create_stream(path, create).await??)
    }

    /// Ends the stream; it is gone a moment later. Who may was asked when it was found.
    pub async fn delete_stream(&self, stream: &StreamHandle, with_consumers: bool) -> Result<(), StreamFault> {
        let delete = move |view: &View<'_>| {
            let request = Delete { with_consumers, queues: view.queues.len() };
            let event = view.stream.delete(view.now, &request)?;
            Ok::<_, StreamError>((vec![Change::Stream(event)], ()))
        };
        Ok(self.engine.change_stream(stream, delete).await??)
    }

    /// Looks at the stream and what stands on it.
    pub async fn ask_stream<T: Send + 'static>(
        &self,
        stream: &StreamHandle,
        ask: impl FnOnce(&View<'_>) -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        self.engine.ask_stream(stream, ask).await
    }

    /// Lets `decide` look at the stream and say what changes; answers when that is durable.
    pub async fn change_stream<T: Send + 'static, E: Send + 'static>(
        &self,
        stream: &StreamHandle,
        decide: impl FnOnce(&View<'_>) -> Result<(Vec<Change>, T), E> + Send + 'static,
    ) -> Result<Result<T, E>, Refusal> {
        self.engine.change_stream(stream, decide).await
    }

    /// Stores records; one result each, in order.
    pub async fn put_records(
        &self,
        stream: &StreamHandle,
        batch: PutBatch,
    ) -> Result<Vec<Result<PutRecord, PutError>>, Refusal> {
        self.engine.put_records(stream, batch).await
    }

    /// The last sequence stored of a producer; zero when unknown.
    pub async fn stream_producer_sequence(&self, stream: &StreamHandle, producer: Arc<str>) -> Result<u64, Refusal> {
        self.engine.stream_producer_sequence(stream, producer).await
    }

    /// Records from a cursor on, at most so many, and about so many bytes of them.
    pub async fn read_shard(
        &self,
        stream: &StreamHandle,
        cursor: &Cursor,
        max_records: usize,
        max_bytes: usize,
    ) -> Result<ReadBatch, Refusal> {
        self.engine.read_shard(stream, cursor, max_records, max_bytes).await
    }

    /// Ends when there may be something at the cursor: a record, the end of the shard, or the end of the stream.
    pub async fn wait_for_records(&self, stream: &StreamHandle, cursor: &Cursor) {
        self.engine.wait_for_records(stream, cursor).await;
    }

    /// Changes with every durable change of the stream.
    pub fn watch_stream(&self, stream: &StreamHandle) -> watch::Receiver<u64> {
        self.engine.watch_stream(stream)
    }

    /// Whether the stream is being deleted, or is gone.
    pub fn is_stream_ending(&self, stream: &StreamHandle) -> bool {
        self.engine.is_stream_ending(stream)
    }

    /// One read of a shard, against its limit.
    ///
    /// # Errors
    /// There were too many in this second, or too much was read.
    pub fn throttle_read(&self, stream: &StreamHandle, shard: ShardId) -> Result<(), Throttled> {
        self.engine.throttle_read(stream, shard)
    }

    /// What such a read gave.
    pub fn has_read(&self, stream: &StreamHandle, shard: ShardId, bytes: u64) {
        self.engine.has_read(stream, shard, bytes);
    }
}
