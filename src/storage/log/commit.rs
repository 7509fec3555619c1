//! Group commit: gathers the frames that are ready, makes one block of them, completes the waiting appends.
//!
//! One thread at a time commits: a writer that finds nobody committing does it itself, so that a lone one waits for no
//! other thread; what gathers behind it goes to the commit thread, all in one block. A block holds at most one frame of
//! a partition, so that a lost block never hides more than one LSN of it.

use super::{
    AppendDone, AppendError,
    appender::Appender,
    frame::{FrameBuilder, FrameKind, SealedFrame},
    heads::Heads,
    options::{Drive, Fatal, LogOptions, LogPosition},
    pool::Taken,
    segments::{Committed, Segments},
    table::Table,
};
use crate::{
    base::{
        id::{Epoch, Lsn, PartitionId},
        limits,
        time::Timestamp,
    },
    storage::io::Space,
};
use std::{
    collections::VecDeque,
    io,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

/// How far what is free must rise above the limit before growth is allowed again, in percent of the disk.
const RESUME_PERCENT: u64 = 2;

pub(super) enum Request {
    Append { frame: FrameBuilder, done: AppendDone },
    Fence { partition: PartitionId, done: AppendDone },
}

impl Request {
    fn partition(&self) -> PartitionId {
        match self {
            Self::Append { frame, .. } => frame.partition,
            Self::Fence { partition, .. } => *partition,
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Append { frame, .. } => frame.len(),
            Self::Fence { .. } => super::frame::FRAME_HEADER_BYTES,
        }
    }

    fn done(self) -> AppendDone {
        match self {
            Self::Append { done, .. } | Self::Fence { done, .. } => done,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Committed,
    /// Nothing is waiting.
    Idle,
    /// Something waits for a segment, and the disk is full.
    Starved,
    /// The log failed, now or before.
    Failed,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Request>,
    closing: bool,
    /// Also what waits is to be dropped.
    abandoned: bool,
    /// Data was committed since the last heartbeat.
    owes_heartbeat: bool,
    failed: Option<String>,
}

enum Task {
    WriteTable { seq: u64, file_id: u64, table: Arc<Table> },
    Trim,
    GiveBack,
}

pub(super) struct Commit {
    pub(super) segments: Arc<Segments>,
    pub(super) drive: Drive,
    pub(super) store_uuid: [u8; 16],
    delay: Duration,
    heartbeat_after: Duration,
    min_free_percent: u8,
    min_free_bytes: u64,
    /// What [`Commit::is_low`] said last.
    refused: AtomicBool,
    appender: Mutex<Appender>,
    queue: Mutex<Queue>,
    bell: Condvar,
    tasks: Mutex<VecDeque<Task>>,
    published: Mutex<Published>,
    fatal: Mutex<Option<Fatal>>,
}

/// What others may know without waiting for a commit.
#[derive(Clone, Default)]
struct Published {
    position: LogPosition,
    heads: Heads,
    blocks: u64,
    /// Bytes left in the active segment.
    rest: u64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Commit {
    pub(super) fn new(
        appender: Appender,
        segments: Arc<Segments>,
        store_uuid: [u8; 16],
        options: &LogOptions,
        fatal: Fatal,
    ) -> Self {
        let (position, heads) = (appender.position(), appender.heads.clone());
        let published = Published { position, heads, blocks: 0, rest: appender.rest() };
        Self {
            segments,
            drive: options.drive,
            store_uuid,
            delay: options.group_commit_delay,
            heartbeat_after: options.heartbeat_after,
            min_free_percent: options.min_free_percent,
            min_free_bytes: options.min_free_bytes,
            refused: AtomicBool::new(false),
            appender: Mutex::new(appender),
            queue: Mutex::default(),
            bell: Condvar::new(),
            tasks: Mutex::default(),
            published: Mutex::new(published),
            fatal: Mutex::new(Some(fatal)),
        }
    }

    /// Hands a request over: to the commit thread, or to whoever commits next.
    fn enqueue(&self, request: Request, wake: bool) {
        let mut queue = lock(&self.queue);
        let refused = match &queue.failed {
            Some(why) => Some(AppendError::Failed(why.clone())),
            None if queue.closing => Some(AppendError::Closed),
            None => None,
        };
        match refused {
            Some(error) => {
                drop(queue);
                request.done()(Err(error));
            }
            None => {
                queue.waiting.push_back(request);
                if wake {
                    self.bell.notify_one();
                }
            }
        }
    }

    pub(super) fn submit(&self, request: Request) {
        self.enqueue(request, true);
    }

    /// Like [`Self::submit`], but when nobody is committing and the request is small, the calling thread commits it itself
    /// and returns with it durable: it then waits for no other thread. A large one is better written by another while the
    /// caller goes on.
    pub(super) fn submit_and_commit(&self, request: Request) {
        if self.drive == Drive::Manual || !self.delay.is_zero() || request.len() > limits::INLINE_COMMIT_BYTES {
            return self.submit(request);
        }
        self.enqueue(request, false);
        let step = match self.appender.try_lock() {
            Ok(appender) => self.step_with(appender),
            Err(TryLockError::Poisoned(poisoned)) => self.step_with(poisoned.into_inner()),
            // Whoever holds it looks at the queue once more after letting go.
            Err(TryLockError::WouldBlock) => return,
        };
        self.hand_over(step);
    }

    /// After a commit outside the commit thread: wakes it when there is something for it to do.
    fn hand_over(&self, step: Step) {
        let mut queue = lock(&self.queue);
        let first = step == Step::Committed && !std::mem::replace(&mut queue.owes_heartbeat, true);
        if first || !queue.waiting.is_empty() {
            self.bell.notify_one();
        }
    }

    /// The commit thread.
    pub(super) fn run(&self) {
        while self.wait() {
            if !self.delay.is_zero() {
                thread::sleep(self.delay);
            }
            match self.step() {
                Step::Committed => lock(&self.queue).owes_heartbeat = true,
                Step::Idle => {}
                Step::Starved => {
                    if !self.segments.pool.wait_ready() {
                        break;
                    }
                }
                Step::Failed => break,
            }
        }
        self.refuse_rest();
    }

    /// Waits for something to commit; false when the log is being closed and nothing is left.
    fn wait(&self) -> bool {
        let mut queue = lock(&self.queue);
        loop {
            if queue.failed.is_some() || queue.abandoned {
                return false;
            }
            if !queue.waiting.is_empty() {
                return true;
            }
            if queue.closing {
                return false;
            }
            if !queue.owes_heartbeat {
                queue = self.bell.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let blocks = self.block_count();
            let (guard, waited) =
                self.bell.wait_timeout(queue, self.heartbeat_after).unwrap_or_else(PoisonError::into_inner);
            queue = guard;
            // Others commit too: the log is idle when nobody did.
            if waited.timed_out() && queue.waiting.is_empty() && self.block_count() == blocks {
                queue.owes_heartbeat = false;
                drop(queue);
                self.heartbeat();
                queue = lock(&self.queue);
            }
        }
    }

    /// One block of what is waiting.
    pub(super) fn step(&self) -> Step {
        self.step_with(lock(&self.appender))
    }

    fn step_with(&self, mut appender: MutexGuard<'_, Appender>) -> Step {
        let mut dones = Vec::new();
        let result = self.commit(&mut appender, &mut dones);
        if let Err(error) = &result {
            drop(appender);
            self.fail(error, dones);
            return Step::Failed;
        }
        if !dones.is_empty() {
            let mut published = lock(&self.published);
            published.position = appender.position();
            published.heads.clone_from(&appender.heads);
            published.blocks += 1;
            published.rest = appender.rest();
        }
        // Only now: who commits next publishes later.
        drop(appender);
        for (done, lsn) in dones {
            done(Ok(lsn));
        }
        if self.drive == Drive::Manual {
            self.upkeep();
        }
        result.unwrap_or(Step::Failed)
    }

    fn commit(&self, appender: &mut Appender, dones: &mut Vec<(AppendDone, Lsn)>) -> io::Result<Step> {
        let Some(next_len) = self.next_len(appender) else { return Ok(Step::Idle) };
        if !appender.has_room(next_len) && !self.rotate(appender)? {
            return Ok(Step::Starved);
        }
        let requests = self.gather(appender);
        let mut frames = Vec::with_capacity(requests.len());
        for request in requests {
            match self.seal(appender, request) {
                Ok((frame, done)) => {
                    dones.push((done, frame.header.lsn));
                    frames.push(frame);
                }
                Err((done, error)) => done(Err(error)),
            }
        }
        if frames.is_empty() {
            return Ok(Step::Committed);
        }
        let offsets = appender.commit(&frames)?;
        let committed = frames.into_iter().zip(offsets).map(|(frame, offset)| Committed {
            partition: frame.header.partition,
            lsn: frame.header.lsn,
            offset,
            bytes: frame.bytes,
        });
        self.segments.publish(committed.collect());
        Ok(Step::Committed)
    }

    /// The length of the frame that is first in line, after refusing those that no segment can hold.
    fn next_len(&self, appender: &Appender) -> Option<usize> {
        loop {
            let mut queue = lock(&self.queue);
            let len = queue.waiting.front().map(Request::len)?;
            if len <= appender.body_max() {
                return Some(len);
            }
            let request = queue.waiting.pop_front()?;
            drop(queue);
            request.done()(Err(AppendError::TooLarge { found: len, limit: appender.body_max() }));
        }
    }

    /// Takes the frames for one block: as many as fit, at most one of each partition, in the order they came.
    fn gather(&self, appender: &Appender) -> Vec<Request> {
        let mut queue = lock(&self.queue);
        let (mut taken, mut body_len): (Vec<Request>, usize) = (Vec::new(), 0);
        while let Some(next) = queue.waiting.front() {
            let len = body_len + next.len();
            let again = taken.iter().any(|request| request.partition() == next.partition());
            let fits = len <= appender.body_max() && appender.has_room(len);
            if !taken.is_empty() && (again || !fits) {
                break;
            }
            body_len = len;
            taken.extend(queue.waiting.pop_front());
        }
        taken
    }

    /// Fills in what only the log knows; refuses the frame of a writer that was replaced.
    fn seal(
        &self,
        appender: &Appender,
        request: Request,
    ) -> Result<(SealedFrame, AppendDone), (AppendDone, AppendError)> {
        let head = appender.head(request.partition());
        match request {
            Request::Append { mut frame, done } => {
                if frame.epoch != head.epoch || frame.lsn != head.lsn.next() {
                    return Err((done, AppendError::Fenced { found: frame.epoch.0, newer: head.epoch.0 }));
                }
                frame.logical_time = frame.logical_time.max(head.logical_time);
                Ok((frame.seal(FrameKind::Data, self.store_uuid, head.chain), done))
            }
            Request::Fence { partition, done } => {
                let lsn = head.lsn.next();
                let time: Timestamp = head.logical_time;
                let frame = FrameBuilder::new(partition, Epoch(lsn), lsn, time);
                Ok((frame.seal(FrameKind::Fence, self.store_uuid, head.chain), done))
            }
        }
    }

    /// Goes on in the next segment; false when there is none and the disk is full.
    fn rotate(&self, appender: &mut Appender) -> io::Result<bool> {
        let pool = &self.segments.pool;
        let mut taken = pool.take()?;
        if let Taken::NoSpace = taken {
            if self.drive == Drive::Threads {
                // Usually the other thread is just about to finish it.
                return Ok(false);
            }
            self.upkeep();
            taken = pool.take()?;
        }
        let Taken::Ready(next) = taken else { return Ok(false) };
        let (old_seq, old_id, seq, file) =
            (appender.segment_seq(), appender.file_id(), next.seq, Arc::clone(&next.reader));
        appender.rotate(next)?;
        let table = Table::starting_at(&appender.heads);
        let sealed = self.segments.rotate(appender.position().durable_seq, seq, file, table);
        self.write_table_later(old_seq, old_id, sealed);
        pool.want(seq + 1);
        Ok(true)
    }

    fn fail(&self, error: &io::Error, dones: Vec<(AppendDone, Lsn)>) {
        let why = error.to_string();
        lock(&self.queue).failed = Some(why.clone());
        for (done, _) in dones {
            done(Err(AppendError::Failed(why.clone())));
        }
        self.refuse_rest();
        // Whoever waits for the next segment waits for nothing: nothing more is written.
        self.segments.pool.close();
        if let Some(fatal) = lock(&self.fatal).take() {
            fatal(why);
        }
    }

    /// Answers everything that still waits.
    fn refuse_rest(&self) {
        let (rest, error) = {
            let mut queue = lock(&self.queue);
            queue.closing = true;
            let error = queue.failed.clone().map_or(AppendError::Closed, AppendError::Failed);
            (std::mem::take(&mut queue.waiting), error)
        };
        for request in rest {
            request.done()(Err(error.clone()));
        }
    }

    pub(super) fn heartbeat(&self) {
        let mut appender = lock(&self.appender);
        if lock(&self.queue).failed.is_some() {
            return;
        }
        match appender.heartbeat() {
            Ok(()) => lock(&self.published).position = appender.position(),
            Err(error) => {
                drop(appender);
                self.fail(&error, Vec::new());
            }
        }
    }

    /// No more requests; `drain` says whether those that wait are still written.
    pub(super) fn close(&self, drain: bool) {
        {
            let mut queue = lock(&self.queue);
            queue.closing = true;
            queue.abandoned |= !drain;
            self.bell.notify_all();
        }
        if drain { self.segments.pool.drain() } else { self.segments.pool.close() }
    }

    /// The mark of a clean shutdown, after the threads ended.
    pub(super) fn finish(&self) -> Result<(), AppendError> {
        if self.drive == Drive::Manual {
            while self.step() == Step::Committed {}
        }
        self.refuse_rest();
        if let Some(why) = lock(&self.queue).failed.clone() {
            return Err(AppendError::Failed(why));
        }
        let result = lock(&self.appender).finish();
        result.map_err(|error| {
            self.fail(&error, Vec::new());
            AppendError::Failed(error.to_string())
        })
    }

    pub(super) fn position(&self) -> LogPosition {
        lock(&self.published).position
    }

    pub(super) fn heads(&self) -> Heads {
        lock(&self.published).heads.clone()
    }

    pub(super) fn block_count(&self) -> u64 {
        lock(&self.published).blocks
    }

    pub(super) fn rest(&self) -> u64 {
        lock(&self.published).rest
    }

    /// Whether growth is to be refused, by what the disk says of itself or, when it says nothing, by what was tried.
    pub(super) fn must_refuse_growth(&self) -> bool {
        let pool = &self.segments.pool;
        let Ok(space) = pool.space() else { return pool.lacks_reserve() };
        if pool.keeps_too_much(space) {
            self.push_task(Task::GiveBack);
        }
        self.is_low(space)
    }

    /// Whether so little free space is low. Once it is, what is free must rise past the limit by [`RESUME_PERCENT`] of the
    /// disk, or by two fifths of the limit where that is less: a disk at the limit would else be full and not full by turns.
    fn is_low(&self, space: Space) -> bool {
        let one_percent = space.total / 100;
        let limit = (one_percent * u64::from(self.min_free_percent)).min(self.min_free_bytes);
        let above = (one_percent * RESUME_PERCENT).min(limit / 5 * 2);
        let refused = self.refused.load(Ordering::Relaxed);
        let low = self.segments.pool.lacks_reserve() || space.free < if refused { limit + above } else { limit };
        self.refused.store(low, Ordering::Relaxed);
        low
    }

    pub(super) fn write_table_later(&self, seq: u64, file_id: u64, table: Arc<Table>) {
        self.push_task(Task::WriteTable { seq, file_id, table });
    }

    pub(super) fn trim(&self, partition: PartitionId, below: Lsn) {
        self.segments.note_trim(partition, below);
        self.push_task(Task::Trim);
        if self.drive == Drive::Manual {
            self.upkeep();
        }
    }

    /// What a pin held back may go.
    pub(super) fn trim_again(&self) {
        self.push_task(Task::Trim);
    }

    fn push_task(&self, task: Task) {
        lock(&self.tasks).push_back(task);
        self.segments.pool.wake();
    }

    /// Does everything that is not the commit itself: side files, trims, the next segment, the reserve.
    pub(super) fn upkeep(&self) {
        self.do_tasks();
        while self.segments.pool.work() {}
    }

    /// Side files and trims only.
    pub(super) fn do_tasks(&self) {
        loop {
            let task = lock(&self.tasks).pop_front();
            match task {
                Some(Task::WriteTable { seq, file_id, table }) => self.segments.write_table(seq, file_id, &table),
                Some(Task::Trim) => {
                    // Space that could not be freed is tried again at the next trim; nothing is promised about it.
                    let _ = self.segments.trim();
                }
                Some(Task::GiveBack) => {
                    // As with a trim: the next look at the disk tries again.
                    let _ = self.segments.pool.give_back();
                }
                None => break,
            }
        }
    }

    /// The upkeep thread.
    pub(super) fn run_upkeep(&self) {
        while self.segments.pool.wait_for_work(|| !lock(&self.tasks).is_empty()) {
            self.upkeep();
        }
    }
}
