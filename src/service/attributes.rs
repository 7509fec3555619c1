//! Rules of message attributes, those of "Amazon SQS message metadata", and how a message's size is counted.

use super::{
    check::shorten,
    words::{Attribute, AttributeValue},
};
use crate::base::{limits, reason::Refusal};

/// Digits of a Number that count.
const NUMBER_DIGITS_MAX: usize = 38;
const NUMBER_EXPONENT_MAX: i64 = 128;

/// Checks the attributes of one message.
pub(super) fn check(attributes: &[Attribute]) -> Result<(), Refusal> {
    let count = attributes.len();
    if count > limits::ATTRIBUTES_MAX {
        let message = format!("the message has {count} attributes, allowed are {}", limits::ATTRIBUTES_MAX);
        return Err(Refusal::invalid("attributes", message).with("value", count).with("limit", limits::ATTRIBUTES_MAX));
    }
    attributes.iter().try_for_each(check_one)
}

fn refuse(attribute: &Attribute, what: &str, limit: &str) -> Refusal {
    let name = shorten(&attribute.name);
    Refusal::invalid(format!("attributes[{name:?}]"), format!("attribute {name:?}: {what}, allowed is {limit}"))
        .with("attribute", &name)
        .with("limit", limit)
}

fn check_one(attribute: &Attribute) -> Result<(), Refusal> {
    check_name(attribute)?;
    let data_type = attribute.data_type.as_str();
    if data_type.chars().count() > limits::ATTRIBUTE_TYPE_CHARS {
        return Err(refuse(attribute, "its data type is too long", "256 characters"));
    }
    let logical = data_type.split_once('.').map_or(data_type, |(logical, _)| logical);
    match (logical, &attribute.value) {
        ("String", AttributeValue::Text(text)) if !text.is_empty() => Ok(()),
        ("Number", AttributeValue::Text(text)) if is_number(text) => Ok(()),
        ("Binary", AttributeValue::Binary(bytes)) if !bytes.is_empty() => Ok(()),
        ("String", _) => Err(refuse(attribute, "its value is missing", "a string_value that is not empty")),
        ("Binary", _) => Err(refuse(attribute, "its value is missing", "a binary_value that is not empty")),
        ("Number", _) => Err(refuse(
            attribute,
            "its value is no number",
            "a string_value with a decimal of up to 38 digits between -10^128 and 10^126",
        )),
        _ => {
            let found = format!("its data type is {:?}", shorten(data_type));
            Err(refuse(attribute, &found, "String, Number or Binary, with an optional .label"))
        }
    }
}

fn check_name(attribute: &Attribute) -> Result<(), Refusal> {
    let name = attribute.name.as_str();
    let legal = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    let fits = !name.is_empty() && name.chars().count() <= limits::ATTRIBUTE_NAME_CHARS && name.chars().all(legal);
    let dots = name.starts_with('.') || name.ends_with('.') || name.contains("..");
    if !fits || dots {
        let rule = "1 to 256 letters, digits, hyphens, underscores and single dots inside";
        return Err(refuse(attribute, "its name is not valid", rule));
    }
    let reserved = |prefix: &str| name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    if reserved("AWS.") || reserved("Amazon.") {
        return Err(refuse(attribute, "its name is reserved", "a name that does not start with AWS. or Amazon."));
    }
    Ok(())
}

/// A decimal with an optional exponent, within the digits and the size that SQS keeps.
fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = || whole.bytes().chain(fraction.bytes());
    if whole.len() + fraction.len() == 0 || !digits().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let Ok(exponent) = exponent.parse::<i64>() else { return false };
    let significant = mantissa.replace('.', "");
    let significant = significant.trim_start_matches('0').trim_end_matches('0');
    if significant.is_empty() {
        return true;
    }
    let leading = whole.trim_start_matches('0').len() as i64;
    let leading =
        if leading > 0 { leading } else { -(fraction.bytes().take_while(|byte| *byte == b'0').count() as i64) };
    significant.len() <= NUMBER_DIGITS_MAX && exponent.saturating_add(leading).abs() <= NUMBER_EXPONENT_MAX
}

/// Bytes of a message as the limits count them: the body, and each attribute's name, type and value.
pub(super) fn size(body: &[u8], attributes: &[Attribute]) -> usize {
    let value = |attribute: &Attribute| match &attribute.value {
        AttributeValue::Text(text) => text.len(),
        AttributeValue::Binary(bytes) => bytes.len(),
    };
    let bytes = |attribute: &Attribute| attribute.name.len() + attribute.data_type.len() + value(attribute);
    body.len() + attributes.iter().map(bytes).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn text(name: &str, data_type: &str, value: &str) -> Attribute {
        Attribute { name: name.into(), data_type: data_type.into(), value: AttributeValue::Text(value.into()) }
    }

    fn is_fine(attribute: Attribute) -> bool {
        check(&[attribute]).is_ok()
    }

    #[test]
    fn names_follow_the_aws_rule() {
        for good in ["a", "attr.1øßä", "A-b_9.c", &"n".repeat(256)] {
            assert!(is_fine(text(good, "String", "x")), "{good}");
        }
        for bad in ["", ".a", "a.", "a..b", "a b", "AWS.x", "aws.x", "AMAZON.y", &"n".repeat(257)] {
            assert!(!is_fine(text(bad, "String", "x")), "{bad}");
        }
    }

    #[test]
    fn a_value_fits_its_type() {
        assert!(is_fine(text("a", "String.label", "x")));
        assert!(!is_fine(text("a", "String", "")));
        assert!(!is_fine(text("a", "Text", "x")));
        assert!(!is_fine(text("a", "Binary", "x")));
        let binary = |bytes: &'static [u8]| AttributeValue::Binary(Bytes::from_static(bytes));
        assert!(is_fine(Attribute { name: "a".into(), data_type: "Binary.png".into(), value: binary(b"\0") }));
        assert!(!is_fine(Attribute { name: "a".into(), data_type: "Binary".into(), value: binary(b"") }));
    }

    #[test]
    fn a_number_is_a_decimal_within_its_range() {
        for good in ["0", "-1", "1493147359900", "0.000", "1e126", "-12.5E-3", &"9".repeat(38)] {
            assert!(is_number(good), "{good}");
        }
        for bad in ["", "-", "1,5", "0x1", "NaN", "1e", "1e200", "1e-200", &"9".repeat(39)] {
            assert!(!is_number(bad), "{bad}");
        }
    }

    #[test]
    fn ten_attributes_are_fine_and_eleven_are_not() {
        let many = |count: usize| (0..count).map(|n| text(&format!("a{n}"), "String", "x")).collect::<Vec<_>>();
        assert!(check(&many(10)).is_ok());
        assert_eq!(check(&many(11)).expect_err("too many").field.as_deref(), Some("attributes"));
    }

    #[test]
    fn the_size_counts_names_types_and_values() {
        assert_eq!(size(b"body", &[text("name", "String", "value")]), 4 + 4 + 6 + 5);
    }
}
