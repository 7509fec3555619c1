//! Values between the command line, the protos and the output.

use crate::{base::time::Timestamp, config::unit};
use std::time::Duration;

/// Reads `30s`, `4d`; for clap.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    unit::duration(text)
}

/// Reads `1KiB`, `64MiB`; for clap.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    unit::size(text)
}

/// Reads `name=value`; for clap.
pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("{text:?} is not of the form name=value"))?;
    match name {
        "" => Err(format!("{text:?} has no name")),
        _ => Ok((name.to_owned(), value.to_owned())),
    }
}

pub(crate) fn to_proto(duration: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(duration.subsec_nanos()).unwrap_or(0),
    }
}

pub(crate) fn to_timestamp(time: Timestamp) -> prost_types::Timestamp {
    let seconds = i64::try_from(time.0 / 1000).unwrap_or(i64::MAX);
    prost_types::Timestamp { seconds, nanos: (time.0 % 1000) as i32 * 1_000_000 }
}

pub(crate) fn from_proto(duration: prost_types::Duration) -> Duration {
    Duration::try_from(duration).unwrap_or(Duration::ZERO)
}

/// As people write it; empty when there is none.
pub(crate) fn show(duration: Option<prost_types::Duration>) -> String {
    duration.map(|duration| unit::show_duration(from_proto(duration))).unwrap_or_default()
}

/// RFC 3339; empty when there is none.
pub(crate) fn show_time(time: Option<prost_types::Timestamp>) -> String {
    let read = |time: prost_types::Timestamp| jiff::Timestamp::new(time.seconds, time.nanos).ok();
    time.and_then(read).map(|time| time.to_string()).unwrap_or_default()
}

/// The id at the end of a name.
pub(crate) fn short_name(name: &str) -> &str {
    name.rsplit_once('/').map_or(name, |(_, id)| id)
}
