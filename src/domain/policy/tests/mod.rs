//! Scenarios of the policy language: one table a rule.

mod conditions;
mod decisions;
mod documents;
mod edits;
mod elements;
mod properties;
mod sameness;

use super::{
    action::Action,
    document::{Policy, Verdict},
    request::{Arn, Context, Principal, Request, Tags},
    statement::Owner,
};
use crate::base::time::Timestamp;
use std::{collections::BTreeMap, sync::LazyLock};

pub(super) const QUEUE: &str = "arn:aws:sqs:us-east-1:111111111111:orders";
pub(super) const ALICE: &str = "arn:aws:iam::111111111111:user/alice";

static REQUEST_TAGS: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| tags(&[("team", "blue"), ("cost", "7")]));
static RESOURCE_TAGS: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| tags(&[("stage", "prod")]));

fn tags(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// Alice of account 1 sends to the queue `orders` of her account, from 203.0.113.9 over TLS, 2026-11-24T02:00:00Z.
pub(super) fn request() -> Request<'static> {
    Request {
        action: Action::Send,
        resource: Arn::parse(QUEUE).expect("an arn"),
        principal: principal(ALICE),
        context: Context {
            now: Timestamp(1_795_485_600_000),
            source_ip: Some("203.0.113.9".parse().expect("an address")),
            secure: true,
            request_tags: Tags::Pairs(&REQUEST_TAGS),
            resource_tags: Tags::Pairs(&RESOURCE_TAGS),
            source_arn: Some("arn:aws:sns:us-east-1:111111111111:news"),
            source_account: Some("111111111111"),
        },
    }
}

pub(super) fn principal(arn: &'static str) -> Principal<'static> {
    Principal { account: Arn::parse(arn).expect("an arn").account, arn, id: "AIDA1234567890ABCDEF" }
}

/// A document with one statement, whose elements are given.
pub(super) fn document(elements: &str) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":[{{{elements}}}]}}"#)
}

pub(super) fn identity(elements: &str) -> Policy {
    Policy::parse(&document(elements), Owner::Identity).unwrap_or_else(|error| panic!("{elements}: {error}"))
}

pub(super) fn of_queue(elements: &str) -> Policy {
    Policy::parse(&document(elements), Owner::Queue).unwrap_or_else(|error| panic!("{elements}: {error}"))
}

/// Whether a statement with this condition applies to the request.
pub(super) fn holds(condition: &str, request: &Request<'_>) -> bool {
    let policy = identity(&format!(r#""Effect":"Allow","Action":"*","Resource":"*","Condition":{condition}"#));
    policy.judge(request) == Verdict::Allowed(0)
}
