//! Queues that begin on a stream.
//!
//! Source: "CreateQueue". A queue counts as a registered consumer.

use super::{
    acks::{About, AckError, Created, Settings, Start},
    error::{Field, StreamError},
    machine::Stream,
    sequence::ShardId,
    settings::{Mode, Tags},
    tags,
};
use crate::base::{id::StreamQueueId, limits, time::Timestamp};
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
pub struct CreateQueue {
    /// Free among those that the stream ever had.
    pub id: StreamQueueId,
    pub settings: Settings,
    pub start: Start,
    pub tags: Tags,
    /// For a beginning by time: the first record of each shard that counts, as the storage found it.
    pub found: BTreeMap<ShardId, u64>,
}

/// Why there is no new queue.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CreateQueueError {
    #[error(transparent)]
    Stream(#[from] StreamError),
    #[error(transparent)]
    Queue(#[from] AckError),
}

impl Stream {
    /// `queues`: how many there are on the stream.
    ///
    /// # Errors
    /// The stream is not active or not on-demand, has as many consumers as it may have, or a setting breaks a limit.
    pub fn create_queue(
        &self,
        now: Timestamp,
        queues: usize,
        request: &CreateQueue,
    ) -> Result<Created, CreateQueueError> {
        self.check_usable(now)?;
        if self.settings.mode == Mode::Provisioned {
            return Err(StreamError::Provisioned.into());
        }
        StreamError::length(Field::Consumers, self.consumers(now).count() + queues + 1, limits::CONSUMERS_MAX)?;
        request.settings.check()?;
        let horizon = self.horizon(now).max(self.created_at);
        let about = About {
            id: request.id,
            start: request.start,
            counts_from: match request.start {
                Start::TrimHorizon => horizon,
                Start::Latest => now,
                Start::AtTime(moment) => moment.max(horizon),
            },
            created_at: now,
            active_at: now + self.settle,
            settled_at: Timestamp::ZERO,
            gone_at: None,
            tags: tags::add(&Tags::new(), &request.tags)?,
        };
        let first = |shard: &super::Shard| match request.start {
            Start::TrimHorizon => shard.first_index,
            Start::Latest => shard.last_index + 1,
            // A shard that opened after the storage looked counts whole.
            Start::AtTime(_) => request.found.get(&shard.id).copied().unwrap_or(shard.first_index),
        };
        let starts = self.shards().map(|shard| (shard.id, first(shard))).collect();
        Ok(Created { about, settings: request.settings, starts })
    }
}
