//! A server that stores nothing: the same calls over the same transport, answered at once. What it does is the most that any server
//! behind this protocol can do on this machine.

use crate::cli::Failure;
use std::{net::SocketAddr, pin::Pin};
use tokio_stream::Stream;
use tonic::{
    Status,
    service::Routes,
    transport::{Server, server::TcpIncoming},
};

/// As a broker would fill a frame.
pub(super) const FRAME_BYTES: usize = 100 << 10;
/// More than any request of a benchmark has.
pub(super) const REQUEST_BYTES_MAX: usize = 64 << 20;

pub(super) type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// The server; gone when dropped.
pub(super) struct Ceiling {
    pub(super) address: SocketAddr,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Ceiling {
    /// Starts it with threads of its own, as another process would have.
    pub(super) fn start(service: Routes) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread().thread_name("ceiling").enable_all().build()?;
        let incoming = runtime.block_on(async { TcpIncoming::bind(SocketAddr::from(([127, 0, 0, 1], 0))) })?;
        let address = incoming.local_addr()?;
        let server = Server::builder()
            .initial_stream_window_size(1 << 20)
            .initial_connection_window_size(8 << 20)
            .add_routes(service)
            .serve_with_incoming(incoming.with_nodelay(Some(true)));
        runtime.spawn(server);
        Ok(Self { address, runtime: Some(runtime) })
    }
}

impl Drop for Ceiling {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
