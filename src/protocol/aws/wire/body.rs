//! The body of an answer: whole, or events that come as they happen.

use bytes::Bytes;
use futures_util::stream::Stream;
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};
use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

/// Asked for the next one when the connection has taken the one before: nothing piles up behind a slow reader.
pub(in crate::protocol::aws) type Events = Pin<Box<dyn Stream<Item = Bytes> + Send>>;

/// The body of an answer of the AWS protocols.
pub struct AwsBody(Kind);

enum Kind {
    Whole(Full<Bytes>),
    Events(Events),
}

impl From<Full<Bytes>> for AwsBody {
    fn from(body: Full<Bytes>) -> Self {
        Self(Kind::Whole(body))
    }
}

impl From<Events> for AwsBody {
    fn from(events: Events) -> Self {
        Self(Kind::Events(events))
    }
}

impl Body for AwsBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut self.get_mut().0 {
            Kind::Whole(body) => Pin::new(body).poll_frame(cx),
            Kind::Events(events) => {
                events.as_mut().poll_next(cx).map(|event| event.map(|event| Ok(Frame::data(event))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Whole(body) => body.is_end_stream(),
            Kind::Events(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(body) => body.size_hint(),
            Kind::Events(_) => SizeHint::default(),
        }
    }
}
