//! Names that clients write: queue ids, namespaces, resource names, ARNs. Parsed once, valid for ever after.

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

/// A namespace: the 12-digit account id of the AWS protocols. "default" stands for the server's own.
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

/// A queue's full name: `namespaces/{namespace}/queues/{queue}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueuePath {
    pub account: AccountId,
    pub name: QueueName,
}

impl QueuePath {
    const RULE: &'static str = "a queue id, or namespaces/{namespace}/queues/{queue}";

    /// Reads a full name, or a bare queue id that means the caller's namespace.
    pub fn parse(text: &str, caller: &AccountId) -> Result<Self, NameError> {
        let Some(rest) = text.strip_prefix("namespaces/") else {
            return Ok(Self { account: caller.clone(), name: QueueName::parse(text)? });
        };
        let Some((namespace, name)) = rest.split_once("/queues/") else {
            return Err(NameError { what: "queue name", value: text.into(), rule: Self::RULE });
        };
        let account = if namespace == "default" { caller.clone() } else { AccountId::parse(namespace)? };
        Ok(Self { account, name: QueueName::parse(name)? })
    }

    /// The ARN of the AWS protocols.
    pub fn arn(&self, region: &str) -> String {
        format!("arn:aws:sqs:{region}:{}:{}", self.account, self.name)
    }
}

impl fmt::Display for QueuePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "namespaces/{}/queues/{}", self.account, self.name)
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

    #[test]
    fn a_bare_id_means_the_callers_namespace() {
        let caller = AccountId::parse("000000000000").expect("valid");
        let bare = QueuePath::parse("orders", &caller).expect("valid");
        assert_eq!(bare.to_string(), "namespaces/000000000000/queues/orders");
        assert_eq!(QueuePath::parse(&bare.to_string(), &caller), Ok(bare.clone()));
        assert_eq!(bare.arn("us-east-1"), "arn:aws:sqs:us-east-1:000000000000:orders");
        assert!(QueuePath::parse("namespaces/12/queues/a", &caller).is_err());
        assert!(QueuePath::parse("namespaces/123456789012/topics/a", &caller).is_err());
    }
}
