//! A whole policy: its text, kept to the byte, and what was compiled from it once.

use super::{
    action::Action,
    error::{Fault, PolicyError, quoted},
    json::{self, Node},
    principal::Named,
    request::Request,
    statement::{Effect, Owner, Statement, bit},
};
use crate::base::limits;
use std::fmt;

/// A valid policy. Compares by its text.
#[derive(Clone)]
pub struct Policy {
    text: Box<str>,
    id: Option<Box<str>>,
    statements: Box<[Statement]>,
    /// The actions that some statement may deny, and those that one may allow: most calls need no look at statements.
    denied: u128,
    allowed: u128,
}

/// What one policy says about a request. The number is the statement's, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Denied(usize),
    Allowed(usize),
    /// The caller's account is allowed to let it; by itself that lets nobody.
    AccountAllowed(usize),
    Silent,
}

impl Policy {
    /// Reads the policy of a caller or of a queue.
    pub fn parse(text: &str, owner: Owner) -> Result<Self, PolicyError> {
        const PLACE: &str = "the document";
        if text.len() > limits::POLICY_BYTES {
            let error = PolicyError::limit(PLACE, "bytes", text.len(), limits::POLICY_BYTES);
            return Err(PolicyError { fault: Fault::Size, ..error });
        }
        let root = json::parse(text)?;
        let Some(members) = root.members() else {
            return Err(PolicyError::element(PLACE, root.spell(), "an object"));
        };
        let known = ["Version", "Id", "Statement"];
        if let Some(stranger) = members.iter().find(|member| !known.contains(&&*member.name)) {
            return Err(PolicyError::element(PLACE, quoted(&stranger.name), known.join(", ")));
        }
        let find = |name: &str| members.iter().find(|member| member.name == name).map(|member| &member.node);
        let variables = version(find("Version"))?;
        let id = id(find("Id"))?;
        let statements = statements(find("Statement"), owner, variables)?;
        let of = |effect| {
            let statements = statements.iter().filter(move |statement| statement.effect == effect);
            statements.fold(0, |set, statement| set | statement.actions)
        };
        let (denied, allowed) = (of(Effect::Deny), of(Effect::Allow));
        Ok(Self { text: text.into(), id, statements, denied, allowed })
    }

    /// A policy that says nothing: it allows and denies nobody.
    pub fn of_nothing(text: &str) -> Self {
        Self { text: text.into(), id: None, statements: Box::default(), denied: 0, allowed: 0 }
    }

    /// The document as it was given.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// What to call a statement: its Sid, or its number.
    pub fn statement_name(&self, index: usize) -> String {
        let sid = self.statements.get(index).and_then(|statement| statement.sid.as_deref());
        sid.map_or_else(|| format!("Statement[{index}]"), ToOwned::to_owned)
    }

    /// Whether it might deny this action to somebody.
    pub fn may_deny(&self, action: Action) -> bool {
        self.denied & bit(action) != 0
    }

    /// A denial beats every permission; a permission of its own beats one of the account.
    pub fn judge(&self, request: &Request<'_>) -> Verdict {
        let bit = bit(request.action);
        let of = |effect| {
            let statements = self.statements.iter().enumerate();
            statements.filter(move |(_, statement)| statement.effect == effect)
        };
        if self.denied & bit != 0
            && let Some((index, _)) = of(Effect::Deny).find(|(_, statement)| statement.applies(request) != Named::No)
        {
            return Verdict::Denied(index);
        }
        if self.allowed & bit == 0 {
            return Verdict::Silent;
        }
        let mut by_account = None;
        for (index, statement) in of(Effect::Allow) {
            match statement.applies(request) {
                Named::Itself => return Verdict::Allowed(index),
                Named::ByAccount => by_account = by_account.or(Some(index)),
                Named::No => {}
            }
        }
        by_account.map_or(Verdict::Silent, Verdict::AccountAllowed)
    }
}

impl PartialEq for Policy {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Policy {}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Policy").field(&self.text).finish()
    }
}

/// Whether two documents are the same but for their spelling: spaces and the order of members say nothing.
pub fn same_document(one: &str, other: &str) -> bool {
    let parsed = || Some((json::parse(one).ok()?, json::parse(other).ok()?));
    one == other || parsed().is_some_and(|(one, other)| one.means(&other))
}

/// Whether policy variables are filled in. A document without a version is of the old one.
fn version(node: Option<&Node<'_>>) -> Result<bool, PolicyError> {
    let Some(node) = node else { return Ok(false) };
    match node.text() {
        Some("2012-10-17") => Ok(true),
        Some("2008-10-17") => Ok(false),
        _ => Err(PolicyError::element("Version", node.spell(), "\"2012-10-17\" or \"2008-10-17\"")),
    }
}

fn id(node: Option<&Node<'_>>) -> Result<Option<Box<str>>, PolicyError> {
    let Some(node) = node else { return Ok(None) };
    let text = node.text().ok_or_else(|| PolicyError::element("Id", node.spell(), "a string"))?;
    Ok(Some(text.into()))
}

fn statements(node: Option<&Node<'_>>, owner: Owner, variables: bool) -> Result<Box<[Statement]>, PolicyError> {
    const PLACE: &str = "Statement";
    let Some(node) = node else {
        return Err(PolicyError::element(PLACE, "missing", "a statement or a list of them"));
    };
    let nodes = node.items();
    if nodes.is_empty() {
        return Err(PolicyError::element(PLACE, node.spell(), "one statement or more"));
    }
    let parse = |(index, node)| Statement::parse(node, owner, variables, &format!("{PLACE}[{index}]"));
    let statements: Box<[Statement]> = nodes.iter().enumerate().map(parse).collect::<Result<_, _>>()?;
    for (index, statement) in statements.iter().enumerate() {
        let earlier = statements.iter().take(index);
        if statement.sid.is_some() && earlier.into_iter().any(|earlier| earlier.sid == statement.sid) {
            let found = quoted(statement.sid.as_deref().unwrap_or_default());
            return Err(PolicyError::element(format!("{PLACE}[{index}].Sid"), found, "a Sid of its own"));
        }
    }
    match owner {
        Owner::Queue => within_limits(&statements)?,
        Owner::Identity => {}
    }
    Ok(statements)
}

/// What the policy of a queue may hold at most.
fn within_limits(statements: &[Statement]) -> Result<(), PolicyError> {
    let most = |place: &str, what: &str, found: usize, most: usize| match found {
        found if found > most => Err(PolicyError::limit(place, what, found, most)),
        _ => Ok(()),
    };
    let principals = statements.iter().filter_map(|statement| statement.principals.as_ref());
    let conditions = statements.iter().map(|statement| statement.conditions.len());
    most("Statement", "statements", statements.len(), limits::POLICY_STATEMENTS)?;
    most("the document", "principals", principals.map(|list| list.len()).sum(), limits::POLICY_PRINCIPALS)?;
    most("the document", "conditions", conditions.sum(), limits::POLICY_CONDITIONS)?;
    for (index, statement) in statements.iter().enumerate() {
        most(&format!("Statement[{index}].Action"), "actions", statement.action_count, limits::POLICY_ACTIONS)?;
    }
    Ok(())
}
