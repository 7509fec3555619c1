//! A queue taken apart for a checkpoint, and put together again.
//!
//! The head is everything but messages; pages are the messages, 256 numbers each. A page may be newer than the head it
//! is restored with, and the log may be replayed from before either: the end is the same, because events are absolute.
//! Absent on purpose: bytes.

use super::{
    attempts::Attempt,
    dedup::{Dedup, RememberedSends},
    machine::Queue,
    message::{GroupNo, Message, Origin, Place, Rare, State},
    packed::{Page, PageError, Rows},
    producers::Producer,
    redrive::RedriveView,
    settings::{Scope, Settings},
    slots::{GroupNos, Packed},
};
use crate::base::{
    id::{LeaseId, Location, MessageSeq, PartitionId, QueueId},
    time::Timestamp,
};
use std::{
    collections::{BTreeSet, HashMap},
    iter,
    sync::Arc,
};

/// Pages that a checkpoint packs at most besides those that changed, so that it never holds a partition for long.
const PACKED_BESIDE: usize = 1024;

/// Everything of a queue but its messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    pub settings: Settings,
    /// Fixed when the queue was created, whatever the settings say later.
    pub deduplication_scope: Scope,
    /// The latest moment the queue heard of.
    pub now: Timestamp,
    pub next_seq: MessageSeq,
    /// Everything below was purged.
    pub purged_below: MessageSeq,
    pub purged_at: Option<Timestamp>,
    /// Shared with the queue, so that a head costs no more than what changed since the last one.
    pub deduplication: RememberedSends,
    pub attempts: Vec<Attempt>,
    pub producers: Vec<Producer>,
    /// The highest transfer number accepted from each partition.
    pub transfers: Vec<(PartitionId, u64)>,
    /// Newest first.
    pub redrives: Vec<RedriveView>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMessage {
    pub seq: MessageSeq,
    pub location: Location,
    pub send_time: Timestamp,
    /// Set when the retention's clock starts elsewhere than at the send time.
    pub retention_from: Option<Timestamp>,
    pub visible_at: Timestamp,
    /// Hidden by the queue's delay only.
    pub follows_queue_delay: bool,
    pub size: u32,
    pub group: Option<Arc<str>>,
    pub receive_count: u32,
    pub first_receive: Option<Timestamp>,
    /// The last lease, also when it has ended; zero: none.
    pub lease: LeaseId,
    /// Whether that lease was neither given back nor voided.
    pub leased: bool,
    pub leased_at: Timestamp,
    pub dead_letter_source: Option<QueueId>,
}

impl Queue {
    pub fn head(&self) -> Head {
        Head {
            settings: self.settings.clone(),
            deduplication_scope: self.dedup.scope(),
            now: self.now,
            next_seq: self.next_seq,
            purged_below: self.purged_below,
            purged_at: self.purged_at,
            deduplication: self.dedup.entries(),
            attempts: self.attempts.entries(),
            producers: self.producers.entries(),
            transfers: self.transfers.iter().map(|(&source, &number)| (source, number)).collect(),
            redrives: self.redrives.entries(),
        }
    }

    pub fn from_head(id: QueueId, head: Head) -> Self {
        let mut queue = Self::new(id, head.settings);
        queue.dedup = Dedup::new(head.deduplication_scope);
        queue.now = head.now;
        queue.next_seq = head.next_seq;
        queue.purged_below = head.purged_below;
        queue.purged_at = head.purged_at;
        head.deduplication.iter().for_each(|send| queue.dedup.remember(send.clone()));
        head.attempts.into_iter().for_each(|attempt| queue.attempts.restore(attempt));
        head.producers.into_iter().for_each(|producer| queue.producers.note(producer));
        queue.transfers = head.transfers.into_iter().collect();
        head.redrives.into_iter().rev().for_each(|redrive| queue.redrives.restore(redrive));
        queue
    }

    /// The pages that changed since the last [`Queue::take_changes`], those that are gone included.
    pub fn dirty_pages(&self) -> Vec<u64> {
        self.pages.dirty()
    }

    /// The pages that changed since the last call; `None`: gone. What waits in them untouched is packed from then on, and so
    /// is what waits again elsewhere, or is leased and did not change since the last call.
    pub fn take_changes(&mut self) -> Vec<(u64, Option<Page>)> {
        let dirty = self.pages.dirty();
        let mut to_pack: BTreeSet<_> = self.pages.to_pack(dirty.len() + PACKED_BESIDE).into_iter().collect();
        let mut changes = Vec::with_capacity(dirty.len());
        for number in dirty {
            self.pages.mark_page_clean(number);
            let page = if to_pack.remove(&number) { self.pack(number) } else { self.page(number) };
            changes.push((number, page));
        }
        for number in to_pack {
            self.pack(number);
        }
        changes
    }

    /// Packs a page, which nothing is expected to happen to.
    fn pack(&mut self, number: u64) -> Option<Page> {
        let (page, groups) = self.spread_page(number)?;
        self.pages.pack(number, Packed { rows: page.rows().clone(), groups });
        Some(page)
    }

    /// Every page that holds messages.
    pub fn page_numbers(&self) -> Vec<u64> {
        self.pages.numbers()
    }

    /// None: the page holds no message.
    pub fn page(&self, number: u64) -> Option<Page> {
        if let Some(packed) = self.pages.packed(number) {
            return Some(self.unpacked(packed));
        }
        self.spread_page(number).map(|(page, _)| page)
    }

    /// A page that is not packed in both of its packed forms: with the names of its groups, and their numbers.
    fn spread_page(&self, number: u64) -> Option<(Page, GroupNos)> {
        let nameless = self.nameless();
        let (mut list, mut places) = (Vec::new(), HashMap::new());
        let mut place = |no| {
            *places.entry(no).or_insert_with(|| {
                list.push(no);
                list.len()
            })
        };
        let messages = self.pages.page(number).map(|(seq, message)| {
            let group = message.group.filter(|no| Some(*no) != nameless).map_or(0, &mut place);
            (bare(seq, &message), group)
        });
        let messages: Vec<_> = messages.collect();
        let names = list.iter().filter_map(|no| self.groups.name(*no)).cloned().collect();
        let groups = group_nos(nameless, list.into_iter().map(Some));
        (!messages.is_empty()).then(|| (Page::new(names, Rows::pack(messages.into_iter())), groups))
    }

    /// The group of a FIFO queue's messages that name none.
    fn nameless(&self) -> Option<GroupNo> {
        self.groups.number("").filter(|_| self.settings.is_fifo())
    }

    /// A page as it waits in memory.
    fn packed(&self, page: &Page) -> Packed {
        let named = page.groups().iter().map(|name| self.groups.number(name));
        Packed { rows: page.rows().clone(), groups: group_nos(self.nameless(), named) }
    }

    fn unpacked(&self, packed: &Packed) -> Page {
        let named = packed.groups.list().into_iter().skip(1).flatten();
        Page::new(named.filter_map(|no| self.groups.name(no)).cloned().collect(), packed.rows.clone())
    }

    /// Puts the messages of a page back. They count as changed only by what is applied later.
    ///
    /// # Errors
    ///
    /// The page is malformed; nothing has changed then.
    pub fn restore_page(&mut self, number: u64, page: &Page) -> Result<(), PageError> {
        let messages = page.messages()?;
        let is_purged = |message: &StoredMessage| message.seq < self.purged_below;
        if !messages.iter().any(is_purged) && self.pages.has_room_for(number, &messages) {
            self.restore_packed(number, page, &messages);
            return Ok(());
        }
        for stored in messages {
            if stored.seq < self.purged_below {
                continue;
            }
            let group = self.hold_group(stored.group.as_ref());
            self.insert_message(stored.seq, Message::restored(&stored, group));
        }
        self.pages.mark_page_clean(number);
        // It comes from the index, not out of an event.
        self.archive_changes.clear();
        Ok(())
    }

    /// Takes a page in as it is, and enters its messages in the orders.
    fn restore_packed(&mut self, number: u64, page: &Page, messages: &[StoredMessage]) {
        let groups: Vec<_> = messages.iter().map(|stored| self.hold_group(stored.group.as_ref())).collect();
        let packed = self.packed(page);
        self.pages.restore(number, packed, messages);
        for (stored, group) in messages.iter().zip(groups) {
            self.bytes += u64::from(stored.size);
            self.archived.add(stored.location, stored.size);
            let state = match stored.leased {
                _ if stored.visible_at <= self.now => State::Visible,
                true => State::InFlight,
                false => State::Delayed,
            };
            self.pages.note_state(stored.seq, state);
            if let (Some(no), true) = (group, self.settings.is_fifo()) {
                self.groups.join(no, stored.seq);
            }
            self.enter(stored.seq, Place { state, group, visible_at: stored.visible_at });
        }
    }

    pub(super) fn stored(&self, seq: MessageSeq, message: &Message) -> StoredMessage {
        let name = message.group.and_then(|no| self.groups.name(no));
        StoredMessage { group: name.filter(|name| !name.is_empty()).cloned(), ..bare(seq, message) }
    }
}

/// The groups of a page, those without a name before the others; nothing if there are none.
fn group_nos(nameless: Option<GroupNo>, named: impl ExactSizeIterator<Item = Option<GroupNo>>) -> GroupNos {
    if nameless.is_none() && named.len() == 0 {
        return GroupNos::default();
    }
    GroupNos::new(iter::once(nameless).chain(named))
}

/// The message but for its group.
fn bare(seq: MessageSeq, message: &Message) -> StoredMessage {
    let (rare, origin) = (message.rare(), message.rare().origin());
    StoredMessage {
        seq,
        location: message.location,
        send_time: message.send_time,
        retention_from: origin.retention_from,
        visible_at: message.visible_at,
        follows_queue_delay: message.follows_queue_delay,
        size: message.size,
        group: None,
        receive_count: message.receive_count,
        first_receive: rare.first_receive(),
        lease: rare.lease,
        leased: message.leased,
        leased_at: rare.leased_at,
        dead_letter_source: origin.dead_letter_source,
    }
}

impl Message {
    pub(super) fn restored(stored: &StoredMessage, group: Option<GroupNo>) -> Self {
        let origin = Origin { dead_letter_source: stored.dead_letter_source, retention_from: stored.retention_from };
        Self {
            location: stored.location,
            send_time: stored.send_time,
            visible_at: stored.visible_at,
            rare: None,
            size: stored.size,
            receive_count: stored.receive_count,
            group,
            state: State::Visible,
            follows_queue_delay: stored.follows_queue_delay,
            leased: stored.leased,
        }
        .with_rare(Rare::of(stored.lease, stored.leased_at, stored.first_receive, origin))
    }
}
