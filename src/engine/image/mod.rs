//! A partition's state as a checkpoint keeps it, and its bytes.

mod head;
mod page;
mod section;

pub(crate) use head::{decode_head, encode_head};
pub(crate) use page::{decode_page, encode_page};
pub(crate) use section::{Section, decode_section, encode_section};

use crate::{
    base::{
        id::{Lsn, PartitionId, QueueId},
        name::QueuePath,
        time::Timestamp,
    },
    domain::{
        queue::{Head, Page},
        table::TablesImage,
    },
    engine::{
        definition::QueueDefinition,
        journal::OutboxItem,
        partition::archive_state::ArchiveChange,
        streams::{catalog::StreamCatalogImage, state::StreamImage},
    },
};
use std::sync::Arc;

/// A partition at one frame: what its thread hands to the checkpointer. Plain data; encoding happens elsewhere.
pub(crate) struct PartitionImage {
    pub(crate) partition: PartitionId,
    /// Everything up to this frame is in the image; of the next frame, any part may be.
    pub(crate) lsn: Lsn,
    pub(crate) next_lease: u64,
    pub(crate) next_transfer: u64,
    pub(crate) outbox: Vec<OutboxItem>,
    pub(crate) queues: Vec<QueueImage>,
    /// Partition 0 only.
    pub(crate) catalog: Option<CatalogImage>,
    pub(crate) streams: Vec<StreamImage>,
    /// Partition 0 only.
    pub(crate) stream_catalog: Option<StreamCatalogImage>,
    /// Partition 0 only.
    pub(crate) tables: Option<TablesImage>,
    /// Frames below this hold nothing that lives.
    pub(crate) oldest: Lsn,
    /// What the log holds of messages that live, about.
    pub(crate) live_bytes: u64,
    /// What the archive says up to this frame is in the image.
    pub(crate) archive_lsn: Lsn,
    /// What the archive has not heard of.
    pub(crate) archive_changes: Vec<ArchiveChange>,
    /// The oldest frame of the archive with something that lives.
    pub(crate) archive_oldest: Option<Lsn>,
    /// What the archive holds of messages that live, about.
    pub(crate) archived_bytes: u64,
}

pub(crate) struct QueueImage {
    pub(crate) id: QueueId,
    pub(crate) head: HeadImage,
    /// Every page that holds messages.
    pub(crate) pages: Vec<u64>,
    /// The pages that changed since the last image; `None`: gone.
    pub(crate) dirty: Vec<(u64, Option<Page>)>,
}

/// A queue's head, or its bytes when it was parked.
pub(crate) enum HeadImage {
    Awake(Box<Head>),
    Parked(Arc<[u8]>),
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct CatalogImage {
    pub(crate) next_id: u64,
    pub(crate) queues: Vec<Arc<QueueDefinition>>,
    pub(crate) deleted: Vec<(QueuePath, Timestamp)>,
}
