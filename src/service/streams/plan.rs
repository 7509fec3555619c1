//! Which shards a reader of a whole stream reads, and when each has its turn: after all of its parents, so that the
//! records of a key come in order through splits and merges.

use super::{fault::StreamFault, readers::Place};
use crate::{
    base::{reason::Refusal, time::Timestamp},
    domain::stream::{Position, Shard, ShardId, Stream, StreamError},
    service::check,
};
use std::collections::{BTreeMap, BTreeSet};

/// What to begin with.
#[derive(Clone, Debug)]
pub struct Beginning {
    /// Of shards that are not resumed; no sequence number, which is one shard's.
    pub position: Position,
    pub resume: Vec<(ShardId, Position)>,
}

/// A shard that waits for its parents.
#[derive(Debug)]
struct Waiting {
    parents: Vec<ShardId>,
    place: Place,
}

#[derive(Debug, Default)]
pub(super) struct Plan {
    waiting: BTreeMap<ShardId, Waiting>,
    /// Begun and not at an end.
    open: BTreeSet<ShardId>,
    /// Everything that was ever planned, or is not to be.
    known: BTreeSet<ShardId>,
    /// Children begin at their first record that did not arrive before.
    not_before: Timestamp,
}

impl Plan {
    /// A plan of one shard.
    pub(super) fn of_one(shard: ShardId) -> Self {
        Self { open: [shard].into(), known: [shard].into(), ..Self::default() }
    }

    /// The plan, and where to begin.
    pub(super) fn of_all(
        now: Timestamp,
        stream: &Stream,
        beginning: &Beginning,
    ) -> Result<(Self, Vec<Place>), StreamFault> {
        let mut plan = Self::default();
        match beginning.position {
            Position::AtTime(moment) => plan.not_before = moment,
            Position::TrimHorizon | Position::Latest => {}
            Position::At(_) | Position::After(_) => {
                return Err(check::outside("position", "a sequence number", "one only in resume").into());
            }
        }
        let resumed: BTreeMap<_, _> = beginning.resume.iter().copied().collect();
        let past = ancestors(stream, resumed.keys().copied());
        for shard in stream.shards().filter(|shard| stream.readable_shard(now, shard.id).is_some()) {
            if past.contains(&shard.id) {
                continue;
            }
            let goes_on = shard.parents().any(|parent| plan.known.contains(&parent) || past.contains(&parent));
            let place = match (resumed.get(&shard.id), beginning.position) {
                (Some(position), _) => Place::new(stream.cursor(now, shard.id, position)?, shard.created),
                (None, _) if goes_on => Place::first(shard, plan.not_before),
                (None, Position::Latest) if !shard.is_open() => continue,
                (None, position) => Place::new(stream.cursor(now, shard.id, &position)?, shard.created),
            };
            plan.add(shard, place);
        }
        // What is gone was read, or is too old: its children begin at their first record.
        plan.known.extend(past);
        let places = plan.promote();
        if places.is_empty() && !resumed.is_empty() {
            let gone = resumed.keys().next().copied().unwrap_or_default();
            return Err(StreamError::ShardNotFound(gone).into());
        }
        Ok((plan, places))
    }

    fn add(&mut self, shard: &Shard, place: Place) {
        if self.known.insert(shard.id) {
            self.waiting.insert(shard.id, Waiting { parents: shard.parents().collect(), place });
        }
    }

    /// The shard is read to its end, and goes on in these: where to begin now.
    pub(super) fn ended<'a>(&mut self, shard: ShardId, children: impl Iterator<Item = &'a Shard>) -> Vec<Place> {
        self.open.remove(&shard);
        for child in children {
            self.add(child, Place::first(child, self.not_before));
        }
        self.promote()
    }

    /// The shard is read as far as it is wanted.
    pub(super) fn finished(&mut self, shard: ShardId) -> Vec<Place> {
        self.open.remove(&shard);
        self.promote()
    }

    /// Nothing is left, and nothing can come.
    pub(super) fn is_done(&self) -> bool {
        self.open.is_empty() && self.waiting.is_empty()
    }

    /// Takes out what waits for nobody any more.
    fn promote(&mut self) -> Vec<Place> {
        let unread: BTreeSet<_> = self.open.iter().chain(self.waiting.keys()).copied().collect();
        let free = |waiting: &Waiting| waiting.parents.iter().all(|parent| !unread.contains(parent));
        let places: Vec<_> =
            self.waiting.values().filter(|waiting| free(waiting)).map(|waiting| waiting.place.clone()).collect();
        for place in &places {
            self.waiting.remove(&place.cursor.shard);
            self.open.insert(place.cursor.shard);
        }
        places
    }
}

/// All shards that some come from, and those that are gone themselves.
fn ancestors(stream: &Stream, shards: impl Iterator<Item = ShardId>) -> BTreeSet<ShardId> {
    let (mut found, mut next) = (BTreeSet::new(), Vec::new());
    for shard in shards {
        match stream.shard(shard) {
            Some(shard) => next.extend(shard.parents()),
            None => next.push(shard),
        }
    }
    while let Some(id) = next.pop() {
        if found.insert(id) {
            next.extend(stream.shard(id).into_iter().flat_map(Shard::parents));
        }
    }
    found
}

/// What of the positions a reader of all shards can begin with.
pub(super) fn check(beginning: &Beginning) -> Result<(), Refusal> {
    let mut seen = BTreeSet::new();
    match beginning.resume.iter().find(|(shard, _)| !seen.insert(*shard)) {
        Some((twice, _)) => Err(check::outside("resume", format!("{twice} twice"), "each shard once")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        base::id::PartitionId,
        domain::stream::{
            Cursor,
            event::{Appended, Event},
            settings::Settings,
        },
    };
    use std::time::Duration;

    const NOW: Timestamp = Timestamp(1_700_000_000_000);

    /// Shard 0 is split into 1 and 2, and those are merged into 3; 0 and 1 have five records, the others none.
    fn stream() -> Stream {
        let created = crate::domain::stream::event::Created {
            settings: Settings::default(),
            shards: 1,
            partition: PartitionId(1),
            settle: Duration::ZERO,
            at: NOW,
        };
        let mut stream = Stream::new(&created);
        let put = |stream: &mut Stream, shard, index| {
            stream.apply(&Event::Appended(Appended { shard: ShardId(shard), index, at: NOW, bytes_total: index }));
        };
        (1..=5).for_each(|index| put(&mut stream, 0, index));
        let split = stream.split(NOW, ShardId(0), None).expect("it can be split");
        stream.apply(&split);
        (1..=5).for_each(|index| put(&mut stream, 1, index));
        let merge = stream.merge(NOW, ShardId(1), ShardId(2)).expect("they can be merged");
        stream.apply(&merge);
        stream
    }

    fn begin(position: Position, resume: &[(u32, Position)]) -> (Plan, Vec<(u32, u64)>) {
        let resume = resume.iter().map(|(shard, position)| (ShardId(*shard), *position)).collect();
        let (plan, places) = Plan::of_all(NOW, &stream(), &Beginning { position, resume }).expect("a plan");
        (plan, seen(&places))
    }

    fn seen(places: &[Place]) -> Vec<(u32, u64)> {
        places.iter().map(|place| (place.cursor.shard.0, place.cursor.index)).collect()
    }

    fn end(plan: &mut Plan, shard: u32) -> Vec<(u32, u64)> {
        let stream = stream();
        let children: Vec<_> = stream.children(ShardId(shard)).into_iter().cloned().collect();
        seen(&plan.ended(ShardId(shard), children.iter()))
    }

    #[test]
    fn children_come_after_all_of_their_parents() {
        let (mut plan, first) = begin(Position::TrimHorizon, &[]);
        assert_eq!(first, [(0, 1)]);
        assert_eq!(end(&mut plan, 0), [(1, 1), (2, 1)]);
        assert_eq!(end(&mut plan, 1), []);
        assert_eq!(end(&mut plan, 2), [(3, 1)]);
        assert!(!plan.is_done());
        assert_eq!(end(&mut plan, 3), []);
        assert!(plan.is_done());
    }

    #[test]
    fn at_the_tip_only_open_shards_are_read() {
        assert_eq!(begin(Position::Latest, &[]).1, [(3, 1)]);
    }

    #[test]
    fn a_shard_born_later_is_read_whole_also_by_who_began_at_the_tip() {
        let mut plan = Plan::of_one(ShardId(0));
        plan.not_before = Timestamp::ZERO;
        assert_eq!(end(&mut plan, 0), [(1, 1), (2, 1)]);
    }

    #[test]
    fn what_is_resumed_leaves_its_past_alone() {
        let after = |shard, index| {
            let stream = stream();
            Position::After(stream.sequence_number(ShardId(shard), index, NOW).expect("it is there"))
        };
        let (mut plan, first) = begin(Position::TrimHorizon, &[(1, after(1, 4))]);
        assert_eq!(first, [(1, 5), (2, 1)], "shard 0 was read; shard 2 is new");
        assert_eq!(end(&mut plan, 1), []);
        assert_eq!(end(&mut plan, 2), [(3, 1)]);
        let (_, first) = begin(Position::Latest, &[(0, after(0, 5))]);
        assert_eq!(first, [(0, 6)], "it says that it has ended, and then its children come");
        let (_, first) = begin(Position::Latest, &[(1, after(1, 5)), (2, after(2, 0))]);
        assert_eq!(first, [(1, 6), (2, 1)]);
    }

    #[test]
    fn a_number_begins_no_whole_stream_and_a_shard_is_resumed_once() {
        let number = stream().sequence_number(ShardId(0), 1, NOW).expect("it is there");
        let beginning = Beginning { position: Position::At(number), resume: Vec::new() };
        assert!(Plan::of_all(NOW, &stream(), &beginning).is_err());
        let twice = vec![(ShardId(0), Position::Latest), (ShardId(0), Position::TrimHorizon)];
        assert!(check(&Beginning { position: Position::Latest, resume: twice }).is_err());
        let cursor = Cursor { shard: ShardId(0), index: 3, not_before: Timestamp::ZERO };
        assert_eq!(Place::new(cursor, 9).number_before(PartitionId(1)).index, 2);
    }
}
