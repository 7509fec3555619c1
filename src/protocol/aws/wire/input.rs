//! Reads members of a request, whichever form it has. A member has two names: the one of JSON, and the one that lists and
//! maps have in a Query.

use super::{form::Form, json::Json};
use crate::{
    protocol::aws::fault::{Fault, common},
    service::words::{Attribute, AttributeValue},
};
use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use std::borrow::Cow;

/// Base64 with or without padding.
pub(in crate::protocol::aws) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

type Read<T> = Result<T, Fault>;

/// A request, or a structure inside of one.
#[derive(Clone, Debug)]
pub(in crate::protocol::aws) enum Input<'a> {
    Json(&'a Json<'a>),
    Form(Form<'a>),
}

/// A member's name in JSON and, for a list or a map, in a Query.
pub(in crate::protocol::aws) type Names = (&'static str, &'static str);

impl Input<'_> {
    /// A text; `None` when it was not sent.
    pub(in crate::protocol::aws) fn text(&self, name: &str) -> Read<Option<Cow<'_, str>>> {
        match self {
            Self::Form(form) => Ok(form.get(name).map(Cow::Borrowed)),
            Self::Json(json) => json.member(name).map(text_of).transpose(),
        }
    }

    /// A text that must have been sent, and not be empty.
    pub(in crate::protocol::aws) fn required(&self, name: &str) -> Read<Cow<'_, str>> {
        self.text(name)?.filter(|text| !text.is_empty()).ok_or_else(|| common::missing(name))
    }

    /// A whole number.
    pub(in crate::protocol::aws) fn integer(&self, name: &str) -> Read<Option<i64>> {
        let not_a_number = |found: &str| common::malformed(format!("{name}: {found:?} is not a whole number"));
        match self {
            Self::Form(form) => match form.get(name) {
                None | Some("") => Ok(None),
                Some(text) => text.trim().parse().map(Some).map_err(|_| common::not_an_integer(text)),
            },
            Self::Json(json) => match json.member(name) {
                None => Ok(None),
                Some(Json::Integer(number)) => Ok(Some(*number)),
                Some(Json::Real(number)) if number.fract() == 0.0 => Ok(Some(*number as i64)),
                Some(Json::Text(text)) => text.trim().parse().map(Some).map_err(|_| not_a_number(text)),
                Some(Json::Real(number)) => Err(not_a_number(&number.to_string())),
                Some(Json::Null | Json::Flag(_) | Json::List(_) | Json::Object(_)) => {
                    Err(common::malformed(format!("{name} is not a whole number")))
                }
            },
        }
    }

    /// A structure inside of this one; `None` when it was not sent.
    pub(in crate::protocol::aws) fn part(&self, name: &str) -> Read<Option<Input<'_>>> {
        match self {
            Self::Form(form) => Ok(form.mentions(name).then(|| Input::Form(form.part(name)))),
            Self::Json(input) => match input.member(name) {
                None => Ok(None),
                Some(found) if found.as_members().is_some() => Ok(Some(Input::Json(found))),
                Some(_) => Err(common::malformed(format!("{name} is not a structure"))),
            },
        }
    }

    /// A list of texts; `None` when it was not sent.
    pub(in crate::protocol::aws) fn texts(&self, (json, query): Names) -> Read<Option<Vec<String>>> {
        match self {
            Self::Form(form) => {
                let mut texts = Vec::new();
                for element in form.list(query) {
                    texts.extend(element.get("").map(ToOwned::to_owned));
                }
                // Old clients write a single element without a number.
                let single = form.get(query).filter(|text| texts.is_empty() && !text.is_empty());
                texts.extend(single.map(ToOwned::to_owned));
                Ok((!texts.is_empty() || form.get(query).is_some()).then_some(texts))
            }
            Self::Json(input) => match input.member(json) {
                None => Ok(None),
                Some(Json::List(items)) => {
                    items.iter().map(|item| Ok(text_of(item)?.into_owned())).collect::<Read<_>>().map(Some)
                }
                Some(_) => Err(common::malformed(format!("{json} is not a list"))),
            },
        }
    }

    /// A map of texts in the order sent; `None` when it was not. In a Query its keys and values are named `parts`.
    pub(in crate::protocol::aws) fn pairs(
        &self,
        (json, query): Names,
        (key, value): (&str, &str),
    ) -> Read<Option<Vec<(String, String)>>> {
        match self {
            Self::Form(form) => {
                let pair = |element: &Form<'_>| {
                    let name = element.get(key).or_else(|| element.get("key")).unwrap_or_default();
                    let text = element.get(value).or_else(|| element.get("value")).unwrap_or_default();
                    (name.to_owned(), text.to_owned())
                };
                let mut pairs: Vec<_> = form.list(query).iter().map(pair).collect();
                let single = form.part(query);
                if pairs.is_empty() && single.get(key).is_some() {
                    pairs.push(pair(&single));
                }
                Ok((!pairs.is_empty()).then_some(pairs))
            }
            Self::Json(input) => match input.member(json) {
                None => Ok(None),
                Some(Json::Object(members)) => {
                    let pair = |(name, value): &(Cow<'_, str>, Json<'_>)| {
                        let text = if *value == Json::Null { Cow::Borrowed("") } else { text_of(value)? };
                        Ok((name.clone().into_owned(), text.into_owned()))
                    };
                    members.iter().map(pair).collect::<Read<_>>().map(Some)
                }
                Some(_) => Err(common::malformed(format!("{json} is not a map"))),
            },
        }
    }

    /// The structures of a list.
    pub(in crate::protocol::aws) fn entries(&self, (json, query): Names) -> Read<Vec<Input<'_>>> {
        match self {
            Self::Form(form) => Ok(form.list(query).into_iter().map(Input::Form).collect()),
            Self::Json(input) => match input.member(json) {
                None => Ok(Vec::new()),
                Some(Json::List(items)) => items
                    .iter()
                    .map(|item| match item.as_members() {
                        Some(_) => Ok(Input::Json(item)),
                        None => Err(common::malformed(format!("an entry of {json} is not a structure"))),
                    })
                    .collect(),
                Some(_) => Err(common::malformed(format!("{json} is not a list"))),
            },
        }
    }

    /// Message attributes, as they were sent: nothing about their names, types and values is checked.
    pub(in crate::protocol::aws) fn attributes(&self, (json, query): Names) -> Read<Vec<Attribute>> {
        match self {
            Self::Form(form) => form
                .list(query)
                .iter()
                .map(|element| {
                    let name = element.get("Name").or_else(|| element.get("key")).unwrap_or_default().to_owned();
                    attribute(name, &Input::Form(element.part(part_of(element))))
                })
                .collect(),
            Self::Json(input) => match input.member(json) {
                None => Ok(Vec::new()),
                Some(Json::Object(members)) => members
                    .iter()
                    .map(|(name, value)| match value.as_members() {
                        Some(_) => attribute(name.clone().into_owned(), &Input::Json(value)),
                        None => Err(common::malformed(format!("an element of {json} is not a structure"))),
                    })
                    .collect(),
                Some(_) => Err(common::malformed(format!("{json} is not a map"))),
            },
        }
    }
}

fn part_of(element: &Form<'_>) -> &'static str {
    if element.mentions("Value") { "Value" } else { "value" }
}

fn attribute(name: String, value: &Input<'_>) -> Read<Attribute> {
    let data_type = value.text("DataType")?.unwrap_or_default().into_owned();
    let is_binary = data_type.split('.').next() == Some("Binary");
    let (text, binary) = (value.text("StringValue")?, value.text("BinaryValue")?);
    let value = match (text, binary) {
        (None, Some(binary)) => AttributeValue::Binary(bytes(&name, &binary)?),
        (Some(_), Some(binary)) if is_binary => AttributeValue::Binary(bytes(&name, &binary)?),
        (Some(text), _) => AttributeValue::Text(text.into_owned()),
        (None, None) => AttributeValue::Text(String::new()),
    };
    Ok(Attribute { name, data_type, value })
}

fn bytes(name: &str, text: &str) -> Read<bytes::Bytes> {
    let decoded = BASE64.decode(text.trim_ascii());
    decoded.map(Into::into).map_err(|_| common::malformed(format!("BinaryValue of {name:?} is not base64")))
}

/// Numbers and booleans are taken for the text they print as: some clients write attribute values so.
fn text_of<'j>(json: &'j Json<'_>) -> Read<Cow<'j, str>> {
    match json {
        Json::Text(text) => Ok(Cow::Borrowed(text)),
        Json::Integer(number) => Ok(Cow::Owned(number.to_string())),
        Json::Real(number) => Ok(Cow::Owned(number.to_string())),
        Json::Flag(flag) => Ok(Cow::Borrowed(if *flag { "true" } else { "false" })),
        Json::Null => Ok(Cow::Borrowed("")),
        Json::List(_) => Err(common::malformed("Start of list found where not expected")),
        Json::Object(_) => Err(common::malformed("Start of structure or map found where not expected.")),
    }
}
