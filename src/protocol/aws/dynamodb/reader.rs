//! Members of a request.

use super::faults::kinds;
use crate::{
    base::name::{AccountId, Namespace, Region},
    domain::{
        policy::request::Arn,
        table::schema::{TableName, TablePath},
    },
    protocol::aws::{
        call::Call,
        fault::{Fault, common},
        wire::{input::Input, json::Json},
    },
};

pub(super) type Read<T> = Result<T, Fault>;

/// A request, or a structure inside of one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(pub(super) &'a Json<'a>);

pub(super) fn invalid(message: impl Into<String>) -> Fault {
    Fault::new(&kinds::VALIDATION, message.into())
}

/// A member whose value breaks a rule of the model.
pub(super) fn broken(value: &str, name: &str, rule: &str) -> Fault {
    let at: String = name.chars().take(1).flat_map(char::to_lowercase).chain(name.chars().skip(1)).collect();
    invalid(format!(
        "1 validation error detected: Value {value} at '{at}' failed to satisfy constraint: Member must {rule}"
    ))
}

fn missing(name: &str) -> Fault {
    broken("null", name, "not be null")
}

impl<'a> Reader<'a> {
    /// Only JSON speaks of tables.
    pub(super) fn of(input: &Input<'a>) -> Read<Self> {
        match input {
            Input::Json(json) => Ok(Self(json)),
            Input::Form(_) => Err(Fault::new(&common::UNKNOWN_OPERATION, "")),
        }
    }

    pub(super) fn member(&self, name: &str) -> Option<&'a Json<'a>> {
        self.0.member(name)
    }

    pub(super) fn text(&self, name: &str) -> Read<Option<&'a str>> {
        let Some(found) = self.member(name) else { return Ok(None) };
        let wrong = || common::malformed(format!("{name} is not a string"));
        found.as_text().map(Some).ok_or_else(wrong)
    }

    pub(super) fn required(&self, name: &str) -> Read<&'a str> {
        self.text(name)?.ok_or_else(|| missing(name))
    }

    pub(super) fn flag(&self, name: &str) -> Read<Option<bool>> {
        match self.member(name) {
            None => Ok(None),
            Some(Json::Flag(flag)) => Ok(Some(*flag)),
            Some(_) => Err(common::malformed(format!("{name} is not a boolean"))),
        }
    }

    pub(super) fn integer(&self, name: &str) -> Read<Option<i64>> {
        let Some(found) = self.member(name) else { return Ok(None) };
        let wrong = || common::malformed(format!("{name} is not a whole number"));
        found.as_integer().map(Some).ok_or_else(wrong)
    }

    pub(super) fn part(&self, name: &str) -> Read<Option<Self>> {
        let Some(found) = self.member(name) else { return Ok(None) };
        let wrong = || common::malformed(format!("{name} is not a structure"));
        found.as_members().map(|_| Some(Reader(found))).ok_or_else(wrong)
    }

    pub(super) fn required_part(&self, name: &str) -> Read<Self> {
        self.part(name)?.ok_or_else(|| missing(name))
    }

    /// Names and values of a map; an empty one when it was not sent.
    pub(super) fn map(&self, name: &str) -> Read<Vec<(&'a str, &'a Json<'a>)>> {
        let Some(part) = self.part(name)? else { return Ok(Vec::new()) };
        let members = part.0.as_members().unwrap_or_default();
        Ok(members.iter().map(|(name, value)| (&**name, value)).collect())
    }

    /// The elements of a list; none when it was not sent.
    pub(super) fn list(&self, name: &str) -> Read<&'a [Json<'a>]> {
        let Some(found) = self.member(name) else { return Ok(&[]) };
        found.as_items().ok_or_else(|| common::malformed(format!("{name} is not a list")))
    }

    pub(super) fn parts(&self, name: &str) -> Read<Vec<Self>> {
        let wrong = || common::malformed(format!("an element of {name} is not a structure"));
        let part = |item: &'a Json<'a>| item.as_members().map(|_| Reader(item)).ok_or_else(wrong);
        self.list(name)?.iter().map(part).collect()
    }

    pub(super) fn texts(&self, name: &str) -> Read<Vec<String>> {
        let wrong = || common::malformed(format!("an element of {name} is not a string"));
        let text = |item: &Json<'a>| item.as_text().map(ToOwned::to_owned).ok_or_else(wrong);
        self.list(name)?.iter().map(text).collect()
    }

    /// The table that a member names, by its name or its arn.
    pub(super) fn table(&self, call: &Call, name: &str) -> Read<TablePath> {
        table(call, self.required(name)?, name)
    }
}

/// The table of this name or arn.
pub(super) fn table(call: &Call, text: &str, member: &str) -> Read<TablePath> {
    let (namespace, name) = match Arn::parse(text) {
        Some(arn) => of_arn(&arn).ok_or_else(|| invalid(format!("Invalid table or index ARN: {text}")))?,
        None => (call.caller.namespace(), text),
    };
    let name = TableName::parse(name).ok_or_else(|| {
        if (3..=255).contains(&name.len()) {
            let rule = "satisfy regular expression pattern: [a-zA-Z0-9_.-]+";
            return broken(&format!("'{name}'"), member, rule);
        }
        invalid(format!("{member} must be at least 3 characters long and at most 255 characters long"))
    })?;
    Ok(TablePath { namespace, name })
}

fn of_arn<'t>(arn: &Arn<'t>) -> Option<(Namespace, &'t str)> {
    let account = AccountId::parse(arn.account).ok().filter(|_| arn.service == "dynamodb")?;
    let namespace = Namespace { account, region: Region::parse(arn.region).ok()? };
    Some((namespace, arn.resource.strip_prefix("table/")?))
}
