//! `Consume`: a task of its own runs the session, because leases must live on while the client does not read.

use super::{call::Call, convert, errors, messages, queues};
use crate::{
    base::reason::{Reason, Refusal},
    proto::queue::v1::{
        ConsumeRequest, ConsumeResponse,
        consume_request::{self, Frame as Said},
        consume_response::{Delivery, Draining, Frame, Heartbeat, Opened, SettledThrough},
    },
    protocol::port::drain::DrainControl,
    service::{
        broker::draining,
        consume::{
            open::OpenConsume,
            session::{Command, Event},
        },
    },
};
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::sync::mpsc;
use tokio_stream::{Stream, StreamExt};
use tonic::{Status, Streaming};

/// Frames between the session and the socket: one being written, one ready.
const FRAMES_AHEAD: usize = 2;

pub(super) struct ConsumeStream {
    call: Arc<Call>,
    events: mpsc::Receiver<Result<Event, Refusal>>,
    drain: DrainControl,
    is_over: bool,
}

/// Starts the call; how it goes is said in the stream.
pub(super) fn open(call: Call, frames: Streaming<ConsumeRequest>, drain: DrainControl) -> ConsumeStream {
    let call = Arc::new(call);
    let (sender, events) = mpsc::channel(FRAMES_AHEAD);
    tokio::spawn(run(call.clone(), frames, sender));
    ConsumeStream { call, events, drain, is_over: false }
}

async fn run(call: Arc<Call>, mut frames: Streaming<ConsumeRequest>, sender: mpsc::Sender<Result<Event, Refusal>>) {
    let opened = tokio::select! {
        opened = begin(&mut frames) => opened,
        // Who never opens must not hold up the end of the server.
        () = call.broker().draining().cancelled() => Err(draining()),
        () = sender.closed() => return,
    };
    let session = match opened {
        Ok(open) => call.broker().open_consume(call.caller(), open).await,
        Err(refusal) => Err(refusal),
    };
    // The call's own count ends with the stream, not with what its leases wait for.
    drop(call);
    match session {
        Ok(session) => session.run(frames.map(command), sender).await,
        // The client may be gone already.
        Err(refusal) => drop(sender.send(Err(refusal)).await),
    }
}

async fn begin(frames: &mut Streaming<ConsumeRequest>) -> Result<OpenConsume, Refusal> {
    let first = match frames.next().await {
        Some(Ok(first)) => first,
        Some(Err(status)) => return Err(errors::of_transport(&status)),
        None => return Err(unexpected("the end")),
    };
    let Some(Said::Open(open)) = first.frame else { return Err(unexpected("another frame first")) };
    read_open(open)
}

fn read_open(open: consume_request::Open) -> Result<OpenConsume, Refusal> {
    Ok(OpenConsume {
        queue: open.queue,
        consumer_name: open.consumer_name,
        flow_control: open.flow_control.map(queues::flow_control),
        visibility_timeout: convert::duration("open.visibility_timeout", open.visibility_timeout)?,
        max_lease: convert::duration("open.max_lease", open.max_lease)?,
        release_grace: convert::duration("open.release_grace", open.release_grace)?,
        max_batch_delay: convert::duration("open.max_batch_delay", open.max_batch_delay)?,
        resume_session_id: open.resume_session_id,
        held_receipt_handles: open.held_receipt_handles,
    })
}

fn command(frame: Result<ConsumeRequest, Status>) -> Result<Command, Refusal> {
    match frame.map_err(|status| errors::of_transport(&status))?.frame {
        Some(Said::Settle(settle)) => {
            let settlements = messages::settlements(settle.settlements)?;
            Ok(Command::Settle { settle_id: settle.settle_id, settlements })
        }
        Some(Said::FlowControl(flow)) => Ok(Command::Flow(queues::flow_control(flow))),
        Some(Said::Open(_)) => Err(unexpected("a second open")),
        None => Err(unexpected("an empty frame")),
    }
}

fn unexpected(what: &str) -> Refusal {
    let message = format!("{what} came, expected is one open and then settle and flow_control frames");
    Refusal::new(Reason::UnexpectedFrame, message).at("frame")
}

impl Stream for ConsumeStream {
    type Item = Result<ConsumeResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        self.events.poll_recv(cx).map(|event| match event? {
            Ok(event) => Some(Ok(ConsumeResponse { frame: Some(self.frame(event)) })),
            Err(refusal) => {
                self.is_over = true;
                Some(Err(self.call.status(refusal)))
            }
        })
    }
}

impl ConsumeStream {
    fn frame(&self, event: Event) -> Frame {
        match event {
            Event::Opened { session_id, queue } => Frame::Opened(Opened {
                session_id: session_id.to_string(),
                queue: Some(queues::queue(self.call.broker().region(), *queue)),
            }),
            Event::Delivery(received) => {
                let spell = |message| messages::received(self.call.broker(), message);
                Frame::Delivery(Delivery { messages: received.into_iter().map(spell).collect() })
            }
            Event::SettledThrough { settle_id, failures } => {
                Frame::SettledThrough(SettledThrough { settle_id, failures: messages::failures(failures) })
            }
            Event::Heartbeat(figures) => Frame::Heartbeat(Heartbeat { stats: Some(queues::stats(figures)) }),
            Event::Draining => Frame::Draining(Draining { grace: Some(convert::to_duration(self.drain.grace())) }),
        }
    }
}
