//! `Join`: a task of its own runs the membership, because a member stays one while its client does not read.

use super::{call::Call, convert, errors, queues, streams};
use crate::{
    base::reason::{Reason, Refusal},
    domain::stream::Position,
    proto::stream::v1::{
        JoinRequest, JoinResponse,
        join_request::{self, Frame as Said},
        join_response::{Assigned, Committed, Delivery, Draining, Ended, Frame, Lost, Opened, Revoke},
    },
    protocol::port::drain::DrainControl,
    service::{
        broker::draining,
        streams::{
            join::{Command, Event, OpenJoin},
            view::{sequence_number, shard_id},
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

pub(super) struct JoinStream {
    call: Arc<Call>,
    events: mpsc::Receiver<Result<Event, Refusal>>,
    drain: DrainControl,
    is_over: bool,
}

/// Starts the call; how it goes is said in the stream.
pub(super) fn open(call: Call, frames: Streaming<JoinRequest>, drain: DrainControl) -> JoinStream {
    let call = Arc::new(call);
    let (sender, events) = mpsc::channel(FRAMES_AHEAD);
    tokio::spawn(run(call.clone(), frames, sender));
    JoinStream { call, events, drain, is_over: false }
}

async fn run(call: Arc<Call>, mut frames: Streaming<JoinRequest>, sender: mpsc::Sender<Result<Event, Refusal>>) {
    let opened = tokio::select! {
        opened = begin(&mut frames) => opened,
        // Who never opens must not hold up the end of the server.
        () = call.broker().draining().cancelled() => Err(draining()),
        () = sender.closed() => return,
    };
    let session = match opened {
        Ok(open) => call.broker().open_join(call.caller(), open).await,
        Err(refusal) => Err(refusal),
    };
    // The call's own count ends with the stream, not with what its member still has to say.
    drop(call);
    match session {
        Ok(session) => session.run(frames.map(command), sender).await,
        // The client may be gone already.
        Err(refusal) => drop(sender.send(Err(refusal)).await),
    }
}

async fn begin(frames: &mut Streaming<JoinRequest>) -> Result<OpenJoin, Refusal> {
    let first = match frames.next().await {
        Some(Ok(first)) => first,
        Some(Err(status)) => return Err(errors::of_transport(&status)),
        None => return Err(unexpected("the end")),
    };
    let Some(Said::Open(open)) = first.frame else { return Err(unexpected("another frame first")) };
    read_open(open)
}

fn read_open(open: join_request::Open) -> Result<OpenJoin, Refusal> {
    Ok(OpenJoin {
        stream: open.stream,
        group: open.group,
        consumer_name: open.consumer_name,
        initial: streams::position("open.initial_position", open.initial_position, Position::TrimHorizon)?,
        flow_control: open.flow_control.map(queues::flow_control),
        session_timeout: convert::duration("open.session_timeout", open.session_timeout)?,
    })
}

fn command(frame: Result<JoinRequest, Status>) -> Result<Command, Refusal> {
    match frame.map_err(|status| errors::of_transport(&status))?.frame {
        Some(Said::Commit(commit)) => Ok(Command::Commit {
            commit_id: commit.commit_id,
            shard: shard_id("commit.shard_id", &commit.shard_id)?,
            number: sequence_number("commit.sequence_number", &commit.sequence_number)?,
            generation: commit.generation,
        }),
        Some(Said::Released(released)) => Ok(Command::Released {
            shard: shard_id("released.shard_id", &released.shard_id)?,
            generation: released.generation,
        }),
        Some(Said::FlowControl(flow)) => Ok(Command::Flow(queues::flow_control(flow))),
        Some(Said::Heartbeat(_)) => Ok(Command::Heartbeat),
        Some(Said::Open(_)) => Err(unexpected("a second open")),
        None => Err(unexpected("an empty frame")),
    }
}

fn unexpected(what: &str) -> Refusal {
    let message =
        format!("{what} came, expected is one open and then commit, released, flow_control and heartbeat frames");
    Refusal::new(Reason::UnexpectedFrame, message).at("frame")
}

impl Stream for JoinStream {
    type Item = Result<JoinResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        self.events.poll_recv(cx).map(|event| match event? {
            Ok(event) => Some(Ok(JoinResponse { frame: Some(self.frame(event)) })),
            Err(refusal) => {
                self.is_over = true;
                Some(Err(self.call.status(refusal)))
            }
        })
    }
}

impl JoinStream {
    fn frame(&self, event: Event) -> Frame {
        match event {
            Event::Opened { member, session_timeout } => Frame::Opened(Opened {
                member_id: member.0.to_string(),
                session_timeout: Some(convert::to_duration(session_timeout)),
            }),
            Event::Assigned { shard, generation, checkpoint } => Frame::Assigned(Assigned {
                shard: Some(streams::shard(*shard)),
                generation,
                checkpoint: checkpoint.map(|number| number.to_string()).unwrap_or_default(),
            }),
            Event::Revoke { shard, generation, grace } => Frame::Revoke(Revoke {
                shard_id: shard.to_string(),
                generation,
                grace: Some(convert::to_duration(grace)),
            }),
            Event::Lost { shard, generation } => Frame::Lost(Lost { shard_id: shard.to_string(), generation }),
            Event::Delivery(delivery) => Frame::Delivery(Delivery {
                shard_id: delivery.shard.to_string(),
                records: streams::stored(delivery.records),
                behind_tail: streams::behind(delivery.behind),
                generation: delivery.generation,
                lost_records: delivery.lost,
            }),
            Event::Committed { commit_id, refused } => {
                Frame::Committed(Committed { commit_id, error: refused.map(errors::entry) })
            }
            Event::Ended { shard, generation } => Frame::Ended(Ended { shard_id: shard.to_string(), generation }),
            Event::Draining => Frame::Draining(Draining { grace: Some(convert::to_duration(self.drain.grace())) }),
        }
    }
}
