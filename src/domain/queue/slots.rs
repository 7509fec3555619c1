//! One page of messages: spread out while something happens to them, packed while they wait.
//!
//! Invariants: a packed page holds what has not changed since it was packed, and its `oldest` is exact; which of it is
//! hidden the bits say, packed or not. Looking at a packed page spreads it out beside the packed bytes; `look_away`
//! forgets that again.

use super::{
    bits::Bits,
    checkpoint::StoredMessage,
    leb,
    message::{GroupNo, Message, Place, State},
    packed::Rows,
};
use crate::base::{
    id::{Lsn, MessageSeq},
    limits::PAGE_MESSAGES,
    time::Timestamp,
};
use std::{cell::RefCell, iter, num::NonZeroU32, ops::Deref, sync::Arc};

pub(super) fn split(seq: MessageSeq) -> (u64, usize) {
    (seq.0 / PAGE_MESSAGES, (seq.0 % PAGE_MESSAGES) as usize)
}

pub(super) fn join(page: u64, index: usize) -> MessageSeq {
    MessageSeq(page * PAGE_MESSAGES + index as u64)
}

#[derive(Debug)]
pub(super) struct Slots {
    body: Body,
    pub(super) live: u16,
    leased: u16,
    pub(super) dirty: bool,
    ready: Bits,
    /// What is leased or delayed.
    hidden: Bits,
    /// Not later than the oldest message's; may lag behind when that one has gone.
    pub(super) oldest: Timestamp,
    pub(super) low: Low,
}

/// The lowest frames that hold messages, of the log and of the archive: not above the frame of any message, and exact when
/// the page was last taken for a checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Low {
    pub log: Option<Lsn>,
    pub archive: Option<Lsn>,
}

impl Low {
    pub(super) const NONE: Self = Self { log: None, archive: None };

    pub fn of(frames: impl Iterator<Item = Lsn>) -> Self {
        frames.fold(Self::NONE, Self::with)
    }

    fn with(self, frame: Lsn) -> Self {
        let lowest = |low: Option<Lsn>| Some(low.map_or(frame, |low| low.min(frame)));
        match frame.is_in_archive() {
            true => Self { archive: lowest(self.archive), ..self },
            false => Self { log: lowest(self.log), ..self },
        }
    }

    /// The lower ones of two.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        [other.log, other.archive].into_iter().flatten().fold(self, Self::with)
    }

    /// Whether anything may stand below a frame of the log, or of the archive.
    pub fn is_below(self, frame: Lsn) -> bool {
        let low = if frame.is_in_archive() { self.archive } else { self.log };
        low.is_some_and(|low| low < frame)
    }
}

#[derive(Debug)]
enum Body {
    Spread(Spread),
    Packed { packed: Packed, seen: RefCell<Option<Arc<Spread>>> },
}

/// A page as it waits in memory: as in the index, but its groups by their numbers.
#[derive(Clone, Debug)]
pub(super) struct Packed {
    pub(super) rows: Rows,
    pub(super) groups: GroupNos,
}

/// The groups of a page: the one of messages that name none, then those the page names. Differences, for groups that
/// came together have numbers near each other.
#[derive(Clone, Debug, Default)]
pub(super) struct GroupNos(Box<[u8]>);

impl GroupNos {
    pub(super) fn new(numbers: impl Iterator<Item = Option<GroupNo>>) -> Self {
        let (mut bytes, mut before) = (Vec::new(), 0);
        for number in numbers {
            let number = number.map_or(0, |no| u64::from(no.0.get()));
            leb::put_difference(&mut bytes, number, before);
            before = number;
        }
        Self(bytes.into())
    }

    pub(super) fn list(&self) -> Vec<Option<GroupNo>> {
        let (mut rest, mut before) = (&*self.0, 0);
        let next = || leb::take_difference(&mut rest, before).ok().inspect(|number| before = *number);
        let numbers = iter::from_fn(next);
        numbers.map(|number| u32::try_from(number).ok().and_then(NonZeroU32::new).map(GroupNo)).collect()
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}

/// A message that was found: in its place, or in what a look spread out.
#[derive(Debug)]
pub(super) enum Found<'a> {
    Here(&'a Message),
    Seen(Arc<Spread>, usize),
}

impl Deref for Found<'_> {
    type Target = Message;

    fn deref(&self) -> &Message {
        match self {
            Self::Here(message) => message,
            Self::Seen(spread, index) => match spread.get(*index) {
                Some(message) => message,
                None => unreachable!("it was there when it was found"),
            },
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Spread {
    /// The index in the page of the first slot.
    first: usize,
    slots: Vec<Option<Message>>,
}

impl Spread {
    /// `hidden` says which messages are leased or delayed.
    fn unpack(packed: &Packed, hidden: &Bits) -> Self {
        // Nothing gets here that was not packed or read once before.
        let rows = packed.rows.read().unwrap_or_default();
        let groups = packed.groups.list();
        let mut spread = Self::default();
        if let Some((first, _)) = rows.first() {
            spread.first = split(first.seq).1;
        }
        for (stored, group) in &rows {
            let index = split(stored.seq).1;
            let mut message = Message::restored(stored, groups.get(*group).copied().flatten());
            message.state = if hidden.get(index) { message.hidden_state() } else { State::Visible };
            spread.slots.resize_with(index - spread.first, || None);
            spread.slots.push(Some(message));
        }
        spread
    }

    fn get(&self, index: usize) -> Option<&Message> {
        self.slots.get(index.checked_sub(self.first)?)?.as_ref()
    }

    fn get_mut(&mut self, index: usize) -> Option<&mut Message> {
        self.slots.get_mut(index.checked_sub(self.first)?)?.as_mut()
    }

    fn range(&self) -> std::ops::Range<usize> {
        self.first..self.first + self.slots.len()
    }

    fn put(&mut self, index: usize, message: Message) -> Option<Message> {
        if index < self.first {
            self.slots.splice(0..0, iter::repeat_with(|| None).take(self.first - index));
            self.first = index;
        }
        let at = index - self.first;
        if at >= self.slots.len() {
            self.slots.resize_with(at + 1, || None);
        }
        self.slots.get_mut(at).and_then(|slot| slot.replace(message))
    }
}

impl Slots {
    pub(super) fn starting_at(index: usize, oldest: Timestamp) -> Self {
        Self::new(Body::Spread(Spread { first: index, slots: Vec::new() }), oldest, Low::NONE)
    }

    /// A packed page, all of it visible as yet; `messages` are those of `packed`, at least one.
    pub(super) fn restored(packed: Packed, messages: &[StoredMessage]) -> Self {
        let oldest = messages.iter().map(|stored| stored.retention_from.unwrap_or(stored.send_time)).min();
        let low = Low::of(messages.iter().map(|stored| stored.location.lsn));
        let body = Body::Packed { packed, seen: RefCell::default() };
        let slots = Self::new(body, oldest.unwrap_or(Timestamp::ZERO), low);
        Self { live: messages.len() as u16, ..slots }
    }

    fn new(body: Body, oldest: Timestamp, low: Low) -> Self {
        let (ready, hidden) = (Bits::default(), Bits::default());
        Self { body, live: 0, leased: 0, dirty: false, ready, hidden, oldest, low }
    }

    /// What a look at a packed page sees.
    fn seen(&self, packed: &Packed, seen: &RefCell<Option<Arc<Spread>>>) -> Arc<Spread> {
        seen.borrow_mut().get_or_insert_with(|| Arc::new(Spread::unpack(packed, &self.hidden))).clone()
    }

    /// The page, to be changed.
    fn spread_mut(&mut self) -> &mut Spread {
        if let Body::Packed { packed, seen } = &mut self.body {
            let spread = seen.get_mut().take().map(Arc::unwrap_or_clone);
            self.body = Body::Spread(spread.unwrap_or_else(|| Spread::unpack(packed, &self.hidden)));
        }
        match &mut self.body {
            Body::Spread(spread) => spread,
            Body::Packed { .. } => unreachable!("spread out above"),
        }
    }

    /// Whether a look spread it out.
    pub(super) fn is_seen(&self) -> bool {
        matches!(&self.body, Body::Packed { seen, .. } if seen.borrow().is_some())
    }

    pub(super) fn look_away(&self) {
        if let Body::Packed { seen, .. } = &self.body {
            seen.take();
        }
    }

    pub(super) fn packed(&self) -> Option<&Packed> {
        match &self.body {
            Body::Packed { packed, .. } => Some(packed),
            Body::Spread(_) => None,
        }
    }

    /// Whether everything in it only waits: to be received, or for the end of a delay.
    pub(super) fn only_waits(&self) -> bool {
        self.leased == 0
    }

    /// Packs the page; `packed` is its packed form.
    pub(super) fn pack(&mut self, packed: Packed) {
        self.body = Body::Packed { packed, seen: RefCell::default() };
    }

    pub(super) fn get(&self, index: usize) -> Option<Found<'_>> {
        match &self.body {
            Body::Spread(spread) => spread.get(index).map(Found::Here),
            Body::Packed { packed, seen } => {
                let spread = self.seen(packed, seen);
                spread.get(index).is_some().then_some(Found::Seen(spread, index))
            }
        }
    }

    /// Changes a message; gives its places before and after.
    pub(super) fn change(&mut self, index: usize, change: impl FnOnce(&mut Message)) -> Option<(Place, Place)> {
        let message = self.spread_mut().get_mut(index)?;
        let before = message.place();
        change(message);
        let (after, frame) = (message.place(), message.location.lsn);
        self.low = self.low.with(frame);
        self.note(index, Some(before.state), Some(after.state));
        Some((before, after))
    }

    /// Lets the state of a message follow the clock, which changes nothing that is stored; gives its places before and
    /// after.
    pub(super) fn follow_clock(&mut self, index: usize, now: Timestamp) -> Option<(Place, Place)> {
        let spread = match &mut self.body {
            Body::Spread(spread) => spread,
            Body::Packed { packed, seen } => {
                Arc::make_mut(seen.get_mut().get_or_insert_with(|| Arc::new(Spread::unpack(packed, &self.hidden))))
            }
        };
        let message = spread.get_mut(index)?;
        let before = message.place();
        message.state = message.state_at(now);
        let after = message.place();
        self.note(index, Some(before.state), Some(after.state));
        Some((before, after))
    }

    /// True if the slot was empty.
    pub(super) fn put(&mut self, index: usize, message: Message) -> bool {
        self.low = self.low.with(message.location.lsn);
        let state = message.state;
        let before = self.spread_mut().put(index, message);
        self.live += u16::from(before.is_none());
        self.note(index, before.as_ref().map(|message| message.state), Some(state));
        before.is_none()
    }

    pub(super) fn take(&mut self, index: usize) -> Option<Message> {
        let spread = self.spread_mut();
        let message = spread.slots.get_mut(index.checked_sub(spread.first)?)?.take()?;
        self.live -= 1;
        self.note(index, Some(message.state), None);
        Some(message)
    }

    /// Enters the state of a message in the bits and counts.
    pub(super) fn note(&mut self, index: usize, before: Option<State>, after: Option<State>) {
        self.leased -= u16::from(before == Some(State::InFlight));
        self.leased += u16::from(after == Some(State::InFlight));
        self.hidden.set(index, after.is_some_and(|state| state != State::Visible));
    }

    /// Whether a message, which is there, is visible. Spreads nothing out.
    pub(super) fn is_visible(&self, index: usize) -> bool {
        !self.hidden.get(index)
    }

    pub(super) fn iter(&self, number: u64) -> impl DoubleEndedIterator<Item = (MessageSeq, Found<'_>)> {
        let (here, seen) = match &self.body {
            Body::Spread(spread) => (Some(spread), None),
            Body::Packed { packed, seen } => (None, Some(self.seen(packed, seen))),
        };
        let range = here.or(seen.as_deref()).map_or(0..0, Spread::range);
        let found = move |index| match (here, &seen) {
            (Some(spread), _) => spread.get(index).map(Found::Here),
            (None, Some(spread)) if spread.get(index).is_some() => Some(Found::Seen(spread.clone(), index)),
            (None, _) => None,
        };
        range.filter_map(move |index| Some((join(number, index), found(index)?)))
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
            self.low = Low::of(spread.slots.iter().flatten().map(|message| message.location.lsn));
        }
    }

    /// True if it is the page's first ready bit.
    pub(super) fn set_ready(&mut self, index: usize) -> bool {
        let none = self.ready.is_empty();
        self.ready.set(index, true);
        none
    }

    /// True if it was the page's last ready bit.
    pub(super) fn clear_ready(&mut self, index: usize) -> bool {
        let some = !self.ready.is_empty();
        self.ready.set(index, false);
        some && self.ready.is_empty()
    }

    pub(super) fn next_ready(&self, from: usize) -> Option<usize> {
        self.ready.next(from)
    }

    /// What it takes of memory, about.
    pub(super) fn bytes(&self) -> usize {
        let spread = |spread: &Spread| {
            let rare = spread.slots.iter().flatten().filter(|message| message.rare.is_some()).count();
            spread.slots.capacity() * size_of::<Option<Message>>() + rare * size_of::<super::message::Rare>()
        };
        let body = match &self.body {
            Body::Spread(here) => spread(here),
            Body::Packed { packed, seen } => {
                packed.rows.len() + packed.groups.len() + seen.borrow().as_deref().map_or(0, spread)
            }
        };
        size_of::<Self>() + body
    }
}
