//! `forebay storage dump`: the log, the archive, or the records of streams.

use super::{
    action::shown,
    entry,
    inspect::show_time,
    streams::{self, StreamRecordRow, show_bytes},
};
use crate::{
    base::id::{Lsn, PartitionId},
    cli::{
        Failure,
        output::{Output, Record},
        progress::Bar,
    },
    storage::offline::{EntryRow, Filter, FrameRow, RecordFilter, RecordRow, Row, Stopped, Which},
};
use clap::Args;
use serde::Serialize;
use std::ops::ControlFlow;

#[derive(Debug, Args)]
pub(super) struct DumpArgs {
    /// Only this partition
    #[arg(long, value_name = "NUMBER")]
    partition: Option<u32>,
    /// From this frame on; with --stream, from this record of each shard on
    #[arg(long, value_name = "NUMBER")]
    from: Option<u64>,
    /// Up to this frame; with --stream, up to this record of each shard
    #[arg(long, value_name = "NUMBER")]
    to: Option<u64>,
    /// Only entries about this queue, by its number
    #[arg(long, value_name = "NUMBER")]
    queue: Option<u64>,
    /// Not the log but the archive
    #[arg(long)]
    archive: bool,
    /// Not the log but the records in the segments of a stream, which is named like its directory in shards/, or of "all"
    #[arg(long, value_name = "ID", value_parser = parse_stream, conflicts_with_all = ["archive", "partition", "queue", "frames"])]
    stream: Option<Streams>,
    /// Only records of this shard
    #[arg(long, value_name = "NUMBER", requires = "stream")]
    shard: Option<u32>,
    /// Frames only, without the entries in them
    #[arg(long)]
    frames: bool,
    /// Also print the bodies of messages, and the data of records
    #[arg(long)]
    bodies: bool,
    /// At most this many rows
    #[arg(short = 'n', long, value_name = "COUNT")]
    limit: Option<usize>,
}

/// Whose records are shown.
#[derive(Clone, Copy, Debug)]
enum Streams {
    All,
    One(u64),
}

fn parse_stream(text: &str) -> Result<Streams, String> {
    if text == "all" {
        return Ok(Streams::All);
    }
    let id = u64::from_str_radix(text, 16).ok().filter(|id| streams::stream_name(*id) == text);
    id.map(Streams::One).ok_or_else(|| "the name of a directory in shards/ has 16 hexadecimal digits".to_owned())
}

impl DumpArgs {
    pub(super) fn run(self, stopped: &Stopped, bar: &Bar, output: Output) -> Result<(), Failure> {
        match self.stream {
            Some(streams) => self.dump_records(streams, stopped, bar, output),
            None => self.dump_log(stopped, bar, output),
        }
    }

    fn dump_records(&self, streams: Streams, stopped: &Stopped, bar: &Bar, mut output: Output) -> Result<(), Failure> {
        let stream = match streams {
            Streams::All => None,
            Streams::One(id) => Some(id),
        };
        let filter = RecordFilter { stream, shard: self.shard, first: self.from, last: self.to };
        let mut left = self.limit.unwrap_or(usize::MAX);
        let mut result = Ok(());
        let mut row = |record: RecordRow| {
            if left == 0 {
                return ControlFlow::Break(());
            }
            left -= 1;
            result = output.next(&StreamRecordRow::new(&record, self.bodies));
            if result.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        stopped.dump_records(&filter, &mut row, &mut shown(bar))?;
        bar.clear();
        result?;
        output.end()
    }

    fn dump_log(&self, stopped: &Stopped, bar: &Bar, mut output: Output) -> Result<(), Failure> {
        let filter = Filter {
            which: if self.archive { Which::Archive } else { Which::Log },
            partition: self.partition.map(PartitionId),
            first: self.from.map(Lsn),
            last: self.to.map(Lsn),
        };
        let mut left = self.limit.unwrap_or(usize::MAX);
        let mut result = Ok(());
        let mut row = |row: Row| {
            if left == 0 {
                return ControlFlow::Break(());
            }
            let Some(shown) = self.show(row) else { return ControlFlow::Continue(()) };
            left -= 1;
            result = output.next(&shown);
            if result.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        stopped.dump(&filter, &mut row, &mut shown(bar))?;
        bar.clear();
        result?;
        output.end()
    }

    /// The row as it is printed; nothing when it is not wanted.
    fn show(&self, row: Row) -> Option<DumpRow> {
        match row {
            Row::Frame(frame) => self.queue.is_none().then(|| DumpRow::from(frame)),
            Row::Entry(_) if self.frames => None,
            Row::Entry(entry) if self.queue.is_some_and(|queue| queue != entry.target) => None,
            Row::Entry(entry) => Some(DumpRow::new(entry, self.bodies)),
        }
    }
}

/// A frame or an entry of one.
#[derive(Serialize)]
#[serde(tag = "row", rename_all = "lowercase")]
enum DumpRow {
    Frame {
        partition: u32,
        lsn: u64,
        epoch: u64,
        time: String,
        fence: bool,
        entries: usize,
        bytes: usize,
    },
    Entry {
        partition: u32,
        lsn: u64,
        offset: u32,
        kind: String,
        target: u64,
        seq: u64,
        header: String,
        body_bytes: usize,
        #[serde(skip_serializing_if = "Option::is_none")]
        body: Option<String>,
    },
}

impl From<FrameRow> for DumpRow {
    fn from(frame: FrameRow) -> Self {
        Self::Frame {
            partition: frame.partition.0,
            lsn: frame.lsn.0,
            epoch: frame.epoch.0.0,
            time: show_time(frame.logical_time),
            fence: frame.is_fence,
            entries: frame.entries,
            bytes: frame.len,
        }
    }
}

impl DumpRow {
    fn new(entry: EntryRow, with_body: bool) -> Self {
        let body = show_bytes(&entry.body);
        Self::Entry {
            partition: entry.partition.0,
            lsn: entry.lsn.0,
            offset: entry.offset,
            kind: entry::name(entry.kind),
            target: entry.target,
            seq: entry.seq,
            header: entry::header(entry.kind, &entry.header),
            body_bytes: entry.body.len(),
            body: (with_body && !entry.body.is_empty()).then_some(body),
        }
    }
}

impl Record for DumpRow {
    const COLUMNS: &'static [&'static str] = &["row"];

    fn cells(&self) -> Vec<String> {
        match self {
            Self::Frame { partition, lsn, epoch, time, fence, entries, bytes } => {
                let what = if *fence { "fence".to_owned() } else { format!("{entries} entries") };
                vec![format!("partition {partition} frame {lsn}: {what}, {bytes} bytes, epoch {epoch}, {time}")]
            }
            Self::Entry { offset, kind, target, seq, header, body_bytes, body, .. } => {
                let mut cells = vec![format!("  {offset:>6} {kind} queue {target} message {seq}"), header.clone()];
                if *body_bytes > 0 {
                    cells.push(format!("body {body_bytes} bytes"));
                }
                cells.extend(body.clone());
                cells
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_named_like_its_directory() {
        assert!(matches!(parse_stream("000000000000002a"), Ok(Streams::One(42))));
        assert!(matches!(parse_stream("all"), Ok(Streams::All)));
        for wrong in ["", "2a", "000000000000002A", "+00000000000002a", "orders"] {
            assert!(parse_stream(wrong).is_err_and(|error| error.contains("16 hexadecimal digits")), "{wrong}");
        }
    }
}
