//! How large the log is, and which partitions keep its oldest segment.

use super::{LocalLog, segment::segment_path};
use crate::base::id::{Lsn, PartitionId};
use std::io;

/// The log as a number of files and bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogFigures {
    /// The active one included.
    pub segments: u64,
    pub bytes: u64,
    /// Files that wait to become segments: recycled ones, and the one that is prepared.
    pub reserve_bytes: u64,
    pub oldest_segment: u64,
    /// What each partition needs of the oldest segment while that is sealed.
    pub holders: Vec<Holder>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    pub partition: PartitionId,
    /// Frames below this were given up.
    pub needed_from: Lsn,
    /// The partition's last frame in the oldest segment.
    pub last: Lsn,
    /// The segment stays because of this partition.
    pub holds: bool,
}

impl LocalLog {
    /// Asks the file system for the length of every segment: not for the thread of a call.
    pub fn figures(&self) -> io::Result<LogFigures> {
        let segments = &self.inner.segments;
        let pool = &segments.pool;
        let active = self.inner.position().segment;
        let sealed = segments.sealed();
        let len = |seq| pool.io.open_read(&segment_path(&pool.dir, seq)).and_then(|file| file.len()).unwrap_or(0);
        let seqs = sealed.iter().map(|sealed| sealed.seq).filter(|seq| *seq != active);
        let bytes = seqs.chain([active]).map(len).sum();
        let mut holders = Vec::new();
        if let Some(oldest) = sealed.first() {
            for (partition, before, last) in oldest.ranges(&*pool.io, &pool.dir)?.iter().copied() {
                let needed_from = segments.needed_from(partition);
                holders.push(Holder { partition, needed_from, last, holds: last > before && last >= needed_from });
            }
        }
        Ok(LogFigures {
            segments: sealed.len() as u64 + 1,
            bytes,
            reserve_bytes: pool.reserve_files() * pool.segment_bytes,
            oldest_segment: sealed.first().map_or(active, |oldest| oldest.seq),
            holders,
        })
    }
}
