//! Seconds of time in the two spellings of a signed request: `20150830T123600Z`, and the `Date` header of HTTP.

use crate::base::time::Timestamp;
use std::{fmt, time::Duration};

const DAY_SECS: u64 = 24 * 60 * 60;
const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

/// A second since the Unix epoch, displayed as `20150830T123600Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(u64);

impl Moment {
    /// Parses `20150830T123600Z`.
    pub(super) fn parse_basic(text: &[u8]) -> Option<Self> {
        let [y1, y2, y3, y4, m1, m2, d1, d2, b'T', h1, h2, n1, n2, s1, s2, b'Z'] = *text else {
            return None;
        };
        let year = number(&[y1, y2, y3, y4])?;
        Self::new(
            year,
            number(&[m1, m2])?,
            number(&[d1, d2])?,
            number(&[h1, h2])?,
            number(&[n1, n2])?,
            number(&[s1, s2])?,
        )
    }

    /// Parses the preferred form of HTTP's `Date`: `Sun, 30 Aug 2015 12:36:00 GMT`. The name of the day is not checked.
    pub(super) fn parse_http(text: &[u8]) -> Option<Self> {
        let [_, _, _, b',', b' ', rest @ ..] = text else {
            return None;
        };
        let [d1, d2, b' ', a, b, c, b' ', y1, y2, y3, y4, b' ', time @ ..] = rest else {
            return None;
        };
        let [h1, h2, b':', n1, n2, b':', s1, s2, b' ', b'G', b'M', b'T'] = *time else {
            return None;
        };
        let month = MONTHS.iter().position(|name| **name == [*a, *b, *c])? as u64 + 1;
        let year = number(&[*y1, *y2, *y3, *y4])?;
        Self::new(year, month, number(&[*d1, *d2])?, number(&[h1, h2])?, number(&[n1, n2])?, number(&[s1, s2])?)
    }

    fn new(year: u64, month: u64, day: u64, hour: u64, minute: u64, second: u64) -> Option<Self> {
        let fits = (1970..=9999).contains(&year) && hour < 24 && minute < 60 && second < 60;
        if !fits || !(1..=12).contains(&month) || day < 1 || day > days_of(year, month) {
            return None;
        }
        let before: u64 = (1..month).map(|earlier| days_of(year, earlier)).sum();
        let days = days_before(year) - days_before(1970) + before + day - 1;
        Some(Self(days * DAY_SECS + hour * 3600 + minute * 60 + second))
    }

    /// The sixteen bytes that are signed.
    pub(super) fn basic(self) -> [u8; 16] {
        let (mut days, time) = (self.0 / DAY_SECS, self.0 % DAY_SECS);
        let mut year = 1970 + days / 366;
        while days_before(year + 1) - days_before(1970) <= days {
            year += 1;
        }
        days -= days_before(year) - days_before(1970);
        let mut month = 1;
        while days >= days_of(year, month) {
            days -= days_of(year, month);
            month += 1;
        }
        let mut text = *b"00000000T000000Z";
        let fields = [(0..4, year), (4..6, month), (6..8, days + 1), (9..11, time / 3600), (11..13, time / 60 % 60)];
        for (range, mut value) in fields.into_iter().chain([(13..15, time % 60)]) {
            for digit in text.get_mut(range).into_iter().flatten().rev() {
                *digit = b'0' + (value % 10) as u8;
                value /= 10;
            }
        }
        text
    }

    pub(super) fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration.as_secs()))
    }

    pub(super) fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(duration.as_secs()))
    }
}

impl From<Timestamp> for Moment {
    fn from(timestamp: Timestamp) -> Self {
        Self(timestamp.as_millis() / 1000)
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.basic()))
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + u64::from(digit - b'0')))
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_of(year: u64, month: u64) -> u64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days from the first day of year 1 of the Gregorian calendar to the first of `year`.
fn days_before(year: u64) -> u64 {
    let past = year - 1;
    past * 365 + past / 4 - past / 100 + past / 400
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_name_the_same_second() {
        let basic = Moment::parse_basic(b"20150830T123600Z").unwrap();
        assert_eq!(basic, Moment(1_440_938_160));
        assert_eq!(Moment::parse_http(b"Sun, 30 Aug 2015 12:36:00 GMT"), Some(basic));
        assert_eq!(basic.to_string(), "20150830T123600Z");
    }

    #[test]
    fn every_day_until_2200_is_spelled_as_it_is_parsed() {
        for day in 0..84_000 {
            let moment = Moment(day * DAY_SECS + 86_399 - day % 86_400);
            assert_eq!(Moment::parse_basic(&moment.basic()), Some(moment));
        }
        assert_eq!(Moment(951_782_400).to_string(), "20000229T000000Z");
        assert_eq!(Moment(0).to_string(), "19700101T000000Z");
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in ["", "20150230T000000Z", "20151301T000000Z", "20150830T240000Z", "20150830T123600", "2015-08-30"] {
            assert_eq!(Moment::parse_basic(text.as_bytes()), None, "{text}");
        }
        for text in ["Sun, 30 Aug 2015 12:36:00", "Sun, 31 Feb 2015 12:36:00 GMT", "30 Aug 2015 12:36:00 GMT"] {
            assert_eq!(Moment::parse_http(text.as_bytes()), None, "{text}");
        }
    }
}
