//! Streams at a start: their segments opened, their records shown, what a crash cut short finished.

use super::writer::{SegmentWriter, Tools};
use crate::{
    base::id::PartitionId,
    engine::{
        command::{Command, StreamCommand},
        host::Alarms,
        inbox::Inbox,
        open::OpenError,
        options::{EngineHost, EngineOptions},
        partition::{state::State, worker::Shared},
    },
    storage::log::LogReader,
};
use std::{collections::BTreeMap, sync::Arc};

pub(in crate::engine) fn tools(
    options: &EngineOptions,
    host: &EngineHost,
    store_uuid: [u8; 16],
    log: Arc<dyn LogReader>,
    alarms: &Arc<Alarms>,
    inboxes: Arc<[Arc<Inbox<Command>>]>,
) -> Tools {
    Tools {
        io: host.io.clone(),
        data_dir: options.data_dir.clone(),
        store_uuid,
        options: options.streams,
        clock: host.clock.clone(),
        entropy: host.entropy.clone(),
        log,
        alarms: alarms.clone(),
        fatal: host.fatal.clone(),
        inboxes,
    }
}

/// Opens the segments of every stream and shows the records that are left.
pub(in crate::engine) fn restore(
    tools: Tools,
    states: &mut BTreeMap<PartitionId, State>,
) -> Result<SegmentWriter, OpenError> {
    let alarms = tools.alarms.clone();
    let mut segments = SegmentWriter::new(tools);
    segments.begin().map_err(OpenError::SegmentDirectory)?;
    for state in states.values_mut() {
        for gone in std::mem::take(&mut state.streams_gone) {
            segments.forget(gone);
        }
        for stream in state.streams.values() {
            let handle = &stream.handle;
            let failed = |source| OpenError::Segments { stream: handle.path().clone(), source };
            let writer = segments.restore(handle).map_err(failed)?;
            handle.note(stream.stream.settings().clone());
            handle.feed.set(stream.stream.settings(), stream.stream.horizon(crate::base::time::Timestamp::ZERO));
            let nexts = |shard: crate::domain::stream::ShardId| writer.and_then(|writer| writer.next(shard.0));
            let lost = handle.feed.start(&stream.stream, writer.map(|writer| writer.reader()), nexts);
            for (shard, from, to) in lost {
                alarms.set("CORRUPT_SEGMENT", true);
                tracing::error!(stream = %handle.path(), %shard, from, to, "records are in no segment and not in the log");
            }
            if stream.gone_at.is_some() {
                handle.feed.end();
            }
        }
    }
    Ok(segments)
}

/// Shows every stream of the catalog, and finishes creations and deletions that a crash cut short.
pub(in crate::engine) fn reconcile(shared: &Shared, states: &BTreeMap<PartitionId, State>) {
    let Some(catalog) = states.get(&PartitionId(0)).map(|state| &state.stream_catalog) else { return };
    for definition in catalog.definitions() {
        let known = states.get(&definition.partition()).and_then(|state| state.streams.get(&definition.id));
        if let Some(known) = known {
            shared.streams.put(known.handle.clone());
            known.queues.keys().for_each(|name| shared.queue_names.put(&known.handle, name));
        } else if let Some(inbox) = shared.inbox(definition.partition()) {
            inbox.push_internal(Command::Stream(StreamCommand::Open {
                definition: definition.clone(),
                then: Box::new(|_| {}),
            }));
        }
    }
    for (partition, state) in states {
        for stream in state.streams.keys().filter(|id| catalog.get(**id).is_none()) {
            if let Some(inbox) = shared.inbox(*partition) {
                inbox.push_internal(Command::Stream(StreamCommand::Close { stream: *stream }));
            }
        }
    }
}
