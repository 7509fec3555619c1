//! A session that puts many records: batches go to the engine as they come, one behind the other, and are acknowledged
//! in order when they are durable.

use super::records::{self, Checked, Record};
use crate::{
    base::reason::Refusal,
    service::{
        authorise::Action,
        broker::{Broker, Caller},
        check,
        ordered::Ordered,
        sequences::{Sequences, send_around},
        words::{EntryResult, NewRecord, PutBatch, PutRecord, StreamHandle},
    },
};
use std::{
    sync::Arc,
    task::{Context, Poll},
};

/// About what an entry takes besides its record: its place in the batch, and its answer.
const ENTRY_BYTES: usize = 256;

#[derive(Clone, Debug, Default)]
pub struct OpenProduce {
    pub stream: String,
    /// Stable across reconnects; empty: nothing is deduplicated.
    pub producer_id: String,
}

/// One batch's answer.
#[derive(Debug)]
pub struct Acked {
    pub first_sequence: u64,
    pub results: Vec<EntryResult<PutRecord>>,
}

pub struct ProduceSession {
    broker: Arc<Broker>,
    caller: Caller,
    stream: Arc<StreamHandle>,
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
    pub async fn open_stream_produce(
        self: &Arc<Self>,
        caller: &Caller,
        request: OpenProduce,
    ) -> Result<ProduceSession, Refusal> {
        self.refuse_when_draining()?;
        let stream = self.stream_for(caller, Action::PutRecords, "open.stream", &request.stream)?;
        let producer = check::short_id("open.producer_id", &request.producer_id)?;
        let last_sequence = match &producer {
            Some(producer) => self.stream_producer_sequence(&stream, producer.clone()).await?,
            None => 0,
        };
        Ok(ProduceSession {
            broker: self.clone(),
            caller: caller.clone(),
            stream,
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
            && (self.is_settled() || !self.broker.engine.is_busy(self.stream.partition()))
    }

    /// Whether every batch is acknowledged.
    pub fn is_settled(&self) -> bool {
        self.outstanding.is_empty()
    }

    /// Takes a batch. An error is one of the whole session.
    pub fn push(&mut self, first_sequence: u64, records: Vec<Record>) -> Result<(), Refusal> {
        self.broker.stream_still(&self.caller, Action::PutRecords, &self.stream)?;
        records::check_batch(&records).map_err(in_batch)?;
        self.sequences.follow(&mut self.next_sequence, first_sequence, records.len())?;
        let (bytes, count) = (weight(&records), records.len());
        self.outstanding_bytes += bytes;
        let Checked { good, refused } = records::check_records(records);
        let refused: Vec<_> = refused.into_iter().map(|(index, refusal)| (index, in_batch(refusal))).collect();
        let batch = Arc::new(Batch {
            broker: self.broker.clone(),
            stream: self.stream.clone(),
            sequences: self.sequences.clone(),
            first_sequence,
        });
        self.outstanding.push(async move {
            let results = match refused.is_empty() {
                true => batch.put(0, good).await,
                false => {
                    let put = |offset, stretch| {
                        let batch = batch.clone();
                        async move { batch.put(offset, stretch).await }
                    };
                    send_around(good, refused, count, put).await
                }
            };
            (Acked { first_sequence, results }, bytes)
        });
        Ok(())
    }

    /// The next answer, in the order of the batches. Pending when nothing is outstanding.
    pub fn poll_acked(&mut self, cx: &mut Context<'_>) -> Poll<Acked> {
        let Poll::Ready((acked, bytes)) = self.outstanding.poll_next(cx) else { return Poll::Pending };
        self.outstanding_bytes = self.outstanding_bytes.saturating_sub(bytes);
        Poll::Ready(acked)
    }
}

/// What a batch counts for while it is outstanding. An entry costs something even when it is empty.
fn weight(records: &[Record]) -> u64 {
    let of_one = |record: &Record| record.data.len() + record.partition_key.len() + ENTRY_BYTES;
    records.iter().map(|record| of_one(record) as u64).sum()
}

fn in_batch(mut refusal: Refusal) -> Refusal {
    refusal.field = refusal.field.map(|field| format!("batch.{field}"));
    refusal
}

struct Batch {
    broker: Arc<Broker>,
    stream: Arc<StreamHandle>,
    sequences: Sequences,
    first_sequence: u64,
}

impl Batch {
    /// Puts records that follow each other, the first at `offset` of the batch. One result a record.
    async fn put(&self, offset: usize, records: Vec<NewRecord>) -> Vec<EntryResult<PutRecord>> {
        let count = records.len();
        let sequence = self.first_sequence.saturating_add(offset as u64);
        let batch = PutBatch { records, producer: self.sequences.from(sequence) };
        self.sequences.send(sequence, count, self.broker.put_checked(&self.stream, batch)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_counts_with_its_key_and_even_when_it_is_empty() {
        assert!(weight(&vec![Record::default(); 1000]) >= 100_000);
        let record = Record { data: vec![0; 100].into(), partition_key: "k".repeat(50), ..Record::default() };
        assert!(weight(&[record]) >= 150);
    }
}
