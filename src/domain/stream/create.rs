//! The beginning of a stream, and its end.

use super::{
    error::{Field, StreamError},
    event::{Created, Event},
    machine::Stream,
    settings::{Distribution, Encryption, Mode, Settings, Status},
    tags,
};
use crate::base::{id::PartitionId, limits, time::Timestamp};
use std::time::Duration;

#[derive(Clone, Debug)]
pub struct Create {
    pub settings: Settings,
    /// An on-demand stream begins with as many as it likes.
    pub shards: u32,
    pub partition: PartitionId,
    /// For how long a change shows as being made.
    pub settle: Duration,
}

/// What else there is of a stream that is to be deleted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Delete {
    /// Registered consumers go with it.
    pub with_consumers: bool,
    /// How many queues stand on it.
    pub queues: usize,
}

impl Stream {
    /// # Errors
    /// A setting is outside its limits.
    pub fn create(now: Timestamp, request: &Create) -> Result<Created, StreamError> {
        check_settings(&request.settings)?;
        let shards = match request.settings.mode {
            Mode::OnDemand { warm_throughput } => {
                warm_throughput.clamp(limits::ON_DEMAND_SHARDS, limits::STREAM_SHARDS_MAX)
            }
            Mode::Provisioned => request.shards,
        };
        StreamError::within(Field::Shards, shards.into(), 1, limits::STREAM_SHARDS_MAX.into())?;
        let Create { settings, partition, settle, .. } = request.clone();
        Ok(Created { settings, shards, partition, settle, at: now })
    }

    /// Ends the stream; the records go when the engine has let go of them. A queue on it keeps it, and so does a
    /// registered consumer unless it may go too.
    pub fn delete(&self, now: Timestamp, request: &Delete) -> Result<Event, StreamError> {
        self.check_usable(now).or_else(|error| self.is_being_created(now).then_some(()).ok_or(error))?;
        if request.queues > 0 {
            return Err(StreamError::HasQueues(request.queues));
        }
        match self.consumers(now).count() {
            count if count > 0 && !request.with_consumers => Err(StreamError::HasConsumers(count)),
            _ => Ok(Event::Deleting { at: now }),
        }
    }

    fn is_being_created(&self, now: Timestamp) -> bool {
        self.status(now) == Status::Creating
    }
}

fn check_settings(settings: &Settings) -> Result<(), StreamError> {
    check_retention(settings.retention)?;
    check_record_bytes(settings.record_bytes_max)?;
    if settings.distribution == Distribution::Auto && !settings.spreads_records() {
        return Err(StreamError::Provisioned);
    }
    if let Mode::OnDemand { warm_throughput } = settings.mode {
        check_warm_throughput(warm_throughput)?;
    }
    if let Encryption::Key { id } = &settings.encryption {
        StreamError::length(Field::KeyIdChars, id.chars().count(), limits::KEY_ID_CHARS)?;
    }
    if let Some(policy) = &settings.policy {
        StreamError::length(Field::PolicyBytes, policy.len(), limits::STREAM_POLICY_BYTES)?;
    }
    tags::check(&settings.tags)?;
    StreamError::length(Field::Tags, settings.tags.len(), limits::TAGS_MAX)
}

pub(super) fn check_retention(retention: Duration) -> Result<(), StreamError> {
    let hours = |duration: Duration| duration.as_secs() / 3600;
    let (min, max) = (limits::STREAM_RETENTION_MIN, limits::STREAM_RETENTION_MAX);
    if retention < min {
        return Err(StreamError::TooLow { field: Field::RetentionHours, value: hours(retention), min: hours(min) });
    }
    if retention > max {
        let value = retention.as_secs().div_ceil(3600);
        return Err(StreamError::TooHigh { field: Field::RetentionHours, value, max: hours(max) });
    }
    Ok(())
}

pub(super) fn check_record_bytes(bytes: u32) -> Result<(), StreamError> {
    let (min, max) = (limits::RECORD_BYTES_MIN.into(), limits::RECORD_BYTES_MAX.into());
    StreamError::within(Field::RecordBytesMax, bytes.into(), min, max).map(|_| ())
}

pub(super) fn check_warm_throughput(mib_per_second: u32) -> Result<(), StreamError> {
    StreamError::at_most(Field::WarmThroughput, mib_per_second.into(), limits::WARM_THROUGHPUT_MAX.into()).map(|_| ())
}
