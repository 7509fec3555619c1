//! Who may do what: every use case asks here before it does anything, and nowhere else is it decided.
//!
//! A caller without policies has every right in its own account; that costs a comparison. Everything else is judged by
//! the policies of the caller's key and of the queue. A refusal never tells whether a queue exists: without a permission
//! the answer is the same for one that does not.
//!
//! The server itself belongs to the server's own account.

use super::{
    audit,
    broker::{Broker, Caller},
    words::{Notes, QueueDefinition},
};
use crate::{
    base::{
        name::{AccountId, Namespace, QueuePath},
        reason::{Reason, Refusal},
        stream_name::StreamPath,
    },
    domain::policy::{
        action,
        decide::{Decision, Refused, Source, decide},
        document::Policy,
        request::{Arn, Context, Principal, Request, Tags},
    },
};
/// Everything a caller can ask for.
pub type Action = action::Action;

/// What an action is about.
#[derive(Clone, Copy, Debug)]
pub enum Resource<'a> {
    /// With what it is, when it exists.
    Queue(&'a QueuePath, Option<&'a QueueDefinition>),
    /// With what is set of it, when it exists.
    Stream(&'a StreamPath, Option<&'a Notes>),
    Namespace(&'a Namespace),
    /// Something that bears no policy of its own: its service, whose it is, and the last part of its arn.
    Part(&'static str, &'a Namespace, &'a str),
    Server,
}

/// The statement that decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deciding {
    /// Whose policy, and which of several.
    pub policy: String,
    /// Its Sid, or its number.
    pub statement: String,
}

impl Broker {
    /// Refuses with `ACCESS_DENIED` what the caller may not do.
    pub(super) fn authorise(&self, caller: &Caller, action: Action, resource: Resource<'_>) -> Result<(), Refusal> {
        self.authorise_with(caller, action, resource, Tags::None)
    }

    /// `tags`: what the call brings of them.
    pub(super) fn authorise_with(
        &self,
        caller: &Caller,
        action: Action,
        resource: Resource<'_>,
        tags: Tags<'_>,
    ) -> Result<(), Refusal> {
        let unquestioned = caller.identity.policies.is_empty()
            && *self.owner(caller, action, resource) == caller.account
            && resource.access().is_none_or(|policy| !policy.may_deny(action));
        if unquestioned {
            audit::allowed(caller, action, resource);
            return Ok(());
        }
        self.judge(caller, action, resource, tags)
    }

    /// Asks again for a call that goes on: policies may have changed since it began.
    pub(super) fn authorise_still(
        &self,
        caller: &Caller,
        action: Action,
        queue: &QueueDefinition,
    ) -> Result<(), Refusal> {
        let current = self.engine.queue_by_id(queue.id);
        self.authorise(caller, action, Resource::Queue(&queue.path, Some(current.as_deref().unwrap_or(queue))))
    }

    /// Judges by every policy there is.
    #[cold]
    fn judge(&self, caller: &Caller, action: Action, resource: Resource<'_>, tags: Tags<'_>) -> Result<(), Refusal> {
        let request = self.request(caller, action, resource, tags);
        match decide(&request, &caller.identity.policies, resource.access()) {
            Decision::Allowed(_) => {
                audit::allowed(caller, action, resource);
                Ok(())
            }
            Decision::Denied(why) => {
                let refusal = denied(&request, &why);
                let deciding = match &why {
                    Refused::Explicitly(source) => Some(Deciding::of(source, &request)),
                    Refused::NoIdentityStatement | Refused::NoQueueStatement | Refused::OwnerOnly => None,
                };
                audit::denied(caller, action, resource, &refusal, deciding.as_ref());
                Err(refusal)
            }
        }
    }

    /// What policies are asked.
    pub(super) fn request<'a>(
        &'a self,
        caller: &'a Caller,
        action: Action,
        resource: Resource<'a>,
        request_tags: Tags<'a>,
    ) -> Request<'a> {
        let (service, region, name) = match resource {
            Resource::Queue(path, _) => ("sqs", &path.region, path.name.as_str()),
            Resource::Stream(path, _) => ("kinesis", &path.region, path.name.as_resource()),
            Resource::Namespace(namespace) => (action.parts().0, &namespace.region, ""),
            Resource::Part(service, namespace, name) => (service, &namespace.region, name),
            Resource::Server => ("forebay", self.region(), "server"),
        };
        let account = self.owner(caller, action, resource).as_str();
        Request {
            action,
            resource: Arn { partition: Arn::PARTITION, service, region: region.as_str(), account, resource: name },
            principal: Principal { account: caller.account.as_str(), arn: &caller.identity.arn, id: &caller.principal },
            context: Context {
                now: self.now(),
                source_ip: caller.via.source_ip,
                secure: caller.via.secure,
                request_tags,
                resource_tags: resource.tags(),
                source_arn: None,
                source_account: None,
            },
        }
    }

    /// The account that says who may do this.
    fn owner<'a>(&'a self, caller: &'a Caller, action: Action, resource: Resource<'a>) -> &'a AccountId {
        match resource {
            Resource::Queue(path, _) => &path.account,
            Resource::Stream(path, _) => &path.account,
            Resource::Namespace(namespace) | Resource::Part(_, namespace, _) => &namespace.account,
            // What every client asks before it does anything.
            Resource::Server if action == Action::GetServerInfo => &caller.account,
            Resource::Server => &self.facts.account,
        }
    }
}

impl<'a> Resource<'a> {
    /// The policy that hangs on it.
    pub(super) fn access(self) -> Option<&'a Policy> {
        match self {
            Self::Queue(_, definition) => definition?.access.as_deref(),
            Self::Stream(_, notes) => notes?.access.as_deref(),
            Self::Namespace(_) | Self::Part(..) | Self::Server => None,
        }
    }

    fn tags(self) -> Tags<'a> {
        match self {
            Self::Queue(_, definition) => definition.map_or(Tags::None, |queue| Tags::Pairs(&queue.options.tags)),
            Self::Stream(_, notes) => notes.map_or(Tags::None, |notes| Tags::Pairs(&notes.tags)),
            Self::Namespace(_) | Self::Part(..) | Self::Server => Tags::None,
        }
    }
}

impl Deciding {
    pub(super) fn of(source: &Source<'_>, request: &Request<'_>) -> Self {
        let (which, whose) = match source {
            Source::Identity { index, .. } => (format!("policies[{index}]"), request.principal.arn.to_owned()),
            Source::Queue { .. } => ("policy".to_owned(), request.resource.to_string()),
        };
        let id = source.policy_id().map(|id| format!(" {id:?}")).unwrap_or_default();
        Self { policy: format!("{which}{id} of {whose}"), statement: source.statement_name() }
    }
}

/// Says who may not do what, and what sort of policy is to blame, but not what it says.
fn denied(request: &Request<'_>, why: &Refused<'_>) -> Refusal {
    let (who, action, resource) = (request.principal.arn, request.action.as_str(), request.resource);
    let why = why.sentence(request.action);
    let message = format!("User: {who} is not authorized to perform: {action} on resource: {resource} {why}");
    let refusal = Refusal::new(Reason::AccessDenied, message);
    refusal.with("action", action).with("resource", resource).with("namespace", resource.account)
}
