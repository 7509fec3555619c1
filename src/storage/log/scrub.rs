//! Checking the sealed segments of a log in use: headers, CRCs and the sequence of blocks, as the device has them now.
//!
//! Reads with handles of its own and holds no lock meanwhile, so that commits and readers go on. What the log lets go of
//! while it is read is no damage, whatever was found in it.
//! Absent on purpose: rates, threads and clocks; the caller's [`Pace`] waits.

use super::{
    block::{BlockHeader, flags},
    frame::{self, Depth},
    layout::PAGE_BYTES,
    report::{LostFrames, LostRange},
    scan::{Found, Pace, Scan},
    sealed::Sealed,
    segment::{Predecessor, SEGMENT_HEADER_BYTES, SegmentHeader, segment_path},
    segments::Segments,
};
use crate::{
    base::id::{Lsn, PartitionId},
    storage::io::IoFile,
};
use std::{
    io::{self, ErrorKind},
    ops::Range,
    sync::Arc,
};

/// A handle to the sealed segments of an open log.
#[derive(Clone)]
pub struct Scrubber {
    pub(super) segments: Arc<Segments>,
    pub(super) store_uuid: [u8; 16],
}

/// How the check of a segment ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scrubbed {
    Checked {
        /// Sound blocks.
        blocks: u64,
        /// In the order of the file.
        damage: Vec<LostRange>,
    },
    /// The log let go of the segment meanwhile.
    Gone,
    /// The pace said so.
    Stopped,
}

impl Scrubber {
    /// The segments there are to check, oldest first, each with the bytes of its file.
    pub fn sealed(&self) -> Vec<(u64, u64)> {
        let pool = &self.segments.pool;
        let len = |seq| pool.io.open_read(&segment_path(&pool.dir, seq)).and_then(|file| file.len()).unwrap_or(0);
        self.segments.sealed().iter().map(|sealed| (sealed.seq, len(sealed.seq))).collect()
    }

    /// Reads one segment from the device, not from the page cache.
    pub fn check(&self, seq: u64, pace: &Pace) -> Scrubbed {
        let Some(sealed) = self.find(seq) else { return Scrubbed::Gone };
        let mut walk = Walk::new(seq);
        match self.walk(&sealed, pace, &mut walk) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Scrubbed::Stopped,
            Err(error) => walk.lose(walk.at..walk.len.max(walk.at), walk.rest(), format!("it cannot be read: {error}")),
            Ok(()) => {}
        }
        // Its file may be another segment's by now. Asked after the last read: until here it was not.
        if self.find(seq).is_none() {
            Scrubbed::Gone
        } else {
            Scrubbed::Checked { blocks: walk.blocks, damage: walk.damage }
        }
    }

    fn find(&self, seq: u64) -> Option<Arc<Sealed>> {
        self.segments.sealed().iter().find(|sealed| sealed.seq == seq).cloned()
    }

    fn walk(&self, sealed: &Sealed, pace: &Pace, walk: &mut Walk) -> io::Result<()> {
        let pool = &self.segments.pool;
        let file = pool.io.open_read(&segment_path(&pool.dir, sealed.seq))?;
        file.drop_cache()?;
        walk.len = file.len()?;
        let recorded = successor(&self.segments, sealed.seq)?;
        walk.last = sealed.last_block_seq().or(recorded.map(|end| end.last_block_seq));
        let mut scan = Scan::paced(Arc::clone(&file), 0, Arc::clone(pace))?;
        if walk.enter(&mut scan, self.store_uuid, recorded)? {
            walk.blocks(&mut scan)?;
        }
        if !walk.damage.is_empty() {
            let table = sealed.table(&*pool.io, &pool.dir)?;
            for range in &mut walk.damage {
                range.frames = lost_frames(&mut scan, &table.frames_within(&range.offsets))?;
            }
        }
        // What was read only to be checked takes no memory from what is read to be used.
        file.drop_cache()
    }
}

/// What the segment behind says of this one; None while that one is not written yet or cannot be read.
fn successor(segments: &Segments, seq: u64) -> io::Result<Option<Predecessor>> {
    let pool = &segments.pool;
    let names = pool.io.list_dir(&pool.dir)?;
    let later = names.iter().filter_map(|entry| super::segment::seq_of_name(&entry.name, "wal"));
    let header = |seq| {
        let file: Arc<dyn IoFile> = pool.io.open_read(&segment_path(&pool.dir, seq)).ok()?;
        super::sealed::read_header(&*file)
    };
    let headers = later.filter(|later| *later > seq).filter_map(header);
    Ok(headers.filter(|header| header.active).map(|header| header.prev).find(|prev| prev.seq == seq))
}

/// Those of these frames that cannot be read any more, as ranges.
fn lost_frames(scan: &mut Scan, frames: &[(PartitionId, Lsn, u64)]) -> io::Result<Vec<LostFrames>> {
    let mut lost: Vec<LostFrames> = Vec::new();
    for (partition, lsn, offset) in frames {
        if is_sound(scan, *partition, *lsn, *offset)? {
            continue;
        }
        match lost.last_mut() {
            Some(range) if range.partition == *partition && range.last.next() == *lsn => range.last = *lsn,
            _ => lost.push(LostFrames { partition: *partition, first: *lsn, last: *lsn }),
        }
    }
    Ok(lost)
}

fn is_sound(scan: &mut Scan, partition: PartitionId, lsn: Lsn, offset: u64) -> io::Result<bool> {
    let head = scan.bytes(offset, frame::FRAME_HEADER_BYTES)?;
    let Ok(header) = frame::FrameHeader::read(&head) else { return Ok(false) };
    let bytes = scan.bytes(offset, header.frame_len())?;
    let same = |frame: &frame::SealedFrame| frame.header.partition == partition && frame.header.lsn == lsn;
    Ok(frame::open(&bytes, Depth::Full).is_ok_and(|frame| same(&frame)))
}

/// How far a check has come.
struct Walk {
    seq: u64,
    len: u64,
    at: u64,
    /// The block that should stand at `at`.
    expected: u64,
    /// The last block of the segment, when that is known.
    last: Option<u64>,
    /// The header CRC of the block before.
    prev_crc: Option<u32>,
    blocks: u64,
    damage: Vec<LostRange>,
}

impl Walk {
    fn new(seq: u64) -> Self {
        let at = 0;
        Self { seq, len: 0, at, expected: 0, last: None, prev_crc: None, blocks: 0, damage: Vec::new() }
    }

    fn lose(&mut self, offsets: Range<u64>, blocks: Range<u64>, what: impl Into<String>) {
        self.damage.push(LostRange { segment: self.seq, offsets, blocks, frames: Vec::new(), what: what.into() });
    }

    /// The blocks that were not looked at yet.
    fn rest(&self) -> Range<u64> {
        self.expected..self.last.map_or(self.expected, |last| last.saturating_add(1)).max(self.expected)
    }

    /// Reads the segment's header. False: without it nothing is known of the rest.
    fn enter(&mut self, scan: &mut Scan, store_uuid: [u8; 16], recorded: Option<Predecessor>) -> io::Result<bool> {
        let bytes = scan.bytes(0, SEGMENT_HEADER_BYTES)?;
        let what = match SegmentHeader::decode(&bytes) {
            Ok(header) => match wrong_header(&header, self.seq, store_uuid, recorded) {
                None => {
                    scan.file_id = header.file_id;
                    (self.expected, self.prev_crc) = (header.first_block_seq, Some(header.prev.last_crc));
                    self.at = SEGMENT_HEADER_BYTES as u64;
                    return Ok(true);
                }
                Some(what) => what,
            },
            Err(_) => "the segment's header is damaged",
        };
        let file_id = match recorded {
            Some(recorded) => Some(recorded.file_id),
            None => scan.guess_file_id(self.seq, 0)?,
        };
        scan.file_id = file_id.unwrap_or_default();
        let first = scan.look_ahead(SEGMENT_HEADER_BYTES as u64, |_| true)?;
        let Some((at, first)) = first.filter(|_| file_id.is_some()) else {
            self.lose(0..self.len, self.rest(), what);
            return Ok(false);
        };
        self.lose(0..at, 0..0, what);
        (self.at, self.expected) = (at, first.block_seq);
        Ok(true)
    }

    fn blocks(&mut self, scan: &mut Scan) -> io::Result<()> {
        let mut is_sealed = false;
        while !is_sealed && self.last.is_none_or(|last| self.expected <= last) {
            let found = scan.at(self.at)?;
            match &found {
                Found::Block(header, _) if self.is_expected(header) => {
                    self.blocks += 1;
                    is_sealed = header.flags & flags::SEAL != 0;
                    self.pass(header);
                }
                Found::BadBody(header, _) if self.is_expected(header) => {
                    let end = self.at + header.total_len() as u64;
                    self.lose(self.at..end, self.expected..self.expected + 1, "a block's body does not match its CRC");
                    self.pass(header);
                }
                Found::Block(..) | Found::BadBody(..) => {
                    if !self.skip(scan, "another block stands here")? {
                        return Ok(());
                    }
                }
                Found::Nothing(what) => {
                    if !self.skip(scan, what)? {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    fn is_expected(&self, header: &BlockHeader) -> bool {
        header.block_seq == self.expected
            && header.segment_seq == self.seq
            && self.prev_crc.is_none_or(|crc| crc == header.prev_header_crc)
    }

    fn pass(&mut self, header: &BlockHeader) {
        self.at += header.total_len() as u64;
        self.expected = header.block_seq + 1;
        self.prev_crc = Some(header.crc());
    }

    /// Goes on at the next block that can be told; false when there is none.
    fn skip(&mut self, scan: &mut Scan, what: &str) -> io::Result<bool> {
        let (expected, last) = (self.expected, self.last.unwrap_or(u64::MAX));
        let wanted = |header: &BlockHeader| header.block_seq > expected && header.block_seq <= last;
        match scan.look_ahead(self.at + PAGE_BYTES as u64, wanted)? {
            Some((at, header)) => {
                self.lose(self.at..at, expected..header.block_seq, what);
                (self.at, self.expected, self.prev_crc) = (at, header.block_seq, None);
                Ok(true)
            }
            // Where a segment whose end nobody recorded has no more blocks, it ends.
            None if self.last.is_none() => Ok(false),
            None => {
                self.lose(self.at..self.len.max(self.at), self.rest(), what);
                Ok(false)
            }
        }
    }
}

/// What is wrong with a good header in this place.
fn wrong_header(
    header: &SegmentHeader,
    seq: u64,
    store_uuid: [u8; 16],
    recorded: Option<Predecessor>,
) -> Option<&'static str> {
    if header.store_uuid != store_uuid {
        Some("the file belongs to another store")
    } else if header.seq != seq {
        Some("the file is another segment under this name")
    } else if recorded.is_some_and(|recorded| recorded.file_id != header.file_id) {
        Some("the file has another id than the next segment recorded")
    } else if !header.active {
        Some("its header says that the file was never used")
    } else {
        None
    }
}
