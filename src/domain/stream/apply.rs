//! How events change a stream. The only file that does.

use super::{
    event::{Change, Event, SettingsChanged},
    machine::{Phase, Stream},
    settings::Status,
};
use crate::base::time::Timestamp;

impl Stream {
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::Appended(appended) => {
                self.now = self.now.max(appended.at);
                self.shards.apply_appended(appended);
            }
            Event::Resharded(step) => {
                self.shards.apply_resharded(step);
                self.resharded_at = self.resharded_at.max(step.at);
                self.update_until(step.at, step.settled_at);
            }
            Event::ShardCountUpdated { at } => self.count_updates.note(*at),
            Event::Trimmed { shard, below, bytes } => self.shards.apply_trimmed(*shard, *below, *bytes),
            Event::ShardsForgotten { shards } => shards.iter().for_each(|id| self.shards.forget(*id)),
            Event::SettingsChanged(changed) => self.apply_settings(changed),
            Event::ConsumerRegistered(consumer) => {
                self.now = self.now.max(consumer.created_at);
                self.consumers.register(consumer);
            }
            Event::ConsumerTagged { name, tags } => self.consumers.set_tags(name, tags),
            Event::ConsumerDeregistered { name, gone_at, at } => {
                self.now = self.now.max(*at);
                self.consumers.deregister(name, *gone_at);
            }
            Event::LoadMeasured { load, at } => self.peaks.note(*at, *load),
            Event::Deleting { at } => {
                self.now = self.now.max(*at);
                self.phase = Phase { status: Status::Deleting, until: Timestamp::FAR_FUTURE };
            }
        }
    }

    fn apply_settings(&mut self, changed: &SettingsChanged) {
        self.settings = changed.settings.clone();
        self.hidden_before = self.hidden_before.max(changed.hidden_before);
        match changed.change {
            Change::Mode => self.mode_changes.note(changed.at),
            Change::Encryption => self.encryption_changes.note(changed.at),
            Change::Other => {}
        }
        self.update_until(changed.at, changed.settled_at);
    }

    /// Shows the stream as being updated, unless that ends later or never.
    fn update_until(&mut self, at: Timestamp, until: Timestamp) {
        self.now = self.now.max(at);
        if until > self.phase.until {
            self.phase = Phase { status: Status::Updating, until };
        }
    }
}
