//! Every reason a call can fail for, with what the caller can do about it. Each protocol spells these in one exhaustive
//! table of its own; `forebay errors` prints them.

use std::time::Duration;

/// What the caller can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Change the request.
    FixRequest,
    /// What the call needs is not there (any more).
    Gone,
    /// The state of the resource forbids it; change that first.
    ChangeState,
    /// The same call can succeed later.
    RetryAfter(Duration),
    /// The caller may not do this.
    Denied,
    /// The broker is at fault; its log says more.
    Report,
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal, $remedy:expr;)+) => {
        /// Why a call failed: a stable name that programs may compare.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason { $($(#[doc = $doc])+ $name,)+ }

        impl Reason {
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The stable UPPER_SNAKE_CASE name.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            pub fn remedy(self) -> Remedy {
                match self { $(Self::$name => $remedy,)+ }
            }

            /// One paragraph for people.
            pub fn explanation(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc, "\n"),+),)+ }
            }
        }
    };
}

reasons! {
    /// A field of the request has a value outside its rule. The error names the field, the value and the limit.
    InvalidArgument = "INVALID_ARGUMENT", Remedy::FixRequest;
    /// No queue has this name in this namespace.
    QueueNotFound = "QUEUE_NOT_FOUND", Remedy::Gone;
    /// A queue of this name exists with other settings.
    QueueExistsDifferently = "QUEUE_EXISTS_DIFFERENTLY", Remedy::ChangeState;
    /// A queue of this name was deleted less than `queues.recreate_wait` ago.
    QueueDeletedRecently = "QUEUE_DELETED_RECENTLY", Remedy::RetryAfter(Duration::from_secs(60));
    /// The server holds as many queues as `limits.queues` allows.
    TooManyQueues = "TOO_MANY_QUEUES", Remedy::ChangeState;
    /// The etag sent is not the queue's current one: somebody changed the queue in between.
    EtagMismatch = "ETAG_MISMATCH", Remedy::ChangeState;
    /// The message is larger than the queue's limit.
    MessageTooLarge = "MESSAGE_TOO_LARGE", Remedy::FixRequest;
    /// No stream has this name in this namespace.
    StreamNotFound = "STREAM_NOT_FOUND", Remedy::Gone;
    /// A stream of this name exists.
    StreamExists = "STREAM_EXISTS", Remedy::ChangeState;
    /// The stream is being created, updated or deleted.
    StreamNotActive = "STREAM_NOT_ACTIVE", Remedy::RetryAfter(Duration::from_secs(1));
    /// The server holds as many streams as `limits.streams` allows.
    TooManyStreams = "TOO_MANY_STREAMS", Remedy::ChangeState;
    /// The stream has no shard of this id, or its records all outlived the retention.
    ShardNotFound = "SHARD_NOT_FOUND", Remedy::Gone;
    /// The shard takes in, or gives out, no more within this second.
    ShardThroughputExceeded = "SHARD_THROUGHPUT_EXCEEDED", Remedy::RetryAfter(Duration::from_millis(200));
    /// The record and its partition key are larger than the stream's limit.
    RecordTooLarge = "RECORD_TOO_LARGE", Remedy::FixRequest;
    /// The stream is in a state, or has a setting, that forbids this: the message says which.
    StreamStateForbids = "STREAM_STATE_FORBIDS", Remedy::ChangeState;
    /// A limit of the stream or of the account is reached: the message says which.
    StreamLimit = "STREAM_LIMIT", Remedy::ChangeState;
    /// The stream has no registered consumer, queue, group, tag or policy of this name.
    StreamPartNotFound = "STREAM_PART_NOT_FOUND", Remedy::Gone;
    /// The stream has a registered consumer, queue or group of this name already.
    StreamPartExists = "STREAM_PART_EXISTS", Remedy::ChangeState;
    /// Another member of the group has the shard by now, or the member is gone.
    GroupFenced = "GROUP_FENCED", Remedy::ChangeState;
    /// The receipt handle is not one this broker gave out for this queue.
    ReceiptHandleInvalid = "RECEIPT_HANDLE_INVALID", Remedy::FixRequest;
    /// The lease has ended: it timed out, or the message was received again.
    LeaseExpired = "LEASE_EXPIRED", Remedy::Gone;
    /// The total of the lease since its receive would pass 12 hours.
    LeaseTooLong = "LEASE_TOO_LONG", Remedy::FixRequest;
    /// The queue has as many messages in flight as it may.
    InFlightLimit = "IN_FLIGHT_LIMIT", Remedy::ChangeState;
    /// The queue has no dead-letter queue to move the message to, or that queue is gone.
    NoDeadLetterQueue = "NO_DEAD_LETTER_QUEUE", Remedy::ChangeState;
    /// The dead-letter queue does not allow this source queue.
    DeadLetterNotAllowed = "DEAD_LETTER_NOT_ALLOWED", Remedy::ChangeState;
    /// The queue is nobody's dead-letter queue, so there is nothing to redrive.
    NotADeadLetterQueue = "NOT_A_DEAD_LETTER_QUEUE", Remedy::ChangeState;
    /// A redrive of this queue is running already.
    RedriveRunning = "REDRIVE_RUNNING", Remedy::ChangeState;
    /// No redrive has this name.
    RedriveNotFound = "REDRIVE_NOT_FOUND", Remedy::Gone;
    /// The redrive has ended and cannot be cancelled.
    RedriveEnded = "REDRIVE_ENDED", Remedy::ChangeState;
    /// The queue was purged less than 60 seconds ago.
    PurgeInProgress = "PURGE_IN_PROGRESS", Remedy::RetryAfter(Duration::from_secs(60));
    /// A producer's sequence skips ahead of the last one stored.
    SequenceGap = "SEQUENCE_GAP", Remedy::FixRequest;
    /// A frame arrived that the call does not expect here.
    UnexpectedFrame = "UNEXPECTED_FRAME", Remedy::FixRequest;
    /// More work waits than the partition's inbox holds.
    ThroughputExceeded = "THROUGHPUT_EXCEEDED", Remedy::RetryAfter(Duration::from_millis(100));
    /// The server has as many connections or calls open as it may.
    TooManyConnections = "TOO_MANY_CONNECTIONS", Remedy::RetryAfter(Duration::from_secs(1));
    /// The server is starting: it reads its data directory and answers nothing yet; or its index was lost, and it has not read
    /// the queue's messages yet. The message tells how far it is.
    Starting = "STARTING", Remedy::RetryAfter(Duration::from_secs(1));
    /// The disk is nearly full: nothing that grows is accepted, everything else goes on.
    StorageFull = "STORAGE_FULL", Remedy::RetryAfter(Duration::from_secs(10));
    /// A stored entry fails its checksum; the broker's log and `forebay storage verify` name it.
    StorageCorrupt = "STORAGE_CORRUPT", Remedy::Report;
    /// A backup of this server is running already; there is one at a time.
    BackupRunning = "BACKUP_RUNNING", Remedy::ChangeState;
    /// A backup could not be written, or what it reads could not be read. The message names the file.
    BackupFailed = "BACKUP_FAILED", Remedy::ChangeState;
    /// The server is shutting down.
    Draining = "DRAINING", Remedy::RetryAfter(Duration::from_secs(1));
    /// The caller is not who it says, or did not say.
    Unauthenticated = "UNAUTHENTICATED", Remedy::Denied;
    /// The caller may not do this.
    AccessDenied = "ACCESS_DENIED", Remedy::Denied;
    /// No access key has this id.
    AccessKeyNotFound = "ACCESS_KEY_NOT_FOUND", Remedy::Gone;
    /// An access key of this id exists already, here or in another account.
    AccessKeyExists = "ACCESS_KEY_EXISTS", Remedy::ChangeState;
    /// The server has as many access keys as it may.
    TooManyAccessKeys = "TOO_MANY_ACCESS_KEYS", Remedy::ChangeState;
    /// The policy of a queue holds more than it may: statements, principals, conditions, or actions of one statement.
    PolicyTooLarge = "POLICY_TOO_LARGE", Remedy::FixRequest;
    /// The queue's policy has a statement of this label already.
    PermissionExists = "PERMISSION_EXISTS", Remedy::ChangeState;
    /// The queue's policy has no statement of this label.
    PermissionNotFound = "PERMISSION_NOT_FOUND", Remedy::Gone;
    /// Only callers of the account that owns the queue may do this: no permission gives it to others.
    ActionNotShared = "ACTION_NOT_SHARED", Remedy::FixRequest;
    /// This server does not offer that.
    Unimplemented = "UNIMPLEMENTED", Remedy::FixRequest;
    /// A bug or a failure inside the broker.
    Internal = "INTERNAL", Remedy::Report;
}

/// A call, or one entry of a batch, that was not done: why, in words that name the object, what was found and the limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    pub reason: Reason,
    /// For a developer; programs compare `reason`.
    pub message: String,
    /// The field of the request that is wrong, as the native protocol spells it.
    pub field: Option<String>,
    /// The dynamic parts of `message`.
    pub metadata: Vec<(&'static str, String)>,
    /// When the same call can succeed, if that is known better than the reason's own rule.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), field: None, metadata: Vec::new(), retry_after: None }
    }

    /// A field with a value outside its rule.
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..Self::new(Reason::InvalidArgument, message) }
    }

    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl std::fmt::Display) -> Self {
        self.metadata.push((key, value.to_string()));
        self
    }

    #[must_use]
    pub fn at(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// How long to wait before a retry can help; `None` when it cannot.
    pub fn retry_delay(&self) -> Option<Duration> {
        match (self.retry_after, self.reason.remedy()) {
            (Some(wait), _) => Some(wait),
            (None, Remedy::RetryAfter(wait)) => Some(wait),
            (None, Remedy::FixRequest | Remedy::Gone | Remedy::ChangeState | Remedy::Denied | Remedy::Report) => None,
        }
    }
}
