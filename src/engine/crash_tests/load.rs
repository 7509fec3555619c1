//! Clients at work on an engine, until the power goes or they are done, and what they tell the oracles.

use super::{
    machine::{Machine, name_of, path, present, queue},
    oracle::{Oracle, Window},
};
use crate::{
    base::{
        reason::{Reason, Refusal},
        time::Clock as _,
    },
    domain::queue::settings::Fifo,
    engine::{
        client::Engine,
        definition::{DeadLetterPolicy, QueueDefinition, QueueOptions},
        message::{NewMessage, Outcome, ReceiveOptions, SendBatch},
    },
};
use rand::{Rng as _, rngs::SmallRng};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

pub(super) const PLAIN: &str = "plain";
pub(super) const ORDERED: &str = "ordered.fifo";
pub(super) const SWEPT: &str = "swept";
pub(super) const PRODUCED: &str = "produced";
/// Two queues, between which messages move.
pub(super) const MOVING: &str = "moving";

const LEASE: Duration = Duration::from_secs(30);
const GROUPS: usize = 3;

/// An oracle for each queue, and one for the two that messages move between.
pub(super) struct Oracles(BTreeMap<&'static str, Mutex<Oracle>>);

impl Default for Oracles {
    fn default() -> Self {
        Self([PLAIN, ORDERED, SWEPT, PRODUCED, MOVING].into_iter().map(|name| (name, Mutex::default())).collect())
    }
}

impl Oracles {
    pub(super) fn of(&self, name: &str) -> std::sync::MutexGuard<'_, Oracle> {
        self.0[name].lock().expect("oracle")
    }

    pub(super) fn copy(&self) -> Self {
        Self(self.0.keys().map(|name| (*name, Mutex::new(self.of(name).clone()))).collect())
    }

    /// From the moment of this copy to that of `after`.
    pub(super) fn until(self, after: &Self) -> BTreeMap<&'static str, Window> {
        let window = |(name, before): (&'static str, Mutex<Oracle>)| {
            (name, Window { before: before.into_inner().expect("oracle"), after: after.of(name).clone() })
        };
        self.0.into_iter().map(window).collect()
    }
}

/// An engine, the machine it runs on, and what its clients were told.
#[derive(Clone, Copy)]
pub(super) struct Site<'a> {
    pub(super) machine: &'a Machine,
    pub(super) engine: &'a Engine,
    pub(super) oracles: &'a Oracles,
}

/// The sequences of a producer that were acknowledged, and those that were tried.
#[derive(Clone, Default)]
pub(super) struct Producer {
    acknowledged: u64,
    tried: u64,
}

fn options(name: &str) -> QueueOptions {
    QueueOptions { fifo: name.ends_with(".fifo").then(Fifo::default), ..QueueOptions::default() }
}

fn group_of(name: &str) -> usize {
    name.parse::<usize>().expect("a number") % GROUPS
}

/// A message whose body begins with its name.
fn message(queue: &QueueDefinition, name: &str, random: &mut SmallRng) -> NewMessage {
    let more = if random.random_bool(0.2) { random.random_range(0..5000) } else { 0 };
    let body = format!("{name}{}", "x".repeat(more));
    let fifo = queue.options.fifo.is_some();
    NewMessage {
        size: body.len() as u32,
        body: body.into(),
        group: fifo.then(|| group_of(name).to_string().into()),
        deduplication_id: fifo.then(|| name.into()),
        ..NewMessage::default()
    }
}

fn batch(messages: Vec<NewMessage>) -> SendBatch {
    SendBatch { messages, sender: "t".into(), producer: None }
}

impl Site<'_> {
    /// Nothing but a power cut makes a call fail, or that messages are still being read.
    pub(super) fn unless_cut<T>(&self, result: Result<T, Refusal>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(refusal) if self.machine.serves_at_once && refusal.reason == Reason::Starting => None,
            Err(refusal) => {
                assert!(self.machine.disk.has_crashed(), "refused: {refusal:?}");
                None
            }
        }
    }

    /// The same for what is made on the way. It may be there and not open yet: a start does that in a moment.
    pub(super) fn unless_opening<T>(&self, made: Result<T, Refusal>) -> Option<T> {
        match made {
            Err(refusal) if matches!(refusal.reason, Reason::StreamExists | Reason::StreamPartExists) => None,
            made => self.unless_cut(made),
        }
    }

    pub(super) async fn queue(&self, name: &str) -> Option<Arc<QueueDefinition>> {
        queue(self.engine, name, options(name)).await
    }

    /// Sends three messages; on a standard queue some of them show later.
    async fn send(&self, queue: &QueueDefinition, name: &str, random: &mut SmallRng) -> Option<()> {
        let names = self.oracles.of(name).begin(3);
        let mut messages: Vec<NewMessage> = names.iter().map(|name| message(queue, name, random)).collect();
        for (one, message) in names.iter().zip(&mut messages) {
            if queue.options.fifo.is_none() && random.random_bool(0.2) {
                let delay = Duration::from_secs(random.random_range(1..60));
                message.delay = Some(delay);
                self.oracles.of(name).hide(one, self.machine.clock.now() + delay);
            }
        }
        self.send_all(queue, batch(messages)).await?;
        self.oracles.of(name).sent(names);
        Some(())
    }

    async fn send_all(&self, queue: &QueueDefinition, batch: SendBatch) -> Option<()> {
        let results = self.unless_cut(self.engine.send(queue, batch).await)?;
        for result in results {
            result.expect("stored");
        }
        Some(())
    }

    /// Receives up to two messages, and deletes, gives back, keeps or leaves each.
    async fn consume(&self, queue: &QueueDefinition, name: &str, random: &mut SmallRng) -> Option<()> {
        let called = self.oracles.of(name).now();
        let options = ReceiveOptions { max_messages: 2, visibility_timeout: Some(LEASE), ..ReceiveOptions::default() };
        let got = self.unless_cut(self.engine.receive(queue, options).await)?;
        let names: Vec<String> = got.iter().map(|message| name_of(&message.payload.body)).collect();
        self.oracles.of(name).received(&names, called, self.machine.clock.now());
        if queue.options.fifo.is_some() {
            self.oracles.of(name).received_in_order(&names, group_of);
        }
        let outcomes: Vec<Outcome> = names.iter().map(|_| outcome(random)).collect();
        let deletes = || names.iter().zip(&outcomes).filter(|(_, outcome)| **outcome == Outcome::Ack);
        deletes().for_each(|(one, _)| self.oracles.of(name).ask(one));
        let settlements = got.iter().zip(&outcomes).map(|(message, outcome)| (message.receipt, outcome.clone()));
        let results = self.unless_cut(self.engine.settle(queue, settlements.collect()).await)?;
        let now = self.machine.clock.now();
        for ((one, message), (outcome, result)) in names.iter().zip(&got).zip(outcomes.iter().zip(results)) {
            // Past its lease a standard queue takes the deletion, and does nothing when somebody else has the message.
            let certain = queue.options.fifo.is_some() || now < message.lease_until;
            match (outcome, result) {
                (Outcome::Ack, Ok(())) if certain => self.oracles.of(name).deleted(one),
                (Outcome::Ack, Err(_)) => self.oracles.of(name).refused(one),
                _ => {}
            }
        }
        Some(())
    }

    fn let_time_pass(&self, random: &mut SmallRng) {
        if random.random_bool(0.1) {
            self.machine.clock.advance(Duration::from_secs(random.random_range(1..60)));
        }
    }
}

fn outcome(random: &mut SmallRng) -> Outcome {
    let seconds = Duration::from_secs(random.random_range(0..20));
    match random.random_range(0..10) {
        0 => Outcome::Nack { delay: seconds, keep_receive_count: random.random_bool(0.5) },
        1 => Outcome::Nack { delay: Duration::ZERO, keep_receive_count: false },
        2 => Outcome::Extend { visibility_timeout: seconds },
        _ => Outcome::Ack,
    }
}

/// Sends and consumes.
pub(super) async fn trade(site: Site<'_>, name: &str, mut random: SmallRng, rounds: usize) -> Option<()> {
    let queue = site.queue(name).await?;
    for _ in 0..rounds {
        site.send(&queue, name, &mut random).await?;
        site.consume(&queue, name, &mut random).await?;
        site.let_time_pass(&mut random);
    }
    Some(())
}

/// The same, and now and then everything is deleted.
pub(super) async fn sweep(site: Site<'_>, mut random: SmallRng, rounds: usize) -> Option<()> {
    let queue = site.queue(SWEPT).await?;
    for _ in 0..rounds {
        site.send(&queue, SWEPT, &mut random).await?;
        site.consume(&queue, SWEPT, &mut random).await?;
        if random.random_bool(0.2) {
            // Purges are refused for a minute after one.
            site.machine.clock.advance(Duration::from_secs(61));
            let purge = site.oracles.of(SWEPT).ask_purge();
            site.unless_cut(site.engine.purge(&queue).await)?;
            site.oracles.of(SWEPT).purged(purge);
        }
    }
    Some(())
}

/// Sends with sequences. What was not acknowledged is sent again, unless the broker says that it has it.
pub(super) async fn produce(
    site: Site<'_>,
    producer: &Mutex<Producer>,
    mut random: SmallRng,
    rounds: usize,
) -> Option<()> {
    let queue = site.queue(PRODUCED).await?;
    let named = |sequences: std::ops::RangeInclusive<u64>| sequences.map(|number| format!("{number:08}"));
    let stored = site.unless_cut(site.engine.producer_sequence(&queue, "p".into()).await)?;
    let mut known = producer.lock().expect("producer").clone();
    assert!((known.acknowledged..=known.tried).contains(&stored), "sequence {stored} is stored");
    if random.random_bool(0.5) {
        site.oracles.of(PRODUCED).sent(named(known.acknowledged + 1..=stored));
        known.acknowledged = stored;
    }
    for _ in 0..rounds {
        let (first, last) = (known.acknowledged + 1, known.acknowledged + 2);
        let names: Vec<String> = named(first..=last).collect();
        site.oracles.of(PRODUCED).begin_named(&names);
        known.tried = known.tried.max(last);
        *producer.lock().expect("producer") = known.clone();
        let messages = names.iter().map(|name| message(&queue, name, &mut random)).collect();
        let batch = SendBatch { producer: Some(("p".into(), first)), ..batch(messages) };
        site.send_all(&queue, batch).await?;
        known.acknowledged = last;
        *producer.lock().expect("producer") = known.clone();
        site.oracles.of(PRODUCED).sent(names);
        site.consume(&queue, PRODUCED, &mut random).await?;
    }
    Some(())
}

/// Two messages of that size that are sent, received and deleted, and so leave nothing.
pub(super) async fn pass_through(site: Site<'_>, size: usize) -> Option<()> {
    let traffic = queue(site.engine, "traffic", QueueOptions::default()).await?;
    let message = NewMessage { body: vec![b'x'; size].into(), size: size as u32, ..NewMessage::default() };
    site.send_all(&traffic, batch(vec![message; 2])).await?;
    let options = ReceiveOptions { max_messages: 2, ..ReceiveOptions::default() };
    let got = site.unless_cut(site.engine.receive(&traffic, options).await)?;
    let settlements = got.iter().map(|message| (message.receipt, Outcome::Ack)).collect();
    site.unless_cut(site.engine.settle(&traffic, settlements).await)?;
    Some(())
}

/// A queue whose messages become dead letters at their second receive, and the queue they go to.
async fn poisoned(engine: &Engine) -> Option<[Arc<QueueDefinition>; 2]> {
    with_dead_letters(engine, 1).await
}

/// The same with another number of receives before that.
pub(super) async fn with_dead_letters(engine: &Engine, max_receive_count: u32) -> Option<[Arc<QueueDefinition>; 2]> {
    let dead = queue(engine, "dead", QueueOptions::default()).await?;
    let dead_letter = Some(DeadLetterPolicy { queue: path("dead"), max_receive_count });
    let work = queue(engine, "work", QueueOptions { dead_letter, ..QueueOptions::default() }).await?;
    Some([work, dead])
}

/// Sends messages that nobody deletes, and moves them to the dead letters and back.
pub(super) async fn circulate(site: Site<'_>, mut random: SmallRng, rounds: usize) -> Option<()> {
    let [work, dead] = poisoned(site.engine).await?;
    for _ in 0..rounds {
        let names = site.oracles.of(MOVING).begin(1);
        let messages = names.iter().map(|name| message(&work, name, &mut random)).collect();
        site.send_all(&work, batch(messages)).await?;
        site.oracles.of(MOVING).sent(names);
        let by_hand = random.random_bool(0.2);
        let lease = if by_hand { LEASE } else { Duration::ZERO };
        let options = ReceiveOptions { max_messages: 2, visibility_timeout: Some(lease), ..ReceiveOptions::default() };
        let got = site.unless_cut(site.engine.receive(&work, options).await)?;
        if by_hand {
            let bad = Outcome::DeadLetter { reason: "bad".into() };
            let settlements = got.iter().map(|message| (message.receipt, bad.clone())).collect();
            site.unless_cut(site.engine.settle(&work, settlements).await)?;
        }
        redrive(site, &work, &dead, &mut random).await;
    }
    Some(())
}

/// Starts to move dead letters back, or stops it. Refused while the one before runs, or when none does.
async fn redrive(site: Site<'_>, work: &QueueDefinition, dead: &QueueDefinition, random: &mut SmallRng) {
    let to = random.random_bool(0.5).then_some(work.id);
    let rate = if random.random_bool(0.3) { 200 } else { 0 };
    match random.random_range(0..20) {
        0..4 => drop(site.engine.start_redrive(dead, to, rate).await),
        4 => {
            let running = site.engine.list_redrives(dead).await.unwrap_or_default();
            if let Some(newest) = running.first() {
                drop(site.engine.cancel_redrive(dead, newest.id).await);
            }
        }
        _ => {}
    }
}

impl Oracles {
    /// Nothing is known of the queues any more but what is in them.
    pub(super) async fn start_over(&self, engine: &Engine) {
        for name in self.0.keys().filter(|name| **name != MOVING) {
            let queue = queue(engine, name, options(name)).await.expect("the queue is there");
            let there = present(engine, &queue).await;
            let known = self.of(name).of_what_is_there(&there);
            *self.of(name) = known;
        }
        let [work, dead] = poisoned(engine).await.expect("the queues are there");
        let mut there = [present(engine, &work).await, present(engine, &dead).await].concat();
        there.sort();
        there.dedup();
        let known = self.of(MOVING).of_what_is_there(&there);
        *self.of(MOVING) = known;
    }
}

/// Compares what is in the queues with what was told of them.
pub(super) async fn check(machine: &Machine, engine: &Engine, windows: &BTreeMap<&'static str, Window>, what: &str) {
    for (name, window) in windows {
        let what = format!("{what}: {name}");
        if *name == MOVING {
            check_moving(machine, engine, window, &what).await;
            continue;
        }
        let queue = queue(engine, name, options(name)).await.expect("the queue is there");
        let present = present(engine, &queue).await;
        window.check(&present, &what);
        assert!(present.is_sorted() || !name.ends_with(".fifo"), "{what} is out of order");
    }
    machine.expect_no_damage(engine);
}

/// Waits until every message is in one queue: one in none is on its way, or lost, and one in both was seen twice while
/// it moved, or is there twice.
async fn check_moving(machine: &Machine, engine: &Engine, window: &Window, what: &str) {
    let [work, dead] = poisoned(engine).await.expect("the queues are there");
    for _ in 0..5_000 {
        let there = [present(engine, &work).await, present(engine, &dead).await].concat();
        let set: BTreeSet<&String> = there.iter().collect();
        if set.len() == there.len() && window.before.all_sent(|name| set.contains(name)) {
            return window.check(&there, what);
        }
        machine.clock.advance(Duration::from_secs(1));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let there = [present(engine, &work).await, present(engine, &dead).await].concat();
    window.check(&there, what);
}
