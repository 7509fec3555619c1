//! Calls that open a session and talk with it, `Consume` of queues and `Join` of streams: a task of its own runs the session,
//! because leases and memberships must live on while the client does not read.

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
    task::{Context, Poll},
};
use tokio::sync::mpsc;
use tokio_stream::{Stream, StreamExt};
use tonic::{Status, Streaming};

/// Frames between the session and the socket: one being written, one ready.
const FRAMES_AHEAD: usize = 2;

/// What a client says.
pub(super) enum Said<K: Kind> {
    Open(K::Open),
    Command(Result<K::Command, Refusal>),
}

pub(super) type Events<K> = mpsc::Sender<Result<<K as Kind>::Event, Refusal>>;

/// Which session it is, and how its frames are spelled.
pub(super) trait Kind: Sized + Send + 'static {
    type Request: Send + 'static;
    type Response;
    type Open: Send;
    type Command: Send;
    type Event: Send + 'static;
    type Session: Send;
    /// What follows the open, to tell who sends something else.
    const COMMANDS: &'static str;

    /// None: the frame is empty.
    fn read(request: Self::Request) -> Option<Said<Self>>;
    fn begin(call: &Call, open: Self::Open) -> impl Future<Output = Result<Self::Session, Refusal>> + Send;
    fn run(
        session: Self::Session,
        commands: impl Stream<Item = Result<Self::Command, Refusal>> + Send,
        events: Events<Self>,
    ) -> impl Future<Output = ()> + Send;
    fn spell(call: &Call, drain: &DrainControl, event: Self::Event) -> Self::Response;
}

pub(super) struct SessionStream<K: Kind> {
    call: Arc<Call>,
    events: mpsc::Receiver<Result<K::Event, Refusal>>,
    drain: DrainControl,
    is_over: bool,
}

impl<K: Kind> SessionStream<K> {
    /// Starts the call; how it goes is said in the stream.
    pub(super) fn open(call: Call, frames: Streaming<K::Request>, drain: DrainControl) -> Self {
        let call = Arc::new(call);
        let (sender, events) = mpsc::channel(FRAMES_AHEAD);
        tokio::spawn(run::<K>(call.clone(), frames, sender));
        Self { call, events, drain, is_over: false }
    }
}

async fn run<K: Kind>(call: Arc<Call>, mut frames: Streaming<K::Request>, sender: Events<K>) {
    let opened = tokio::select! {
        opened = begin::<K>(&mut frames) => opened,
        // Who never opens must not hold up the end of the server.
        () = call.broker().draining().cancelled() => Err(draining()),
        () = sender.closed() => return,
    };
    let session = match opened {
        Ok(open) => K::begin(&call, open).await,
        Err(refusal) => Err(refusal),
    };
    // The call's own count ends with the stream, not with what its session still waits for.
    drop(call);
    match session {
        Ok(session) => K::run(session, frames.map(command::<K>), sender).await,
        // The client may be gone already.
        Err(refusal) => drop(sender.send(Err(refusal)).await),
    }
}

async fn begin<K: Kind>(frames: &mut Streaming<K::Request>) -> Result<K::Open, Refusal> {
    let first = match frames.next().await {
        Some(Ok(first)) => first,
        Some(Err(status)) => return Err(errors::of_transport(&status)),
        None => return Err(unexpected::<K>("the end")),
    };
    match K::read(first) {
        Some(Said::Open(open)) => Ok(open),
        Some(Said::Command(_)) | None => Err(unexpected::<K>("another frame first")),
    }
}

fn command<K: Kind>(frame: Result<K::Request, Status>) -> Result<K::Command, Refusal> {
    match K::read(frame.map_err(|status| errors::of_transport(&status))?) {
        Some(Said::Command(command)) => command,
        Some(Said::Open(_)) => Err(unexpected::<K>("a second open")),
        None => Err(unexpected::<K>("an empty frame")),
    }
}

fn unexpected<K: Kind>(what: &str) -> Refusal {
    let message = format!("{what} came, expected is one open and then {} frames", K::COMMANDS);
    Refusal::new(Reason::UnexpectedFrame, message).at("frame")
}

impl<K: Kind> Stream for SessionStream<K> {
    type Item = Result<K::Response, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        self.events.poll_recv(cx).map(|event| match event? {
            Ok(event) => Some(Ok(K::spell(&self.call, &self.drain, event))),
            Err(refusal) => {
                self.is_over = true;
                Some(Err(self.call.status(refusal)))
            }
        })
    }
}
