//! Changing a stream: its settings, its shards, its end.

use super::{
    call::CreateStream,
    fault::StreamFault,
    view::{self, ShardView, StreamView, check_etag},
};
use crate::{
    base::{
        limits,
        name::NameError,
        reason::{Reason, Refusal},
        stream_name::StreamName,
        time::Timestamp,
    },
    domain::{
        policy::{document::Policy, statement::Owner},
        stream::{
            ShardId, Stream,
            event::{Change as Kind, Event, SettingsChanged},
            hash::HashKey,
            settings::{Mode, Settings, Status, Tags},
        },
    },
    service::{
        authorise::Action,
        broker::{Broker, Caller},
        check,
        words::{Change, View},
    },
};
use std::{collections::BTreeSet, time::Duration};
use tokio::time::sleep;

/// What to change of a stream. `None`: it stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamFields {
    pub retention: Option<Duration>,
    pub record_bytes_max: Option<u32>,
    pub on_demand: Option<bool>,
    pub warm_throughput: Option<u32>,
    /// Empty: none.
    pub policy: Option<String>,
    pub tags: Option<Tags>,
}

#[derive(Clone, Debug, Default)]
pub struct UpdateStream {
    pub name: String,
    /// Empty: whatever is there.
    pub etag: String,
    pub fields: StreamFields,
}

#[derive(Clone, Debug, Default)]
pub struct NewStream {
    pub parent: String,
    pub stream_id: String,
    pub fields: StreamFields,
    /// Zero: one.
    pub shards: u32,
}

/// A change of the shards.
#[derive(Clone, Copy, Debug)]
pub enum Reshard {
    Split { shard: ShardId, key: Option<HashKey> },
    Merge { first: ShardId, second: ShardId },
    Count(u32),
}

#[derive(Clone, Debug, Default)]
pub struct DeleteStream {
    pub name: String,
    /// Empty: whatever is there.
    pub etag: String,
    /// Also with groups and registered consumers.
    pub force: bool,
}

impl Broker {
    /// Creates a stream and waits until it takes records.
    pub async fn new_stream(&self, caller: &Caller, request: NewStream) -> Result<StreamView, Refusal> {
        let NewStream { parent, stream_id, fields, shards } = request;
        let invalid = |error: NameError| Refusal::invalid("stream_id", error.to_string()).with("limit", error.rule);
        let id = StreamName::parse(&stream_id).map_err(invalid)?;
        let settings = settings(&fields)?;
        let name = if parent.is_empty() { id.to_string() } else { format!("{parent}/streams/{id}") };
        let create = CreateStream { settings, shards: shards.max(1) };
        let stream = self.create_stream(caller, &name, create).await.map_err(Refusal::from)?;
        loop {
            let view = self.view_stream(&stream).await?;
            if view.status != Status::Creating {
                return Ok(view);
            }
            sleep(limits::STREAM_SETTLE / 10).await;
        }
    }

    /// Changes settings, all at once or none.
    pub async fn update_stream(&self, caller: &Caller, request: UpdateStream) -> Result<StreamView, Refusal> {
        let UpdateStream { name, etag, fields } = request;
        let stream = self.stream_for(caller, Action::DescribeStreamSummary, "stream.name", &name)?;
        let settings = stream.notes().settings.clone();
        for action in actions(&fields, &settings) {
            self.stream_still(caller, action, &stream)?;
        }
        check_policy(&fields)?;
        let handle = stream.clone();
        let changed = self.grow_stream(&stream, move |view| {
            check_etag(view.stream.settings(), &etag, "stream.etag")?;
            let event = changed(view.stream, view.now, view.queues.len(), &fields)?;
            let mut after = view.stream.clone();
            event.iter().for_each(|event| after.apply(event));
            let shown = view::of(handle, &View { stream: &after, ..*view });
            Ok::<_, StreamFault>((event.map(Change::Stream).into_iter().collect(), shown))
        });
        Ok(changed.await?)
    }

    pub async fn delete_stream_named(&self, caller: &Caller, request: DeleteStream) -> Result<(), Refusal> {
        let stream = self.stream_for(caller, Action::DeleteStream, "name", &request.name)?;
        let DeleteStream { etag, force, .. } = request;
        let checked = self.ask_stream(&stream, move |view| {
            check_etag(view.stream.settings(), &etag, "etag")?;
            match view.groups.len() {
                groups if groups > 0 && !force => Err(has_groups(groups).into()),
                _ => Ok::<_, StreamFault>(()),
            }
        });
        checked.await??;
        Ok(self.delete_stream(&stream, force).await?)
    }

    /// Splits or merges; the shards that are open now and were not before.
    pub async fn reshard(
        &self,
        caller: &Caller,
        name: &str,
        reshard: Reshard,
    ) -> Result<(StreamView, Vec<ShardView>), Refusal> {
        let action = match reshard {
            Reshard::Split { .. } => Action::SplitShard,
            Reshard::Merge { .. } => Action::MergeShards,
            Reshard::Count(_) => Action::UpdateShardCount,
        };
        let stream = self.stream_for(caller, action, "stream", name)?;
        let handle = stream.clone();
        let resharded = self.grow_stream(&stream, move |view| {
            let events = match reshard {
                Reshard::Split { shard, key } => vec![view.stream.split(view.now, shard, key)?],
                Reshard::Merge { first, second } => vec![view.stream.merge(view.now, first, second)?],
                Reshard::Count(target) => view.stream.update_shard_count(view.now, target)?,
            };
            let mut after = view.stream.clone();
            events.iter().for_each(|event| after.apply(event));
            let before: BTreeSet<_> = open(view.stream).map(|shard| shard.id).collect();
            let new = open(&after).filter(|shard| !before.contains(&shard.id));
            let new: Vec<_> = new.map(|shard| ShardView::of(&after, shard)).collect();
            let shown = view::of(handle, &View { stream: &after, ..*view });
            Ok::<_, StreamFault>((events.into_iter().map(Change::Stream).collect(), (shown, new)))
        });
        Ok(resharded.await?)
    }
}

fn open(stream: &Stream) -> impl Iterator<Item = &crate::domain::stream::Shard> {
    stream.shards().filter(|shard| shard.is_open())
}

fn has_groups(groups: usize) -> Refusal {
    let message = format!("the stream has {groups} consumer groups; with force they go with it");
    Refusal::new(Reason::StreamStateForbids, message)
}

/// The settings of a new stream.
fn settings(fields: &StreamFields) -> Result<Settings, Refusal> {
    check_policy(fields)?;
    let base = Settings::default();
    let warm_throughput = fields.warm_throughput.unwrap_or_default();
    let on_demand = fields.on_demand.unwrap_or_default();
    if warm_throughput > 0 && !on_demand {
        return Err(check::outside("stream.warm_throughput", warm_throughput, "unset but for ON_DEMAND"));
    }
    Ok(Settings {
        mode: if on_demand { Mode::OnDemand { warm_throughput } } else { Mode::Provisioned },
        retention: fields.retention.unwrap_or(base.retention),
        record_bytes_max: fields.record_bytes_max.unwrap_or(base.record_bytes_max),
        tags: fields.tags.clone().unwrap_or_default(),
        policy: fields.policy.as_deref().filter(|policy| !policy.is_empty()).map(Into::into),
        ..base
    })
}

fn check_policy(fields: &StreamFields) -> Result<(), Refusal> {
    match fields.policy.as_deref() {
        None | Some("") => Ok(()),
        Some(text) => {
            let invalid = |error: crate::domain::policy::error::PolicyError| {
                check::outside("stream.policy", error.found, error.allowed)
            };
            Policy::parse(text, Owner::Queue).map(drop).map_err(invalid)
        }
    }
}

/// What the caller has to be allowed to do for a change of these fields.
fn actions(fields: &StreamFields, now: &Settings) -> Vec<Action> {
    let mut actions = Vec::new();
    if let Some(retention) = fields.retention {
        let longer = retention >= now.retention;
        actions.push(if longer {
            Action::IncreaseStreamRetentionPeriod
        } else {
            Action::DecreaseStreamRetentionPeriod
        });
    }
    actions.extend(fields.record_bytes_max.map(|_| Action::UpdateMaxRecordSize));
    actions.extend(fields.on_demand.map(|_| Action::UpdateStreamMode));
    actions.extend(fields.warm_throughput.map(|_| Action::UpdateStreamWarmThroughput));
    actions.extend(fields.policy.as_ref().map(|policy| match policy.is_empty() {
        true => Action::DeleteResourcePolicy,
        false => Action::PutResourcePolicy,
    }));
    if let Some(tags) = &fields.tags {
        actions.extend((!tags.is_empty()).then_some(Action::AddTagsToStream));
        let gone = now.tags.keys().any(|key| !tags.contains_key(key));
        actions.extend(gone.then_some(Action::RemoveTagsFromStream));
    }
    actions
}

/// One event for all fields, each judged by the stream as it is. None: nothing changes.
fn changed(
    stream: &Stream,
    now: Timestamp,
    queues: usize,
    fields: &StreamFields,
) -> Result<Option<Event>, StreamFault> {
    let current = stream.settings();
    let mut events = Vec::new();
    if let Some(retention) = fields.retention.filter(|retention| *retention != current.retention) {
        events.push(match retention > current.retention {
            true => stream.raise_retention(now, retention)?,
            false => stream.lower_retention(now, retention)?,
        });
    }
    if let Some(bytes) = fields.record_bytes_max.filter(|bytes| *bytes != current.record_bytes_max) {
        events.push(stream.set_record_bytes_max(now, bytes)?);
    }
    let is_on_demand = matches!(current.mode, Mode::OnDemand { .. });
    match (fields.on_demand.filter(|on_demand| *on_demand != is_on_demand), fields.warm_throughput) {
        (Some(true), warm) => {
            let mode = Mode::OnDemand { warm_throughput: warm.unwrap_or_default() };
            events.push(stream.set_mode(now, mode, queues)?);
        }
        (Some(false), _) => events.push(stream.set_mode(now, Mode::Provisioned, queues)?),
        (None, Some(warm)) if is_on_demand || warm > 0 => events.push(stream.set_warm_throughput(now, warm)?),
        (None, Some(_) | None) => {}
    }
    if let Some(policy) = &fields.policy {
        match (policy.is_empty(), &current.policy) {
            (false, _) => events.push(stream.set_policy(now, policy.as_str().into())?),
            (true, Some(_)) => events.push(stream.delete_policy(now)?),
            (true, None) => {}
        }
    }
    let tags = match &fields.tags {
        Some(tags) if *tags != current.tags => {
            stream.tag(now, tags)?;
            Some(tags.clone())
        }
        Some(_) | None => None,
    };
    Ok(merged(now, current, events, tags))
}

/// What the events say together, tags replaced.
fn merged(now: Timestamp, current: &Settings, events: Vec<Event>, tags: Option<Tags>) -> Option<Event> {
    let mut all = SettingsChanged {
        settings: current.clone(),
        change: Kind::Other,
        hidden_before: Timestamp::ZERO,
        at: now,
        settled_at: now,
    };
    if events.is_empty() && tags.is_none() {
        return None;
    }
    for event in events {
        let Event::SettingsChanged(one) = event else { continue };
        let mine = &mut all.settings;
        let settings = one.settings;
        if settings.retention != current.retention {
            mine.retention = settings.retention;
        }
        if settings.record_bytes_max != current.record_bytes_max {
            mine.record_bytes_max = settings.record_bytes_max;
        }
        if settings.mode != current.mode {
            mine.mode = settings.mode;
        }
        if settings.policy != current.policy {
            mine.policy = settings.policy;
        }
        if one.change == Kind::Mode {
            all.change = Kind::Mode;
        }
        all.hidden_before = all.hidden_before.max(one.hidden_before);
        all.settled_at = all.settled_at.max(one.settled_at);
    }
    if let Some(tags) = tags {
        all.settings.tags = tags;
    }
    Some(Event::SettingsChanged(Box::new(all)))
}
