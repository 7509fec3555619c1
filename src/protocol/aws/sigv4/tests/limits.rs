//! What the verifier keeps, and for whom.

use super::{
    super::{Claim, Head, SignatureError, Verifier},
    support::{KEY_ID, Request, SECRET, SIGNED_AT, Verdict},
};

fn plain() -> Request {
    Request { method: "GET".into(), path: "/".into(), ..Request::default() }
        .with_header("Host", "example.amazonaws.com")
        .with_header("X-Amz-Date", "20150830T123600Z")
        .with_header(
            "Authorization",
            &format!(
                "AWS4-HMAC-SHA256 Credential={KEY_ID}/20150830/us-east-1/service/aws4_request, \
                 SignedHeaders=host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
            ),
        )
}

#[test]
fn a_key_is_kept_only_for_who_signed_with_it() {
    let verifier = Verifier::default();
    assert_eq!(plain().verify_with(&verifier, "another", SIGNED_AT).error(), SignatureError::Mismatch);
    assert_eq!(verifier.known_keys(), 0);
    assert_eq!(plain().verify_with(&verifier, SECRET, SIGNED_AT), Verdict::Holds);
    assert_eq!(verifier.known_keys(), 1);
}

#[test]
fn a_changed_secret_takes_the_kept_key_with_it() {
    let verifier = Verifier::default();
    assert_eq!(plain().verify_with(&verifier, SECRET, SIGNED_AT), Verdict::Holds);
    assert_eq!(plain().verify_with(&verifier, "another", SIGNED_AT).error(), SignatureError::Mismatch);
    assert_eq!(plain().verify_with(&verifier, SECRET, SIGNED_AT), Verdict::Holds);
}

#[test]
fn the_public_host_is_accepted_beside_the_one_that_came() {
    let mut request = plain();
    *request.header_mut("host") = b"10.0.0.7:9400".to_vec();
    assert_eq!(request.verify().error(), SignatureError::Mismatch);
    let verifier = Verifier::default().with_public_host("example.amazonaws.com");
    assert_eq!(request.verify_with(&verifier, SECRET, SIGNED_AT), Verdict::Holds);
    assert_eq!(plain().verify_with(&verifier, SECRET, SIGNED_AT), Verdict::Holds);
}

#[test]
fn the_authority_of_http2_is_the_host() {
    let mut request = plain();
    request.headers.retain(|(name, _)| name != "Host");
    let headers = request.header_map();
    let authority = Some("example.amazonaws.com");
    let head = Head { method: "GET", path: "/", query: "", authority, headers: &headers };
    let claim = Claim::parse(&head).expect("sound").expect("signed");
    assert_eq!(Verifier::default().verify(&claim, &head, b"", SECRET, SIGNED_AT), Ok(()));
}

#[test]
fn a_claim_says_who_where_and_for_what() {
    let request = plain().with_header("x-amz-security-token", "t0ken");
    let headers = request.header_map();
    let head = Head { method: "GET", path: "/", query: "", authority: None, headers: &headers };
    let claim = Claim::parse(&head).expect("sound").expect("signed");
    assert_eq!((claim.key_id(), claim.region(), claim.service()), (KEY_ID, "us-east-1", "service"));
    assert_eq!(claim.session_token(), Some("t0ken"));
    assert_eq!(claim.require_service("service"), Ok(()));
    let error = claim.require_service("sqs").expect_err("another service");
    assert_eq!(error.to_string(), "Credential should be scoped to correct service: 'sqs', not 'service'.");
}
