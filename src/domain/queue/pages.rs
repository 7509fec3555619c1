//! The messages of a queue in the order of sending, in pages of [`PAGE_MESSAGES`](crate::base::limits::PAGE_MESSAGES).
//!
//! Invariants: a page without messages does not exist; `ready` names the pages with a ready bit; `ages` holds for every
//! page a moment not later than the start of its oldest message's retention.
//! Absent on purpose: why a message is ready, groups, time.

use super::{
    checkpoint::StoredMessage,
    message::Message,
    packed::Page,
    slots::{Slots, join, split},
};
use crate::base::{
    id::{Location, Lsn, MessageSeq},
    time::Timestamp,
};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

/// Packed pages that looks may leave spread out.
const SEEN_MAX: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Pages {
    pages: BTreeMap<u64, Slots>,
    ready: BTreeSet<u64>,
    ages: BTreeSet<(Timestamp, u64)>,
    dirty: BTreeSet<u64>,
    /// Packed pages that somebody looked at.
    seen: RefCell<Vec<u64>>,
    len: usize,
}

impl Pages {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn get(&self, seq: MessageSeq) -> Option<&Message> {
        let (number, index) = split(seq);
        self.look(number)?.get(index)
    }

    /// The page, to look into.
    fn look(&self, number: u64) -> Option<&Slots> {
        let page = self.pages.get(&number)?;
        self.note(number, page);
        Some(page)
    }

    fn note(&self, number: u64, page: &Slots) {
        if page.packed().is_some() && !page.is_seen() {
            self.seen.borrow_mut().push(number);
        }
    }

    /// Forgets what looks spread out, when it is much.
    pub(super) fn look_away(&mut self) {
        if self.seen.get_mut().len() > SEEN_MAX {
            for number in std::mem::take(self.seen.get_mut()) {
                if let Some(page) = self.pages.get_mut(&number) {
                    page.look_away();
                }
            }
        }
    }

    /// The message to change; its page counts as changed.
    pub(super) fn get_mut(&mut self, seq: MessageSeq) -> Option<&mut Message> {
        let (number, index) = split(seq);
        let page = self.pages.get_mut(&number)?;
        if !page.dirty {
            page.get_mut(index)?;
            page.dirty = true;
            self.dirty.insert(number);
        }
        page.get_mut(index)
    }

    /// The message, to change what is not stored of it.
    pub(super) fn peek_mut(&mut self, seq: MessageSeq) -> Option<&mut Message> {
        let (number, index) = split(seq);
        self.pages.get_mut(&number)?.get_mut(index)
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
            .inspect(|(number, page)| self.note(**number, page))
            .flat_map(move |(&number, page)| page.iter(number).skip_while(move |(seq, _)| *seq < join(first, index)))
    }

    /// Newest first.
    pub(super) fn iter_back(&self) -> impl Iterator<Item = (MessageSeq, &Message)> {
        let pages = self.pages.iter().rev().inspect(|(number, page)| self.note(**number, page));
        pages.flat_map(|(&number, page)| page.iter(number).rev())
    }

    /// The messages of one page.
    pub(super) fn page(&self, number: u64) -> impl Iterator<Item = (MessageSeq, &Message)> {
        self.look(number).into_iter().flat_map(move |page| page.iter(number))
    }

    pub(super) fn numbers(&self) -> Vec<u64> {
        self.pages.keys().copied().collect()
    }

    /// How many pages there are.
    pub(super) fn count(&self) -> usize {
        self.pages.len()
    }

    pub(super) fn is_clean(&self) -> bool {
        self.dirty.is_empty()
    }

    pub(super) fn dirty(&self) -> Vec<u64> {
        self.dirty.iter().copied().collect()
    }

    pub(super) fn mark_page_clean(&mut self, number: u64) {
        self.dirty.remove(&number);
        if let Some(page) = self.pages.get_mut(&number) {
            page.dirty = false;
            page.refresh_low();
        }
    }
}

/// Waiting.
impl Pages {
    /// The page with the highest number.
    pub(super) fn newest(&self) -> Option<u64> {
        self.pages.last_key_value().map(|(number, _)| *number)
    }

    /// The packed form of a page that has not changed since it was packed.
    pub(super) fn packed(&self, number: u64) -> Option<&Page> {
        self.pages.get(&number)?.packed()
    }

    /// Packs a page if everything in it only waits; `page` is its packed form.
    pub(super) fn pack(&mut self, number: u64, page: &Page) {
        let Some(slots) = self.pages.get_mut(&number) else { return };
        if slots.packed().is_some() || !slots.only_waits() {
            return;
        }
        if let Some(oldest) = slots.exact_oldest().filter(|oldest| *oldest != slots.oldest) {
            self.ages.remove(&(slots.oldest, number));
            self.ages.insert((oldest, number));
            slots.oldest = oldest;
        }
        slots.pack(page);
    }

    /// Takes in a page that only waits, and its messages; false, and nothing happened, if there is something in its place.
    pub(super) fn restore(&mut self, number: u64, page: &Page, messages: &[StoredMessage]) -> bool {
        let all_here = messages.iter().all(|stored| split(stored.seq).0 == number);
        if messages.is_empty() || !all_here || self.pages.contains_key(&number) {
            return false;
        }
        let slots = Slots::waiting(page, messages);
        self.ages.insert((slots.oldest, number));
        self.ready.insert(number);
        self.len += messages.len();
        self.pages.insert(number, slots);
        true
    }
}

/// Places in the log.
impl Pages {
    /// Not above the frame of any message; exact after a checkpoint took the changes.
    pub(super) fn lowest_frame(&self) -> Option<Lsn> {
        self.pages.values().map(|page| page.low).min()
    }

    /// Messages from `from` on whose entries stand below `below`, up to `limit` of them.
    pub(super) fn standing_below(&self, below: Lsn, from: MessageSeq, limit: usize) -> Vec<(MessageSeq, Location)> {
        let pages = self.pages.range(split(from).0..).filter(|(_, page)| page.low < below);
        let pages = pages.inspect(|(number, page)| self.note(**number, page));
        let messages = pages.flat_map(|(&number, page)| page.iter(number));
        let standing = messages.filter(|(seq, message)| *seq >= from && message.location.lsn < below);
        standing.map(|(seq, message)| (seq, message.location)).take(limit).collect()
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
            best = self.pages.get(&number).and_then(Slots::exact_oldest).into_iter().chain(best).min();
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
            let Some(oldest) = page.exact_oldest() else { break };
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
