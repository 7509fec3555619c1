//! From the bytes of the segments to the frames that count, and the verdict on everything that does not.
//!
//! A place that should hold block E and does not is a torn tail when E is above every durable watermark there is, and
//! damage otherwise. A torn tail is left behind, damage is skipped and named; nothing is truncated or rewritten, so
//! that another run comes to the same verdict.

use super::{
    appender::{Continuation, head_after},
    block::{BLOCK_HEADER_BYTES, BlockHeader, flags},
    frame::{self, Depth, SealedFrame},
    heads::{self, Head, Heads},
    layout::PAGE_BYTES,
    options::ReplayFrom,
    report::{LostFrames, LostRange, OpenError, RecoveryReport, ReplayedFrame},
    scan::{Found, Scan},
    sealed::{Sealed, salvage},
    segment::{Predecessor, SEGMENT_HEADER_BYTES},
    survey::{FileState, SegmentFile, Survey, capacity, ends},
    table::Table,
};
use crate::{
    base::{
        id::{Lsn, PartitionId},
        limits::BLOCK_BODY_BYTES,
    },
    storage::io::Io,
};
use bytes::Bytes;
use std::{
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// Block sequences left out after an unclean end: more than one write can have held.
const BLOCK_SEQ_GAP: u64 = 16;

/// What the log goes on with.
pub(super) struct Recovered {
    pub(super) continuation: Continuation,
    pub(super) next_segment_seq: u64,
    pub(super) sealed: Vec<Arc<Sealed>>,
    /// The newest segment, and from where on nothing of it says anything. None when damage leaves that open.
    pub(super) tail: Option<(u64, u64)>,
    /// Tables that have no side file yet.
    pub(super) tables: Vec<(u64, u64, Arc<Table>)>,
    /// Files that never held anything.
    pub(super) unused: Vec<u64>,
    /// Side files without a segment.
    pub(super) orphans: Vec<u64>,
    pub(super) report: RecoveryReport,
}

pub(super) fn recover(
    io: &dyn Io,
    dir: &Path,
    store_uuid: [u8; 16],
    from: &ReplayFrom,
    visit: &mut dyn FnMut(ReplayedFrame),
) -> Result<Recovered, OpenError> {
    let survey = Survey::of(io, dir, store_uuid, from)?;
    Replay::new(store_uuid, from, visit).run(survey)
}

/// Visits what stands in the segments below `end`, which nobody writes to any more, as [`recover`] does. Told to `stop`, it ends
/// after the segment it is at.
pub(super) fn visit_again(
    io: &dyn Io,
    dir: &Path,
    store_uuid: [u8; 16],
    from: &ReplayFrom,
    end: u64,
    stop: &AtomicBool,
    visit: &mut dyn FnMut(ReplayedFrame),
) -> Result<RecoveryReport, OpenError> {
    let mut survey = Survey::of(io, dir, store_uuid, from)?;
    survey.files.retain(|file| file.seq < end);
    let replay = Replay { stop: Some(stop), ..Replay::new(store_uuid, from, visit) };
    Ok(replay.run(survey)?.report)
}

struct Replay<'a> {
    store_uuid: [u8; 16],
    from: &'a ReplayFrom,
    visit: &'a mut dyn FnMut(ReplayedFrame),
    heads: Heads,
    /// A table of heads was seen, so that a partition not in `heads` is known to have had nothing.
    heads_known: bool,
    /// The block that comes next; 0 before the first segment.
    expected: u64,
    /// CRC of the header of the block before it, when that is known.
    prev_crc: Option<u32>,
    /// How long the segment file should be.
    capacity: u64,
    /// Highest block sequence seen in any header.
    seen_max: u64,
    /// Lost blocks since the last table of heads: each may have held one frame of any partition.
    unresolved: u64,
    last: Option<Predecessor>,
    /// A file that the checkpoint names and that is not there, by sequence and last block: lost, unless the checkpoint
    /// covers all that was in it.
    absent: Option<(u64, u64)>,
    tail: Option<(u64, u64)>,
    /// The last block said that its segment ends.
    sealed: bool,
    /// The last block said that the process ended on purpose.
    clean: bool,
    report: RecoveryReport,
    stop: Option<&'a AtomicBool>,
}

/// A place that should hold the expected block and does not.
struct Hole {
    at: u64,
    /// The next good header of a later block, if any.
    next: Option<(u64, u64)>,
    /// Highest durable watermark of the headers from here on.
    durable: u64,
    /// Where the last header-like thing from here on ends.
    extent: u64,
}

impl<'a> Replay<'a> {
    fn new(store_uuid: [u8; 16], from: &'a ReplayFrom, visit: &'a mut dyn FnMut(ReplayedFrame)) -> Self {
        Self {
            store_uuid,
            from,
            visit,
            heads: Heads::new(),
            heads_known: false,
            expected: 0,
            prev_crc: None,
            capacity: 0,
            seen_max: 0,
            unresolved: 0,
            last: None,
            absent: None,
            tail: None,
            sealed: false,
            clean: false,
            report: RecoveryReport::default(),
            stop: None,
        }
    }

    fn run(mut self, survey: Survey) -> Result<Recovered, OpenError> {
        let is_fresh = survey.seq_max == 0 && self.from.durable_seq == 0;
        let mut sealed: Vec<Arc<Sealed>> = survey.older.iter().map(|seq| Arc::new(Sealed::unknown(*seq))).collect();
        let (mut tables, mut unused) = (Vec::new(), Vec::new());
        let ends = ends(&survey.files);
        let capacity_max = survey.files.iter().filter_map(capacity).max().unwrap_or_default();
        let in_use = |file: &SegmentFile| matches!(file.state, FileState::Live(_) | FileState::Headless { .. });
        let last_in_use = survey.files.iter().rposition(in_use);
        for (index, file) in survey.files.iter().enumerate() {
            if self.stop.is_some_and(|stop| stop.load(Ordering::Relaxed)) {
                break;
            }
            let file_id = match &file.state {
                FileState::Unused => {
                    unused.push(file.seq);
                    continue;
                }
                FileState::Foreign { file_id, what } => {
                    self.foreign(file, *file_id, what)?;
                    continue;
                }
                FileState::Headless { file_id, what } => {
                    self.lose(file.seq, 0..SEGMENT_HEADER_BYTES as u64, 0..0, what);
                    if self.capacity == 0 {
                        self.capacity = capacity_max;
                    }
                    *file_id
                }
                FileState::Live(header) => {
                    self.enter(header.first_block_seq, header.prev, header.capacity);
                    header.file_id
                }
            };
            let is_last = last_in_use == Some(index);
            let end = ends.get(index).copied().flatten();
            let table = Arc::new(self.segment(file, file_id, end, is_last)?);
            let last_block_seq = self.expected.saturating_sub(1);
            sealed.push(Arc::new(Sealed::with_ranges(file.seq, &table, last_block_seq)));
            if !survey.tables.contains(&file.seq) {
                tables.push((file.seq, file_id, table));
            }
            let last_crc = self.prev_crc.unwrap_or_default();
            self.last = Some(Predecessor { seq: file.seq, file_id, last_block_seq, last_crc });
        }
        self.miss_tail();
        Ok(self.finish(is_fresh, survey, sealed, tables, unused))
    }

    /// A file that is not what its name says stays where it is. The blocks of ours in it count as lost: their
    /// numbers and LSNs are not given out again.
    fn foreign(&mut self, file: &SegmentFile, file_id: Option<u64>, what: &str) -> io::Result<()> {
        let mut last = 0;
        if let Some(file_id) = file_id {
            let mut scan = Scan::new(Arc::clone(&file.file), file_id)?;
            let mut at = SEGMENT_HEADER_BYTES as u64;
            while let Some((found_at, header)) = scan.look_ahead(at, |_| true)? {
                last = last.max(header.block_seq);
                at = found_at + header.total_len() as u64;
            }
        }
        self.lose(file.seq, 0..file.file.len()?, 0..0, what);
        self.seen_max = self.seen_max.max(last);
        self.unresolved += (last + 1).saturating_sub(self.expected.max(1));
        Ok(())
    }

    /// A segment starts: whatever lies between the block expected so far and its first one is lost.
    fn enter(&mut self, first_block_seq: u64, prev: Predecessor, capacity: u64) {
        let hinted_missing = self.last.is_none() && self.from.segment.is_some_and(|hint| prev.seq >= hint);
        if self.expected != 0 && prev.last_block_seq >= self.expected {
            self.lose_file(prev.seq, self.expected..prev.last_block_seq + 1, capacity);
        } else if hinted_missing && prev.last_block_seq > 0 {
            self.absent = Some((prev.seq, prev.last_block_seq));
        }
        self.expected = first_block_seq;
        self.prev_crc = Some(prev.last_crc);
        self.capacity = capacity;
        // The first segment of all: nothing can have been before it.
        self.heads_known |= prev == Predecessor::default();
    }

    /// What the first segment says of the one before it, if it can be read: where each partition stood then.
    fn judge_absent(&mut self, heads: &Heads) {
        let reaches = |partition: &PartitionId, lsn| self.from.lsns.get(partition).is_some_and(|from| *from >= lsn);
        if heads.iter().all(|(partition, head)| reaches(partition, head.lsn)) {
            self.absent = None;
        }
        self.lose_absent();
    }

    fn lose_absent(&mut self) {
        if let Some((seq, last_block_seq)) = self.absent.take() {
            self.lose_file(seq, last_block_seq..last_block_seq + 1, self.capacity);
        }
    }

    /// The blocks of a file that is gone, or that was reported already as not being the segment it should be.
    fn lose_file(&mut self, seq: u64, blocks: std::ops::Range<u64>, capacity: u64) {
        self.unresolved += blocks.end - blocks.start;
        if let Some(range) =
            self.report.corrupt.iter_mut().find(|range| range.segment == seq && range.blocks.is_empty())
        {
            range.blocks = blocks;
        } else {
            self.lose(seq, 0..capacity, blocks, "the file is missing");
        }
    }

    /// The checkpoint saw more blocks than there are.
    fn miss_tail(&mut self) {
        let next = self.expected.max(1);
        if self.from.durable_seq >= next {
            let seq = self.last.map_or(0, |last| last.seq + 1).max(self.from.segment.unwrap_or_default());
            self.lose_file(seq, next..self.from.durable_seq + 1, 0);
            self.expected = self.from.durable_seq + 1;
        }
    }

    fn finish(
        mut self,
        is_fresh: bool,
        survey: Survey,
        sealed: Vec<Arc<Sealed>>,
        tables: Vec<(u64, u64, Arc<Table>)>,
        unused: Vec<u64>,
    ) -> Recovered {
        for (partition, lsn) in &self.from.lsns {
            let head = self.heads.entry(*partition).or_default();
            if *lsn > head.lsn {
                *head = Head { lsn: *lsn, chain: 0, ..*head };
            }
        }
        if self.unresolved > 0 {
            let last: Vec<_> = self.heads.iter().map(|(partition, head)| (*partition, head.lsn)).collect();
            for (partition, lsn) in last {
                self.lose_frames(partition, lsn.next(), Lsn(lsn.0 + self.unresolved));
            }
            for head in self.heads.values_mut() {
                *head = Head { lsn: Lsn(head.lsn.0 + self.unresolved), chain: 0, ..*head };
            }
        }
        let clean = self.clean || is_fresh;
        let next = self.expected.max(self.seen_max + 1).max(self.from.durable_seq + 1);
        self.report.clean_shutdown = clean && self.report.torn_bytes_dropped == 0;
        self.report.degraded = !self.report.corrupt.is_empty();
        let continuation = Continuation {
            prev: self.last.unwrap_or_default(),
            next_block_seq: if self.report.clean_shutdown { next } else { next + BLOCK_SEQ_GAP },
            heads: self.heads,
            lsn_floor: Lsn(self.unresolved),
        };
        let next_segment_seq = survey.seq_max.max(self.from.segment.unwrap_or_default()) + 1;
        let (orphans, report) = (survey.orphans, self.report);
        let tail = self.tail.filter(|(seq, _)| report.corrupt.iter().all(|range| range.segment != *seq));
        Recovered { continuation, next_segment_seq, sealed, tail, tables, unused, orphans, report }
    }

    /// Reads the blocks of one segment up to its end.
    fn segment(
        &mut self,
        file: &SegmentFile,
        file_id: u64,
        end: Option<u64>,
        is_last: bool,
    ) -> Result<Table, OpenError> {
        if is_last {
            // After a killed process the tail may be in the cache only; after a failed sync only the device tells.
            file.file.sync()?;
            file.file.drop_cache()?;
        }
        let mut scan = Scan::new(Arc::clone(&file.file), file_id)?;
        let mut table = Table::default();
        let mut at = SEGMENT_HEADER_BYTES as u64;
        if matches!(file.state, FileState::Headless { .. }) {
            self.expect_first_of(file.seq, &mut scan)?;
        }
        self.sealed = false;
        let mut extent = 0;
        while !self.sealed && end.is_none_or(|last| self.expected <= last) {
            let found = scan.at(at)?;
            if let Found::Block(header, body) = &found
                && self.is_expected(header)
            {
                self.block(file.seq, at, header, body, &mut table);
                at += header.total_len() as u64;
                continue;
            }
            let hole = self.look_at_hole(&mut scan, at, end)?;
            let floor = if is_last { self.from.durable_seq } else { 0 };
            let cut = is_last.then(|| self.cut_off(file, at, &found, scan.len)).flatten();
            let durable = hole.durable.max(end.or(cut).unwrap_or_default()).max(floor);
            if self.expected > durable {
                if is_last {
                    extent = hole.extent;
                    self.report.torn_bytes_dropped = hole.extent - at;
                    self.clean &= hole.extent == at;
                }
                break;
            }
            match self.skip(file.seq, &mut scan, &found, &hole, durable, &mut table)? {
                Some(next) => at = next,
                None => break,
            }
        }
        self.lose_absent();
        if is_last {
            // With the page behind it, which shows that no block stands there.
            self.tail = Some((file.seq, at.max(extent) + PAGE_BYTES as u64));
        }
        Ok(table)
    }

    /// A segment without a header starts with whatever block it has. Its START says where the segment before ended.
    fn expect_first_of(&mut self, seq: u64, scan: &mut Scan) -> io::Result<()> {
        self.prev_crc = None;
        let Some((_, first)) = scan.look_ahead(SEGMENT_HEADER_BYTES as u64, |_| true)? else { return Ok(()) };
        let is_start = first.flags & flags::START != 0;
        if is_start && self.expected != 0 && first.durable_seq >= self.expected {
            let before = self.last.map_or(seq, |last| last.seq);
            self.lose_file(before, self.expected..first.durable_seq + 1, 0);
        }
        if self.expected == 0 || (is_start && first.block_seq > self.expected) {
            self.expected = first.block_seq;
        }
        Ok(())
    }

    /// The last block there can have been, when the newest file was cut off where the expected one stands. A file in use is
    /// never shorter than it was made, so that is damage and no crash.
    fn cut_off(&self, file: &SegmentFile, at: u64, found: &Found, len: u64) -> Option<u64> {
        let FileState::Live(header) = &file.state else { return None };
        let needed = match found {
            Found::Block(..) => return None,
            Found::BadBody(block, _) => at + (BLOCK_HEADER_BYTES + block.body_len as usize) as u64,
            Found::Nothing(_) => at + BLOCK_HEADER_BYTES as u64,
        };
        let pages = header.capacity.saturating_sub(at).div_ceil(PAGE_BYTES as u64);
        (pages > 0 && len < needed.min(header.capacity)).then(|| self.expected + pages - 1)
    }

    fn is_expected(&self, header: &BlockHeader) -> bool {
        header.block_seq == self.expected && self.prev_crc.is_none_or(|crc| crc == header.prev_header_crc)
    }

    fn look_at_hole(&mut self, scan: &mut Scan, at: u64, end: Option<u64>) -> io::Result<Hole> {
        let mut hole = Hole { at, next: None, durable: 0, extent: at };
        let mut from = at;
        let expected = self.expected;
        while let Some((found_at, header)) = scan.look_ahead(from, |header| header.block_seq >= expected)? {
            hole.durable = hole.durable.max(header.durable_seq);
            hole.extent = found_at + header.total_len() as u64;
            self.seen_max = self.seen_max.max(header.block_seq);
            let in_range = end.is_none_or(|last| header.block_seq <= last);
            if hole.next.is_none() && header.block_seq > expected && in_range {
                hole.next = Some((found_at, header.block_seq));
            }
            from = found_at + PAGE_BYTES as u64;
        }
        Ok(hole)
    }

    /// Steps over damaged blocks, keeping the frames in them that can be read. None: nothing good follows here.
    fn skip(
        &mut self,
        seq: u64,
        scan: &mut Scan,
        found: &Found,
        hole: &Hole,
        durable: u64,
        table: &mut Table,
    ) -> io::Result<Option<u64>> {
        let (next_at, next_seq, body, what) = match found {
            Found::BadBody(header, body) if self.is_expected(header) => {
                let next = hole.at + header.total_len() as u64;
                self.prev_crc = Some(header.crc());
                (Some(next), self.expected + 1, body.clone(), "a block's body does not match its CRC")
            }
            Found::Block(..) | Found::BadBody(..) | Found::Nothing(_) => {
                let what = match found {
                    Found::Nothing(what) => what,
                    Found::Block(..) | Found::BadBody(..) => "another block stands here",
                };
                self.prev_crc = None;
                let limit = hole.next.map_or(scan.len, |(at, _)| at).min(hole.at + BLOCK_BODY_BYTES as u64);
                let body_at = hole.at + BLOCK_HEADER_BYTES as u64;
                let body = scan.bytes(body_at, limit.saturating_sub(body_at) as usize)?;
                (hole.next.map(|(at, _)| at), hole.next.map_or(durable + 1, |(_, seq)| seq), body, what)
            }
        };
        let end_at = next_at.unwrap_or_else(|| scan.len.max(self.capacity));
        self.lose(seq, hole.at..end_at.max(hole.at), self.expected..next_seq, what);
        self.salvage(found, hole.at, seq, &body, next_seq - self.expected, table);
        self.expected = next_seq;
        Ok(next_at)
    }

    /// Takes what is left of a damaged block, and keeps account of what may be missing.
    fn salvage(&mut self, found: &Found, at: u64, seq: u64, body: &Bytes, blocks: u64, table: &mut Table) {
        let count = match found {
            Found::BadBody(header, _) if header.block_seq == self.expected => {
                Some(if header.is_data() { header.frame_count } else { 0 })
            }
            Found::Block(..) | Found::BadBody(..) | Found::Nothing(_) => None,
        };
        let mut saved = 0;
        for (offset, frame) in salvage(body, Depth::Full) {
            let nothing = self.heads_known.then_some(0);
            let known = self.heads.get(&frame.header.partition).map(|head| head.lsn.0).or(nothing);
            // What an earlier life of the file left here has older LSNs; what is new is at most one frame a block.
            let plausible = frame.header.store_uuid == self.store_uuid
                && known.is_some_and(|known| frame.header.lsn.0 > known && frame.header.lsn.0 <= known + blocks);
            if plausible {
                self.frame(seq, at + offset, frame, table);
                saved += 1;
            }
        }
        if count != Some(saved) {
            self.unresolved += blocks;
        }
    }

    fn block(&mut self, seq: u64, at: u64, header: &BlockHeader, body: &Bytes, table: &mut Table) {
        self.clean = header.flags & flags::CLEAN != 0;
        self.sealed = header.flags & flags::SEAL != 0;
        if header.is_data() {
            let good = self.frames(seq, at + BLOCK_HEADER_BYTES as u64, body, table);
            if good != Ok(header.frame_count) {
                let what = good.err().unwrap_or("the block has another number of frames than it says");
                let blocks = header.block_seq..header.block_seq + 1;
                self.lose(seq, at..at + header.total_len() as u64, blocks, what);
                self.unresolved += 1;
            }
        } else if let Some(heads) = heads::decode(body) {
            self.judge_absent(&heads);
            self.note_heads(seq, heads, table);
        }
        self.expected = header.block_seq + 1;
        self.prev_crc = Some(header.crc());
        self.seen_max = self.seen_max.max(header.block_seq);
    }

    fn frames(&mut self, seq: u64, at: u64, body: &Bytes, table: &mut Table) -> Result<u32, &'static str> {
        let (mut offset, mut count) = (0, 0);
        while offset < body.len() {
            let frame = frame::open(&body.slice(offset..), Depth::Outline)?;
            let start = at + offset as u64;
            offset += frame.bytes.len();
            count += 1;
            if frame.header.store_uuid != self.store_uuid {
                return Err("a frame of another store");
            }
            self.frame(seq, start, frame, table);
        }
        Ok(count)
    }

    fn frame(&mut self, seq: u64, at: u64, frame: SealedFrame, table: &mut Table) {
        let header = frame.header;
        let partition = header.partition;
        let known = self.heads.get(&partition).copied();
        let checkpoint = self.from.lsns.get(&partition).copied().unwrap_or_default();
        if let Some(head) = known {
            if header.lsn <= head.lsn || header.epoch < head.epoch {
                // Written by an owner that was replaced: dead by rule.
                return;
            }
            if header.lsn > head.lsn.next() {
                self.lose_frames(partition, head.lsn.next(), Lsn(header.lsn.0 - 1));
            } else if head.chain != 0 && header.prev_chain != 0 && head.chain != header.prev_chain {
                self.lose(seq, at..at + frame.bytes.len() as u64, 0..0, "a frame does not follow the one before it");
            }
        } else if self.unresolved > 0 && header.lsn.0 > 1 {
            let first = self.first_lost(partition, Lsn(header.lsn.0 - 1));
            self.lose_frames(partition, first, Lsn(header.lsn.0 - 1));
        }
        self.heads.insert(partition, head_after(&frame));
        table.push(partition, header.lsn, at);
        if header.lsn > checkpoint {
            self.report.replayed_frames += 1;
            self.report.replayed_bytes += frame.bytes.len() as u64;
            (self.visit)(ReplayedFrame::new(frame));
        }
    }

    /// A table of heads: what it knows and we do not is lost.
    fn note_heads(&mut self, seq: u64, heads: Heads, table: &mut Table) {
        for (partition, head) in heads {
            let known = match self.heads.get(&partition) {
                Some(known) => Some(known.lsn),
                None if self.heads_known => Some(Lsn(0)),
                None if self.unresolved > 0 => Some(Lsn(self.first_lost(partition, head.lsn).0 - 1)),
                None => self.from.lsns.get(&partition).copied(),
            };
            if let Some(known) = known
                && head.lsn > known
            {
                if self.report.corrupt.is_empty() {
                    self.lose(seq, 0..0, 0..0, "frames between the checkpoint and this segment are gone");
                }
                self.lose_frames(partition, known.next(), head.lsn);
            }
            table.skip_to(partition, head.lsn);
            let entry = self.heads.entry(partition).or_insert(head);
            if head.lsn >= entry.lsn {
                *entry = head;
            }
        }
        self.heads_known = true;
        self.unresolved = 0;
    }

    /// The first frame of a partition never seen that may be lost when `last` is: a lost block held one of it at most.
    fn first_lost(&self, partition: PartitionId, last: Lsn) -> Lsn {
        if self.heads_known {
            return Lsn(1);
        }
        let in_checkpoint = self.from.lsns.get(&partition).copied().unwrap_or_default();
        Lsn((last.0 + 1).saturating_sub(self.unresolved).max(in_checkpoint.0 + 1))
    }

    fn lose(&mut self, segment: u64, offsets: std::ops::Range<u64>, blocks: std::ops::Range<u64>, what: &str) {
        let what = what.to_owned();
        self.report.corrupt.push(LostRange { segment, offsets, blocks, frames: Vec::new(), what });
    }

    fn lose_frames(&mut self, partition: PartitionId, first: Lsn, last: Lsn) {
        if first > last {
            return;
        }
        if self.report.corrupt.is_empty() {
            let segment = self.last.map_or(0, |last| last.seq);
            self.lose(segment, 0..0, 0..0, "frames are missing between intact blocks");
        }
        if let Some(range) = self.report.corrupt.last_mut() {
            range.frames.push(LostFrames { partition, first, last });
        }
    }
}
