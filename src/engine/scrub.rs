//! The thread that reads the log, the archive and the segments of streams again, so that damage is found before somebody needs what is
//! damaged.
//!
//! A pass goes over every sealed segment once, first those of the log and of the archive, oldest first, at a bounded rate. One that was asked
//! for goes first: it ends one that began by itself, and counts in its place.

use super::{
    archive::Archive, client::Engine, directory::Directory, host::Alarms, options::ScrubOptions,
    streams::handle::StreamHandle,
};
use crate::{
    base::{
        reason::{Reason, Refusal},
        time::{Clock, Timestamp},
    },
    storage::{
        log::{Pace, Scrubbed, Scrubber, segment::segment_path},
        shard::{Checked, ShardReader},
        store::{ARCHIVE_DIRECTORY, WAL_DIRECTORY},
    },
};
use std::{
    collections::{BTreeSet, VecDeque},
    ops::Range,
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::watch;

/// How long after a start the first pass begins, at the latest.
const FIRST_AFTER: Duration = Duration::from_secs(600);
/// Passes that may wait for their turn.
const ASKS_MAX: usize = 8;
/// Problems that one pass tells in full.
const PROBLEMS_MAX: usize = 1000;

/// What the scrub has done since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScrubFigures {
    /// Zero: no pass begins by itself.
    pub bytes_per_second: u64,
    pub running: bool,
    pub scrubbed_bytes: u64,
    /// Whole passes.
    pub passes: u64,
    /// Of the log and the archive, and damaged places in segments of streams. Each counted once, however often it is met.
    pub damaged_blocks: u64,
    pub last_pass_end: Option<Timestamp>,
}

/// How far a pass that was asked for has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PassProgress {
    pub checked_bytes: u64,
    pub total_bytes: u64,
    /// What was found so far; only ever longer.
    pub problems: Vec<String>,
    /// The pass is over, and was whole.
    pub done: bool,
}

struct Ask {
    /// Zero: as configured, and as fast as the disk gives where that is "off".
    bytes_per_second: u64,
    progress: Arc<watch::Sender<PassProgress>>,
}

/// Where passes are asked for and figures are left.
pub(crate) struct Desk {
    inner: Mutex<Inner>,
    news: Condvar,
}

struct Inner {
    asks: VecDeque<Ask>,
    closed: bool,
    figures: ScrubFigures,
}

enum Work {
    Asked(Ask),
    Due,
    Closed,
}

impl Desk {
    pub(crate) fn new(options: ScrubOptions) -> Self {
        let figures = ScrubFigures { bytes_per_second: options.bytes_per_second, ..ScrubFigures::default() };
        Self { inner: Mutex::new(Inner { asks: VecDeque::new(), closed: false, figures }), news: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn figures(&self) -> ScrubFigures {
        self.lock().figures
    }

    /// Ends the thread, also in the middle of a pass.
    pub(crate) fn close(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        // Who waits for a pass hears that it will not come.
        inner.asks.clear();
        self.news.notify_all();
    }

    fn ask(&self, bytes_per_second: u64) -> Result<watch::Receiver<PassProgress>, Refusal> {
        let mut inner = self.lock();
        if inner.closed {
            return Err(Refusal::new(Reason::Draining, "the broker is shutting down"));
        }
        if inner.asks.len() >= ASKS_MAX {
            let message = format!("{ASKS_MAX} passes over the storage wait already");
            return Err(Refusal::new(Reason::ThroughputExceeded, message));
        }
        let (progress, receiver) = watch::channel(PassProgress::default());
        inner.asks.push_back(Ask { bytes_per_second, progress: Arc::new(progress) });
        self.news.notify_all();
        Ok(receiver)
    }

    /// What to do next, after `wait` at the latest.
    fn next(&self, wait: Option<Duration>) -> Work {
        let idle = |inner: &mut Inner| !inner.closed && inner.asks.is_empty();
        let inner = self.lock();
        let mut inner = match wait {
            Some(wait) => self.news.wait_timeout_while(inner, wait, idle).unwrap_or_else(PoisonError::into_inner).0,
            None => self.news.wait_while(inner, idle).unwrap_or_else(PoisonError::into_inner),
        };
        if inner.closed {
            return Work::Closed;
        }
        inner.asks.pop_front().map_or(Work::Due, Work::Asked)
    }

    /// Waits; false when the pass is to end: the broker closes, or an ask goes before a pass that `yields`.
    fn pause(&self, time: Duration, yields: bool) -> bool {
        let goes_on = |inner: &mut Inner| !inner.closed && (!yields || inner.asks.is_empty());
        let waited = self.news.wait_timeout_while(self.lock(), time, goes_on);
        goes_on(&mut waited.unwrap_or_else(PoisonError::into_inner).0)
    }

    fn note(&self, change: impl FnOnce(&mut ScrubFigures)) {
        change(&mut self.lock().figures);
    }
}

pub(crate) struct Scrub {
    pub(crate) scrubber: Scrubber,
    pub(crate) archive: Arc<Archive>,
    pub(crate) streams: Arc<Directory<StreamHandle>>,
    pub(crate) desk: Arc<Desk>,
    pub(crate) alarms: Arc<Alarms>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) options: ScrubOptions,
}

/// Damage that was told before: file and first byte.
type Known = BTreeSet<(PathBuf, u64)>;

/// A segment to check.
struct Target {
    /// From the data directory.
    file: PathBuf,
    bytes: u64,
    of: Of,
}

enum Of {
    /// Of the log or of the archive.
    Log(Scrubber, u64),
    Stream(Arc<ShardReader>, u64),
}

/// Something that is damaged.
struct Found {
    offsets: Range<u64>,
    /// How much it counts.
    blocks: u64,
    text: String,
}

impl Scrub {
    /// Runs until the desk is closed.
    pub(crate) fn run(self) {
        let ScrubOptions { bytes_per_second, interval } = self.options;
        let mut due = (bytes_per_second > 0).then(|| self.clock.now() + interval.min(FIRST_AFTER));
        let mut known = Known::new();
        loop {
            let ask = match self.desk.next(due.map(|due| due.since(self.clock.now()))) {
                Work::Closed => return,
                Work::Asked(ask) if ask.progress.is_closed() => continue,
                Work::Asked(ask) => Some(ask),
                Work::Due => None,
            };
            let began = self.clock.now();
            self.desk.note(|figures| figures.running = true);
            let whole = self.pass(ask.as_ref(), &mut known);
            let ended = self.clock.now();
            self.desk.note(|figures| {
                figures.running = false;
                if whole {
                    figures.passes += 1;
                    figures.last_pass_end = Some(ended);
                }
            });
            if whole {
                due = due.map(|_| began + interval);
                // After the figures, so that who hears of the end finds it there.
                ask.iter().for_each(|ask| ask.progress.send_modify(|progress| progress.done = true));
            }
        }
    }

    /// Goes over every sealed segment; false when it did not come to the end.
    fn pass(&self, ask: Option<&Ask>, known: &mut Known) -> bool {
        let targets = self.targets();
        known.retain(|(file, _)| targets.iter().any(|target| target.file == *file));
        let total_bytes = targets.iter().map(|target| target.bytes).sum();
        tracing::debug!(segments = targets.len(), total_bytes, asked = ask.is_some(), "scrub begins");
        ask.iter().for_each(|ask| ask.progress.send_modify(|progress| progress.total_bytes = total_bytes));
        let mut before = 0;
        for target in targets {
            let Some(damage) = self.check(&target.of, &self.pace(ask, before, target.bytes)) else { return false };
            damage.iter().for_each(|found| self.tell(&target.file, found, ask, known));
            before += target.bytes;
            ask.iter().for_each(|ask| ask.progress.send_modify(|progress| progress.checked_bytes = before));
        }
        true
    }

    fn targets(&self) -> Vec<Target> {
        let archive = self.archive.log().map(|log| (ARCHIVE_DIRECTORY, log.scrubber()));
        let logs = [(WAL_DIRECTORY, self.scrubber.clone())].into_iter().chain(archive);
        let of_logs = logs.flat_map(|(dir, scrubber)| {
            let target = |(seq, bytes)| {
                let (file, of) = (segment_path(Path::new(dir), seq), Of::Log(scrubber.clone(), seq));
                Target { file, bytes, of }
            };
            scrubber.sealed().into_iter().map(target).collect::<Vec<_>>()
        });
        let readers = self.streams.all().into_iter().filter_map(|stream| stream.feed.segments());
        let of_streams = readers.flat_map(|reader| {
            let target = |(number, bytes)| {
                let (file, of) = (reader.relative_path(number), Of::Stream(reader.clone(), number));
                Target { file, bytes, of }
            };
            reader.sealed_files().into_iter().map(target).collect::<Vec<_>>()
        });
        of_logs.chain(of_streams).collect()
    }

    /// What is damaged of a segment; none when the pass is to end.
    fn check(&self, segment: &Of, pace: &Pace) -> Option<Vec<Found>> {
        let damage = match segment {
            Of::Log(scrubber, seq) => match scrubber.check(*seq, pace) {
                Scrubbed::Stopped => return None,
                Scrubbed::Gone => Vec::new(),
                Scrubbed::Checked { damage, .. } => damage
                    .into_iter()
                    .map(|lost| Found {
                        blocks: (lost.blocks.end - lost.blocks.start).max(1),
                        text: lost.to_string(),
                        offsets: lost.offsets,
                    })
                    .collect(),
            },
            Of::Stream(reader, number) => match reader.check(*number, pace) {
                Checked::Stopped => return None,
                Checked::Gone => Vec::new(),
                Checked::Damage(damage) => damage
                    .into_iter()
                    .map(|damage| Found { blocks: 1, text: damage.to_string(), offsets: damage.offsets })
                    .collect(),
            },
        };
        Some(damage)
    }

    /// Keeps the rate, and an eye on whether anybody still wants the pass.
    fn pace(&self, ask: Option<&Ask>, before: u64, segment_bytes: u64) -> Pace {
        let asked = ask.map_or(0, |ask| ask.bytes_per_second);
        let rate = if asked > 0 { asked } else { self.options.bytes_per_second };
        let (desk, progress) = (self.desk.clone(), ask.map(|ask| ask.progress.clone()));
        let read = AtomicU64::new(0);
        Arc::new(move |bytes| {
            if !desk.pause(time_of(bytes, rate), progress.is_none()) {
                return false;
            }
            desk.note(|figures| figures.scrubbed_bytes += bytes);
            let read = read.fetch_add(bytes, Ordering::Relaxed) + bytes;
            let Some(progress) = &progress else { return true };
            progress.send_modify(|progress| progress.checked_bytes = before + read.min(segment_bytes));
            !progress.is_closed()
        })
    }

    fn tell(&self, file: &Path, found: &Found, ask: Option<&Ask>, known: &mut Known) {
        let Found { offsets, blocks, text } = found;
        if known.insert((file.to_owned(), offsets.start)) {
            self.desk.note(|figures| figures.damaged_blocks += blocks);
            self.alarms.set("CORRUPT_SEGMENT", true);
            tracing::error!(
                file = %file.display(),
                first_byte = offsets.start,
                end_byte = offsets.end,
                "acknowledged data is damaged: {text}"
            );
        }
        let Some(ask) = ask else { return };
        ask.progress.send_if_modified(|progress| {
            let has_room = progress.problems.len() < PROBLEMS_MAX;
            if has_room {
                progress.problems.push(format!("{}: {text}", file.display()));
            }
            has_room
        });
    }
}

/// How long reading takes at a rate; zero: as fast as it goes.
fn time_of(bytes: u64, bytes_per_second: u64) -> Duration {
    match bytes_per_second {
        0 => Duration::ZERO,
        rate => Duration::from_nanos(
            u64::try_from(u128::from(bytes) * 1_000_000_000 / u128::from(rate)).unwrap_or(u64::MAX),
        ),
    }
}

impl Engine {
    /// Starts a pass over the sealed segments of the log and of streams. At zero bytes a second it goes as configured, or as
    /// fast as the disk gives where no rate is. Dropping the receiver ends the pass; the sender goes away without `done` when
    /// the engine closes.
    ///
    /// # Errors
    ///
    /// `DRAINING`; `THROUGHPUT_EXCEEDED` when too many wait.
    pub fn verify_storage(&self, bytes_per_second: u64) -> Result<watch::Receiver<PassProgress>, Refusal> {
        self.0.scrub.ask(bytes_per_second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_takes_as_long_as_the_rate_says() {
        assert_eq!(time_of(512 << 10, 8 << 20), Duration::from_micros(62_500));
        assert_eq!(time_of(1, 0), Duration::ZERO);
        assert_eq!(time_of(u64::MAX, 1), Duration::from_nanos(u64::MAX));
    }

    #[test]
    fn an_ask_goes_before_a_pass_that_began_by_itself_and_behind_another_ask() {
        let desk = Desk::new(ScrubOptions::default());
        assert!(desk.pause(Duration::ZERO, true));
        let _first = desk.ask(0).expect("there is room");
        assert!(!desk.pause(Duration::from_secs(3600), true), "it does not wait");
        assert!(desk.pause(Duration::ZERO, false));
        let _others: Vec<_> = (1..ASKS_MAX).map(|_| desk.ask(0).expect("there is room")).collect();
        assert_eq!(desk.ask(0).expect_err("full").reason, Reason::ThroughputExceeded);
        assert!(matches!(desk.next(None), Work::Asked(_)));
        desk.close();
        assert!(matches!(desk.next(None), Work::Closed));
        assert!(!desk.pause(Duration::from_secs(3600), false));
        assert_eq!(desk.ask(0).expect_err("closed").reason, Reason::Draining);
    }
}
