//! Values as people write them: `30s`, `4d`, `64MiB`, `5%`, `off`. One type a unit; each reads a text into a plain value.

use crate::base::name::{self, AccountId};
use std::{net::SocketAddr, path::PathBuf, time::Duration};
use tracing_subscriber::EnvFilter;

/// How a value is written in a TOML file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Quoted,
    Number,
    Flag,
}

/// A way to write a value.
pub trait Unit {
    type Value;
    const SHAPE: Shape;

    /// Reads the text of a value.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the text and how to write it.
    fn parse(text: &str) -> Result<Self::Value, String>;
}

macro_rules! unit {
    ($(#[$doc:meta])* $name:ident -> $value:ty, $shape:ident, $parse:expr) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub enum $name {}

        impl Unit for $name {
            type Value = $value;
            const SHAPE: Shape = Shape::$shape;

            fn parse(text: &str) -> Result<$value, String> {
                $parse(text)
            }
        }
    };
}

unit! {
    /// Any text.
    Text -> String, Quoted, |text: &str| Ok(text.to_owned())
}
unit! {
    /// A path that is not empty.
    Path -> PathBuf, Quoted, |text: &str| match text {
        "" => Err("the path is empty".to_owned()),
        _ => Ok(PathBuf::from(text)),
    }
}
unit! {
    /// A path; empty: none.
    OptionalPath -> Option<PathBuf>, Quoted, |text: &str| Ok((!text.is_empty()).then(|| PathBuf::from(text)))
}
unit! {
    /// IP addresses with ports, separated by commas; empty: none.
    Addresses -> Vec<SocketAddr>, Quoted, |text: &str| {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(<Address as Unit>::parse).collect()
    }
}
unit! {
    /// An IP address with a port.
    Address -> SocketAddr, Quoted, |text: &str| text
        .parse()
        .map_err(|_| format!("{text:?} is not an IP address and port such as \"127.0.0.1:9400\" or \"[::1]:9400\""))
}
unit! {
    /// Twelve digits.
    Account -> AccountId, Quoted, |text: &str| AccountId::parse(text).map_err(|error| error.to_string())
}
unit! {
    /// The name of a region.
    Region -> name::Region, Quoted, |text: &str| name::Region::parse(text).map_err(|error| error.to_string())
}
unit! {
    /// Yes or no.
    Flag -> bool, Flag, |text: &str| text.parse().map_err(|_| format!("{text:?} is not true or false"))
}
unit! {
    /// How many.
    Count -> usize, Number, count
}
unit! {
    /// How many, in 32 bits.
    Count32 -> u32, Number, count
}
unit! {
    /// A span of time.
    Time -> Duration, Quoted, duration
}
unit! {
    /// A span of time, or `off`.
    TimeOrOff -> Option<Duration>, Quoted, |text: &str| match text {
        "off" => Ok(None),
        _ => duration(text).map(Some).map_err(|error| format!("{error}, or \"off\"")),
    }
}
unit! {
    /// A number of bytes.
    Size -> u64, Quoted, size
}
unit! {
    /// A share in whole percent.
    Percent -> u8, Quoted, percent
}

unit! {
    /// What lines of the log are written.
    Filter -> String, Quoted, |text: &str| match EnvFilter::try_new(text) {
        Ok(_) if !text.trim().is_empty() => Ok(text.to_owned()),
        Ok(_) => Err("the log filter is empty; write \"off\" for no log".to_owned()),
        Err(error) => Err(format!("{text:?} is not a log filter such as \"info,forebay::engine=debug\": {error}")),
    }
}
unit! {
    /// `quarantine` or `strict`.
    Corruption -> OnCorruption, Quoted, |text: &str| match text {
        "quarantine" => Ok(OnCorruption::Quarantine),
        "strict" => Ok(OnCorruption::Strict),
        _ => Err(format!("{text:?} is not \"quarantine\" or \"strict\"")),
    }
}
unit! {
    /// `auto`, `text` or `json`.
    Format -> LogFormat, Quoted, |text: &str| match text {
        "auto" => Ok(LogFormat::Auto),
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(format!("{text:?} is not \"auto\", \"text\" or \"json\"")),
    }
}

/// What a start does about damage to acknowledged entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnCorruption {
    /// Names what was lost and serves the rest.
    Quarantine,
    /// Refuses to start.
    Strict,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, else JSON.
    Auto,
    Text,
    Json,
}

fn count<N: std::str::FromStr>(text: &str) -> Result<N, String> {
    let digits = text.replace('_', "");
    digits.parse().map_err(|_| format!("{text:?} is not a whole number in range"))
}

fn percent(text: &str) -> Result<u8, String> {
    let number = text.strip_suffix('%').ok_or_else(|| format!("{text:?} has no unit; write it as \"5%\""))?;
    match number.trim().parse() {
        Ok(share @ 0..=100) => Ok(share),
        _ => Err(format!("{text:?} is not a whole number from 0% to 100%")),
    }
}

const DURATION_UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads a span of time: `30s`, `4d`, `0ms`, `1h30m`.
///
/// # Errors
/// When a number has no unit, or a unit is not one of d, h, m, s, ms.
pub fn duration(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut millis = 0_u64;
    for (number, unit) in parts(text).ok_or_else(|| format!("{text:?} is not a duration such as \"30s\" or \"4d\""))? {
        if unit.is_empty() {
            return Err(format!(
                "{text:?} has no unit; write it as \"{text}s\", \"{text}m\", \"{text}h\" or \"{text}d\""
            ));
        }
        let factor = DURATION_UNITS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor);
        let factor = factor.ok_or_else(|| format!("{text:?}: {unit:?} is not a unit of time; use d, h, m, s or ms"))?;
        let sum = number.checked_mul(factor).and_then(|part| millis.checked_add(part));
        millis = sum.ok_or_else(|| format!("{text:?} is too long"))?;
    }
    Ok(Duration::from_millis(millis))
}

const SIZE_UNITS: [(&str, u64); 5] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// Reads a number of bytes: `64MiB`, `512B`.
///
/// # Errors
/// When the number has no unit, or the unit is not one of B, KiB, MiB, GiB, TiB.
pub fn size(text: &str) -> Result<u64, String> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: u64 =
        number.replace('_', "").parse().map_err(|_| format!("{text:?} is not a size such as \"64MiB\""))?;
    let unit = unit.trim_start();
    if unit.is_empty() {
        return if number == 0 {
            Ok(0)
        } else {
            Err(format!("{text:?} has no unit; write it as \"{text}B\" or \"{text}MiB\""))
        };
    }
    let factor = SIZE_UNITS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor);
    let factor =
        factor.ok_or_else(|| format!("{text:?}: {unit:?} is not a unit of size; use B, KiB, MiB, GiB or TiB"))?;
    number.checked_mul(factor).ok_or_else(|| format!("{text:?} is too large"))
}

/// Splits `1h30m` into its numbers and units; nothing when a number is missing.
fn parts(text: &str) -> Option<Vec<(u64, &str)>> {
    let mut found = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        found.push((number.parse().ok()?, unit.trim()));
        rest = tail;
    }
    (!found.is_empty()).then_some(found)
}

/// Writes a span of time so that [`duration`] reads it back; finer than a millisecond is cut.
pub fn show_duration(duration: Duration) -> String {
    let mut millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if millis == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (name, factor) in DURATION_UNITS {
        if millis >= factor {
            text += &format!("{}{name}", millis / factor);
            millis %= factor;
        }
    }
    text
}

/// Writes a number of bytes for people: exact when a unit divides it, else with one decimal.
pub fn show_size(bytes: u64) -> String {
    let largest = SIZE_UNITS.iter().find(|(_, factor)| bytes >= *factor);
    match largest {
        Some((name, factor)) if bytes.is_multiple_of(*factor) => format!("{}{name}", bytes / factor),
        Some((name, factor)) => format!("{:.1}{name}", bytes as f64 / *factor as f64),
        None => "0B".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_read_with_its_unit() {
        let table = [("30s", 30_000), ("0ms", 0), ("0", 0), ("4d", 345_600_000), ("1h30m", 5_400_000), ("250ms", 250)];
        for (text, millis) in table {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for bad in ["", "30", "s", "30x", "1.5s", "-1s", "99999999999999999999s", "30 seconds"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        assert!(duration("30").is_err_and(|error| error.contains("\"30s\"")));
    }

    #[test]
    fn a_size_is_read_with_its_unit() {
        for (text, bytes) in [("0", 0), ("512B", 512), ("64MiB", 64 << 20), ("1_024KiB", 1 << 20), ("2 GiB", 2 << 30)] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for bad in ["", "64", "64MB", "MiB", "1.5MiB", "99999999999TiB"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_shown_can_be_read_again() {
        for millis in [0, 1, 999, 1000, 90_000, 345_600_000, 86_461_001] {
            let span = Duration::from_millis(millis);
            assert_eq!(duration(&show_duration(span)), Ok(span));
        }
        for bytes in [0, 1, 1023, 1024, 64 << 20, 3 << 40] {
            assert_eq!(size(&show_size(bytes)), Ok(bytes));
        }
        assert_eq!(show_size(1536), "1.5KiB");
    }

    #[test]
    fn a_share_is_whole_percent() {
        assert_eq!(percent("5%"), Ok(5));
        for bad in ["5", "101%", "-1%", "half"] {
            assert!(percent(bad).is_err(), "{bad}");
        }
    }
}
