//! Consumer groups.

use super::parts::{millis, number_from, shard_number_from, shard_number_to};
use crate::{
    base::time::Timestamp,
    domain::stream::{
        ShardId,
        groups::{Event, Head, Lease, Member, MemberId},
    },
    engine::journal::DecodeError,
    proto::storage::v1::{self as wire, group_changed::Event as WireEvent},
};
use std::{sync::Arc, time::Duration};

pub(super) fn event_to(event: &Event) -> WireEvent {
    match event {
        Event::MemberJoined { member, consumer_name, session_timeout, at } => {
            WireEvent::MemberJoined(wire::MemberJoined {
                member: member.0,
                consumer_name: consumer_name.to_string(),
                session_timeout_ms: millis(*session_timeout),
                at_ms: at.0,
            })
        }
        Event::MemberLeft { member, at } => WireEvent::MemberLeft(wire::MemberLeft { member: member.0, at_ms: at.0 }),
        Event::Assigned { shard, member, generation, at } => WireEvent::Assigned(wire::ShardAssigned {
            shard: shard.0,
            member: member.0,
            generation: *generation,
            at_ms: at.0,
        }),
        Event::Revoked { shard, generation, until } => {
            let (shard, generation, until_ms) = (shard.0, *generation, until.0);
            WireEvent::Revoked(wire::ShardRevoked { shard, generation, until_ms })
        }
        Event::Freed { shard, generation } => {
            WireEvent::Freed(wire::ShardFreed { shard: shard.0, generation: *generation })
        }
        Event::Committed { shard, number, at } => {
            WireEvent::Committed(wire::Committed { number: Some(shard_number_to(*shard, *number)), at_ms: at.0 })
        }
        Event::Sought { to, at } => WireEvent::Sought(wire::Sought {
            to: to.iter().map(|(shard, number)| shard_number_to(*shard, *number)).collect(),
            at_ms: at.0,
        }),
        Event::ShardForgotten { shard } => WireEvent::ShardForgotten(shard.0),
    }
}

pub(super) fn event_from(event: Option<WireEvent>) -> Result<Event, DecodeError> {
    Ok(match event.ok_or(DecodeError::Missing("event"))? {
        WireEvent::MemberJoined(joined) => Event::MemberJoined {
            member: MemberId(joined.member),
            consumer_name: joined.consumer_name.into(),
            session_timeout: Duration::from_millis(joined.session_timeout_ms),
            at: Timestamp(joined.at_ms),
        },
        WireEvent::MemberLeft(left) => Event::MemberLeft { member: MemberId(left.member), at: Timestamp(left.at_ms) },
        WireEvent::Assigned(assigned) => Event::Assigned {
            shard: ShardId(assigned.shard),
            member: MemberId(assigned.member),
            generation: assigned.generation,
            at: Timestamp(assigned.at_ms),
        },
        WireEvent::Revoked(revoked) => Event::Revoked {
            shard: ShardId(revoked.shard),
            generation: revoked.generation,
            until: Timestamp(revoked.until_ms),
        },
        WireEvent::Freed(freed) => Event::Freed { shard: ShardId(freed.shard), generation: freed.generation },
        WireEvent::Committed(committed) => {
            let number = committed.number.ok_or(DecodeError::Missing("sequence number"))?;
            let (shard, number) = shard_number_from(&number)?;
            Event::Committed { shard, number, at: Timestamp(committed.at_ms) }
        }
        WireEvent::Sought(sought) => Event::Sought {
            to: sought.to.iter().map(shard_number_from).collect::<Result<_, _>>()?,
            at: Timestamp(sought.at_ms),
        },
        WireEvent::ShardForgotten(shard) => Event::ShardForgotten { shard: ShardId(shard) },
    })
}

pub(crate) fn group_head_to(name: &str, head: &Head) -> wire::GroupHead {
    wire::GroupHead {
        name: name.into(),
        members: head.members.iter().map(|(id, member)| member_to(*id, member)).collect(),
        leases: head.leases.iter().map(|(shard, lease)| lease_to(*shard, lease)).collect(),
        next_member: head.next_member,
        generation: head.generation,
    }
}

pub(crate) fn group_head_from(head: wire::GroupHead) -> Result<(Arc<str>, Head), DecodeError> {
    let read = Head {
        members: head.members.into_iter().map(member_from).collect(),
        leases: head.leases.iter().map(lease_from).collect::<Result<_, _>>()?,
        next_member: head.next_member,
        generation: head.generation,
    };
    Ok((head.name.into(), read))
}

fn member_to(id: MemberId, member: &Member) -> wire::GroupMember {
    wire::GroupMember {
        id: id.0,
        consumer_name: member.consumer_name.to_string(),
        session_timeout_ms: millis(member.session_timeout),
        seen_at_ms: member.seen_at.0,
    }
}

fn member_from(member: wire::GroupMember) -> (MemberId, Member) {
    let read = Member {
        consumer_name: member.consumer_name.into(),
        session_timeout: Duration::from_millis(member.session_timeout_ms),
        seen_at: Timestamp(member.seen_at_ms),
    };
    (MemberId(member.id), read)
}

fn lease_to(shard: ShardId, lease: &Lease) -> wire::GroupLease {
    wire::GroupLease {
        shard: shard.0,
        checkpoint: lease.checkpoint.map(|number| number.to_string()),
        committed_at_ms: lease.committed_at.0,
        owner: lease.owner.map(|member| member.0),
        generation: lease.generation,
        revoked_until_ms: lease.revoked_until.map(|until| until.0),
    }
}

fn lease_from(lease: &wire::GroupLease) -> Result<(ShardId, Lease), DecodeError> {
    let read = Lease {
        checkpoint: lease.checkpoint.as_deref().map(number_from).transpose()?,
        committed_at: Timestamp(lease.committed_at_ms),
        owner: lease.owner.map(MemberId),
        generation: lease.generation,
        revoked_until: lease.revoked_until_ms.map(Timestamp),
    };
    Ok((ShardId(lease.shard), read))
}
