//! Each operator of conditions, with keys that are there and keys that are not.

use super::{holds, request};
use crate::domain::policy::request::{Context, Request, Tags};

/// Judges each condition for the request of `tests::request`.
fn table(rows: &[(&str, bool)]) {
    for (condition, expected) in rows {
        assert_eq!(holds(condition, &request()), *expected, "{condition}");
    }
}

#[test]
fn texts_are_compared() {
    table(&[
        (r#"{"StringEquals":{"aws:username":"alice"}}"#, true),
        (r#"{"StringEquals":{"aws:username":"Alice"}}"#, false),
        (r#"{"StringEquals":{"aws:username":"al*"}}"#, false),
        (r#"{"StringEquals":{"aws:username":["bob","alice"]}}"#, true),
        (r#"{"StringNotEquals":{"aws:username":["bob","alice"]}}"#, false),
        (r#"{"StringNotEquals":{"aws:username":["bob","carol"]}}"#, true),
        (r#"{"StringEqualsIgnoreCase":{"aws:username":"ALICE"}}"#, true),
        (r#"{"StringNotEqualsIgnoreCase":{"aws:username":"ALICE"}}"#, false),
        (r#"{"StringLike":{"aws:username":"a?i*e"}}"#, true),
        (r#"{"StringLike":{"aws:username":"A*"}}"#, false),
        (r#"{"StringNotLike":{"aws:username":"b*"}}"#, true),
        (r#"{"StringNotLike":{"aws:username":["b*","a*"]}}"#, false),
        (r#"{"StringEquals":{"aws:userid":"AIDA1234567890ABCDEF"}}"#, true),
        (r#"{"StringEquals":{"aws:PrincipalAccount":"111111111111"}}"#, true),
        (r#"{"StringEquals":{"aws:SourceAccount":111111111111}}"#, true),
        (r#"{"StringEquals":{"aws:RequestedRegion":"us-east-1"}}"#, true),
        (r#"{"StringEquals":{"aws:ResourceAccount":"222222222222"}}"#, false),
        // Every operator and every key must hold.
        (r#"{"StringEquals":{"aws:username":"alice","aws:RequestedRegion":"eu-west-1"}}"#, false),
        (r#"{"StringEquals":{"aws:username":"alice"},"Bool":{"aws:SecureTransport":"false"}}"#, false),
    ]);
}

#[test]
fn names_of_keys_have_no_case() {
    table(&[
        (r#"{"StringEquals":{"AWS:USERNAME":"alice"}}"#, true),
        (r#"{"Bool":{"aws:securetransport":"true"}}"#, true),
        (r#"{"StringEquals":{"aws:requesttag/TEAM":"blue"}}"#, true),
    ]);
}

#[test]
fn arns_are_compared_part_by_part() {
    table(&[
        (r#"{"ArnEquals":{"aws:SourceArn":"arn:aws:sns:us-east-1:111111111111:news"}}"#, true),
        (r#"{"ArnEquals":{"aws:SourceArn":"arn:aws:sns:*:*:news"}}"#, true),
        (r#"{"ArnLike":{"aws:SourceArn":"arn:aws:sns:us-*:111111111111:n?ws"}}"#, true),
        (r#"{"ArnLike":{"aws:SourceArn":"arn:aws:sns:*"}}"#, true),
        (r#"{"ArnLike":{"aws:SourceArn":"*"}}"#, true),
        (r#"{"ArnLike":{"aws:SourceArn":"arn:aws:sns:*:222222222222:*"}}"#, false),
        (r#"{"ArnNotEquals":{"aws:SourceArn":"arn:aws:sns:*:*:news"}}"#, false),
        (r#"{"ArnNotLike":{"aws:SourceArn":"arn:aws:sns:*:*:olds"}}"#, true),
        (r#"{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::111111111111:user/*"}}"#, true),
        // What is no arn is like none.
        (r#"{"ArnLike":{"aws:username":"*"}}"#, false),
        (r#"{"ArnNotLike":{"aws:username":"*"}}"#, true),
        // As text too.
        (r#"{"StringLike":{"aws:SourceArn":"arn:aws:sns:*:news"}}"#, true),
    ]);
}

#[test]
fn numbers_are_compared() {
    table(&[
        (r#"{"NumericEquals":{"aws:RequestTag/cost":"7.0"}}"#, true),
        (r#"{"NumericEquals":{"aws:RequestTag/cost":[5,7]}}"#, true),
        (r#"{"NumericNotEquals":{"aws:RequestTag/cost":7}}"#, false),
        (r#"{"NumericLessThan":{"aws:RequestTag/cost":"7"}}"#, false),
        (r#"{"NumericLessThanEquals":{"aws:RequestTag/cost":"7"}}"#, true),
        (r#"{"NumericGreaterThan":{"aws:RequestTag/cost":"-1e3"}}"#, true),
        (r#"{"NumericGreaterThanEquals":{"aws:RequestTag/cost":"7.5"}}"#, false),
        (r#"{"NumericGreaterThan":{"aws:EpochTime":"1795485599"}}"#, true),
        // What is no number is equal to none.
        (r#"{"NumericEquals":{"aws:RequestTag/team":"7"}}"#, false),
        (r#"{"NumericNotEquals":{"aws:RequestTag/team":"7"}}"#, true),
    ]);
}

#[test]
fn dates_are_compared() {
    table(&[
        (r#"{"DateEquals":{"aws:CurrentTime":"2026-11-24T02:00:00Z"}}"#, true),
        (r#"{"DateNotEquals":{"aws:CurrentTime":"2026-11-24T03:00:00+01:00"}}"#, false),
        (r#"{"DateLessThan":{"aws:CurrentTime":"2026-11-24T02:00:00Z"}}"#, false),
        (r#"{"DateLessThanEquals":{"aws:CurrentTime":"2026-11-24T02:00:00Z"}}"#, true),
        (
            r#"{"DateGreaterThan":{"aws:CurrentTime":"2026-11-24"},"DateLessThan":{"aws:CurrentTime":"2026-11-25"}}"#,
            true,
        ),
        (r#"{"DateGreaterThanEquals":{"aws:EpochTime":"1795485600"}}"#, true),
        (r#"{"DateGreaterThan":{"aws:EpochTime":1795485600}}"#, false),
        (r#"{"StringEquals":{"aws:CurrentTime":"2026-11-24T02:00:00Z"}}"#, true),
    ]);
}

#[test]
fn truth_values_are_compared() {
    table(&[
        (r#"{"Bool":{"aws:SecureTransport":"true"}}"#, true),
        (r#"{"Bool":{"aws:SecureTransport":true}}"#, true),
        (r#"{"Bool":{"aws:SecureTransport":"False"}}"#, false),
        (r#"{"StringEquals":{"aws:SecureTransport":"true"}}"#, true),
        (r#"{"Bool":{"aws:username":"true"}}"#, false),
    ]);
    let mut plain = request();
    plain.context.secure = false;
    assert!(holds(r#"{"Bool":{"aws:SecureTransport":"false"}}"#, &plain));
}

#[test]
fn addresses_lie_in_ranges() {
    table(&[
        (r#"{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}"#, true),
        (r#"{"IpAddress":{"aws:SourceIp":"203.0.113.9"}}"#, true),
        (r#"{"IpAddress":{"aws:SourceIp":"203.0.113.200/24"}}"#, true),
        (r#"{"IpAddress":{"aws:SourceIp":["10.0.0.0/8","203.0.112.0/20"]}}"#, true),
        (r#"{"IpAddress":{"aws:SourceIp":"203.0.113.8/32"}}"#, false),
        (r#"{"IpAddress":{"aws:SourceIp":"0.0.0.0/0"}}"#, true),
        (r#"{"IpAddress":{"aws:SourceIp":"::/0"}}"#, false),
        (r#"{"NotIpAddress":{"aws:SourceIp":["10.0.0.0/8","203.0.113.0/24"]}}"#, false),
        (r#"{"NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"}}"#, true),
        (r#"{"StringLike":{"aws:SourceIp":"203.0.*"}}"#, true),
    ]);
    let from = |address: &str| {
        let source_ip = Some(address.parse().expect("an address"));
        Request { context: Context { source_ip, ..request().context }, ..request() }
    };
    assert!(holds(r#"{"IpAddress":{"aws:SourceIp":"2001:db8::/32"}}"#, &from("2001:db8:1::5")));
    assert!(!holds(r#"{"IpAddress":{"aws:SourceIp":"2001:db8::/32"}}"#, &from("2001:db9::1")));
    assert!(holds(r#"{"IpAddress":{"aws:SourceIp":"::1/128"}}"#, &from("::1")));
    // An IPv4 caller of an IPv6 socket is an IPv4 caller.
    assert!(holds(r#"{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}"#, &from("::ffff:203.0.113.7")));
}

#[test]
fn bytes_are_compared() {
    let tags = super::tags(&[("seal", "AQID")]);
    let sealed = Request { context: Context { request_tags: Tags::Pairs(&tags), ..request().context }, ..request() };
    assert!(holds(r#"{"BinaryEquals":{"aws:RequestTag/seal":"AQID"}}"#, &sealed));
    assert!(!holds(r#"{"BinaryEquals":{"aws:RequestTag/seal":["AQIE","AA=="]}}"#, &sealed));
}

#[test]
fn what_is_missing_fails_what_is_asked_and_passes_its_opposite() {
    table(&[
        (r#"{"StringEquals":{"aws:RequestTag/none":"x"}}"#, false),
        (r#"{"StringLike":{"aws:RequestTag/none":"*"}}"#, false),
        (r#"{"StringNotEquals":{"aws:RequestTag/none":"x"}}"#, true),
        (r#"{"StringNotLike":{"aws:RequestTag/none":"*"}}"#, true),
        (r#"{"NumericLessThan":{"aws:RequestTag/none":"1"}}"#, false),
        (r#"{"DateLessThan":{"aws:TokenIssueTime":"2030"}}"#, false),
        (r#"{"Bool":{"aws:MultiFactorAuthPresent":"false"}}"#, false),
        (r#"{"ArnNotEquals":{"aws:RequestTag/none":"arn:aws:sns:::x"}}"#, true),
        (r#"{"StringEqualsIfExists":{"aws:RequestTag/none":"x"}}"#, true),
        (r#"{"StringEqualsIfExists":{"aws:RequestTag/team":"red"}}"#, false),
        (r#"{"BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}}"#, true),
        (r#"{"StringNotEqualsIfExists":{"aws:RequestTag/team":"blue"}}"#, false),
        (r#"{"Null":{"aws:RequestTag/none":"true"}}"#, true),
        (r#"{"Null":{"aws:RequestTag/none":"false"}}"#, false),
        (r#"{"Null":{"aws:RequestTag/team":"false"}}"#, true),
        (r#"{"Null":{"aws:TagKeys":true}}"#, false),
        (r#"{"Null":{"aws:RequestTag/none":["true","false"]}}"#, true),
    ]);
    let nowhere = Request { context: Context { source_ip: None, source_arn: None, ..request().context }, ..request() };
    assert!(!holds(r#"{"IpAddress":{"aws:SourceIp":"0.0.0.0/0"}}"#, &nowhere));
    assert!(holds(r#"{"NotIpAddress":{"aws:SourceIp":"0.0.0.0/0"}}"#, &nowhere));
    assert!(holds(r#"{"IpAddressIfExists":{"aws:SourceIp":"10.0.0.0/8"}}"#, &nowhere));
    assert!(!holds(r#"{"ArnLike":{"aws:SourceArn":"*"}}"#, &nowhere));
}

#[test]
fn keys_with_many_values_are_counted() {
    // The request brings the tags cost and team.
    table(&[
        (r#"{"ForAnyValue:StringEquals":{"aws:TagKeys":["team","none"]}}"#, true),
        (r#"{"ForAnyValue:StringEquals":{"aws:TagKeys":"none"}}"#, false),
        (r#"{"ForAllValues:StringEquals":{"aws:TagKeys":["team","cost","stage"]}}"#, true),
        (r#"{"ForAllValues:StringEquals":{"aws:TagKeys":["team"]}}"#, false),
        (r#"{"ForAllValues:StringLike":{"aws:TagKeys":["t*","c?st"]}}"#, true),
        (r#"{"ForAnyValue:StringNotEquals":{"aws:TagKeys":["team"]}}"#, true),
        (r#"{"ForAnyValue:StringNotEquals":{"aws:TagKeys":["team","cost"]}}"#, false),
        (r#"{"ForAllValues:StringNotEquals":{"aws:TagKeys":["none"]}}"#, true),
        (r#"{"ForAllValues:StringNotEquals":{"aws:TagKeys":["team"]}}"#, false),
        (r#"{"StringEquals":{"aws:TagKeys":"cost"}}"#, true),
        (r#"{"StringNotEquals":{"aws:TagKeys":"cost"}}"#, false),
    ]);
    let bare = Request { context: Context { request_tags: Tags::None, ..request().context }, ..request() };
    for (condition, expected) in [
        (r#"{"ForAnyValue:StringEquals":{"aws:TagKeys":"team"}}"#, false),
        (r#"{"ForAnyValue:StringNotEquals":{"aws:TagKeys":"team"}}"#, false),
        (r#"{"ForAnyValue:StringEqualsIfExists":{"aws:TagKeys":"team"}}"#, true),
        (r#"{"ForAllValues:StringEquals":{"aws:TagKeys":"team"}}"#, true),
        (r#"{"ForAllValues:StringNotEquals":{"aws:TagKeys":"team"}}"#, true),
        (r#"{"Null":{"aws:TagKeys":"true"}}"#, true),
    ] {
        assert_eq!(holds(condition, &bare), expected, "{condition}");
    }
    let names = ["stage".to_owned()];
    let untag = Request { context: Context { request_tags: Tags::Names(&names), ..request().context }, ..request() };
    assert!(holds(r#"{"ForAnyValue:StringEquals":{"aws:TagKeys":"stage"}}"#, &untag));
    assert!(holds(r#"{"Null":{"aws:RequestTag/stage":"true"}}"#, &untag), "a name alone has no value");
}

#[test]
fn tags_of_the_resource_are_asked_for() {
    table(&[
        (r#"{"StringEquals":{"aws:ResourceTag/stage":"prod"}}"#, true),
        (r#"{"StringEquals":{"aws:ResourceTag/Stage":"test"}}"#, false),
        (r#"{"StringEquals":{"aws:RequestTag/team":"${aws:RequestTag/team}"}}"#, true),
        (r#"{"StringEquals":{"aws:RequestTag/team":"${aws:ResourceTag/stage}"}}"#, false),
    ]);
}
