//! A session that sends many messages: batches go to the engine as they come, one behind the other, and are
//! acknowledged in order when they are stored.
//!
//! With a producer id the sequences are deduplicated by the engine, across sessions and restarts: whatever is not above
//! the highest sequence stored counts as stored. So nothing may be stored above a sequence that was refused but may be
//! sent again. A sequence that skips ahead inside a session is an error of the session: something of the client's is
//! missing. And when the engine refuses a batch for now, what follows it is refused as a gap until that batch comes
//! again. An entry that can never be stored leaves its sequence behind.

use super::{
    attributes,
    authorise::Action,
    broker::{Broker, Caller},
    check,
    ordered::Ordered,
    send::{self, Checked, Message},
    words::{EntryResult, QueueDefinition, SentMessage},
};
use crate::{
    base::reason::{Reason, Refusal, Remedy},
    engine::{
        client::Engine,
        message::{NewMessage, SendBatch},
    },
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

/// About what an entry takes besides its message: its place in the batch, and its answer.
const ENTRY_BYTES: usize = 256;

#[derive(Clone, Debug, Default)]
pub struct OpenProduce {
    pub queue: String,
    /// Stable across reconnects; empty: nothing is deduplicated.
    pub producer_id: String,
}

/// One batch's answer.
#[derive(Debug)]
pub struct Acked {
    pub first_sequence: u64,
    pub results: Vec<EntryResult<SentMessage>>,
}

pub struct ProduceSession {
    broker: Arc<Broker>,
    caller: Caller,
    queue: Arc<QueueDefinition>,
    producer: Option<Arc<str>>,
    /// The lowest sequence that was refused for now; 0: none.
    missing: Arc<AtomicU64>,
    /// The highest sequence stored when the session opened.
    last_sequence: u64,
    /// The highest sequence that may come next.
    next_sequence: u64,
    outstanding: Ordered<(Acked, u64)>,
    outstanding_bytes: u64,
    max_outstanding_bytes: u64,
}

impl Broker {
    pub async fn open_produce(
        self: &Arc<Self>,
        caller: &Caller,
        request: OpenProduce,
    ) -> Result<ProduceSession, Refusal> {
        self.refuse_when_draining()?;
        let queue = self.queue_for(caller, Action::Send, "open.queue", &request.queue)?;
        let producer = check::short_id("open.producer_id", &request.producer_id)?;
        let last_sequence = match &producer {
            Some(producer) => self.engine.producer_sequence(&queue, producer.clone()).await?,
            None => 0,
        };
        Ok(ProduceSession {
            broker: self.clone(),
            caller: caller.clone(),
            queue,
            producer,
            missing: Arc::new(AtomicU64::new(0)),
            last_sequence,
            next_sequence: last_sequence.saturating_add(1),
            outstanding: Ordered::default(),
            outstanding_bytes: 0,
            max_outstanding_bytes: self.facts.rules.produce_outstanding_bytes,
        })
    }
}

impl ProduceSession {
    pub fn last_sequence(&self) -> u64 {
        self.last_sequence
    }

    pub fn max_outstanding_bytes(&self) -> u64 {
        self.max_outstanding_bytes
    }

    /// Whether the next batch may be read; until then the client waits.
    pub fn has_room(&self) -> bool {
        self.outstanding_bytes < self.max_outstanding_bytes
    }

    /// Whether every batch is acknowledged.
    pub fn is_settled(&self) -> bool {
        self.outstanding.is_empty()
    }

    /// Takes a batch. An error is one of the whole session.
    pub fn push(&mut self, first_sequence: u64, messages: Vec<Message>) -> Result<(), Refusal> {
        self.broker.authorise_still(&self.caller, Action::Send, &self.queue)?;
        send::check_batch(&messages).map_err(in_batch)?;
        self.follow(first_sequence, messages.len() as u64)?;
        let bytes = weight(&messages);
        self.outstanding_bytes += bytes;
        let count = messages.len();
        let Checked { good, refused } = send::check_messages(&self.queue, messages);
        if good.is_empty() {
            let results = refused.into_iter().map(|(_, refusal)| Err(in_batch(refusal))).collect();
            self.outstanding.push_done((Acked { first_sequence, results }, bytes));
            return Ok(());
        }
        let batch = Batch {
            engine: self.broker.engine.clone(),
            queue: self.queue.clone(),
            first_sequence,
            producer: self.producer.clone(),
            missing: self.missing.clone(),
            sender: self.caller.principal.clone(),
        };
        if refused.is_empty() {
            self.outstanding.push(async move {
                let results = batch.send(0, good).await;
                (Acked { first_sequence, results }, bytes)
            });
        } else {
            let refused = refused.into_iter().map(|(index, refusal)| (index, in_batch(refusal))).collect();
            self.outstanding.push(async move {
                let results = Arc::new(batch).send_around(good, refused, count).await;
                (Acked { first_sequence, results }, bytes)
            });
        }
        Ok(())
    }

    /// The next answer, in the order of the batches. Pending when nothing is outstanding.
    pub fn poll_acked(&mut self, cx: &mut Context<'_>) -> Poll<Acked> {
        let Poll::Ready((acked, bytes)) = self.outstanding.poll_next(cx) else { return Poll::Pending };
        self.outstanding_bytes = self.outstanding_bytes.saturating_sub(bytes);
        Poll::Ready(acked)
    }

    /// Repeating what was sent is fine, skipping is not.
    fn follow(&mut self, first: u64, count: u64) -> Result<(), Refusal> {
        if self.producer.is_none() {
            return Ok(());
        }
        if first == 0 {
            return Err(check::outside("batch.first_sequence", first, "1 or more with a producer_id"));
        }
        if first > self.next_sequence {
            let expected = self.next_sequence;
            let message = format!("the batch begins with sequence {first}, expected is {expected} at most");
            let refusal = Refusal::new(Reason::SequenceGap, message).at("batch.first_sequence");
            return Err(refusal.with("value", first).with("limit", expected));
        }
        self.next_sequence = self.next_sequence.max(first.saturating_add(count));
        Ok(())
    }
}

/// What a batch counts for while it is outstanding. An entry costs something even when it is empty: else a client could
/// have any number of them wait here.
fn weight(messages: &[Message]) -> u64 {
    let of_one = |message: &Message| attributes::size(&message.body, &message.attributes) + ENTRY_BYTES;
    messages.iter().map(|message| of_one(message) as u64).sum()
}

fn in_batch(mut refusal: Refusal) -> Refusal {
    refusal.field = refusal.field.map(|field| format!("batch.{field}"));
    refusal
}

struct Batch {
    engine: Engine,
    queue: Arc<QueueDefinition>,
    first_sequence: u64,
    producer: Option<Arc<str>>,
    missing: Arc<AtomicU64>,
    sender: Arc<str>,
}

impl Batch {
    /// Sends entries that follow each other, the first at `offset` of the batch. One result an entry.
    ///
    /// What decides about order happens in the first poll: the look at `missing`, the engine's taking the command, and
    /// its refusal when it cannot.
    async fn send(&self, offset: usize, messages: Vec<NewMessage>) -> Vec<EntryResult<SentMessage>> {
        let count = messages.len();
        let sequence = self.first_sequence.saturating_add(offset as u64);
        if let Err(refusal) = self.check_gap(sequence) {
            return vec![Err(refusal); count];
        }
        let producer = self.producer.clone().map(|producer| (producer, sequence));
        match self.engine.send(&self.queue, SendBatch { messages, sender: self.sender.clone(), producer }).await {
            Ok(results) => {
                let for_now = |result: &EntryResult<SentMessage>| result.as_ref().is_err_and(may_be_sent_again);
                if let Some(index) = results.iter().position(for_now) {
                    self.note_missing(sequence.saturating_add(index as u64));
                }
                results
            }
            Err(refusal) => {
                self.note_missing(sequence);
                vec![Err(refusal); count]
            }
        }
    }

    fn note_missing(&self, sequence: u64) {
        if self.producer.is_some() {
            // Batches are refused in order, so that the first is the lowest.
            let _ = self.missing.compare_exchange(0, sequence, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    fn check_gap(&self, sequence: u64) -> Result<(), Refusal> {
        let missing = self.missing.load(Ordering::Relaxed);
        if missing == 0 {
            return Ok(());
        }
        if sequence <= missing {
            self.missing.store(0, Ordering::Relaxed);
            return Ok(());
        }
        let message =
            format!("sequence {sequence} cannot be stored before {missing}, which was refused: send that again");
        Err(Refusal::new(Reason::SequenceGap, message).at("batch.first_sequence").with("limit", missing))
    }

    /// Sends the good entries around the refused ones, stretch by stretch, because sequences in a call have no gaps.
    async fn send_around(
        self: Arc<Self>,
        good: Vec<NewMessage>,
        refused: Vec<(usize, Refusal)>,
        count: usize,
    ) -> Vec<EntryResult<SentMessage>> {
        // All stretches start together, so that no later batch comes between them.
        let mut stretches = Ordered::default();
        let mut good = good.into_iter();
        let mut offset = 0;
        for end in refused.iter().map(|(index, _)| *index).chain([count]) {
            let stretch: Vec<_> = good.by_ref().take(end - offset).collect();
            if !stretch.is_empty() {
                let (batch, start) = (self.clone(), offset);
                stretches.push(async move { batch.send(start, stretch).await });
            }
            offset = end + 1;
        }
        let mut results = Vec::with_capacity(count);
        let mut refused = refused.into_iter().peekable();
        while results.len() < count {
            match refused.next_if(|(index, _)| *index == results.len()) {
                Some((_, refusal)) => results.push(Err(refusal)),
                None => results.extend(stretches.next().await),
            }
        }
        results
    }
}

/// Whether the same entry can be stored later.
fn may_be_sent_again(refusal: &Refusal) -> bool {
    match refusal.reason.remedy() {
        Remedy::RetryAfter(_) | Remedy::Report | Remedy::ChangeState => true,
        Remedy::FixRequest | Remedy::Gone | Remedy::Denied => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::words::{Attribute, AttributeValue};

    #[test]
    fn an_entry_counts_with_its_attributes_and_even_when_it_is_empty() {
        let empty = weight(&vec![Message::default(); 1000]);
        assert!(empty >= 100_000, "{empty}");
        let value = AttributeValue::Text("v".repeat(5000));
        let attribute = Attribute { name: "k".into(), data_type: "String".into(), value };
        let loaded = Message { attributes: vec![attribute], body: vec![b'x'; 100].into(), ..Message::default() };
        assert!(weight(&[loaded]) >= 5100);
    }
}
