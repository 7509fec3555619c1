//! Reading records by position, from any thread.

use super::{
    Owner,
    chunk::{ChunkHeader, Entries, HEADER_BYTES},
    file::{self, FileHeader, Whose},
    index::{Index, Place, Span},
    recover::{from_chunks, from_footer, map},
};
use crate::storage::{
    io::{Io, IoFile, Map, read_exact_at},
    log::StoredEntry,
};
use bytes::Bytes;
use std::{
    collections::VecDeque,
    io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

/// Sealed segments that stay mapped.
const SEGMENTS_KEPT: usize = 8;

/// Records of a shard, in order and without gaps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    pub entries: Vec<StoredEntry>,
    /// Where to read on.
    pub next: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum ShardReadError {
    #[error("the records cannot be read: {0}")]
    Io(#[from] io::Error),
    /// Everything before `first` has gone by its age.
    #[error("the shard begins at {first}")]
    Trimmed { first: u64 },
    /// The records from `from` to before `to` are damaged; those behind can be read.
    #[error("the records {from} to {} are damaged", to - 1)]
    Lost { from: u64, to: u64 },
}

pub struct ShardReader {
    pub(super) io: Arc<dyn Io>,
    pub(super) dir: PathBuf,
    pub(super) owner: Owner,
    files: RwLock<Files>,
    /// The segments read last, the latest at the end.
    kept: Mutex<Vec<(u64, Arc<Segment>)>>,
}

pub(super) struct Files {
    pub(super) sealed: VecDeque<u64>,
    pub(super) active: Option<Active>,
}

/// The segment that is written to.
pub(super) struct Active {
    pub(super) header: FileHeader,
    pub(super) file: Arc<dyn IoFile>,
    pub(super) index: Index,
    pub(super) len: u64,
}

/// A sealed segment, mapped.
pub(super) struct Segment {
    pub(super) index: Index,
    bytes: Map,
}

/// Where a search ended.
enum Source {
    Active(Arc<dyn IoFile>, Span),
    Sealed(Arc<Segment>),
}

impl Source {
    fn span(&self, shard: u32) -> Option<&Span> {
        match self {
            Self::Active(_, span) => Some(span),
            Self::Sealed(segment) => segment.index.span(shard),
        }
    }

    /// The body of a chunk, as much of it as there is.
    fn body(&self, place: &Place) -> io::Result<Bytes> {
        let from = place.offset + HEADER_BYTES as u64;
        match self {
            Self::Active(file, _) => {
                let mut body = vec![0; place.len as usize];
                read_exact_at(&**file, &mut body, from)?;
                Ok(body.into())
            }
            Self::Sealed(segment) => {
                let from = (from as usize).min(segment.bytes.len());
                let to = (from + place.len as usize).min(segment.bytes.len());
                Ok(segment.bytes.slice(from..to))
            }
        }
    }
}

impl ShardReader {
    pub(super) fn new(io: Arc<dyn Io>, dir: PathBuf, owner: Owner, files: Files) -> Self {
        Self { io, dir, owner, files: RwLock::new(files), kept: Mutex::default() }
    }

    /// Records from `from` on: those of a chunk, and of more chunks as long as neither limit is reached. None when there is
    /// nothing at `from` yet.
    ///
    /// # Errors
    ///
    /// Nothing can be read at `from`, for now or for ever.
    pub fn read(&self, shard: u32, from: u64, max_records: usize, max_bytes: usize) -> Result<Records, ShardReadError> {
        let mut records = Records { entries: Vec::new(), next: from };
        let Some(source) = self.find(shard, from)? else { return Ok(records) };
        let Some(span) = source.span(shard) else { return Ok(records) };
        let mut room = Room { records: max_records, bytes: max_bytes };
        for place in span.places_from(from) {
            if place.first > records.next {
                return stopped(records, place.first);
            }
            match take(source.body(place)?, place, &mut records, &mut room) {
                Taken::All => {}
                Taken::Full => return Ok(records),
                Taken::Damaged { to } => return stopped(records, to),
            }
        }
        if records.next < span.next { stopped(records, span.next) } else { Ok(records) }
    }

    /// The position to look from for the first record that is not older than `time_ms`: no earlier one is, and of those
    /// between only what stands in the same chunk is older.
    ///
    /// # Errors
    ///
    /// A segment cannot be read.
    pub fn seek(&self, shard: u32, time_ms: u64) -> Result<u64, ShardReadError> {
        self.unless_trimmed(|sealed| self.seek_in(sealed, shard, time_ms))
    }

    fn seek_in(&self, sealed: &[u64], shard: u32, time_ms: u64) -> Result<u64, ShardReadError> {
        let active = self.active_span(shard, 0).map(|(_, span)| span);
        let is_in = |span: &Span| span.places.first().is_some_and(|place| place.first_ms < time_ms);
        if let Some(span) = active.as_ref().filter(|span| is_in(span)) {
            return Ok(span.chunk_before(time_ms));
        }
        // From the last segment that has an older record of the shard.
        let mut at = self.search(sealed, |index| index.first_ms < time_ms)?;
        while let Some(number) = at.checked_sub(1).and_then(|before| sealed.get(before)) {
            let segment = self.segment(*number)?;
            if let Some(span) = segment.index.span(shard).filter(|span| is_in(span)) {
                return Ok(span.chunk_before(time_ms));
            }
            at -= 1;
        }
        self.first_in(sealed, shard)
    }

    /// The first position that has not been trimmed; where the shard will go on when it has no record. Zero for a shard
    /// nobody knows.
    ///
    /// # Errors
    ///
    /// A segment cannot be read.
    pub fn first(&self, shard: u32) -> Result<u64, ShardReadError> {
        self.unless_trimmed(|sealed| self.first_in(sealed, shard))
    }

    fn first_in(&self, sealed: &[u64], shard: u32) -> Result<u64, ShardReadError> {
        // Most shards are as old as what is kept, so that there is nothing to search for.
        if let Some(oldest) = sealed.first()
            && let Some(span) = self.segment(*oldest)?.index.span(shard)
        {
            return Ok(span.first);
        }
        let at = self.search(sealed, |index| index.span(shard).is_none())?;
        match sealed.get(at) {
            Some(number) => Ok(self.segment(*number)?.index.span(shard).map_or(0, |span| span.first)),
            None => Ok(self.active_span(shard, 0).map_or(0, |(_, span)| span.first)),
        }
    }

    /// The source that holds the position, or would say that it is damaged; none when nothing is there yet.
    fn find(&self, shard: u32, from: u64) -> Result<Option<Source>, ShardReadError> {
        if let Some((file, span)) = self.active_span(shard, from).filter(|(_, span)| span.first <= from) {
            return Ok(Some(Source::Active(file, span)));
        }
        if let Some(segment) = self.kept_with(shard, from) {
            return Ok(Some(Source::Sealed(segment)));
        }
        self.unless_trimmed(|sealed| self.find_sealed(sealed, shard, from))
    }

    /// Looks at the sealed segments, and looks again when one of them went by its age meanwhile.
    fn unless_trimmed<T>(&self, look: impl Fn(&[u64]) -> Result<T, ShardReadError>) -> Result<T, ShardReadError> {
        loop {
            let sealed = self.sealed_numbers();
            match look(&sealed) {
                Err(ShardReadError::Io(error))
                    if error.kind() == io::ErrorKind::NotFound && self.oldest_sealed() != sealed.first().copied() => {}
                result => return result,
            }
        }
    }

    fn find_sealed(&self, sealed: &[u64], shard: u32, from: u64) -> Result<Option<Source>, ShardReadError> {
        // The first segment that ends behind the position.
        let at = self.search(sealed, |index| index.span(shard).is_none_or(|span| span.next <= from))?;
        let found = sealed.get(at).map(|number| self.segment(*number)).transpose()?;
        let first = match &found {
            Some(segment) => segment.index.span(shard).map_or(from, |span| span.first),
            None => self.active_span(shard, from).map_or(from, |(_, span)| span.first),
        };
        if first <= from {
            return Ok(found.map(Source::Sealed));
        }
        let start = self.first_in(sealed, shard)?;
        if from < start {
            Err(ShardReadError::Trimmed { first: start })
        } else {
            Err(ShardReadError::Lost { from, to: first })
        }
    }

    /// How many segments come before the first one of which `is_before` is not true.
    fn search(&self, sealed: &[u64], is_before: impl Fn(&Index) -> bool) -> io::Result<usize> {
        let (mut low, mut high) = (0, sealed.len());
        while low < high {
            let middle = low.midpoint(high);
            let Some(number) = sealed.get(middle) else { break };
            if is_before(&self.segment(*number)?.index) { low = middle + 1 } else { high = middle }
        }
        Ok(low)
    }

    pub(super) fn sealed_numbers(&self) -> Vec<u64> {
        self.files.read().unwrap_or_else(PoisonError::into_inner).sealed.iter().copied().collect()
    }

    /// What the active segment has of the shard from `from` on.
    fn active_span(&self, shard: u32, from: u64) -> Option<(Arc<dyn IoFile>, Span)> {
        self.active(|active| Some((active.file.clone(), active.index.span(shard)?.from(from)))).flatten()
    }

    /// A sealed segment, from those kept or from the disk.
    pub(super) fn segment(&self, number: u64) -> io::Result<Arc<Segment>> {
        if let Some(segment) = self.kept(number) {
            return Ok(segment);
        }
        let segment = Arc::new(self.load(number)?);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= SEGMENTS_KEPT {
            kept.remove(0);
        }
        kept.push((number, segment.clone()));
        Ok(segment)
    }

    fn kept(&self, number: u64) -> Option<Arc<Segment>> {
        self.kept_where(|known, _| known == number)
    }

    /// The segment that has the position, if it is one of those kept: who reads on needs no search, which would look into
    /// segments that nobody reads.
    fn kept_with(&self, shard: u32, from: u64) -> Option<Arc<Segment>> {
        let oldest = self.oldest_sealed()?;
        let has = |span: &Span| (span.first..span.next).contains(&from);
        self.kept_where(|number, segment| number >= oldest && segment.index.span(shard).is_some_and(has))
    }

    /// The one of which this is true becomes the latest.
    fn kept_where(&self, is_it: impl Fn(u64, &Segment) -> bool) -> Option<Arc<Segment>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().rposition(|(number, segment)| is_it(*number, segment))?;
        let found = kept.remove(at);
        let segment = found.1.clone();
        kept.push(found);
        Some(segment)
    }

    fn load(&self, number: u64) -> io::Result<Segment> {
        let bytes = map(&*self.io.open_read(&file::path(&self.dir, number))?)?;
        let (id, footer) = bytes.sparsely(|bytes| {
            let id = Whose::of(bytes, &self.owner, number).file_id();
            (id, id.and_then(|id| from_footer(bytes, id)))
        })?;
        if let Some(index) = footer {
            return Ok(Segment { index, bytes });
        }
        let mut index = id.map(|id| from_chunks(bytes.whole(), id)).unwrap_or_default();
        // Shards that have nothing here are known from before, so that a search still finds its way.
        if let Some(before) = self.sealed_numbers().into_iter().rfind(|known| *known < number) {
            index.inherit(&self.segment(before)?.index);
        }
        Ok(Segment { index, bytes })
    }
}

/// For the writer.
impl ShardReader {
    pub(super) fn active<T>(&self, ask: impl FnOnce(&Active) -> T) -> Option<T> {
        self.files.read().unwrap_or_else(PoisonError::into_inner).active.as_ref().map(ask)
    }

    pub(super) fn began(&self, active: Active) {
        self.change(|files| files.active = Some(active));
    }

    pub(super) fn added(&self, header: &ChunkHeader) {
        self.change(|files| {
            if let Some(active) = &mut files.active {
                active.index.add(header, active.len);
                active.len += header.len();
            }
        });
    }

    pub(super) fn sealed(&self) {
        self.change(|files| {
            let number = files.active.take().map(|active| active.header.number);
            files.sealed.extend(number);
        });
    }

    pub(super) fn oldest_sealed(&self) -> Option<u64> {
        self.files.read().unwrap_or_else(PoisonError::into_inner).sealed.front().copied()
    }

    pub(super) fn trimmed(&self) {
        self.change(|files| files.sealed.pop_front());
    }

    pub(super) fn forgot(&self, shard: u32) {
        self.change(|files| {
            if let Some(active) = &mut files.active {
                active.index.forget(shard);
            }
        });
    }

    fn change<T>(&self, change: impl FnOnce(&mut Files) -> T) {
        change(&mut self.files.write().unwrap_or_else(PoisonError::into_inner));
    }
}

/// What was read before the damage, or the damage when nothing was.
fn stopped(records: Records, next_sound: u64) -> Result<Records, ShardReadError> {
    if records.entries.is_empty() {
        return Err(ShardReadError::Lost { from: records.next, to: next_sound });
    }
    Ok(records)
}

/// How much more is wanted.
struct Room {
    records: usize,
    bytes: usize,
}

/// How the taking of a chunk's records ended.
enum Taken {
    All,
    Full,
    /// The records to before `to` cannot be read.
    Damaged {
        to: u64,
    },
}

/// Takes the records of a chunk that are wanted, as long as there is room.
fn take(body: Bytes, place: &Place, records: &mut Records, room: &mut Room) -> Taken {
    for entry in Entries::of(body, place.first, place.count) {
        match entry {
            Ok(entry) if entry.seq < records.next => {}
            Ok(entry) => {
                let len = entry.header.len() + entry.body.len();
                if (len > room.bytes || room.records == 0) && !records.entries.is_empty() {
                    return Taken::Full;
                }
                room.bytes = room.bytes.saturating_sub(len);
                room.records = room.records.saturating_sub(1);
                records.next = entry.seq + 1;
                records.entries.push(entry);
            }
            Err(lost) if lost.end <= records.next => {}
            Err(lost) => return Taken::Damaged { to: lost.end },
        }
    }
    Taken::All
}
