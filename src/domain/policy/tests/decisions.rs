//! All policies together: who wins, and which side is needed.

use super::{identity, of_queue, principal, request};
use crate::domain::policy::{
    action::Action,
    decide::{Decision, Ground, Refused, Source, decide},
    document::Policy,
    request::Request,
};

const BOB: &str = "arn:aws:iam::222222222222:user/bob";

fn allow(action: &str) -> Policy {
    identity(&format!(r#""Sid":"let","Effect":"Allow","Action":"{action}","Resource":"*""#))
}

fn deny(action: &str) -> Policy {
    identity(&format!(r#""Sid":"never","Effect":"Deny","Action":"{action}","Resource":"*""#))
}

fn queue(effect: &str, principal: &str) -> Policy {
    of_queue(&format!(r#""Sid":"q","Effect":"{effect}","Principal":{{"AWS":"{principal}"}},"Action":"sqs:*""#))
}

/// What was decided, in one word and the deciding statements.
fn told(decision: Decision<'_>) -> String {
    let name = |source: Source<'_>| match source {
        Source::Identity { index, .. } => format!("identity {index} {}", source.statement_name()),
        Source::Queue { .. } => format!("queue {}", source.statement_name()),
    };
    match decision {
        Decision::Allowed(Ground::OwnAccount) => "allowed: own account".to_owned(),
        Decision::Allowed(Ground::Statement(source)) => format!("allowed: {}", name(source)),
        Decision::Allowed(Ground::Both(None, queue)) => format!("allowed: {}", name(queue)),
        Decision::Allowed(Ground::Both(Some(identity), queue)) => {
            format!("allowed: {}, {}", name(identity), name(queue))
        }
        Decision::Denied(Refused::Explicitly(source)) => format!("denied: {}", name(source)),
        Decision::Denied(Refused::NoIdentityStatement) => "denied: no identity".to_owned(),
        Decision::Denied(Refused::NoQueueStatement) => "denied: no queue".to_owned(),
        Decision::Denied(Refused::OwnerOnly) => "denied: owner only".to_owned(),
    }
}

fn told_of(request: &Request<'_>, identity: &[Policy], queue: Option<Policy>) -> String {
    told(decide(request, identity, queue.as_ref()))
}

#[test]
fn in_its_own_account_either_side_is_enough() {
    let one = "arn:aws:iam::111111111111:user/alice";
    let send = request();
    for (identity, queue, expected) in [
        (vec![], None, "allowed: own account"),
        (vec![], Some(queue("Allow", "222222222222")), "allowed: own account"),
        (vec![], Some(queue("Deny", one)), "denied: queue q"),
        (vec![], Some(queue("Deny", "111111111111")), "denied: queue q"),
        (vec![allow("sqs:SendMessage")], None, "allowed: identity 0 let"),
        (vec![allow("sqs:ReceiveMessage"), allow("*")], None, "allowed: identity 1 let"),
        (vec![allow("sqs:ReceiveMessage")], None, "denied: no identity"),
        (vec![allow("sqs:ReceiveMessage")], Some(queue("Allow", one)), "allowed: queue q"),
        (vec![allow("sqs:ReceiveMessage")], Some(queue("Allow", "*")), "allowed: queue q"),
        // The account may let her, and does not.
        (vec![allow("sqs:ReceiveMessage")], Some(queue("Allow", "111111111111")), "denied: no identity"),
        (vec![allow("*"), deny("sqs:Send*")], Some(queue("Allow", one)), "denied: identity 1 never"),
        (vec![allow("*")], Some(queue("Deny", one)), "denied: queue q"),
        (vec![deny("sqs:ReceiveMessage")], None, "denied: no identity"),
    ] {
        assert_eq!(told_of(&send, &identity, queue.clone()), expected, "{identity:?} {queue:?}");
    }
}

#[test]
fn in_another_account_both_sides_are_needed() {
    let send = Request { principal: principal(BOB), ..request() };
    for (identity, queue, expected) in [
        (vec![], None, "denied: no queue"),
        (vec![], Some(queue("Allow", "222222222222")), "allowed: queue q"),
        (vec![], Some(queue("Allow", "333333333333")), "denied: no queue"),
        (vec![allow("sqs:*")], None, "denied: no queue"),
        (vec![allow("sqs:*")], Some(queue("Allow", "222222222222")), "allowed: identity 0 let, queue q"),
        (vec![allow("sqs:*")], Some(queue("Allow", BOB)), "allowed: identity 0 let, queue q"),
        (vec![allow("sqs:ReceiveMessage")], Some(queue("Allow", BOB)), "denied: no identity"),
        (vec![allow("sqs:*"), deny("sqs:SendMessage")], Some(queue("Allow", BOB)), "denied: identity 1 never"),
        (vec![allow("sqs:*")], Some(queue("Deny", BOB)), "denied: queue q"),
    ] {
        assert_eq!(told_of(&send, &identity, queue.clone()), expected, "{identity:?} {queue:?}");
    }
}

#[test]
fn what_only_the_owner_may_do_no_policy_gives_away() {
    for action in Action::ALL {
        let request = Request { principal: principal(BOB), action: *action, ..request() };
        let policy = of_queue(r#""Effect":"Allow","Principal":"*","Action":"*""#);
        let expected = match action.reach() {
            crate::domain::policy::action::Reach::Owner => "denied: owner only",
            crate::domain::policy::action::Reach::Shared => "allowed: queue Statement[0]",
        };
        assert_eq!(told_of(&request, &[], Some(policy)), expected, "{action:?}");
    }
}

#[test]
fn a_denial_behind_a_permission_still_wins() {
    let text = r#"{"Statement":[
        {"Effect":"Allow","Principal":"*","Action":"sqs:*"},
        {"Sid":"tls","Effect":"Deny","Principal":"*","Action":"sqs:*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}"#;
    let policy = Policy::parse(text, crate::domain::policy::statement::Owner::Queue).expect("a policy");
    let mut request = request();
    assert_eq!(told_of(&request, &[], Some(policy.clone())), "allowed: own account");
    request.context.secure = false;
    assert_eq!(told_of(&request, &[], Some(policy)), "denied: queue tls");
}
