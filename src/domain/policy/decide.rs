//! All policies together: an explicit denial beats every permission, and without a permission nothing is allowed. In
//! its own account a caller needs one, of its own policies or of the queue's; in another account it needs both.

use super::{
    action::{Action, Reach},
    document::{Policy, Verdict},
    request::Request,
};
use std::borrow::Borrow;

/// Where a deciding statement stands.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    /// One of the caller's policies, counted from 0.
    Identity { index: usize, policy: &'a Policy, statement: usize },
    /// The queue's policy.
    Queue { policy: &'a Policy, statement: usize },
}

/// What was decided, and by what.
#[derive(Clone, Copy, Debug)]
pub enum Decision<'a> {
    Allowed(Ground<'a>),
    Denied(Refused<'a>),
}

/// Why a call is allowed.
#[derive(Clone, Copy, Debug)]
pub enum Ground<'a> {
    /// The caller has no policies, and so every right in its own account.
    OwnAccount,
    Statement(Source<'a>),
    /// In another account: the caller's side, `None` when it has no policies, and the queue's.
    Both(Option<Source<'a>>, Source<'a>),
}

/// Why a call is not allowed.
#[derive(Clone, Copy, Debug)]
pub enum Refused<'a> {
    Explicitly(Source<'a>),
    /// No policy of the caller allows it; nor does the queue's where that would do.
    NoIdentityStatement,
    /// In another account: the queue's policy does not allow it.
    NoQueueStatement,
    /// Only callers of the account that owns the resource may do this.
    OwnerOnly,
}

impl Decision<'_> {
    pub fn is_allowed(&self) -> bool {
        matches!(self, Self::Allowed(_))
    }
}

/// Judges a request by the caller's policies and the queue's.
pub fn decide<'a, P: Borrow<Policy>>(
    request: &Request<'_>,
    identity: &'a [P],
    queue: Option<&'a Policy>,
) -> Decision<'a> {
    let of_queue = queue.map_or(Verdict::Silent, |policy| policy.judge(request));
    let source_of_queue = |statement| queue.map(|policy| Source::Queue { policy, statement });
    let mut of_identity = None;
    for (index, policy) in identity.iter().enumerate() {
        let policy: &Policy = policy.borrow();
        match policy.judge(request) {
            Verdict::Denied(statement) => {
                return Decision::Denied(Refused::Explicitly(Source::Identity { index, policy, statement }));
            }
            Verdict::Allowed(statement) | Verdict::AccountAllowed(statement) => {
                of_identity = of_identity.or(Some(Source::Identity { index, policy, statement }));
            }
            Verdict::Silent => {}
        }
    }
    if let Verdict::Denied(statement) = of_queue
        && let Some(source) = source_of_queue(statement)
    {
        return Decision::Denied(Refused::Explicitly(source));
    }
    let is_own = request.principal.account == request.resource.account;
    match (of_queue, of_identity) {
        _ if !is_own && request.action.reach() == Reach::Owner => Decision::Denied(Refused::OwnerOnly),
        (_, Some(source)) if is_own => Decision::Allowed(Ground::Statement(source)),
        (_, None) if is_own && identity.is_empty() => Decision::Allowed(Ground::OwnAccount),
        (Verdict::Allowed(statement), None) if is_own => match source_of_queue(statement) {
            Some(source) => Decision::Allowed(Ground::Statement(source)),
            None => Decision::Denied(Refused::NoIdentityStatement),
        },
        _ if is_own => Decision::Denied(Refused::NoIdentityStatement),
        (_, None) if !identity.is_empty() => Decision::Denied(Refused::NoIdentityStatement),
        (Verdict::Allowed(statement) | Verdict::AccountAllowed(statement), source) => {
            match source_of_queue(statement) {
                Some(of_queue) => Decision::Allowed(Ground::Both(source, of_queue)),
                None => Decision::Denied(Refused::NoQueueStatement),
            }
        }
        (Verdict::Silent | Verdict::Denied(_), _) => Decision::Denied(Refused::NoQueueStatement),
    }
}

impl Refused<'_> {
    /// The end of the sentence "… is not authorized to perform … on resource …".
    pub fn sentence(&self, action: Action) -> String {
        let action = action.as_str();
        match self {
            Self::Explicitly(Source::Identity { .. }) => "with an explicit deny in an identity-based policy".to_owned(),
            Self::Explicitly(Source::Queue { .. }) => "with an explicit deny in a resource-based policy".to_owned(),
            Self::NoIdentityStatement => format!("because no identity-based policy allows the {action} action"),
            Self::NoQueueStatement => format!("because no resource-based policy allows the {action} action"),
            Self::OwnerOnly => format!("because only the account that owns the resource has the {action} action"),
        }
    }
}

impl Source<'_> {
    /// The policy's own Id, if it has one.
    pub fn policy_id(&self) -> Option<&str> {
        match self {
            Self::Identity { policy, .. } | Self::Queue { policy, .. } => policy.id(),
        }
    }

    /// The statement's Sid, or its number.
    pub fn statement_name(&self) -> String {
        match self {
            Self::Identity { policy, statement, .. } | Self::Queue { policy, statement } => {
                policy.statement_name(*statement)
            }
        }
    }
}
