//! The thread that brings records from the log to the segments of their streams, and unlinks what is too old.
//!
//! Records of a shard go over when they are worth a chunk, or when the log has held them for some checkpoints. A
//! checkpoint waits for what went over to be synced, so what it leaves out of its image is in a synced segment.

use super::{feed::Feed, handle::StreamHandle, tail::Place};
use crate::{
    base::{
        entropy::Entropy,
        id::{Location, PartitionId, StreamId},
        limits,
        time::{Clock, Timestamp},
    },
    domain::stream::ShardId,
    engine::{
        command::{Command, StreamCommand, Trimmed},
        host::Alarms,
        inbox::Inbox,
        journal,
        options::StreamOptions,
    },
    storage::{
        io::{Io, is_no_space},
        log::{LogReader, ReadError},
        shard::{self, DIRECTORY, NewChunk, Owner, ShardReader, ShardWriter, Stranger},
    },
};
use bytes::Bytes;
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    time::Duration,
};

/// How long an idle thread waits before it looks for what is too old.
const IDLE: Duration = Duration::from_secs(30);

enum Order {
    /// The stream has records that no segment has.
    HasRecords(StreamId),
    Opened(Arc<StreamHandle>),
    Removed(StreamId),
    /// Shards that get no record any more and have none.
    Forgot(StreamId, Vec<ShardId>),
    /// A checkpoint is about to be made.
    Settle(Sender<()>),
    Stop,
}

/// The way to the writer; clones lead to the same.
#[derive(Clone)]
pub(crate) struct Orders(Sender<Order>);

/// The orders of a thread that does not run yet.
pub(crate) struct Waiting(Receiver<Order>);

pub(crate) fn orders() -> (Orders, Waiting) {
    let (sender, receiver) = mpsc::channel();
    (Orders(sender), Waiting(receiver))
}

impl Orders {
    // A thread that is gone means that the broker is going away: a start goes on where it stopped.

    pub(super) fn has_records(&self, stream: StreamId) {
        let _ = self.0.send(Order::HasRecords(stream));
    }

    pub(crate) fn opened(&self, handle: Arc<StreamHandle>) {
        let _ = self.0.send(Order::Opened(handle));
    }

    pub(crate) fn removed(&self, stream: StreamId) {
        let _ = self.0.send(Order::Removed(stream));
    }

    pub(crate) fn forgot(&self, stream: StreamId, shards: Vec<ShardId>) {
        let _ = self.0.send(Order::Forgot(stream, shards));
    }

    pub(crate) fn stop(&self) {
        let _ = self.0.send(Order::Stop);
    }

    /// Returns when what is due is in synced segments. False: the thread is gone.
    pub(crate) fn settle(&self) -> bool {
        let (done, settled) = mpsc::channel();
        self.0.send(Order::Settle(done)).is_ok() && settled.recv().is_ok()
    }
}

/// What the thread works with.
pub(crate) struct Tools {
    pub(crate) io: Arc<dyn Io>,
    pub(crate) data_dir: PathBuf,
    pub(crate) store_uuid: [u8; 16],
    pub(crate) options: StreamOptions,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Fn() -> Box<dyn Entropy> + Send + Sync>,
    pub(crate) log: Arc<dyn LogReader>,
    pub(crate) alarms: Arc<Alarms>,
    pub(crate) fatal: Arc<dyn Fn(String) + Send + Sync>,
    pub(crate) inboxes: Arc<[Arc<Inbox<Command>>]>,
}

/// A stream of the book.
struct Stream {
    handle: Arc<StreamHandle>,
    writer: Option<ShardWriter>,
    /// Checkpoints since everything was written.
    rounds: u32,
    /// Written and not synced.
    is_dirty: bool,
    /// When the newest record of its oldest segment arrived.
    oldest_ms: Option<u64>,
}

pub(crate) struct SegmentWriter {
    tools: Tools,
    streams: BTreeMap<StreamId, Stream>,
    /// Those with records that no segment has.
    book: BTreeSet<StreamId>,
    /// Nothing that depends on a segment may be said any more.
    has_failed: bool,
}

/// Why records stay in the log for now.
enum Stay {
    NoRoom(io::Error),
    Unread(ReadError),
    Failed(String),
}

impl Tools {
    fn path(&self, stream: StreamId) -> PathBuf {
        shard::stream_dir(&self.data_dir, stream.0)
    }

    /// Opens the segments of a stream, and says what is wrong with them.
    fn open(&self, handle: &StreamHandle) -> io::Result<ShardWriter> {
        let owner = Owner { store_uuid: self.store_uuid, stream: handle.id().0, partition: handle.partition() };
        let (writer, recovered) =
            shard::open(self.io.clone(), &self.data_dir, owner, self.options.segments, (self.entropy)())?;
        for lost in &recovered.lost {
            self.alarms.set("CORRUPT_SEGMENT", true);
            tracing::error!(stream = %handle.path(), "records are damaged: {lost}");
        }
        self.tell_strangers(handle, &recovered.strangers);
        Ok(writer)
    }

    fn tell_strangers(&self, handle: &StreamHandle, strangers: &[Stranger]) {
        for stranger in strangers {
            self.alarms.set("CORRUPT_SEGMENT", true);
            tracing::error!(stream = %handle.path(), "{stranger}");
        }
    }

    /// Makes the names of directories durable.
    fn make_directory(&self, stream: StreamId) -> io::Result<()> {
        self.io.create_dir(&self.data_dir.join(DIRECTORY))?;
        self.io.create_dir(&self.path(stream))?;
        self.sync_directories()
    }

    fn sync_directories(&self) -> io::Result<()> {
        self.io.fsync_dir(&self.data_dir)?;
        self.io.fsync_dir(&self.data_dir.join(DIRECTORY))
    }
}

impl SegmentWriter {
    pub(crate) fn new(tools: Tools) -> Self {
        Self { tools, streams: BTreeMap::new(), book: BTreeSet::new(), has_failed: false }
    }

    /// Makes durable what a process that was killed found no time for: a directory may be there and not be on the disk.
    ///
    /// # Errors
    ///
    /// The directories cannot be synced.
    pub(crate) fn begin(&self) -> io::Result<()> {
        let is_there = self.tools.io.exists(&self.tools.data_dir.join(DIRECTORY))?;
        if is_there { self.tools.sync_directories() } else { Ok(()) }
    }

    /// Takes a stream in at a start: opens its segments if it has any. Returns what reads them.
    ///
    /// # Errors
    ///
    /// They cannot be opened.
    pub(crate) fn restore(&mut self, handle: &Arc<StreamHandle>) -> io::Result<Option<&ShardWriter>> {
        let id = handle.id();
        let mut writer = None;
        if self.tools.io.exists(&self.tools.path(id))? {
            writer = Some(self.tools.open(handle)?);
        }
        let entry = Stream { handle: handle.clone(), writer, rounds: 0, is_dirty: false, oldest_ms: None };
        let stream = self.streams.entry(id).insert_entry(entry).into_mut();
        stream.oldest_ms = stream.writer.as_ref().map(ShardWriter::oldest_ms).transpose()?.flatten();
        Ok(stream.writer.as_ref())
    }

    /// Runs until it is told to stop.
    pub(crate) fn run(mut self, orders: &Waiting) {
        loop {
            match orders.0.recv_timeout(IDLE) {
                Ok(Order::HasRecords(stream)) => {
                    self.book.insert(stream);
                    self.write(stream, self.tools.options.chunk_bytes);
                }
                Ok(Order::Opened(handle)) => {
                    let stream = Stream { handle, writer: None, rounds: 0, is_dirty: false, oldest_ms: None };
                    self.streams.entry(stream.handle.id()).or_insert(stream);
                }
                Ok(Order::Removed(stream)) => self.remove(stream),
                Ok(Order::Forgot(stream, shards)) => {
                    if let Some(writer) = self.streams.get_mut(&stream).and_then(|stream| stream.writer.as_mut()) {
                        shards.iter().for_each(|shard| writer.forget(shard.0));
                    }
                }
                Ok(Order::Settle(done)) => {
                    self.settle();
                    if !self.has_failed {
                        // A checkpointer that is gone needs no answer.
                        let _ = done.send(());
                    }
                }
                Err(RecvTimeoutError::Timeout) => self.trim(),
                Ok(Order::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn settle(&mut self) {
        let booked: Vec<StreamId> = self.book.iter().copied().collect();
        for id in booked {
            let Some(stream) = self.streams.get_mut(&id) else {
                self.book.remove(&id);
                continue;
            };
            stream.rounds += 1;
            let is_overdue = stream.rounds >= self.tools.options.rounds;
            self.write(id, if is_overdue { 0 } else { self.tools.options.chunk_bytes });
            self.sync(id);
        }
        self.trim();
    }

    /// Writes the shards of a stream that have `least` bytes or more.
    fn write(&mut self, id: StreamId, least: u64) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let due: Vec<ShardId> =
            stream.handle.feed.unwritten().into_iter().filter(|(_, bytes)| *bytes >= least).map(|(id, _)| id).collect();
        for shard in due {
            match stream.write(&self.tools, shard, least) {
                Ok(()) => {}
                Err(Stay::NoRoom(error)) => {
                    tracing::warn!(%error, "no room for segments of streams; the log keeps their records meanwhile");
                    return;
                }
                Err(Stay::Unread(error)) => {
                    tracing::error!(%error, "records of a stream cannot be read; they stay in the log for now");
                    return;
                }
                Err(Stay::Failed(why)) => return self.fail(why),
            }
        }
    }

    fn sync(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if let (Some(writer), true) = (&mut stream.writer, stream.is_dirty) {
            match writer.sync() {
                Ok(()) => stream.handle.feed.synced(),
                Err(error) => return self.fail(format!("syncing a segment of a stream failed: {error}")),
            }
            stream.is_dirty = false;
        }
        if stream.handle.feed.unbook() {
            stream.rounds = 0;
            self.book.remove(&id);
        }
    }

    fn fail(&mut self, why: String) {
        self.has_failed = true;
        (self.tools.fatal)(why);
    }

    /// Unlinks what every reader sees hidden, and tells the partitions.
    fn trim(&mut self) {
        let now = self.tools.clock.now();
        for stream in self.streams.values_mut() {
            if let Err(error) = stream.trim(&self.tools, now) {
                tracing::warn!(stream = %stream.handle.path(), %error, "old segments stay for now");
            }
        }
    }

    fn remove(&mut self, id: StreamId) {
        self.book.remove(&id);
        self.streams.remove(&id);
        if let Err(error) = remove_files(&self.tools, id) {
            tracing::warn!(stream = id.0, %error, "the segments of a stream that is gone stay");
        }
    }

    /// Removes what a stream left that was deleted when the power went.
    pub(crate) fn forget(&mut self, id: StreamId) {
        self.remove(id);
    }
}

fn remove_files(tools: &Tools, id: StreamId) -> io::Result<()> {
    let path = tools.path(id);
    if tools.io.exists(&path)? {
        tools.io.remove_tree(&path)?;
        tools.io.fsync_dir(&tools.data_dir.join(DIRECTORY))?;
    }
    Ok(())
}

impl Stream {
    /// Writes chunks of a shard until less than `least` bytes are left.
    fn write(&mut self, tools: &Tools, shard: ShardId, least: u64) -> Result<(), Stay> {
        let mut left = least.max(1);
        while left >= least.max(1)
            && let Some((first, places)) = self.handle.feed.to_write(shard, limits::SHARD_CHUNK_BYTES_MAX)
        {
            let bytes: u64 = places.iter().map(|place| u64::from(place.at.len)).sum();
            let entries = read(tools, self.handle.partition(), &places)?;
            self.append(tools, shard, first, &places, &entries)?;
            self.handle.feed.wrote(shard, first + places.len() as u64, bytes);
            left = self.handle.feed.unwritten().iter().find(|(id, _)| *id == shard).map_or(0, |(_, bytes)| *bytes);
        }
        Ok(())
    }

    /// Appends the readable runs of a shard's next records.
    fn append(
        &mut self,
        tools: &Tools,
        shard: ShardId,
        first: u64,
        places: &[Place],
        entries: &[Option<Bytes>],
    ) -> Result<(), Stay> {
        let handle = self.handle.clone();
        let writer = self.writer(tools).map_err(stay)?;
        let mut at = 0;
        for run in entries.split_inclusive(Option::is_none) {
            let sound: Vec<Bytes> = run.iter().flatten().cloned().collect();
            if let (Some(start), Some(end)) = (places.get(at), places.get(at + sound.len().saturating_sub(1)))
                && !sound.is_empty()
            {
                let (first_ms, last_ms) = (start.arrival.as_millis(), end.arrival.as_millis());
                let chunk = NewChunk { shard: shard.0, first: first + at as u64, first_ms, last_ms, entries: &sound };
                let appended = writer.append(&chunk);
                tools.tell_strangers(&handle, &writer.take_strangers());
                appended.map_err(stay)?;
            }
            at += run.len();
        }
        self.is_dirty = true;
        if self.oldest_ms.is_none() {
            self.oldest_ms = places.last().map(|place| place.arrival.as_millis());
        }
        Ok(())
    }

    fn writer(&mut self, tools: &Tools) -> io::Result<&mut ShardWriter> {
        if self.writer.is_none() {
            tools.make_directory(self.handle.id())?;
            let writer = tools.open(&self.handle)?;
            self.handle.feed.set_segments(writer.reader());
            self.writer = Some(writer);
        }
        self.writer.as_mut().ok_or_else(|| io::Error::other("the segments were just opened"))
    }

    fn trim(&mut self, tools: &Tools, now: Timestamp) -> io::Result<()> {
        let horizon = self.handle.feed.horizon(now).as_millis();
        let Some(writer) = self.writer.as_mut().filter(|_| self.oldest_ms.is_some_and(|oldest| oldest < horizon))
        else {
            return Ok(());
        };
        let result = writer.trim(horizon);
        tools.tell_strangers(&self.handle, &writer.take_strangers());
        let gone = result?;
        self.oldest_ms = writer.oldest_ms()?;
        if gone == 0 {
            return Ok(());
        }
        let reader = writer.reader();
        let mut trims = Vec::new();
        for shard in self.handle.feed.shard_ids() {
            trims.extend(trimmed(&reader, &self.handle.feed, tools, self.handle.partition(), shard)?);
        }
        if let Some(inbox) = tools.inboxes.get(self.handle.partition().0 as usize) {
            inbox.push_internal(Command::Stream(StreamCommand::Trimmed { stream: self.handle.id(), trims }));
        }
        Ok(())
    }
}

/// What is left of a shard: the first index, and the bytes of all records below.
fn trimmed(
    reader: &ShardReader,
    feed: &Feed,
    tools: &Tools,
    partition: PartitionId,
    shard: ShardId,
) -> io::Result<Option<Trimmed>> {
    let first = reader.first(shard.0).map_err(io::Error::other)?;
    let stored = match reader.read(shard.0, first, 1, 0) {
        // All that is left of the shard may be in the log.
        _ if first == 0 => None,
        Ok(records) => records.entries.into_iter().next(),
        Err(error) => {
            tracing::warn!(%error, "the first record that is left cannot be read");
            return Ok(None);
        }
    };
    let stored = match stored {
        Some(entry) => Some(entry),
        None => feed.first_in_tail(shard).and_then(|place| tools.log.read(partition, place.at).ok()),
    };
    let below = stored.map(|entry| (entry.seq, journal::bytes_before(&entry)));
    Ok(Some(match below {
        Some((index, Ok(bytes))) => Trimmed { shard, below: index, bytes: Some(bytes) },
        Some((index, Err(error))) => {
            tracing::warn!(%error, "the first record that is left cannot be read");
            Trimmed { shard, below: index, bytes: None }
        }
        None if first == 0 => return Ok(None),
        None => Trimmed { shard, below: first, bytes: None },
    }))
}

/// One slot a place, empty where the log is damaged.
fn read(tools: &Tools, partition: PartitionId, places: &[Place]) -> Result<Vec<Option<Bytes>>, Stay> {
    let at: Vec<Location> = places.iter().map(|place| place.at).collect();
    let mut entries = vec![None; at.len()];
    tools.log.read_hot_all(partition, &at, &mut |index, entry| {
        if let Some(slot) = entries.get_mut(index) {
            *slot = Some(entry.to_bytes());
        }
    });
    let cold: Vec<usize> = (0..at.len()).filter(|index| entries.get(*index).is_some_and(Option::is_none)).collect();
    let cold_at: Vec<Location> = cold.iter().filter_map(|index| at.get(*index).copied()).collect();
    let (mut slots, mut failed) = (cold.into_iter(), None);
    tools.log.read_all(partition, &cold_at, &mut |entry| {
        let slot = slots.next().and_then(|index| entries.get_mut(index));
        match (entry, slot) {
            (Ok(entry), Some(slot)) => *slot = Some(entry.to_bytes()),
            (Ok(_), None) => {}
            (Err(error @ ReadError::Corrupt { .. }), _) => {
                tools.alarms.set("CORRUPT_ENTRY", true);
                tracing::error!(%error, "a record of a stream is damaged");
            }
            (Err(error @ (ReadError::Io(_) | ReadError::Trimmed { .. })), _) => failed = Some(error),
        }
    });
    match failed {
        Some(error) => Err(Stay::Unread(error)),
        None => Ok(entries),
    }
}

fn stay(error: io::Error) -> Stay {
    if is_no_space(&error) {
        Stay::NoRoom(error)
    } else {
        Stay::Failed(format!("writing a segment of a stream: {error}"))
    }
}
