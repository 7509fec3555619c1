//! The parameters of a Query request: percent-encoded pairs, whose names spell lists (`Name.1`) and members
//! (`Entry.1.Id`) with dots and numbers.

use std::{borrow::Cow, collections::BTreeMap};

/// Parameters in the order they were sent; those of one element of a list have their names cut to what follows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::protocol::aws) struct Form<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

/// How many parameters the text may have, without reading them.
pub(in crate::protocol::aws) fn count(text: &[u8]) -> usize {
    if text.is_empty() { 0 } else { 1 + text.iter().filter(|byte| **byte == b'&').count() }
}

impl<'a> Form<'a> {
    /// Reads `a=b&c=d`. What is no UTF-8 becomes replacement characters, which no name or id accepts.
    pub(in crate::protocol::aws) fn parse(text: &'a [u8]) -> Self {
        let mut form = Self::default();
        form.extend(text);
        form
    }

    /// Adds what another part of the request says.
    pub(in crate::protocol::aws) fn extend(&mut self, text: &'a [u8]) {
        for pair in text.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            let at = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            let (name, value) = pair.split_at_checked(at).unwrap_or((pair, &[]));
            self.0.push((decode(name), decode(value.get(1..).unwrap_or_default())));
        }
    }

    pub(in crate::protocol::aws) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }

    /// Whether something was said about `name`, whole or in parts.
    pub(in crate::protocol::aws) fn mentions(&self, name: &str) -> bool {
        self.0
            .iter()
            .any(|(known, _)| known.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
    }

    /// The elements of a flattened list, `Name.1…` or `Name.member.1…`, by their numbers; these may have gaps and come in any
    /// order. A plain element is a form with one nameless parameter.
    pub(in crate::protocol::aws) fn list(&self, name: &str) -> Vec<Form<'_>> {
        let mut elements: BTreeMap<u32, Form<'_>> = BTreeMap::new();
        for (known, value) in &self.0 {
            let Some(rest) = known.strip_prefix(name).and_then(|rest| rest.strip_prefix('.')) else { continue };
            let rest = rest.strip_prefix("member.").or_else(|| rest.strip_prefix("entry.")).unwrap_or(rest);
            let (number, member) = rest.split_once('.').unwrap_or((rest, ""));
            let Ok(number) = number.parse::<u32>() else { continue };
            elements.entry(number).or_default().0.push((Cow::Borrowed(member), Cow::Borrowed(&**value)));
        }
        elements.into_values().collect()
    }

    /// The parts of a structure, `Name.Member`.
    pub(in crate::protocol::aws) fn part(&self, name: &str) -> Form<'_> {
        let cut = |known: &'_ str| known.strip_prefix(name).and_then(|rest| rest.strip_prefix('.')).map(str::len);
        let parts = self.0.iter().filter_map(|(known, value)| {
            let rest = known.get(known.len() - cut(known)?..)?;
            Some((Cow::Borrowed(rest), Cow::Borrowed(&**value)))
        });
        Form(parts.collect())
    }
}

/// Undoes percent-encoding; `+` is a space. A `%` without two hexadecimal digits stays.
pub(in crate::protocol::aws) fn decode(text: &[u8]) -> Cow<'_, str> {
    if !text.iter().any(|byte| matches!(byte, b'%' | b'+')) {
        return String::from_utf8_lossy(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    loop {
        rest = match rest {
            [] => break,
            [b'%', high, low, after @ ..] => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    bytes.push(high << 4 | low);
                    after
                }
                _ => {
                    bytes.push(b'%');
                    rest.get(1..).unwrap_or_default()
                }
            },
            [byte, after @ ..] => {
                bytes.push(if *byte == b'+' { b' ' } else { *byte });
                after
            }
        };
    }
    let text = String::from_utf8(bytes);
    Cow::Owned(text.unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_form_is_read_as_browsers_write_it() {
        let form = Form::parse(b"Action=SendMessage&MessageBody=a+b%20%c3%a4%&x&=y&&QueueUrl=");
        assert_eq!(form.get("Action"), Some("SendMessage"));
        assert_eq!(form.get("MessageBody"), Some("a b ä%"));
        assert_eq!((form.get("x"), form.get(""), form.get("QueueUrl")), (Some(""), Some("y"), Some("")));
        assert_eq!(form.get("missing"), None);
    }

    #[test]
    fn lists_are_in_the_order_of_their_numbers() {
        let form = Form::parse(b"A.10=z&A.2.Id=two&A.2.Value.S=deep&A.x=no&AB.1=no&A.member.3=m&A.1=one");
        let list = form.list("A");
        let first: Vec<_> = list.iter().map(|element| element.get("")).collect();
        assert_eq!(first, [Some("one"), None, Some("m"), Some("z")]);
        assert_eq!(list[1].get("Id"), Some("two"));
        assert_eq!(list[1].part("Value").get("S"), Some("deep"));
        assert!(form.mentions("A") && form.mentions("AB") && !form.mentions("B"));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), name in "[A-Za-z.0-9]{0,8}") {
            let form = Form::parse(&bytes);
            for element in form.list(&name) {
                let _ = element.part("Value").list(&name);
            }
        }

        #[test]
        fn what_was_encoded_is_read_back(text in ".{0,40}") {
            let encoded: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
            prop_assert_eq!(decode(encoded.as_bytes()), text);
        }
    }
}
