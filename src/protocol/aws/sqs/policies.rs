//! Redrive policies: JSON inside of attribute values, read and written.

use super::name;
use crate::{
    base::{limits, name::QueuePath},
    protocol::aws::{
        fault::{Fault, common},
        wire::{
            json::Json,
            writer::{Form, Writer},
        },
    },
    service::{
        settings::{DeadLetterFields, RedriveAllowFields},
        words::{DeadLetterPolicy, RedriveAllow},
    },
};

pub(super) const REDRIVE: &str = "RedrivePolicy";
pub(super) const REDRIVE_ALLOW: &str = "RedriveAllowPolicy";
const TARGET: &str = "deadLetterTargetArn";
const COUNT: &str = "maxReceiveCount";
const PERMISSION: &str = "redrivePermission";
const SOURCES: &str = "sourceQueueArns";

/// Reads the redrive policy of `source`; empty means none.
pub(super) fn redrive(source: &QueuePath, text: &str) -> Result<Option<DeadLetterFields>, Fault> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    let bad = |reason: &str| common::invalid_value(text, REDRIVE, reason);
    let json = Json::parse(text.as_bytes()).map_err(|_| bad("Redrive policy is not a valid JSON map."))?;
    let missing = |name: &str| bad(&format!("Redrive policy does not contain mandatory attribute: {name}."));
    // Of two that are missing AWS names this one.
    let count = json.member(COUNT).ok_or_else(|| missing(COUNT))?;
    let target = json.member(TARGET).ok_or_else(|| missing(TARGET))?.as_text().and_then(name::of_arn);
    let target = target.ok_or_else(|| bad("Dead-letter target must be the ARN of an SQS queue."))?;
    let count = count.as_integer().or_else(|| count.as_text()?.trim().parse().ok());
    let count = count.ok_or_else(|| bad("maxReceiveCount must be a number."))?;
    let most = limits::MAX_RECEIVE_COUNT_MAX;
    let in_range = u32::try_from(count).ok().filter(|count| (1..=most).contains(count));
    let max_receive_count = in_range.ok_or_else(|| {
        bad(&format!("Invalid value for maxReceiveCount: {count}, valid values are from 1 to {most} both inclusive."))
    })?;
    check_target(source, &target).map_err(bad)?;
    Ok(Some(DeadLetterFields { queue: target.to_string(), max_receive_count }))
}

/// What the two names alone tell.
fn check_target(source: &QueuePath, target: &QueuePath) -> Result<(), &'static str> {
    if target.account != source.account {
        return Err("Dead-letter target owner should be same as the source.");
    }
    if target.region != source.region {
        return Err("Dead-letter target must be in the same region as the source.");
    }
    if target.name.is_fifo() != source.name.is_fifo() {
        return Err("Dead-letter target must be same type of queue as the source.");
    }
    if target == source {
        return Err("Dead-letter target must be another queue than the source.");
    }
    Ok(())
}

pub(super) fn write_redrive(policy: &DeadLetterPolicy) -> String {
    let mut writer = Writer::new(Form::Json);
    writer.structure(|w| {
        w.plain(TARGET, policy.queue.arn());
        w.number(COUNT, policy.max_receive_count.into());
    });
    String::from_utf8(writer.finish()).unwrap_or_default()
}

/// Reads who may use a queue as a dead-letter queue; empty means everyone.
pub(super) fn redrive_allow(text: &str) -> Result<RedriveAllowFields, Fault> {
    if text.trim().is_empty() {
        return Ok(RedriveAllowFields::Unset);
    }
    let bad = |reason: &str| common::invalid_value(text, REDRIVE_ALLOW, reason);
    let json = Json::parse(text.as_bytes()).map_err(|_| bad("Amazon SQS can't parse the redrive allow policy."))?;
    let permission = json
        .member(PERMISSION)
        .and_then(Json::as_text)
        .ok_or_else(|| bad("Redrive allow policy does not contain mandatory attribute: redrivePermission."))?;
    let path_of = |item: &Json<'_>| item.as_text().and_then(name::of_arn).map(|path| path.to_string());
    let paths_of = |list: &Json<'_>| list.as_items()?.iter().map(path_of).collect::<Option<Vec<_>>>();
    let sources = json
        .member(SOURCES)
        .map(|list| paths_of(list).ok_or_else(|| bad("sourceQueueArns must be a list of ARNs of SQS queues.")));
    let sources = sources.transpose()?;
    let most = limits::REDRIVE_SOURCE_QUEUES_MAX;
    match (permission, sources) {
        ("allowAll" | "denyAll", Some(sources)) if !sources.is_empty() => {
            Err(bad("sourceQueueArns is only valid with redrivePermission byQueue."))
        }
        ("allowAll", _) => Ok(RedriveAllowFields::All),
        ("denyAll", _) => Ok(RedriveAllowFields::None),
        ("byQueue", Some(sources)) if (1..=most).contains(&sources.len()) => Ok(RedriveAllowFields::Queues(sources)),
        ("byQueue", _) => Err(bad(&format!("byQueue needs 1 to {most} sourceQueueArns."))),
        _ => Err(bad("redrivePermission must be one of allowAll, denyAll, byQueue.")),
    }
}

/// `None` when nobody said.
pub(super) fn write_redrive_allow(allow: &RedriveAllow) -> Option<String> {
    let mut writer = Writer::new(Form::Json);
    match allow {
        RedriveAllow::Unset => return None,
        RedriveAllow::All => writer.structure(|w| w.plain(PERMISSION, "allowAll")),
        RedriveAllow::None => writer.structure(|w| w.plain(PERMISSION, "denyAll")),
        RedriveAllow::Queues(queues) => writer.structure(|w| {
            w.plain(PERMISSION, "byQueue");
            w.texts((SOURCES, SOURCES), queues.iter().map(QueuePath::arn));
        }),
    }
    String::from_utf8(writer.finish()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:sqs:us-east-1:000000000000:dead";

    fn read(source: &str, text: &str) -> Result<Option<DeadLetterFields>, Fault> {
        redrive(&name::of_arn(source).expect("an ARN"), text)
    }

    #[test]
    fn a_count_is_a_number_or_its_text() {
        for count in ["3", "\"3\""] {
            let text = format!("{{\"deadLetterTargetArn\":\"{ARN}\", \"maxReceiveCount\": {count}}}");
            let fields = read(&ARN.replace("dead", "q"), &text).expect("valid").expect("given");
            assert_eq!((fields.max_receive_count, fields.queue.ends_with("/queues/dead")), (3, true));
        }
        for bad in ["{}", "[]", "{\"maxReceiveCount\":1}", &format!("{{\"deadLetterTargetArn\":\"{ARN}\"}}")] {
            assert!(read(ARN, bad).is_err(), "{bad}");
        }
        assert_eq!(read(ARN, ""), Ok(None));
    }

    #[test]
    fn a_target_is_another_queue_of_the_same_kind_owner_and_region() {
        let policy = format!("{{\"deadLetterTargetArn\":\"{ARN}\",\"maxReceiveCount\":1}}");
        for (source, why) in [
            ("arn:aws:sqs:us-east-1:111111111111:q", "owner should be same as the source"),
            ("arn:aws:sqs:eu-north-1:000000000000:q", "must be in the same region as the source"),
            ("arn:aws:sqs:us-east-1:000000000000:q.fifo", "must be same type of queue as the source"),
            (ARN, "must be another queue than the source"),
        ] {
            let refused = read(source, &policy).expect_err(source).message;
            let wanted =
                format!("Value {policy} for parameter RedrivePolicy is invalid. Reason: Dead-letter target {why}.");
            assert_eq!(refused, wanted);
        }
    }

    #[test]
    fn sources_stand_only_where_they_count() {
        let by_queue = format!("{{\"redrivePermission\":\"byQueue\",\"sourceQueueArns\":[\"{ARN}\"]}}");
        assert!(matches!(redrive_allow(&by_queue), Ok(RedriveAllowFields::Queues(_))));
        assert_eq!(redrive_allow("{\"redrivePermission\":\"denyAll\"}"), Ok(RedriveAllowFields::None));
        let with_sources = by_queue.replace("byQueue", "denyAll");
        for bad in ["{\"redrivePermission\":\"byQueue\"}", "{\"redrivePermission\":\"some\"}", "{}", &with_sources] {
            assert!(redrive_allow(bad).is_err(), "{bad}");
        }
    }
}
