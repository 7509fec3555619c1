//! `forebay storage inspect`.

use super::{action::shown, streams};
use crate::{
    base::time::Timestamp,
    cli::{
        Failure,
        output::{Output, Record},
        progress::Bar,
    },
    config::unit::show_size,
    storage::{
        identity,
        log::examine::{SegmentFacts, SegmentState, SideFile},
        offline::{Inspection, Stopped},
    },
};
use serde::Serialize;

/// What is shown.
#[derive(Clone, Copy)]
pub(super) enum Show {
    Overview,
    Segments,
    Archive,
    Streams,
}

pub(super) fn run(stopped: &Stopped, show: Show, bar: &Bar, mut output: Output) -> Result<(), Failure> {
    let found = stopped.inspect(&mut shown(bar))?;
    bar.clear();
    match show {
        Show::Overview => output.one(&Overview::from(&found)),
        Show::Segments => output.list(&found.segments.iter().map(SegmentRow::from).collect::<Vec<_>>()),
        Show::Archive => output.list(&found.archive.iter().map(SegmentRow::from).collect::<Vec<_>>()),
        Show::Streams => output.list(&streams::rows(&found.streams)),
    }
}

/// RFC 3339.
pub(super) fn show_time(time: Timestamp) -> String {
    let millis = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(millis).map(|time| time.to_string()).unwrap_or_default()
}

#[derive(Serialize)]
struct Overview {
    store: String,
    format: u16,
    created: String,
    partitions: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    checkpoint: Option<CheckpointFacts>,
    damaged_checkpoints: Vec<String>,
    segments: usize,
    log_bytes: u64,
    blocks: u64,
    entries: u64,
    bad_frames: usize,
    archive_segments: usize,
    archive_bytes: u64,
    archive_entries: u64,
    archive_bad_frames: usize,
    free_segments: u64,
    free_bytes: u64,
    streams: usize,
    stream_segments: usize,
    stream_bytes: u64,
    stream_records: u64,
    stream_damage: usize,
    snapshots: Vec<String>,
    index_generations: Vec<u64>,
    index_bytes: u64,
    index_set_aside: Vec<String>,
}

#[derive(Serialize)]
struct CheckpointFacts {
    generation: u64,
    written: String,
    clean_shutdown: bool,
    durable_block: u64,
    snapshot: u64,
    frames: Vec<PartitionFacts>,
}

#[derive(Serialize)]
struct PartitionFacts {
    partition: u32,
    lsn: u64,
}

impl From<&Inspection> for Overview {
    fn from(found: &Inspection) -> Self {
        let checkpoint = found.checkpoints.latest().map(|latest| CheckpointFacts {
            generation: latest.generation,
            written: show_time(latest.written),
            clean_shutdown: latest.clean_shutdown,
            durable_block: latest.durable_seq,
            snapshot: latest.snapshot_generation,
            frames: latest
                .partitions
                .iter()
                .map(|position| PartitionFacts { partition: position.partition.0, lsn: position.lsn.0 })
                .collect(),
        });
        let snapshots = found.snapshots.iter().map(|snapshot| match &snapshot.content {
            Ok((written, sections)) => {
                let (written, size) = (show_time(*written), show_size(snapshot.bytes));
                format!("{}: {size}, {sections} sections, written {written}", snapshot.generation)
            }
            Err(what) => format!("{}: {what}", snapshot.generation),
        });
        let of_streams = || found.streams.iter().flat_map(|stream| &stream.segments);
        let damaged = found.checkpoints.damage().map(|(file, what)| format!("{file}: {what}"));
        Self {
            store: found.identity.uuid.to_string(),
            format: identity::FORMAT_VERSION,
            created: show_time(found.identity.created),
            partitions: found.identity.partition_count,
            checkpoint,
            damaged_checkpoints: damaged.collect(),
            segments: found.segments.len(),
            log_bytes: found.segments.iter().map(|segment| segment.file_bytes).sum(),
            blocks: found.segments.iter().map(|segment| segment.blocks).sum(),
            entries: found.segments.iter().map(|segment| segment.entries).sum(),
            bad_frames: found.segments.iter().map(|segment| segment.bad_frames.len()).sum(),
            archive_segments: found.archive.len(),
            archive_bytes: found.archive.iter().map(|segment| segment.file_bytes).sum(),
            archive_entries: found.archive.iter().map(|segment| segment.entries).sum(),
            archive_bad_frames: found.archive.iter().map(|segment| segment.bad_frames.len()).sum(),
            free_segments: found.free_segments,
            free_bytes: found.free_bytes,
            streams: found.streams.len(),
            stream_segments: of_streams().count(),
            stream_bytes: of_streams().map(|segment| segment.bytes).sum(),
            stream_records: of_streams().map(|segment| segment.records).sum(),
            stream_damage: of_streams().map(|segment| segment.damage.len()).sum(),
            snapshots: snapshots.collect(),
            index_generations: found.index.generations.clone(),
            index_bytes: found.index.bytes,
            index_set_aside: found.index.set_aside.clone(),
        }
    }
}

impl Record for Overview {
    const COLUMNS: &'static [&'static str] = &[
        "store",
        "created",
        "partitions",
        "checkpoint",
        "damaged checkpoints",
        "log",
        "archive",
        "free segments",
        "streams",
        "snapshots",
        "index",
        "index set aside",
    ];

    fn cells(&self) -> Vec<String> {
        let checkpoint = self.checkpoint.as_ref().map(|checkpoint| {
            let end = if checkpoint.clean_shutdown { ", the last of a clean shutdown" } else { "" };
            let frames: Vec<_> = checkpoint
                .frames
                .iter()
                .map(|facts| format!("partition {} at {}", facts.partition, facts.lsn))
                .collect();
            format!("{}: {}{end}\n{}", checkpoint.generation, checkpoint.written, frames.join("\n"))
        });
        let bad = |count: usize| if count == 0 { String::new() } else { format!(", {count} bad frames") };
        vec![
            format!("{}, format {}", self.store, self.format),
            self.created.clone(),
            self.partitions.to_string(),
            checkpoint.unwrap_or_default(),
            self.damaged_checkpoints.join("\n"),
            format!(
                "{} segments, {}, {} blocks, {} entries{}",
                self.segments,
                show_size(self.log_bytes),
                self.blocks,
                self.entries,
                bad(self.bad_frames)
            ),
            format!(
                "{} segments, {}, {} entries{}",
                self.archive_segments,
                show_size(self.archive_bytes),
                self.archive_entries,
                bad(self.archive_bad_frames)
            ),
            format!("{}, {}", self.free_segments, show_size(self.free_bytes)),
            format!(
                "{}, {} segments, {}, {} records, {} damaged places",
                self.streams,
                self.stream_segments,
                show_size(self.stream_bytes),
                self.stream_records,
                self.stream_damage
            ),
            self.snapshots.join("\n"),
            format!("generations {:?}, {}", self.index_generations, show_size(self.index_bytes)),
            self.index_set_aside.join("\n"),
        ]
    }
}

#[derive(Serialize)]
struct SegmentRow {
    segment: u64,
    state: String,
    created: String,
    first_block: u64,
    blocks: u64,
    used_bytes: u64,
    file_bytes: u64,
    entries: u64,
    frames: Vec<String>,
    bad_frames: usize,
    table: &'static str,
}

impl From<&SegmentFacts> for SegmentRow {
    fn from(facts: &SegmentFacts) -> Self {
        let (state, created, first_block) = match &facts.state {
            SegmentState::InUse { created, first_block_seq } => {
                ("in use".to_owned(), show_time(*created), *first_block_seq)
            }
            SegmentState::Unused => ("unused".to_owned(), String::new(), 0),
            SegmentState::Headless { what } | SegmentState::Foreign { what } => ((*what).to_owned(), String::new(), 0),
        };
        let frames = facts.frames.iter().map(|(partition, (first, last))| format!("{partition}: {first} to {last}"));
        Self {
            segment: facts.seq,
            state,
            created,
            first_block,
            blocks: facts.blocks,
            used_bytes: facts.end_offset,
            file_bytes: facts.file_bytes,
            entries: facts.entries,
            frames: frames.collect(),
            bad_frames: facts.bad_frames.len(),
            table: match facts.side_file {
                SideFile::Missing => "missing",
                SideFile::Good => "good",
                SideFile::Damaged => "damaged",
            },
        }
    }
}

impl Record for SegmentRow {
    const COLUMNS: &'static [&'static str] =
        &["segment", "state", "created", "first_block", "blocks", "used", "entries", "frames", "bad", "table"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.segment.to_string(),
            self.state.clone(),
            self.created.clone(),
            self.first_block.to_string(),
            self.blocks.to_string(),
            format!("{} of {}", show_size(self.used_bytes), show_size(self.file_bytes)),
            self.entries.to_string(),
            self.frames.join(", "),
            self.bad_frames.to_string(),
            self.table.to_owned(),
        ]
    }
}
