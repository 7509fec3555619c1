//! Key conditions: one hash key, and perhaps a stretch of its range keys.

use super::{
    condition::{Comparator, Condition},
    parser::Operand,
};
use crate::domain::table::{
    error::TableError,
    schema::KeySchema,
    value::{Item, Value},
};

/// What a query looks for.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyCondition {
    pub hash: Value,
    /// What the range key must be like; every one will do when it is not there.
    range: Option<Condition>,
}

impl KeyCondition {
    /// Reads a condition as one on the key.
    ///
    /// # Errors
    ///
    /// It names something else than the key, or not the whole hash key.
    pub fn of(condition: &Condition, key: &KeySchema) -> Result<Self, TableError> {
        let mut parts = Vec::new();
        flatten(condition, &mut parts)?;
        let (mut hash, mut range) = (None, None);
        for part in parts {
            let name = name_of(part).ok_or_else(unsupported)?;
            if name == key.hash && hash.is_none() {
                let Condition::Compare(_, Comparator::Equal, Operand::Value(value)) = part else {
                    return Err(unsupported());
                };
                hash = Some(value.clone());
            } else if Some(name) == key.range.as_deref() && range.is_none() {
                range = Some(part.clone());
            } else if name == key.hash || Some(name) == key.range.as_deref() {
                return Err(TableError::invalid("KeyConditionExpressions must only contain one condition per key"));
            } else {
                let missed = if hash.is_none() { Some(&key.hash) } else { key.range.as_ref() };
                return Err(missed.map_or_else(unsupported, |name| missing(name)));
            }
        }
        let hash = hash.ok_or_else(|| missing(&key.hash))?;
        Ok(Self { hash, range })
    }

    /// Whether the item, whose hash key is the right one, has a range key that fits.
    pub fn fits(&self, item: &Item) -> bool {
        self.range.as_ref().is_none_or(|range| range.holds(item))
    }
}

fn unsupported() -> TableError {
    TableError::invalid("Query key condition not supported")
}

fn missing(name: &str) -> TableError {
    TableError::invalid(format!("Query condition missed key schema element: {name}"))
}

fn flatten<'c>(condition: &'c Condition, parts: &mut Vec<&'c Condition>) -> Result<(), TableError> {
    match condition {
        Condition::And(one, two) => {
            flatten(one, parts)?;
            flatten(two, parts)
        }
        Condition::Compare(..) | Condition::Between(..) | Condition::BeginsWith(..) => {
            parts.push(condition);
            Ok(())
        }
        Condition::Or(..)
        | Condition::Not(_)
        | Condition::In(..)
        | Condition::Exists(_)
        | Condition::Missing(_)
        | Condition::HasType(..)
        | Condition::Contains(..) => Err(TableError::invalid("Invalid operator used in KeyConditionExpression")),
    }
}

/// What a part compares, and with what.
fn operands(part: &Condition) -> Option<(&Operand, [&Operand; 2])> {
    if let Condition::Between(path, low, high) = part {
        return Some((path, [low, high]));
    }
    if let Condition::BeginsWith(path, value) = part {
        return Some((path, [value, value]));
    }
    let Condition::Compare(path, comparator, value) = part else { return None };
    (*comparator != Comparator::Unequal).then_some((path, [value, value]))
}

/// The attribute that a part compares with values.
fn name_of(part: &Condition) -> Option<&str> {
    let (Operand::Path(path), values) = operands(part)? else { return None };
    let are_values = values.into_iter().all(|value| matches!(value, Operand::Value(_)));
    (are_values && !path.is_nested()).then_some(path.name.as_str())
}
