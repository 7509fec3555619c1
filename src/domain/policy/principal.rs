//! Whom a statement of a queue's policy is about.

use super::{
    error::{PolicyError, quoted},
    json::Node,
    request::{Arn, Principal},
};

/// How a principal names a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Named {
    No,
    /// By its account: which says that the account may let it, not that it may.
    ByAccount,
    /// By its own name, or as everybody.
    Itself,
}

/// Who, or who not.
#[derive(Clone, Debug)]
pub(super) struct Principals {
    list: Box<[Who]>,
    /// `NotPrincipal`: everybody but these.
    negated: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Who {
    Everybody,
    Account(Box<str>),
    User(Box<str>),
    /// A service, a federation, somebody who is gone: no caller here is one.
    Other,
}

const ALLOWED: &str = "\"*\", or an object of AWS, Service, Federated or CanonicalUser";
const ALLOWED_AWS: &str =
    "\"*\", an account of 12 digits, arn:aws:iam::ACCOUNT:root, or the arn or id of a user or role";

impl Principals {
    pub(super) fn parse(node: &Node<'_>, negated: bool, place: &str) -> Result<Self, PolicyError> {
        if node.text() == Some("*") {
            return Ok(Self { list: [Who::Everybody].into(), negated });
        }
        let kinds = node.members().filter(|kinds| !kinds.is_empty());
        let mut list = Vec::new();
        for kind in kinds.ok_or_else(|| PolicyError::element(place, node.spell(), ALLOWED))? {
            let place = format!("{place}.{}", kind.name);
            if !matches!(&*kind.name, "AWS" | "Service" | "Federated" | "CanonicalUser") {
                return Err(PolicyError::element(place, quoted(&kind.name), ALLOWED));
            }
            let items = kind.node.items();
            if items.is_empty() {
                return Err(PolicyError::element(place, kind.node.spell(), "one principal or more"));
            }
            for item in items {
                list.push(who(&kind.name, item, &place)?);
            }
        }
        Ok(Self { list: list.into(), negated })
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn name(&self, caller: &Principal<'_>) -> Named {
        let named = self.list.iter().map(|who| who.names(caller)).max().unwrap_or(Named::No);
        match (self.negated, named) {
            (false, named) => named,
            (true, Named::No) => Named::Itself,
            (true, Named::ByAccount | Named::Itself) => Named::No,
        }
    }
}

impl Who {
    fn names(&self, caller: &Principal<'_>) -> Named {
        match self {
            Self::Everybody => Named::Itself,
            // The whole account is the account itself.
            Self::Account(account) if **account == *caller.account && caller.arn.ends_with(":root") => Named::Itself,
            Self::Account(account) if **account == *caller.account => Named::ByAccount,
            Self::User(user) if **user == *caller.arn => Named::Itself,
            Self::Account(_) | Self::User(_) | Self::Other => Named::No,
        }
    }
}

fn who(kind: &str, node: &Node<'_>, place: &str) -> Result<Who, PolicyError> {
    let Some(text) = node.text() else {
        return Err(PolicyError::element(place, node.spell(), "a string, or a list of them"));
    };
    match kind {
        "AWS" => aws(text).ok_or_else(|| PolicyError::element(place, quoted(text), ALLOWED_AWS)),
        _ if text.is_empty() => Err(PolicyError::element(place, "empty", "a name")),
        "Service" if text == "*" => Ok(Who::Other),
        "Service" if !text.contains('.') => {
            Err(PolicyError::element(place, quoted(text), "a service such as sns.amazonaws.com"))
        }
        _ => Ok(Who::Other),
    }
}

fn aws(text: &str) -> Option<Who> {
    if text == "*" {
        return Some(Who::Everybody);
    }
    if is_account(text) {
        return Some(Who::Account(text.into()));
    }
    if let Some(arn) = Arn::parse(text) {
        let named = matches!(arn.service, "iam" | "sts") && is_account(arn.account) && !arn.resource.contains('*');
        return match arn.resource {
            "root" if named => Some(Who::Account(arn.account.into())),
            resource if named && resource.contains('/') => Some(Who::User(text.into())),
            _ => None,
        };
    }
    // The id that a deleted user leaves in a policy. It names nobody any more, and is kept as it is.
    let is_id = (16..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_id.then_some(Who::Other)
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}
