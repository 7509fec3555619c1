//! Every open connection: what it has moved, what runs over it, and a way to close it.

use crate::base::time::Timestamp;
use http::{HeaderMap, header::USER_AGENT};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
};
use tokio::net::TcpStream;

/// Letters kept of what a client calls itself.
const CLIENT_CHARS: usize = 128;

/// One connection. Figures are exact at the moment of the read.
#[derive(Debug)]
pub struct Connection {
    pub(super) id: u64,
    pub(super) peer: Option<SocketAddr>,
    pub(super) opened: Timestamp,
    pub(super) socket: Arc<TcpStream>,
    pub(super) received_bytes: AtomicU64,
    pub(super) sent_bytes: AtomicU64,
    pub(super) open_calls: AtomicU32,
    pub(super) is_web: AtomicBool,
    client: OnceLock<String>,
}

impl Connection {
    /// Remembers what the client calls itself, from its first call.
    pub(super) fn note_client(&self, headers: &HeaderMap) {
        if self.client.get().is_some() {
            return;
        }
        let said = headers.get("x-forebay-client").or_else(|| headers.get(USER_AGENT));
        let text = said.and_then(|value| value.to_str().ok()).unwrap_or_default();
        let _ = self.client.set(text.chars().take(CLIENT_CHARS).collect());
    }

    pub(super) fn client(&self) -> &str {
        self.client.get().map(String::as_str).unwrap_or_default()
    }

    fn close(&self) {
        // A socket that is closed already needs no closing.
        let _ = socket2::SockRef::from(&*self.socket).shutdown(std::net::Shutdown::Both);
    }
}

/// Counts a call of a connection while it lives.
#[derive(Debug)]
pub(super) struct OpenCall(Arc<Connection>);

impl OpenCall {
    pub(super) fn new(connection: Arc<Connection>) -> Self {
        connection.open_calls.fetch_add(1, Ordering::Relaxed);
        Self(connection)
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        self.0.open_calls.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The open connections of one listener.
#[derive(Debug, Default)]
pub struct Connections {
    by_id: Mutex<BTreeMap<u64, Arc<Connection>>>,
    next_id: AtomicU64,
}

impl Connections {
    pub(super) fn open(&self, now: Timestamp, socket: TcpStream) -> Arc<Connection> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed) + 1;
        let connection = Arc::new(Connection {
            id,
            peer: socket.peer_addr().ok(),
            opened: now,
            socket: Arc::new(socket),
            received_bytes: AtomicU64::new(0),
            sent_bytes: AtomicU64::new(0),
            open_calls: AtomicU32::new(0),
            is_web: AtomicBool::new(false),
            client: OnceLock::new(),
        });
        self.lock().insert(id, connection.clone());
        connection
    }

    pub(super) fn forget(&self, id: u64) {
        self.lock().remove(&id);
    }

    pub fn len(&self) -> usize {
        self.lock().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The connections after `after`, by id.
    pub(super) fn page(&self, after: u64, size: usize) -> Vec<Arc<Connection>> {
        let all = self.lock();
        all.range(after.saturating_add(1)..).take(size).map(|(_, connection)| connection.clone()).collect()
    }

    /// Whether there was such a connection.
    pub(super) fn close(&self, id: u64) -> bool {
        let connection = self.lock().get(&id).cloned();
        connection.inspect(|connection| connection.close()).is_some()
    }

    /// Closes every connection; returns how many calls that broke.
    pub(super) fn close_all(&self) -> u64 {
        let all: Vec<_> = self.lock().values().cloned().collect();
        let calls = all.iter().map(|connection| u64::from(connection.open_calls.load(Ordering::Relaxed))).sum();
        all.iter().for_each(|connection| connection.close());
        calls
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Connection>>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
