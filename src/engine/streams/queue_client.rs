//! Queues over streams as the services call them.

use super::{
    delivery::{DeliveredRecord, ReceiveRecords, RecordReceipt},
    handle::StreamHandle,
    view::{Change, View},
};
use crate::{
    base::{
        id::{StreamId, StreamQueueId},
        name::Namespace,
        reason::{Reason, Refusal},
    },
    domain::stream::{
        Cursor,
        acks::{Created, Event, Handle, event::Marked},
        queues::{CreateQueue, CreateQueueError},
    },
    engine::{
        client::{Engine, closing},
        command::{Command, StreamCommand},
        inbox::Inbox,
    },
};
use std::{convert::Infallible, sync::Arc};
use tokio::sync::oneshot;

impl Engine {
    /// The stream of that id, if it is there.
    pub fn stream_by_id(&self, id: StreamId) -> Option<Arc<StreamHandle>> {
        self.0.shared.streams.by_id(id)
    }

    /// Names of queues of a namespace in their order, behind `after`, each with its stream. One may be about to come.
    pub fn list_stream_queues(
        &self,
        namespace: &Namespace,
        after: Option<&str>,
        limit: usize,
    ) -> Vec<(Arc<str>, Arc<StreamHandle>)> {
        self.0.shared.queue_names.list(namespace, after, limit)
    }

    /// Makes a queue; its id is the engine's to say.
    ///
    /// # Errors
    ///
    /// `STREAM_PART_EXISTS`: a queue of the account and the region has that name; inside, what the stream refuses.
    pub async fn create_stream_queue(
        &self,
        stream: &Arc<StreamHandle>,
        name: Arc<str>,
        request: CreateQueue,
    ) -> Result<Result<Created, CreateQueueError>, Refusal> {
        self.0.refuse_growth_when_full()?;
        let taken = self.0.shared.queue_names.take(stream, &name).ok_or_else(|| {
            Refusal::new(Reason::StreamPartExists, format!("queue {name} exists")).with("queue", &name)
        })?;
        let create = move |view: &View<'_>| {
            let request = CreateQueue { id: view.next_queue_id(), ..request };
            let created = view.stream.create_queue(view.now, view.queues.len(), &request)?;
            taken.keep();
            Ok((vec![Change::QueueCreated { name, created: Box::new(created.clone()) }], created))
        };
        self.change_stream(stream, create).await
    }

    /// Leases records of a queue, waiting up to `request.wait` for the first.
    ///
    /// # Cancel safety
    ///
    /// A dropped call ends its wait; what was leased for it can be received again at once, uncounted.
    pub async fn receive_records(
        &self,
        stream: &StreamHandle,
        request: ReceiveRecords,
    ) -> Result<Vec<DeliveredRecord>, Refusal> {
        let until = self.0.shared.clock.now() + request.wait;
        loop {
            let wait = until.since(self.0.shared.clock.now());
            let leased = self.lease_records(stream, ReceiveRecords { wait, ..request }).await?;
            if leased.marks.is_empty() {
                return Ok(Vec::new());
            }
            let read = self.read_leased(stream, request, leased).await?;
            if !read.records.is_empty() || read.gone.is_empty() {
                return Ok(read.records);
            }
        }
    }

    async fn lease_records(&self, stream: &StreamHandle, request: ReceiveRecords) -> Result<Leased, Refusal> {
        let inbox = self.0.inbox(stream.partition())?.clone();
        let number = self.0.next_number();
        let (answer, leased) = oneshot::channel();
        let command = StreamCommand::Receive { stream: stream.id(), request, number, answer };
        inbox.push(Command::Stream(command), 0)?;
        let mut wait = Wait { inbox, stream: stream.id(), request, number, is_over: false, leased };
        let marks = (&mut wait.leased).await;
        wait.is_over = true;
        let marks = marks.map_err(|_| closing())??;
        Ok(Leased { inbox: wait.inbox.clone(), stream: stream.id(), queue: request.queue, marks })
    }

    /// Reads what was leased. What does not fit into one answer is handed back; what nobody can read any more is taken
    /// out of the queue.
    async fn read_leased(
        &self,
        stream: &StreamHandle,
        request: ReceiveRecords,
        mut leased: Leased,
    ) -> Result<Read, Refusal> {
        let mut read = Read { left: request.max_bytes, ..Read::default() };
        for mark in leased.marks.clone() {
            self.read_mark(stream, request, mark, &mut read).await?;
        }
        leased.marks.clone_from(&read.unread);
        if !read.gone.is_empty() {
            self.forget_gone(stream, request.queue, read.gone.clone()).await?;
        }
        Ok(read)
    }

    async fn read_mark(
        &self,
        stream: &StreamHandle,
        request: ReceiveRecords,
        mark: Marked,
        read: &mut Read,
    ) -> Result<(), Refusal> {
        let mut index = mark.from;
        while index <= mark.to {
            if read.left == 0 {
                read.unread.push(Marked { from: index, ..mark });
                return Ok(());
            }
            let most = usize::try_from(mark.to - index + 1).unwrap_or(usize::MAX);
            let cursor = Cursor { not_before: crate::base::time::Timestamp::ZERO, shard: mark.shard, index };
            let batch = match self.read_shard(stream, &cursor, most, read.left).await {
                // The stream forgot it, and so does the queue.
                Err(refusal) if refusal.reason == Reason::ShardNotFound => return Ok(()),
                batch => batch?,
            };
            let first = batch.records.first().map_or(batch.next.index, |record| record.number.index);
            match batch.lost {
                Some((from, to)) => {
                    let (from, to) = (from.max(index), (to - 1).min(mark.to));
                    read.gone.push(Gone::Unreadable(Marked { from, to, ..mark }));
                }
                None if first > index => read.gone.push(Gone::TooOld { below: first, mark }),
                None if batch.records.is_empty() => {
                    read.unread.push(Marked { from: index, ..mark });
                    return Ok(());
                }
                None => {}
            }
            index = batch.next.index;
            for record in batch.records.into_iter().filter(|record| record.number.index <= mark.to) {
                read.left = read.left.saturating_sub(record.data.len() + record.partition_key.len());
                let handle = Handle { shard: mark.shard, index: record.number.index, lease: mark.fate.lease };
                read.records.push(DeliveredRecord {
                    receipt: RecordReceipt { stream: stream.id(), queue: request.queue, lane: request.lane, handle },
                    record,
                    first_receive: mark.fate.first_receive.unwrap_or(mark.at),
                    receive_count: mark.fate.receive_count,
                });
            }
        }
        Ok(())
    }

    async fn forget_gone(&self, stream: &StreamHandle, queue: StreamQueueId, gone: Vec<Gone>) -> Result<(), Refusal> {
        let forget = move |view: &View<'_>| {
            let Some((name, queue)) = view.queue(queue) else { return Ok((Vec::new(), ())) };
            let event = |gone: Gone| match gone {
                Gone::TooOld { below, mark } => queue.trim(mark.shard, below),
                Gone::Unreadable(Marked { shard, from, to, .. }) => Some(Event::Acknowledged { shard, from, to }),
            };
            let events = gone.into_iter().filter_map(event);
            Ok::<_, Infallible>((events.map(|event| Change::Queue { name: name.clone(), event }).collect(), ()))
        };
        self.change_stream(stream, forget).await.map(|Ok(())| ())
    }

    /// The receipt as text for clients.
    pub fn record_handle(&self, receipt: RecordReceipt) -> String {
        self.0.receipts.seal(&receipt.to_bytes())
    }

    /// None: this store did not give it out.
    pub fn parse_record_handle(&self, handle: &str) -> Option<RecordReceipt> {
        RecordReceipt::from_bytes(&self.0.receipts.open(handle)?)
    }
}

/// What became of leased records.
#[derive(Default)]
struct Read {
    records: Vec<DeliveredRecord>,
    unread: Vec<Marked>,
    gone: Vec<Gone>,
    /// Bytes that still fit.
    left: usize,
}

/// Why leased records are not there.
#[derive(Clone, Copy)]
enum Gone {
    /// Everything below outlived the retention.
    TooOld {
        below: u64,
        mark: Marked,
    },
    Unreadable(Marked),
}

/// Hands back what is under lease and reached nobody.
struct Leased {
    inbox: Arc<Inbox<Command>>,
    stream: StreamId,
    queue: StreamQueueId,
    marks: Vec<Marked>,
}

impl Drop for Leased {
    fn drop(&mut self) {
        let marks = std::mem::take(&mut self.marks);
        if !marks.is_empty() {
            let command = StreamCommand::HandBack { stream: self.stream, queue: self.queue, marks };
            self.inbox.push_internal(Command::Stream(command));
        }
    }
}

/// Ends the wait of a receive that is dropped, and hands back what was leased for it meanwhile.
struct Wait {
    inbox: Arc<Inbox<Command>>,
    stream: StreamId,
    request: ReceiveRecords,
    number: u64,
    is_over: bool,
    leased: oneshot::Receiver<Result<Vec<Marked>, Refusal>>,
}

impl Drop for Wait {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let (stream, ReceiveRecords { queue, lane, .. }) = (self.stream, self.request);
        let command = StreamCommand::CancelReceive { key: (stream, queue, lane), number: self.number };
        self.inbox.push_internal(Command::Stream(command));
        // What is sent from now on comes back to its sender; what was sent before is here.
        self.leased.close();
        if let Ok(Ok(marks)) = self.leased.try_recv() {
            drop(Leased { inbox: self.inbox.clone(), stream, queue, marks });
        }
    }
}
