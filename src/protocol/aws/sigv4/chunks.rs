//! The signatures of a body in chunks: each covers its chunk and the signature before it, the first one the request's.

use super::{
    claim::Claim,
    encode::{hex, unhex},
    error::SignatureError,
    keys::SigningKey,
};
use crate::protocol::aws::wire::chunked::Chunked;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

const CHUNK: &[u8] = b"AWS4-HMAC-SHA256-PAYLOAD";
const TRAILER: &[u8] = b"AWS4-HMAC-SHA256-TRAILER";

/// Whether chunks, and trailers when there are to be some, are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Neither: only the head is.
    Unsigned,
    Chunks,
    ChunksAndTrailers,
}

impl Form {
    /// What `x-amz-content-sha256` says.
    pub(super) fn parse(said: &str) -> Result<Self, SignatureError> {
        match said {
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => Ok(Self::Unsigned),
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" => Ok(Self::Chunks),
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" => Ok(Self::ChunksAndTrailers),
            _ => Err(SignatureError::PayloadForm(said.to_owned())),
        }
    }
}

/// Checks every signature of a body whose request is proved; `seed` is the request's.
pub(super) fn check(
    form: Form,
    claim: &Claim<'_>,
    key: &SigningKey,
    seed: [u8; 32],
    body: &Chunked,
) -> Result<(), SignatureError> {
    if form == Form::Unsigned {
        return Ok(());
    }
    let empty = hex(&Sha256::digest(b"").into());
    let mut before = seed;
    for chunk in &body.chunks {
        let data = body.content.get(chunk.data.clone()).unwrap_or_default();
        let hash = hex(&Sha256::digest(data).into());
        let computed = sign(claim, key, CHUNK, &before, &[&empty, b"\n", &hash]);
        require(chunk.signature.as_deref(), &computed)?;
        before = computed;
    }
    if form == Form::ChunksAndTrailers {
        let mut text = String::new();
        for (name, value) in &body.trailers {
            text += &format!("{}:{value}\n", name.to_ascii_lowercase());
        }
        let hash = hex(&Sha256::digest(text).into());
        require(body.trailer_signature.as_deref(), &sign(claim, key, TRAILER, &before, &[&hash]))?;
    }
    Ok(())
}

fn sign(claim: &Claim<'_>, key: &SigningKey, what: &[u8], before: &[u8; 32], hashes: &[&[u8]]) -> [u8; 32] {
    let moment = claim.signed_at.basic();
    let before = hex(before);
    let head: [&[u8]; 8] = [what, b"\n", &moment, b"\n", claim.credential.scope().as_bytes(), b"\n", &before, b"\n"];
    key.sign(&[head.as_slice(), hashes].concat())
}

fn require(said: Option<&str>, computed: &[u8; 32]) -> Result<(), SignatureError> {
    let said = said.and_then(|said| unhex(said.as_bytes())).ok_or(SignatureError::Mismatch)?;
    if bool::from(said.ct_eq(computed)) { Ok(()) } else { Err(SignatureError::Mismatch) }
}
