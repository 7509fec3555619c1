//! What every use case stands on: the engine, the clock, the facts of this server, and who is asking.

use super::{
    authorise::{Action, Resource, authorise},
    sessions::Sessions,
};
use crate::{
    base::{
        entropy::{Entropy, random_16},
        limits,
        name::{AccountId, QueuePath},
        reason::{Reason, Refusal},
        time::{Clock, Timestamp},
    },
    engine::{client::Engine, definition::QueueDefinition},
};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The namespace that bare names mean.
    pub account: AccountId,
    /// Stored as the sender of messages; shown in connections.
    pub principal: Arc<str>,
}

/// One value of the configuration in force, as the admin service shows it. Secrets are hidden already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigValue {
    pub key: String,
    pub value: String,
    /// "default", a file and line, an environment variable or a flag.
    pub source: String,
    pub reloadable: bool,
}

/// Sets the log filter; the error says what is wrong with it.
pub type SetLogFilter = Arc<dyn Fn(&str) -> Result<(), String> + Send + Sync>;

/// What configuration says about queues and sessions that do not say it themselves, and how far they may go.
#[derive(Clone, Debug)]
pub struct Rules {
    pub visibility_timeout: Duration,
    pub retention: Duration,
    pub receive_wait: Duration,
    pub consume_messages: u32,
    pub consume_bytes: u64,
    pub max_lease: Duration,
    /// The most a Consume call may have outstanding.
    pub consume_messages_max: u32,
    /// The most a Produce call may have unacknowledged.
    pub produce_outstanding_bytes: u64,
    pub in_flight_messages: usize,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            visibility_timeout: limits::VISIBILITY_TIMEOUT_DEFAULT,
            retention: limits::RETENTION_DEFAULT,
            receive_wait: Duration::ZERO,
            consume_messages: limits::CONSUME_MESSAGES_DEFAULT,
            consume_bytes: limits::CONSUME_BYTES_DEFAULT,
            max_lease: limits::MAX_LEASE_DEFAULT,
            consume_messages_max: limits::CONSUME_MESSAGES_MAX,
            produce_outstanding_bytes: limits::PRODUCE_OUTSTANDING_BYTES,
            in_flight_messages: limits::IN_FLIGHT_MAX,
        }
    }
}

/// What the composition root tells about the server.
#[derive(Clone)]
pub struct ServerFacts {
    /// Of namespace "default".
    pub account: AccountId,
    /// What queue URLs begin with, without a slash at the end. Empty: queues show none.
    pub public_url: String,
    pub git_revision: &'static str,
    pub storage_format: u32,
    pub config: Vec<ConfigValue>,
    pub set_log_filter: SetLogFilter,
    pub rules: Rules,
    /// Bytes of memory the process holds.
    pub memory_bytes: fn() -> u64,
}

/// The use cases. Each is a method in a file of its own; share it behind an `Arc`.
pub struct Broker {
    pub(super) engine: Engine,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) facts: ServerFacts,
    pub(super) sessions: Arc<Sessions>,
    entropy: Mutex<Box<dyn Entropy>>,
    draining: CancellationToken,
}

impl Broker {
    /// `draining` is cancelled when the server begins to shut down: no session opens from then on, and the open ones
    /// tell their clients.
    pub fn new(
        engine: Engine,
        clock: Arc<dyn Clock>,
        entropy: Box<dyn Entropy>,
        draining: CancellationToken,
        facts: ServerFacts,
    ) -> Self {
        let sessions = Arc::new(Sessions::default());
        Self { engine, clock, facts, sessions, entropy: Mutex::new(entropy), draining }
    }

    /// The caller of a server that asks nobody who they are.
    pub fn anonymous(&self) -> Caller {
        Caller { account: self.facts.account.clone(), principal: "anonymous".into() }
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    pub fn draining(&self) -> &CancellationToken {
        &self.draining
    }

    pub fn random(&self) -> [u8; 16] {
        let mut entropy = self.entropy.lock().unwrap_or_else(PoisonError::into_inner);
        random_16(entropy.as_mut())
    }

    pub(super) fn refuse_when_draining(&self) -> Result<(), Refusal> {
        if self.draining.is_cancelled() {
            return Err(Refusal::new(Reason::Draining, "the server is shutting down"));
        }
        Ok(())
    }

    /// Reads the queue's name in `field`, asks whether the caller may, and finds the queue.
    pub(super) fn queue_for(
        &self,
        caller: &Caller,
        action: Action,
        field: &'static str,
        name: &str,
    ) -> Result<Arc<QueueDefinition>, Refusal> {
        let path = self.path_for(caller, action, field, name)?;
        self.engine.find_queue(&path)
    }

    pub(super) fn path_for(
        &self,
        caller: &Caller,
        action: Action,
        field: &'static str,
        name: &str,
    ) -> Result<QueuePath, Refusal> {
        let path = QueuePath::parse(name, &caller.account)
            .map_err(|error| Refusal::invalid(field, error.to_string()).with("limit", error.rule))?;
        authorise(caller, action, Resource::Queue(&path))?;
        Ok(path)
    }

    /// Reads `namespaces/{namespace}`; empty or "default" means the caller's own.
    pub(super) fn namespace_for(&self, caller: &Caller, action: Action, parent: &str) -> Result<AccountId, Refusal> {
        let account = match parent.strip_prefix("namespaces/") {
            None if parent.is_empty() => caller.account.clone(),
            Some("default") => caller.account.clone(),
            Some(namespace) => AccountId::parse(namespace)
                .map_err(|error| Refusal::invalid("parent", error.to_string()).with("limit", error.rule))?,
            None => {
                let rule = "namespaces/{namespace}, or empty";
                return Err(
                    Refusal::invalid("parent", format!("parent {parent:?} is not valid: {rule}")).with("limit", rule)
                );
            }
        };
        authorise(caller, action, Resource::Namespace(&account))?;
        Ok(account)
    }
}
