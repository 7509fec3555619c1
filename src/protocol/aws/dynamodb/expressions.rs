//! Conditions, updates and projections of a request, in both generations: as expressions, and as the structures of before.

use super::{
    reader::{Read, Reader, invalid},
    value::value,
};
use crate::{
    domain::table::{
        expression::{
            condition::Condition,
            legacy::{self, Change, Expectation, Filter},
            placeholders::Placeholders,
            projection::Projection,
            update::Update,
        },
        path::Path,
    },
    protocol::aws::fault::common,
};

pub(super) fn placeholders(request: Reader<'_>) -> Read<Placeholders> {
    let name = |(name, stands): (&str, &crate::protocol::aws::wire::json::Json<'_>)| {
        let stands = stands.as_text().ok_or_else(|| common::malformed("an attribute's name is not a string"))?;
        Ok((name.to_owned(), stands.to_owned()))
    };
    let names = request.map("ExpressionAttributeNames")?.into_iter().map(name).collect::<Read<_>>()?;
    let values = request.map("ExpressionAttributeValues")?.into_iter();
    let values = values.map(|(name, found)| Ok((name.to_owned(), value(found)?))).collect::<Read<_>>()?;
    Ok(Placeholders::new(names, values))
}

/// Refuses a request that speaks both languages.
fn refuse_both(old: &str, new: &str) -> super::super::fault::Fault {
    invalid(format!(
        "Can not use both expression and non-expression parameters in the same request: Non-expression parameters: \
         {{{old}}} Expression parameters: {{{new}}}"
    ))
}

fn is_any(request: Reader<'_>) -> Read<bool> {
    match request.text("ConditionalOperator")? {
        None | Some("AND") => Ok(false),
        Some("OR") => Ok(true),
        Some(other) => Err(invalid(format!("Unknown ConditionalOperator: {other}"))),
    }
}

/// The condition of a write.
pub(super) fn condition(request: Reader<'_>, placeholders: &Placeholders) -> Read<Option<Condition>> {
    let expected = request.map("Expected")?;
    match request.text("ConditionExpression")? {
        Some(_) if !expected.is_empty() => Err(refuse_both("Expected", "ConditionExpression")),
        Some(text) => Ok(Some(Condition::parse("ConditionExpression", text, placeholders)?)),
        None => {
            let expectations = expected.into_iter().map(|(name, found)| expectation(name, Reader(found)));
            Ok(legacy::expected(expectations.collect::<Read<_>>()?, is_any(request)?)?)
        }
    }
}

fn expectation(name: &str, found: Reader<'_>) -> Read<Expectation> {
    let operator = found.text("ComparisonOperator")?;
    let values = found.list("AttributeValueList")?.iter().map(value).collect::<Read<Vec<_>>>()?;
    Ok(Expectation {
        name: name.to_owned(),
        value: found.member("Value").map(value).transpose()?,
        exists: found.flag("Exists")?,
        comparison: operator.map(|operator| (operator.to_owned(), values)),
    })
}

/// What filters a scan or a query.
pub(super) fn filter(request: Reader<'_>, old: &str, placeholders: &Placeholders) -> Read<Option<Condition>> {
    let filters = request.map(old)?;
    match request.text("FilterExpression")? {
        Some(_) if !filters.is_empty() => Err(refuse_both(old, "FilterExpression")),
        Some(text) => Ok(Some(Condition::parse("FilterExpression", text, placeholders)?)),
        None => self::filters(request, filters),
    }
}

/// What a query looks for.
pub(super) fn key_condition(request: Reader<'_>, placeholders: &Placeholders) -> Read<Condition> {
    let conditions = request.map("KeyConditions")?;
    let found = match request.text("KeyConditionExpression")? {
        Some(_) if !conditions.is_empty() => return Err(refuse_both("KeyConditions", "KeyConditionExpression")),
        Some(text) => Some(Condition::parse("KeyConditionExpression", text, placeholders)?),
        None => {
            let filters = conditions.into_iter().map(|(name, found)| one_filter(name, Reader(found)));
            legacy::filters(filters.collect::<Read<_>>()?, false)?
        }
    };
    found.ok_or_else(|| {
        invalid("Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.")
    })
}

fn filters(
    request: Reader<'_>,
    found: Vec<(&str, &crate::protocol::aws::wire::json::Json<'_>)>,
) -> Read<Option<Condition>> {
    let filters = found.into_iter().map(|(name, found)| one_filter(name, Reader(found)));
    Ok(legacy::filters(filters.collect::<Read<_>>()?, is_any(request)?)?)
}

fn one_filter(name: &str, found: Reader<'_>) -> Read<Filter> {
    Ok(Filter {
        name: name.to_owned(),
        operator: found.required("ComparisonOperator")?.to_owned(),
        values: found.list("AttributeValueList")?.iter().map(value).collect::<Read<_>>()?,
    })
}

/// What UpdateItem does; nothing at all is fine.
pub(super) fn update(request: Reader<'_>, placeholders: &Placeholders) -> Read<Update> {
    let changes = request.map("AttributeUpdates")?;
    match request.text("UpdateExpression")? {
        Some(_) if !changes.is_empty() => Err(refuse_both("AttributeUpdates", "UpdateExpression")),
        Some(text) => Ok(Update::parse(text, placeholders)?),
        None => {
            let changes = changes.into_iter().map(|(name, found)| {
                let found = Reader(found);
                Ok(Change {
                    name: name.to_owned(),
                    action: found.text("Action")?.unwrap_or("PUT").to_owned(),
                    value: found.member("Value").map(value).transpose()?,
                })
            });
            Ok(legacy::updates(changes.collect::<Read<_>>()?)?)
        }
    }
}

/// Which attributes the answer has; `None`: all.
pub(super) fn projection(request: Reader<'_>, placeholders: &Placeholders) -> Read<Option<Projection>> {
    let names = request.texts("AttributesToGet")?;
    match request.text("ProjectionExpression")? {
        Some(_) if !names.is_empty() => Err(refuse_both("AttributesToGet", "ProjectionExpression")),
        Some(text) => Ok(Some(Projection::parse(text, placeholders)?)),
        None if names.is_empty() => Ok(None),
        None => Ok(Some(Projection(names.iter().map(|name| Path::from(name.as_str())).collect()))),
    }
}
