//! The claim in the `Authorization` header: `AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…`.

use super::{
    claim::{ALGORITHM, Fields, Form},
    error::{Missing, SignatureError},
    head::Head,
    moment::Moment,
};
use http::HeaderValue;
use std::{borrow::Cow, str};

const CREDENTIAL: &str = "Authorization header requires 'Credential' parameter.";
const SIGNATURE: &str = "Authorization header requires 'Signature' parameter.";
const SIGNED_HEADERS: &str = "Authorization header requires 'SignedHeaders' parameter.";
const DATE: &str = "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.";

/// Parts in any order, with commas and white space between them as the client likes.
pub(super) fn parse<'a>(head: &Head<'a>, header: &'a HeaderValue) -> Result<Fields<'a>, SignatureError> {
    let text = str::from_utf8(header.as_bytes()).unwrap_or_default();
    let mut parts = text.split([',', ' ', '\t']).filter(|part| !part.is_empty());
    let algorithm = parts.next().unwrap_or_default();
    let (mut credential, mut signed_headers, mut signature) = (None, None, None);
    for (name, value) in parts.filter_map(|part| part.split_once('=')) {
        match name {
            "Credential" => credential = Some(value),
            "SignedHeaders" => signed_headers = Some(value),
            "Signature" => signature = Some(value),
            _ => {}
        }
    }
    let date = head.text("x-amz-date").or_else(|| head.text("date"));
    let (Some(credential), Some(signature), Some(signed_headers), Some(date)) =
        (credential, signature, signed_headers, date)
    else {
        let mut missing = Missing::default();
        let found = [credential.is_some(), signature.is_some(), signed_headers.is_some(), date.is_some()];
        let sentences = found.into_iter().zip([CREDENTIAL, SIGNATURE, SIGNED_HEADERS, DATE]);
        sentences.filter(|(found, _)| !found).for_each(|(_, sentence)| missing.add(sentence));
        let authorization = String::from_utf8_lossy(header.as_bytes()).into_owned();
        return Err(SignatureError::IncompleteHeader { missing, authorization });
    };
    if algorithm != ALGORITHM {
        return Err(SignatureError::Algorithm(algorithm.to_owned()));
    }
    let date = date.trim();
    let signed_at = Moment::parse_basic(date.as_bytes()).or_else(|| Moment::parse_http(date.as_bytes()));
    Ok(Fields {
        form: Form::Header,
        credential: Cow::Borrowed(credential),
        signed_at: signed_at.ok_or_else(|| SignatureError::Date(date.to_owned()))?,
        signed_headers: Cow::Borrowed(signed_headers),
        signature: Cow::Borrowed(signature),
        session_token: head.text("x-amz-security-token").map(Cow::Borrowed),
    })
}
