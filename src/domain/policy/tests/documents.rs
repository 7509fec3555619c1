//! Documents that are no policies: what the error names, and the limits.

use super::document;
use crate::domain::policy::{
    document::Policy,
    error::{Fault, PolicyError},
    statement::Owner,
};

fn queue_error(text: &str) -> PolicyError {
    Policy::parse(text, Owner::Queue).expect_err(text)
}

#[test]
fn an_error_names_the_element_what_stands_there_and_what_may() {
    const REST: &str = r#""Effect":"Allow","Principal":"*","Action":"sqs:*","Resource":"*""#;
    let with = |more: &str| document(&format!("{REST},{more}"));
    for (text, expected) in [
        ("", "line 1, column 1 is the end, allowed is a JSON value"),
        ("[]", "the document is an empty list, allowed is an object"),
        ("{}", "Statement is missing, allowed is a statement or a list of them"),
        (r#"{"statement":[]}"#, r#"the document is "statement", allowed is Version, Id, Statement"#),
        (r#"{"Statement":[]}"#, "Statement is an empty list, allowed is one statement or more"),
        (r#"{"Statement":"x"}"#, r#"Statement[0] is "x", allowed is an object"#),
        (
            r#"{"Version":"2012-10-18","Statement":[]}"#,
            r#"Version is "2012-10-18", allowed is "2012-10-17" or "2008-10-17""#,
        ),
        (r#"{"Id":7,"Statement":[]}"#, "Id is 7, allowed is a string"),
        (
            &document(r#""Principal":"*","Action":"*""#),
            r#"Statement[0].Effect is missing, allowed is "Allow" or "Deny""#,
        ),
        (
            &document(r#""Effect":"allow","Principal":"*","Action":"*""#),
            r#"Statement[0].Effect is "allow", allowed is "Allow" or "Deny""#,
        ),
        (
            &document(r#""Effect":"Allow","Action":"*""#),
            "Statement[0].Principal is missing, allowed is Principal or NotPrincipal",
        ),
        (
            &document(r#""Effect":"Allow","Principal":"*""#),
            "Statement[0].Action is missing, allowed is Action or NotAction",
        ),
        (&with(r#""NotAction":"sqs:*""#), "Statement[0] is Action with NotAction, allowed is one of the two"),
        (&with(r#""Sid":7"#), "Statement[0].Sid is 7, allowed is a string"),
        (
            &with(r#""Conditions":{}"#),
            "Statement[0] is \"Conditions\", allowed is Sid, Effect, Principal, NotPrincipal, Action, NotAction, \
             Resource, NotResource, Condition",
        ),
        (&with(r#""Condition":[]"#), "Statement[0].Condition is an empty list, allowed is an object of operators"),
        (
            &with(r#""Condition":{"NumericEquals":{"aws:EpochTime":"soon"}}"#),
            r#"Statement[0].Condition.NumericEquals.aws:EpochTime is "soon", allowed is a number"#,
        ),
        (
            &with(r#""Condition":{"IpAddress":{"aws:SourceIp":["10.0.0.0/33"]}}"#),
            "Statement[0].Condition.IpAddress.aws:SourceIp is \"10.0.0.0/33\", allowed is an address or a range such \
             as 203.0.113.0/24 or 2001:db8::/32",
        ),
        (
            &with(r#""Condition":{"Bool":{"aws:SecureTransport":"yes"}}"#),
            r#"Statement[0].Condition.Bool.aws:SecureTransport is "yes", allowed is true or false"#,
        ),
        (
            &document(r#""Effect":"Allow","Principal":"*","Action":"sqs:Fly""#),
            "Statement[0].Action is \"sqs:Fly\", allowed is an action of queues such as sqs:SendMessage, sqs:* or *",
        ),
        (
            &document(r#""Effect":"Allow","Principal":"*","Action":"SendMessage""#),
            "Statement[0].Action is \"SendMessage\", allowed is \"*\", or service:action such as sqs:SendMessage",
        ),
    ] {
        assert_eq!(queue_error(text).to_string(), expected);
    }
}

#[test]
fn what_is_no_principal_arn_operator_or_variable_is_refused() {
    let queue = |principal: &str| document(&format!(r#""Effect":"Allow","Principal":{principal},"Action":"*""#));
    for bad in [
        r#""alice""#,
        "{}",
        "[]",
        "null",
        r#"{"AWS":[]}"#,
        r#"{"AWS":"alice"}"#,
        r#"{"AWS":"arn:aws:iam::111111111111:user/*"}"#,
        r#"{"AWS":"arn:aws:iam::1111:root"}"#,
        r#"{"AWS":"arn:aws:sqs::111111111111:root"}"#,
        r#"{"AWS":7}"#,
        r#"{"aws":"*"}"#,
        r#"{"Service":"sns"}"#,
        r#"{"Federated":""}"#,
    ] {
        let error = queue_error(&queue(bad));
        assert!(error.place.starts_with("Statement[0].Principal"), "{bad}: {error}");
    }
    let identity = |more: &str| {
        let text = document(&format!(r#""Effect":"Allow","Action":"*",{more}"#));
        Policy::parse(&text, Owner::Identity).expect_err(more)
    };
    for bad in
        ["orders", "arn:aws:sqs", "arn:aws:sqs:us-east-1:1:q${aws", "arn:aws:sqs:*:*:${}", "", "arn:aws:sqs:*:*:${x y}"]
    {
        let error = identity(&format!(r#""Resource":"{bad}""#));
        assert_eq!(error.place, "Statement[0].Resource", "{bad}: {error}");
    }
    for bad in
        ["Equals", "stringEquals", "StringEqual", "ForSomeValue:StringEquals", "NullIfExists", "ForAnyValue:Null"]
    {
        let error = identity(&format!(r#""Resource":"*","Condition":{{"{bad}":{{"aws:username":"x"}}}}"#));
        assert_eq!(error.place, "Statement[0].Condition", "{bad}: {error}");
    }
    for bad in [
        r#"{"StringEquals":"x"}"#,
        r#"{"StringEquals":{"aws:username":[]}}"#,
        r#"{"StringEquals":{"aws:username":{}}}"#,
    ] {
        let error = identity(&format!(r#""Resource":"*","Condition":{bad}"#));
        assert!(error.place.starts_with("Statement[0].Condition.StringEquals"), "{bad}: {error}");
    }
    assert_eq!(identity(r#""Resource":"*","Principal":"*""#).found, "set");
    assert_eq!(identity(r#""Sid":"x""#).place, "Statement[0].Resource");
}

#[test]
fn the_limits_of_a_queues_policy_hold() {
    let statement = |sid: usize, principals: &str, actions: &str, condition: &str| {
        format!(
            r#"{{"Sid":"s{sid}","Effect":"Allow","Principal":{{"AWS":[{principals}]}},"Action":[{actions}]{condition}}}"#
        )
    };
    let text = |count: usize, each: &dyn Fn(usize) -> String| {
        format!(r#"{{"Statement":[{}]}}"#, (0..count).map(each).collect::<Vec<_>>().join(","))
    };
    let list = |count: usize, item: &str| vec![item; count].join(",");
    let (one, action) = (r#""111111111111""#, r#""sqs:SendMessage""#);
    let condition = r#","Condition":{"StringEquals":{"aws:username":"x"}}"#;
    type Row<'a> = (usize, &'a dyn Fn(usize) -> String, Option<&'a str>);
    let rows: &[Row<'_>] = &[
        (20, &|sid| statement(sid, one, action, ""), None),
        (
            21,
            &|sid| statement(sid, one, action, ""),
            Some("Statement is 21 statements, allowed is 20 statements at most"),
        ),
        (2, &|sid| statement(sid, &list(25, one), action, ""), None),
        (
            3,
            &|sid| statement(sid, &list(17, one), action, ""),
            Some("the document is 51 principals, allowed is 50 principals at most"),
        ),
        (1, &|sid| statement(sid, one, &list(7, action), ""), None),
        (
            1,
            &|sid| statement(sid, one, &list(8, action), ""),
            Some("Statement[0].Action is 8 actions, allowed is 7 actions at most"),
        ),
        (10, &|sid| statement(sid, one, action, condition), None),
        (
            11,
            &|sid| statement(sid, one, action, condition),
            Some("the document is 11 conditions, allowed is 10 conditions at most"),
        ),
    ];
    for (count, each, expected) in rows {
        let result = Policy::parse(&text(*count, each), Owner::Queue);
        match expected {
            None => assert!(result.is_ok(), "{result:?}"),
            Some(expected) => {
                let error = result.expect_err(expected);
                assert_eq!((error.fault, error.to_string().as_str()), (Fault::Limit, *expected));
            }
        }
    }
    let long = format!(r#"{{"Id":"{}","Statement":{}}}"#, "x".repeat(8192), statement(0, one, action, ""));
    assert!(queue_error(&long).to_string().ends_with("allowed is 8192 bytes at most"));
}

#[test]
fn a_sid_stands_once() {
    let statement = r#"{"Sid":"a","Effect":"Allow","Principal":"*","Action":"*"}"#;
    let error = queue_error(&format!(r#"{{"Statement":[{statement},{statement}]}}"#));
    assert_eq!(error.to_string(), r#"Statement[1].Sid is "a", allowed is a Sid of its own"#);
}

#[test]
fn a_document_is_kept_to_the_byte() {
    let text = " {\n\t\"Version\" : \"2008-10-17\", \"Id\": \"\\u00e9\",\r\n \"Statement\": {\"Effect\":\"Deny\", \
                \"Principal\": {\"AWS\": [\"*\"]}, \"Action\":\"SQS:*\"} } ";
    let policy = Policy::parse(text, Owner::Queue).expect("a policy");
    assert_eq!((policy.text(), policy.id()), (text, Some("é")));
    assert_eq!(Policy::parse(policy.text(), Owner::Queue), Ok(policy));
}
