//! Writes again what stands around the records of a segment. No byte of a record is touched.

use super::{
    chunk::ChunkHeader,
    examine::Part,
    file::{FileHeader, Whose},
    index::{Index, Place},
    recover::{from_chunks, from_footer, map},
    survey::StreamFiles,
};
use crate::base::id::PartitionId;
use bytes::Bytes;
use std::io;

/// What is to be written again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mend {
    pub stream: u64,
    pub number: u64,
    pub partition: PartitionId,
    pub part: Part,
    /// Where the part begins.
    pub offset: u64,
}

impl StreamFiles<'_> {
    /// Writes a part of a segment again. What stood there is the caller's to keep.
    ///
    /// # Errors
    ///
    /// The file cannot be read or written; `InvalidData`: what is left of it does not say what to write.
    pub fn mend(&self, mend: &Mend) -> io::Result<()> {
        let bytes = self.contents(mend.number)?;
        let id = self.file_id(&bytes, mend.number, mend.partition).ok_or(io::ErrorKind::InvalidData)?;
        let part = match mend.part {
            Part::Header => self.header(&bytes, mend, id),
            Part::Chunk => chunk_header(&bytes, mend.offset, id).ok_or(io::ErrorKind::InvalidData)?.encode(),
            Part::Footer => self.footer(&bytes, mend, id)?.encode(id),
        };
        let file = self.io.open(&self.path(mend.number))?;
        if mend.part == Part::Footer {
            file.set_len(mend.offset)?;
        }
        file.write_at(&part, mend.offset)?;
        file.sync()
    }

    fn header(&self, bytes: &Bytes, mend: &Mend, file_id: u64) -> Vec<u8> {
        let index = from_footer(bytes, file_id).unwrap_or_else(|| from_chunks(bytes, file_id));
        let owner = self.owner(mend.partition);
        FileHeader { owner, number: mend.number, file_id, created_ms: index.first_ms }.encode()
    }

    /// With the shards that only the segment before knows.
    fn footer(&self, bytes: &Bytes, mend: &Mend, file_id: u64) -> io::Result<Index> {
        let mut index = from_chunks(bytes, file_id);
        if let Some(before) = self.numbers()?.into_iter().rfind(|known| *known < mend.number) {
            let bytes = self.contents(before)?;
            if let Some(id) = self.file_id(&bytes, before, mend.partition) {
                index.inherit(&from_footer(&bytes, id).unwrap_or_else(|| from_chunks(&bytes, id)));
            }
        }
        Ok(index)
    }

    fn file_id(&self, bytes: &Bytes, number: u64, partition: PartitionId) -> Option<u64> {
        Whose::of(bytes, &self.owner(partition), number).file_id()
    }

    fn contents(&self, number: u64) -> io::Result<Bytes> {
        Ok(map(&*self.io.open_read(&self.path(number))?)?.whole().clone())
    }
}

/// The header of the chunk that the footer says stands at `offset`. A sealed segment was synced whole, so that all of its
/// chunks were durable before this could be lost.
fn chunk_header(bytes: &Bytes, offset: u64, file_id: u64) -> Option<ChunkHeader> {
    let index = from_footer(bytes, file_id)?;
    let mut places: Vec<(u32, Place)> = index.all_places().collect();
    places.sort_unstable_by_key(|(_, place)| place.offset);
    let at = places.iter().position(|(_, place)| place.offset == offset)?;
    let &(shard, Place { first, first_ms, len, count, .. }) = places.get(at)?;
    let (number, durable) = (index.chunks.0 + at as u64, index.chunks.1 - 1);
    // The footer knows the newest record of the whole segment only: with it nothing is taken for too old.
    let last_ms = index.last_ms;
    Some(ChunkHeader { file_id, number, durable, shard, count, first, first_ms, last_ms, body_len: len })
}
