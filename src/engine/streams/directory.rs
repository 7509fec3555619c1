//! Which streams exist: what every call looks up. Shows only what is durable and open.

use super::{handle::StreamHandle, queue_names::QueueNames};
use crate::base::{id::StreamId, name::Namespace, stream_name::StreamPath};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

#[derive(Default)]
pub(crate) struct StreamDirectory {
    inner: RwLock<Inner>,
    pub(crate) queue_names: QueueNames,
}

#[derive(Default)]
struct Inner {
    by_path: BTreeMap<StreamPath, Arc<StreamHandle>>,
    by_id: HashMap<StreamId, Arc<StreamHandle>>,
}

impl StreamDirectory {
    pub(crate) fn find(&self, path: &StreamPath) -> Option<Arc<StreamHandle>> {
        self.read().by_path.get(path).cloned()
    }

    pub(crate) fn by_id(&self, id: StreamId) -> Option<Arc<StreamHandle>> {
        self.read().by_id.get(&id).cloned()
    }

    pub(crate) fn len(&self) -> usize {
        self.read().by_id.len()
    }

    /// Streams of one namespace whose names start with `prefix`, in order of names, behind `after`.
    pub(crate) fn list(
        &self,
        namespace: &Namespace,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Vec<Arc<StreamHandle>> {
        let inner = self.read();
        let from = StreamPath::place(namespace.clone(), after.map_or(prefix, |after| after.max(prefix)));
        let from_there = inner.by_path.range(from..);
        from_there
            .take_while(|(path, _)| path.is_in(namespace) && path.name.as_str().starts_with(prefix))
            .filter(|(path, _)| after.is_none_or(|after| path.name.as_str() > after))
            .take(limit)
            .map(|(_, handle)| handle.clone())
            .collect()
    }

    pub(crate) fn put(&self, handle: Arc<StreamHandle>) {
        let mut inner = self.write();
        inner.by_id.insert(handle.id(), handle.clone());
        inner.by_path.insert(handle.path().clone(), handle);
    }

    pub(crate) fn remove(&self, id: StreamId) {
        let mut inner = self.write();
        if let Some(handle) = inner.by_id.remove(&id)
            && inner.by_path.get(handle.path()).is_some_and(|known| known.id() == id)
        {
            inner.by_path.remove(handle.path());
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}
