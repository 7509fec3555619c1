//! Message groups: a FIFO queue's order scopes, a standard queue's tenants.
//!
//! Names are interned; a group lives as long as the queue holds a message of it. `members` are all messages of the group
//! on a FIFO queue, and the ready ones on a standard queue. `heads` holds each group whose first member is ready, by
//! that member. Numbers differ between a queue and its restored twin, so no order depends on them.

use super::{
    message::GroupNo,
    seqs::{self, SeqSet},
};
use crate::base::id::MessageSeq;
use hashbrown::HashTable;
use std::{
    collections::{BTreeSet, btree_set},
    hash::{BuildHasher, RandomState},
    iter::Copied,
    num::NonZeroU32,
    sync::Arc,
};

#[derive(Debug, Default)]
pub(super) struct Groups {
    /// By name; the names stand in the groups only.
    numbers: HashTable<GroupNo>,
    hasher: RandomState,
    groups: Vec<Option<Group>>,
    free: Vec<GroupNo>,
    heads: BTreeSet<(MessageSeq, GroupNo)>,
    with_leases: usize,
}

#[derive(Debug)]
struct Group {
    name: Arc<str>,
    held: u32,
    in_flight: u32,
    members: SeqSet,
    /// What stands in `heads` for this group; zero: nothing.
    head: MessageSeq,
    /// No message above this one was ever in flight.
    last_leased: MessageSeq,
}

// A queue may have as many groups as messages.
const _: () = assert!(size_of::<Option<Group>>() <= 56);

fn at(groups: &[Option<Group>], no: GroupNo) -> Option<&Group> {
    groups.get(no.0.get() as usize - 1)?.as_ref()
}

impl Groups {
    fn get(&self, no: GroupNo) -> Option<&Group> {
        at(&self.groups, no)
    }

    fn get_mut(&mut self, no: GroupNo) -> Option<&mut Group> {
        self.groups.get_mut(no.0.get() as usize - 1)?.as_mut()
    }

    /// Counts one more message of the group.
    pub(super) fn hold(&mut self, name: &Arc<str>) -> GroupNo {
        let no = self.number(name).unwrap_or_else(|| self.found(name));
        if let Some(group) = self.get_mut(no) {
            group.held += 1;
        }
        no
    }

    /// A new group, of no message yet.
    fn found(&mut self, name: &Arc<str>) -> GroupNo {
        let none = MessageSeq(0);
        let (name, members) = (name.clone(), SeqSet::default());
        let hash = self.hasher.hash_one(&*name);
        let group = Group { name, held: 0, in_flight: 0, members, head: none, last_leased: none };
        let no = self.free.pop().unwrap_or_else(|| {
            self.groups.push(None);
            let count = u32::try_from(self.groups.len()).unwrap_or(u32::MAX);
            GroupNo(NonZeroU32::new(count).unwrap_or(NonZeroU32::MAX))
        });
        if let Some(slot) = self.groups.get_mut(no.0.get() as usize - 1) {
            *slot = Some(group);
        }
        let (groups, hasher) = (&self.groups, &self.hasher);
        let rehash = |no: &GroupNo| at(groups, *no).map_or(0, |group| hasher.hash_one(&*group.name));
        self.numbers.insert_unique(hash, no, rehash);
        no
    }

    /// Counts one message less; the last one takes the group with it.
    pub(super) fn release(&mut self, no: GroupNo) {
        let Some(group) = self.get_mut(no) else { return };
        group.held -= 1;
        if group.held > 0 {
            return;
        }
        let name = group.name.clone();
        let hash = self.hasher.hash_one(&*name);
        if let Ok(entry) = self.numbers.find_entry(hash, |known| *known == no) {
            entry.remove();
        }
        if let Some(slot) = self.groups.get_mut(no.0.get() as usize - 1) {
            *slot = None;
        }
        self.free.push(no);
    }

    pub(super) fn number(&self, name: &str) -> Option<GroupNo> {
        let is_it = |no: &GroupNo| at(&self.groups, *no).is_some_and(|group| &*group.name == name);
        self.numbers.find(self.hasher.hash_one(name), is_it).copied()
    }

    pub(super) fn name(&self, no: GroupNo) -> Option<&Arc<str>> {
        self.get(no).map(|group| &group.name)
    }

    pub(super) fn join(&mut self, no: GroupNo, seq: MessageSeq) {
        if let Some(group) = self.get_mut(no) {
            group.members.insert(seq);
        }
    }

    pub(super) fn leave(&mut self, no: GroupNo, seq: MessageSeq) {
        if let Some(group) = self.get_mut(no) {
            group.members.remove(seq);
        }
    }

    pub(super) fn first(&self, no: GroupNo) -> Option<MessageSeq> {
        self.get(no)?.members.first()
    }

    /// Says which ready message leads the group, if one does.
    pub(super) fn set_head(&mut self, no: GroupNo, head: Option<MessageSeq>) {
        let Some(group) = self.get_mut(no) else { return };
        let head = head.unwrap_or(MessageSeq(0));
        let before = std::mem::replace(&mut group.head, head);
        if before == head {
            return;
        }
        if before != MessageSeq(0) {
            self.heads.remove(&(before, no));
        }
        if head != MessageSeq(0) {
            self.heads.insert((head, no));
        }
    }

    pub(super) fn lease(&mut self, no: GroupNo, seq: MessageSeq) {
        let Some(group) = self.get_mut(no) else { return };
        group.last_leased = group.last_leased.max(seq);
        group.in_flight += 1;
        self.with_leases += usize::from(group.in_flight == 1);
    }

    pub(super) fn unlease(&mut self, no: GroupNo) {
        let Some(group) = self.get_mut(no) else { return };
        group.in_flight -= 1;
        self.with_leases -= usize::from(group.in_flight == 0);
    }

    pub(super) fn in_flight(&self, no: GroupNo) -> usize {
        self.get(no).map_or(0, |group| group.in_flight as usize)
    }

    /// How many groups have a message in flight.
    pub(super) fn with_leases(&self) -> usize {
        self.with_leases
    }

    pub(super) fn has_ready(&self) -> bool {
        !self.heads.is_empty()
    }

    /// The groups that could give a message, the one with the oldest first.
    pub(super) fn heads(&self) -> Copied<btree_set::Iter<'_, (MessageSeq, GroupNo)>> {
        self.heads.iter().copied()
    }

    /// The group's members from `from` on.
    pub(super) fn members_from(&self, no: GroupNo, from: MessageSeq) -> Option<seqs::Iter<'_>> {
        self.get(no).map(|group| group.members.iter_from(from))
    }

    /// The group's members from `from` on that may be in flight: behind them nobody need look.
    pub(super) fn leased_from(&self, no: GroupNo, from: MessageSeq) -> impl Iterator<Item = MessageSeq> {
        let group = self.get(no);
        let last = group.map_or(MessageSeq(0), |group| group.last_leased);
        let members = group.map(|group| group.members.iter_from(from));
        members.into_iter().flatten().take_while(move |seq| *seq <= last)
    }

    /// What the groups take on the heap, about.
    pub(super) fn heap_bytes(&self) -> usize {
        let groups = self.groups.iter().flatten();
        let own: usize = groups.map(|group| 16 + group.name.len() + group.members.heap_bytes()).sum();
        // A tree's nodes are half full at worst.
        let heads = 2 * self.heads.len() * size_of::<(MessageSeq, GroupNo)>();
        own + heads + self.groups.capacity() * size_of::<Option<Group>>() + self.numbers.allocation_size()
    }
}
