//! Permissions: statements of a queue's policy, added and removed by their labels.

use super::{message::shorten, name};
use crate::{
    base::reason::{Reason, Refusal},
    protocol::aws::{
        call::{Call, Reply},
        fault::{Fault, common},
        wire::input::Input,
    },
    service::permissions::{AddPermission, RemovePermission},
};

const LABEL: &str = "Label";
const ACTION: &str = "ActionName";

pub(in crate::protocol::aws) async fn add(call: &Call, input: &Input<'_>) -> Result<Reply, Fault> {
    let path = name::of_call(call, input)?;
    let label = input.required(LABEL)?.into_owned();
    let accounts = input.texts(("AWSAccountIds", "AWSAccountId"))?.unwrap_or_default();
    let actions = input.texts(("Actions", ACTION))?.unwrap_or_default();
    if actions.is_empty() {
        return Err(common::missing("Actions"));
    }
    let said = Said { label: label.clone(), accounts: format!("[{}]", accounts.join(", ")) };
    let queue = name::native(call, &path).into_owned();
    let added = call.broker.add_permission(&call.caller, AddPermission { queue, label, accounts, actions }).await;
    added.map_err(|refusal| fault(call, refusal, &said))?;
    Ok(call.done())
}

pub(in crate::protocol::aws) async fn remove(call: &Call, input: &Input<'_>) -> Result<Reply, Fault> {
    let path = name::of_call(call, input)?;
    let label = input.required(LABEL)?.into_owned();
    let said = Said { label: label.clone(), accounts: String::new() };
    let queue = name::native(call, &path).into_owned();
    let removed = call.broker.remove_permission(&call.caller, RemovePermission { queue, label }).await;
    removed.map_err(|refusal| fault(call, refusal, &said))?;
    Ok(call.done())
}

/// What a fault repeats of a call.
struct Said {
    label: String,
    accounts: String,
}

/// A refusal in the words of SQS.
fn fault(call: &Call, refusal: Refusal, said: &Said) -> Fault {
    let label = shorten(&said.label);
    let value = refusal.metadata.iter().find(|(key, _)| *key == "value").map(|(_, value)| value.as_str());
    let action = format!("SQS:{}", value.unwrap_or_default());
    match (refusal.reason, refusal.field.as_deref()) {
        (Reason::PermissionExists, _) => common::invalid_value(label, LABEL, "Already exists."),
        (Reason::PermissionNotFound, _) => common::invalid_value(label, LABEL, "can't find label."),
        (Reason::ActionNotShared, _) => {
            common::invalid_value(action, ACTION, "Only the queue owner is allowed to invoke this action.")
        }
        (Reason::InvalidArgument, Some("label")) => {
            const RULE: &str =
                "Label can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length.";
            common::invalid_value(label, LABEL, RULE)
        }
        (Reason::InvalidArgument, Some("accounts")) => {
            common::invalid_value(shorten(&said.accounts), "PrincipalId", "Unable to verify.")
        }
        (Reason::InvalidArgument, Some("actions")) => {
            const RULE: &str = "Please refer to the appropriate WSDL for a list of valid actions. ";
            common::invalid_value(action, ACTION, RULE)
        }
        _ => call.fault(refusal),
    }
}
