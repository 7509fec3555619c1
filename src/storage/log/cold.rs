//! Reads the entries of one batch from files: the active segment by system calls, sealed ones by their maps.
//!
//! What neighbours share is looked up once: the view once a batch, a frame once a run of places in it, a sealed segment
//! once a run of frames in it. Every entry's CRC is verified.

use super::{
    ReadError,
    entry::EntryView,
    hot::runs,
    layout::PAGE_BYTES,
    sealed::Sealed,
    segments::Segments,
    table::{Place, Table},
};
use crate::{
    base::{
        id::{Location, Lsn, PartitionId},
        limits::BLOCK_BODY_BYTES,
    },
    storage::io::{IoFile, Map},
};
use bytes::{Bytes, BytesMut};
use std::{io, sync::Arc};

/// Most that is read on the thread that asks for it: more takes its time also from memory.
const NEAR_BYTES_MAX: usize = 256 << 10;

/// What a batch needs of the view, as it was at one moment. Readers hold no lock while they wait for the disk.
pub(super) struct Snapshot {
    /// By sequence, oldest first.
    pub(super) sealed: Arc<Vec<Arc<Sealed>>>,
    pub(super) active: Arc<dyn IoFile>,
    /// What the active segment says of the frame of each run ([`super::hot::runs`]).
    pub(super) places: Vec<Place>,
}

/// A sealed segment at hand.
pub(super) struct Open {
    pub(super) table: Arc<Table>,
    pub(super) map: Map,
}

impl Open {
    /// Whether all these places are in this segment and in memory. False also when they are much to read.
    pub(super) fn has_in_memory(&self, partition: PartitionId, at: &[Location]) -> bool {
        let mut span = 0..0;
        let mut bytes = 0;
        for (lsn, run) in runs(at) {
            let Place::At(frame_at) = self.table.find(partition, lsn) else { return false };
            for place in run {
                let from = frame_at as usize + place.offset as usize;
                let to = from + place.len as usize;
                bytes += to - from;
                if bytes > NEAR_BYTES_MAX {
                    return false;
                }
                // What stands in a row is asked for together.
                if (span.end..span.end + PAGE_BYTES).contains(&from) {
                    span.end = to;
                } else if self.map.is_in_memory(&span) {
                    span = from..to;
                } else {
                    return false;
                }
            }
        }
        self.map.is_in_memory(&span)
    }
}

/// The reading of one batch.
pub(super) struct Cold<'a> {
    segments: &'a Segments,
    partition: PartitionId,
    snapshot: Snapshot,
    /// The sealed segment that was read last.
    open: Option<Open>,
}

/// Why a frame or an entry cannot be had.
#[derive(Clone)]
enum Fault {
    Trimmed,
    Damaged(&'static str),
    Io(String),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error.to_string())
    }
}

impl<'a> Cold<'a> {
    pub(super) fn new(segments: &'a Segments, partition: PartitionId, at: &[Location]) -> Self {
        Self { segments, partition, snapshot: segments.snapshot(partition, at), open: None }
    }

    /// With the sealed segment that has it all.
    pub(super) fn with(self, open: Open) -> Self {
        Self { open: Some(open), ..self }
    }

    /// Visits places of the batch's run number `index`, all in the frame `lsn`.
    pub(super) fn read(
        &mut self,
        index: usize,
        lsn: Lsn,
        run: &[Location],
        visit: &mut dyn FnMut(Result<EntryView<'_>, ReadError>),
    ) {
        let place = self.snapshot.places.get(index).copied().unwrap_or(Place::After);
        let frame = match place {
            Place::At(frame_at) => return self.read_active(frame_at, run, visit),
            Place::Lost => Err(Fault::Damaged("its frame is damaged")),
            Place::Before | Place::After => self.find_sealed(lsn),
        };
        match frame {
            Ok((frame_at, map)) => {
                for at in run {
                    let from = frame_at.saturating_add(at.offset as usize);
                    let reading = from..from.saturating_add(at.len as usize);
                    visit(self.entry(map.for_reading(&reading), from, at));
                }
            }
            Err(fault) => run.iter().for_each(|at| visit(Err(self.error(at, fault.clone())))),
        }
    }

    /// Neighbours come by one system call; should it fail, each has its own, so that only what is unreadable fails.
    fn read_active(&self, frame_at: u64, run: &[Location], visit: &mut dyn FnMut(Result<EntryView<'_>, ReadError>)) {
        let joint = span(run).and_then(|(from, len)| Some((from, self.read_file(frame_at + from, len).ok()?)));
        for at in run {
            match &joint {
                Some((from, bytes)) => visit(self.entry(bytes, (u64::from(at.offset) - from) as usize, at)),
                None => match self.read_file(frame_at + u64::from(at.offset), u64::from(at.len)) {
                    Ok(bytes) => visit(self.entry(&bytes, 0, at)),
                    Err(fault) => visit(Err(self.error(at, fault))),
                },
            }
        }
    }

    /// Fewer bytes when the file ends.
    fn read_file(&self, from: u64, len: u64) -> Result<Bytes, Fault> {
        if len > BLOCK_BODY_BYTES as u64 {
            return Err(Fault::Damaged("no entry is that long"));
        }
        let mut buffer = BytesMut::zeroed(len as usize);
        let read = self.snapshot.active.read_at(&mut buffer, from)?;
        buffer.truncate(read);
        Ok(buffer.freeze())
    }

    /// Where the frame starts in a sealed segment, and that segment.
    fn find_sealed(&mut self, lsn: Lsn) -> Result<(usize, Map), Fault> {
        let place_in = |open: &Open| open.table.find(self.partition, lsn);
        let is_open = self.open.as_ref().is_some_and(|open| matches!(place_in(open), Place::At(_) | Place::Lost));
        if !is_open {
            self.open = self.segments.open_sealed(&self.snapshot.sealed, self.partition, lsn)?;
        }
        let open = self.open.as_ref().ok_or(Fault::Trimmed)?;
        match place_in(open) {
            Place::At(frame_at) => Ok((frame_at as usize, open.map.clone())),
            Place::Lost => Err(Fault::Damaged("its frame is damaged")),
            Place::Before | Place::After => Err(Fault::Trimmed),
        }
    }

    /// The entry at `from` of these bytes, which may end too early.
    fn entry<'b>(&self, bytes: &'b Bytes, from: usize, at: &Location) -> Result<EntryView<'b>, ReadError> {
        let end = from.saturating_add(at.len as usize).min(bytes.len());
        EntryView::open(bytes, from.min(end), end).map_err(|what| self.error(at, Fault::Damaged(what)))
    }

    fn error(&self, at: &Location, fault: Fault) -> ReadError {
        let (partition, lsn) = (self.partition, at.lsn);
        match fault {
            // The file may have got a new life between the look-up and the read.
            Fault::Damaged(_) if self.segments.is_trimmed(partition, lsn) => ReadError::Trimmed { partition, lsn },
            Fault::Damaged(what) => ReadError::Corrupt { partition, lsn, offset: at.offset, what: what.to_owned() },
            Fault::Trimmed => ReadError::Trimmed { partition, lsn },
            Fault::Io(error) => ReadError::Io(error),
        }
    }
}

/// Offset and length of what spans several places of one frame, if little else stands between them.
fn span(run: &[Location]) -> Option<(u64, u64)> {
    let end_of = |at: &Location| u64::from(at.offset) + u64::from(at.len);
    let from = u64::from(run.iter().map(|at| at.offset).min()?);
    let len = run.iter().map(end_of).max()? - from;
    let wanted: u64 = run.iter().map(|at| u64::from(at.len)).sum();
    (run.len() > 1 && len <= BLOCK_BODY_BYTES as u64 && len <= wanted.saturating_mul(2)).then_some((from, len))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: u32, len: u32) -> Location {
        Location { lsn: Lsn(1), offset, len }
    }

    #[test]
    fn neighbours_are_read_together_and_strangers_are_not() {
        assert_eq!(span(&[at(72, 100), at(176, 50)]), Some((72, 154)));
        assert_eq!(span(&[at(176, 50), at(72, 100), at(176, 50)]), Some((72, 154)), "in any order, also twice");
        for apart in [
            vec![],
            vec![at(72, 100)],
            vec![at(72, 100), at(5000, 100)],
            vec![at(72, u32::MAX), at(u32::MAX, u32::MAX)],
        ] {
            assert_eq!(span(&apart), None, "{apart:?}");
        }
    }
}
