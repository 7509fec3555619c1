//! Many items in order: scan and query.

use super::{
    expressions::{filter, key_condition, placeholders, projection},
    items::{Handled, ask, consumed, reply, unexpected},
    reader::{Read, Reader, broken, invalid},
    value::{item, item_to},
};
use crate::{
    domain::table::{
        Answer, Request,
        expression::{condition::Condition, placeholders::Placeholders},
        read::{Page, Scope, Search},
    },
    protocol::aws::{call::Call, wire::input::Input},
    service::authorise::Action as Right,
};
use serde_json::{Map, Value};

const SEGMENTS_MAX: i64 = 1_000_000;

pub(in crate::protocol::aws) async fn scan(call: &Call, input: &Input<'_>) -> Handled {
    let request = Reader::of(input)?;
    let placeholders = placeholders(request)?;
    let filter = filter(request, "ScanFilter", &placeholders)?;
    let search = search(call, request, segments(request)?, filter, &placeholders)?;
    done(call, Right::ScanTable, request, search).await
}

pub(in crate::protocol::aws) async fn query(call: &Call, input: &Input<'_>) -> Handled {
    let request = Reader::of(input)?;
    let placeholders = placeholders(request)?;
    let condition = key_condition(request, &placeholders)?;
    let is_forward = request.flag("ScanIndexForward")?.unwrap_or(true);
    let filter = filter(request, "QueryFilter", &placeholders)?;
    let search = search(call, request, Scope::Key { condition, is_forward }, filter, &placeholders)?;
    done(call, Right::QueryTable, request, search).await
}

fn segments(request: Reader<'_>) -> Read<Scope> {
    match (request.integer("Segment")?, request.integer("TotalSegments")?) {
        (None, None) => Ok(Scope::All { segment: 0, of: 1 }),
        (Some(_), None) => Err(invalid(
            "The TotalSegments parameter is required but was not present in the request when Segment parameter is present",
        )),
        (None, Some(_)) => Err(invalid(
            "The Segment parameter is required but was not present in the request when parameter TotalSegments is present",
        )),
        (Some(_), Some(of)) if !(1..=SEGMENTS_MAX).contains(&of) => {
            Err(broken(&format!("'{of}'"), "TotalSegments", "have value between 1 and 1000000"))
        }
        (Some(segment), Some(of)) if !(0..of).contains(&segment) => Err(invalid(format!(
            "The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: {segment} is not \
             less than TotalSegments: {of}"
        ))),
        (Some(segment), Some(of)) => Ok(Scope::All { segment: segment.unsigned_abs(), of: of.unsigned_abs() }),
    }
}

fn search(
    call: &Call,
    request: Reader<'_>,
    scope: Scope,
    filter: Option<Condition>,
    placeholders: &Placeholders,
) -> Read<Search> {
    let limit = request.integer("Limit")?;
    if let Some(limit) = limit.filter(|limit| *limit < 1) {
        return Err(broken(&format!("'{limit}'"), "Limit", "have value greater than or equal to 1"));
    }
    let projection = projection(request, placeholders)?;
    placeholders.finish()?;
    Ok(Search {
        table: request.table(call, "TableName")?,
        index: request.text("IndexName")?.map(ToOwned::to_owned),
        scope,
        filter,
        projection,
        limit: limit.and_then(|limit| usize::try_from(limit).ok()),
        start: request.part("ExclusiveStartKey")?.map(|start| item(start.0)).transpose()?,
        counts_only: request.text("Select")? == Some("COUNT"),
        is_consistent: request.flag("ConsistentRead")?.unwrap_or(false),
    })
}

async fn done(call: &Call, right: Right, request: Reader<'_>, search: Search) -> Handled {
    let (table, counts_only) = (search.table.clone(), search.counts_only);
    let Answer::Page(page) = ask(call, right, Request::Search(Box::new(search))).await? else {
        return Err(unexpected());
    };
    let mut members = Map::new();
    members.extend(consumed(request, &table, (page.bytes as f64 / 4096.0).ceil().max(1.0))?);
    let Page { items, count, scanned, last, .. } = page;
    if !counts_only {
        members.insert("Items".to_owned(), items.iter().map(item_to).collect::<Vec<Value>>().into());
    }
    members.insert("Count".to_owned(), count.into());
    members.insert("ScannedCount".to_owned(), scanned.into());
    members.extend(last.map(|last| ("LastEvaluatedKey".to_owned(), item_to(&last))));
    Ok(reply(&members.into()))
}
