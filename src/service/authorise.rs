//! Who may do what: every use case asks here before it does anything, and nowhere else is it decided.
//!
//! Absent yet: policies. Until they are built a caller may do everything in its own namespace and
//! nothing in another.

use super::{audit, broker::Caller};
use crate::{
    base::{
        name::{Namespace, QueuePath},
        reason::{Reason, Refusal},
    },
    domain::policy::action,
};

/// Everything a caller can ask for.
pub type Action = action::Action;

/// What an action is about.
#[derive(Clone, Copy, Debug)]
pub enum Resource<'a> {
    Queue(&'a QueuePath),
    Namespace(&'a Namespace),
    Server,
}

/// Refuses with `ACCESS_DENIED` what the caller may not do.
pub fn authorise(caller: &Caller, action: Action, resource: Resource<'_>) -> Result<(), Refusal> {
    let decision = judge(caller, action, resource);
    audit::decided(caller, action, resource, &decision);
    decision
}

fn judge(caller: &Caller, action: Action, resource: Resource<'_>) -> Result<(), Refusal> {
    let account = match resource {
        Resource::Queue(path) => &path.account,
        Resource::Namespace(namespace) => &namespace.account,
        Resource::Server => return Ok(()),
    };
    if *account == caller.account {
        return Ok(());
    }
    let message =
        format!("{} of account {} may not {} in {account}", caller.principal, caller.account, action.as_str());
    Err(Refusal::new(Reason::AccessDenied, message).with("action", action.as_str()).with("namespace", account))
}
