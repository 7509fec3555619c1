//! One page of messages: spread out while something happens to them, packed while they wait.
//!
//! Invariants: a packed page holds what is visible and of no group, unchanged since it was packed, and its `oldest` is
//! exact. Looking at a packed page spreads it out beside the packed bytes; `look_away` forgets that again.

use super::{
    checkpoint::StoredMessage,
    message::{Message, State},
    packed::Page,
};
use crate::base::{
    id::{Lsn, MessageSeq},
    limits::PAGE_MESSAGES,
    time::Timestamp,
};
use std::{cell::OnceCell, iter};

const WORDS: usize = PAGE_MESSAGES.div_ceil(64) as usize;

pub(super) fn split(seq: MessageSeq) -> (u64, usize) {
    (seq.0 / PAGE_MESSAGES, (seq.0 % PAGE_MESSAGES) as usize)
}

pub(super) fn join(page: u64, index: usize) -> MessageSeq {
    MessageSeq(page * PAGE_MESSAGES + index as u64)
}

#[derive(Debug)]
pub(super) struct Slots {
    body: Body,
    pub(super) live: usize,
    ready: [u64; WORDS],
    /// Not later than the oldest message's; may lag behind when that one has gone.
    pub(super) oldest: Timestamp,
    /// Not above the frame of any message; exact when the page was last taken for a checkpoint.
    pub(super) low: Lsn,
    pub(super) dirty: bool,
}

#[derive(Debug)]
enum Body {
    Spread(Spread),
    Packed { page: Page, seen: OnceCell<Box<Spread>> },
}

#[derive(Debug, Default)]
struct Spread {
    /// The index in the page of the first slot.
    first: usize,
    slots: Vec<Option<Message>>,
}

impl Spread {
    fn unpack(page: &Page) -> Self {
        // Nothing gets here that was not packed or read once before.
        let messages = page.messages().unwrap_or_default();
        let mut spread = Self::default();
        if let Some(first) = messages.first() {
            spread.first = split(first.seq).1;
        }
        for stored in &messages {
            let at = split(stored.seq).1 - spread.first;
            spread.slots.resize_with(at, || None);
            spread.slots.push(Some(Message::restored(stored, None)));
        }
        spread
    }

    fn get(&self, index: usize) -> Option<&Message> {
        self.slots.get(index.checked_sub(self.first)?)?.as_ref()
    }
}

impl Slots {
    pub(super) fn starting_at(index: usize, oldest: Timestamp) -> Self {
        let body = Body::Spread(Spread { first: index, slots: Vec::new() });
        Self { body, live: 0, ready: [0; WORDS], oldest, low: Lsn(u64::MAX), dirty: false }
    }

    /// A page that waits; `messages` are those of `page`, at least one.
    pub(super) fn waiting(page: &Page, messages: &[StoredMessage]) -> Self {
        let oldest = messages.iter().map(|stored| stored.retention_from.unwrap_or(stored.send_time)).min();
        let body = Body::Packed { page: page.clone(), seen: OnceCell::new() };
        let low = messages.iter().map(|stored| stored.location.lsn).min().unwrap_or(Lsn(0));
        let (live, oldest) = (messages.len(), oldest.unwrap_or(Timestamp::ZERO));
        let mut slots = Self { body, live, ready: [0; WORDS], oldest, low, dirty: false };
        for stored in messages {
            slots.set_ready(split(stored.seq).1);
        }
        slots
    }

    fn spread(&self) -> &Spread {
        match &self.body {
            Body::Spread(spread) => spread,
            Body::Packed { page, seen } => seen.get_or_init(|| Box::new(Spread::unpack(page))),
        }
    }

    fn spread_mut(&mut self) -> &mut Spread {
        if let Body::Packed { page, seen } = &mut self.body {
            let spread = seen.take().map_or_else(|| Spread::unpack(page), |seen| *seen);
            self.body = Body::Spread(spread);
        }
        match &mut self.body {
            Body::Spread(spread) => spread,
            Body::Packed { .. } => unreachable!("spread out above"),
        }
    }

    /// Whether a look spread it out.
    pub(super) fn is_seen(&self) -> bool {
        matches!(&self.body, Body::Packed { seen, .. } if seen.get().is_some())
    }

    pub(super) fn look_away(&mut self) {
        if let Body::Packed { seen, .. } = &mut self.body {
            seen.take();
        }
    }

    pub(super) fn packed(&self) -> Option<&Page> {
        match &self.body {
            Body::Packed { page, .. } => Some(page),
            Body::Spread(_) => None,
        }
    }

    /// Whether everything in it only waits to be received.
    pub(super) fn only_waits(&self) -> bool {
        let mut messages = self.spread().slots.iter().flatten();
        messages.all(|message| message.group.is_none() && message.state == State::Visible)
    }

    /// Packs what only waits; `page` is its packed form.
    pub(super) fn pack(&mut self, page: &Page) {
        self.body = Body::Packed { page: page.clone(), seen: OnceCell::new() };
    }

    pub(super) fn get(&self, index: usize) -> Option<&Message> {
        self.spread().get(index)
    }

    /// The message, to be changed.
    pub(super) fn get_mut(&mut self, index: usize) -> Option<&mut Message> {
        let spread = self.spread_mut();
        spread.slots.get_mut(index.checked_sub(spread.first)?)?.as_mut()
    }

    /// True if the slot was empty.
    pub(super) fn put(&mut self, index: usize, message: Message) -> bool {
        self.low = self.low.min(message.location.lsn);
        let spread = self.spread_mut();
        if index < spread.first {
            spread.slots.splice(0..0, iter::repeat_with(|| None).take(spread.first - index));
            spread.first = index;
        }
        let at = index - spread.first;
        if at >= spread.slots.len() {
            spread.slots.resize_with(at + 1, || None);
        }
        let fresh = spread.slots.get_mut(at).is_some_and(|slot| slot.replace(message).is_none());
        self.live += usize::from(fresh);
        fresh
    }

    pub(super) fn take(&mut self, index: usize) -> Option<Message> {
        let spread = self.spread_mut();
        let message = spread.slots.get_mut(index.checked_sub(spread.first)?)?.take()?;
        self.live -= 1;
        Some(message)
    }

    pub(super) fn iter(&self, number: u64) -> impl DoubleEndedIterator<Item = (MessageSeq, &Message)> {
        let spread = self.spread();
        let seq = move |at| join(number, spread.first + at);
        spread.slots.iter().enumerate().filter_map(move |(at, slot)| Some((seq(at), slot.as_ref()?)))
    }

    /// The start of the oldest message's retention.
    pub(super) fn exact_oldest(&self) -> Option<Timestamp> {
        match &self.body {
            Body::Packed { .. } => Some(self.oldest),
            Body::Spread(spread) => spread.slots.iter().flatten().map(Message::retention_from).min(),
        }
    }

    pub(super) fn refresh_low(&mut self) {
        if let Body::Spread(spread) = &self.body {
            let lsns = spread.slots.iter().flatten().map(|message| message.location.lsn);
            self.low = lsns.min().unwrap_or(Lsn(u64::MAX));
        }
    }

    /// True if it is the page's first ready bit.
    pub(super) fn set_ready(&mut self, index: usize) -> bool {
        let none = self.ready == [0; WORDS];
        if let Some(word) = self.ready.get_mut(index / 64) {
            *word |= 1 << (index % 64);
        }
        none
    }

    /// True if it was the page's last ready bit.
    pub(super) fn clear_ready(&mut self, index: usize) -> bool {
        let some = self.ready != [0; WORDS];
        if let Some(word) = self.ready.get_mut(index / 64) {
            *word &= !(1 << (index % 64));
        }
        some && self.ready == [0; WORDS]
    }

    pub(super) fn next_ready(&self, from: usize) -> Option<usize> {
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
