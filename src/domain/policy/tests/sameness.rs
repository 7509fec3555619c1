//! Two spellings of one document are one document.

use crate::domain::policy::document::same_document;

const DOCUMENT: &str = r#"{"Version":"2012-10-17","Statement":[{"Sid":"a","Effect":"Allow","Principal":"*","Action":["sqs:SendMessage","sqs:ReceiveMessage"],"Resource":"*","Condition":{"Bool":{"aws:SecureTransport":true},"NumericLessThan":{"aws:MultiFactorAuthAge":5}}}]}"#;

#[test]
fn spaces_the_order_of_members_and_escapes_say_nothing() {
    let respelled = r#"{
        "Statement": [ {
            "Condition": { "NumericLessThan": {"aws:MultiFactorAuthAge": 5}, "Bool": {"aws:SecureTransport": true} },
            "Action": ["sqs:SendMessage", "sqs:\u0052eceiveMessage"],
            "Effect": "Allow", "Resource": "*", "Principal": "*", "Sid": "a"
        } ],
        "Version": "2012-10-17"
    }"#;
    assert!(same_document(DOCUMENT, respelled) && same_document(respelled, DOCUMENT));
    assert!(same_document("", ""));
}

#[test]
fn another_value_another_member_and_another_order_of_a_list_are_another_document() {
    let changes = [
        ("Allow", "Deny"),
        ("\"Sid\":\"a\",", ""),
        ("\"Sid\":", "\"sid\":"),
        ("true", "false"),
        (":5}", ":6}"),
        (":5}", ":\"5\"}"),
        (r#""sqs:SendMessage","sqs:ReceiveMessage""#, r#""sqs:ReceiveMessage","sqs:SendMessage""#),
        (r#","sqs:ReceiveMessage""#, ""),
    ];
    for (from, to) in changes {
        let changed = DOCUMENT.replace(from, to);
        assert_ne!(changed, DOCUMENT, "{from}");
        assert!(!same_document(DOCUMENT, &changed) && !same_document(&changed, DOCUMENT), "{changed}");
    }
    assert!(!same_document(DOCUMENT, "") && !same_document("", DOCUMENT) && !same_document("{", "["));
}
