//! Connections over the limit: some at a time are told so in the language they speak, the rest are closed unheard.

use super::calls::{Calls, WithCalls};
use crate::base::time::Timestamp;
use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::BodyExt;
use hyper::{
    body::{Body, Incoming as Received},
    service::{Service, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::conn::auto,
};
use std::{convert::Infallible, error::Error, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::Notify,
};

/// Connections told at a time. Who comes beyond them is closed at once: refusing must not cost what serving does.
pub(super) const TOLD_AT_A_TIME: usize = 64;
/// What such a connection gets to agree on a key, to ask, and to read the answer.
pub(super) const TOLD_MAX: Duration = Duration::from_secs(2);
/// Between two lines of the log about refusals.
const PERIOD: Duration = Duration::from_secs(60);

/// Says once a period how many connections were refused.
#[derive(Debug, Default)]
pub(super) struct Complaint {
    said: Option<Timestamp>,
    unsaid: u64,
}

impl Complaint {
    /// Counts one more; how many there were since the last line, when the next is due.
    pub(super) fn count(&mut self, now: Timestamp) -> Option<u64> {
        self.unsaid += 1;
        if self.said.is_some_and(|said| now.since(said) < PERIOD) {
            return None;
        }
        self.said = Some(now);
        Some(std::mem::take(&mut self.unsaid))
    }
}

/// Answers what a connection asks first with what `service` says, and ends it.
pub(super) async fn refuse<I, S, B>(stream: I, service: S)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Received>, Response = Response<B>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>> + Send + Sync,
{
    let told = std::sync::Arc::new(Notify::new());
    let tell = told.clone();
    let service = service_fn(move |request: Request<Received>| {
        let (service, tell) = (service.clone(), tell.clone());
        async move {
            let answer = service.call(read_whole(request).await).await;
            tell.notify_one();
            answer
        }
    });
    let calls = Calls::default();
    let mut builder = auto::Builder::new(calls.clone());
    builder.http1().timer(TokioTimer::new()).keep_alive(false);
    builder.http2().timer(TokioTimer::new());
    let mut serving = WithCalls::new(builder.serve_connection(TokioIo::new(stream), service), calls);
    let ended = tokio::select! {
        ended = &mut serving => ended,
        () = told.notified() => {
            serving.connection().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error = &*error, "a refused connection broke");
    }
}

/// Takes what HTTP/1.1 sends before it listens: closed with bytes unread, the connection would lose the answer.
async fn read_whole(request: Request<Received>) -> Request<Received> {
    if request.version() >= Version::HTTP_2 {
        return request;
    }
    let (parts, mut body) = request.into_parts();
    while let Some(Ok(_)) = body.frame().await {}
    Request::from_parts(parts, body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_said_once_a_period_and_none_is_forgotten() {
        let mut complaint = Complaint::default();
        assert_eq!(complaint.count(Timestamp(1000)), Some(1), "the first at once");
        assert_eq!(complaint.count(Timestamp(2000)), None);
        assert_eq!(complaint.count(Timestamp(60_999)), None);
        assert_eq!(complaint.count(Timestamp(61_000)), Some(3));
        assert_eq!(complaint.count(Timestamp(61_001)), None);
    }
}
