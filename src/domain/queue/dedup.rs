//! What a FIFO queue remembers of accepted sends, so that a repeat within five minutes is not stored again.
//!
//! The window runs from the first accepted send and no repeat extends it; receives and deletes do not matter, a purge
//! clears it. Source: "Exactly-once processing in Amazon SQS".
//! Kept in chunks that a checkpoint shares: whichever changes afterwards is copied then, and no more than that.

use super::settings::Scope;
use crate::base::{
    id::{MessageId, MessageSeq},
    limits::DEDUPLICATION_WINDOW,
    time::Timestamp,
};
use hashbrown::HashTable;
use std::{
    collections::{BTreeMap, VecDeque},
    hash::{BuildHasher, RandomState},
    sync::Arc,
};

/// Numbers of the messages in a chunk.
const CHUNK_SEQS: u64 = 256;

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

type Chunk = Arc<VecDeque<Remembered>>;

/// All that a queue remembers, oldest first, shared with the queue.
#[derive(Clone, Debug, Default)]
pub struct RememberedSends(Vec<Chunk>);

impl RememberedSends {
    pub fn iter(&self) -> impl Iterator<Item = &Remembered> {
        self.0.iter().flat_map(|chunk| chunk.iter())
    }
}

impl FromIterator<Remembered> for RememberedSends {
    fn from_iter<I: IntoIterator<Item = Remembered>>(sends: I) -> Self {
        Self(vec![Arc::new(sends.into_iter().collect())])
    }
}

impl PartialEq for RememberedSends {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for RememberedSends {}

#[derive(Debug)]
pub(super) struct Dedup {
    scope: Scope,
    /// By what is compared, which stands in the sends only; the hash beside it spares a growing table to look there.
    by_key: HashTable<(u64, MessageSeq)>,
    hasher: RandomState,
    /// In the order of sending, which is the order of their ends.
    sends: BTreeMap<u64, Chunk>,
}

fn chunk_of(seq: MessageSeq) -> u64 {
    seq.0 / CHUNK_SEQS
}

fn find_in(sends: &BTreeMap<u64, Chunk>, seq: MessageSeq) -> Option<&Remembered> {
    let chunk = sends.get(&chunk_of(seq))?;
    chunk.get(chunk.binary_search_by_key(&seq, |send| send.seq).ok()?)
}

impl Dedup {
    pub(super) fn new(scope: Scope) -> Self {
        Self { scope, by_key: HashTable::new(), hasher: RandomState::new(), sends: BTreeMap::new() }
    }

    pub(super) fn scope(&self) -> Scope {
        self.scope
    }

    /// The group as far as it matters.
    fn group_of<'a>(&self, group: Option<&'a Arc<str>>) -> Option<&'a Arc<str>> {
        group.filter(|_| self.scope == Scope::MessageGroup)
    }

    fn hash(&self, group: Option<&Arc<str>>, id: &Arc<str>) -> u64 {
        self.hasher.hash_one((group, id))
    }

    /// The last send with this group, as far as it matters, and id.
    fn same(&self, hash: u64, group: Option<&Arc<str>>, id: &Arc<str>) -> Option<&Remembered> {
        let is_it = |send: &&Remembered| send.deduplication_id == *id && send.group.as_ref() == group;
        let same = |seq| find_in(&self.sends, seq).filter(is_it);
        let (_, seq) = self.by_key.find(hash, |(known, seq)| *known == hash && same(*seq).is_some())?;
        find_in(&self.sends, *seq)
    }

    /// The accepted send that a send of the same id would repeat.
    pub(super) fn find(&self, now: Timestamp, group: Option<&Arc<str>>, id: &Arc<str>) -> Option<&Remembered> {
        let group = self.group_of(group);
        let found = self.same(self.hash(group, id), group, id)?;
        Some(found).filter(|found| found.send_time + DEDUPLICATION_WINDOW > now)
    }

    /// Remembers a send. A later send of the same id takes the place of an earlier one, in a replay too.
    pub(super) fn remember(&mut self, send: Remembered) {
        let group = self.group_of(send.group.as_ref()).cloned();
        let hash = self.hash(group.as_ref(), &send.deduplication_id);
        if let Some(before) = self.same(hash, group.as_ref(), &send.deduplication_id).map(|found| found.seq) {
            self.forget_key(hash, before);
            self.take(before);
        }
        self.by_key.insert_unique(hash, (hash, send.seq), |(hash, _)| *hash);
        self.put(Remembered { group, ..send });
    }

    fn forget_key(&mut self, hash: u64, seq: MessageSeq) {
        if let Ok(entry) = self.by_key.find_entry(hash, |(_, known)| *known == seq) {
            entry.remove();
        }
    }

    fn put(&mut self, send: Remembered) {
        let chunk = Arc::make_mut(self.sends.entry(chunk_of(send.seq)).or_default());
        match chunk.binary_search_by_key(&send.seq, |send| send.seq) {
            Ok(at) => drop(chunk.get_mut(at).map(|known| *known = send)),
            Err(at) => chunk.insert(at, send),
        }
    }

    fn take(&mut self, seq: MessageSeq) {
        let Some(chunk) = self.sends.get_mut(&chunk_of(seq)) else { return };
        let Ok(at) = chunk.binary_search_by_key(&seq, |send| send.seq) else { return };
        Arc::make_mut(chunk).remove(at);
        if chunk.is_empty() {
            self.sends.remove(&chunk_of(seq));
        }
    }

    /// Forgets what was sent longer ago than the window.
    pub(super) fn advance(&mut self, now: Timestamp) {
        while self.next_end().is_some_and(|end| end <= now) {
            let Some(send) = self.sends.first_key_value().and_then(|(_, chunk)| chunk.front()) else { return };
            let (hash, seq) = (self.hash(send.group.as_ref(), &send.deduplication_id), send.seq);
            self.forget_key(hash, seq);
            self.take(seq);
        }
        if self.sends.is_empty() {
            self.by_key = HashTable::new();
        }
    }

    /// Forgets the sends below `below`.
    pub(super) fn purge(&mut self, below: MessageSeq) {
        self.by_key.retain(|(_, seq)| *seq >= below);
        self.sends = self.sends.split_off(&chunk_of(below));
        if let Some(chunk) = self.sends.get_mut(&chunk_of(below)) {
            Arc::make_mut(chunk).retain(|send| send.seq >= below);
        }
        self.sends.retain(|_, chunk| !chunk.is_empty());
    }

    /// When the first memory ends.
    pub(super) fn next_end(&self) -> Option<Timestamp> {
        let (_, chunk) = self.sends.first_key_value()?;
        chunk.front().map(|send| send.send_time + DEDUPLICATION_WINDOW)
    }

    pub(super) fn len(&self) -> usize {
        self.sends.len()
    }

    /// Oldest first.
    pub(super) fn entries(&self) -> RememberedSends {
        RememberedSends(self.sends.values().cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send(seq: u64) -> Remembered {
        Remembered {
            group: Some("g".into()),
            deduplication_id: seq.to_string().into(),
            message_id: MessageId([0; 16]),
            seq: MessageSeq(seq),
            send_time: Timestamp(seq * 1_000),
        }
    }

    /// How many chunks two checkpoints have in common.
    fn shared(a: &RememberedSends, b: &RememberedSends) -> usize {
        a.0.iter().filter(|chunk| b.0.iter().any(|other| Arc::ptr_eq(chunk, other))).count()
    }

    #[test]
    fn a_checkpoint_copies_only_what_changed_since_the_one_before() {
        let mut dedup = Dedup::new(Scope::Queue);
        (0..10 * CHUNK_SEQS).for_each(|seq| dedup.remember(send(seq)));
        let before = dedup.entries();
        dedup.remember(send(10 * CHUNK_SEQS - 1));
        dedup.advance(Timestamp(5_000) + DEDUPLICATION_WINDOW);
        let after = dedup.entries();
        assert_eq!((before.0.len(), after.0.len(), shared(&before, &after)), (10, 10, 8));
        assert_eq!(before.iter().count() as u64, 10 * CHUNK_SEQS);
        assert_eq!(after.iter().map(|send| send.seq.0).collect::<Vec<_>>(), (6..10 * CHUNK_SEQS).collect::<Vec<_>>());
    }

    #[test]
    fn a_purge_in_the_middle_of_a_chunk_forgets_what_is_below() {
        let mut dedup = Dedup::new(Scope::MessageGroup);
        (0..2 * CHUNK_SEQS).for_each(|seq| dedup.remember(send(seq)));
        dedup.purge(MessageSeq(CHUNK_SEQS + 3));
        let (now, group) = (Timestamp(0), Some(&Arc::from("g")));
        let found = |seq: u64| dedup.find(now, group, &seq.to_string().into()).map(|send| send.seq.0);
        assert_eq!(found(CHUNK_SEQS + 2), None);
        assert_eq!(found(CHUNK_SEQS + 3), Some(CHUNK_SEQS + 3));
        assert_eq!(dedup.entries().iter().count() as u64, CHUNK_SEQS - 3);
    }
}
