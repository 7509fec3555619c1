//! The segments of streams, as `inspect --streams` and `dump --stream` show them.

use super::entry;
use crate::{
    cli::output::Record,
    config::unit::show_size,
    storage::{
        offline::{RecordRow, StreamFacts},
        shard::SegmentFacts,
    },
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::Serialize;

/// A stream by the name of its directory.
pub(super) fn stream_name(stream: u64) -> String {
    format!("{stream:016x}")
}

/// Bytes as text where they are, else in Base64.
pub(super) fn show_bytes(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => format!("base64:{}", BASE64_STANDARD.encode(bytes)),
    }
}

pub(super) fn rows(streams: &[StreamFacts]) -> Vec<StreamSegmentRow> {
    let of = |stream: &StreamFacts| {
        let name = stream_name(stream.stream);
        stream.segments.iter().map(|facts| StreamSegmentRow::new(name.clone(), facts)).collect::<Vec<_>>()
    };
    streams.iter().flat_map(of).collect()
}

#[derive(Serialize)]
pub(super) struct StreamSegmentRow {
    stream: String,
    segment: u64,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    partition: Option<u32>,
    bytes: u64,
    chunks: u64,
    records: u64,
    damage: Vec<String>,
}

impl StreamSegmentRow {
    fn new(stream: String, facts: &SegmentFacts) -> Self {
        Self {
            stream,
            segment: facts.number,
            state: if facts.sealed { "sealed" } else { "open" },
            partition: facts.partition.map(|partition| partition.0),
            bytes: facts.bytes,
            chunks: facts.chunks,
            records: facts.records,
            damage: facts.damage.iter().map(|damage| damage.what.clone()).collect(),
        }
    }
}

impl Record for StreamSegmentRow {
    const COLUMNS: &'static [&'static str] =
        &["stream", "segment", "state", "partition", "size", "chunks", "records", "damage"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.stream.clone(),
            self.segment.to_string(),
            self.state.to_owned(),
            self.partition.map(|partition| partition.to_string()).unwrap_or_default(),
            show_size(self.bytes),
            self.chunks.to_string(),
            self.records.to_string(),
            self.damage.join(", "),
        ]
    }
}

#[derive(Serialize)]
pub(super) struct StreamRecordRow {
    row: &'static str,
    stream: String,
    segment: u64,
    offset: u64,
    shard: u32,
    index: u64,
    kind: String,
    header: String,
    body_bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
}

impl StreamRecordRow {
    pub(super) fn new(record: &RecordRow, with_body: bool) -> Self {
        Self {
            row: "record",
            stream: stream_name(record.stream),
            segment: record.segment,
            offset: record.offset,
            shard: record.shard,
            index: record.index,
            kind: entry::name(record.kind),
            header: entry::header(record.kind, &record.header),
            body_bytes: record.body.len(),
            body: (with_body && !record.body.is_empty()).then(|| show_bytes(&record.body)),
        }
    }
}

impl Record for StreamRecordRow {
    const COLUMNS: &'static [&'static str] = &["row"];

    fn cells(&self) -> Vec<String> {
        let Self { stream, segment, offset, shard, index, kind, body_bytes, .. } = self;
        let mut cells =
            vec![format!("stream {stream} shard {shard} record {index}: {kind}, segment {segment} at {offset}")];
        cells.extend([self.header.clone(), format!("body {body_bytes} bytes")]);
        cells.extend(self.body.clone());
        cells
    }
}
