//! One statement: an effect for some principals, actions and resources, under conditions.

use super::{
    action::Action,
    arn::ArnPattern,
    condition::{self, Condition},
    error::{PolicyError, quoted},
    json::{Member, Node},
    pattern,
    principal::{Named, Principals},
    request::Request,
};

/// What a policy hangs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A caller: the statements are about it, so they name no principals.
    Identity,
    /// A queue: the statements say whom they are about.
    Queue,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    Allow,
    Deny,
}

#[derive(Clone, Debug)]
pub(super) struct Statement {
    pub(super) sid: Option<Box<str>>,
    pub(super) effect: Effect,
    /// Actions, one bit each.
    pub(super) actions: u128,
    /// `None`: the caller whose policy it is.
    pub(super) principals: Option<Principals>,
    resources: Resources,
    pub(super) conditions: Box<[Condition]>,
    /// Written under `Action` or `NotAction`.
    pub(super) action_count: usize,
}

#[derive(Clone, Debug)]
struct Resources {
    /// `None`: the queue whose policy it is.
    list: Option<Box<[ArnPattern]>>,
    /// `NotResource`: everything but these.
    negated: bool,
}

/// The bit of an action.
pub(super) fn bit(action: Action) -> u128 {
    1 << action as u32
}

const NAMES: &[&str] =
    &["Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"];

/// Batches are judged as their single action; policies may name them so.
const BATCHES: &[(&str, Action)] = &[
    ("sqs:SendMessageBatch", Action::Send),
    ("sqs:DeleteMessageBatch", Action::DeleteMessage),
    ("sqs:ChangeMessageVisibilityBatch", Action::ChangeVisibility),
];

impl Statement {
    /// How the statement names the caller; `No` when it does not apply to the request.
    pub(super) fn applies(&self, request: &Request<'_>) -> Named {
        if self.actions & bit(request.action) == 0 {
            return Named::No;
        }
        let named = self.principals.as_ref().map_or(Named::Itself, |principals| principals.name(&request.principal));
        let fits = named != Named::No
            && self.resources.hold(request)
            && self.conditions.iter().all(|condition| condition.holds(request));
        if fits { named } else { Named::No }
    }

    /// Reads the statement that stands at `place`.
    pub(super) fn parse(node: &Node<'_>, owner: Owner, variables: bool, place: &str) -> Result<Self, PolicyError> {
        let Some(members) = node.members() else {
            return Err(PolicyError::element(place, node.spell(), "an object"));
        };
        if let Some(stranger) = members.iter().find(|member| !NAMES.contains(&&*member.name)) {
            return Err(PolicyError::element(place, quoted(&stranger.name), NAMES.join(", ")));
        }
        let reader = Elements { members, place };
        let (actions, action_count) = reader.actions(owner)?;
        Ok(Self {
            sid: reader.sid()?,
            effect: reader.effect()?,
            principals: reader.principals(owner)?,
            actions,
            action_count,
            resources: reader.resources(owner, variables)?,
            conditions: match reader.find("Condition") {
                Some(node) => condition::parse(node, variables, &format!("{place}.Condition"))?,
                None => Box::default(),
            },
        })
    }
}

impl Resources {
    fn hold(&self, request: &Request<'_>) -> bool {
        let Some(list) = &self.list else { return true };
        list.iter().any(|pattern| pattern.matches(&request.resource, request)) != self.negated
    }
}

/// The elements of a statement as they are read.
struct Elements<'a> {
    members: &'a [Member<'a>],
    place: &'a str,
}

impl<'a> Elements<'a> {
    fn find(&self, name: &str) -> Option<&'a Node<'a>> {
        self.members.iter().find(|member| member.name == name).map(|member| &member.node)
    }

    /// Which of an element and its opposite is given; never both.
    fn either(&self, name: &str) -> Result<Option<(&'a Node<'a>, bool, String)>, PolicyError> {
        let opposite = format!("Not{name}");
        match (self.find(name), self.find(&opposite)) {
            (Some(_), Some(_)) => {
                Err(PolicyError::element(self.place, format!("{name} with {opposite}"), "one of the two"))
            }
            (Some(node), None) => Ok(Some((node, false, format!("{}.{name}", self.place)))),
            (None, Some(node)) => Ok(Some((node, true, format!("{}.{opposite}", self.place)))),
            (None, None) => Ok(None),
        }
    }

    fn sid(&self) -> Result<Option<Box<str>>, PolicyError> {
        let Some(node) = self.find("Sid") else { return Ok(None) };
        match node.text() {
            Some(text) => Ok(Some(text).filter(|text| !text.is_empty()).map(Into::into)),
            None => Err(PolicyError::element(format!("{}.Sid", self.place), node.spell(), "a string")),
        }
    }

    fn effect(&self) -> Result<Effect, PolicyError> {
        const ALLOWED: &str = "\"Allow\" or \"Deny\"";
        let place = || format!("{}.Effect", self.place);
        let Some(node) = self.find("Effect") else {
            return Err(PolicyError::element(place(), "missing", ALLOWED));
        };
        match node.text() {
            Some("Allow") => Ok(Effect::Allow),
            Some("Deny") => Ok(Effect::Deny),
            _ => Err(PolicyError::element(place(), node.spell(), ALLOWED)),
        }
    }

    fn principals(&self, owner: Owner) -> Result<Option<Principals>, PolicyError> {
        match (self.either("Principal")?, owner) {
            (Some((node, negated, place)), Owner::Queue) => Principals::parse(node, negated, &place).map(Some),
            (None, Owner::Identity) => Ok(None),
            (Some((.., place)), Owner::Identity) => {
                Err(PolicyError::element(place, "set", "none in the policy of a caller, which is its principal"))
            }
            (None, Owner::Queue) => {
                Err(PolicyError::element(format!("{}.Principal", self.place), "missing", "Principal or NotPrincipal"))
            }
        }
    }

    /// The set of actions, and how many names were written.
    fn actions(&self, owner: Owner) -> Result<(u128, usize), PolicyError> {
        let Some((node, negated, place)) = self.either("Action")? else {
            return Err(PolicyError::element(format!("{}.Action", self.place), "missing", "Action or NotAction"));
        };
        let names = texts(node, &place)?;
        let mut set = 0;
        for name in &names {
            if *name != "*"
                && !name.split_once(':').is_some_and(|(service, what)| !service.is_empty() && !what.is_empty())
            {
                return Err(PolicyError::element(
                    place,
                    quoted(name),
                    "\"*\", or service:action such as sqs:SendMessage",
                ));
            }
            let found = actions_of(name);
            if found == 0 && owner == Owner::Queue {
                let allowed = "an action of queues such as sqs:SendMessage, sqs:* or *";
                return Err(PolicyError::element(place, quoted(name), allowed));
            }
            set |= found;
        }
        Ok((if negated { !set } else { set }, names.len()))
    }

    fn resources(&self, owner: Owner, variables: bool) -> Result<Resources, PolicyError> {
        let Some((node, negated, place)) = self.either("Resource")? else {
            return match owner {
                Owner::Queue => Ok(Resources { list: None, negated: false }),
                Owner::Identity => {
                    let place = format!("{}.Resource", self.place);
                    Err(PolicyError::element(place, "missing", "Resource or NotResource"))
                }
            };
        };
        let parse = |text: &&str| ArnPattern::parse(text, variables, &place);
        let list = texts(node, &place)?.iter().map(parse).collect::<Result<_, _>>()?;
        Ok(Resources { list: Some(list), negated })
    }
}

fn actions_of(name: &str) -> u128 {
    let named = Action::ALL.iter().filter(|action| pattern::matches_any_case(name, action.as_str()));
    let batch = BATCHES.iter().filter(|(batch, _)| batch.eq_ignore_ascii_case(name)).map(|(_, action)| action);
    named.chain(batch).fold(0, |set, action| set | bit(*action))
}

/// A string or a list of strings, at least one.
fn texts<'a>(node: &'a Node<'a>, place: &str) -> Result<Vec<&'a str>, PolicyError> {
    const ALLOWED: &str = "a string, or a list of them";
    let items = node.items();
    if items.is_empty() {
        return Err(PolicyError::element(place, node.spell(), ALLOWED));
    }
    let text = |item: &'a Node<'a>| item.text().ok_or_else(|| PolicyError::element(place, item.spell(), ALLOWED));
    items.iter().map(text).collect()
}
