//! The keys that conditions and policy variables ask for, and what a request answers.

use super::request::{Request, Tags};
use crate::base::time::Timestamp;
use core::net::IpAddr;
use std::borrow::Cow;

/// One key. Its name is compared without regard to case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Key {
    SourceArn,
    SourceAccount,
    SourceIp,
    PrincipalArn,
    PrincipalAccount,
    SecureTransport,
    CurrentTime,
    EpochTime,
    RequestedRegion,
    ResourceAccount,
    RequestTag(Box<str>),
    ResourceTag(Box<str>),
    TagKeys,
    UserName,
    UserId,
    /// One that no request here has.
    Absent,
}

/// The names that stand alone.
const PLAIN: &[(&str, Key)] = &[
    ("aws:SourceArn", Key::SourceArn),
    ("aws:SourceAccount", Key::SourceAccount),
    ("aws:SourceIp", Key::SourceIp),
    ("aws:PrincipalArn", Key::PrincipalArn),
    ("aws:PrincipalAccount", Key::PrincipalAccount),
    ("aws:SecureTransport", Key::SecureTransport),
    ("aws:CurrentTime", Key::CurrentTime),
    ("aws:EpochTime", Key::EpochTime),
    ("aws:RequestedRegion", Key::RequestedRegion),
    ("aws:ResourceAccount", Key::ResourceAccount),
    ("aws:TagKeys", Key::TagKeys),
    ("aws:username", Key::UserName),
    ("aws:userid", Key::UserId),
];

impl Key {
    pub(super) fn parse(name: &str) -> Self {
        if let Some((_, key)) = PLAIN.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            return key.clone();
        }
        match name.split_once('/') {
            Some((prefix, tag)) if prefix.eq_ignore_ascii_case("aws:RequestTag") => Self::RequestTag(tag.into()),
            Some((prefix, tag)) if prefix.eq_ignore_ascii_case("aws:ResourceTag") => Self::ResourceTag(tag.into()),
            _ => Self::Absent,
        }
    }

    /// The one value of the key; `None` when the request has none, or the key has many.
    pub(super) fn value<'a>(&self, request: &Request<'a>) -> Option<Found<'a>> {
        let Request { resource, principal, context, .. } = request;
        match self {
            Self::SourceArn => context.source_arn.map(Found::Text),
            Self::SourceAccount => context.source_account.map(Found::Text),
            Self::SourceIp => context.source_ip.map(|ip| Found::Ip(ip.to_canonical())),
            Self::PrincipalArn => Some(Found::Text(principal.arn)),
            Self::PrincipalAccount => Some(Found::Text(principal.account)),
            Self::SecureTransport => Some(Found::Bool(context.secure)),
            Self::CurrentTime => Some(Found::Time(context.now)),
            Self::EpochTime => Some(Found::Epoch(context.now)),
            Self::RequestedRegion => Some(Found::Text(resource.region)).filter(|_| !resource.region.is_empty()),
            Self::ResourceAccount => Some(Found::Text(resource.account)).filter(|_| !resource.account.is_empty()),
            Self::RequestTag(name) => context.request_tags.value(name).map(Found::Text),
            Self::ResourceTag(name) => context.resource_tags.value(name).map(Found::Text),
            Self::UserName => principal.name().map(Found::Text),
            Self::UserId => Some(Found::Text(principal.id)),
            Self::TagKeys | Self::Absent => None,
        }
    }

    /// Every value of the key.
    pub(super) fn values<'a>(&self, request: &Request<'a>) -> impl Iterator<Item = Found<'a>> {
        let tags = if *self == Self::TagKeys { request.context.request_tags } else { Tags::None };
        self.value(request).into_iter().chain(tags.names().map(Found::Text))
    }
}

/// What a request answers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Found<'a> {
    Text(&'a str),
    Ip(IpAddr),
    Bool(bool),
    Time(Timestamp),
    /// A moment that is spelled in seconds.
    Epoch(Timestamp),
}

impl<'a> Found<'a> {
    /// Allocates only for what is no text to begin with.
    pub(super) fn text(self) -> Cow<'a, str> {
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Bool(true) => Cow::Borrowed("true"),
            Self::Bool(false) => Cow::Borrowed("false"),
            Self::Ip(ip) => Cow::Owned(ip.to_string()),
            Self::Time(time) => Cow::Owned(super::date::spell(time)),
            Self::Epoch(time) => Cow::Owned((time.as_millis() / 1000).to_string()),
        }
    }
}
