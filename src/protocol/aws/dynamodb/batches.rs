//! Many items by their keys: batches and transactions.

use super::{
    expressions::{placeholders, projection, update},
    items::{Handled, ask, key, reply, unexpected, write},
    reader::{Read, Reader, broken, invalid, table},
    value::{item, item_to},
};
use crate::{
    domain::table::{
        Answer, Request,
        read::Get,
        schema::TablePath,
        write::{Action, Returns, Write},
    },
    protocol::aws::{call::Call, wire::input::Input},
    service::authorise::Action as Right,
};
use serde_json::{Map, Value, json};

const WRITES_MAX: usize = 25;
const GETS_MAX: usize = 100;
const ACTIONS_MAX: usize = 100;

pub(in crate::protocol::aws) async fn write_batch(call: &Call, input: &Input<'_>) -> Handled {
    let request = Reader::of(input)?;
    let mut writes = Vec::new();
    for (name, found) in request.map("RequestItems")? {
        let table = table(call, name, "TableName")?;
        let items = found.as_items().unwrap_or_default();
        for found in items {
            writes.push(one_write(&table, Reader(found))?);
        }
    }
    if writes.is_empty() || writes.len() > WRITES_MAX {
        let rule = "have length less than or equal to 25, Member must have length greater than or equal to 1";
        return Err(broken(&format!("of {} requests", writes.len()), "RequestItems", rule));
    }
    let Answer::Done = ask(call, Right::BatchWriteItem, Request::WriteBatch(writes)).await? else {
        return Err(unexpected());
    };
    Ok(reply(&json!({ "UnprocessedItems": {} })))
}

fn one_write(table: &TablePath, found: Reader<'_>) -> Read<Write> {
    let action = match (found.part("PutRequest")?, found.part("DeleteRequest")?) {
        (Some(put), None) => Action::Put(item(put.required_part("Item")?.0)?),
        (None, Some(delete)) => Action::Delete(key(delete)?),
        _ => {
            return Err(invalid(
                "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes",
            ));
        }
    };
    Ok(Write { table: table.clone(), action, condition: None, shows_failed: false, returns: Returns::Nothing })
}

pub(in crate::protocol::aws) async fn get_batch(call: &Call, input: &Input<'_>) -> Handled {
    let request = Reader::of(input)?;
    let mut gets: Vec<Get> = Vec::new();
    let mut tables = Vec::new();
    for (name, found) in request.map("RequestItems")? {
        let found = Reader(found);
        let (table, placeholders) = (table(call, name, "TableName")?, placeholders(found)?);
        let projection = projection(found, &placeholders)?;
        placeholders.finish()?;
        for wanted in found.parts("Keys")? {
            let key = item(wanted.0)?;
            if gets.iter().any(|get| get.table == table && get.key == key) {
                return Err(invalid("Provided list of item keys contains duplicates"));
            }
            gets.push(Get { table: table.clone(), key, projection: projection.clone() });
            tables.push(name);
        }
    }
    if gets.is_empty() || gets.len() > GETS_MAX {
        return Err(invalid("Too many items requested for the BatchGetItem call"));
    }
    let Answer::Items(items) = ask(call, Right::BatchGetItem, Request::GetBatch(gets)).await? else {
        return Err(unexpected());
    };
    let mut found: Map<String, Value> = tables.iter().map(|name| ((*name).to_owned(), json!([]))).collect();
    for (name, item) in tables.into_iter().zip(items) {
        if let (Some(list), Some(item)) = (found.get_mut(name).and_then(Value::as_array_mut), item) {
            list.push(item_to(&item));
        }
    }
    Ok(reply(&json!({ "Responses": found, "UnprocessedKeys": {} })))
}

pub(in crate::protocol::aws) async fn transact(call: &Call, input: &Input<'_>) -> Handled {
    let request = Reader::of(input)?;
    let parts = request.parts("TransactItems")?;
    if parts.is_empty() || parts.len() > ACTIONS_MAX {
        let rule = "have length less than or equal to 100, Member must have length greater than or equal to 1";
        return Err(broken(&format!("of {} actions", parts.len()), "TransactItems", rule));
    }
    let writes = parts.into_iter().map(|part| one_action(call, part)).collect::<Read<Vec<_>>>()?;
    // Each part asks for its own right.
    let Answer::Done = ask(call, Right::PutItem, Request::Transact(writes)).await? else { return Err(unexpected()) };
    Ok(reply(&json!({})))
}

fn one_action(call: &Call, part: Reader<'_>) -> Read<Write> {
    let mut found = Vec::new();
    for kind in ["Put", "Update", "Delete", "ConditionCheck"] {
        found.extend(part.part(kind)?.map(|inner| (kind, inner)));
    }
    let [(kind, inner)] = found.as_slice() else {
        return Err(invalid("TransactItems can only contain one of Check, Put, Update or Delete"));
    };
    let (kind, inner) = (*kind, *inner);
    let placeholders = placeholders(inner)?;
    let action = match kind {
        "Put" => Action::Put(item(inner.required_part("Item")?.0)?),
        "Update" => {
            inner.required("UpdateExpression")?;
            Action::Update(key(inner)?, update(inner, &placeholders)?)
        }
        "Delete" => Action::Delete(key(inner)?),
        _ => {
            inner.required("ConditionExpression")?;
            Action::Check(key(inner)?)
        }
    };
    write(call, inner, &placeholders, action)
}
