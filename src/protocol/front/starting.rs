//! What a server says while it opens its data directory: that it will be there, and how far it is.

use super::body::AnyBody;
use crate::{
    base::{
        reason::{Reason, Refusal},
        time::Clock,
    },
    protocol::{
        aws::face::AwsFace,
        grpc::face::GrpcFace,
        port::{
            connections::Connections,
            drain::DrainControl,
            serve::{Port, ServerOptions},
        },
    },
};
use http::{Request, Response, StatusCode, header};
use hyper::{body::Incoming, service::Service};
use std::{
    convert::Infallible,
    future::ready,
    io,
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// What the last answers get to leave when the server is there.
const GRACE: Duration = Duration::from_secs(1);

/// Says how far the start is, in half a sentence.
pub type HowFar = Arc<dyn Fn() -> String + Send + Sync>;

/// Answers every request with an error that can be tried again, until `there` is cancelled.
///
/// # Errors
///
/// A listener cannot be used without blocking.
pub async fn answer_while_starting(
    listeners: Vec<TcpListener>,
    clock: Arc<dyn Clock>,
    options: ServerOptions,
    how_far: HowFar,
    there: CancellationToken,
) -> io::Result<()> {
    let port = Port::new(listeners, clock.clone(), Arc::new(Connections::default()), options)?;
    let starting = Starting { how_far, clock, answered: Arc::default() };
    let _ended = port.serve(starting.clone(), starting, DrainControl::new(there, GRACE), ready(())).await;
    Ok(())
}

#[derive(Clone)]
struct Starting {
    how_far: HowFar,
    clock: Arc<dyn Clock>,
    /// Makes the ids of the answers differ.
    answered: Arc<AtomicU64>,
}

impl Service<Request<Incoming>> for Starting {
    type Response = Response<AnyBody>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<AnyBody>, Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let how_far = (self.how_far)();
        let refusal = Refusal::new(Reason::Starting, format!("the server is starting: {how_far}"));
        let number = self.answered.fetch_add(1, Ordering::Relaxed);
        let id = uuid::Uuid::from_u64_pair(self.clock.now().0, number).to_string();
        if GrpcFace::speaks(&request) {
            return ready(Ok(GrpcFace::refuse_early(refusal, &id).map(AnyBody::Streamed)));
        }
        if request.uri().path().ends_with("/health") {
            return ready(Ok(health(&how_far)));
        }
        ready(Ok(AwsFace::refuse_early(request, &refusal, &id).map(AnyBody::Whole)))
    }
}

fn health(how_far: &str) -> Response<AnyBody> {
    let body = serde_json::json!({ "status": "starting", "progress": how_far }).to_string();
    let mut answer = Response::new(AnyBody::Whole(body.into()));
    *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    headers.insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
    answer
}
