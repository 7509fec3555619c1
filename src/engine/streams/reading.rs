//! Records at a cursor: out of the log's memory at once, out of the log's files and out of segments on threads that may
//! wait for the disk.

use super::{
    feed::Found,
    handle::StreamHandle,
    record::{ReadBatch, StoredRecord},
    tail::Place,
};
use crate::{
    base::{
        id::{Location, PartitionId},
        limits,
        reason::{Reason, Refusal},
        time::Timestamp,
    },
    domain::stream::{Cursor, SequenceNumber, ShardId},
    engine::journal,
    storage::{
        log::{LogReader, ReadError, StoredEntry},
        shard::{ShardReadError, ShardReader},
    },
};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Threads that read the disk at a time.
const READS: usize = 8;
/// At least as much as a chunk has.
const CHUNK: usize = limits::SHARD_CHUNK_BYTES_MAX as usize;
/// How often a read looks again when records moved from the log to a segment meanwhile, or are too old.
const LOOKS: usize = 16;

#[derive(Clone)]
pub(in crate::engine) struct Reading {
    log: Arc<dyn LogReader>,
    threads: Arc<Semaphore>,
}

/// What one look found.
enum Looked {
    /// In order, without gaps, from the index asked for.
    Entries(Vec<StoredEntry>),
    /// Everything below is gone by its age.
    Trimmed {
        first: u64,
    },
    Lost {
        to: u64,
    },
    /// It stood there a moment ago.
    Moved,
}

/// How much one read may give.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct Most {
    pub(in crate::engine) records: usize,
    pub(in crate::engine) bytes: usize,
}

impl Reading {
    pub(in crate::engine) fn new(log: Arc<dyn LogReader>) -> Self {
        Self { log, threads: Arc::new(Semaphore::new(READS)) }
    }

    /// Records from `cursor` on, without those that are hidden at `now`.
    pub(in crate::engine) async fn read(
        &self,
        stream: &StreamHandle,
        now: Timestamp,
        cursor: &Cursor,
        most: Most,
    ) -> Result<ReadBatch, Refusal> {
        let not_before = cursor.not_before.max(stream.feed.horizon(now));
        let mut batch = ReadBatch { records: Vec::new(), next: *cursor, behind: None, ended: None, lost: None };
        let mut wanted = most;
        for _ in 0..LOOKS {
            let index = batch.next.index;
            let (created, looked) = match stream.feed.find(cursor.shard, index, wanted.records, wanted.bytes) {
                Found::Nothing => return Ok(batch),
                Found::NoShard => return Err(no_shard(stream, cursor.shard)),
                Found::End(children) => return Ok(ReadBatch { ended: Some(children), ..batch }),
                Found::Log { places, created } => (created, self.in_log(stream.partition(), index, &places).await?),
                Found::Segments { reader, created, log_from } => {
                    (created, self.in_segments(reader, cursor.shard, index, log_from, wanted).await?)
                }
            };
            match looked {
                Looked::Moved => {}
                // What comes first may go by its age too before the next look: on to what stays.
                Looked::Trimmed { first } => {
                    let stays = self.seek(stream, cursor.shard, not_before).await?;
                    batch.next.index = first.max(index).max(stays);
                }
                Looked::Lost { to } => {
                    tracing::error!(stream = %stream.path(), shard = %cursor.shard, from = index, to, "records are lost");
                    batch.lost = Some((index, to));
                    batch.next.index = to;
                    return Ok(batch);
                }
                Looked::Entries(entries) => {
                    let records = self.records(stream, cursor.shard, created, entries)?;
                    if self.take(stream, records, index, not_before, most, &mut batch).await? {
                        return Ok(batch);
                    }
                    // The first that counts is in the chunk that was sought, or in the next one.
                    wanted = Most { records: usize::MAX, bytes: CHUNK };
                }
            }
        }
        Ok(batch)
    }

    /// Gives what is not too old; false when everything was.
    async fn take(
        &self,
        stream: &StreamHandle,
        records: Vec<StoredRecord>,
        index: u64,
        not_before: Timestamp,
        most: Most,
        batch: &mut ReadBatch,
    ) -> Result<bool, Refusal> {
        let shard = batch.next.shard;
        batch.next.index = index + records.len() as u64;
        let hidden = records.iter().take_while(|record| record.arrival < not_before).count();
        if hidden == records.len() && hidden > 0 {
            // The next one that counts may be far away.
            batch.next.index = batch.next.index.max(self.seek(stream, shard, not_before).await?);
            return Ok(false);
        }
        let mut bytes = 0;
        let fits = |record: &StoredRecord| {
            let size = record.data.len() + record.partition_key.len();
            let fits = bytes == 0 || bytes + size <= most.bytes;
            bytes += size;
            fits
        };
        batch.records = records.into_iter().skip(hidden).take(most.records).take_while(fits).collect();
        batch.next =
            Cursor { shard, index: index + (hidden + batch.records.len()) as u64, not_before: Timestamp::ZERO };
        let is_at_tip = stream.feed.visible(shard).is_none_or(|visible| batch.next.index >= visible);
        batch.behind = batch.records.last().filter(|_| !is_at_tip).map(|record| record.arrival);
        Ok(true)
    }

    /// An index from which on to look for the first record that did not arrive before `moment`.
    async fn seek(&self, stream: &StreamHandle, shard: ShardId, moment: Timestamp) -> Result<u64, Refusal> {
        match stream.feed.seek(shard, moment) {
            Ok(index) => Ok(index),
            Err(None) => Err(no_shard(stream, shard)),
            Err(Some(reader)) => {
                let sought = self.blocking(move || reader.seek(shard.0, moment.as_millis())).await?;
                sought.map_err(|error| unreadable(&error))
            }
        }
    }

    async fn in_log(&self, partition: PartitionId, index: u64, places: &[Place]) -> Result<Looked, Refusal> {
        let at: Vec<Location> = places.iter().map(|place| place.at).collect();
        let mut entries = Vec::with_capacity(at.len());
        self.log.read_hot_all(partition, &at, &mut |index, entry| {
            // Only what follows without a gap.
            if index == entries.len() {
                entries.push(entry.to_stored());
            }
        });
        if !entries.is_empty() {
            return Ok(Looked::Entries(entries));
        }
        let log = self.log.clone();
        let read = move || {
            let (mut entries, mut stopped) = (Vec::with_capacity(at.len()), None);
            log.read_all(partition, &at, &mut |entry| match (entry, &stopped) {
                (Ok(entry), None) => entries.push(entry.to_stored()),
                (Err(error), None) => stopped = Some(error),
                (_, Some(_)) => {}
            });
            (entries, stopped)
        };
        match self.blocking(read).await? {
            (entries, _) if !entries.is_empty() => Ok(Looked::Entries(entries)),
            (_, Some(ReadError::Trimmed { .. }) | None) => Ok(Looked::Moved),
            (_, Some(error @ ReadError::Corrupt { .. })) => {
                tracing::error!(%error, "a record cannot be read");
                Ok(Looked::Lost { to: index + 1 })
            }
            (_, Some(error @ ReadError::Io(_))) => Err(unreadable(&error)),
        }
    }

    async fn in_segments(
        &self,
        reader: Arc<ShardReader>,
        shard: ShardId,
        index: u64,
        log_from: u64,
        most: Most,
    ) -> Result<Looked, Refusal> {
        let read = move || match reader.read(shard.0, index, most.records, most.bytes) {
            Ok(records) if records.entries.is_empty() => match reader.first(shard.0)? {
                // No segment has anything of the shard any more: what is left is in the log.
                0 => Err(ShardReadError::Trimmed { first: log_from }),
                first if first > index => Err(ShardReadError::Trimmed { first }),
                _ => Ok(records),
            },
            read => read,
        };
        match self.blocking(read).await? {
            Ok(records) if records.entries.is_empty() => Ok(Looked::Moved),
            Ok(records) => Ok(Looked::Entries(records.entries)),
            Err(ShardReadError::Trimmed { first }) => Ok(Looked::Trimmed { first }),
            Err(ShardReadError::Lost { to, .. }) => Ok(Looked::Lost { to }),
            Err(error @ ShardReadError::Io(_)) => Err(unreadable(&error)),
        }
    }

    async fn blocking<T: Send + 'static>(&self, read: impl FnOnce() -> T + Send + 'static) -> Result<T, Refusal> {
        let permit = self.threads.clone().acquire_owned().await;
        let guarded = move || {
            let _permit = permit;
            read()
        };
        let ended = |_| Refusal::new(Reason::Internal, "the reading thread ended early");
        tokio::task::spawn_blocking(guarded).await.map_err(ended)
    }

    fn records(
        &self,
        stream: &StreamHandle,
        shard: ShardId,
        created: u64,
        entries: Vec<StoredEntry>,
    ) -> Result<Vec<StoredRecord>, Refusal> {
        let partition = stream.partition();
        let record = |entry: StoredEntry| {
            let header = journal::appended_header(&entry).map_err(|error| unreadable(&error))?;
            Ok(StoredRecord {
                number: SequenceNumber::new(shard, created, entry.seq, partition, header.arrival),
                partition_key: header.partition_key,
                data: entry.body,
                arrival: header.arrival,
                encrypted: header.encrypted,
            })
        };
        entries.into_iter().map(record).collect()
    }
}

fn no_shard(stream: &StreamHandle, shard: ShardId) -> Refusal {
    let message = format!("stream {} has no {shard}", stream.path().name);
    Refusal::new(Reason::ShardNotFound, message).with("shard", shard)
}

fn unreadable(error: &dyn std::fmt::Display) -> Refusal {
    Refusal::new(Reason::StorageCorrupt, format!("the records cannot be read: {error}"))
}
