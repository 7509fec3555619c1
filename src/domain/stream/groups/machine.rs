//! The group: what it holds, how events change it, and how a checkpoint keeps it.
//!
//! When a member was last heard of is memory only: a start gives everybody a new session, which those who are gone let
//! pass.
//! Absent on purpose: records, connections, and which shards there are, which the stream says.

use super::event::Event;
use crate::{
    base::time::Timestamp,
    domain::stream::sequence::{SequenceNumber, ShardId},
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// One connection of a reader; never reused in its group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId(pub u64);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub consumer_name: Arc<str>,
    pub session_timeout: Duration,
    /// When it was last heard of.
    pub seen_at: Timestamp,
}

/// What the group knows of one shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lease {
    /// All records up to this one are processed. None: from the group's beginning.
    pub checkpoint: Option<SequenceNumber>,
    pub committed_at: Timestamp,
    pub owner: Option<MemberId>,
    /// Of the last assignment.
    pub generation: u64,
    /// Set when the owner was asked to give it up: then it loses the shard.
    pub revoked_until: Option<Timestamp>,
}

#[derive(Clone, Debug, Default)]
pub struct Group {
    pub(super) members: BTreeMap<MemberId, Member>,
    pub(super) leases: BTreeMap<ShardId, Lease>,
    pub(super) next_member: u64,
    /// Of the last assignment of any shard.
    pub(super) generation: u64,
}

/// Everything of a group. Its size follows members and shards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    pub members: Vec<(MemberId, Member)>,
    pub leases: Vec<(ShardId, Lease)>,
    pub next_member: u64,
    pub generation: u64,
}

impl Group {
    /// `starts`: up to where each shard that there is counts as processed; none for those to be read from their first
    /// record or from a moment. A later shard is read from its first record.
    pub fn new(now: Timestamp, starts: &BTreeMap<ShardId, SequenceNumber>) -> Self {
        let lease =
            |number: &SequenceNumber| Lease { checkpoint: Some(*number), committed_at: now, ..Lease::default() };
        Self { leases: starts.iter().map(|(shard, number)| (*shard, lease(number))).collect(), ..Self::default() }
    }

    pub fn members(&self) -> impl Iterator<Item = (MemberId, &Member)> {
        self.members.iter().map(|(id, member)| (*id, member))
    }

    /// Every shard that was ever given out or begun, by id.
    pub fn leases(&self) -> impl Iterator<Item = (ShardId, &Lease)> {
        self.leases.iter().map(|(shard, lease)| (*shard, lease))
    }

    pub fn lease(&self, shard: ShardId) -> Lease {
        self.leases.get(&shard).copied().unwrap_or_default()
    }

    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::MemberJoined { member, consumer_name, session_timeout, at } => {
                self.next_member = self.next_member.max(member.0 + 1);
                let (consumer_name, session_timeout) = (consumer_name.clone(), *session_timeout);
                self.members.insert(*member, Member { consumer_name, session_timeout, seen_at: *at });
            }
            Event::MemberLeft { member, .. } => {
                self.members.remove(member);
                self.leases.values_mut().filter(|lease| lease.owner == Some(*member)).for_each(Lease::free);
            }
            Event::Assigned { shard, member, generation, .. } => {
                self.generation = self.generation.max(*generation);
                let lease = self.leases.entry(*shard).or_default();
                *lease = Lease { owner: Some(*member), generation: *generation, revoked_until: None, ..*lease };
            }
            Event::Revoked { shard, generation, until } => {
                if let Some(lease) = self.held(*shard, *generation) {
                    lease.revoked_until = Some(*until);
                }
            }
            Event::Freed { shard, generation } => {
                if let Some(lease) = self.held(*shard, *generation) {
                    lease.free();
                }
            }
            Event::Committed { shard, number, at } => self.process(*shard, *number, *at),
            Event::Sought { to, at } => to.iter().for_each(|(shard, number)| self.process(*shard, *number, *at)),
            Event::ShardForgotten { shard } => {
                self.leases.remove(shard);
            }
        }
    }

    fn held(&mut self, shard: ShardId, generation: u64) -> Option<&mut Lease> {
        self.leases.get_mut(&shard).filter(|lease| lease.generation == generation && lease.owner.is_some())
    }

    fn process(&mut self, shard: ShardId, number: SequenceNumber, at: Timestamp) {
        let lease = self.leases.entry(shard).or_default();
        lease.checkpoint = Some(number);
        lease.committed_at = at;
    }

    pub fn head(&self) -> Head {
        Head {
            members: self.members.iter().map(|(id, member)| (*id, member.clone())).collect(),
            leases: self.leases.iter().map(|(shard, lease)| (*shard, *lease)).collect(),
            next_member: self.next_member,
            generation: self.generation,
        }
    }

    pub fn from_head(head: Head) -> Self {
        Self {
            members: head.members.into_iter().collect(),
            leases: head.leases.into_iter().collect(),
            next_member: head.next_member,
            generation: head.generation,
        }
    }
}

impl Lease {
    fn free(&mut self) {
        self.owner = None;
        self.revoked_until = None;
    }

    /// The first record that is not processed. None: from the group's beginning.
    pub fn next_index(&self) -> Option<u64> {
        self.checkpoint.map(|number| number.index.saturating_add(1))
    }
}
