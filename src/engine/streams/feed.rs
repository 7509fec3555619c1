//! Where the records of one stream stand, for everybody who reads it, and who waits for more.
//!
//! The partition's thread adds each record as it decides it, and shows it once its frame is durable: readers see
//! nothing before. The writer's thread takes places out when a synced segment has the records. Nobody waits for a
//! reader: the lock is held for a look at a few numbers.

use super::{
    state::StreamParts,
    tail::{Place, Tail},
};
use crate::{
    base::{
        id::{Lsn, StreamId},
        time::Timestamp,
    },
    domain::stream::{
        Cursor, Shard, ShardId, Stream,
        settings::{Mode, Settings},
        throttle::{ShardLimits, Throttle},
    },
    storage::shard::ShardReader,
};
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::Duration,
};
use tokio::sync::{Notify, watch};

pub(in crate::engine) struct Feed {
    stream: StreamId,
    inner: RwLock<Inner>,
    /// Rises with every durable change of the stream.
    version: watch::Sender<u64>,
    throttle: Mutex<Throttle>,
    parts: StreamParts,
}

struct Inner {
    segments: Option<Arc<ShardReader>>,
    shards: BTreeMap<ShardId, Shown>,
    retention: Duration,
    hidden_before: Timestamp,
    /// The stream is being deleted, or is gone.
    is_ending: bool,
    /// The writer knows that there is something for it.
    is_booked: bool,
}

/// A shard as readers see it.
struct Shown {
    created: u64,
    tail: Tail,
    /// The first record that is not durable yet.
    visible: u64,
    /// The first record that no segment has.
    written: u64,
    /// Bytes of the durable records that no segment has.
    unwritten_bytes: u64,
    /// Durably closed: the last index, and where its records go on.
    end: Option<(u64, Vec<ShardId>)>,
    news: Arc<Notify>,
}

impl Shown {
    fn new(created: u64, tail: Tail) -> Self {
        let (first, next) = (tail.first(), tail.next());
        let news = Arc::default();
        Self { created, tail, visible: next, written: first, unwritten_bytes: 0, end: None, news }
    }
}

/// What there is at a cursor.
pub(super) enum Found {
    /// Places in the log, and the second that the shard's numbers begin with.
    Log { places: Vec<Place>, created: u64 },
    /// A segment has it, or had it until it was too old; the log has what comes from `log_from` on.
    Segments { reader: Arc<ShardReader>, created: u64, log_from: u64 },
    /// Nothing yet.
    Nothing,
    /// Nothing ever again.
    End(Vec<ShardId>),
    /// There is no such shard.
    NoShard,
}

impl Feed {
    /// `tails`: what only the log holds, as a checkpoint knows it.
    pub(in crate::engine) fn new(
        stream: StreamId,
        state: &Stream,
        mut tails: BTreeMap<ShardId, Tail>,
        parts: &StreamParts,
    ) -> Self {
        let shown = state.shards().map(|shard| {
            let tail = tails.remove(&shard.id).unwrap_or_else(|| Tail::starting_at(shard.last_index + 1));
            (shard.id, Shown::new(shard.created, tail))
        });
        let settings = state.settings();
        let inner = Inner {
            segments: None,
            shards: shown.collect(),
            retention: settings.retention,
            hidden_before: Timestamp::ZERO,
            is_ending: false,
            is_booked: false,
        };
        Self {
            stream,
            inner: RwLock::new(inner),
            version: watch::Sender::new(0),
            throttle: Mutex::new(Throttle::new(limits_of(settings, parts.limits))),
            parts: parts.clone(),
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The limits of each shard, which start full.
    pub(in crate::engine) fn throttle(&self) -> MutexGuard<'_, Throttle> {
        self.throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }
}

/// For readers.
impl Feed {
    /// What arrived before this is hidden.
    pub(super) fn horizon(&self, now: Timestamp) -> Timestamp {
        let inner = self.read();
        let retention = u64::try_from(inner.retention.as_millis()).unwrap_or(u64::MAX);
        inner.hidden_before.max(Timestamp(now.as_millis().saturating_sub(retention)))
    }

    /// What stands at `index`: at most `max_records`, and about `max_bytes`, but at least one.
    pub(super) fn find(&self, shard: ShardId, index: u64, max_records: usize, max_bytes: usize) -> Found {
        let inner = self.read();
        let Some(shown) = inner.shards.get(&shard) else { return Found::NoShard };
        if index >= shown.visible {
            return match &shown.end {
                Some((last, children)) if index > *last => Found::End(children.clone()),
                Some(_) | None => Found::Nothing,
            };
        }
        if index < shown.tail.first() {
            return match &inner.segments {
                Some(reader) => {
                    Found::Segments { reader: reader.clone(), created: shown.created, log_from: shown.tail.first() }
                }
                None => Found::Nothing,
            };
        }
        let mut bytes = 0;
        let fits = |(found, place): &(u64, Place)| {
            bytes += place.at.len as usize;
            *found < shown.visible && (*found == index || bytes <= max_bytes)
        };
        let places = shown.tail.from(index, max_records).take_while(fits).map(|(_, place)| place).collect();
        Found::Log { places, created: shown.created }
    }

    /// Where the tail of the shard has the first record that did not arrive before `moment`; or the reader that knows.
    pub(super) fn seek(&self, shard: ShardId, moment: Timestamp) -> Result<u64, Option<Arc<ShardReader>>> {
        let inner = self.read();
        let Some(shown) = inner.shards.get(&shard) else { return Err(None) };
        let is_in_tail = shown.tail.oldest().is_some_and(|place| place.arrival < moment) || inner.segments.is_none();
        if is_in_tail { Ok(shown.tail.seek(moment)) } else { Err(inner.segments.clone()) }
    }

    /// What reads the segments, once there are any.
    pub(in crate::engine) fn segments(&self) -> Option<Arc<ShardReader>> {
        self.read().segments.clone()
    }

    /// The index behind the newest durable record.
    pub(super) fn open_shards(&self) -> usize {
        self.read().shards.values().filter(|shown| shown.end.is_none()).count()
    }

    pub(super) fn visible(&self, shard: ShardId) -> Option<u64> {
        self.read().shards.get(&shard).map(|shown| shown.visible)
    }

    /// Ends when there may be something at the cursor.
    pub(super) async fn wait(&self, cursor: &Cursor) {
        loop {
            let news = match self.news_of(cursor) {
                Some(news) => news,
                None => return,
            };
            let notified = news.notified();
            tokio::pin!(notified);
            // Whoever tells from here on is heard.
            notified.as_mut().enable();
            if self.news_of(cursor).is_none() {
                return;
            }
            notified.await;
        }
    }

    /// Who tells when something comes; none when it is there.
    fn news_of(&self, cursor: &Cursor) -> Option<Arc<Notify>> {
        let inner = self.read();
        let shown = inner.shards.get(&cursor.shard)?;
        let is_ready = cursor.index < shown.visible || shown.end.is_some() || inner.is_ending;
        (!is_ready).then(|| shown.news.clone())
    }
}

/// For the partition's thread, as it decides.
impl Feed {
    pub(in crate::engine) fn opened(&self, shard: &Shard) {
        let mut inner = self.write();
        inner.shards.entry(shard.id).or_insert_with(|| Shown::new(shard.created, Tail::starting_at(1)));
    }

    pub(in crate::engine) fn pushed(&self, shard: ShardId, index: u64, place: Place) {
        if let Some(shown) = self.write().shards.get_mut(&shard) {
            shown.tail.push(index, place);
        }
    }

    pub(in crate::engine) fn forgot(&self, shards: &[ShardId]) {
        let mut inner = self.write();
        for shown in shards.iter().filter_map(|shard| inner.shards.remove(shard)) {
            shown.news.notify_waiters();
        }
        drop(inner);
        self.parts.orders.forgot(self.stream, shards.to_vec());
        self.changed();
    }

    /// What only the log holds of each shard.
    pub(in crate::engine) fn tails(&self) -> BTreeMap<ShardId, Tail> {
        self.read().shards.iter().map(|(shard, shown)| (*shard, shown.tail.clone())).collect()
    }

    /// The oldest frame that a record needs.
    pub(in crate::engine) fn oldest(&self) -> Option<Lsn> {
        self.read().shards.values().filter_map(|shown| shown.tail.oldest()).map(|place| place.at.lsn).min()
    }
}

/// For whoever makes things durable.
impl Feed {
    /// The records of a shard below `next` are durable.
    pub(in crate::engine) fn show(&self, shard: ShardId, next: u64) {
        let mut inner = self.write();
        let is_booked = inner.is_booked;
        let Some(shown) = inner.shards.get_mut(&shard) else { return };
        if next <= shown.visible {
            return;
        }
        let fresh = shown.tail.from(shown.visible, usize::MAX).take_while(|(index, _)| *index < next);
        let bytes: u64 = fresh.map(|(_, place)| u64::from(place.at.len)).sum();
        let before = shown.unwritten_bytes;
        shown.visible = next;
        shown.unwritten_bytes += bytes;
        shown.news.notify_waiters();
        let is_large = (before..shown.unwritten_bytes).contains(&self.parts.chunk_bytes);
        inner.is_booked = true;
        drop(inner);
        if !is_booked || is_large {
            self.parts.orders.has_records(self.stream);
        }
        self.changed();
    }

    /// Shards were closed for ever: with the index of the last record of each, and its children.
    pub(in crate::engine) fn closed(&self, ends: Vec<(ShardId, u64, Vec<ShardId>)>) {
        let mut inner = self.write();
        for (shard, last, children) in ends {
            if let Some(shown) = inner.shards.get_mut(&shard) {
                shown.end = Some((last, children));
                shown.news.notify_waiters();
            }
        }
        drop(inner);
        self.changed();
    }

    pub(in crate::engine) fn set(&self, settings: &Settings, hidden_before: Timestamp) {
        let mut inner = self.write();
        inner.retention = settings.retention;
        inner.hidden_before = inner.hidden_before.max(hidden_before);
        drop(inner);
        self.throttle().limit(limits_of(settings, self.parts.limits));
        self.changed();
    }

    /// Something else of the stream changed.
    pub(in crate::engine) fn changed(&self) {
        self.version.send_modify(|version| *version += 1);
    }

    /// The stream is being deleted: nobody waits for its records any more.
    pub(in crate::engine) fn end(&self) {
        let mut inner = self.write();
        inner.is_ending = true;
        inner.shards.values().for_each(|shown| shown.news.notify_waiters());
        drop(inner);
        self.changed();
    }

    pub(in crate::engine) fn is_ending(&self) -> bool {
        self.read().is_ending
    }

    /// What a start shows when the log is replayed: all there is. `nexts` says up to where segments have each shard.
    /// Returns the records that are nowhere: the first, and the one behind the last.
    pub(in crate::engine) fn start(
        &self,
        state: &Stream,
        segments: Option<Arc<ShardReader>>,
        nexts: impl Fn(ShardId) -> Option<u64>,
    ) -> Vec<(ShardId, u64, u64)> {
        let mut lost = Vec::new();
        let mut inner = self.write();
        inner.segments = segments;
        for shard in state.shards() {
            let Some(shown) = inner.shards.get_mut(&shard.id) else { continue };
            let next = nexts(shard.id).unwrap_or(shard.first_index);
            shown.tail.forget(next);
            let end = shard.last_index + 1;
            let from = if shown.tail.oldest().is_some() { shown.tail.first() } else { end };
            if next < from {
                lost.push((shard.id, next, from));
            }
            if shown.tail.oldest().is_none() {
                shown.tail = Tail::starting_at(end.max(next));
            }
            (shown.visible, shown.written) = (shown.tail.next(), shown.tail.first());
            shown.unwritten_bytes = shown.tail.places().map(|place| u64::from(place.at.len)).sum();
            if shown.unwritten_bytes > 0 {
                inner.is_booked = true;
            }
            let children = || state.children(shard.id).iter().map(|child| child.id).collect();
            if let Some(shown) = inner.shards.get_mut(&shard.id).filter(|_| !shard.is_open()) {
                shown.end = Some((shard.last_index, children()));
            }
        }
        let is_booked = inner.is_booked;
        drop(inner);
        if is_booked {
            self.parts.orders.has_records(self.stream);
        }
        lost
    }
}

/// For the writer's thread.
impl Feed {
    pub(super) fn set_segments(&self, reader: Arc<ShardReader>) {
        self.write().segments = Some(reader);
    }

    /// The shards with durable records that no segment has: bytes of each.
    pub(super) fn unwritten(&self) -> Vec<(ShardId, u64)> {
        let inner = self.read();
        let some = inner.shards.iter().filter(|(_, shown)| shown.written < shown.visible);
        some.map(|(shard, shown)| (*shard, shown.unwritten_bytes)).collect()
    }

    /// The next records of a shard to be written: the index of the first, and about `max_bytes` of them.
    pub(super) fn to_write(&self, shard: ShardId, max_bytes: u64) -> Option<(u64, Vec<Place>)> {
        let inner = self.read();
        let shown = inner.shards.get(&shard)?;
        let mut bytes = 0;
        let fits = |(index, place): &(u64, Place)| {
            bytes += u64::from(place.at.len);
            *index < shown.visible && (*index == shown.written || bytes <= max_bytes)
        };
        let places: Vec<Place> =
            shown.tail.from(shown.written, usize::MAX).take_while(fits).map(|(_, place)| place).collect();
        (!places.is_empty()).then_some((shown.written, places))
    }

    /// A segment has what is below `next`, and perhaps not on the disk yet.
    pub(super) fn wrote(&self, shard: ShardId, next: u64, bytes: u64) {
        if let Some(shown) = self.write().shards.get_mut(&shard) {
            shown.written = next;
            shown.unwritten_bytes = shown.unwritten_bytes.saturating_sub(bytes);
        }
    }

    /// Everything that was written is synced: the log can go on without it.
    pub(super) fn synced(&self) {
        for shown in self.write().shards.values_mut() {
            shown.tail.forget(shown.written);
        }
    }

    /// Takes the stream out of the writer's book if it has nothing for it: true when it is out.
    pub(super) fn unbook(&self) -> bool {
        let mut inner = self.write();
        let has_none = inner.shards.values().all(|shown| shown.written >= shown.visible);
        inner.is_booked &= !has_none;
        has_none
    }

    pub(super) fn first_in_tail(&self, shard: ShardId) -> Option<Place> {
        self.read().shards.get(&shard)?.tail.oldest()
    }

    pub(super) fn shard_ids(&self) -> Vec<ShardId> {
        self.read().shards.keys().copied().collect()
    }
}

fn limits_of(settings: &Settings, limits: ShardLimits) -> ShardLimits {
    match settings.mode {
        Mode::Provisioned => limits,
        Mode::OnDemand { .. } => ShardLimits::NONE,
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").field("stream", &self.stream).finish_non_exhaustive()
    }
}
