//! What a change of a stream, or of what stands on it, says.

use super::{
    event::{event_from, event_to},
    group, parts, queue,
};
use crate::{
    base::time::Timestamp,
    engine::{journal::DecodeError, streams::view::Change},
    proto::storage::v1::{self as wire, stream_change::Change as WireChange},
};

/// `None` for what has no entry of this kind: an appended record, whose entry holds it, and a sign of life.
pub(crate) fn change_to(change: &Change) -> Option<wire::StreamChange> {
    let change = match change {
        Change::Stream(event) => WireChange::Stream(event_to(event)?),
        Change::QueueCreated { name, created } => WireChange::QueueCreated(queue::created_to(name, created)),
        Change::Queue { name, event } => {
            WireChange::Queue(wire::StreamQueueChanged { name: name.to_string(), event: Some(queue::event_to(event)) })
        }
        Change::QueueRemoved { name } => WireChange::QueueRemoved(name.to_string()),
        Change::GroupCreated { name, at, starts } => WireChange::GroupCreated(wire::GroupCreated {
            name: name.to_string(),
            at_ms: at.0,
            starts: starts.iter().map(|(shard, number)| parts::shard_number_to(*shard, *number)).collect(),
        }),
        Change::Group { name, event } => {
            WireChange::Group(wire::GroupChanged { name: name.to_string(), event: Some(group::event_to(event)) })
        }
        Change::GroupRemoved { name } => WireChange::GroupRemoved(name.to_string()),
        Change::Heard { .. } => return None,
    };
    Some(wire::StreamChange { change: Some(change) })
}

pub(crate) fn change_from(change: wire::StreamChange) -> Result<Change, DecodeError> {
    Ok(match change.change.ok_or(DecodeError::Missing("change"))? {
        WireChange::Stream(event) => Change::Stream(event_from(event)?),
        WireChange::QueueCreated(created) => {
            let (name, created) = queue::created_from(created)?;
            Change::QueueCreated { name, created: Box::new(created) }
        }
        WireChange::Queue(changed) => {
            Change::Queue { name: changed.name.into(), event: queue::event_from(changed.event)? }
        }
        WireChange::QueueRemoved(name) => Change::QueueRemoved { name: name.into() },
        WireChange::GroupCreated(created) => Change::GroupCreated {
            name: created.name.into(),
            at: Timestamp(created.at_ms),
            starts: created.starts.iter().map(parts::shard_number_from).collect::<Result<_, _>>()?,
        },
        WireChange::Group(changed) => {
            Change::Group { name: changed.name.into(), event: group::event_from(changed.event)? }
        }
        WireChange::GroupRemoved(name) => Change::GroupRemoved { name: name.into() },
    })
}
