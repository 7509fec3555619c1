//! Callers and keys as they are shown.

use crate::{
    cli::{output::Record, value},
    proto::access::v1::{
        AccessKey, CreateAccessKeyResponse, DecidingStatement, ExplainAccessResponse, GetCallerResponse,
    },
};
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct CallerRecord {
    arn: String,
    account_id: String,
    region: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    access_key_id: String,
}

impl From<GetCallerResponse> for CallerRecord {
    fn from(caller: GetCallerResponse) -> Self {
        let GetCallerResponse { arn, account_id, region, access_key_id } = caller;
        Self { arn, account_id, region, access_key_id }
    }
}

impl Record for CallerRecord {
    const COLUMNS: &'static [&'static str] = &["arn", "account id", "region", "access key id"];

    fn cells(&self) -> Vec<String> {
        vec![self.arn.clone(), self.account_id.clone(), self.region.clone(), self.access_key_id.clone()]
    }
}

#[derive(Serialize)]
pub(super) struct KeyRecord {
    access_key_id: String,
    arn: String,
    account_id: String,
    user_name: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    policies: Vec<String>,
    create_time: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    expire_time: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    last_used_time: String,
    disabled: bool,
}

impl From<AccessKey> for KeyRecord {
    fn from(key: AccessKey) -> Self {
        Self {
            access_key_id: key.access_key_id,
            arn: key.arn,
            account_id: key.account_id,
            user_name: key.user_name,
            policies: key.policies,
            create_time: value::show_time(key.create_time),
            expire_time: value::show_time(key.expire_time),
            last_used_time: value::show_time(key.last_used_time),
            disabled: key.disabled,
        }
    }
}

impl Record for KeyRecord {
    const COLUMNS: &'static [&'static str] =
        &["access key id", "arn", "policies", "created", "expires", "last used", "state"];

    fn cells(&self) -> Vec<String> {
        let policies = if self.policies.is_empty() { String::new() } else { self.policies.len().to_string() };
        vec![
            self.access_key_id.clone(),
            self.arn.clone(),
            policies,
            self.create_time.clone(),
            self.expire_time.clone(),
            self.last_used_time.clone(),
            if self.disabled { "disabled" } else { "enabled" }.to_owned(),
        ]
    }
}

#[derive(Serialize)]
pub(super) struct NewKeyRecord {
    access_key_id: String,
    secret_access_key: String,
    arn: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    expire_time: String,
}

impl From<CreateAccessKeyResponse> for NewKeyRecord {
    fn from(made: CreateAccessKeyResponse) -> Self {
        let key = made.access_key.unwrap_or_default();
        Self {
            access_key_id: key.access_key_id,
            secret_access_key: made.secret_access_key,
            arn: key.arn,
            expire_time: value::show_time(key.expire_time),
        }
    }
}

impl Record for NewKeyRecord {
    const COLUMNS: &'static [&'static str] = &["access key id", "secret access key", "arn", "expires"];

    fn cells(&self) -> Vec<String> {
        vec![self.access_key_id.clone(), self.secret_access_key.clone(), self.arn.clone(), self.expire_time.clone()]
    }
}

#[derive(Serialize)]
pub(super) struct ExplanationRecord {
    allowed: bool,
    deciding: Vec<DecidingRecord>,
    explanation: String,
}

#[derive(Serialize)]
struct DecidingRecord {
    policy: String,
    statement: String,
}

impl From<ExplainAccessResponse> for ExplanationRecord {
    fn from(told: ExplainAccessResponse) -> Self {
        let record = |by: DecidingStatement| DecidingRecord { policy: by.policy, statement: by.statement };
        let deciding = told.deciding.into_iter().map(record).collect();
        Self { allowed: told.allowed, deciding, explanation: told.explanation }
    }
}

impl Record for ExplanationRecord {
    const COLUMNS: &'static [&'static str] = &["decision", "statements", "explanation"];

    fn cells(&self) -> Vec<String> {
        let deciding: Vec<_> = self.deciding.iter().map(|by| format!("{} in {}", by.statement, by.policy)).collect();
        let decision = if self.allowed { "allowed" } else { "denied" };
        vec![decision.to_owned(), deciding.join(", "), self.explanation.clone()]
    }
}
