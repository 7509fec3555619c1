//! Consumer groups: who reads which shard, and how far.
//!
//! A line is `t=<seconds> <command> [-> <answer>]`. Every scenario runs plainly, rebuilt from its head after each line,
//! and rebuilt from its events.

use super::script::{Words, stream};
use crate::{
    base::{limits, time::Timestamp},
    domain::stream::{
        SequenceNumber, ShardId, Stream,
        event::Event as StreamEvent,
        groups::{Commit, Event, Group, GroupError, Join, MemberId},
        put::Put,
    },
};
use proptest::prelude::*;
use std::{collections::BTreeMap, time::Duration};

#[derive(Clone, Copy, Debug)]
enum Rebuild {
    Never,
    FromHead,
    FromEvents,
}

/// The first line says how many shards there are: `group shards=2`.
#[track_caller]
fn run(text: &str) {
    for rebuild in [Rebuild::Never, Rebuild::FromHead, Rebuild::FromEvents] {
        let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let (first, rest) = lines.split_first().expect("a scenario has lines");
        let mut world = World::new(Words::parse(first).number("shards").expect("shards=") as u32);
        let mut actual = vec![(*first).to_owned()];
        for line in rest {
            let (command, expected) = line.split_once("->").unwrap_or((line, ""));
            let answer = world.line(command.trim()).unwrap_or_else(|error| format!("error: {error}"));
            let shown = if expected.is_empty() && answer == "ok" { String::new() } else { format!("-> {answer}") };
            actual.push(format!("{command}{shown}"));
            world.rebuild(rebuild);
        }
        assert_eq!(actual.join("\n"), lines.join("\n"), "\nrebuild: {rebuild:?}");
    }
}

struct World {
    stream: Stream,
    group: Group,
    now: Timestamp,
    events: Vec<Event>,
    /// Who was heard of when: memory only, so a rebuilt group is told again.
    seen: BTreeMap<MemberId, Timestamp>,
    names: BTreeMap<String, MemberId>,
}

impl World {
    fn new(shards: u32) -> Self {
        Self {
            stream: stream(shards),
            group: Group::default(),
            now: Timestamp::ZERO,
            events: Vec::new(),
            seen: BTreeMap::new(),
            names: BTreeMap::new(),
        }
    }

    fn rebuild(&mut self, how: Rebuild) {
        match how {
            Rebuild::Never => {}
            Rebuild::FromHead => self.group = Group::from_head(self.group.head()),
            Rebuild::FromEvents => {
                self.group = Group::default();
                self.events.iter().for_each(|event| self.group.apply(event));
            }
        }
        for (member, at) in &self.seen {
            // Who left is gone.
            self.group.touch(*at, *member).ok();
        }
    }

    fn line(&mut self, line: &str) -> Result<String, GroupError> {
        let words = Words::parse(line);
        self.now = words.time("t").map_or(self.now, |at| Timestamp::ZERO + at);
        let (now, name) = (self.now, words.at(1));
        let generation = || words.number("gen").unwrap_or(self.group.lease(shard(words.at(2))).generation);
        let events = match words.at(0) {
            "split" | "put" => return Ok(self.change_stream(&words)),
            "join" => {
                let session_timeout = words.time("timeout").unwrap_or(Duration::from_secs(10));
                let joined = self.group.join(now, &Join { consumer_name: name.into(), session_timeout })?;
                if let Event::MemberJoined { member, .. } = &joined {
                    self.names.insert(name.into(), *member);
                }
                vec![joined]
            }
            "leave" => self.group.leave(now, self.names[name]).into_iter().collect(),
            "touch" => {
                self.group.touch(now, self.names[name])?;
                self.seen.insert(self.names[name], now);
                return Ok("ok".into());
            }
            "expire" => self.group.expire(now),
            "assign" => self.group.assign(now, &self.stream, Duration::from_secs(5)),
            "release" => vec![self.group.release(self.names[name], shard(words.at(2)), generation())?],
            "commit" => {
                let (shard, member) = (shard(words.at(2)), self.names[name]);
                let commit =
                    Commit { member, shard, generation: generation(), number: self.number(shard, words.at(3)) };
                self.group.commit(now, &self.stream, &commit)?.into_iter().collect()
            }
            "seek" => vec![self.group.seek(now, &self.stream, &self.targets(&words))?],
            "preview" => {
                let sought = self.group.preview_seek(&self.stream, &self.targets(&words))?;
                let shown =
                    sought.iter().map(|sought| format!("{}: {} to {}", sought.shard.0, sought.before, sought.after));
                return Ok(shown.collect::<Vec<_>>().join(", "));
            }
            "lag" => return Ok(self.group.lag_records(&self.stream, shard(name)).to_string()),
            "deadline" => {
                return Ok(self.group.next_deadline().map_or("never".into(), |at| (at.0 / 1000).to_string()));
            }
            "forget" => self.group.forget(&self.stream),
            other => panic!("no command {other:?}"),
        };
        Ok(self.commit(events))
    }

    fn change_stream(&mut self, words: &Words<'_>) -> String {
        let id = shard(words.at(1));
        if words.at(0) == "split" {
            let split = self.stream.split(self.now, id, None).expect("a split");
            self.stream.apply(&split);
            return "ok".into();
        }
        let hash = self.stream.shard(id).expect("a shard").range.start;
        for _ in 0..words.number("n").unwrap_or(1) {
            let put = self.stream.put(self.now, &Put { hash, bytes: 1, after: None }).expect("a record");
            self.stream.apply(&StreamEvent::Appended(put));
        }
        "ok".into()
    }

    /// A record's number by its index; `end`: the end of the shard.
    fn number(&self, id: ShardId, index: &str) -> SequenceNumber {
        match index {
            "end" => self.stream.numbers(self.stream.shard(id).expect("a shard")).ending.expect("a closed shard"),
            index => {
                let index = index.parse().expect("an index");
                self.stream.sequence_number(id, index, self.now).expect("a shard")
            }
        }
    }

    fn targets(&self, words: &Words<'_>) -> Vec<(ShardId, SequenceNumber)> {
        let targets = (0..9).filter_map(|id: u32| Some((id, words.text(&id.to_string())?)));
        targets.map(|(id, index)| (ShardId(id), self.number(ShardId(id), index))).collect()
    }

    fn commit(&mut self, events: Vec<Event>) -> String {
        let names: BTreeMap<_, _> = self.names.iter().map(|(name, member)| (*member, name.as_str())).collect();
        let mut shown = Vec::new();
        for event in &events {
            let text = match event {
                Event::Assigned { shard, member, .. } => format!("{} to {}", shard.0, names[member]),
                Event::Revoked { shard, .. } => format!("{} asked back", shard.0),
                Event::Freed { shard, .. } => format!("{} free", shard.0),
                Event::MemberLeft { member, .. } => format!("{} left", names[member]),
                Event::MemberJoined { .. } | Event::Committed { .. } | Event::Sought { .. } => "ok".into(),
                Event::ShardForgotten { shard } => format!("{} forgotten", shard.0),
            };
            shown.push(text);
            self.group.apply(event);
        }
        self.events.extend(events);
        if shown.is_empty() { "nothing".into() } else { shown.join(", ") }
    }
}

fn shard(text: &str) -> ShardId {
    ShardId::parse(text).expect("a shard")
}

#[test]
fn shards_are_shared_with_the_fewest_moves() {
    run("
        group shards=5
        t=0  assign       -> nothing
        t=0  join a
        t=0  assign       -> 0 to a, 1 to a, 2 to a, 3 to a, 4 to a
        t=0  assign       -> nothing
        t=1  join b
        t=1  assign       -> 4 asked back, 3 asked back
        t=1  assign       -> nothing
        t=1  join c
        t=1  assign       -> 2 asked back
        t=2  release a 4  -> 4 free
        t=2  release a 3  -> 3 free
        t=2  assign       -> 3 to b, 4 to c
        t=3  release a 2  -> 2 free
        t=3  assign       -> 2 to b
        t=4  leave a      -> a left
        t=4  leave a      -> nothing
        t=4  assign       -> 0 to c, 1 to b
        t=5  join d
        t=5  assign       -> 3 asked back
    ");
}

#[test]
fn an_owner_that_does_not_release_loses_the_shard_in_time() {
    run("
        group shards=2
        t=0   join a timeout=60
        t=0   assign          -> 0 to a, 1 to a
        t=0   put 1
        t=1   join b timeout=60
        t=1   assign          -> 1 asked back
        t=1   deadline        -> 6
        t=5   expire          -> nothing
        t=5   commit a 1 0
        t=6   expire          -> 1 free
        t=6   commit a 1 1    -> error: shardId-000000000001 is not the member's under generation 2; the newest is 2
        t=6   assign          -> 1 to b
        t=6   commit a 1 1 gen=2  -> error: shardId-000000000001 is not the member's under generation 2; the newest is 3
        t=6   commit b 1 1 gen=2  -> error: shardId-000000000001 is not the member's under generation 2; the newest is 3
        t=6   commit b 1 1
        t=6   release a 1     -> error: shardId-000000000001 is not the member's under generation 3; the newest is 3
    ");
}

#[test]
fn a_silent_member_loses_its_shards() {
    run("
        group shards=2
        t=0    join a timeout=10
        t=0    join b timeout=10
        t=0    assign      -> 0 to a, 1 to b
        t=9    touch a
        t=9    deadline    -> 10
        t=10   expire      -> b left
        t=10   touch b     -> error: the member has left, or was given up
        t=10   commit b 1 0  -> error: the member has left, or was given up
        t=10   assign      -> 1 to a
        t=19   expire      -> a left
        t=19   join a timeout=0     -> error: a session timeout of 0 s is not of 1 to 3600 s
        t=19   join a timeout=3601  -> error: a session timeout of 3601 s is not of 1 to 3600 s
    ");
}

#[test]
fn children_are_given_out_when_their_parents_are_processed() {
    run("
        group shards=2
        t=0  join a
        t=0  put 0 n=3
        t=0  assign             -> 0 to a, 1 to a
        t=1  split 0
        t=1  split 2
        t=1  put 3
        t=1  assign             -> nothing
        t=1  commit a 0 2
        t=1  assign             -> nothing
        t=1  commit a 0 3
        t=1  assign             -> 0 free, 3 to a, 4 to a, 5 to a
        t=1  lag 3              -> 1
        t=1  split 1
        t=1  assign             -> 1 free, 6 to a, 7 to a
    ");
}

#[test]
fn a_shard_is_processed_to_its_end_by_its_ending_number() {
    run("
        group shards=1
        t=0  join a
        t=0  put 0 n=3
        t=0  assign             -> 0 to a
        t=1  commit a 0 4       -> error: the sequence number 49039857307708443467467104868814743746177559104229212162 is above every record's
        t=1  split 0
        t=1  commit a 0 end
        t=1  commit a 0 end     -> nothing
        t=1  commit a 0 3       -> error: shardId-000000000000 is processed up to 49039857307719593840066370180379466976215810139108671490, which is behind 49039857307708443467467104868813534820357944475054505986
        t=1  assign             -> 0 free, 1 to a, 2 to a
        t=1  lag 0              -> 0
    ");
}

#[test]
fn a_group_without_members_begins_elsewhere() {
    run("
        group shards=2
        t=0  put 0 n=9
        t=0  join a
        t=0  assign             -> 0 to a, 1 to a
        t=0  commit a 0 5
        t=0  lag 0              -> 4
        t=0  preview 0=2 1=0    -> 0: 6 to 3, 1: 1 to 1
        t=0  seek 0=2           -> error: the group has 1 members
        t=1  leave a            -> a left
        t=1  seek 0=10          -> error: the sequence number 49039857307708443467467104868821997301095246879277449218 is above every record's
        t=1  seek 0=2
        t=1  lag 0              -> 7
        t=1  seek 0=9
        t=1  lag 0              -> 0
    ");
}

#[test]
fn a_group_may_begin_with_the_records_of_now() {
    let mut stream = stream(2);
    for _ in 0..3 {
        let put = stream.put(Timestamp(0), &Put { hash: Default::default(), bytes: 1, after: None }).expect("a record");
        stream.apply(&StreamEvent::Appended(put));
    }
    let number = stream.sequence_number(ShardId(0), 3, Timestamp(0)).expect("a shard");
    let group = Group::new(Timestamp(5), &[(ShardId(0), number)].into());
    assert_eq!(group.lag_records(&stream, ShardId(0)), 0);
    assert_eq!(group.lease(ShardId(0)).committed_at, Timestamp(5));
    assert_eq!(group.leases().count(), 1);
    let split = stream.split(Timestamp(5), ShardId(0), None).expect("a split");
    stream.apply(&split);
    assert!(group.is_read(stream.shard(ShardId(0)).expect("a shard")));
}

#[test]
fn a_shard_that_the_stream_forgot_is_forgotten() {
    let mut stream = stream(1);
    let split = stream.split(Timestamp(0), ShardId(0), None).expect("a split");
    stream.apply(&split);
    let number = stream.sequence_number(ShardId(0), 0, Timestamp(0)).expect("a shard");
    let mut group = Group::new(Timestamp(0), &[(ShardId(0), number)].into());
    assert_eq!(group.forget(&stream), []);
    let forgotten = stream.forget(Timestamp(86_400_001)).expect("a closed shard");
    stream.apply(&forgotten);
    let events = group.forget(&stream);
    assert_eq!(events, [Event::ShardForgotten { shard: ShardId(0) }]);
    events.iter().for_each(|event| group.apply(event));
    assert_eq!(group.forget(&stream), []);
}

#[test]
fn a_group_has_so_many_members() {
    let mut group = Group::default();
    let join = Join { consumer_name: "a".into(), session_timeout: Duration::from_secs(9) };
    for _ in 0..limits::GROUP_MEMBERS_MAX {
        let joined = group.join(Timestamp(0), &join).expect("room");
        group.apply(&joined);
    }
    let limit = limits::GROUP_MEMBERS_MAX;
    assert_eq!(group.join(Timestamp(0), &join), Err(GroupError::TooManyMembers { limit }));
    assert_eq!(group.check_empty(), Err(GroupError::HasMembers(limit)));
    group.begin_sessions(Timestamp(8000));
    assert_eq!(group.next_deadline(), Some(Timestamp(17_000)));
    assert_eq!(group.members().next().map(|(id, member)| (id.0, &*member.consumer_name)), Some((0, "a")));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    /// After members came and went and everybody gave back what was asked for, the shares differ by one at most, and
    /// moving fewer shards could not have led there.
    #[test]
    fn shares_become_even_with_the_fewest_moves(
        shards in 1..20_u32,
        changes in proptest::collection::vec(any::<u16>(), 1..30),
    ) {
        let stream = stream(shards);
        let (mut group, mut now) = (Group::default(), Timestamp(0));
        for change in changes {
            now = now + Duration::from_secs(1);
            let before = owners(&group);
            join_or_leave(&mut group, now, change);
            let orphans = before.iter().filter(|(_, member)| group.leave(now, **member).is_none()).count();
            let least = fewest_moves(&group, &before, orphans);
            let moved = settle(&mut group, now, &stream);
            if group.members().count() > 0 {
                let counts = counts(&group);
                prop_assert_eq!(counts.values().sum::<usize>(), shards as usize);
                prop_assert!(counts.values().max().unwrap() - counts.values().min().unwrap() <= 1);
                prop_assert_eq!(moved, least.max(shards as usize - before.len()), "moved");
            }
        }
    }
}

fn join_or_leave(group: &mut Group, now: Timestamp, change: u16) {
    let members: Vec<_> = group.members().map(|(id, _)| id).collect();
    let event = if change.is_multiple_of(3) && !members.is_empty() {
        group.leave(now, members[usize::from(change) / 3 % members.len()]).expect("a member")
    } else {
        let join = Join { consumer_name: "m".into(), session_timeout: Duration::from_secs(3600) };
        group.join(now, &join).expect("room")
    };
    group.apply(&event);
}

fn owners(group: &Group) -> BTreeMap<ShardId, MemberId> {
    group.leases().filter_map(|(shard, lease)| Some((shard, lease.owner?))).collect()
}

fn counts(group: &Group) -> BTreeMap<MemberId, usize> {
    let mut counts: BTreeMap<_, _> = group.members().map(|(id, _)| (id, 0)).collect();
    for member in owners(group).values() {
        *counts.entry(*member).or_default() += 1;
    }
    counts
}

/// Orphaned shards have to move, and what members have above the highest even share.
fn fewest_moves(group: &Group, before: &BTreeMap<ShardId, MemberId>, orphans: usize) -> usize {
    let mut counts: Vec<_> = counts(group).into_values().collect();
    counts.sort_by_key(|count| std::cmp::Reverse(*count));
    let members = counts.len().max(1);
    let (share, odd) = (before.len() / members, before.len() % members);
    let above = counts.iter().enumerate().map(|(place, count)| count.saturating_sub(share + usize::from(place < odd)));
    orphans + above.sum::<usize>()
}

/// Assigns until nothing is left to do; how many shards got another owner.
fn settle(group: &mut Group, now: Timestamp, stream: &Stream) -> usize {
    let mut moved = 0;
    loop {
        let events = group.assign(now, stream, Duration::from_secs(5));
        if events.is_empty() {
            return moved;
        }
        for event in &events {
            group.apply(event);
            moved += usize::from(matches!(event, Event::Assigned { .. }));
            if let Event::Revoked { shard, generation, .. } = event {
                group.apply(&Event::Freed { shard: *shard, generation: *generation });
            }
        }
    }
}
