//! Moments as policies write them: ISO 8601 (the W3C note's profile: from `2026` to `2026-11-24T02:00:00.5+01:00`) or
//! seconds since the epoch.

use crate::base::time::Timestamp;

const DAY_MS: i64 = 86_400_000;

/// Milliseconds since the epoch. Without a zone: UTC.
pub(super) fn parse(text: &str) -> Option<i64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number && text.len() != 4 {
        return text.parse::<i64>().ok()?.checked_mul(1000);
    }
    let (date, time) = match text.split_once(['T', 't']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let days = parse_date(date)?;
    let of_day = match time {
        // A time needs a whole date before it.
        Some(time) if date.len() == 10 => parse_time(time)?,
        Some(_) => return None,
        None => 0,
    };
    days.checked_mul(DAY_MS)?.checked_add(of_day)
}

fn parse_date(text: &str) -> Option<i64> {
    let mut parts = text.splitn(3, '-');
    let year = number(parts.next()?, 4, 0, 9999)?;
    let month = parts.next().map_or(Some(1), |month| number(month, 2, 1, 12))?;
    let day = parts.next().map_or(Some(1), |day| number(day, 2, 1, days_in(year, month)))?;
    Some(days_since_epoch(year, month, day))
}

/// Milliseconds since midnight UTC; may be of the day before or after.
fn parse_time(text: &str) -> Option<i64> {
    let zone_at = text.find(['Z', 'z', '+', '-']).unwrap_or(text.len());
    let (clock, zone) = text.split_at_checked(zone_at)?;
    let mut parts = clock.splitn(3, ':');
    let hour = number(parts.next()?, 2, 0, 23)?;
    let minute = number(parts.next()?, 2, 0, 59)?;
    let (second, fraction) = match parts.next().map(|second| second.split_once('.').unwrap_or((second, "0"))) {
        None => (0, 0),
        // A leap second counts as the one before it ends.
        Some((second, fraction)) => (number(second, 2, 0, 60)?, millis(fraction)?),
    };
    let offset = match zone {
        "" | "Z" | "z" => 0,
        zone => {
            let (sign, rest) = zone.split_at_checked(1)?;
            let (hours, minutes) = rest.split_once(':')?;
            let offset = number(hours, 2, 0, 23)? * 60 + number(minutes, 2, 0, 59)?;
            if sign == "-" { -offset } else { offset }
        }
    };
    Some(((hour * 60 + minute - offset) * 60 + second) * 1000 + fraction)
}

fn number(text: &str, digits: usize, least: i64, most: i64) -> Option<i64> {
    let fits = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| fits && (least..=most).contains(number))
}

/// The first three digits behind a second's point.
fn millis(text: &str) -> Option<i64> {
    let fits = (1..=9).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let digits = text.bytes().chain([b'0'; 2]).take(3);
    fits.then(|| digits.fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')))
}

fn days_in(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days of the proleptic Gregorian calendar, counted in years that begin in March, so that leap days come last.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// `2026-11-24T02:00:00Z`.
pub(super) fn spell(time: Timestamp) -> String {
    let seconds = time.as_millis() / 1000;
    let days = i64::try_from(seconds / 86_400).unwrap_or(i64::MAX / 2);
    let of_day = seconds % 86_400;
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_forms_of_the_note_are_read() {
        let noon = 1_795_521_600_000;
        for (text, millis) in [
            ("2026-11-24T12:00:00Z", Some(noon)),
            ("2026-11-24T12:00Z", Some(noon)),
            ("2026-11-24T12:00:00", Some(noon)),
            ("2026-11-24T13:30:00.25+01:30", Some(noon + 250)),
            ("2026-11-24T07:00:00-05:00", Some(noon)),
            ("2026-11-24", Some(noon - DAY_MS / 2)),
            ("2026-11", Some(noon - DAY_MS / 2 - 23 * DAY_MS)),
            ("1970", Some(0)),
            ("1795521600", Some(noon)),
            ("0", Some(0)),
            ("2024-02-29", Some(1_709_164_800_000)),
            ("2023-02-29", None),
            ("2026-13-01", None),
            ("2026-11T12:00Z", None),
            ("2026-11-24T25:00Z", None),
            ("2026-11-24T12", None),
            ("2026-11-24T12:00:00+1", None),
            ("tomorrow", None),
            ("", None),
        ] {
            assert_eq!(parse(text), millis, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_moment_survives_its_spelling(seconds in 0_i64..253_402_300_800) {
            let text = spell(Timestamp(seconds as u64 * 1000));
            prop_assert_eq!(parse(&text), Some(seconds * 1000), "{}", text);
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "[0-9TZ:.+-]{0,30}|.{0,30}") {
            let _ = parse(&text);
        }
    }
}
