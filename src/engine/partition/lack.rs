//! Queues whose messages a start has put off to read, because the index was lost: they take new messages meanwhile.
//!
//! What is recorded of them is kept here besides, until what was read takes their place.

use super::{state::State, worker::Worker};
use crate::{
    base::{
        id::{Location, QueueId},
        limits::LACK_RECORDS_MAX,
        reason::{Reason, Refusal},
    },
    engine::{command::Command, journal::Record, opening::Opening},
};
use std::{
    collections::BTreeSet,
    sync::{Arc, mpsc},
};

/// Records with their places, in order.
pub(crate) type Recorded = Vec<(Record, Location)>;

pub(crate) struct Lack {
    queues: BTreeSet<QueueId>,
    /// What was recorded of the queues since nobody took it.
    recorded: Recorded,
    /// How far the reading is.
    reading: Arc<Opening>,
}

impl Lack {
    pub(crate) fn new(queues: BTreeSet<QueueId>, reading: Arc<Opening>) -> Self {
        Self { queues, recorded: Recorded::new(), reading }
    }

    pub(super) fn has(&self, id: QueueId) -> bool {
        self.queues.contains(&id)
    }

    fn note(&mut self, record: Record, at: Location) {
        if let Record::QueueClosed(id) = record {
            self.queues.remove(&id);
        } else if let Record::Queue(id, _) = record
            && self.has(id)
        {
            self.recorded.push((record, at));
        }
    }

    fn refusal(&self) -> Refusal {
        let how_far = self.reading.describe();
        let message = format!("the index was lost, and the queue's messages are read from the log again: {how_far}");
        Refusal::new(Reason::Starting, message)
    }
}

impl Worker {
    /// Queues without their messages do nothing by themselves.
    pub(crate) fn lacking(mut self, lack: Option<Lack>) -> Self {
        for id in lack.iter().flat_map(|lack| &lack.queues) {
            self.timers.set(*id, None);
        }
        self.lack = lack;
        self
    }

    pub(super) fn lacks_messages_of(&self, id: QueueId) -> bool {
        self.lack.as_ref().is_some_and(|lack| lack.has(id))
    }

    /// Keeps what was recorded and applied, if whoever reads has to know of it.
    pub(super) fn note_for_lack(&mut self, record: Record, at: Location) {
        if let Some(lack) = &mut self.lack {
            lack.note(record, at);
        }
    }

    /// Gives the command back, unless it asks for messages that are not read yet.
    pub(super) fn refuse_what_lacks(&self, command: Command) -> Option<Command> {
        match &self.lack {
            Some(lack) => command.unless_it(|id| lack.has(id), || lack.refusal()),
            None => Some(command),
        }
    }

    /// New messages are refused too when too many of them wait to be added to what is read.
    pub(super) fn refuse_more_of(&self, id: QueueId) -> Result<(), Refusal> {
        match &self.lack {
            Some(lack) if lack.has(id) && lack.recorded.len() >= LACK_RECORDS_MAX => Err(lack.refusal()),
            Some(_) | None => Ok(()),
        }
    }

    /// Whoever reads is gone when nobody takes it: the broker is going away.
    pub(super) fn take_recorded(&mut self, answer: &mpsc::Sender<Recorded>) {
        let recorded = self.lack.as_mut().map(|lack| std::mem::take(&mut lack.recorded));
        drop(answer.send(recorded.unwrap_or_default()));
    }

    /// Puts the queues that were read in the place of those that lacked their messages.
    pub(super) fn fill_lack(&mut self, mut read: Box<State>, answer: &mpsc::Sender<()>) {
        let Some(lack) = self.lack.take() else { return };
        for (record, at) in &lack.recorded {
            read.apply(record, *at);
        }
        for id in lack.queues {
            self.state.queues.replace(id, &mut read.queues);
            self.timers.set(id, self.state.queues.deadline(id));
        }
        self.state.archive = read.archive;
        let _closing = answer.send(());
    }
}
