//! The structures that stood for expressions before there were any: `Expected`, `AttributeUpdates`, filters. The Kinesis
//! Client Library writes its leases with them to this day.

use super::{
    condition::{Comparator, Condition},
    parser::Operand,
    update::{New, Update},
};
use crate::domain::table::{
    error::TableError,
    path::Path,
    value::{Type, Value},
};

/// One attribute of `Expected`.
#[derive(Clone, Debug, Default)]
pub struct Expectation {
    pub name: String,
    pub value: Option<Value>,
    pub exists: Option<bool>,
    /// An operator, with its values.
    pub comparison: Option<(String, Vec<Value>)>,
}

/// Every expectation, or any of them, as a condition; `None` when there are none.
///
/// # Errors
///
/// An expectation contradicts itself, or its operator cannot have these values.
pub fn expected(expectations: Vec<Expectation>, any: bool) -> Result<Option<Condition>, TableError> {
    let conditions = expectations.into_iter().map(expectation).collect::<Result<Vec<_>, _>>()?;
    Ok(join(conditions, any))
}

/// One attribute of a filter or of key conditions.
#[derive(Clone, Debug)]
pub struct Filter {
    pub name: String,
    pub operator: String,
    pub values: Vec<Value>,
}

/// # Errors
///
/// An operator is unknown, or cannot have these values.
pub fn filters(filters: Vec<Filter>, any: bool) -> Result<Option<Condition>, TableError> {
    let conditions = filters.into_iter().map(|filter| comparison(&filter.name, &filter.operator, filter.values));
    Ok(join(conditions.collect::<Result<Vec<_>, _>>()?, any))
}

fn join(conditions: Vec<Condition>, any: bool) -> Option<Condition> {
    conditions.into_iter().reduce(if any { Condition::or } else { Condition::and })
}

fn expectation(expectation: Expectation) -> Result<Condition, TableError> {
    let Expectation { name, value, exists, comparison } = expectation;
    let wrong = |why: &str| Err(TableError::invalid_value(format!("{why} for Attribute: {name}")));
    match (comparison, value, exists) {
        (Some(_), _, Some(_)) => wrong("Exists and ComparisonOperator cannot be used together"),
        (Some((operator, values)), None, None) => self::comparison(&name, &operator, values),
        (Some((operator, values)), Some(value), None) if values.is_empty() => {
            self::comparison(&name, &operator, vec![value])
        }
        (Some(_), Some(_), None) => wrong("Value and AttributeValueList cannot be used together"),
        (None, Some(_), Some(false)) => wrong("Value cannot be used when Exists is false"),
        (None, Some(value), _) => Ok(compare(&name, Comparator::Equal, value)),
        (None, None, Some(false)) => Ok(Condition::Missing(Path::from(name.as_str()))),
        (None, None, Some(true)) => wrong("Value must be provided when Exists is true"),
        (None, None, None) => wrong("Value must be provided when Exists is null"),
    }
}

fn compare(name: &str, comparator: Comparator, value: Value) -> Condition {
    Condition::Compare(operand(name), comparator, Operand::Value(value))
}

fn operand(name: &str) -> Operand {
    Operand::Path(Path::from(name))
}

fn comparison(name: &str, operator: &str, values: Vec<Value>) -> Result<Condition, TableError> {
    let wrong_count =
        || TableError::invalid_value(format!("Invalid number of argument(s) for the {operator} ComparisonOperator"));
    let path = || Path::from(name);
    match operator {
        "NULL" | "NOT_NULL" if !values.is_empty() => return Err(wrong_count()),
        "NULL" => return Ok(Condition::Missing(path())),
        "NOT_NULL" => return Ok(Condition::Exists(path())),
        "IN" if values.is_empty() => return Err(wrong_count()),
        "IN" => return Ok(Condition::In(operand(name), values.into_iter().map(Operand::Value).collect())),
        "BETWEEN" => {
            let [low, high] = <[Value; 2]>::try_from(values).map_err(|_| wrong_count())?;
            return Ok(Condition::Between(operand(name), Operand::Value(low), Operand::Value(high)));
        }
        _ => {}
    }
    let [value] = <[Value; 1]>::try_from(values).map_err(|_| wrong_count())?;
    let comparator = match operator {
        "EQ" => Comparator::Equal,
        "NE" => Comparator::Unequal,
        "LT" => Comparator::Less,
        "LE" => Comparator::LessOrEqual,
        "GT" => Comparator::Greater,
        "GE" => Comparator::GreaterOrEqual,
        "BEGINS_WITH" => return Ok(Condition::BeginsWith(operand(name), Operand::Value(value))),
        "CONTAINS" => return Ok(Condition::Contains(operand(name), Operand::Value(value))),
        "NOT_CONTAINS" => {
            return Ok(Condition::Not(Box::new(Condition::Contains(operand(name), Operand::Value(value)))));
        }
        _ => return Err(TableError::invalid(format!("Unsupported operator on {name}: {operator}"))),
    };
    Ok(compare(name, comparator, value))
}

/// One attribute of `AttributeUpdates`.
#[derive(Clone, Debug)]
pub struct Change {
    pub name: String,
    /// PUT, ADD or DELETE.
    pub action: String,
    pub value: Option<Value>,
}

/// # Errors
///
/// An action is unknown, lacks its value, or cannot have a value of that type.
pub fn updates(changes: Vec<Change>) -> Result<Update, TableError> {
    let mut update = Update::default();
    for Change { name, action, value } in changes {
        let path = Path::from(name.as_str());
        match (action.as_str(), value) {
            ("PUT", Some(value)) => update.sets.push((path, New::Value(value))),
            ("DELETE", None) => update.removes.push(path),
            ("DELETE", Some(value)) if is_set(value.kind()) => update.deletes.push((path, value)),
            ("ADD", Some(value)) if is_set(value.kind()) || value.kind() == Type::N => update.adds.push((path, value)),
            ("ADD", Some(Value::List(list))) => {
                let new = |value| Box::new(New::Value(value));
                let old = New::IfMissing(path.clone(), new(Value::List(Vec::new())));
                update.sets.push((path, New::Append(Box::new(old), new(Value::List(list)))));
            }
            ("ADD" | "DELETE", Some(value)) => {
                let kind = value.kind();
                return Err(TableError::invalid_value(format!("{action} action is not supported for the type {kind}")));
            }
            ("PUT" | "ADD", None) => {
                return Err(TableError::invalid_value(format!(
                    "Only DELETE action is allowed when no attribute value is specified for attribute: {name}"
                )));
            }
            _ => return Err(TableError::invalid(format!("Unknown attribute action: {action}"))),
        }
    }
    Ok(update)
}

fn is_set(kind: Type) -> bool {
    matches!(kind, Type::Ss | Type::Ns | Type::Bs)
}
