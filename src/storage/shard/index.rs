//! Where the chunks of a segment stand, by shard; at the end of a segment it is the footer.
//!
//! A footer names every shard that the partition knew when it was written, also those without a record in the segment: a
//! search for a position over the segments then has an answer in each of them.

use super::chunk::ChunkHeader;
use crate::storage::fixed::{Fields, Record, crc_matches};
use std::collections::BTreeMap;

pub(super) const TRAILER_BYTES: usize = 64;
const TRAILER_MAGIC: [u8; 8] = *b"FOREBAYF";
const CRC_AT: usize = 60;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Index {
    shards: BTreeMap<u32, Span>,
    /// Of all records; zero and zero when there are none.
    pub(super) first_ms: u64,
    pub(super) last_ms: u64,
    /// The numbers of its chunks: from, and the one behind the last.
    pub(super) chunks: (u64, u64),
}

/// What a segment has of a shard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    /// The first position, and the one behind the last.
    pub(super) first: u64,
    pub(super) next: u64,
    /// In order.
    pub(super) places: Vec<Place>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) first: u64,
    pub(super) first_ms: u64,
    pub(super) offset: u64,
    /// Of the body.
    pub(super) len: u32,
    pub(super) count: u32,
}

impl Span {
    /// The chunks from the one that holds `from` on.
    pub(super) fn places_from(&self, from: u64) -> &[Place] {
        let start = self.places.partition_point(|place| place.first <= from).saturating_sub(1);
        self.places.get(start..).unwrap_or_default()
    }

    /// The same, with the chunks from `from` on only.
    pub(super) fn from(&self, from: u64) -> Self {
        Self { first: self.first, next: self.next, places: self.places_from(from).to_vec() }
    }

    /// Where the last chunk begins that has a record older than `time_ms`.
    pub(super) fn chunk_before(&self, time_ms: u64) -> u64 {
        let at = self.places.partition_point(|place| place.first_ms < time_ms).saturating_sub(1);
        self.places.get(at).map_or(self.first, |place| place.first)
    }
}

impl Index {
    /// Knows of shards that have nothing here yet: where each goes on.
    pub(super) fn knowing(nexts: impl IntoIterator<Item = (u32, u64)>, chunk: u64) -> Self {
        let empty = |(shard, next)| (shard, Span { first: next, next, places: Vec::new() });
        Self { shards: nexts.into_iter().map(empty).collect(), chunks: (chunk, chunk), ..Self::default() }
    }

    pub(super) fn add(&mut self, header: &ChunkHeader, offset: u64) {
        let span = self.shards.entry(header.shard).or_default();
        if span.places.is_empty() {
            span.first = header.first;
        }
        span.next = header.first + u64::from(header.count);
        span.places.push(Place {
            first: header.first,
            first_ms: header.first_ms,
            offset,
            len: header.body_len,
            count: header.count,
        });
        if self.chunks.0 == self.chunks.1 {
            (self.first_ms, self.chunks.0) = (header.first_ms, header.number);
        }
        self.last_ms = self.last_ms.max(header.last_ms);
        self.chunks.1 = header.number + 1;
    }

    /// Adds shards that only an older index knows.
    pub(super) fn inherit(&mut self, older: &Self) {
        for (shard, span) in &older.shards {
            let nothing = || Span { first: span.next, next: span.next, places: Vec::new() };
            self.shards.entry(*shard).or_insert_with(nothing);
        }
    }

    pub(super) fn forget(&mut self, shard: u32) {
        if self.shards.get(&shard).is_some_and(|span| span.places.is_empty()) {
            self.shards.remove(&shard);
        }
    }

    pub(super) fn span(&self, shard: u32) -> Option<&Span> {
        self.shards.get(&shard)
    }

    pub(super) fn spans(&self) -> impl Iterator<Item = (u32, &Span)> {
        self.shards.iter().map(|(shard, span)| (*shard, span))
    }

    /// The chunks of all shards, shard by shard.
    pub(super) fn all_places(&self) -> impl Iterator<Item = (u32, Place)> {
        self.shards.iter().flat_map(|(shard, span)| span.places.iter().map(|place| (*shard, *place)))
    }

    pub(super) fn nexts(&self) -> impl Iterator<Item = (u32, u64)> {
        self.shards.iter().map(|(shard, span)| (*shard, span.next))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.chunks.0 == self.chunks.1
    }

    /// Footer and trailer. A shard: `shard u32 | places u32 | first u64 | next u64`, then its places: `first u64 |
    /// first_ms u64 | offset u64 | len u32 | count u32`. The trailer: `magic [8] | file_id u64 | first_chunk u64 |
    /// next_chunk u64 | first_ms u64 | last_ms u64 | footer_len u32 | footer_crc u32 | shards u32 | trailer_crc u32`.
    pub(super) fn encode(&self, file_id: u64) -> Vec<u8> {
        let mut footer = Record::default();
        for (shard, span) in &self.shards {
            footer = footer.u32(*shard).u32(span.places.len() as u32).u64(span.first).u64(span.next);
            for place in &span.places {
                footer = footer.u64(place.first).u64(place.first_ms).u64(place.offset).u32(place.len).u32(place.count);
            }
        }
        let footer = footer.into_bytes();
        let trailer = Record::with_capacity(TRAILER_BYTES)
            .bytes(&TRAILER_MAGIC)
            .u64(file_id)
            .u64(self.chunks.0)
            .u64(self.chunks.1)
            .u64(self.first_ms)
            .u64(self.last_ms)
            .u32(footer.len() as u32)
            .u32(crc32fast::hash(&footer))
            .u32(self.shards.len() as u32)
            .zeroes_to(TRAILER_BYTES)
            .sealed(CRC_AT);
        [footer, trailer].concat()
    }

    /// Reads what the trailer says about the footer before it.
    pub(super) fn decode(trailer: &Trailer, footer: &[u8]) -> Option<Self> {
        if footer.len() != trailer.footer_len as usize || crc32fast::hash(footer) != trailer.footer_crc {
            return None;
        }
        let mut fields = Fields::new(footer);
        let mut index = trailer.index.clone();
        for _ in 0..trailer.shards {
            let (shard, places) = (fields.u32()?, fields.u32()?);
            let mut span = Span { first: fields.u64()?, next: fields.u64()?, places: Vec::new() };
            for _ in 0..places {
                span.places.push(Place {
                    first: fields.u64()?,
                    first_ms: fields.u64()?,
                    offset: fields.u64()?,
                    len: fields.u32()?,
                    count: fields.u32()?,
                });
            }
            index.shards.insert(shard, span);
        }
        fields.rest().is_empty().then_some(index)
    }
}

pub(super) struct Trailer {
    pub(super) footer_len: u32,
    footer_crc: u32,
    shards: u32,
    /// All of the index but its shards.
    index: Index,
}

impl Trailer {
    /// Of the newest record.
    pub(super) fn last_ms(&self) -> u64 {
        self.index.last_ms
    }

    /// None: these are not the last bytes of that file.
    pub(super) fn decode(bytes: &[u8], file_id: u64) -> Option<Self> {
        let mut fields = Fields::new(bytes);
        let is_ours = bytes.len() == TRAILER_BYTES && crc_matches(bytes, CRC_AT);
        if !is_ours || fields.array() != Some(TRAILER_MAGIC) || fields.u64() != Some(file_id) {
            return None;
        }
        let chunks = (fields.u64()?, fields.u64()?);
        let index = Index { chunks, first_ms: fields.u64()?, last_ms: fields.u64()?, ..Index::default() };
        Some(Self { footer_len: fields.u32()?, footer_crc: fields.u32()?, shards: fields.u32()?, index })
    }
}
