//! The consume session at work: waits for the client, the engine, the clock and the end, whichever comes first.
//!
//! One receive is under way at a time, and it waits inside the engine, so that an idle session costs nothing. A
//! session's own timers exist only while it holds leases.

use super::{ledger::FlowControl, open::SessionRule};
use crate::{
    base::{
        limits,
        reason::{Reason, Refusal},
    },
    engine::message::{Outcome, Receipt, ReceiveOptions},
    service::{
        authorise::Action,
        broker::Broker,
        check,
        get_queue::{Figures, QueueView, shown_to},
        ordered::Ordered,
        receive::MESSAGE_OVERHEAD_BYTES,
        sessions::{Held, SessionId},
        settle::{self, SettleFailure, Settlement},
        words::{QueueDefinition, ReceivedMessage},
    },
};
use std::{collections::VecDeque, future::Future, pin::Pin, pin::pin, sync::Arc, time::Duration};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_stream::{Stream, StreamExt};

/// What one delivery holds at most, but for a larger message. Larger frames bring no more throughput.
const DELIVERY_BYTES: u64 = 128 << 10;
/// Settle frames that may wait for the disk before the client has to wait.
const UNCONFIRMED_MAX: usize = 1024;
/// Events that may wait for a slow reader before its own frames wait as well.
const UNREAD_MAX: usize = 64;
/// Settlements that may wait for the disk, and failures for a slow reader, before the client has to wait.
const UNANSWERED_MAX: usize = 10 * limits::BATCH_ENTRIES;
/// An idle session says so after this long, and up to this much later, by chance.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(120);
/// How long the last word of a session may take to leave.
const LAST_WORD: Duration = Duration::from_secs(5);

/// What a client says after the opening.
#[derive(Debug)]
pub enum Command {
    Settle { settle_id: u64, settlements: Vec<Settlement> },
    Flow(FlowControl),
}

/// What a session says.
#[derive(Debug)]
pub enum Event {
    /// The first.
    Opened {
        session_id: SessionId,
        queue: Box<QueueView>,
    },
    Delivery(Vec<ReceivedMessage>),
    /// Everything up to `settle_id` is durable, but for the failures.
    SettledThrough {
        settle_id: u64,
        failures: Vec<SettleFailure>,
    },
    Heartbeat(Figures),
    /// The server is going away.
    Draining,
}

pub type Events = mpsc::Sender<Result<Event, Refusal>>;

type Running<T> = Option<Pin<Box<dyn Future<Output = T> + Send>>>;

enum Received {
    Messages(Vec<ReceivedMessage>),
    /// Nothing came; these are the queue's figures now.
    Idle(Figures),
}

/// How many settlements a frame had, and which of them failed.
type Settled = (usize, Vec<SettleFailure>);

pub struct ConsumeSession {
    broker: Arc<Broker>,
    queue: Arc<QueueDefinition>,
    id: SessionId,
    held: Arc<Held>,
    rule: SessionRule,
    receiving: Running<Result<Received, Refusal>>,
    extending: Running<Vec<Receipt>>,
    settling: Ordered<(u64, Settled)>,
    /// Settlements in `settling`, and failures in `out`.
    unanswered: usize,
    /// Messages waiting for their delivery to fill.
    batch: Vec<ReceivedMessage>,
    batch_bytes: u64,
    flush_at: Option<Instant>,
    out: VecDeque<Event>,
    last_settle_id: Option<u64>,
    heartbeat_at: Instant,
    /// The client said that nothing more comes.
    is_closing: bool,
    is_draining: bool,
}

impl ConsumeSession {
    pub(super) fn new(
        broker: Arc<Broker>,
        queue: Arc<QueueDefinition>,
        id: SessionId,
        held: Arc<Held>,
        rule: SessionRule,
    ) -> Self {
        let heartbeat_at = Instant::now() + heartbeat_wait(&broker);
        let opened =
            Event::Opened { session_id: id, queue: Box::new(broker.plain_view(shown_to(&held.owner, queue.clone()))) };
        Self {
            broker,
            queue,
            id,
            held,
            rule,
            receiving: None,
            extending: None,
            settling: Ordered::default(),
            unanswered: 0,
            batch: Vec::new(),
            batch_bytes: 0,
            flush_at: None,
            out: VecDeque::from([opened]),
            last_settle_id: None,
            heartbeat_at,
            is_closing: false,
            is_draining: false,
        }
    }

    /// Works until the client, an error or the server ends it, then waits for a successor to take over what is left.
    /// An error in `commands` is one of the client's.
    pub async fn run(mut self, commands: impl Stream<Item = Result<Command, Refusal>> + Send, events: Events) {
        let outcome = self.drive(commands, &events).await;
        self.receiving = None;
        self.return_batch().await;
        if let Err(refusal) = outcome {
            // The client may be gone, or not reading: its leases matter more than the last word.
            let _ = timeout(LAST_WORD, events.send(Err(refusal))).await;
        }
        drop(events);
        self.part().await;
    }

    async fn drive(
        &mut self,
        commands: impl Stream<Item = Result<Command, Refusal>> + Send,
        events: &Events,
    ) -> Result<(), Refusal> {
        let mut commands = pin!(commands);
        let held = self.held.clone();
        let draining = self.broker.draining().clone();
        loop {
            // Leases that end free credit, so that they come before the receive.
            let due = self.start_extension();
            self.start_receive();
            if self.is_closing && self.settling.is_empty() && self.out.is_empty() {
                return Ok(());
            }
            tokio::select! {
                biased;
                permit = events.reserve(), if !self.out.is_empty() => match (permit, self.out.pop_front()) {
                    (Ok(permit), Some(event)) => {
                        self.unanswered -= failures_in(&event);
                        permit.send(Ok(event));
                    }
                    _ => return Ok(()),
                },
                (id, settled) = self.settling.next(), if !self.settling.is_empty() => self.confirm(id, settled),
                command = commands.next(), if self.may_obey() => {
                    match command {
                        Some(command) => self.obey(command?)?,
                        None => self.close(),
                    }
                },
                received = running(&mut self.receiving) => self.received(received?).await,
                failed = running(&mut self.extending) => self.extended(&failed),
                () = sleep_until(due.unwrap_or(self.heartbeat_at)), if due.is_some() => {}
                () = held.taken().cancelled() => return Err(taken_over()),
                () = draining.cancelled(), if !self.is_draining => self.drain(),
                () = events.closed() => return Ok(()),
            }
        }
    }

    /// No more deliveries; what waits is given back at the end, because nobody could settle it.
    fn close(&mut self) {
        self.is_closing = true;
        self.receiving = None;
        for event in std::mem::take(&mut self.out) {
            if let Event::Delivery(messages) = event {
                self.batch.extend(messages);
            } else {
                self.out.push_back(event);
            }
        }
    }

    fn may_obey(&self) -> bool {
        let is_behind = self.settling.len() >= UNCONFIRMED_MAX || self.out.len() >= UNREAD_MAX;
        !self.is_closing && !is_behind && self.unanswered < UNANSWERED_MAX
    }

    fn drain(&mut self) {
        self.is_draining = true;
        self.receiving = None;
        self.flush();
        self.out.push_back(Event::Draining);
    }

    /// Asks the engine for as much as the credit covers, unless it is asked already or the client reads too slowly.
    fn start_receive(&mut self) {
        let is_behind = self.out.iter().any(|event| matches!(event, Event::Delivery(_)));
        if self.is_closing || self.is_draining || self.receiving.is_some() || is_behind {
            return;
        }
        let pending = (self.batch.len(), self.batch_bytes);
        let Some(room) = self.held.with(|ledger| ledger.room()).flatten() else {
            // A full batch has nothing to wait for.
            return self.flush();
        };
        let now = Instant::now();
        let until = self.flush_at.unwrap_or(self.heartbeat_at);
        let messages = room.messages.min(limits::RECEIVE_MESSAGES_MAX as usize - pending.0.min(999));
        let bytes = room.bytes.min(DELIVERY_BYTES.saturating_sub(pending.1).max(1));
        let options = ReceiveOptions {
            max_messages: messages,
            max_bytes: Some(bytes),
            wait: until.saturating_duration_since(now),
            visibility_timeout: Some(self.rule.lease.first()),
            attempt_id: None,
        };
        let (broker, queue) = (self.broker.clone(), self.queue.clone());
        let counts = self.flush_at.is_none();
        let allowed = broker.authorise_still(&self.held.owner, Action::Receive, &queue);
        self.receiving = Some(Box::pin(async move {
            allowed?;
            receive(broker, queue, options, counts).await
        }));
    }

    async fn received(&mut self, received: Received) {
        match received {
            Received::Messages(messages) => self.take(messages).await,
            Received::Idle(figures) => {
                let now = Instant::now();
                if self.flush_at.is_some_and(|moment| moment <= now) {
                    self.flush();
                } else if self.flush_at.is_none() && self.heartbeat_at <= now {
                    self.heartbeat_at = now + heartbeat_wait(&self.broker);
                    self.out.push_back(Event::Heartbeat(figures));
                }
            }
        }
    }

    /// Puts messages into the batch as far as the credit goes; the rest is given back, uncounted.
    async fn take(&mut self, mut messages: Vec<ReceivedMessage>) {
        let now = Instant::now();
        // A session that was taken over takes nothing.
        let offered =
            messages.iter().map(|message| (message.receipt, u64::from(message.size), message.payload.group.as_ref()));
        let taken = self.held.with(|ledger| ledger.deliver_fitting(now, offered)).unwrap_or(0);
        let surplus = messages.iter().skip(taken).map(|message| message.receipt).collect();
        messages.truncate(taken);
        self.batch_bytes += messages.iter().map(|message| u64::from(message.size)).sum::<u64>();
        match self.batch.is_empty() {
            true => self.batch = messages,
            false => self.batch.append(&mut messages),
        }
        give_back(&self.broker, &self.queue, surplus).await;
        let is_full = self.batch_bytes >= DELIVERY_BYTES || self.batch.len() >= limits::RECEIVE_MESSAGES_MAX as usize;
        if self.rule.max_batch_delay.is_zero() || is_full {
            self.flush();
        } else if !self.batch.is_empty() && self.flush_at.is_none() {
            self.flush_at = Some(now + self.rule.max_batch_delay);
        }
    }

    fn flush(&mut self) {
        self.flush_at = None;
        self.batch_bytes = 0;
        if self.batch.is_empty() || self.is_closing {
            return;
        }
        self.heartbeat_at = Instant::now() + HEARTBEAT_EVERY;
        let batch = std::mem::take(&mut self.batch);
        let bytes_of = |message: &ReceivedMessage| message.size as usize + MESSAGE_OVERHEAD_BYTES;
        if batch.iter().map(bytes_of).sum::<usize>() <= limits::RESPONSE_FRAME_BYTES {
            return self.out.push_back(Event::Delivery(batch));
        }
        let mut bytes = 0;
        let mut frame = Vec::new();
        for message in batch {
            let size = bytes_of(&message);
            if bytes + size > limits::RESPONSE_FRAME_BYTES && !frame.is_empty() {
                self.out.push_back(Event::Delivery(std::mem::take(&mut frame)));
                bytes = 0;
            }
            bytes += size;
            frame.push(message);
        }
        self.out.push_back(Event::Delivery(frame));
    }

    /// Deliveries that never left.
    async fn return_batch(&mut self) {
        let mut receipts: Vec<_> = self.batch.drain(..).map(|message| message.receipt).collect();
        for event in self.out.drain(..) {
            if let Event::Delivery(messages) = event {
                receipts.extend(messages.iter().map(|message| message.receipt));
            }
        }
        self.held.with(|ledger| receipts.iter().for_each(|receipt| ledger.forget(receipt)));
        give_back(&self.broker, &self.queue, receipts).await;
    }

    fn obey(&mut self, command: Command) -> Result<(), Refusal> {
        match command {
            Command::Settle { settle_id, settlements } => self.settle(settle_id, settlements),
            Command::Flow(flow) => {
                let flow =
                    super::open::flow_control(&self.broker.facts.rules, "flow_control.max_outstanding_messages", flow)?;
                self.held.with(|ledger| ledger.set_flow(flow));
                // Whatever the engine was asked for rests on the old credit.
                self.receiving = None;
                Ok(())
            }
        }
    }

    fn settle(&mut self, settle_id: u64, settlements: Vec<Settlement>) -> Result<(), Refusal> {
        if let Some(last) = self.last_settle_id
            && last.checked_add(1) != Some(settle_id)
        {
            let message = format!("settle_id is {settle_id} after {last}, it rises by one a frame");
            return Err(Refusal::new(Reason::UnexpectedFrame, message).at("settle.settle_id"));
        }
        check::entries("settle.settlements", settlements.len())?;
        let ask = |action| self.broker.authorise_still(&self.held.owner, action, &self.queue);
        settle::Actions::of(&settlements).rest(ask)?;
        self.last_settle_id = Some(settle_id);
        let count = settlements.len();
        self.unanswered += count;
        let mut parsed = settle::parse(&self.broker.engine, &self.queue, settlements);
        let now = Instant::now();
        self.held.with(|ledger| parsed.void_later(|receipt, outcome| ledger.settle(now, receipt, outcome)));
        let (engine, queue) = (self.broker.engine.clone(), self.queue.clone());
        self.settling.push(async move { (settle_id, (count, parsed.run_to_end(engine, queue).await)) });
        Ok(())
    }

    /// Frames that are confirmed together leave as one.
    fn confirm(&mut self, settle_id: u64, (count, mut failures): Settled) {
        self.unanswered = self.unanswered + failures.len() - count;
        if let Some(Event::SettledThrough { settle_id: last, failures: earlier }) = self.out.back_mut()
            && earlier.len() + failures.len() <= limits::BATCH_ENTRIES
        {
            *last = settle_id;
            earlier.append(&mut failures);
            return;
        }
        self.out.push_back(Event::SettledThrough { settle_id, failures });
    }

    /// Extends what is due. Returns when there will be something again.
    fn start_extension(&mut self) -> Option<Instant> {
        if self.extending.is_some() {
            return None;
        }
        let now = Instant::now();
        let (leases, next) = self.held.with(|ledger| {
            let is_due = ledger.next_due().is_some_and(|next| next <= now);
            let leases = if is_due { ledger.extend(now) } else { Vec::new() };
            (leases, ledger.next_due())
        })?;
        if leases.is_empty() {
            return next;
        }
        let extend = |(receipt, length)| (receipt, Outcome::Extend { visibility_timeout: length });
        let settlements: Vec<_> = leases.into_iter().map(extend).collect();
        let (broker, queue) = (self.broker.clone(), self.queue.clone());
        self.extending = Some(Box::pin(async move { settle_all(&broker, &queue, settlements.into_iter()).await }));
        None
    }

    /// A lease that could not be extended is not the client's any more.
    fn extended(&mut self, failed: &[Receipt]) {
        self.held.with(|ledger| failed.iter().for_each(|receipt| ledger.forget(receipt)));
    }

    /// Leaves the leases to a successor for a while: their end is moved to the end of the grace, so that they become
    /// visible without anybody doing anything.
    async fn part(self) {
        let receipts = self.held.with(|ledger| ledger.receipts()).unwrap_or_default();
        if !receipts.is_empty() {
            let until_end = Outcome::Extend { visibility_timeout: self.rule.release_grace.unwrap_or_default() };
            if self.rule.release_grace.is_some() {
                let settlements = receipts.into_iter().map(|receipt| (receipt, until_end.clone()));
                settle_all(&self.broker, &self.queue, settlements).await;
            }
            let wait = self.rule.release_grace.unwrap_or(self.rule.lease.visibility_timeout);
            tokio::select! {
                () = sleep(wait) => {}
                () = self.held.taken().cancelled() => {}
            }
        }
        self.broker.sessions.remove(self.id, &self.held);
    }
}

fn failures_in(event: &Event) -> usize {
    match event {
        Event::SettledThrough { failures, .. } => failures.len(),
        Event::Opened { .. } | Event::Delivery(_) | Event::Heartbeat(_) | Event::Draining => 0,
    }
}

/// Waits for messages; refusals that pass by themselves are waited out.
async fn receive(
    broker: Arc<Broker>,
    queue: Arc<QueueDefinition>,
    options: ReceiveOptions,
    counts: bool,
) -> Result<Received, Refusal> {
    loop {
        match broker.engine.receive(&queue, options.clone()).await {
            Ok(messages) if !messages.is_empty() => return Ok(Received::Messages(messages)),
            Ok(_) if counts => return Ok(Received::Idle(broker.figures(&queue).await?)),
            Ok(_) => return Ok(Received::Idle(Figures::default())),
            Err(refusal) => wait_out(refusal).await?,
        }
    }
}

/// Waits until a refusal has passed; one that does not pass by itself is given back.
async fn wait_out(refusal: Refusal) -> Result<(), Refusal> {
    if !matches!(refusal.reason, Reason::InFlightLimit | Reason::ThroughputExceeded | Reason::Starting) {
        return Err(refusal);
    }
    sleep(refusal.retry_delay().unwrap_or(Duration::from_secs(1))).await;
    Ok(())
}

/// Makes messages visible as if they had not been leased.
pub(super) async fn give_back(broker: &Broker, queue: &QueueDefinition, receipts: Vec<Receipt>) {
    let nack = Outcome::Nack { delay: Duration::ZERO, keep_receive_count: true };
    settle_all(broker, queue, receipts.into_iter().map(|receipt| (receipt, nack.clone()))).await;
}

/// Settles in calls of the largest size; returns what was refused.
async fn settle_all(
    broker: &Broker,
    queue: &QueueDefinition,
    mut settlements: impl Iterator<Item = (Receipt, Outcome)>,
) -> Vec<Receipt> {
    let mut failed = Vec::new();
    loop {
        let step: Vec<_> = settlements.by_ref().take(limits::BATCH_ENTRIES).collect();
        if step.is_empty() {
            return failed;
        }
        let receipts: Vec<_> = step.iter().map(|(receipt, _)| *receipt).collect();
        let results = settle_step(broker, queue, step).await;
        let refused = receipts.into_iter().zip(results).filter(|(_, result)| result.is_err());
        failed.extend(refused.map(|(receipt, _)| receipt));
    }
}

/// A busy broker is asked again: a lease that was not extended would end under its consumer.
async fn settle_step(
    broker: &Broker,
    queue: &QueueDefinition,
    step: Vec<(Receipt, Outcome)>,
) -> Vec<Result<(), Refusal>> {
    loop {
        let refusal = match broker.engine.settle(queue, step.clone()).await {
            Ok(results) => return results,
            Err(refusal) => refusal,
        };
        if let Err(refusal) = wait_out(refusal).await {
            // It says nothing about the leases, which end by themselves.
            tracing::debug!(%refusal, "leases of a consume session were not settled");
            return Vec::new();
        }
    }
}

/// Waits for a future that may not be there. The slot is empty afterwards.
async fn running<T>(slot: &mut Running<T>) -> T {
    let Some(future) = slot else { return std::future::pending().await };
    let value = future.await;
    *slot = None;
    value
}

fn heartbeat_wait(broker: &Broker) -> Duration {
    let [chance, ..] = broker.random();
    HEARTBEAT_EVERY + HEARTBEAT_EVERY * u32::from(chance) / 256
}

fn taken_over() -> Refusal {
    Refusal::new(Reason::UnexpectedFrame, "another call has resumed this session")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_refusal_that_passes_is_waited_out_and_another_is_told() {
        for reason in [Reason::ThroughputExceeded, Reason::InFlightLimit, Reason::Starting] {
            assert_eq!(wait_out(Refusal::new(reason, "busy").retry_after(Duration::ZERO)).await, Ok(()));
        }
        for reason in [Reason::QueueNotFound, Reason::Draining] {
            let refusal = Refusal::new(reason, "no");
            assert_eq!(wait_out(refusal.clone()).await, Err(refusal));
        }
    }
}
