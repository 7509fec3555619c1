//! Everything a partition writes to its log.

use crate::{
    base::{
        id::{Location, MessageSeq, QueueId, RedriveId, StreamId},
        name::QueuePath,
        time::Timestamp,
    },
    domain::{
        queue::{event::Event, settings::Settings},
        stream::event::Appended,
        table,
    },
    engine::{
        definition::QueueDefinition,
        streams::{definition::StreamDefinition, view::Change},
    },
};
use std::sync::Arc;

/// One entry of a partition's log.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Record {
    /// Something happened to a queue. `Moved` is written as [`Record::Moved`] instead.
    Queue(QueueId, Event),
    /// A message left its queue for the outbox. The item says all about it, since the message may be gone from a page
    /// that is newer than this entry.
    Moved(OutboxItem),
    /// The targets have every transfer below this number.
    TransfersDone {
        below: u64,
    },
    /// The item under the old number waits under a new one for another target.
    Rerouted {
        old: u64,
        item: OutboxItem,
    },
    QueueOpened(QueueId, Settings),
    QueueClosed(QueueId),
    /// Partition 0: a queue was created or changed.
    Defined(Arc<QueueDefinition>),
    /// Partition 0: a queue was deleted.
    Removed {
        id: QueueId,
        path: QueuePath,
        at: Timestamp,
    },
    /// A stream has a record more.
    StreamAppended {
        stream: StreamId,
        appended: Appended,
        producer: Option<(Arc<str>, u64)>,
    },
    /// Something else happened to a stream, or to what stands on it.
    Stream(StreamId, Box<Change>),
    StreamOpened(Arc<StreamDefinition>),
    StreamClosed(StreamId),
    /// Partition 0: a stream was created.
    StreamDefined(Arc<StreamDefinition>),
    /// Partition 0: a stream was deleted.
    StreamRemoved(StreamId),
    /// Partition 0: something happened to a table of leases.
    Table(table::event::Event),
}

/// A message on its way from one queue to another. Lives from the entry that moved it until its target has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OutboxItem {
    /// The transfer's number in its partition.
    pub(crate) number: u64,
    pub(crate) source: QueueId,
    pub(crate) seq: MessageSeq,
    pub(crate) target: QueueId,
    /// Where the payload stands.
    pub(crate) location: Location,
    pub(crate) at: Timestamp,
    pub(crate) send_time: Timestamp,
    pub(crate) receive_count: u32,
    pub(crate) first_receive: Option<Timestamp>,
    pub(crate) size: u32,
    /// The queue it had come from as a dead letter.
    pub(crate) dead_letter_source: Option<QueueId>,
    pub(crate) why: OutboxReason,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OutboxReason {
    MaxReceives,
    Explicit {
        reason: Arc<str>,
    },
    Redrive {
        id: RedriveId,
        moved: u64,
    },
    /// Its target was gone, so it goes back to where it came from.
    Returned,
}
