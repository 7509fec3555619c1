//! What is judged: who asks for which action on what, and the circumstances that conditions can ask about.

use super::action::Action;
use crate::base::time::Timestamp;
// `core::net` holds addresses alone, no sockets.
use core::net::IpAddr;
use std::collections::BTreeMap;

/// One call, as policies see it. Borrows everything: to ask costs no allocation.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub action: Action,
    pub resource: Arn<'a>,
    pub principal: Principal<'a>,
    pub context: Context<'a>,
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct Principal<'a> {
    pub account: &'a str,
    /// `arn:aws:iam::{account}:user/{name}`, or `:root`.
    pub arn: &'a str,
    /// What messages show as the sender.
    pub id: &'a str,
}

/// The circumstances. `None`: the call has no such thing, and conditions find the key missing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context<'a> {
    pub now: Timestamp,
    pub source_ip: Option<IpAddr>,
    pub secure: bool,
    /// The tags that the call brings, and those that the resource has.
    pub request_tags: Tags<'a>,
    pub resource_tags: Tags<'a>,
    /// On whose behalf a service calls.
    pub source_arn: Option<&'a str>,
    pub source_account: Option<&'a str>,
}

#[derive(Clone, Copy, Debug, Default)]
pub enum Tags<'a> {
    #[default]
    None,
    Pairs(&'a BTreeMap<String, String>),
    /// Names alone: tags to take away.
    Names(&'a [String]),
}

impl<'a> Tags<'a> {
    /// The value of a tag, whose name is compared without regard to case as those of all keys are.
    pub(super) fn value(self, name: &str) -> Option<&'a str> {
        match self {
            Self::Pairs(pairs) => match pairs.get(name) {
                Some(value) => Some(value),
                None => pairs.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str()),
            },
            Self::None | Self::Names(_) => None,
        }
    }

    pub(super) fn names(self) -> impl Iterator<Item = &'a str> {
        let (pairs, names) = match self {
            Self::None => (None, None),
            Self::Pairs(pairs) => (Some(pairs.keys()), None),
            Self::Names(names) => (None, Some(names.iter())),
        };
        pairs.into_iter().flatten().chain(names.into_iter().flatten()).map(String::as_str)
    }
}

/// A resource name in its six parts, the first of which is "arn".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arn<'a> {
    pub partition: &'a str,
    pub service: &'a str,
    pub region: &'a str,
    pub account: &'a str,
    /// May hold colons.
    pub resource: &'a str,
}

impl<'a> Arn<'a> {
    pub const PARTITION: &'static str = "aws";

    pub fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.splitn(6, ':');
        if parts.next() != Some("arn") {
            return None;
        }
        let mut part = || parts.next();
        Some(Self { partition: part()?, service: part()?, region: part()?, account: part()?, resource: part()? })
    }

    pub(super) fn parts(&self) -> [&'a str; 6] {
        ["arn", self.partition, self.service, self.region, self.account, self.resource]
    }
}

impl std::fmt::Display for Arn<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [arn, partition, service, region, account, resource] = self.parts();
        write!(f, "{arn}:{partition}:{service}:{region}:{account}:{resource}")
    }
}

impl<'a> Principal<'a> {
    /// The user's name; callers that are a whole account have none.
    pub(super) fn name(&self) -> Option<&'a str> {
        let (_, path) = self.arn.split_once(":user/")?;
        path.rsplit('/').next()
    }
}
