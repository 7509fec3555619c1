//! A stream as a result.

use crate::{
    cli::{
        output::Record,
        value::{short_name, show, show_time},
    },
    config::unit::show_size,
    proto::stream::v1::{CapacityMode, Stream, StreamState, StreamStats},
};
use serde::Serialize;
use std::collections::BTreeMap;

/// What a list shows of a stream.
#[derive(Serialize)]
pub(super) struct StreamRow {
    name: String,
    state: &'static str,
    mode: &'static str,
    open_shards: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    stored_records: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stored_bytes: Option<u64>,
    retention: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    groups: Option<u32>,
}

impl From<&Stream> for StreamRow {
    fn from(stream: &Stream) -> Self {
        let stats = stream.stats.as_ref();
        Self {
            name: short_name(&stream.name).to_owned(),
            state: state(stream),
            mode: mode(stream),
            open_shards: stream.open_shards,
            stored_records: stats.map(|stats| stats.stored_records),
            stored_bytes: stats.map(|stats| stats.stored_bytes),
            retention: show(stream.retention),
            groups: stats.map(|stats| stats.groups),
        }
    }
}

impl Record for StreamRow {
    const COLUMNS: &'static [&'static str] =
        &["name", "state", "mode", "shards", "records", "size", "retention", "groups"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.name.clone(),
            self.state.to_owned(),
            self.mode.to_owned(),
            self.open_shards.to_string(),
            self.stored_records.map(|count| count.to_string()).unwrap_or_default(),
            self.stored_bytes.map(show_size).unwrap_or_default(),
            self.retention.clone(),
            self.groups.map(|count| count.to_string()).unwrap_or_default(),
        ]
    }
}

fn state(stream: &Stream) -> &'static str {
    match stream.state() {
        StreamState::Unspecified => "",
        StreamState::Creating => "creating",
        StreamState::Active => "active",
        StreamState::Updating => "updating",
        StreamState::Deleting => "deleting",
    }
}

fn mode(stream: &Stream) -> &'static str {
    match stream.capacity_mode() {
        CapacityMode::OnDemand => "on-demand",
        CapacityMode::Provisioned | CapacityMode::Unspecified => "provisioned",
    }
}

/// Everything about a stream.
#[derive(Serialize)]
pub(super) struct StreamDetail {
    name: String,
    arn: String,
    state: &'static str,
    mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    warm_throughput: Option<u32>,
    open_shards: u32,
    retention: String,
    max_record_bytes: u32,
    #[serde(skip_serializing_if = "String::is_empty")]
    policy: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<String, String>,
    etag: String,
    create_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    stats: Option<Stats>,
}

#[derive(Serialize)]
struct Stats {
    stored_records: u64,
    stored_bytes: u64,
    closed_shards: u32,
    groups: u32,
    registered_consumers: u32,
}

impl From<Stream> for StreamDetail {
    fn from(stream: Stream) -> Self {
        Self {
            state: state(&stream),
            mode: mode(&stream),
            warm_throughput: (stream.warm_throughput > 0).then_some(stream.warm_throughput),
            open_shards: stream.open_shards,
            retention: show(stream.retention),
            max_record_bytes: stream.max_record_bytes,
            create_time: show_time(stream.create_time),
            stats: stream.stats.map(Stats::from),
            name: stream.name,
            arn: stream.arn,
            policy: stream.policy,
            tags: stream.tags.into_iter().collect(),
            etag: stream.etag,
        }
    }
}

impl From<StreamStats> for Stats {
    fn from(stats: StreamStats) -> Self {
        Self {
            stored_records: stats.stored_records,
            stored_bytes: stats.stored_bytes,
            closed_shards: stats.closed_shards,
            groups: stats.groups,
            registered_consumers: stats.registered_consumers,
        }
    }
}

impl Record for StreamDetail {
    const COLUMNS: &'static [&'static str] = &[
        "name",
        "arn",
        "state",
        "mode",
        "warm throughput",
        "shards",
        "retention",
        "max record size",
        "policy",
        "tags",
        "etag",
        "created",
        "records",
        "stored",
        "groups",
        "registered consumers",
    ];

    fn cells(&self) -> Vec<String> {
        let stats = self.stats.as_ref();
        let closed = stats.map_or(0, |stats| stats.closed_shards);
        let tags: Vec<_> = self.tags.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let text = |text: Option<String>| text.unwrap_or_default();
        vec![
            self.name.clone(),
            self.arn.clone(),
            self.state.to_owned(),
            self.mode.to_owned(),
            text(self.warm_throughput.map(|throughput| format!("{throughput}MiB/s"))),
            if closed > 0 {
                format!("{} open, {closed} closed", self.open_shards)
            } else {
                self.open_shards.to_string()
            },
            self.retention.clone(),
            show_size(u64::from(self.max_record_bytes)),
            self.policy.clone(),
            tags.join(" "),
            self.etag.clone(),
            self.create_time.clone(),
            text(stats.map(|stats| stats.stored_records.to_string())),
            text(stats.map(|stats| show_size(stats.stored_bytes))),
            text(stats.map(|stats| stats.groups.to_string())),
            text(stats.map(|stats| stats.registered_consumers.to_string())),
        ]
    }
}
