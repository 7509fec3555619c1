//! A request in a form that tests can build, sign and change.

use super::super::{Claim, Head, SignatureError, Verifier};
use crate::base::time::Timestamp;
use http::{HeaderMap, HeaderName, HeaderValue};

pub(super) const KEY_ID: &str = "AKIDEXAMPLE";
pub(super) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
/// 2015-08-30 12:36:00, when the vectors were signed.
pub(super) const SIGNED_AT: Timestamp = Timestamp(1_440_938_160_000);

#[derive(Clone, Debug, Default)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) headers: Vec<(String, Vec<u8>)>,
    pub(super) body: Vec<u8>,
}

impl Request {
    pub(super) fn header_map(&self) -> HeaderMap {
        let header = |(name, value): &(String, Vec<u8>)| {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a header's name");
            (name, HeaderValue::from_bytes(value).expect("a header's value"))
        };
        let mut map = HeaderMap::new();
        self.headers.iter().map(header).for_each(|(name, value)| {
            map.append(name, value);
        });
        map
    }

    pub(super) fn header_mut(&mut self, name: &str) -> &mut Vec<u8> {
        let found = self.headers.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name));
        &mut found.unwrap_or_else(|| panic!("no header {name}")).1
    }

    pub(super) fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(super) fn verify_with(&self, verifier: &Verifier, secret: &str, now: Timestamp) -> Verdict {
        let headers = self.header_map();
        let head =
            Head { method: &self.method, path: &self.path, query: &self.query, authority: None, headers: &headers };
        match Claim::parse(&head) {
            Ok(None) => Verdict::Unsigned,
            Ok(Some(claim)) => match verifier.verify(&claim, &head, &self.body, secret, now) {
                Ok(()) => Verdict::Holds,
                Err(error) => Verdict::Refused(error),
            },
            Err(error) => Verdict::Refused(error),
        }
    }

    pub(super) fn verify(&self) -> Verdict {
        self.verify_with(&Verifier::default(), SECRET, SIGNED_AT)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Holds,
    Unsigned,
    Refused(SignatureError),
}

impl Verdict {
    #[track_caller]
    pub(super) fn error(self) -> SignatureError {
        match self {
            Self::Refused(error) => error,
            other @ (Self::Holds | Self::Unsigned) => panic!("{other:?}, not refused"),
        }
    }
}
