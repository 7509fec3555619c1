//! The claim in the query: a link that whoever holds it may follow until it expires.

use super::{
    claim::{ALGORITHM, Fields, Form},
    encode::decode,
    error::{Missing, SignatureError},
    head::Head,
    moment::Moment,
};
use std::{borrow::Cow, time::Duration};

pub(super) const SIGNATURE: &str = "X-Amz-Signature";
pub(super) const SECURITY_TOKEN: &str = "X-Amz-Security-Token";
const ALGORITHM_NAME: &str = "X-Amz-Algorithm";
const EXPIRES_SECS_MAX: u64 = 7 * 24 * 60 * 60;
const NEEDED: [&str; 5] = [
    "AWS query-string parameters must include 'X-Amz-Algorithm'.",
    "AWS query-string parameters must include 'X-Amz-Credential'.",
    "AWS query-string parameters must include 'X-Amz-Signature'.",
    "AWS query-string parameters must include 'X-Amz-SignedHeaders'.",
    "AWS query-string parameters must include 'X-Amz-Date'.",
];

/// Whether the query carries any part of a signature.
pub(super) fn is_presigned(query: &str) -> bool {
    !query.is_empty() && query.split('&').any(|pair| is_named(pair, ALGORITHM_NAME) || is_named(pair, SIGNATURE))
}

fn is_named(pair: &str, name: &str) -> bool {
    pair.split('=').next() == Some(name)
}

/// The parameters, decoded, of which the first counts when one is given twice.
#[derive(Default)]
struct Parameters<'a> {
    algorithm: Option<Cow<'a, str>>,
    credential: Option<Cow<'a, str>>,
    signature: Option<Cow<'a, str>>,
    signed_headers: Option<Cow<'a, str>>,
    date: Option<Cow<'a, str>>,
    expires: Option<Cow<'a, str>>,
    session_token: Option<Cow<'a, str>>,
}

impl<'a> Parameters<'a> {
    fn read(query: &'a str) -> Self {
        let mut parameters = Self::default();
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            let slot = match name {
                ALGORITHM_NAME => &mut parameters.algorithm,
                "X-Amz-Credential" => &mut parameters.credential,
                SIGNATURE => &mut parameters.signature,
                "X-Amz-SignedHeaders" => &mut parameters.signed_headers,
                "X-Amz-Date" => &mut parameters.date,
                "X-Amz-Expires" => &mut parameters.expires,
                SECURITY_TOKEN => &mut parameters.session_token,
                _ => continue,
            };
            if slot.is_none() {
                *slot = decode(value);
            }
        }
        parameters
    }

    fn missing(&self) -> Missing {
        let found = [
            self.algorithm.is_some(),
            self.credential.is_some(),
            self.signature.is_some(),
            self.signed_headers.is_some(),
            self.date.is_some(),
        ];
        let mut missing = Missing::default();
        found.into_iter().zip(NEEDED).filter(|(found, _)| !found).for_each(|(_, sentence)| missing.add(sentence));
        missing
    }
}

pub(super) fn parse<'a>(head: &Head<'a>) -> Result<Fields<'a>, SignatureError> {
    let parameters = Parameters::read(head.query);
    let missing = parameters.missing();
    let Parameters { algorithm, credential, signature, signed_headers, date, expires, session_token } = parameters;
    let (Some(algorithm), Some(credential), Some(signature), Some(signed_headers), Some(date)) =
        (algorithm, credential, signature, signed_headers, date)
    else {
        return Err(SignatureError::IncompleteQuery { missing });
    };
    if algorithm != ALGORITHM {
        return Err(SignatureError::Algorithm(algorithm.into_owned()));
    }
    let signed_at = Moment::parse_basic(date.as_bytes()).ok_or_else(|| SignatureError::Date(date.into_owned()))?;
    Ok(Fields {
        form: Form::Presigned { expires: expires.map(parse_expires).transpose()? },
        credential,
        signed_at,
        signed_headers,
        signature,
        session_token,
    })
}

fn parse_expires(text: Cow<'_, str>) -> Result<Duration, SignatureError> {
    let seconds = text.parse().ok().filter(|seconds| (1..=EXPIRES_SECS_MAX).contains(seconds));
    let refused = || SignatureError::Expires { found: text.into_owned(), max: EXPIRES_SECS_MAX };
    seconds.map(Duration::from_secs).ok_or_else(refused)
}
