//! Queues over a stream.

use super::parts::{check_interval, millis, tags_from, tags_to};
use crate::{
    base::{
        id::{LeaseId, StreamQueueId},
        time::Timestamp,
    },
    domain::stream::{
        ShardId,
        acks::{About, Created, Event, Fate, Head, Run, Settings, Start, event::Marked, machine::ShardHead},
    },
    engine::journal::DecodeError,
    proto::storage::v1::{self as wire, StreamQueueStart, stream_queue_changed::Event as WireEvent},
};
use std::{sync::Arc, time::Duration};

fn settings_to(settings: Settings) -> wire::StreamQueueSettings {
    wire::StreamQueueSettings {
        visibility_timeout_ms: millis(settings.visibility_timeout),
        max_receive_count: settings.max_receive_count,
    }
}

fn settings_from(settings: Option<wire::StreamQueueSettings>) -> Result<Settings, DecodeError> {
    let settings = settings.ok_or(DecodeError::Missing("settings"))?;
    Ok(Settings {
        visibility_timeout: Duration::from_millis(settings.visibility_timeout_ms),
        max_receive_count: settings.max_receive_count,
    })
}

fn about_to(about: &About) -> wire::StreamQueueAbout {
    let (start, moment) = match about.start {
        Start::TrimHorizon => (StreamQueueStart::TrimHorizon, Timestamp::ZERO),
        Start::Latest => (StreamQueueStart::Latest, Timestamp::ZERO),
        Start::AtTime(moment) => (StreamQueueStart::AtTime, moment),
    };
    wire::StreamQueueAbout {
        id: about.id.0,
        start: start.into(),
        start_ms: moment.0,
        counts_from_ms: about.counts_from.0,
        created_at_ms: about.created_at.0,
        active_at_ms: about.active_at.0,
        settled_at_ms: about.settled_at.0,
        gone_at_ms: about.gone_at.map(|at| at.0),
        tags: tags_to(&about.tags),
    }
}

fn about_from(about: Option<wire::StreamQueueAbout>) -> Result<About, DecodeError> {
    let about = about.ok_or(DecodeError::Missing("about"))?;
    let start = match about.start() {
        StreamQueueStart::Unspecified => return Err(DecodeError::Missing("start")),
        StreamQueueStart::TrimHorizon => Start::TrimHorizon,
        StreamQueueStart::Latest => Start::Latest,
        StreamQueueStart::AtTime => Start::AtTime(Timestamp(about.start_ms)),
    };
    Ok(About {
        id: StreamQueueId(about.id),
        start,
        counts_from: Timestamp(about.counts_from_ms),
        created_at: Timestamp(about.created_at_ms),
        active_at: Timestamp(about.active_at_ms),
        settled_at: Timestamp(about.settled_at_ms),
        gone_at: about.gone_at_ms.map(Timestamp),
        tags: tags_from(about.tags),
    })
}

pub(super) fn created_to(name: &str, created: &Created) -> wire::StreamQueueCreated {
    wire::StreamQueueCreated {
        name: name.to_owned(),
        settings: Some(settings_to(created.settings)),
        starts: created.starts.iter().map(|(shard, index)| index_to(*shard, *index)).collect(),
        about: Some(about_to(&created.about)),
    }
}

pub(super) fn created_from(created: wire::StreamQueueCreated) -> Result<(Arc<str>, Created), DecodeError> {
    let starts = created.starts.into_iter().map(|start| (ShardId(start.shard), start.index)).collect();
    let (about, settings) = (about_from(created.about)?, settings_from(created.settings)?);
    Ok((created.name.into(), Created { about, settings, starts }))
}

fn index_to(shard: ShardId, index: u64) -> wire::ShardIndex {
    wire::ShardIndex { shard: shard.0, index }
}

pub(super) fn event_to(event: &Event) -> WireEvent {
    match event {
        Event::Received(marked) => WireEvent::Received(marked_to(marked)),
        Event::VisibilityChanged(marked) => WireEvent::VisibilityChanged(marked_to(marked)),
        Event::Restored(marked) => WireEvent::Restored(marked_to(marked)),
        Event::Acknowledged { shard, from, to } => {
            WireEvent::Acknowledged(wire::AcknowledgedRecords { shard: shard.0, from: *from, to: *to })
        }
        Event::Trimmed { shard, below } => WireEvent::Trimmed(index_to(*shard, *below)),
        Event::ShardForgotten { shard } => WireEvent::ShardForgotten(shard.0),
        Event::SettingsChanged { settings, settled_at } => WireEvent::Updated(wire::StreamQueueUpdated {
            settings: Some(settings_to(*settings)),
            settled_at_ms: settled_at.0,
        }),
        Event::Tagged(tags) => WireEvent::Tagged(wire::StreamQueueTagged { tags: tags_to(tags) }),
        Event::Deleting { gone_at } => WireEvent::Deleting(gone_at.0),
    }
}

pub(super) fn event_from(event: Option<WireEvent>) -> Result<Event, DecodeError> {
    Ok(match event.ok_or(DecodeError::Missing("event"))? {
        WireEvent::Received(marked) => Event::Received(marked_from(marked)?),
        WireEvent::VisibilityChanged(marked) => Event::VisibilityChanged(marked_from(marked)?),
        WireEvent::Restored(marked) => Event::Restored(marked_from(marked)?),
        WireEvent::Acknowledged(wire::AcknowledgedRecords { shard, from, to }) => {
            check_interval(from, to)?;
            Event::Acknowledged { shard: ShardId(shard), from, to }
        }
        WireEvent::Trimmed(trimmed) => Event::Trimmed { shard: ShardId(trimmed.shard), below: trimmed.index },
        WireEvent::ShardForgotten(shard) => Event::ShardForgotten { shard: ShardId(shard) },
        WireEvent::Updated(updated) => Event::SettingsChanged {
            settings: settings_from(updated.settings)?,
            settled_at: Timestamp(updated.settled_at_ms),
        },
        WireEvent::Tagged(tagged) => Event::Tagged(tags_from(tagged.tags)),
        WireEvent::Deleting(gone_at) => Event::Deleting { gone_at: Timestamp(gone_at) },
    })
}

fn marked_to(marked: &Marked) -> wire::MarkedRecords {
    let Marked { shard, from, to, fate, first, at } = *marked;
    wire::MarkedRecords { shard: shard.0, run: Some(run_to(&Run { from, to, fate })), first, at_ms: at.0 }
}

fn marked_from(marked: wire::MarkedRecords) -> Result<Marked, DecodeError> {
    let Run { from, to, fate } = run_from(&marked.run.ok_or(DecodeError::Missing("run"))?)?;
    let (shard, first, at) = (ShardId(marked.shard), marked.first, Timestamp(marked.at_ms));
    Ok(Marked { shard, from, to, fate, first, at })
}

fn run_to(run: &Run) -> wire::RecordRun {
    wire::RecordRun {
        from: run.from,
        to: run.to,
        lease: run.fate.lease.0,
        visible_at_ms: run.fate.visible_at.0,
        receive_count: run.fate.receive_count,
        first_receive_ms: run.fate.first_receive.map(|at| at.0),
        dead: run.fate.dead,
    }
}

fn run_from(run: &wire::RecordRun) -> Result<Run, DecodeError> {
    check_interval(run.from, run.to)?;
    let fate = Fate {
        lease: LeaseId(run.lease),
        visible_at: Timestamp(run.visible_at_ms),
        receive_count: run.receive_count,
        first_receive: run.first_receive_ms.map(Timestamp),
        dead: run.dead,
    };
    Ok(Run { from: run.from, to: run.to, fate })
}

pub(crate) fn queue_head_to(name: &str, head: &Head) -> wire::StreamQueueHead {
    let shards = head.shards.iter().map(|shard| wire::QueueShard {
        shard: shard.shard.0,
        next: shard.next,
        floor: shard.floor,
        runs: shard.runs.iter().map(run_to).collect(),
    });
    wire::StreamQueueHead {
        name: name.into(),
        settings: Some(settings_to(head.settings)),
        shards: shards.collect(),
        served: head.served.0,
        about: Some(about_to(&head.about)),
    }
}

pub(crate) fn queue_head_from(head: wire::StreamQueueHead) -> Result<(Arc<str>, Head), DecodeError> {
    let shards = head.shards.iter().map(|shard| {
        let runs = shard.runs.iter().map(run_from).collect::<Result<_, _>>()?;
        Ok(ShardHead { shard: ShardId(shard.shard), next: shard.next, floor: shard.floor, runs })
    });
    let read = Head {
        settings: settings_from(head.settings)?,
        about: about_from(head.about)?,
        shards: shards.collect::<Result<_, DecodeError>>()?,
        served: ShardId(head.served),
    };
    Ok((head.name.into(), read))
}
