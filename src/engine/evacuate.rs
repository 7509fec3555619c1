//! The evacuation: what lives at the log's old end moves to its head, so that the end can go.
//!
//! The log is given back from its oldest end, and one message that nobody takes would keep everything behind it. When the
//! log has grown well past what lives in it, the checkpointer asks for its oldest segments to be emptied. The thread here
//! reads the payloads, so that no partition waits for the disk, and hands them back a little at a time, each step durable
//! before the next. The checkpoint after that lets the segments go.

use super::{
    command::{Command, Relocation, Standing},
    inbox::Inbox,
    journal,
};
use crate::{
    base::id::{Lsn, MessageSeq, PartitionId, QueueId},
    storage::log::{LocalLog, LogReader},
};
use std::sync::{
    Arc,
    mpsc::{self, Receiver},
};

/// Everything of a partition below a frame.
pub(crate) type Job = (PartitionId, Lsn);

pub(crate) struct Evacuation {
    pub(crate) inboxes: Arc<[Arc<Inbox<Command>>]>,
    pub(crate) reader: Arc<dyn LogReader>,
    pub(crate) log: Arc<LocalLog>,
    /// How much is moved at once, about.
    pub(crate) step_bytes: usize,
}

impl Evacuation {
    /// Runs until every sender of jobs is gone or the engine closes.
    pub(crate) fn run(&self, jobs: &Receiver<Vec<Job>>) {
        while let Ok(jobs) = jobs.recv() {
            for (partition, below) in jobs {
                match self.empty(partition, below) {
                    Some(moved) => tracing::debug!(%partition, %below, moved, "evacuated the log's end"),
                    None => return,
                }
            }
        }
    }

    /// Moves everything of a partition that stands below a frame; tells how many. `None`: the engine closes.
    fn empty(&self, partition: PartitionId, below: Lsn) -> Option<usize> {
        let inbox = self.inboxes.get(partition.0 as usize)?;
        let (mut from, mut moved) = ((QueueId(0), MessageSeq(0)), 0);
        let mut unreadable = Vec::new();
        loop {
            let (answer, standing) = mpsc::channel();
            inbox.push_internal(Command::Standing { below, from, answer });
            let standing = standing.recv().ok()?;
            let Some(last) = standing.last() else { break };
            from = (last.queue, last.seq.next());
            let mut rest = standing.as_slice();
            while !rest.is_empty() {
                let (step, later) = rest.split_at(self.step_len(rest));
                rest = later;
                if !self.has_room(step) {
                    tracing::debug!(%partition, %below, moved, "the disk is too full to evacuate the log's end");
                    return Some(moved);
                }
                let reads = step.iter().map(|standing| self.read(partition, *standing));
                let moves: Vec<_> =
                    reads.filter_map(|read| read.map_err(|error| unreadable.push(error)).ok()).collect();
                moved += moves.len();
                let (done, durable) = mpsc::channel();
                // An evacuation that is gone needs no answer.
                inbox.push_internal(Command::Relocate { moves, then: Box::new(move |result| drop(done.send(result))) });
                durable.recv().ok()?.ok()?;
            }
        }
        if let Some(first) = unreadable.first() {
            let count = unreadable.len();
            tracing::error!(%partition, count, %first, "messages that cannot be read keep the log's old end");
        }
        Some(moved)
    }

    /// What is left when the disk gives nothing more is for deletes too: a step leaves as much as it takes.
    fn has_room(&self, step: &[Standing]) -> bool {
        let bytes: u64 = step.iter().map(|standing| u64::from(standing.at.len)).sum();
        !self.log.lacks_reserve() || self.log.room() / 2 >= bytes
    }

    /// A message that cannot be read stays where it is, and keeps its segment.
    fn read(&self, partition: PartitionId, standing: Standing) -> Result<Relocation, String> {
        let entry = self.reader.read(partition, standing.at).map_err(|error| error.to_string())?;
        let sent = journal::sent_header(entry.kind, &entry.header).map_err(|error| error.to_string())?;
        Ok(Relocation { standing, sent: entry.header.slice_ref(sent), body: entry.body })
    }

    /// How many of the messages make a step: at least one.
    fn step_len(&self, standing: &[Standing]) -> usize {
        let mut bytes = 0;
        let fits = |standing: &&Standing| {
            bytes += standing.at.len as usize;
            bytes <= self.step_bytes
        };
        standing.iter().take_while(fits).count().max(1)
    }
}
