//! Why a call about tables is refused, in the words of DynamoDB: its clients compare them.

use super::value::Item;
use std::sync::Arc;

/// What sort of failure it is; each has a code of its own in the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    Invalid,
    NotFound,
    /// No table, where the answer is about backups.
    TableNotFound,
    InUse,
    ConditionFailed,
    TransactionCanceled,
    LimitExceeded,
    /// The item would take room, and the disk has none.
    Full,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TableError {
    pub kind: ErrorKind,
    pub message: String,
    /// The item that a condition failed on, when the call wants to see it.
    pub item: Option<Arc<Item>>,
    /// Of a transaction: what each of its actions met.
    pub reasons: Vec<Option<Box<TableError>>>,
}

impl TableError {
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), item: None, reasons: Vec::new() }
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    /// A value that breaks a rule.
    pub fn invalid_value(what: impl std::fmt::Display) -> Self {
        Self::invalid(format!("One or more parameter values were invalid: {what}"))
    }

    /// For calls about items.
    pub fn not_found() -> Self {
        Self::new(ErrorKind::NotFound, "Requested resource not found")
    }

    /// For calls about tables.
    pub fn no_table(name: &str) -> Self {
        Self::new(ErrorKind::NotFound, format!("Requested resource not found: Table: {name} not found"))
    }

    pub fn condition_failed(item: Option<Arc<Item>>) -> Self {
        Self { item, ..Self::new(ErrorKind::ConditionFailed, "The conditional request failed") }
    }

    pub fn code(&self) -> &'static str {
        match self.kind {
            ErrorKind::Invalid => "ValidationException",
            ErrorKind::NotFound => "ResourceNotFoundException",
            ErrorKind::TableNotFound => "TableNotFoundException",
            ErrorKind::InUse => "ResourceInUseException",
            ErrorKind::ConditionFailed => "ConditionalCheckFailedException",
            ErrorKind::TransactionCanceled => "TransactionCanceledException",
            ErrorKind::LimitExceeded => "LimitExceededException",
            ErrorKind::Full => "ServiceUnavailable",
        }
    }

    /// What a transaction's answer calls it.
    pub fn reason_code(&self) -> &'static str {
        match self.kind {
            ErrorKind::ConditionFailed => "ConditionalCheckFailed",
            ErrorKind::Invalid => "ValidationError",
            ErrorKind::NotFound
            | ErrorKind::TableNotFound
            | ErrorKind::InUse
            | ErrorKind::TransactionCanceled
            | ErrorKind::LimitExceeded
            | ErrorKind::Full => self.code(),
        }
    }

    /// A transaction of which nothing is done.
    pub fn canceled(reasons: Vec<Option<Box<Self>>>) -> Self {
        let codes: Vec<&str> =
            reasons.iter().map(|reason| reason.as_ref().map_or("None", |error| error.reason_code())).collect();
        let message = format!(
            "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]",
            codes.join(", ")
        );
        Self { reasons, ..Self::new(ErrorKind::TransactionCanceled, message) }
    }
}
