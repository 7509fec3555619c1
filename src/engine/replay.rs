//! From the log to the states of the partitions.

use super::{
    journal::{self, Record},
    open::OpenError,
    opening::Opening,
    options::{EngineHost, EngineOptions},
    rebuilt::Rebuilt,
};
use crate::{
    base::id::Location,
    storage::{
        io::Io,
        log::{LocalLog, LogHost, RecoveryReport, ReplayedFrame, segment::seq_of_name},
        store::{self, Opened},
    },
};
use std::path::Path;

/// Applies what the log has above the checkpoint, or all of it without one.
pub(super) fn replay(
    opened: &Opened,
    options: &EngineOptions,
    host: &mut EngineHost,
    rebuilt: &mut Rebuilt,
    opening: &Opening,
) -> Result<(LocalLog, RecoveryReport), OpenError> {
    let mut failure = None;
    let states = &mut rebuilt.states;
    let wal = options.data_dir.join(store::WAL_DIRECTORY);
    opening.replay_begins(bytes_from(&*host.io, &wal, rebuilt.from.segment, options.log.segment_bytes));
    let mut visit = |frame: ReplayedFrame| {
        opening.replayed(frame.len() as u64);
        let Some(state) = states.get_mut(&frame.partition()) else { return };
        failure = failure.take().or(each_record(&frame, |record, at| state.apply(&record, at)).err());
    };
    let fatal = host.fatal.clone();
    let log_host = LogHost {
        io: host.io.clone(),
        clock: host.clock.clone(),
        entropy: (host.entropy)(),
        fatal: Box::new(move |why| fatal(why)),
    };
    let uuid = opened.identity.uuid.into_bytes();
    let opened = LocalLog::open(log_host, &wal, uuid, &options.log, &rebuilt.from, &mut visit)?;
    match failure {
        Some(failure) => Err(failure),
        None => Ok(opened),
    }
}

/// What a frame of the log says, with its places.
///
/// # Errors
///
/// An entry is not one that this version knows; the others are visited all the same.
pub(super) fn each_record(frame: &ReplayedFrame, mut visit: impl FnMut(Record, Location)) -> Result<(), OpenError> {
    let mut failure = Ok(());
    for (at, entry) in frame.entries() {
        match journal::decode(&entry) {
            Ok(record) => visit(record, at),
            Err(error) if failure.is_ok() => {
                let (partition, lsn) = (frame.partition(), frame.lsn());
                failure = Err(OpenError::Replay { partition, lsn, what: error.to_string() });
            }
            Err(_) => {}
        }
    }
    failure
}

/// How much log there is from a segment on, about. Nothing more than the progress depends on it.
fn bytes_from(io: &dyn Io, wal: &Path, first: Option<u64>, segment_bytes: u64) -> u64 {
    let names = io.list_dir(wal).unwrap_or_default();
    let seqs = names.iter().filter_map(|entry| seq_of_name(&entry.name, "wal"));
    seqs.filter(|seq| first.is_none_or(|first| *seq >= first)).count() as u64 * segment_bytes
}
