//! Between queue attributes, which are texts, and the settings of a queue.

use super::policies;
use crate::{
    base::{
        limits,
        name::QueuePath,
        reason::{Reason, Refusal},
    },
    domain::queue::settings::Scope,
    protocol::aws::{
        errors::sqs,
        fault::{Fault, common},
    },
    service::{
        get_queue::QueueView,
        settings::QueueFields,
        words::{QueueOptions, QueueStats},
    },
};
use std::{ops::RangeInclusive, time::Duration};

/// Every attribute there is to read, in the order AWS lists them. The second half of a row: whether it is a figure, which
/// takes a look at the messages.
const READABLE: [(&str, bool); 22] = [
    ("QueueArn", false),
    ("ApproximateNumberOfMessages", true),
    ("ApproximateNumberOfMessagesNotVisible", true),
    ("ApproximateNumberOfMessagesDelayed", true),
    ("CreatedTimestamp", false),
    ("LastModifiedTimestamp", false),
    ("VisibilityTimeout", false),
    ("MaximumMessageSize", false),
    ("MessageRetentionPeriod", false),
    ("DelaySeconds", false),
    ("ReceiveMessageWaitTimeSeconds", false),
    ("Policy", false),
    ("RedrivePolicy", false),
    ("RedriveAllowPolicy", false),
    ("KmsMasterKeyId", false),
    ("KmsDataKeyReusePeriodSeconds", false),
    ("SqsManagedSseEnabled", false),
    ("FifoQueue", false),
    ("ContentBasedDeduplication", false),
    ("DeduplicationScope", false),
    ("FifoThroughputLimit", false),
    ("All", true),
];

fn unknown(name: &str) -> Fault {
    let shown: String = name.chars().take(100).collect();
    Fault::new(&sqs::INVALID_ATTRIBUTE_NAME, format!("Unknown Attribute {shown}."))
}

fn invalid(name: &str) -> Fault {
    Fault::new(&sqs::INVALID_ATTRIBUTE_VALUE, format!("Invalid value for the parameter {name}."))
}

/// The queue that attributes are for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Of<'a> {
    /// One that is made now.
    New(&'a QueuePath),
    Existing(&'a QueuePath),
}

/// What attributes say.
#[derive(Debug, Default)]
pub(super) struct Given {
    pub(super) fields: QueueFields,
    /// Whether `FifoQueue` was said.
    pub(super) fifo: bool,
}

/// Reads attributes; of two of the same name the last counts.
pub(super) fn read(of: Of<'_>, pairs: &[(String, String)]) -> Result<Given, Fault> {
    let mut given = Given::default();
    for (name, value) in pairs {
        read_one(of, &mut given, name, value)?;
    }
    let fields = &given.fields;
    let has_key = fields.encryption_key.as_ref().is_some_and(|key| !key.is_empty());
    if has_key && fields.managed_encryption == Some(true) {
        const TEXT: &str = "You can use one type of server-side encryption (SSE) at one time. You can either enable KMS \
                            SSE or SQS SSE.";
        return Err(Fault::new(&sqs::INVALID_ATTRIBUTE_NAME, TEXT));
    }
    Ok(given)
}

fn read_one(of: Of<'_>, given: &mut Given, name: &str, value: &str) -> Result<(), Fault> {
    let (Of::New(queue) | Of::Existing(queue)) = of;
    let is_fifo = queue.name.is_fifo();
    let fields = &mut given.fields;
    match name {
        "DelaySeconds" => fields.delay = Some(seconds(name, value, 0..=limits::DELAY_MAX.as_secs())?),
        "MaximumMessageSize" => {
            let (least, most) = (limits::MESSAGE_BYTES_MIN, limits::MESSAGE_BYTES_MAX);
            let bytes = number(name, value, least.into()..=most.into())?;
            fields.max_message_bytes = u32::try_from(bytes).ok();
        }
        "MessageRetentionPeriod" => {
            let range = limits::RETENTION_MIN.as_secs()..=limits::RETENTION_MAX.as_secs();
            fields.retention = Some(seconds(name, value, range)?);
        }
        "ReceiveMessageWaitTimeSeconds" => {
            fields.receive_wait = Some(seconds(name, value, 0..=limits::RECEIVE_WAIT_MAX.as_secs())?);
        }
        "VisibilityTimeout" => {
            let most = limits::VISIBILITY_TIMEOUT_MAX.as_secs();
            fields.visibility_timeout = Some(seconds(name, value, 0..=most)?);
        }
        "Policy" => fields.policy = Some(value.to_owned()),
        policies::REDRIVE => fields.dead_letter = Some(policies::redrive(queue, value)?),
        policies::REDRIVE_ALLOW => fields.redrive_allow = Some(policies::redrive_allow(value)?),
        "KmsMasterKeyId" => fields.encryption_key = Some(value.to_owned()),
        "KmsDataKeyReusePeriodSeconds" => {
            let range = limits::KEY_REUSE_MIN.as_secs()..=limits::KEY_REUSE_MAX.as_secs();
            fields.encryption_key_reuse = Some(seconds(name, value, range)?);
        }
        "SqsManagedSseEnabled" => fields.managed_encryption = Some(flag(name, value)?),
        "FifoQueue" => {
            check_fifo(of, value)?;
            given.fifo = true;
        }
        "ContentBasedDeduplication" if is_fifo => {
            fields.content_based_deduplication = Some(flag(name, value)?);
        }
        "DeduplicationScope" if is_fifo => {
            fields.deduplication_scope = Some(scope(name, value, ("queue", "messageGroup"))?);
        }
        "FifoThroughputLimit" if is_fifo => {
            fields.throughput_limit_scope = Some(scope(name, value, ("perQueue", "perMessageGroupId"))?);
        }
        "DeduplicationScope" | "FifoThroughputLimit" => {
            let text = format!("You can specify the {name} only when FifoQueue is set to true.");
            return Err(Fault::new(&sqs::INVALID_ATTRIBUTE_NAME, text));
        }
        _ => return Err(unknown(name)),
    }
    Ok(())
}

fn check_fifo(of: Of<'_>, value: &str) -> Result<(), Fault> {
    match of {
        Of::New(_) if value.eq_ignore_ascii_case("true") => Ok(()),
        Of::Existing(queue) if queue.name.is_fifo() => {
            const TEXT: &str =
                "Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported.";
            Err(Fault::new(&sqs::INVALID_ATTRIBUTE_VALUE, TEXT))
        }
        Of::New(_) | Of::Existing(_) => Err(unknown("FifoQueue")),
    }
}

fn number(name: &str, value: &str, range: RangeInclusive<u64>) -> Result<u64, Fault> {
    value.trim().parse().ok().filter(|number| range.contains(number)).ok_or_else(|| invalid(name))
}

fn seconds(name: &str, value: &str, range: RangeInclusive<u64>) -> Result<Duration, Fault> {
    number(name, value, range).map(Duration::from_secs)
}

fn flag(name: &str, value: &str) -> Result<bool, Fault> {
    match value.trim() {
        value if value.eq_ignore_ascii_case("true") => Ok(true),
        value if value.eq_ignore_ascii_case("false") => Ok(false),
        _ => Err(invalid(name)),
    }
}

fn scope(name: &str, value: &str, (queue, group): (&str, &str)) -> Result<Scope, Fault> {
    match value {
        value if value == queue => Ok(Scope::Queue),
        value if value == group => Ok(Scope::MessageGroup),
        _ => Err(invalid(name)),
    }
}

/// The attributes that a caller asks for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wanted(u32);

impl Wanted {
    pub(super) fn parse(names: &[String]) -> Result<Self, Fault> {
        let mut wanted = 0;
        for name in names {
            let at = READABLE.iter().position(|(known, _)| known == name).ok_or_else(|| unknown(name))?;
            wanted |= if name == "All" { u32::MAX } else { 1 << at };
        }
        Ok(Self(wanted))
    }

    fn has(self, at: usize) -> bool {
        self.0 & 1 << at != 0
    }

    pub(super) fn needs_figures(self) -> bool {
        READABLE.iter().enumerate().any(|(at, (_, is_figure))| *is_figure && self.has(at))
    }

    /// The values that the queue has.
    pub(super) fn of(self, view: &QueueView) -> Vec<(&'static str, String)> {
        let stats = view.figures.unwrap_or_default().stats;
        let rows = READABLE.iter().enumerate().filter(|(at, _)| self.has(*at));
        rows.filter_map(|(_, (name, _))| Some((*name, value(name, view, &stats)?))).collect()
    }
}

fn value(name: &str, view: &QueueView, stats: &QueueStats) -> Option<String> {
    let definition = &view.definition;
    let options = &definition.options;
    let seconds = |duration: Duration| Some(duration.as_secs().to_string());
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    match name {
        "QueueArn" => Some(view.arn.clone()),
        "ApproximateNumberOfMessages" => Some(stats.visible.to_string()),
        "ApproximateNumberOfMessagesNotVisible" => Some(stats.in_flight.to_string()),
        "ApproximateNumberOfMessagesDelayed" => Some(stats.delayed.to_string()),
        "CreatedTimestamp" => Some((definition.created.as_millis() / 1000).to_string()),
        "LastModifiedTimestamp" => Some((definition.updated.as_millis() / 1000).to_string()),
        "VisibilityTimeout" => seconds(options.visibility_timeout),
        "MaximumMessageSize" => Some(options.max_message_bytes.to_string()),
        "MessageRetentionPeriod" => seconds(options.retention),
        "DelaySeconds" => seconds(options.delay),
        "ReceiveMessageWaitTimeSeconds" => seconds(options.receive_wait),
        "Policy" => text(&options.policy),
        "RedrivePolicy" => options.dead_letter.as_ref().map(policies::write_redrive),
        "RedriveAllowPolicy" => policies::write_redrive_allow(&options.redrive_allow),
        "KmsMasterKeyId" => text(&options.encryption.key_id),
        "KmsDataKeyReusePeriodSeconds" => {
            let reuse = options.encryption.key_reuse;
            if reuse == limits::KEY_REUSE_DEFAULT { None } else { seconds(reuse) }
        }
        "SqsManagedSseEnabled" => Some(options.encryption.managed.to_string()),
        _ => fifo_value(name, options),
    }
}

fn fifo_value(name: &str, options: &QueueOptions) -> Option<String> {
    let fifo = options.fifo?;
    let scope = |scope: Scope, queue: &str, group: &str| match scope {
        Scope::Queue => Some(queue.to_owned()),
        Scope::MessageGroup => Some(group.to_owned()),
    };
    match name {
        "FifoQueue" => Some("true".to_owned()),
        "ContentBasedDeduplication" => Some(fifo.content_based_deduplication.to_string()),
        "DeduplicationScope" => scope(fifo.deduplication_scope, "queue", "messageGroup"),
        "FifoThroughputLimit" => scope(fifo.throughput_limit_scope, "perQueue", "perMessageGroupId"),
        _ => None,
    }
}

/// What SQS calls a setting; `None` for what it has no name for.
pub(super) fn name_of(field: &str) -> Option<&'static str> {
    Some(match field {
        "visibility_timeout" => "VisibilityTimeout",
        "retention" => "MessageRetentionPeriod",
        "delay" => "DelaySeconds",
        "receive_wait" => "ReceiveMessageWaitTimeSeconds",
        "max_message_bytes" => "MaximumMessageSize",
        "dead_letter_policy" => policies::REDRIVE,
        "redrive_allow_policy" => policies::REDRIVE_ALLOW,
        "fifo.content_based_deduplication" => "ContentBasedDeduplication",
        "fifo.deduplication_scope" => "DeduplicationScope",
        "fifo.throughput_limit_scope" => "FifoThroughputLimit",
        "policy" => "Policy",
        "encryption.key_id" => "KmsMasterKeyId",
        "encryption.key_reuse" => "KmsDataKeyReusePeriodSeconds",
        "encryption.managed" => "SqsManagedSseEnabled",
        _ => return None,
    })
}

/// A refusal of settings in the words of SQS; the refusal itself when it is about something else.
pub(super) fn fault(refusal: Refusal, pairs: &[(String, String)]) -> Result<Fault, Refusal> {
    let field = refusal.field.as_deref().unwrap_or_default();
    let field = field.strip_prefix("queue.").unwrap_or(field);
    let Some(name) = name_of(field.split_once("_policy.").map_or(field, |(policy, _)| match policy {
        "dead_letter" => "dead_letter_policy",
        _ => "redrive_allow_policy",
    })) else {
        return Err(refusal);
    };
    let value = pairs.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    Ok(match (refusal.reason, name) {
        (Reason::QueueExistsDifferently, _) => Fault::new(
            &sqs::QUEUE_NAME_EXISTS,
            format!("A queue already exists with the same name and a different value for attribute {name}"),
        ),
        (Reason::PolicyTooLarge, _) => Fault::new(&sqs::OVER_LIMIT, refusal.message),
        (Reason::QueueNotFound, policies::REDRIVE) => {
            common::invalid_value(value.unwrap_or_default(), name, "Dead letter target does not exist.")
        }
        (Reason::DeadLetterNotAllowed, policies::REDRIVE) => {
            const REASON: &str = "The redrive allow policy of the dead-letter target does not let this queue use it.";
            common::invalid_value(value.unwrap_or_default(), name, REASON)
        }
        (_, policies::REDRIVE | policies::REDRIVE_ALLOW) => {
            common::invalid_value(value.unwrap_or_default(), name, &refusal.message)
        }
        _ => invalid(name),
    })
}
