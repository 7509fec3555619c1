//! A partition's section of a snapshot file.

use super::{CatalogImage, HeadImage, PartitionImage, encode_head};
use crate::{
    base::{
        id::{Lsn, MessageSeq, PartitionId, QueueId},
        time::Timestamp,
    },
    domain::table::TablesImage,
    engine::{
        journal::{
            DecodeError, OutboxItem, definition_from, definition_to, item_from, item_to, path_from,
            stream_definition_from, stream_definition_to, stream_image_from, stream_image_to, tables_from, tables_to,
        },
        partition::archive_state::{ArchiveChange, ArchiveState},
        streams::{catalog::StreamCatalogImage, state::StreamImage},
    },
    proto::storage::v1 as wire,
    storage::log::{LogPosition, ReplayFrom},
};
use prost::Message as _;
use std::{collections::BTreeMap, sync::Arc};

/// What a section says; the messages come from the index.
pub(crate) struct Section {
    pub(crate) partition: PartitionId,
    pub(crate) lsn: Lsn,
    pub(crate) next_lease: u64,
    pub(crate) next_transfer: u64,
    pub(crate) outbox: Vec<OutboxItem>,
    pub(crate) queues: Vec<QueueSection>,
    pub(crate) catalog: Option<CatalogImage>,
    pub(crate) streams: Vec<StreamImage>,
    pub(crate) stream_catalog: Option<StreamCatalogImage>,
    pub(crate) tables: Option<TablesImage>,
    pub(crate) archive: ArchiveState,
    /// Where the archive's frames behind those that the state knows begin: the segment, the last frame in front of them, and
    /// how far the archive was durable.
    pub(crate) archive_from: (LogPosition, Lsn),
}

/// What a section says of a queue.
pub(crate) struct QueueSection {
    pub(crate) id: QueueId,
    pub(crate) head: Vec<u8>,
    /// Its pages, and the frames that those of the index must not be older than.
    pub(crate) pages: Vec<(u64, Lsn)>,
}

/// The section's bytes. `page_lsns` knows the frame each page of the index is current at, `archive_from` where the archive's
/// frames behind those that the image knows begin.
pub(crate) fn encode_section(
    image: &PartitionImage,
    page_lsns: &BTreeMap<(QueueId, u64), Lsn>,
    archive_from: &ReplayFrom,
) -> Vec<u8> {
    let queues = image.queues.iter().map(|queue| {
        let lsn_of = |number: &u64| page_lsns.get(&(queue.id, *number)).map_or(0, |lsn| lsn.0);
        wire::QueueImage {
            id: queue.id.0,
            head: match &queue.head {
                HeadImage::Awake(head) => encode_head(head),
                HeadImage::Parked(bytes) => bytes.to_vec(),
            },
            pages: queue.pages.iter().map(|number| wire::PageRef { number: *number, lsn: lsn_of(number) }).collect(),
        }
    });
    let message = wire::PartitionImage {
        partition: image.partition.0,
        lsn: image.lsn.0,
        next_lease: image.next_lease,
        next_transfer: image.next_transfer,
        outbox: image.outbox.iter().map(item_to).collect(),
        queues: queues.collect(),
        catalog: image.catalog.as_ref().map(catalog_to),
        streams: image.streams.iter().map(stream_image_to).collect(),
        stream_catalog: image.stream_catalog.as_ref().map(stream_catalog_to),
        tables: image.tables.as_ref().map(tables_to),
        archive_lsn: image.archive_lsn.0,
        archive_head: archive_from.lsns.get(&image.partition).map_or(0, |lsn| lsn.0),
        archive_segment: archive_from.segment.unwrap_or_default(),
        archive_durable_seq: archive_from.durable_seq,
        archive_changes: image.archive_changes.iter().map(change_to).collect(),
    };
    message.encode_to_vec()
}

pub(crate) fn decode_section(bytes: &[u8]) -> Result<Section, DecodeError> {
    let image = wire::PartitionImage::decode(bytes)?;
    let queues = image.queues.into_iter().map(|queue| {
        let pages = queue.pages.into_iter().map(|page| (page.number, Lsn(page.lsn))).collect();
        QueueSection { id: QueueId(queue.id), head: queue.head, pages }
    });
    Ok(Section {
        partition: PartitionId(image.partition),
        lsn: Lsn(image.lsn),
        next_lease: image.next_lease,
        next_transfer: image.next_transfer,
        outbox: image.outbox.into_iter().map(item_from).collect::<Result<_, _>>()?,
        queues: queues.collect(),
        catalog: image.catalog.map(catalog_from).transpose()?,
        streams: image.streams.into_iter().map(stream_image_from).collect::<Result<_, _>>()?,
        stream_catalog: image.stream_catalog.map(stream_catalog_from).transpose()?,
        tables: image.tables.map(tables_from).transpose()?,
        archive: ArchiveState::restored(
            Lsn(image.archive_lsn),
            image.archive_changes.iter().map(change_from).collect(),
        ),
        archive_from: (
            LogPosition { segment: image.archive_segment, durable_seq: image.archive_durable_seq },
            Lsn(image.archive_head),
        ),
    })
}

fn change_to(change: &ArchiveChange) -> wire::ArchiveChange {
    wire::ArchiveChange { lsn: change.lsn.0, queue: change.queue.0, seq: change.seq.0 }
}

fn change_from(change: &wire::ArchiveChange) -> ArchiveChange {
    ArchiveChange { lsn: Lsn(change.lsn), queue: QueueId(change.queue), seq: MessageSeq(change.seq) }
}

fn stream_catalog_to(catalog: &StreamCatalogImage) -> wire::StreamCatalogImage {
    let streams = catalog.streams.iter().map(|definition| stream_definition_to(definition));
    wire::StreamCatalogImage { next_id: catalog.next_id, streams: streams.collect() }
}

fn stream_catalog_from(catalog: wire::StreamCatalogImage) -> Result<StreamCatalogImage, DecodeError> {
    let streams = catalog.streams.into_iter().map(|stream| stream_definition_from(stream).map(Arc::new));
    Ok(StreamCatalogImage { next_id: catalog.next_id, streams: streams.collect::<Result<_, _>>()? })
}

fn catalog_to(catalog: &CatalogImage) -> wire::CatalogImage {
    wire::CatalogImage {
        next_id: catalog.next_id,
        queues: catalog.queues.iter().map(|definition| definition_to(definition)).collect(),
        deleted: catalog
            .deleted
            .iter()
            .map(|(path, at)| wire::DeletedName {
                account: path.account.to_string(),
                region: path.region.to_string(),
                name: path.name.to_string(),
                at_ms: at.0,
            })
            .collect(),
    }
}

fn catalog_from(catalog: wire::CatalogImage) -> Result<CatalogImage, DecodeError> {
    let deleted = catalog.deleted.into_iter().map(|deleted| {
        let path = path_from(&deleted.account, &deleted.region, &deleted.name)?;
        Ok((path, Timestamp(deleted.at_ms)))
    });
    Ok(CatalogImage {
        next_id: catalog.next_id,
        queues: catalog
            .queues
            .into_iter()
            .map(|queue| definition_from(queue).map(Arc::new))
            .collect::<Result<_, _>>()?,
        deleted: deleted.collect::<Result<_, DecodeError>>()?,
    })
}
