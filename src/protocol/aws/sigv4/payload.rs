//! What stands for the body in the signed text: its SHA-256, or a word that says the body is not covered.

use super::{
    encode::{hex, unhex},
    error::SignatureError,
    head::Head,
};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// A body that is not covered: the client says so, and signs that it said so.
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// The last line of the signed text.
pub(super) enum Payload<'a> {
    Said(&'a str),
    Computed([u8; 64]),
}

impl Payload<'_> {
    pub(super) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Said(text) => text.as_bytes(),
            Self::Computed(hash) => hash,
        }
    }
}

/// The payload's line: what `x-amz-content-sha256` says, when the body agrees, else the body's hash.
///
/// # Errors
/// A hash that is not the body's, and forms of bodies in chunks.
pub(super) fn of<'a>(head: &Head<'a>, body: &[u8]) -> Result<Payload<'a>, SignatureError> {
    let Some(said) = head.text("x-amz-content-sha256") else {
        return Ok(Payload::Computed(hex(&Sha256::digest(body).into())));
    };
    if said == UNSIGNED {
        return Ok(Payload::Said(said));
    }
    if said.starts_with("STREAMING-") {
        return Err(SignatureError::PayloadForm(said.to_owned()));
    }
    let computed: [u8; 32] = Sha256::digest(body).into();
    let same = unhex(said.as_bytes()).is_some_and(|hash| bool::from(hash.ct_eq(&computed)));
    if same { Ok(Payload::Said(said)) } else { Err(SignatureError::Mismatch) }
}
