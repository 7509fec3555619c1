//! Groups, checkpoints and moves as results.

use crate::{
    cli::{
        Failure,
        output::{Format, Output, Record, print},
        value::{short_name, show_time},
    },
    proto::stream::v1::{Checkpoint, Group, SoughtShard},
};
use serde::Serialize;
use std::collections::HashMap;

/// What a list shows of a group.
#[derive(Serialize)]
pub(super) struct GroupRow {
    group: String,
    members: usize,
    shards: usize,
    lag_records: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    commit_time: String,
}

impl From<&Group> for GroupRow {
    fn from(group: &Group) -> Self {
        let moment = |time: &prost_types::Timestamp| (time.seconds, time.nanos);
        let commits = group.checkpoints.iter().filter_map(|checkpoint| checkpoint.update_time);
        Self {
            group: short_name(&group.name).to_owned(),
            members: group.members.len(),
            shards: group.checkpoints.len(),
            lag_records: group.checkpoints.iter().map(|checkpoint| checkpoint.lag_records).sum(),
            commit_time: show_time(commits.max_by_key(moment)),
        }
    }
}

impl Record for GroupRow {
    const COLUMNS: &'static [&'static str] = &["group", "members", "shards", "lag", "last commit"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.group.clone(),
            self.members.to_string(),
            self.shards.to_string(),
            self.lag_records.to_string(),
            self.commit_time.clone(),
        ]
    }
}

/// Everything about a group.
#[derive(Serialize)]
struct GroupDetail {
    name: String,
    lag_records: u64,
    members: Vec<MemberDetail>,
    checkpoints: Vec<CheckpointRow>,
}

#[derive(Serialize)]
struct MemberDetail {
    member_id: String,
    consumer_name: String,
    shard_ids: Vec<String>,
}

#[derive(Serialize)]
struct CheckpointRow {
    shard_id: String,
    lag_records: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    sequence_number: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    update_time: String,
    generation: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    member_id: String,
    /// What the member calls itself; it is with the members too.
    #[serde(skip)]
    consumer_name: String,
}

impl CheckpointRow {
    fn new(checkpoint: Checkpoint, names: &HashMap<String, String>) -> Self {
        Self {
            consumer_name: names.get(&checkpoint.member_id).cloned().unwrap_or_default(),
            update_time: show_time(checkpoint.update_time),
            shard_id: checkpoint.shard_id,
            lag_records: checkpoint.lag_records,
            sequence_number: checkpoint.sequence_number,
            generation: checkpoint.generation,
            member_id: checkpoint.member_id,
        }
    }
}

impl From<Group> for GroupDetail {
    fn from(group: Group) -> Self {
        let members = group.members.iter();
        let names = members.map(|member| (member.member_id.clone(), member.consumer_name.clone())).collect();
        Self {
            lag_records: group.checkpoints.iter().map(|checkpoint| checkpoint.lag_records).sum(),
            name: group.name,
            members: group
                .members
                .into_iter()
                .map(|member| MemberDetail {
                    member_id: member.member_id,
                    consumer_name: member.consumer_name,
                    shard_ids: member.shard_ids,
                })
                .collect(),
            checkpoints: group.checkpoints.into_iter().map(|one| CheckpointRow::new(one, &names)).collect(),
        }
    }
}

impl Record for GroupDetail {
    const COLUMNS: &'static [&'static str] = &["name", "lag", "members"];

    fn cells(&self) -> Vec<String> {
        vec![self.name.clone(), format!("{} records", self.lag_records), self.members.len().to_string()]
    }
}

impl Record for CheckpointRow {
    const COLUMNS: &'static [&'static str] = &["shard", "lag", "committed", "member", "consumer"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.shard_id.clone(),
            self.lag_records.to_string(),
            self.update_time.clone(),
            self.member_id.clone(),
            self.consumer_name.clone(),
        ]
    }
}

/// Shows a group; for people its shards stand in a table of their own.
pub(super) fn show(output: &mut Output, group: Group) -> Result<(), Failure> {
    let detail = GroupDetail::from(group);
    output.one(&detail)?;
    if output.format() == Format::Table && !detail.checkpoints.is_empty() {
        print("\n")?;
        output.list(&detail.checkpoints)?;
    }
    Ok(())
}

/// What a move does to one shard.
#[derive(Serialize)]
pub(super) struct SoughtRow {
    shard_id: String,
    skipped_records: u64,
    repeated_records: u64,
}

impl From<&SoughtShard> for SoughtRow {
    fn from(shard: &SoughtShard) -> Self {
        Self {
            shard_id: shard.shard_id.clone(),
            skipped_records: shard.skipped_records,
            repeated_records: shard.repeated_records,
        }
    }
}

impl Record for SoughtRow {
    const COLUMNS: &'static [&'static str] = &["shard", "skipped", "come again"];

    fn cells(&self) -> Vec<String> {
        vec![self.shard_id.clone(), self.skipped_records.to_string(), self.repeated_records.to_string()]
    }
}
