//! Every open connection: what it has moved, what runs over it, and a way to close it.

use crate::base::time::Timestamp;
use http::{HeaderMap, header::USER_AGENT};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
};
use tokio::net::TcpStream;

/// Letters kept of what a client calls itself.
const CLIENT_CHARS: usize = 128;

/// Callers remembered of one connection.
const USERS_MAX: usize = 256;

/// One connection. Figures are exact at the moment of the read.
#[derive(Debug)]
pub struct Connection {
    pub(crate) id: u64,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) opened: Timestamp,
    /// Over TLS.
    pub secure: bool,
    pub(super) socket: Arc<TcpStream>,
    pub(crate) received_bytes: AtomicU64,
    pub(crate) sent_bytes: AtomicU64,
    pub(crate) open_calls: AtomicU32,
    language: OnceLock<&'static str>,
    client: OnceLock<String>,
    /// Who has called over it: nearly always one.
    user: OnceLock<User>,
    other_users: Mutex<Vec<User>>,
}

/// A caller and the id of its key.
#[derive(Debug)]
struct User {
    principal: Arc<str>,
    key: Option<String>,
}

impl User {
    fn is(&self, principal: &Arc<str>, key: Option<&str>) -> bool {
        // The callers of one key share one text.
        Arc::ptr_eq(&self.principal, principal) || (self.principal == *principal && self.key.as_deref() == key)
    }
}

impl Connection {
    /// Remembers what the client calls itself, from its first call.
    pub(crate) fn note_client(&self, headers: &HeaderMap) {
        if self.client.get().is_some() {
            return;
        }
        let said = headers.get("x-forebay-client").or_else(|| headers.get(USER_AGENT));
        let text = said.and_then(|value| value.to_str().ok()).unwrap_or_default();
        let _ = self.client.set(text.chars().take(CLIENT_CHARS).collect());
    }

    pub(crate) fn client(&self) -> &str {
        self.client.get().map(String::as_str).unwrap_or_default()
    }

    /// Remembers what the connection's first call spoke.
    pub(crate) fn note_language(&self, language: &'static str) {
        if self.language.get().is_none() {
            let _ = self.language.set(language);
        }
    }

    /// Empty before the first call.
    pub(crate) fn language(&self) -> &'static str {
        self.language.get().copied().unwrap_or_default()
    }

    /// Remembers who called.
    pub(crate) fn note_user(&self, principal: &Arc<str>, key: Option<&str>) {
        let user = || User { principal: principal.clone(), key: key.map(ToOwned::to_owned) };
        if self.user.get_or_init(user).is(principal, key) {
            return;
        }
        let mut others = self.other_users.lock().unwrap_or_else(PoisonError::into_inner);
        if others.len() < USERS_MAX && !others.iter().any(|other| other.is(principal, key)) {
            others.push(user());
        }
    }

    /// Who called first; empty before the first call.
    pub(crate) fn principal(&self) -> &str {
        self.user.get().map(|user| &*user.principal).unwrap_or_default()
    }

    fn is_used_with(&self, key: &str) -> bool {
        let has = |user: &User| user.key.as_deref() == Some(key);
        let others = self.other_users.lock().unwrap_or_else(PoisonError::into_inner);
        self.user.get().is_some_and(has) || others.iter().any(has)
    }

    fn close(&self) {
        // A socket that is closed already needs no closing.
        let _ = socket2::SockRef::from(&*self.socket).shutdown(std::net::Shutdown::Both);
    }
}

/// Counts a call of a connection while it lives.
#[derive(Debug)]
pub(crate) struct OpenCall(Arc<Connection>);

impl OpenCall {
    pub(crate) fn new(connection: Arc<Connection>) -> Self {
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
    refused: AtomicU64,
}

impl Connections {
    /// Counts one that came when there were as many as there may be.
    pub(super) fn note_refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// How many were refused, since the start.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    pub(super) fn open(&self, now: Timestamp, socket: TcpStream, secure: bool) -> Arc<Connection> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed) + 1;
        let connection = Arc::new(Connection {
            id,
            peer: socket.peer_addr().ok(),
            opened: now,
            secure,
            socket: Arc::new(socket),
            received_bytes: AtomicU64::new(0),
            sent_bytes: AtomicU64::new(0),
            open_calls: AtomicU32::new(0),
            language: OnceLock::new(),
            client: OnceLock::new(),
            user: OnceLock::new(),
            other_users: Mutex::new(Vec::new()),
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
    pub(crate) fn page(&self, after: u64, size: usize) -> Vec<Arc<Connection>> {
        let all = self.lock();
        all.range(after.saturating_add(1)..).take(size).map(|(_, connection)| connection.clone()).collect()
    }

    /// Whether there was such a connection.
    pub(crate) fn close(&self, id: u64) -> bool {
        let connection = self.lock().get(&id).cloned();
        connection.inspect(|connection| connection.close()).is_some()
    }

    /// Closes the connections over which somebody called with this key.
    pub(crate) fn close_of(&self, key: &str) {
        let used: Vec<_> = self.lock().values().filter(|connection| connection.is_used_with(key)).cloned().collect();
        used.iter().for_each(|connection| connection.close());
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
