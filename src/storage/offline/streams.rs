//! The segments of streams, for the tools: what stands in them, what is damaged, their records as rows.

use super::{
    stopped::{OfflineError, Progress, Stopped},
    verify::{Problem, Remedy},
};
use crate::storage::{
    file_error::at,
    log::{Pace, StoredEntry},
    shard::{self, Damage, DamageKind, Mend, Part, SegmentFacts, StreamFiles},
};
use bytes::Bytes;
use std::{
    io,
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamFacts {
    pub stream: u64,
    /// Rising, with those that are missing.
    pub segments: Vec<SegmentFacts>,
}

/// Which records to show; the default is all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordFilter {
    pub stream: Option<u64>,
    pub shard: Option<u32>,
    /// Indexes in the shard.
    pub first: Option<u64>,
    pub last: Option<u64>,
}

impl RecordFilter {
    fn accepts(&self, shard: u32, index: u64) -> bool {
        self.shard.is_none_or(|wanted| wanted == shard)
            && self.first.is_none_or(|first| first <= index)
            && self.last.is_none_or(|last| index <= last)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordRow {
    pub stream: u64,
    pub segment: u64,
    /// Bytes from the start of the segment.
    pub offset: u64,
    pub shard: u32,
    pub index: u64,
    pub kind: u8,
    pub header: Bytes,
    pub body: Bytes,
}

/// Counts what is read, and ends the reading when nobody wants more.
#[derive(Default)]
struct Meter {
    read: AtomicU64,
    is_over: AtomicBool,
}

impl Meter {
    fn pace(self: &Arc<Self>) -> Pace {
        let meter = Arc::clone(self);
        Arc::new(move |bytes| {
            meter.read.fetch_add(bytes, Ordering::Relaxed);
            !meter.is_over.load(Ordering::Relaxed)
        })
    }

    fn progress(&self, total_bytes: u64) -> Progress {
        Progress { done_bytes: self.read.load(Ordering::Relaxed).min(total_bytes), total_bytes }
    }
}

impl Stopped {
    fn files_of(&self, stream: u64) -> StreamFiles<'_> {
        StreamFiles { io: &*self.io, data_dir: &self.dir, store_uuid: self.store_uuid(), stream }
    }

    fn stream_files(&self) -> Result<Vec<StreamFiles<'_>>, OfflineError> {
        let all = self.dir.join(shard::DIRECTORY);
        let streams = shard::streams(&*self.io, &self.dir).map_err(at("listing", &all))?;
        Ok(streams.into_iter().map(|stream| self.files_of(stream)).collect())
    }

    /// Bytes of all segments of streams.
    pub(super) fn stream_bytes(&self) -> Result<u64, OfflineError> {
        let one = |files: &StreamFiles<'_>| files.bytes().map_err(at("measuring", &files.dir()));
        Ok(self.stream_files()?.iter().map(one).sum::<Result<u64, _>>()?)
    }

    /// Reads every segment of every stream.
    pub(super) fn survey_streams(&self, progress: &mut dyn FnMut(Progress)) -> Result<Vec<StreamFacts>, OfflineError> {
        let (total_bytes, meter) = (self.stream_bytes()?, Arc::new(Meter::default()));
        let mut all = Vec::new();
        for files in self.stream_files()? {
            let mut visit = |_, _| progress(meter.progress(total_bytes));
            let segments = files.survey(&meter.pace(), &mut visit).map_err(at("reading", &files.dir()))?;
            all.push(StreamFacts { stream: files.stream, segments });
        }
        progress(Progress { done_bytes: total_bytes, total_bytes });
        Ok(all)
    }

    pub(super) fn stream_problems(&self, facts: &StreamFacts) -> Vec<Problem> {
        let files = self.files_of(facts.stream);
        let partition = facts.segments.iter().find_map(|segment| segment.partition);
        let mut problems = Vec::new();
        for segment in &facts.segments {
            let number = segment.number;
            for Damage { offsets, records, what, kind } in segment.damage.iter().cloned() {
                let (acknowledged, remedy) = match kind {
                    DamageKind::Records | DamageKind::Hole => (true, Remedy::KeepCopy),
                    DamageKind::Foreign => (true, Remedy::SetAside),
                    DamageKind::Torn => (false, Remedy::Nothing),
                    // A header with a wrong partition would make the segment somebody else's; without one it is read.
                    DamageKind::Frame(Part::Header) if partition.is_none() => (false, Remedy::Nothing),
                    DamageKind::Frame(part) => {
                        let (partition, offset) = (partition.unwrap_or_default(), offsets.start);
                        (false, Remedy::Mend(Mend { stream: facts.stream, number, partition, part, offset }))
                    }
                };
                let file = self.relative(&files.path(number));
                problems.push(Problem { file, offsets, frames: Vec::new(), records, acknowledged, what, remedy });
            }
        }
        problems
    }

    /// Writes a part of a segment again.
    pub(super) fn mend(&self, mend: &Mend) -> Result<(), OfflineError> {
        let files = self.files_of(mend.stream);
        Ok(files.mend(mend).map_err(at("mending", &files.path(mend.number)))?)
    }

    /// Hands every sound record that the filter accepts to `row`, by stream and in the order of its segments, until it
    /// breaks. What is damaged is passed over: `verify` names it.
    ///
    /// # Errors
    ///
    /// A file cannot be read.
    pub fn dump_records(
        &self,
        filter: &RecordFilter,
        row: &mut dyn FnMut(RecordRow) -> ControlFlow<()>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), OfflineError> {
        let (total_bytes, meter) = (self.stream_bytes()?, Arc::new(Meter::default()));
        for files in self.stream_files()? {
            if meter.is_over.load(Ordering::Relaxed) || filter.stream.is_some_and(|wanted| wanted != files.stream) {
                continue;
            }
            let mut show = |segment, record: shard::Record| {
                progress(meter.progress(total_bytes));
                let shard::Record { shard, offset, entry } = record;
                let StoredEntry { kind, seq: index, header, body, .. } = entry;
                if meter.is_over.load(Ordering::Relaxed) || !filter.accepts(shard, index) {
                    return;
                }
                let shown = RecordRow { stream: files.stream, segment, offset, shard, index, kind, header, body };
                meter.is_over.store(row(shown).is_break(), Ordering::Relaxed);
            };
            match files.read(&meter.pace(), &mut show) {
                // Nobody wants more.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => drop(read.map_err(at("reading", &files.dir()))?),
            }
        }
        progress(Progress { done_bytes: total_bytes, total_bytes });
        Ok(())
    }
}
