//! Consumer groups as those see them who do not belong: reading, listing, moving and deleting them.

use super::{
    fault::StreamFault,
    readers::{self, Place},
    view::Page,
};
use crate::{
    base::{
        id::PartitionId,
        reason::{Reason, Refusal},
        stream_name::{StreamName, StreamPath},
    },
    domain::stream::{
        Position, SequenceNumber, ShardId,
        groups::{Group, Lease, Member, MemberId, Sought},
    },
    service::{
        authorise::Action,
        broker::{Broker, Caller},
        check,
        words::{Change, StreamHandle, View},
    },
};
use std::{ops::Bound, sync::Arc};

/// A group as it is now.
#[derive(Clone, Debug)]
pub struct GroupView {
    pub stream: StreamPath,
    pub name: Arc<str>,
    pub checkpoints: Vec<Checkpoint>,
    pub members: Vec<(MemberId, Member)>,
}

#[derive(Clone, Debug)]
pub struct Checkpoint {
    pub shard: ShardId,
    pub lease: Lease,
    /// Stored records behind it.
    pub lag_records: u64,
}

#[derive(Clone, Debug, Default)]
pub struct ListGroups {
    pub stream: String,
    pub page_size: i64,
    pub page_token: String,
}

#[derive(Clone, Debug)]
pub struct SeekGroup {
    pub name: String,
    pub position: Position,
    /// Empty: all; with a sequence number: the shard of it.
    pub shards: Vec<ShardId>,
    /// Says what would be done, and does nothing.
    pub validate_only: bool,
}

impl Broker {
    pub async fn get_group(&self, caller: &Caller, name: &str) -> Result<GroupView, Refusal> {
        let (stream, group) = self.group_for(caller, Action::GetGroup, name)?;
        let path = stream.path().clone();
        self.ask_stream(&stream, move |view| view_of(&path, view, &group)).await?
    }

    pub async fn list_groups(&self, caller: &Caller, request: ListGroups) -> Result<Page<GroupView>, Refusal> {
        let stream = self.stream_for(caller, Action::ListGroups, "stream", &request.stream)?;
        let size = check::page_size(request.page_size)?;
        let after = match request.page_token.as_str() {
            "" => None,
            token => Some(group_name("page_token", token).map_err(|_| check::page_token(token))?),
        };
        let path = stream.path().clone();
        let list = move |view: &View<'_>| {
            let from = after.map_or(Bound::Unbounded, Bound::Excluded);
            let mut names = view.groups.range::<Arc<str>, _>((from, Bound::Unbounded)).map(|(name, _)| name);
            let items =
                names.by_ref().take(size).map(|name| view_of(&path, view, name)).collect::<Result<Vec<_>, _>>()?;
            let next = items.last().filter(|_| names.next().is_some()).map(|last| last.name.to_string());
            Ok(Page { items, next_page_token: next.unwrap_or_default() })
        };
        self.ask_stream(&stream, list).await?
    }

    /// Moves the checkpoints of a group without members: the group, and what that does or would do.
    pub async fn seek_group(&self, caller: &Caller, request: SeekGroup) -> Result<(GroupView, Vec<Sought>), Refusal> {
        let action = if request.validate_only { Action::GetGroup } else { Action::SeekGroup };
        let (stream, name) = self.group_for(caller, action, &request.name)?;
        let targets = self.targets(&stream, &request).await?;
        let path = stream.path().clone();
        let only_look = request.validate_only;
        let sought = self.change_stream(&stream, move |view| {
            let group = find(&path, view, &name)?;
            let sought = group.preview_seek(view.stream, &targets)?;
            if only_look {
                return Ok::<_, StreamFault>((Vec::new(), (view_of(&path, view, &name)?, sought)));
            }
            let event = group.seek(view.now, view.stream, &targets)?;
            let mut after = group.clone();
            after.apply(&event);
            let shown = shown(&path, view, &name, &after);
            Ok((vec![Change::Group { name, event }], (shown, sought)))
        });
        Ok(sought.await??)
    }

    pub async fn delete_group(&self, caller: &Caller, name: &str) -> Result<(), Refusal> {
        let (stream, name) = self.group_for(caller, Action::DeleteGroup, name)?;
        let path = stream.path().clone();
        let deleted = self.change_stream(&stream, move |view| {
            find(&path, view, &name)?.check_empty()?;
            Ok::<_, StreamFault>((vec![Change::GroupRemoved { name }], ()))
        });
        Ok(deleted.await??)
    }

    /// Up to where each shard is to count as processed.
    async fn targets(
        &self,
        stream: &StreamHandle,
        request: &SeekGroup,
    ) -> Result<Vec<(ShardId, SequenceNumber)>, Refusal> {
        let (position, mut shards) = (request.position, request.shards.clone());
        if let (Position::At(number) | Position::After(number), true) = (position, shards.is_empty()) {
            shards.push(number.shard);
        }
        let places = self.ask_stream(stream, move |view| {
            let chosen = view.stream.shards().filter(|shard| match shards.is_empty() {
                true => view.stream.readable_shard(view.now, shard.id).is_some(),
                false => shards.contains(&shard.id),
            });
            let mut places = Vec::new();
            for shard in chosen {
                places.push(Place::new(view.stream.cursor(view.now, shard.id, &position)?, shard.created));
            }
            let missing = shards.iter().find(|id| view.stream.shard(**id).is_none());
            match missing {
                Some(id) => Err(crate::domain::stream::StreamError::ShardNotFound(*id).into()),
                None => Ok::<_, StreamFault>(places),
            }
        });
        let mut targets = Vec::new();
        for place in places.await?? {
            targets.push(self.target(stream, place, stream.partition()).await?);
        }
        Ok(targets)
    }

    /// The number in front of the first record at a place, which is looked for if the place is a moment.
    async fn target(
        &self,
        stream: &StreamHandle,
        mut place: Place,
        partition: PartitionId,
    ) -> Result<(ShardId, SequenceNumber), Refusal> {
        place.cursor.index = readers::first_index(self, stream, place.cursor).await?;
        Ok((place.cursor.shard, place.number_before(partition)))
    }

    /// Reads `STREAM/groups/GROUP`, asks whether the caller may, and finds the stream.
    fn group_for(&self, caller: &Caller, action: Action, name: &str) -> Result<(Arc<StreamHandle>, Arc<str>), Refusal> {
        const RULE: &str = "a stream's name, /groups/ and a group's id";
        let found = || format!("{:?}", check::shorten(name));
        let (stream, group) = name.rsplit_once("/groups/").ok_or_else(|| check::outside("name", found(), RULE))?;
        let group = group_name("name", group)?;
        Ok((self.stream_for(caller, action, "name", stream)?, group))
    }
}

/// Reads a group's id.
pub(super) fn group_name(field: &'static str, text: &str) -> Result<Arc<str>, Refusal> {
    let invalid = |_| check::outside(field, format!("{:?}", check::shorten(text)), StreamName::RULE);
    StreamName::parse(text).map(|name| name.as_str().into()).map_err(invalid)
}

fn find<'a>(stream: &StreamPath, view: &View<'a>, name: &str) -> Result<&'a Group, Refusal> {
    view.groups.get(name).ok_or_else(|| {
        let message = format!("stream {} has no group {name:?}", stream.name);
        Refusal::new(Reason::StreamPartNotFound, message).with("group", name)
    })
}

fn view_of(stream: &StreamPath, view: &View<'_>, name: &Arc<str>) -> Result<GroupView, Refusal> {
    Ok(shown(stream, view, name, find(stream, view, name)?))
}

fn shown(stream: &StreamPath, view: &View<'_>, name: &Arc<str>, group: &Group) -> GroupView {
    let checkpoint = |(shard, lease): (ShardId, &Lease)| Checkpoint {
        shard,
        lease: *lease,
        lag_records: group.lag_records(view.stream, shard),
    };
    GroupView {
        stream: stream.clone(),
        name: name.clone(),
        checkpoints: group.leases().map(checkpoint).collect(),
        members: group.members().map(|(id, member)| (id, member.clone())).collect(),
    }
}
