//! The names of the queues over streams: one of an account and a region stands for one queue, whichever stream it is on.
//!
//! Streams live in several partitions, so a name is taken here before the partition of its stream is asked, and is free
//! again when the queue is durably gone. A start takes the names of all queues there are.

use super::handle::StreamHandle;
use crate::base::{name::Namespace, stream_name::StreamPath};
use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

type Names = BTreeMap<(Namespace, Arc<str>), Arc<StreamHandle>>;

#[derive(Clone, Default)]
pub(crate) struct QueueNames(Arc<Mutex<Names>>);

impl QueueNames {
    /// Takes a name for a queue to be. None: it is taken.
    pub(crate) fn take(&self, stream: &Arc<StreamHandle>, name: &Arc<str>) -> Option<TakenName> {
        let key = (stream.path().namespace(), name.clone());
        let mut names = self.lock();
        if names.contains_key(&key) {
            return None;
        }
        names.insert(key.clone(), stream.clone());
        Some(TakenName { names: self.clone(), key: Some(key) })
    }

    /// The queue is there.
    pub(crate) fn put(&self, stream: &Arc<StreamHandle>, name: &Arc<str>) {
        self.lock().insert((stream.path().namespace(), name.clone()), stream.clone());
    }

    pub(crate) fn free(&self, stream: &StreamPath, name: &Arc<str>) {
        self.lock().remove(&(stream.namespace(), name.clone()));
    }

    /// Names of a namespace in their order, behind `after`, each with the stream of its queue.
    pub(crate) fn list(
        &self,
        namespace: &Namespace,
        after: Option<&str>,
        limit: usize,
    ) -> Vec<(Arc<str>, Arc<StreamHandle>)> {
        let from = Bound::Excluded((namespace.clone(), after.unwrap_or_default().into()));
        let names = self.lock();
        let own = names.range((from, Bound::Unbounded)).take_while(|((of, _), _)| of == namespace);
        own.take(limit).map(|((_, name), stream)| (name.clone(), stream.clone())).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Names> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A name that is free again unless its queue comes to be.
pub(crate) struct TakenName {
    names: QueueNames,
    key: Option<(Namespace, Arc<str>)>,
}

impl TakenName {
    pub(crate) fn keep(mut self) {
        self.key = None;
    }
}

impl Drop for TakenName {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.names.lock().remove(&key);
        }
    }
}
