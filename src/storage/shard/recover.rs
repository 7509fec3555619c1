//! What the files of a partition's shards hold, and a sound end for them.
//!
//! Segments with a trailer were synced whole. Behind the last of them, chunks count as long as they follow each other by
//! number and, past the last one known to be synced, are sound; the rest is torn and goes. A chunk that was known to be
//! synced and is not there is damage: it is reported and nothing else is touched. A file that is another one than its name
//! says is moved to where nothing is lost, and reported.

use super::{
    Owner,
    chunk::{self, ChunkHeader, HEADER_BYTES, is_sound},
    file::{self, Whose, number_of, stream_dir},
    index::{Index, TRAILER_BYTES, Trailer},
};
use crate::storage::{
    aside::set_aside,
    io::{Io, IoFile, Map},
};
use bytes::Bytes;
use std::{
    fmt, io,
    path::{Path, PathBuf},
};

/// Chunks that were synced and cannot be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostChunks {
    /// Where the next sound one stands, or the last one did.
    pub path: PathBuf,
    pub from: u64,
    /// The one behind the last.
    pub to: u64,
}

impl fmt::Display for LostChunks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "chunks {} to {} before the end of {}", self.from, self.to - 1, self.path.display())
    }
}

/// A file that stood under the name of a segment and is none of this owner's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stranger {
    pub path: PathBuf,
    /// Where it is now.
    pub kept: PathBuf,
    pub what: String,
}

impl Stranger {
    /// Makes way for the owner's own file of that name.
    pub(super) fn set_aside(io: &dyn Io, data_dir: &Path, path: &Path, what: String) -> io::Result<Self> {
        match set_aside(io, data_dir, path) {
            Ok(kept) => Ok(Self { path: path.to_owned(), kept, what }),
            Err(error) => Err(io::Error::new(error.source.kind(), error)),
        }
    }
}

impl fmt::Display for Stranger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, kept, what } = self;
        write!(f, "{} is no segment of this stream: {what}; it was moved to {}", path.display(), kept.display())
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    pub lost: Vec<LostChunks>,
    pub strangers: Vec<Stranger>,
    /// Of chunks that were never synced, or not whole.
    pub dropped_bytes: u64,
}

/// What a start goes on from.
pub(super) struct Found {
    /// All numbers of segments, rising.
    pub(super) sealed: Vec<u64>,
    /// Of the newest segment.
    pub(super) index: Index,
    pub(super) recovered: Recovered,
}

/// A segment without a trailer, read.
struct Tail {
    number: u64,
    path: PathBuf,
    file_id: u64,
    len: u64,
    /// In the order of the file, each with its offset and whether its records are sound.
    chunks: Vec<(u64, ChunkHeader, bool)>,
}

/// What a start makes of a segment without a trailer.
pub(super) struct SoundEnd {
    pub(super) number: u64,
    path: PathBuf,
    file_id: u64,
    /// Where the sound chunks end.
    pub(super) good: u64,
    /// Empty: nothing is left of the segment.
    pub(super) index: Index,
}

/// What a start finds, and what it is going to change.
pub(super) struct Plan {
    pub(super) found: Found,
    pub(super) ends: Vec<SoundEnd>,
    /// Files that are not the owner's, and what they are.
    pub(super) strangers: Vec<(PathBuf, String)>,
}

pub(super) fn recover(io: &dyn Io, data_dir: &Path, owner: &Owner) -> io::Result<Found> {
    let dir = stream_dir(data_dir, owner.stream);
    let Plan { mut found, ends, strangers } = plan(io, &dir, owner)?;
    for (path, what) in strangers {
        found.recovered.strangers.push(Stranger::set_aside(io, data_dir, &path, what)?);
    }
    for end in &ends {
        if end.index.is_empty() {
            io.unlink(&end.path)?;
            continue;
        }
        let file = io.open(&end.path)?;
        file.set_len(end.good)?;
        // Whoever finds the footer, even one that a killed process wrote, takes what is before it and the name as synced.
        file.sync()?;
        io.fsync_dir(&dir)?;
        file.write_at(&end.index.encode(end.file_id), end.good)?;
        file.sync()?;
    }
    if !ends.is_empty() {
        io.fsync_dir(&dir)?;
    }
    Ok(found)
}

/// Reads from the newest segment on back to one with a trailer; changes nothing.
pub(super) fn plan(io: &dyn Io, dir: &Path, owner: &Owner) -> io::Result<Plan> {
    let names = io.list_dir(dir)?;
    let mut sealed: Vec<u64> = names.iter().filter_map(|entry| number_of(&entry.name)).collect();
    let (mut tails, mut strangers, mut base) = (Vec::new(), Vec::new(), None);
    while let Some(&number) = sealed.last() {
        let path = file::path(dir, number);
        let bytes = fresh_bytes(io, &path)?;
        let whose = Whose::of(&bytes, owner, number);
        if let Some(index) = whose.file_id().and_then(|id| from_footer(&bytes, id)) {
            base = Some(index);
            break;
        }
        sealed.pop();
        match whose {
            Whose::Others(what) => strangers.push((path, what)),
            Whose::Ours(_) | Whose::Nobodys => tails.push(read_tail(path, number, bytes.whole(), whose.file_id())),
        }
    }
    tails.reverse();
    let mut found = Found { sealed, index: base.unwrap_or_default(), recovered: Recovered::default() };
    let ends = judge(dir, tails, &mut found);
    Ok(Plan { found, ends, strangers })
}

/// Adds to what was found what the segments without a trailer have.
fn judge(dir: &Path, tails: Vec<Tail>, found: &mut Found) -> Vec<SoundEnd> {
    let mut end = End::new(&found.index, &tails);
    let mut ends = Vec::new();
    for tail in tails {
        let mut index = Index::knowing(found.index.nexts(), end.expected);
        let good = end.accept(&tail, &mut index, &mut found.recovered);
        found.recovered.dropped_bytes += tail.len.saturating_sub(good);
        if !index.is_empty() {
            found.sealed.push(tail.number);
            found.index = index.clone();
        }
        ends.push(SoundEnd { number: tail.number, path: tail.path, file_id: tail.file_id, good, index });
    }
    end.finish(dir, &found.sealed, &mut found.recovered);
    ends
}

/// Where sound chunks end.
struct End {
    /// The number of the next chunk; the first one found tells it when nothing is known.
    expected: u64,
    is_known: bool,
    durable: u64,
    is_torn: bool,
}

impl End {
    fn new(base: &Index, tails: &[Tail]) -> Self {
        let headers = tails.iter().flat_map(|tail| &tail.chunks).map(|(_, header, _)| header);
        let durable = headers.map(|header| header.durable).chain([base.chunks.1.saturating_sub(1)]).max();
        Self {
            expected: base.chunks.1,
            is_known: !base.is_empty(),
            durable: durable.unwrap_or_default(),
            is_torn: false,
        }
    }

    /// Puts the chunks that count into `index`; says where the last of them ends.
    fn accept(&mut self, tail: &Tail, index: &mut Index, recovered: &mut Recovered) -> u64 {
        let mut good = file::HEADER_BYTES as u64;
        for (offset, header, is_sound) in &tail.chunks {
            if !self.is_known {
                // What was written between the last synced one and this one has to be there as well.
                (self.expected, self.is_known) = (header.durable + 1, true);
            }
            let is_gap = header.number != self.expected;
            self.is_torn |= is_gap && self.expected > self.durable || header.number > self.durable && !is_sound;
            // One that stands behind a newer one is a leftover.
            if self.is_torn || header.number < self.expected {
                break;
            }
            if is_gap {
                let (path, from, to) = (tail.path.clone(), self.expected, header.number);
                recovered.lost.push(LostChunks { path, from, to });
            }
            index.add(header, *offset);
            self.expected = header.number + 1;
            good = offset + header.len();
        }
        good.min(tail.len.next_multiple_of(8))
    }

    /// Reports what was synced and is not at the end.
    fn finish(&self, dir: &Path, sealed: &[u64], recovered: &mut Recovered) {
        if self.is_known && self.expected <= self.durable {
            let path = file::path(dir, sealed.last().copied().unwrap_or_default());
            recovered.lost.push(LostChunks { path, from: self.expected, to: self.durable + 1 });
        }
    }
}

/// The file as the device has it.
fn fresh_bytes(io: &dyn Io, path: &Path) -> io::Result<Map> {
    let file = io.open_read(path)?;
    file.drop_cache()?;
    map(&*file)
}

/// The whole file; one without a byte cannot be mapped.
pub(super) fn map(file: &dyn IoFile) -> io::Result<Map> {
    if file.is_empty()? { Ok(Map::of(Bytes::new())) } else { file.map() }
}

pub(super) fn from_footer(bytes: &[u8], file_id: u64) -> Option<Index> {
    let (rest, trailer) = bytes.split_last_chunk::<TRAILER_BYTES>()?;
    let trailer = Trailer::decode(trailer, file_id)?;
    let at = rest.len().checked_sub(trailer.footer_len as usize)?;
    Index::decode(&trailer, rest.get(at..)?)
}

/// An index of every chunk that can be found, for a sealed segment whose footer is damaged.
pub(super) fn from_chunks(bytes: &Bytes, file_id: u64) -> Index {
    let mut index = Index::default();
    let mut expected = 0;
    for (offset, header) in chunk::all(bytes, Some(file_id)) {
        if header.number >= expected {
            index.add(&header, offset);
            expected = header.number + 1;
        }
    }
    index
}

fn read_tail(path: PathBuf, number: u64, bytes: &Bytes, file_id: Option<u64>) -> Tail {
    let found = file_id.into_iter().flat_map(|id| chunk::all(bytes, Some(id)));
    let with_body = |(offset, header): (u64, ChunkHeader)| {
        let from = offset as usize + HEADER_BYTES;
        let to = from + header.body_len as usize;
        let sound = to <= bytes.len() && is_sound(&header, bytes.slice(from..to));
        (offset, header, sound)
    };
    Tail {
        number,
        path,
        file_id: file_id.unwrap_or_default(),
        len: bytes.len() as u64,
        chunks: found.map(with_body).collect(),
    }
}
