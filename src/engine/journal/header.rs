//! Plain data to the generated structs of the storage protos, and back.

use super::{
    decode::DecodeError,
    record::{OutboxItem, OutboxReason},
};
use crate::{
    base::{
        id::{Location, Lsn, MessageSeq, PartitionId, QueueId, RedriveId},
        name::{AccountId, Namespace, QueueName, QueuePath, Region},
        time::Timestamp,
    },
    domain::queue::settings::{Fifo, Kind, Scope, Settings},
    engine::definition::{DeadLetterPolicy, Encryption, QueueDefinition, QueueOptions, RedriveAllow},
    proto::storage::v1 as wire,
};
use std::time::Duration;

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn scope(by_group: bool) -> Scope {
    if by_group { Scope::MessageGroup } else { Scope::Queue }
}

fn fifo_to(fifo: Fifo) -> wire::Fifo {
    wire::Fifo {
        content_based_deduplication: fifo.content_based_deduplication,
        deduplicate_by_group: fifo.deduplication_scope == Scope::MessageGroup,
        limit_by_group: fifo.throughput_limit_scope == Scope::MessageGroup,
    }
}

fn fifo_from(fifo: wire::Fifo) -> Fifo {
    Fifo {
        content_based_deduplication: fifo.content_based_deduplication,
        deduplication_scope: scope(fifo.deduplicate_by_group),
        throughput_limit_scope: scope(fifo.limit_by_group),
    }
}

pub(crate) fn settings_to(settings: &Settings) -> wire::Settings {
    wire::Settings {
        fifo: match settings.kind {
            Kind::Standard => None,
            Kind::Fifo(fifo) => Some(fifo_to(fifo)),
        },
        visibility_timeout_ms: millis(settings.visibility_timeout),
        retention_ms: millis(settings.retention),
        delay_ms: millis(settings.delay),
        receive_wait_ms: millis(settings.receive_wait),
        max_message_bytes: settings.max_message_bytes,
        max_receive_count: settings.max_receive_count,
        in_flight_max: settings.in_flight_max as u64,
    }
}

pub(crate) fn settings_from(settings: wire::Settings) -> Settings {
    Settings {
        kind: settings.fifo.map_or(Kind::Standard, |fifo| Kind::Fifo(fifo_from(fifo))),
        visibility_timeout: Duration::from_millis(settings.visibility_timeout_ms),
        retention: Duration::from_millis(settings.retention_ms),
        delay: Duration::from_millis(settings.delay_ms),
        receive_wait: Duration::from_millis(settings.receive_wait_ms),
        max_message_bytes: settings.max_message_bytes,
        max_receive_count: settings.max_receive_count,
        in_flight_max: usize::try_from(settings.in_flight_max).unwrap_or(usize::MAX),
    }
}

pub(crate) fn item_to(item: &OutboxItem) -> wire::OutboxItem {
    use wire::outbox_item::Why;
    wire::OutboxItem {
        number: item.number,
        source_queue: item.source.0,
        seq: item.seq.0,
        target_queue: item.target.0,
        lsn: item.location.lsn.0,
        offset: item.location.offset,
        len: item.location.len,
        at_ms: item.at.0,
        send_time_ms: item.send_time.0,
        receive_count: item.receive_count,
        first_receive_ms: item.first_receive.map(|time| time.0),
        size: item.size,
        dead_letter_source: item.dead_letter_source.map(|queue| queue.0),
        why: Some(match &item.why {
            OutboxReason::MaxReceives => Why::MaxReceives(true),
            OutboxReason::Explicit { reason } => Why::ExplicitReason(reason.to_string()),
            OutboxReason::Redrive { id, moved } => Why::Redrive(wire::RedriveMove { id: id.0.to_vec(), moved: *moved }),
            OutboxReason::Returned => Why::Returned(true),
        }),
    }
}

pub(crate) fn item_from(item: wire::OutboxItem) -> Result<OutboxItem, DecodeError> {
    use wire::outbox_item::Why;
    let why = match item.why.ok_or(DecodeError::Missing("why"))? {
        Why::MaxReceives(_) => OutboxReason::MaxReceives,
        Why::ExplicitReason(reason) => OutboxReason::Explicit { reason: reason.into() },
        Why::Redrive(redrive) => OutboxReason::Redrive { id: redrive_id(&redrive.id)?, moved: redrive.moved },
        Why::Returned(_) => OutboxReason::Returned,
    };
    Ok(OutboxItem {
        number: item.number,
        source: QueueId(item.source_queue),
        seq: MessageSeq(item.seq),
        target: QueueId(item.target_queue),
        location: Location { lsn: Lsn(item.lsn), offset: item.offset, len: item.len },
        at: Timestamp(item.at_ms),
        send_time: Timestamp(item.send_time_ms),
        receive_count: item.receive_count,
        first_receive: item.first_receive_ms.map(Timestamp),
        size: item.size,
        dead_letter_source: item.dead_letter_source.map(QueueId),
        why,
    })
}

pub(super) fn redrive_id(bytes: &[u8]) -> Result<RedriveId, DecodeError> {
    Ok(RedriveId(bytes.try_into().map_err(|_| DecodeError::Missing("redrive id"))?))
}

pub(crate) fn definition_to(definition: &QueueDefinition) -> wire::QueueDefinition {
    let options = &definition.options;
    wire::QueueDefinition {
        id: definition.id.0,
        partition: definition.partition.0,
        account: definition.path.account.to_string(),
        region: definition.path.region.to_string(),
        name: definition.path.name.to_string(),
        created_ms: definition.created.0,
        updated_ms: definition.updated.0,
        revision: definition.revision,
        settings: Some(settings_to(&options.settings(0))),
        dead_letter: options.dead_letter.as_ref().map(|policy| wire::DeadLetterPolicy {
            account: policy.queue.account.to_string(),
            region: policy.queue.region.to_string(),
            name: policy.queue.name.to_string(),
            max_receive_count: policy.max_receive_count,
        }),
        redrive_allow: Some(allow_to(&options.redrive_allow)),
        policy: options.policy.clone(),
        encryption: encryption_to(&options.encryption),
        tags: options.tags.iter().map(|(key, value)| wire::Tag { key: key.clone(), value: value.clone() }).collect(),
    }
}

/// `None` for what a queue has whose client said nothing.
fn encryption_to(encryption: &Encryption) -> Option<wire::Encryption> {
    (*encryption != Encryption::default()).then(|| wire::Encryption {
        key_id: encryption.key_id.clone(),
        key_reuse_ms: millis(encryption.key_reuse),
        managed: encryption.managed,
    })
}

fn encryption_from(encryption: Option<wire::Encryption>) -> Encryption {
    encryption.map_or_else(Encryption::default, |encryption| Encryption {
        key_id: encryption.key_id,
        key_reuse: Duration::from_millis(encryption.key_reuse_ms),
        managed: encryption.managed,
    })
}

fn allow_to(allow: &RedriveAllow) -> wire::RedriveAllow {
    match allow {
        RedriveAllow::Unset => wire::RedriveAllow::default(),
        RedriveAllow::All => wire::RedriveAllow { all: true, ..Default::default() },
        RedriveAllow::None => wire::RedriveAllow { none: true, ..Default::default() },
        RedriveAllow::Queues(queues) => wire::RedriveAllow {
            by_queue: true,
            queues: queues.iter().map(ToString::to_string).collect(),
            ..Default::default()
        },
    }
}

fn allow_from(allow: &wire::RedriveAllow, home: &Namespace) -> Result<RedriveAllow, DecodeError> {
    if allow.by_queue {
        let queues = allow.queues.iter().map(|text| QueuePath::parse(text, home.clone()));
        return Ok(RedriveAllow::Queues(queues.collect::<Result<_, _>>().map_err(|_| DecodeError::Missing("queue"))?));
    }
    Ok(match (allow.none, allow.all) {
        (true, _) => RedriveAllow::None,
        (false, true) => RedriveAllow::All,
        (false, false) => RedriveAllow::Unset,
    })
}

pub(crate) fn path_from(account: &str, region: &str, name: &str) -> Result<QueuePath, DecodeError> {
    Ok(QueuePath {
        account: AccountId::parse(account).map_err(|_| DecodeError::Missing("account"))?,
        region: Region::parse(region).map_err(|_| DecodeError::Missing("region"))?,
        name: QueueName::parse(name).map_err(|_| DecodeError::Missing("queue name"))?,
    })
}

pub(crate) fn definition_from(definition: wire::QueueDefinition) -> Result<QueueDefinition, DecodeError> {
    let path = path_from(&definition.account, &definition.region, &definition.name)?;
    let settings = settings_from(definition.settings.ok_or(DecodeError::Missing("settings"))?);
    let dead_letter = match definition.dead_letter {
        None => None,
        Some(policy) => Some(DeadLetterPolicy {
            queue: path_from(&policy.account, &policy.region, &policy.name)?,
            max_receive_count: policy.max_receive_count,
        }),
    };
    let options = QueueOptions {
        fifo: match settings.kind {
            Kind::Standard => None,
            Kind::Fifo(fifo) => Some(fifo),
        },
        visibility_timeout: settings.visibility_timeout,
        retention: settings.retention,
        delay: settings.delay,
        receive_wait: settings.receive_wait,
        max_message_bytes: settings.max_message_bytes,
        dead_letter,
        redrive_allow: allow_from(&definition.redrive_allow.unwrap_or_default(), &path.namespace())?,
        policy: definition.policy,
        encryption: encryption_from(definition.encryption),
        tags: definition.tags.into_iter().map(|tag| (tag.key, tag.value)).collect(),
    };
    Ok(QueueDefinition {
        id: QueueId(definition.id),
        partition: PartitionId(definition.partition),
        created: Timestamp(definition.created_ms),
        updated: Timestamp(definition.updated_ms),
        revision: definition.revision,
        access: options.access(),
        options,
        path,
    })
}
