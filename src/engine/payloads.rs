//! Reading payloads for those who were given their locations: from memory at once, from the disk on threads that may
//! wait for it. A partition's thread and the async workers never do.

use crate::{
    base::id::{Location, PartitionId},
    engine::{journal::PayloadReader, message::Payload},
    storage::log::{EntryView, LogReader, ReadError},
};
use std::{borrow::Cow, sync::Arc};
use tokio::sync::Semaphore;

/// Threads that read the disk at a time.
const COLD_READS: usize = 8;

pub(crate) struct Payloads {
    reader: Arc<dyn LogReader>,
    cold: Arc<Semaphore>,
}

/// Why one payload cannot be had.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unreadable(Cow<'static, str>);

const ENDED_EARLY: Unreadable = Unreadable(Cow::Borrowed("the reading thread ended early"));

impl Unreadable {
    fn because(error: &impl ToString) -> Self {
        Self(Cow::Owned(error.to_string()))
    }
}

impl Payloads {
    pub(crate) fn new(reader: Arc<dyn LogReader>) -> Self {
        Self { reader, cold: Arc::new(Semaphore::new(COLD_READS)) }
    }

    /// One payload a location, in order.
    pub(crate) async fn fetch(
        &self,
        partition: PartitionId,
        locations: Vec<Location>,
    ) -> Vec<Result<Payload, Unreadable>> {
        let mut payloads = self.fetch_hot(partition, &locations);
        let is_cold = |index: &usize| payloads.get(*index).is_some_and(Option::is_none);
        let cold: Vec<usize> = (0..locations.len()).filter(is_cold).collect();
        if !cold.is_empty() {
            let places = cold.iter().filter_map(|index| locations.get(*index).copied()).collect();
            for (index, payload) in cold.into_iter().zip(self.fetch_cold(partition, places).await) {
                if let Some(slot) = payloads.get_mut(index) {
                    *slot = Some(payload);
                }
            }
        }
        payloads.into_iter().map(|payload| payload.unwrap_or(Err(ENDED_EARLY))).collect()
    }

    /// One slot a location, empty when its entry is not in memory.
    fn fetch_hot(&self, partition: PartitionId, locations: &[Location]) -> Vec<Option<Result<Payload, Unreadable>>> {
        let mut payloads = Vec::with_capacity(locations.len());
        let mut reading = PayloadReader::default();
        self.reader.read_hot_all(partition, locations, &mut |index, entry| {
            payloads.resize_with(index, || None);
            payloads.push(Some(parse(&mut reading, &entry)));
        });
        payloads.resize_with(locations.len(), || None);
        payloads
    }

    async fn fetch_cold(&self, partition: PartitionId, locations: Vec<Location>) -> Vec<Result<Payload, Unreadable>> {
        let mut collected = Collected::with_capacity(locations.len());
        if self.reader.read_near_all(partition, &locations, &mut |entry| collected.add(entry)) {
            return collected.payloads;
        }
        let reader = self.reader.clone();
        let permit = self.cold.clone().acquire_owned().await;
        let read = move || {
            let _permit = permit;
            reader.read_all(partition, &locations, &mut |entry| collected.add(entry));
            collected.payloads
        };
        tokio::task::spawn_blocking(read).await.unwrap_or_default()
    }
}

/// One payload after another.
struct Collected {
    payloads: Vec<Result<Payload, Unreadable>>,
    reading: PayloadReader,
}

impl Collected {
    fn with_capacity(count: usize) -> Self {
        Self { payloads: Vec::with_capacity(count), reading: PayloadReader::default() }
    }

    fn add(&mut self, entry: Result<EntryView<'_>, ReadError>) {
        self.payloads.push(match entry {
            Ok(entry) => parse(&mut self.reading, &entry),
            Err(error) => Err(Unreadable::because(&error)),
        });
    }
}

fn parse(reading: &mut PayloadReader, entry: &EntryView<'_>) -> Result<Payload, Unreadable> {
    reading.decode(entry.kind, entry.header, entry.body()).map_err(|error| Unreadable::because(&error))
}
