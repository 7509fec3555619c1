//! The one writer of the files of a partition's shards.

use super::{
    Owner, SegmentRule,
    chunk::{self, ChunkHeader},
    file::{self, FileHeader, Whose, stream_dir},
    index::{Index, TRAILER_BYTES, Trailer},
    reader::{Active, Files, ShardReader},
    recover::{Recovered, Stranger, map, recover},
};
use crate::{
    base::entropy::Entropy,
    storage::io::{Io, IoFile},
};
use bytes::Bytes;
use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// A run of records of one shard.
#[derive(Clone, Copy, Debug)]
pub struct NewChunk<'a> {
    pub shard: u32,
    /// The position of the first record; the others follow without gaps.
    pub first: u64,
    pub first_ms: u64,
    pub last_ms: u64,
    /// Entries as a frame of the log has them, whose numbers are the positions.
    pub entries: &'a [Bytes],
}

pub struct ShardWriter {
    io: Arc<dyn Io>,
    data_dir: PathBuf,
    dir: PathBuf,
    owner: Owner,
    rule: SegmentRule,
    entropy: Box<dyn Entropy>,
    reader: Arc<ShardReader>,
    next_file: u64,
    next_chunk: u64,
    /// The highest number known to be synced; also what no chunk has yet.
    durable: u64,
    nexts: BTreeMap<u32, u64>,
    is_dir_synced: bool,
    buffer: Vec<u8>,
    /// The segment that this writer made the file of, finished or not.
    made: Option<u64>,
    /// Met since they were asked for.
    strangers: Vec<Stranger>,
}

/// Opens the files of a stream, making its directory where there is none; its name is the caller's to make durable.
///
/// # Errors
///
/// The files cannot be read, or the end of the newest not be put right. Damage is no error: see [`Recovered`].
pub fn open(
    io: Arc<dyn Io>,
    data_dir: &Path,
    owner: Owner,
    rule: SegmentRule,
    entropy: Box<dyn Entropy>,
) -> io::Result<(ShardWriter, Recovered)> {
    let dir = stream_dir(data_dir, owner.stream);
    io.create_dir(&dir)?;
    let found = recover(&*io, data_dir, &owner)?;
    let next_file = found.sealed.last().map_or(1, |last| last + 1);
    let next_chunk = found.index.chunks.1.max(1);
    let files = Files { sealed: found.sealed.into(), active: None };
    let reader = Arc::new(ShardReader::new(io.clone(), dir.clone(), owner, files));
    let writer = ShardWriter {
        io,
        data_dir: data_dir.to_owned(),
        dir,
        owner,
        rule,
        entropy,
        reader,
        next_file,
        next_chunk,
        durable: next_chunk - 1,
        nexts: found.index.nexts().collect(),
        is_dir_synced: true,
        buffer: Vec::new(),
        made: None,
        strangers: Vec::new(),
    };
    Ok((writer, found.recovered))
}

impl ShardWriter {
    pub fn reader(&self) -> Arc<ShardReader> {
        self.reader.clone()
    }

    /// The position behind the shard's last record; none for a shard that has had none.
    pub fn next(&self, shard: u32) -> Option<u64> {
        self.nexts.get(&shard).copied()
    }

    /// Writes a chunk. Readers see it at once; it is durable after [`Self::sync`].
    ///
    /// # Errors
    ///
    /// The write failed and can be tried again, or the chunk is none: it does not go on where its shard ended, is empty, or
    /// too large.
    pub fn append(&mut self, chunk: &NewChunk<'_>) -> io::Result<()> {
        if self.next(chunk.shard).is_some_and(|next| chunk.first < next) || chunk.entries.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the chunk has nothing that goes on the shard"));
        }
        if self.has_enough(chunk.last_ms) {
            self.seal()?;
        }
        let active = self.active(chunk.first_ms)?;
        let body_len: usize = chunk.entries.iter().map(|entry| entry.len().next_multiple_of(8)).sum();
        if body_len > chunk::BODY_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the chunk is too large"));
        }
        let header = ChunkHeader {
            file_id: active.header.file_id,
            number: self.next_chunk,
            durable: self.durable,
            shard: chunk.shard,
            count: chunk.entries.len() as u32,
            first: chunk.first,
            first_ms: chunk.first_ms,
            last_ms: chunk.last_ms,
            body_len: body_len as u32,
        };
        self.buffer.clear();
        self.buffer.extend_from_slice(&header.encode());
        chunk::join(chunk.entries, &mut self.buffer);
        active.file.write_at(&self.buffer, active.len)?;
        self.next_chunk += 1;
        self.nexts.insert(chunk.shard, chunk.first + u64::from(header.count));
        self.reader.added(&header);
        Ok(())
    }

    fn has_enough(&self, last_ms: u64) -> bool {
        let age = u64::try_from(self.rule.age.as_millis()).unwrap_or(u64::MAX);
        self.reader
            .active(|active| active.len >= self.rule.bytes || last_ms.saturating_sub(active.header.created_ms) >= age)
            == Some(true)
    }

    /// The segment to write to, made if there is none.
    fn active(&mut self, now_ms: u64) -> io::Result<Target> {
        if let Some(target) = self.reader.active(Target::of) {
            return Ok(target);
        }
        let path = file::path(&self.dir, self.next_file);
        let file = self.create(&path)?;
        self.is_dir_synced = false;
        file.set_len(0)?;
        let mut id = [0; 8];
        self.entropy.fill(&mut id);
        let (owner, number) = (self.owner, self.next_file);
        let header = FileHeader { owner, number, file_id: u64::from_le_bytes(id).max(1), created_ms: now_ms };
        file.write_at(&header.encode(), 0)?;
        let nexts = self.nexts.iter().map(|(shard, next)| (*shard, *next));
        let index = Index::knowing(nexts, self.next_chunk);
        let active = Active { header, file, index, len: file::HEADER_BYTES as u64 };
        let target = Target::of(&active);
        self.next_file += 1;
        self.reader.began(active);
        Ok(target)
    }

    /// Makes the file of the next segment; what a try of this writer left of it is used.
    fn create(&mut self, path: &Path) -> io::Result<Arc<dyn IoFile>> {
        if self.made == Some(self.next_file) {
            return self.io.open(path);
        }
        let file = match self.io.create(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let what = "it was not there when the stream was opened".to_owned();
                self.strangers.push(Stranger::set_aside(&*self.io, &self.data_dir, path, what)?);
                self.io.create(path)?
            }
            created => created?,
        };
        self.made = Some(self.next_file);
        Ok(file)
    }

    /// The files that were in the way since this was asked before; they are safe.
    pub fn take_strangers(&mut self) -> Vec<Stranger> {
        std::mem::take(&mut self.strangers)
    }

    /// Makes everything appended so far durable.
    ///
    /// # Errors
    ///
    /// The sync failed: nothing may be assumed about what was appended since the last one, and trying again proves nothing.
    pub fn sync(&mut self) -> io::Result<()> {
        if self.durable + 1 < self.next_chunk
            && let Some(target) = self.reader.active(Target::of)
        {
            target.file.sync()?;
            if !self.is_dir_synced {
                self.io.fsync_dir(&self.dir)?;
                self.is_dir_synced = true;
            }
            self.durable = self.next_chunk - 1;
        }
        Ok(())
    }

    /// Ends the segment in use: the next chunk begins another one.
    ///
    /// # Errors
    ///
    /// As [`Self::sync`].
    pub fn seal(&mut self) -> io::Result<()> {
        // What has a trailer was synced before.
        self.sync()?;
        let footer = self.reader.active(|active| (active.index.encode(active.header.file_id), Target::of(active)));
        if let Some((footer, target)) = footer {
            // Synced before the next segment begins: whatever happens, only the newest one can lack it or have a part of it.
            target.file.write_at(&footer, target.len)?;
            target.file.sync()?;
            self.reader.sealed();
        }
        Ok(())
    }

    /// When the newest record of the oldest segment arrived; none without records.
    ///
    /// # Errors
    ///
    /// The segment cannot be read.
    pub fn oldest_ms(&self) -> io::Result<Option<u64>> {
        match self.reader.oldest_sealed() {
            Some(number) => self.last_ms(&file::path(&self.dir, number), number).map(Some),
            None => Ok(self.reader.active(|active| active.index.last_ms)),
        }
    }

    /// Takes away the segments whose newest record is older than `before_ms`; says how many went.
    ///
    /// # Errors
    ///
    /// A segment could not be ended, read or taken away; those before it are gone.
    pub fn trim(&mut self, before_ms: u64) -> io::Result<usize> {
        if self.reader.active(|active| active.index.last_ms < before_ms) == Some(true) {
            self.seal()?;
        }
        let mut gone = 0;
        while let Some(number) = self.reader.oldest_sealed() {
            let path = file::path(&self.dir, number);
            if self.last_ms(&path, number)? >= before_ms {
                break;
            }
            self.reader.trimmed();
            self.retire(number, &path)?;
            gone += 1;
        }
        if gone > 0 {
            self.io.fsync_dir(&self.dir)?;
        }
        Ok(gone)
    }

    /// Unlinks a segment; a file that is none of this owner's is not known to be too old.
    fn retire(&mut self, number: u64, path: &Path) -> io::Result<()> {
        match Whose::of(&map(&*self.io.open_read(path)?)?, &self.owner, number) {
            Whose::Ours(_) | Whose::Nobodys => self.io.unlink(path)?,
            Whose::Others(what) => {
                self.strangers.push(Stranger::set_aside(&*self.io, &self.data_dir, path, what)?);
            }
        }
        Ok(())
    }

    fn last_ms(&self, path: &Path, number: u64) -> io::Result<u64> {
        let file = self.io.open_read(path)?;
        let (mut header, mut trailer) = (vec![0; file::HEADER_BYTES], vec![0; TRAILER_BYTES]);
        let read = file.read_at(&mut header, 0)?;
        let at = file.len()?.saturating_sub(TRAILER_BYTES as u64);
        let trailer_read = file.read_at(&mut trailer, at)?;
        let header = header.get(..read).and_then(|bytes| FileHeader::decode(bytes).ok());
        let trailer = header.zip(trailer.get(..trailer_read));
        match trailer.and_then(|(header, bytes)| Trailer::decode(bytes, header.file_id)) {
            Some(trailer) => Ok(trailer.last_ms()),
            None => Ok(self.reader.segment(number)?.index.last_ms),
        }
    }

    /// A shard that will get no record any more and whose last one was trimmed.
    pub fn forget(&mut self, shard: u32) {
        self.nexts.remove(&shard);
        self.reader.forgot(shard);
    }
}

/// Where the next chunk goes.
struct Target {
    header: FileHeader,
    file: Arc<dyn IoFile>,
    len: u64,
}

impl Target {
    fn of(active: &Active) -> Self {
        Self { header: active.header, file: active.file.clone(), len: active.len }
    }
}
