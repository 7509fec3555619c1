//! What a partition is asked. Each command carries the way its answer goes; the answer leaves when it is durable.

use crate::{
    base::{
        id::{LeaseId, Location, MessageSeq, QueueId, RedriveId, StreamId, StreamQueueId},
        name::QueuePath,
        reason::Refusal,
        stream_name::StreamPath,
        time::Timestamp,
    },
    domain::{
        queue::{Delivery, StoredMessage},
        stream::{ShardId, StreamError, acks::event::Marked, create::Create},
        table,
    },
    engine::{
        definition::{QueueDefinition, QueueOptions},
        gate::Reply,
        image::PartitionImage,
        journal::OutboxItem,
        message::{
            BrowseOptions, MessageState, Outcome, Payload, QueueStats, ReceiveOptions, Redrive, SendBatch, SentMessage,
        },
        partition::{lack::Recorded, state::State},
        streams::{
            definition::StreamDefinition,
            delivery::{LaneKey, ReceiveRecords},
            handle::StreamHandle,
            record::{PutBatch, PutError, PutRecord},
            view::{Change, View},
        },
    },
};
use bytes::Bytes;
use std::sync::Arc;
use tokio::sync::oneshot;

pub(crate) type Answer<T> = oneshot::Sender<Result<T, Refusal>>;

/// Called with the result on the thread that makes it durable; for work that goes on inside the engine.
pub(crate) type Then<T> = Box<dyn FnOnce(Result<T, Refusal>) + Send>;

pub(crate) enum Command {
    Send {
        queue: QueueId,
        batch: SendBatch,
        answer: Answer<Vec<Result<SentMessage, Refusal>>>,
    },
    ProducerSequence {
        queue: QueueId,
        producer: Arc<str>,
        answer: Answer<u64>,
    },
    /// `number` names the wait, for `CancelWait`; it rises from call to call.
    Receive {
        queue: QueueId,
        options: ReceiveOptions,
        number: u64,
        answer: Answer<Vec<Delivery>>,
    },
    CancelWait {
        queue: QueueId,
        number: u64,
    },
    Settle {
        queue: QueueId,
        settlements: Vec<Settlement>,
        answer: Answer<Vec<Result<(), Refusal>>>,
    },
    /// Leases whose taker went away before it got them: visible again, as if never received.
    Release {
        queue: QueueId,
        leases: Vec<(MessageSeq, LeaseId)>,
    },
    Purge {
        queue: QueueId,
        answer: Answer<u64>,
    },
    Browse {
        queue: QueueId,
        options: BrowseOptions,
        answer: Answer<BrowsePage>,
    },
    Stats {
        queue: QueueId,
        answer: Answer<QueueStats>,
    },
    StartRedrive {
        queue: QueueId,
        id: RedriveId,
        to: Option<QueueId>,
        rate: u32,
        answer: Answer<Redrive>,
    },
    ListRedrives {
        queue: QueueId,
        answer: Answer<Vec<Redrive>>,
    },
    CancelRedrive {
        queue: QueueId,
        id: RedriveId,
        answer: Answer<Redrive>,
    },
    // Between partitions.
    OpenQueue {
        definition: Arc<QueueDefinition>,
        then: Then<()>,
    },
    CloseQueue {
        queue: QueueId,
        then: Then<()>,
    },
    Accept {
        item: OutboxItem,
        source: crate::base::id::PartitionId,
        payload: Box<Payload>,
        then: Then<()>,
    },
    TransfersDone {
        below: u64,
    },
    Reroute {
        number: u64,
        to: QueueId,
    },
    // Partition 0: the catalog.
    Create {
        path: QueuePath,
        options: Box<QueueOptions>,
        then: Then<CatalogAnswer>,
    },
    Update {
        id: QueueId,
        expected_revision: Option<u64>,
        options: Box<QueueOptions>,
        then: Then<CatalogAnswer>,
    },
    Remove {
        id: QueueId,
        expected_revision: Option<u64>,
        then: Then<Arc<QueueDefinition>>,
    },
    Stream(StreamCommand),
    // Partition 0: tables of leases.
    Tables {
        request: table::Request,
        limits: table::Limits,
        answer: Answer<Result<table::Answer, table::TableError>>,
    },
    // The checkpointer.
    Freeze {
        /// Every page, not only those that changed.
        all_pages: bool,
        answer: std::sync::mpsc::Sender<Box<PartitionImage>>,
    },
    Trim {
        below: crate::base::id::Lsn,
    },
    // Who reads what a start put off.
    TakeRecorded {
        answer: std::sync::mpsc::Sender<Recorded>,
    },
    FillLack {
        read: Box<State>,
        answer: std::sync::mpsc::Sender<()>,
    },
    // Operators.
    Kept {
        answer: oneshot::Sender<crate::engine::partition::figures::Kept>,
    },
    // The evacuation.
    Standing {
        below: crate::base::id::Lsn,
        from: (QueueId, MessageSeq),
        answer: std::sync::mpsc::Sender<Vec<Standing>>,
    },
    Relocate {
        moves: Vec<Relocation>,
        then: Then<()>,
    },
    Archive {
        moves: Vec<Move>,
        then: Then<()>,
    },
    ArchiveChanges {
        limit: usize,
        answer: std::sync::mpsc::Sender<Changes>,
    },
    ArchiveHeard {
        count: usize,
        /// The archive's frame that says so.
        lsn: crate::base::id::Lsn,
    },
}

impl Command {
    /// Gives the command back, unless it can do nothing without the messages of a queue that `lacks` them: then it is refused,
    /// and whoever waits for the answer hears why. A caller that is gone does not.
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others need no messages")]
    pub(crate) fn unless_it(self, lacks: impl Fn(QueueId) -> bool, why: impl FnOnce() -> Refusal) -> Option<Self> {
        match self {
            Self::Receive { queue, answer, .. } if lacks(queue) => drop(answer.send(Err(why()))),
            Self::Settle { queue, answer, .. } if lacks(queue) => drop(answer.send(Err(why()))),
            Self::Purge { queue, answer } if lacks(queue) => drop(answer.send(Err(why()))),
            Self::Browse { queue, answer, .. } if lacks(queue) => drop(answer.send(Err(why()))),
            Self::Stats { queue, answer } if lacks(queue) => drop(answer.send(Err(why()))),
            Self::StartRedrive { queue, answer, .. } if lacks(queue) => drop(answer.send(Err(why()))),
            Self::ListRedrives { queue, answer } if lacks(queue) => drop(answer.send(Err(why()))),
            Self::CancelRedrive { queue, answer, .. } if lacks(queue) => drop(answer.send(Err(why()))),
            // What was leased before the start, if anything, ends by itself.
            Self::Release { queue, .. } if lacks(queue) => {}
            other => return Some(other),
        }
        None
    }
}

/// What is asked about streams.
pub(crate) enum StreamCommand {
    Put { stream: StreamId, batch: PutBatch, answer: Answer<Vec<Result<PutRecord, PutError>>> },
    ProducerSequence { stream: StreamId, producer: Arc<str>, answer: Answer<u64> },
    Decide { stream: StreamId, decide: Decide },
    Open { definition: Arc<StreamDefinition>, then: Then<Arc<StreamHandle>> },
    Close { stream: StreamId },
    Trimmed { stream: StreamId, trims: Vec<Trimmed> },
    // Queues over streams.
    Receive { stream: StreamId, request: ReceiveRecords, number: u64, answer: Answer<Vec<Marked>> },
    CancelReceive { key: LaneKey, number: u64 },
    HandBack { stream: StreamId, queue: StreamQueueId, marks: Vec<Marked> },
    // Partition 0: the catalog of streams.
    Create { path: StreamPath, request: Box<Create>, then: Then<Result<Arc<StreamHandle>, StreamError>> },
    Remove { id: StreamId },
}

/// Looks at a stream, says what is to change, and what is to be said once that is durable.
pub(crate) type Decide = Box<dyn for<'a> FnOnce(Result<View<'a>, Refusal>) -> (Vec<Change>, Reply) + Send>;

/// What the storage still holds of a shard.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trimmed {
    pub(crate) shard: ShardId,
    /// The first index that may be left.
    pub(crate) below: u64,
    /// Bytes of all records below. None: of all there were.
    pub(crate) bytes: Option<u64>,
}

/// A message whose entry stands where the log, or the archive, is to end.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    pub(crate) queue: QueueId,
    pub(crate) message: StoredMessage,
}

/// A message to be written anew: what was read at its place.
pub(crate) struct Relocation {
    pub(crate) queue: QueueId,
    pub(crate) seq: MessageSeq,
    pub(crate) at: Location,
    /// The header of its first entry.
    pub(crate) sent: Bytes,
    pub(crate) body: Bytes,
}

/// A message that the archive has: as it was when it was written there, and where.
pub(crate) struct Move {
    pub(crate) queue: QueueId,
    pub(crate) message: StoredMessage,
    pub(crate) to: Location,
}

/// What has become of messages in the archive.
pub(crate) struct Changes {
    /// How many changes these are, and how many there are altogether.
    pub(crate) count: usize,
    pub(crate) all: usize,
    /// As they are now; none: gone.
    pub(crate) messages: Vec<(QueueId, MessageSeq, Option<StoredMessage>)>,
}

pub(crate) type Settlement = (MessageSeq, LeaseId, Outcome);

pub(crate) struct CatalogAnswer {
    pub(crate) definition: Arc<QueueDefinition>,
    pub(crate) existed: bool,
}

pub(crate) struct BrowsePage {
    pub(crate) messages: Vec<Browsed>,
    /// Where to go on; `None` at the end.
    pub(crate) next: Option<MessageSeq>,
    pub(crate) fifo: bool,
}

/// A message that a browse found; its payload is read outside the partition's thread.
#[derive(Clone, Debug)]
pub(crate) struct Browsed {
    pub(crate) seq: MessageSeq,
    pub(crate) state: MessageState,
    pub(crate) location: Location,
    pub(crate) receive_count: u32,
    pub(crate) send_time: Timestamp,
    pub(crate) first_receive: Option<Timestamp>,
    pub(crate) visible_at: Timestamp,
    pub(crate) size: u32,
}
