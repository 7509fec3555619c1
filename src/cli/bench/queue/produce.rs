//! One `Produce` call a client: frames go out while earlier ones are not yet acknowledged.

use super::{
    load::{Load, client},
    send::results,
    tally::Tally,
};
use crate::cli::credentials::Wire;
use crate::{
    cli::bench::clock::now,
    proto::queue::v1::{ProduceRequest, ProduceResponse, produce_request, produce_response},
};
use std::{collections::VecDeque, sync::Arc, time::Instant};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

/// Frames between this client and its connection; the window is what bounds it.
const FRAMES: usize = 8;

pub(super) async fn run(load: Arc<Load>, channel: Wire, index: u32) -> Tally {
    let mut producer =
        Producer { load: &load, index, tally: Tally::default(), outstanding: VecDeque::new(), unacked: 0 };
    // Whatever ends the call, what is not acknowledged then may be stored or not.
    if let Err(status) = producer.run(channel).await {
        producer.tally.refused(&status);
    }
    for left in producer.outstanding {
        producer.tally.sent.unsure.extend(left.first..left.first + left.count);
    }
    producer.tally
}

struct Producer<'a> {
    load: &'a Load,
    index: u32,
    tally: Tally,
    outstanding: VecDeque<Outstanding>,
    /// Messages in `outstanding`.
    unacked: u64,
}

struct Outstanding {
    first: u64,
    count: u64,
    begun: Instant,
}

impl Producer<'_> {
    async fn run(&mut self, channel: Wire) -> Result<(), Status> {
        let (frames, requests) = mpsc::channel(FRAMES);
        let (_, queue) = self.load.queue(self.index, 0);
        let open = produce_request::Open { queue, ..produce_request::Open::default() };
        // A closed channel means that the call has ended; its answer says why, and is read next.
        let _ = frames.send(frame(produce_request::Frame::Open(open))).await;
        let mut answers = client(channel).produce(ReceiverStream::new(requests)).await?.into_inner();
        let mut frames = Some(frames);
        let (batch, window) = (u64::from(self.load.args.batch()), u64::from(self.load.args.window));
        loop {
            if self.load.window.is_over(now()) {
                frames = None;
            }
            let out = frames.clone().filter(|_| self.unacked + batch <= window);
            tokio::select! {
                permit = reserve(out) => match permit {
                    Some(permit) => drop(permit.send(self.next())),
                    None => frames = None,
                },
                answer = answers.message() => match answer? {
                    Some(answer) => {
                        if !self.answer(answer) {
                            frames = None;
                        }
                    }
                    None => return Ok(()),
                },
            }
        }
    }

    fn next(&mut self) -> ProduceRequest {
        let first = self.tally.sent.next;
        let messages = self.load.messages(self.index, first);
        let count = messages.len() as u64;
        self.outstanding.push_back(Outstanding { first, count, begun: now() });
        self.tally.sent.next += count;
        self.unacked += count;
        frame(produce_request::Frame::Batch(produce_request::Batch { first_sequence: first + 1, messages }))
    }

    /// Tells whether the server wants more.
    fn answer(&mut self, answer: ProduceResponse) -> bool {
        match answer.frame {
            Some(produce_response::Frame::Acked(acked)) => {
                let done = now();
                let count = acked.results.len() as u64;
                let stored = results(&mut self.tally, acked.first_sequence.saturating_sub(1), &acked.results);
                self.unacked -= count.min(self.unacked);
                let begun = settle(&mut self.outstanding, count);
                if let Some(begun) = begun.filter(|_| self.load.window.counts(done)) {
                    self.tally.call(stored, done - begun);
                }
                true
            }
            Some(produce_response::Frame::Draining(_)) => false,
            Some(produce_response::Frame::Opened(_)) | None => true,
        }
    }
}

/// Room for a frame on its way out, never when none may go; nothing when the call has ended.
async fn reserve(frames: Option<mpsc::Sender<ProduceRequest>>) -> Option<mpsc::OwnedPermit<ProduceRequest>> {
    match frames {
        Some(frames) => frames.reserve_owned().await.ok(),
        None => std::future::pending().await,
    }
}

/// Takes acknowledged messages off the front, whole frames or parts; returns when the last of them was begun.
fn settle(outstanding: &mut VecDeque<Outstanding>, mut count: u64) -> Option<Instant> {
    let mut begun = None;
    while count > 0 {
        let front = outstanding.front_mut()?;
        begun = Some(front.begun);
        let part = count.min(front.count);
        front.first += part;
        front.count -= part;
        count -= part;
        if front.count == 0 {
            outstanding.pop_front();
        }
    }
    begun
}

fn frame(frame: produce_request::Frame) -> ProduceRequest {
    ProduceRequest { frame: Some(frame) }
}
