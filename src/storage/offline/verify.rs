//! Every checksum of every file, and what a start would make of each that does not match.

use super::stopped::{OfflineError, Progress, Stopped, Which};
use crate::storage::{
    access,
    checkpoint::Checkpoint,
    index::sled_index::{self, IndexFindings, SledOptions},
    log::{
        LostFrames, RecoveryReport,
        examine::{self, SegmentFacts, SegmentState, SideFile},
        segment::{segment_path, table_path},
    },
    shard::{LostRecords, Mend},
    snapshot::{self, Snapshot},
};
use std::{
    ops::Range,
    path::{Path, PathBuf},
};

/// Small: enough to walk an index once.
const INDEX_CACHE_BYTES: u64 = 8 << 20;

/// What can be done about a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// The next start leaves it behind by itself.
    Nothing,
    /// `repair` writes the file again from what is sound.
    Rewrite,
    /// `repair` moves it aside; the next start makes it again.
    SetAside,
    /// Bytes of the log or of a stream are lost. `repair` keeps a copy of what stands there and says what was lost.
    KeepCopy,
    /// `repair` keeps a copy and writes this part of a stream's segment again, from the records in it.
    Mend(Mend),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Relative to the data directory.
    pub file: String,
    /// Bytes of the file; empty when the whole file is meant.
    pub offsets: Range<u64>,
    /// Frames that are lost.
    pub frames: Vec<LostFrames>,
    /// Records of the stream whose segment it is that are lost, as far as they are known.
    pub records: Vec<LostRecords>,
    /// Something that was acknowledged is affected.
    pub acknowledged: bool,
    pub what: String,
    pub remedy: Remedy,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verification {
    pub problems: Vec<Problem>,
    pub segments: u64,
    pub blocks: u64,
    pub frames: u64,
    pub entries: u64,
    pub index_pages: u64,
    pub stream_segments: u64,
    pub stream_records: u64,
    pub clean_shutdown: bool,
}

/// What stands in the log or the archive, and what a start makes of it.
struct LogSurvey {
    dir: PathBuf,
    segments: Vec<SegmentFacts>,
    report: RecoveryReport,
    frames: u64,
}

impl Verification {
    /// Nothing that was acknowledged is damaged.
    pub fn is_sound(&self) -> bool {
        self.problems.iter().all(|problem| !problem.acknowledged)
    }
}

impl Stopped {
    /// Reads everything. Sled may tidy its own files while its pages are read.
    pub fn verify(&self, progress: &mut dyn FnMut(Progress)) -> Result<Verification, OfflineError> {
        let slots = self.slots();
        let latest = slots.latest();
        let mut problems: Vec<Problem> = slots.damage().map(|(file, what)| damaged_checkpoint(file, what)).collect();
        problems.extend(self.snapshot_problems(latest)?);
        problems.extend(self.access_problem());
        let index = latest.map(|checkpoint| self.index_findings(checkpoint));
        problems.extend(latest.zip(index.as_ref()).and_then(|(checkpoint, found)| index_problem(checkpoint, found)));
        let (stream_bytes, mut done_bytes) = (self.stream_bytes()?, 0);
        // Both are read twice: once for what stands in them, once for what a start makes of it.
        let log_bytes = 2 * (self.log_bytes(Which::Log)? + self.log_bytes(Which::Archive)?);
        let total_bytes = log_bytes + stream_bytes;
        let mut step = |bytes: u64| {
            done_bytes = (done_bytes + bytes).min(log_bytes);
            progress(Progress { done_bytes, total_bytes });
        };
        let log = self.survey_log(Which::Log, &mut step)?;
        let archive = self.survey_log(Which::Archive, &mut step)?;
        let streams = self.survey_streams(&mut |Progress { done_bytes, total_bytes }| {
            progress(Progress { done_bytes: log_bytes + done_bytes, total_bytes: log_bytes + total_bytes });
        })?;
        let logs = [&log, &archive];
        problems.extend(logs.iter().flat_map(|survey| self.log_problems(survey)));
        problems.extend(streams.iter().flat_map(|facts| self.stream_problems(facts)));
        let segments = || logs.iter().flat_map(|survey| &survey.segments);
        let stream_segments = || streams.iter().flat_map(|stream| &stream.segments);
        Ok(Verification {
            problems,
            segments: segments().count() as u64,
            blocks: segments().map(|facts| facts.blocks).sum(),
            frames: log.frames + archive.frames,
            entries: segments().map(|facts| facts.entries).sum(),
            index_pages: index.map_or(0, |found| found.pages),
            stream_segments: stream_segments().count() as u64,
            stream_records: stream_segments().map(|facts| facts.records).sum(),
            clean_shutdown: log.report.clean_shutdown,
        })
    }

    /// Reads the log or the archive.
    fn survey_log(&self, which: Which, step: &mut dyn FnMut(u64)) -> Result<LogSurvey, OfflineError> {
        let (dir, uuid) = (self.dir_of(which), self.store_uuid());
        let mut before = 0_u64;
        let segments = examine::segments(&*self.io, &dir, uuid, &mut |done, _| {
            step(done.saturating_sub(before));
            before = done;
        })?;
        let mut frames = 0;
        let report = examine::replay(&*self.io, &dir, uuid, self.durable_seq(which), &mut |frame| {
            frames += 1;
            step(frame.len() as u64);
        })?;
        Ok(LogSurvey { dir, segments, report, frames })
    }

    fn log_problems(&self, survey: &LogSurvey) -> Vec<Problem> {
        let LogSurvey { dir, segments, report, .. } = survey;
        let of_segments = segments.iter().flat_map(|facts| segment_problems(self, dir, facts));
        of_segments.chain(log_problems(self, dir, report, segments)).collect()
    }

    /// Any one snapshot will do. Without one the queues are lost that the log, given back from its old end, defines no more.
    fn snapshot_problems(&self, latest: Option<&Checkpoint>) -> Result<Vec<Problem>, OfflineError> {
        let check = |generation| {
            let error = Snapshot::read(&*self.io, &self.dir, generation, self.store_uuid()).err()?;
            let file = self.relative(&snapshot::path_of(&self.dir, generation));
            Some(whole_file(file, error.to_string(), Remedy::SetAside))
        };
        let mut generations = snapshot::generations(&*self.io, &self.dir)?;
        if generations.is_empty() {
            generations.extend(latest.map(|latest| latest.snapshot_generation).filter(|generation| *generation != 0));
        }
        let mut problems: Vec<Problem> = generations.iter().copied().filter_map(check).collect();
        let none_is_left = problems.len() == generations.len();
        problems.iter_mut().for_each(|problem| problem.acknowledged = none_is_left);
        Ok(problems)
    }

    /// A file of keys that cannot be read keeps a start from serving.
    fn access_problem(&self) -> Option<Problem> {
        let error = access::read(&*self.io, &self.dir).err()?;
        let file = self.relative(&access::path_of(&self.dir));
        Some(Problem { acknowledged: true, ..whole_file(file, error.to_string(), Remedy::SetAside) })
    }

    fn index_findings(&self, checkpoint: &Checkpoint) -> IndexFindings {
        let store_uuid = self.store_uuid();
        let options = SledOptions { data_dir: self.dir.clone(), store_uuid, cache_bytes: INDEX_CACHE_BYTES };
        sled_index::examine(&options, checkpoint.index)
    }

    pub(super) fn relative(&self, path: &Path) -> String {
        path.strip_prefix(&self.dir).unwrap_or(path).display().to_string()
    }
}

fn whole_file(file: String, what: String, remedy: Remedy) -> Problem {
    let (frames, records) = (Vec::new(), Vec::new());
    Problem { file, offsets: 0..0, frames, records, acknowledged: false, what, remedy }
}

fn damaged_checkpoint(file: &str, what: &str) -> Problem {
    whole_file(file.to_owned(), what.to_owned(), Remedy::Rewrite)
}

fn index_problem(checkpoint: &Checkpoint, found: &IndexFindings) -> Option<Problem> {
    let what = found.problems.join("; ");
    let file = format!("index/{}", checkpoint.index.generation);
    (!found.problems.is_empty()).then(|| whole_file(file, what, Remedy::SetAside))
}

fn segment_problems(stopped: &Stopped, dir: &Path, facts: &SegmentFacts) -> Vec<Problem> {
    let file = stopped.relative(&segment_path(dir, facts.seq));
    let mut problems: Vec<Problem> = facts
        .bad_frames
        .iter()
        .map(|bad| Problem {
            file: file.clone(),
            offsets: bad.offset..facts.end_offset.max(bad.offset),
            frames: Vec::new(),
            records: Vec::new(),
            acknowledged: true,
            what: bad.what.to_owned(),
            remedy: Remedy::KeepCopy,
        })
        .collect();
    if facts.side_file == SideFile::Damaged {
        let side = stopped.relative(&table_path(dir, facts.seq));
        problems.push(whole_file(side, "it is not the table of its segment".into(), Remedy::SetAside));
    }
    problems
}

fn log_problems(stopped: &Stopped, dir: &Path, report: &RecoveryReport, segments: &[SegmentFacts]) -> Vec<Problem> {
    let mut problems: Vec<Problem> = report
        .corrupt
        .iter()
        .map(|range| Problem {
            file: stopped.relative(&segment_path(dir, range.segment)),
            offsets: range.offsets.clone(),
            frames: range.frames.clone(),
            records: Vec::new(),
            acknowledged: true,
            what: range.what.clone(),
            remedy: Remedy::KeepCopy,
        })
        .collect();
    let last = segments.iter().rfind(|facts| facts.state != SegmentState::Unused);
    if let Some(last) = last.filter(|_| report.torn_bytes_dropped > 0) {
        problems.push(Problem {
            file: stopped.relative(&segment_path(dir, last.seq)),
            offsets: last.end_offset..last.end_offset + report.torn_bytes_dropped,
            frames: Vec::new(),
            records: Vec::new(),
            acknowledged: false,
            what: "a torn tail: written when the process ended, never acknowledged".into(),
            remedy: Remedy::Nothing,
        });
    }
    problems
}
