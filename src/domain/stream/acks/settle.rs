//! What a consumer decides about a record it received: done, more time, or once more.
//!
//! As on a standard queue, a lease that timed out still settles its record until somebody else has it; and a lease newer
//! than the queue knows of was given out just before a crash that took the receive back, so it is good.

use super::{
    about::Status,
    event::{Event, Marked},
    machine::StreamQueue,
    runs::{Fate, Run},
};
use crate::{
    base::{
        id::LeaseId,
        limits::{self, VISIBILITY_TIMEOUT_MAX},
        time::Timestamp,
    },
    domain::stream::{acks::machine::Lane, sequence::ShardId},
};
use std::time::Duration;

/// One record under one lease: what a receipt handle says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handle {
    pub shard: ShardId,
    pub index: u64,
    pub lease: LeaseId,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AckError {
    #[error("the queue is being created or deleted")]
    NotActive,
    #[error("the record is acknowledged, or gone from the stream")]
    Gone,
    #[error("the record was received again, restored, or is a dead letter now")]
    LeaseExpired,
    #[error("a visibility timeout of {} s is longer than {} s", .0.as_secs(), VISIBILITY_TIMEOUT_MAX.as_secs())]
    TimeoutTooLong(Duration),
    #[error("{0} receives before a record is a dead letter; 1 to {max}", max = limits::STREAM_QUEUE_RECEIVES_MAX)]
    ReceiveCount(u32),
    #[error("the queue is {0}, not active")]
    Busy(Status),
}

impl StreamQueue {
    /// The record is never received again. None: there is nothing to do.
    pub fn acknowledge(&self, lane: Lane, handle: &Handle) -> Result<Option<Event>, AckError> {
        let Handle { shard, index, .. } = *handle;
        match self.held(lane, handle) {
            Ok(_) => Ok(Some(Event::Acknowledged { shard, from: index, to: index })),
            Err(AckError::Gone) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Moves the end of the lease to `timeout` from now; zero makes the record visible at once.
    pub fn change_visibility(
        &self,
        now: Timestamp,
        lane: Lane,
        handle: &Handle,
        timeout: Duration,
    ) -> Result<Event, AckError> {
        if timeout > VISIBILITY_TIMEOUT_MAX {
            return Err(AckError::TimeoutTooLong(timeout));
        }
        let fate = Fate { visible_at: now + timeout, lease: handle.lease, ..self.held(lane, handle)? };
        Ok(Event::VisibilityChanged(mark(now, handle, fate)))
    }

    /// Makes a dead letter a record like any other: visible, and as if it was never received.
    pub fn restore(&self, now: Timestamp, handle: &Handle) -> Result<Event, AckError> {
        let first_receive = self.held(Lane::DeadLetters, handle)?.first_receive;
        let fate = Fate { lease: handle.lease, visible_at: now, receive_count: 0, first_receive, dead: false };
        Ok(Event::Restored(mark(now, handle, fate)))
    }

    /// What became of the record, if the lease may decide about it.
    fn held(&self, lane: Lane, handle: &Handle) -> Result<Fate, AckError> {
        if self.about.gone_at.is_some() {
            return Err(AckError::NotActive);
        }
        if handle.lease == LeaseId(0) {
            return Err(AckError::LeaseExpired);
        }
        let never_received = handle.index >= self.next_index(handle.shard);
        match self.shards.get(&handle.shard).and_then(|runs| runs.at(handle.index)) {
            Some(run) if self.holds(lane, run, handle.lease) => Ok(run.fate),
            Some(_) => Err(AckError::LeaseExpired),
            None if never_received && lane == Lane::Main => Ok(Fate { receive_count: 1, ..Fate::default() }),
            None => Err(AckError::Gone),
        }
    }

    fn holds(&self, lane: Lane, run: &Run, lease: LeaseId) -> bool {
        let newer = lease > run.fate.lease;
        let fits = match lane {
            Lane::Main => !run.fate.dead,
            Lane::DeadLetters => run.fate.dead || (newer && self.lane_of(run) == Lane::DeadLetters),
        };
        // A restored record was never received, as far as its old leases know.
        let current = lease == run.fate.lease && run.fate.receive_count > 0;
        fits && (newer || current)
    }
}

fn mark(at: Timestamp, handle: &Handle, fate: Fate) -> Marked {
    Marked { shard: handle.shard, from: handle.index, to: handle.index, fate, first: false, at }
}
