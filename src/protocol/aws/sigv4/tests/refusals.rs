//! What is refused, and with which words.

use super::{
    super::{SignatureError, SignatureErrorKind, Verifier},
    support::{Request, SECRET, SIGNED_AT, Verdict},
};
use crate::base::time::Timestamp;
use proptest::prelude::*;
use std::time::Duration;

const CREDENTIAL: &str = "AKIDEXAMPLE/20150830/us-east-1/service/aws4_request";
const SIGNATURE: &str = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";

/// The plainest vector: `GET /`, signed by its header.
fn plain() -> Request {
    with_authorization(&format!(
        "AWS4-HMAC-SHA256 Credential={CREDENTIAL}, SignedHeaders=host;x-amz-date, \
         Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
    ))
}

fn with_authorization(value: &str) -> Request {
    Request { method: "GET".into(), path: "/".into(), ..Request::default() }
        .with_header("Host", "example.amazonaws.com")
        .with_header("X-Amz-Date", "20150830T123600Z")
        .with_header("Authorization", value)
}

fn with_query(query: &str) -> Request {
    Request { method: "GET".into(), path: "/".into(), query: query.into(), ..Request::default() }
        .with_header("Host", "example.amazonaws.com")
}

#[test]
fn a_request_without_a_signature_has_no_claim() {
    assert_eq!(with_query("Action=ListQueues").verify(), Verdict::Unsigned);
}

#[test]
fn separators_and_order_are_the_clients_choice() {
    assert_eq!(plain().verify(), Verdict::Holds);
    for text in [
        format!("AWS4-HMAC-SHA256 Credential={CREDENTIAL},SignedHeaders=host;x-amz-date,Signature={SIGNATURE}"),
        format!("AWS4-HMAC-SHA256  Signature={SIGNATURE} ,  SignedHeaders=host;x-amz-date ,Credential={CREDENTIAL} "),
        format!(
            "AWS4-HMAC-SHA256\tCredential={CREDENTIAL} SignedHeaders=host;x-amz-date Signature={SIGNATURE},Later=1"
        ),
    ] {
        assert_eq!(with_authorization(&text).verify(), Verdict::Holds, "{text}");
    }
}

#[test]
fn what_a_header_lacks_is_listed() {
    let mut request = with_authorization("AWS4-");
    request.headers.retain(|(name, _)| name != "X-Amz-Date");
    let error = request.verify().error();
    assert_eq!(error.kind(), SignatureErrorKind::IncompleteSignature);
    assert_eq!(
        error.to_string(),
        "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. \
         Authorization header requires 'SignedHeaders' parameter. Authorization header requires existence of either a \
         'X-Amz-Date' or a 'Date' header. Authorization=AWS4-"
    );
}

#[test]
fn what_a_query_lacks_is_listed() {
    let error = with_query("X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=0").verify().error();
    assert_eq!(error.kind(), SignatureErrorKind::IncompleteSignature);
    assert_eq!(
        error.to_string(),
        "AWS query-string parameters must include 'X-Amz-Credential'. AWS query-string parameters must include \
         'X-Amz-SignedHeaders'. AWS query-string parameters must include 'X-Amz-Date'. Re-examine the query-string \
         parameters."
    );
}

#[test]
fn two_signatures_are_one_too_many() {
    let mut request = plain();
    request.query = "X-Amz-Algorithm=AWS4-HMAC-SHA256".into();
    assert_eq!(request.verify().error(), SignatureError::TwoForms);
}

#[test]
fn a_malformed_part_is_named() {
    let cases = [
        (
            format!("AWS4-HMAC-SHA1 Credential={CREDENTIAL},SignedHeaders=host,Signature=0"),
            "Unsupported AWS 'algorithm'",
        ),
        ("AWS4-HMAC-SHA256 Credential=a/b,SignedHeaders=host,Signature=0".into(), "exactly 5 slash-delimited"),
        (
            "AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request/e,SignedHeaders=host,Signature=0".into(),
            "exactly 5 slash-delimited",
        ),
        ("AWS4-HMAC-SHA256 Credential=a/20150830/c/d/aws5,SignedHeaders=host,Signature=0".into(), "valid terminator"),
        (
            "AWS4-HMAC-SHA256 Credential=a/20150831/c/d/aws4_request,SignedHeaders=host,Signature=0".into(),
            "'20150831' != '20150830', from '20150830T123600Z'",
        ),
        (
            format!("AWS4-HMAC-SHA256 Credential={CREDENTIAL},SignedHeaders=x-amz-date,Signature=0"),
            "'Host' or ':authority'",
        ),
        (format!("AWS4-HMAC-SHA256 Credential={CREDENTIAL},SignedHeaders=x-a;host,Signature=0"), "ascending order"),
        (format!("AWS4-HMAC-SHA256 Credential={CREDENTIAL},SignedHeaders=host;host,Signature=0"), "ascending order"),
    ];
    for (text, words) in cases {
        let error = with_authorization(&text).verify().error().to_string();
        assert!(error.contains(words), "{text}: {error}");
    }
    let mut request = plain();
    *request.header_mut("x-amz-date") = b"2015-08-30".to_vec();
    assert_eq!(request.verify().error(), SignatureError::Date("2015-08-30".into()));
}

#[test]
fn a_signature_that_has_not_its_form_matches_nothing() {
    for signature in ["", "0", &SIGNATURE.to_uppercase(), &format!("{SIGNATURE}0"), &SIGNATURE.replace('5', "g")] {
        let text =
            format!("AWS4-HMAC-SHA256 Credential={CREDENTIAL},SignedHeaders=host;x-amz-date,Signature={signature}");
        assert_eq!(with_authorization(&text).verify().error(), SignatureError::Mismatch, "{signature}");
    }
}

#[test]
fn the_clock_may_be_off_by_the_window_and_no_more() {
    let at = |seconds: i64| Timestamp(SIGNED_AT.as_millis().saturating_add_signed(seconds * 1000));
    let verify = |seconds| plain().verify_with(&Verifier::default(), SECRET, at(seconds));
    assert_eq!(verify(900), Verdict::Holds);
    assert_eq!(verify(-900), Verdict::Holds);
    let late = verify(901).error();
    assert_eq!(late.kind(), SignatureErrorKind::SignatureDoesNotMatch);
    assert_eq!(
        late.to_string(),
        "Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z (20150830T125101Z - 15 min.)"
    );
    assert_eq!(
        verify(-901).error().to_string(),
        "Signature not yet current: 20150830T123600Z is still later than 20150830T123559Z (20150830T122059Z + 15 min.)"
    );
    let strict = Verifier::new(Duration::from_secs(300));
    assert!(plain().verify_with(&strict, SECRET, at(301)).error().to_string().ends_with("- 5 min.)"));
}

#[test]
fn a_link_lives_as_long_as_it_says() {
    // The vector `get-vanilla`, signed for an hour.
    let query = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fus-east-1%2Fservice%2F\
                 aws4_request&X-Amz-Date=20150830T123600Z&X-Amz-SignedHeaders=host&X-Amz-Expires=3600&X-Amz-Signature=";
    let vector = "e93c787ed7f371d5c6b165c1b38ede9550f4dce4144713e844b25b7192d3865d";
    let at = |seconds: u64| SIGNED_AT + Duration::from_secs(seconds);
    let verify = |query: &str, now| with_query(query).verify_with(&Verifier::default(), SECRET, now);
    let link = format!("{query}{vector}");
    assert_eq!(verify(&link, at(3600)), Verdict::Holds);
    assert!(matches!(verify(&link, at(3601)).error(), SignatureError::Expired { .. }));
    for (expires, sound) in
        [("1", true), ("604800", true), ("0", false), ("604801", false), ("-1", false), ("x", false)]
    {
        let link = link.replace("Expires=3600", &format!("Expires={expires}"));
        let error = verify(&link, at(0)).error();
        assert_eq!(matches!(error, SignatureError::Expires { .. }), !sound, "{expires}: {error}");
    }
}

#[test]
fn a_replayed_signature_does_not_carry_another_body() {
    let mut request = plain();
    assert_eq!(request.verify(), Verdict::Holds);
    request.body = b"{}".to_vec();
    assert_eq!(request.verify().error(), SignatureError::Mismatch, "the body is hashed when no header says its hash");
    // With a header that still says the hash of the body that was signed.
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let request = request.with_header("x-amz-content-sha256", empty);
    assert_eq!(request.verify().error(), SignatureError::Mismatch, "the header is compared with the body");
    let request = Request { body: Vec::new(), ..request };
    assert_eq!(request.verify(), Verdict::Holds);
}

#[test]
fn the_operation_is_part_of_what_is_signed() {
    let request = plain().with_header("x-amz-target", "AmazonSQS.DeleteQueue");
    assert_eq!(request.verify().error(), SignatureError::TargetNotSigned);
}

#[test]
fn payloads_in_chunks_are_refused_by_name_where_no_chunks_are_known() {
    for form in ["STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "STREAMING-X"] {
        let request = plain().with_header("x-amz-content-sha256", form);
        assert!(matches!(request.verify().error(), SignatureError::PayloadForm(_)), "{form}");
    }
}

proptest! {
    #[test]
    fn no_header_makes_the_parser_panic(text in "[ -~\t]{0,120}", query in "[ -~]{0,120}") {
        let _ = with_authorization(&text).verify();
        let _ = with_query(&query).verify();
    }

    #[test]
    fn no_half_formed_header_makes_the_parser_panic(
        parts in proptest::collection::vec(
            proptest::sample::select(vec![
                "AWS4-HMAC-SHA256", " ", ",", "=", ";", "/", "Credential=", "SignedHeaders=", "Signature=", CREDENTIAL,
                "host", ":authority", "x-amz-date", SIGNATURE, "aws4_request", "%2F", "&", "X-Amz-Algorithm=", "é",
            ]),
            0..24,
        ),
    ) {
        let text = parts.concat();
        let verdict = with_authorization(&text).verify();
        prop_assert!(!matches!(verdict, Verdict::Unsigned), "{verdict:?}");
        let _ = with_query(&text).verify();
    }
}
