//! Queues, their settings and redrives between the wire and the services.

use super::convert;
use crate::{
    base::{
        name::Region,
        reason::{Reason, Refusal},
    },
    domain::queue::{event::RedriveOutcome, settings::Scope},
    proto::{
        common::v1::{self as wire_common, Durability},
        queue::v1 as wire,
    },
    service::{
        check,
        consume::ledger::FlowControl,
        get_queue::{Figures, QueueView},
        redrive::RedriveView,
        settings::{DeadLetterFields, QueueFields, RedriveAllowFields},
        update_queue::etag,
        words::{QueueOptions, RedriveAllow},
    },
};

/// Refuses what this server does not offer.
pub(super) fn durability(field: &'static str, number: i32) -> Result<(), Refusal> {
    match convert::known(field, number)? {
        Durability::Unspecified | Durability::Fsync => Ok(()),
        Durability::OsBuffer => {
            let message = format!("{field} is OS_BUFFER, this server offers FSYNC only");
            Err(Refusal::new(Reason::Unimplemented, message).at(field))
        }
    }
}

/// The type a request names; `None`: not said.
pub(super) fn is_fifo(queue: &wire::Queue) -> Result<Option<bool>, Refusal> {
    Ok(match convert::known("queue.type", queue.r#type)? {
        wire::QueueType::Unspecified => None,
        wire::QueueType::Standard => Some(false),
        wire::QueueType::Fifo => Some(true),
    })
}

/// The settings a request gives: those that are set.
pub(super) fn given(queue: wire::Queue) -> Result<QueueFields, Refusal> {
    durability("queue.durability", queue.durability)?;
    let fifo = queue.fifo;
    Ok(QueueFields {
        visibility_timeout: convert::duration("queue.visibility_timeout", queue.visibility_timeout)?,
        retention: convert::duration("queue.retention", queue.retention)?,
        delay: convert::duration("queue.delay", queue.delay)?,
        receive_wait: convert::duration("queue.receive_wait", queue.receive_wait)?,
        max_message_bytes: (queue.max_message_bytes != 0).then_some(queue.max_message_bytes),
        dead_letter: queue.dead_letter_policy.map(|policy| Some(dead_letter(policy))),
        redrive_allow: queue.redrive_allow_policy.map(redrive_allow).transpose()?,
        content_based_deduplication: fifo.map(|fifo| fifo.content_based_deduplication),
        deduplication_scope: match fifo {
            Some(fifo) => scope("queue.fifo.deduplication_scope", fifo.deduplication_scope)?,
            None => None,
        },
        throughput_limit_scope: match fifo {
            Some(fifo) => scope("queue.fifo.throughput_limit_scope", fifo.throughput_limit_scope)?,
            None => None,
        },
        policy: (!queue.policy.is_empty()).then_some(queue.policy),
        tags: (!queue.tags.is_empty()).then(|| queue.tags.into_iter().collect()),
        // Encryption at rest is an attribute of the AWS protocol alone.
        ..QueueFields::default()
    })
}

/// The settings a mask names: what the request leaves unset goes back to its default. An empty mask names what is set.
pub(super) fn masked(queue: wire::Queue, paths: &[String]) -> Result<QueueFields, Refusal> {
    if paths.is_empty() {
        return given(queue);
    }
    let is_fifo = queue.fifo.is_some();
    let source = defaults(given(queue)?);
    let mut fields = QueueFields::default();
    for path in paths {
        name(&mut fields, &source, path, is_fifo)?;
    }
    Ok(fields)
}

/// Every field said, by its default where it was not.
fn defaults(given: QueueFields) -> QueueFields {
    let base = QueueOptions::default();
    QueueFields {
        visibility_timeout: given.visibility_timeout.or(Some(base.visibility_timeout)),
        retention: given.retention.or(Some(base.retention)),
        delay: given.delay.or(Some(base.delay)),
        receive_wait: given.receive_wait.or(Some(base.receive_wait)),
        max_message_bytes: given.max_message_bytes.or(Some(base.max_message_bytes)),
        dead_letter: given.dead_letter.or(Some(None)),
        redrive_allow: given.redrive_allow.or(Some(RedriveAllowFields::Unset)),
        content_based_deduplication: given.content_based_deduplication.or(Some(false)),
        deduplication_scope: given.deduplication_scope.or(Some(Scope::Queue)),
        throughput_limit_scope: given.throughput_limit_scope.or(Some(Scope::Queue)),
        policy: given.policy.or(Some(base.policy)),
        tags: given.tags.or(Some(base.tags)),
        ..given
    }
}

/// Takes the field `path` from `source`.
fn name(fields: &mut QueueFields, source: &QueueFields, path: &str, is_fifo: bool) -> Result<(), Refusal> {
    match path {
        "*" => {
            let fifo = if is_fifo { source.clone() } else { QueueFields::default() };
            *fields = QueueFields {
                content_based_deduplication: fifo.content_based_deduplication,
                deduplication_scope: fifo.deduplication_scope,
                throughput_limit_scope: fifo.throughput_limit_scope,
                ..source.clone()
            };
        }
        "visibility_timeout" => fields.visibility_timeout = source.visibility_timeout,
        "retention" => fields.retention = source.retention,
        "delay" => fields.delay = source.delay,
        "receive_wait" => fields.receive_wait = source.receive_wait,
        "max_message_bytes" => fields.max_message_bytes = source.max_message_bytes,
        "dead_letter_policy" => fields.dead_letter.clone_from(&source.dead_letter),
        "redrive_allow_policy" => fields.redrive_allow.clone_from(&source.redrive_allow),
        "fifo" => {
            fields.content_based_deduplication = source.content_based_deduplication;
            fields.deduplication_scope = source.deduplication_scope;
            fields.throughput_limit_scope = source.throughput_limit_scope;
        }
        "fifo.content_based_deduplication" => {
            fields.content_based_deduplication = source.content_based_deduplication;
        }
        "fifo.deduplication_scope" => fields.deduplication_scope = source.deduplication_scope,
        "fifo.throughput_limit_scope" => fields.throughput_limit_scope = source.throughput_limit_scope,
        "policy" => fields.policy.clone_from(&source.policy),
        "tags" => fields.tags.clone_from(&source.tags),
        // Only one value is offered, and `given` has checked it.
        "durability" => {}
        unknown => {
            let limit = "a field of a queue that can change";
            return Err(check::outside("update_mask", format!("{:?}", check::shorten(unknown)), limit));
        }
    }
    Ok(())
}

fn scope(field: &'static str, number: i32) -> Result<Option<Scope>, Refusal> {
    Ok(match convert::known(field, number)? {
        wire::FifoScope::Unspecified => None,
        wire::FifoScope::Queue => Some(Scope::Queue),
        wire::FifoScope::MessageGroup => Some(Scope::MessageGroup),
    })
}

fn dead_letter(policy: wire::DeadLetterPolicy) -> DeadLetterFields {
    DeadLetterFields { queue: policy.dead_letter_queue, max_receive_count: policy.max_receive_count }
}

fn redrive_allow(policy: wire::RedriveAllowPolicy) -> Result<RedriveAllowFields, Refusal> {
    const FIELD: &str = "queue.redrive_allow_policy.permission";
    let permission = convert::known(FIELD, policy.permission)?;
    let names_queues = !policy.source_queues.is_empty();
    match permission {
        wire::RedrivePermission::ByQueue => Ok(RedriveAllowFields::Queues(policy.source_queues)),
        wire::RedrivePermission::AllowAll | wire::RedrivePermission::DenyAll if names_queues => {
            let limit = "empty unless permission is BY_QUEUE";
            Err(check::outside("queue.redrive_allow_policy.source_queues", "set", limit))
        }
        wire::RedrivePermission::AllowAll => Ok(RedriveAllowFields::All),
        wire::RedrivePermission::DenyAll => Ok(RedriveAllowFields::None),
        wire::RedrivePermission::Unspecified => {
            Err(check::outside(FIELD, "unspecified", "ALLOW_ALL, DENY_ALL or BY_QUEUE"))
        }
    }
}

/// Names are told as seen from `region`.
pub(super) fn queue(region: &Region, view: QueueView) -> wire::Queue {
    let QueueView { definition, arn, url, figures } = view;
    let options = &definition.options;
    let kind = if options.fifo.is_some() { wire::QueueType::Fifo } else { wire::QueueType::Standard };
    wire::Queue {
        name: definition.path.seen_from(region).to_string(),
        arn,
        url,
        r#type: kind.into(),
        visibility_timeout: Some(convert::to_duration(options.visibility_timeout)),
        retention: Some(convert::to_duration(options.retention)),
        delay: Some(convert::to_duration(options.delay)),
        receive_wait: Some(convert::to_duration(options.receive_wait)),
        max_message_bytes: options.max_message_bytes,
        dead_letter_policy: options.dead_letter.as_ref().map(|policy| wire::DeadLetterPolicy {
            dead_letter_queue: policy.queue.seen_from(region).to_string(),
            max_receive_count: policy.max_receive_count,
        }),
        redrive_allow_policy: Some(to_redrive_allow(region, &options.redrive_allow)),
        fifo: options.fifo.map(|fifo| wire::FifoSettings {
            content_based_deduplication: fifo.content_based_deduplication,
            deduplication_scope: to_scope(fifo.deduplication_scope).into(),
            throughput_limit_scope: to_scope(fifo.throughput_limit_scope).into(),
        }),
        durability: Durability::Fsync.into(),
        policy: options.policy.clone(),
        tags: options.tags.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
        etag: etag(&definition),
        create_time: Some(convert::to_timestamp(definition.created)),
        update_time: Some(convert::to_timestamp(definition.updated)),
        stats: figures.map(stats),
    }
}

fn to_scope(scope: Scope) -> wire::FifoScope {
    match scope {
        Scope::Queue => wire::FifoScope::Queue,
        Scope::MessageGroup => wire::FifoScope::MessageGroup,
    }
}

fn to_redrive_allow(region: &Region, allow: &RedriveAllow) -> wire::RedriveAllowPolicy {
    let (permission, source_queues) = match allow {
        RedriveAllow::Unset | RedriveAllow::All => (wire::RedrivePermission::AllowAll, Vec::new()),
        RedriveAllow::None => (wire::RedrivePermission::DenyAll, Vec::new()),
        RedriveAllow::Queues(queues) => {
            (wire::RedrivePermission::ByQueue, queues.iter().map(|queue| queue.seen_from(region).to_string()).collect())
        }
    };
    wire::RedriveAllowPolicy { permission: permission.into(), source_queues }
}

pub(super) fn stats(figures: Figures) -> wire::QueueStats {
    let stats = figures.stats;
    wire::QueueStats {
        visible_messages: stats.visible,
        in_flight_messages: stats.in_flight,
        delayed_messages: stats.delayed,
        stored_bytes: stats.bytes,
        oldest_message_age: figures.oldest_message_age.map(convert::to_duration),
        groups_in_flight: stats.groups_in_flight,
        consumers: stats.consumers,
    }
}

pub(super) fn redrive(view: RedriveView) -> wire::Redrive {
    let (state, failure_reason) = match view.outcome {
        None => (wire::RedriveState::Running, String::new()),
        Some(RedriveOutcome::Completed) => (wire::RedriveState::Completed, String::new()),
        Some(RedriveOutcome::Cancelled) => (wire::RedriveState::Cancelled, String::new()),
        Some(RedriveOutcome::Failed { why }) => (wire::RedriveState::Failed, why.to_string()),
    };
    wire::Redrive {
        name: view.name,
        source_queue: view.source_queue,
        destination_queue: view.destination_queue,
        max_messages_per_second: view.max_messages_per_second,
        state: state.into(),
        messages_to_move: view.messages_to_move,
        messages_moved: view.messages_moved,
        failure_reason,
        start_time: Some(convert::to_timestamp(view.started)),
    }
}

/// Reads the flow control of a consume call.
pub(super) fn flow_control(flow: wire_common::FlowControl) -> FlowControl {
    FlowControl { messages: flow.max_outstanding_messages, bytes: flow.max_outstanding_bytes }
}
