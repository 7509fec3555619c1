//! The engine as the services see it: async calls that end when their effect is durable.
//!
//! Dropping a call never leaves half of it: what writes happens in the owning partition, a wait ends, and leases that
//! nobody took go back.

use crate::{
    base::{
        id::{LeaseId, MessageSeq, PartitionId, QueueId, RedriveId},
        name::{Namespace, QueuePath, Region},
        reason::{Reason, Refusal},
    },
    domain::queue::Delivery,
    engine::{
        command::{Answer, CatalogAnswer, Command, Then},
        definition::{QueueDefinition, QueueOptions},
        host::Host,
        inbox::Inbox,
        message::{
            BrowseOptions, BrowsedMessage, BrowsedPage, Outcome, QueueStats, Receipt, ReceiveOptions, ReceivedMessage,
            Redrive, SendBatch, SentMessage,
        },
    },
};
use std::sync::Arc;
use tokio::sync::oneshot;

pub use super::host::{EngineStatus, Recovery};

/// A handle to the engine; clones share it.
#[derive(Clone)]
pub struct Engine(pub(super) Arc<Host>);

/// What a creation found or made.
#[derive(Debug)]
pub struct Created {
    pub definition: Arc<QueueDefinition>,
    /// The queue was there before; its options may be others than those asked for.
    pub existed: bool,
}

impl Engine {
    /// The server's own region.
    pub fn region(&self) -> &Region {
        &self.0.region
    }

    /// # Errors
    ///
    /// `QUEUE_NOT_FOUND`.
    pub fn find_queue(&self, path: &QueuePath) -> Result<Arc<QueueDefinition>, Refusal> {
        self.0.shared.directory.find(path).ok_or_else(|| {
            let shown = path.seen_from(&self.0.region);
            Refusal::new(Reason::QueueNotFound, format!("queue {shown} does not exist")).with("queue", shown)
        })
    }

    pub fn queue_by_id(&self, id: QueueId) -> Option<Arc<QueueDefinition>> {
        self.0.shared.directory.by_id(id)
    }

    /// How many queues there are.
    pub fn queue_count(&self) -> usize {
        self.0.shared.directory.len()
    }

    /// Queues of a namespace whose names start with `prefix`, by name, behind `after`.
    pub fn list_queues(
        &self,
        namespace: &Namespace,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Vec<Arc<QueueDefinition>> {
        self.0.shared.directory.list(namespace, prefix, after, limit)
    }

    /// Creates a queue, or returns the one of that name as it is, also when there is no room for a new one.
    pub async fn create_queue(&self, path: QueuePath, options: QueueOptions) -> Result<Created, Refusal> {
        if self.find_queue(&path).is_err() {
            self.0.refuse_growth_when_full()?;
        }
        let answer = self
            .ask_catalog(|then: Then<CatalogAnswer>| Command::Create { path, options: Box::new(options), then })
            .await?;
        Ok(Created { definition: answer.definition, existed: answer.existed })
    }

    pub async fn update_queue(
        &self,
        id: QueueId,
        expected_revision: Option<u64>,
        options: QueueOptions,
    ) -> Result<Arc<QueueDefinition>, Refusal> {
        let options = Box::new(options);
        let answer: CatalogAnswer =
            self.ask_catalog(|then| Command::Update { id, expected_revision, options, then }).await?;
        Ok(answer.definition)
    }

    pub async fn delete_queue(&self, id: QueueId, expected_revision: Option<u64>) -> Result<(), Refusal> {
        let _gone: Arc<QueueDefinition> =
            self.ask_catalog(|then| Command::Remove { id, expected_revision, then }).await?;
        Ok(())
    }

    /// Stores messages; one result each, in order.
    pub async fn send(
        &self,
        queue: &QueueDefinition,
        batch: SendBatch,
    ) -> Result<Vec<Result<SentMessage, Refusal>>, Refusal> {
        self.0.refuse_growth_when_full()?;
        let bytes = batch.messages.iter().map(|message| message.size as usize).sum();
        self.0.refuse_oversized(batch.messages.len(), bytes)?;
        self.ask(queue.partition, bytes, |answer| Command::Send { queue: queue.id, batch, answer }).await
    }

    /// Whether a partition has so much to do that who sends it one batch after the other should wait for an answer first.
    pub fn is_busy(&self, partition: PartitionId) -> bool {
        self.0.inbox(partition).is_ok_and(|inbox| inbox.is_half_full())
    }

    /// The last sequence stored of a producer; zero when unknown.
    pub async fn producer_sequence(&self, queue: &QueueDefinition, producer: Arc<str>) -> Result<u64, Refusal> {
        let id = queue.id;
        self.ask(queue.partition, 0, |answer| Command::ProducerSequence { queue: id, producer, answer }).await
    }

    /// Leases messages, waiting up to `options.wait` for the first.
    ///
    /// # Cancel safety
    ///
    /// A dropped call ends its wait; what was leased for it becomes visible again, uncounted.
    pub async fn receive(
        &self,
        queue: &QueueDefinition,
        options: ReceiveOptions,
    ) -> Result<Vec<ReceivedMessage>, Refusal> {
        let inbox = self.0.inbox(queue.partition)?.clone();
        let number = self.0.next_number();
        let waits = !options.wait.is_zero();
        let fifo = queue.options.fifo.is_some();
        let (answer, deliveries) = oneshot::channel();
        inbox.push(Command::Receive { queue: queue.id, options, number, answer }, 0)?;
        let mut wait = WaitGuard { inbox: &inbox, queue: queue.id, number, armed: waits, deliveries };
        let deliveries = (&mut wait.deliveries).await.map_err(|_| closing())??;
        wait.armed = false;
        if deliveries.is_empty() {
            return Ok(Vec::new());
        }
        let mut leases = LeaseGuard { inbox: &inbox, queue: queue.id, leases: leases_of(&deliveries) };
        let locations = deliveries.iter().map(|delivery| delivery.location).collect();
        let payloads = self.0.payloads.fetch(queue.partition, locations).await;
        let mut rest = std::mem::take(&mut leases.leases);
        let mut received = Vec::with_capacity(deliveries.len());
        for (number, (delivery, payload)) in (1..).zip(deliveries.into_iter().zip(payloads)) {
            match payload {
                Ok(payload) => received.push(ReceivedMessage {
                    receipt: Receipt {
                        partition: queue.partition,
                        queue: queue.id,
                        seq: delivery.seq,
                        lease: delivery.lease,
                    },
                    payload,
                    sequence_number: fifo.then_some(delivery.seq.0),
                    receive_count: delivery.receive_count,
                    send_time: delivery.send_time,
                    first_receive: delivery.first_receive.unwrap_or(delivery.send_time),
                    lease_until: delivery.lease_until,
                    size: delivery.size,
                }),
                Err(error) => {
                    self.0.report_unreadable(queue, delivery.seq, &error);
                    if fifo {
                        // It comes first in its group: what is behind it goes back.
                        leases.leases = rest.split_off(number);
                        break;
                    }
                }
            }
        }
        Ok(received)
    }

    /// Settles leases; one result each, in order, durable on return.
    pub async fn settle(
        &self,
        queue: &QueueDefinition,
        settlements: Vec<(Receipt, Outcome)>,
    ) -> Result<Vec<Result<(), Refusal>>, Refusal> {
        let foreign = |receipt: &Receipt| receipt.queue != queue.id || receipt.partition != queue.partition;
        // Nearly always none.
        let strangers: Vec<usize> =
            (0..).zip(&settlements).filter(|(_, (receipt, _))| foreign(receipt)).map(|(index, _)| index).collect();
        let own = settlements
            .into_iter()
            .filter(|(receipt, _)| !foreign(receipt))
            .map(|(receipt, outcome)| (receipt.seq, receipt.lease, outcome))
            .collect();
        let id = queue.id;
        let mut results: Vec<Result<(), Refusal>> =
            self.ask(queue.partition, 0, |answer| Command::Settle { queue: id, settlements: own, answer }).await?;
        for index in strangers {
            let message = format!("the receipt handle is not one of queue {}", queue.path.seen_from(&self.0.region));
            let refusal = Refusal::new(Reason::ReceiptHandleInvalid, message).at("receipt_handle");
            // Each goes to its place, from the first on, so that those before it are complete.
            results.insert(index.min(results.len()), Err(refusal));
        }
        Ok(results)
    }

    /// The lease as text for clients.
    pub fn receipt_handle(&self, receipt: &Receipt) -> String {
        self.0.receipts.handle(receipt)
    }

    /// Bytes as text that this store alone can make, and knows again after a restart.
    pub fn seal_token(&self, bytes: &[u8]) -> String {
        self.0.receipts.seal(bytes)
    }

    /// None: this store did not make the text.
    pub fn open_token(&self, text: &str) -> Option<Vec<u8>> {
        self.0.receipts.open(text)
    }

    /// # Errors
    ///
    /// `RECEIPT_HANDLE_INVALID`: this broker never gave it out.
    pub fn parse_receipt(&self, handle: &str) -> Result<Receipt, Refusal> {
        self.0.receipts.parse(handle)
    }

    /// Deletes every message; tells how many.
    pub async fn purge(&self, queue: &QueueDefinition) -> Result<u64, Refusal> {
        let id = queue.id;
        self.ask(queue.partition, 0, |answer| Command::Purge { queue: id, answer }).await
    }

    /// Looks at messages without leasing them.
    pub async fn browse(&self, queue: &QueueDefinition, options: BrowseOptions) -> Result<BrowsedPage, Refusal> {
        let id = queue.id;
        let page = self.ask(queue.partition, 0, |answer| Command::Browse { queue: id, options, answer }).await?;
        let locations = page.messages.iter().map(|message| message.location).collect();
        let payloads = self.0.payloads.fetch(queue.partition, locations).await;
        let mut messages = Vec::with_capacity(page.messages.len());
        for (found, payload) in page.messages.into_iter().zip(payloads) {
            match payload {
                Ok(payload) => messages.push(BrowsedMessage {
                    seq: found.seq,
                    state: found.state,
                    payload,
                    sequence_number: page.fifo.then_some(found.seq.0),
                    receive_count: found.receive_count,
                    send_time: found.send_time,
                    first_receive: found.first_receive,
                    visible_at: found.visible_at,
                    size: found.size,
                }),
                Err(error) => self.0.report_unreadable(queue, found.seq, &error),
            }
        }
        Ok(BrowsedPage { messages, next: page.next })
    }

    pub async fn stats(&self, queue: &QueueDefinition) -> Result<QueueStats, Refusal> {
        let id = queue.id;
        self.ask(queue.partition, 0, |answer| Command::Stats { queue: id, answer }).await
    }

    /// Starts moving messages out of a dead-letter queue.
    pub async fn start_redrive(
        &self,
        source: &QueueDefinition,
        destination: Option<QueueId>,
        max_messages_per_second: u32,
    ) -> Result<Redrive, Refusal> {
        self.0.refuse_growth_when_full()?;
        let (queue, id, rate) = (source.id, self.0.new_redrive_id(), max_messages_per_second);
        let command = |answer| Command::StartRedrive { queue, id, to: destination, rate, answer };
        self.ask(source.partition, 0, command).await
    }

    pub async fn list_redrives(&self, source: &QueueDefinition) -> Result<Vec<Redrive>, Refusal> {
        let id = source.id;
        self.ask(source.partition, 0, |answer| Command::ListRedrives { queue: id, answer }).await
    }

    pub async fn cancel_redrive(&self, source: &QueueDefinition, id: RedriveId) -> Result<Redrive, Refusal> {
        let queue = source.id;
        self.ask(source.partition, 0, |answer| Command::CancelRedrive { queue, id, answer }).await
    }

    pub fn status(&self) -> EngineStatus {
        self.0.status()
    }

    /// Blocks of the log made durable so far.
    pub fn log_blocks(&self) -> u64 {
        self.0.log_blocks()
    }

    /// Writes a checkpoint and ends every thread; calls are refused from now on. Blocks: not for async workers.
    pub fn close(&self) {
        self.0.close();
    }

    pub(super) async fn ask<T>(
        &self,
        partition: PartitionId,
        bytes: usize,
        command: impl FnOnce(Answer<T>) -> Command,
    ) -> Result<T, Refusal> {
        let (answer, result) = oneshot::channel();
        self.0.inbox(partition)?.push(command(answer), bytes)?;
        result.await.map_err(|_| closing())?
    }

    pub(super) async fn ask_catalog<T: Send + 'static>(
        &self,
        command: impl FnOnce(Then<T>) -> Command,
    ) -> Result<T, Refusal> {
        let (answer, result) = oneshot::channel();
        // A caller that is gone does not hear of it; the change is made all the same.
        let then: Then<T> = Box::new(move |result| drop(answer.send(result)));
        self.0.inbox(PartitionId(0))?.push(command(then), 0)?;
        result.await.map_err(|_| closing())?
    }
}

pub(super) fn closing() -> Refusal {
    Refusal::new(Reason::Draining, "the broker is shutting down")
}

fn leases_of(deliveries: &[Delivery]) -> Vec<(MessageSeq, LeaseId)> {
    deliveries.iter().map(|delivery| (delivery.seq, delivery.lease)).collect()
}

/// Ends the wait of a receive that is dropped, and gives back what was leased for it and not looked at yet.
struct WaitGuard<'a> {
    inbox: &'a Arc<Inbox<Command>>,
    queue: QueueId,
    number: u64,
    armed: bool,
    deliveries: oneshot::Receiver<Result<Vec<Delivery>, Refusal>>,
}

impl Drop for WaitGuard<'_> {
    fn drop(&mut self) {
        if self.armed {
            self.inbox.push_internal(Command::CancelWait { queue: self.queue, number: self.number });
        }
        // What is sent from now on comes back to its sender; what was sent before is here.
        self.deliveries.close();
        if let Ok(Ok(deliveries)) = self.deliveries.try_recv()
            && !deliveries.is_empty()
        {
            let leases = leases_of(&deliveries);
            self.inbox.push_internal(Command::Release { queue: self.queue, leases });
        }
    }
}

/// Gives leases back when their receive is dropped before it returned them.
struct LeaseGuard<'a> {
    inbox: &'a Arc<Inbox<Command>>,
    queue: QueueId,
    leases: Vec<(MessageSeq, LeaseId)>,
}

impl Drop for LeaseGuard<'_> {
    fn drop(&mut self) {
        if !self.leases.is_empty() {
            let leases = std::mem::take(&mut self.leases);
            self.inbox.push_internal(Command::Release { queue: self.queue, leases });
        }
    }
}
