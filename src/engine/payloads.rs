//! Reading payloads for those who were given their locations: from memory at once, from the disk on threads that may
//! wait for it. A partition's thread and the async workers never do.

use crate::{
    base::id::{Location, PartitionId},
    engine::{
        journal::{self},
        message::Payload,
    },
    storage::log::{LogReader, StoredEntry},
};
use std::sync::Arc;
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
pub(crate) struct Unreadable(String);

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
        let mut payloads: Vec<Option<Result<Payload, Unreadable>>> = Vec::with_capacity(locations.len());
        let mut cold = Vec::new();
        for (index, location) in locations.into_iter().enumerate() {
            let hot = self.reader.read_hot(partition, location);
            if hot.is_none() {
                cold.push((index, location));
            }
            payloads.push(hot.map(|entry| parse(&entry)));
        }
        if !cold.is_empty() {
            for (index, payload) in self.fetch_cold(partition, cold).await {
                if let Some(slot) = payloads.get_mut(index) {
                    *slot = Some(payload);
                }
            }
        }
        let missing = || Err(Unreadable("the reading thread ended early".into()));
        payloads.into_iter().map(|payload| payload.unwrap_or_else(missing)).collect()
    }

    async fn fetch_cold(
        &self,
        partition: PartitionId,
        cold: Vec<(usize, Location)>,
    ) -> Vec<(usize, Result<Payload, Unreadable>)> {
        let reader = self.reader.clone();
        let permit = self.cold.clone().acquire_owned().await;
        let read = move || {
            let _permit = permit;
            let read_one = |location| {
                let entry = reader.read(partition, location).map_err(|error| Unreadable(error.to_string()))?;
                parse(&entry)
            };
            cold.into_iter().map(|(index, location)| (index, read_one(location))).collect()
        };
        tokio::task::spawn_blocking(read).await.unwrap_or_default()
    }
}

fn parse(entry: &StoredEntry) -> Result<Payload, Unreadable> {
    journal::payload(entry).map_err(|error| Unreadable(error.to_string()))
}
