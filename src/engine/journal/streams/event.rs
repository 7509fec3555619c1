//! What happened to a stream itself.

use super::parts::{ids_from, ids_to, range_from, range_to, settings_from, settings_to, tags_from, tags_to};
use crate::{
    base::time::Timestamp,
    domain::stream::{
        ShardId,
        consumers::Consumer,
        demand::Load,
        event::{Change, Event, Opened, Resharded, SettingsChanged},
    },
    engine::journal::DecodeError,
    proto::storage::v1::{self as wire, SettingsChangeKind, stream_event::Event as WireEvent},
};

/// `None` for an appended record: its entry holds it.
pub(super) fn event_to(event: &Event) -> Option<wire::StreamEvent> {
    let event = match event {
        Event::Appended(_) => return None,
        Event::Resharded(step) => WireEvent::Resharded(wire::Resharded {
            closed: ids_to(&step.closed),
            opened: step.opened.iter().map(opened_to).collect(),
            at_ms: step.at.0,
            settled_at_ms: step.settled_at.0,
        }),
        Event::ShardCountUpdated { at } => WireEvent::ShardCountUpdated(wire::ShardCountUpdated { at_ms: at.0 }),
        Event::Trimmed { shard, below, bytes } => {
            WireEvent::Trimmed(wire::ShardTrimmed { shard: shard.0, below: *below, bytes: *bytes })
        }
        Event::ShardsForgotten { shards } => {
            WireEvent::ShardsForgotten(wire::ShardsForgotten { shards: ids_to(shards) })
        }
        Event::SettingsChanged(changed) => WireEvent::SettingsChanged(changed_to(changed)),
        Event::ConsumerRegistered(consumer) => WireEvent::ConsumerRegistered(consumer_to(consumer)),
        Event::ConsumerTagged { name, tags } => {
            WireEvent::ConsumerTagged(wire::ConsumerTagged { name: name.to_string(), tags: tags_to(tags) })
        }
        Event::ConsumerDeregistered { name, gone_at, at } => {
            let (name, gone_at_ms, at_ms) = (name.to_string(), gone_at.0, at.0);
            WireEvent::ConsumerDeregistered(wire::ConsumerDeregistered { name, gone_at_ms, at_ms })
        }
        Event::LoadMeasured { load, at } => {
            WireEvent::LoadMeasured(wire::LoadMeasured { load: Some(load_to(*load)), at_ms: at.0 })
        }
        Event::Deleting { at } => WireEvent::Deleting(wire::StreamDeleting { at_ms: at.0 }),
    };
    Some(wire::StreamEvent { event: Some(event) })
}

pub(super) fn event_from(event: wire::StreamEvent) -> Result<Event, DecodeError> {
    Ok(match event.event.ok_or(DecodeError::Missing("event"))? {
        WireEvent::Resharded(step) => Event::Resharded(Resharded {
            closed: ids_from(step.closed),
            opened: step.opened.into_iter().map(opened_from).collect::<Result<_, _>>()?,
            at: Timestamp(step.at_ms),
            settled_at: Timestamp(step.settled_at_ms),
        }),
        WireEvent::ShardCountUpdated(updated) => Event::ShardCountUpdated { at: Timestamp(updated.at_ms) },
        WireEvent::Trimmed(trimmed) => {
            Event::Trimmed { shard: ShardId(trimmed.shard), below: trimmed.below, bytes: trimmed.bytes }
        }
        WireEvent::ShardsForgotten(forgotten) => Event::ShardsForgotten { shards: ids_from(forgotten.shards) },
        WireEvent::SettingsChanged(changed) => Event::SettingsChanged(Box::new(changed_from(changed)?)),
        WireEvent::ConsumerRegistered(consumer) => Event::ConsumerRegistered(consumer_from(consumer)),
        WireEvent::ConsumerTagged(tagged) => {
            Event::ConsumerTagged { name: tagged.name.into(), tags: tags_from(tagged.tags) }
        }
        WireEvent::ConsumerDeregistered(gone) => Event::ConsumerDeregistered {
            name: gone.name.into(),
            gone_at: Timestamp(gone.gone_at_ms),
            at: Timestamp(gone.at_ms),
        },
        WireEvent::LoadMeasured(measured) => {
            Event::LoadMeasured { load: load_from(measured.load)?, at: Timestamp(measured.at_ms) }
        }
        WireEvent::Deleting(deleting) => Event::Deleting { at: Timestamp(deleting.at_ms) },
    })
}

pub(super) fn opened_to(opened: &Opened) -> wire::ShardOpened {
    wire::ShardOpened {
        id: opened.id.0,
        range: Some(range_to(opened.range)),
        parent: opened.parent.map(|shard| shard.0),
        adjacent_parent: opened.adjacent_parent.map(|shard| shard.0),
        created: opened.created,
    }
}

pub(super) fn opened_from(opened: wire::ShardOpened) -> Result<Opened, DecodeError> {
    Ok(Opened {
        id: ShardId(opened.id),
        range: range_from(opened.range)?,
        parent: opened.parent.map(ShardId),
        adjacent_parent: opened.adjacent_parent.map(ShardId),
        created: opened.created,
    })
}

fn changed_to(changed: &SettingsChanged) -> wire::StreamSettingsChanged {
    let kind = match changed.change {
        Change::Mode => SettingsChangeKind::Mode,
        Change::Encryption => SettingsChangeKind::Encryption,
        Change::Other => SettingsChangeKind::Other,
    };
    wire::StreamSettingsChanged {
        settings: Some(settings_to(&changed.settings)),
        kind: kind.into(),
        hidden_before_ms: changed.hidden_before.0,
        at_ms: changed.at.0,
        settled_at_ms: changed.settled_at.0,
    }
}

fn changed_from(changed: wire::StreamSettingsChanged) -> Result<SettingsChanged, DecodeError> {
    let change = match SettingsChangeKind::try_from(changed.kind) {
        Ok(SettingsChangeKind::Mode) => Change::Mode,
        Ok(SettingsChangeKind::Encryption) => Change::Encryption,
        Ok(SettingsChangeKind::Other) => Change::Other,
        Ok(SettingsChangeKind::Unspecified) | Err(_) => return Err(DecodeError::Missing("kind of change")),
    };
    Ok(SettingsChanged {
        settings: settings_from(changed.settings)?,
        change,
        hidden_before: Timestamp(changed.hidden_before_ms),
        at: Timestamp(changed.at_ms),
        settled_at: Timestamp(changed.settled_at_ms),
    })
}

pub(super) fn consumer_to(consumer: &Consumer) -> wire::RegisteredConsumer {
    wire::RegisteredConsumer {
        name: consumer.name.to_string(),
        created_at_ms: consumer.created_at.0,
        active_at_ms: consumer.active_at.0,
        gone_at_ms: consumer.gone_at.map(|at| at.0),
        tags: tags_to(&consumer.tags),
    }
}

pub(super) fn consumer_from(consumer: wire::RegisteredConsumer) -> Consumer {
    Consumer {
        name: consumer.name.into(),
        created_at: Timestamp(consumer.created_at_ms),
        active_at: Timestamp(consumer.active_at_ms),
        gone_at: consumer.gone_at_ms.map(Timestamp),
        tags: tags_from(consumer.tags),
    }
}

pub(super) fn load_to(load: Load) -> wire::Load {
    wire::Load { bytes_per_second: load.bytes_per_second, records_per_second: load.records_per_second }
}

pub(super) fn load_from(load: Option<wire::Load>) -> Result<Load, DecodeError> {
    let load = load.ok_or(DecodeError::Missing("load"))?;
    Ok(Load { bytes_per_second: load.bytes_per_second, records_per_second: load.records_per_second })
}
