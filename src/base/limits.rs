//! Every limit by name. A limit that configuration may change stands here as its default.

use std::time::Duration;

pub const QUEUE_NAME_CHARS: usize = 80;
pub const REGION_CHARS: usize = 63;
pub const MESSAGE_BYTES_MIN: u32 = 1024;
pub const MESSAGE_BYTES_MAX: u32 = 1_048_576;
pub const VISIBILITY_TIMEOUT_MAX: Duration = Duration::from_secs(12 * 3600);
pub const VISIBILITY_TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);
/// Delay of a queue, and of a message in the AWS protocol.
pub const DELAY_MAX: Duration = Duration::from_secs(900);
/// Delay of a message in the native protocol.
pub const LONG_DELAY_MAX: Duration = Duration::from_secs(365 * 86_400);
pub const RETENTION_MIN: Duration = Duration::from_secs(60);
pub const RETENTION_MAX: Duration = Duration::from_secs(14 * 86_400);
pub const RETENTION_DEFAULT: Duration = Duration::from_secs(4 * 86_400);
pub const RECEIVE_WAIT_MAX: Duration = Duration::from_secs(20);
pub const MAX_RECEIVE_COUNT_MAX: u32 = 1000;
pub const IN_FLIGHT_MAX: usize = 120_000;
pub const DEDUPLICATION_WINDOW: Duration = Duration::from_secs(300);
pub const RECEIVE_ATTEMPT_WINDOW: Duration = Duration::from_secs(300);
/// A purge of the same queue is refused for this long after the last one.
pub const PURGE_INTERVAL: Duration = Duration::from_secs(60);
/// Letters of a group id, a deduplication id, a receive attempt id, a producer id.
pub const SHORT_ID_CHARS: usize = 128;
/// Letters of a W3C traceparent and tracestate, kept with a message.
pub const TRACE_CONTEXT_CHARS: usize = 256;
/// Longer receipt handles are not repeated whole in a failure.
pub const RECEIPT_HANDLE_CHARS: usize = 1024;
pub const LOG_FILTER_CHARS: usize = 1024;
/// Of a path on the server's machine.
pub const PATH_CHARS: usize = 4096;
pub const ATTRIBUTES_MAX: usize = 10;
pub const ATTRIBUTE_NAME_CHARS: usize = 256;
pub const ATTRIBUTE_TYPE_CHARS: usize = 256;
pub const TAGS_MAX: usize = 50;
pub const TAG_KEY_CHARS: usize = 128;
pub const TAG_VALUE_CHARS: usize = 256;
/// Of the policy of a queue or of a caller.
pub const POLICY_BYTES: usize = 8192;
/// Statements, principals and conditions of a queue's policy, and actions of one statement of it.
pub const POLICY_STATEMENTS: usize = 20;
pub const POLICY_PRINCIPALS: usize = 50;
pub const POLICY_CONDITIONS: usize = 10;
pub const POLICY_ACTIONS: usize = 7;
/// Letters of the label of a permission.
pub const LABEL_CHARS: usize = 80;
pub const ACCESS_KEYS_MAX: usize = 10_000;
pub const ACCESS_KEY_ID_CHARS_MIN: usize = 3;
pub const ACCESS_KEY_ID_CHARS_MAX: usize = 128;
pub const SECRET_KEY_CHARS_MAX: usize = 256;
pub const USER_NAME_CHARS: usize = 64;
pub const KEY_POLICIES_MAX: usize = 10;
/// The id, alias or ARN of a key that encrypts at rest.
pub const KEY_ID_CHARS: usize = 2048;
pub const KEY_REUSE_MIN: Duration = Duration::from_secs(60);
pub const KEY_REUSE_MAX: Duration = Duration::from_secs(86_400);
pub const KEY_REUSE_DEFAULT: Duration = Duration::from_secs(300);
pub const REDRIVE_SOURCE_QUEUES_MAX: usize = 10;
pub const REDRIVE_VELOCITY_MAX: u32 = 500;
pub const DEAD_LETTER_REASON_CHARS: usize = 256;
pub const STREAM_NAME_CHARS: usize = 128;
/// For how long a change of a stream shows as being made.
pub const STREAM_SETTLE: Duration = Duration::from_millis(500);
/// So many bytes of a shard's records are worth a chunk of their own in a segment.
pub const SHARD_CHUNK_BYTES: u64 = 64 << 10;
/// And so many are in one chunk at most, unless one record has more.
pub const SHARD_CHUNK_BYTES_MAX: u64 = 1 << 20;
/// Checkpoints that records may see in the log without being worth a chunk.
pub const SHARD_ROUNDS_MAX: u32 = 8;
/// When a segment of shards has enough.
pub const SHARD_SEGMENT_BYTES: u64 = 64 << 20;
pub const SHARD_SEGMENT_AGE: Duration = Duration::from_secs(3600);
/// Streams of a server.
pub const STREAMS_MAX: usize = 10_000;
/// Letters of a record's partition key.
pub const PARTITION_KEY_CHARS: usize = 256;
/// A record's data and partition key, by default and at most.
pub const RECORD_BYTES_MIN: u32 = 1 << 20;
pub const RECORD_BYTES_MAX: u32 = 10 << 20;
pub const STREAM_RETENTION_MIN: Duration = Duration::from_secs(24 * 3600);
pub const STREAM_RETENTION_MAX: Duration = Duration::from_secs(8760 * 3600);
pub const STREAM_POLICY_BYTES: usize = 20 << 10;
/// Open shards of a stream.
pub const STREAM_SHARDS_MAX: u32 = 10_000;
/// Open shards of the provisioned streams of an account.
pub const ACCOUNT_SHARDS_MAX: usize = 10_000;
/// How often a stream may do some things within [`STREAM_CHANGES_WINDOW`].
pub const STREAM_CHANGES_WINDOW: Duration = Duration::from_secs(24 * 3600);
pub const SHARD_COUNT_UPDATES_MAX: usize = 10;
pub const MODE_CHANGES_MAX: usize = 2;
pub const ENCRYPTION_CHANGES_MAX: usize = 25;
/// Registered consumers of a stream.
pub const CONSUMERS_MAX: usize = 20;
pub const CONSUMERS_CREATING_MAX: usize = 5;
/// What an on-demand stream begins with and never has less of; and how many it has at most without being asked for more.
pub const ON_DEMAND_SHARDS: u32 = 4;
pub const ON_DEMAND_SHARDS_MAX: u32 = 200;
/// MiB/s an on-demand stream can be told to be ready for.
pub const WARM_THROUGHPUT_MAX: u32 = 10_240;
/// An on-demand stream is ready for this many times its highest load of the last days.
pub const ON_DEMAND_HEADROOM: u64 = 2;
pub const ON_DEMAND_PEAK_DAYS: u64 = 30;
/// Shards of an on-demand stream are merged this long after the last change of them, not before.
pub const ON_DEMAND_MERGE_AFTER: Duration = Duration::from_secs(24 * 3600);
/// Intervals of records that a queue over a stream holds; with more of them nothing is received for the first time.
pub const STREAM_QUEUE_RUNS_MAX: usize = 120_000;
/// How often a record of such a queue may be received before it is a dead letter, at most and unless it is said.
pub const STREAM_QUEUE_RECEIVES_MAX: u32 = 1000;
pub const STREAM_QUEUE_RECEIVES_DEFAULT: u32 = 6;
pub const GROUP_MEMBERS_MAX: usize = 10_000;
/// How long a member of a group may be silent before its shards move to others.
pub const SESSION_TIMEOUT_MIN: Duration = Duration::from_secs(1);
pub const SESSION_TIMEOUT_MAX: Duration = Duration::from_secs(3600);
/// For how long a member that is asked to give up a shard may keep it.
pub const GROUP_GRACE: Duration = Duration::from_secs(10);
/// How long the load of an on-demand stream is measured before its shards follow it.
pub const ON_DEMAND_WINDOW: Duration = Duration::from_secs(10);
/// What a shard takes in and gives out in a second.
pub const SHARD_WRITE_BYTES: u64 = 1 << 20;
pub const SHARD_WRITE_RECORDS: u64 = 1000;
pub const SHARD_READ_BYTES: u64 = 2 << 20;
pub const SHARD_READS: u64 = 5;
/// Tables of leases, and the bytes of all their items: they live in memory and in every snapshot.
pub const TABLES_MAX: usize = 1000;
pub const TABLE_BYTES_MAX: usize = 64 << 20;
/// Entries and bytes of one call of the native protocol.
pub const BATCH_ENTRIES: usize = 1000;
pub const BATCH_BYTES: usize = 8 << 20;
pub const PAGE_SIZE_MAX: usize = 1000;
pub const PAGE_SIZE_DEFAULT: usize = 100;
/// Messages of one receive of the native protocol.
pub const RECEIVE_MESSAGES_MAX: u32 = 1000;
/// Bytes of one response frame: every gRPC client refuses more than 4 MiB by default.
pub const RESPONSE_FRAME_BYTES: usize = 2 << 20;
/// Bytes of one request the server decodes.
pub const REQUEST_BYTES: usize = 16 << 20;
pub const CONSUME_MESSAGES_DEFAULT: u32 = 32;
pub const CONSUME_BYTES_DEFAULT: u64 = 4 << 20;
pub const CONSUME_MESSAGES_MAX: u32 = 100_000;
pub const MAX_LEASE_DEFAULT: Duration = Duration::from_secs(3600);
pub const RELEASE_GRACE_MAX: Duration = Duration::from_secs(600);
pub const BATCH_DELAY_MAX: Duration = Duration::from_secs(1);
pub const PRODUCE_OUTSTANDING_BYTES: u64 = 16 << 20;
/// What a partition's inbox holds before a call is told to come back.
pub const INBOX_COMMANDS: usize = 65_536;
pub const INBOX_BYTES: usize = 64 << 20;
/// What is recorded of queues whose messages a start still reads, at most: some 200 bytes each.
pub const LACK_RECORDS_MAX: usize = 500_000;
/// A partition closes its open frame past this size; one command may exceed it.
pub const FRAME_SOFT_BYTES: usize = 4 << 20;
/// A frame up to this size is written by the thread that made it, if the log is idle.
pub const INLINE_COMMIT_BYTES: usize = 64 << 10;
pub const BLOCK_BODY_BYTES: usize = 16 << 20;
/// How many messages, and about how many bytes of them, an evacuation moves in one step.
pub const RELOCATE_MESSAGES: usize = 256;
pub const RELOCATE_BYTES: usize = 512 << 10;
/// Changes of archived messages that the archive hears of at once.
pub const ARCHIVE_CHANGES: usize = 1024;
/// How many segments of the log it empties at a time.
pub const RELOCATE_SEGMENTS: usize = 8;
/// What an entry takes besides body and attributes, about.
pub const ENTRY_OVERHEAD_BYTES: u64 = 128;
/// How many messages expire in one step, so that expiry never holds a partition for long.
pub const EXPIRE_STEP: usize = 1024;
/// How many leases and delays end in one step, for the same reason.
pub const TIMER_STEP: usize = 8192;
/// How many messages one receive sends to the dead-letter queue at most.
pub const RECEIVE_MOVES_MAX: usize = 1000;
/// How many messages one browse looks at.
pub const BROWSE_SCAN: usize = 65_536;
/// Producers whose last sequence a queue remembers; the ones heard of last stay.
pub const PRODUCERS_MAX: usize = 10_000;
/// Redrives a queue remembers, the running one included.
pub const REDRIVES_KEPT: usize = 10;
/// Fair queues: a tenant is noisy with this many messages in flight, and more than one in `NOISY_SHARE` of all.
pub const NOISY_IN_FLIGHT_MIN: usize = 30;
pub const NOISY_SHARE: usize = 10;
/// How late a memory that no one may use any more is dropped, so that an idle queue wakes seldom for it.
pub const CLEANUP_SLACK: Duration = Duration::from_secs(10);
/// A queue that nothing happens to is parked: kept as a few hundred bytes. Not one with more pages than this, or that
/// remembers more sends and receives than that, because waking it reads them all.
pub const PARKED_PAGES_MAX: usize = 4;
pub const PARKED_MEMORIES_MAX: usize = 16;
/// Queues of a partition that may be awake before it looks for some to park between checkpoints.
pub const AWAKE_QUEUES: usize = 4096;
/// How long after a look for idle queues the next one comes, if there may be more. Short in the unit tests, so that they
/// park all the time.
pub const PARK_AFTER: Duration = Duration::from_millis(if cfg!(test) { 10 } else { 10_000 });
/// Messages of a page. One that waits takes a few hundred bytes to a few thousand, one in motion 14 to
/// 22 KiB. Small in the unit tests, so that their few messages fill several.
pub const PAGE_MESSAGES: u64 = if cfg!(test) { 8 } else { 256 };
/// Of one page or delivery of a stream.
pub const READ_RECORDS_MAX: u32 = 5000;
/// Data and partition keys of one page: with all that comes with each record it stays a response frame.
pub const READ_BYTES_MAX: usize = 1 << 20;
/// Records that a member of a group may have delivered and not committed, if it does not say.
pub const GROUP_RECORDS_DEFAULT: u32 = 10_000;
pub const SESSION_TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);
