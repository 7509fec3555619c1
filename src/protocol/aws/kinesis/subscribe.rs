//! Subscriptions: the records of a shard pushed to a registered consumer, for up to five minutes.

use super::{
    call::{Call, Outcome},
    consumers::{self, Found},
    fault::{self, Encoding, RESOURCE_IN_USE},
    put::dry_run,
    read, target,
};
use crate::{
    base::{id::StreamId, time::Timestamp},
    domain::stream::{Cursor, ShardId, consumers::ConsumerStatus},
    protocol::aws::{
        fault::{Fault, Kind},
        wire::{
            events,
            value::{Members, Said, Value},
        },
    },
    service::{
        authorise::Action,
        words::{ReadBatch, StreamHandle, View},
    },
};
use bytes::Bytes;
use futures_util::stream;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// How long one lasts.
const LIFE: Duration = Duration::from_secs(300);
/// So soon after one began no other takes its place.
const TAKEOVER_AFTER: Duration = Duration::from_secs(5);
/// A reader hears something at least this often.
const HEARTBEAT: Duration = Duration::from_secs(5);
const RECORDS_MAX: usize = 10_000;
const EVENT_BYTES_MAX: usize = 1 << 20;

/// A consumer and a shard: there is one subscription for both.
type Key = (StreamId, Arc<str>, Timestamp, ShardId);

/// The subscriptions of this server.
#[derive(Default)]
pub(in crate::protocol::aws) struct Subscriptions(Mutex<HashMap<Key, Current>>);

struct Current {
    since: Timestamp,
    replaced: CancellationToken,
}

impl Subscriptions {
    /// Takes the place of the one there is, unless that is too young.
    fn begin(&self, key: Key, now: Timestamp) -> Option<CancellationToken> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, current| now.since(current.since) < LIFE + TAKEOVER_AFTER);
        if all.get(&key).is_some_and(|current| now.since(current.since) < TAKEOVER_AFTER) {
            return None;
        }
        let replaced = CancellationToken::new();
        if let Some(before) = all.insert(key, Current { since: now, replaced: replaced.clone() }) {
            before.replaced.cancel();
        }
        Some(replaced)
    }
}

pub(super) async fn subscribe(call: &Call, input: &Value<'_>) -> Result<Outcome, Fault> {
    let Found { stream, consumer } = consumers::find(call, input, Action::SubscribeToShard).await?;
    let now = call.broker.now();
    if consumer.status(now) != ConsumerStatus::Active {
        let text = format!("Consumer {} of stream {} is not ACTIVE.", consumer.name, stream.path().name);
        return Err(Fault::new(&RESOURCE_IN_USE, text));
    }
    let shard = target::shard(stream.path(), input, "ShardId")?;
    let start = input.member("StartingPosition").unwrap_or(&Value::Null);
    let asked = read::Asked {
        kind: start.text("Type").unwrap_or_default(),
        number: start.text("SequenceNumber"),
        time: start.time("Timestamp"),
    };
    let cursor = read::cursor(call, &stream, shard, &asked).await?;
    dry_run(input)?;
    let key = (stream.id(), consumer.name.clone(), consumer.created_at, shard);
    let Some(replaced) = call.subscriptions.begin(key, now) else {
        let text = format!(
            "Another active subscription exists for this consumer: {}, shard {shard}. It is younger than 5 seconds.",
            target::consumer_arn(stream.path(), &consumer.name, consumer.created_at)
        );
        return Err(Fault::new(&RESOURCE_IN_USE, text));
    };
    let pushing = Pushing {
        call: call.clone(),
        stream,
        consumer: consumer.name,
        created: consumer.created_at,
        cursor,
        replaced,
        until: now + LIFE,
        stage: Stage::Begins,
    };
    Ok(Outcome::Events(Box::pin(stream::unfold(pushing, Pushing::next))))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Begins,
    Goes,
    Ended,
}

/// A subscription as it goes on.
struct Pushing {
    call: Call,
    stream: Arc<StreamHandle>,
    consumer: Arc<str>,
    created: Timestamp,
    cursor: Cursor,
    /// Somebody else has taken its place.
    replaced: CancellationToken,
    until: Timestamp,
    stage: Stage,
}

/// Why a wait ended.
enum Woken {
    Look,
    Silence,
    Replaced,
    Over,
}

impl Pushing {
    async fn next(mut self) -> Option<(Bytes, Self)> {
        let frame = match self.stage {
            Stage::Begins => {
                self.stage = Stage::Goes;
                Some(self.event("initial-response", &Said::Map(Vec::new())))
            }
            Stage::Goes => self.push().await,
            Stage::Ended => None,
        };
        frame.map(|frame| (frame, self))
    }

    /// The next event. None: the time is over.
    async fn push(&mut self) -> Option<Bytes> {
        let mut silence = false;
        loop {
            if let Some(fault) = self.look_at_consumer().await {
                return Some(self.end(fault));
            }
            let read = self.call.broker.read_shard(&self.stream, &self.cursor, RECORDS_MAX, EVENT_BYTES_MAX).await;
            let batch = match read {
                Ok(batch) => batch,
                Err(refusal) => return Some(self.end(super::words::refused(self.stream.path(), refusal))),
            };
            // Before every event, because a reader with much to read never waits; after the read, so that nothing later is pushed.
            if self.is_over() {
                return None;
            }
            self.cursor = batch.next;
            if silence || !batch.records.is_empty() || batch.ended.is_some() {
                return Some(self.tell(batch).await);
            }
            match self.wait().await {
                Woken::Look => {}
                Woken::Silence => silence = true,
                Woken::Replaced => {
                    let text = "This subscription was replaced by another one of the same consumer and shard.";
                    return Some(self.end(Fault::new(&RESOURCE_IN_USE, text)));
                }
                Woken::Over => return None,
            }
        }
    }

    fn is_over(&self) -> bool {
        self.call.broker.now() >= self.until || self.call.broker.draining().is_cancelled()
    }

    async fn wait(&self) -> Woken {
        let broker = &self.call.broker;
        let left = self.until.since(broker.now());
        let mut changes = broker.watch_stream(&self.stream);
        tokio::select! {
            biased;
            () = self.replaced.cancelled() => Woken::Replaced,
            () = broker.draining().cancelled() => Woken::Over,
            () = broker.wait_for_records(&self.stream, &self.cursor) => Woken::Look,
            changed = changes.changed() => if changed.is_ok() { Woken::Look } else { Woken::Over },
            () = sleep(left), if left < HEARTBEAT => Woken::Look,
            () = sleep(HEARTBEAT) => Woken::Silence,
        }
    }

    /// Whether somebody deregistered the consumer, or it is to end for another reason.
    async fn look_at_consumer(&self) -> Option<Fault> {
        if self.replaced.is_cancelled() {
            let text = "This subscription was replaced by another one of the same consumer and shard.";
            return Some(Fault::new(&RESOURCE_IN_USE, text));
        }
        let (name, created) = (self.consumer.clone(), self.created);
        let is_there = move |view: &View<'_>| {
            let found = view.stream.consumer(view.now, &name);
            found.is_ok_and(|found| found.created_at == created && found.status(view.now) != ConsumerStatus::Deleting)
        };
        match self.call.broker.ask_stream(&self.stream, is_there).await {
            Ok(true) => None,
            Ok(false) => Some(super::words::no_such_consumer(self.stream.path(), &self.consumer)),
            Err(refusal) => Some(super::words::refused(self.stream.path(), refusal)),
        }
    }

    /// An event with what was read.
    async fn tell(&mut self, batch: ReadBatch) -> Bytes {
        if let (true, Some(ended)) = (batch.records.is_empty(), &batch.ended) {
            return self.tell_end(ended.clone()).await;
        }
        let behind = read::millis_behind(&self.call, &batch);
        let last = match batch.records.last() {
            Some(record) => Some(record.number.to_string()),
            None => self.number().await,
        };
        let records: Vec<Said> = batch.records.into_iter().map(read::record).collect();
        let event = Members::default().with("Records", records).maybe("ContinuationSequenceNumber", last);
        self.event("SubscribeToShardEvent", &event.with("MillisBehindLatest", behind).into())
    }

    /// The last event: the shard was read to its end. Clients know it by the number that is missing, and some take no
    /// records out of it.
    async fn tell_end(&mut self, children: Vec<ShardId>) -> Bytes {
        match read::children(&self.call, &self.stream, children).await {
            Ok(children) => {
                self.stage = Stage::Ended;
                let event = Members::default().with("Records", Vec::<Said>::new()).with("MillisBehindLatest", 0_u32);
                self.event("SubscribeToShardEvent", &event.with("ChildShards", children).into())
            }
            Err(fault) => self.end(fault),
        }
    }

    /// A number after which this subscription goes on, where it read no record.
    async fn number(&self) -> Option<String> {
        let (shard, index) = (self.cursor.shard, self.cursor.index.saturating_sub(1));
        let number = move |view: &View<'_>| {
            let found = view.stream.shard(shard)?;
            match index {
                0 => Some(found.starting_number(view.stream.partition()).to_string()),
                index => Some(found.number(index, view.stream.partition(), view.now).to_string()),
            }
        };
        self.call.broker.ask_stream(&self.stream, number).await.ok().flatten()
    }

    fn event(&self, kind: &str, said: &Said) -> Bytes {
        events::event(kind, self.content_type(), &self.call.encoding.write(said))
    }

    /// The last event: why there are no more.
    fn end(&mut self, fault: Fault) -> Bytes {
        self.stage = Stage::Ended;
        let kind = name_in_events(fault.kind);
        let said: Said = Members::default().with("message", fault.message.into_owned()).into();
        events::exception(kind, self.content_type(), &self.call.encoding.write(&said))
    }

    fn content_type(&self) -> &'static str {
        match self.call.encoding {
            Encoding::Json => "application/json",
            Encoding::Cbor => Encoding::Cbor.content_type(),
        }
    }
}

/// The errors that a stream of events may end with.
fn name_in_events(kind: &'static Kind) -> &'static str {
    if *kind == RESOURCE_IN_USE || *kind == fault::RESOURCE_NOT_FOUND {
        return kind.json_type;
    }
    "InternalFailureException"
}
