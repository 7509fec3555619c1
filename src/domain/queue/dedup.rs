//! What a FIFO queue remembers of accepted sends, so that a repeat within five minutes is not stored again.
//!
//! The window runs from the first accepted send and no repeat extends it; receives and deletes do not matter, a purge
//! clears it. Source: "Exactly-once processing in Amazon SQS".

use super::settings::Scope;
use crate::base::{
    id::{MessageId, MessageSeq},
    limits::DEDUPLICATION_WINDOW,
    time::Timestamp,
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// One accepted send, as a checkpoint keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// Set when the scope is the message group.
    pub group: Option<Arc<str>>,
    pub deduplication_id: Arc<str>,
    pub message_id: MessageId,
    pub seq: MessageSeq,
    pub send_time: Timestamp,
}

type Key = (Option<Arc<str>>, Arc<str>);

#[derive(Debug)]
pub(super) struct Dedup {
    scope: Scope,
    by_key: HashMap<Key, MessageSeq>,
    /// In the order of sending, which is the order of their ends.
    sends: BTreeMap<MessageSeq, Remembered>,
}

impl Dedup {
    pub(super) fn new(scope: Scope) -> Self {
        Self { scope, by_key: HashMap::new(), sends: BTreeMap::new() }
    }

    pub(super) fn scope(&self) -> Scope {
        self.scope
    }

    fn key(&self, group: Option<&Arc<str>>, id: &Arc<str>) -> Key {
        match self.scope {
            Scope::Queue => (None, id.clone()),
            Scope::MessageGroup => (group.cloned(), id.clone()),
        }
    }

    /// The accepted send that a send of the same id would repeat.
    pub(super) fn find(&self, now: Timestamp, group: Option<&Arc<str>>, id: &Arc<str>) -> Option<&Remembered> {
        let seq = self.by_key.get(&self.key(group, id))?;
        self.sends.get(seq).filter(|found| found.send_time + DEDUPLICATION_WINDOW > now)
    }

    /// Remembers a send. A later send of the same id takes the place of an earlier one, in a replay too.
    pub(super) fn remember(&mut self, send: Remembered) {
        let key = self.key(send.group.as_ref(), &send.deduplication_id);
        let send = Remembered { group: key.0.clone(), ..send };
        if let Some(before) = self.by_key.insert(key, send.seq)
            && before != send.seq
        {
            self.sends.remove(&before);
        }
        self.sends.insert(send.seq, send);
    }

    /// Forgets what was sent longer ago than the window.
    pub(super) fn advance(&mut self, now: Timestamp) {
        while let Some(entry) = self.sends.first_entry() {
            if entry.get().send_time + DEDUPLICATION_WINDOW > now {
                break;
            }
            let Remembered { group, deduplication_id, .. } = entry.remove();
            self.by_key.remove(&(group, deduplication_id));
        }
        if self.sends.is_empty() {
            self.by_key.shrink_to(0);
        }
    }

    /// Forgets the sends below `below`.
    pub(super) fn purge(&mut self, below: MessageSeq) {
        self.sends = self.sends.split_off(&below);
        self.by_key.retain(|_, seq| *seq >= below);
    }

    /// When the first memory ends.
    pub(super) fn next_end(&self) -> Option<Timestamp> {
        self.sends.first_key_value().map(|(_, send)| send.send_time + DEDUPLICATION_WINDOW)
    }

    pub(super) fn len(&self) -> usize {
        self.sends.len()
    }

    /// Oldest first.
    pub(super) fn entries(&self) -> Vec<Remembered> {
        self.sends.values().cloned().collect()
    }
}
