//! Explains a decision without making it: whether a principal may do something, and which statement says so. The judge
//! is the one that every call has.

use super::{
    authorise::{Action, Deciding, Resource},
    broker::{Broker, Caller, Identity, Via, parse_namespace},
    check,
    words::{Notes, QueueDefinition},
};
use crate::{
    base::{
        name::{AccountId, Namespace, QueueName, QueuePath, Region},
        reason::{Reason, Refusal},
        stream_name::StreamPath,
        stream_queue_arn::StreamQueueArn,
    },
    domain::{
        policy::{
            action::Scope,
            decide::{Decision, Ground, Refused, decide},
            request::{Arn, Tags},
        },
        table::schema::TableName,
    },
};
use std::sync::Arc;

/// Users of one account whose keys are looked through for a name.
const KEYS_LOOKED_AT: usize = 10_000;

#[derive(Clone, Debug, Default)]
pub struct Explain {
    /// An access key's id, a user's arn, or an account. Empty: the caller.
    pub principal: String,
    /// `sqs:SendMessage`, in any case.
    pub action: String,
    /// The name or arn of a queue, a stream or a table; for actions on an account, its namespace; for the server's nothing.
    pub resource: String,
    /// Where the call would come from. Empty: nowhere that conditions could ask about.
    pub source_ip: String,
    /// Whether it would come over TLS.
    pub secure: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    pub allowed: bool,
    /// The statements that decided: of the caller's side first. None: no statement did.
    pub deciding: Vec<Deciding>,
    /// One sentence for people.
    pub explanation: String,
}

/// What an action is about.
enum About {
    Queue(QueuePath, Option<Arc<QueueDefinition>>),
    Stream(StreamPath, Option<Arc<Notes>>),
    Namespace(Namespace),
    /// Of which service, whose, and the last part of its arn.
    Part(&'static str, Namespace, String),
    Server,
}

impl Broker {
    /// A caller explains what concerns its own account; the server's account, everything.
    ///
    /// # Errors
    /// `ACCESS_DENIED`; `ACCESS_KEY_NOT_FOUND`: no key stands for the principal; `INVALID_ARGUMENT`.
    pub fn explain_access(&self, caller: &Caller, request: &Explain) -> Result<Explained, Refusal> {
        let action = Action::parse(&request.action).ok_or_else(|| {
            let limit = "an action such as sqs:SendMessage or forebay:PeekMessages";
            check::outside("action", format!("{:?}", check::shorten(&request.action)), limit)
        })?;
        let (account, named) = self.principal_account(caller, &request.principal)?;
        self.may_explain(caller, &account)?;
        let about = self.about(caller, action, &request.resource)?;
        match &about {
            About::Queue(path, _) => self.may_explain(caller, &path.account)?,
            About::Stream(path, _) => self.may_explain(caller, &path.account)?,
            About::Namespace(namespace) | About::Part(_, namespace, _) => {
                self.may_explain(caller, &namespace.account)?
            }
            About::Server => self.may_explain(caller, &self.facts.account)?,
        }
        let source_ip = match request.source_ip.as_str() {
            "" => None,
            text => Some(text.parse().map_err(|_| {
                check::outside("source_ip", format!("{:?}", check::shorten(text)), "an address of IPv4 or IPv6")
            })?),
        };
        let via = Via { source_ip, secure: request.secure };
        let asked = Caller { via, ..stand_in(caller, account, named) };
        Ok(self.explained(&asked, action, about.resource()))
    }

    fn explained(&self, asked: &Caller, action: Action, resource: Resource<'_>) -> Explained {
        let request = self.request(asked, action, resource, Tags::None);
        let decision = decide(&request, &asked.identity.policies, resource.access());
        let (who, name, what) = (request.principal.arn, action.as_str(), request.resource);
        let may = format!("{who} may perform {name} on {what}");
        let may_not = format!("{who} may not perform {name} on {what}");
        let (allowed, deciding, explanation) = match &decision {
            Decision::Allowed(Ground::OwnAccount) => {
                (true, Vec::new(), format!("{may}: it has no policies, and so every right in its own account"))
            }
            Decision::Allowed(Ground::Statement(source)) => {
                (true, vec![source], format!("{may}: a statement allows it"))
            }
            Decision::Allowed(Ground::Both(None, queue)) => {
                let why = "the queue's policy allows it, and the caller, of another account, has no policies";
                (true, vec![queue], format!("{may}: {why}"))
            }
            Decision::Allowed(Ground::Both(Some(identity), queue)) => {
                let why = "its own policy and the queue's, of another account, allow it";
                (true, vec![identity, queue], format!("{may}: {why}"))
            }
            Decision::Denied(why @ Refused::Explicitly(source)) => {
                (false, vec![source], format!("{may_not}, {}", why.sentence(action)))
            }
            Decision::Denied(why @ (Refused::NoIdentityStatement | Refused::NoQueueStatement | Refused::OwnerOnly)) => {
                (false, Vec::new(), format!("{may_not}, {}", why.sentence(action)))
            }
        };
        let deciding = deciding.into_iter().map(|source| Deciding::of(source, &request)).collect();
        Explained { allowed, deciding, explanation }
    }

    fn may_explain(&self, caller: &Caller, account: &AccountId) -> Result<(), Refusal> {
        // The server's own account stands for whoever runs the server.
        let account = if caller.account == self.facts.account { &caller.account } else { account };
        let namespace = Namespace { account: account.clone(), region: caller.region.clone() };
        self.authorise(caller, Action::ExplainAccess, Resource::Namespace(&namespace))
    }

    fn about(&self, caller: &Caller, action: Action, resource: &str) -> Result<About, Refusal> {
        match action.scope() {
            Scope::Server => Ok(About::Server),
            Scope::Namespace => parse_namespace(caller, resource).map(About::Namespace).map_err(|r| r.at("resource")),
            Scope::Table => table_of(caller, resource).ok_or_else(|| {
                let limit = "a table's name, or arn:aws:dynamodb:REGION:ACCOUNT:table/TABLE";
                check::outside("resource", format!("{:?}", check::shorten(resource)), limit)
            }),
            Scope::Queue => {
                let path = match Arn::parse(resource) {
                    Some(arn) => path_of(&arn).ok_or_else(|| not_a_queue(resource))?,
                    None => QueuePath::parse(resource, caller.namespace()).map_err(|_| not_a_queue(resource))?,
                };
                let found = self.engine.find_queue(&path).ok();
                Ok(About::Queue(path, found))
            }
            Scope::Stream => {
                if let Some(arn) = StreamQueueArn::parse(resource) {
                    return Ok(About::Part("kinesis", arn.namespace(), arn.resource()));
                }
                let path = match Arn::parse(resource) {
                    Some(_) => StreamPath::parse_arn(resource).ok_or_else(|| not_a_stream(resource))?,
                    None => StreamPath::parse(resource, caller.namespace()).map_err(|_| not_a_stream(resource))?,
                };
                let notes = self.engine.find_stream(&path).ok().map(|stream| stream.notes());
                Ok(About::Stream(path, notes))
            }
        }
    }

    /// The account of the principal, and the identity when it is that of a key.
    fn principal_account(
        &self,
        caller: &Caller,
        principal: &str,
    ) -> Result<(AccountId, Option<Arc<Identity>>), Refusal> {
        if principal.is_empty() {
            return Ok((caller.account.clone(), Some(caller.identity.clone())));
        }
        if let Ok(account) = AccountId::parse(principal) {
            return Ok((account, None));
        }
        if let Some(arn) = Arn::parse(principal) {
            let account = AccountId::parse(arn.account).ok().filter(|_| arn.service == "iam");
            let account = account.ok_or_else(|| not_a_principal(principal))?;
            if arn.resource == "root" {
                return Ok((account, None));
            }
            // Nobody learns whose users another account has.
            self.may_explain(caller, &account)?;
            return Ok((account.clone(), Some(self.user(&account, principal)?)));
        }
        let visible = |account: &AccountId| *account == caller.account || caller.account == self.facts.account;
        let key = self.access.find(principal).filter(|key| visible(&key.account));
        let key = key.ok_or_else(|| no_key(principal))?;
        Ok((key.account.clone(), Some(key.identity.clone())))
    }

    /// The identity that all keys of a user share.
    fn user(&self, account: &AccountId, arn: &str) -> Result<Arc<Identity>, Refusal> {
        let keys = self.access.list(Some(account), "", KEYS_LOOKED_AT);
        let mut of_user = keys.iter().filter(|key| key.identity.arn == arn).map(|key| &key.identity);
        let first = of_user.next().ok_or_else(|| no_key(arn))?;
        match of_user.find(|other| other.policies != first.policies) {
            None => Ok(first.clone()),
            Some(_) => {
                let limit = "the id of one of the user's keys, because their policies differ";
                Err(check::outside("principal", arn, limit))
            }
        }
    }
}

/// The caller that would ask.
fn stand_in(caller: &Caller, account: AccountId, named: Option<Arc<Identity>>) -> Caller {
    let arn = format!("arn:aws:iam::{account}:root");
    let identity = named.unwrap_or_else(|| Arc::new(Identity { arn, key_id: None, policies: Vec::new() }));
    Caller { principal: identity.arn.as_str().into(), identity, account, ..caller.clone() }
}

impl About {
    fn resource(&self) -> Resource<'_> {
        match self {
            Self::Queue(path, definition) => Resource::Queue(path, definition.as_deref()),
            Self::Stream(path, notes) => Resource::Stream(path, notes.as_deref()),
            Self::Namespace(namespace) => Resource::Namespace(namespace),
            Self::Part(service, namespace, name) => Resource::Part(service, namespace, name),
            Self::Server => Resource::Server,
        }
    }
}

fn path_of(arn: &Arn<'_>) -> Option<QueuePath> {
    let account = AccountId::parse(arn.account).ok().filter(|_| arn.service == "sqs")?;
    let namespace = Namespace { account, region: Region::parse(arn.region).ok()? };
    Some(QueuePath::new(namespace, QueueName::parse(arn.resource).ok()?))
}

fn table_of(caller: &Caller, resource: &str) -> Option<About> {
    let (namespace, name) = match Arn::parse(resource) {
        Some(arn) if arn.service == "dynamodb" => {
            let (account, region) = (AccountId::parse(arn.account).ok()?, Region::parse(arn.region).ok()?);
            (Namespace { account, region }, arn.resource.strip_prefix("table/")?.to_owned())
        }
        Some(_) => return None,
        None => (caller.namespace(), resource.to_owned()),
    };
    TableName::parse(name.split('/').next()?)?;
    Some(About::Part("dynamodb", namespace, format!("table/{name}")))
}

fn not_a_queue(resource: &str) -> Refusal {
    let limit = "a queue's name, or arn:aws:sqs:REGION:ACCOUNT:QUEUE";
    check::outside("resource", format!("{:?}", check::shorten(resource)), limit)
}

fn not_a_stream(resource: &str) -> Refusal {
    let limit = "a stream's name, or arn:aws:kinesis:REGION:ACCOUNT:stream/STREAM";
    check::outside("resource", format!("{:?}", check::shorten(resource)), limit)
}

fn not_a_principal(principal: &str) -> Refusal {
    let limit = "an access key's id, arn:aws:iam::ACCOUNT:user/NAME, or an account of 12 digits";
    check::outside("principal", format!("{:?}", check::shorten(principal)), limit)
}

fn no_key(principal: &str) -> Refusal {
    let message = format!("no access key stands for {:?}", check::shorten(principal));
    Refusal::new(Reason::AccessKeyNotFound, message).at("principal")
}
