//! `Produce`, of queues and of streams: batches go on to the session as they come, answers leave in order.
//!
//! The stream is polled by the connection itself: no task and no channel stand between a frame and the engine. A client
//! that does not read its answers is not read from either.

use super::{call::Call, errors};
use crate::{
    base::reason::{Reason, Refusal},
    protocol::port::drain::DrainControl,
    service::broker::draining,
};
use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio_stream::{Stream, StreamExt};
use tokio_util::sync::WaitForCancellationFutureOwned;
use tonic::{Status, Streaming};

/// What a client says.
pub(super) enum Said<K: Kind> {
    Open(K::Open),
    Batch(K::Batch),
}

/// What it is told.
pub(super) enum Told<K: Kind> {
    Opened { last_sequence: u64, max_outstanding_bytes: u64 },
    Acked(K::Acked),
    Draining { grace: Duration },
}

/// Whose entries are produced: how frames are spelled, and the session that takes them.
pub(super) trait Kind: Sized + Send + 'static {
    type Request: Send + 'static;
    type Response;
    type Open: Send;
    type Batch;
    type Acked;
    type Session: Send + 'static;

    /// None: the frame is empty.
    fn read(request: Self::Request) -> Option<Said<Self>>;
    fn spell(told: Told<Self>) -> Self::Response;
    fn begin(call: &Call, open: Self::Open) -> impl Future<Output = Result<Self::Session, Refusal>> + Send;
    /// The last sequence stored, and the bytes that may be outstanding.
    fn opened(session: &Self::Session) -> (u64, u64);
    fn push(session: &mut Self::Session, batch: Self::Batch) -> Result<(), Refusal>;
    fn poll_acked(session: &mut Self::Session, cx: &mut Context<'_>) -> Poll<Self::Acked>;
    fn has_room(session: &Self::Session) -> bool;
    fn is_settled(session: &Self::Session) -> bool;
}

type Opened<K> = (<K as Kind>::Session, Streaming<<K as Kind>::Request>);
type Opening<K> = Pin<Box<dyn Future<Output = Result<Opened<K>, Refusal>> + Send>>;

enum State<K: Kind> {
    Opening(Opening<K>),
    Open(Box<Open<K>>),
    Ended,
}

struct Open<K: Kind> {
    session: K::Session,
    frames: Streaming<K::Request>,
    /// The client sends nothing more, or nothing more is read.
    is_done: bool,
    /// What ends the call once everything outstanding is answered.
    refusal: Option<Refusal>,
}

pub(super) struct ProduceStream<K: Kind> {
    call: Arc<Call>,
    state: State<K>,
    drain: DrainControl,
    /// `None` once the client was told.
    draining: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
}

impl<K: Kind> ProduceStream<K> {
    pub(super) fn new(call: Call, frames: Streaming<K::Request>, drain: DrainControl) -> Self {
        let call = Arc::new(call);
        let draining = Some(Box::pin(call.broker().draining().clone().cancelled_owned()));
        Self { state: State::Opening(Box::pin(open::<K>(call.clone(), frames))), call, drain, draining }
    }

    fn fail(&mut self, refusal: Refusal) -> Poll<Option<Result<K::Response, Status>>> {
        self.state = State::Ended;
        Poll::Ready(Some(Err(self.call.status(refusal))))
    }

    fn poll_opening(&mut self, cx: &mut Context<'_>) -> Poll<Result<Told<K>, Refusal>> {
        let State::Opening(opening) = &mut self.state else { return Poll::Pending };
        let Poll::Ready(opened) = opening.as_mut().poll(cx) else {
            // Who never opens must not hold up the end of the server.
            return self.poll_draining(cx).map(|_| Err(draining()));
        };
        let (session, frames) = opened?;
        let (last_sequence, max_outstanding_bytes) = K::opened(&session);
        self.state = State::Open(Box::new(Open { session, frames, is_done: false, refusal: None }));
        Poll::Ready(Ok(Told::Opened { last_sequence, max_outstanding_bytes }))
    }

    fn poll_draining(&mut self, cx: &mut Context<'_>) -> Poll<Told<K>> {
        let Some(draining) = &mut self.draining else { return Poll::Pending };
        ready!(draining.as_mut().poll(cx));
        self.draining = None;
        Poll::Ready(Told::Draining { grace: self.drain.grace() })
    }
}

impl<K: Kind> Stream for ProduceStream<K> {
    type Item = Result<K::Response, Status>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let told = match &mut this.state {
            State::Ended => return Poll::Ready(None),
            State::Opening(_) => match ready!(this.poll_opening(cx)) {
                Ok(told) => told,
                Err(refusal) => return this.fail(refusal),
            },
            State::Open(open) => match open.poll(cx) {
                Poll::Ready(Some(told)) => told,
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
        Poll::Ready(Some(Ok(K::spell(told))))
    }
}

impl<K: Kind> Open<K> {
    /// The next answer; `None` when the call is over.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Told<K>>> {
        loop {
            if let Poll::Ready(acked) = K::poll_acked(&mut self.session, cx) {
                return Poll::Ready(Some(Told::Acked(acked)));
            }
            if self.is_done && K::is_settled(&self.session) {
                return Poll::Ready(None);
            }
            if self.is_done || !K::has_room(&self.session) {
                return Poll::Pending;
            }
            let frame = ready!(Pin::new(&mut self.frames).poll_next(cx));
            if let Err(refusal) = self.take(frame) {
                self.refusal = Some(refusal);
                self.is_done = true;
            }
        }
    }

    fn take(&mut self, frame: Option<Result<K::Request, Status>>) -> Result<(), Refusal> {
        let Some(frame) = frame else {
            self.is_done = true;
            return Ok(());
        };
        match K::read(frame.map_err(|status| errors::of_transport(&status))?) {
            Some(Said::Batch(batch)) => K::push(&mut self.session, batch),
            Some(Said::Open(_)) => Err(unexpected("a second open")),
            None => Err(unexpected("an empty frame")),
        }
    }
}

fn unexpected(what: &str) -> Refusal {
    Refusal::new(Reason::UnexpectedFrame, format!("{what} came, expected is one open and then batches")).at("frame")
}

async fn open<K: Kind>(call: Arc<Call>, mut frames: Streaming<K::Request>) -> Result<Opened<K>, Refusal> {
    let first = match frames.next().await {
        Some(Ok(first)) => first,
        Some(Err(status)) => return Err(errors::of_transport(&status)),
        None => return Err(unexpected("the end")),
    };
    let Some(Said::Open(open)) = K::read(first) else { return Err(unexpected("another frame first")) };
    let session = K::begin(&call, open).await?;
    Ok((session, frames))
}
