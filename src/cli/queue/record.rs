//! A queue and a redrive as results.

use crate::{
    cli::{
        output::Record,
        value::{short_name, show, show_time},
    },
    config::unit::show_size,
    proto::queue::v1::{FifoScope, Queue, QueueStats, QueueType, Redrive, RedrivePermission, RedriveState},
};
use serde::Serialize;
use std::collections::BTreeMap;

/// What a list shows of a queue.
#[derive(Serialize)]
pub(super) struct QueueRow {
    name: String,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    visible: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    in_flight: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delayed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stored_bytes: Option<u64>,
    #[serde(skip_serializing_if = "String::is_empty")]
    dead_letter_queue: String,
}

impl From<&Queue> for QueueRow {
    fn from(queue: &Queue) -> Self {
        let stats = queue.stats.as_ref();
        let dead = queue.dead_letter_policy.as_ref().map(|policy| short_name(&policy.dead_letter_queue).to_owned());
        Self {
            name: short_name(&queue.name).to_owned(),
            kind: kind(queue),
            visible: stats.map(|stats| stats.visible_messages),
            in_flight: stats.map(|stats| stats.in_flight_messages),
            delayed: stats.map(|stats| stats.delayed_messages),
            stored_bytes: stats.map(|stats| stats.stored_bytes),
            dead_letter_queue: dead.unwrap_or_default(),
        }
    }
}

impl Record for QueueRow {
    const COLUMNS: &'static [&'static str] =
        &["name", "type", "visible", "in_flight", "delayed", "size", "dead_letter_queue"];

    fn cells(&self) -> Vec<String> {
        let count = |count: Option<u64>| count.map(|count| count.to_string()).unwrap_or_default();
        vec![
            self.name.clone(),
            self.kind.to_owned(),
            count(self.visible),
            count(self.in_flight),
            count(self.delayed),
            self.stored_bytes.map(show_size).unwrap_or_default(),
            self.dead_letter_queue.clone(),
        ]
    }
}

fn kind(queue: &Queue) -> &'static str {
    match queue.r#type() {
        QueueType::Fifo => "fifo",
        QueueType::Standard => "standard",
        QueueType::Unspecified => "",
    }
}

/// Everything about a queue.
#[derive(Serialize)]
pub(super) struct QueueDetail {
    name: String,
    arn: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    url: String,
    #[serde(rename = "type")]
    kind: &'static str,
    visibility_timeout: String,
    retention: String,
    delay: String,
    receive_wait: String,
    max_message_bytes: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    dead_letter_policy: Option<DeadLetter>,
    #[serde(skip_serializing_if = "String::is_empty")]
    redrive_allow: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fifo: Option<Fifo>,
    #[serde(skip_serializing_if = "String::is_empty")]
    policy: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<String, String>,
    etag: String,
    create_time: String,
    update_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    stats: Option<Stats>,
}

#[derive(Serialize)]
struct DeadLetter {
    dead_letter_queue: String,
    max_receive_count: u32,
}

#[derive(Serialize)]
struct Fifo {
    content_based_deduplication: bool,
    deduplication_scope: &'static str,
    throughput_limit: &'static str,
}

#[derive(Serialize)]
struct Stats {
    visible_messages: u64,
    in_flight_messages: u64,
    delayed_messages: u64,
    stored_bytes: u64,
    oldest_message_age: String,
    groups_in_flight: u64,
    consumers: u32,
}

impl From<Queue> for QueueDetail {
    fn from(queue: Queue) -> Self {
        let dead = queue.dead_letter_policy.as_ref().map(|policy| DeadLetter {
            dead_letter_queue: policy.dead_letter_queue.clone(),
            max_receive_count: policy.max_receive_count,
        });
        let fifo = queue.fifo.as_ref().map(|fifo| Fifo {
            content_based_deduplication: fifo.content_based_deduplication,
            deduplication_scope: scope(fifo.deduplication_scope()),
            throughput_limit: scope(fifo.throughput_limit_scope()),
        });
        Self {
            kind: kind(&queue),
            visibility_timeout: show(queue.visibility_timeout),
            retention: show(queue.retention),
            delay: show(queue.delay),
            receive_wait: show(queue.receive_wait),
            max_message_bytes: queue.max_message_bytes,
            dead_letter_policy: dead,
            redrive_allow: redrive_allow(&queue),
            fifo: fifo.filter(|_| queue.r#type() == QueueType::Fifo),
            create_time: show_time(queue.create_time),
            update_time: show_time(queue.update_time),
            stats: queue.stats.map(Stats::from),
            name: queue.name,
            arn: queue.arn,
            url: queue.url,
            policy: queue.policy,
            tags: queue.tags.into_iter().collect(),
            etag: queue.etag,
        }
    }
}

impl From<QueueStats> for Stats {
    fn from(stats: QueueStats) -> Self {
        Self {
            visible_messages: stats.visible_messages,
            in_flight_messages: stats.in_flight_messages,
            delayed_messages: stats.delayed_messages,
            stored_bytes: stats.stored_bytes,
            oldest_message_age: show(stats.oldest_message_age),
            groups_in_flight: stats.groups_in_flight,
            consumers: stats.consumers,
        }
    }
}

fn scope(scope: FifoScope) -> &'static str {
    match scope {
        FifoScope::MessageGroup => "group",
        FifoScope::Queue | FifoScope::Unspecified => "queue",
    }
}

fn redrive_allow(queue: &Queue) -> String {
    let Some(policy) = &queue.redrive_allow_policy else { return String::new() };
    match policy.permission() {
        RedrivePermission::Unspecified | RedrivePermission::AllowAll => "all".to_owned(),
        RedrivePermission::DenyAll => "none".to_owned(),
        RedrivePermission::ByQueue => policy.source_queues.join(","),
    }
}

impl Record for QueueDetail {
    const COLUMNS: &'static [&'static str] = &[
        "name",
        "arn",
        "url",
        "type",
        "visibility timeout",
        "retention",
        "delay",
        "receive wait",
        "max message size",
        "dead-letter queue",
        "redrive allow",
        "content-based deduplication",
        "deduplication scope",
        "throughput limit",
        "policy",
        "tags",
        "etag",
        "created",
        "updated",
        "messages",
        "stored",
        "oldest message",
        "consumers",
    ];

    fn cells(&self) -> Vec<String> {
        let stats = self.stats.as_ref();
        let dead = self.dead_letter_policy.as_ref();
        let fifo = self.fifo.as_ref();
        let tags: Vec<_> = self.tags.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let text = |text: Option<String>| text.unwrap_or_default();
        vec![
            self.name.clone(),
            self.arn.clone(),
            self.url.clone(),
            self.kind.to_owned(),
            self.visibility_timeout.clone(),
            self.retention.clone(),
            self.delay.clone(),
            self.receive_wait.clone(),
            show_size(u64::from(self.max_message_bytes)),
            text(dead.map(|dead| format!("{} after {} receives", dead.dead_letter_queue, dead.max_receive_count))),
            self.redrive_allow.clone(),
            text(fifo.map(|fifo| fifo.content_based_deduplication.to_string())),
            text(fifo.map(|fifo| fifo.deduplication_scope.to_owned())),
            text(fifo.map(|fifo| fifo.throughput_limit.to_owned())),
            self.policy.clone(),
            tags.join(" "),
            self.etag.clone(),
            self.create_time.clone(),
            self.update_time.clone(),
            text(stats.map(counts)),
            text(stats.map(|stats| show_size(stats.stored_bytes))),
            text(stats.map(|stats| stats.oldest_message_age.clone())),
            text(stats.map(|stats| stats.consumers.to_string())),
        ]
    }
}

fn counts(stats: &Stats) -> String {
    let (visible, in_flight, delayed) = (stats.visible_messages, stats.in_flight_messages, stats.delayed_messages);
    format!("{visible} visible, {in_flight} in flight, {delayed} delayed")
}

/// A redrive and how far it is.
#[derive(Serialize)]
pub(super) struct RedriveRow {
    name: String,
    source_queue: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    destination_queue: String,
    state: &'static str,
    messages_moved: u64,
    messages_to_move: u64,
    #[serde(skip_serializing_if = "is_zero")]
    max_messages_per_second: u32,
    #[serde(skip_serializing_if = "String::is_empty")]
    failure_reason: String,
    start_time: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl From<Redrive> for RedriveRow {
    fn from(redrive: Redrive) -> Self {
        let state = match redrive.state() {
            RedriveState::Unspecified => "unknown",
            RedriveState::Running => "running",
            RedriveState::Completed => "completed",
            RedriveState::Cancelling => "cancelling",
            RedriveState::Cancelled => "cancelled",
            RedriveState::Failed => "failed",
        };
        Self {
            state,
            messages_moved: redrive.messages_moved,
            messages_to_move: redrive.messages_to_move,
            max_messages_per_second: redrive.max_messages_per_second,
            start_time: show_time(redrive.start_time),
            name: redrive.name,
            source_queue: redrive.source_queue,
            destination_queue: redrive.destination_queue,
            failure_reason: redrive.failure_reason,
        }
    }
}

impl Record for RedriveRow {
    const COLUMNS: &'static [&'static str] = &["name", "state", "moved", "of", "to", "started", "failure"];

    fn cells(&self) -> Vec<String> {
        let to = match self.destination_queue.as_str() {
            "" => "where it came from",
            queue => short_name(queue),
        };
        vec![
            self.name.clone(),
            self.state.to_owned(),
            self.messages_moved.to_string(),
            self.messages_to_move.to_string(),
            to.to_owned(),
            self.start_time.clone(),
            self.failure_reason.clone(),
        ]
    }
}
