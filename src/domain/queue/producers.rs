//! The last sequence stored of each producer, so that a producer who reconnects stores nothing twice.
//!
//! The producers heard of last are remembered, up to a limit.

use crate::base::{id::MessageSeq, limits::PRODUCERS_MAX};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// One producer, as a checkpoint keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Producer {
    pub id: Arc<str>,
    pub sequence: u64,
    /// The last message stored of it.
    pub last: MessageSeq,
}

#[derive(Debug, Default)]
pub struct Producers {
    by_id: BTreeMap<Arc<str>, (u64, MessageSeq)>,
    by_age: BTreeSet<(MessageSeq, Arc<str>)>,
}

impl Producers {
    /// Zero: unknown.
    pub fn sequence(&self, id: &str) -> u64 {
        self.by_id.get(id).map_or(0, |(sequence, _)| *sequence)
    }

    pub fn note(&mut self, producer: Producer) {
        let Producer { id, sequence, last } = producer;
        if let Some((_, before)) = self.by_id.insert(id.clone(), (sequence, last)) {
            self.by_age.remove(&(before, id.clone()));
        }
        self.by_age.insert((last, id));
        if self.by_id.len() > PRODUCERS_MAX
            && let Some((_, oldest)) = self.by_age.pop_first()
        {
            self.by_id.remove(&oldest);
        }
    }

    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    pub fn entries(&self) -> Vec<Producer> {
        let all = self.by_id.iter();
        all.map(|(id, &(sequence, last))| Producer { id: id.clone(), sequence, last }).collect()
    }
}
