//! One `Produce` call a client: frames go out while earlier ones are not yet acknowledged.

use super::{
    load::{Load, client},
    send::results,
};
use crate::cli::credentials::Wire;
use crate::{
    cli::bench::{
        clock::now,
        outstanding::{Outstanding, reserve},
        tally::Tally,
    },
    proto::queue::v1::{ProduceRequest, ProduceResponse, produce_request, produce_response},
};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

/// Frames between this client and its connection; the window is what bounds it.
const FRAMES: usize = 8;

pub(super) async fn run(load: Arc<Load>, channel: Wire, index: u32) -> Tally {
    let mut producer = Producer { load: &load, index, tally: Tally::default(), outstanding: Outstanding::default() };
    // Whatever ends the call, what is not acknowledged then may be stored or not.
    if let Err(status) = producer.run(channel).await {
        producer.tally.refused(&status);
    }
    producer.tally.sent.unsure.extend(producer.outstanding.places());
    producer.tally
}

struct Producer<'a> {
    load: &'a Load,
    index: u32,
    tally: Tally,
    outstanding: Outstanding,
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
            let out = frames.clone().filter(|_| self.outstanding.count() + batch <= window);
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
        self.outstanding.begin(first, count);
        self.tally.sent.next += count;
        frame(produce_request::Frame::Batch(produce_request::Batch { first_sequence: first + 1, messages }))
    }

    /// Tells whether the server wants more.
    fn answer(&mut self, answer: ProduceResponse) -> bool {
        match answer.frame {
            Some(produce_response::Frame::Acked(acked)) => {
                let done = now();
                let count = acked.results.len() as u64;
                let stored = results(&mut self.tally, acked.first_sequence.saturating_sub(1), &acked.results);
                let begun = self.outstanding.settle(count);
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

fn frame(frame: produce_request::Frame) -> ProduceRequest {
    ProduceRequest { frame: Some(frame) }
}
