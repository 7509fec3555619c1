//! `forebay stream report`: what nobody sees in a list, because it takes the shards and groups of every stream.

use super::{get::fetch as fetch_stream, list::Which, shards};
use crate::{
    cli::{
        Exit, Failure,
        client::Caller,
        group,
        output::{Output, Record},
        value::short_name,
    },
    config::unit::show_size,
    proto::{
        common::v1::ResourceView,
        stream::v1::{Group, Shard, Stream},
    },
};
use clap::Args;
use serde::Serialize;
use std::cmp::Reverse;

#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// The streams [default: all]
    #[arg(value_name = "NAME", conflicts_with_all = ["prefix", "namespace"])]
    names: Vec<String>,
    #[command(flatten)]
    which: Which,
}

impl ReportArgs {
    pub(super) async fn run(self, caller: &Caller, mut output: Output) -> Result<(), Failure> {
        let mut streams = Vec::new();
        if self.names.is_empty() {
            streams = self.which.fetch(caller, usize::MAX).await?;
        }
        for name in self.names {
            streams.push(fetch_stream(caller, name, ResourceView::Full).await?);
        }
        let mut rows = Vec::new();
        for stream in streams {
            match look(caller, &stream).await {
                Ok(row) => rows.push(row),
                // It went while the others were looked at.
                Err(failure) if failure.exit == Exit::NotFound => output.note(&failure.text),
                Err(failure) => return Err(failure),
            }
        }
        rows.sort_by_key(|row| Reverse(row.stored_bytes));
        output.list(&rows)
    }
}

async fn look(caller: &Caller, stream: &Stream) -> Result<ReportRow, Failure> {
    let shards = shards::fetch(caller, stream.name.clone(), true).await?;
    let groups = group::fetch(caller, stream.name.clone()).await?;
    Ok(ReportRow::new(stream, &shards, &groups))
}

#[derive(Serialize)]
struct ReportRow {
    name: String,
    stored_records: u64,
    stored_bytes: u64,
    open_shards: usize,
    closed_shards: usize,
    /// The open shard that holds the most, and its part of what the open ones hold.
    #[serde(skip_serializing_if = "String::is_empty")]
    fullest_shard: String,
    fullest_shard_percent: u64,
    groups: usize,
    members: usize,
    /// The group that is furthest behind.
    #[serde(skip_serializing_if = "String::is_empty")]
    slowest_group: String,
    slowest_group_lag_records: u64,
}

impl ReportRow {
    fn new(stream: &Stream, shards: &[Shard], groups: &[Group]) -> Self {
        let open: Vec<_> = shards.iter().filter(|shard| shard.close_time.is_none()).collect();
        let in_open: u64 = open.iter().map(|shard| shard.stored_bytes).sum();
        let fullest = open.iter().rev().max_by_key(|shard| shard.stored_bytes).filter(|_| in_open > 0);
        let slowest = groups.iter().rev().map(|group| (lag(group), group)).max_by_key(|(lag, _)| *lag);
        let slowest = slowest.filter(|(lag, _)| *lag > 0);
        Self {
            name: short_name(&stream.name).to_owned(),
            stored_records: shards.iter().map(|shard| shard.stored_records).sum(),
            stored_bytes: shards.iter().map(|shard| shard.stored_bytes).sum(),
            open_shards: open.len(),
            closed_shards: shards.len() - open.len(),
            fullest_shard: fullest.map(|shard| shard.shard_id.clone()).unwrap_or_default(),
            fullest_shard_percent: fullest.map_or(0, |shard| shard.stored_bytes * 100 / in_open.max(1)),
            groups: groups.len(),
            members: groups.iter().map(|group| group.members.len()).sum(),
            slowest_group: slowest.map(|(_, group)| short_name(&group.name).to_owned()).unwrap_or_default(),
            slowest_group_lag_records: slowest.map_or(0, |(lag, _)| lag),
        }
    }
}

fn lag(group: &Group) -> u64 {
    group.checkpoints.iter().map(|checkpoint| checkpoint.lag_records).sum()
}

impl Record for ReportRow {
    const COLUMNS: &'static [&'static str] =
        &["name", "records", "size", "open", "closed", "fullest shard", "groups", "members", "furthest behind"];

    fn cells(&self) -> Vec<String> {
        let fullest = format!("{} ({}%)", self.fullest_shard, self.fullest_shard_percent);
        let slowest = format!("{} ({} records)", self.slowest_group, self.slowest_group_lag_records);
        vec![
            self.name.clone(),
            self.stored_records.to_string(),
            show_size(self.stored_bytes),
            self.open_shards.to_string(),
            self.closed_shards.to_string(),
            if self.fullest_shard.is_empty() { String::new() } else { fullest },
            self.groups.to_string(),
            self.members.to_string(),
            if self.slowest_group.is_empty() { String::new() } else { slowest },
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::stream::v1::{Checkpoint, Member};

    fn shard(id: &str, bytes: u64, is_closed: bool) -> Shard {
        let close_time = is_closed.then(prost_types::Timestamp::default);
        Shard { shard_id: id.into(), stored_records: 1, stored_bytes: bytes, close_time, ..Shard::default() }
    }

    fn group(name: &str, lags: &[u64]) -> Group {
        let checkpoints = lags.iter().map(|lag| Checkpoint { lag_records: *lag, ..Checkpoint::default() });
        Group {
            name: format!("namespaces/000000000000/streams/s/groups/{name}"),
            checkpoints: checkpoints.collect(),
            members: vec![Member::default()],
        }
    }

    #[test]
    fn a_report_names_the_fullest_open_shard_and_the_slowest_group() {
        let stream = Stream { name: "namespaces/000000000000/streams/s".into(), ..Stream::default() };
        let shards = [shard("old", 900, true), shard("a", 25, false), shard("b", 75, false)];
        let row = ReportRow::new(&stream, &shards, &[group("quick", &[0, 1]), group("slow", &[2, 3])]);
        let expected = ["s", "3", "1000B", "2", "1", "b (75%)", "2", "2", "slow (5 records)"];
        assert_eq!(row.cells(), expected);
    }

    #[test]
    fn a_stream_that_holds_nothing_has_no_fullest_shard() {
        let stream = Stream { name: "s".into(), ..Stream::default() };
        let row = ReportRow::new(&stream, &[shard("a", 0, false)], &[group("g", &[0])]);
        assert_eq!(row.cells(), ["s", "1", "0B", "1", "0", "", "1", "1", ""]);
    }
}
