//! Which queues there are, as partition 0 keeps it: decides with `&self`, changes by records.

use crate::{
    base::{
        id::{PartitionId, QueueId},
        name::{QueuePath, Region},
        reason::{Reason, Refusal},
        time::Timestamp,
    },
    engine::{
        definition::{QueueDefinition, QueueOptions},
        image::CatalogImage,
    },
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// The rules that configuration sets.
#[derive(Clone, Debug)]
pub(crate) struct CatalogRules {
    pub(crate) partitions: u32,
    pub(crate) queues_max: usize,
    /// A deleted queue's name is refused for this long.
    pub(crate) recreate_wait: Duration,
    /// The server's own: names are told as seen from there.
    pub(crate) region: Region,
}

#[derive(Debug, Default)]
pub(crate) struct Catalog {
    by_id: BTreeMap<QueueId, Arc<QueueDefinition>>,
    by_path: BTreeMap<QueuePath, QueueId>,
    /// Names deleted not long ago.
    deleted: BTreeMap<QueuePath, Timestamp>,
    next_id: u64,
}

pub(crate) enum Creation {
    Exists(Arc<QueueDefinition>),
    New(Arc<QueueDefinition>),
}

impl Catalog {
    pub(crate) fn create(
        &self,
        now: Timestamp,
        rules: &CatalogRules,
        path: QueuePath,
        options: QueueOptions,
    ) -> Result<Creation, Refusal> {
        if let Some(known) = self.by_path.get(&path).and_then(|id| self.by_id.get(id)) {
            return Ok(Creation::Exists(known.clone()));
        }
        if let Some(again) = self.deleted.get(&path).map(|at| *at + rules.recreate_wait).filter(|again| *again > now) {
            let path = path.seen_from(&rules.region);
            let message = format!("queue {path} was deleted less than {} s ago", rules.recreate_wait.as_secs());
            return Err(Refusal::new(Reason::QueueDeletedRecently, message)
                .with("queue", path)
                .retry_after(again.since(now)));
        }
        if self.by_id.len() >= rules.queues_max {
            let message = format!("there are {} queues, as many as limits.queues allows", self.by_id.len());
            return Err(Refusal::new(Reason::TooManyQueues, message).with("limit", rules.queues_max));
        }
        let id = self.next_id.max(1);
        Ok(Creation::New(Arc::new(QueueDefinition {
            id: QueueId(id),
            partition: PartitionId((id % u64::from(rules.partitions.max(1))) as u32),
            path,
            access: options.access(),
            options,
            created: now,
            updated: now,
            revision: 1,
        })))
    }

    pub(crate) fn update(
        &self,
        now: Timestamp,
        id: QueueId,
        expected: Option<u64>,
        options: QueueOptions,
    ) -> Result<Arc<QueueDefinition>, Refusal> {
        let known = self.expect(id, expected)?;
        if known.options == options {
            return Ok(known.clone());
        }
        let changed = QueueDefinition {
            access: options.access(),
            options,
            updated: now,
            revision: known.revision + 1,
            path: known.path.clone(),
            ..**known
        };
        Ok(Arc::new(changed))
    }

    pub(crate) fn remove(&self, id: QueueId, expected: Option<u64>) -> Result<Arc<QueueDefinition>, Refusal> {
        self.expect(id, expected).cloned()
    }

    fn expect(&self, id: QueueId, expected: Option<u64>) -> Result<&Arc<QueueDefinition>, Refusal> {
        let known = self
            .by_id
            .get(&id)
            .ok_or_else(|| Refusal::new(Reason::QueueNotFound, "the queue does not exist any more"))?;
        match expected {
            Some(expected) if expected != known.revision => {
                let message = format!("queue {} is at etag {}, not {expected}", known.path, known.revision);
                Err(Refusal::new(Reason::EtagMismatch, message).with("etag", known.revision))
            }
            _ => Ok(known),
        }
    }

    /// A queue was created or changed. An older state of a known queue is passed over.
    pub(crate) fn apply_defined(&mut self, definition: &Arc<QueueDefinition>) {
        self.next_id = self.next_id.max(definition.id.0 + 1);
        if self.by_id.get(&definition.id).is_some_and(|known| known.revision > definition.revision) {
            return;
        }
        self.by_path.insert(definition.path.clone(), definition.id);
        self.by_id.insert(definition.id, definition.clone());
    }

    pub(crate) fn apply_removed(&mut self, id: QueueId, path: &QueuePath, at: Timestamp) {
        self.by_id.remove(&id);
        if self.by_path.get(path) == Some(&id) {
            self.by_path.remove(path);
            self.deleted.insert(path.clone(), at);
        }
    }

    /// Forgets names deleted long ago.
    pub(crate) fn advance(&mut self, now: Timestamp, rules: &CatalogRules) {
        self.deleted.retain(|_, at| *at + rules.recreate_wait > now);
    }

    pub(crate) fn definitions(&self) -> impl Iterator<Item = &Arc<QueueDefinition>> {
        self.by_id.values()
    }

    pub(crate) fn image(&self) -> CatalogImage {
        CatalogImage {
            next_id: self.next_id,
            queues: self.by_id.values().cloned().collect(),
            deleted: self.deleted.iter().map(|(path, at)| (path.clone(), *at)).collect(),
        }
    }

    pub(crate) fn from_image(image: CatalogImage) -> Self {
        let mut catalog = Self { next_id: image.next_id, ..Self::default() };
        for definition in &image.queues {
            catalog.apply_defined(definition);
        }
        catalog.deleted = image.deleted.into_iter().collect();
        catalog
    }
}
