//! What a start without the index puts off: the messages of queues that had some at the checkpoint. A thread reads them from
//! the archive and the log, into states of its own, while the broker serves everything else; then each partition takes its
//! queues over. Until then no checkpoint is made, so that a broker that ends meanwhile begins again.

use super::{
    archive::{self, Archive, Late},
    command::Command,
    host::Alarms,
    inbox::Inbox,
    journal::Record,
    open::OpenError,
    opening::Opening,
    partition::{lack::Lack, state::State},
    rebuilt::Rebuilt,
    replay::each_record,
};
use crate::{
    base::id::PartitionId,
    storage::log::{LocalLog, LostRange, ReplayedFrame},
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
};

/// Raised while messages are read.
const ALARM: &str = "INDEX_REBUILDING";
/// When no more records than these were made meanwhile, the partition applies them as it takes its queues over.
const RECORDS_AT_ONCE: usize = 1000;

/// Known to the reading, to what waits for its end, and to what ends it.
#[derive(Default)]
pub(crate) struct Hold {
    /// Partitions lack messages: a checkpoint would lose them.
    is_on: AtomicBool,
    is_closing: AtomicBool,
}

impl Hold {
    pub(crate) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Acquire)
    }

    /// Nobody needs the rest of what is read.
    pub(crate) fn close(&self) {
        self.is_closing.store(true, Ordering::Relaxed);
    }
}

pub(super) struct Later {
    rebuilt: Rebuilt,
    archive: Arc<Archive>,
    log: Arc<LocalLog>,
    inboxes: Arc<[Arc<Inbox<Command>>]>,
    alarms: Arc<Alarms>,
    reading: Arc<Opening>,
    /// Damage that the start has told of, of the log and of the archive.
    told: [Vec<LostRange>; 2],
    hold: Arc<Hold>,
}

/// Why the reading ended early.
enum Ended {
    Closing,
    Failed(OpenError),
}

impl<E: Into<OpenError>> From<E> for Ended {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl Later {
    pub(super) fn new(
        rebuilt: Rebuilt,
        told: [Vec<LostRange>; 2],
        log: &Arc<LocalLog>,
        archive: &Arc<Archive>,
        inboxes: &Arc<[Arc<Inbox<Command>>]>,
        alarms: &Arc<Alarms>,
    ) -> Self {
        let (log, archive) = (log.clone(), archive.clone());
        let (inboxes, alarms) = (inboxes.clone(), alarms.clone());
        Self { rebuilt, told, log, archive, inboxes, alarms, reading: Arc::default(), hold: Arc::default() }
    }

    /// From now on there are no checkpoints. What each partition has to know of the queues that lack messages.
    pub(super) fn begin(&self) -> (Arc<Hold>, BTreeMap<PartitionId, Lack>) {
        self.hold.is_on.store(true, Ordering::Release);
        self.alarms.set(ALARM, true);
        let lack = |state: &State| Lack::new(state.queues.ids().collect(), self.reading.clone());
        let lacks = self.rebuilt.states.iter().map(|(partition, state)| (*partition, lack(state)));
        (self.hold.clone(), lacks.collect())
    }

    /// Reads everything and hands it over.
    pub(super) fn run(mut self, fatal: &dyn Fn(String)) {
        match self.read() {
            Ok(()) => {
                self.hold.is_on.store(false, Ordering::Release);
                self.alarms.set(ALARM, false);
                tracing::info!("every queue has its messages again; the next checkpoint writes the new index");
            }
            Err(Ended::Closing) => {}
            Err(Ended::Failed(error)) => fatal(format!("what was put off at the start cannot be read: {error}")),
        }
    }

    fn read(&mut self) -> Result<(), Ended> {
        let archive = self.archive.log().map_or(0, |log| log.size_bytes());
        self.reading.replay_begins(self.log.size_bytes() + archive);
        let late = self.read_archive()?;
        self.read_log()?;
        archive::hand_over(&late, &mut self.rebuilt.states);
        while let Some((partition, state)) = self.rebuilt.states.pop_first() {
            self.give(partition, state)?;
        }
        Ok(())
    }

    fn read_archive(&mut self) -> Result<Vec<Late>, Ended> {
        let Some(log) = self.archive.log().cloned() else { return Ok(Vec::new()) };
        let (reading, stop) = (&self.reading, &self.hold.is_closing);
        let (report, late) = archive::restore(
            |from, visit| {
                log.visit_again(from, stop, &mut |frame| {
                    note(reading, &frame);
                    visit(frame);
                })
            },
            &mut self.rebuilt,
        )?;
        self.goes_on()?;
        let [_, told] = &self.told;
        self.tell("the archive", &report.corrupt, told);
        Ok(late)
    }

    fn read_log(&mut self) -> Result<(), Ended> {
        let Rebuilt { states, from, .. } = &mut self.rebuilt;
        if states.values().all(|state| state.queues.ids().next().is_none()) {
            return Ok(());
        }
        let (mut failure, mut unpacked, segment) = (None, 0, self.log.segment_bytes());
        let mut visit = |frame: ReplayedFrame| {
            note(&self.reading, &frame);
            unpacked += frame.len() as u64;
            // A segment's worth of messages takes little memory again.
            if unpacked >= segment {
                unpacked = 0;
                states.values_mut().for_each(|state| state.queues.pack());
            }
            let Some(state) = states.get_mut(&frame.partition()) else { return };
            let seen = each_record(&frame, |record, at| {
                if matches!(record, Record::Queue(..) | Record::Moved(_) | Record::TransfersDone { .. }) {
                    state.apply(&record, at);
                }
            });
            failure = failure.take().or(seen.err());
        };
        let report = self.log.visit_again(from, &self.hold.is_closing, &mut visit)?;
        self.goes_on()?;
        let [told, _] = &self.told;
        self.tell("the log", &report.corrupt, told);
        failure.map_or(Ok(()), |error| Err(Ended::Failed(error)))
    }

    fn goes_on(&self) -> Result<(), Ended> {
        if self.hold.is_closing.load(Ordering::Relaxed) { Err(Ended::Closing) } else { Ok(()) }
    }

    fn tell(&self, place: &str, damage: &[LostRange], told: &[LostRange]) {
        self.alarms.tell_damage(damage.iter().filter(|lost| !told.contains(lost)).map(|lost| (place, lost)));
    }

    /// Lets a partition take over what was read of its queues, brought up to what happened to them meanwhile.
    fn give(&self, partition: PartitionId, mut state: State) -> Result<(), Ended> {
        loop {
            let recorded = self.ask(partition, |answer| Command::TakeRecorded { answer })?;
            recorded.iter().for_each(|(record, at)| state.apply(record, *at));
            if recorded.len() < RECORDS_AT_ONCE {
                return self.ask(partition, |answer| Command::FillLack { read: Box::new(state), answer });
            }
        }
    }

    fn ask<T>(&self, partition: PartitionId, command: impl FnOnce(mpsc::Sender<T>) -> Command) -> Result<T, Ended> {
        let (answer, result) = mpsc::channel();
        if let Some(inbox) = self.inboxes.get(partition.0 as usize) {
            inbox.push_internal(command(answer));
        }
        result.recv().map_err(|_| Ended::Closing)
    }
}

/// Now and then the log of the broker hears how far the reading is.
fn note(reading: &Opening, frame: &ReplayedFrame) {
    let before = reading.tenths();
    reading.replayed(frame.len() as u64);
    if reading.tenths() > before {
        tracing::info!("the messages of some queues are read again: {}", reading.describe());
    }
}
