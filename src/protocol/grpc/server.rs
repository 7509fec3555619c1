//! One port: the accept loop, what every connection gets, and the drain.
//!
//! The drain: no new connections, health says NOT_SERVING, sessions tell their clients, calls under way finish; what is
//! left when the grace ends is cut.

use super::{
    admin_service::AdminApi, call::Shared, connections::Connections, dispatch::Dispatch, incoming::Incoming,
    queue_service::QueueApi,
};
use crate::{
    base::limits,
    proto::{
        FILE_DESCRIPTOR_SET, admin::v1::admin_service_server::AdminServiceServer,
        queue::v1::queue_service_server::QueueServiceServer,
    },
    service::broker::Broker,
};
use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tonic::{codec::CompressionEncoding, service::Routes, transport::Server};
use tonic_health::{ServingStatus, server::HealthReporter};

const STREAM_WINDOW_BYTES: u32 = 1 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 8 << 20;
const STREAMS_PER_CONNECTION: u32 = 256;
/// What cut connections get to notice it.
const CUT_GRACE: Duration = Duration::from_secs(1);
/// The names health answers for; "" is the server as a whole.
const HEALTH_NAMES: [&str; 3] = ["", "forebay.queue.v1.QueueService", "forebay.admin.v1.AdminService"];

#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// More are closed as they come.
    pub max_connections: usize,
    /// A request, or a frame of a stream, that is larger is refused.
    pub max_request_bytes: usize,
    /// A ping after this long without one; a connection that does not answer in the same time is closed.
    pub keepalive: Duration,
    /// Calls open at a time on one connection.
    pub max_concurrent_streams: u32,
    /// Connections older than this are asked to go; `None`: never.
    pub max_connection_age: Option<Duration>,
    /// How long a drain waits for calls under way.
    pub drain_timeout: Duration,
    /// Pages that may call from a browser, such as `https://console.example`; `*` lets all.
    pub web_origins: Vec<String>,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            max_request_bytes: limits::REQUEST_BYTES,
            keepalive: Duration::from_secs(20),
            max_concurrent_streams: STREAMS_PER_CONNECTION,
            max_connection_age: None,
            drain_timeout: Duration::from_secs(30),
            web_origins: Vec::new(),
        }
    }
}

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Calls that were still open when the grace ended.
    pub cut_calls: u64,
}

/// Begins the drain, and says how long it may take.
#[derive(Clone)]
pub(super) struct DrainControl {
    begun: CancellationToken,
    grace: Arc<Mutex<Duration>>,
}

impl DrainControl {
    pub(super) fn new(begun: CancellationToken, grace: Duration) -> Self {
        Self { begun, grace: Arc::new(Mutex::new(grace)) }
    }

    pub(super) fn begin(&self, grace: Option<Duration>) {
        if let Some(grace) = grace {
            *self.grace.lock().unwrap_or_else(PoisonError::into_inner) = grace;
        }
        self.begun.cancel();
    }

    pub(super) fn grace(&self) -> Duration {
        *self.grace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serves the port until the broker's `draining` token is cancelled and the calls under way are done.
pub async fn serve(
    listener: std::net::TcpListener,
    broker: Arc<Broker>,
    options: ServerOptions,
) -> io::Result<Drained> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let draining = broker.draining().clone();
    let connections = Arc::new(Connections::default());
    let drain = DrainControl::new(draining.clone(), options.drain_timeout);
    let shared = Arc::new(Shared::new(broker.clone(), connections.clone(), drain.clone()));
    let health = HealthReporter::new();
    set_health(&health, ServingStatus::Serving).await;
    let dispatch = dispatch(&shared, &health, &options)?;
    let incoming = Incoming {
        listener,
        clock: broker.clock().clone(),
        connections: connections.clone(),
        max_connections: options.max_connections,
        pause: None,
    };
    let stop = draining.clone().cancelled_owned();
    let serving = transport(&options).serve_with_incoming_shutdown(dispatch, incoming, stop);
    let mut serving = std::pin::pin!(serving);
    tokio::select! {
        result = &mut serving => return ended(result, 0),
        () = draining.cancelled() => {}
    }
    end_watches(health).await;
    let grace = drain.grace();
    tokio::select! {
        result = &mut serving => return ended(result, 0),
        () = sleep(grace) => {}
    }
    let cut_calls = connections.close_all();
    tracing::warn!(cut_calls, "calls were still open when the drain's grace ended");
    match timeout(CUT_GRACE, serving).await {
        Ok(result) => ended(result, cut_calls),
        Err(_) => Ok(Drained { cut_calls }),
    }
}

fn ended(result: Result<(), tonic::transport::Error>, cut_calls: u64) -> io::Result<Drained> {
    result.map(|()| Drained { cut_calls }).map_err(io::Error::other)
}

fn transport(options: &ServerOptions) -> Server {
    let server = Server::builder()
        .accept_http1(true)
        .http2_keepalive_interval(Some(options.keepalive))
        .http2_keepalive_timeout(Some(options.keepalive))
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_concurrent_streams(options.max_concurrent_streams);
    match options.max_connection_age {
        Some(age) => server.max_connection_age(age),
        None => server,
    }
}

fn dispatch(shared: &Arc<Shared>, health: &HealthReporter, options: &ServerOptions) -> io::Result<Dispatch> {
    let queue = QueueServiceServer::new(QueueApi { shared: shared.clone() })
        .max_decoding_message_size(options.max_request_bytes)
        .max_encoding_message_size(usize::MAX)
        .accept_compressed(CompressionEncoding::Gzip);
    let admin = AdminServiceServer::new(AdminApi { shared: shared.clone() })
        .max_decoding_message_size(options.max_request_bytes)
        .accept_compressed(CompressionEncoding::Gzip);
    let health = tonic_health::server::HealthService::from_health_reporter(health.clone());
    let health = tonic_health::pb::health_server::HealthServer::new(health);
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let others = Routes::new(admin)
        .add_service(health)
        .add_service(reflection().build_v1().map_err(io::Error::other)?)
        .add_service(reflection().build_v1alpha().map_err(io::Error::other)?);
    Ok(Dispatch::new(queue, others.prepare(), &options.web_origins))
}

/// Says that the server is going, and ends the watches: an open one would hold up the drain.
async fn end_watches(mut health: HealthReporter) {
    set_health(&health, ServingStatus::NotServing).await;
    for name in HEALTH_NAMES {
        health.clear_service_status(name).await;
    }
    set_health(&health, ServingStatus::NotServing).await;
}

async fn set_health(health: &HealthReporter, status: ServingStatus) {
    for name in HEALTH_NAMES {
        health.set_service_status(name, status).await;
    }
}
