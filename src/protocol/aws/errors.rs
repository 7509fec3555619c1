//! The one table from reasons to the codes of each AWS service. A reason without a row does not compile.

use super::{
    dynamodb::kinds as dynamodb,
    fault::{Fault, Kind, common},
};
use crate::base::reason::{Reason, Refusal, Remedy};

/// The services that share a refusal's reasons and spell them differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    Sqs,
    Sts,
    Kinesis,
    DynamoDb,
    CloudWatch,
}

/// What SQS calls its errors.
pub mod sqs {
    use super::Kind;

    /// A row whose code in Query has the long prefix.
    macro_rules! prefixed {
        ($name:literal, $status:literal) => {
            Kind::new(concat!("com.amazonaws.sqs#", $name), concat!("AWS.SimpleQueueService.", $name), $status)
        };
    }
    macro_rules! plain {
        ($name:literal, $status:literal) => {
            Kind::new(concat!("com.amazonaws.sqs#", $name), $name, $status)
        };
    }

    pub const QUEUE_DOES_NOT_EXIST: Kind = Kind {
        query_message: Some("The specified queue does not exist for this wsdl version."),
        ..Kind::new("com.amazonaws.sqs#QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", 400)
    };
    pub const QUEUE_NAME_EXISTS: Kind = Kind::new("com.amazonaws.sqs#QueueNameExists", "QueueAlreadyExists", 400);
    pub const QUEUE_DELETED_RECENTLY: Kind = prefixed!("QueueDeletedRecently", 400);
    pub const BATCH_ENTRY_IDS_NOT_DISTINCT: Kind = prefixed!("BatchEntryIdsNotDistinct", 400);
    pub const BATCH_REQUEST_TOO_LONG: Kind = prefixed!("BatchRequestTooLong", 400);
    pub const EMPTY_BATCH_REQUEST: Kind = prefixed!("EmptyBatchRequest", 400);
    pub const INVALID_BATCH_ENTRY_ID: Kind = prefixed!("InvalidBatchEntryId", 400);
    pub const TOO_MANY_ENTRIES: Kind = prefixed!("TooManyEntriesInBatchRequest", 400);
    pub const UNSUPPORTED_OPERATION: Kind = prefixed!("UnsupportedOperation", 400);
    pub const PURGE_QUEUE_IN_PROGRESS: Kind = prefixed!("PurgeQueueInProgress", 403);
    pub const INVALID_ADDRESS: Kind = plain!("InvalidAddress", 400);
    pub const INVALID_ATTRIBUTE_NAME: Kind = plain!("InvalidAttributeName", 400);
    pub const INVALID_ATTRIBUTE_VALUE: Kind = plain!("InvalidAttributeValue", 400);
    pub const INVALID_MESSAGE_CONTENTS: Kind = plain!("InvalidMessageContents", 400);
    pub const RECEIPT_HANDLE_IS_INVALID: Kind = plain!("ReceiptHandleIsInvalid", 400);
    pub const OVER_LIMIT: Kind = plain!("OverLimit", 403);
    pub const REQUEST_THROTTLED: Kind = plain!("RequestThrottled", 403);
    pub const RESOURCE_NOT_FOUND: Kind = plain!("ResourceNotFoundException", 404);
}

/// The table.
pub fn kind(service: Service, reason: Reason) -> &'static Kind {
    match service {
        Service::Sqs => of_sqs(reason),
        // What Kinesis says of streams stands with its operations; this is for what all services share.
        Service::Sts | Service::CloudWatch | Service::Kinesis => of_sts(reason),
        Service::DynamoDb => of_dynamodb(reason),
    }
}

fn of_sqs(reason: Reason) -> &'static Kind {
    match reason {
        Reason::QueueNotFound => &sqs::QUEUE_DOES_NOT_EXIST,
        Reason::QueueExistsDifferently => &sqs::QUEUE_NAME_EXISTS,
        Reason::QueueDeletedRecently => &sqs::QUEUE_DELETED_RECENTLY,
        Reason::ReceiptHandleInvalid => &sqs::RECEIPT_HANDLE_IS_INVALID,
        Reason::PurgeInProgress => &sqs::PURGE_QUEUE_IN_PROGRESS,
        Reason::RedriveNotFound => &sqs::RESOURCE_NOT_FOUND,
        Reason::InFlightLimit | Reason::TooManyQueues | Reason::PolicyTooLarge => &sqs::OVER_LIMIT,
        Reason::ThroughputExceeded | Reason::TooManyConnections => &sqs::REQUEST_THROTTLED,
        Reason::Unimplemented => &sqs::UNSUPPORTED_OPERATION,
        Reason::InvalidArgument
        | Reason::MessageTooLarge
        | Reason::LeaseExpired
        | Reason::LeaseTooLong
        | Reason::NoDeadLetterQueue
        | Reason::DeadLetterNotAllowed
        | Reason::NotADeadLetterQueue
        | Reason::RedriveRunning
        | Reason::RedriveEnded
        | Reason::SequenceGap
        | Reason::UnexpectedFrame
        | Reason::PermissionExists
        | Reason::PermissionNotFound
        | Reason::ActionNotShared
        | Reason::AccessKeyNotFound
        | Reason::AccessKeyExists
        | Reason::TooManyAccessKeys
        | Reason::BackupRunning
        | Reason::BackupFailed
        | Reason::StreamNotFound
        | Reason::StreamExists
        | Reason::StreamNotActive
        | Reason::TooManyStreams
        | Reason::ShardNotFound
        | Reason::ShardThroughputExceeded
        | Reason::RecordTooLarge
        | Reason::StreamStateForbids
        | Reason::StreamLimit
        | Reason::StreamPartNotFound
        | Reason::StreamPartExists
        | Reason::GroupFenced => &common::INVALID_PARAMETER_VALUE,
        Reason::Unauthenticated => &common::UNRECOGNIZED_CLIENT,
        Reason::AccessDenied => &common::ACCESS_DENIED,
        Reason::Draining | Reason::Starting | Reason::StorageFull => &common::UNAVAILABLE,
        Reason::Internal | Reason::StorageCorrupt | Reason::EtagMismatch => &common::INTERNAL,
    }
}

/// STS and CloudWatch know no queues: what it could refuse is told by what the caller can do about it.
fn of_sts(reason: Reason) -> &'static Kind {
    match reason.remedy() {
        Remedy::Denied if reason == Reason::AccessDenied => &common::ACCESS_DENIED,
        Remedy::Denied => &common::UNRECOGNIZED_CLIENT,
        Remedy::RetryAfter(_) => &common::UNAVAILABLE,
        Remedy::Report => &common::INTERNAL,
        Remedy::FixRequest | Remedy::Gone | Remedy::ChangeState => &common::INVALID_PARAMETER_VALUE,
    }
}

/// Tables refuse in words of their own: this is what the broker refuses.
fn of_dynamodb(reason: Reason) -> &'static Kind {
    match reason.remedy() {
        Remedy::Denied if reason == Reason::AccessDenied => &common::ACCESS_DENIED,
        Remedy::Denied => &common::UNRECOGNIZED_CLIENT,
        Remedy::RetryAfter(_) if reason == Reason::ThroughputExceeded => &dynamodb::THROTTLED,
        Remedy::RetryAfter(_) => &common::UNAVAILABLE,
        Remedy::Report => &common::INTERNAL,
        Remedy::FixRequest | Remedy::Gone | Remedy::ChangeState => &dynamodb::VALIDATION,
    }
}

/// A refusal in the words of SQS where those are fixed, else in its own.
pub(super) fn fault(service: Service, refusal: Refusal) -> Fault {
    let kind = kind(service, refusal.reason);
    match (service, refusal.reason) {
        (Service::Sqs, Reason::QueueNotFound) => Fault::new(kind, "The specified queue does not exist."),
        (Service::Sqs, Reason::QueueDeletedRecently) => Fault::new(
            kind,
            "You must wait 60 seconds after deleting a queue before you can create another with the same name.",
        ),
        (_, Reason::ThroughputExceeded | Reason::TooManyConnections) => Fault::new(kind, "Request is throttled."),
        _ => Fault::new(kind, refusal.message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_codes_that_fit_its_remedy() {
        for service in [Service::Sqs, Service::Sts, Service::DynamoDb, Service::CloudWatch] {
            for reason in Reason::ALL {
                let kind = kind(service, *reason);
                assert!(!kind.query_code.is_empty() && kind.json_type.contains('#'), "{reason:?}");
                assert!((400..=503).contains(&kind.status), "{reason:?}");
                let is_ours = matches!(reason.remedy(), Remedy::Report);
                assert!(!is_ours || kind.is_receivers, "{reason:?}: SDKs repeat what the service is at fault for");
            }
        }
    }
}
