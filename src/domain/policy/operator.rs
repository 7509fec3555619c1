//! The operators of conditions, and the values each compares with, read once.

use super::{
    arn::ArnPattern,
    date,
    error::{PolicyError, quoted},
    json::{Node, Value},
    key::Found,
    pattern::{Pattern, Reading},
    request::{Arn, Request},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use core::net::IpAddr;

/// Which of the values that a request has for a key must pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quantity {
    /// The one there is.
    One,
    Any,
    All,
}

/// An operator by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Operator {
    pub(super) quantity: Quantity,
    kind: Kind,
    pub(super) negated: bool,
    pub(super) if_exists: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text { wildcards: bool, any_case: bool },
    Arn,
    Number(Order),
    Date(Order),
    Bool,
    Ip,
    Binary,
    Null,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

const EXACT: Kind = Kind::Text { wildcards: false, any_case: false };
const FOLDED: Kind = Kind::Text { wildcards: false, any_case: true };
const LIKE: Kind = Kind::Text { wildcards: true, any_case: false };

/// Names, what they compare, whether they are the opposite.
const OPERATORS: &[(&str, Kind, bool)] = &[
    ("StringEquals", EXACT, false),
    ("StringNotEquals", EXACT, true),
    ("StringEqualsIgnoreCase", FOLDED, false),
    ("StringNotEqualsIgnoreCase", FOLDED, true),
    ("StringLike", LIKE, false),
    ("StringNotLike", LIKE, true),
    ("ArnEquals", Kind::Arn, false),
    ("ArnNotEquals", Kind::Arn, true),
    ("ArnLike", Kind::Arn, false),
    ("ArnNotLike", Kind::Arn, true),
    ("NumericEquals", Kind::Number(Order::Equal), false),
    ("NumericNotEquals", Kind::Number(Order::Equal), true),
    ("NumericLessThan", Kind::Number(Order::Less), false),
    ("NumericLessThanEquals", Kind::Number(Order::LessOrEqual), false),
    ("NumericGreaterThan", Kind::Number(Order::Greater), false),
    ("NumericGreaterThanEquals", Kind::Number(Order::GreaterOrEqual), false),
    ("DateEquals", Kind::Date(Order::Equal), false),
    ("DateNotEquals", Kind::Date(Order::Equal), true),
    ("DateLessThan", Kind::Date(Order::Less), false),
    ("DateLessThanEquals", Kind::Date(Order::LessOrEqual), false),
    ("DateGreaterThan", Kind::Date(Order::Greater), false),
    ("DateGreaterThanEquals", Kind::Date(Order::GreaterOrEqual), false),
    ("Bool", Kind::Bool, false),
    ("IpAddress", Kind::Ip, false),
    ("NotIpAddress", Kind::Ip, true),
    ("BinaryEquals", Kind::Binary, false),
    ("Null", Kind::Null, false),
];

impl Operator {
    /// Reads a name: a quantity before it, `IfExists` behind it, both or neither.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let (quantity, rest) = match name.split_once(':') {
            None => (Quantity::One, name),
            Some(("ForAnyValue", rest)) => (Quantity::Any, rest),
            Some(("ForAllValues", rest)) => (Quantity::All, rest),
            Some(_) => return None,
        };
        let (word, if_exists) = rest.strip_suffix("IfExists").map_or((rest, false), |word| (word, true));
        let (_, kind, negated) = OPERATORS.iter().find(|(known, ..)| *known == word)?;
        // Null asks whether a value exists: neither a quantity nor "if it exists" makes sense of that.
        let plain = quantity == Quantity::One && !if_exists;
        let operator = Self { quantity, kind: *kind, negated: *negated, if_exists };
        (plain || *kind != Kind::Null).then_some(operator)
    }

    /// Reads the values to compare with.
    pub(super) fn values(self, values: &[Node<'_>], variables: bool, place: &str) -> Result<Values, PolicyError> {
        let each = |read: &dyn Fn(&str) -> Option<_>, allowed| read_each(values, place, allowed, read);
        Ok(match self.kind {
            Kind::Text { wildcards, any_case } => {
                let reading = Reading { wildcards, variables, any_case };
                Values::Text(
                    texts(values, place)?
                        .map(|text| Pattern::parse(&text?, reading, place))
                        .collect::<Result<_, _>>()?,
                )
            }
            Kind::Arn => Values::Arn(
                texts(values, place)?
                    .map(|text| ArnPattern::parse(&text?, variables, place))
                    .collect::<Result<_, _>>()?,
            ),
            Kind::Number(order) => Values::Number(order, each(&number, "a number")?),
            Kind::Date(order) => {
                let allowed = "a date such as 2026-11-24T02:00:00Z, or seconds since 1970";
                Values::Date(order, read_each(values, place, allowed, &date::parse)?)
            }
            Kind::Bool => Values::Bool(read_each(values, place, "true or false", &boolean)?),
            Kind::Ip => {
                let allowed = "an address or a range such as 203.0.113.0/24 or 2001:db8::/32";
                Values::Ip(read_each(values, place, allowed, &Net::parse)?)
            }
            Kind::Binary => Values::Binary(read_each(values, place, "base64", &|text| STANDARD.decode(text).ok())?),
            Kind::Null => Values::Null(read_each(values, place, "true or false", &boolean)?),
        })
    }
}

fn texts<'a>(
    values: &'a [Node<'a>],
    place: &'a str,
) -> Result<impl Iterator<Item = Result<String, PolicyError>> + 'a, PolicyError> {
    Ok(values.iter().map(move |node| text_of(node, place)))
}

/// A text, a number or a truth value, as text.
fn text_of(node: &Node<'_>, place: &str) -> Result<String, PolicyError> {
    match &node.value {
        Value::Text(text) => Ok(text.to_string()),
        Value::Number(number) => Ok((*number).to_owned()),
        Value::Bool(value) => Ok(value.to_string()),
        Value::Object(_) | Value::List(_) | Value::Null => {
            Err(PolicyError::element(place, node.spell(), "a string, or a list of them"))
        }
    }
}

fn read_each<T>(
    values: &[Node<'_>],
    place: &str,
    allowed: &str,
    read: &dyn Fn(&str) -> Option<T>,
) -> Result<Box<[T]>, PolicyError> {
    let one = |node: &Node<'_>| {
        let text = text_of(node, place)?;
        read(&text).ok_or_else(|| PolicyError::element(place, quoted(&text), allowed))
    };
    values.iter().map(one).collect()
}

fn number(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E'));
    text.parse().ok().filter(|number: &f64| plain && number.is_finite())
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// A range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Net {
    /// Of IPv4: the lowest 32 bits.
    bits: u128,
    prefix: u32,
    is_v4: bool,
}

impl Net {
    /// An address, or one with a prefix length. Bits behind the prefix do not count.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let (bits, is_v4) = bits(address.parse().ok()?);
        let most = if is_v4 { 32 } else { 128 };
        let digits = |prefix: &&str| prefix.bytes().all(|byte| byte.is_ascii_digit());
        let prefix = match prefix {
            Some(prefix) => Some(prefix).filter(digits)?.parse().ok().filter(|prefix| *prefix <= most)?,
            None => most,
        };
        Some(Self { bits, prefix, is_v4 })
    }

    fn contains(&self, address: IpAddr) -> bool {
        let (bits, is_v4) = bits(address);
        let behind = if is_v4 { 32 } else { 128 } - self.prefix.min(if is_v4 { 32 } else { 128 });
        is_v4 == self.is_v4 && (bits ^ self.bits).checked_shr(behind).unwrap_or(0) == 0
    }
}

fn bits(address: IpAddr) -> (u128, bool) {
    match address {
        IpAddr::V4(address) => (u128::from(u32::from(address)), true),
        IpAddr::V6(address) => (u128::from(address), false),
    }
}

/// What a condition compares with; one that fits is enough.
#[derive(Clone, Debug)]
pub(super) enum Values {
    Text(Box<[Pattern]>),
    Arn(Box<[ArnPattern]>),
    Number(Order, Box<[f64]>),
    Date(Order, Box<[i64]>),
    Bool(Box<[bool]>),
    Ip(Box<[Net]>),
    Binary(Box<[Vec<u8>]>),
    /// Whether the key is missing.
    Null(Box<[bool]>),
}

impl Values {
    /// Whether one of the values fits what the request has. What cannot be read as the operator's kind fits nothing.
    pub(super) fn fit(&self, found: Found<'_>, request: &Request<'_>) -> bool {
        match self {
            Self::Text(patterns) => {
                let text = found.text();
                patterns.iter().any(|pattern| pattern.matches(&text, request))
            }
            Self::Arn(patterns) => {
                let text = found.text();
                Arn::parse(&text).is_some_and(|arn| patterns.iter().any(|pattern| pattern.matches(&arn, request)))
            }
            Self::Number(order, values) => {
                number_of(found).is_some_and(|found| values.iter().any(|value| order.holds(&found, value)))
            }
            Self::Date(order, values) => {
                date_of(found).is_some_and(|found| values.iter().any(|value| order.holds(&found, value)))
            }
            Self::Bool(values) => boolean(&found.text()).is_some_and(|found| values.contains(&found)),
            Self::Ip(nets) => ip_of(found).is_some_and(|found| nets.iter().any(|net| net.contains(found))),
            Self::Binary(values) => STANDARD.decode(&*found.text()).is_ok_and(|found| values.contains(&found)),
            Self::Null(values) => values.contains(&false),
        }
    }
}

impl Order {
    fn holds<T: PartialOrd>(self, found: &T, value: &T) -> bool {
        match self {
            Self::Equal => found == value,
            Self::Less => found < value,
            Self::LessOrEqual => found <= value,
            Self::Greater => found > value,
            Self::GreaterOrEqual => found >= value,
        }
    }
}

fn number_of(found: Found<'_>) -> Option<f64> {
    number(&found.text())
}

fn date_of(found: Found<'_>) -> Option<i64> {
    match found {
        Found::Time(time) | Found::Epoch(time) => i64::try_from(time.as_millis()).ok(),
        Found::Text(text) => date::parse(text),
        Found::Ip(_) | Found::Bool(_) => None,
    }
}

fn ip_of(found: Found<'_>) -> Option<IpAddr> {
    match found {
        Found::Ip(ip) => Some(ip),
        Found::Text(text) => text.parse().ok(),
        Found::Time(_) | Found::Epoch(_) | Found::Bool(_) => None,
    }
}
