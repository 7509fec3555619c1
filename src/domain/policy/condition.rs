//! The `Condition` block of a statement: every operator and key must hold; of several values of a key one is enough.

use super::{
    error::{PolicyError, quoted},
    json::Node,
    key::Key,
    operator::{Operator, Quantity, Values},
    request::Request,
};

/// One operator with one key.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    key: Key,
    operator: Operator,
    values: Values,
}

impl Condition {
    /// A key the request does not have fails what is asked of it, and passes the opposite of what is asked.
    pub(super) fn holds(&self, request: &Request<'_>) -> bool {
        let mut found = self.key.values(request).peekable();
        let missing = found.peek().is_none();
        if let Values::Null(wanted) = &self.values {
            return wanted.contains(&missing);
        }
        let Operator { quantity, negated, if_exists, .. } = self.operator;
        match quantity {
            Quantity::One if missing => negated || if_exists,
            Quantity::One => found.any(|value| self.values.fit(value, request)) != negated,
            Quantity::Any if missing => if_exists,
            Quantity::Any => found.any(|value| self.values.fit(value, request) != negated),
            Quantity::All => found.all(|value| self.values.fit(value, request) != negated),
        }
    }
}

/// Reads the block that stands at `place`.
pub(super) fn parse(node: &Node<'_>, variables: bool, place: &str) -> Result<Box<[Condition]>, PolicyError> {
    let Some(operators) = node.members() else {
        return Err(PolicyError::element(place, node.spell(), "an object of operators"));
    };
    let mut conditions = Vec::new();
    for member in operators {
        let allowed = "an operator such as StringEquals, StringLike, ArnLike, NumericLessThan, DateGreaterThan, Bool, \
                       IpAddress or Null, with ForAnyValue: or ForAllValues: before it and IfExists behind it if need be";
        let operator =
            Operator::parse(&member.name).ok_or_else(|| PolicyError::element(place, quoted(&member.name), allowed))?;
        let place = format!("{place}.{}", member.name);
        let Some(keys) = member.node.members() else {
            return Err(PolicyError::element(place, member.node.spell(), "an object of keys"));
        };
        for member in keys {
            let place = format!("{place}.{}", member.name);
            if member.name.is_empty() {
                return Err(PolicyError::element(place, "an empty key", "a key such as aws:SourceIp"));
            }
            let values = member.node.items();
            if values.is_empty() {
                return Err(PolicyError::element(place, member.node.spell(), "one value or more"));
            }
            let values = operator.values(values, variables, &place)?;
            conditions.push(Condition { key: Key::parse(&member.name), operator, values });
        }
    }
    Ok(conditions.into())
}
