//! The loop of a partition's thread: take what waits, decide, apply, write; let replies out when the disk has them.
//!
//! One append is in flight at a time; what is decided meanwhile fills the next frame. A frame past its soft size makes
//! the thread stop executing commands until the append before it is done: the inbox is bounded, so the callers hear of it,
//! and no frame outgrows a block.

use super::{state::State, timers::Timers, waiters::Waiters};
use crate::{
    base::{
        entropy::Entropy,
        id::{Location, Lsn, PartitionId, QueueId},
        limits,
        time::{Clock, Timestamp},
    },
    domain::queue::event::Sent,
    engine::{
        catalog::CatalogRules,
        command::Command,
        directory::Directory,
        gate::{Gate, Reply},
        inbox::{Inbox, Taken, remaining},
        journal::{self, OutboxItem, Record},
        message::Payload,
    },
    storage::log::{FrameBuilder, LogWriter},
};
use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Arc, mpsc},
    time::Duration,
};

/// The room of a frame when the ones before were small.
const FRAME_ROOM_MIN: usize = 4096;

/// What every partition shares with the rest of the engine.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) inboxes: Arc<[Arc<Inbox<Command>>]>,
    pub(crate) rules: CatalogRules,
    pub(crate) in_flight_max: usize,
    /// Durable transfers go this way to their targets.
    pub(crate) transfers: mpsc::Sender<(PartitionId, OutboxItem)>,
    /// Called when an append fails: nothing can be acknowledged any more.
    pub(crate) fatal: Arc<dyn Fn(String) + Send + Sync>,
}

impl Shared {
    pub(crate) fn inbox(&self, partition: PartitionId) -> Option<&Arc<Inbox<Command>>> {
        self.inboxes.get(partition.0 as usize)
    }
}

pub(crate) struct Worker {
    pub(super) state: State,
    pub(super) shared: Shared,
    pub(super) inbox: Arc<Inbox<Command>>,
    pub(super) gate: Arc<Gate>,
    pub(super) writer: Box<dyn LogWriter>,
    pub(super) entropy: Box<dyn Entropy>,
    pub(super) waiters: Waiters,
    pub(super) timers: Timers,
    /// Queues that something happened to since their waiters and timers were looked at.
    pub(super) touched: BTreeSet<QueueId>,
    /// Moves of the open frame, to be carried once it is durable.
    pub(super) moved: Vec<OutboxItem>,
    open: Option<FrameBuilder>,
    /// Commands that wait for the next frame, because the open one is full.
    backlog: VecDeque<Command>,
    /// The open frame is full at this size; one command may exceed it.
    frame_soft_bytes: usize,
    /// About as long as the latest frames.
    frame_room: usize,
    in_flight: Option<Lsn>,
    next_lsn: Lsn,
    now: Timestamp,
}

impl Worker {
    pub(crate) fn new(
        mut state: State,
        shared: Shared,
        gate: Arc<Gate>,
        inbox: Arc<Inbox<Command>>,
        writer: Box<dyn LogWriter>,
        entropy: Box<dyn Entropy>,
        now: Timestamp,
    ) -> Self {
        state.open_for_leases();
        let touched = state.queues.keys().copied().collect();
        let next_lsn = writer.next_lsn();
        let frame_soft_bytes = limits::FRAME_SOFT_BYTES.min(writer.frame_bytes_max() / 4);
        Self {
            state,
            shared,
            inbox,
            gate,
            writer,
            entropy,
            waiters: Waiters::default(),
            timers: Timers::default(),
            touched,
            moved: Vec::new(),
            open: None,
            backlog: VecDeque::new(),
            frame_soft_bytes,
            frame_room: 0,
            in_flight: None,
            next_lsn,
            now,
        }
    }

    /// Runs until the inbox is closed and everything taken from it is durable.
    pub(crate) fn run(mut self) {
        self.settle_touched();
        loop {
            let Some(taken) = self.take() else { break };
            self.see_time();
            self.handle(taken);
            self.fire_timers();
            self.settle_touched();
            self.submit();
        }
        while self.in_flight.is_some() || self.open.is_some() {
            self.submit();
            let Some(taken) = self.inbox.wait(false, 0, None) else { return };
            self.handle(taken);
        }
    }

    fn take(&self) -> Option<Taken<Command>> {
        if self.is_frame_full() && self.in_flight.is_some() {
            return self.inbox.wait(false, 0, None);
        }
        if !self.backlog.is_empty() {
            return self.inbox.wait(false, 0, Some(Duration::ZERO));
        }
        let deadline = [self.timers.next(), self.waiters.next_deadline()].into_iter().flatten().min();
        let wait = remaining(self.shared.clock.now(), deadline);
        self.inbox.wait(true, self.frame_soft_bytes, wait)
    }

    fn is_frame_full(&self) -> bool {
        self.open.as_ref().is_some_and(|frame| frame.len() >= self.frame_soft_bytes)
    }

    /// Logical time: what the clock says, but never back.
    fn see_time(&mut self) {
        self.now = self.now.max(self.shared.clock.now());
    }

    fn handle(&mut self, taken: Taken<Command>) {
        if let Some(lsn) = taken.durable {
            self.in_flight = self.in_flight.filter(|waiting| *waiting > lsn);
            // The disk is free: give it what gathered before working on.
            self.submit();
        }
        self.backlog.extend(taken.commands);
        // What a command writes is not known before: a receive of a thousand messages carries no bytes itself.
        while !self.is_frame_full()
            && let Some(command) = self.backlog.pop_front()
        {
            self.execute(command);
        }
    }

    fn execute(&mut self, command: Command) {
        match command {
            Command::Send { queue, batch, answer } => self.send(queue, batch, answer),
            Command::ProducerSequence { queue, producer, answer } => self.producer_sequence(queue, &producer, answer),
            Command::Receive { queue, options, number, answer } => self.receive(queue, options, number, answer),
            Command::CancelWait { queue, number } => self.cancel_wait(queue, number),
            Command::Settle { queue, settlements, answer } => self.settle(queue, settlements, answer),
            Command::Release { queue, leases } => self.release(queue, leases),
            Command::Purge { queue, answer } => self.purge(queue, answer),
            Command::Browse { queue, options, answer } => self.browse(queue, options, answer),
            Command::Stats { queue, answer } => self.stats(queue, answer),
            Command::StartRedrive { queue, id, to, rate, answer } => self.start_redrive(queue, id, to, rate, answer),
            Command::ListRedrives { queue, answer } => self.list_redrives(queue, answer),
            Command::CancelRedrive { queue, id, answer } => self.cancel_redrive(queue, id, answer),
            Command::OpenQueue { definition, then } => self.open_queue(&definition, then),
            Command::CloseQueue { queue, then } => self.close_queue(queue, then),
            Command::Accept { item, source, payload, then } => self.accept(&item, source, *payload, then),
            Command::TransfersDone { below } => self.transfers_done(below),
            Command::Reroute { number, to } => self.reroute(number, to),
            Command::Create { path, options, then } => self.create(path, *options, then),
            Command::Update { id, expected_revision, options, then } => {
                self.update(id, expected_revision, *options, then);
            }
            Command::Remove { id, expected_revision, then } => self.remove(id, expected_revision, then),
            Command::Freeze { all_pages, answer } => self.freeze(all_pages, answer),
            Command::Trim { below } => self.writer.trim(below),
            Command::Standing { below, from, answer } => self.standing(below, from, &answer),
            Command::Relocate { moves, then } => self.relocate(moves, then),
            Command::Kept { answer } => self.kept(answer),
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.now
    }

    /// The frame that everything decided so far is, or will be, in.
    pub(super) fn applied(&self) -> Lsn {
        match (&self.open, self.in_flight) {
            (Some(open), _) => open.lsn,
            (None, Some(lsn)) => lsn,
            (None, None) => self.gate.durable(),
        }
    }

    /// Runs `reply` when everything decided so far is durable.
    pub(super) fn reply(&self, reply: Reply) {
        self.gate.when(self.applied(), reply);
    }

    /// Writes a record to the open frame and applies it.
    pub(super) fn record(&mut self, record: Record) {
        let at = journal::push(self.frame(), &record);
        self.state.apply(&record, at);
        if let Record::Moved(item) | Record::Rerouted { item, .. } = record {
            self.moved.push(item);
        }
    }

    /// Writes a message to the open frame and applies it.
    pub(super) fn record_sent(&mut self, queue: QueueId, sent: Sent, payload: &Payload) -> Location {
        let at = journal::push_sent(self.frame(), queue, &sent, payload);
        self.state.apply(&Record::Queue(queue, crate::domain::queue::event::Event::Sent(sent)), at);
        at
    }

    pub(super) fn frame(&mut self) -> &mut FrameBuilder {
        let (partition, epoch, lsn, now) = (self.state.partition, self.writer.epoch(), self.next_lsn, self.now);
        let (writer, room) = (&self.writer, self.frame_room.max(FRAME_ROOM_MIN));
        self.open.get_or_insert_with(|| FrameBuilder::within(partition, epoch, lsn, now, writer.memory(room)))
    }

    /// Hands the open frame to the log, unless an append is in flight.
    fn submit(&mut self) {
        if self.in_flight.is_some() {
            return;
        }
        let Some(frame) = self.open.take() else { return };
        let lsn = frame.lsn;
        self.frame_room = (frame.len() + frame.len() / 8).max(self.frame_room / 8 * 7);
        self.next_lsn = lsn.next();
        self.in_flight = Some(lsn);
        for item in self.moved.drain(..) {
            let (partition, transfers) = (self.state.partition, self.shared.transfers.clone());
            // A pump that is gone means the broker is going away: the item stays in the outbox for the next start.
            self.gate.when(lsn, Box::new(move || drop(transfers.send((partition, item)))));
        }
        let (gate, inbox, fatal) = (self.gate.clone(), self.inbox.clone(), self.shared.fatal.clone());
        let done = move |result| match result {
            Ok(lsn) => {
                inbox.set_durable(lsn);
                gate.open(lsn);
            }
            Err(error) => {
                fatal(format!("appending failed: {error}"));
                inbox.fail();
                gate.fail();
            }
        };
        self.writer.append(frame, Box::new(done));
    }

    fn freeze(&mut self, all_pages: bool, answer: mpsc::Sender<Box<crate::engine::image::PartitionImage>>) {
        // The open frame still fills: the image holds some of it and must not claim it. Replaying all of it converges.
        let covered = self.open.as_ref().map_or_else(|| self.applied(), |open| Lsn(open.lsn.0.saturating_sub(1)));
        let image = Box::new(self.state.image(covered, all_pages));
        // A checkpointer that is gone needs no image.
        self.reply(Box::new(move || drop(answer.send(image))));
    }
}
