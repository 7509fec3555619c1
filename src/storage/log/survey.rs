//! The files of the log directory, before any block is read: which are segments, which are leftovers, which are damaged.

use super::{
    options::ReplayFrom,
    report::OpenError,
    scan::Scan,
    segment::{HeaderError, SEGMENT_HEADER_BYTES, SEGMENT_VERSION, SegmentHeader, segment_path, seq_of_name},
};
use crate::storage::io::{Io, IoFile};
use std::{io, path::Path, sync::Arc};

pub(super) enum FileState {
    /// Its header is good and says that it was in use.
    Live(SegmentHeader),
    /// Prepared and never used, or not even finished.
    Unused,
    /// It was in use and its header is gone; the id is known from elsewhere.
    Headless { file_id: u64, what: &'static str },
    /// A good header that does not belong here.
    Foreign {
        /// Known when the file is one of this store's.
        file_id: Option<u64>,
        what: &'static str,
    },
}

pub(super) struct SegmentFile {
    pub(super) seq: u64,
    pub(super) file: Arc<dyn IoFile>,
    pub(super) state: FileState,
}

#[derive(Default)]
pub(super) struct Survey {
    /// Older than the start of the scan: known by name only.
    pub(super) older: Vec<u64>,
    pub(super) files: Vec<SegmentFile>,
    /// Side files that stand beside a segment.
    pub(super) tables: Vec<u64>,
    /// Side files without a segment.
    pub(super) orphans: Vec<u64>,
    pub(super) seq_max: u64,
}

enum Raw {
    Good(SegmentHeader),
    Bad(&'static str),
}

fn read_header(file: &dyn IoFile, seq: u64) -> Result<Raw, OpenError> {
    let mut bytes = vec![0; SEGMENT_HEADER_BYTES];
    let read = file.read_at(&mut bytes, 0)?;
    match SegmentHeader::decode(bytes.get(..read).unwrap_or_default()) {
        Ok(header) => Ok(Raw::Good(header)),
        Err(HeaderError::Damaged(what)) => Ok(Raw::Bad(what)),
        Err(HeaderError::Newer(found)) => {
            Err(OpenError::NewerFormat { segment: seq, found, supported: SEGMENT_VERSION })
        }
    }
}

impl Survey {
    pub(super) fn of(io: &dyn Io, dir: &Path, store_uuid: [u8; 16], from: &ReplayFrom) -> Result<Self, OpenError> {
        let names = io.list_dir(dir)?;
        let seqs = |extension: &str| -> Vec<u64> {
            names.iter().filter_map(|entry| seq_of_name(&entry.name, extension)).collect()
        };
        let (segments, tables) = (seqs("wal"), seqs("idx"));
        let mut survey = Self { seq_max: segments.last().copied().unwrap_or_default(), ..Self::default() };
        (survey.tables, survey.orphans) = tables.into_iter().partition(|seq| segments.binary_search(seq).is_ok());
        let mut raw = Vec::new();
        for seq in segments.iter().rev() {
            let file = io.open(&segment_path(dir, *seq))?;
            let header = read_header(&*file, *seq)?;
            let first = matches!(&header, Raw::Good(header) if header.active && header.seq == *seq)
                && from.segment.is_some_and(|hint| *seq <= hint);
            raw.push((*seq, file, header));
            if first {
                break;
            }
        }
        survey.older = segments.iter().take(segments.len() - raw.len()).copied().collect();
        survey.classify(raw, store_uuid)?;
        survey.files.reverse();
        Ok(survey)
    }

    /// Newest first, so that each file is judged by what its successor says of it.
    fn classify(&mut self, raw: Vec<(u64, Arc<dyn IoFile>, Raw)>, store_uuid: [u8; 16]) -> io::Result<()> {
        let mut successor: Option<SegmentHeader> = None;
        for (seq, file, header) in raw {
            let expected_id = successor.filter(|next| next.prev.seq == seq).map(|next| next.prev.file_id);
            let state = match header {
                Raw::Bad(what) => match expected_id {
                    Some(file_id) => FileState::Headless { file_id, what },
                    None => headless_or_unused(&file, seq, what)?,
                },
                Raw::Good(header) => judge(&header, seq, store_uuid, expected_id),
            };
            if let FileState::Live(header) = &state {
                successor = Some(*header);
            }
            self.files.push(SegmentFile { seq, file, state });
        }
        Ok(())
    }
}

fn judge(header: &SegmentHeader, seq: u64, store_uuid: [u8; 16], expected_id: Option<u64>) -> FileState {
    if header.store_uuid != store_uuid {
        return FileState::Foreign { file_id: None, what: "the file belongs to another store" };
    }
    let file_id = Some(header.file_id);
    if header.seq != seq {
        FileState::Foreign { file_id, what: "the file is another segment under this name" }
    } else if expected_id.is_some_and(|id| id != header.file_id) {
        FileState::Foreign { file_id, what: "the file has another id than the next segment recorded" }
    } else if header.active {
        FileState::Live(*header)
    } else {
        FileState::Unused
    }
}

/// Without a header and a successor only its blocks can tell whether the file was in use.
fn headless_or_unused(file: &Arc<dyn IoFile>, seq: u64, what: &'static str) -> io::Result<FileState> {
    let mut scan = Scan::new(Arc::clone(file), 0)?;
    Ok(match scan.guess_file_id(seq, 0)? {
        Some(file_id) => FileState::Headless { file_id, what },
        None => FileState::Unused,
    })
}

pub(super) fn capacity(file: &SegmentFile) -> Option<u64> {
    match &file.state {
        FileState::Live(header) => Some(header.capacity),
        FileState::Unused | FileState::Headless { .. } | FileState::Foreign { .. } => None,
    }
}

/// For each file the last block its successor says it has.
pub(super) fn ends(files: &[SegmentFile]) -> Vec<Option<u64>> {
    let mut ends = Vec::new();
    for (index, file) in files.iter().enumerate() {
        let next = files.iter().skip(index + 1).find_map(|next| match &next.state {
            FileState::Live(header) => Some(header.prev),
            FileState::Unused | FileState::Headless { .. } | FileState::Foreign { .. } => None,
        });
        ends.push(next.filter(|prev| prev.seq == file.seq).map(|prev| prev.last_block_seq));
    }
    ends
}
