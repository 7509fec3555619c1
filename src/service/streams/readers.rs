//! Reads several shards in turn, one page at a time, whichever has something first. Memory holds one page, however many
//! shards there are.

use crate::{
    base::{
        id::PartitionId,
        limits,
        reason::{Reason, Refusal},
        time::Timestamp,
    },
    domain::stream::{Cursor, SequenceNumber, Shard},
    service::{
        broker::Broker,
        words::{ReadBatch, StreamHandle},
    },
};
use futures_util::stream::FuturesUnordered;
use std::{collections::VecDeque, future::Future, pin::Pin, sync::Arc};
use tokio::time::sleep;
use tokio_stream::StreamExt;
use tokio_util::sync::CancellationToken;

/// How far a shard is read.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) cursor: Cursor,
    /// The second that the shard's numbers begin with.
    pub(super) created: u64,
    /// Cancelled when nobody wants to know any more.
    pub(super) end: CancellationToken,
}

impl Place {
    pub(super) fn new(cursor: Cursor, created: u64) -> Self {
        Self { cursor, created, end: CancellationToken::new() }
    }

    /// At the first record of the shard that did not arrive before a moment.
    pub(super) fn first(shard: &Shard, not_before: Timestamp) -> Self {
        Self::new(Cursor { shard: shard.id, index: shard.first_index, not_before }, shard.created)
    }

    /// The number of the record in front of it, but for its time: what comes after that one comes next.
    pub(super) fn number_before(&self, partition: PartitionId) -> SequenceNumber {
        let begun = Timestamp(self.created.saturating_mul(1000));
        SequenceNumber::new(self.cursor.shard, self.created, self.cursor.index.saturating_sub(1), partition, begun)
    }
}

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

pub(super) struct Readers {
    broker: Arc<Broker>,
    stream: Arc<StreamHandle>,
    ready: VecDeque<Place>,
    waiting: FuturesUnordered<Boxed<Option<Place>>>,
    reading: Option<Boxed<(Place, Result<ReadBatch, Refusal>)>>,
}

impl Readers {
    pub(super) fn new(broker: Arc<Broker>, stream: Arc<StreamHandle>) -> Self {
        Self { broker, stream, ready: VecDeque::new(), waiting: FuturesUnordered::new(), reading: None }
    }

    /// The shard is read from there on as soon as it has its turn.
    pub(super) fn read(&mut self, place: Place) {
        self.ready.push_back(place);
    }

    /// As `read`, once there may be something, or at `until`.
    pub(super) fn wait(&mut self, place: Place, until: Option<Timestamp>) {
        let (broker, stream) = (self.broker.clone(), self.stream.clone());
        self.waiting.push(Box::pin(async move {
            let late = until.map(|until| until.since(broker.now()));
            tokio::select! {
                () = broker.wait_for_records(&stream, &place.cursor) => {}
                () = sleep(late.unwrap_or_default()), if late.is_some() => {}
                () = place.end.cancelled() => return None,
            }
            Some(place)
        }));
    }

    /// The next page of any shard, at most so much; never, when there is none to come.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub(super) async fn next(&mut self, max_records: usize, max_bytes: usize) -> (Place, Result<ReadBatch, Refusal>) {
        loop {
            if self.reading.is_none()
                && let Some(place) = self.ready.pop_front()
            {
                if place.end.is_cancelled() {
                    continue;
                }
                let (broker, stream) = (self.broker.clone(), self.stream.clone());
                self.reading = Some(Box::pin(async move {
                    let read = read(&broker, &stream, &place.cursor, max_records, max_bytes).await;
                    (place, read)
                }));
            }
            tokio::select! {
                biased;
                read = running(&mut self.reading) => {
                    if !read.0.end.is_cancelled() {
                        return read;
                    }
                }
                Some(place) = self.waiting.next() => self.ready.extend(place),
            }
        }
    }
}

/// Records at a cursor, unless the stream is gone.
pub(super) async fn read(
    broker: &Broker,
    stream: &StreamHandle,
    cursor: &Cursor,
    max_records: usize,
    max_bytes: usize,
) -> Result<ReadBatch, Refusal> {
    if broker.is_stream_ending(stream) {
        let shown = stream.path().seen_from(broker.region());
        let message = format!("stream {shown} is being deleted, or is gone");
        return Err(Refusal::new(Reason::StreamNotFound, message).with("stream", shown));
    }
    broker.read_shard(stream, cursor, max_records, max_bytes.min(limits::READ_BYTES_MAX)).await
}

/// The index of the first record at a place, which is looked for if the place is a moment.
pub(super) async fn first_index(broker: &Broker, stream: &StreamHandle, mut cursor: Cursor) -> Result<u64, Refusal> {
    while cursor.not_before > Timestamp::ZERO {
        let batch = read(broker, stream, &cursor, 1, 1).await?;
        match batch.records.first() {
            Some(first) => return Ok(first.number.index),
            None if batch.next.index == cursor.index || batch.ended.is_some() => return Ok(batch.next.index),
            None => cursor = batch.next,
        }
    }
    Ok(cursor.index)
}

/// Waits for a future that may not be there. The slot is empty afterwards.
async fn running<T>(slot: &mut Option<Boxed<T>>) -> T {
    let Some(future) = slot else { return std::future::pending().await };
    let value = future.await;
    *slot = None;
    value
}
