//! `Produce`: batches go on to the session as they come, answers leave in order.
//!
//! The stream is polled by the connection itself: no task and no channel stand between a frame and the engine. A client
//! that does not read its answers is not read from either.

use super::{call::Call, convert, errors, messages, queues};
use crate::{
    base::{
        limits,
        reason::{Reason, Refusal},
    },
    proto::queue::v1::{
        self as wire, ProduceRequest, ProduceResponse,
        produce_request::Frame as Said,
        produce_response::{Acked, Draining, Frame, Opened},
    },
    protocol::port::drain::DrainControl,
    service::{
        broker::draining,
        produce::{OpenProduce, ProduceSession},
    },
};
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio_stream::{Stream, StreamExt};
use tokio_util::sync::WaitForCancellationFutureOwned;
use tonic::{Status, Streaming};

type Opening = Pin<Box<dyn Future<Output = Result<(ProduceSession, Streaming<ProduceRequest>), Refusal>> + Send>>;

enum State {
    Opening(Opening),
    Open(Box<Open>),
    Ended,
}

struct Open {
    session: ProduceSession,
    frames: Streaming<ProduceRequest>,
    /// The client sends nothing more, or nothing more is read.
    is_done: bool,
    /// What ends the call once everything outstanding is answered.
    refusal: Option<Refusal>,
}

pub(super) struct ProduceStream {
    call: std::sync::Arc<Call>,
    state: State,
    drain: DrainControl,
    /// `None` once the client was told.
    draining: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
}

impl ProduceStream {
    pub(super) fn new(call: Call, frames: Streaming<ProduceRequest>, drain: DrainControl) -> Self {
        let call = std::sync::Arc::new(call);
        let draining = Some(Box::pin(call.broker().draining().clone().cancelled_owned()));
        Self { state: State::Opening(Box::pin(open(call.clone(), frames))), call, drain, draining }
    }

    fn fail(&mut self, refusal: Refusal) -> Poll<Option<Result<ProduceResponse, Status>>> {
        self.state = State::Ended;
        Poll::Ready(Some(Err(self.call.status(refusal))))
    }

    fn poll_opening(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame, Refusal>> {
        let State::Opening(opening) = &mut self.state else { return Poll::Pending };
        let Poll::Ready(opened) = opening.as_mut().poll(cx) else {
            // Who never opens must not hold up the end of the server.
            return self.poll_draining(cx).map(|_| Err(draining()));
        };
        let (session, frames) = opened?;
        let opened = Opened {
            last_sequence: session.last_sequence(),
            max_outstanding_bytes: session.max_outstanding_bytes(),
            max_batch_bytes: limits::BATCH_BYTES as u32,
        };
        self.state = State::Open(Box::new(Open { session, frames, is_done: false, refusal: None }));
        Poll::Ready(Ok(Frame::Opened(opened)))
    }

    fn poll_draining(&mut self, cx: &mut Context<'_>) -> Poll<Frame> {
        let Some(draining) = &mut self.draining else { return Poll::Pending };
        ready!(draining.as_mut().poll(cx));
        self.draining = None;
        Poll::Ready(Frame::Draining(Draining { grace: Some(convert::to_duration(self.drain.grace())) }))
    }
}

impl Stream for ProduceStream {
    type Item = Result<ProduceResponse, Status>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let frame = match &mut this.state {
            State::Ended => return Poll::Ready(None),
            State::Opening(_) => match ready!(this.poll_opening(cx)) {
                Ok(frame) => frame,
                Err(refusal) => return this.fail(refusal),
            },
            State::Open(open) => match open.poll(cx) {
                Poll::Ready(Some(frame)) => frame,
                Poll::Ready(None) => match open.refusal.take() {
                    Some(refusal) => return this.fail(refusal),
                    None => {
                        this.state = State::Ended;
                        return Poll::Ready(None);
                    }
                },
                Poll::Pending => ready!(this.poll_draining(cx)),
            },
        };
        Poll::Ready(Some(Ok(ProduceResponse { frame: Some(frame) })))
    }
}

impl Open {
    /// The next answer; `None` when the call is over.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Frame>> {
        loop {
            if let Poll::Ready(acked) = self.session.poll_acked(cx) {
                let results = messages::send_results(acked.results);
                return Poll::Ready(Some(Frame::Acked(Acked { first_sequence: acked.first_sequence, results })));
            }
            if self.is_done && self.session.is_settled() {
                return Poll::Ready(None);
            }
            if self.is_done || !self.session.has_room() {
                return Poll::Pending;
            }
            let frame = ready!(Pin::new(&mut self.frames).poll_next(cx));
            if let Err(refusal) = self.take(frame) {
                self.refusal = Some(refusal);
                self.is_done = true;
            }
        }
    }

    fn take(&mut self, frame: Option<Result<ProduceRequest, Status>>) -> Result<(), Refusal> {
        let Some(frame) = frame else {
            self.is_done = true;
            return Ok(());
        };
        match frame.map_err(|status| errors::of_transport(&status))?.frame {
            Some(Said::Batch(wire::produce_request::Batch { first_sequence, messages })) => {
                self.session.push(first_sequence, messages::messages(messages)?)
            }
            Some(Said::Open(_)) => Err(unexpected("a second open")),
            None => Err(unexpected("an empty frame")),
        }
    }
}

fn unexpected(what: &str) -> Refusal {
    Refusal::new(Reason::UnexpectedFrame, format!("{what} came, expected is one open and then batches")).at("frame")
}

async fn open(
    call: std::sync::Arc<Call>,
    mut frames: Streaming<ProduceRequest>,
) -> Result<(ProduceSession, Streaming<ProduceRequest>), Refusal> {
    let first = match frames.next().await {
        Some(Ok(first)) => first,
        Some(Err(status)) => return Err(errors::of_transport(&status)),
        None => return Err(unexpected("the end")),
    };
    let Some(Said::Open(open)) = first.frame else { return Err(unexpected("another frame first")) };
    queues::durability("open.durability", open.durability)?;
    let open = OpenProduce { queue: open.queue, producer_id: open.producer_id };
    let session = call.broker().open_produce(call.caller(), open).await?;
    Ok((session, frames))
}
