//! Rules of single fields. Each refusal names the field, the value and the limit.

use crate::base::{limits, reason::Refusal};
use std::{borrow::Cow, sync::Arc, time::Duration};

/// A refusal of `field` that says what was found and what is allowed.
pub(crate) fn outside(
    field: impl Into<String>,
    value: impl std::fmt::Display,
    limit: impl std::fmt::Display,
) -> Refusal {
    let field = field.into();
    let message = format!("{field} is {value}, allowed is {limit}");
    Refusal::invalid(field, message).with("value", value).with("limit", limit)
}

/// A duration in words: `12h`, `90s`, `1ms`.
pub(crate) fn spell(duration: Duration) -> String {
    match (duration.as_secs(), duration.subsec_millis()) {
        (seconds, 0) if seconds >= 3600 && seconds % 86_400 == 0 => format!("{}d", seconds / 86_400),
        (seconds, 0) if seconds >= 3600 && seconds % 3600 == 0 => format!("{}h", seconds / 3600),
        (seconds, 0) => format!("{seconds}s"),
        _ => format!("{}ms", duration.as_millis()),
    }
}

pub(crate) fn duration(
    field: &'static str,
    value: Duration,
    least: Duration,
    most: Duration,
) -> Result<Duration, Refusal> {
    if (least..=most).contains(&value) {
        return Ok(value);
    }
    Err(outside(field, spell(value), format!("{} to {}", spell(least), spell(most))))
}

pub(crate) fn number<N: PartialOrd + std::fmt::Display + Copy>(
    field: &'static str,
    value: N,
    least: N,
    most: N,
) -> Result<N, Refusal> {
    if (least..=most).contains(&value) {
        return Ok(value);
    }
    Err(outside(field, value, format!("{least} to {most}")))
}

/// Entries of one call: at least one, at most `limits::BATCH_ENTRIES`.
pub(crate) fn entries(field: &'static str, count: usize) -> Result<(), Refusal> {
    if (1..=limits::BATCH_ENTRIES).contains(&count) {
        return Ok(());
    }
    Err(outside(field, format!("{count} entries"), format!("1 to {} entries", limits::BATCH_ENTRIES)))
}

/// Text of at most `most` characters.
pub(crate) fn text(field: &'static str, value: &str, most: usize) -> Result<(), Refusal> {
    // Bytes bound characters, so that the count is rarely taken.
    if value.len() <= most {
        return Ok(());
    }
    match value.chars().count() {
        count if count <= most => Ok(()),
        count => Err(outside(field, format!("{count} characters"), format!("{most} characters at most"))),
    }
}

/// A group id, deduplication id, attempt id or producer id; empty means none.
pub(crate) fn short_id(field: &'static str, value: &str) -> Result<Option<Arc<str>>, Refusal> {
    if value.is_empty() {
        return Ok(None);
    }
    if value.len() <= limits::SHORT_ID_CHARS && value.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(Some(value.into()));
    }
    let found = format!("{:?} of {} bytes", shorten(value), value.len());
    Err(outside(field, found, "1 to 128 letters, digits and punctuation marks of ASCII"))
}

/// Cuts what a message quotes, so that an error never repeats a megabyte.
pub(crate) fn shorten(value: &str) -> Cow<'_, str> {
    const MOST: usize = 100;
    match value.char_indices().nth(MOST) {
        Some((end, _)) => Cow::Owned(format!("{}…", value.get(..end).unwrap_or_default())),
        None => Cow::Borrowed(value),
    }
}

/// A page's size: 0 means the default; more than the most is refused.
pub(crate) fn page_size(size: i64) -> Result<usize, Refusal> {
    if size == 0 {
        return Ok(limits::PAGE_SIZE_DEFAULT);
    }
    let most = limits::PAGE_SIZE_MAX;
    usize::try_from(size)
        .ok()
        .filter(|size| *size <= most)
        .ok_or_else(|| outside("page_size", size, format!("0 to {most}")))
}

pub(crate) fn page_token(token: &str) -> Refusal {
    outside("page_token", format!("{:?}", shorten(token)), "what the page before this one ended with")
}
