//! One item: put, get, update, delete.

use super::{
    expressions::{condition, placeholders, projection, update},
    reader::{Read, Reader, broken, invalid},
    value::{item, item_to},
};
use crate::{
    domain::table::{
        Answer, Item, Request,
        expression::placeholders::Placeholders,
        read::Get,
        schema::TablePath,
        write::{Action, Returns, Write},
    },
    protocol::aws::{
        call::{Call, Reply},
        fault::Fault,
        wire::input::Input,
    },
    service::authorise::Action as Right,
};
use serde_json::{Map, Value, json};

pub(super) type Handled = Result<Reply, Fault>;

/// An answer of these members.
pub(super) fn reply(members: &Value) -> Reply {
    Reply(members.to_string().into_bytes())
}

/// Asks, and takes what the tables refuse for a fault.
pub(super) async fn ask(call: &Call, right: Right, request: Request) -> Result<Answer, Fault> {
    let answer = call.broker.ask_tables(&call.caller, right, request).await;
    Ok(answer.map_err(|refusal| call.fault(refusal))??)
}

pub(in crate::protocol::aws) async fn put(call: &Call, input: &Input<'_>) -> Handled {
    let request = Reader::of(input)?;
    let placeholders = placeholders(request)?;
    let action = Action::Put(item(request.required_part("Item")?.0)?);
    let write = write(call, request, &placeholders, action)?;
    done(call, Right::PutItem, request, write).await
}

pub(in crate::protocol::aws) async fn delete(call: &Call, input: &Input<'_>) -> Handled {
    let request = Reader::of(input)?;
    let placeholders = placeholders(request)?;
    let action = Action::Delete(key(request)?);
    let write = write(call, request, &placeholders, action)?;
    done(call, Right::DeleteItem, request, write).await
}

pub(in crate::protocol::aws) async fn update_item(call: &Call, input: &Input<'_>) -> Handled {
    let request = Reader::of(input)?;
    let placeholders = placeholders(request)?;
    let action = Action::Update(key(request)?, update(request, &placeholders)?);
    let write = write(call, request, &placeholders, action)?;
    done(call, Right::UpdateItem, request, write).await
}

pub(super) fn key(request: Reader<'_>) -> Read<Item> {
    item(request.required_part("Key")?.0)
}

/// The write that a request, or a part of a transaction, asks for.
pub(super) fn write(call: &Call, request: Reader<'_>, placeholders: &Placeholders, action: Action) -> Read<Write> {
    let write = Write {
        table: request.table(call, "TableName")?,
        condition: condition(request, placeholders)?,
        shows_failed: shows_failed(request)?,
        returns: returns(request, &action)?,
        action,
    };
    placeholders.finish()?;
    Ok(write)
}

fn shows_failed(request: Reader<'_>) -> Read<bool> {
    match request.text("ReturnValuesOnConditionCheckFailure")? {
        None | Some("NONE") => Ok(false),
        Some("ALL_OLD") => Ok(true),
        Some(other) => Err(broken(
            &format!("'{other}'"),
            "ReturnValuesOnConditionCheckFailure",
            "satisfy enum value set: [ALL_OLD, NONE]",
        )),
    }
}

fn returns(request: Reader<'_>, action: &Action) -> Read<Returns> {
    let returns = match request.text("ReturnValues")? {
        None | Some("NONE") => Returns::Nothing,
        Some("ALL_OLD") => Returns::AllOld,
        Some("ALL_NEW") => Returns::AllNew,
        Some("UPDATED_OLD") => Returns::UpdatedOld,
        Some("UPDATED_NEW") => Returns::UpdatedNew,
        Some(other) => {
            let rule = "satisfy enum value set: [ALL_NEW, UPDATED_OLD, ALL_OLD, NONE, UPDATED_NEW]";
            return Err(broken(&format!("'{other}'"), "ReturnValues", rule));
        }
    };
    let fits = matches!(action, Action::Update(..)) || matches!(returns, Returns::Nothing | Returns::AllOld);
    if fits { Ok(returns) } else { Err(invalid("Return values set to invalid value")) }
}

async fn done(call: &Call, right: Right, request: Reader<'_>, write: Write) -> Handled {
    let table = write.table.clone();
    let Answer::Written(shown) = ask(call, right, Request::Write(Box::new(write))).await? else {
        return Err(unexpected());
    };
    let mut members = Map::new();
    if let Some(shown) = shown {
        members.insert("Attributes".to_owned(), item_to(&shown));
    }
    members.extend(consumed(request, &table, 1.0)?);
    Ok(reply(&members.into()))
}

/// An answer of another kind than the question.
pub(super) fn unexpected() -> Fault {
    Fault::new(&crate::protocol::aws::fault::common::INTERNAL, "the tables answered something else")
}

/// What the call would have used up, when it wants to know: nothing is counted here, so each call is one unit.
pub(super) fn consumed(request: Reader<'_>, table: &TablePath, units: f64) -> Read<Option<(String, Value)>> {
    let wanted = request.text("ReturnConsumedCapacity")?.is_some_and(|wanted| wanted != "NONE");
    let used = || json!({ "TableName": table.name.as_str(), "CapacityUnits": units });
    Ok(wanted.then(|| ("ConsumedCapacity".to_owned(), used())))
}

pub(in crate::protocol::aws) async fn get(call: &Call, input: &Input<'_>) -> Handled {
    let request = Reader::of(input)?;
    let placeholders = placeholders(request)?;
    let table = request.table(call, "TableName")?;
    let get = Get { table: table.clone(), key: key(request)?, projection: projection(request, &placeholders)? };
    placeholders.finish()?;
    let Answer::Item(found) = ask(call, Right::GetItem, Request::Get(get)).await? else { return Err(unexpected()) };
    let mut members = Map::new();
    if let Some(found) = found {
        members.insert("Item".to_owned(), item_to(&found));
    }
    members.extend(consumed(request, &table, 1.0)?);
    Ok(reply(&members.into()))
}
