//! What a stream is, as the catalog keeps it: all that never changes.

use crate::{
    base::{
        id::{PartitionId, StreamId},
        stream_name::StreamPath,
    },
    domain::stream::event::Created,
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamDefinition {
    pub id: StreamId,
    pub path: StreamPath,
    /// How it began: what its partition needs when it has not heard of it yet.
    pub created: Created,
}

impl StreamDefinition {
    /// The partition that owns the stream: assigned once, stored, not derived.
    pub fn partition(&self) -> PartitionId {
        self.created.partition
    }
}
