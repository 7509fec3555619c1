//! The loop of a partition's thread: take what waits, decide, apply, write; let replies out when the disk has them.
//!
//! One append is in flight at a time; what is decided meanwhile fills the next frame. A frame past its soft size makes
//! the thread stop executing commands until the append before it is done: the inbox is bounded, so the callers hear of it,
//! and no frame outgrows a block.

use super::{
    lack::Lack, on_demand::Loads, state::State, stream_queues::RecordWaiters, streams::Fresh, timers::Timers,
    waiters::QueueWaiters,
};
use crate::{
    base::{
        entropy::Entropy,
        id::{Location, Lsn, PartitionId, QueueId, StreamId},
        limits,
        time::{Clock, Timestamp},
    },
    domain::queue::event::Sent,
    engine::{
        catalog::CatalogRules,
        command::Command,
        definition::QueueDefinition,
        directory::Directory,
        gate::{Gate, Reply},
        inbox::{Inbox, Taken, remaining},
        journal::{self, OutboxItem, Record},
        message::Payload,
        streams::{handle::StreamHandle, queue_names::QueueNames},
    },
    storage::log::{FrameBuilder, LogWriter},
};
use std::{
    collections::BTreeSet,
    sync::{Arc, mpsc},
};

/// The room of a frame when the ones before were small.
const FRAME_ROOM_MIN: usize = 4096;

/// What every partition shares with the rest of the engine.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) directory: Arc<Directory<QueueDefinition>>,
    pub(crate) streams: Arc<Directory<StreamHandle>>,
    pub(crate) queue_names: QueueNames,
    pub(crate) inboxes: Arc<[Arc<Inbox<Command>>]>,
    pub(crate) rules: CatalogRules,
    pub(crate) in_flight_max: usize,
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
    /// Durable transfers go this way to their targets. Only partitions hold it: with the last of them the pump ends.
    transfers: mpsc::Sender<(PartitionId, OutboxItem)>,
    pub(super) writer: Box<dyn LogWriter>,
    pub(super) entropy: Box<dyn Entropy>,
    pub(super) waiters: QueueWaiters,
    pub(super) record_waiters: RecordWaiters,
    pub(super) timers: Timers<QueueId>,
    pub(super) stream_timers: Timers<StreamId>,
    pub(super) loads: Loads,
    /// The records of the open frame that readers are to see.
    pub(super) fresh: Option<(Lsn, Fresh)>,
    /// Queues that something happened to since their waiters and timers were looked at.
    pub(super) touched: BTreeSet<QueueId>,
    /// Streams that something happened to since the receives that wait for their records were looked at.
    pub(super) touched_streams: BTreeSet<StreamId>,
    /// The queues whose messages are still being read.
    pub(super) lack: Option<Lack>,
    /// When to look for idle queues without being asked.
    pub(super) park_at: Option<Timestamp>,
    /// Moves of the open frame, to be carried once it is durable.
    pub(super) moved: Vec<OutboxItem>,
    open: Option<FrameBuilder>,
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
        transfers: mpsc::Sender<(PartitionId, OutboxItem)>,
        inbox: Arc<Inbox<Command>>,
        writer: Box<dyn LogWriter>,
        entropy: Box<dyn Entropy>,
        now: Timestamp,
    ) -> Self {
        state.open_for_leases();
        let mut timers = Timers::default();
        for id in state.queues.ids() {
            timers.set(id, state.queues.deadline(id));
        }
        let next_lsn = writer.next_lsn();
        let gate = Arc::new(Gate::new(Lsn(next_lsn.0.saturating_sub(1))));
        let frame_soft_bytes = limits::FRAME_SOFT_BYTES.min(writer.frame_bytes_max() / 4);
        let mut worker = Self {
            state,
            shared,
            inbox,
            gate,
            transfers,
            writer,
            entropy,
            waiters: QueueWaiters::default(),
            record_waiters: RecordWaiters::default(),
            timers,
            stream_timers: Timers::default(),
            loads: Loads::default(),
            fresh: None,
            touched: BTreeSet::new(),
            touched_streams: BTreeSet::new(),
            lack: None,
            park_at: Some(now + limits::PARK_AFTER),
            moved: Vec::new(),
            open: None,
            frame_soft_bytes,
            frame_room: 0,
            in_flight: None,
            next_lsn,
            now,
        };
        worker.begin_streams(now);
        worker
    }

    /// Runs until the inbox is closed and everything taken from it is durable.
    pub(crate) fn run(mut self) {
        loop {
            let Some(taken) = self.take() else { break };
            self.see_time();
            self.handle(taken);
            self.fire_timers();
            self.settle_touched();
            self.settle_touched_streams();
            self.submit();
        }
        while self.in_flight.is_some() || self.open.is_some() {
            self.submit();
            let Some(taken) = self.inbox.wait(false, 0, None) else { return };
            self.handle(taken);
        }
    }

    fn take(&self) -> Option<Taken<Command>> {
        if self.is_full() && self.in_flight.is_some() {
            return self.inbox.wait(false, 0, None);
        }
        let waits = [self.waiters.next_deadline(), self.record_waiters.next_deadline()];
        let timers = [self.timers.next(), self.stream_timers.next(), self.park_at];
        let deadlines = waits.into_iter().chain(timers);
        let deadline = deadlines.flatten().min();
        let wait = remaining(self.shared.clock.now(), deadline);
        self.inbox.wait(true, self.frame_soft_bytes, wait)
    }

    /// Logical time: what the clock says, but never back.
    fn see_time(&mut self) {
        self.now = self.now.max(self.shared.clock.now());
    }

    fn handle(&mut self, taken: Taken<Command>) {
        self.note_durable(taken.durable);
        for command in taken.commands {
            if self.make_room().is_none() {
                return;
            }
            self.execute(command);
        }
    }

    fn note_durable(&mut self, durable: Option<Lsn>) {
        if let Some(lsn) = durable {
            self.in_flight = self.in_flight.filter(|waiting| *waiting > lsn);
            // The disk is free: give it what gathered before working on.
            self.submit();
        }
    }

    fn is_full(&self) -> bool {
        self.open.as_ref().is_some_and(|frame| frame.len() >= self.frame_soft_bytes)
    }

    /// Hands a full frame over before anything is added to it: one that outgrows a block cannot be written. None: the
    /// log failed.
    pub(super) fn make_room(&mut self) -> Option<()> {
        while self.is_full() {
            if self.in_flight.is_none() {
                self.submit();
            } else {
                let taken = self.inbox.wait(false, 0, None)?;
                self.note_durable(taken.durable);
            }
        }
        Some(())
    }

    fn execute(&mut self, command: Command) {
        let Some(command) = self.refuse_what_lacks(command) else { return };
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
            Command::Stream(command) => self.execute_for_streams(command),
            Command::Freeze { all_pages, answer } => self.freeze(all_pages, answer),
            Command::Trim { below } => self.writer.trim(below),
            Command::Standing { below, from, answer } => self.standing(below, from, &answer),
            Command::Relocate { moves, then } => self.relocate(moves, then),
            Command::Archive { moves, then } => self.archive(moves, then),
            Command::ArchiveChanges { limit, answer } => self.archive_changes(limit, answer),
            Command::ArchiveHeard { count, lsn } => self.archive_heard(count, lsn),
            Command::TakeRecorded { answer } => self.take_recorded(&answer),
            Command::FillLack { read, answer } => self.fill_lack(read, &answer),
            Command::Kept { answer } => self.kept(answer),
            Command::Tables { request, limits, answer } => self.ask_tables(&request, &limits, answer),
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.now
    }

    /// The frame that everything decided so far is, or will be, in.
    pub(super) fn applied(&self) -> Lsn {
        self.open.as_ref().map_or_else(|| self.submitted(), |open| open.lsn)
    }

    /// The last frame that was handed to the log. Not asked of the gate: it hears a moment later than this thread that a
    /// frame is durable, and a checkpoint that claims less than the log had when it began names a segment too far on.
    fn submitted(&self) -> Lsn {
        Lsn(self.next_lsn.0.saturating_sub(1))
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
        } else {
            self.note_for_lack(record, at);
        }
    }

    /// Writes a message to the open frame and applies it.
    pub(super) fn record_sent(&mut self, queue: QueueId, sent: Sent, payload: &Payload) -> Location {
        let at = journal::push_sent(self.frame(), queue, &sent, payload);
        let record = Record::Queue(queue, crate::domain::queue::event::Event::Sent(sent));
        self.state.apply(&record, at);
        self.note_for_lack(record, at);
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
            let (partition, transfers) = (self.state.partition, self.transfers.clone());
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
        let image = Box::new(self.state.image(self.submitted(), all_pages));
        self.park_idle();
        // A checkpointer that is gone needs no image.
        self.reply(Box::new(move || drop(answer.send(image))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        base::{id::Epoch, name::Region},
        domain::stream::throttle::ShardLimits,
        engine::{
            crash_tests::machine::{Seeded, TestClock},
            definition::QueueOptions,
            streams::{state::StreamParts, writer::orders},
        },
        storage::log::AppendDone,
    };
    use bytes::BytesMut;
    use rand::{SeedableRng as _, rngs::SmallRng};
    use std::time::Duration;

    /// Takes frames and says nothing of them.
    struct Silent(Lsn);

    impl LogWriter for Silent {
        fn partition(&self) -> PartitionId {
            PartitionId(0)
        }

        fn epoch(&self) -> Epoch {
            Epoch(Lsn(1))
        }

        fn next_lsn(&self) -> Lsn {
            self.0
        }

        fn memory(&self, room: usize) -> BytesMut {
            BytesMut::with_capacity(room)
        }

        fn frame_bytes_max(&self) -> usize {
            limits::BLOCK_BODY_BYTES
        }

        fn append(&mut self, frame: FrameBuilder, _done: AppendDone) {
            self.0 = frame.lsn.next();
        }

        fn trim(&mut self, _below: Lsn) {}
    }

    fn worker() -> Worker {
        let inbox = Arc::new(Inbox::new(1 << 20));
        let region = Region::parse("us-east-1").expect("valid");
        let shared = Shared {
            clock: Arc::new(TestClock::new(Duration::ZERO)),
            directory: Arc::default(),
            streams: Arc::default(),
            queue_names: QueueNames::default(),
            inboxes: Arc::new([Arc::clone(&inbox)]),
            rules: CatalogRules { partitions: 1, queues_max: 1, recreate_wait: Duration::ZERO, region },
            in_flight_max: 1,
            fatal: Arc::new(|why| panic!("{why}")),
        };
        let entropy = Box::new(Seeded(SmallRng::seed_from_u64(1)));
        let transfers = mpsc::channel().0;
        Worker::new(
            State::new(PartitionId(0), StreamParts { limits: ShardLimits::NONE, chunk_bytes: 1, orders: orders().0 }),
            shared,
            transfers,
            inbox,
            Box::new(Silent(Lsn(2))),
            entropy,
            Timestamp(1),
        )
    }

    #[test]
    fn an_image_claims_every_frame_that_is_durable_when_it_is_made() {
        let mut worker = worker();
        worker.record(Record::QueueOpened(QueueId(1), QueueOptions::default().settings(1)));
        worker.submit();
        let (answer, image) = mpsc::channel();
        // The inbox hears of the frame first, and the gate a moment later.
        worker.handle(Taken { commands: [Command::Freeze { all_pages: false, answer }].into(), durable: Some(Lsn(2)) });
        worker.gate.open(Lsn(2));
        assert_eq!(image.try_recv().expect("an image").lsn, Lsn(2));
    }
}
