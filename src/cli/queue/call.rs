//! One Consume call: what was said in it, and what of that the server has not confirmed.

use crate::{
    base::limits,
    cli::{Failure, client::Caller},
    proto::{
        common::v1::FlowControl,
        queue::v1::{
            ConsumeRequest, Settlement,
            consume_request::{self, Open},
            consume_response::Frame,
        },
    },
};
use std::collections::VecDeque;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

const FRAMES: usize = 64;

pub(super) struct Call {
    /// Gone once this side has said everything.
    frames: Option<mpsc::Sender<ConsumeRequest>>,
    answers: Streaming<crate::proto::queue::v1::ConsumeResponse>,
    /// Empty until the server told.
    session_id: String,
    settle_id: u64,
    unconfirmed: VecDeque<(u64, Vec<Settlement>)>,
}

impl Call {
    /// Begins a call; how it goes is said in its answers. `again` is what an earlier call did not see confirmed.
    pub(super) async fn open(caller: &Caller, open: Open, again: Vec<Settlement>) -> Result<Self, Failure> {
        let (frames, requests) = mpsc::channel(FRAMES);
        say(&frames, consume_request::Frame::Open(open)).await;
        let request = caller.stream(ReceiverStream::new(requests));
        let answers = caller.queues().consume(request).await?.into_inner();
        let unconfirmed = VecDeque::new();
        let mut call = Self { frames: Some(frames), answers, session_id: String::new(), settle_id: 0, unconfirmed };
        for part in again.chunks(limits::BATCH_ENTRIES) {
            call.settle(part.to_vec()).await;
        }
        Ok(call)
    }

    /// The next thing the server says; `None` at the end.
    ///
    /// # Cancel safety
    /// No frame is lost when this is dropped.
    pub(super) async fn next(&mut self) -> Result<Option<Frame>, Failure> {
        loop {
            let Some(answer) = self.answers.message().await? else { return Ok(None) };
            match &answer.frame {
                Some(Frame::Opened(opened)) => self.session_id.clone_from(&opened.session_id),
                Some(Frame::SettledThrough(settled)) => {
                    while self.unconfirmed.front().is_some_and(|(id, _)| *id <= settled.settle_id) {
                        self.unconfirmed.pop_front();
                    }
                }
                Some(Frame::Delivery(_) | Frame::Heartbeat(_) | Frame::Draining(_)) => {}
                None => continue,
            }
            return Ok(answer.frame);
        }
    }

    pub(super) async fn settle(&mut self, settlements: Vec<Settlement>) {
        self.settle_id += 1;
        self.unconfirmed.push_back((self.settle_id, settlements.clone()));
        let settle = consume_request::Settle { settle_id: self.settle_id, settlements };
        self.send(consume_request::Frame::Settle(settle)).await;
    }

    /// Asks for no more messages.
    pub(super) async fn pause(&mut self) {
        self.send(consume_request::Frame::FlowControl(FlowControl::default())).await;
    }

    /// Says that nothing more comes.
    pub(super) fn close(&mut self) {
        self.frames = None;
    }

    pub(super) fn is_closed(&self) -> bool {
        self.frames.is_none()
    }

    pub(super) fn has_unconfirmed(&self) -> bool {
        !self.unconfirmed.is_empty()
    }

    /// The session to resume, and the settlements to repeat, once the call has broken.
    pub(super) fn into_rest(self) -> (String, Vec<Settlement>) {
        let rest = self.unconfirmed.into_iter().flat_map(|(_, settlements)| settlements);
        (self.session_id, rest.collect())
    }

    async fn send(&self, frame: consume_request::Frame) {
        if let Some(frames) = &self.frames {
            say(frames, frame).await;
        }
    }
}

async fn say(frames: &mpsc::Sender<ConsumeRequest>, frame: consume_request::Frame) {
    let request = ConsumeRequest { frame: Some(frame) };
    // A closed channel means that the call has ended; its answer says why, and is read next.
    let _ = frames.send(request).await;
}
