//! The index over sled 0.34.7, which is used as little as possible: `insert`, `remove`, `get` and `range`.
//!
//! Why so little. Its `flush` issues no fsync, so `sync` here syncs every file itself. Batches and transactions leak
//! memory under queue-like load, so none are used. After a power cut it may open silently with fewer keys, so a mark
//! with a tally of all pages is compared at open. It may panic on damage, so every call is guarded. Whatever goes
//! wrong at open, the directory is set aside and an empty index takes its place.

use super::{
    IndexError, IndexMark, IndexPosition, IndexState, IndexStore, directory,
    mark::{self, MarkRecord, Progress, Tally},
    page,
};
use crate::base::id::QueueId;
use std::{
    fmt, io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

/// An index is rewritten once its files pass both this and four times what they hold.
const OVERSIZE_FLOOR_BYTES: u64 = 256 << 20;
const OVERSIZE_FACTOR: u64 = 4;
/// Sled evicts from its cache only with every 64th access of a 256th of its nodes, so a scan, which touches each node a
/// few times, would keep everything it read in memory. These accesses per visited key make it let go.
const SCAN_NUDGE_KEYS: usize = 8;
const SCAN_NUDGE_ACCESSES: usize = 32;
/// A database closed a moment ago in this process may hold its file lock a little longer.
const LOCK_TRIES: usize = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

#[derive(Clone, Debug)]
pub struct SledOptions {
    pub data_dir: PathBuf,
    pub store_uuid: [u8; 16],
    pub cache_bytes: u64,
}

#[derive(Debug)]
pub struct SledIndex {
    options: SledOptions,
    generation: u64,
    db: sled::Db,
    tally: Tally,
    mark: IndexMark,
    progress: Progress,
    oversize_floor_bytes: u64,
}

impl SledIndex {
    /// Opens the index that a checkpoint names, or an empty one when there is no checkpoint or that index is unusable.
    ///
    /// # Errors
    /// Only when an empty index cannot be made either.
    pub fn open(options: SledOptions, expected: Option<IndexPosition>) -> Result<(Self, IndexState), IndexError> {
        let present = directory::generations(&options.data_dir).map_err(|error| failed("listing", &error))?;
        let why = match expected {
            None => "there is no checkpoint".to_owned(),
            Some(position) => match Self::open_existing(&options, position) {
                Ok(index) => {
                    remove_others(&options.data_dir, &present, position.generation)?;
                    return Ok((index, IndexState::Usable));
                }
                Err(why) => why,
            },
        };
        let keep = expected.map(|position| position.generation);
        for generation in present.iter().copied() {
            let path = directory::path_of(&options.data_dir, generation);
            let gone = if Some(generation) == keep {
                directory::set_aside(&options.data_dir, &path).map(drop)
            } else {
                directory::remove(&path)
            };
            gone.map_err(|error| failed("setting aside the old index", &error))?;
        }
        let highest = present.into_iter().chain(keep).max().unwrap_or(0);
        let fresh = Self::create(options.clone(), highest + 1).or_else(|_| {
            // On a full disk there is room when those that are of no use any more are gone.
            directory::remove_set_aside(&options.data_dir)
                .map_err(|error| failed("removing what was set aside", &error))?;
            Self::create(options, highest + 1)
        })?;
        Ok((fresh, IndexState::Fresh { why }))
    }

    fn open_existing(options: &SledOptions, position: IndexPosition) -> Result<Self, String> {
        let path = directory::path_of(&options.data_dir, position.generation);
        if !directory::exists(&path) {
            return Err(format!("index generation {} is missing", position.generation));
        }
        if let Some(why) = directory::condemned(&path) {
            return Err(format!("it was given up: {why}"));
        }
        let db = open_db(options, &path).map_err(|error| error.to_string())?;
        let record = verify(&db, options.store_uuid, position.mark)?;
        Ok(Self {
            options: options.clone(),
            generation: position.generation,
            db,
            tally: record.tally,
            mark: record.mark,
            progress: record.progress,
            oversize_floor_bytes: OVERSIZE_FLOOR_BYTES,
        })
    }

    fn create(options: SledOptions, generation: u64) -> Result<Self, IndexError> {
        let path = directory::path_of(&options.data_dir, generation);
        directory::remove(&path).map_err(|error| failed("clearing its directory", &error))?;
        let db = open_db(&options, &path)?;
        Ok(Self {
            options,
            generation,
            db,
            tally: Tally::default(),
            mark: IndexMark::default(),
            progress: Progress::Clean,
            oversize_floor_bytes: OVERSIZE_FLOOR_BYTES,
        })
    }

    /// An empty index that goes on where this one is.
    fn next_generation(&self) -> Result<Self, IndexError> {
        let fresh = Self::create(self.options.clone(), self.generation + 1)?;
        Ok(Self { oversize_floor_bytes: self.oversize_floor_bytes, mark: self.mark, ..fresh })
    }

    #[cfg(test)]
    pub(super) fn with_oversize_floor(mut self, bytes: u64) -> Self {
        self.oversize_floor_bytes = bytes;
        self
    }

    fn path(&self) -> PathBuf {
        directory::path_of(&self.options.data_dir, self.generation)
    }

    fn write_mark(&self, mark: IndexMark, progress: Progress) -> Result<(), IndexError> {
        let record = MarkRecord { store_uuid: self.options.store_uuid, mark, progress, tally: self.tally };
        guarded("writing the mark", || self.db.insert(mark::KEY, record.encode())).map(drop)
    }

    /// Says in the index itself, before the first change after a sync, that the tally no longer holds.
    fn begin_writing(&mut self) -> Result<(), IndexError> {
        if self.progress == Progress::Clean {
            self.write_mark(self.mark, Progress::Writing)?;
            self.progress = Progress::Writing;
        }
        Ok(())
    }

    fn keys_of(&self, queue: QueueId) -> Result<Vec<sled::IVec>, IndexError> {
        guarded("listing a queue's pages", || {
            let range = page::key(queue, 0)..=page::key(queue, u64::MAX);
            self.db.range(range).keys().collect::<sled::Result<Vec<_>>>()
        })
    }
}

impl IndexStore for SledIndex {
    fn put(&mut self, queue: QueueId, page: u64, payload: &[u8]) -> Result<(), IndexError> {
        let bytes = page::encode(queue, page, payload)?;
        self.begin_writing()?;
        let key = page::key(queue, page);
        let old = guarded("storing a page", || self.db.insert(key, bytes.as_slice()))?;
        if let Some(old) = old {
            self.tally.subtract(queue, page, page::decode(queue, page, &old)?);
        }
        self.tally.add(queue, page, page::decode(queue, page, &bytes)?);
        Ok(())
    }

    fn remove(&mut self, queue: QueueId, page: u64) -> Result<(), IndexError> {
        self.begin_writing()?;
        let old = guarded("removing a page", || self.db.remove(page::key(queue, page)))?;
        if let Some(old) = old {
            self.tally.subtract(queue, page, page::decode(queue, page, &old)?);
        }
        Ok(())
    }

    fn clear_queue(&mut self, queue: QueueId) -> Result<u64, IndexError> {
        let keys = self.keys_of(queue)?;
        for (queue, page) in keys.iter().filter_map(|key| page::parse_key(key)) {
            self.remove(queue, page)?;
        }
        Ok(keys.len() as u64)
    }

    fn start_over(&mut self) -> Result<(), IndexError> {
        *self = self.next_generation()?;
        Ok(())
    }

    fn get(&self, queue: QueueId, page: u64) -> Result<Option<Vec<u8>>, IndexError> {
        let found = guarded("reading a page", || self.db.get(page::key(queue, page)))?;
        found.map(|bytes| Ok(page::decode(queue, page, &bytes)?.payload.to_vec())).transpose()
    }

    fn scan(&self, visit: &mut dyn FnMut(QueueId, u64, &[u8])) -> Result<(), IndexError> {
        visit_pages(&self.db, &mut |queue, number, page| visit(queue, number, page.payload))
    }

    fn sync(&mut self) -> Result<IndexMark, IndexError> {
        let mark = IndexMark(self.mark.0 + 1);
        self.write_mark(mark, Progress::Clean)?;
        guarded("flushing", || self.db.flush())?;
        directory::sync_tree(&self.options.data_dir, &self.path()).map_err(|error| failed("syncing", &error))?;
        self.mark = mark;
        self.progress = Progress::Clean;
        Ok(mark)
    }

    fn generation(&self) -> u64 {
        self.generation
    }

    fn page_count(&self) -> u64 {
        self.tally.pages
    }

    fn size_on_disk(&self) -> u64 {
        directory::size(&self.path()).unwrap_or(0)
    }

    fn compact_if_oversized(&mut self) -> Result<bool, IndexError> {
        let live = self.tally.payload_bytes.saturating_mul(OVERSIZE_FACTOR);
        if self.size_on_disk() <= live.max(self.oversize_floor_bytes) {
            return Ok(false);
        }
        let mut fresh = self.next_generation()?;
        let mut outcome = Ok(());
        self.scan(&mut |queue, page, payload| {
            if outcome.is_ok() {
                outcome = fresh.put(queue, page, payload);
            }
        })?;
        outcome?;
        *self = fresh;
        Ok(true)
    }

    fn forget_old_generations(&mut self) -> Result<(), IndexError> {
        let present = directory::generations(&self.options.data_dir).map_err(|error| failed("listing", &error))?;
        remove_others(&self.options.data_dir, &present, self.generation)
    }

    fn condemn(&mut self, why: &str) -> Result<(), IndexError> {
        directory::condemn(&self.path(), why).map_err(|error| failed("leaving a note", &error))
    }
}

fn remove_others(data_dir: &Path, present: &[u64], keep: u64) -> Result<(), IndexError> {
    for generation in present.iter().copied().filter(|generation| *generation != keep) {
        directory::remove(&directory::path_of(data_dir, generation))
            .map_err(|error| failed("removing an old generation", &error))?;
    }
    Ok(())
}

/// Opens the database in a thread of its own, so that a panic there is an error here.
fn open_db(options: &SledOptions, path: &Path) -> Result<sled::Db, IndexError> {
    directory::prepare(path).map_err(|error| failed("preparing its directory", &error))?;
    let config = sled::Config::new().path(path).cache_capacity(options.cache_bytes).flush_every_ms(None);
    let opener = thread::Builder::new().name("index-open".into()).spawn(move || open_unlocked(&config));
    let opener = opener.map_err(|error| failed("starting a thread", &error))?;
    match opener.join() {
        Ok(opened) => opened.map_err(|error| failed("opening", &error)),
        Err(panic) => Err(failed("opening", &panic_text(panic.as_ref()))),
    }
}

fn open_unlocked(config: &sled::Config) -> sled::Result<sled::Db> {
    for _ in 0..LOCK_TRIES {
        match config.open() {
            Err(sled::Error::Io(error)) if error.to_string().contains("could not acquire lock") => {
                thread::sleep(LOCK_PAUSE);
            }
            other => return other,
        }
    }
    config.open()
}

/// Reads every page and compares the whole with the mark.
fn verify(db: &sled::Db, store_uuid: [u8; 16], at_least: IndexMark) -> Result<MarkRecord, String> {
    let stored = guarded("reading the mark", || db.get(mark::KEY)).map_err(|error| error.to_string())?;
    let stored = stored.ok_or("it holds no mark")?;
    let mut record = MarkRecord::decode(&stored).ok_or("its mark is damaged")?;
    if record.store_uuid != store_uuid {
        return Err("it belongs to another store".into());
    }
    if record.mark < at_least {
        return Err(format!("it is at mark {}, the checkpoint needs {}", record.mark.0, at_least.0));
    }
    let mut tally = Tally::default();
    visit_pages(db, &mut |queue, number, page| tally.add(queue, number, page)).map_err(|error| error.to_string())?;
    if record.progress == Progress::Clean && record.tally != tally {
        return Err(format!("it holds {} pages where its mark counts {}", tally.pages, record.tally.pages));
    }
    record.tally = tally;
    Ok(record)
}

/// What stands in an index, page by page; nothing is set aside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexFindings {
    pub pages: u64,
    pub payload_bytes: u64,
    /// Why a start would not use it; empty when it would.
    pub problems: Vec<String>,
}

/// Reads every page of the index that a checkpoint names.
///
/// Sled may tidy its own files while it opens them.
pub fn examine(options: &SledOptions, position: IndexPosition) -> IndexFindings {
    let path = directory::path_of(&options.data_dir, position.generation);
    let mut findings = IndexFindings::default();
    if !directory::exists(&path) {
        findings.problems.push(format!("index generation {} is missing", position.generation));
        return findings;
    }
    findings.problems.extend(directory::condemned(&path).map(|why| format!("it was given up: {why}")));
    match open_db(options, &path) {
        Ok(db) => examine_pages(&db, options.store_uuid, position.mark, &mut findings),
        Err(error) => findings.problems.push(error.to_string()),
    }
    findings
}

fn examine_pages(db: &sled::Db, store_uuid: [u8; 16], at_least: IndexMark, findings: &mut IndexFindings) {
    let mut pages = db.range(page::key(QueueId(0), 0)..);
    loop {
        let (key, bytes) = match guarded("scanning", || pages.next().transpose()) {
            Ok(Some(page)) => page,
            Ok(None) => break,
            Err(error) => {
                findings.problems.push(error.to_string());
                break;
            }
        };
        let Some((queue, number)) = page::parse_key(&key) else {
            findings.problems.push(format!("it holds a key of {} bytes", key.len()));
            continue;
        };
        match page::decode(queue, number, &bytes) {
            Ok(page) => {
                findings.pages += 1;
                findings.payload_bytes += page.payload.len() as u64;
            }
            Err(error) => findings.problems.push(error.to_string()),
        }
    }
    if findings.problems.is_empty() {
        findings.problems.extend(verify(db, store_uuid, at_least).err());
    }
}

fn visit_pages(db: &sled::Db, visit: &mut dyn FnMut(QueueId, u64, page::Page<'_>)) -> Result<(), IndexError> {
    let mut pages = db.range(page::key(QueueId(0), 0)..);
    let mut visited = 0_usize;
    while let Some((key, bytes)) = guarded("scanning", || pages.next().transpose())? {
        visited += 1;
        if visited.is_multiple_of(SCAN_NUDGE_KEYS) {
            guarded("scanning", || (0..SCAN_NUDGE_ACCESSES).try_for_each(|_| db.get(&key).map(drop)))?;
        }
        let (queue, number) = page::parse_key(&key)
            .ok_or_else(|| IndexError::Failed(format!("it holds a key of {} bytes", key.len())))?;
        visit(queue, number, page::decode(queue, number, &bytes)?);
    }
    Ok(())
}

/// Calls sled; its panics become errors like its errors do.
fn guarded<T>(doing: &str, call: impl FnOnce() -> sled::Result<T>) -> Result<T, IndexError> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(outcome) => outcome.map_err(|error| failed(doing, &error)),
        Err(panic) => Err(failed(doing, &panic_text(panic.as_ref()))),
    }
}

fn failed(doing: &str, error: &dyn fmt::Display) -> IndexError {
    IndexError::Failed(format!("{doing}: {error}"))
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> io::Error {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
    io::Error::other(format!("it panicked: {text}"))
}
