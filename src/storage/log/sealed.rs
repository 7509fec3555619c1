//! A segment that nobody writes to any more: its frame table and its memory map, made when first needed.
//!
//! A file is never reused while a slice of its map lives: `retire` says whether one does.

use super::{
    block::{BLOCK_HEADER_BYTES, BlockHeader},
    cold::Open,
    frame::{self, Depth},
    heads,
    layout::PAGE_BYTES,
    scan::{Found, Scan},
    segment::{SEGMENT_HEADER_BYTES, SegmentHeader, segment_path, table_path},
    table::Table,
};
use crate::{
    base::{
        id::{Lsn, PartitionId},
        limits::BLOCK_BODY_BYTES,
    },
    storage::io::{Io, IoFile, Map, MapWatch},
};
use bytes::Bytes;
use std::{
    io,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Each partition with its last LSN before the segment and its last in it, sorted by partition.
pub(super) type Ranges = Arc<[(PartitionId, Lsn, Lsn)]>;

pub(super) struct Sealed {
    pub(super) seq: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    retired: bool,
    ranges: Option<Ranges>,
    table: Option<Arc<Table>>,
    map: Option<Map>,
    /// Alive as long as any slice of the map.
    mapped: MapWatch,
    /// The last block that counts, when this process knows it.
    last_block_seq: Option<u64>,
}

fn ranges_of(table: &Table) -> Ranges {
    table.ranges().collect()
}

impl Sealed {
    /// A segment of which only the name is known.
    pub(super) fn unknown(seq: u64) -> Self {
        Self { seq, state: Mutex::default() }
    }

    pub(super) fn with_table(seq: u64, table: &Arc<Table>, last_block_seq: u64) -> Self {
        let state = State {
            ranges: Some(ranges_of(table)),
            table: Some(Arc::clone(table)),
            last_block_seq: Some(last_block_seq),
            ..State::default()
        };
        Self { seq, state: Mutex::new(state) }
    }

    /// As [`Sealed::with_table`], but the table itself is made again when needed.
    pub(super) fn with_ranges(seq: u64, table: &Table, last_block_seq: u64) -> Self {
        let ranges = Some(ranges_of(table));
        Self { seq, state: Mutex::new(State { ranges, last_block_seq: Some(last_block_seq), ..State::default() }) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn ranges(&self, io: &dyn Io, dir: &Path) -> io::Result<Ranges> {
        let mut state = self.lock();
        if let Some(ranges) = &state.ranges {
            return Ok(Arc::clone(ranges));
        }
        self.load_table(&mut state, io, dir)?;
        // A search passes through many segments; only the one that is read keeps its table.
        state.table = None;
        Ok(state.ranges.clone().unwrap_or_else(|| Arc::from([])))
    }

    /// The last block that counts, when this process knows it.
    pub(super) fn last_block_seq(&self) -> Option<u64> {
        self.lock().last_block_seq
    }

    /// Where the frames stand, for a single look.
    pub(super) fn table(&self, io: &dyn Io, dir: &Path) -> io::Result<Arc<Table>> {
        let mut state = self.lock();
        let was_loaded = state.table.is_some();
        let table = self.load_table(&mut state, io, dir);
        if !was_loaded {
            state.table = None;
        }
        table
    }

    fn load_table(&self, state: &mut State, io: &dyn Io, dir: &Path) -> io::Result<Arc<Table>> {
        if let Some(table) = &state.table {
            return Ok(Arc::clone(table));
        }
        let known = state.ranges.clone().unwrap_or_else(|| Arc::from([]));
        let table = Arc::new(load(io, dir, self.seq, state.last_block_seq, &known)?);
        state.ranges = Some(ranges_of(&table));
        state.table = Some(Arc::clone(&table));
        Ok(table)
    }

    /// Where the frames stand, and the whole file. None when the segment has been retired.
    pub(super) fn open(&self, io: &dyn Io, dir: &Path) -> io::Result<Option<Open>> {
        let mut state = self.lock();
        if state.retired {
            return Ok(None);
        }
        let table = self.load_table(&mut state, io, dir)?;
        let map = match state.map.take().or_else(|| state.mapped.map()) {
            Some(map) => map,
            None => io.open_read(&segment_path(dir, self.seq))?.map()?,
        };
        state.mapped = map.watch();
        state.map = Some(map.clone());
        Ok(Some(Open { table, map }))
    }

    /// As [`Sealed::open`] when nothing has to be read for it, and nobody waited for.
    pub(super) fn at_hand(&self) -> Option<Open> {
        let state = self.state.try_lock().ok()?;
        Some(Open { table: Arc::clone(state.table.as_ref()?), map: state.map.clone()? })
    }

    /// Lets go of the map and the table; readers' slices stay good.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.map = None;
        state.table = None;
    }

    /// No map is made from here on. True when no slice of an earlier one lives, so that the file may be reused.
    pub(super) fn retire(&self) -> bool {
        let mut state = self.lock();
        state.retired = true;
        state.map = None;
        state.table = None;
        !state.mapped.is_alive()
    }
}

/// The table from the side file, or from the segment itself.
fn load(
    io: &dyn Io,
    dir: &Path,
    seq: u64,
    last_block_seq: Option<u64>,
    known: &[(PartitionId, Lsn, Lsn)],
) -> io::Result<Table> {
    let file = io.open_read(&segment_path(dir, seq))?;
    let header = read_header(&*file);
    if let Some(header) = header
        && let Ok(side) = io.open_read(&table_path(dir, seq))
        && let Some(table) = read_table(&*side, file.len()?, seq, header.file_id)
    {
        return Ok(table);
    }
    let last_block_seq = match last_block_seq {
        Some(known) => known,
        None => end_by_successor(io, dir, seq)?,
    };
    let mut table = Table::default();
    // Where each partition stood, in case the block that says so is damaged.
    known.iter().for_each(|(partition, before, _)| table.skip_to(*partition, *before));
    rebuild(file, seq, header.map(|header| header.file_id), last_block_seq, table)
}

pub(super) fn read_header(file: &dyn IoFile) -> Option<SegmentHeader> {
    let mut bytes = vec![0; SEGMENT_HEADER_BYTES];
    let read = file.read_at(&mut bytes, 0).ok()?;
    SegmentHeader::decode(bytes.get(..read)?).ok()
}

fn read_table(side: &dyn IoFile, segment_len: u64, seq: u64, file_id: u64) -> Option<Table> {
    let len = side.len().ok()?;
    // A table is far smaller than its segment; anything else is not one.
    if len > segment_len.max(PAGE_BYTES as u64) {
        return None;
    }
    let mut bytes = vec![0; len as usize];
    let read = side.read_at(&mut bytes, 0).ok()?;
    Table::decode(bytes.get(..read)?, seq, file_id)
}

/// Where the next segment's header says that this one ended.
fn end_by_successor(io: &dyn Io, dir: &Path, seq: u64) -> io::Result<u64> {
    let names = io.list_dir(dir)?;
    let later = names.iter().filter_map(|entry| super::segment::seq_of_name(&entry.name, "wal"));
    for next in later.filter(|next| *next > seq) {
        let header = io.open_read(&segment_path(dir, next)).ok().and_then(|file| read_header(&*file));
        if let Some(header) = header.filter(|header| header.active && header.prev.seq == seq) {
            return Ok(header.prev.last_block_seq);
        }
    }
    Ok(u64::MAX)
}

/// Fills the table by a walk over the blocks, passing over what is damaged.
fn rebuild(
    file: Arc<dyn IoFile>,
    seq: u64,
    file_id: Option<u64>,
    last_block_seq: u64,
    mut table: Table,
) -> io::Result<Table> {
    let mut scan = Scan::new(file, file_id.unwrap_or_default())?;
    if file_id.is_none() {
        let Some(found) = scan.guess_file_id(seq, 0)? else { return Ok(table) };
        scan.file_id = found;
    }
    let (mut at, mut expected) = (SEGMENT_HEADER_BYTES as u64, 0);
    loop {
        let in_range = |header: &BlockHeader| header.block_seq >= expected && header.block_seq <= last_block_seq;
        let next = scan.look_ahead(at, in_range)?;
        let (next_at, next_seq) = next.map_or((scan.len, u64::MAX), |(at, header)| (at, header.block_seq));
        if next_at > at && expected <= last_block_seq {
            let lost = next_seq.min(last_block_seq.saturating_add(1)).saturating_sub(expected);
            add_from_hole(&mut scan, at, next_at, lost, &mut table)?;
        }
        let Some((found_at, header)) = next else { return Ok(table) };
        at = found_at + header.total_len() as u64;
        expected = header.block_seq + 1;
        let (body, is_sound) = match scan.at(found_at)? {
            Found::Block(_, body) => (body, true),
            Found::BadBody(_, body) => (body, false),
            Found::Nothing(_) => continue,
        };
        if header.is_data() {
            for (offset, frame) in salvage(&body, Depth::Outline) {
                table.push(frame.header.partition, frame.header.lsn, found_at + offset);
            }
        } else if let Some(heads) = heads::decode(&body).filter(|_| is_sound) {
            heads.iter().for_each(|(partition, head)| table.skip_to(*partition, head.lsn));
        }
    }
}

/// The sound frames of a block whose header is not: the same ones that recovery keeps.
fn add_from_hole(scan: &mut Scan, at: u64, end: u64, lost: u64, table: &mut Table) -> io::Result<()> {
    let body_at = at + BLOCK_HEADER_BYTES as u64;
    let len = (end.saturating_sub(body_at) as usize).min(BLOCK_BODY_BYTES - BLOCK_HEADER_BYTES);
    let body = scan.bytes(body_at, len)?;
    for (offset, frame) in salvage(&body, Depth::Full) {
        let (partition, lsn) = (frame.header.partition, frame.header.lsn);
        let known = table.last(partition).0;
        if lsn.0 > known && lsn.0 - known <= lost {
            table.push(partition, lsn, at + offset);
        }
    }
    Ok(())
}

/// The frames of a block's body that can be read, each with its offset from the start of the block.
pub(super) fn salvage(body: &Bytes, depth: Depth) -> Vec<(u64, frame::SealedFrame)> {
    let (mut at, mut frames) = (0, Vec::new());
    while at < body.len() {
        let rest = body.slice(at..);
        let Ok(header) = frame::FrameHeader::read(&rest) else { break };
        if let Ok(frame) = frame::open(&rest, depth) {
            frames.push(((BLOCK_HEADER_BYTES + at) as u64, frame));
        }
        at += header.frame_len();
    }
    frames
}
