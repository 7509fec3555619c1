//! Changing a queue over a stream as a whole: its settings, its tags, its end.

use super::{
    about::{Settings, Status},
    event::Event,
    machine::StreamQueue,
    settle::AckError,
};
use crate::{
    base::{limits, time::Timestamp},
    domain::stream::{error::StreamError, settings::Tags, tags},
};
use std::{ops::RangeInclusive, sync::Arc, time::Duration};

const RECEIVES: RangeInclusive<u32> = 1..=limits::STREAM_QUEUE_RECEIVES_MAX;

impl Settings {
    /// # Errors
    /// One is outside its limits.
    pub fn check(&self) -> Result<(), AckError> {
        if self.visibility_timeout > limits::VISIBILITY_TIMEOUT_MAX {
            return Err(AckError::TimeoutTooLong(self.visibility_timeout));
        }
        match self.max_receive_count {
            Some(count) if !RECEIVES.contains(&count) => Err(AckError::ReceiveCount(count)),
            Some(_) | None => Ok(()),
        }
    }
}

impl StreamQueue {
    /// Sets all settings. Leases that run keep their ends.
    pub fn set(&self, now: Timestamp, settings: Settings, settle: Duration) -> Result<Event, AckError> {
        settings.check()?;
        match self.about.status(now) {
            Status::Active => Ok(Event::SettingsChanged { settings, settled_at: now + settle }),
            status @ (Status::Creating | Status::Updating | Status::Deleting) => Err(AckError::Busy(status)),
        }
    }

    /// Nothing is received from then on. None: it is on its way out.
    pub fn delete(&self, now: Timestamp, settle: Duration) -> Option<Event> {
        self.about.gone_at.is_none().then_some(Event::Deleting { gone_at: now + settle })
    }

    /// Adds tags; one of a known key takes the place of the one before.
    pub fn tag(&self, added: &Tags) -> Result<Event, StreamError> {
        tags::add(&self.about.tags, added).map(Event::Tagged)
    }

    /// Removes tags; unknown keys do not matter.
    pub fn untag(&self, keys: &[Arc<str>]) -> Result<Event, StreamError> {
        tags::remove(&self.about.tags, keys).map(Event::Tagged)
    }
}
