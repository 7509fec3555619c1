//! Streams as the services call them: async calls that end when their effect is durable.

use super::{
    handle::StreamHandle,
    reading::Most,
    record::{PutBatch, PutError, PutRecord, ReadBatch},
    view::{Change, View},
};
use crate::{
    base::{
        name::Namespace,
        reason::{Reason, Refusal},
        stream_name::StreamPath,
    },
    domain::stream::{Cursor, ShardId, StreamError, create::Create, throttle::Throttled},
    engine::{
        client::{Engine, closing},
        command::{Command, Decide, StreamCommand},
        gate::Reply,
    },
};
use std::sync::Arc;
use tokio::sync::{oneshot, watch};

impl Engine {
    /// # Errors
    ///
    /// `STREAM_NOT_FOUND`.
    pub fn find_stream(&self, path: &StreamPath) -> Result<Arc<StreamHandle>, Refusal> {
        self.0.shared.streams.find(path).ok_or_else(|| {
            let shown = path.seen_from(self.region());
            Refusal::new(Reason::StreamNotFound, format!("stream {shown} does not exist")).with("stream", shown)
        })
    }

    /// Streams of a namespace whose names start with `prefix`, by name, behind `after`.
    pub fn list_streams(
        &self,
        namespace: &Namespace,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Vec<Arc<StreamHandle>> {
        self.0.shared.streams.list(namespace, prefix, after, limit)
    }

    /// Creates a stream; which partition has it is the engine's to say.
    ///
    /// # Errors
    ///
    /// `STREAM_EXISTS`, `TOO_MANY_STREAMS`; inside, what the stream itself refuses.
    pub async fn create_stream(
        &self,
        path: StreamPath,
        request: Create,
    ) -> Result<Result<Arc<StreamHandle>, StreamError>, Refusal> {
        self.0.refuse_growth_when_full()?;
        let request = Box::new(request);
        self.ask_catalog(|then| Command::Stream(StreamCommand::Create { path, request, then })).await
    }

    /// Stores records; one result each, in order.
    pub async fn put_records(
        &self,
        stream: &StreamHandle,
        batch: PutBatch,
    ) -> Result<Vec<Result<PutRecord, PutError>>, Refusal> {
        self.0.refuse_growth_when_full()?;
        let largest = batch.records.iter().map(|record| record.size()).max().unwrap_or(0);
        self.0.refuse_oversized(1, largest)?;
        let bytes = batch.records.iter().map(|record| record.size()).sum();
        let id = stream.id();
        self.ask(stream.partition(), bytes, |answer| Command::Stream(StreamCommand::Put { stream: id, batch, answer }))
            .await
    }

    /// The last sequence stored of a producer; zero when unknown.
    pub async fn stream_producer_sequence(&self, stream: &StreamHandle, producer: Arc<str>) -> Result<u64, Refusal> {
        let command =
            |answer| Command::Stream(StreamCommand::ProducerSequence { stream: stream.id(), producer, answer });
        self.ask(stream.partition(), 0, command).await
    }

    /// Looks at the stream and what stands on it.
    pub async fn ask_stream<T: Send + 'static>(
        &self,
        stream: &StreamHandle,
        ask: impl FnOnce(&View<'_>) -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let changed = self.change_stream(stream, |view| Ok::<_, std::convert::Infallible>((Vec::new(), ask(view))));
        changed.await.map(|Ok(value)| value)
    }

    /// Lets `decide` look at the stream and say what changes; answers when that is durable.
    pub async fn change_stream<T: Send + 'static, E: Send + 'static>(
        &self,
        stream: &StreamHandle,
        decide: impl FnOnce(&View<'_>) -> Result<(Vec<Change>, T), E> + Send + 'static,
    ) -> Result<Result<T, E>, Refusal> {
        let (answer, result) = oneshot::channel();
        // A caller that is gone does not hear of it; the change is made all the same.
        let decide: Decide = Box::new(move |view| {
            let (changes, told) = match view.map(|view| decide(&view)) {
                Ok(Ok((changes, value))) => (changes, Ok(Ok(value))),
                Ok(Err(error)) => (Vec::new(), Ok(Err(error))),
                Err(refusal) => (Vec::new(), Err(refusal)),
            };
            let reply: Reply = Box::new(move || drop(answer.send(told)));
            (changes, reply)
        });
        self.0
            .inbox(stream.partition())?
            .push(Command::Stream(StreamCommand::Decide { stream: stream.id(), decide }), 0)?;
        result.await.map_err(|_| closing())?
    }

    /// Records from a cursor on, at most so many, and about so many bytes of them.
    pub async fn read_shard(
        &self,
        stream: &StreamHandle,
        cursor: &Cursor,
        max_records: usize,
        max_bytes: usize,
    ) -> Result<ReadBatch, Refusal> {
        let now = self.0.shared.clock.now();
        self.0.reading.read(stream, now, cursor, Most { records: max_records, bytes: max_bytes }).await
    }

    /// Ends when there may be something at the cursor: a record, the end of the shard, or the end of the stream.
    pub async fn wait_for_records(&self, stream: &StreamHandle, cursor: &Cursor) {
        stream.feed.wait(cursor).await;
    }

    /// Changes with every durable change of the stream.
    pub fn watch_stream(&self, stream: &StreamHandle) -> watch::Receiver<u64> {
        stream.feed.watch()
    }

    /// Whether the stream is being deleted, or is gone.
    pub fn is_stream_ending(&self, stream: &StreamHandle) -> bool {
        stream.feed.is_ending()
    }

    /// One read of a shard, against its limit.
    ///
    /// # Errors
    ///
    /// There were too many in this second, or too much was read.
    pub fn throttle_read(&self, stream: &StreamHandle, shard: ShardId) -> Result<(), Throttled> {
        stream.feed.throttle().read(self.0.shared.clock.now(), shard)
    }

    /// What such a read gave.
    pub fn has_read(&self, stream: &StreamHandle, shard: ShardId, bytes: u64) {
        stream.feed.throttle().has_read(self.0.shared.clock.now(), shard, bytes);
    }
}
