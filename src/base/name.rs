//! Names that clients write: queue ids, regions, namespaces, resource names, ARNs. Parsed once, valid for ever after.

use crate::base::limits;
use std::{fmt, sync::Arc};

/// A name that does not follow the rule of its kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} {value:?} is not valid: {rule}")]
pub struct NameError {
    pub what: &'static str,
    pub value: String,
    pub rule: &'static str,
}

/// A queue's id: 1 to 80 letters, digits, hyphens and underscores; a FIFO queue's ends in `.fifo`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueName(Arc<str>);

impl QueueName {
    pub const RULE: &'static str =
        "1 to 80 letters, digits, hyphens and underscores; a FIFO queue's name ends in .fifo";

    pub fn parse(text: &str) -> Result<Self, NameError> {
        let stem = text.strip_suffix(".fifo").unwrap_or(text);
        let fits = !stem.is_empty() && text.len() <= limits::QUEUE_NAME_CHARS;
        if fits && stem.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
            return Ok(Self(text.into()));
        }
        Err(NameError { what: "queue name", value: text.into(), rule: Self::RULE })
    }

    pub fn is_fifo(&self) -> bool {
        self.0.ends_with(".fifo")
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whose a resource is: the 12-digit account id of the AWS protocols.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(Arc<str>);

impl AccountId {
    pub const RULE: &'static str = "12 digits";

    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()) {
            return Ok(Self(text.into()));
        }
        Err(NameError { what: "namespace", value: text.into(), rule: Self::RULE })
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A region: what the credential scope of the AWS protocols names. Queues of two regions never meet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Region(Arc<str>);

impl Region {
    pub const RULE: &'static str = "1 to 63 letters, digits and hyphens";

    pub fn parse(text: &str) -> Result<Self, NameError> {
        let fits = (1..=limits::REGION_CHARS).contains(&text.len());
        if fits && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return Ok(Self(text.into()));
        }
        Err(NameError { what: "region", value: text.into(), rule: Self::RULE })
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What queue names are unique in: an account in a region. Written `{account}@{region}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Namespace {
    pub account: AccountId,
    pub region: Region,
}

impl Namespace {
    pub const RULE: &'static str = "12 digits, then @region unless it is the caller's region; or default";

    /// Reads `{account}`, which means that account in the region of `home`, or `{account}@{region}`. "default" stands
    /// for the account of `home`.
    pub fn parse(text: &str, home: Self) -> Result<Self, NameError> {
        let (account, region) = match text.split_once('@') {
            Some((account, region)) => (account, Region::parse(region)?),
            None => (text, home.region),
        };
        let account = if account == "default" { home.account } else { AccountId::parse(account)? };
        Ok(Self { account, region })
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.account, self.region)
    }
}

/// A queue's full name: `namespaces/{account}@{region}/queues/{queue}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueuePath {
    pub account: AccountId,
    pub region: Region,
    pub name: QueueName,
}

impl QueuePath {
    const RULE: &'static str = "a queue id, or namespaces/{account}/queues/{queue}";

    pub fn new(namespace: Namespace, name: QueueName) -> Self {
        let Namespace { account, region } = namespace;
        Self { account, region, name }
    }

    /// Reads a full name, or a bare queue id, which means a queue of `home`.
    pub fn parse(text: &str, home: Namespace) -> Result<Self, NameError> {
        let Some(rest) = text.strip_prefix("namespaces/") else {
            return Ok(Self::new(home, QueueName::parse(text)?));
        };
        let Some((namespace, name)) = rest.split_once("/queues/") else {
            return Err(NameError { what: "queue name", value: text.into(), rule: Self::RULE });
        };
        Ok(Self::new(Namespace::parse(namespace, home)?, QueueName::parse(name)?))
    }

    /// The first place a queue of this namespace whose name is `text` or behind it can have in the order of paths.
    pub(crate) fn place(namespace: Namespace, text: &str) -> Self {
        Self::new(namespace, QueueName(text.into()))
    }

    /// Whether the queue is one of this namespace.
    pub fn is_in(&self, namespace: &Namespace) -> bool {
        self.account == namespace.account && self.region == namespace.region
    }

    pub fn namespace(&self) -> Namespace {
        Namespace { account: self.account.clone(), region: self.region.clone() }
    }

    /// The name as somebody in `region` writes it: without the region when it is the same.
    pub fn seen_from<'a>(&'a self, region: &'a Region) -> SeenFrom<'a> {
        SeenFrom { path: self, region }
    }

    /// The ARN of the AWS protocols.
    pub fn arn(&self) -> String {
        format!("arn:aws:sqs:{}:{}:{}", self.region, self.account, self.name)
    }
}

impl fmt::Display for QueuePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "namespaces/{}@{}/queues/{}", self.account, self.region, self.name)
    }
}

/// See [`QueuePath::seen_from`].
#[derive(Clone, Copy, Debug)]
pub struct SeenFrom<'a> {
    path: &'a QueuePath,
    region: &'a Region,
}

impl fmt::Display for SeenFrom<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, region } = self;
        if path.region == **region {
            return write!(f, "namespaces/{}/queues/{}", path.account, path.name);
        }
        path.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_name_follows_the_aws_rule() {
        for good in ["a", "A-b_9", "x.fifo", &"q".repeat(80)] {
            assert!(QueueName::parse(good).is_ok(), "{good}");
        }
        for bad in ["", ".fifo", "a b", "a.b", "ä", "a.fifo.fifo", &"q".repeat(81)] {
            assert!(QueueName::parse(bad).is_err(), "{bad}");
        }
    }

    fn home() -> Namespace {
        Namespace::parse("000000000000@us-east-1", somewhere()).expect("valid")
    }

    fn somewhere() -> Namespace {
        Namespace {
            account: AccountId::parse("999999999999").expect("valid"),
            region: Region::parse("local").expect("valid"),
        }
    }

    #[test]
    fn a_bare_id_means_the_callers_namespace() {
        let bare = QueuePath::parse("orders", home()).expect("valid");
        assert_eq!(bare.to_string(), "namespaces/000000000000@us-east-1/queues/orders");
        assert_eq!(bare.seen_from(&home().region).to_string(), "namespaces/000000000000/queues/orders");
        assert_eq!(QueuePath::parse(&bare.to_string(), somewhere()), Ok(bare.clone()));
        assert_eq!(QueuePath::parse("namespaces/default/queues/orders", home()), Ok(bare.clone()));
        assert_eq!(bare.arn(), "arn:aws:sqs:us-east-1:000000000000:orders");
        for bad in [
            "namespaces/12/queues/a",
            "namespaces/123456789012/topics/a",
            "namespaces/123456789012@/queues/a",
            "namespaces/123456789012@a b/queues/a",
            "namespaces/@us-east-1/queues/a",
        ] {
            assert!(QueuePath::parse(bad, home()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_namespace_without_a_region_means_the_callers_region() {
        let near = QueuePath::parse("namespaces/123456789012/queues/a", home()).expect("valid");
        let far = QueuePath::parse("namespaces/123456789012@eu-north-1/queues/a", home()).expect("valid");
        assert_eq!((near.region.as_str(), far.region.as_str()), ("us-east-1", "eu-north-1"));
        assert_ne!(near, far);
        assert_eq!(far.seen_from(&home().region).to_string(), "namespaces/123456789012@eu-north-1/queues/a");
        let own = QueuePath::parse("namespaces/default@eu-north-1/queues/a", home()).expect("valid");
        assert_eq!(own.to_string(), "namespaces/000000000000@eu-north-1/queues/a");
    }
}
