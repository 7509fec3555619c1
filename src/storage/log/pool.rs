//! Segments before their life and after it: prepared ahead of need, zero-filled, recycled.
//!
//! A file that becomes a segment gets a new random id in its header first, so that whatever it held is never data.
//! The files in `free/` are taken before anything new is created. Some of them are the reserve, made anew when one is taken:
//! a full disk stops growth, not the log. The rest had a life as segments and spare the log the zeroes of new ones.

use super::{
    options::{LogHost, LogOptions},
    segment::{SEGMENT_HEADER_BYTES, SegmentHeader, free_dir, segment_path},
};
use crate::{
    base::{entropy::Entropy, time::Clock},
    storage::io::{DIRECT_ALIGNMENT, Io, IoFile, Space, fill_zeroes, is_no_space},
};
use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// The smallest segment that still takes a useful frame.
pub(super) const SEGMENT_BYTES_MIN: u64 = 64 << 10;
/// Of what is free on the disk, files beyond the reserve take at most one part in so many.
const RECYCLED_DISK_PARTS: u64 = 8;
/// How often a full disk is asked again.
const RETRY: Duration = Duration::from_secs(1);

/// An empty segment, durable under its name.
pub(super) struct Prepared {
    pub(super) seq: u64,
    /// For writes of whole pages only, past the page cache where the file system can.
    pub(super) file: Arc<dyn IoFile>,
    pub(super) reader: Arc<dyn IoFile>,
    /// What its header says; the log makes it active.
    pub(super) header: SegmentHeader,
}

pub(super) struct Pool {
    pub(super) io: Arc<dyn Io>,
    pub(super) dir: PathBuf,
    clock: Arc<dyn Clock>,
    entropy: Mutex<Box<dyn Entropy>>,
    store_uuid: [u8; 16],
    node_id: u64,
    pub(super) segment_bytes: u64,
    /// Files of the reserve.
    keep: usize,
    /// Files at most that are kept for another life, the reserve included.
    recycled_max: usize,
    direct_writes: bool,
    zero_filled: bool,
    state: Mutex<State>,
    changed: Condvar,
    /// The last attempt to make a segment or a spare found the disk full. Changes under the lock of the state only.
    lacking: AtomicBool,
}

#[derive(Default)]
struct State {
    next: Option<Prepared>,
    /// The sequence that is wanted next; 0 while none is.
    wanted: u64,
    spare: Vec<PathBuf>,
    failed: Option<(io::ErrorKind, String)>,
    /// The log drains: a full disk is not waited for any more.
    draining: bool,
    closing: bool,
}

/// What [`Pool::take`] has to offer.
pub(super) enum Taken {
    Ready(Prepared),
    /// The disk is full and the reserve is used up.
    NoSpace,
}

impl Pool {
    /// `spare` are the files found in `free/`.
    pub(super) fn new(
        host: LogHost,
        dir: &Path,
        store_uuid: [u8; 16],
        options: &LogOptions,
    ) -> (Self, super::options::Fatal) {
        let pool = Self {
            io: host.io,
            dir: dir.to_path_buf(),
            clock: host.clock,
            entropy: Mutex::new(host.entropy),
            store_uuid,
            node_id: options.node_id,
            segment_bytes: options.segment_bytes,
            keep: options.recycle_keep,
            recycled_max: usize::try_from(options.recycled_bytes / options.segment_bytes).unwrap_or(usize::MAX),
            direct_writes: options.direct_writes,
            zero_filled: options.zero_filled,
            state: Mutex::default(),
            changed: Condvar::new(),
            lacking: AtomicBool::new(false),
        };
        (pool, host.fatal)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks through `free/`: what has the right size serves again, the rest goes.
    pub(super) fn adopt_free_files(&self) -> io::Result<()> {
        let dir = free_dir(&self.dir);
        let mut spare = Vec::new();
        for entry in self.io.list_dir(&dir)? {
            let path = dir.join(&entry.name);
            if spare.len() < self.keep.max(self.recycled_max) && self.io.open(&path)?.len()? == self.segment_bytes {
                spare.push(path);
            } else {
                self.io.unlink(&path)?;
            }
        }
        self.lock().spare = spare;
        Ok(())
    }

    fn new_file_id(&self) -> u64 {
        let mut entropy = self.entropy.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let mut bytes = [0; 8];
            entropy.fill(&mut bytes);
            match u64::from_le_bytes(bytes) {
                0 => {}
                id => return id,
            }
        }
    }

    fn header(&self, seq: u64) -> SegmentHeader {
        SegmentHeader {
            active: false,
            store_uuid: self.store_uuid,
            node_id: self.node_id,
            seq,
            file_id: self.new_file_id(),
            created_ms: self.clock.now().0,
            capacity: self.segment_bytes,
            ..SegmentHeader::default()
        }
    }

    /// Makes an empty segment of this sequence, out of the reserve when there is one.
    fn prepare(&self, seq: u64) -> io::Result<Prepared> {
        let header = self.header(seq);
        let path = segment_path(&self.dir, seq);
        let spare = self.lock().spare.pop();
        if let Some(spare) = spare {
            let file = self.io.open(&spare)?;
            file.write_at(&header.encode(), 0)?;
            file.sync()?;
            self.io.rename(&spare, &path)?;
            self.io.fsync_dir(&free_dir(&self.dir))?;
            self.io.fsync_dir(&self.dir)?;
            return self.prepared(file, &path, header);
        }
        let file = self.create_filled(&path, &header)?;
        self.io.fsync_dir(&self.dir)?;
        self.prepared(file, &path, header)
    }

    fn prepared(&self, reader: Arc<dyn IoFile>, path: &Path, header: SegmentHeader) -> io::Result<Prepared> {
        let file = self.io.open(path)?;
        file.set_direct(self.direct_writes)?;
        Ok(Prepared { seq: header.seq, file, reader, header })
    }

    /// A durable, zero-filled file with this header; nothing is left of it when it cannot be made.
    fn create_filled(&self, path: &Path, header: &SegmentHeader) -> io::Result<Arc<dyn IoFile>> {
        let file = self.io.create(path)?;
        let filled = file
            .allocate(header.capacity)
            // Zeroes need no place in the page cache.
            .and_then(|()| file.set_direct(true))
            .and_then(|_| match self.zero_filled {
                true => fill_zeroes(&*file, SEGMENT_HEADER_BYTES as u64, header.capacity),
                false => file.set_len(header.capacity),
            })
            .and_then(|()| file.set_direct(false))
            .and_then(|_| file.write_at(&header.encode(), 0))
            .and_then(|()| file.sync());
        match filled {
            Ok(()) => Ok(file),
            Err(error) => {
                // The first error is the one to tell.
                let _ = self.io.unlink(path);
                Err(error)
            }
        }
    }

    /// One file for the reserve.
    fn add_spare(&self) -> io::Result<()> {
        let header = self.header(0);
        let path = free_dir(&self.dir).join(format!("{:016x}.wal", header.file_id));
        self.create_filled(&path, &header)?;
        self.io.fsync_dir(&free_dir(&self.dir))?;
        self.lock().spare.push(path);
        Ok(())
    }

    /// The segment `seq` at once, for the start of the log.
    pub(super) fn make_now(&self, seq: u64) -> io::Result<Prepared> {
        self.prepare(seq)
    }

    /// As [`Pool::make_now`], on a disk that has no room for a whole one: as large as it can be.
    pub(super) fn make_smaller(&self, seq: u64) -> io::Result<Prepared> {
        let free = self.io.space(&self.dir)?.free;
        // The file system needs some of it for itself.
        let pages = (free - free / 8) / DIRECT_ALIGNMENT as u64;
        let capacity = (pages * DIRECT_ALIGNMENT as u64).min(self.segment_bytes);
        if capacity < SEGMENT_BYTES_MIN {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let header = SegmentHeader { capacity, ..self.header(seq) };
        let path = segment_path(&self.dir, seq);
        let file = self.create_filled(&path, &header)?;
        self.io.fsync_dir(&self.dir)?;
        self.prepared(file, &path, header)
    }

    /// Gives back what a segment that ended has behind `end`.
    pub(super) fn cut(&self, seq: u64, end: u64) -> io::Result<()> {
        let file = self.io.open(&segment_path(&self.dir, seq))?;
        if file.len()? > end {
            file.set_len(end)?;
            file.sync()?;
        }
        Ok(())
    }

    /// Says which segment will be needed next.
    pub(super) fn want(&self, seq: u64) {
        self.lock().wanted = seq;
        self.changed.notify_all();
    }

    /// Does what there is to do: the wanted segment first, then the reserve. True when something was made.
    pub(super) fn work(&self) -> bool {
        let (wanted, spares) = {
            let state = self.lock();
            if state.failed.is_some() {
                return false;
            }
            (if state.next.is_none() { state.wanted } else { 0 }, state.spare.len())
        };
        let result = if wanted != 0 {
            self.prepare(wanted).map(Some)
        } else if spares < self.keep {
            self.add_spare().map(|()| None)
        } else {
            return false;
        };
        let mut state = self.lock();
        match result {
            Ok(Some(prepared)) => {
                state.next = Some(prepared);
                state.wanted = 0;
                self.set_lacking(false);
            }
            Ok(None) => self.set_lacking(false),
            Err(error) if is_no_space(&error) => self.set_lacking(true),
            Err(error) => state.failed = Some((error.kind(), error.to_string())),
        }
        let made = !self.lacks_reserve() && state.failed.is_none();
        drop(state);
        self.changed.notify_all();
        made
    }

    /// The wanted segment if it is ready; does not wait.
    pub(super) fn take(&self) -> io::Result<Taken> {
        let mut state = self.lock();
        if let Some(prepared) = state.next.take() {
            return Ok(Taken::Ready(prepared));
        }
        match &state.failed {
            Some((kind, what)) => Err(io::Error::new(*kind, what.clone())),
            None => Ok(Taken::NoSpace),
        }
    }

    /// Waits until a segment may be ready or the preparation failed; false when the log is being closed.
    pub(super) fn wait_ready(&self) -> bool {
        let mut state = self.lock();
        loop {
            if state.next.is_some() || state.failed.is_some() {
                return true;
            }
            if state.closing || (state.draining && self.lacks_reserve()) {
                return false;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The preparing thread's wait: until there is something to do, or a full disk may be asked again.
    /// False when the log is being closed.
    pub(super) fn wait_for_work(&self, more: impl Fn() -> bool) -> bool {
        let mut state = self.lock();
        loop {
            if state.closing {
                return false;
            }
            let lacks = (state.next.is_none() && state.wanted != 0) || state.spare.len() < self.keep;
            if more() || (lacks && !self.lacks_reserve() && state.failed.is_none()) {
                return true;
            }
            if lacks && state.failed.is_none() {
                let (guard, waited) = self.changed.wait_timeout(state, RETRY).unwrap_or_else(PoisonError::into_inner);
                state = guard;
                if waited.timed_out() {
                    return true;
                }
            } else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    pub(super) fn wake(&self) {
        let _state = self.lock();
        self.changed.notify_all();
    }

    /// Something waits for the log to end.
    pub(super) fn drain(&self) {
        self.lock().draining = true;
        self.changed.notify_all();
    }

    pub(super) fn close(&self) {
        self.lock().closing = true;
        self.changed.notify_all();
    }

    /// Takes a segment's file out of service: to `free/` when `reusable` and there is room, else away.
    pub(super) fn recycle(&self, seq: u64, reusable: bool) -> io::Result<()> {
        let path = segment_path(&self.dir, seq);
        let spares = self.lock().spare.len() + 1;
        // A disk that does not say how much room it has is asked for none.
        let room = spares <= self.keep || self.space().is_ok_and(|space| self.suits(spares, space));
        if reusable && room && self.io.open(&path)?.len()? == self.segment_bytes {
            let spare = free_dir(&self.dir).join(format!("{seq:020}.wal"));
            self.io.rename(&path, &spare)?;
            self.io.fsync_dir(&self.dir)?;
            self.io.fsync_dir(&free_dir(&self.dir))?;
            self.lock().spare.push(spare);
        } else {
            self.io.unlink(&path)?;
            self.io.fsync_dir(&self.dir)?;
        }
        let state = self.lock();
        self.set_lacking(false);
        drop(state);
        self.changed.notify_all();
        Ok(())
    }

    /// Whether so many files beside the log are not too many for a disk with so much room.
    fn suits(&self, spares: usize, space: Space) -> bool {
        let beyond = spares.saturating_sub(self.keep) as u64 * self.segment_bytes;
        spares <= self.keep || (spares <= self.recycled_max && beyond <= space.free / RECYCLED_DISK_PARTS)
    }

    /// Whether the disk has become too full for the files kept beyond the reserve.
    pub(super) fn keeps_too_much(&self, space: Space) -> bool {
        !self.suits(self.lock().spare.len(), space)
    }

    /// Gives the disk files beyond the reserve until they suit the room that is left.
    pub(super) fn give_back(&self) -> io::Result<()> {
        while self.keeps_too_much(self.space()?) {
            let Some(path) = self.lock().spare.pop() else { break };
            self.io.unlink(&path)?;
        }
        Ok(())
    }

    /// Empty segments there are: the prepared one and those in `free/`.
    pub(super) fn reserve_files(&self) -> u64 {
        let state = self.lock();
        (state.spare.len() + usize::from(state.next.is_some())) as u64
    }

    /// What the disk says of its space.
    pub(super) fn space(&self) -> io::Result<Space> {
        self.io.space(&self.dir)
    }

    /// Whether there was no room to make the reserve whole.
    pub(super) fn lacks_reserve(&self) -> bool {
        self.lacking.load(Ordering::Relaxed)
    }

    fn set_lacking(&self, lacking: bool) {
        self.lacking.store(lacking, Ordering::Relaxed);
    }
}
