//! The archive: a second log for what is old, in a directory of its own.
//!
//! Its only writer is the evacuation. Its frames have their own numbers; a [`Location`] tells them from the log's by a bit.
//! It exists from the first message on that moves there. Entries: messages with all that is known of them, and what became
//! of messages whose entry came before. In their order they are all the archive knows, so a start without the index reads
//! them and then the log; a start with it reads only what a crash kept from being handed over.

use super::{
    journal::{self, Archived},
    open::OpenError,
    options::{EngineHost, EngineOptions},
    rebuilt::Rebuilt,
};
use crate::{
    base::{
        entropy::Entropy,
        id::{Location, Lsn, MessageSeq, PartitionId, QueueId},
        time::Clock,
    },
    engine::{journal::Record, partition::state::State},
    storage::{
        io::Io,
        log::{
            self, EntryView, LocalLog, LogHost, LogOptions, LogPosition, LogReader, LogStore as _, ReadError,
            RecoveryReport, ReplayFrom, ReplayedFrame, segment::seq_of_name,
        },
        store,
    },
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

/// What of the newest frames stays in memory: nobody reads what was archived just now.
const HOT_TAIL_BYTES: usize = 1 << 20;
/// Empty segments kept ready, so that a full disk can still be told what is gone.
const SPARE_SEGMENTS: usize = 1;

/// The archive, once there is one.
#[derive(Default)]
pub(crate) struct Archive {
    log: OnceLock<Arc<LocalLog>>,
    /// What was not handed over when this was noted stands behind it.
    from: Mutex<ReplayFrom>,
}

impl Archive {
    pub(crate) fn log(&self) -> Option<&Arc<LocalLog>> {
        self.log.get()
    }

    /// Everything in front of this was handed over to the partitions.
    pub(crate) fn from(&self) -> ReplayFrom {
        self.from.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Everything written so far was handed over, or nothing was written.
    pub(crate) fn is_handed_over(&self) {
        if let Some(log) = self.log() {
            let LogPosition { segment, durable_seq } = log.position();
            let lsns = log.heads().iter().map(|(partition, head)| (*partition, head.lsn)).collect();
            *self.from.lock().unwrap_or_else(PoisonError::into_inner) =
                ReplayFrom { segment: Some(segment), lsns, durable_seq };
        }
    }

    fn opened(&self, log: LocalLog) -> Arc<LocalLog> {
        let log = Arc::clone(self.log.get_or_init(|| Arc::new(log)));
        self.is_handed_over();
        log
    }
}

/// What it takes to open the archive, at the start or later.
pub(crate) struct Opener {
    io: Arc<dyn Io>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Fn() -> Box<dyn Entropy> + Send + Sync>,
    fatal: Arc<dyn Fn(String) + Send + Sync>,
    dir: PathBuf,
    store_uuid: [u8; 16],
    options: LogOptions,
    archive: Arc<Archive>,
}

impl Opener {
    pub(crate) fn new(host: &EngineHost, options: &EngineOptions, store_uuid: [u8; 16]) -> Self {
        Self {
            io: host.io.clone(),
            clock: host.clock.clone(),
            entropy: host.entropy.clone(),
            fatal: host.fatal.clone(),
            dir: options.data_dir.join(store::ARCHIVE_DIRECTORY),
            store_uuid,
            options: LogOptions {
                hot_tail_bytes: HOT_TAIL_BYTES,
                recycle_keep: SPARE_SEGMENTS,
                recycled_bytes: 0,
                zero_filled: false,
                ..options.log.clone()
            },
            archive: Arc::default(),
        }
    }

    pub(crate) fn archive(&self) -> &Arc<Archive> {
        &self.archive
    }

    /// Whether there is a segment of it. A directory without one is what is left of a try on a full disk.
    pub(crate) fn exists(&self) -> Result<bool, OpenError> {
        let names = match self.io.exists(&self.dir) {
            Ok(true) => self.io.list_dir(&self.dir),
            Ok(false) => return Ok(false),
            Err(error) => Err(error),
        };
        let names = names.map_err(|error| OpenError::Log(error.into()))?;
        Ok(names.iter().any(|entry| seq_of_name(&entry.name, "wal").is_some()))
    }

    /// Opens the archive, making one where there is none.
    pub(crate) fn open(
        &self,
        from: &ReplayFrom,
        visit: &mut dyn FnMut(ReplayedFrame),
    ) -> Result<(Arc<LocalLog>, RecoveryReport), log::OpenError> {
        let fatal = self.fatal.clone();
        let host = LogHost {
            io: self.io.clone(),
            clock: self.clock.clone(),
            entropy: (self.entropy)(),
            fatal: Box::new(move |why| fatal(why)),
        };
        self.io.create_dir(&self.dir)?;
        // An earlier try may have ended before it came to this.
        self.io.fsync_dir(&self.dir)?;
        self.io.fsync_dir(self.dir.parent().unwrap_or(Path::new(".")))?;
        let (log, report) = LocalLog::open(host, &self.dir, self.store_uuid, &self.options, from, visit)?;
        Ok((self.archive.opened(log), report))
    }

    /// The same for who wants what is in it.
    pub(super) fn open_to_read(&self, from: &ReplayFrom, visit: &mut dyn FnMut(ReplayedFrame)) -> Read {
        Ok(self.open(from, visit)?.1)
    }
}

/// A message that the archive has, in a frame that the snapshot does not know of. If it lives, the log says all about it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Late {
    partition: PartitionId,
    queue: QueueId,
    seq: MessageSeq,
    to: Location,
}

/// Lets the archive tell what it has, to states without messages. It is read by `read`, from its oldest segment on.
pub(super) fn restore(read: impl FnOnce(&ReplayFrom, &mut VisitFrame<'_>) -> Read, rebuilt: &mut Rebuilt) -> Found {
    let (states, snapshots, mut late) = (&mut rebuilt.states, &rebuilt.archive_from.lsns, Vec::new());
    let from = ReplayFrom { durable_seq: rebuilt.archive_from.durable_seq, ..ReplayFrom::default() };
    let mut visit = |partition, to: Location, queue, seq, archived| {
        let Some(state) = states.get_mut(&partition) else { return };
        // What became of messages is in the log too, or in the snapshot. Without one the archive is all there is.
        let is_late = snapshots.contains_key(&partition) && to.lsn.of_archive() > state.archive.lsn;
        let Some(known) = state.queues.wake(queue).filter(|_| !is_late) else {
            if matches!(archived, Archived::Message(_)) {
                late.push(Late { partition, queue, seq, to });
            }
            return;
        };
        match archived {
            Archived::Message(stored) => known.restore_archived(&stored, to),
            Archived::State(stored) => known.restore_archived_state(&stored),
            Archived::Gone => known.restore_archived_gone(seq),
        }
    };
    let report = each(|frames| read(&from, frames), &mut visit)?;
    Ok((report, late))
}

/// What the archive has in frames behind those that the snapshot knows of.
pub(super) fn find_late(opener: &Opener, rebuilt: &Rebuilt) -> Found {
    let mut late = Vec::new();
    let mut visit = |partition, to: Location, queue, seq, archived| {
        // Without a snapshot nobody knows what had been handed over.
        if !rebuilt.archive_from.lsns.contains_key(&partition) {
            return;
        }
        let known = rebuilt.states.get(&partition).map_or(Lsn(0), |state| state.archive.lsn);
        if matches!(archived, Archived::Message(_)) && to.lsn.of_archive() > known {
            late.push(Late { partition, queue, seq, to });
        }
    };
    let report = each(|frames| opener.open_to_read(&rebuilt.archive_from, frames), &mut visit)?;
    Ok((report, late))
}

/// Hands over what was archived after the snapshot: the archive has it, and the log, replayed by now, may not say so. Also
/// what the log does say: whether it was heard of in an earlier life nobody knows.
pub(super) fn hand_over(late: &[Late], states: &mut BTreeMap<PartitionId, State>) {
    for Late { partition, queue, seq, to } in late {
        let Some(state) = states.get_mut(partition) else { continue };
        let event = state.queues.wake(*queue).map(|known| known.archive_late(*seq, *to));
        if let Some(event) = event {
            // No frame of the log says so: the change counts as one that was always there.
            state.apply(&Record::Queue(*queue, event), Location { lsn: Lsn(0), ..Location::default() });
        }
    }
    // The log is replayed from further back than what the snapshot has.
    states.values_mut().for_each(|state| state.archive.is_replayed());
}

type VisitFrame<'a> = dyn FnMut(ReplayedFrame) + 'a;
type VisitEntry<'a> = dyn FnMut(PartitionId, Location, QueueId, MessageSeq, Archived) + 'a;
type Read = Result<RecoveryReport, log::OpenError>;
type Found = Result<(RecoveryReport, Vec<Late>), OpenError>;

fn each(
    read: impl FnOnce(&mut VisitFrame<'_>) -> Read,
    visit: &mut VisitEntry<'_>,
) -> Result<RecoveryReport, OpenError> {
    let mut failure = None;
    let report = read(&mut |frame: ReplayedFrame| {
        for (at, entry) in frame.entries() {
            let place = Location { lsn: at.lsn.in_archive(), ..at };
            match journal::decode_archived(&entry) {
                Ok(archived) => {
                    visit(frame.partition(), place, QueueId(entry.target), MessageSeq(entry.seq), archived);
                }
                Err(error) => {
                    let (partition, lsn) = (frame.partition(), frame.lsn());
                    failure.get_or_insert(OpenError::Replay {
                        partition,
                        lsn,
                        what: format!("in the archive: {error}"),
                    });
                }
            }
        }
    })?;
    failure.map_or(Ok(report), Err)
}

/// Reads entries of the log and of the archive.
pub(crate) struct Reader {
    pub(crate) log: Arc<dyn LogReader>,
    pub(crate) archive: Arc<Archive>,
}

impl Reader {
    /// Calls `read` for each run of places of one kind, with the index of its first; the places are as their log has them.
    fn each_run(&self, at: &[Location], mut read: impl FnMut(Option<&dyn LogReader>, usize, &[Location])) {
        let is_archived = |at: &Location| at.lsn.is_in_archive();
        let mut first = 0;
        for run in at.chunk_by(|a, b| is_archived(a) == is_archived(b)) {
            if run.first().is_some_and(is_archived) {
                let places: Vec<_> = run.iter().map(|at| Location { lsn: at.lsn.of_archive(), ..*at }).collect();
                let reader = self.archive.log().map(|log| log.reader());
                read(reader.as_deref(), first, &places);
            } else {
                read(Some(&*self.log), first, run);
            }
            first += run.len();
        }
    }
}

impl LogReader for Reader {
    fn read_hot_all(&self, partition: PartitionId, at: &[Location], visit: &mut dyn FnMut(usize, EntryView<'_>)) {
        self.each_run(at, |reader, first, places| {
            if let Some(reader) = reader {
                reader.read_hot_all(partition, places, &mut |index, entry| visit(first + index, entry));
            }
        });
    }

    fn read_all(
        &self,
        partition: PartitionId,
        at: &[Location],
        visit: &mut dyn FnMut(Result<EntryView<'_>, ReadError>),
    ) {
        self.each_run(at, |reader, _, places| match reader {
            Some(reader) => reader.read_all(partition, places, visit),
            None => places.iter().for_each(|at| visit(Err(ReadError::Trimmed { partition, lsn: at.lsn }))),
        });
    }

    fn read_near_all(
        &self,
        partition: PartitionId,
        at: &[Location],
        visit: &mut dyn FnMut(Result<EntryView<'_>, ReadError>),
    ) -> bool {
        let archived = at.iter().filter(|at| at.lsn.is_in_archive()).count();
        if archived != 0 && archived != at.len() {
            return false;
        }
        let mut was_near = false;
        self.each_run(at, |reader, _, places| {
            was_near = reader.is_some_and(|reader| reader.read_near_all(partition, places, visit));
        });
        was_near
    }
}
