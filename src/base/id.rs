//! A newtype for every id and position.

use std::fmt;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// A unit of ownership and concurrency: one state machine, one thread, one log.
    PartitionId(u32)
}
number! {
    /// A queue for its whole life; never reused, also when a queue of the same name is created again.
    QueueId(u64)
}
number! {
    /// A stream for its whole life; never reused, also when a stream of the same name is created again.
    StreamId(u64)
}
number! {
    /// A queue over a stream, among those that the stream ever had.
    StreamQueueId(u64)
}
number! {
    /// The place of a message in its queue: dense in the order of sending, never reused.
    MessageSeq(u64)
}
number! {
    /// The dense number of a frame in its partition's log. Never a file offset.
    Lsn(u64)
}
number! {
    /// One lease of one message; a newer lease of any message of the partition has a higher number,
    /// also after a crash took back leases that were never made durable.
    LeaseId(u64)
}

impl Lsn {
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl MessageSeq {
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// The LSN of the fence that opened a partition's log for one owner: unique and rising.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub Lsn);

/// Set in the frame number of a [`Location`] in the archive; the archive numbers its frames by itself.
const IN_ARCHIVE: u64 = 1 << 63;

impl Lsn {
    /// A frame of the archive, as a [`Location`] names it: above every frame of the log.
    #[must_use]
    pub fn in_archive(self) -> Self {
        Self(self.0 | IN_ARCHIVE)
    }

    /// Whether this names a frame of the archive.
    pub fn is_in_archive(self) -> bool {
        self.0 & IN_ARCHIVE != 0
    }

    /// The number that the archive itself gives the frame.
    #[must_use]
    pub fn of_archive(self) -> Self {
        Self(self.0 & !IN_ARCHIVE)
    }
}

/// Where an entry stands in its partition's log, or in its archive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// The frame that holds the entry.
    pub lsn: Lsn,
    /// Bytes from the start of the frame to the start of the entry.
    pub offset: u32,
    /// Bytes of the entry, its fixed header included.
    pub len: u32,
}

/// What clients see as the id of a message: a version 8 UUID whose first 16 bits are the partition.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub [u8; 16]);

impl MessageId {
    /// Builds an id from random bytes, marking the partition and the UUID version and variant.
    pub fn new(partition: PartitionId, random: [u8; 16]) -> Self {
        let mut bytes = random;
        let [high, low] = (partition.0 as u16).to_be_bytes();
        bytes[0] = high;
        bytes[1] = low;
        bytes[6] = (bytes[6] & 0x0f) | 0x80;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        Self(bytes)
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        uuid::Uuid::from_bytes(self.0).fmt(f)
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageId({self})")
    }
}

/// One redrive of a dead-letter queue.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RedriveId(pub [u8; 16]);

impl fmt::Display for RedriveId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        uuid::Uuid::from_bytes(self.0).fmt(f)
    }
}

impl fmt::Debug for RedriveId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedriveId({self})")
    }
}

/// Names one transfer of a message from one partition to another, so that the target accepts it once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransferKey {
    pub source: PartitionId,
    /// Rises with every transfer the source partition starts.
    pub number: u64,
}
