//! What stands in one segment, chunk by chunk and record by record, and what of it is damaged. Nothing is changed.
//!
//! Absent on purpose: what a start would make of the end of the newest segment, and what is missing between segments: see
//! [`super::survey`].

use super::{
    chunk::{ChunkHeader, Entries, HEADER_BYTES, STEP_BYTES},
    file::{self, FileHeader},
    index::{Index, Place, Span, TRAILER_BYTES, Trailer},
};
use crate::{
    base::id::PartitionId,
    storage::{
        io::IoFile,
        log::{Pace, StoredEntry, scan::Scan},
    },
};
use std::{collections::BTreeMap, fmt, io, ops::Range, sync::Arc};

/// Records of one shard that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostRecords {
    pub shard: u32,
    pub first: u64,
    pub last: u64,
}

impl fmt::Display for LostRecords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shard {} records {} to {}", self.shard, self.first, self.last)
    }
}

/// What kind of damage it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DamageKind {
    /// Records that cannot be read, as far as they are known.
    Records,
    /// Bytes in which chunks stood, or a file that is not there: which records those were, the chunks around them tell.
    Hole,
    /// The file is another one than its name says, or nothing of it can be read.
    Foreign,
    /// Something around the records, all of which can be read.
    Frame(Part),
    /// The end of the newest segment: never synced, so it stands in the log.
    Torn,
}

/// What stands around records, and can be written again from what is sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Header,
    /// The header of a chunk; the footer says the same.
    Chunk,
    /// Footer and trailer; the chunks say the same.
    Footer,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Bytes of the file; empty when the whole file is meant.
    pub offsets: Range<u64>,
    pub records: Vec<LostRecords>,
    pub what: String,
    pub kind: DamageKind,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { offsets, records, what, kind: _ } = self;
        write!(f, "bytes {}..{}", offsets.start, offsets.end)?;
        for lost in records {
            write!(f, ", {lost}")?;
        }
        write!(f, ": {what}")
    }
}

/// What was found in a segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SegmentFacts {
    pub number: u64,
    pub bytes: u64,
    /// None: its header cannot be read.
    pub partition: Option<PartitionId>,
    /// It ends with a sound footer and trailer.
    pub sealed: bool,
    /// Sound records.
    pub records: u64,
    pub chunks: u64,
    pub damage: Vec<Damage>,
    /// Behind the last chunk.
    pub end: u64,
    /// The numbers of its chunks.
    pub(super) numbers: Range<u64>,
    /// By shard, in order.
    pub(super) stretches: BTreeMap<u32, Vec<Stretch>>,
}

/// Chunks of a shard that follow each other, damaged or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    /// Empty: only says where the shard goes on.
    pub(super) positions: Range<u64>,
    pub(super) offsets: Range<u64>,
}

/// A sound record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub shard: u32,
    /// Bytes from the start of the file.
    pub offset: u64,
    pub entry: StoredEntry,
}

/// Which segment a file should be.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    pub store_uuid: [u8; 16],
    pub stream: u64,
    pub number: u64,
}

/// Reads a whole segment from the device; `visit` gets every sound record.
///
/// # Errors
///
/// The file cannot be read; `Interrupted`: the pace said so.
pub fn examine(
    file: Arc<dyn IoFile>,
    expected: Expected,
    pace: Pace,
    visit: &mut dyn FnMut(Record),
) -> io::Result<SegmentFacts> {
    file.drop_cache()?;
    let scan = Scan::paced(file, 0, pace)?;
    let facts = SegmentFacts { number: expected.number, bytes: scan.len, ..SegmentFacts::default() };
    let mut walk = Walk { scan, facts, file_id: 0, footer: None, end: 0 };
    if walk.enter(expected)? {
        walk.find_footer()?;
        walk.chunks(visit)?;
    }
    Ok(walk.facts)
}

struct Walk {
    scan: Scan,
    facts: SegmentFacts,
    /// Zero: not known yet.
    file_id: u64,
    footer: Option<Index>,
    /// Where the chunks end at the latest.
    end: u64,
}

impl Walk {
    /// Reads the header; false when this is another file.
    fn enter(&mut self, expected: Expected) -> io::Result<bool> {
        self.end = self.facts.bytes;
        self.facts.end = (file::HEADER_BYTES as u64).min(self.facts.bytes);
        let bytes = self.scan.bytes(0, file::HEADER_BYTES)?;
        let what = match FileHeader::decode(&bytes) {
            Ok(header) => {
                let owner = header.owner;
                if (owner.store_uuid, owner.stream, header.number)
                    == (expected.store_uuid, expected.stream, expected.number)
                {
                    (self.file_id, self.facts.partition) = (header.file_id, Some(owner.partition));
                    return Ok(true);
                }
                header.describe(&expected.store_uuid)
            }
            Err(what) => {
                self.file_id = self.any_file_id()?;
                if self.file_id != 0 {
                    self.report(0..self.facts.end, Vec::new(), what.to_owned(), DamageKind::Frame(Part::Header));
                    return Ok(true);
                }
                format!("nothing of it can be read: {what}")
            }
        };
        self.report(0..self.facts.bytes, Vec::new(), what, DamageKind::Foreign);
        Ok(false)
    }

    /// The footer, when it is sound; the chunks end where it begins.
    fn find_footer(&mut self) -> io::Result<()> {
        let Some(at) = self.facts.bytes.checked_sub(TRAILER_BYTES as u64) else { return Ok(()) };
        let Some(trailer) = Trailer::decode(&self.scan.bytes(at, TRAILER_BYTES)?, self.file_id) else { return Ok(()) };
        let Some(from) = at.checked_sub(u64::from(trailer.footer_len)) else { return Ok(()) };
        self.footer = Index::decode(&trailer, &self.scan.bytes(from, trailer.footer_len as usize)?);
        if let Some(index) = &self.footer {
            (self.end, self.facts.sealed) = (from, true);
            self.facts.numbers = index.chunks.0..index.chunks.1;
            let empty = index.spans().filter(|(_, span)| span.places.is_empty());
            let goes_on = |span: &Span| vec![Stretch { positions: span.next..span.next, offsets: 0..0 }];
            self.facts.stretches = empty.map(|(shard, span)| (shard, goes_on(span))).collect();
        }
        Ok(())
    }

    fn any_file_id(&mut self) -> io::Result<u64> {
        let mut at = file::HEADER_BYTES as u64;
        while at < self.facts.bytes {
            if let Some(header) = ChunkHeader::decode(&self.scan.bytes(at, HEADER_BYTES)?) {
                return Ok(header.file_id);
            }
            at += STEP_BYTES as u64;
        }
        Ok(0)
    }

    fn chunks(&mut self, visit: &mut dyn FnMut(Record)) -> io::Result<()> {
        let mut at = file::HEADER_BYTES as u64;
        let mut hole = at;
        let mut places = self.places();
        while at < self.end {
            let header = ChunkHeader::decode(&self.scan.bytes(at, HEADER_BYTES)?)
                .filter(|header| header.file_id == self.file_id);
            let place = places.remove(&at);
            let found = match (header, place) {
                (Some(header), _) => Found::of(&header),
                (None, Some((shard, place))) => {
                    let what = "the header of a chunk".to_owned();
                    self.report(at..at + HEADER_BYTES as u64, Vec::new(), what, DamageKind::Frame(Part::Chunk));
                    Found::at(shard, &place)
                }
                (None, None) => {
                    at += STEP_BYTES as u64;
                    continue;
                }
            };
            self.hole(hole..at);
            self.chunk(at, found, visit)?;
            at += HEADER_BYTES as u64 + u64::from(found.body_len);
            hole = at;
            self.facts.end = at.min(self.facts.bytes);
        }
        if self.footer.is_some() {
            self.hole(hole..self.end);
        }
        Ok(())
    }

    fn places(&self) -> BTreeMap<u64, (u32, Place)> {
        let all = self.footer.iter().flat_map(Index::all_places);
        all.map(|(shard, place)| (place.offset, (shard, place))).collect()
    }

    fn hole(&mut self, offsets: Range<u64>) {
        if !offsets.is_empty() {
            self.report(offsets, Vec::new(), "no chunk can be found here".to_owned(), DamageKind::Hole);
        }
    }

    /// Reads the records of a chunk.
    fn chunk(&mut self, offset: u64, found: Found, visit: &mut dyn FnMut(Record)) -> io::Result<()> {
        let start = offset + HEADER_BYTES as u64;
        let end = start + u64::from(found.body_len);
        let body = self.scan.bytes(start, found.body_len as usize)?;
        let mut entries = Entries::of(body, found.first, found.count);
        let mut lost = Vec::new();
        loop {
            let at = start + entries.at();
            match entries.next() {
                Some(Ok(entry)) => {
                    self.facts.records += 1;
                    visit(Record { shard: found.shard, offset: at, entry });
                }
                Some(Err(positions)) => lose(&mut lost, at..start + entries.at(), positions),
                None => break,
            }
        }
        self.facts.chunks += 1;
        for (offsets, positions) in lost {
            let records = vec![LostRecords { shard: found.shard, first: positions.start, last: positions.end - 1 }];
            let offsets = offsets.start.min(self.facts.bytes)..offsets.end.min(self.facts.bytes);
            self.report(offsets, records, "records cannot be read".to_owned(), DamageKind::Records);
        }
        self.note(&found, offset..end.min(self.facts.bytes));
        Ok(())
    }

    /// Remembers where the chunk belongs.
    fn note(&mut self, found: &Found, offsets: Range<u64>) {
        let positions = found.first..found.first + u64::from(found.count);
        let known = self.facts.stretches.entry(found.shard).or_default();
        match known.last_mut() {
            Some(last) if last.positions.end == positions.start => {
                (last.positions.end, last.offsets.end) = (positions.end, offsets.end);
            }
            _ => known.push(Stretch { positions, offsets }),
        }
        if found.number > 0 && !self.facts.sealed {
            let numbers = &mut self.facts.numbers;
            *numbers = if numbers.is_empty() { found.number } else { numbers.start }..found.number + 1;
        }
    }

    fn report(&mut self, offsets: Range<u64>, records: Vec<LostRecords>, what: String, kind: DamageKind) {
        self.facts.damage.push(Damage { offsets, records, what, kind });
    }
}

/// Adds to what is lost, to the last stretch of it when this goes on there.
fn lose(lost: &mut Vec<(Range<u64>, Range<u64>)>, offsets: Range<u64>, positions: Range<u64>) {
    match lost.last_mut() {
        Some(last) if last.1.end == positions.start => (last.0.end, last.1.end) = (offsets.end, positions.end),
        _ => lost.push((offsets, positions)),
    }
}

/// What is known of a chunk.
#[derive(Clone, Copy)]
struct Found {
    /// Zero: only its header told.
    number: u64,
    shard: u32,
    first: u64,
    count: u32,
    body_len: u32,
}

impl Found {
    fn of(header: &ChunkHeader) -> Self {
        let &ChunkHeader { number, shard, first, count, body_len, .. } = header;
        Self { number, shard, first, count, body_len }
    }

    fn at(shard: u32, place: &Place) -> Self {
        let &Place { first, count, len, .. } = place;
        Self { number: 0, shard, first, count, body_len: len }
    }
}
