//! Permissions: statements of a queue's policy that let other accounts do something, added and removed by their labels.
//! Everything else in the policy stays as it was written.

use super::{
    authorise::Action,
    broker::{Broker, Caller},
    check,
    words::{QueueDefinition, QueueOptions},
};
use crate::{
    base::{
        limits,
        name::AccountId,
        reason::{Reason, Refusal},
    },
    domain::policy::{
        action::Reach,
        document::Policy,
        edit::{self, Grant},
        error::PolicyError,
        statement::Owner,
    },
};
use std::sync::Arc;

#[derive(Clone, Debug, Default)]
pub struct AddPermission {
    pub queue: String,
    /// Names the statement; 1 to 80 letters, digits, hyphens and underscores.
    pub label: String,
    /// Who is let in: 12 digits each.
    pub accounts: Vec<String>,
    /// What they may do: names without their service, such as `SendMessage`, or `*`.
    pub actions: Vec<String>,
}

#[derive(Clone, Debug, Default)]
pub struct RemovePermission {
    pub queue: String,
    pub label: String,
}

impl Broker {
    /// # Errors
    /// `PERMISSION_EXISTS`; `ACTION_NOT_SHARED`; `POLICY_TOO_LARGE`: more actions than one statement may have, or more of
    /// anything than the policy may; `INVALID_ARGUMENT` at `label`, `accounts` or `actions`.
    pub async fn add_permission(&self, caller: &Caller, request: AddPermission) -> Result<(), Refusal> {
        let queue = self.queue_for(caller, Action::AddPermission, "queue", &request.queue)?;
        let AddPermission { label, accounts, actions, .. } = request;
        check_label(&label)?;
        let actions = check_actions(&actions)?;
        check_accounts(&accounts)?;
        self.change_policy(queue, |queue| {
            let resource = queue.path.arn();
            let policy = &queue.options.policy;
            if edit::contains(policy, &label).map_err(unreadable)? {
                let message = format!("the policy of {} has a statement {label:?} already", queue.path);
                return Err(Refusal::new(Reason::PermissionExists, message).at("label").with("label", &label));
            }
            let grant = Grant { sid: &label, accounts: &accounts, actions: &actions, resource: &resource };
            let policy = edit::add(policy, &grant).map_err(unreadable)?;
            let too_large = |error: PolicyError| {
                let message = format!("with that permission the policy is too large: {error}");
                Refusal::new(Reason::PolicyTooLarge, message).with("value", error.found).with("limit", error.allowed)
            };
            Policy::parse(&policy, Owner::Queue).map_err(too_large)?;
            Ok(policy)
        })
        .await
    }

    /// # Errors
    /// `PERMISSION_NOT_FOUND`; `INVALID_ARGUMENT` at `label`.
    pub async fn remove_permission(&self, caller: &Caller, request: RemovePermission) -> Result<(), Refusal> {
        let queue = self.queue_for(caller, Action::RemovePermission, "queue", &request.queue)?;
        let label = request.label;
        check_label(&label)?;
        self.change_policy(queue, |queue| {
            edit::remove(&queue.options.policy, &label).map_err(unreadable)?.ok_or_else(|| {
                let message = format!("the policy of {} has no statement {label:?}", queue.path);
                Refusal::new(Reason::PermissionNotFound, message).at("label").with("label", &label)
            })
        })
        .await
    }

    /// Changes the policy, again when somebody else changed the queue in between.
    async fn change_policy(
        &self,
        mut queue: Arc<QueueDefinition>,
        change: impl Fn(&QueueDefinition) -> Result<String, Refusal>,
    ) -> Result<(), Refusal> {
        loop {
            let options = QueueOptions { policy: change(&queue)?, ..queue.options.clone() };
            match self.engine.update_queue(queue.id, Some(queue.revision), options).await {
                Err(refusal) if refusal.reason == Reason::EtagMismatch => {
                    let fresh = self.engine.find_queue(&queue.path)?;
                    if fresh.id != queue.id || fresh.revision == queue.revision {
                        return Err(refusal);
                    }
                    queue = fresh;
                }
                result => return result.map(drop),
            }
        }
    }
}

/// The stored policy is none: it is from before policies were checked.
fn unreadable(error: PolicyError) -> Refusal {
    check::outside("queue.policy", error.found, error.allowed)
}

fn check_label(label: &str) -> Result<(), Refusal> {
    let fits = (1..=limits::LABEL_CHARS).contains(&label.len());
    if fits && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_') {
        return Ok(());
    }
    let limit = format!("1 to {} letters, digits, hyphens and underscores", limits::LABEL_CHARS);
    Err(check::outside("label", format!("{:?}", check::shorten(label)), limit))
}

fn check_accounts(accounts: &[String]) -> Result<(), Refusal> {
    let found = || check::shorten(&format!("[{}]", accounts.join(", "))).into_owned();
    if accounts.is_empty() || accounts.iter().any(|account| AccountId::parse(account).is_err()) {
        return Err(check::outside("accounts", found(), "one account or more, 12 digits each"));
    }
    Ok(())
}

/// The names as the policy has them.
fn check_actions(actions: &[String]) -> Result<Vec<String>, Refusal> {
    let most = limits::POLICY_ACTIONS;
    if actions.is_empty() {
        return Err(check::outside("actions", "empty", format!("1 to {most} actions")));
    }
    if actions.len() > most {
        let message = format!("{} Actions were found, maximum allowed is {most}.", actions.len());
        let refusal = Refusal::new(Reason::PolicyTooLarge, message).at("actions");
        return Err(refusal.with("value", actions.len()).with("limit", most));
    }
    actions.iter().map(|name| check_action(name)).collect()
}

fn check_action(name: &str) -> Result<String, Refusal> {
    let full = format!("SQS:{name}");
    if name == "*" {
        return Ok(full);
    }
    let known = Action::ALL.iter().find(|action| action.parts() == ("sqs", name));
    match known.map(|action| action.reach()) {
        Some(Reach::Shared) => Ok(full),
        Some(Reach::Owner) => {
            let message = format!("{full} cannot be given to others: only the queue's owner may do that");
            Err(Refusal::new(Reason::ActionNotShared, message).at("actions").with("value", name))
        }
        None => {
            let names =
                Action::ALL.iter().filter(|action| action.reach() == Reach::Shared).map(|action| action.parts());
            let names: Vec<_> = names.filter(|(service, _)| *service == "sqs").map(|(_, name)| name).collect();
            let limit = format!("* or one of {}", names.join(", "));
            Err(check::outside("actions", check::shorten(name), limit))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_named_as_sqs_names_them() {
        let names = |names: &[&str]| check_actions(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(names(&["SendMessage", "*"]), Ok(vec!["SQS:SendMessage".to_owned(), "SQS:*".to_owned()]));
        for (bad, reason) in [
            (&["NotAnAction"][..], Reason::InvalidArgument),
            (&["sqs:SendMessage"], Reason::InvalidArgument),
            (&["PeekMessages"], Reason::InvalidArgument),
            (&["SendMessage", "DeleteQueue"], Reason::ActionNotShared),
            (&["SendMessage"; 8], Reason::PolicyTooLarge),
            (&[], Reason::InvalidArgument),
        ] {
            let refusal = names(bad).expect_err("refused");
            assert_eq!((refusal.reason, refusal.field.as_deref()), (reason, Some("actions")), "{bad:?}");
        }
        assert_eq!(names(&["*"; 9]).expect_err("too many").message, "9 Actions were found, maximum allowed is 7.");
    }

    #[test]
    fn labels_and_accounts_have_their_rules() {
        for good in ["a", "A-b_9", &"x".repeat(80)] {
            assert_eq!(check_label(good), Ok(()), "{good}");
        }
        for bad in ["", "a b", "a.b", "é", &"x".repeat(81)] {
            assert_eq!(check_label(bad).map_err(|refusal| refusal.field), Err(Some("label".to_owned())), "{bad}");
        }
        let accounts = |accounts: &[&str]| {
            let refusal = check_accounts(&accounts.iter().map(|account| (*account).to_owned()).collect::<Vec<_>>());
            refusal.map_err(|refusal| refusal.metadata.into_iter().next())
        };
        assert_eq!(accounts(&["111111111111", "222222222222"]), Ok(()));
        assert_eq!(accounts(&[]), Err(Some(("value", "[]".to_owned()))));
        assert_eq!(accounts(&["111111111111", "x"]), Err(Some(("value", "[111111111111, x]".to_owned()))));
    }
}
