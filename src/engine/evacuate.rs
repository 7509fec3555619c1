//! The evacuation: what lives at the log's old end moves to the archive, so that the end can go.
//!
//! The log is given back from its oldest end, and one message that nobody takes would keep everything behind it. When the
//! log has grown past what lives in it, the checkpointer asks for its oldest segments to be emptied. The thread here reads
//! the payloads, so that no partition waits for the disk, and writes them to the archive a little at a time; each step is
//! durable before the partition hears of it, and the checkpoint after that lets the segments go. The archive's own old end
//! is emptied in the same way. The thread also tells the archive what becomes of the messages that it has.

use super::{
    archive::{Archive, Opener},
    command::{Changes, Command, Move, Relocation, Standing},
    inbox::Inbox,
    journal,
};
use crate::{
    base::{
        id::{Location, Lsn, MessageSeq, PartitionId, QueueId},
        limits,
        time::Clock,
    },
    domain::queue::StoredMessage,
    storage::log::{AppendError, FrameBuilder, LocalLog, LogReader, LogStore as _, LogWriter, ReplayFrom},
};
use bytes::Bytes;
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        mpsc::{self, Receiver},
    },
};

/// What a change takes of the archive, about.
const CHANGE_BYTES: usize = 128;

/// What an entry in the archive takes besides what it took in the log, about.
const STATE_BYTES: u64 = 256;

/// Everything of a partition below a frame of the log, or of the archive.
pub(crate) type Job = (PartitionId, Lsn);

/// What a checkpoint leaves to be done.
#[derive(Clone, Debug, Default)]
pub(crate) struct Jobs {
    /// What stands below these frames is to move.
    pub(crate) moves: Vec<Job>,
    /// Nothing that lives stands below these frames of the archive.
    pub(crate) trims: Vec<Job>,
    /// These partitions have changes that the archive has not heard of.
    pub(crate) changed: Vec<PartitionId>,
}

impl Jobs {
    pub(crate) fn is_empty(&self) -> bool {
        self.moves.is_empty() && self.trims.is_empty() && self.changed.is_empty()
    }
}

pub(crate) struct Evacuation {
    pub(crate) inboxes: Arc<[Arc<Inbox<Command>>]>,
    pub(crate) reader: Arc<dyn LogReader>,
    pub(crate) log: Arc<LocalLog>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) archive: Arc<Archive>,
    pub(crate) opener: Opener,
    /// Of the archive, for each partition that wrote to it.
    pub(crate) writers: BTreeMap<PartitionId, Box<dyn LogWriter>>,
    /// How much is moved at once, about.
    pub(crate) step_bytes: usize,
}

/// The engine closes, or the archive can take nothing any more: the thread ends.
struct Closing;

/// A message that was read to be moved.
struct Read {
    standing: Standing,
    /// The header of its first entry.
    sent: Bytes,
    body: Bytes,
}

impl Evacuation {
    /// Runs until every sender of jobs is gone or the engine closes.
    pub(crate) fn run(mut self, jobs: &Receiver<Jobs>) {
        while let Ok(jobs) = jobs.recv() {
            if self.work(jobs).is_err() {
                return;
            }
        }
    }

    fn work(&mut self, jobs: Jobs) -> Result<(), Closing> {
        for partition in jobs.changed {
            self.tell_changes(partition)?;
        }
        for (partition, below) in jobs.trims {
            // Whoever cannot write now lets nothing go.
            if let Some(writer) = self.writer(partition)? {
                writer.trim(below);
            }
        }
        for (partition, below) in jobs.moves {
            let moved = self.empty(partition, below)?;
            tracing::debug!(%partition, %below, moved, "evacuated an old end");
        }
        Ok(())
    }

    /// Moves everything of a partition that stands below a frame; tells how many.
    fn empty(&mut self, partition: PartitionId, below: Lsn) -> Result<usize, Closing> {
        let (mut from, mut moved) = ((QueueId(0), MessageSeq(0)), 0);
        let mut unreadable = Vec::new();
        loop {
            let (answer, standing) = mpsc::channel();
            self.push(partition, Command::Standing { below, from, answer });
            let standing = standing.recv().map_err(|_| Closing)?;
            let Some(last) = standing.last() else { break };
            from = (last.queue, last.message.seq.next());
            let mut rest = standing.as_slice();
            while !rest.is_empty() {
                let (step, later) = rest.split_at(self.step_len(rest));
                rest = later;
                let reads = step.iter().map(|standing| self.read(partition, standing));
                let reads: Vec<_> =
                    reads.filter_map(|read| read.map_err(|error| unreadable.push(error)).ok()).collect();
                let bytes = step.iter().map(|standing| u64::from(standing.message.location.len) + STATE_BYTES).sum();
                let count = reads.len();
                let has_archive = self.has_room_in_archive(bytes) && self.writer(partition)?.is_some();
                let is_done = match has_archive {
                    true => self.archive(partition, reads)?,
                    false => self.relocate(partition, below, reads, bytes)?,
                };
                if !is_done {
                    tracing::debug!(%partition, %below, moved, "the disk is too full to evacuate an old end");
                    return Ok(moved);
                }
                moved += count;
            }
            // The log keeps what the archive has not heard of.
            self.tell_changes(partition)?;
        }
        if let Some(first) = unreadable.first() {
            let count = unreadable.len();
            tracing::error!(%partition, count, %first, "messages that cannot be read keep an old end");
        }
        Ok(moved)
    }

    /// Writes messages to the archive, and tells their partition; false when there is no archive.
    fn archive(&mut self, partition: PartitionId, reads: Vec<Read>) -> Result<bool, Closing> {
        // What was written before was handed over: see below.
        self.archive.is_handed_over();
        let mut moves = Vec::with_capacity(reads.len());
        let written = self.append(partition, |frame| {
            for Read { standing: Standing { queue, message }, sent, body } in reads {
                let at = journal::push_relocated(frame, queue, &message, &sent, &body);
                let to = Location { lsn: at.lsn.in_archive(), ..at };
                moves.push(Move { queue, message, to });
            }
        })?;
        if written.is_some() {
            let (done, durable) = mpsc::channel();
            // An evacuation that is gone needs no answer.
            self.push(partition, Command::Archive { moves, then: Box::new(move |result| drop(done.send(result))) });
            durable.recv().map_err(|_| Closing)?.map_err(|_| Closing)?;
            self.archive.is_handed_over();
        }
        Ok(written.is_some())
    }

    /// The way out when the disk has no room for the archive: up the log, which has a reserve. False when that is too small,
    /// or the messages are in the archive.
    fn relocate(&self, partition: PartitionId, below: Lsn, reads: Vec<Read>, bytes: u64) -> Result<bool, Closing> {
        // What is left when the disk gives nothing more is for deletes too: a step leaves as much as it takes.
        let has_room = !self.log.lacks_reserve() || self.log.room() / 2 >= bytes;
        if below.is_in_archive() || !has_room {
            return Ok(false);
        }
        let relocation = |Read { standing: Standing { queue, message }, sent, body }: Read| Relocation {
            queue,
            seq: message.seq,
            at: message.location,
            sent,
            body,
        };
        let moves = reads.into_iter().map(relocation).collect();
        let (done, durable) = mpsc::channel();
        self.push(partition, Command::Relocate { moves, then: Box::new(move |result| drop(done.send(result))) });
        durable.recv().map_err(|_| Closing)?.map_err(|_| Closing)?;
        Ok(true)
    }

    /// Writes to the archive what has become of its messages, as much as there was when this began.
    fn tell_changes(&mut self, partition: PartitionId) -> Result<(), Closing> {
        let (mut told, mut most) = (0, usize::MAX);
        let limit = (self.step_bytes / CHANGE_BYTES).clamp(1, limits::ARCHIVE_CHANGES);
        loop {
            let (answer, changes) = mpsc::channel();
            self.push(partition, Command::ArchiveChanges { limit, answer });
            let Changes { count, all, messages } = changes.recv().map_err(|_| Closing)?;
            most = most.min(all);
            if count == 0 || told >= most {
                self.archive.is_handed_over();
                return Ok(());
            }
            if !self.has_room_in_archive((messages.len() * CHANGE_BYTES) as u64) {
                tracing::debug!(%partition, all, "the disk is too full to tell the archive what has changed");
                return Ok(());
            }
            let written = self.append(partition, |frame| {
                for (queue, seq, state) in &messages {
                    push_change(frame, *queue, *seq, state.as_ref());
                }
            })?;
            let Some(lsn) = written else { return Ok(()) };
            self.push(partition, Command::ArchiveHeard { count, lsn });
            told += count;
        }
    }

    /// Appends a frame to a partition's archive, if there is anything to say, and waits until it is durable; tells the
    /// partition's last frame. None: there is no archive.
    fn append(&mut self, partition: PartitionId, fill: impl FnOnce(&mut FrameBuilder)) -> Result<Option<Lsn>, Closing> {
        let now = self.clock.now();
        let Some(writer) = self.writer(partition)? else { return Ok(None) };
        let lsn = writer.next_lsn();
        let mut frame = FrameBuilder::new(partition, writer.epoch(), lsn, now);
        fill(&mut frame);
        if frame.is_empty() {
            return Ok(Some(Lsn(lsn.0 - 1)));
        }
        let (done, durable) = mpsc::channel();
        writer.append(frame, Box::new(move |result| drop(done.send(result))));
        match durable.recv().map_err(|_| Closing)? {
            Ok(_) => Ok(Some(lsn)),
            Err(AppendError::Closed) => Err(Closing),
            Err(error) => {
                tracing::error!(%partition, %error, "the archive cannot be written");
                Err(Closing)
            }
        }
    }

    /// The writer of a partition's archive, which is made now if there is none. None: that cannot be.
    fn writer(&mut self, partition: PartitionId) -> Result<Option<&mut dyn LogWriter>, Closing> {
        if !self.writers.contains_key(&partition) {
            let log = match self.archive.log() {
                Some(log) => Arc::clone(log),
                None => match self.opener.open(&ReplayFrom::default(), &mut |_| {}) {
                    Ok((log, _)) => log,
                    Err(error) => {
                        tracing::error!(%error, "the archive cannot be opened; what is old stays in the log");
                        return Ok(None);
                    }
                },
            };
            let writer = log.acquire(partition).map_err(|_| Closing)?;
            self.writers.insert(partition, writer);
        }
        Ok(self.writers.get_mut(&partition).map(|writer| &mut **writer as &mut dyn LogWriter))
    }

    /// Whether the archive takes so many bytes at once, and as many for what is gone. One that is not there yet needs more.
    fn has_room_in_archive(&self, bytes: u64) -> bool {
        match self.archive.log() {
            Some(log) => !log.lacks_reserve() || log.room() / 2 >= bytes,
            None => !self.log.must_refuse_growth(),
        }
    }

    fn push(&self, partition: PartitionId, command: Command) {
        if let Some(inbox) = self.inboxes.get(partition.0 as usize) {
            inbox.push_internal(command);
        }
    }

    /// A message that cannot be read stays where it is, and keeps its segment.
    fn read(&self, partition: PartitionId, standing: &Standing) -> Result<Read, String> {
        let entry = self.reader.read(partition, standing.message.location).map_err(|error| error.to_string())?;
        let sent = journal::sent_header(entry.kind, &entry.header).map_err(|error| error.to_string())?;
        Ok(Read { standing: standing.clone(), sent: entry.header.slice_ref(sent), body: entry.body })
    }

    /// How many of the messages make a step: at least one.
    fn step_len(&self, standing: &[Standing]) -> usize {
        let mut bytes = 0;
        let fits = |standing: &&Standing| {
            bytes += standing.message.location.len as usize;
            bytes <= self.step_bytes
        };
        standing.iter().take_while(fits).count().max(1)
    }
}

fn push_change(frame: &mut FrameBuilder, queue: QueueId, seq: MessageSeq, state: Option<&StoredMessage>) {
    match state {
        Some(state) => journal::push_state(frame, queue, state),
        None => journal::push_gone(frame, queue, seq),
    };
}
