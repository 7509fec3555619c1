//! Why a call failed, as Kinesis tells it: names without a namespace, and one body for JSON and CBOR.

use super::cbor;
use crate::{
    base::reason::{Reason, Refusal, Remedy},
    protocol::aws::{
        fault::{Fault, Kind, common},
        wire::value::{Members, Said, Value},
    },
};
use std::borrow::Cow;

/// What a request is written in, and its answer too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Json,
    Cbor,
}

impl Encoding {
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/x-amz-json-1.1",
            Self::Cbor => "application/x-amz-cbor-1.1",
        }
    }

    pub(super) fn write(self, value: &Value<'_>) -> Vec<u8> {
        match self {
            Self::Json => value.to_json(),
            Self::Cbor => cbor::write(value),
        }
    }
}

const fn bare(name: &'static str, status: u16) -> Kind {
    Kind::new(name, name, status)
}

pub(super) const SERIALIZATION: Kind = bare("SerializationException", 400);
pub(super) const VALIDATION: Kind = bare("ValidationException", 400);
pub(super) const UNKNOWN_OPERATION: Kind = bare("UnknownOperationException", 400);
pub(super) const INVALID_ARGUMENT: Kind = bare("InvalidArgumentException", 400);
pub(super) const RESOURCE_NOT_FOUND: Kind = bare("ResourceNotFoundException", 400);
pub(super) const RESOURCE_IN_USE: Kind = bare("ResourceInUseException", 400);
pub(super) const LIMIT_EXCEEDED: Kind = bare("LimitExceededException", 400);
pub(super) const ACCESS_DENIED: Kind = bare("AccessDeniedException", 400);
pub(super) const EXPIRED_ITERATOR: Kind = bare("ExpiredIteratorException", 400);
pub(super) const EXPIRED_NEXT_TOKEN: Kind = bare("ExpiredNextTokenException", 400);
pub(super) const THROUGHPUT_EXCEEDED: Kind = bare("ProvisionedThroughputExceededException", 400);
pub(super) const THROTTLING: Kind = bare("ThrottlingException", 400);
pub(super) const DRY_RUN: Kind = bare("DryRunOperationException", 400);
pub(super) const MISSING_TOKEN: Kind = bare("MissingAuthenticationTokenException", 400);
pub(super) const UNRECOGNIZED_CLIENT: Kind = bare("UnrecognizedClientException", 400);
pub(super) const INVALID_SIGNATURE: Kind = bare("InvalidSignatureException", 400);
pub(super) const INCOMPLETE_SIGNATURE: Kind = bare("IncompleteSignatureException", 400);
pub(super) const EXPIRED_TOKEN: Kind = bare("ExpiredTokenException", 400);
pub(super) const TOO_LARGE: Kind = bare("RequestEntityTooLargeException", 413);
pub(super) const REQUEST_TIMEOUT: Kind = bare("RequestTimeoutException", 408);
pub(super) const INTERNAL: Kind = bare("InternalFailure", 500);
pub(super) const UNAVAILABLE: Kind = bare("ServiceUnavailable", 503);

pub(super) fn serialization(message: impl Into<Cow<'static, str>>) -> Fault {
    Fault::new(&SERIALIZATION, message)
}

pub(super) fn validation(message: impl Into<Cow<'static, str>>) -> Fault {
    Fault::new(&VALIDATION, message)
}

pub(super) fn invalid(message: impl Into<Cow<'static, str>>) -> Fault {
    Fault::new(&INVALID_ARGUMENT, message)
}

/// The body of a failed call. One error has its message under another name than all others.
pub(super) fn body(fault: &Fault) -> Said {
    let name = if *fault.kind == SERIALIZATION { "Message" } else { "message" };
    let message = (!fault.message.is_empty()).then(|| fault.message.clone().into_owned());
    Members::default().with("__type", fault.kind.json_type).maybe(name, message).into()
}

/// A fault that the parts common to all services found, as this one tells it.
pub(super) fn translated(fault: Fault) -> Fault {
    let kind = fault.kind;
    let (kind, message) = match () {
        () if *kind == common::MISSING_TOKEN => (&MISSING_TOKEN, "Missing Authentication Token".into()),
        () if *kind == common::UNRECOGNIZED_CLIENT => (&UNRECOGNIZED_CLIENT, fault.message),
        () if *kind == common::SIGNATURE_MISMATCH => (&INVALID_SIGNATURE, fault.message),
        () if *kind == common::INCOMPLETE_SIGNATURE => (&INCOMPLETE_SIGNATURE, fault.message),
        () if *kind == common::EXPIRED_TOKEN => (&EXPIRED_TOKEN, fault.message),
        () if *kind == common::ACCESS_DENIED => (&ACCESS_DENIED, fault.message),
        () if *kind == common::TOO_LARGE => (&TOO_LARGE, fault.message),
        () if *kind == common::REQUEST_TIMEOUT => (&REQUEST_TIMEOUT, fault.message),
        () if *kind == common::SERIALIZATION => (&SERIALIZATION, Cow::Borrowed("")),
        () if *kind == common::UNAVAILABLE => (&UNAVAILABLE, fault.message),
        () => (kind, fault.message),
    };
    Fault::new(kind, message)
}

/// A refusal for which there are no words of Kinesis itself.
pub(super) fn refused(refusal: Refusal) -> Fault {
    let by_remedy = match refusal.reason.remedy() {
        Remedy::Report => &INTERNAL,
        Remedy::RetryAfter(_) => &THROTTLING,
        Remedy::FixRequest | Remedy::Gone | Remedy::ChangeState | Remedy::Denied => &INVALID_ARGUMENT,
    };
    let own: &[(Reason, &'static Kind)] = &[
        (Reason::StreamNotFound, &RESOURCE_NOT_FOUND),
        (Reason::ShardNotFound, &RESOURCE_NOT_FOUND),
        (Reason::StreamPartNotFound, &RESOURCE_NOT_FOUND),
        (Reason::StreamExists, &RESOURCE_IN_USE),
        (Reason::StreamNotActive, &RESOURCE_IN_USE),
        (Reason::StreamPartExists, &RESOURCE_IN_USE),
        (Reason::TooManyStreams, &LIMIT_EXCEEDED),
        (Reason::StreamLimit, &LIMIT_EXCEEDED),
        (Reason::PolicyTooLarge, &LIMIT_EXCEEDED),
        (Reason::ShardThroughputExceeded, &THROUGHPUT_EXCEEDED),
        (Reason::StreamStateForbids, &VALIDATION),
        (Reason::AccessDenied, &ACCESS_DENIED),
        (Reason::Unauthenticated, &UNRECOGNIZED_CLIENT),
        (Reason::Draining, &UNAVAILABLE),
        (Reason::Starting, &UNAVAILABLE),
        (Reason::StorageFull, &UNAVAILABLE),
    ];
    let kind = own.iter().find(|(reason, _)| *reason == refusal.reason).map_or(by_remedy, |(_, kind)| *kind);
    Fault::new(kind, refusal.message)
}
