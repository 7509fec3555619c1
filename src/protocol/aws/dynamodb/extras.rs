//! What hangs on a table: expiry, recovery, tags.

use super::{
    items::{Handled, ask, reply},
    reader::{Read, Reader, invalid, table as named},
    tables::{seconds, table},
};
use crate::{
    domain::table::{Request, Shown, define::Change, schema::TablePath},
    protocol::aws::{
        call::{Call, Reply},
        fault::Fault,
        wire::input::Input,
    },
    service::authorise::Action as Right,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(super) fn tags(request: Reader<'_>) -> Read<BTreeMap<String, String>> {
    let tag = |tag: Reader<'_>| Ok((tag.required("Key")?.to_owned(), tag.required("Value")?.to_owned()));
    request.parts("Tags")?.into_iter().map(tag).collect()
}

/// The table that `ResourceArn` names.
fn tagged(call: &Call, request: Reader<'_>) -> Read<TablePath> {
    let arn = request.required("ResourceArn")?;
    if !arn.starts_with("arn:") {
        return Err(invalid(format!("Invalid TableArn: Invalid ResourceArn provided as input {arn}")));
    }
    named(call, arn, "ResourceArn")
}

/// DynamoDB speaks of tags without the name of the table.
fn nameless(fault: Fault) -> Fault {
    let is_missing = fault.kind == &super::kinds::NOT_FOUND;
    if is_missing { Fault::new(fault.kind, "Requested resource not found: ResourcArn: not found") } else { fault }
}

pub(in crate::protocol::aws) async fn tag(call: &Call, input: &Input<'_>) -> Handled {
    let request = Reader::of(input)?;
    let change = Request::Change(tagged(call, request)?, Change::Tag(tags(request)?));
    ask(call, Right::TagTable, change).await.map_err(nameless)?;
    Ok(Reply(Vec::new()))
}

pub(in crate::protocol::aws) async fn untag(call: &Call, input: &Input<'_>) -> Handled {
    let request = Reader::of(input)?;
    let change = Request::Change(tagged(call, request)?, Change::Untag(request.texts("TagKeys")?));
    ask(call, Right::UntagTable, change).await.map_err(nameless)?;
    Ok(Reply(Vec::new()))
}

pub(in crate::protocol::aws) async fn list_tags(call: &Call, input: &Input<'_>) -> Handled {
    let path = tagged(call, Reader::of(input)?)?;
    let shown = table(ask(call, Right::ListTableTags, Request::Describe(path)).await.map_err(nameless)?)?;
    let tags = shown.definition.tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value }));
    Ok(reply(&json!({ "Tags": tags.collect::<Vec<Value>>() })))
}

pub(in crate::protocol::aws) async fn update_expiry(call: &Call, input: &Input<'_>) -> Handled {
    let request = Reader::of(input)?;
    let wanted = request.required_part("TimeToLiveSpecification")?;
    let name = wanted.required("AttributeName")?.to_owned();
    let is_on = wanted.flag("Enabled")?.unwrap_or(false);
    let path = request.table(call, "TableName")?;
    let change = Request::Change(path, Change::Expiry(name.clone(), is_on));
    ask(call, Right::UpdateTableExpiry, change).await?;
    Ok(reply(&json!({ "TimeToLiveSpecification": { "AttributeName": name, "Enabled": is_on } })))
}

pub(in crate::protocol::aws) async fn describe_expiry(call: &Call, input: &Input<'_>) -> Handled {
    let path = Reader::of(input)?.table(call, "TableName")?;
    let shown = table(ask(call, Right::DescribeTableExpiry, Request::Describe(path)).await?)?;
    let described = match &shown.definition.expiry {
        Some(name) => json!({ "TimeToLiveStatus": "ENABLED", "AttributeName": name }),
        None => json!({ "TimeToLiveStatus": "DISABLED" }),
    };
    Ok(reply(&json!({ "TimeToLiveDescription": described })))
}

pub(in crate::protocol::aws) async fn update_recovery(call: &Call, input: &Input<'_>) -> Handled {
    let request = Reader::of(input)?;
    let wanted = request.required_part("PointInTimeRecoverySpecification")?;
    let is_on = wanted.flag("PointInTimeRecoveryEnabled")?.unwrap_or(false);
    let change = Request::Change(request.table(call, "TableName")?, Change::Recovery(is_on));
    let shown = table(ask(call, Right::UpdateTableRecovery, change).await?)?;
    Ok(reply(&recovery(&shown)))
}

pub(in crate::protocol::aws) async fn describe_recovery(call: &Call, input: &Input<'_>) -> Handled {
    let path = Reader::of(input)?.table(call, "TableName")?;
    let name = path.name.clone();
    let missing = |fault: Fault| {
        let is_missing = fault.kind == &super::kinds::NOT_FOUND;
        let text = format!("Table not found: {name}");
        if is_missing { Fault::new(&super::kinds::TABLE_NOT_FOUND, text) } else { fault }
    };
    let shown = ask(call, Right::DescribeTableRecovery, Request::Describe(path)).await.map_err(missing)?;
    Ok(reply(&recovery(&table(shown)?)))
}

fn recovery(shown: &Shown) -> Value {
    let definition = &shown.definition;
    let described = match definition.recovery {
        false => json!({ "PointInTimeRecoveryStatus": "DISABLED" }),
        true => json!({
            "PointInTimeRecoveryStatus": "ENABLED",
            "EarliestRestorableDateTime": seconds(definition.created),
            "LatestRestorableDateTime": seconds(definition.created),
        }),
    };
    json!({
        "ContinuousBackupsDescription": {
            "ContinuousBackupsStatus": "ENABLED",
            "PointInTimeRecoveryDescription": described,
        }
    })
}
