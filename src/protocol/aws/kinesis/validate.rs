//! Whether the members of a request keep to the limits of their shapes, in the words of AWS: all that is wrong at once.

use super::{
    fault,
    shape::{Bounds, Member, Needed, Shape},
};
use crate::protocol::aws::{fault::Fault, wire::value::Value};

/// The most that one answer lists.
const LISTED_MAX: usize = 10;
/// What a message repeats of a value.
const SHOWN_MAX: usize = 4096;
const ARN: &str = "StreamARN";

/// Whether records have to say where they go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keys {
    Needed,
    /// The stream spreads them.
    Optional,
}

/// # Errors
///
/// `ValidationException` with everything that is wrong.
pub(super) fn validate(input: &Value<'_>, shape: &Shape, keys: Keys) -> Result<(), Fault> {
    let mut wrong = Vec::new();
    if let Shape::Structure(members) = shape {
        check_members(input, members, keys, "", &mut wrong);
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let errors = if wrong.len() == 1 { "error" } else { "errors" };
    Err(fault::validation(format!("{} validation {errors} detected: {}", wrong.len(), wrong.join("; "))))
}

fn check_members(input: &Value<'_>, members: &[Member], keys: Keys, prefix: &str, wrong: &mut Vec<String>) {
    let has_arn = input.member(ARN).is_some();
    for member in members {
        let path = format!("{prefix}{}", member.path);
        match (input.member(member.name), member.needed) {
            (Some(value), _) => check(value, &member.shape, keys, &path, wrong),
            (None, needed) => {
                let is_missing = match needed {
                    Needed::Always => true,
                    Needed::WithoutArn => !has_arn,
                    Needed::Placing => keys == Keys::Needed,
                    Needed::No => false,
                };
                if is_missing {
                    note(wrong, "null", &path, "Member must not be null");
                }
            }
        }
    }
}

fn note(wrong: &mut Vec<String>, value: &str, path: &str, rule: &str) {
    if wrong.len() < LISTED_MAX {
        wrong.push(format!("Value {value} at '{path}' failed to satisfy constraint: {rule}"));
    }
}

fn check(value: &Value<'_>, shape: &Shape, keys: Keys, path: &str, wrong: &mut Vec<String>) {
    let broken = broken_rules(value, shape);
    if !broken.is_empty() {
        let shown = format!("'{}'", show(value));
        broken.iter().for_each(|rule| note(wrong, &shown, path, rule));
    }
    match (shape, value) {
        (Shape::Structure(members), Value::Map(_)) => check_members(value, members, keys, &format!("{path}."), wrong),
        (Shape::List(_, element), Value::List(items)) if matches!(element.as_ref(), Shape::Structure(_)) => {
            for (index, item) in items.iter().enumerate() {
                check(item, element, keys, &format!("{path}.{}.member", index + 1), wrong);
            }
        }
        _ => {}
    }
}

/// The rules that the value itself breaks, and those that its simple elements do, each told once.
fn broken_rules(value: &Value<'_>, shape: &Shape) -> Vec<String> {
    let length = |bounds: &Bounds, length: usize| bounds.broken_by(i64::try_from(length).unwrap_or(i64::MAX), "length");
    match (shape, value) {
        (Shape::Text { length: bounds, pattern }, Value::Text(text)) => {
            let unlike = pattern.as_ref().filter(|pattern| !pattern.fits(text));
            let mut broken: Vec<_> = unlike.map(|pattern| pattern_rule(pattern.text)).into_iter().collect();
            broken.extend(length(bounds, text.chars().count()));
            broken
        }
        (Shape::Enum(values), Value::Text(text)) if !values.contains(&text.as_ref()) => vec![enum_rule(values)],
        (Shape::Integer(bounds), Value::Integer(number)) => bounds.broken_by(*number, "value"),
        (Shape::Blob(bounds), Value::Blob(bytes)) => length(bounds, bytes.len()),
        (Shape::List(bounds, element), Value::List(items)) => {
            let mut broken = length(bounds, items.len());
            if items.iter().any(|item| !broken_rules(item, element).is_empty()) {
                broken.push(format!("Member must satisfy constraint: [{}]", rules(element).join(", ")));
            }
            broken
        }
        (Shape::Map(bounds, key, element), Value::Map(members)) => {
            let mut broken = length(bounds, members.len());
            let is_broken = |text: &Value<'_>, shape: &Shape| !broken_rules(text, shape).is_empty();
            if members.iter().any(|(name, _)| is_broken(&Value::Text(name.as_ref().into()), key)) {
                broken.push(format!("Map keys must satisfy constraint: [{}]", rules(key).join(", ")));
            }
            if members.iter().any(|(_, value)| is_broken(value, element)) {
                broken.push(format!("Map value must satisfy constraint: [{}]", rules(element).join(", ")));
            }
            broken
        }
        _ => Vec::new(),
    }
}

impl Bounds {
    fn broken_by(self, found: i64, what: &str) -> Vec<String> {
        let least = self.min.filter(|min| found < *min).map(|min| least_rule(what, min));
        let most = self.max.filter(|max| found > *max).map(|max| most_rule(what, max));
        least.into_iter().chain(most).collect()
    }
}

fn least_rule(what: &str, min: i64) -> String {
    format!("Member must have {what} greater than or equal to {min}")
}

fn most_rule(what: &str, max: i64) -> String {
    format!("Member must have {what} less than or equal to {max}")
}

fn pattern_rule(pattern: &str) -> String {
    format!("Member must satisfy regular expression pattern: {pattern}")
}

fn enum_rule(values: &[&str]) -> String {
    format!("Member must satisfy enum value set: [{}]", values.join(", "))
}

/// All rules of a simple shape, as they are told of the elements of a list or a map.
fn rules(shape: &Shape) -> Vec<String> {
    let bounds = |bounds: &Bounds, what: &str| {
        let most = bounds.max.map(|max| most_rule(what, max));
        most.into_iter().chain(bounds.min.map(|min| least_rule(what, min))).collect::<Vec<_>>()
    };
    match shape {
        Shape::Text { length, pattern } => {
            let mut rules = bounds(length, "length");
            rules.extend(pattern.as_ref().map(|pattern| pattern_rule(pattern.text)));
            rules
        }
        Shape::Enum(values) => vec![enum_rule(values)],
        Shape::Integer(limits) => bounds(limits, "value"),
        Shape::Blob(limits) | Shape::List(limits, _) | Shape::Map(limits, ..) => bounds(limits, "length"),
        Shape::Flag | Shape::Time | Shape::Structure(_) => Vec::new(),
    }
}

/// A value as a server written in Java prints it.
fn show(value: &Value<'_>) -> String {
    let whole = match value {
        Value::Text(text) => return text.chars().take(SHOWN_MAX).collect(),
        Value::Integer(number) => return number.to_string(),
        Value::Blob(bytes) => return format!("java.nio.HeapByteBuffer[pos=0 lim={0} cap={0}]", bytes.len()),
        // What it prints of structures says nothing.
        Value::List(items) if items.iter().any(|item| matches!(item, Value::Map(_))) => return "<list>".to_owned(),
        Value::List(items) => format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(", ")),
        Value::Map(members) => {
            let members = members.iter().map(|(name, value)| format!("{name}={}", show(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
        Value::Null | Value::Flag(_) | Value::Real(_) | Value::Time(_) => String::new(),
    };
    whole.chars().take(SHOWN_MAX).collect()
}
