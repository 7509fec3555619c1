//! Conditions: of writes, and filters of reads.

use super::{
    parser::{Operand, Parser},
    placeholders::Placeholders,
};
use crate::domain::table::{
    error::TableError,
    path::Path,
    value::{Item, Type, Value},
};
use std::{borrow::Cow, cmp::Ordering};

/// Values in one `IN`.
const IN_MAX: usize = 100;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    Not(Box<Self>),
    Compare(Operand, Comparator, Operand),
    Between(Operand, Operand, Operand),
    In(Operand, Vec<Operand>),
    Exists(Path),
    Missing(Path),
    HasType(Path, Type),
    BeginsWith(Operand, Operand),
    Contains(Operand, Operand),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparator {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

const COMPARATORS: [(&str, Comparator); 6] = [
    ("=", Comparator::Equal),
    ("<>", Comparator::Unequal),
    ("<=", Comparator::LessOrEqual),
    ("<", Comparator::Less),
    (">=", Comparator::GreaterOrEqual),
    (">", Comparator::Greater),
];

impl Condition {
    /// `what`: "ConditionExpression" or "FilterExpression".
    ///
    /// # Errors
    ///
    /// The text is no condition, or a placeholder in it stands for nothing.
    pub fn parse(what: &'static str, text: &str, placeholders: &Placeholders) -> Result<Self, TableError> {
        let mut parser = Parser::new(what, text, placeholders)?;
        let condition = either(&mut parser)?;
        parser.finish(condition)
    }

    pub fn and(self, other: Self) -> Self {
        Self::And(Box::new(self), Box::new(other))
    }

    pub fn or(self, other: Self) -> Self {
        Self::Or(Box::new(self), Box::new(other))
    }

    /// Whether it holds of the item; one that is not there has no attributes.
    pub fn holds(&self, item: &Item) -> bool {
        match self {
            Self::And(one, two) => one.holds(item) && two.holds(item),
            Self::Or(one, two) => one.holds(item) || two.holds(item),
            Self::Not(inner) => !inner.holds(item),
            Self::Compare(one, comparator, two) => compare(&one.of(item), *comparator, &two.of(item)),
            Self::Between(value, low, high) => {
                let value = value.of(item);
                compare(&value, Comparator::GreaterOrEqual, &low.of(item))
                    && compare(&value, Comparator::LessOrEqual, &high.of(item))
            }
            Self::In(value, list) => {
                let value = value.of(item);
                value.is_some() && list.iter().any(|other| other.of(item) == value)
            }
            Self::Exists(path) => path.find(item).is_some(),
            Self::Missing(path) => path.find(item).is_none(),
            Self::HasType(path, kind) => path.find(item).is_some_and(|value| value.kind() == *kind),
            Self::BeginsWith(value, prefix) => both(value, prefix, item, Value::begins_with),
            Self::Contains(value, part) => both(value, part, item, Value::contains),
        }
    }
}

fn both(one: &Operand, two: &Operand, item: &Item, holds: fn(&Value, &Value) -> bool) -> bool {
    one.of(item).zip(two.of(item)).is_some_and(|(one, two)| holds(&one, &two))
}

/// What is not there is unlike everything, and neither less nor greater than anything.
fn compare(one: &Option<Cow<'_, Value>>, comparator: Comparator, two: &Option<Cow<'_, Value>>) -> bool {
    match comparator {
        Comparator::Equal => one.is_some() && one == two,
        Comparator::Unequal => one.is_none() || one != two,
        Comparator::Less | Comparator::LessOrEqual | Comparator::Greater | Comparator::GreaterOrEqual => {
            let order = one.as_ref().zip(two.as_ref()).and_then(|(one, two)| one.order(two));
            order.is_some_and(|order| comparator.allows(order))
        }
    }
}

impl Comparator {
    fn allows(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::Unequal => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        }
    }
}

impl Operand {
    fn of<'i>(&'i self, item: &'i Item) -> Option<Cow<'i, Value>> {
        match self {
            Self::Path(path) => path.find(item).map(Cow::Borrowed),
            Self::Value(value) => Some(Cow::Borrowed(value)),
            Self::Size(path) => {
                let length = path.find(item)?.length()?;
                Some(Cow::Owned(Value::Number((length as u64).into())))
            }
        }
    }
}

fn either(parser: &mut Parser<'_>) -> Result<Condition, TableError> {
    let mut condition = all(parser)?;
    while parser.keyword("OR") {
        condition = condition.or(all(parser)?);
    }
    Ok(condition)
}

fn all(parser: &mut Parser<'_>) -> Result<Condition, TableError> {
    let mut condition = one(parser)?;
    while parser.keyword("AND") {
        condition = condition.and(one(parser)?);
    }
    Ok(condition)
}

fn one(parser: &mut Parser<'_>) -> Result<Condition, TableError> {
    if parser.keyword("NOT") {
        return parser.nested(one).map(|inner| Condition::Not(Box::new(inner)));
    }
    if parser.sign("(") {
        let inner = parser.nested(either)?;
        parser.expect(")")?;
        return Ok(inner);
    }
    match parser.function() {
        Some(name) if name != "size" => function(parser, &name),
        _ => comparison(parser),
    }
}

fn comparison(parser: &mut Parser<'_>) -> Result<Condition, TableError> {
    let value = parser.operand()?;
    if parser.keyword("BETWEEN") {
        let low = parser.operand()?;
        if !parser.keyword("AND") {
            return Err(parser.unexpected());
        }
        return Ok(Condition::Between(value, low, parser.operand()?));
    }
    if parser.keyword("IN") {
        parser.expect("(")?;
        let mut list = vec![parser.operand()?];
        while parser.sign(",") {
            list.push(parser.operand()?);
        }
        parser.expect(")")?;
        if list.len() > IN_MAX {
            return Err(parser.fail(format!("The IN operator is provided with more than {IN_MAX} operands")));
        }
        return Ok(Condition::In(value, list));
    }
    let comparator = COMPARATORS.into_iter().find(|(sign, _)| parser.sign(sign));
    let Some((_, comparator)) = comparator else { return Err(parser.unexpected()) };
    Ok(Condition::Compare(value, comparator, parser.operand()?))
}

fn function(parser: &mut Parser<'_>, name: &str) -> Result<Condition, TableError> {
    let unknown = parser.unknown_function(name);
    parser.enter();
    let condition = match name {
        "attribute_exists" => Condition::Exists(parser.path()?),
        "attribute_not_exists" => Condition::Missing(parser.path()?),
        "attribute_type" => {
            let path = parser.path()?;
            parser.expect(",")?;
            Condition::HasType(path, type_of(parser)?)
        }
        "begins_with" => {
            let value = parser.operand()?;
            parser.expect(",")?;
            Condition::BeginsWith(value, parser.operand()?)
        }
        "contains" => {
            let value = parser.operand()?;
            parser.expect(",")?;
            Condition::Contains(value, parser.operand()?)
        }
        _ => return Err(unknown),
    };
    parser.expect(")")?;
    Ok(condition)
}

fn type_of(parser: &mut Parser<'_>) -> Result<Type, TableError> {
    let Some(Value::Text(code)) = parser.value()? else {
        return Err(
            parser.fail("Incorrect operand type for operator or function; operator or function: attribute_type")
        );
    };
    Type::parse(&code).ok_or_else(|| {
        parser.fail(format!(
            "Invalid attribute type name found; type: {code}, valid types: {{B,NULL,SS,BOOL,L,BS,N,NS,S,M}}"
        ))
    })
}
