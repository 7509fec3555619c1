//! Computes a request's signature again and compares.

use super::{
    canonical::{self, Reading},
    chunks,
    claim::{ALGORITHM, Claim, Form},
    encode::hex,
    error::SignatureError,
    head::Head,
    keys::{SigningKey, SigningKeys},
    moment::Moment,
    payload::{self, Payload},
};
use crate::{
    base::time::Timestamp,
    protocol::aws::wire::chunked::{self, Chunked},
};
use sha2::{Digest, Sha256};
use std::{sync::Arc, time::Duration};
use subtle::ConstantTimeEq;

/// How far a client's clock may be off, unless configured otherwise.
pub const SKEW: Duration = Duration::from_secs(15 * 60);

/// Verifies signatures. One for the life of the server: it keeps the signing keys.
#[derive(Debug)]
pub struct Verifier {
    skew: Duration,
    /// The host that clients know, when something in front of the server changes it.
    public_host: Option<String>,
    keys: SigningKeys,
}

impl Default for Verifier {
    fn default() -> Self {
        Self::new(SKEW)
    }
}

impl Verifier {
    /// `skew`: how far a client's clock may be off.
    pub fn new(skew: Duration) -> Self {
        Self { skew, public_host: None, keys: SigningKeys::default() }
    }

    /// A host, with its port when it has one, that a request may be signed for besides the one that it came with.
    #[must_use]
    pub fn with_public_host(self, host: impl Into<String>) -> Self {
        Self { public_host: Some(host.into()), ..self }
    }

    /// Whether `secret` made the claim's signature, over this request, in this time.
    ///
    /// # Errors
    /// A signature that is too old or from the future, or not this request's.
    pub fn verify(
        &self,
        claim: &Claim<'_>,
        head: &Head<'_>,
        body: &[u8],
        secret: &str,
        now: Timestamp,
    ) -> Result<(), SignatureError> {
        self.check_time(claim, now.into())?;
        self.prove(claim, head, &payload::of(head, body)?, secret).map(drop)
    }

    /// The same for a request whose body came in chunks.
    ///
    /// # Errors
    /// Also a chunk or trailers that `secret` did not sign, where the head says that they are signed.
    pub(in crate::protocol::aws) fn verify_chunked(
        &self,
        claim: &Claim<'_>,
        head: &Head<'_>,
        body: &Chunked,
        secret: &str,
        now: Timestamp,
    ) -> Result<(), SignatureError> {
        self.check_time(claim, now.into())?;
        let said = head.text(chunked::PAYLOAD).unwrap_or_default();
        let form = chunks::Form::parse(said)?;
        let (key, seed) = self.prove(claim, head, &Payload::Said(said), secret)?;
        chunks::check(form, claim, &key, seed, body)
    }

    /// Whether `secret` signed this head with this payload: the key, and the signature.
    fn prove(
        &self,
        claim: &Claim<'_>,
        head: &Head<'_>,
        payload: &Payload<'_>,
        secret: &str,
    ) -> Result<(Arc<SigningKey>, [u8; 32]), SignatureError> {
        let signature = claim.signature.ok_or(SignatureError::Mismatch)?;
        let known = self.keys.find(&claim.credential, secret);
        let is_known = known.is_some();
        let key = known.unwrap_or_else(|| Arc::new(SigningKey::derive(secret, &claim.credential)));
        if !self.matches(claim, head, payload, &key, &signature) {
            return Err(SignatureError::Mismatch);
        }
        if !is_known {
            self.keys.keep(&claim.credential, key.clone());
        }
        Ok((key, signature))
    }

    fn check_time(&self, claim: &Claim<'_>, now: Moment) -> Result<(), SignatureError> {
        let (signed, window) = (claim.signed_at, self.skew);
        let latest = now.plus(window);
        if signed > latest {
            return Err(SignatureError::NotYetCurrent { signed, latest, now, window });
        }
        let window = match claim.form {
            Form::Presigned { expires: Some(expires) } => expires,
            Form::Header | Form::Presigned { expires: None } => window,
        };
        let earliest = now.minus(window);
        if signed < earliest {
            return Err(SignatureError::Expired { signed, earliest, now, window });
        }
        Ok(())
    }

    /// Tries what was most likely signed first; the other readings cost only those whose signature is not that one.
    fn matches(
        &self,
        claim: &Claim<'_>,
        head: &Head<'_>,
        payload: &Payload<'_>,
        key: &SigningKey,
        signature: &[u8; 32],
    ) -> bool {
        let is_signed = |reading| {
            let request = canonical::request(claim, head, reading, payload);
            let computed = sign(claim, &request, key);
            bool::from(computed.ct_eq(signature))
        };
        let token_may_be_added = matches!(claim.form, Form::Presigned { .. }) && claim.session_token().is_some();
        let hosts = [Some(head.host()), self.public_host.as_deref().map(str::as_bytes)];
        hosts.into_iter().flatten().any(|host| {
            is_signed(Reading { host, without_token: false })
                || (token_may_be_added && is_signed(Reading { host, without_token: true }))
        })
    }

    #[cfg(test)]
    pub(super) fn known_keys(&self) -> usize {
        self.keys.len()
    }
}

/// The signature of a canonical request.
fn sign(claim: &Claim<'_>, request: &[u8], key: &SigningKey) -> [u8; 32] {
    let moment = claim.signed_at.basic();
    let hash = hex(&Sha256::digest(request).into());
    let scope = claim.credential.scope().as_bytes();
    key.sign(&[ALGORITHM.as_bytes(), b"\n", &moment, b"\n", scope, b"\n", &hash])
}
