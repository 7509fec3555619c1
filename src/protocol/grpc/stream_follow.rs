//! `SubscribeShard` and `SubscribeStream`: a task follows as far as the client reads.

use super::{call::Call, convert, streams};
use crate::{
    base::reason::Refusal,
    proto::stream::v1::{
        SubscribeShardResponse, SubscribeStreamResponse,
        subscribe_shard_response::{Draining, Ended, Event as Frame, Records},
    },
    protocol::port::drain::DrainControl,
    service::streams::follow::{Event, OpenFollow},
};
use std::{
    marker::PhantomData,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tonic::Status;

/// Events between the session and the socket: one being written, one ready.
const EVENTS_AHEAD: usize = 2;

/// How an event is spelled.
pub(super) trait Spelled: Send + 'static {
    type Frame;

    fn spell(shard_id: String, event: Frame) -> Self::Frame;
}

/// Of one shard.
pub(super) struct ShardEvents;

/// Of every shard of a stream.
pub(super) struct StreamEvents;

impl Spelled for ShardEvents {
    type Frame = SubscribeShardResponse;

    fn spell(_shard_id: String, event: Frame) -> SubscribeShardResponse {
        SubscribeShardResponse { event: Some(event) }
    }
}

impl Spelled for StreamEvents {
    type Frame = SubscribeStreamResponse;

    fn spell(shard_id: String, event: Frame) -> SubscribeStreamResponse {
        SubscribeStreamResponse { shard_id, event: Some(SubscribeShardResponse { event: Some(event) }) }
    }
}

pub(super) struct FollowStream<S> {
    call: Arc<Call>,
    events: mpsc::Receiver<Result<Event, Refusal>>,
    drain: DrainControl,
    spelled: PhantomData<fn() -> S>,
}

/// Starts the call; how it goes is said in the stream.
pub(super) fn open<S>(call: Call, open: Result<OpenFollow, Refusal>, drain: DrainControl) -> FollowStream<S> {
    let call = Arc::new(call);
    let (sender, events) = mpsc::channel(EVENTS_AHEAD);
    tokio::spawn(run(call.clone(), open, sender));
    FollowStream { call, events, drain, spelled: PhantomData }
}

async fn run(call: Arc<Call>, open: Result<OpenFollow, Refusal>, sender: mpsc::Sender<Result<Event, Refusal>>) {
    // A client that is gone ends the call by what it does not take any more.
    let opened = match open {
        Ok(open) => call.broker().follow(call.caller(), open).await,
        Err(refusal) => Err(refusal),
    };
    let mut session = match opened {
        Ok(session) => session,
        Err(refusal) => return drop(sender.send(Err(refusal)).await),
    };
    loop {
        let Ok(permit) = sender.reserve().await else { return };
        let event = tokio::select! {
            event = session.next() => event,
            () = sender.closed() => return,
        };
        match event {
            Ok(Some(event)) => permit.send(Ok(event)),
            Ok(None) => return,
            Err(refusal) => return permit.send(Err(refusal)),
        }
    }
}

impl<S: Spelled> Stream for FollowStream<S> {
    type Item = Result<S::Frame, Status>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let event = match ready!(this.events.poll_recv(cx)) {
            None => return Poll::Ready(None),
            Some(Err(refusal)) => return Poll::Ready(Some(Err(this.call.status(refusal)))),
            Some(Ok(event)) => event,
        };
        let (shard_id, frame) = match event {
            Event::Records(followed) => {
                let records = Records {
                    records: streams::stored(followed.records),
                    continuation_sequence_number: followed.continuation.to_string(),
                    behind_tail: streams::behind(followed.behind),
                    lost_records: followed.lost,
                };
                (followed.shard.to_string(), Frame::Records(records))
            }
            Event::Ended { shard, children } => {
                let child_shards = children.into_iter().map(streams::shard).collect();
                (shard.to_string(), Frame::Ended(Ended { child_shards }))
            }
            Event::Draining => {
                let grace = Some(convert::to_duration(this.drain.grace()));
                (String::new(), Frame::Draining(Draining { grace }))
            }
        };
        Poll::Ready(Some(Ok(S::spell(shard_id, frame))))
    }
}
