//! Why a call failed, as the AWS protocols tell it: a kind with its codes, and a text. How each form spells it.

use super::wire::{
    cbor,
    writer::{Form, Writer},
    xml,
};
use std::borrow::Cow;

/// One row of a service's table of errors.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// The name of the shape in JSON, with its namespace.
    pub json_type: &'static str,
    /// The code in XML and in the header of JSON answers.
    pub query_code: &'static str,
    pub status: u16,
    /// Whether the service is at fault, and not the sender.
    pub is_receivers: bool,
    /// What the message says in XML when that differs from JSON.
    pub query_message: Option<&'static str>,
}

impl Kind {
    pub(super) const fn new(json_type: &'static str, query_code: &'static str, status: u16) -> Self {
        Self { json_type, query_code, status, is_receivers: status >= 500, query_message: None }
    }

    pub(super) fn party(&self) -> &'static str {
        if self.is_receivers { "Receiver" } else { "Sender" }
    }
}

/// A call that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub kind: &'static Kind,
    /// Empty: the kind says it all.
    pub message: Cow<'static, str>,
    /// Further members of the answer in JSON; null: none.
    pub more: serde_json::Value,
}

impl Fault {
    pub(super) fn new(kind: &'static Kind, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, message: message.into(), more: serde_json::Value::Null }
    }

    /// With the members of an object.
    #[must_use]
    pub(super) fn with(self, more: serde_json::Value) -> Self {
        Self { more, ..self }
    }

    fn query_message(&self) -> &str {
        self.kind.query_message.unwrap_or(&self.message)
    }

    /// The body of the answer.
    pub(super) fn body(&self, form: Form, namespace: &str, request_id: &str) -> Vec<u8> {
        let mut writer = Writer::new(form);
        match form {
            Form::Cbor => return cbor::texts(&[("__type", self.kind.json_type), ("message", &self.message)]),
            Form::Json => writer.structure(|w| {
                w.plain("__type", self.kind.json_type);
                if !self.message.is_empty() {
                    w.text("message", &self.message);
                }
                for (name, value) in self.more.as_object().into_iter().flatten() {
                    w.raw(&format!(",\"{name}\":{value}"));
                }
            }),
            Form::QueryJson => writer.structure(|w| {
                w.part("Error", |w| {
                    w.plain("Code", self.kind.query_code);
                    w.text("Message", self.query_message());
                    w.plain("Type", self.kind.party());
                });
                w.plain("RequestId", request_id);
            }),
            Form::Xml if self.kind == &common::UNKNOWN_OPERATION => writer.raw("<UnknownOperationException/>\n"),
            Form::Xml => {
                let mut message = Vec::new();
                xml::escape(&mut message, self.query_message());
                writer.raw(&format!(
                    "<?xml version=\"1.0\"?><ErrorResponse xmlns=\"{namespace}\"><Error><Type>{}</Type><Code>{}</Code>\
                     <Message>{}</Message><Detail/></Error><RequestId>{request_id}</RequestId></ErrorResponse>",
                    self.kind.party(),
                    self.kind.query_code,
                    String::from_utf8_lossy(&message),
                ));
            }
        }
        writer.finish()
    }
}

/// Faults that every service has.
pub mod common {
    use super::{Fault, Kind};
    use std::borrow::Cow;

    pub const UNKNOWN_OPERATION: Kind =
        Kind::new("com.amazon.coral.service#UnknownOperationException", "UnknownOperationException", 404);
    /// The same in JSON, where AWS answers with another status.
    pub const UNKNOWN_TARGET: Kind =
        Kind::new("com.amazon.coral.service#UnknownOperationException", "UnknownOperationException", 400);
    pub const INVALID_ACTION: Kind =
        Kind::new("com.amazon.coral.service#UnknownOperationException", "InvalidAction", 400);
    pub const SERIALIZATION: Kind = Kind::new("com.amazon.coral.service#SerializationException", "MalformedInput", 400);
    pub const MISSING_PARAMETER: Kind =
        Kind::new("com.amazon.coral.service#MissingRequiredParameterException", "MissingParameter", 400);
    pub const INVALID_PARAMETER_VALUE: Kind =
        Kind::new("com.amazon.coral.service#InvalidParameterValueException", "InvalidParameterValue", 400);
    pub const TOO_LARGE: Kind =
        Kind::new("com.amazon.coral.service#RequestEntityTooLargeException", "RequestEntityTooLarge", 413);
    pub const REQUEST_TIMEOUT: Kind =
        Kind::new("com.amazon.coral.service#RequestTimeoutException", "RequestTimeout", 408);
    pub const INTERNAL: Kind = Kind::new("com.amazon.coral.service#InternalFailure", "InternalFailure", 500);
    pub const UNAVAILABLE: Kind =
        Kind::new("com.amazon.coral.service#ServiceUnavailableException", "ServiceUnavailable", 503);
    pub const ACCESS_DENIED: Kind = Kind::new("com.amazon.coral.service#AccessDeniedException", "AccessDenied", 403);
    pub const MISSING_TOKEN: Kind =
        Kind::new("com.amazon.coral.service#MissingAuthenticationTokenException", "MissingAuthenticationToken", 403);
    pub const UNRECOGNIZED_CLIENT: Kind =
        Kind::new("com.amazon.coral.service#UnrecognizedClientException", "InvalidClientTokenId", 403);
    pub const SIGNATURE_MISMATCH: Kind =
        Kind::new("com.amazon.coral.service#InvalidSignatureException", "SignatureDoesNotMatch", 403);
    pub const INCOMPLETE_SIGNATURE: Kind =
        Kind::new("com.amazon.coral.service#IncompleteSignatureException", "IncompleteSignature", 403);
    pub const EXPIRED_TOKEN: Kind = Kind::new("com.amazon.coral.service#ExpiredTokenException", "ExpiredToken", 403);

    pub(in crate::protocol::aws) fn missing(name: &str) -> Fault {
        Fault::new(&MISSING_PARAMETER, format!("The request must contain the parameter {name}."))
    }

    pub(in crate::protocol::aws) fn malformed(message: impl Into<Cow<'static, str>>) -> Fault {
        Fault::new(&SERIALIZATION, message)
    }

    pub(in crate::protocol::aws) fn not_an_integer(text: &str) -> Fault {
        let shown: String = text.chars().take(100).collect();
        Fault::new(
            &INVALID_PARAMETER_VALUE,
            format!("Value {shown} for parameter is invalid. Reason: Must be an integer."),
        )
    }

    pub(in crate::protocol::aws) fn invalid(message: impl Into<Cow<'static, str>>) -> Fault {
        Fault::new(&INVALID_PARAMETER_VALUE, message)
    }

    /// The sentence most refusals of a value have.
    pub(in crate::protocol::aws) fn invalid_value(value: impl std::fmt::Display, name: &str, reason: &str) -> Fault {
        invalid(format!("Value {value} for parameter {name} is invalid. Reason: {reason}"))
    }
}
