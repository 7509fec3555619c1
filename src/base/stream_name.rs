//! Names of streams, and of what stands on them: registered consumers, queues, groups.

use super::{
    limits,
    name::{AccountId, NameError, Namespace, Region},
};
use std::{fmt, sync::Arc};

/// A stream's id, or a registered consumer's: 1 to 128 letters, digits, underscores, dots and hyphens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamName(
    /// With the prefix that it has in an ARN.
    Arc<str>,
);

impl StreamName {
    const PREFIX: &'static str = "stream/";

    pub const RULE: &'static str = "1 to 128 letters, digits, underscores, dots and hyphens";

    pub fn parse(text: &str) -> Result<Self, NameError> {
        let fits = (1..=limits::STREAM_NAME_CHARS).contains(&text.len());
        if fits && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-')) {
            return Ok(Self::of(text));
        }
        Err(NameError { what: "stream name", value: text.into(), rule: Self::RULE })
    }

    fn of(text: &str) -> Self {
        Self(format!("{}{text}", Self::PREFIX).into())
    }

    pub fn as_str(&self) -> &str {
        self.0.get(Self::PREFIX.len()..).unwrap_or_default()
    }

    /// The last part of the stream's ARN.
    pub fn as_resource(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A stream's full name: `namespaces/{account}@{region}/streams/{stream}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamPath {
    pub account: AccountId,
    pub region: Region,
    pub name: StreamName,
}

impl StreamPath {
    const RULE: &'static str = "a stream id, or namespaces/{account}/streams/{stream}";

    pub fn new(namespace: Namespace, name: StreamName) -> Self {
        let Namespace { account, region } = namespace;
        Self { account, region, name }
    }

    /// Reads a full name, or a bare stream id, which means a stream of `home`.
    pub fn parse(text: &str, home: Namespace) -> Result<Self, NameError> {
        let Some(rest) = text.strip_prefix("namespaces/") else {
            return Ok(Self::new(home, StreamName::parse(text)?));
        };
        let Some((namespace, name)) = rest.split_once("/streams/") else {
            return Err(NameError { what: "stream name", value: text.into(), rule: Self::RULE });
        };
        Ok(Self::new(Namespace::parse(namespace, home)?, StreamName::parse(name)?))
    }

    /// Reads `arn:aws:kinesis:{region}:{account}:stream/{name}`.
    pub fn parse_arn(text: &str) -> Option<Self> {
        let mut parts = text.splitn(6, ':');
        let (arn, partition, service) = (parts.next()?, parts.next()?, parts.next()?);
        let (region, account, resource) = (parts.next()?, parts.next()?, parts.next()?);
        if arn != "arn" || !partition.starts_with("aws") || service != "kinesis" {
            return None;
        }
        Some(Self {
            account: AccountId::parse(account).ok()?,
            region: Region::parse(region).ok()?,
            name: StreamName::parse(resource.strip_prefix(StreamName::PREFIX)?).ok()?,
        })
    }

    /// The first place a stream of this namespace whose name is `text` or behind it can have in the order of paths.
    pub(crate) fn place(namespace: Namespace, text: &str) -> Self {
        Self::new(namespace, StreamName::of(text))
    }

    pub fn is_in(&self, namespace: &Namespace) -> bool {
        self.account == namespace.account && self.region == namespace.region
    }

    pub fn namespace(&self) -> Namespace {
        Namespace { account: self.account.clone(), region: self.region.clone() }
    }

    /// The name as somebody in `region` writes it: without the region when it is the same.
    pub fn seen_from(&self, region: &Region) -> String {
        if self.region == *region {
            return format!("namespaces/{}/streams/{}", self.account, self.name);
        }
        self.to_string()
    }

    /// The ARN of the AWS protocols.
    pub fn arn(&self) -> String {
        format!("arn:aws:kinesis:{}:{}:{}", self.region, self.account, self.name.as_resource())
    }
}

impl fmt::Display for StreamPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "namespaces/{}@{}/streams/{}", self.account, self.region, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_name_follows_the_aws_rule() {
        for good in ["a", "A-b_9.x", "..", &"s".repeat(128)] {
            assert!(StreamName::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "a b", "a/b", "ä", &"s".repeat(129)] {
            assert!(StreamName::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_path_is_read_from_each_of_its_spellings() {
        let home = Namespace {
            account: AccountId::parse("123456789012").expect("valid"),
            region: Region::parse("us-east-1").expect("valid"),
        };
        let bare = StreamPath::parse("orders", home.clone()).expect("valid");
        assert_eq!(bare.to_string(), "namespaces/123456789012@us-east-1/streams/orders");
        assert_eq!(bare.seen_from(&home.region), "namespaces/123456789012/streams/orders");
        assert_eq!(bare.arn(), "arn:aws:kinesis:us-east-1:123456789012:stream/orders");
        assert_eq!(StreamPath::parse_arn(&bare.arn()), Some(bare.clone()));
        assert_eq!(StreamPath::parse(&bare.to_string(), home.clone()), Ok(bare.clone()));
        assert!(StreamPath::parse("namespaces/123456789012/queues/orders", home).is_err());
        for bad in ["arn:aws:sqs:us-east-1:123456789012:stream/a", "arn:aws:kinesis:us-east-1:12:stream/a", "a"] {
            assert_eq!(StreamPath::parse_arn(bad), None, "{bad}");
        }
    }
}
