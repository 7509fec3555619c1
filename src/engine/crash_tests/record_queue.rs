//! A queue over a stream at work until the power goes: records are put, received, acknowledged and handed back, and what was
//! acknowledged stays so.

use super::load::Site;
use crate::{
    base::{
        id::StreamQueueId,
        reason::Refusal,
        time::{Clock as _, Timestamp},
    },
    domain::stream::{
        acks::{Settings, Start, machine::Lane},
        queues::CreateQueue,
    },
    engine::{
        client::Engine,
        stream_tests::support::{acknowledging, created_on_demand, record, showing, stream_path},
        streams::{
            delivery::{DeliveredRecord, ReceiveRecords},
            handle::StreamHandle,
            record::PutBatch,
            view::View,
        },
    },
};
use rand::{Rng as _, rngs::SmallRng};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

const NAME: &str = "shared";
const QUEUE: &str = "shared-queue";
const RETENTION: Duration = Duration::from_secs(365 * 24 * 3600);
const LEASE: Duration = Duration::from_secs(30);
const SETTINGS: Settings = Settings { visibility_timeout: LEASE, max_receive_count: Some(3) };

/// What one client, who waits for each answer, was told of a record.
#[derive(Clone, Default)]
struct Fate {
    is_stored: bool,
    /// Its acknowledgement was asked for: whether it came about is not known.
    is_asked: bool,
    is_acknowledged: bool,
    /// Nobody gets it before that.
    leased_until: Option<Timestamp>,
    receives: u32,
}

#[derive(Clone, Default)]
pub(super) struct Fates {
    by_text: BTreeMap<String, Fate>,
}

impl Fates {
    fn begin(&mut self) -> String {
        let text = format!("{:06}", self.by_text.len());
        self.by_text.insert(text.clone(), Fate::default());
        text
    }

    fn of(&mut self, text: &str) -> &mut Fate {
        self.by_text.get_mut(text).unwrap_or_else(|| panic!("nobody put {text}"))
    }

    /// A receive that began at `called` and has ended at `now` got it.
    fn received(&mut self, delivered: &DeliveredRecord, called: Timestamp, now: Timestamp) {
        let text = text_of(delivered);
        let fate = self.of(&text);
        assert!(!fate.is_acknowledged, "{text} was acknowledged, and is back");
        let is_leased = fate.leased_until.is_some_and(|until| now < until);
        assert!(!is_leased, "{text} is received although it is leased until {:?}", fate.leased_until);
        if delivered.receipt.lane == Lane::Main {
            let count = delivered.receive_count;
            assert!(count > fate.receives, "{text} is received for the {count}th time after {}", fate.receives);
            fate.receives = count;
        }
        *fate = Fate { is_stored: true, is_asked: false, leased_until: Some(called + LEASE), ..fate.clone() };
    }
}

fn text_of(delivered: &DeliveredRecord) -> String {
    String::from_utf8_lossy(&delivered.record.data).into_owned()
}

#[derive(Clone)]
struct Queue {
    stream: Arc<StreamHandle>,
    id: StreamQueueId,
}

/// The queue, if an engine has it already.
async fn known(engine: &Engine) -> Option<Queue> {
    let stream = engine.find_stream(&stream_path(NAME)).ok()?;
    let look = |view: &View<'_>| view.queues.get(QUEUE).map(|queue| queue.about().id);
    let id = engine.ask_stream(&stream, look).await.ok()??;
    Some(Queue { stream, id })
}

async fn queue(site: Site<'_>) -> Option<Queue> {
    if let Some(found) = known(site.engine).await {
        return Some(found);
    }
    let path = stream_path(NAME);
    let stream = match site.engine.find_stream(&path) {
        Ok(found) => found,
        Err(_) => {
            site.unless_opening(site.engine.create_stream(path, created_on_demand(RETENTION)).await)?.expect("created")
        }
    };
    let (id, tags, found) = (StreamQueueId(0), [].into(), [].into());
    let request = CreateQueue { id, settings: SETTINGS, start: Start::TrimHorizon, tags, found };
    let made = site.unless_opening(site.engine.create_stream_queue(&stream, QUEUE.into(), request).await)?;
    Some(Queue { stream, id: made.expect("created").about.id })
}

async fn receive(engine: &Engine, queue: &Queue, lane: Lane) -> Result<Vec<DeliveredRecord>, Refusal> {
    let (queue, stream) = (queue.id, &queue.stream);
    let (max, max_bytes, wait) = (3, 1 << 20, Duration::ZERO);
    let request = ReceiveRecords { queue, lane, max, max_bytes, visibility_timeout: Some(LEASE), wait };
    engine.receive_records(stream, request).await
}

/// Receives, then acknowledges, hands back or keeps each.
async fn consume(site: Site<'_>, queue: &Queue, told: &Mutex<Fates>, random: &mut SmallRng) -> Option<()> {
    let lane = if random.random_bool(0.3) { Lane::DeadLetters } else { Lane::Main };
    let called = site.machine.clock.now();
    let got = site.unless_cut(receive(site.engine, queue, lane).await)?;
    let now = site.machine.clock.now();
    got.iter().for_each(|delivered| told.lock().expect("told").received(delivered, called, now));
    let (mut done, mut back) = (Vec::new(), Vec::new());
    for delivered in &got {
        match random.random_range(0..10) {
            0..5 => done.push(delivered),
            5..8 => back.push(delivered),
            _ => {}
        }
    }
    done.iter().for_each(|delivered| told.lock().expect("told").of(&text_of(delivered)).is_asked = true);
    let decide = acknowledging(queue.id, done.iter().map(|delivered| delivered.receipt).collect());
    let results = site.unless_cut(site.engine.change_stream(&queue.stream, decide).await)?.expect("decided");
    for (delivered, result) in done.iter().zip(results) {
        let mut told = told.lock().expect("told");
        let fate = told.of(&text_of(delivered));
        let was_leased = fate.leased_until.is_some_and(|until| site.machine.clock.now() < until);
        assert!(result.is_ok() || !was_leased, "{}: {result:?}", text_of(delivered));
        (fate.is_asked, fate.is_acknowledged) = (false, result.is_ok());
    }
    back.iter().for_each(|delivered| told.lock().expect("told").of(&text_of(delivered)).leased_until = None);
    let handles = back.iter().map(|delivered| delivered.receipt.handle).collect();
    // One whose lease has ended meanwhile is not there to be handed back, and none of them is.
    let _ = site.unless_cut(site.engine.change_stream(&queue.stream, showing(queue.id, lane, handles)).await)?;
    Some(())
}

pub(super) async fn share(site: Site<'_>, told: &Mutex<Fates>, mut random: SmallRng, rounds: usize) -> Option<()> {
    let queue = queue(site).await?;
    for _ in 0..rounds {
        let texts: Vec<String> = (0..random.random_range(1..4)).map(|_| told.lock().expect("told").begin()).collect();
        let records = texts.iter().map(|text| record(&format!("k{text}"), text)).collect();
        let batch = PutBatch { records, producer: None };
        let results = site.unless_cut(site.engine.put_records(&queue.stream, batch).await)?;
        for (text, result) in texts.iter().zip(results) {
            result.expect("stored");
            told.lock().expect("told").of(text).is_stored = true;
        }
        consume(site, &queue, told, &mut random).await?;
        if random.random_bool(0.1) {
            site.machine.clock.advance(Duration::from_secs(random.random_range(1..60)));
        }
    }
    Some(())
}

/// Everything that was stored and not acknowledged comes, once, and nothing else does.
pub(super) async fn check(site: Site<'_>, told: &Mutex<Fates>, what: &str) {
    let all = told.lock().expect("told").by_text.clone();
    if all.values().all(|fate| !fate.is_stored) {
        return;
    }
    let queue = loop {
        match known(site.engine).await {
            Some(queue) => break queue,
            // A start opens it in a moment.
            None => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    };
    site.machine.clock.advance(2 * LEASE);
    let mut drained = BTreeSet::new();
    for lane in [Lane::Main, Lane::DeadLetters] {
        loop {
            let called = site.machine.clock.now();
            let got = receive(site.engine, &queue, lane).await.expect("received");
            if got.is_empty() {
                break;
            }
            for delivered in &got {
                told.lock().expect("told").received(delivered, called, site.machine.clock.now());
                assert!(drained.insert(text_of(delivered)), "{what}: {} comes twice", text_of(delivered));
            }
            let decide = acknowledging(queue.id, got.iter().map(|delivered| delivered.receipt).collect());
            let settled = site.engine.change_stream(&queue.stream, decide).await.expect("asked").expect("decided");
            assert!(settled.iter().all(Result::is_ok), "{what}: {settled:?}");
        }
    }
    let is_due = |fate: &Fate| fate.is_stored && !fate.is_asked && !fate.is_acknowledged;
    let missing: Vec<_> = all.iter().filter(|(text, fate)| is_due(fate) && !drained.contains(*text)).collect();
    assert!(missing.is_empty(), "{what}: lost: {:?}", missing.iter().map(|(text, _)| text).collect::<Vec<_>>());
}
