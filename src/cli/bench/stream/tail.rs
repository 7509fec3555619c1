//! How long a record is on its way: from its put until one who follows the stream has it.

use super::load::{Load, client};
use crate::{
    cli::{
        bench::{clock::now, tally::Tally},
        credentials::Wire,
    },
    proto::stream::v1::{
        Position, SubscribeStreamRequest, SubscribeStreamResponse,
        position::{Start, TrimHorizon},
        subscribe_shard_response::Event,
    },
};
use std::{
    collections::HashMap,
    ops::Range,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};
use tokio::time::timeout;
use tonic::Status;

/// How often a reader that hears nothing looks whether everything is there.
const LOOK: Duration = Duration::from_millis(20);
/// A reader that hears nothing for this long after the last put believes that what is left is lost.
const PATIENCE: Duration = Duration::from_secs(10);

/// Records on their way, by client and place, and when they set out.
#[derive(Debug, Default)]
pub(super) struct Flights {
    begun: Mutex<HashMap<(u32, u64), Instant>>,
    /// How many are stored, once all are put.
    stored: OnceLock<u64>,
}

impl Flights {
    pub(super) fn begin(&self, client: u32, places: Range<u64>, at: Instant) {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        begun.extend(places.map(|place| ((client, place), at)));
    }

    fn end(&self, record: (u32, u64)) -> Option<Instant> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner).remove(&record)
    }

    /// Nothing more is put.
    pub(super) fn all_put(&self, stored: u64) {
        self.stored.get_or_init(|| stored);
    }
}

/// What came out of which shard, in the order it came.
pub(super) type Seen = Vec<(u32, Option<(u32, u64)>)>;

/// Follows the stream until everything that is stored is there.
pub(super) async fn run(load: Arc<Load>, channel: Wire) -> (Tally, Seen) {
    let mut follower = Follower { load: &load, tally: Tally::default(), seen: Seen::new() };
    if let Err(status) = follower.run(channel).await {
        follower.tally.refused(&status);
    }
    (follower.tally, follower.seen)
}

struct Follower<'a> {
    load: &'a Load,
    tally: Tally,
    seen: Seen,
}

impl Follower<'_> {
    async fn run(&mut self, channel: Wire) -> Result<(), Status> {
        let position = Position { start: Some(Start::TrimHorizon(TrimHorizon {})) };
        let stream = self.load.stream.clone();
        let request = SubscribeStreamRequest { stream, position: Some(position), ..SubscribeStreamRequest::default() };
        let mut answers = client(channel).subscribe_stream(request).await?.into_inner();
        let mut heard = now();
        loop {
            let stored = self.load.flights.stored.get();
            if stored.is_some_and(|stored| self.seen.len() as u64 >= *stored || heard.elapsed() > PATIENCE) {
                return Ok(());
            }
            // An answer that does not come in time comes with the next look.
            let Ok(answer) = timeout(LOOK, answers.message()).await else { continue };
            let Some(answer) = answer? else { return Err(Status::unavailable("the server ended the call")) };
            if self.take(answer) {
                heard = now();
            }
        }
    }

    /// Tells whether the answer brought records.
    fn take(&mut self, answer: SubscribeStreamResponse) -> bool {
        let done = now();
        let Some(Event::Records(records)) = answer.event.and_then(|answer| answer.event) else { return false };
        let number = answer.shard_id.rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or_default();
        let counts = self.load.window.counts(done) && !records.records.is_empty();
        self.tally.calls += u64::from(counts);
        for record in &records.records {
            let read = self.load.bodies.read(&record.data);
            if let Some(begun) = read.and_then(|read| self.load.flights.end(read)).filter(|_| counts) {
                self.tally.entry(done - begun);
            }
            self.seen.push((number, read));
        }
        !records.records.is_empty()
    }
}
