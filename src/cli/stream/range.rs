//! Where to begin and where to stop, as people write it: `start`, `end`, `-100`, `@-1h`, `@2026-11-01`, a sequence number.

use crate::{
    base::time::{Clock as _, Timestamp},
    cli::{Failure, value},
    proto::stream::v1::{
        Position, Until,
        position::{Latest, Start, TrimHorizon},
        until::{Stop, Tail},
    },
    runtime::SystemClock,
};
use std::time::Duration;

/// Sequence numbers have 56 digits; who writes a few means something else.
const SEQUENCE_DIGITS_MIN: usize = 20;
const NEWEST_MAX: usize = 1_000_000;

/// Where to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Beginning {
    /// The oldest record.
    Start,
    /// Behind the newest record.
    End,
    /// The newest so many records.
    Newest(usize),
    /// The first record that arrived then or later.
    Time(Timestamp),
    Sequence(String),
    /// The record behind this one.
    After(String),
}

/// Where to stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The newest record there is now.
    Tail,
    /// The first record that arrived then or later, which does not come.
    Time(Timestamp),
    /// This record, which comes.
    Sequence(String),
    Records(u64),
}

/// For clap.
pub(crate) fn beginning(text: &str) -> Result<Beginning, String> {
    read_beginning(text, SystemClock.now())
}

/// For clap: a place that a group can move to.
pub(crate) fn target(text: &str) -> Result<Beginning, String> {
    match beginning(text) {
        Ok(Beginning::Newest(_)) => {
            Err("a group moves to start, end, @TIME, a sequence number or after:SEQUENCE".to_owned())
        }
        found => found,
    }
}

/// For clap.
pub(crate) fn ending(text: &str) -> Result<Ending, String> {
    read_ending(text, SystemClock.now())
}

fn read_beginning(text: &str, now: Timestamp) -> Result<Beginning, String> {
    match text {
        "start" => return Ok(Beginning::Start),
        "end" => return Ok(Beginning::End),
        _ => {}
    }
    if let Some(moment) = text.strip_prefix('@') {
        let moment = read_moment(moment, now)?;
        let is_past = moment <= now;
        return is_past.then_some(Beginning::Time(moment)).ok_or_else(|| format!("{text:?} lies in the future"));
    }
    if let Some(count) = text.strip_prefix('-') {
        let count = count.parse().ok().filter(|count| (1..=NEWEST_MAX).contains(count));
        let count = count.ok_or_else(|| format!("{text:?}: allowed is -1 to -{NEWEST_MAX} for the newest records"))?;
        return Ok(Beginning::Newest(count));
    }
    if let Some(number) = text.strip_prefix("after:") {
        return sequence(number).map(Beginning::After);
    }
    let expected = "start, end, -COUNT, @TIME, a sequence number or after:SEQUENCE";
    sequence(text).map(Beginning::Sequence).map_err(|error| format!("{error}; allowed is {expected}"))
}

fn read_ending(text: &str, now: Timestamp) -> Result<Ending, String> {
    if text == "tail" {
        return Ok(Ending::Tail);
    }
    if let Some(moment) = text.strip_prefix('@') {
        return read_moment(moment, now).map(Ending::Time);
    }
    if let Some(count) = text.strip_suffix("records") {
        let count = count.trim().parse().ok().filter(|count| *count > 0);
        return count.map(Ending::Records).ok_or_else(|| format!("{text:?} is not a number of records above 0"));
    }
    let expected = "tail, @TIME, a sequence number or, with a number before it, \"records\"";
    sequence(text).map(Ending::Sequence).map_err(|error| format!("{error}; allowed is {expected}"))
}

fn sequence(text: &str) -> Result<String, String> {
    let is_one = text.len() >= SEQUENCE_DIGITS_MIN && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_one { Ok(text.to_owned()) } else { Err(format!("{text:?} is not a sequence number")) }
}

/// Reads `-1h`, `+10s`, seconds since 1970, a day or a moment of RFC 3339.
fn read_moment(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    if let Some(ago) = text.strip_prefix('-') {
        return Ok(Timestamp(now.0.saturating_sub(millis(value::duration(ago)?))));
    }
    if let Some(ahead) = text.strip_prefix('+') {
        return Ok(Timestamp(now.0.saturating_add(millis(value::duration(ahead)?))));
    }
    if let Ok(seconds) = text.parse::<u64>() {
        return Ok(Timestamp(seconds.saturating_mul(1000)));
    }
    let is_day = !text.contains([':', 'T', 't', ' ']);
    let whole = if is_day { format!("{text}T00:00:00Z") } else { text.to_owned() };
    let wrong =
        || format!("{text:?} is not a time such as -1h, 2026-11-01, 2026-11-01T12:00:00Z or seconds since 1970");
    let time: jiff::Timestamp = whole.parse().map_err(|_| wrong())?;
    u64::try_from(time.as_millisecond()).map(Timestamp).map_err(|_| format!("{text:?} is before 1970"))
}

impl Beginning {
    /// The same for the server.
    ///
    /// # Errors
    /// The server does not know how to count from the newest record.
    pub(crate) fn position(self) -> Result<Position, Failure> {
        let start = match self {
            Self::Start => Start::TrimHorizon(TrimHorizon {}),
            Self::End => Start::Latest(Latest {}),
            Self::Time(time) => Start::AtTime(value::to_timestamp(time)),
            Self::Sequence(number) => Start::AtSequenceNumber(number),
            Self::After(number) => Start::AfterSequenceNumber(number),
            Self::Newest(count) => {
                return Err(Failure::usage(format!("-{count} is not a place that the server knows")));
            }
        };
        Ok(Position { start: Some(start) })
    }

    /// Whether it says something about one shard only.
    pub(crate) fn is_of_a_shard(&self) -> bool {
        match self {
            Self::Sequence(_) | Self::After(_) => true,
            Self::Start | Self::End | Self::Newest(_) | Self::Time(_) => false,
        }
    }
}

impl Ending {
    /// After how many records, and where the server stops. Over several calls only this side can count.
    pub(crate) fn limits(self) -> (u64, Option<Until>) {
        let stop = match self {
            Self::Tail => Stop::Tail(Tail {}),
            Self::Time(time) => Stop::Time(value::to_timestamp(time)),
            Self::Sequence(number) => Stop::SequenceNumber(number),
            Self::Records(count) => return (count, None),
        };
        (u64::MAX, Some(Until { stop: Some(stop) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-30T00:00:00Z
    const NOW: Timestamp = Timestamp(1_795_996_800_000);
    const NUMBER: &str = "49600000000000000000000000000000000000000000000000000000";

    #[test]
    fn a_beginning_is_read_as_people_write_it() {
        let table = [
            ("start", Beginning::Start),
            ("end", Beginning::End),
            ("-100", Beginning::Newest(100)),
            ("@-1h", Beginning::Time(Timestamp(NOW.0 - 3_600_000))),
            ("@2026-11-30", Beginning::Time(NOW)),
            ("@2026-11-29T23:59:58.5Z", Beginning::Time(Timestamp(NOW.0 - 1500))),
            ("@1795996800", Beginning::Time(NOW)),
            (NUMBER, Beginning::Sequence(NUMBER.to_owned())),
            (&format!("after:{NUMBER}"), Beginning::After(NUMBER.to_owned())),
        ];
        for (text, expected) in table {
            assert_eq!(read_beginning(text, NOW), Ok(expected), "{text}");
        }
    }

    #[test]
    fn an_ending_is_read_as_people_write_it() {
        let table = [
            ("tail", Ending::Tail),
            ("@+10s", Ending::Time(Timestamp(NOW.0 + 10_000))),
            ("10 records", Ending::Records(10)),
            ("3records", Ending::Records(3)),
            (NUMBER, Ending::Sequence(NUMBER.to_owned())),
        ];
        for (text, expected) in table {
            assert_eq!(read_ending(text, NOW), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_place_is_refused_with_what_would_be() {
        for (text, why) in [
            ("", "allowed is start"),
            ("begin", "allowed is start"),
            ("100", "is not a sequence number; allowed is start, end, -COUNT"),
            ("-0", "-1 to -1000000"),
            ("-x", "-1 to -1000000"),
            ("@", "is not a time"),
            ("@yesterday", "is not a time"),
            ("@+1s", "lies in the future"),
            ("@-1", "\"1s\""),
            ("@1969-01-01", "before 1970"),
            ("after:5", "is not a sequence number"),
        ] {
            let error = read_beginning(text, NOW).expect_err(text);
            assert!(error.contains(why), "{text}: {error}");
        }
        for (text, why) in [("10", "\"records\""), ("0 records", "above 0"), ("end", "allowed is tail")] {
            let error = read_ending(text, NOW).expect_err(text);
            assert!(error.contains(why), "{text}: {error}");
        }
        assert!(target("-5").is_err());
    }
}
