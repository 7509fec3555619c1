//! Changing what a stream is like.
//!
//! Sources: "IncreaseStreamRetentionPeriod" and its like; each change says the whole of the settings.

use super::{
    create::{check_record_bytes, check_retention, check_warm_throughput},
    error::{Field, StreamError},
    event::{Change, Event, SettingsChanged},
    machine::Stream,
    settings::{Distribution, Encryption, Mode, Settings, ShardMetrics, Tags},
    tags,
};
use crate::base::{limits, time::Timestamp};
use std::{sync::Arc, time::Duration};

impl Stream {
    /// Keeps records longer. What is gone stays gone.
    pub fn raise_retention(&self, now: Timestamp, asked: Duration) -> Result<Event, StreamError> {
        check_retention(asked)?;
        self.check_active(now)?;
        let current = self.settings.retention;
        if asked < current {
            return Err(StreamError::ShorterThanNow { asked, current });
        }
        Ok(self.updating(now, Change::Other, Settings { retention: asked, ..self.settings.clone() }))
    }

    /// Keeps records less long: what is older is hidden at once.
    pub fn lower_retention(&self, now: Timestamp, asked: Duration) -> Result<Event, StreamError> {
        check_retention(asked)?;
        self.check_active(now)?;
        let current = self.settings.retention;
        if asked > current {
            return Err(StreamError::LongerThanNow { asked, current });
        }
        Ok(self.updating(now, Change::Other, Settings { retention: asked, ..self.settings.clone() }))
    }

    /// Changes who decides about the shards; their number stays. A stream with queues stays on-demand.
    pub fn set_mode(&self, now: Timestamp, mode: Mode, queues: usize) -> Result<Event, StreamError> {
        self.check_active(now)?;
        match mode {
            Mode::Provisioned if queues > 0 => return Err(StreamError::HasQueues(queues)),
            Mode::Provisioned => {}
            Mode::OnDemand { warm_throughput } => check_warm_throughput(warm_throughput)?,
        }
        self.mode_changes.check(now, Field::ModeChanges, limits::MODE_CHANGES_MAX)?;
        Ok(self.updating(now, Change::Mode, Settings { mode, ..self.settings.clone() }))
    }

    /// MiB/s to be ready for. Whether the account may ask for it is the service's to say.
    pub fn set_warm_throughput(&self, now: Timestamp, mib_per_second: u32) -> Result<Event, StreamError> {
        check_warm_throughput(mib_per_second)?;
        self.check_active(now)?;
        if self.settings.mode == Mode::Provisioned {
            return Err(StreamError::Provisioned);
        }
        let mode = Mode::OnDemand { warm_throughput: mib_per_second };
        Ok(self.updating(now, Change::Other, Settings { mode, ..self.settings.clone() }))
    }

    /// Changes who says where records go. What is stored stays where it is.
    pub fn set_distribution(&self, now: Timestamp, distribution: Distribution) -> Result<Event, StreamError> {
        self.check_active(now)?;
        if self.settings.mode == Mode::Provisioned {
            return Err(StreamError::Provisioned);
        }
        Ok(self.updating(now, Change::Other, Settings { distribution, ..self.settings.clone() }))
    }

    pub fn set_record_bytes_max(&self, now: Timestamp, bytes: u32) -> Result<Event, StreamError> {
        check_record_bytes(bytes)?;
        self.check_active(now)?;
        Ok(self.updating(now, Change::Other, Settings { record_bytes_max: bytes, ..self.settings.clone() }))
    }

    /// Says with which key records are encrypted from now on.
    pub fn start_encryption(&self, now: Timestamp, id: Arc<str>) -> Result<Event, StreamError> {
        StreamError::length(Field::KeyIdChars, id.chars().count(), limits::KEY_ID_CHARS)?;
        self.set_encryption(now, Encryption::Key { id })
    }

    /// Ends the encryption, if it is with that key.
    pub fn stop_encryption(&self, now: Timestamp, id: &Arc<str>) -> Result<Event, StreamError> {
        match &self.settings.encryption {
            Encryption::Key { id: current } if current == id => self.set_encryption(now, Encryption::None),
            Encryption::Key { .. } | Encryption::None => Err(StreamError::NotEncrypted(id.clone())),
        }
    }

    fn set_encryption(&self, now: Timestamp, encryption: Encryption) -> Result<Event, StreamError> {
        self.check_active(now)?;
        self.encryption_changes.check(now, Field::EncryptionChanges, limits::ENCRYPTION_CHANGES_MAX)?;
        Ok(self.updating(now, Change::Encryption, Settings { encryption, ..self.settings.clone() }))
    }

    /// Which figures are reported for each shard.
    pub fn set_metrics(&self, now: Timestamp, metrics: ShardMetrics) -> Result<Event, StreamError> {
        self.check_active(now)?;
        Ok(self.updating(now, Change::Other, Settings { metrics, ..self.settings.clone() }))
    }

    pub fn set_policy(&self, now: Timestamp, policy: Arc<str>) -> Result<Event, StreamError> {
        StreamError::length(Field::PolicyBytes, policy.len(), limits::STREAM_POLICY_BYTES)?;
        self.check_usable(now)?;
        Ok(self.noting(now, Settings { policy: Some(policy), ..self.settings.clone() }))
    }

    pub fn delete_policy(&self, now: Timestamp) -> Result<Event, StreamError> {
        self.check_usable(now)?;
        if self.settings.policy.is_none() {
            return Err(StreamError::NoPolicy);
        }
        Ok(self.noting(now, Settings { policy: None, ..self.settings.clone() }))
    }

    /// Adds tags; one of a known key takes the place of the one before.
    pub fn tag(&self, now: Timestamp, added: &Tags) -> Result<Event, StreamError> {
        let tags = tags::add(&self.settings.tags, added)?;
        Ok(self.noting(now, Settings { tags, ..self.settings.clone() }))
    }

    /// Removes tags; unknown keys do not matter.
    pub fn untag(&self, now: Timestamp, keys: &[Arc<str>]) -> Result<Event, StreamError> {
        let tags = tags::remove(&self.settings.tags, keys)?;
        Ok(self.noting(now, Settings { tags, ..self.settings.clone() }))
    }

    /// A change that shows the stream as being updated for a while.
    fn updating(&self, now: Timestamp, change: Change, settings: Settings) -> Event {
        let settled_at = now + self.settle;
        let hidden_before = self.horizon(now);
        Event::SettingsChanged(Box::new(SettingsChanged { settings, change, hidden_before, at: now, settled_at }))
    }

    /// One that does not.
    fn noting(&self, now: Timestamp, settings: Settings) -> Event {
        let (change, hidden_before) = (Change::Other, self.horizon(now));
        Event::SettingsChanged(Box::new(SettingsChanged { settings, change, hidden_before, at: now, settled_at: now }))
    }
}
