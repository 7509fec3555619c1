//! What every use case stands on: the engine, the clock, the facts of this server, and who is asking.

use super::{
    access::{key::generate, keys::AccessKeys},
    authorise::{Action, Resource},
    sessions::Sessions,
};
use crate::{
    base::{
        entropy::{Entropy, random_16},
        limits,
        name::{AccountId, Namespace, QueuePath, Region},
        reason::{Reason, Refusal},
        secret::Secret,
        time::{Clock, Timestamp},
    },
    domain::policy::{document::Policy, request::Tags},
    engine::{client::Engine, definition::QueueDefinition},
};
use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// Who asks, from where. Cloning shares what is behind it.
#[derive(Clone, Debug)]
pub struct Caller {
    /// With `region` the namespace that bare names mean.
    pub account: AccountId,
    /// The server's own for native calls, that of the credential scope for the AWS protocols.
    pub region: Region,
    /// Stored as the sender of messages; shown in connections.
    pub principal: Arc<str>,
    pub identity: Arc<Identity>,
    pub via: Via,
}

impl Caller {
    pub fn namespace(&self) -> Namespace {
        Namespace { account: self.account.clone(), region: self.region.clone() }
    }

    /// Whether both calls come from the same user, maybe by different keys and from different places.
    pub fn is_same_user(&self, other: &Self) -> bool {
        self.account == other.account && self.region == other.region && self.identity.arn == other.identity.arn
    }
}

/// Whom a key stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `arn:aws:iam::{account}:user/{name}`, or `:root`.
    pub arn: String,
    /// The access key the call came with.
    pub key_id: Option<String>,
    /// None: every right in its own account.
    pub policies: Vec<Arc<Policy>>,
}

/// How a call came: what the conditions of policies ask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Via {
    pub source_ip: Option<IpAddr>,
    /// Over TLS.
    pub secure: bool,
}

impl Via {
    /// Whether nobody on the way can read along.
    pub fn is_private(&self) -> bool {
        self.secure || self.source_ip.is_some_and(|ip| ip.to_canonical().is_loopback())
    }
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
    /// Open shards that the provisioned streams of an account have at most, in a region.
    pub stream_shards: usize,
    /// On-demand streams of an account, in a region.
    pub on_demand_streams: usize,
    /// Registered consumers of a stream.
    pub stream_consumers: usize,
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
            stream_shards: limits::ACCOUNT_SHARDS_MAX,
            on_demand_streams: limits::STREAMS_MAX,
            stream_consumers: limits::CONSUMERS_MAX,
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
    /// Access keys are taken over connections that others can read.
    pub keys_in_clear: bool,
    /// Bytes of memory the process holds.
    pub memory_bytes: fn() -> u64,
    /// Processor time the process has used.
    pub cpu_time: fn() -> Duration,
}

/// The use cases. Each is a method in a file of its own; share it behind an `Arc`.
pub struct Broker {
    pub(super) engine: Engine,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) facts: ServerFacts,
    pub(super) sessions: Arc<Sessions>,
    pub(super) access: Arc<AccessKeys>,
    anonymous: Arc<Identity>,
    entropy: Mutex<Box<dyn Entropy>>,
    draining: CancellationToken,
    /// Whose turn it is to take what an account may have of streams.
    pub(super) growing: tokio::sync::Mutex<()>,
}

impl Broker {
    /// `draining` is cancelled when the server begins to shut down: no session opens from then on, and the open ones
    /// tell their clients.
    pub fn new(
        engine: Engine,
        clock: Arc<dyn Clock>,
        entropy: Box<dyn Entropy>,
        draining: CancellationToken,
        access: Arc<AccessKeys>,
        facts: ServerFacts,
    ) -> Self {
        let sessions = Arc::new(Sessions::default());
        let anonymous = Arc::new(Identity {
            arn: format!("arn:aws:iam::{}:root", facts.account),
            key_id: None,
            policies: Vec::new(),
        });
        Self {
            engine,
            clock,
            facts,
            sessions,
            access,
            anonymous,
            entropy: Mutex::new(entropy),
            draining,
            growing: tokio::sync::Mutex::default(),
        }
    }

    /// The caller who says nothing, in the development profile.
    pub fn anonymous(&self) -> Caller {
        Caller {
            account: self.facts.account.clone(),
            region: self.region().clone(),
            principal: "anonymous".into(),
            identity: self.anonymous.clone(),
            via: Via::default(),
        }
    }

    /// The server's own region: native calls are in it, and see names from there.
    pub fn region(&self) -> &Region {
        self.engine.region()
    }

    /// A queue's full name, as a stored message has it, seen from the server's region.
    pub fn native_name(&self, full: String) -> String {
        let home = || Namespace { account: self.facts.account.clone(), region: self.region().clone() };
        match full.is_empty() {
            true => full,
            false => QueuePath::parse(&full, home()).map_or(full, |path| path.seen_from(self.region()).to_string()),
        }
    }

    /// What queue URLs begin with; empty: nothing is configured.
    pub fn public_url(&self) -> &str {
        &self.facts.public_url
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

    /// A new access key's id and secret.
    pub(super) fn new_access_key(&self) -> (String, Secret) {
        let mut entropy = self.entropy.lock().unwrap_or_else(PoisonError::into_inner);
        generate(|bytes| entropy.fill(bytes))
    }

    /// # Errors
    /// `DRAINING`.
    pub(super) fn refuse_when_draining(&self) -> Result<(), Refusal> {
        if self.draining.is_cancelled() {
            return Err(draining());
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
        self.queue_with(caller, action, field, name, Tags::None)
    }

    /// Like `queue_for`, for a call that brings tags.
    pub(super) fn queue_with(
        &self,
        caller: &Caller,
        action: Action,
        field: &'static str,
        name: &str,
        tags: Tags<'_>,
    ) -> Result<Arc<QueueDefinition>, Refusal> {
        let path = parse_path(caller, field, name)?;
        let found = self.engine.find_queue(&path);
        self.authorise_with(caller, action, Resource::Queue(&path, found.as_deref().ok()), tags)?;
        found
    }

    pub(super) fn path_for(
        &self,
        caller: &Caller,
        action: Action,
        field: &'static str,
        name: &str,
    ) -> Result<QueuePath, Refusal> {
        let path = parse_path(caller, field, name)?;
        let found = self.engine.find_queue(&path).ok();
        self.authorise(caller, action, Resource::Queue(&path, found.as_deref()))?;
        Ok(path)
    }

    /// Reads a namespace's name, and asks whether the caller may.
    pub(super) fn namespace_for(&self, caller: &Caller, action: Action, parent: &str) -> Result<Namespace, Refusal> {
        let namespace = parse_namespace(caller, parent)?;
        self.authorise(caller, action, Resource::Namespace(&namespace))?;
        Ok(namespace)
    }
}

fn parse_path(caller: &Caller, field: &'static str, name: &str) -> Result<QueuePath, Refusal> {
    QueuePath::parse(name, caller.namespace())
        .map_err(|error| Refusal::invalid(field, error.to_string()).with("limit", error.rule))
}

/// Reads `namespaces/{namespace}`; empty means the caller's own.
pub(super) fn parse_namespace(caller: &Caller, parent: &str) -> Result<Namespace, Refusal> {
    match parent.strip_prefix("namespaces/") {
        None if parent.is_empty() => Ok(caller.namespace()),
        Some(namespace) => Namespace::parse(namespace, caller.namespace())
            .map_err(|error| Refusal::invalid("parent", error.to_string()).with("limit", error.rule)),
        None => {
            let rule = "namespaces/{namespace}, or empty";
            Err(Refusal::invalid("parent", format!("parent {parent:?} is not valid: {rule}")).with("limit", rule))
        }
    }
}

/// What calls hear that the end of the server cuts short.
pub fn draining() -> Refusal {
    Refusal::new(Reason::Draining, "the server is shutting down")
}
