//! AWS's own signer as the oracle: what it signs verifies, and nothing else does.

use super::{
    super::{SignatureError, Verifier},
    support::{KEY_ID, Request, SECRET, SIGNED_AT, Verdict},
};
use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{
        PayloadChecksumKind, SessionTokenMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign,
    },
    sign::v4::SigningParams,
};
use proptest::{collection::vec, option, prelude::*, sample::select};
use std::time::{Duration, SystemTime};

/// How the oracle shall sign.
#[derive(Clone, Debug)]
struct Choice {
    presigned: bool,
    unsigned_body: bool,
    hash_header: bool,
    token: Option<String>,
    token_outside: bool,
}

fn signed(request: &Request, choice: &Choice) -> Request {
    let mut settings = SigningSettings::default();
    if choice.presigned {
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(Duration::from_secs(900));
    }
    if choice.hash_header || choice.unsigned_body {
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    if choice.token_outside {
        settings.session_token_mode = SessionTokenMode::Exclude;
    }
    let identity = Credentials::new(KEY_ID, SECRET, choice.token.clone(), None, "test").into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region("eu-central-1")
        .name("sqs")
        .time(SystemTime::UNIX_EPOCH + Duration::from_millis(SIGNED_AT.as_millis()))
        .settings(settings)
        .build()
        .expect("complete");
    let uri = format!("http://127.0.0.1:9400{}", [request.path.as_str(), &request.query].join("?"));
    let headers: Vec<_> = request
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), std::str::from_utf8(value).expect("only text is made")))
        .collect();
    let body = if choice.unsigned_body { SignableBody::UnsignedPayload } else { SignableBody::Bytes(&request.body) };
    let signable = SignableRequest::new(&request.method, uri, headers.into_iter(), body).expect("sound");
    let (instructions, _) = sign(signable, &params.into()).expect("signed").into_parts();
    let (new_headers, parameters) = instructions.into_parts();
    let mut signed = request.clone().with_header("Host", "127.0.0.1:9400");
    signed.headers.extend(new_headers.iter().map(|header| (header.name().to_owned(), header.value().into())));
    for (name, value) in parameters {
        let value: String = value
            .bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
                _ => format!("%{byte:02X}"),
            })
            .collect();
        signed.query.push_str(&format!("&{name}={value}"));
    }
    signed
}

fn choice() -> impl Strategy<Value = Choice> {
    (any::<bool>(), any::<bool>(), any::<bool>(), option::of("[A-Za-z0-9/+=]{1,40}"), any::<bool>()).prop_map(
        |(presigned, unsigned_body, hash_header, token, token_outside)| Choice {
            presigned,
            // A link says what it signs of the body only in its query, where SQS does not look.
            unsigned_body: unsigned_body && !presigned,
            hash_header: hash_header && !presigned,
            token,
            token_outside: token_outside && presigned,
        },
    )
}

fn request() -> impl Strategy<Value = Request> {
    let segment = prop_oneof![
        4 => "[A-Za-z0-9_.~-]{1,12}",
        1 => select(vec!["", ".", ".."]).prop_map(str::to_owned),
        1 => "(%[2-7][0-9A-F]|[a-z@:$,;=!'()*]){1,5}",
    ];
    let part = "(%[2-7][0-9A-Fa-f]|[A-Za-z0-9_.~+@:/?!$'()*,;-]|%C3%A4){0,8}";
    let pair = prop_oneof![3 => (part, part).prop_map(|(name, value)| format!("{name}={value}")), 1 => part];
    let value = "[!-~]([ -~]{0,20}[!-~])?";
    let header = ("x-[a-z0-9-]{0,8}[a-z]", value);
    (
        select(vec!["GET", "POST", "PUT"]),
        vec(segment, 0..4),
        any::<bool>(),
        vec(pair, 0..5),
        vec(header, 0..5),
        vec(any::<u8>(), 0..200),
    )
        .prop_map(|(method, segments, slash, pairs, headers, body)| Request {
            method: method.into(),
            path: format!("/{}{}", segments.join("/"), if slash { "/" } else { "" }),
            query: pairs.join("&"),
            headers: headers.into_iter().map(|(name, value)| (name, value.into_bytes())).collect(),
            body,
        })
}

/// Where a byte is changed.
#[derive(Clone, Copy, Debug)]
enum Place {
    Method,
    Path,
    Query,
    Header,
    Body,
    Secret,
}

/// Changes one letter to another that means something else; `false` when there is none to change.
fn change_letter(text: &mut [u8], at: usize) -> bool {
    let letters: Vec<_> = (0..text.len()).filter(|index| text[*index].is_ascii_lowercase()).collect();
    let Some(index) = letters.get(at % letters.len().max(1)) else {
        return false;
    };
    text[*index] = if text[*index] == b'q' { b'r' } else { b'q' };
    true
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn what_the_oracle_signs_verifies(request in request(), choice in choice()) {
        let signed = signed(&request, &choice);
        let verifier = Verifier::default();
        prop_assert_eq!(signed.verify_with(&verifier, SECRET, SIGNED_AT), Verdict::Holds, "{:?}", signed);
        prop_assert_eq!(signed.verify_with(&verifier, SECRET, SIGNED_AT), Verdict::Holds, "with the key that was kept");
    }

    #[test]
    fn one_changed_byte_is_refused(
        request in request(),
        choice in choice(),
        place in select(vec![Place::Method, Place::Path, Place::Query, Place::Header, Place::Body, Place::Secret]),
        at in any::<usize>(),
    ) {
        let mut changed = signed(&request, &choice);
        let mut secret = SECRET.to_owned();
        let is_other = match place {
            Place::Method => { changed.method = "DELETE".into(); true }
            Place::Path => { changed.path.push_str("/x"); true }
            Place::Query => { changed.query.push_str("&x=y"); true }
            Place::Header => match changed.headers.iter().position(|(name, _)| name.starts_with("x-")) {
                Some(first) => change_letter(&mut changed.headers[first].1, at),
                None => false,
            },
            Place::Body if choice.unsigned_body => false,
            Place::Body => {
                let index = at % (changed.body.len() + 1);
                match changed.body.get_mut(index) {
                    Some(byte) => *byte ^= 1,
                    None => changed.body.push(0),
                }
                true
            }
            Place::Secret => { secret.push('x'); true }
        };
        // Nothing to change at that place: add what was not signed instead.
        if !is_other { changed.query.push_str("&x=y"); }
        let verdict = changed.verify_with(&Verifier::default(), &secret, SIGNED_AT);
        prop_assert!(matches!(verdict, Verdict::Refused(_)), "{place:?}: {verdict:?}");
        if matches!(place, Place::Body | Place::Secret | Place::Method) {
            prop_assert_eq!(verdict, Verdict::Refused(SignatureError::Mismatch));
        }
    }
}
