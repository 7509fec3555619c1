//! Between the wire's words and the services': times, durations, enums.

use crate::{
    base::{reason::Refusal, time::Timestamp},
    service::check,
};
use std::time::Duration;

/// The last second of the year 9999.
const SECONDS_MAX: u64 = 253_402_300_799;

/// Reads a duration; a negative or impossible one is refused.
pub(super) fn duration(field: &'static str, value: Option<prost_types::Duration>) -> Result<Option<Duration>, Refusal> {
    let Some(value) = value else { return Ok(None) };
    let (seconds, nanos) = (u64::try_from(value.seconds), u32::try_from(value.nanos));
    match (seconds, nanos) {
        (Ok(seconds), Ok(nanos)) if nanos < 1_000_000_000 => Ok(Some(Duration::new(seconds, nanos))),
        _ => {
            let found = format!("{} seconds and {} nanoseconds", value.seconds, value.nanos);
            Err(check::outside(field, found, "0 seconds or more, and 0 to 999999999 nanoseconds"))
        }
    }
}

pub(super) fn to_duration(value: Duration) -> prost_types::Duration {
    // Seconds are bounded by the limits of every duration the broker knows.
    let seconds = i64::try_from(value.as_secs()).unwrap_or(i64::MAX);
    prost_types::Duration { seconds, nanos: value.subsec_nanos() as i32 }
}

pub(super) fn to_timestamp(value: Timestamp) -> prost_types::Timestamp {
    let millis = value.as_millis();
    let seconds = i64::try_from(millis / 1000).unwrap_or(i64::MAX);
    prost_types::Timestamp { seconds, nanos: (millis % 1000) as i32 * 1_000_000 }
}

/// Reads a moment; one before 1970 or with impossible nanoseconds is refused.
pub(super) fn timestamp(
    field: &'static str,
    value: Option<prost_types::Timestamp>,
) -> Result<Option<Timestamp>, Refusal> {
    let Some(value) = value else { return Ok(None) };
    match (u64::try_from(value.seconds), u64::try_from(value.nanos)) {
        (Ok(seconds), Ok(nanos)) if seconds <= SECONDS_MAX && nanos < 1_000_000_000 => {
            Ok(Some(Timestamp(seconds * 1000 + nanos / 1_000_000)))
        }
        _ => {
            let found = format!("{} seconds and {} nanoseconds", value.seconds, value.nanos);
            Err(check::outside(field, found, "a time from 1970 to 9999"))
        }
    }
}

/// Reads an enum's number; one that this server does not know is refused.
pub(super) fn known<E: TryFrom<i32>>(field: &'static str, number: i32) -> Result<E, Refusal> {
    E::try_from(number).map_err(|_| check::outside(field, number, "a value of the enum"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_survive_the_way_there_and_back() {
        for value in [Duration::ZERO, Duration::from_millis(1500), Duration::from_secs(31_536_000)] {
            assert_eq!(duration("wait", Some(to_duration(value))), Ok(Some(value)));
        }
        for (seconds, nanos) in [(-1, 0), (0, -1), (0, 1_000_000_000)] {
            let refusal = duration("wait", Some(prost_types::Duration { seconds, nanos })).expect_err("negative");
            assert_eq!(refusal.field.as_deref(), Some("wait"));
        }
    }

    #[test]
    fn a_timestamp_keeps_its_milliseconds() {
        let wire = to_timestamp(Timestamp(1_700_000_000_123));
        assert_eq!((wire.seconds, wire.nanos), (1_700_000_000, 123_000_000));
        assert_eq!(timestamp("at", Some(wire)), Ok(Some(Timestamp(1_700_000_000_123))));
        for (seconds, nanos) in [(-1, 0), (0, -1), (0, 1_000_000_000), (i64::MAX, 0)] {
            assert!(timestamp("at", Some(prost_types::Timestamp { seconds, nanos })).is_err());
        }
    }
}
