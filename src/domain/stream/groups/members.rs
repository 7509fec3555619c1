//! Coming, staying and going.

use super::{
    event::Event,
    machine::{Group, MemberId},
};
use crate::{
    base::{limits, time::Timestamp},
    domain::stream::sequence::{SequenceNumber, ShardId},
};
use std::{sync::Arc, time::Duration};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupError {
    #[error("the group has {0} members")]
    HasMembers(usize),
    #[error("the group has {limit} members, as many as it may")]
    TooManyMembers { limit: usize },
    #[error("a session timeout of {} s is not of {} to {} s", .0.as_secs(), limits::SESSION_TIMEOUT_MIN.as_secs(), limits::SESSION_TIMEOUT_MAX.as_secs())]
    SessionTimeout(Duration),
    #[error("the member has left, or was given up")]
    MemberGone,
    #[error("{shard} is not the member's under generation {generation}; the newest is {newest}")]
    Fenced { shard: ShardId, generation: u64, newest: u64 },
    #[error("{shard} is processed up to {checkpoint}, which is behind {asked}")]
    Backwards { shard: ShardId, checkpoint: SequenceNumber, asked: SequenceNumber },
    #[error("the sequence number is one of {encoded}, not of {shard}")]
    OtherShard { encoded: ShardId, shard: ShardId },
    #[error("the sequence number {0} is above every record's")]
    NotYet(SequenceNumber),
    #[error("there is no {0}")]
    ShardNotFound(ShardId),
}

#[derive(Clone, Debug)]
pub struct Join {
    /// Shown to operators.
    pub consumer_name: Arc<str>,
    /// Not heard of for so long, the member loses its shards.
    pub session_timeout: Duration,
}

impl Group {
    pub fn join(&self, now: Timestamp, request: &Join) -> Result<Event, GroupError> {
        let Join { consumer_name, session_timeout } = request.clone();
        if !(limits::SESSION_TIMEOUT_MIN..=limits::SESSION_TIMEOUT_MAX).contains(&session_timeout) {
            return Err(GroupError::SessionTimeout(session_timeout));
        }
        let limit = limits::GROUP_MEMBERS_MAX;
        if self.members.len() >= limit {
            return Err(GroupError::TooManyMembers { limit });
        }
        Ok(Event::MemberJoined { member: MemberId(self.next_member), consumer_name, session_timeout, at: now })
    }

    /// The member says that it is there. No event: a start begins all sessions anew.
    pub fn touch(&mut self, now: Timestamp, member: MemberId) -> Result<(), GroupError> {
        let member = self.members.get_mut(&member).ok_or(GroupError::MemberGone)?;
        member.seen_at = member.seen_at.max(now);
        Ok(())
    }

    /// As if every member had just been heard of: what a start calls.
    pub fn begin_sessions(&mut self, now: Timestamp) {
        self.members.values_mut().for_each(|member| member.seen_at = member.seen_at.max(now));
    }

    /// None: it is gone.
    pub fn leave(&self, now: Timestamp, member: MemberId) -> Option<Event> {
        self.members.contains_key(&member).then_some(Event::MemberLeft { member, at: now })
    }

    /// Members not heard of for too long, and shards that were not given up in time.
    pub fn expire(&self, now: Timestamp) -> Vec<Event> {
        let silent = self.members.iter().filter(|(_, member)| member.seen_at + member.session_timeout <= now);
        let mut events: Vec<_> = silent.map(|(member, _)| Event::MemberLeft { member: *member, at: now }).collect();
        let overdue = self.leases.iter().filter(|(_, lease)| lease.revoked_until.is_some_and(|until| until <= now));
        events.extend(overdue.map(|(shard, lease)| Event::Freed { shard: *shard, generation: lease.generation }));
        events
    }

    /// When `expire` has something to do.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let sessions = self.members.values().map(|member| member.seen_at + member.session_timeout);
        sessions.chain(self.leases.values().filter_map(|lease| lease.revoked_until)).min()
    }

    /// Whether the group may be deleted or moved elsewhere.
    pub fn check_empty(&self) -> Result<(), GroupError> {
        match self.members.len() {
            0 => Ok(()),
            members => Err(GroupError::HasMembers(members)),
        }
    }

    /// The member gives a shard up; nothing more will be committed for it.
    pub fn release(&self, member: MemberId, shard: ShardId, generation: u64) -> Result<Event, GroupError> {
        self.check_owner(member, shard, generation)?;
        Ok(Event::Freed { shard, generation })
    }

    pub(super) fn check_owner(&self, member: MemberId, shard: ShardId, generation: u64) -> Result<(), GroupError> {
        if !self.members.contains_key(&member) {
            return Err(GroupError::MemberGone);
        }
        let lease = self.lease(shard);
        let owned = lease.owner == Some(member) && lease.generation == generation;
        owned.then_some(()).ok_or(GroupError::Fenced { shard, generation, newest: lease.generation })
    }
}
