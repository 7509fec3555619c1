//! Which streams there are, as partition 0 keeps it: decides with `&self`, changes by records.

use super::definition::StreamDefinition;
use crate::{
    base::{
        id::{PartitionId, StreamId},
        limits,
        reason::{Reason, Refusal},
        stream_name::StreamPath,
    },
    engine::catalog::CatalogRules,
};
use std::{collections::BTreeMap, sync::Arc};

#[derive(Debug, Default)]
pub(crate) struct StreamCatalog {
    by_id: BTreeMap<StreamId, Arc<StreamDefinition>>,
    by_path: BTreeMap<StreamPath, StreamId>,
    next_id: u64,
}

/// As a checkpoint keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StreamCatalogImage {
    pub(crate) next_id: u64,
    pub(crate) streams: Vec<Arc<StreamDefinition>>,
}

impl StreamCatalog {
    /// The id and the partition of a new stream.
    pub(crate) fn place(&self, rules: &CatalogRules, path: &StreamPath) -> Result<(StreamId, PartitionId), Refusal> {
        if self.by_path.contains_key(path) {
            let shown = path.seen_from(&rules.region);
            return Err(Refusal::new(Reason::StreamExists, format!("stream {shown} exists")).with("stream", shown));
        }
        if self.by_id.len() >= limits::STREAMS_MAX {
            let message = format!("there are {} streams, as many as there may be", self.by_id.len());
            return Err(Refusal::new(Reason::TooManyStreams, message).with("limit", limits::STREAMS_MAX));
        }
        let id = self.next_id.max(1);
        Ok((StreamId(id), PartitionId((id % u64::from(rules.partitions.max(1))) as u32)))
    }

    pub(crate) fn get(&self, id: StreamId) -> Option<&Arc<StreamDefinition>> {
        self.by_id.get(&id)
    }

    pub(crate) fn apply_defined(&mut self, definition: &Arc<StreamDefinition>) {
        self.next_id = self.next_id.max(definition.id.0 + 1);
        self.by_path.insert(definition.path.clone(), definition.id);
        self.by_id.insert(definition.id, definition.clone());
    }

    pub(crate) fn apply_removed(&mut self, id: StreamId) {
        let Some(definition) = self.by_id.remove(&id) else { return };
        if self.by_path.get(&definition.path) == Some(&id) {
            self.by_path.remove(&definition.path);
        }
    }

    pub(crate) fn definitions(&self) -> impl Iterator<Item = &Arc<StreamDefinition>> {
        self.by_id.values()
    }

    pub(crate) fn image(&self) -> StreamCatalogImage {
        StreamCatalogImage { next_id: self.next_id, streams: self.by_id.values().cloned().collect() }
    }

    pub(crate) fn from_image(image: StreamCatalogImage) -> Self {
        let mut catalog = Self { next_id: image.next_id, ..Self::default() };
        image.streams.iter().for_each(|definition| catalog.apply_defined(definition));
        catalog
    }
}
