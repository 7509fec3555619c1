//! The audit log: every call that was denied and every one that administers, as events of the target `audit`. Who, from
//! where, what, on what, and the decision; never a secret and never a message.

use super::{
    access::key::AccessKey,
    authorise::{Action, Deciding, Resource},
    broker::{Caller, Via},
    check,
};
use crate::{
    base::{name::Namespace, reason::Refusal},
    domain::policy::action::Effect,
};
use std::fmt;

/// A call that may go on: written down when it administers.
pub(super) fn allowed(caller: &Caller, action: Action, resource: Resource<'_>) {
    if action.effect() == Effect::Changes {
        let (who, key, from) = subject(caller);
        let (action, resource) = (action.as_str(), Shown(resource));
        tracing::info!(target: "audit", who, key, %from, action, %resource, decision = "allowed");
    }
}

/// A call that is refused, and the statement that says so; without one, nothing allows it.
pub(super) fn denied(
    caller: &Caller,
    action: Action,
    resource: Resource<'_>,
    refusal: &Refusal,
    deciding: Option<&Deciding>,
) {
    let (who, key, from) = subject(caller);
    let (action, resource) = (action.as_str(), Shown(resource));
    let (policy, statement) = deciding.map_or(("none", "none"), |by| (by.policy.as_str(), by.statement.as_str()));
    tracing::warn!(
        target: "audit", who, key, %from, action, %resource, decision = "denied", policy, statement, why = %refusal
    );
}

/// A key that was made or taken away. Which one is known only when it is done; that it was allowed is written already.
pub(super) fn changed_key(caller: &Caller, action: Action, changed: &AccessKey) {
    let (who, key, from) = subject(caller);
    let resource = format_args!("access key {} of {}", changed.id, changed.arn());
    tracing::info!(target: "audit", who, key, %from, action = action.as_str(), %resource, decision = "done");
}

fn subject(caller: &Caller) -> (&str, &str, From) {
    (&caller.principal, caller.identity.key_id.as_deref().unwrap_or("none"), From(caller.via))
}

/// A call that did not prove who it comes from; `claimed` is the key id it named.
pub fn not_authenticated(claimed: Option<&str>, via: Via, refusal: &Refusal) {
    let (key, from) = (check::shorten(claimed.unwrap_or("none")), From(via));
    tracing::warn!(target: "audit", who = "unknown", %key, %from, decision = "denied", why = %refusal);
}

struct Shown<'a>(Resource<'a>);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Resource::Queue(path, _) => path.fmt(f),
            Resource::Stream(path, _) => path.fmt(f),
            Resource::Namespace(namespace) => write!(f, "namespaces/{namespace}"),
            Resource::Part(service, Namespace { account, region }, name) => {
                write!(f, "arn:aws:{service}:{region}:{account}:{name}")
            }
            Resource::Server => f.write_str("server"),
        }
    }
}

struct From(Via);

impl fmt::Display for From {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.source_ip {
            Some(ip) => ip.fmt(f),
            None => f.write_str("unknown"),
        }
    }
}
