//! Principals, actions, resources and variables of statements.

use super::{ALICE, QUEUE, document, identity, of_queue, principal, request};
use crate::domain::policy::{
    action::Action,
    document::{Policy, Verdict},
    request::{Arn, Request},
    statement::Owner,
};

#[test]
fn principals_name_everybody_an_account_or_one() {
    const BOB: &str = "arn:aws:iam::222222222222:user/bob";
    const ROOT: &str = "arn:aws:iam::111111111111:root";
    let (own, account, no) = (Verdict::Allowed(0), Verdict::AccountAllowed(0), Verdict::Silent);
    for (principals, caller, expected) in [
        (r#""Principal":"*""#, BOB, own),
        (r#""Principal":{"AWS":"*"}"#, BOB, own),
        (r#""Principal":{"AWS":"111111111111"}"#, ALICE, account),
        (r#""Principal":{"AWS":"arn:aws:iam::111111111111:root"}"#, ALICE, account),
        (r#""Principal":{"AWS":"111111111111"}"#, ROOT, own),
        (r#""Principal":{"AWS":"111111111111"}"#, BOB, no),
        (r#""Principal":{"AWS":"arn:aws:iam::111111111111:user/alice"}"#, ALICE, own),
        (r#""Principal":{"AWS":["111111111111","arn:aws:iam::111111111111:user/alice"]}"#, ALICE, own),
        (r#""Principal":{"AWS":"arn:aws:iam::111111111111:user/alic"}"#, ALICE, no),
        (r#""Principal":{"AWS":["222222222222","111111111111"]}"#, BOB, account),
        (r#""Principal":{"Service":"sns.amazonaws.com"}"#, ALICE, no),
        (r#""Principal":{"Federated":"cognito-identity.amazonaws.com"}"#, ALICE, no),
        (r#""Principal":{"Service":"sns.amazonaws.com","AWS":"arn:aws:iam::222222222222:user/bob"}"#, BOB, own),
        (r#""Principal":{"AWS":"AIDA1234567890ABCDEF"}"#, ALICE, no),
        (r#""NotPrincipal":{"AWS":"222222222222"}"#, ALICE, own),
        (r#""NotPrincipal":{"AWS":"222222222222"}"#, BOB, no),
        (r#""NotPrincipal":{"AWS":"arn:aws:iam::222222222222:user/carol"}"#, BOB, own),
    ] {
        let policy = of_queue(&format!(r#""Effect":"Allow",{principals},"Action":"sqs:*""#));
        let request = Request { principal: principal(caller), ..request() };
        assert_eq!(policy.judge(&request), expected, "{principals} for {caller}");
    }
}

#[test]
fn an_account_is_denied_with_everybody_in_it() {
    let policy = of_queue(r#""Effect":"Deny","Principal":{"AWS":"111111111111"},"Action":"sqs:SendMessage""#);
    assert_eq!(policy.judge(&request()), Verdict::Denied(0));
}

#[test]
fn actions_have_wildcards_and_no_case() {
    for (actions, action, expected) in [
        (r#""Action":"sqs:SendMessage""#, Action::Send, true),
        (r#""Action":"SQS:sendmessage""#, Action::Send, true),
        (r#""Action":"sqs:Send*""#, Action::Send, true),
        (r#""Action":"sqs:SendMessag?""#, Action::Send, true),
        (r#""Action":"sqs:SendMessage?""#, Action::Send, false),
        (r#""Action":"*""#, Action::Drain, true),
        (r#""Action":"sqs:*""#, Action::Peek, false),
        (r#""Action":["sqs:*","forebay:Peek*"]"#, Action::Peek, true),
        (r#""Action":"sqs:SendMessageBatch""#, Action::Send, true),
        (r#""Action":"sqs:DeleteMessageBatch""#, Action::Send, false),
        (r#""Action":["sqs:Get*","sqs:List*"]"#, Action::GetQueue, true),
        (r#""Action":["sqs:Get*","sqs:List*"]"#, Action::Send, false),
        (r#""Action":"s3:*""#, Action::Send, false),
        (r#""NotAction":"sqs:SendMessage""#, Action::Send, false),
        (r#""NotAction":"sqs:SendMessage""#, Action::Receive, true),
        (r#""NotAction":["sqs:*","sts:*"]"#, Action::Peek, true),
    ] {
        let policy = identity(&format!(r#""Effect":"Allow",{actions},"Resource":"*""#));
        let verdict = policy.judge(&Request { action, ..request() });
        assert_eq!(verdict == Verdict::Allowed(0), expected, "{actions} for {action:?}");
    }
}

#[test]
fn resources_are_matched_part_by_part() {
    for (resources, resource, expected) in [
        (r#""Resource":"*""#, QUEUE, true),
        (r#""Resource":"arn:aws:sqs:us-east-1:111111111111:orders""#, QUEUE, true),
        (r#""Resource":"arn:aws:sqs:us-east-1:111111111111:Orders""#, QUEUE, false),
        (r#""Resource":"arn:aws:sqs:*:*:ord*""#, QUEUE, true),
        (r#""Resource":"arn:aws:sqs:*:*:*""#, QUEUE, true),
        (r#""Resource":"arn:aws:sqs:*""#, QUEUE, true),
        (r#""Resource":"arn:aws:s*""#, QUEUE, true),
        (r#""Resource":"arn:aws:sqs:us-*""#, QUEUE, true),
        (r#""Resource":"arn:aws:sqs:eu-*""#, QUEUE, false),
        (r#""Resource":"arn:aws:sns:*""#, QUEUE, false),
        (r#""Resource":"arn:aws:sqs:us-east-?:111111111111:o?d??s""#, QUEUE, true),
        (r#""Resource":["arn:aws:sqs:*:*:other","arn:aws:sqs:*:*:orders"]"#, QUEUE, true),
        (r#""NotResource":"arn:aws:sqs:*:*:orders""#, QUEUE, false),
        (r#""NotResource":"arn:aws:sqs:*:*:other""#, QUEUE, true),
        // All queues of an account have no name.
        (r#""Resource":"arn:aws:sqs:*:*:*""#, "arn:aws:sqs:us-east-1:111111111111:", true),
        (r#""Resource":"arn:aws:sqs:*:*:a*""#, "arn:aws:sqs:us-east-1:111111111111:", false),
    ] {
        let policy = identity(&format!(r#""Effect":"Allow","Action":"*",{resources}"#));
        let resource = Arn::parse(resource).expect("an arn");
        let verdict = policy.judge(&Request { resource, ..request() });
        assert_eq!(verdict == Verdict::Allowed(0), expected, "{resources} for {resource}");
    }
}

#[test]
fn variables_are_filled_in_since_the_version_of_2012() {
    for (resource, expected) in [
        ("arn:aws:sqs:*:*:${aws:username}-jobs", true),
        ("arn:aws:sqs:*:*:${AWS:UserName}-*", true),
        ("arn:aws:sqs:*:${aws:PrincipalAccount}:*", true),
        ("arn:aws:sqs:*:*:${aws:RequestTag/none}-jobs", false),
        ("arn:aws:sqs:*:*:${aws:RequestTag/none, 'alice'}-jobs", true),
        ("arn:aws:sqs:*:*:${aws:RequestTag/none}*", false),
        ("arn:aws:sqs:*:*:${*}", false),
    ] {
        let queue = Arn { resource: "alice-jobs", ..request().resource };
        let policy = identity(&format!(r#""Effect":"Allow","Action":"*","Resource":"{resource}""#));
        let verdict = policy.judge(&Request { resource: queue, ..request() });
        assert_eq!(verdict == Verdict::Allowed(0), expected, "{resource}");
        let older = document(&format!(r#""Effect":"Allow","Action":"*","Resource":"{resource}""#));
        let older = Policy::parse(&older.replace("2012-10-17", "2008-10-17"), Owner::Identity);
        let verdict = older.map(|policy| policy.judge(&Request { resource: queue, ..request() }));
        assert!(!matches!(verdict, Ok(Verdict::Allowed(_))), "{resource} is plain text in 2008");
    }
}

#[test]
fn what_a_variable_brings_is_no_wildcard() {
    let mut request = request();
    request.principal = principal("arn:aws:iam::111111111111:user/*");
    let policy = identity(r#""Effect":"Allow","Action":"*","Resource":"arn:aws:sqs:*:*:${aws:username}""#);
    assert_eq!(policy.judge(&request), Verdict::Silent);
    request.resource.resource = "*";
    assert_eq!(policy.judge(&request), Verdict::Allowed(0));
}

#[test]
fn a_queues_policy_without_a_resource_is_about_the_queue() {
    let policy = of_queue(r#""Effect":"Allow","Principal":"*","Action":"sqs:SendMessage""#);
    assert_eq!(policy.judge(&request()), Verdict::Allowed(0));
}
