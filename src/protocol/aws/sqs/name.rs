//! URLs and ARNs of queues, read and written. A URL is taken for its last two segments: clients change everything before
//! them.

use crate::{
    base::name::{AccountId, Namespace, QueueName, QueuePath, Region},
    protocol::aws::{
        call::Call,
        errors::sqs,
        fault::{Fault, common},
        wire::{form, input::Input},
    },
};
use std::borrow::Cow;

/// The queue a call is about, as `QueueUrl` or the path of the request says.
pub(super) fn of_call(call: &Call, input: &Input<'_>) -> Result<QueuePath, Fault> {
    match input.text("QueueUrl")? {
        Some(url) if !url.is_empty() => of_url(call, &url),
        _ => of_path(call)?.ok_or_else(|| common::missing("QueueUrl")),
    }
}

/// `None` when the path names no queue.
fn of_path(call: &Call) -> Result<Option<QueuePath>, Fault> {
    let path = form::decode(call.place.path().as_bytes());
    if path.trim_matches('/').is_empty() {
        return Ok(None);
    }
    of_url(call, &path).map(Some)
}

pub(super) fn of_url(call: &Call, url: &str) -> Result<QueuePath, Fault> {
    let bad = || {
        let shown: String = url.chars().take(200).collect();
        Fault::new(&sqs::INVALID_ADDRESS, format!("The address {shown} is not valid for this endpoint."))
    };
    let path = url.split_once("://").map_or(url, |(_, rest)| rest.split_once('/').map_or("", |(_, path)| path));
    let path = path.split(['?', '#']).next().unwrap_or_default().trim_matches('/');
    let mut segments = path.rsplit('/');
    let name = segments.next().filter(|name| !name.is_empty()).ok_or_else(bad)?;
    let name = QueueName::parse(name).map_err(|_| Fault::new(&sqs::QUEUE_DOES_NOT_EXIST, NO_QUEUE))?;
    let account = match segments.next() {
        // Some emulators write `queue` there, which means the only account they have.
        None | Some("" | "queue") => call.caller.account.clone(),
        Some(account) => AccountId::parse(account).map_err(|_| bad())?,
    };
    Ok(QueuePath { account, region: call.caller.region.clone(), name })
}

pub(super) const NO_QUEUE: &str = "The specified queue does not exist.";

pub(super) fn url(call: &Call, path: &QueuePath) -> String {
    format!("{}/{}/{}", call.base_url(), path.account, path.name)
}

/// Reads `arn:aws:sqs:region:account:name`, of any partition.
pub(super) fn of_arn(arn: &str) -> Option<QueuePath> {
    let mut parts = arn.splitn(6, ':');
    let (scheme, partition, service) = (parts.next()?, parts.next()?, parts.next()?);
    if scheme != "arn" || !partition.starts_with("aws") || service != "sqs" {
        return None;
    }
    let region = Region::parse(parts.next()?).ok()?;
    let account = AccountId::parse(parts.next()?).ok()?;
    Some(QueuePath { account, region, name: QueueName::parse(parts.next()?).ok()? })
}

/// The name that use cases take: bare for a queue of the caller's own.
pub(super) fn native<'a>(call: &Call, path: &'a QueuePath) -> Cow<'a, str> {
    if path.account == call.caller.account && path.region == call.caller.region {
        return Cow::Borrowed(path.name.as_str());
    }
    Cow::Owned(path.to_string())
}

/// The ARN of a queue that a use case named in full.
pub(super) fn arn_of_native(call: &Call, name: &str) -> Option<String> {
    let home = Namespace { account: call.caller.account.clone(), region: call.broker.region().clone() };
    QueuePath::parse(name, home).ok().map(|path| path.arn())
}
