//! A session that sends many messages: batches go to the engine as they come, one behind the other, and are
//! acknowledged in order when they are stored.

use super::{
    attributes,
    authorise::Action,
    broker::{Broker, Caller},
    check,
    ordered::Ordered,
    send::{self, Checked, Message},
    sequences::{Sequences, send_around},
    words::{EntryResult, QueueDefinition, SentMessage},
};
use crate::{
    base::reason::Refusal,
    engine::{
        client::Engine,
        message::{NewMessage, SendBatch},
    },
};
use std::{
    sync::Arc,
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
    sequences: Sequences,
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
            sequences: Sequences::new(producer),
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

    /// Whether the next batch may be read; until then the client waits. A busy engine gets one batch at a time.
    pub fn has_room(&self) -> bool {
        self.outstanding_bytes < self.max_outstanding_bytes
            && (self.is_settled() || !self.broker.engine.is_busy(self.queue.partition))
    }

    /// Whether every batch is acknowledged.
    pub fn is_settled(&self) -> bool {
        self.outstanding.is_empty()
    }

    /// Takes a batch. An error is one of the whole session.
    pub fn push(&mut self, first_sequence: u64, messages: Vec<Message>) -> Result<(), Refusal> {
        self.broker.authorise_still(&self.caller, Action::Send, &self.queue)?;
        send::check_batch(&messages).map_err(in_batch)?;
        self.sequences.follow(&mut self.next_sequence, first_sequence, messages.len())?;
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
            sequences: self.sequences.clone(),
            sender: self.caller.principal.clone(),
        };
        if refused.is_empty() {
            self.outstanding.push(async move {
                let results = batch.send(0, good).await;
                (Acked { first_sequence, results }, bytes)
            });
        } else {
            let refused = refused.into_iter().map(|(index, refusal)| (index, in_batch(refusal))).collect();
            let batch = Arc::new(batch);
            self.outstanding.push(async move {
                let send = |offset, stretch| {
                    let batch = batch.clone();
                    async move { batch.send(offset, stretch).await }
                };
                let results = send_around(good, refused, count, send).await;
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
    sequences: Sequences,
    sender: Arc<str>,
}

impl Batch {
    /// Sends entries that follow each other, the first at `offset` of the batch. One result an entry.
    async fn send(&self, offset: usize, messages: Vec<NewMessage>) -> Vec<EntryResult<SentMessage>> {
        let count = messages.len();
        let sequence = self.first_sequence.saturating_add(offset as u64);
        let batch = SendBatch { messages, sender: self.sender.clone(), producer: self.sequences.from(sequence) };
        self.sequences.send(sequence, count, self.engine.send(&self.queue, batch)).await
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
