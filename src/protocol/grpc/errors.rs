//! How a refusal is spelled: one exhaustive table from reasons to codes, and the details that every status carries.
//!
//! `ErrorInfo` always; `RetryInfo` if and only if a retry can help; `BadRequest` when a field is wrong; `RequestInfo`
//! with the id to quote to an operator.

use super::convert;
use crate::{
    base::reason::{Reason, Refusal, Remedy},
    proto::common::v1 as wire,
};
use std::collections::HashMap;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// The `domain` of every `ErrorInfo`.
pub const DOMAIN: &str = "forebay";

/// The table.
pub fn code(reason: Reason) -> Code {
    match reason {
        Reason::InvalidArgument
        | Reason::MessageTooLarge
        | Reason::RecordTooLarge
        | Reason::ReceiptHandleInvalid
        | Reason::LeaseTooLong
        | Reason::PolicyTooLarge
        | Reason::ActionNotShared
        | Reason::UnexpectedFrame => Code::InvalidArgument,
        Reason::QueueNotFound
        | Reason::RedriveNotFound
        | Reason::StreamNotFound
        | Reason::ShardNotFound
        | Reason::StreamPartNotFound
        | Reason::AccessKeyNotFound
        | Reason::PermissionNotFound => Code::NotFound,
        Reason::QueueExistsDifferently
        | Reason::StreamExists
        | Reason::StreamPartExists
        | Reason::AccessKeyExists
        | Reason::PermissionExists => Code::AlreadyExists,
        Reason::QueueDeletedRecently
        | Reason::LeaseExpired
        | Reason::NoDeadLetterQueue
        | Reason::DeadLetterNotAllowed
        | Reason::NotADeadLetterQueue
        | Reason::RedriveRunning
        | Reason::RedriveEnded
        | Reason::PurgeInProgress
        | Reason::StreamNotActive
        | Reason::StreamStateForbids
        | Reason::BackupRunning
        | Reason::BackupFailed
        | Reason::SequenceGap => Code::FailedPrecondition,
        Reason::EtagMismatch | Reason::GroupFenced => Code::Aborted,
        Reason::TooManyQueues
        | Reason::TooManyAccessKeys
        | Reason::TooManyStreams
        | Reason::StreamLimit
        | Reason::ShardThroughputExceeded
        | Reason::InFlightLimit
        | Reason::ThroughputExceeded
        | Reason::TooManyConnections
        | Reason::StorageFull => Code::ResourceExhausted,
        Reason::StorageCorrupt => Code::DataLoss,
        Reason::Draining | Reason::Starting => Code::Unavailable,
        Reason::Unauthenticated => Code::Unauthenticated,
        Reason::AccessDenied => Code::PermissionDenied,
        Reason::Unimplemented => Code::Unimplemented,
        Reason::Internal => Code::Internal,
    }
}

/// The status of a call that was refused.
pub fn status(refusal: Refusal, request_id: &str) -> Status {
    let mut details = ErrorDetails::new();
    details.set_error_info(refusal.reason.as_str(), DOMAIN, metadata(&refusal));
    if let Some(wait) = refusal.retry_delay() {
        details.set_retry_info(Some(wait));
    }
    if let Some(field) = &refusal.field {
        details.add_bad_request_violation(field, &refusal.message);
    }
    details.set_request_info(request_id, "");
    Status::with_error_details(code(refusal.reason), refusal.message, details)
}

/// One refused entry of a batch.
pub(super) fn entry(refusal: Refusal) -> wire::EntryError {
    let mut metadata = metadata(&refusal);
    if let Some(field) = &refusal.field {
        metadata.entry("field".to_owned()).or_insert_with(|| field.clone());
    }
    wire::EntryError {
        code: code(refusal.reason) as i32,
        reason: refusal.reason.as_str().to_owned(),
        sender_fault: is_senders_fault(refusal.reason),
        retry_delay: refusal.retry_delay().map(convert::to_duration),
        message: refusal.message,
        metadata,
    }
}

fn is_senders_fault(reason: Reason) -> bool {
    match reason.remedy() {
        Remedy::FixRequest | Remedy::Gone | Remedy::ChangeState | Remedy::Denied => true,
        Remedy::RetryAfter(_) | Remedy::Report => false,
    }
}

fn metadata(refusal: &Refusal) -> HashMap<String, String> {
    refusal.metadata.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()
}

/// What a status that the transport made itself means.
pub(super) fn of_transport(status: &Status) -> Refusal {
    let message = status.message();
    match status.code() {
        Code::OutOfRange | Code::Internal | Code::InvalidArgument => Refusal::invalid("request", message),
        Code::ResourceExhausted => Refusal::invalid("request", message),
        Code::Unimplemented => Refusal::new(Reason::Unimplemented, message),
        Code::Unavailable => Refusal::new(Reason::Draining, message),
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::DeadlineExceeded
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::DataLoss
        | Code::Unauthenticated => Refusal::new(Reason::Internal, message),
    }
}

/// The details of such a status; its code stays what the transport chose.
pub(super) fn details_of_transport(status: &Status) -> ErrorDetails {
    let refusal = of_transport(status);
    let mut details = ErrorDetails::new();
    details.set_error_info(refusal.reason.as_str(), DOMAIN, metadata(&refusal));
    if let Some(field) = &refusal.field {
        details.add_bad_request_violation(field, &refusal.message);
    }
    details
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn every_reason_says_what_it_is_and_whether_a_retry_helps() {
        for reason in Reason::ALL {
            let status = status(Refusal::new(*reason, "why").with("limit", 7), "r-1");
            let details = status.get_error_details();
            let info = details.error_info().expect("always there");
            assert_eq!((info.reason.as_str(), info.domain.as_str()), (reason.as_str(), DOMAIN));
            assert_eq!(info.metadata.get("limit").map(String::as_str), Some("7"));
            assert_eq!(details.request_info().map(|info| info.request_id.as_str()), Some("r-1"));
            let can_retry = matches!(reason.remedy(), Remedy::RetryAfter(_));
            assert_eq!(details.retry_info().is_some(), can_retry, "{reason:?}");
            assert_eq!(status.code(), code(*reason));
            assert_ne!(status.code(), Code::Ok);
        }
    }

    #[test]
    fn a_field_and_a_better_known_wait_are_told() {
        let refusal = Refusal::new(Reason::PurgeInProgress, "soon").at("name").retry_after(Duration::from_secs(3));
        let entry = entry(refusal.clone());
        assert_eq!(entry.retry_delay.map(|delay| delay.seconds), Some(3));
        assert_eq!(entry.metadata.get("field").map(String::as_str), Some("name"));
        assert!(!entry.sender_fault);
        let details = status(refusal, "r").get_error_details();
        assert_eq!(details.retry_info().and_then(|info| info.retry_delay), Some(Duration::from_secs(3)));
        let violations = &details.bad_request().expect("a field is named").field_violations;
        assert_eq!(violations.iter().map(|violation| violation.field.as_str()).collect::<Vec<_>>(), ["name"]);
    }
}
