//! One `Consume` call a client; everything is acknowledged at once.

use super::{
    load::{Load, client},
    receive::{acks, note},
};
use crate::cli::bench::{ledger::Ledger, tally::Tally};
use crate::cli::credentials::Wire;
use crate::{
    cli::bench::clock::now,
    proto::{
        common::v1::FlowControl,
        queue::v1::{ConsumeRequest, ConsumeResponse, consume_request, consume_response},
    },
};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

const FRAMES: usize = 64;
/// How often a client that hears nothing looks whether the others have everything.
const LOOK: Duration = Duration::from_millis(20);
/// A client that hears nothing for this long believes that what is left is lost.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn run(load: Arc<Load>, ledger: Arc<Mutex<Ledger>>, channel: Wire, index: u32) -> Tally {
    let mut tally = Tally::default();
    let mut consumer =
        Consumer { load: &load, ledger: &ledger, tally: &mut tally, unconfirmed: VecDeque::new(), next: 1 };
    if let Err(status) = consumer.run(channel, index).await {
        tally.refused(&status);
    }
    tally
}

struct Consumer<'a> {
    load: &'a Load,
    ledger: &'a Mutex<Ledger>,
    tally: &'a mut Tally,
    /// Settle frames: id, messages, when they were sent.
    unconfirmed: VecDeque<(u64, usize, Instant)>,
    next: u64,
}

impl Consumer<'_> {
    async fn run(&mut self, channel: Wire, index: u32) -> Result<(), Status> {
        let (frames, requests) = mpsc::channel(FRAMES);
        let (at, queue) = self.load.queue(index, 0);
        let flow = FlowControl { max_outstanding_messages: self.load.args.window, max_outstanding_bytes: 64 << 20 };
        let open = consume_request::Open { queue, flow_control: Some(flow), ..consume_request::Open::default() };
        send(&frames, consume_request::Frame::Open(open)).await;
        let mut answers = client(channel).consume(ReceiverStream::new(requests)).await?.into_inner();
        let mut frames = Some(frames);
        let mut heard = now();
        loop {
            let over = self.load.is_all_here() || heard.elapsed() > PATIENCE;
            if over && self.unconfirmed.is_empty() {
                frames = None;
            }
            let answer = match tokio::time::timeout(LOOK, answers.message()).await {
                Ok(answer) => answer?,
                Err(_elapsed) if heard.elapsed() > 2 * PATIENCE => return Err(Status::deadline_exceeded("silence")),
                Err(_elapsed) => continue,
            };
            let Some(answer) = answer else { return Ok(()) };
            if self.answer(answer, at, frames.as_ref()).await {
                heard = now();
            }
        }
    }

    /// Tells whether the answer brought something.
    async fn answer(
        &mut self,
        answer: ConsumeResponse,
        queue: u32,
        frames: Option<&mpsc::Sender<ConsumeRequest>>,
    ) -> bool {
        match answer.frame {
            Some(consume_response::Frame::Delivery(delivery)) => {
                let Some(frames) = frames else { return true };
                let count = note(self.load, self.ledger, queue, &delivery.messages);
                self.unconfirmed.push_back((self.next, count, now()));
                let settle = consume_request::Settle { settle_id: self.next, settlements: acks(delivery.messages) };
                self.next += 1;
                send(frames, consume_request::Frame::Settle(settle)).await;
                true
            }
            Some(consume_response::Frame::SettledThrough(settled)) => {
                while let Some((id, count, begun)) = self.unconfirmed.front().copied() {
                    if id > settled.settle_id {
                        break;
                    }
                    self.unconfirmed.pop_front();
                    self.tally.call(count, begun.elapsed());
                    self.load.came(count);
                }
                for failure in settled.failures {
                    self.tally.error(&failure.error.unwrap_or_default().reason);
                }
                true
            }
            Some(
                consume_response::Frame::Opened(_)
                | consume_response::Frame::Heartbeat(_)
                | consume_response::Frame::Draining(_),
            )
            | None => false,
        }
    }
}

async fn send(frames: &mpsc::Sender<ConsumeRequest>, frame: consume_request::Frame) {
    // A closed channel means that the call has ended; its answer says why, and is read next.
    let _ = frames.send(ConsumeRequest { frame: Some(frame) }).await;
}
