//! All access keys of a data directory. A lookup is one of a hash map; a change is durable before anybody sees it.

use super::key::{AccessKey, NewKey, generate};
use crate::{
    base::{
        entropy::Entropy,
        limits,
        name::AccountId,
        reason::{Reason, Refusal},
        time::Timestamp,
    },
    engine::access::{KeyFile, KeyFileError, StoredKey},
};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicBool, Ordering},
    },
};

/// Whom the broker believes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Who has the secret of a key.
    Keys,
    /// Everybody: the development profile.
    Anybody,
}

type ById = HashMap<String, Arc<AccessKey>>;

pub struct AccessKeys {
    trust: Trust,
    file: KeyFile,
    by_id: RwLock<ById>,
    /// One change at a time.
    changing: Mutex<()>,
    /// A use was noted that the file does not have.
    used: AtomicBool,
}

impl AccessKeys {
    /// # Errors
    /// The file cannot be read or understood.
    pub fn open(file: KeyFile, trust: Trust) -> Result<Self, KeyFileError> {
        let keys = file.load()?.into_iter().map(AccessKey::from_stored);
        let by_id = keys.map(|key| (key.id.clone(), Arc::new(key))).collect();
        let (by_id, changing, used) = (RwLock::new(by_id), Mutex::new(()), AtomicBool::new(false));
        Ok(Self { trust, file, by_id, changing, used })
    }

    pub fn trust(&self) -> Trust {
        self.trust
    }

    pub fn is_empty(&self) -> bool {
        self.read().is_empty()
    }

    pub fn find(&self, id: &str) -> Option<Arc<AccessKey>> {
        self.read().get(id).cloned()
    }

    /// Keys by id, of one account or of all, behind `after`.
    pub fn list(&self, account: Option<&AccountId>, after: &str, limit: usize) -> Vec<Arc<AccessKey>> {
        let of_account = |key: &&Arc<AccessKey>| account.is_none_or(|account| key.account == *account);
        let mut found: Vec<_> = self.read().values().filter(of_account).cloned().collect();
        found.retain(|key| key.id.as_str() > after);
        found.sort_by(|a, b| a.id.cmp(&b.id));
        found.truncate(limit);
        found
    }

    /// Adds a key with a new id and secret. Blocks until it is durable.
    ///
    /// # Errors
    /// What is said about the key is outside the rules, or the file cannot be written.
    pub fn create(&self, now: Timestamp, entropy: &mut dyn Entropy, new: NewKey) -> Result<Arc<AccessKey>, Refusal> {
        let (id, secret) = generate(|bytes| entropy.fill(bytes));
        self.add(now, new.with(now, id, secret)?)
    }

    /// Adds a key. Blocks until it is durable.
    ///
    /// # Errors
    /// `ACCESS_KEY_EXISTS`, `TOO_MANY_ACCESS_KEYS`, or the file cannot be written.
    pub fn add(&self, now: Timestamp, stored: StoredKey) -> Result<Arc<AccessKey>, Refusal> {
        self.change(now, |by_id| {
            if by_id.contains_key(&stored.id) {
                let message = format!("access key {} exists already", stored.id);
                return Err(Refusal::new(Reason::AccessKeyExists, message).at("access_key.access_key_id"));
            }
            if by_id.len() >= limits::ACCESS_KEYS_MAX {
                let message = format!("there are {} access keys, as many as allowed", by_id.len());
                return Err(Refusal::new(Reason::TooManyAccessKeys, message).with("limit", limits::ACCESS_KEYS_MAX));
            }
            let key = Arc::new(AccessKey::from_stored(stored));
            by_id.insert(key.id.clone(), key.clone());
            Ok(key)
        })
    }

    /// Disables a key, or removes it. Blocks until that is durable.
    ///
    /// # Errors
    /// `ACCESS_KEY_NOT_FOUND`, or the file cannot be written.
    pub fn revoke(&self, now: Timestamp, id: &str, delete: bool) -> Result<(), Refusal> {
        self.change(now, |by_id| {
            let key = by_id.remove(id).ok_or_else(|| not_found(id))?;
            if let Some(stored) = key.to_stored().filter(|_| !delete) {
                let disabled = AccessKey::from_stored(StoredKey { disabled: true, ..stored });
                by_id.insert(disabled.id.clone(), Arc::new(disabled));
            }
            Ok(())
        })
    }

    /// Writes down when keys were used last, if that has changed. Blocks.
    pub fn keep_uses(&self, now: Timestamp) {
        if !self.used.swap(false, Ordering::Relaxed) {
            return;
        }
        if let Err(refusal) = self.change(now, |_| Ok(())) {
            tracing::warn!(%refusal, "when access keys were used last is not written down");
        }
    }

    /// Notes a use, to be written down later.
    pub(super) fn touch(&self, key: &AccessKey, now: Timestamp) {
        if key.touch(now) {
            self.used.store(true, Ordering::Relaxed);
        }
    }

    /// Makes a change durable, and then visible.
    fn change<T>(&self, now: Timestamp, work: impl FnOnce(&mut ById) -> Result<T, Refusal>) -> Result<T, Refusal> {
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut by_id = self.read().clone();
        let result = work(&mut by_id)?;
        let mut stored: Vec<_> = by_id.values().filter_map(|key| key.to_stored()).collect();
        stored.sort_by(|a, b| a.created.cmp(&b.created).then_with(|| a.id.cmp(&b.id)));
        self.file.save(now, stored.into_iter()).map_err(|error| {
            tracing::error!(%error, "the access keys cannot be written");
            Refusal::new(Reason::Internal, "the access keys cannot be written; the broker's log says why")
        })?;
        *self.by_id.write().unwrap_or_else(PoisonError::into_inner) = by_id;
        Ok(result)
    }

    fn read(&self) -> RwLockReadGuard<'_, ById> {
        self.by_id.read().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn not_found(id: &str) -> Refusal {
    let message = format!("there is no access key {:?}", crate::service::check::shorten(id));
    Refusal::new(Reason::AccessKeyNotFound, message).at("access_key_id")
}
