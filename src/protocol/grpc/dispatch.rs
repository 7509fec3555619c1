//! From a request to the service that answers it.
//!
//! Native calls of the queue service go straight to it; gRPC-Web and HTTP/1.1 take a way of their own, so that they cost
//! native calls nothing. A call whose deadline passes is dropped: its client has gone.

use super::{errors, queue_service::QueueApi};
use crate::{proto::queue::v1::queue_service_server::QueueServiceServer, protocol::port::connections::Connection};
use http::{HeaderName, HeaderValue, Method, Request, Response, Version, header::CONTENT_TYPE};
use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::{Sleep, sleep};
use tonic::{Status, body::Body, service::Routes};
use tonic_types::StatusExt;
use tower::{Layer, Service, ServiceExt, util::BoxCloneSyncService};
use tower_http::cors::{AllowHeaders, AllowOrigin, Any, CorsLayer};

const QUEUE_SERVICE: &str = "/forebay.queue.v1.QueueService/";

type Answer = Result<Response<Body>, Infallible>;
type Boxed = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// The native services.
#[derive(Clone)]
struct Native {
    queue: QueueServiceServer<QueueApi>,
    others: Routes,
}

impl Native {
    /// Copies the one service that the path names, so that callers share the rest.
    fn answer(&self, request: Request<Body>) -> Boxed {
        if request.uri().path().starts_with(QUEUE_SERVICE) {
            // The generated service is always ready, and its future boxed already.
            return self.queue.clone().call(request);
        }
        Box::pin(self.others.clone().oneshot(request))
    }
}

impl Service<Request<Body>> for Native {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Boxed;

    /// Always: [`Native::answer`] waits for the service that takes the request.
    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Boxed {
        self.answer(request)
    }
}

/// Everything the port answers. One is shared by all calls: a call copies the service that takes it, and nothing else.
pub(super) struct Dispatch {
    native: Native,
    web: BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>,
}

impl Dispatch {
    /// `web_origins` are the pages that may call from a browser; "*" lets all.
    pub(super) fn new(queue: QueueServiceServer<QueueApi>, others: Routes, web_origins: &[String]) -> Self {
        let native = Native { queue, others };
        let web = cors(web_origins).layer(tonic_web::GrpcWebLayer::new().layer(native.clone()));
        Self { native, web: BoxCloneSyncService::new(web) }
    }

    pub(super) fn call(&self, request: Request<Body>) -> Finish {
        let is_web = is_web(&request);
        if let Some(connection) = request.extensions().get::<Arc<Connection>>() {
            connection.note_client(request.headers());
            connection.note_language(if is_web { "grpc-web" } else { "grpc" });
        }
        let deadline = request.headers().get("grpc-timeout").and_then(timeout_of);
        let answer: Boxed = match is_web {
            true => Box::pin(self.web.clone().oneshot(request)),
            false => self.native.answer(request),
        };
        Finish { answer, deadline: deadline.map(|after| Box::pin(sleep(after))) }
    }
}

fn is_web(request: &Request<Body>) -> bool {
    let kind = request.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    request.version() < Version::HTTP_2
        || *request.method() == Method::OPTIONS
        || kind.is_some_and(|kind| kind.starts_with(b"application/grpc-web"))
}

fn cors(origins: &[String]) -> CorsLayer {
    let exposed = ["grpc-status", "grpc-message", "grpc-status-details-bin", "x-request-id"];
    let layer = CorsLayer::new()
        .allow_methods([Method::POST])
        // The star of the standard leaves out `authorization`.
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(exposed.map(HeaderName::from_static));
    if origins.iter().any(|origin| origin == "*") {
        return layer.allow_origin(Any);
    }
    let origins = origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok());
    layer.allow_origin(AllowOrigin::list(origins))
}

/// How long the client waits: up to 8 digits and a unit, as "gRPC over HTTP2" defines `grpc-timeout`.
fn timeout_of(value: &HeaderValue) -> Option<Duration> {
    let text = value.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let number = digits.parse::<u64>().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(number * 3600)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

/// Ends a call at its deadline, and gives a status that the transport made the details every status of this server has.
pub(in crate::protocol) struct Finish {
    answer: Boxed,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Future for Finish {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer> {
        if let Poll::Ready(answer) = self.answer.as_mut().poll(cx) {
            return Poll::Ready(answer.map(|response| if is_bare(&response) { dress(&response) } else { response }));
        }
        let Some(deadline) = &mut self.deadline else { return Poll::Pending };
        match deadline.as_mut().poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => {
                let late = Status::deadline_exceeded("the deadline of the call has passed");
                Poll::Ready(Ok(dress(&late.into_http::<Body>())))
            }
        }
    }
}

/// Whether the call failed before a service of ours said why.
fn is_bare(response: &Response<Body>) -> bool {
    let Some(code) = response.headers().get("grpc-status") else { return false };
    code != "0" && !response.headers().contains_key("grpc-status-details-bin")
}

fn dress(response: &Response<Body>) -> Response<Body> {
    let bare = Status::from_header_map(response.headers()).unwrap_or_else(|| Status::unknown(""));
    let details = errors::details_of_transport(&bare);
    let status = Status::with_error_details(bare.code(), bare.message(), details);
    status.into_http()
}
