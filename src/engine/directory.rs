//! Which queues exist and which partition has each: what every call looks up. Shows only what is durable and open.

use crate::{
    base::{
        id::QueueId,
        name::{Namespace, QueuePath},
    },
    engine::definition::QueueDefinition,
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, PoisonError, RwLock},
};

#[derive(Default)]
pub(crate) struct Directory(RwLock<Inner>);

#[derive(Default)]
struct Inner {
    by_path: BTreeMap<QueuePath, Arc<QueueDefinition>>,
    by_id: HashMap<QueueId, Arc<QueueDefinition>>,
}

impl Directory {
    pub(crate) fn find(&self, path: &QueuePath) -> Option<Arc<QueueDefinition>> {
        self.read().by_path.get(path).cloned()
    }

    pub(crate) fn by_id(&self, id: QueueId) -> Option<Arc<QueueDefinition>> {
        self.read().by_id.get(&id).cloned()
    }

    pub(crate) fn len(&self) -> usize {
        self.read().by_id.len()
    }

    /// Queues of one namespace whose names start with `prefix`, in order of names, behind `after`.
    pub(crate) fn list(
        &self,
        namespace: &Namespace,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Vec<Arc<QueueDefinition>> {
        let inner = self.read();
        let from = QueuePath::place(namespace.clone(), after.map_or(prefix, |after| after.max(prefix)));
        let from_there = inner.by_path.range(from..);
        from_there
            .take_while(|(path, _)| path.is_in(namespace) && path.name.as_str().starts_with(prefix))
            .filter(|(path, _)| after.is_none_or(|after| path.name.as_str() > after))
            .take(limit)
            .map(|(_, definition)| definition.clone())
            .collect()
    }

    /// Shows a definition, unless a newer one shows already.
    pub(crate) fn put(&self, definition: Arc<QueueDefinition>) {
        let mut inner = self.write();
        let newer = inner.by_id.get(&definition.id).is_some_and(|known| known.revision > definition.revision);
        if !newer {
            inner.by_id.insert(definition.id, definition.clone());
            inner.by_path.insert(definition.path.clone(), definition);
        }
    }

    pub(crate) fn remove(&self, id: QueueId) {
        let mut inner = self.write();
        if let Some(definition) = inner.by_id.remove(&id)
            && inner.by_path.get(&definition.path).is_some_and(|known| known.id == id)
        {
            inner.by_path.remove(&definition.path);
        }
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Inner> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Inner> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}
