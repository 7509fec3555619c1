//! When messages in flight or delayed become visible.
//!
//! Exact for what is due within two or three minutes. What is due later waits by the minute, without its moment, and is
//! looked up in its page when the minute is near: a message delayed for a year takes a byte or two here until then.

use super::seqs::SeqSet;
use crate::base::{id::MessageSeq, time::Timestamp};
use std::collections::BTreeMap;

/// A minute, about: the length of a bucket is 2 to this power, in milliseconds.
const BUCKET_BITS: u32 = 16;
/// How many buckets ahead of the clock are exact.
const BUCKETS_AHEAD: u64 = 2;

#[derive(Debug, Default)]
pub(super) struct Timers {
    soon: BTreeMap<Timestamp, SeqSet>,
    /// By number of the bucket.
    later: BTreeMap<u64, SeqSet>,
}

fn bucket(when: Timestamp) -> u64 {
    when.0 >> BUCKET_BITS
}

fn is_near(bucket_no: u64, now: Timestamp) -> bool {
    bucket_no <= bucket(now) + BUCKETS_AHEAD
}

fn take_out<K: Ord>(sets: &mut BTreeMap<K, SeqSet>, key: &K, seq: MessageSeq) -> bool {
    let Some(set) = sets.get_mut(key) else { return false };
    let removed = set.remove(seq);
    if set.is_empty() {
        sets.remove(key);
    }
    removed
}

impl Timers {
    pub(super) fn insert(&mut self, now: Timestamp, when: Timestamp, seq: MessageSeq) {
        if is_near(bucket(when), now) {
            self.soon.entry(when).or_default().insert(seq);
        } else {
            self.later.entry(bucket(when)).or_default().insert(seq);
        }
    }

    pub(super) fn remove(&mut self, when: Timestamp, seq: MessageSeq) {
        if !take_out(&mut self.soon, &when, seq) {
            take_out(&mut self.later, &bucket(when), seq);
        }
    }

    /// Takes out a message whose moment has come.
    pub(super) fn pop_due(&mut self, now: Timestamp) -> Option<MessageSeq> {
        let (&when, set) = self.soon.first_key_value()?;
        let seq = set.first().filter(|_| when <= now)?;
        take_out(&mut self.soon, &when, seq);
        Some(seq)
    }

    /// Takes out a message whose minute is near, to be entered with its moment.
    pub(super) fn pop_near(&mut self, now: Timestamp) -> Option<MessageSeq> {
        let (&bucket_no, set) = self.later.first_key_value()?;
        let seq = set.first().filter(|_| is_near(bucket_no, now))?;
        take_out(&mut self.later, &bucket_no, seq);
        Some(seq)
    }

    /// When there is something to take out.
    pub(super) fn next(&self) -> Option<Timestamp> {
        let soon = self.soon.first_key_value().map(|(when, _)| *when);
        let later = self.later.first_key_value();
        let near = later.map(|(bucket_no, _)| Timestamp(bucket_no.saturating_sub(BUCKETS_AHEAD) << BUCKET_BITS));
        [soon, near].into_iter().flatten().min()
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// What it takes on the heap, about.
    pub(super) fn heap_bytes(&self) -> usize {
        let sets = self.soon.values().chain(self.later.values());
        // A tree's nodes are half full at worst.
        sets.map(|set| 2 * size_of::<(u64, SeqSet)>() + set.heap_bytes()).sum()
    }
}
