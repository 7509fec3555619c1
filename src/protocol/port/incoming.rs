//! Accepted sockets: TCP_NODELAY set, counted, refused over the limit.

use super::{
    connections::{Connection, Connections},
    refuse::Complaint,
};
use crate::base::time::Clock;
use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    time::{Sleep, sleep},
};
use tokio_stream::Stream;

/// How long to wait when the system has no more sockets to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The sockets of every address of a port, as they come.
pub(super) struct Incoming {
    pub(super) listeners: Vec<TcpListener>,
    /// The listener to ask first, so that a busy one does not starve the others.
    pub(super) turn: usize,
    /// Whether what comes will speak TLS.
    pub(super) secure: bool,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) connections: Arc<Connections>,
    pub(super) max_connections: usize,
    pub(super) complaint: Complaint,
    pub(super) pause: Option<Pin<Box<Sleep>>>,
}

/// A socket that came.
pub(super) enum Arrival {
    Admitted(CountedStream),
    /// Too many are open: this one is counted by nobody.
    Refused(TcpStream),
}

impl Incoming {
    /// Takes the socket in, unless there are too many.
    fn admit(&mut self, socket: TcpStream) -> io::Result<Arrival> {
        if self.connections.len() >= self.max_connections {
            self.note_refused();
            return Ok(Arrival::Refused(socket));
        }
        socket.set_nodelay(true)?;
        let connection = self.connections.open(self.clock.now(), socket, self.secure);
        let socket = connection.socket.clone();
        Ok(Arrival::Admitted(CountedStream { socket, connection, connections: self.connections.clone() }))
    }

    fn note_refused(&mut self) {
        self.connections.note_refused();
        if let Some(refused) = self.complaint.count(self.clock.now()) {
            tracing::warn!(
                refused,
                limit = self.max_connections,
                "connections are refused: too many are open; `forebay server connections` lists them, \
                 listen.api.max_connections allows more"
            );
        }
    }

    /// The next socket of any listener; all of them wake the task when none has one.
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<TcpStream>> {
        let count = self.listeners.len();
        for step in 0..count {
            let index = (self.turn + step) % count;
            let Some(listener) = self.listeners.get(index) else { continue };
            if let Poll::Ready(accepted) = listener.poll_accept(cx) {
                self.turn = index + 1;
                return Poll::Ready(accepted.map(|(socket, _)| socket));
            }
        }
        Poll::Pending
    }
}

impl Stream for Incoming {
    type Item = Arrival;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(cx));
                self.pause = None;
            }
            let arrived = ready!(self.poll_accept(cx)).and_then(|socket| self.admit(socket));
            match arrived {
                Ok(arrival) => return Poll::Ready(Some(arrival)),
                Err(error) => {
                    tracing::warn!(%error, "connection not accepted");
                    self.pause = Some(Box::pin(sleep(ACCEPT_PAUSE)));
                }
            }
        }
    }
}

/// A socket that counts what passes, and that others may close.
pub(super) struct CountedStream {
    socket: Arc<TcpStream>,
    connection: Arc<Connection>,
    connections: Arc<Connections>,
}

impl Drop for CountedStream {
    fn drop(&mut self) {
        self.connections.forget(self.connection.id);
    }
}

impl CountedStream {
    pub(super) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }
}

impl AsyncRead for CountedStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.socket.poll_read_ready(cx))?;
            // Not through `initialize_unfilled`, which would write zeros over the whole of it first.
            match self.socket.try_read_buf(buffer) {
                Ok(count) => {
                    self.connection.received_bytes.fetch_add(count as u64, Ordering::Relaxed);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl CountedStream {
    fn poll_write_with(
        &self,
        cx: &mut Context<'_>,
        write: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.socket.poll_write_ready(cx))?;
            match write(&self.socket) {
                Ok(count) => {
                    self.connection.sent_bytes.fetch_add(count as u64, Ordering::Relaxed);
                    return Poll::Ready(Ok(count));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for CountedStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_with(cx, |socket| socket.try_write(buffer))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_with(cx, |socket| socket.try_write_vectored(buffers))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match socket2::SockRef::from(&*self.socket).shutdown(std::net::Shutdown::Write) {
            Err(error) if error.kind() != io::ErrorKind::NotConnected => Poll::Ready(Err(error)),
            Ok(()) | Err(_) => Poll::Ready(Ok(())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Timestamp;
    use tokio_stream::StreamExt;

    struct Still;

    impl Clock for Still {
        fn now(&self) -> Timestamp {
            Timestamp(7)
        }
    }

    async fn incoming(max_connections: usize) -> (Incoming, std::net::SocketAddr) {
        let (incoming, addresses) = incoming_on(1, max_connections).await;
        (incoming, addresses[0])
    }

    async fn incoming_on(count: usize, max_connections: usize) -> (Incoming, Vec<std::net::SocketAddr>) {
        let mut listeners = Vec::new();
        for _ in 0..count {
            listeners.push(TcpListener::bind("127.0.0.1:0").await.expect("a free port"));
        }
        let addresses = listeners.iter().map(|listener| listener.local_addr().expect("bound")).collect();
        let connections = Arc::new(Connections::default());
        let clock = Arc::new(Still);
        let complaint = Complaint::default();
        let incoming =
            Incoming { listeners, turn: 0, secure: false, clock, connections, max_connections, complaint, pause: None };
        (incoming, addresses)
    }

    async fn admitted(incoming: &mut Incoming) -> CountedStream {
        match incoming.next().await.expect("accepted") {
            Arrival::Admitted(stream) => stream,
            Arrival::Refused(_) => panic!("there is room"),
        }
    }

    #[tokio::test]
    async fn sockets_come_from_every_address_in_turn() {
        let (mut incoming, addresses) = incoming_on(3, 10).await;
        let mut clients = Vec::new();
        // Two for each address, all waiting before the first is taken in.
        for address in addresses.iter().chain(&addresses) {
            clients.push(TcpStream::connect(address).await.expect("connected"));
        }
        let mut taken = Vec::new();
        while taken.len() < clients.len() {
            let accepted = admitted(&mut incoming).await;
            taken.push(accepted.socket.local_addr().expect("connected"));
        }
        assert_eq!(taken, [&addresses[..], &addresses[..]].concat());
    }

    #[tokio::test]
    async fn every_accepted_socket_has_nodelay() {
        let (mut incoming, address) = incoming(10).await;
        let _client = TcpStream::connect(address).await.expect("connected");
        let accepted = admitted(&mut incoming).await;
        assert!(accepted.socket.nodelay().expect("readable"));
        assert_eq!((accepted.connection.opened, incoming.connections.len()), (Timestamp(7), 1));
        drop(accepted);
        assert!(incoming.connections.is_empty());
    }

    #[tokio::test]
    async fn a_connection_over_the_limit_is_refused_and_the_next_free_place_is_given() {
        let (mut incoming, address) = incoming(1).await;
        let first_client = TcpStream::connect(address).await.expect("connected");
        let first = admitted(&mut incoming).await;
        let _refused = TcpStream::connect(address).await.expect("connected");
        assert!(matches!(incoming.next().await, Some(Arrival::Refused(_))));
        assert_eq!((incoming.connections.len(), incoming.connections.refused()), (1, 1));
        drop((first, first_client));
        let _third = TcpStream::connect(address).await.expect("connected");
        admitted(&mut incoming).await;
        assert_eq!(incoming.connections.refused(), 1);
    }
}
