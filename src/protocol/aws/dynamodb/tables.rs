//! Tables themselves: create, describe, list, update, delete.

use super::{
    extras::tags,
    items::{Handled, ask, reply, unexpected},
    reader::{Read, Reader, broken, invalid},
};
use crate::{
    base::time::Timestamp,
    domain::table::{
        Answer, Request, Shown,
        define::{Change, Create, Update},
        schema::{self, Definition, Index, KeySchema, Throughput},
        value::Type,
    },
    protocol::aws::{call::Call, wire::input::Input},
    service::authorise::Action as Right,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const NAMES_MAX: i64 = 100;

pub(in crate::protocol::aws) async fn create(call: &Call, input: &Input<'_>) -> Handled {
    let request = Reader::of(input)?;
    if !request.parts("LocalSecondaryIndexes")?.is_empty() {
        return Err(invalid("These tables are for leases only: they have no LocalSecondaryIndexes"));
    }
    let create = Create {
        path: request.table(call, "TableName")?,
        key: key_schema(request)?,
        attributes: attributes(request)?,
        indexes: request.parts("GlobalSecondaryIndexes")?.into_iter().map(index).collect::<Read<_>>()?,
        throughput: billing(request)?.unwrap_or_default(),
        tags: tags(request)?,
        is_protected: request.flag("DeletionProtectionEnabled")?.unwrap_or(false),
    };
    let shown = table(ask(call, Right::CreateTable, Request::Create(Box::new(create))).await?)?;
    Ok(reply(&json!({ "TableDescription": description(&shown, "ACTIVE") })))
}

pub(in crate::protocol::aws) async fn describe(call: &Call, input: &Input<'_>) -> Handled {
    let path = Reader::of(input)?.table(call, "TableName")?;
    let shown = table(ask(call, Right::DescribeTable, Request::Describe(path)).await?)?;
    Ok(reply(&json!({ "Table": description(&shown, "ACTIVE") })))
}

pub(in crate::protocol::aws) async fn delete(call: &Call, input: &Input<'_>) -> Handled {
    let path = Reader::of(input)?.table(call, "TableName")?;
    let shown = table(ask(call, Right::DeleteTable, Request::Remove(path)).await?)?;
    Ok(reply(&json!({ "TableDescription": description(&shown, "DELETING") })))
}

pub(in crate::protocol::aws) async fn list(call: &Call, input: &Input<'_>) -> Handled {
    let request = Reader::of(input)?;
    let limit = request.integer("Limit")?.unwrap_or(NAMES_MAX);
    if !(1..=NAMES_MAX).contains(&limit) {
        return Err(broken(&format!("'{limit}'"), "Limit", "have value between 1 and 100"));
    }
    let list = Request::List {
        namespace: call.caller.namespace(),
        after: request.text("ExclusiveStartTableName")?.unwrap_or_default().to_owned(),
        limit: usize::try_from(limit).unwrap_or_default(),
    };
    let Answer::Names(names, is_more) = ask(call, Right::ListTables, list).await? else { return Err(unexpected()) };
    let last = names.last().filter(|_| is_more).cloned();
    let mut members = json!({ "TableNames": names });
    if let (Some(last), Some(members)) = (last, members.as_object_mut()) {
        members.insert("LastEvaluatedTableName".to_owned(), last.into());
    }
    Ok(reply(&members))
}

pub(in crate::protocol::aws) async fn update(call: &Call, input: &Input<'_>) -> Handled {
    let request = Reader::of(input)?;
    let mut update = Update {
        attributes: attributes(request)?,
        throughput: billing(request)?,
        is_protected: request.flag("DeletionProtectionEnabled")?,
        ..Update::default()
    };
    for change in request.parts("GlobalSecondaryIndexUpdates")? {
        if let Some(new) = change.part("Create")? {
            update.new_indexes.push(index(new)?);
        }
        if let Some(gone) = change.part("Delete")? {
            update.removed_indexes.push(gone.required("IndexName")?.to_owned());
        }
        if let Some(changed) = change.part("Update")? {
            let throughput = throughput(changed)?.unwrap_or_default();
            update.index_throughput.insert(changed.required("IndexName")?.to_owned(), throughput);
        }
    }
    let path = request.table(call, "TableName")?;
    let change = Request::Change(path, Change::Update(Box::new(update)));
    let shown = table(ask(call, Right::UpdateTable, change).await?)?;
    Ok(reply(&json!({ "TableDescription": description(&shown, "ACTIVE") })))
}

/// The table that an answer shows.
pub(super) fn table(answer: Answer) -> Read<Shown> {
    if let Answer::Table(shown) = answer { Ok(*shown) } else { Err(unexpected()) }
}

fn key_schema(request: Reader<'_>) -> Read<KeySchema> {
    let (mut hash, mut range) = (None, None);
    for element in request.parts("KeySchema")? {
        let name = element.required("AttributeName")?.to_owned();
        match element.required("KeyType")? {
            "HASH" if hash.is_none() => hash = Some(name),
            "RANGE" if range.is_none() && hash.is_some() => range = Some(name),
            "HASH" | "RANGE" => {
                return Err(invalid("Invalid KeySchema: one HASH key, and perhaps one RANGE key behind it"));
            }
            other => return Err(broken(&format!("'{other}'"), "KeyType", "satisfy enum value set: [HASH, RANGE]")),
        }
    }
    let hash = hash.ok_or_else(|| invalid("Invalid KeySchema: The first KeySchemaElement is not a HASH key type"))?;
    Ok(KeySchema { hash, range })
}

fn attributes(request: Reader<'_>) -> Read<BTreeMap<String, Type>> {
    let attribute = |found: Reader<'_>| {
        let code = found.required("AttributeType")?;
        let rule = "satisfy enum value set: [B, N, S]";
        let kind = Type::parse(code).ok_or_else(|| broken(&format!("'{code}'"), "AttributeType", rule))?;
        Ok((found.required("AttributeName")?.to_owned(), kind))
    };
    request.parts("AttributeDefinitions")?.into_iter().map(attribute).collect()
}

fn index(found: Reader<'_>) -> Read<Index> {
    let projection = found.required_part("Projection")?;
    let shown = match projection.text("ProjectionType")? {
        None | Some("ALL") => schema::Shown::All,
        Some("KEYS_ONLY") => schema::Shown::Keys,
        Some("INCLUDE") => schema::Shown::Include(projection.texts("NonKeyAttributes")?),
        Some(other) => {
            let rule = "satisfy enum value set: [ALL, INCLUDE, KEYS_ONLY]";
            return Err(broken(&format!("'{other}'"), "ProjectionType", rule));
        }
    };
    let name = found.required("IndexName")?.to_owned();
    Ok(Index { name, key: key_schema(found)?, shown, throughput: throughput(found)? })
}

fn throughput(found: Reader<'_>) -> Read<Option<Throughput>> {
    let Some(found) = found.part("ProvisionedThroughput")? else { return Ok(None) };
    let units = |name: &str| {
        let units = found.integer(name)?.unwrap_or(0);
        u64::try_from(units).map_err(|_| broken(&format!("'{units}'"), name, "have value greater than or equal to 1"))
    };
    Ok(Some(Throughput { reads: units("ReadCapacityUnits")?, writes: units("WriteCapacityUnits")? }))
}

/// What the request says of throughput: nothing, by request, or so much.
fn billing(request: Reader<'_>) -> Read<Option<Option<Throughput>>> {
    let throughput = throughput(request)?;
    match request.text("BillingMode")? {
        Some("PAY_PER_REQUEST") => Ok(Some(None)),
        Some("PROVISIONED") | None => Ok(throughput.map(Some)),
        Some(other) => {
            let rule = "satisfy enum value set: [PROVISIONED, PAY_PER_REQUEST]";
            Err(broken(&format!("'{other}'"), "BillingMode", rule))
        }
    }
}

pub(super) fn seconds(time: Timestamp) -> f64 {
    time.0 as f64 / 1000.0
}

fn key_to(key: &KeySchema) -> Vec<Value> {
    let hash = json!({ "AttributeName": key.hash, "KeyType": "HASH" });
    let range = key.range.as_ref().map(|name| json!({ "AttributeName": name, "KeyType": "RANGE" }));
    std::iter::once(hash).chain(range).collect()
}

fn throughput_to(throughput: Option<Throughput>) -> Value {
    let Throughput { reads, writes } = throughput.unwrap_or_default();
    json!({ "NumberOfDecreasesToday": 0, "ReadCapacityUnits": reads, "WriteCapacityUnits": writes })
}

fn description(shown: &Shown, status: &str) -> Value {
    let definition = &*shown.definition;
    let attribute = |(name, kind): (&String, &Type)| json!({ "AttributeName": name, "AttributeType": kind.code() });
    let mut described = json!({
        "TableName": definition.path.name.as_str(),
        "TableArn": definition.path.to_string(),
        "TableId": table_id(definition),
        "TableStatus": status,
        "CreationDateTime": seconds(definition.created),
        "KeySchema": key_to(&definition.key),
        "AttributeDefinitions": definition.attributes.iter().map(attribute).collect::<Vec<_>>(),
        "ProvisionedThroughput": throughput_to(definition.throughput),
        "TableSizeBytes": shown.size.1,
        "ItemCount": shown.size.0,
        "DeletionProtectionEnabled": definition.is_protected,
    });
    let Some(members) = described.as_object_mut() else { return described };
    if definition.throughput.is_none() {
        let summary = json!({
            "BillingMode": "PAY_PER_REQUEST",
            "LastUpdateToPayPerRequestDateTime": seconds(definition.created),
        });
        members.insert("BillingModeSummary".to_owned(), summary);
    }
    if !definition.indexes.is_empty() {
        let sizes = definition.indexes.iter().zip(&shown.index_sizes);
        let indexes: Vec<Value> = sizes.map(|(index, size)| index_to(definition, index, *size)).collect();
        members.insert("GlobalSecondaryIndexes".to_owned(), indexes.into());
    }
    described
}

/// A UUID that stays with the table for its whole life.
fn table_id(definition: &Definition) -> String {
    let halves = u128::from(definition.created.0) << 64 | u128::from(definition.id.0);
    uuid::Builder::from_custom_bytes(halves.to_be_bytes()).into_uuid().to_string()
}

fn index_to(definition: &Definition, index: &Index, (count, bytes): (usize, usize)) -> Value {
    let projection = match &index.shown {
        schema::Shown::All => json!({ "ProjectionType": "ALL" }),
        schema::Shown::Keys => json!({ "ProjectionType": "KEYS_ONLY" }),
        schema::Shown::Include(names) => json!({ "ProjectionType": "INCLUDE", "NonKeyAttributes": names }),
    };
    json!({
        "IndexName": index.name,
        "IndexArn": format!("{}/index/{}", definition.path, index.name),
        "IndexStatus": "ACTIVE",
        "KeySchema": key_to(&index.key),
        "Projection": projection,
        "ProvisionedThroughput": throughput_to(index.throughput),
        "IndexSizeBytes": bytes,
        "ItemCount": count,
    })
}
