//! `forebay stream put`.

use crate::{
    base::limits,
    cli::{
        Failure,
        client::{Caller, Entries},
        input,
        output::{Output, Record},
        retry::Retry,
        value,
    },
    proto::{
        common::v1::EntryError,
        stream::v1::{PutRecord, PutRecordsRequest, RecordInput, put_result::Result as Put},
    },
};
use bytes::Bytes;
use clap::Args;
use serde::Serialize;
use std::{collections::BTreeMap, time::Duration};
use tokio::time::sleep;

/// Bytes of data in one call; well below what the server reads.
const BATCH_BYTES: usize = 1 << 20;
/// What a shard says that takes no more this second.
const THROTTLED: &str = "SHARD_THROUGHPUT_EXCEEDED";

#[derive(Debug, Args)]
pub(super) struct PutArgs {
    /// The stream
    stream: String,
    /// The data; - reads standard input
    #[arg(required_unless_present = "file")]
    data: Option<String>,
    /// Read the data from a file; - reads standard input
    #[arg(short, long, conflicts_with = "data")]
    file: Option<String>,
    /// Every line of the input is a record
    #[arg(long)]
    lines: bool,
    /// The partition key: records of one key stay in order [default: another one for each record]
    #[arg(short, long, value_name = "KEY")]
    key: Option<String>,
    /// With --lines: what stands between the key and the data of each line
    #[arg(long, value_name = "TEXT", requires = "lines", conflicts_with = "key")]
    key_delimiter: Option<String>,
    /// A hash key that takes the place of the partition key's: it says the shard
    #[arg(long, value_name = "NUMBER", default_value = "", hide_default_value = true)]
    hash_key: String,
    /// Records in one call, with --lines
    #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=limits::BATCH_ENTRIES as i64))]
    batch: u32,
    /// How long to put a record again that its shard had no room for this second, behind the others of its call; 0s: not
    /// at all
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = value::duration)]
    retry: Duration,
}

impl PutArgs {
    pub(super) async fn run(self, caller: &Caller, mut output: Output) -> Result<(), Failure> {
        let mut entries = Entries::default();
        let (file, data) = (self.file.as_deref(), self.data.as_deref());
        if !self.lines {
            let record = self.record(self.key.clone(), input::whole(file, data)?)?;
            let mut rows = self.put(caller, vec![record], 1, &mut entries).await?;
            return match rows.pop() {
                Some(row) => output.one(&row),
                None => entries.finish("records"),
            };
        }
        let mut batch = Vec::new();
        let (mut bytes, mut first) = (0, 1);
        for line in input::lines(file, data)? {
            let record = self.record_of(line?, first + batch.len())?;
            bytes += record.data.len();
            batch.push(record);
            if batch.len() >= self.batch as usize || bytes >= BATCH_BYTES {
                let count = batch.len();
                self.put_lines(caller, std::mem::take(&mut batch), first, &mut entries, &mut output).await?;
                first += count;
                bytes = 0;
            }
        }
        if !batch.is_empty() {
            self.put_lines(caller, batch, first, &mut entries, &mut output).await?;
        }
        output.end()?;
        entries.finish("records")
    }

    async fn put_lines(
        &self,
        caller: &Caller,
        records: Vec<RecordInput>,
        first: usize,
        entries: &mut Entries,
        output: &mut Output,
    ) -> Result<(), Failure> {
        for row in self.put(caller, records, first, entries).await? {
            output.next(&row)?;
        }
        Ok(())
    }

    /// Puts records, the first of them from line `first`; what is stored, in their order.
    async fn put(
        &self,
        caller: &Caller,
        records: Vec<RecordInput>,
        first: usize,
        entries: &mut Entries,
    ) -> Result<Vec<PutRow>, Failure> {
        let mut waiting: Vec<_> = (first..).zip(records).collect();
        let mut stored = BTreeMap::new();
        let mut retry = Retry::default();
        retry.opened();
        loop {
            let before = stored.len();
            let refused = self.put_once(caller, &waiting, &mut stored, entries).await?;
            if refused.is_empty() {
                return Ok(stored.into_values().collect());
            }
            if stored.len() > before {
                retry.opened();
            }
            let Some(wait) = retry.next(self.retry) else {
                refused.iter().try_for_each(|(line, error)| self.tell(*line, error, entries))?;
                return Ok(stored.into_values().collect());
            };
            waiting.retain(|(line, _)| refused.contains_key(line));
            sleep(wait).await;
        }
    }

    /// Makes one call; what a shard had no room for, by line.
    async fn put_once(
        &self,
        caller: &Caller,
        waiting: &[(usize, RecordInput)],
        stored: &mut BTreeMap<usize, PutRow>,
        entries: &mut Entries,
    ) -> Result<BTreeMap<usize, EntryError>, Failure> {
        let records: Vec<_> = waiting.iter().map(|(_, record)| record.clone()).collect();
        let request = PutRecordsRequest { stream: self.stream.clone(), records, ..PutRecordsRequest::default() };
        let results = caller.streams().put_records(caller.request(request)).await?.into_inner().results;
        let mut refused = BTreeMap::new();
        for ((line, _), result) in waiting.iter().zip(results) {
            match result.result {
                Some(Put::Put(put)) => {
                    entries.done(1);
                    stored.insert(*line, PutRow::from(put));
                }
                Some(Put::Error(error)) if error.reason == THROTTLED => drop(refused.insert(*line, error)),
                Some(Put::Error(error)) => self.tell(*line, &error, entries)?,
                None => return Err(Failure::failed("the server answered without a result")),
            }
        }
        Ok(refused)
    }

    /// Takes note of a record that is not stored. A failure that is the whole of the command is told by itself.
    fn tell(&self, line: usize, error: &EntryError, entries: &mut Entries) -> Result<(), Failure> {
        if !self.lines {
            return Err(Entries::only(error));
        }
        entries.failed(&format!("line {line}"), error);
        Ok(())
    }

    fn record_of(&self, line: String, number: usize) -> Result<RecordInput, Failure> {
        let Some(delimiter) = &self.key_delimiter else { return self.record(self.key.clone(), line.into()) };
        match line.split_once(delimiter) {
            Some((key, data)) => self.record(Some(key.to_owned()), Bytes::copy_from_slice(data.as_bytes())),
            None => Err(Failure::usage(format!("line {number} has no {delimiter:?} between a key and data"))),
        }
    }

    fn record(&self, key: Option<String>, data: Bytes) -> Result<RecordInput, Failure> {
        let partition_key = match key {
            Some(key) => key,
            None => format!("{:016x}", getrandom::u64().map_err(|error| Failure::failed(error.to_string()))?),
        };
        Ok(RecordInput { data, partition_key, explicit_hash_key: self.hash_key.clone() })
    }
}

#[derive(Serialize)]
struct PutRow {
    shard_id: String,
    sequence_number: String,
}

impl From<PutRecord> for PutRow {
    fn from(put: PutRecord) -> Self {
        Self { shard_id: put.shard_id, sequence_number: put.sequence_number }
    }
}

impl Record for PutRow {
    const COLUMNS: &'static [&'static str] = &["shard", "sequence"];

    fn cells(&self) -> Vec<String> {
        vec![self.shard_id.clone(), self.sequence_number.clone()]
    }
}
