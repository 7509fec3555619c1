//! The messages of a queue in the order of sending, in pages of 64.
//!
//! Invariants: a page without messages does not exist; `ready` names the pages with a ready bit; `ages` holds for every
//! page a moment not later than the start of its oldest message's retention.
//! Absent on purpose: why a message is ready, groups, time.

use super::message::Message;
use crate::base::{id::MessageSeq, limits::PAGE_MESSAGES, time::Timestamp};
use std::{
    collections::{BTreeMap, BTreeSet},
    iter,
    ops::Bound,
};

const WORDS: usize = PAGE_MESSAGES as usize / 64;

#[derive(Debug, Default)]
pub(super) struct Pages {
    pages: BTreeMap<u64, Slots>,
    ready: BTreeSet<u64>,
    ages: BTreeSet<(Timestamp, u64)>,
    dirty: BTreeSet<u64>,
    len: usize,
}

#[derive(Debug)]
struct Slots {
    /// The index in the page of the first slot.
    first: usize,
    slots: Vec<Option<Message>>,
    live: usize,
    ready: [u64; WORDS],
    /// Not later than the oldest message's; may lag behind when that one has gone.
    oldest: Timestamp,
    dirty: bool,
}

fn split(seq: MessageSeq) -> (u64, usize) {
    (seq.0 / PAGE_MESSAGES, (seq.0 % PAGE_MESSAGES) as usize)
}

fn join(page: u64, index: usize) -> MessageSeq {
    MessageSeq(page * PAGE_MESSAGES + index as u64)
}

impl Pages {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn get(&self, seq: MessageSeq) -> Option<&Message> {
        let (page, index) = split(seq);
        self.pages.get(&page)?.get(index)
    }

    /// The message to change; its page counts as changed.
    pub(super) fn get_mut(&mut self, seq: MessageSeq) -> Option<&mut Message> {
        let (number, index) = split(seq);
        let page = self.pages.get_mut(&number)?;
        let message = page.slots.get_mut(index.checked_sub(page.first)?)?.as_mut()?;
        if !page.dirty {
            page.dirty = true;
            self.dirty.insert(number);
        }
        Some(message)
    }

    /// The message, to change what is not stored of it.
    pub(super) fn peek_mut(&mut self, seq: MessageSeq) -> Option<&mut Message> {
        let (number, index) = split(seq);
        let page = self.pages.get_mut(&number)?;
        page.slots.get_mut(index.checked_sub(page.first)?)?.as_mut()
    }

    /// Stores a message, replacing one of the same number.
    pub(super) fn insert(&mut self, seq: MessageSeq, message: Message) {
        let (number, index) = split(seq);
        let from = message.retention_from();
        let page = self.pages.entry(number).or_insert_with(|| {
            self.ages.insert((from, number));
            Slots::starting_at(index, from)
        });
        if from < page.oldest {
            self.ages.remove(&(page.oldest, number));
            self.ages.insert((from, number));
            page.oldest = from;
        }
        if page.put(index, message) {
            self.len += 1;
        }
        if !page.dirty {
            page.dirty = true;
            self.dirty.insert(number);
        }
    }

    pub(super) fn remove(&mut self, seq: MessageSeq) -> Option<Message> {
        let (number, index) = split(seq);
        let page = self.pages.get_mut(&number)?;
        let message = page.take(index)?;
        self.len -= 1;
        if page.clear_ready(index) {
            self.ready.remove(&number);
        }
        if page.live == 0 {
            let oldest = page.oldest;
            self.ages.remove(&(oldest, number));
            self.pages.remove(&number);
            self.dirty.insert(number);
        } else if !page.dirty {
            page.dirty = true;
            self.dirty.insert(number);
        }
        Some(message)
    }

    /// Drops everything; every page counts as changed.
    pub(super) fn clear(&mut self) {
        self.dirty.extend(self.pages.keys());
        self.pages.clear();
        self.ready.clear();
        self.ages.clear();
        self.len = 0;
    }

    pub(super) fn set_ready(&mut self, seq: MessageSeq, ready: bool) {
        let (number, index) = split(seq);
        let Some(page) = self.pages.get_mut(&number) else { return };
        if !ready {
            if page.clear_ready(index) {
                self.ready.remove(&number);
            }
        } else if page.set_ready(index) {
            self.ready.insert(number);
        }
    }

    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The first ready message at or after `from`.
    pub(super) fn next_ready(&self, from: MessageSeq) -> Option<MessageSeq> {
        let (number, index) = split(from);
        let here = self.pages.get(&number).and_then(|page| page.next_ready(index));
        if let Some(index) = here {
            return Some(join(number, index));
        }
        let number = *self.ready.range((Bound::Excluded(number), Bound::Unbounded)).next()?;
        let index = self.pages.get(&number)?.next_ready(0)?;
        Some(join(number, index))
    }

    pub(super) fn first(&self) -> Option<(MessageSeq, &Message)> {
        self.iter_from(MessageSeq(0)).next()
    }

    pub(super) fn iter_from(&self, from: MessageSeq) -> impl Iterator<Item = (MessageSeq, &Message)> {
        let (first, index) = split(from);
        self.pages
            .range(first..)
            .flat_map(move |(&number, page)| page.iter(number).skip_while(move |(seq, _)| *seq < join(first, index)))
    }

    /// Newest first.
    pub(super) fn iter_back(&self) -> impl Iterator<Item = (MessageSeq, &Message)> {
        self.pages.iter().rev().flat_map(|(&number, page)| page.iter(number).rev())
    }

    /// The messages of one page.
    pub(super) fn page(&self, number: u64) -> impl Iterator<Item = (MessageSeq, &Message)> {
        self.pages.get(&number).into_iter().flat_map(move |page| page.iter(number))
    }

    pub(super) fn numbers(&self) -> Vec<u64> {
        self.pages.keys().copied().collect()
    }

    pub(super) fn dirty(&self) -> Vec<u64> {
        self.dirty.iter().copied().collect()
    }

    pub(super) fn mark_page_clean(&mut self, number: u64) {
        self.dirty.remove(&number);
        if let Some(page) = self.pages.get_mut(&number) {
            page.dirty = false;
        }
    }

    pub(super) fn mark_clean(&mut self) {
        for number in std::mem::take(&mut self.dirty) {
            if let Some(page) = self.pages.get_mut(&number) {
                page.dirty = false;
            }
        }
    }
}

/// Ages.
impl Pages {
    /// Not later than the start of the oldest message's retention.
    pub(super) fn oldest_hint(&self) -> Option<Timestamp> {
        self.ages.first().map(|(oldest, _)| *oldest)
    }

    /// The start of the oldest message's retention.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        let mut best = None;
        for &(hint, number) in &self.ages {
            if best.is_some_and(|best| best <= hint) {
                break;
            }
            best = self.pages.get(&number).and_then(Slots::oldest).into_iter().chain(best).min();
        }
        best
    }

    /// Makes the hints exact that are not after `cutoff`, so that none of them asks for an expiry in vain.
    pub(super) fn refresh_ages(&mut self, cutoff: Timestamp) {
        while let Some(&(hint, number)) = self.ages.first() {
            if hint > cutoff {
                break;
            }
            let Some(page) = self.pages.get_mut(&number) else { break };
            let Some(oldest) = page.oldest() else { break };
            if oldest == hint {
                break;
            }
            page.oldest = oldest;
            self.ages.remove(&(hint, number));
            self.ages.insert((oldest, number));
        }
    }

    /// Up to `limit` messages whose retention started at or before `cutoff`, in the order of sending.
    pub(super) fn started_by(&self, cutoff: Timestamp, limit: usize) -> Vec<MessageSeq> {
        let old = self.ages.iter().take_while(|(hint, _)| *hint <= cutoff);
        let all = old.flat_map(|(_, number)| self.page(*number));
        let mut seqs: Vec<_> =
            all.filter(|(_, message)| message.retention_from() <= cutoff).map(|(seq, _)| seq).take(limit).collect();
        seqs.sort_unstable();
        seqs
    }
}

impl Slots {
    fn starting_at(index: usize, oldest: Timestamp) -> Self {
        Self { first: index, slots: Vec::new(), live: 0, ready: [0; WORDS], oldest, dirty: false }
    }

    fn get(&self, index: usize) -> Option<&Message> {
        self.slots.get(index.checked_sub(self.first)?)?.as_ref()
    }

    /// True if the slot was empty.
    fn put(&mut self, index: usize, message: Message) -> bool {
        if index < self.first {
            self.slots.splice(0..0, iter::repeat_with(|| None).take(self.first - index));
            self.first = index;
        }
        let at = index - self.first;
        if at >= self.slots.len() {
            self.slots.resize_with(at + 1, || None);
        }
        let fresh = self.slots.get_mut(at).is_some_and(|slot| slot.replace(message).is_none());
        self.live += usize::from(fresh);
        fresh
    }

    fn take(&mut self, index: usize) -> Option<Message> {
        let message = self.slots.get_mut(index.checked_sub(self.first)?)?.take()?;
        self.live -= 1;
        Some(message)
    }

    fn iter(&self, number: u64) -> impl DoubleEndedIterator<Item = (MessageSeq, &Message)> {
        let first = self.first;
        self.slots.iter().enumerate().filter_map(move |(at, slot)| Some((join(number, first + at), slot.as_ref()?)))
    }

    fn oldest(&self) -> Option<Timestamp> {
        self.slots.iter().flatten().map(Message::retention_from).min()
    }

    /// True if it is the page's first ready bit.
    fn set_ready(&mut self, index: usize) -> bool {
        let none = self.ready == [0; WORDS];
        if let Some(word) = self.ready.get_mut(index / 64) {
            *word |= 1 << (index % 64);
        }
        none
    }

    /// True if it was the page's last ready bit.
    fn clear_ready(&mut self, index: usize) -> bool {
        let some = self.ready != [0; WORDS];
        if let Some(word) = self.ready.get_mut(index / 64) {
            *word &= !(1 << (index % 64));
        }
        some && self.ready == [0; WORDS]
    }

    fn next_ready(&self, from: usize) -> Option<usize> {
        let mut mask = u64::MAX << (from % 64);
        for (at, word) in self.ready.iter().enumerate().skip(from / 64) {
            let bits = word & mask;
            if bits != 0 {
                return Some(at * 64 + bits.trailing_zeros() as usize);
            }
            mask = u64::MAX;
        }
        None
    }
}
