//! What a caller says about a queue: each field given or not, checked and laid over what is there.

use super::{
    broker::{Broker, Caller},
    check,
    words::{DeadLetterPolicy, QueueOptions, RedriveAllow},
};
use crate::{
    base::{
        limits,
        name::QueuePath,
        reason::{Reason, Refusal},
    },
    domain::{
        policy::{
            document::{Policy, same_document},
            error::{Fault, PolicyError},
            statement::Owner,
        },
        queue::settings::{Fifo, Scope},
    },
};
use std::{collections::BTreeMap, time::Duration};

const DEAD_LETTER_QUEUE: &str = "queue.dead_letter_policy.dead_letter_queue";

/// The settings of a queue, as a caller gives them. `None`: not said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueFields {
    pub visibility_timeout: Option<Duration>,
    pub retention: Option<Duration>,
    pub delay: Option<Duration>,
    pub receive_wait: Option<Duration>,
    pub max_message_bytes: Option<u32>,
    /// `Some(None)`: no dead-letter queue.
    pub dead_letter: Option<Option<DeadLetterFields>>,
    pub redrive_allow: Option<RedriveAllowFields>,
    pub content_based_deduplication: Option<bool>,
    pub deduplication_scope: Option<Scope>,
    pub throughput_limit_scope: Option<Scope>,
    pub policy: Option<String>,
    /// The key that encrypts at rest; empty: none.
    pub encryption_key: Option<String>,
    pub encryption_key_reuse: Option<Duration>,
    /// Encryption with a key that the broker keeps.
    pub managed_encryption: Option<bool>,
    pub tags: Option<BTreeMap<String, String>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetterFields {
    /// A queue's name, full or bare.
    pub queue: String,
    pub max_receive_count: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedriveAllowFields {
    /// As if nobody had ever said.
    Unset,
    All,
    None,
    /// Names of queues, full or bare.
    Queues(Vec<String>),
}

impl Broker {
    /// Checks the fields given and lays them over `base`, the options of the queue `path`.
    pub(super) fn lay_over(
        &self,
        caller: &Caller,
        path: &QueuePath,
        base: QueueOptions,
        fields: &QueueFields,
    ) -> Result<QueueOptions, Refusal> {
        let mut options = base;
        lay_times(&mut options, fields)?;
        lay_fifo(&mut options, fields)?;
        if let Some(bytes) = fields.max_message_bytes {
            let (least, most) = (limits::MESSAGE_BYTES_MIN, limits::MESSAGE_BYTES_MAX);
            options.max_message_bytes = check::number("queue.max_message_bytes", bytes, least, most)?;
        }
        if let Some(dead_letter) = &fields.dead_letter {
            let policy = dead_letter.as_ref().map(|fields| self.dead_letter(caller, path, &options, fields));
            options.dead_letter = policy.transpose()?;
        }
        if let Some(allow) = &fields.redrive_allow {
            options.redrive_allow = redrive_allow(caller, allow)?;
        }
        if let Some(policy) = &fields.policy {
            check_policy(policy)?;
            options.policy.clone_from(policy);
        }
        lay_encryption(&mut options, fields)?;
        if let Some(tags) = &fields.tags {
            check_tags(tags)?;
            options.tags.clone_from(tags);
        }
        Ok(options)
    }

    /// The dead-letter queue must exist, be of the same type and let this queue name it.
    fn dead_letter(
        &self,
        caller: &Caller,
        path: &QueuePath,
        options: &QueueOptions,
        fields: &DeadLetterFields,
    ) -> Result<DeadLetterPolicy, Refusal> {
        const COUNT: &str = "queue.dead_letter_policy.max_receive_count";
        let max_receive_count = check::number(COUNT, fields.max_receive_count, 1, limits::MAX_RECEIVE_COUNT_MAX)?;
        let queue = QueuePath::parse(&fields.queue, caller.namespace())
            .map_err(|error| Refusal::invalid(DEAD_LETTER_QUEUE, error.to_string()).with("limit", error.rule))?;
        if queue == *path {
            return Err(check::outside(DEAD_LETTER_QUEUE, queue.seen_from(self.region()), "another queue"));
        }
        let (shown, region) = (queue.seen_from(self.region()), self.region());
        if !queue.is_in(&path.namespace()) {
            return Err(check::outside(DEAD_LETTER_QUEUE, shown, format!("a queue of namespace {}", path.namespace())));
        }
        let target = self.engine.find_queue(&queue).map_err(|refusal| refusal.at(DEAD_LETTER_QUEUE))?;
        if target.options.fifo.is_some() != options.fifo.is_some() {
            let kind = if options.fifo.is_some() { "a FIFO queue" } else { "a standard queue" };
            return Err(check::outside(DEAD_LETTER_QUEUE, shown, format!("{kind}, as the source is")));
        }
        if !target.options.redrive_allow.allows(path) {
            let message =
                format!("{shown} does not allow {} to use it as its dead-letter queue", path.seen_from(region));
            return Err(Refusal::new(Reason::DeadLetterNotAllowed, message).at(DEAD_LETTER_QUEUE));
        }
        Ok(DeadLetterPolicy { queue, max_receive_count })
    }
}

fn lay_times(options: &mut QueueOptions, fields: &QueueFields) -> Result<(), Refusal> {
    let zero = Duration::ZERO;
    if let Some(value) = fields.visibility_timeout {
        let most = limits::VISIBILITY_TIMEOUT_MAX;
        options.visibility_timeout = check::duration("queue.visibility_timeout", value, zero, most)?;
    }
    if let Some(value) = fields.retention {
        let (least, most) = (limits::RETENTION_MIN, limits::RETENTION_MAX);
        options.retention = check::duration("queue.retention", value, least, most)?;
    }
    if let Some(value) = fields.delay {
        options.delay = check::duration("queue.delay", value, zero, limits::DELAY_MAX)?;
    }
    if let Some(value) = fields.receive_wait {
        options.receive_wait = check::duration("queue.receive_wait", value, zero, limits::RECEIVE_WAIT_MAX)?;
    }
    Ok(())
}

fn lay_fifo(options: &mut QueueOptions, fields: &QueueFields) -> Result<(), Refusal> {
    let given = [
        ("queue.fifo.content_based_deduplication", fields.content_based_deduplication.is_some()),
        ("queue.fifo.deduplication_scope", fields.deduplication_scope.is_some()),
        ("queue.fifo.throughput_limit_scope", fields.throughput_limit_scope.is_some()),
    ];
    let Some(fifo) = &mut options.fifo else {
        return match given.iter().find(|(_, given)| *given) {
            Some((field, _)) => Err(check::outside(*field, "set", "only on FIFO queues")),
            None => Ok(()),
        };
    };
    *fifo = Fifo {
        content_based_deduplication: fields.content_based_deduplication.unwrap_or(fifo.content_based_deduplication),
        deduplication_scope: fields.deduplication_scope.unwrap_or(fifo.deduplication_scope),
        throughput_limit_scope: fields.throughput_limit_scope.unwrap_or(fifo.throughput_limit_scope),
    };
    if fifo.throughput_limit_scope == Scope::MessageGroup && fifo.deduplication_scope == Scope::Queue {
        let limit = "message group only when queue.fifo.deduplication_scope is message group too";
        return Err(check::outside("queue.fifo.throughput_limit_scope", "message group", limit));
    }
    Ok(())
}

/// A key of one's own and the broker's key exclude each other; the one said last counts.
fn lay_encryption(options: &mut QueueOptions, fields: &QueueFields) -> Result<(), Refusal> {
    let encryption = &mut options.encryption;
    if let Some(managed) = fields.managed_encryption {
        encryption.managed = managed;
        if managed {
            encryption.key_id.clear();
        }
    }
    if let Some(key) = &fields.encryption_key {
        check::text("queue.encryption.key_id", key, limits::KEY_ID_CHARS)?;
        encryption.key_id.clone_from(key);
        if !key.is_empty() {
            encryption.managed = false;
        }
    }
    if let Some(reuse) = fields.encryption_key_reuse {
        let (least, most) = (limits::KEY_REUSE_MIN, limits::KEY_REUSE_MAX);
        encryption.key_reuse = check::duration("queue.encryption.key_reuse", reuse, least, most)?;
    }
    Ok(())
}

fn redrive_allow(caller: &Caller, fields: &RedriveAllowFields) -> Result<RedriveAllow, Refusal> {
    const FIELD: &str = "queue.redrive_allow_policy.source_queues";
    let names = match fields {
        RedriveAllowFields::Unset => return Ok(RedriveAllow::Unset),
        RedriveAllowFields::All => return Ok(RedriveAllow::All),
        RedriveAllowFields::None => return Ok(RedriveAllow::None),
        RedriveAllowFields::Queues(names) => names,
    };
    let most = limits::REDRIVE_SOURCE_QUEUES_MAX;
    if !(1..=most).contains(&names.len()) {
        return Err(check::outside(FIELD, format!("{} queues", names.len()), format!("1 to {most} queues")));
    }
    let parse = |name: &String| {
        QueuePath::parse(name, caller.namespace())
            .map_err(|error| Refusal::invalid(FIELD, error.to_string()).with("limit", error.rule))
    };
    names.iter().map(parse).collect::<Result<_, _>>().map(RedriveAllow::Queues)
}

/// In the words of SQS: "10 actions were found in a statement from the submitted policy, max allowed is 7".
fn too_much(error: &PolicyError) -> String {
    let of_statement = error.place.starts_with("Statement[");
    let place = if of_statement { "a statement from the submitted policy" } else { "the submitted policy" };
    let most = error.allowed.split(' ').next().unwrap_or_default();
    format!("{} were found in {place}, max allowed is {most}", error.found)
}

/// A policy must say what it means: a document that would be ignored is refused.
fn check_policy(text: &str) -> Result<(), Refusal> {
    const FIELD: &str = "queue.policy";
    if text.is_empty() {
        return Ok(());
    }
    Policy::parse(text, Owner::Queue).map(drop).map_err(|error| {
        let refusal = match error.fault {
            Fault::Limit => Refusal::new(Reason::PolicyTooLarge, too_much(&error)).at(FIELD),
            Fault::Size | Fault::Syntax | Fault::Element => Refusal::invalid(FIELD, format!("{FIELD}: {error}")),
        };
        refusal.with("value", error.found).with("limit", error.allowed).with("element", error.place)
    })
}

pub(super) fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), Refusal> {
    const FIELD: &str = "queue.tags";
    if tags.len() > limits::TAGS_MAX {
        return Err(check::outside(
            FIELD,
            format!("{} tags", tags.len()),
            format!("{} tags at most", limits::TAGS_MAX),
        ));
    }
    for (key, value) in tags {
        if key.is_empty() {
            return Err(check::outside(FIELD, "a tag without a key", "keys of 1 to 128 characters"));
        }
        check::text(FIELD, key, limits::TAG_KEY_CHARS)?;
        check::text(FIELD, value, limits::TAG_VALUE_CHARS)?;
    }
    Ok(())
}

/// The first field given whose value is not the one the queue has: `wanted` are the fields given, laid over anything.
pub(super) fn first_difference(
    fields: &QueueFields,
    wanted: &QueueOptions,
    found: &QueueOptions,
) -> Option<&'static str> {
    let fifo = |options: &QueueOptions| options.fifo.unwrap_or_default();
    let (want, have) = (fifo(wanted), fifo(found));
    let pairs = [
        (
            "visibility_timeout",
            fields.visibility_timeout.is_some(),
            wanted.visibility_timeout == found.visibility_timeout,
        ),
        ("retention", fields.retention.is_some(), wanted.retention == found.retention),
        ("delay", fields.delay.is_some(), wanted.delay == found.delay),
        ("receive_wait", fields.receive_wait.is_some(), wanted.receive_wait == found.receive_wait),
        ("max_message_bytes", fields.max_message_bytes.is_some(), wanted.max_message_bytes == found.max_message_bytes),
        ("dead_letter_policy", fields.dead_letter.is_some(), wanted.dead_letter == found.dead_letter),
        ("redrive_allow_policy", fields.redrive_allow.is_some(), wanted.redrive_allow.means(&found.redrive_allow)),
        (
            "fifo.content_based_deduplication",
            fields.content_based_deduplication.is_some(),
            want.content_based_deduplication == have.content_based_deduplication,
        ),
        (
            "fifo.deduplication_scope",
            fields.deduplication_scope.is_some(),
            want.deduplication_scope == have.deduplication_scope,
        ),
        (
            "fifo.throughput_limit_scope",
            fields.throughput_limit_scope.is_some(),
            want.throughput_limit_scope == have.throughput_limit_scope,
        ),
        ("policy", fields.policy.is_some(), same_document(&wanted.policy, &found.policy)),
        ("encryption.key_id", fields.encryption_key.is_some(), wanted.encryption.key_id == found.encryption.key_id),
        (
            "encryption.key_reuse",
            fields.encryption_key_reuse.is_some(),
            wanted.encryption.key_reuse == found.encryption.key_reuse,
        ),
        (
            "encryption.managed",
            fields.managed_encryption.is_some(),
            wanted.encryption.managed == found.encryption.managed,
        ),
    ];
    pairs.into_iter().find(|(_, given, equal)| *given && !equal).map(|(field, _, _)| field)
}
