//! Rules of what is sent, and how a message is written to who receives it.

use crate::{
    base::time::Timestamp,
    protocol::aws::{
        errors::sqs,
        fault::{Fault, common},
        wire::{digest, writer::Writer, xml},
    },
    service::words::{Attribute, AttributeValue, Payload},
};
use std::borrow::Cow;

const SHORT_ID_CHARS_MAX: usize = 128;
const ATTRIBUTES_MAX: usize = 10;
const NAME_CHARS_MAX: usize = 256;
/// The one attribute of the system that may be sent.
pub(super) const TRACE_HEADER: &str = "AWSTraceHeader";
/// What the sequence numbers of AWS look like: twenty digits, rising by steps.
const SEQUENCE_BASE: u128 = 18_850_000_000_000_000_000;
const SEQUENCE_STEP: u128 = 256;

pub(super) fn sequence_number(number: u64) -> u128 {
    SEQUENCE_BASE + u128::from(number) * SEQUENCE_STEP
}

/// Whether XML 1.0 can say it, which is what SQS accepts.
pub(super) fn check_characters(text: &str) -> Result<(), Fault> {
    // What is outside ASCII and not legal are two code points, whose UTF-8 begins with EF BF.
    let is_suspect = |byte: u8| byte < 0x20 || byte == 0xef;
    // Without stopping at the first, so that many bytes are looked at in one step.
    if !text.bytes().fold(false, |found, byte| found | is_suspect(byte)) {
        return Ok(());
    }
    if text.chars().all(xml::has) {
        return Ok(());
    }
    const TEXT: &str = "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | \
                        #xE000 to #xFFFD | #x10000 to #x10FFFF";
    Err(Fault::new(&sqs::INVALID_MESSAGE_CONTENTS, TEXT))
}

/// A group id, deduplication id or attempt id that was sent.
pub(super) fn check_short_id(name: &str, value: Option<&str>) -> Result<(), Fault> {
    let Some(value) = value else { return Ok(()) };
    let fits = (1..=SHORT_ID_CHARS_MAX).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_graphic());
    if fits {
        return Ok(());
    }
    let reason = format!("{name} can only include alphanumeric and punctuation characters. 1 to 128 in length.");
    Err(common::invalid_value(shorten(value), name, &reason))
}

/// What a message repeats of a value.
pub(super) fn shorten(value: &str) -> &str {
    const MOST: usize = 1024;
    value.char_indices().nth(MOST).and_then(|(end, _)| value.get(..end)).unwrap_or(value)
}

/// Checks what the senders of messages call attributes, in the words of SQS.
pub(super) fn check_attributes(attributes: &[Attribute]) -> Result<(), Fault> {
    let count = attributes.len();
    if count > ATTRIBUTES_MAX {
        let text = format!("Number of message attributes [{count}] exceeds the allowed maximum [{ATTRIBUTES_MAX}].");
        return Err(common::invalid(text));
    }
    attributes.iter().try_for_each(check_attribute)?;
    // At most ten: comparing each with those before it beats a set.
    let is_repeated = |at: usize, name: &str| attributes.iter().take(at).any(|earlier| earlier.name == name);
    match attributes.iter().enumerate().find(|(at, attribute)| is_repeated(*at, &attribute.name)) {
        Some((_, Attribute { name, .. })) => {
            Err(common::invalid(format!("Message (user) attribute '{}' is there more than once.", shorten(name))))
        }
        None => Ok(()),
    }
}

fn check_attribute(attribute: &Attribute) -> Result<(), Fault> {
    let name = &attribute.name;
    let shown = shorten(name);
    let legal = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    if name.is_empty() || !name.chars().all(legal) {
        return Err(common::invalid(format!(
            "The message attribute name '{shown}' is invalid. Attribute name can contain A-Z, a-z, 0-9, underscore (_), \
             hyphen (-), and period (.) characters."
        )));
    }
    if name.chars().count() > NAME_CHARS_MAX {
        return Err(common::invalid("Message (user) attribute name must be shorter than 256 Bytes"));
    }
    let reserved = |prefix: &str| name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    if name.starts_with('.') || name.ends_with('.') || name.contains("..") || reserved("AWS.") || reserved("Amazon.") {
        return Err(common::invalid(format!(
            "You can't use message attribute names beginning with 'AWS.' or 'Amazon.', or that begin or end with a period \
             or have two in a row: '{shown}' is invalid."
        )));
    }
    let data_type = &attribute.data_type;
    if data_type.is_empty() {
        return Err(common::invalid(format!(
            "The message attribute '{shown}' must contain non-empty message attribute type."
        )));
    }
    let logical = data_type.split('.').next().unwrap_or_default();
    if !matches!(logical, "String" | "Number" | "Binary") || data_type.chars().count() > NAME_CHARS_MAX {
        return Err(common::invalid(format!(
            "The message attribute '{shown}' has an invalid message attribute type, the set of supported type prefixes is \
             Binary, Number, and String."
        )));
    }
    let is_empty = match &attribute.value {
        AttributeValue::Text(text) => text.is_empty() || logical == "Binary",
        AttributeValue::Binary(bytes) => bytes.is_empty() || logical != "Binary",
    };
    if is_empty {
        return Err(common::invalid(format!(
            "Message (user) attribute '{shown}' must contain a non-empty value of type '{data_type}'."
        )));
    }
    match &attribute.value {
        AttributeValue::Text(text) => check_characters(text),
        AttributeValue::Binary(_) => Ok(()),
    }
}

/// Bytes of a message as the limits count them.
pub(super) fn size(body: &str, attributes: &[Attribute]) -> usize {
    let value = |attribute: &Attribute| match &attribute.value {
        AttributeValue::Text(text) => text.len(),
        AttributeValue::Binary(bytes) => bytes.len(),
    };
    let bytes = |attribute: &Attribute| attribute.name.len() + attribute.data_type.len() + value(attribute);
    body.len() + attributes.iter().map(bytes).sum::<usize>()
}

/// The attributes of the system that a receiver asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SystemNames(u16);

const SYSTEM_NAMES: [&str; 9] = [
    "SenderId",
    "SentTimestamp",
    "ApproximateReceiveCount",
    "ApproximateFirstReceiveTimestamp",
    "SequenceNumber",
    "MessageDeduplicationId",
    "MessageGroupId",
    TRACE_HEADER,
    "DeadLetterQueueSourceArn",
];

impl SystemNames {
    pub(super) const ALL: Self = Self(u16::MAX);

    pub(super) fn parse(names: &[String]) -> Result<Self, Fault> {
        let mut wanted = Self::default();
        for name in names {
            wanted = match SYSTEM_NAMES.iter().position(|known| known == name) {
                Some(at) => Self(wanted.0 | 1 << at),
                None if name == "All" => Self::ALL,
                None => {
                    let text = format!("Unknown Attribute {}.", shorten(name));
                    return Err(Fault::new(&sqs::INVALID_ATTRIBUTE_NAME, text));
                }
            };
        }
        Ok(wanted)
    }

    fn has(self, at: usize) -> bool {
        self.0 & 1 << at != 0
    }
}

/// The attributes of the sender that a receiver asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct AttributeNames {
    all: bool,
    exact: Vec<String>,
    prefixes: Vec<String>,
}

impl AttributeNames {
    pub(super) fn all() -> Self {
        Self { all: true, ..Self::default() }
    }

    pub(super) fn parse(names: Vec<String>) -> Self {
        let mut wanted = Self::default();
        for name in names {
            match name.strip_suffix('*') {
                _ if name == "All" || name == ".*" => wanted.all = true,
                Some(prefix) if prefix.ends_with('.') => wanted.prefixes.push(prefix.to_owned()),
                _ => wanted.exact.push(name),
            }
        }
        wanted
    }

    pub(super) fn is_none(&self) -> bool {
        !self.all && self.exact.is_empty() && self.prefixes.is_empty()
    }

    fn has(&self, name: &str) -> bool {
        self.all
            || self.exact.iter().any(|exact| exact == name)
            || self.prefixes.iter().any(|prefix| name.starts_with(prefix.as_str()))
    }
}

/// A message besides its handle.
pub(super) struct View<'a> {
    pub(super) payload: &'a Payload,
    pub(super) receipt_handle: &'a str,
    pub(super) sequence_number: Option<u64>,
    pub(super) receive_count: u32,
    pub(super) send_time: Timestamp,
    /// 0: never received.
    pub(super) first_receive: Timestamp,
}

impl View<'_> {
    /// Writes the members of a `Message`. `home` is where names without a region are.
    pub(super) fn write(
        &self,
        w: &mut Writer,
        system: SystemNames,
        wanted: &AttributeNames,
        source_arn: impl Fn(&str) -> Option<String>,
    ) {
        let payload = self.payload;
        w.plain("MessageId", payload.message_id);
        w.plain("ReceiptHandle", self.receipt_handle);
        // A native producer may send bytes; XML and JSON carry text. The digest is of what is read.
        let body =
            std::str::from_utf8(&payload.body).map_or_else(|_| String::from_utf8_lossy(&payload.body), Cow::from);
        let body = w.as_read(body);
        w.plain("MD5OfBody", digest::of_body(body.as_bytes()).as_str());
        w.text("Body", &body);
        if system != SystemNames::default() {
            let system = self.system(system, source_arn);
            w.map(("Attributes", "Attribute"), ("Name", "Value"), system);
        }
        if !payload.attributes.is_empty() && !wanted.is_none() {
            let given = payload.attributes.iter().filter(|attribute| wanted.has(&attribute.name));
            let given: Vec<_> = given.map(|attribute| w.attribute_as_read(attribute)).collect();
            if let Some(md5) = digest::of_attributes(given.iter().map(AsRef::as_ref)) {
                w.plain("MD5OfMessageAttributes", md5.as_str());
            }
            w.attributes(("MessageAttributes", "MessageAttribute"), given.iter().map(AsRef::as_ref));
        }
    }

    fn system(
        &self,
        wanted: SystemNames,
        source_arn: impl Fn(&str) -> Option<String>,
    ) -> impl Iterator<Item = (&'static str, String)> {
        let payload = self.payload;
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let values = SYSTEM_NAMES.into_iter().enumerate().map(move |(at, name)| {
            if !wanted.has(at) {
                return None;
            }
            let value = match at {
                0 => text(&payload.sender),
                1 => Some(self.send_time.as_millis().to_string()),
                2 => Some(self.receive_count.to_string()),
                3 => Some(self.first_receive.as_millis().to_string()),
                4 => self.sequence_number.map(|number| sequence_number(number).to_string()),
                5 => payload.deduplication_id.as_deref().and_then(text),
                6 => payload.group.as_deref().and_then(text),
                7 => text(&payload.trace_context).filter(|trace| !is_w3c(trace)),
                _ => text(&payload.dead_letter_source).and_then(|source| source_arn(&source)),
            };
            Some((name, value?))
        });
        values.flatten()
    }
}

/// Whether it is a `traceparent`, which native producers send and readers of X-Ray's header would misread.
fn is_w3c(trace: &str) -> bool {
    trace.as_bytes().get(2) == Some(&b'-') && trace.bytes().take(2).all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_xml_cannot_say_is_refused() {
        for good in ["plain", "tab\tline\nreturn\r", "ä€😀", "\u{fffd}\u{e000}\u{d7ff}", "\u{7f}"] {
            assert_eq!(check_characters(good), Ok(()), "{good:?}");
        }
        for bad in ["\0", "a\u{b}", "\u{1f}", "\u{fffe}", "x\u{ffff}"] {
            assert!(check_characters(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_name_stands_once_because_receivers_see_a_map() {
        let named = |name: &str| Attribute {
            name: name.into(),
            data_type: "String".into(),
            value: AttributeValue::Text("v".into()),
        };
        assert_eq!(check_attributes(&["a", "b", "A"].map(named)), Ok(()));
        let refused = check_attributes(&["a", "b", "a"].map(named)).expect_err("twice");
        assert_eq!(refused.message, "Message (user) attribute 'a' is there more than once.");
    }

    #[test]
    fn a_prefix_selects_what_follows_its_dot() {
        let names = AttributeNames::parse(vec!["foo.*".into(), "bar".into()]);
        let selected = |name: &str| names.has(name);
        assert!(selected("foo.a") && selected("foo.b") && selected("bar"));
        assert!(!selected("foo") && !selected("foobar") && !selected("bar.a"));
        assert!(AttributeNames::parse(vec![".*".into()]).has("x") && AttributeNames::default().is_none());
    }

    #[test]
    fn sequence_numbers_have_twenty_digits_and_rise() {
        assert_eq!(sequence_number(0).to_string().len(), 20);
        assert_eq!(sequence_number(1 << 50).to_string().len(), 20);
        assert!(sequence_number(2) > sequence_number(1));
    }
}
