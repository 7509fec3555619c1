//! Refusals of tables, as the protocol spells them.

use super::value::item_to;
use crate::{
    domain::table::{ErrorKind, TableError},
    protocol::aws::fault::{Fault, Kind, common},
};
use serde_json::json;

/// What DynamoDB calls its errors.
pub(in crate::protocol::aws) mod kinds {
    use super::Kind;

    macro_rules! kind {
        ($name:literal) => {
            Kind::new(concat!("com.amazonaws.dynamodb.v20120810#", $name), $name, 400)
        };
    }

    pub(in crate::protocol::aws) const VALIDATION: Kind =
        Kind::new("com.amazon.coral.validate#ValidationException", "ValidationException", 400);
    pub(in crate::protocol::aws) const NOT_FOUND: Kind = kind!("ResourceNotFoundException");
    pub(in crate::protocol::aws) const TABLE_NOT_FOUND: Kind = kind!("TableNotFoundException");
    pub(in crate::protocol::aws) const IN_USE: Kind = kind!("ResourceInUseException");
    pub(in crate::protocol::aws) const CONDITION_FAILED: Kind = kind!("ConditionalCheckFailedException");
    pub(in crate::protocol::aws) const TRANSACTION_CANCELED: Kind = kind!("TransactionCanceledException");
    pub(in crate::protocol::aws) const LIMIT_EXCEEDED: Kind = kind!("LimitExceededException");
    pub(in crate::protocol::aws) const THROTTLED: Kind = kind!("ProvisionedThroughputExceededException");
}

impl From<TableError> for Fault {
    fn from(error: TableError) -> Self {
        let kind = match error.kind {
            ErrorKind::Invalid => &kinds::VALIDATION,
            ErrorKind::NotFound => &kinds::NOT_FOUND,
            ErrorKind::TableNotFound => &kinds::TABLE_NOT_FOUND,
            ErrorKind::InUse => &kinds::IN_USE,
            ErrorKind::ConditionFailed => &kinds::CONDITION_FAILED,
            ErrorKind::TransactionCanceled => &kinds::TRANSACTION_CANCELED,
            ErrorKind::LimitExceeded => &kinds::LIMIT_EXCEEDED,
            ErrorKind::Full => &common::UNAVAILABLE,
        };
        let more = match (&error.item, error.kind) {
            (Some(item), _) => json!({ "Item": item_to(item) }),
            // The one error whose text has another name in the model.
            (None, ErrorKind::TransactionCanceled) => {
                json!({ "Message": error.message, "CancellationReasons": reasons(&error) })
            }
            (None, _) => return Self::new(kind, error.message),
        };
        Self::new(kind, error.message).with(more)
    }
}

fn reasons(error: &TableError) -> Vec<serde_json::Value> {
    let reason = |reason: &Option<Box<TableError>>| match reason {
        None => json!({ "Code": "None" }),
        Some(error) => {
            let mut told = json!({ "Code": error.reason_code(), "Message": error.message });
            if let (Some(item), Some(told)) = (&error.item, told.as_object_mut()) {
                told.insert("Item".to_owned(), item_to(item));
            }
            told
        }
    };
    error.reasons.iter().map(reason).collect()
}
