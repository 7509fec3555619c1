//! One `Produce` call a client, of queues or of streams: frames go out while earlier ones are not yet acknowledged.

use super::{
    clock::{Window, now},
    outstanding::{Outstanding, reserve},
    tally::Tally,
};
use crate::cli::credentials::Wire;
use std::{future::Future, sync::Arc};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

/// Frames between this client and its connection; the window is what bounds it.
const FRAMES: usize = 8;

/// What the server said.
pub(super) enum Told {
    /// So many entries, of which so many are stored.
    Acked {
        count: u64,
        stored: usize,
    },
    /// It wants no more.
    Draining,
    Other,
}

/// What is produced, and how that is spelled.
pub(super) trait Kind: Send + Sync + 'static {
    type Request: Send + 'static;
    type Response: Send;

    fn window(&self) -> &Window;
    /// Entries in a frame, and unacknowledged.
    fn limits(&self) -> (u64, u64);
    fn call(
        channel: Wire,
        requests: ReceiverStream<Self::Request>,
    ) -> impl Future<Output = Result<Streaming<Self::Response>, Status>> + Send;
    fn open(&self, client: u32) -> Self::Request;
    /// A frame from a place on, and how many entries it has.
    fn batch(&self, client: u32, first: u64) -> (Self::Request, u64);
    /// Takes note of the results of entries.
    fn read(tally: &mut Tally, response: &Self::Response) -> Told;
}

pub(super) async fn run<K: Kind>(load: Arc<K>, channel: Wire, index: u32) -> Tally {
    let mut producer = Producer { load: &*load, index, tally: Tally::default(), outstanding: Outstanding::default() };
    // Whatever ends the call, what is not acknowledged then may be stored or not.
    if let Err(status) = producer.run(channel).await {
        producer.tally.refused(&status);
    }
    producer.tally.sent.unsure.extend(producer.outstanding.places());
    producer.tally
}

struct Producer<'a, K> {
    load: &'a K,
    index: u32,
    tally: Tally,
    outstanding: Outstanding,
}

impl<K: Kind> Producer<'_, K> {
    async fn run(&mut self, channel: Wire) -> Result<(), Status> {
        let (frames, requests) = mpsc::channel(FRAMES);
        // A closed channel means that the call has ended; its answer says why, and is read next.
        let _ = frames.send(self.load.open(self.index)).await;
        let mut answers = K::call(channel, ReceiverStream::new(requests)).await?;
        let mut frames = Some(frames);
        let (batch, window) = self.load.limits();
        loop {
            if self.load.window().is_over(now()) {
                frames = None;
            }
            let out = frames.clone().filter(|_| self.outstanding.count() + batch <= window);
            tokio::select! {
                permit = reserve(out) => match permit {
                    Some(permit) => drop(permit.send(self.next())),
                    None => frames = None,
                },
                answer = answers.message() => match answer? {
                    Some(answer) => {
                        if !self.answer(&answer) {
                            frames = None;
                        }
                    }
                    None => return Ok(()),
                },
            }
        }
    }

    fn next(&mut self) -> K::Request {
        let first = self.tally.sent.next;
        let (request, count) = self.load.batch(self.index, first);
        self.outstanding.begin(first, count);
        self.tally.sent.next += count;
        request
    }

    /// Tells whether the server wants more.
    fn answer(&mut self, answer: &K::Response) -> bool {
        let done = now();
        match K::read(&mut self.tally, answer) {
            Told::Acked { count, stored } => {
                let begun = self.outstanding.settle(count);
                if let Some(begun) = begun.filter(|_| self.load.window().counts(done)) {
                    self.tally.call(stored, done - begun);
                }
                true
            }
            Told::Draining => false,
            Told::Other => true,
        }
    }
}
