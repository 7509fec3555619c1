//! The settings of a queue as flags; shared by create and set.

use crate::{
    cli::{Failure, value},
    proto::queue::v1::{DeadLetterPolicy, FifoScope, FifoSettings, Queue, RedriveAllowPolicy, RedrivePermission},
};
use clap::{Args, ValueEnum};
use std::{fs, time::Duration};

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Scope {
    Queue,
    Group,
}

/// Every setting that may change after creation.
#[derive(Debug, Args)]
pub(super) struct SettingsArgs {
    /// How long a received message stays hidden from others
    #[arg(long, value_name = "TIME", value_parser = value::duration)]
    visibility_timeout: Option<Duration>,
    /// How long a message is kept that nobody deletes
    #[arg(long, value_name = "TIME", value_parser = value::duration)]
    retention: Option<Duration>,
    /// How long a message stays hidden after it is sent
    #[arg(long, value_name = "TIME", value_parser = value::duration)]
    delay: Option<Duration>,
    /// How long a receive waits for a first message
    #[arg(long, value_name = "TIME", value_parser = value::duration)]
    receive_wait: Option<Duration>,
    /// The largest message: body and attributes
    #[arg(long, value_name = "SIZE", value_parser = value::size)]
    max_message_bytes: Option<u64>,
    /// Where messages go that are received too often
    #[arg(long, value_name = "QUEUE", requires = "max_receive_count")]
    dead_letter_queue: Option<String>,
    /// How often a message is received before it goes there
    #[arg(long, value_name = "COUNT", requires = "dead_letter_queue")]
    max_receive_count: Option<u32>,
    /// Whose dead-letter queue this one may be: all, none, or names with commas
    #[arg(long, value_name = "QUEUES")]
    redrive_allow: Option<String>,
    /// FIFO: the hash of the body stands in for a missing deduplication id
    #[arg(long, value_name = "YES", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    content_based_deduplication: Option<bool>,
    /// FIFO: within what a deduplication id is unique
    #[arg(long, value_name = "SCOPE")]
    deduplication_scope: Option<Scope>,
    /// FIFO: what the throughput limit counts
    #[arg(long, value_name = "SCOPE")]
    throughput_limit: Option<Scope>,
    /// A file with the access policy document (JSON)
    #[arg(long, value_name = "FILE")]
    policy: Option<String>,
    /// A label; may be repeated
    #[arg(long = "tag", value_name = "NAME=VALUE", value_parser = value::pair)]
    tags: Vec<(String, String)>,
}

impl SettingsArgs {
    /// Writes the flags that were given into `queue`; returns the names of the fields that changed.
    pub(super) fn write(&self, queue: &mut Queue) -> Result<Vec<String>, Failure> {
        let mut fields = self.write_times(queue);
        let mut changed = |field: &str| fields.push(field.to_owned());
        if let Some(bytes) = self.max_message_bytes {
            let too_large = |_| Failure::usage(format!("--max-message-bytes {bytes} is too large"));
            queue.max_message_bytes = u32::try_from(bytes).map_err(too_large)?;
            changed("max_message_bytes");
        }
        if let (Some(name), Some(count)) = (&self.dead_letter_queue, self.max_receive_count) {
            let policy = DeadLetterPolicy { dead_letter_queue: name.clone(), max_receive_count: count };
            queue.dead_letter_policy = Some(policy);
            changed("dead_letter_policy");
        }
        if let Some(allow) = &self.redrive_allow {
            queue.redrive_allow_policy = Some(allow_policy(allow));
            changed("redrive_allow_policy");
        }
        if self.write_fifo(queue) {
            changed("fifo");
        }
        if let Some(file) = &self.policy {
            queue.policy = fs::read_to_string(file).map_err(|error| Failure::failed(format!("{file}: {error}")))?;
            changed("policy");
        }
        if !self.tags.is_empty() {
            queue.tags.extend(self.tags.iter().cloned());
            changed("tags");
        }
        Ok(fields)
    }

    /// Whether the change depends on what the queue has now.
    pub(super) fn needs_current(&self) -> bool {
        let fifo = self.deduplication_scope.is_some() || self.throughput_limit.is_some();
        fifo || self.content_based_deduplication.is_some() || !self.tags.is_empty()
    }

    fn write_times(&self, queue: &mut Queue) -> Vec<String> {
        let mut fields = Vec::new();
        let times = [
            ("visibility_timeout", self.visibility_timeout, &mut queue.visibility_timeout),
            ("retention", self.retention, &mut queue.retention),
            ("delay", self.delay, &mut queue.delay),
            ("receive_wait", self.receive_wait, &mut queue.receive_wait),
        ];
        for (name, given, field) in times {
            if let Some(duration) = given {
                *field = Some(value::to_proto(duration));
                fields.push(name.to_owned());
            }
        }
        fields
    }

    fn write_fifo(&self, queue: &mut Queue) -> bool {
        let given = (self.content_based_deduplication, self.deduplication_scope, self.throughput_limit);
        if matches!(given, (None, None, None)) {
            return false;
        }
        let fifo = queue.fifo.get_or_insert_with(FifoSettings::default);
        if let Some(yes) = self.content_based_deduplication {
            fifo.content_based_deduplication = yes;
        }
        if let Some(scope) = self.deduplication_scope {
            fifo.set_deduplication_scope(scope.into());
        }
        if let Some(scope) = self.throughput_limit {
            fifo.set_throughput_limit_scope(scope.into());
        }
        true
    }
}

impl From<Scope> for FifoScope {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Queue => Self::Queue,
            Scope::Group => Self::MessageGroup,
        }
    }
}

fn allow_policy(text: &str) -> RedriveAllowPolicy {
    let mut policy = RedriveAllowPolicy::default();
    match text {
        "all" => policy.set_permission(RedrivePermission::AllowAll),
        "none" => policy.set_permission(RedrivePermission::DenyAll),
        names => {
            policy.set_permission(RedrivePermission::ByQueue);
            policy.source_queues = names.split(',').map(|name| name.trim().to_owned()).collect();
        }
    }
    policy
}
