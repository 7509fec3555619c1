//! The log on this machine's disk: group commit of every partition into one file at a time.
//!
//! Partitions hand over frames; one thread makes blocks of whatever is ready; a second one prepares the next segment and
//! recycles old ones. After a failed write or sync nothing is acknowledged any more.

use super::{
    AppendDone, AppendError, LogReader, LogStore, LogWriter,
    appender::Appender,
    commit::{Commit, Request, Step},
    frame::FrameBuilder,
    heads::Heads,
    options::{Drive, LogHost, LogOptions, LogPosition, ReplayFrom},
    pin::Pin,
    pool::{Pool, Prepared, SEGMENT_BYTES_MIN},
    recovery::{Recovered, recover, visit_again},
    report::{OpenError, RecoveryReport, ReplayedFrame},
    scrub::Scrubber,
    segment::{free_dir, segment_path, table_path},
    segments::Segments,
    table::Table,
};
use crate::{
    base::{
        id::{Epoch, Lsn, PartitionId},
        limits::RELOCATE_SEGMENTS,
    },
    storage::io::{DIRECT_ALIGNMENT, Io, Space, is_no_space},
};
use bytes::BytesMut;
use std::{
    collections::BTreeMap,
    io,
    path::Path,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicBool, mpsc},
    thread::{self, JoinHandle},
};

/// A segment is at most one in so many parts of its disk, where that is not less than what a frame of every kind needs.
const SEGMENT_DISK_PARTS: u64 = 16;
const SEGMENT_BYTES_FIT_MIN: u64 = 4 << 20;

pub struct LocalLog {
    pub(super) inner: Arc<Commit>,
    segment_bytes: u64,
    frame_bytes_max: usize,
    /// The segment in which this process went on.
    first_segment: u64,
    commit_thread: Mutex<Option<JoinHandle<()>>>,
    upkeep_thread: Mutex<Option<JoinHandle<()>>>,
}

impl LocalLog {
    /// Replays what is on disk, then starts a new segment. On return the end of the old log is decided and durable.
    ///
    /// # Errors
    ///
    /// IO, a newer format, an option out of range, and with the policy `Strict` any damage.
    pub fn open(
        host: LogHost,
        dir: &Path,
        store_uuid: [u8; 16],
        options: &LogOptions,
        from: &ReplayFrom,
        visit: &mut dyn FnMut(ReplayedFrame),
    ) -> Result<(Self, RecoveryReport), OpenError> {
        check(options)?;
        let io = Arc::clone(&host.io);
        prepare_dirs(&*io, dir)?;
        let options = &fitted(&*io, dir, options)?;
        let recovered = recover(&*io, dir, store_uuid, from, visit)?;
        let report = recovered.report.clone();
        if report.degraded && options.corruption == super::CorruptionPolicy::Strict {
            return Err(OpenError::Corrupt(Box::new(report)));
        }
        let (pool, fatal) = Pool::new(host, dir, store_uuid, options);
        let pool = Arc::new(pool);
        drop_leftovers(&*io, dir, &recovered)?;
        pool.adopt_free_files()?;
        let seq = recovered.next_segment_seq;
        let first = first_segment(&pool, seq, recovered.tail)?;
        let appender = Appender::start(first, recovered.continuation, options.segment_bytes)?;
        let frame_bytes_max = appender.body_max();
        let table = Table::starting_at(&appender.heads);
        let active = (seq, Arc::clone(appender.reader()), table);
        let segments = Segments::new(
            Arc::clone(&pool),
            recovered.sealed,
            active,
            options.hot_tail_bytes,
            options.open_segments_max,
        );
        let commit = Commit::new(appender, Arc::new(segments), store_uuid, options, fatal);
        for (seq, file_id, table) in recovered.tables {
            commit.write_table_later(seq, file_id, table);
        }
        let log = Self {
            inner: Arc::new(commit),
            segment_bytes: options.segment_bytes,
            frame_bytes_max,
            first_segment: seq,
            commit_thread: Mutex::default(),
            upkeep_thread: Mutex::default(),
        };
        pool.want(seq + 1);
        match options.drive {
            Drive::Threads => log.start_threads()?,
            Drive::Manual => log.inner.upkeep(),
        }
        Ok((log, report))
    }

    fn start_threads(&self) -> io::Result<()> {
        let commit = Arc::clone(&self.inner);
        let thread = thread::Builder::new().name("log-commit".into()).spawn(move || commit.run())?;
        *self.commit_thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        let commit = Arc::clone(&self.inner);
        let thread = thread::Builder::new().name("log-upkeep".into()).spawn(move || commit.run_upkeep())?;
        *self.upkeep_thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(())
    }

    /// With [`Drive::Manual`]: commits what is waiting as one block. False when nothing was waiting or the disk is full.
    pub fn step(&self) -> bool {
        self.inner.step() == Step::Committed
    }

    /// With [`Drive::Manual`]: what the commit thread does when the log falls idle.
    pub fn idle(&self) {
        self.inner.heartbeat();
    }

    /// Where each partition's log ends.
    pub fn heads(&self) -> Heads {
        self.inner.heads()
    }

    /// Visits what was there when the log was opened, from `from` on, while the log is in use: nothing may be trimmed meanwhile.
    /// Told to `stop`, it ends soon, and what it says is of no use.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub fn visit_again(
        &self,
        from: &ReplayFrom,
        stop: &AtomicBool,
        visit: &mut dyn FnMut(ReplayedFrame),
    ) -> Result<RecoveryReport, OpenError> {
        let pool = &self.inner.segments.pool;
        visit_again(&*pool.io, &pool.dir, self.inner.store_uuid, from, self.first_segment, stop, visit)
    }

    /// What checks sealed segments while the log is in use.
    pub fn scrubber(&self) -> Scrubber {
        Scrubber { segments: Arc::clone(&self.inner.segments), store_uuid: self.inner.store_uuid }
    }

    /// Keeps every segment where it is while the pin lives. None while another one does.
    pub fn pin(&self) -> Option<Pin> {
        self.inner.segments.pin().then(|| Pin(Arc::clone(&self.inner)))
    }

    /// The longest frame that is taken.
    pub fn frame_bytes_max(&self) -> usize {
        self.frame_bytes_max
    }

    /// Segments there are, the active one included.
    pub fn segment_count(&self) -> usize {
        self.inner.segments.count()
    }

    /// Of a segment.
    pub fn segment_bytes(&self) -> u64 {
        self.segment_bytes
    }

    /// Bytes that the segments take, the active one whole.
    pub fn size_bytes(&self) -> u64 {
        self.segment_count() as u64 * self.segment_bytes
    }

    /// Where each partition has to have nothing left, so that the log can shrink to `wanted_bytes`, or by as many segments as
    /// an evacuation empties at a time: one when the disk is nearly full, because emptying takes room before it gives some.
    /// Empty when the log is no larger, or will not be when those segments have gone in which nothing stands that a partition
    /// needs, which is what it has from `oldest` on.
    ///
    /// # Errors
    ///
    /// A segment's table cannot be read.
    pub fn in_the_way(
        &self,
        wanted_bytes: u64,
        oldest: &BTreeMap<PartitionId, Lsn>,
    ) -> io::Result<BTreeMap<PartitionId, Lsn>> {
        let excess = self.size_bytes().saturating_sub(wanted_bytes).div_ceil(self.segment_bytes);
        let count = usize::try_from(excess).unwrap_or(usize::MAX);
        let free = self.inner.segments.free_of(oldest, count)?;
        if free == count {
            return Ok(BTreeMap::new());
        }
        let most = if self.must_refuse_growth() { 1 } else { RELOCATE_SEGMENTS };
        self.inner.segments.ends_of_oldest(count.min(free + most))
    }

    /// True when the disk had no room to make the reserve whole, which is for deletes alone: growth is to be refused at once.
    /// Cheap enough for every call.
    pub fn lacks_reserve(&self) -> bool {
        self.inner.segments.pool.lacks_reserve()
    }

    /// Bytes, about, that the log can take without any more from the disk: the rest of the active segment, and the reserve.
    pub fn room(&self) -> u64 {
        self.inner.rest() + self.inner.segments.pool.reserve_files() * self.segment_bytes
    }

    /// Whether the oldest sealed segment could go if each partition needed only what it has from this frame on.
    ///
    /// # Errors
    ///
    /// The segment's table cannot be read.
    pub fn can_let_go(&self, needed: &BTreeMap<PartitionId, Lsn>) -> io::Result<bool> {
        let ends = self.inner.segments.ends_of_oldest(1)?;
        let is_free = |(partition, end): (&PartitionId, &Lsn)| needed.get(partition).is_some_and(|from| end <= from);
        Ok(self.segment_count() > 1 && ends.iter().all(is_free))
    }

    /// Blocks made durable since the log was opened; each took one sync.
    pub fn block_count(&self) -> u64 {
        self.inner.block_count()
    }

    /// Commits what is waiting, writes the mark of a clean shutdown and ends the threads. Later appends get `Closed`.
    ///
    /// # Errors
    ///
    /// When the mark could not be written, or the log had failed before.
    pub fn close(&self) -> Result<(), AppendError> {
        self.inner.close(true);
        join(&self.commit_thread);
        self.inner.close(false);
        join(&self.upkeep_thread);
        self.inner.do_tasks();
        self.inner.finish()
    }
}

fn join(thread: &Mutex<Option<JoinHandle<()>>>) {
    let thread = thread.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(thread) = thread {
        // A panic there has been reported by the panic hook; here is nothing to add.
        let _ = thread.join();
    }
}

impl Drop for LocalLog {
    /// Without [`LocalLog::close`] this is a crash: what waits is not written, and no mark says goodbye.
    fn drop(&mut self) {
        self.inner.close(false);
        join(&self.commit_thread);
        join(&self.upkeep_thread);
    }
}

/// The segment in which the log goes on. When the disk has no room for one, what is unused of the newest one gives some: every
/// start needs a segment, and a disk that stays full must not run out of them.
fn first_segment(pool: &Pool, seq: u64, tail: Option<(u64, u64)>) -> io::Result<Prepared> {
    match (pool.make_now(seq), tail) {
        (Err(error), Some((newest, end))) if is_no_space(&error) => {
            pool.cut(newest, end)?;
            pool.make_smaller(seq)
        }
        (made, _) => made,
    }
}

fn check(options: &LogOptions) -> Result<(), OpenError> {
    let found = options.segment_bytes;
    if !(SEGMENT_BYTES_MIN..=16 << 30).contains(&found) || !found.is_multiple_of(4096) {
        let limit = "64 KiB to 16 GiB in multiples of 4096 bytes";
        return Err(OpenError::Option { name: "segment_bytes", found, limit });
    }
    Ok(())
}

/// On a small disk a segment is a part of it, so that the one in use, the next and the reserve leave the most of it.
fn fitted(io: &dyn Io, dir: &Path, options: &LogOptions) -> io::Result<LogOptions> {
    let share = io.space(dir)?.total / SEGMENT_DISK_PARTS;
    let fitting = (share - share % DIRECT_ALIGNMENT as u64).max(SEGMENT_BYTES_FIT_MIN);
    Ok(LogOptions { segment_bytes: options.segment_bytes.min(fitting), ..options.clone() })
}

fn prepare_dirs(io: &dyn Io, dir: &Path) -> io::Result<()> {
    let free = free_dir(dir);
    if io.exists(&free)? {
        return Ok(());
    }
    io.create_dir(&free)?;
    io.fsync_dir(dir)?;
    io.fsync_dir(dir.parent().unwrap_or(Path::new(".")))
}

/// Segments that never held anything go to the reserve, side files whose segment is gone go away.
fn drop_leftovers(io: &dyn Io, dir: &Path, recovered: &Recovered) -> io::Result<()> {
    for seq in &recovered.orphans {
        io.unlink(&table_path(dir, *seq))?;
    }
    for seq in &recovered.unused {
        io.rename(&segment_path(dir, *seq), &segment_path(&free_dir(dir), *seq))?;
    }
    if !recovered.unused.is_empty() {
        io.fsync_dir(dir)?;
        io.fsync_dir(&free_dir(dir))?;
    }
    Ok(())
}

impl LogStore for LocalLog {
    fn acquire(&self, partition: PartitionId) -> Result<Box<dyn LogWriter>, AppendError> {
        let (send, receive) = mpsc::sync_channel(1);
        let done: AppendDone = Box::new(move |result| {
            // Nobody listens any more only when this call was given up.
            let _ = send.send(result);
        });
        self.inner.submit(Request::Fence { partition, done });
        if self.inner.drive == Drive::Manual {
            while self.inner.step() == Step::Committed {}
        }
        let answer = if self.inner.drive == Drive::Manual {
            receive.try_recv().map_err(|_| AppendError::Failed("the disk is full".to_owned()))?
        } else {
            receive.recv().map_err(|_| AppendError::Closed)?
        };
        let fence = answer?;
        let epoch = Epoch(fence);
        let (inner, frame_bytes_max) = (Arc::clone(&self.inner), self.frame_bytes_max);
        Ok(Box::new(LocalWriter { inner, partition, epoch, next: fence.next(), frame_bytes_max }))
    }

    fn reader(&self) -> Arc<dyn LogReader> {
        Arc::clone(&self.inner.segments) as Arc<dyn LogReader>
    }

    fn position(&self) -> LogPosition {
        self.inner.position()
    }

    fn space(&self) -> io::Result<Space> {
        self.inner.segments.pool.space()
    }

    fn must_refuse_growth(&self) -> bool {
        self.inner.must_refuse_growth()
    }
}

struct LocalWriter {
    inner: Arc<Commit>,
    partition: PartitionId,
    epoch: Epoch,
    next: Lsn,
    frame_bytes_max: usize,
}

impl LogWriter for LocalWriter {
    fn partition(&self) -> PartitionId {
        self.partition
    }

    fn epoch(&self) -> Epoch {
        self.epoch
    }

    fn next_lsn(&self) -> Lsn {
        self.next
    }

    fn frame_bytes_max(&self) -> usize {
        self.frame_bytes_max
    }

    fn memory(&self, room: usize) -> BytesMut {
        self.inner.segments.spare.take(room)
    }

    fn append(&mut self, frame: FrameBuilder, done: AppendDone) {
        debug_assert_eq!(frame.lsn, self.next, "a frame has the LSN that next_lsn said");
        debug_assert_eq!(frame.partition, self.partition, "a frame goes to the writer of its partition");
        self.next = frame.lsn.next();
        self.inner.submit_and_commit(Request::Append { frame, done });
    }

    fn trim(&mut self, below: Lsn) {
        self.inner.trim(self.partition, below);
    }
}
