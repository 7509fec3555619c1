//! Iterators and the tokens of lists: text that clients carry back, and that nobody can make up.

use super::{
    call::Call,
    fault,
    fault::{EXPIRED_ITERATOR, EXPIRED_NEXT_TOKEN},
};
use crate::{
    base::{
        name::{AccountId, Region},
        stream_name::{StreamName, StreamPath},
        time::Timestamp,
    },
    domain::stream::{Cursor, ShardId},
    protocol::aws::fault::Fault,
    service::words::StreamHandle,
};
use std::{fmt::Display, time::Duration};

/// How long a token is good.
const LIFE: Duration = Duration::from_secs(300);
const ITERATOR: &str = "iterator";
/// Stands in no name, and in no number.
const BETWEEN: char = '|';

/// Seals the parts of a token of that kind, with the moment it was made.
fn seal(call: &Call, kind: &str, parts: &[&dyn Display]) -> String {
    let mut text = format!("{kind}{BETWEEN}{}", call.broker.now().as_millis());
    for part in parts {
        text.push(BETWEEN);
        text.push_str(&part.to_string());
    }
    call.broker.seal_token(text.as_bytes())
}

/// When a token was made, and its parts.
fn open(call: &Call, kind: &str, token: &str) -> Option<(Timestamp, Vec<String>)> {
    let text = String::from_utf8(call.broker.open_token(token)?).ok()?;
    let mut parts = text.split(BETWEEN);
    let made = (parts.next()? == kind).then_some(parts.next()?.parse().ok()?)?;
    Some((Timestamp(made), parts.map(ToOwned::to_owned).collect()))
}

/// What an iterator says.
pub(super) struct ShardIterator {
    pub(super) path: StreamPath,
    pub(super) stream: u64,
    pub(super) cursor: Cursor,
}

pub(super) fn iterator(call: &Call, stream: &StreamHandle, cursor: &Cursor) -> String {
    let path = stream.path();
    let Cursor { shard, index, not_before } = cursor;
    let (account, region) = (path.account.as_str(), path.region.as_str());
    seal(call, ITERATOR, &[&account, &region, &path.name, &stream.id().0, &shard.0, index, &not_before.as_millis()])
}

/// # Errors
///
/// It is none, or too old.
pub(super) fn read_iterator(call: &Call, text: &str) -> Result<ShardIterator, Fault> {
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let read = open(call, ITERATOR, text).and_then(|(made, parts)| Some((made, of_parts(&parts)?)));
    let (made, iterator) = read.ok_or_else(|| fault::invalid("Invalid ShardIterator."))?;
    let now = call.broker.now();
    if now.since(made) > LIFE {
        return Err(Fault::new(&EXPIRED_ITERATOR, expired_text(made, now)));
    }
    Ok(iterator)
}

fn of_parts(parts: &[String]) -> Option<ShardIterator> {
    let [account, region, name, stream, shard, index, not_before] = parts else { return None };
    let path = StreamPath {
        account: AccountId::parse(account).ok()?,
        region: Region::parse(region).ok()?,
        name: StreamName::parse(name).ok()?,
    };
    let not_before = Timestamp(not_before.parse().ok()?);
    let cursor = Cursor { shard: ShardId(shard.parse().ok()?), index: index.parse().ok()?, not_before };
    Some(ShardIterator { path, stream: stream.parse().ok()?, cursor })
}

pub(super) fn expired_text(made: Timestamp, now: Timestamp) -> String {
    format!(
        "Iterator expired. The iterator was created at time {} while right now it is {} which is further in the future \
         than the tolerated delay of {} milliseconds.",
        java_date(made),
        java_date(now),
        LIFE.as_millis()
    )
}

/// A moment as Java prints it: `Thu Jan 22 01:22:02 UTC 2015`.
fn java_date(time: Timestamp) -> String {
    let seconds = i64::try_from(time.as_millis() / 1000).unwrap_or(i64::MAX);
    let zoned = jiff::Timestamp::from_second(seconds).map(|time| time.to_zoned(jiff::tz::TimeZone::UTC));
    zoned.map(|zoned| zoned.strftime("%a %b %d %H:%M:%S UTC %Y").to_string()).unwrap_or_default()
}

/// A token with which a list goes on.
pub(super) fn next(call: &Call, kind: &str, parts: &[&dyn Display]) -> String {
    seal(call, kind, parts)
}

/// What such a token says.
///
/// # Errors
///
/// It is none of that list, or too old.
pub(super) fn read_next(call: &Call, kind: &str, token: &str) -> Result<Vec<String>, Fault> {
    let (made, parts) = open(call, kind, token).ok_or_else(invalid_next)?;
    if call.broker.now().since(made) > LIFE {
        return Err(Fault::new(&EXPIRED_NEXT_TOKEN, "The NextToken is older than 300 seconds."));
    }
    Ok(parts)
}

pub(super) fn invalid_next() -> Fault {
    fault::invalid("Invalid NextToken.")
}
