//! The parts of a request that a signature covers, as they came.

use http::{HeaderMap, header::HOST, request::Parts};
use std::str;

/// A request without its body. Path and query are as on the wire, still percent-encoded.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub query: &'a str,
    /// HTTP/2's `:authority`, which stands for `Host` there.
    pub authority: Option<&'a str>,
    pub headers: &'a HeaderMap,
}

impl<'a> Head<'a> {
    /// A header's first value; `None` when it is absent or not UTF-8.
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        self.headers.get(name).and_then(|value| str::from_utf8(value.as_bytes()).ok())
    }

    /// The host that the client asked for, with its port when it named one.
    pub(super) fn host(&self) -> &'a [u8] {
        match (self.headers.get(HOST), self.authority) {
            (Some(host), _) => host.as_bytes(),
            (None, Some(authority)) => authority.as_bytes(),
            (None, None) => b"",
        }
    }
}

impl<'a> From<&'a Parts> for Head<'a> {
    fn from(parts: &'a Parts) -> Self {
        Self {
            method: parts.method.as_str(),
            path: parts.uri.path(),
            query: parts.uri.query().unwrap_or_default(),
            authority: parts.uri.authority().map(|authority| authority.as_str()),
            headers: &parts.headers,
        }
    }
}
