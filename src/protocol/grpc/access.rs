//! Access keys between the wire and the services.

use super::convert;
use crate::{
    base::{
        reason::{Reason, Refusal},
        secret::Secret,
    },
    proto::access::v1 as wire,
    service::{
        access::{
            key::AccessKey,
            manage::{AccessKeyPage, CreateAccessKey, ImportAccessKey, ListAccessKeys},
        },
        authorise::Deciding,
        broker::Caller,
        check,
        explain::{Explain, Explained},
    },
};

pub fn create(request: wire::CreateAccessKeyRequest) -> Result<CreateAccessKey, Refusal> {
    let key = request.access_key.unwrap_or_default();
    if !key.access_key_id.is_empty() {
        return Err(check::outside("access_key.access_key_id", "set", "empty: ImportAccessKey takes an id"));
    }
    said(key)
}

pub fn import(request: wire::ImportAccessKeyRequest) -> Result<ImportAccessKey, Refusal> {
    let key = request.access_key.unwrap_or_default();
    let (id, secret) = (key.access_key_id.clone(), Secret::new(request.secret_access_key));
    Ok(ImportAccessKey { id, secret, key: said(key)? })
}

fn said(key: wire::AccessKey) -> Result<CreateAccessKey, Refusal> {
    Ok(CreateAccessKey {
        account: key.account_id,
        user: key.user_name,
        policies: key.policies,
        expires: convert::timestamp("access_key.expire_time", key.expire_time)?,
    })
}

pub fn list(request: wire::ListAccessKeysRequest) -> ListAccessKeys {
    ListAccessKeys { page_size: request.page_size.into(), page_token: request.page_token }
}

pub fn key(key: &AccessKey) -> wire::AccessKey {
    wire::AccessKey {
        access_key_id: key.id.clone(),
        user_name: key.name.clone(),
        account_id: key.account.to_string(),
        arn: key.arn().to_owned(),
        policies: key.identity.policies.iter().map(|policy| policy.text().to_owned()).collect(),
        create_time: Some(convert::to_timestamp(key.created)),
        expire_time: key.expires.map(convert::to_timestamp),
        last_used_time: key.last_used().map(convert::to_timestamp),
        disabled: key.disabled,
    }
}

/// The answer to a creation: the one place that shows a secret.
pub fn created(made: &AccessKey) -> Result<wire::CreateAccessKeyResponse, Refusal> {
    let secret = made.secret.as_ref().ok_or_else(|| Refusal::new(Reason::Internal, "the key has no secret"))?;
    let secret_access_key = secret.expose().to_owned();
    Ok(wire::CreateAccessKeyResponse { access_key: Some(key(made)), secret_access_key })
}

pub fn page(page: &AccessKeyPage) -> wire::ListAccessKeysResponse {
    let access_keys = page.keys.iter().map(|found| key(found)).collect();
    wire::ListAccessKeysResponse { access_keys, next_page_token: page.next_page_token.clone() }
}

pub(super) fn caller(caller: &Caller) -> wire::GetCallerResponse {
    wire::GetCallerResponse {
        arn: caller.identity.arn.clone(),
        account_id: caller.account.to_string(),
        region: caller.region.to_string(),
        access_key_id: caller.identity.key_id.clone().unwrap_or_default(),
    }
}

pub(super) fn explain(request: wire::ExplainAccessRequest) -> Explain {
    let wire::ExplainAccessRequest { principal, action, resource, source_ip, secure_transport } = request;
    Explain { principal, action, resource, source_ip, secure: secure_transport }
}

pub(super) fn explained(explained: Explained) -> wire::ExplainAccessResponse {
    let Explained { allowed, deciding, explanation } = explained;
    let deciding =
        deciding.into_iter().map(|Deciding { policy, statement }| wire::DecidingStatement { policy, statement });
    wire::ExplainAccessResponse { allowed, deciding: deciding.collect(), explanation }
}
