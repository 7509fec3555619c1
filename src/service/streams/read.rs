//! Reads a page of a shard, and waits for its first record for a while.

use super::{
    fault::StreamFault,
    readers::{self, Place},
    view::ShardView,
};
use crate::{
    base::{limits, reason::Refusal, time::Timestamp},
    domain::stream::{Position, ShardId},
    service::{
        authorise::Action,
        broker::{Broker, Caller},
        check,
        words::{ReadBatch, StoredRecord, StreamHandle},
    },
};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

const RECORDS_DEFAULT: u32 = 1000;

#[derive(Clone, Debug)]
pub struct ReadShard {
    pub stream: String,
    pub shard: ShardId,
    pub position: Position,
    /// Zero: as many as is usual.
    pub max_records: u32,
    /// Zero: as much as may be.
    pub max_bytes: u32,
    pub wait: Option<Duration>,
}

#[derive(Clone, Debug)]
pub struct ReadPage {
    pub records: Vec<StoredRecord>,
    /// Where to read on. None: the shard is read to its end.
    pub next: Option<Position>,
    /// How long ago the last record arrived, if there are more already.
    pub behind: Option<Duration>,
    /// Where the records go on.
    pub children: Vec<ShardView>,
    /// Records in front of these that cannot be read any more.
    pub lost: u64,
}

impl Broker {
    pub async fn read_page(&self, caller: &Caller, request: ReadShard) -> Result<ReadPage, Refusal> {
        let stream = self.stream_for(caller, Action::GetRecords, "stream", &request.stream)?;
        let wait = request.wait.unwrap_or_default();
        check::duration("wait", wait, Duration::ZERO, limits::RECEIVE_WAIT_MAX)?;
        let most = if request.max_records == 0 { RECORDS_DEFAULT } else { request.max_records };
        let max_records = check::number("max_records", most, 1, limits::READ_RECORDS_MAX)?;
        let max_bytes = match request.max_bytes {
            0 => limits::READ_BYTES_MAX,
            bytes => usize::try_from(bytes).unwrap_or(usize::MAX).min(limits::READ_BYTES_MAX),
        };
        let mut place = self.place_at(&stream, request.shard, request.position).await?;
        self.throttle_read(&stream, request.shard).map_err(StreamFault::from)?;
        let until = Instant::now() + wait;
        loop {
            let read = readers::read(self, &stream, &place.cursor, max_records as usize, max_bytes);
            let batch = read.await?;
            place.cursor = batch.next;
            let is_found = !batch.records.is_empty() || batch.ended.is_some() || batch.lost.is_some();
            if is_found || Instant::now() >= until {
                let bytes = batch.records.iter().map(|record| size(record) as u64).sum();
                self.has_read(&stream, request.shard, bytes);
                return self.shard_page(&stream, batch, &place).await;
            }
            tokio::select! {
                () = self.wait_for_records(&stream, &place.cursor) => {}
                () = sleep_until(until) => {}
                () = self.draining().cancelled() => return self.shard_page(&stream, batch, &place).await,
            }
        }
    }

    async fn shard_page(&self, stream: &StreamHandle, batch: ReadBatch, place: &Place) -> Result<ReadPage, Refusal> {
        let number = || match batch.records.last() {
            Some(last) => last.number,
            None => place.number_before(stream.partition()),
        };
        let next = match (&batch.ended, place.cursor.not_before) {
            (Some(_), _) => None,
            (None, Timestamp::ZERO) => Some(Position::After(number())),
            (None, moment) => Some(Position::AtTime(moment)),
        };
        let children = match &batch.ended {
            Some(children) => self.view_shards(stream, children.clone()).await?,
            None => Vec::new(),
        };
        Ok(ReadPage {
            next,
            behind: batch.behind.map(|arrival| self.now().since(arrival)),
            lost: lost(&batch),
            children,
            records: batch.records,
        })
    }

    /// Where in the shard a position is.
    pub(super) async fn place_at(
        &self,
        stream: &StreamHandle,
        shard: ShardId,
        position: Position,
    ) -> Result<Place, Refusal> {
        let place = self.ask_stream(stream, move |view| {
            let cursor = view.stream.cursor(view.now, shard, &position)?;
            let created = view.stream.shard(shard).map(|shard| shard.created).unwrap_or_default();
            Ok::<_, StreamFault>(Place::new(cursor, created))
        });
        Ok(place.await??)
    }
}

/// As a stream's limits count it.
pub(super) fn size(record: &StoredRecord) -> usize {
    record.partition_key.len() + record.data.len()
}

pub(super) fn lost(batch: &ReadBatch) -> u64 {
    batch.lost.map_or(0, |(from, to)| to.saturating_sub(from))
}
