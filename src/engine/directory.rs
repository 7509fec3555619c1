//! Which queues and streams exist and which partition has each: what every call looks up. Shows only what is durable and open.

use super::{definition::QueueDefinition, streams::handle::StreamHandle};
use crate::base::{
    id::{QueueId, StreamId},
    name::{Namespace, QueuePath},
    stream_name::StreamPath,
};
use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

/// What a directory has: it is found and listed by its path, and known by its id.
pub(crate) trait Listed {
    type Id: Copy + Eq + Hash;
    type Path: Place;

    fn id(&self) -> Self::Id;

    fn path(&self) -> &Self::Path;

    /// Rises with each definition of the same thing.
    fn revision(&self) -> u64;
}

/// A name within a namespace; those of one namespace are in the order of their names.
pub(crate) trait Place: Clone + Ord {
    /// Where `text` stands, or would.
    fn place(namespace: Namespace, text: &str) -> Self;

    fn is_in(&self, namespace: &Namespace) -> bool;

    fn name(&self) -> &str;
}

pub(crate) struct Directory<T: Listed>(RwLock<Inner<T>>);

struct Inner<T: Listed> {
    by_path: BTreeMap<T::Path, Arc<T>>,
    by_id: HashMap<T::Id, Arc<T>>,
}

impl<T: Listed> Default for Directory<T> {
    fn default() -> Self {
        Self(RwLock::new(Inner { by_path: BTreeMap::new(), by_id: HashMap::new() }))
    }
}

impl<T: Listed> Directory<T> {
    pub(crate) fn find(&self, path: &T::Path) -> Option<Arc<T>> {
        self.read().by_path.get(path).cloned()
    }

    pub(crate) fn by_id(&self, id: T::Id) -> Option<Arc<T>> {
        self.read().by_id.get(&id).cloned()
    }

    pub(crate) fn len(&self) -> usize {
        self.read().by_id.len()
    }

    /// In the order of their paths.
    pub(crate) fn all(&self) -> Vec<Arc<T>> {
        self.read().by_path.values().cloned().collect()
    }

    /// Those of one namespace whose names start with `prefix`, in order of names, behind `after`.
    pub(crate) fn list(&self, namespace: &Namespace, prefix: &str, after: Option<&str>, limit: usize) -> Vec<Arc<T>> {
        let inner = self.read();
        let from = T::Path::place(namespace.clone(), after.map_or(prefix, |after| after.max(prefix)));
        let from_there = inner.by_path.range(from..);
        from_there
            .take_while(|(path, _)| path.is_in(namespace) && path.name().starts_with(prefix))
            .filter(|(path, _)| after.is_none_or(|after| path.name() > after))
            .take(limit)
            .map(|(_, listed)| listed.clone())
            .collect()
    }

    /// Shows this one, unless a newer revision shows already.
    pub(crate) fn put(&self, listed: Arc<T>) {
        let mut inner = self.write();
        let newer = inner.by_id.get(&listed.id()).is_some_and(|known| known.revision() > listed.revision());
        if !newer {
            inner.by_id.insert(listed.id(), listed.clone());
            inner.by_path.insert(listed.path().clone(), listed);
        }
    }

    pub(crate) fn remove(&self, id: T::Id) {
        let mut inner = self.write();
        if let Some(listed) = inner.by_id.remove(&id)
            && inner.by_path.get(listed.path()).is_some_and(|known| known.id() == id)
        {
            inner.by_path.remove(listed.path());
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner<T>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner<T>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listed for QueueDefinition {
    type Id = QueueId;
    type Path = QueuePath;

    fn id(&self) -> QueueId {
        self.id
    }

    fn path(&self) -> &QueuePath {
        &self.path
    }

    fn revision(&self) -> u64 {
        self.revision
    }
}

impl Listed for StreamHandle {
    type Id = StreamId;
    type Path = StreamPath;

    fn id(&self) -> StreamId {
        self.definition.id
    }

    fn path(&self) -> &StreamPath {
        &self.definition.path
    }

    /// A handle is one for all revisions.
    fn revision(&self) -> u64 {
        0
    }
}

impl Place for QueuePath {
    fn place(namespace: Namespace, text: &str) -> Self {
        Self::place(namespace, text)
    }

    fn is_in(&self, namespace: &Namespace) -> bool {
        self.is_in(namespace)
    }

    fn name(&self) -> &str {
        self.name.as_str()
    }
}

impl Place for StreamPath {
    fn place(namespace: Namespace, text: &str) -> Self {
        Self::place(namespace, text)
    }

    fn is_in(&self, namespace: &Namespace) -> bool {
        self.is_in(namespace)
    }

    fn name(&self) -> &str {
        self.name.as_str()
    }
}
