//! A stream with a queue over it and a group of readers, under random commands.

use super::acks::{SETTINGS, queue};
use crate::{
    base::{
        id::{LeaseId, PartitionId},
        time::Timestamp,
    },
    domain::stream::{
        self, ShardId, Stream,
        acks::{
            self, Handle, StreamQueue,
            machine::Lane,
            receive::{Receive, Stored},
        },
        create::Create,
        event::Event as StreamEvent,
        groups::{self, Commit, Group, Join, MemberId},
        hash::HashKey,
        put::Put,
        settings::{Mode, Settings, Tags},
    },
};
use proptest::prelude::*;
use std::{collections::BTreeMap, time::Duration};

const HOUR: u64 = 3_600_000;

#[derive(Clone, Debug)]
pub(super) enum Command {
    Stream(StreamCommand),
    Queue(QueueCommand),
    Group(GroupCommand),
    Forget,
    Trim { shard: u16, part: u8 },
}

#[derive(Clone, Debug)]
pub(super) enum StreamCommand {
    Put { hash: u128 },
    Split { shard: u16, at: Option<u128> },
    Merge { shard: u16 },
    UpdateShardCount { target: u32 },
    Retention { hours: u64 },
    SetMode { on_demand: bool },
    Tag { key: u8 },
    Register { name: u8 },
    Deregister { name: u8 },
}

#[derive(Clone, Debug)]
pub(super) enum QueueCommand {
    Receive { dead: bool, max: u64, timeout: u64 },
    Acknowledge { handle: u16, dead: bool },
    ChangeVisibility { handle: u16, dead: bool, timeout: u64 },
    Restore { handle: u16 },
    MaxReceives { count: u32 },
}

#[derive(Clone, Debug)]
pub(super) enum GroupCommand {
    Join,
    Leave { member: u16 },
    Expire,
    Assign,
    Commit { shard: u16, part: u8 },
    Seek { shard: u16, part: u8 },
}

/// A pause in milliseconds, then a command.
pub(super) type Step = (u64, Command);

pub(super) fn steps(max: usize) -> impl Strategy<Value = Vec<Step>> {
    let pause = prop_oneof![5 => Just(0), 5 => 0..3000_u64, 2 => 0..HOUR, 1 => 20 * HOUR..40 * HOUR];
    proptest::collection::vec((pause, command()), 1..max)
}

fn command() -> impl Strategy<Value = Command> {
    let timeout = || prop_oneof![Just(0), 1..60_u64];
    let stream = prop_oneof![
        8 => hashes().prop_map(|hash| StreamCommand::Put { hash }),
        3 => (any::<u16>(), proptest::option::of(hashes())).prop_map(|(shard, at)| StreamCommand::Split { shard, at }),
        3 => any::<u16>().prop_map(|shard| StreamCommand::Merge { shard }),
        1 => (1..8_u32).prop_map(|target| StreamCommand::UpdateShardCount { target }),
        1 => (20..60_u64).prop_map(|hours| StreamCommand::Retention { hours }),
        1 => any::<bool>().prop_map(|on_demand| StreamCommand::SetMode { on_demand }),
        1 => (0..3_u8).prop_map(|key| StreamCommand::Tag { key }),
        1 => (0..3_u8).prop_map(|name| StreamCommand::Register { name }),
        1 => (0..3_u8).prop_map(|name| StreamCommand::Deregister { name }),
    ];
    let queue = prop_oneof![
        6 => (proptest::bool::weighted(0.3), 1..6_u64, timeout())
            .prop_map(|(dead, max, timeout)| QueueCommand::Receive { dead, max, timeout }),
        6 => (any::<u16>(), proptest::bool::weighted(0.3))
            .prop_map(|(handle, dead)| QueueCommand::Acknowledge { handle, dead }),
        2 => (any::<u16>(), proptest::bool::weighted(0.3), timeout())
            .prop_map(|(handle, dead, timeout)| QueueCommand::ChangeVisibility { handle, dead, timeout }),
        2 => any::<u16>().prop_map(|handle| QueueCommand::Restore { handle }),
        1 => (1..4_u32).prop_map(|count| QueueCommand::MaxReceives { count }),
    ];
    let group = prop_oneof![
        1 => Just(GroupCommand::Join),
        1 => any::<u16>().prop_map(|member| GroupCommand::Leave { member }),
        1 => Just(GroupCommand::Expire),
        3 => Just(GroupCommand::Assign),
        3 => (any::<u16>(), any::<u8>()).prop_map(|(shard, part)| GroupCommand::Commit { shard, part }),
        1 => (any::<u16>(), any::<u8>()).prop_map(|(shard, part)| GroupCommand::Seek { shard, part }),
    ];
    prop_oneof![
        30 => stream.prop_map(Command::Stream),
        20 => queue.prop_map(Command::Queue),
        10 => group.prop_map(Command::Group),
        3 => Just(Command::Forget),
        3 => (any::<u16>(), any::<u8>()).prop_map(|(shard, part)| Command::Trim { shard, part }),
    ]
}

fn hashes() -> impl Strategy<Value = u128> {
    prop_oneof![any::<u128>(), (0..8_u128).prop_map(|eighth| eighth << 125), Just(u128::MAX)]
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Logged {
    Stream(StreamEvent),
    Queue(acks::Event),
    Group(groups::Event),
}

pub(super) type Heads = (stream::Head, acks::Head, groups::Head);

/// The three machines, and what stands around them.
#[derive(Clone)]
pub(super) struct Trio {
    pub(super) stream: Stream,
    pub(super) queue: StreamQueue,
    pub(super) group: Group,
    pub(super) now: Timestamp,
    pub(super) log: Vec<Logged>,
    pub(super) handles: Vec<Handle>,
    pub(super) next_lease: u64,
}

impl Trio {
    pub(super) fn new() -> Self {
        let settings = Settings::default();
        let settle = Duration::from_secs(1);
        let now = Timestamp(1_700_000_000_000);
        let created = Stream::create(now, &Create { settings, shards: 2, partition: PartitionId(1), settle });
        Self {
            stream: Stream::new(&created.expect("a stream")),
            queue: queue(now, &BTreeMap::new()),
            group: Group::default(),
            now,
            log: Vec::new(),
            handles: Vec::new(),
            next_lease: 1,
        }
    }

    /// Sessions are memory only, so they are left out of the comparison.
    pub(super) fn heads(&self) -> Heads {
        let mut group = self.group.head();
        group.members.iter_mut().for_each(|(_, member)| member.seen_at = Timestamp::ZERO);
        (self.stream.head(), self.queue.head(), group)
    }

    /// The same world with its machines put together anew.
    pub(super) fn restored(&self, (stream, queue, group): Heads) -> Self {
        Self {
            stream: Stream::from_head(stream),
            queue: StreamQueue::from_head(queue),
            group: Group::from_head(group),
            ..self.clone()
        }
    }

    pub(super) fn advance(&mut self) {
        self.stream.advance(self.now);
        self.group.begin_sessions(self.now);
    }

    pub(super) fn apply(&mut self, event: &Logged) {
        match event {
            Logged::Stream(event) => self.stream.apply(event),
            Logged::Queue(event) => self.queue.apply(event),
            Logged::Group(event) => self.group.apply(event),
        }
    }

    pub(super) fn run(&mut self, (pause, command): &Step) {
        self.now = self.now + Duration::from_millis(*pause);
        self.advance();
        for event in self.decide(command) {
            self.apply(&event);
            self.log.push(event);
        }
        self.advance();
    }

    fn decide(&mut self, command: &Command) -> Vec<Logged> {
        match command {
            Command::Stream(command) => self.decide_stream(command).into_iter().map(Logged::Stream).collect(),
            Command::Queue(command) => self.decide_queue(command).into_iter().map(Logged::Queue).collect(),
            Command::Group(command) => self.decide_group(command).into_iter().map(Logged::Group).collect(),
            Command::Forget => {
                let event = self.stream.forget(self.now);
                let gone = match &event {
                    Some(StreamEvent::ShardsForgotten { shards }) => shards.clone(),
                    _ => Vec::new(),
                };
                let queue = gone.iter().filter_map(|shard| self.queue.forget(*shard)).map(Logged::Queue);
                let mut all: Vec<_> = queue.collect();
                all.extend(gone.iter().map(|shard| Logged::Group(groups::Event::ShardForgotten { shard: *shard })));
                all.extend(event.map(Logged::Stream));
                all
            }
            Command::Trim { shard, part } => {
                let Some((id, index)) = self.place(*shard, *part) else { return Vec::new() };
                let queue = self.queue.trim(id, index).map(Logged::Queue);
                let stream = self.stream.trim(id, index, index - 1).map(Logged::Stream);
                queue.into_iter().chain(stream).collect()
            }
        }
    }

    fn decide_stream(&self, command: &StreamCommand) -> Vec<StreamEvent> {
        let (stream, now) = (&self.stream, self.now);
        let open: Vec<_> = stream.shards.open_shards().collect();
        let shard = |random: &u16| open[usize::from(*random) % open.len()];
        let one = |event: Result<StreamEvent, _>| event.map(|event| vec![event]);
        let name = |name: &u8| format!("consumer{name}").into();
        let decided = match command {
            StreamCommand::Put { hash } => {
                let put = Put { hash: HashKey(*hash), bytes: 1, after: None };
                one(stream.put(now, &put).map(StreamEvent::Appended))
            }
            StreamCommand::Split { shard: random, at } => one(stream.split(now, shard(random).id, at.map(HashKey))),
            StreamCommand::Merge { shard: random } => {
                let second = usize::from(*random) % open.len();
                one(stream.merge(now, open[second.saturating_sub(1)].id, open[second].id))
            }
            StreamCommand::UpdateShardCount { target } => stream.update_shard_count(now, *target),
            StreamCommand::Retention { hours } => {
                let asked = Duration::from_secs(hours * 3600);
                one(stream.raise_retention(now, asked).or_else(|_| stream.lower_retention(now, asked)))
            }
            StreamCommand::SetMode { on_demand: true } => {
                one(stream.set_mode(now, Mode::OnDemand { warm_throughput: 0 }, 0))
            }
            StreamCommand::SetMode { on_demand: false } => one(stream.set_mode(now, Mode::Provisioned, 0)),
            StreamCommand::Tag { key } => one(stream.tag(now, &Tags::from([(name(key), "v".into())]))),
            StreamCommand::Register { name: number } => {
                one(stream.register_consumer(now, &name(number), &Tags::new(), 0, 20))
            }
            StreamCommand::Deregister { name: number } => {
                stream.deregister_consumer(now, &name(number)).map(|event| event.into_iter().collect())
            }
        };
        decided.unwrap_or_default()
    }

    fn decide_queue(&mut self, command: &QueueCommand) -> Vec<acks::Event> {
        let now = self.now;
        let lane = |dead: bool| if dead { Lane::DeadLetters } else { Lane::Main };
        let handle = |random: &u16| self.handles.get(usize::from(*random) % self.handles.len().max(1));
        match command {
            QueueCommand::Receive { dead, max, timeout } => self.receive(lane(*dead), *max, *timeout),
            QueueCommand::Acknowledge { handle: random, dead } => {
                let decided = handle(random).and_then(|handle| self.queue.acknowledge(lane(*dead), handle).ok()?);
                decided.into_iter().collect()
            }
            QueueCommand::ChangeVisibility { handle: random, dead, timeout } => {
                let timeout = Duration::from_secs(*timeout);
                let change = |handle| self.queue.change_visibility(now, lane(*dead), handle, timeout).ok();
                handle(random).and_then(change).into_iter().collect()
            }
            QueueCommand::Restore { handle: random } => {
                handle(random).and_then(|handle| self.queue.restore(now, handle).ok()).into_iter().collect()
            }
            QueueCommand::MaxReceives { count } => {
                let settings = acks::Settings { max_receive_count: Some(*count), ..SETTINGS };
                vec![acks::Event::SettingsChanged { settings, settled_at: Timestamp::ZERO }]
            }
        }
    }

    fn receive(&mut self, lane: Lane, max: u64, timeout: u64) -> Vec<acks::Event> {
        let stored = self
            .stream
            .shards
            .iter()
            .map(|shard| (shard.id, Stored { first: shard.first_index, last: shard.last_index }));
        let request = Receive {
            lane,
            max,
            visibility_timeout: Some(Duration::from_secs(timeout)),
            lease: LeaseId(self.next_lease),
            stored: stored.collect(),
        };
        let events = self.queue.receive(self.now, &request).expect("an active queue");
        self.next_lease += 1;
        for event in &events {
            if let acks::Event::Received(marked) = event {
                let (shard, lease) = (marked.shard, marked.fate.lease);
                self.handles.extend((marked.from..=marked.to).map(|index| Handle { shard, index, lease }));
            }
        }
        events
    }

    fn decide_group(&self, command: &GroupCommand) -> Vec<groups::Event> {
        let (group, now) = (&self.group, self.now);
        let members: Vec<_> = group.members().map(|(id, _)| id).collect();
        match command {
            GroupCommand::Join => {
                let join = Join { consumer_name: "m".into(), session_timeout: Duration::from_secs(60) };
                group.join(now, &join).into_iter().collect()
            }
            GroupCommand::Leave { member } => {
                let member = members.get(usize::from(*member) % members.len().max(1));
                member.and_then(|member| group.leave(now, *member)).into_iter().collect()
            }
            GroupCommand::Expire => group.expire(now),
            GroupCommand::Assign => group.assign(now, &self.stream, Duration::from_secs(5)),
            GroupCommand::Commit { shard, part } => {
                let Some((id, index)) = self.place(*shard, *part) else { return Vec::new() };
                let lease = group.lease(id);
                let number = self.stream.sequence_number(id, index - 1, now).expect("a shard");
                let member = lease.owner.unwrap_or(MemberId(0));
                let commit = Commit { member, shard: id, generation: lease.generation, number };
                group.commit(now, &self.stream, &commit).ok().flatten().into_iter().collect()
            }
            GroupCommand::Seek { shard, part } => {
                let Some((id, index)) = self.place(*shard, *part) else { return Vec::new() };
                let number = self.stream.sequence_number(id, index - 1, now).expect("a shard");
                group.seek(now, &self.stream, &[(id, number)]).into_iter().collect()
            }
        }
    }

    /// A shard, and an index from its first to the one after its last.
    fn place(&self, shard: u16, part: u8) -> Option<(ShardId, u64)> {
        let shards: Vec<_> = self.stream.shards.iter().collect();
        let shard = shards.get(usize::from(shard) % shards.len().max(1))?;
        let index = 1 + shard.last_index * u64::from(part) / u64::from(u8::MAX);
        Some((shard.id, index))
    }
}
