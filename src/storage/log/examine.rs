//! Looking at a log that nobody uses: the walk that recovery makes, with nothing changed and more said about it.

use super::{
    block::{BLOCK_HEADER_BYTES, BlockHeader},
    frame::{self, Depth},
    options::ReplayFrom,
    recovery::recover,
    report::{OpenError, RecoveryReport, ReplayedFrame},
    scan::{Found, Scan},
    segment::{SEGMENT_HEADER_BYTES, SegmentHeader, table_path},
    survey::{FileState, SegmentFile, Survey},
    table::Table,
};
use crate::{
    base::{
        id::{Lsn, PartitionId},
        time::Timestamp,
    },
    storage::io::Io,
};
use bytes::Bytes;
use std::{collections::BTreeMap, io, path::Path, sync::Arc};

/// What a segment file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SegmentState {
    InUse {
        created: Timestamp,
        first_block_seq: u64,
    },
    /// Prepared and never used.
    Unused,
    /// It was in use and its header cannot be read.
    Headless {
        what: &'static str,
    },
    /// A good header that does not belong here.
    Foreign {
        what: &'static str,
    },
}

/// The file beside a segment that says where its frames stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SideFile {
    Missing,
    Good,
    Damaged,
}

/// A frame inside a sound block that is wrong all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadFrame {
    /// Bytes from the start of the file.
    pub offset: u64,
    pub what: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentFacts {
    pub seq: u64,
    pub file_bytes: u64,
    pub state: SegmentState,
    /// Sound blocks.
    pub blocks: u64,
    /// Those of them that hold frames.
    pub data_blocks: u64,
    /// Where the last sound block ends.
    pub end_offset: u64,
    pub entries: u64,
    /// The first and the last frame of each partition.
    pub frames: BTreeMap<PartitionId, (Lsn, Lsn)>,
    pub bad_frames: Vec<BadFrame>,
    pub side_file: SideFile,
}

/// Reads every frame a start would replay, and says what a start would report. `durable_seq` is the checkpoint's.
pub fn replay(
    io: &dyn Io,
    dir: &Path,
    store_uuid: [u8; 16],
    durable_seq: u64,
    visit: &mut dyn FnMut(ReplayedFrame),
) -> Result<RecoveryReport, OpenError> {
    if !io.exists(dir)? {
        return Ok(RecoveryReport::default());
    }
    let from = ReplayFrom { durable_seq, ..ReplayFrom::default() };
    Ok(recover(io, dir, store_uuid, &from, visit)?.report)
}

/// Reads every block of every segment, down to the CRCs of entries. `progress` hears of bytes done and in all.
pub fn segments(
    io: &dyn Io,
    dir: &Path,
    store_uuid: [u8; 16],
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Vec<SegmentFacts>, OpenError> {
    if !io.exists(dir)? {
        return Ok(Vec::new());
    }
    let survey = Survey::of(io, dir, store_uuid, &ReplayFrom::default())?;
    let lengths = survey.files.iter().map(|file| file.file.len()).collect::<io::Result<Vec<u64>>>()?;
    let total = lengths.iter().sum();
    let mut done = 0;
    let mut facts = Vec::new();
    for (index, (file, length)) in survey.files.iter().zip(lengths).enumerate() {
        progress(done, total);
        let last_block_seq = recorded_end(survey.files.get(index + 1..).unwrap_or_default(), file.seq);
        facts.push(segment(io, dir, file, length, last_block_seq, &mut |at| progress(done + at, total))?);
        done += length;
    }
    progress(total, total);
    Ok(facts)
}

/// The last block of segment `seq` according to the segment behind it.
fn recorded_end(later: &[SegmentFile], seq: u64) -> u64 {
    let headers = later.iter().filter_map(|file| match &file.state {
        FileState::Live(header) => Some(header),
        FileState::Unused | FileState::Headless { .. } | FileState::Foreign { .. } => None,
    });
    headers.map(|header| header.prev).find(|prev| prev.seq == seq).map_or(u64::MAX, |prev| prev.last_block_seq)
}

fn segment(
    io: &dyn Io,
    dir: &Path,
    file: &SegmentFile,
    file_bytes: u64,
    last_block_seq: u64,
    progress: &mut dyn FnMut(u64),
) -> io::Result<SegmentFacts> {
    let (state, file_id) = state_of(&file.state);
    let mut facts = SegmentFacts {
        seq: file.seq,
        file_bytes,
        state,
        blocks: 0,
        data_blocks: 0,
        end_offset: SEGMENT_HEADER_BYTES as u64,
        entries: 0,
        frames: BTreeMap::new(),
        bad_frames: Vec::new(),
        side_file: side_file(io, dir, file.seq, file_id)?,
    };
    let Some(file_id) = file_id else { return Ok(facts) };
    let mut scan = Scan::new(Arc::clone(&file.file), file_id)?;
    let mut expected = 0;
    let fits = |header: &BlockHeader, expected| header.block_seq >= expected && header.block_seq <= last_block_seq;
    let mut at = SEGMENT_HEADER_BYTES as u64;
    while let Some((found_at, header)) = scan.look_ahead(at, |header| fits(header, expected))? {
        at = found_at + header.total_len() as u64;
        expected = header.block_seq + 1;
        if let Found::Block(_, body) = scan.at(found_at)? {
            facts.count_block(&header, found_at, &body);
            facts.end_offset = at;
        }
        progress(at);
    }
    Ok(facts)
}

fn state_of(state: &FileState) -> (SegmentState, Option<u64>) {
    match state {
        FileState::Live(SegmentHeader { created_ms, first_block_seq, file_id, .. }) => {
            let created = Timestamp(*created_ms);
            (SegmentState::InUse { created, first_block_seq: *first_block_seq }, Some(*file_id))
        }
        FileState::Unused => (SegmentState::Unused, None),
        FileState::Headless { file_id, what } => (SegmentState::Headless { what }, Some(*file_id)),
        FileState::Foreign { file_id, what } => (SegmentState::Foreign { what }, *file_id),
    }
}

fn side_file(io: &dyn Io, dir: &Path, seq: u64, file_id: Option<u64>) -> io::Result<SideFile> {
    let path = table_path(dir, seq);
    if !io.exists(&path)? {
        return Ok(SideFile::Missing);
    }
    let file = io.open_read(&path)?;
    let segment_bytes = io.open_read(&super::segment::segment_path(dir, seq))?.len()?;
    // A table is far smaller than its segment; anything else is not one.
    let len = file.len()?;
    if len > segment_bytes.max(SEGMENT_HEADER_BYTES as u64) {
        return Ok(SideFile::Damaged);
    }
    let mut bytes = vec![0; len as usize];
    let read = file.read_at(&mut bytes, 0)?;
    let table = file_id.and_then(|id| Table::decode(bytes.get(..read).unwrap_or_default(), seq, id));
    Ok(if table.is_some() { SideFile::Good } else { SideFile::Damaged })
}

impl SegmentFacts {
    fn count_block(&mut self, header: &BlockHeader, at: u64, body: &Bytes) {
        self.blocks += 1;
        if !header.is_data() {
            return;
        }
        self.data_blocks += 1;
        let mut offset = 0;
        while offset < body.len() {
            let rest = body.slice(offset..);
            let place = at + (BLOCK_HEADER_BYTES + offset) as u64;
            match frame::open(&rest, Depth::Full) {
                Ok(frame) => {
                    let header = frame.header;
                    self.entries += u64::from(header.entry_count);
                    self.frames.entry(header.partition).or_insert((header.lsn, header.lsn)).1 = header.lsn;
                    offset += frame.bytes.len();
                }
                Err(what) => {
                    self.bad_frames.push(BadFrame { offset: place, what });
                    match frame::FrameHeader::read(&rest) {
                        Ok(header) => offset += header.frame_len(),
                        Err(_) => return,
                    }
                }
            }
        }
    }
}
