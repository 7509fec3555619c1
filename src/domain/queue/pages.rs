//! The messages of a queue in the order of sending, in pages of [`PAGE_MESSAGES`](crate::base::limits::PAGE_MESSAGES).
//!
//! Invariants: a page without messages does not exist; `ready` names the pages with a ready bit; `ages` holds for every
//! page a moment not later than the start of its oldest message's retention; `spread` names the pages that are not packed;
//! no more than [`SEEN_MAX`] packed pages are spread out for looks, in the middle of a decision too.
//! Absent on purpose: why a message is ready, the order of groups, time.

use super::{
    checkpoint::StoredMessage,
    message::{Message, Place, State},
    slots::{Found, Low, Packed, Slots, join, split},
};
use crate::base::{
    id::{Lsn, MessageSeq},
    time::Timestamp,
};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, VecDeque},
    ops::Bound,
};

/// Packed pages that looks may leave spread out.
pub(super) const SEEN_MAX: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Pages {
    pages: BTreeMap<u64, Slots>,
    ready: BTreeSet<u64>,
    ages: BTreeSet<(Timestamp, u64)>,
    dirty: BTreeSet<u64>,
    spread: BTreeSet<u64>,
    /// Packed pages that somebody looked at, the longest ago first.
    seen: RefCell<VecDeque<u64>>,
    len: usize,
}

impl Pages {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn get(&self, seq: MessageSeq) -> Option<Found<'_>> {
        let (number, index) = split(seq);
        self.look(number)?.get(index)
    }

    /// Whether a message, which is there, is visible. No look: it spreads nothing out.
    pub(super) fn is_visible(&self, seq: MessageSeq) -> bool {
        let (number, index) = split(seq);
        self.pages.get(&number).is_some_and(|page| page.is_visible(index))
    }

    /// The page, to look into.
    fn look(&self, number: u64) -> Option<&Slots> {
        let page = self.pages.get(&number)?;
        self.note(number, page);
        Some(page)
    }

    /// Remembers that a page will be spread out by a look, and forgets what the look longest ago spread out.
    fn note(&self, number: u64, page: &Slots) {
        if page.packed().is_none() || page.is_seen() {
            return;
        }
        let mut seen = self.seen.borrow_mut();
        seen.push_back(number);
        if seen.len() > SEEN_MAX {
            let forgotten = seen.pop_front().and_then(|number| self.pages.get(&number));
            forgotten.into_iter().for_each(Slots::look_away);
        }
    }

    /// Changes a message, whose page counts as changed; gives its places before and after.
    pub(super) fn change(&mut self, seq: MessageSeq, change: impl FnOnce(&mut Message)) -> Option<(Place, Place)> {
        let (number, index) = split(seq);
        let page = self.pages.get_mut(&number)?;
        if page.packed().is_some() {
            self.spread.insert(number);
        }
        let places = page.change(index, change)?;
        if !page.dirty {
            page.dirty = true;
            self.dirty.insert(number);
        }
        Some(places)
    }

    /// Lets the state of a message follow the clock; gives its places before and after. Nothing that is stored changes.
    pub(super) fn follow_clock(&mut self, seq: MessageSeq, now: Timestamp) -> Option<(Place, Place)> {
        let (number, index) = split(seq);
        self.note(number, self.pages.get(&number)?);
        self.pages.get_mut(&number)?.follow_clock(index, now)
    }

    /// Stores a message, replacing one of the same number.
    pub(super) fn insert(&mut self, seq: MessageSeq, message: Message) {
        let (number, index) = split(seq);
        let from = message.retention_from();
        let page = self.pages.entry(number).or_insert_with(|| {
            self.ages.insert((from, number));
            self.spread.insert(number);
            Slots::starting_at(index, from)
        });
        if page.packed().is_some() {
            self.spread.insert(number);
        }
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
        if page.packed().is_some() {
            self.spread.insert(number);
        }
        let message = page.take(index)?;
        self.len -= 1;
        if page.clear_ready(index) {
            self.ready.remove(&number);
        }
        if page.live == 0 {
            let oldest = page.oldest;
            self.ages.remove(&(oldest, number));
            self.pages.remove(&number);
            self.spread.remove(&number);
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
        self.spread.clear();
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

    pub(super) fn first(&self) -> Option<(MessageSeq, Found<'_>)> {
        self.iter_from(MessageSeq(0)).next()
    }

    pub(super) fn iter_from(&self, from: MessageSeq) -> impl Iterator<Item = (MessageSeq, Found<'_>)> {
        let (first, index) = split(from);
        self.pages
            .range(first..)
            .inspect(|(number, page)| self.note(**number, page))
            .flat_map(move |(&number, page)| page.iter(number).skip_while(move |(seq, _)| *seq < join(first, index)))
    }

    /// Newest first.
    pub(super) fn iter_back(&self) -> impl Iterator<Item = (MessageSeq, Found<'_>)> {
        let pages = self.pages.iter().rev().inspect(|(number, page)| self.note(**number, page));
        pages.flat_map(|(&number, page)| page.iter(number).rev())
    }

    /// The messages of one page.
    pub(super) fn page(&self, number: u64) -> impl Iterator<Item = (MessageSeq, Found<'_>)> {
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
    pub(super) fn packed(&self, number: u64) -> Option<&Packed> {
        self.pages.get(&number)?.packed()
    }

    /// Up to `limit` pages that are spread out although everything in them only waits, or nothing in them changed for a
    /// while. The newest still grows.
    pub(super) fn to_pack(&self, limit: usize) -> Vec<u64> {
        let newest = self.newest();
        let waits = |number: &u64| self.pages.get(number).is_some_and(|page| page.only_waits() || !page.dirty);
        let numbers = self.spread.iter().copied().filter(|number| Some(*number) != newest);
        numbers.filter(waits).take(limit).collect()
    }

    /// Packs a page; `packed` is its packed form.
    pub(super) fn pack(&mut self, number: u64, packed: Packed) {
        let Some(slots) = self.pages.get_mut(&number) else { return };
        if let Some(oldest) = slots.exact_oldest().filter(|oldest| *oldest != slots.oldest) {
            self.ages.remove(&(slots.oldest, number));
            self.ages.insert((oldest, number));
            slots.oldest = oldest;
        }
        slots.pack(packed);
        self.spread.remove(&number);
    }

    /// Whether these messages are those of a page that is not there yet.
    pub(super) fn has_room_for(&self, number: u64, messages: &[StoredMessage]) -> bool {
        let all_here = messages.iter().all(|stored| split(stored.seq).0 == number);
        !messages.is_empty() && all_here && !self.pages.contains_key(&number)
    }

    /// Takes in a packed page that was not there, and its messages: all visible, and none ready as yet.
    pub(super) fn restore(&mut self, number: u64, packed: Packed, messages: &[StoredMessage]) {
        let slots = Slots::restored(packed, messages);
        self.ages.insert((slots.oldest, number));
        self.len += messages.len();
        self.pages.insert(number, slots);
    }

    /// Says in which state a message was restored.
    pub(super) fn note_state(&mut self, seq: MessageSeq, state: State) {
        let (number, index) = split(seq);
        if let Some(page) = self.pages.get_mut(&number) {
            page.note(index, None, Some(state));
        }
    }

    /// Packed pages that looks have left spread out.
    #[cfg(test)]
    pub(super) fn seen(&self) -> usize {
        self.pages.values().filter(|page| page.is_seen()).count()
    }

    /// What the messages take of memory, about.
    pub(super) fn bytes(&self) -> usize {
        // A tree's nodes are half full at worst.
        let own: usize = self.pages.values().map(|page| page.bytes() + size_of::<Slots>()).sum();
        own + 2 * self.ages.len() * size_of::<(Timestamp, u64)>() + 2 * self.ready.len() * size_of::<u64>()
    }
}

/// Places in the log.
impl Pages {
    /// Not above the frame of any message; exact after a checkpoint took the changes.
    pub(super) fn lowest_frames(&self) -> Low {
        self.pages.values().fold(Low::NONE, |low, page| low.and(page.low))
    }

    /// Messages from `from` on whose entries stand below `below` in the log, or in the archive if that is where `below` is.
    pub(super) fn standing_below(&self, below: Lsn, from: MessageSeq) -> impl Iterator<Item = (MessageSeq, Found<'_>)> {
        let pages = self.pages.range(split(from).0..).filter(move |(_, page)| page.low.is_below(below));
        let pages = pages.inspect(|(number, page)| self.note(**number, page));
        let messages = pages.flat_map(|(&number, page)| page.iter(number));
        messages.filter(move |(seq, message)| {
            let frame = message.location.lsn;
            *seq >= from && frame < below && frame.is_in_archive() == below.is_in_archive()
        })
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
