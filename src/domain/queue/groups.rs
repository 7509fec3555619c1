//! Message groups: a FIFO queue's order scopes, a standard queue's tenants.
//!
//! Names are interned; a group lives as long as the queue holds a message of it. `members` are all messages of the group
//! on a FIFO queue, and the ready ones on a standard queue. `heads` holds each group whose first member is ready, by
//! that member. Numbers differ between a queue and its restored twin, so no order depends on them.

use super::message::GroupNo;
use crate::base::id::MessageSeq;
use std::{
    collections::{BTreeSet, HashMap, btree_set},
    iter::Copied,
    num::NonZeroU32,
    sync::Arc,
};

#[derive(Debug, Default)]
pub(super) struct Groups {
    numbers: HashMap<Arc<str>, GroupNo>,
    groups: Vec<Option<Group>>,
    free: Vec<GroupNo>,
    heads: BTreeSet<(MessageSeq, GroupNo)>,
    with_leases: usize,
}

#[derive(Debug)]
struct Group {
    name: Arc<str>,
    held: usize,
    in_flight: usize,
    members: BTreeSet<MessageSeq>,
    /// What stands in `heads` for this group.
    head: Option<MessageSeq>,
}

impl Groups {
    fn get(&self, no: GroupNo) -> Option<&Group> {
        self.groups.get(no.0.get() as usize - 1)?.as_ref()
    }

    fn get_mut(&mut self, no: GroupNo) -> Option<&mut Group> {
        self.groups.get_mut(no.0.get() as usize - 1)?.as_mut()
    }

    /// Counts one more message of the group.
    pub(super) fn hold(&mut self, name: &Arc<str>) -> GroupNo {
        if let Some(&no) = self.numbers.get(name) {
            if let Some(group) = self.get_mut(no) {
                group.held += 1;
            }
            return no;
        }
        let group = Group { name: name.clone(), held: 1, in_flight: 0, members: BTreeSet::new(), head: None };
        let no = self.free.pop().unwrap_or_else(|| {
            self.groups.push(None);
            let count = u32::try_from(self.groups.len()).unwrap_or(u32::MAX);
            GroupNo(NonZeroU32::new(count).unwrap_or(NonZeroU32::MAX))
        });
        if let Some(slot) = self.groups.get_mut(no.0.get() as usize - 1) {
            *slot = Some(group);
        }
        self.numbers.insert(name.clone(), no);
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
        self.numbers.remove(&name);
        if let Some(slot) = self.groups.get_mut(no.0.get() as usize - 1) {
            *slot = None;
        }
        self.free.push(no);
    }

    pub(super) fn number(&self, name: &str) -> Option<GroupNo> {
        self.numbers.get(name).copied()
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
            group.members.remove(&seq);
        }
    }

    pub(super) fn first(&self, no: GroupNo) -> Option<MessageSeq> {
        self.get(no)?.members.first().copied()
    }

    /// Says which ready message leads the group, if one does.
    pub(super) fn set_head(&mut self, no: GroupNo, head: Option<MessageSeq>) {
        let Some(group) = self.get_mut(no) else { return };
        let before = std::mem::replace(&mut group.head, head);
        if before == head {
            return;
        }
        if let Some(seq) = before {
            self.heads.remove(&(seq, no));
        }
        if let Some(seq) = head {
            self.heads.insert((seq, no));
        }
    }

    pub(super) fn lease(&mut self, no: GroupNo) {
        let Some(group) = self.get_mut(no) else { return };
        group.in_flight += 1;
        self.with_leases += usize::from(group.in_flight == 1);
    }

    pub(super) fn unlease(&mut self, no: GroupNo) {
        let Some(group) = self.get_mut(no) else { return };
        group.in_flight -= 1;
        self.with_leases -= usize::from(group.in_flight == 0);
    }

    pub(super) fn in_flight(&self, no: GroupNo) -> usize {
        self.get(no).map_or(0, |group| group.in_flight)
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
    pub(super) fn members_from(
        &self,
        no: GroupNo,
        from: MessageSeq,
    ) -> Option<Copied<btree_set::Range<'_, MessageSeq>>> {
        self.get(no).map(|group| group.members.range(from..).copied())
    }
}
