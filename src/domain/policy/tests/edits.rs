//! Statements added to a document and taken away: everything else stays as it was.

use super::QUEUE;
use crate::domain::policy::{
    document::Policy,
    edit::{Grant, add, contains, remove},
    statement::Owner,
};

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn added(text: &str, sid: &str, accounts: &[&str], actions: &[&str]) -> String {
    let (accounts, actions) = (texts(accounts), texts(actions));
    let grant = Grant { sid, accounts: &accounts, actions: &actions, resource: QUEUE };
    let text = add(text, &grant).expect("an edit");
    Policy::parse(&text, Owner::Queue).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(contains(&text, sid), Ok(true));
    text
}

#[test]
fn the_first_permission_makes_a_policy_as_sqs_does() {
    let first = added("", "crossaccount", &["668614515564"], &["SQS:ReceiveMessage"]);
    assert_eq!(
        first,
        "{\"Version\":\"2008-10-17\",\"Id\":\"arn:aws:sqs:us-east-1:111111111111:orders/SQSDefaultPolicy\",\
         \"Statement\":[{\"Sid\":\"crossaccount\",\"Effect\":\"Allow\",\
         \"Principal\":{\"AWS\":\"arn:aws:iam::668614515564:root\"},\"Action\":\"SQS:ReceiveMessage\",\
         \"Resource\":\"arn:aws:sqs:us-east-1:111111111111:orders\"}]}"
    );
    let second = added(&first, "two", &["111111111111", "222222222222"], &["SQS:SendMessage", "SQS:GetQueueUrl"]);
    assert!(second.contains(
        "{\"AWS\":[\"arn:aws:iam::111111111111:root\",\"arn:aws:iam::222222222222:root\"]},\
         \"Action\":[\"SQS:SendMessage\",\"SQS:GetQueueUrl\"]"
    ));
    assert_eq!(remove(&second, "two"), Ok(Some(first.clone())));
    assert_eq!(remove(&second, "three"), Ok(None));
    assert_eq!(remove(&first, "crossaccount"), Ok(Some(String::new())));
    assert_eq!(remove("", "crossaccount"), Ok(None));
}

#[test]
fn what_somebody_else_wrote_stays_as_it_was() {
    let alone = "{ \"Statement\" : {\"Sid\":\"a\", \"Effect\":\"Deny\",\"Principal\":\"*\",\"Action\":\"*\"} }";
    let both = added(alone, "b", &["111111111111"], &["SQS:*"]);
    assert!(both.starts_with("{ \"Statement\" : [{\"Sid\":\"a\", \"Effect\"") && both.ends_with("] }"), "{both}");
    let first_gone = remove(&both, "a").expect("an edit").expect("found");
    assert!(first_gone.starts_with("{ \"Statement\" : [{\"Sid\":\"b\""), "{first_gone}");
    assert!(Policy::parse(&first_gone, Owner::Queue).is_ok());

    let spaced = "{\"Statement\":[\n  {\"Sid\":\"a\",\"Effect\":\"Deny\",\"Principal\":\"*\",\"Action\":\"*\"}\n]}";
    let more = added(spaced, "b", &["111111111111"], &["SQS:*"]);
    assert!(more.ends_with("}\n]}"), "{more}");
    assert_eq!(remove(&more, "b"), Ok(Some(spaced.to_owned())));
    let third = added(&more, "c", &["111111111111"], &["SQS:*"]);
    let middle_gone = remove(&third, "b").expect("an edit").expect("found");
    assert_eq!(contains(&middle_gone, "b"), Ok(false));
    assert_eq!(remove(&middle_gone, "c"), Ok(Some(spaced.to_owned())));
}
