//! One port: the accept loop, what every connection gets, and the drain.
//!
//! The drain: no new connections, health says NOT_SERVING, sessions tell their clients, calls under way finish; what is
//! left when the grace ends is cut.

use super::{
    calls::{Calls, WithCalls},
    connections::{Connection, Connections},
    drain::{DrainControl, Drained},
    incoming::{Arrival, Incoming},
    refuse::{self, Complaint, TOLD_AT_A_TIME, TOLD_MAX},
    tls::Tls,
};
use crate::base::{limits, time::Clock};
use bytes::Bytes;
use http::{Request, Response};
use hyper::{
    body::{Body, Incoming as Received},
    service::{Service, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::conn::auto,
};
use std::{convert::Infallible, error::Error, io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_rustls::server::TlsStream;
use tokio_stream::StreamExt;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

const STREAM_WINDOW_BYTES: u32 = 1 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 8 << 20;
const STREAMS_PER_CONNECTION: u32 = 256;
/// How long an HTTP/1.1 connection may take for the head of its next request, which includes the time it is idle.
const IDLE_MAX: Duration = Duration::from_secs(120);
/// How long a client may take to agree on a key.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// What cut connections get to notice it.
const CUT_GRACE: Duration = Duration::from_secs(1);

#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// More are refused as they come.
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
    /// Every connection speaks TLS; `None`: none does.
    pub tls: Option<Tls>,
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
            tls: None,
        }
    }
}

/// A port that listens, on one address or several, and the connections over it.
pub struct Port {
    incoming: Incoming,
    connections: Arc<Connections>,
    options: ServerOptions,
}

impl Port {
    /// # Errors
    ///
    /// A listener cannot be used without blocking.
    pub fn new(
        listeners: Vec<std::net::TcpListener>,
        clock: Arc<dyn Clock>,
        connections: Arc<Connections>,
        options: ServerOptions,
    ) -> io::Result<Self> {
        let listen = |listener: std::net::TcpListener| {
            listener.set_nonblocking(true)?;
            tokio::net::TcpListener::from_std(listener)
        };
        let incoming = Incoming {
            listeners: listeners.into_iter().map(listen).collect::<io::Result<_>>()?,
            turn: 0,
            secure: options.tls.is_some(),
            clock,
            connections: connections.clone(),
            max_connections: options.max_connections,
            complaint: Complaint::default(),
            pause: None,
        };
        Ok(Self { incoming, connections, options })
    }

    /// Serves until the drain has begun and the calls under way are done. Every request carries its `Arc<Connection>`.
    /// Connections over the limit hear what `refusing` says. `drained` is awaited first when the drain begins: it ends
    /// what would hold it up.
    pub async fn serve<S, B>(
        self,
        service: S,
        refusing: S,
        drain: DrainControl,
        drained: impl Future<Output = ()>,
    ) -> Drained
    where
        S: Service<Request<Received>, Response = Response<B>, Error = Infallible> + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>> + Send + Sync,
    {
        let Self { mut incoming, connections, options } = self;
        let options = Arc::new(options);
        let tasks = TaskTracker::new();
        let stop = drain.begun().clone();
        let life = Life { stop: stop.clone(), max_age: options.max_connection_age };
        let refusals = Arc::new(Semaphore::new(TOLD_AT_A_TIME));
        loop {
            let arrival = tokio::select! {
                () = stop.cancelled() => break,
                arrival = incoming.next() => arrival,
            };
            let stream = match arrival {
                Some(Arrival::Admitted(stream)) => stream,
                Some(Arrival::Refused(socket)) => {
                    if let Ok(slot) = refusals.clone().try_acquire_owned() {
                        let told = tell(socket, refusing.clone(), options.tls.clone(), life.clone());
                        tasks.spawn(async move {
                            let _slot = slot;
                            told.await;
                        });
                    }
                    continue;
                }
                None => continue,
            };
            let (service, options, life) = (service.clone(), options.clone(), life.clone());
            let connection = stream.connection().clone();
            match options.tls.clone() {
                None => tasks.spawn(async move { serve_connection(stream, connection, service, &options, life).await }),
                Some(tls) => tasks.spawn(async move {
                    let Some(stream) = shake_hands(stream, connection.peer, &tls, &life).await else { return };
                    serve_connection(stream, connection, service, &options, life).await;
                }),
            };
        }
        // The port closes at once: who connects now must not hang until the drain is over.
        drop(incoming);
        tasks.close();
        drained.await;
        tokio::select! {
            () = tasks.wait() => return Drained { cut_calls: 0 },
            () = sleep(drain.grace()) => {}
        }
        let cut_calls = connections.close_all();
        tracing::warn!(cut_calls, "calls were still open when the drain's grace ended");
        if timeout(CUT_GRACE, tasks.wait()).await.is_err() {
            tracing::debug!("connections did not notice that they were cut");
        }
        Drained { cut_calls }
    }
}

fn builder(options: &ServerOptions, calls: Calls) -> auto::Builder<Calls> {
    let mut builder = auto::Builder::new(calls);
    builder.http1().timer(TokioTimer::new()).header_read_timeout(IDLE_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .max_concurrent_streams(options.max_concurrent_streams)
        .keep_alive_interval(options.keepalive)
        .keep_alive_timeout(options.keepalive);
    builder
}

/// When a connection ends that its client does not end.
#[derive(Clone)]
struct Life {
    stop: CancellationToken,
    max_age: Option<Duration>,
}

/// The TLS handshake; `None` when it fails, takes too long, or the drain begins.
async fn shake_hands<I>(stream: I, peer: Option<SocketAddr>, tls: &Tls, life: &Life) -> Option<TlsStream<I>>
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    let accepted = tokio::select! {
        accepted = timeout(HANDSHAKE_MAX, tls.accept(stream)) => accepted.ok()?,
        () = life.stop.cancelled() => return None,
    };
    // Anyone can fail a handshake as often as they like: this is no line for the log of a quiet server.
    accepted.inspect_err(|error| tracing::debug!(%error, ?peer, "TLS handshake failed")).ok()
}

/// Tells a client that it comes when too many are there.
async fn tell<S, B>(socket: TcpStream, refusing: S, tls: Option<Tls>, life: Life)
where
    S: Service<Request<Received>, Response = Response<B>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>> + Send + Sync,
{
    let telling = async {
        let Some(tls) = tls else { return refuse::refuse(socket, refusing).await };
        let peer = socket.peer_addr().ok();
        if let Some(stream) = shake_hands(socket, peer, &tls, &life).await {
            refuse::refuse(stream, refusing).await;
        }
    };
    if timeout(TOLD_MAX, telling).await.is_err() {
        tracing::debug!("a refused connection did not listen");
    }
}

async fn serve_connection<I, S, B>(
    stream: I,
    connection: Arc<Connection>,
    service: S,
    options: &ServerOptions,
    life: Life,
) where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Received>, Response = Response<B>, Error = Infallible> + Send + Sync + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>> + Send + Sync,
{
    let service = service_fn(move |mut request: Request<Received>| {
        request.extensions_mut().insert(connection.clone());
        service.call(request)
    });
    let calls = Calls::default();
    let builder = builder(options, calls.clone());
    let mut serving = WithCalls::new(builder.serve_connection(TokioIo::new(stream), service), calls);
    let grow_old = async {
        match life.max_age {
            Some(age) => sleep(age).await,
            None => std::future::pending().await,
        }
    };
    let ended = tokio::select! {
        ended = &mut serving => Some(ended),
        () = life.stop.cancelled() => None,
        () = grow_old => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            serving.connection().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error = &*error, "connection broke");
    }
}
