//! What a partition knows, changed only by records, live and in replay alike.
//!
//! Applying a stretch of the log again over a state that contains some of it ends in the same state: see
//! `domain::queue::event`.

use crate::{
    base::id::{Location, Lsn, PartitionId, QueueId, StreamId},
    domain::{
        queue::{
            Low,
            event::{Event, MoveReason, Moved},
        },
        table::Tables,
    },
    engine::{
        catalog::Catalog,
        image::{PartitionImage, Section},
        journal::{DecodeError, OutboxItem, OutboxReason, Record},
        partition::{
            archive_state::{ArchiveChange, ArchiveState},
            parking::Queues,
        },
        streams::{
            catalog::StreamCatalog,
            state::{StreamParts, StreamState},
        },
    },
};
use std::collections::BTreeMap;

/// Leases that a crash took back are never given out again: each start skips this many numbers.
const LEASES_SKIPPED_PER_START: u64 = 1 << 32;

pub(crate) struct State {
    pub(crate) partition: PartitionId,
    pub(crate) queues: Queues,
    /// Messages on their way to another queue, by transfer number.
    pub(crate) outbox: BTreeMap<u64, OutboxItem>,
    pub(crate) next_transfer: u64,
    pub(crate) next_lease: u64,
    /// Partition 0 only; empty elsewhere.
    pub(crate) catalog: Catalog,
    pub(crate) streams: BTreeMap<StreamId, StreamState>,
    /// Partition 0 only; empty elsewhere.
    pub(crate) stream_catalog: StreamCatalog,
    pub(crate) parts: StreamParts,
    /// Streams that went: a start finds what they left.
    pub(crate) streams_gone: Vec<StreamId>,
    /// Of partition 0, like the catalog.
    pub(crate) tables: Tables,
    pub(crate) archive: ArchiveState,
}

impl State {
    pub(crate) fn new(partition: PartitionId, parts: StreamParts) -> Self {
        Self {
            partition,
            queues: Queues::default(),
            outbox: BTreeMap::new(),
            next_transfer: 1,
            next_lease: 1,
            catalog: Catalog::default(),
            streams: BTreeMap::new(),
            stream_catalog: StreamCatalog::default(),
            parts,
            streams_gone: Vec::new(),
            tables: Tables::default(),
            archive: ArchiveState::default(),
        }
    }

    /// The state a snapshot's section holds, without its messages: those come from the index or the log.
    ///
    /// # Errors
    ///
    /// A head cannot be read.
    pub(crate) fn from_section(section: Section, parts: StreamParts) -> Result<Self, DecodeError> {
        let mut queues = Queues::default();
        for queue in &section.queues {
            queues.restore(queue.id, &queue.head)?;
        }
        Ok(Self {
            partition: section.partition,
            queues,
            outbox: section.outbox.into_iter().map(|item| (item.number, item)).collect(),
            next_transfer: section.next_transfer,
            next_lease: section.next_lease,
            catalog: section.catalog.map(Catalog::from_image).unwrap_or_default(),
            streams: section
                .streams
                .into_iter()
                .map(|image| (image.definition.id, StreamState::from_image(image, &parts)))
                .collect(),
            stream_catalog: section.stream_catalog.map(StreamCatalog::from_image).unwrap_or_default(),
            parts,
            streams_gone: Vec::new(),
            tables: section.tables.map(Tables::from_image).unwrap_or_default(),
            archive: section.archive,
        })
    }

    /// Called once, when replay is over and before the first lease.
    pub(crate) fn open_for_leases(&mut self) {
        self.next_lease += LEASES_SKIPPED_PER_START;
    }

    pub(crate) fn apply(&mut self, record: &Record, at: Location) {
        match record {
            Record::Queue(id, event) => {
                if let Event::Received(received) = event {
                    self.next_lease = self.next_lease.max(received.lease.0 + 1);
                }
                if let Event::Archived { to, .. } = event {
                    self.archive.lsn = self.archive.lsn.max(to.lsn.of_archive());
                }
                self.apply_to_queue(*id, event, at);
            }
            Record::Moved(item) => self.apply_moved(item, at),
            Record::TransfersDone { below } => self.outbox = self.outbox.split_off(below),
            Record::Rerouted { old, item } => {
                self.outbox.remove(old);
                self.next_transfer = self.next_transfer.max(item.number + 1);
                self.outbox.insert(item.number, item.clone());
            }
            Record::QueueOpened(id, settings) => {
                self.queues.open(*id, settings);
            }
            Record::QueueClosed(id) => {
                self.queues.remove(*id);
            }
            Record::Defined(definition) => self.catalog.apply_defined(definition),
            Record::Removed { id, path, at } => self.catalog.apply_removed(*id, path, *at),
            Record::StreamAppended { stream, appended, producer } => {
                if let Some(state) = self.streams.get_mut(stream) {
                    state.apply_appended(appended, producer.as_ref().map(|(id, sequence)| (id, *sequence)), at);
                }
            }
            Record::Stream(id, change) => {
                let lease = self.streams.get_mut(id).and_then(|state| state.apply(change));
                self.next_lease = self.next_lease.max(lease.map_or(0, |lease| lease.0 + 1));
            }
            Record::StreamOpened(definition) => {
                let new = || StreamState::new(definition.clone(), &self.parts);
                self.streams.entry(definition.id).or_insert_with(new);
            }
            Record::StreamClosed(id) => {
                self.streams.remove(id);
                self.streams_gone.push(*id);
            }
            Record::StreamDefined(definition) => self.stream_catalog.apply_defined(definition),
            Record::StreamRemoved(id) => self.stream_catalog.apply_removed(*id),
            Record::Table(event) => self.tables.apply(event),
        }
    }

    fn apply_moved(&mut self, item: &OutboxItem, at: Location) {
        self.next_transfer = self.next_transfer.max(item.number + 1);
        self.outbox.insert(item.number, item.clone());
        let why = match &item.why {
            OutboxReason::MaxReceives | OutboxReason::Returned => MoveReason::MaxReceives,
            OutboxReason::Explicit { reason } => MoveReason::Explicit { reason: reason.clone() },
            OutboxReason::Redrive { id, moved } => MoveReason::Redrive { id: *id, moved: *moved },
        };
        let moved = Moved { seq: item.seq, to: item.target, transfer: item.number, why, at: item.at };
        self.apply_to_queue(item.source, &Event::Moved(moved), at);
    }

    fn apply_to_queue(&mut self, id: QueueId, event: &Event, at: Location) {
        let Some(queue) = self.queues.wake(id) else { return };
        let mut changed = if self.archive.pages_are_newer { queue.ended_before(event) } else { Vec::new() };
        queue.apply(event, at);
        changed.append(&mut queue.take_archive_changes());
        for seq in changed {
            self.archive.note(ArchiveChange { lsn: at.lsn, queue: id, seq });
        }
    }

    /// The state, which contains every frame up to `lsn` and perhaps some of the next, with the pages that changed since
    /// the last image, or with all.
    pub(crate) fn image(&mut self, lsn: Lsn, all_pages: bool) -> PartitionImage {
        let moving = self.outbox.values().map(|item| item.location.lsn);
        let queues = self.queues.images(all_pages);
        // Exact now that the changes were taken.
        let needed = self.queues.needed();
        let lowest = Low::of(moving).and(needed.lowest);
        let oldest_record = self.streams.values().filter_map(|state| state.handle.feed.oldest()).min();
        let oldest_change = self.archive.oldest_change();
        let oldest = [lowest.log, oldest_change, oldest_record, Some(lsn.next())].into_iter().flatten().min();
        PartitionImage {
            partition: self.partition,
            lsn,
            next_lease: self.next_lease,
            next_transfer: self.next_transfer,
            outbox: self.outbox.values().cloned().collect(),
            queues,
            catalog: (self.partition == PartitionId(0)).then(|| self.catalog.image()),
            streams: self.streams.values().map(StreamState::image).collect(),
            stream_catalog: (self.partition == PartitionId(0)).then(|| self.stream_catalog.image()),
            tables: (self.partition == PartitionId(0)).then(|| self.tables.image()),
            oldest: oldest.unwrap_or(lsn.next()),
            live_bytes: needed.logged_bytes,
            archive_lsn: self.archive.lsn,
            archive_changes: self.archive.changes().copied().collect(),
            archive_oldest: lowest.archive.map(Lsn::of_archive),
            archived_bytes: needed.archived_bytes,
        }
    }
}
