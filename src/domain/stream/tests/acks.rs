//! Queues over a stream: leases, acknowledgements and dead letters of single records.
//!
//! A line is `t=<seconds> <command> [-> <answer>]`. Records are `shard:index`; `0:3` means its last lease, `0:3#1` its
//! first one. Every scenario runs plainly, rebuilt from its head after each line, and rebuilt from its events.

use super::script::Words;
use crate::{
    base::{
        id::{LeaseId, StreamQueueId},
        limits,
        time::Timestamp,
    },
    domain::stream::{
        ShardId,
        acks::{
            About, AckError, Created, Event, Handle, Settings, Start, Status, StreamQueue,
            event::Marked,
            machine::Lane,
            receive::{Receive, Stored},
        },
    },
};
use std::{collections::BTreeMap, time::Duration};

pub(super) const MAX_RECEIVES: u32 = 3;
pub(super) const SETTINGS: Settings =
    Settings { visibility_timeout: Duration::from_secs(30), max_receive_count: Some(MAX_RECEIVES) };

/// A queue that is active from then on.
pub(super) fn queue(active_at: Timestamp, starts: &BTreeMap<ShardId, u64>) -> StreamQueue {
    let about = About {
        id: StreamQueueId(1),
        start: Start::Latest,
        counts_from: Timestamp::ZERO,
        created_at: Timestamp::ZERO,
        active_at,
        settled_at: Timestamp::ZERO,
        gone_at: None,
        tags: BTreeMap::new(),
    };
    StreamQueue::new(&Created { about, settings: SETTINGS, starts: starts.clone() })
}

#[derive(Clone, Copy, Debug)]
enum Rebuild {
    Never,
    FromHead,
    FromEvents,
}

#[track_caller]
fn run(text: &str) {
    for rebuild in [Rebuild::Never, Rebuild::FromHead, Rebuild::FromEvents] {
        let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let mut world = World::new();
        let mut actual = Vec::new();
        for line in &lines {
            let (command, expected) = line.split_once("->").unwrap_or((line, ""));
            let answer = world.line(command.trim());
            let shown = if expected.is_empty() && answer == "ok" { String::new() } else { format!("-> {answer}") };
            actual.push(format!("{command}{shown}"));
            world.rebuild(rebuild);
        }
        assert_eq!(actual.join("\n"), lines.join("\n"), "\nrebuild: {rebuild:?}");
    }
}

struct World {
    queue: StreamQueue,
    starts: BTreeMap<ShardId, u64>,
    now: Timestamp,
    stored: BTreeMap<ShardId, Stored>,
    events: Vec<Event>,
    leases: BTreeMap<(ShardId, u64), Vec<LeaseId>>,
    next_lease: u64,
}

impl World {
    fn new() -> Self {
        Self {
            queue: queue(Timestamp::ZERO, &BTreeMap::new()),
            starts: BTreeMap::new(),
            now: Timestamp::ZERO,
            stored: BTreeMap::new(),
            events: Vec::new(),
            leases: BTreeMap::new(),
            next_lease: 1,
        }
    }

    fn rebuild(&mut self, how: Rebuild) {
        match how {
            Rebuild::Never => {}
            Rebuild::FromHead => self.queue = StreamQueue::from_head(self.queue.head()),
            Rebuild::FromEvents => {
                self.queue = queue(Timestamp::ZERO, &self.starts);
                self.events.iter().for_each(|event| self.queue.apply(event));
            }
        }
    }

    fn line(&mut self, line: &str) -> String {
        let words = Words::parse(line);
        self.now = words.time("t").map_or(self.now, |at| Timestamp::ZERO + at);
        match self.command(&words) {
            Ok(events) if events.is_empty() => "nothing".into(),
            Ok(events) => self.commit(events),
            Err(Answer::Refused(error)) => format!("error: {error}"),
            Err(Answer::Shown(text)) => text,
        }
    }

    fn command(&mut self, words: &Words<'_>) -> Result<Vec<Event>, Answer> {
        let lane = if words.has("dead") { Lane::DeadLetters } else { Lane::Main };
        let number = |name| words.number(name);
        let handle = || self.handle(words.at(1));
        let shown = |text: String| Err(Answer::Shown(text));
        Ok(match words.at(0) {
            "start" => {
                self.starts.insert(shard(words.at(1)), number("at").expect("at="));
                self.queue = queue(Timestamp::ZERO, &self.starts);
                return shown("ok".into());
            }
            "stored" => {
                let stored = Stored { first: number("first").unwrap_or(1), last: number("last").expect("last=") };
                self.stored.insert(shard(words.at(1)), stored);
                return shown("ok".into());
            }
            "receive" => {
                let request = Receive {
                    lane,
                    max: number("max").unwrap_or(1),
                    visibility_timeout: words.time("timeout"),
                    lease: LeaseId(self.next_lease),
                    stored: self.stored.clone(),
                };
                self.queue.receive(self.now, &request)?
            }
            "ack" => self.queue.acknowledge(lane, &handle())?.into_iter().collect(),
            "visibility" => {
                let timeout = words.time("timeout").expect("timeout=");
                vec![self.queue.change_visibility(self.now, lane, &handle(), timeout)?]
            }
            "restore" => vec![self.queue.restore(self.now, &handle())?],
            "trim" => self.queue.trim(shard(words.at(1)), number("below").expect("below=")).into_iter().collect(),
            "forget" => {
                self.stored.remove(&shard(words.at(1)));
                self.queue.forget(shard(words.at(1))).into_iter().collect()
            }
            "max-receives" => {
                let max_receive_count = words.at(1).parse().ok();
                vec![self.queue.set(self.now, Settings { max_receive_count, ..SETTINGS }, Duration::ZERO)?]
            }
            "delete" => self.queue.delete(self.now, Duration::from_secs(1)).into_iter().collect(),
            "hand-back" => {
                let received = |event: &Event| if let Event::Received(marked) = event { Some(*marked) } else { None };
                let marked = self.events.iter().rev().find_map(received).expect("a receive");
                self.queue.hand_back(self.now, &Marked { from: number("from").unwrap_or(marked.from), ..marked })
            }
            "done" => {
                let done = self.queue.acknowledged(shard(words.at(1)));
                let done: Vec<_> = done.iter().map(|(from, to)| format!("{from}-{to}")).collect();
                return shown(if done.is_empty() { "none".into() } else { done.join(" ") });
            }
            "stats" => {
                let stats = self.queue.stats(self.now);
                let (returned, dead) = (stats.returned, stats.dead);
                return shown(format!(
                    "{} in flight, {returned} returned, {dead} dead, {} runs",
                    stats.in_flight, stats.runs
                ));
            }
            "visible" => {
                let at = self.queue.next_visible(lane);
                return shown(at.map_or("never".into(), |at| (at.0 / 1000).to_string()));
            }
            other => panic!("no command {other:?}"),
        })
    }

    fn commit(&mut self, events: Vec<Event>) -> String {
        let mut shown = Vec::new();
        for event in events {
            self.queue.apply(&event);
            if let Event::Received(marked) = &event {
                self.next_lease = self.next_lease.max(marked.fate.lease.0 + 1);
                for index in marked.from..=marked.to {
                    self.leases.entry((marked.shard, index)).or_default().push(marked.fate.lease);
                    shown.push(format!("{}:{index} (count {})", marked.shard.0, marked.fate.receive_count));
                }
            }
            self.events.push(event);
        }
        if shown.is_empty() { "ok".into() } else { shown.join(", ") }
    }

    fn handle(&self, text: &str) -> Handle {
        let (record, number) = text.split_once('#').unwrap_or((text, ""));
        let (shard_text, index) = record.split_once(':').expect("shard:index");
        let (shard, index) = (shard(shard_text), index.parse().expect("an index"));
        let leases = self.leases.get(&(shard, index)).cloned().unwrap_or_default();
        let lease = match number {
            "" => leases.last().copied().unwrap_or_default(),
            "lost" => LeaseId(self.next_lease),
            number => leases[number.parse::<usize>().expect("the number of a lease") - 1],
        };
        Handle { shard, index, lease }
    }
}

/// What a line gives that is no event.
enum Answer {
    Refused(AckError),
    Shown(String),
}

impl From<AckError> for Answer {
    fn from(error: AckError) -> Self {
        Self::Refused(error)
    }
}

fn shard(text: &str) -> ShardId {
    ShardId::parse(text).expect("a shard")
}

#[test]
fn a_record_not_acknowledged_in_time_is_received_again() {
    run("
        t=0   stored 0 last=3
        t=0   receive max=2        -> 0:1 (count 1), 0:2 (count 1)
        t=0   receive max=2        -> 0:3 (count 1)
        t=0   receive              -> nothing
        t=9   ack 0:1
        t=29  receive              -> nothing
        t=30  receive max=9        -> 0:2 (count 2), 0:3 (count 2)
        t=31  ack 0:2
        t=31  ack 0:2              -> nothing
        t=31  ack 0:3
        t=99  receive              -> nothing
        t=99  stats                -> 0 in flight, 0 returned, 0 dead, 0 runs
        t=99  done 0               -> 1-3
    ");
}

#[test]
fn the_state_follows_the_holes_not_the_backlog() {
    run("
        t=0   stored 0 last=1000000
        t=0   receive max=6 timeout=600   -> 0:1 (count 1), 0:2 (count 1), 0:3 (count 1), 0:4 (count 1), 0:5 (count 1), 0:6 (count 1)
        t=0   stats                       -> 6 in flight, 0 returned, 0 dead, 1 runs
        t=1   ack 0:3
        t=1   stats                       -> 5 in flight, 0 returned, 0 dead, 2 runs
        t=1   done 0                      -> 3-3
        t=1   ack 0:1
        t=1   ack 0:2
        t=1   done 0                      -> 1-3
        t=1   ack 0:6
        t=1   stats                       -> 2 in flight, 0 returned, 0 dead, 1 runs
        t=1   done 0                      -> 1-3 6-6
        t=1   ack 0:5
        t=1   ack 0:4
        t=1   stats                       -> 0 in flight, 0 returned, 0 dead, 0 runs
    ");
}

#[test]
fn shards_are_asked_in_turn() {
    run("
        t=0   stored 0 last=5
        t=0   stored 1 last=1
        t=0   stored 2 last=5
        t=0   receive          -> 0:1 (count 1)
        t=0   receive          -> 1:1 (count 1)
        t=0   receive          -> 2:1 (count 1)
        t=0   receive          -> 0:2 (count 1)
        t=0   receive          -> 2:2 (count 1)
        t=0   receive max=4    -> 0:3 (count 1), 0:4 (count 1), 0:5 (count 1), 2:3 (count 1)
        t=30  receive max=3    -> 0:1 (count 2), 0:2 (count 2), 0:3 (count 2)
    ");
}

#[test]
fn a_queue_begins_where_it_is_told_and_with_the_first_record_of_later_shards() {
    run("
        t=0   start 0 at=4
        t=0   stored 0 last=4
        t=0   stored 1 last=1
        t=0   done 0           -> none
        t=0   receive max=9    -> 0:4 (count 1), 1:1 (count 1)
        t=0   ack 0:3#lost     -> nothing
        t=0   ack 0:4
        t=0   done 0           -> 4-4
    ");
}

#[test]
fn the_visibility_is_changed_for_one_record() {
    run("
        t=0   stored 0 last=3
        t=0   receive max=3             -> 0:1 (count 1), 0:2 (count 1), 0:3 (count 1)
        t=10  visibility 0:2 timeout=50
        t=10  visibility 0:3 timeout=0
        t=10  visible                   -> 10
        t=10  receive max=9             -> 0:3 (count 2)
        t=10  visibility 0:3#1 timeout=9 -> error: the record was received again, restored, or is a dead letter now
        t=10  visibility 0:1 timeout=43201 -> error: a visibility timeout of 43201 s is longer than 43200 s
        t=30  receive max=9             -> 0:1 (count 2)
        t=40  receive max=9             -> 0:3 (count 3)
        t=60  receive max=9 timeout=0   -> 0:1 (count 3), 0:2 (count 2)
        t=60  receive max=1             -> 0:2 (count 3)
        t=61  ack 0:1
        t=61  visibility 0:1 timeout=5  -> error: the record is acknowledged, or gone from the stream
        t=61  receive timeout=43201     -> error: a visibility timeout of 43201 s is longer than 43200 s
    ");
}

#[test]
fn a_lease_that_timed_out_still_acknowledges_until_somebody_else_has_the_record() {
    run("
        t=0   stored 0 last=2
        t=0   receive max=2    -> 0:1 (count 1), 0:2 (count 1)
        t=40  ack 0:1
        t=40  receive          -> 0:2 (count 2)
        t=40  ack 0:2#1        -> error: the record was received again, restored, or is a dead letter now
        t=40  ack 0:2
    ");
}

#[test]
fn a_record_received_too_often_is_a_dead_letter() {
    run("
        t=0    stored 0 last=1
        t=0    receive              -> 0:1 (count 1)
        t=30   receive              -> 0:1 (count 2)
        t=60   receive              -> 0:1 (count 3)
        t=60   receive dead         -> nothing
        t=60   stats                -> 1 in flight, 0 returned, 0 dead, 1 runs
        t=90   receive              -> nothing
        t=90   stats                -> 0 in flight, 0 returned, 1 dead, 1 runs
        t=90   ack 0:1 dead         -> error: the record was received again, restored, or is a dead letter now
        t=90   receive dead         -> 0:1 (count 4)
        t=90   receive dead         -> nothing
        t=90   ack 0:1              -> error: the record was received again, restored, or is a dead letter now
        t=91   visibility 0:1 dead timeout=5
        t=96   receive dead         -> 0:1 (count 5)
        t=97   ack 0:1 dead
        t=999  receive dead         -> nothing
        t=999  done 0               -> 1-1
    ");
}

#[test]
fn a_dead_letter_may_be_acknowledged_by_its_last_consumer_who_is_late() {
    run("
        t=0    max-receives 1
        t=0    stored 0 last=1
        t=0    receive        -> 0:1 (count 1)
        t=50   ack 0:1
        t=50   receive dead   -> nothing
    ");
}

#[test]
fn a_restored_record_is_received_as_often_again() {
    run("
        t=0    max-receives 1
        t=0    stored 0 last=3
        t=0    receive max=3  -> 0:1 (count 1), 0:2 (count 1), 0:3 (count 1)
        t=0    restore 0:1    -> error: the record was received again, restored, or is a dead letter now
        t=30   receive dead max=2  -> 0:1 (count 2), 0:2 (count 2)
        t=31   restore 0:1
        t=31   ack 0:1 dead   -> error: the record was received again, restored, or is a dead letter now
        t=31   ack 0:1#1      -> error: the record was received again, restored, or is a dead letter now
        t=31   receive dead   -> 0:3 (count 2)
        t=31   receive        -> 0:1 (count 1)
        t=61   receive        -> nothing
        t=61   receive dead max=3  -> 0:2 (count 3), 0:1 (count 2), 0:3 (count 3)
    ");
}

#[test]
fn a_change_of_the_limit_moves_what_waits() {
    run("
        t=0    stored 0 last=2
        t=0    receive max=2   -> 0:1 (count 1), 0:2 (count 1)
        t=30   max-receives 1
        t=30   receive         -> nothing
        t=30   receive dead    -> 0:1 (count 2)
        t=30   max-receives 5
        t=60   receive max=2   -> 0:2 (count 2)
        t=60   receive dead    -> 0:1 (count 3)
    ");
}

#[test]
fn what_outlived_the_retention_is_not_received() {
    run("
        t=0    stored 0 last=5
        t=0    receive max=4          -> 0:1 (count 1), 0:2 (count 1), 0:3 (count 1), 0:4 (count 1)
        t=9    stored 0 first=3 last=9
        t=30   receive max=1          -> 0:3 (count 2)
        t=30   trim 0 below=8
        t=30   trim 0 below=8         -> nothing
        t=30   stats                  -> 0 in flight, 0 returned, 0 dead, 0 runs
        t=30   ack 0:3                -> nothing
        t=30   stored 0 first=8 last=9
        t=30   receive max=9          -> 0:8 (count 1), 0:9 (count 1)
        t=40   forget 0
        t=40   forget 0               -> nothing
        t=40   stats                  -> 0 in flight, 0 returned, 0 dead, 0 runs
        t=99   receive max=9          -> nothing
    ");
}

#[test]
fn a_receive_that_a_crash_took_back_is_still_acknowledged() {
    run("
        t=0    stored 0 last=4
        t=0    ack 0:3#lost
        t=0    done 0                 -> 3-3
        t=0    receive max=9          -> 0:1 (count 1), 0:2 (count 1), 0:4 (count 1)
        t=0    visibility 0:9#lost timeout=5
        t=0    ack 0:9 dead           -> error: the record was received again, restored, or is a dead letter now
    ");
}

#[test]
fn a_queue_that_is_being_deleted_gives_nothing() {
    run("
        t=0    stored 0 last=4
        t=0    receive                -> 0:1 (count 1)
        t=0    delete
        t=0    receive                -> error: the queue is being created or deleted
        t=0    ack 0:1                -> error: the queue is being created or deleted
    ");
}

#[test]
fn a_queue_that_is_being_created_gives_nothing_yet() {
    let queue = queue(Timestamp(1000), &BTreeMap::new());
    let stored = [(ShardId(0), Stored { first: 1, last: 1 })].into();
    let request = Receive { lane: Lane::Main, max: 1, visibility_timeout: None, lease: LeaseId(1), stored };
    assert_eq!(queue.receive(Timestamp(999), &request), Err(AckError::NotActive));
    assert_eq!(queue.receive(Timestamp(1000), &request).map(|events| events.len()), Ok(1));
}

#[test]
fn a_queue_full_of_holes_gives_nothing_new_but_what_came_back() {
    let mut queue = queue(Timestamp(0), &BTreeMap::new());
    let runs = limits::STREAM_QUEUE_RUNS_MAX as u64;
    let stored = [(ShardId(0), Stored { first: 1, last: 9 * runs })].into();
    let request = Receive { lane: Lane::Main, max: 2 * runs, visibility_timeout: None, lease: LeaseId(1), stored };
    queue.receive(Timestamp(0), &request).expect("records").iter().for_each(|event| queue.apply(event));
    for index in (2..=2 * runs).step_by(2) {
        queue.apply(&Event::Acknowledged { shard: ShardId(0), from: index, to: index });
    }
    let received = |now| queue.receive(Timestamp(now), &Receive { max: 3, lease: LeaseId(2), ..request.clone() });
    assert_eq!(received(1).expect("an answer").len(), 0);
    assert_eq!(received(30_000).expect("an answer").len(), 3);
}

#[test]
fn what_is_handed_back_was_never_received_and_its_handle_is_good_for_nothing() {
    run("
        t=0    stored 0 last=4
        t=0    receive max=3          -> 0:1 (count 1), 0:2 (count 1), 0:3 (count 1)
        t=1    hand-back from=2
        t=1    stats                  -> 1 in flight, 2 returned, 0 dead, 2 runs
        t=1    ack 0:2                -> error: the record was received again, restored, or is a dead letter now
        t=2    receive max=2          -> 0:2 (count 1), 0:3 (count 1)
        t=2    ack 0:1
        t=2    ack 0:3
        t=3    hand-back
        t=3    stats                  -> 0 in flight, 1 returned, 0 dead, 1 runs
    ");
}

#[test]
fn a_dead_letter_that_is_handed_back_stays_one() {
    run("
        t=0    max-receives 1
        t=0    stored 0 last=1
        t=0    receive timeout=1      -> 0:1 (count 1)
        t=1    receive dead           -> 0:1 (count 2)
        t=1    hand-back
        t=1    receive                -> nothing
        t=1    receive dead           -> 0:1 (count 2)
    ");
}

#[test]
fn without_a_limit_no_record_is_a_dead_letter() {
    run("
        t=0    max-receives none
        t=0    stored 0 last=1
        t=0    receive timeout=0      -> 0:1 (count 1)
        t=0    receive timeout=0      -> 0:1 (count 2)
        t=0    receive timeout=0      -> 0:1 (count 3)
        t=0    receive timeout=0      -> 0:1 (count 4)
        t=0    max-receives 1001      -> error: 1001 receives before a record is a dead letter; 1 to 1000
        t=0    receive dead           -> nothing
    ");
}

#[test]
fn a_queue_is_updated_when_it_is_active_and_deleted_whenever() {
    let mut made = queue(Timestamp(1000), &BTreeMap::new());
    let settle = Duration::from_secs(1);
    let set = |queue: &StreamQueue, now| queue.set(Timestamp(now), SETTINGS, settle);
    assert_eq!(set(&made, 999), Err(AckError::Busy(Status::Creating)));
    made.apply(&set(&made, 1000).expect("an active queue"));
    assert!(made.is_active(Timestamp(1500)), "one that is being updated works");
    assert_eq!(set(&made, 1999), Err(AckError::Busy(Status::Updating)));
    assert_eq!(made.about().status(Timestamp(2000)), Status::Active);
    let tags = [("a".into(), "1".into()), ("b".into(), "2".into())].into();
    made.apply(&made.tag(&tags).expect("good tags"));
    made.apply(&made.untag(&["a".into(), "unknown".into()]).expect("good keys"));
    assert_eq!(made.about().tags, [("b".into(), "2".into())].into());
    made.apply(&made.delete(Timestamp(3000), settle).expect("it was not being deleted"));
    assert_eq!(made.about().gone_at, Some(Timestamp(4000)));
    assert_eq!(made.delete(Timestamp(3500), settle), None);
    assert_eq!(set(&made, 3000), Err(AckError::Busy(Status::Deleting)));
    let long = Settings { visibility_timeout: limits::VISIBILITY_TIMEOUT_MAX + settle, ..SETTINGS };
    assert_eq!(made.set(Timestamp(9), long, settle), Err(AckError::TimeoutTooLong(long.visibility_timeout)));
}

#[test]
fn what_comes_back_later_is_known_beside_what_is_there() {
    let mut made = queue(Timestamp::ZERO, &BTreeMap::new());
    let stored = BTreeMap::from([(ShardId(0), Stored { first: 1, last: 2 })]);
    for (lease, seconds) in [(1, 5), (2, 9)] {
        let (lease, visibility_timeout) = (LeaseId(lease), Some(Duration::from_secs(seconds)));
        let request = Receive { lane: Lane::Main, max: 1, visibility_timeout, lease, stored: stored.clone() };
        made.receive(Timestamp::ZERO, &request).expect("a record").iter().for_each(|event| made.apply(event));
    }
    let after = |millis| made.returns_after(Lane::Main, Timestamp(millis));
    assert_eq!((after(0), after(4999)), (Some(Timestamp(5000)), Some(Timestamp(5000))));
    assert_eq!((after(5000), after(9000)), (Some(Timestamp(9000)), None));
}
