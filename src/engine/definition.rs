//! What a queue is, as the catalog keeps it.

use crate::{
    base::{
        id::{PartitionId, QueueId},
        limits,
        name::QueuePath,
        time::Timestamp,
    },
    domain::{
        policy::{document::Policy, statement::Owner},
        queue::settings::{Fifo, Kind, Settings},
    },
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// One queue of the catalog. Shared, never changed in place: a change makes a new one with a higher revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueDefinition {
    pub id: QueueId,
    /// The partition that owns the queue: assigned once, stored, not derived.
    pub partition: PartitionId,
    pub path: QueuePath,
    pub options: QueueOptions,
    /// `options.policy`, compiled: made with the definition, so that no call reads the document.
    pub access: Option<Arc<Policy>>,
    pub created: Timestamp,
    pub updated: Timestamp,
    /// Rises with every change; the etag of the native protocol.
    pub revision: u64,
}

/// What clients choose of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueOptions {
    /// `None`: a standard queue. Fixed at creation.
    pub fifo: Option<Fifo>,
    pub visibility_timeout: Duration,
    pub retention: Duration,
    pub delay: Duration,
    pub receive_wait: Duration,
    pub max_message_bytes: u32,
    pub dead_letter: Option<DeadLetterPolicy>,
    pub redrive_allow: RedriveAllow,
    /// Access policy document, kept to the byte. Empty: none.
    pub policy: String,
    pub encryption: Encryption,
    pub tags: BTreeMap<String, String>,
}

impl Default for QueueOptions {
    fn default() -> Self {
        Self {
            fifo: None,
            visibility_timeout: limits::VISIBILITY_TIMEOUT_DEFAULT,
            retention: limits::RETENTION_DEFAULT,
            delay: Duration::ZERO,
            receive_wait: Duration::ZERO,
            max_message_bytes: limits::MESSAGE_BYTES_MAX,
            dead_letter: None,
            redrive_allow: RedriveAllow::Unset,
            policy: String::new(),
            encryption: Encryption::default(),
            tags: BTreeMap::new(),
        }
    }
}

/// What a client said about encryption at rest. It is kept and shown; the broker encrypts nothing itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encryption {
    /// Id, alias or ARN of a key. Empty: none.
    pub key_id: String,
    /// How long a data key made of that key may be used.
    pub key_reuse: Duration,
    /// With a key that the server keeps.
    pub managed: bool,
}

impl Default for Encryption {
    fn default() -> Self {
        Self { key_id: String::new(), key_reuse: limits::KEY_REUSE_DEFAULT, managed: true }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetterPolicy {
    /// By name: a dead-letter queue that is deleted and created again serves on.
    pub queue: QueuePath,
    pub max_receive_count: u32,
}

/// Which queues may name this one as their dead-letter queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RedriveAllow {
    /// Nobody said: all may.
    #[default]
    Unset,
    All,
    None,
    Queues(Vec<QueuePath>),
}

impl RedriveAllow {
    pub fn allows(&self, source: &QueuePath) -> bool {
        match self {
            Self::Unset | Self::All => true,
            Self::None => false,
            Self::Queues(queues) => queues.contains(source),
        }
    }

    /// Whether both let the same queues in.
    pub fn means(&self, other: &Self) -> bool {
        let to_all = |allow: &Self| matches!(allow, Self::Unset | Self::All);
        self == other || to_all(self) && to_all(other)
    }
}

impl QueueOptions {
    /// Compiles the policy. One that cannot be read, from before policies were checked, lets nobody in.
    pub fn access(&self) -> Option<Arc<Policy>> {
        if self.policy.is_empty() {
            return None;
        }
        let compiled = Policy::parse(&self.policy, Owner::Queue);
        compiled.inspect_err(|error| tracing::warn!(%error, "the policy of a queue is ignored")).ok().map(Arc::new)
    }

    /// What the queue's state machine needs to know of this.
    pub fn settings(&self, in_flight_max: usize) -> Settings {
        Settings {
            kind: self.fifo.map_or(Kind::Standard, Kind::Fifo),
            visibility_timeout: self.visibility_timeout,
            retention: self.retention,
            delay: self.delay,
            receive_wait: self.receive_wait,
            max_message_bytes: self.max_message_bytes,
            max_receive_count: self.dead_letter.as_ref().map(|policy| policy.max_receive_count),
            in_flight_max,
        }
    }
}
