//! One member of a consumer group, and what it asks of its group.

use super::{fault::StreamFault, view::ShardView};
use crate::{
    base::{
        reason::{Reason, Refusal},
        time::Timestamp,
    },
    domain::stream::{
        SequenceNumber, ShardId,
        groups::{Commit, Event, Group, GroupError, Join, MemberId},
    },
    service::{
        broker::Broker,
        words::{Change, StreamHandle, View},
    },
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::sync::watch;

/// How a member comes.
#[derive(Clone, Debug)]
pub(super) struct Joining {
    pub(super) group: Arc<str>,
    pub(super) consumer_name: Arc<str>,
    pub(super) session_timeout: Duration,
    /// A new group begins behind the newest record of each shard there is.
    pub(super) from_tip: bool,
}

pub(super) struct Membership {
    broker: Arc<Broker>,
    stream: Arc<StreamHandle>,
    group: Arc<str>,
    pub(super) member: MemberId,
}

/// A shard that the member has.
#[derive(Clone, Debug)]
pub(super) struct Lease {
    pub(super) shard: ShardView,
    pub(super) generation: u64,
    pub(super) checkpoint: Option<SequenceNumber>,
    pub(super) revoked_until: Option<Timestamp>,
}

impl Membership {
    /// Joins the group, which begins with its first member.
    pub(super) async fn join(
        broker: &Arc<Broker>,
        stream: Arc<StreamHandle>,
        joining: Joining,
    ) -> Result<Self, Refusal> {
        let group = joining.group.clone();
        let joined = broker.change_stream(&stream, move |view| join(view, joining));
        let member = joined.await??;
        Ok(Self { broker: broker.clone(), stream, group, member })
    }

    pub(super) fn stream(&self) -> &StreamHandle {
        &self.stream
    }

    /// Changes with everything that may change the leases.
    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.broker.watch_stream(&self.stream)
    }

    /// The shards that the member has now.
    ///
    /// # Errors
    /// `GROUP_FENCED`: the group gave the member up.
    pub(super) async fn leases(&self) -> Result<Vec<Lease>, Refusal> {
        let (group, member) = (self.group.clone(), self.member);
        let leases = self.broker.ask_stream(&self.stream, move |view| {
            let group = view.groups.get(&group).filter(|group| group.members().any(|(id, _)| id == member));
            group.map(|group| leases(view, group, member))
        });
        leases.await?.ok_or_else(|| StreamFault::from(GroupError::MemberGone).into())
    }

    pub(super) async fn commit(&self, shard: ShardId, generation: u64, number: SequenceNumber) -> Result<(), Refusal> {
        let commit = Commit { member: self.member, shard, generation, number };
        self.change(move |view, group| group.commit(view.now, view.stream, &commit)).await
    }

    /// Gives a shard up.
    pub(super) async fn release(&self, shard: ShardId, generation: u64) {
        let member = self.member;
        self.told(self.change(move |_, group| group.release(member, shard, generation).map(Some)).await, "released");
    }

    pub(super) async fn leave(&self) {
        let member = self.member;
        self.told(self.change(move |view, group| Ok(group.leave(view.now, member))).await, "left");
    }

    /// Keeps the member's session alive.
    pub(super) async fn heard(&self) {
        let heard = Change::Heard { group: self.group.clone(), member: self.member };
        let changed = self.broker.change_stream(&self.stream, move |_| Ok::<_, GroupError>((vec![heard], ())));
        self.told(changed.await.map(drop), "heard of");
    }

    async fn change(
        &self,
        decide: impl FnOnce(&View<'_>, &Group) -> Result<Option<Event>, GroupError> + Send + 'static,
    ) -> Result<(), Refusal> {
        let name = self.group.clone();
        let changed = self.broker.change_stream(&self.stream, move |view| {
            let group = view.groups.get(&name).ok_or(GroupError::MemberGone)?;
            let event = decide(view, group)?;
            let change = event.map(|event| Change::Group { name, event });
            Ok::<_, StreamFault>((change.into_iter().collect(), ()))
        });
        Ok(changed.await??)
    }

    /// Nobody waits for the answer: the group finds out by itself, when the session times out at the latest.
    fn told(&self, result: Result<(), Refusal>, what: &str) {
        if let Err(refusal) = result
            && !matches!(refusal.reason, Reason::GroupFenced | Reason::StreamNotFound)
        {
            tracing::debug!(%refusal, group = &*self.group, member = self.member.0, "a member was not {what}");
        }
    }
}

fn join(view: &View<'_>, joining: Joining) -> Result<(Vec<Change>, MemberId), StreamFault> {
    let Joining { group: name, consumer_name, session_timeout, from_tip } = joining;
    let request = Join { consumer_name, session_timeout };
    let mut changes = Vec::new();
    let event = match view.groups.get(&name) {
        Some(group) => group.join(view.now, &request)?,
        None => {
            let starts = if from_tip { tips(view) } else { BTreeMap::new() };
            let event = Group::new(view.now, &starts).join(view.now, &request)?;
            changes.push(Change::GroupCreated { name: name.clone(), at: view.now, starts });
            event
        }
    };
    let Event::MemberJoined { member, .. } = event else {
        return Err(Refusal::new(Reason::Internal, "joining is something else").into());
    };
    changes.push(Change::Group { name, event });
    Ok((changes, member))
}

/// The number of the newest record of each shard.
fn tips(view: &View<'_>) -> BTreeMap<ShardId, SequenceNumber> {
    let partition = view.stream.partition();
    let tip = |shard: &crate::domain::stream::Shard| match shard.last_index {
        0 => shard.starting_number(partition),
        last => shard.number(last, partition, shard.last_arrival),
    };
    view.stream.shards().map(|shard| (shard.id, tip(shard))).collect()
}

fn leases(view: &View<'_>, group: &Group, member: MemberId) -> Vec<Lease> {
    let mine = group.leases().filter(|(_, lease)| lease.owner == Some(member));
    let lease = |(shard, lease): (ShardId, &crate::domain::stream::groups::Lease)| {
        Some(Lease {
            shard: ShardView::of(view.stream, view.stream.shard(shard)?),
            generation: lease.generation,
            checkpoint: lease.checkpoint,
            revoked_until: lease.revoked_until,
        })
    };
    mine.filter_map(lease).collect()
}
