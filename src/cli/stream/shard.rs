//! A shard as a result.

use crate::{
    cli::{output::Record, value::show_time},
    config::unit::show_size,
    proto::stream::v1::Shard,
};
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct ShardRow {
    shard_id: String,
    state: &'static str,
    stored_records: u64,
    stored_bytes: u64,
    starting_hash_key: String,
    ending_hash_key: String,
    starting_sequence_number: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    ending_sequence_number: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    parent_shard_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    adjacent_parent_shard_id: String,
    open_time: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    close_time: String,
}

impl From<&Shard> for ShardRow {
    fn from(shard: &Shard) -> Self {
        Self {
            shard_id: shard.shard_id.clone(),
            state: if shard.close_time.is_some() { "closed" } else { "open" },
            stored_records: shard.stored_records,
            stored_bytes: shard.stored_bytes,
            starting_hash_key: shard.starting_hash_key.clone(),
            ending_hash_key: shard.ending_hash_key.clone(),
            starting_sequence_number: shard.starting_sequence_number.clone(),
            ending_sequence_number: shard.ending_sequence_number.clone(),
            parent_shard_id: shard.parent_shard_id.clone(),
            adjacent_parent_shard_id: shard.adjacent_parent_shard_id.clone(),
            open_time: show_time(shard.open_time),
            close_time: show_time(shard.close_time),
        }
    }
}

/// The part of all keys that lies below this one, in percent. Nobody compares numbers of 39 digits.
fn percent(hash_key: &str) -> Option<f64> {
    hash_key.parse::<u128>().ok().map(|key| key as f64 / u128::MAX as f64 * 100.0)
}

fn keys(shard: &ShardRow) -> String {
    match (percent(&shard.starting_hash_key), percent(&shard.ending_hash_key)) {
        (Some(start), Some(end)) => format!("{start:.1}% to {end:.1}%"),
        (None, _) | (_, None) => String::new(),
    }
}

impl Record for ShardRow {
    const COLUMNS: &'static [&'static str] = &["shard", "state", "records", "size", "keys", "opened", "came from"];

    fn cells(&self) -> Vec<String> {
        let parents = [self.parent_shard_id.as_str(), self.adjacent_parent_shard_id.as_str()];
        let parents: Vec<_> = parents.into_iter().filter(|parent| !parent.is_empty()).collect();
        vec![
            self.shard_id.clone(),
            self.state.to_owned(),
            self.stored_records.to_string(),
            show_size(self.stored_bytes),
            keys(self),
            self.open_time.clone(),
            parents.join(", "),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_hash_keys_is_shown_as_its_part_of_all() {
        let half = (u128::MAX / 2).to_string();
        let shard = Shard { starting_hash_key: half, ending_hash_key: u128::MAX.to_string(), ..Shard::default() };
        assert_eq!(keys(&ShardRow::from(&shard)), "50.0% to 100.0%");
        assert_eq!(keys(&ShardRow::from(&Shard::default())), "", "what is no number is not shown");
    }
}
