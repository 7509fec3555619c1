//! The use cases of access keys. A caller manages those of its own account; the server's own account all.

use super::{
    key::{AccessKey, NewKey},
    keys::{AccessKeys, not_found},
};
use crate::{
    base::{
        limits,
        name::{AccountId, Namespace},
        reason::{Reason, Refusal},
        secret::Secret,
        time::Timestamp,
    },
    engine::access::StoredKey,
    service::{
        audit,
        authorise::{Action, Resource},
        broker::{Broker, Caller},
        check,
    },
};
use std::sync::Arc;

/// What a caller says about a key to be made.
#[derive(Clone, Debug, Default)]
pub struct CreateAccessKey {
    /// Empty: the caller's own.
    pub account: String,
    pub user: String,
    pub policies: Vec<String>,
    pub expires: Option<Timestamp>,
}

/// A key that exists elsewhere already.
#[derive(Clone, Debug)]
pub struct ImportAccessKey {
    pub id: String,
    pub secret: Secret,
    pub key: CreateAccessKey,
}

#[derive(Clone, Debug, Default)]
pub struct ListAccessKeys {
    pub page_size: i64,
    pub page_token: String,
}

#[derive(Clone, Debug)]
pub struct AccessKeyPage {
    pub keys: Vec<Arc<AccessKey>>,
    /// Empty on the last page.
    pub next_page_token: String,
}

impl CreateAccessKey {
    /// # Errors
    /// The account is none.
    pub fn for_account(self, own: &AccountId) -> Result<NewKey, Refusal> {
        let account = match self.account.as_str() {
            "" => own.clone(),
            text => AccountId::parse(text).map_err(|error| {
                Refusal::invalid("access_key.account_id", error.to_string()).with("limit", error.rule)
            })?,
        };
        Ok(NewKey { account, user: self.user, policies: self.policies, expires: self.expires })
    }
}

impl Broker {
    pub async fn create_access_key(
        &self,
        caller: &Caller,
        request: CreateAccessKey,
    ) -> Result<Arc<AccessKey>, Refusal> {
        let new = request.for_account(&caller.account)?;
        self.may_manage(caller, Action::CreateAccessKey, &new.account)?;
        let (id, secret) = self.new_access_key();
        let (now, stored) = (self.now(), new.with(self.now(), id, secret)?);
        self.add_key(caller, now, stored).await
    }

    pub async fn import_access_key(
        &self,
        caller: &Caller,
        request: ImportAccessKey,
    ) -> Result<Arc<AccessKey>, Refusal> {
        let new = request.key.for_account(&caller.account)?;
        self.may_manage(caller, Action::CreateAccessKey, &new.account)?;
        let (now, stored) = (self.now(), new.with(self.now(), request.id, request.secret)?);
        self.add_key(caller, now, stored).await
    }

    pub fn list_access_keys(&self, caller: &Caller, request: &ListAccessKeys) -> Result<AccessKeyPage, Refusal> {
        self.may_manage(caller, Action::ListAccessKeys, &caller.account)?;
        let size = check::page_size(request.page_size)?;
        check::text("page_token", &request.page_token, limits::ACCESS_KEY_ID_CHARS_MAX)?;
        let account = (caller.account != self.facts.account).then_some(&caller.account);
        Ok(page(&self.access, account, &request.page_token, size))
    }

    /// Disables a key for good, or removes it.
    pub async fn revoke_access_key(&self, caller: &Caller, id: &str, delete: bool) -> Result<(), Refusal> {
        if !(1..=limits::ACCESS_KEY_ID_CHARS_MAX).contains(&id.len()) {
            return Err(check::outside("access_key_id", format!("{} bytes", id.len()), "1 to 128 bytes"));
        }
        // A foreign account's key is as good as none: its id is not confirmed.
        let visible = |key: &Arc<AccessKey>| key.account == caller.account || caller.account == self.facts.account;
        let found = self.access.find(id).filter(visible);
        let account = found.as_ref().map_or(&caller.account, |key| &key.account);
        self.may_manage(caller, Action::RevokeAccessKey, account)?;
        let key = found.ok_or_else(|| not_found(id))?;
        let (now, id) = (self.now(), id.to_owned());
        self.blocking(move |keys| keys.revoke(now, &id, delete)).await?;
        audit::changed_key(caller, Action::RevokeAccessKey, &key);
        Ok(())
    }

    async fn add_key(&self, caller: &Caller, now: Timestamp, key: StoredKey) -> Result<Arc<AccessKey>, Refusal> {
        let key = self.blocking(move |keys| keys.add(now, key)).await?;
        audit::changed_key(caller, Action::CreateAccessKey, &key);
        Ok(key)
    }

    fn may_manage(&self, caller: &Caller, action: Action, account: &AccountId) -> Result<(), Refusal> {
        // The server's own account stands for whoever runs the server.
        let account = if caller.account == self.facts.account { &caller.account } else { account };
        let namespace = Namespace { account: account.clone(), region: caller.region.clone() };
        self.authorise(caller, action, Resource::Namespace(&namespace))
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&AccessKeys) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let keys = self.access.clone();
        let done = tokio::task::spawn_blocking(move || work(&keys)).await;
        done.unwrap_or_else(|error| Err(Refusal::new(Reason::Internal, format!("a change of access keys: {error}"))))
    }
}

/// One page of the keys of an account, or of all.
pub fn page(keys: &AccessKeys, account: Option<&AccountId>, after: &str, size: usize) -> AccessKeyPage {
    let mut keys = keys.list(account, after, size + 1);
    let has_more = keys.len() > size;
    keys.truncate(size);
    let next_page_token = keys.last().filter(|_| has_more).map(|key| key.id.clone()).unwrap_or_default();
    AccessKeyPage { keys, next_page_token }
}
