//! What a request says about its signature: who signed, when, for which region and service, and which headers.

use super::{authorization, encode::unhex, error::SignatureError, head::Head, moment::Moment, presigned};
use http::header::AUTHORIZATION;
use std::{borrow::Cow, ops::Range, time::Duration};

pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const TERMINATOR: &str = "aws4_request";

/// Which of the two places the signature was found in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The `Authorization` header.
    Header,
    /// Parameters of the query; good for `expires` after it was signed, when that is said.
    Presigned { expires: Option<Duration> },
}

/// A signature and what it says about itself. Nothing of it is proved before [`super::Verifier::verify`].
#[derive(Clone, Debug)]
pub struct Claim<'a> {
    pub form: Form,
    pub(super) credential: Credential<'a>,
    pub(super) signed_at: Moment,
    /// The names, lower-case, separated by `;`.
    pub(super) signed_headers: Cow<'a, str>,
    /// `None` when it has not the form of a signature, so that it matches none.
    pub(super) signature: Option<[u8; 32]>,
    session_token: Option<Cow<'a, str>>,
}

/// The fields of either form, before they are checked.
pub(super) struct Fields<'a> {
    pub(super) form: Form,
    pub(super) credential: Cow<'a, str>,
    pub(super) signed_at: Moment,
    pub(super) signed_headers: Cow<'a, str>,
    pub(super) signature: Cow<'a, str>,
    pub(super) session_token: Option<Cow<'a, str>>,
}

impl<'a> Claim<'a> {
    /// Reads the claim of a request; `None` when the request is not signed at all.
    ///
    /// # Errors
    /// What the signature lacks, or what of it has the wrong form.
    pub fn parse(head: &Head<'a>) -> Result<Option<Self>, SignatureError> {
        let header = head.headers.get(AUTHORIZATION);
        let fields = match (header, presigned::is_presigned(head.query)) {
            (Some(_), true) => return Err(SignatureError::TwoForms),
            (Some(header), false) => authorization::parse(head, header)?,
            (None, true) => presigned::parse(head)?,
            (None, false) => return Ok(None),
        };
        Self::new(head, fields).map(Some)
    }

    fn new(head: &Head<'a>, fields: Fields<'a>) -> Result<Self, SignatureError> {
        let credential = Credential::parse(fields.credential)?;
        let moment = fields.signed_at.basic();
        let (day, _) = moment.split_at(8);
        if credential.date().as_bytes() != day {
            return Err(SignatureError::ScopeDate {
                scope: credential.date().to_owned(),
                signed: String::from_utf8_lossy(day).into_owned(),
                moment: fields.signed_at.to_string(),
            });
        }
        let is_signed = |wanted: &str| fields.signed_headers.split(';').any(|name| name == wanted);
        if !is_signed("host") && !is_signed(":authority") {
            return Err(SignatureError::HostNotSigned);
        }
        // It names the operation: left out, whoever sees the request pass could have another one done.
        if head.headers.contains_key("x-amz-target") && !is_signed("x-amz-target") {
            return Err(SignatureError::TargetNotSigned);
        }
        // The rule of AWS; and a header named a thousand times would be hashed a thousand times.
        if !fields.signed_headers.split(';').is_sorted_by(|a, b| a < b) {
            return Err(SignatureError::HeaderOrder(fields.signed_headers.into_owned()));
        }
        Ok(Self {
            form: fields.form,
            credential,
            signed_at: fields.signed_at,
            signed_headers: fields.signed_headers,
            signature: unhex(fields.signature.as_bytes()),
            session_token: fields.session_token,
        })
    }

    /// The access key's id.
    pub fn key_id(&self) -> &str {
        self.credential.part(0)
    }

    /// The region that the client chose.
    pub fn region(&self) -> &str {
        self.credential.part(2)
    }

    /// The service's signing name, such as `sqs`.
    pub fn service(&self) -> &str {
        self.credential.part(3)
    }

    /// The token of temporary credentials, passed on as it came.
    pub fn session_token(&self) -> Option<&str> {
        self.session_token.as_deref()
    }

    /// Checks that the signature is for the service that is asked.
    ///
    /// # Errors
    /// The service that it is for.
    pub fn require_service(&self, expected: &'static str) -> Result<(), SignatureError> {
        if self.service() == expected {
            return Ok(());
        }
        Err(SignatureError::Service { expected, found: self.service().to_owned() })
    }
}

/// `keyid/date/region/service/aws4_request`.
#[derive(Clone, Debug)]
pub(super) struct Credential<'a> {
    text: Cow<'a, str>,
    /// Where the first four slashes are.
    slashes: [usize; 4],
}

impl<'a> Credential<'a> {
    fn parse(text: Cow<'a, str>) -> Result<Self, SignatureError> {
        let mut slashes = [0; 4];
        let mut found = text.bytes().enumerate().filter(|(_, byte)| *byte == b'/').map(|(at, _)| at);
        let complete = slashes.iter_mut().all(|slash| found.next().map(|at| *slash = at).is_some());
        if !complete || found.next().is_some() || text.starts_with('/') {
            drop(found);
            return Err(SignatureError::Credential(text.into_owned()));
        }
        drop(found);
        let credential = Self { text, slashes };
        if credential.part(4) != TERMINATOR {
            return Err(SignatureError::Terminator(credential.part(4).to_owned()));
        }
        Ok(credential)
    }

    /// All of it: what tells one signing key from another.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn date(&self) -> &str {
        self.part(1)
    }

    /// What stands behind the key's id.
    pub(super) fn scope(&self) -> &str {
        let [first, ..] = self.slashes;
        self.slice(first + 1..self.text.len())
    }

    /// The part between two slashes.
    pub(super) fn part(&self, index: usize) -> &str {
        let start = index.checked_sub(1).and_then(|before| self.slashes.get(before)).map_or(0, |slash| slash + 1);
        let end = self.slashes.get(index).copied().unwrap_or(self.text.len());
        self.slice(start..end)
    }

    fn slice(&self, range: Range<usize>) -> &str {
        self.text.get(range).unwrap_or_default()
    }
}
