//! Why a signed request is refused. The texts are AWS's, because people search for them.

use super::moment::Moment;
use std::time::Duration;

/// What a client can do about it; the error tables of the services spell each in their own way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureErrorKind {
    /// The request says too little about its signature, or says it in the wrong form.
    IncompleteSignature,
    /// The signature is not the one of this request, or not of this time.
    SignatureDoesNotMatch,
}

/// A request whose signature does not hold. A request without any signature is none of these: it has no claim.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("{missing}Authorization={authorization}")]
    IncompleteHeader { missing: Missing, authorization: String },
    #[error("{missing}Re-examine the query-string parameters.")]
    IncompleteQuery { missing: Missing },
    #[error("Unsupported AWS 'algorithm': '{0}'.")]
    Algorithm(String),
    #[error("Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.")]
    TwoForms,
    #[error("Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '{0}'")]
    Credential(String),
    #[error("Credential should be scoped with a valid terminator: 'aws4_request', not '{0}'.")]
    Terminator(String),
    #[error("Credential should be scoped to correct service: '{expected}', not '{found}'.")]
    Service { expected: &'static str, found: String },
    #[error("Date must be in ISO-8601 'basic format'. Got '{0}'. See http://en.wikipedia.org/wiki/ISO_8601")]
    Date(String),
    #[error(
        "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{scope}' != \
         '{signed}', from '{moment}'."
    )]
    ScopeDate { scope: String, signed: String, moment: String },
    #[error("X-Amz-Expires must be a number of seconds from 1 to {max}, not '{found}'.")]
    Expires { found: String, max: u64 },
    #[error("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")]
    HostNotSigned,
    #[error("'X-Amz-Target' must be a 'SignedHeader' in the AWS Authorization.")]
    TargetNotSigned,
    #[error("SignedHeaders must name each header once, in lower case and ascending order, not '{0}'.")]
    HeaderOrder(String),
    #[error(
        "The payload form '{0}' is not supported: send the SHA-256 of the body, UNSIGNED-PAYLOAD, or chunks signed with AWS4-HMAC-SHA256."
    )]
    PayloadForm(String),
    #[error("Signature expired: {signed} is now earlier than {earliest} ({now} - {} min.)", .window.as_secs() / 60)]
    Expired { signed: Moment, earliest: Moment, now: Moment, window: Duration },
    #[error("Signature not yet current: {signed} is still later than {latest} ({now} + {} min.)", .window.as_secs() / 60)]
    NotYetCurrent { signed: Moment, latest: Moment, now: Moment, window: Duration },
    #[error(
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access \
         Key and signing method. Consult the service documentation for details."
    )]
    Mismatch,
}

impl SignatureError {
    pub fn kind(&self) -> SignatureErrorKind {
        match self {
            Self::IncompleteHeader { .. }
            | Self::IncompleteQuery { .. }
            | Self::Algorithm(_)
            | Self::Credential(_)
            | Self::Date(_)
            | Self::HeaderOrder(_)
            | Self::Expires { .. } => SignatureErrorKind::IncompleteSignature,
            Self::TwoForms
            | Self::Terminator(_)
            | Self::Service { .. }
            | Self::ScopeDate { .. }
            | Self::HostNotSigned
            | Self::TargetNotSigned
            | Self::PayloadForm(_)
            | Self::Expired { .. }
            | Self::NotYetCurrent { .. }
            | Self::Mismatch => SignatureErrorKind::SignatureDoesNotMatch,
        }
    }
}

/// The parameters that a signature lacks; displayed as one sentence each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Missing(Vec<&'static str>);

impl Missing {
    pub(super) fn add(&mut self, sentence: &'static str) {
        self.0.push(sentence);
    }
}

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|sentence| write!(f, "{sentence} "))
    }
}
