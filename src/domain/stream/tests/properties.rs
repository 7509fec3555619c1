//! Random puts, splits, merges, trims and time jumps: what holds at every moment, whatever happened.

use super::random::{Command, Logged, Step, StreamCommand, Trio, steps};
use crate::{
    base::time::Timestamp,
    domain::stream::{
        Position, SequenceNumber, ShardId,
        event::{Appended, Event},
        groups::{self, Commit, Group, Join},
        hash::HashKey,
        list::Filter,
        settings::Status,
        shards::Shard,
    },
};
use proptest::prelude::*;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// A record as a storage would have it.
#[derive(Clone, Copy, Debug)]
struct Record {
    hash: u128,
    appended: Appended,
    number: SequenceNumber,
}

/// The stream and all records ever put.
struct World {
    trio: Trio,
    records: Vec<Record>,
}

impl World {
    fn new() -> Self {
        Self { trio: Trio::new(), records: Vec::new() }
    }

    fn run(&mut self, step: &Step) {
        let before = self.trio.log.len();
        self.trio.run(step);
        if let (Command::Stream(StreamCommand::Put { hash }), Some(Logged::Stream(Event::Appended(appended)))) =
            (&step.1, self.trio.log.get(before))
        {
            let Appended { shard, index, at, .. } = *appended;
            let number = self.trio.stream.sequence_number(shard, index, at).expect("the shard of a record just put");
            self.records.push(Record { hash: *hash, appended: *appended, number });
        }
    }

    fn stored(&self, shard: ShardId) -> impl Iterator<Item = &Record> {
        self.records.iter().filter(move |record| record.appended.shard == shard)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_key_has_exactly_one_open_shard(steps in steps(100), probes in proptest::collection::vec(any::<u128>(), 8)) {
        let mut world = World::new();
        for step in &steps {
            world.run(step);
            let stream = &world.trio.stream;
            let open: Vec<_> = stream.shards.open_shards().collect();
            prop_assert_eq!(open[0].range.start, HashKey::MIN);
            prop_assert_eq!(open[open.len() - 1].range.end, HashKey::MAX);
            prop_assert!(open.windows(2).all(|pair| pair[0].range.meets(&pair[1].range)));
            prop_assert!(open.iter().all(|shard| shard.is_open()));
            for probe in probes.iter().map(|probe| HashKey(*probe)) {
                let holders: Vec<_> = stream.shards.iter().filter(|s| s.is_open() && s.range.contains(probe)).collect();
                prop_assert_eq!(holders.len(), 1);
                prop_assert_eq!(stream.shard_of(probe), Some(holders[0].id));
            }
        }
    }

    #[test]
    fn numbers_rise_within_a_key_and_are_never_given_twice(steps in steps(150)) {
        let mut world = World::new();
        let mut last: BTreeMap<u128, SequenceNumber> = BTreeMap::new();
        for step in &steps {
            world.run(step);
            check_lineage(&world)?;
        }
        for record in &world.records {
            if let Some(before) = last.insert(record.hash, record.number) {
                prop_assert!(before < record.number, "{:?}", record);
            }
            prop_assert_eq!(SequenceNumber::parse(&record.number.to_string()), Ok(record.number));
        }
        let numbers: BTreeSet<_> = world.records.iter().map(|record| record.number).collect();
        prop_assert_eq!(numbers.len(), world.records.len());
    }

    /// The number of a record leads a reader to it, and a moment to the first record that is not older.
    #[test]
    fn readers_begin_where_they_ask_to(steps in steps(80)) {
        let mut world = World::new();
        steps.iter().for_each(|step| world.run(step));
        let (stream, now) = (&world.trio.stream, world.trio.now);
        if stream.status(now) == Status::Creating {
            return Ok(());
        }
        for Record { appended, number, .. } in &world.records {
            let Some(shard) = stream.readable_shard(now, appended.shard) else { continue };
            let cursor = |position| stream.cursor(now, shard.id, &position).map(|cursor| cursor.index);
            prop_assert_eq!(cursor(Position::At(*number)), Ok(appended.index.max(shard.first_index)));
            prop_assert_eq!(cursor(Position::After(*number)), Ok((appended.index + 1).max(shard.first_index)));
            prop_assert_eq!(cursor(Position::Latest), Ok(shard.last_index + 1));
        }
    }

    /// Listing from the horizon, by any page size, shows the shards that a naive look at all of them shows.
    #[test]
    fn shards_are_listed_in_pages(steps in steps(80), limit in 1..5_usize, back in 0..200_000_000_u64) {
        let mut world = World::new();
        steps.iter().for_each(|step| world.run(step));
        let (stream, now) = (&world.trio.stream, world.trio.now);
        if stream.status(now) == Status::Creating {
            return Ok(());
        }
        let moment = Timestamp(now.0 - back);
        let horizon = stream.horizon(now);
        let lives = |shard: &Shard, at: Timestamp| shard.opened_at <= at && shard.closed_at.is_none_or(|end| end >= at);
        for (filter, expected) in [
            (Filter::FromTrimHorizon, listed(&world, |shard| lives(shard, horizon) || shard.opened_at > horizon)),
            (Filter::AtLatest, listed(&world, Shard::is_open)),
            (Filter::AtTime(moment), listed(&world, |shard| lives(shard, moment.max(horizon)))),
        ] {
            let mut found = Vec::new();
            loop {
                let page = stream.list_shards(now, &filter, found.last().copied(), limit);
                found.extend(page.shards.iter().map(|shard| shard.id));
                prop_assert!(page.shards.len() <= limit);
                if !page.more {
                    break;
                }
            }
            prop_assert_eq!(found, expected, "{:?}", filter);
        }
    }

    #[test]
    fn equal_shards_are_reached_from_any_ranges(
        splits in proptest::collection::vec(any::<u128>(), 0..12),
        near in proptest::collection::vec((1..5_u128, 0..5_u128), 0..6),
        target in 1..9_u32,
    ) {
        let mut stream = super::script::stream(1);
        // Borders right beside those of equal ranges are the hard ones.
        let near = near.iter().map(|(part, off)| (u128::MAX / u128::from(target) * part.min(&u128::from(target))).wrapping_add(*off));
        for key in splits.into_iter().chain(near) {
            let shard = stream.shard_of(HashKey(key)).expect("an open shard");
            if let Ok(split) = stream.split(Timestamp(0), shard, Some(HashKey(key))) {
                stream.apply(&split);
            }
        }
        let open = u32::try_from(stream.open_shards()).expect("few shards");
        prop_assume!(target <= open * 2 && target * 2 >= open);
        for event in stream.update_shard_count(Timestamp(0), target).expect("a number of shards") {
            stream.apply(&event);
            let ranges = super::script::open_ranges(&stream);
            prop_assert!(ranges.windows(2).all(|pair| pair[0].meets(&pair[1])));
        }
        prop_assert_eq!(super::script::open_ranges(&stream), crate::domain::stream::hash::even_ranges(target));
    }
}

fn listed(world: &World, fits: impl Fn(&Shard) -> bool) -> Vec<ShardId> {
    let horizon = world.trio.stream.horizon(world.trio.now);
    let kept = |shard: &&Shard| shard.closed_at.is_none_or(|closed_at| closed_at >= horizon);
    world.trio.stream.shards.iter().filter(kept).filter(|shard| fits(shard)).map(|shard| shard.id).collect()
}

/// A child's numbers begin above its parents' ends, and its range is of theirs.
fn check_lineage(world: &World) -> Result<(), TestCaseError> {
    let stream = &world.trio.stream;
    for shard in stream.shards.iter() {
        for parent in shard.parents().filter_map(|id| stream.shard(id)) {
            let end = stream.numbers(parent).ending.expect("a parent is closed");
            prop_assert!(end < stream.numbers(shard).starting);
            prop_assert!(parent.children.contains(&shard.id));
            prop_assert!(parent.id < shard.id);
            prop_assert!(parent.range.contains(shard.range.start) || parent.range.contains(shard.range.end));
        }
        let newest = shard.number(shard.last_index, stream.partition(), shard.last_arrival);
        prop_assert!(stream.numbers(shard).ending.is_none_or(|end| newest < end));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, failure_persistence: None, ..ProptestConfig::default() })]

    /// A group that reads while the stream is written and resharded sees every record once, in order within a key.
    #[test]
    fn readers_that_follow_parents_to_children_see_each_key_in_order(
        steps in steps(120),
        reads in proptest::collection::vec((any::<u16>(), 1..5_usize), 120),
    ) {
        let mut world = World::new();
        let mut reader = Reader::new(world.trio.now);
        for ((pause, command), read) in steps.iter().zip(reads) {
            // Nothing is lost to the retention or to a trim.
            let kept = !matches!(
                command,
                Command::Forget | Command::Trim { .. } | Command::Stream(StreamCommand::Retention { .. })
            );
            let step = (pause % 60_000, command.clone());
            if kept {
                world.run(&step);
            }
            reader.read(&world, read);
        }
        while reader.read(&world, (0, usize::MAX)) {}
        let mut by_key: BTreeMap<u128, Vec<SequenceNumber>> = BTreeMap::new();
        world.records.iter().for_each(|record| by_key.entry(record.hash).or_default().push(record.number));
        prop_assert_eq!(reader.seen, by_key);
    }
}

/// One member of a group of its own.
struct Reader {
    group: Group,
    seen: BTreeMap<u128, Vec<SequenceNumber>>,
}

impl Reader {
    fn new(now: Timestamp) -> Self {
        let mut group = Group::default();
        let join = Join { consumer_name: "reader".into(), session_timeout: Duration::from_secs(60) };
        let joined = group.join(now, &join).expect("room");
        group.apply(&joined);
        Self { group, seen: BTreeMap::new() }
    }

    /// Reads some records of one of its shards; whether there was anything to do.
    fn read(&mut self, world: &World, (which, max): (u16, usize)) -> bool {
        let (stream, now) = (&world.trio.stream, world.trio.now);
        let assigned = self.group.assign(now, stream, Duration::ZERO);
        assigned.iter().for_each(|event| self.group.apply(event));
        let behind = |id: &ShardId| self.group.lag_records(stream, *id) > 0;
        let owned = self.group.leases().filter(|(_, lease)| lease.owner.is_some());
        let owned: Vec<_> = owned.map(|(shard, _)| shard).filter(behind).collect();
        let Some(shard) = owned.get(usize::from(which) % owned.len().max(1)).copied() else {
            return !assigned.is_empty();
        };
        let lease = self.group.lease(shard);
        let from = lease.next_index().unwrap_or(1);
        let records: Vec<_> = world.stored(shard).filter(|record| record.appended.index >= from).take(max).collect();
        for record in &records {
            self.seen.entry(record.hash).or_default().push(record.number);
        }
        let number = records.last().expect("the shard is behind").number;
        let member = lease.owner.expect("an owned shard");
        let commit = Commit { member, shard, generation: lease.generation, number };
        let committed: Option<groups::Event> = self.group.commit(now, stream, &commit).expect("the owner");
        self.group.apply(&committed.expect("progress"));
        true
    }
}

#[test]
fn the_random_commands_reach_what_matters() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let mut seen = String::new();
    for _ in 0..60 {
        let steps = steps(150).new_tree(&mut runner).expect("a case").current();
        let mut world = World::new();
        steps.iter().for_each(|step| world.run(step));
        world.trio.log.iter().for_each(|event| seen += &format!("{event:?}\n"));
    }
    let wanted = [
        "Appended",
        "Resharded",
        "ShardCountUpdated",
        "Trimmed { shard",
        "ShardsForgotten",
        "SettingsChanged",
        "change: Mode",
        "ConsumerRegistered",
        "ConsumerDeregistered",
        "Queue(Received",
        "dead: true",
        "Acknowledged",
        "VisibilityChanged",
        "Restored",
        "Queue(ShardForgotten",
        "MemberJoined",
        "MemberLeft",
        "Assigned",
        "Revoked",
        "Freed",
        "Committed",
        "Sought",
    ];
    for word in wanted {
        assert!(seen.contains(word), "no command led to {word}");
    }
}
