//! Sharing out the shards: evenly, with the fewest moves, parents before their children.

use super::{
    event::Event,
    machine::{Group, Lease, MemberId},
};
use crate::{
    base::time::Timestamp,
    domain::stream::{machine::Stream, sequence::ShardId, shards::Shard},
};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

impl Group {
    /// Gives out what nobody has, asks for what somebody has too much of, and takes back what is processed whole.
    /// `grace`: how long an owner may take to give a shard up. Calling it again changes nothing until something happened.
    pub fn assign(&self, now: Timestamp, stream: &Stream, grace: Duration) -> Vec<Event> {
        let mut shares = Shares::of(self, self.open_work(now, stream));
        let mut events = shares.give_back();
        for ((shard, member), generation) in shares.give_out().into_iter().zip(self.generation + 1..) {
            events.push(Event::Assigned { shard, member, generation, at: now });
        }
        for (shard, lease) in shares.ask_back() {
            events.push(Event::Revoked { shard, generation: lease.generation, until: now + grace });
        }
        events
    }

    /// Shards that can be read now: not processed whole, while their parents are. A shard without records counts as
    /// processed only after its parents, or else its children would come before them.
    fn open_work(&self, now: Timestamp, stream: &Stream) -> BTreeSet<ShardId> {
        let (mut work, mut done) = (BTreeSet::new(), BTreeSet::new());
        for shard in stream.shards.iter().filter(|shard| stream.readable_shard(now, shard.id).is_some()) {
            let mut parents = shard.parents().filter(|id| stream.readable_shard(now, *id).is_some());
            if parents.all(|parent| done.contains(&parent)) {
                let set = if self.is_read(shard) { &mut done } else { &mut work };
                set.insert(shard.id);
            }
        }
        work
    }

    /// Whether all records that a shard will ever have are processed.
    pub fn is_read(&self, shard: &Shard) -> bool {
        let next = self.lease(shard.id).next_index().unwrap_or(1).max(shard.first_index);
        !shard.is_open() && next > shard.last_index
    }

    /// Shards that the stream forgot.
    pub fn forget(&self, stream: &Stream) -> Vec<Event> {
        let gone = self.leases.keys().filter(|shard| stream.shard(**shard).is_none());
        gone.map(|shard| Event::ShardForgotten { shard: *shard }).collect()
    }
}

/// Who has what of the work.
struct Shares<'a> {
    group: &'a Group,
    work: BTreeSet<ShardId>,
    /// What each member keeps: not what it was asked to give up.
    owned: BTreeMap<MemberId, BTreeSet<ShardId>>,
}

impl<'a> Shares<'a> {
    fn of(group: &'a Group, work: BTreeSet<ShardId>) -> Self {
        let mut owned: BTreeMap<_, BTreeSet<_>> =
            group.members.keys().map(|member| (*member, BTreeSet::new())).collect();
        for shard in &work {
            let lease = group.lease(*shard);
            if let Some(shards) =
                lease.owner.filter(|_| lease.revoked_until.is_none()).and_then(|id| owned.get_mut(&id))
            {
                shards.insert(*shard);
            }
        }
        Self { group, work, owned }
    }

    /// Owned shards that are no work any more.
    fn give_back(&self) -> Vec<Event> {
        let idle =
            self.group.leases.iter().filter(|(shard, lease)| lease.owner.is_some() && !self.work.contains(shard));
        idle.map(|(shard, lease)| Event::Freed { shard: *shard, generation: lease.generation }).collect()
    }

    /// How many shards each member should have: as even as can be, the odd ones with those who have most already.
    fn quotas(&self) -> BTreeMap<MemberId, usize> {
        let members = self.owned.len().max(1);
        let (least, odd) = (self.work.len() / members, self.work.len() % members);
        let mut by_count: Vec<_> = self.owned.iter().map(|(member, shards)| (Reverse(shards.len()), *member)).collect();
        by_count.sort();
        let quota = |place: usize| least + usize::from(place < odd);
        by_count.into_iter().enumerate().map(|(place, (_, member))| (member, quota(place))).collect()
    }

    /// Shards without an owner, oldest first, to whoever has the fewest.
    fn give_out(&mut self) -> Vec<(ShardId, MemberId)> {
        let free: Vec<_> = self.work.iter().copied().filter(|shard| self.group.lease(*shard).owner.is_none()).collect();
        let mut given = Vec::new();
        for shard in free {
            let fewest = self.owned.iter_mut().min_by_key(|(member, shards)| (shards.len(), **member));
            let Some((member, shards)) = fewest else { return given };
            shards.insert(shard);
            given.push((shard, *member));
        }
        given
    }

    /// What is above a member's quota, its newest shards first.
    fn ask_back(&self) -> Vec<(ShardId, Lease)> {
        let quotas = self.quotas();
        let above = self.owned.iter().flat_map(|(member, shards)| {
            let quota = quotas.get(member).copied().unwrap_or(0);
            shards.iter().rev().take(shards.len().saturating_sub(quota))
        });
        above.map(|shard| (*shard, self.group.lease(*shard))).collect()
    }
}
