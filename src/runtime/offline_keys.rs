//! Access keys of a data directory that no broker uses: the same requests and answers as a running one's, without
//! asking who calls, because whoever can write the files may do everything.

use super::adapters::{SystemClock, SystemEntropy};
use crate::{
    base::{entropy::Entropy as _, name::AccountId, reason::Refusal, time::Clock as _},
    engine::access::{KeyFile, KeyFileError},
    proto::access::v1 as wire,
    protocol::grpc::{access, errors},
    service::access::{
        key::generate,
        keys::{AccessKeys, Trust},
        manage,
    },
    storage::{
        io::SysIo,
        store::{self, lock::DirectoryLock},
    },
};
use std::{path::Path, sync::Arc};
use tonic::Status;

#[derive(Debug, thiserror::Error)]
pub enum OfflineKeysError {
    /// In use by a broker, or not a data directory.
    #[error(transparent)]
    Directory(#[from] store::OpenError),
    #[error(transparent)]
    Keys(#[from] KeyFileError),
}

/// The keys of a directory that is locked for as long as the value lives.
pub struct OfflineKeys {
    keys: AccessKeys,
    /// Of those who name none.
    account: AccountId,
    _lock: DirectoryLock,
}

impl OfflineKeys {
    /// Opens the keys of a data directory, also of one that is to become a store.
    ///
    /// # Errors
    /// A broker uses the directory, it belongs to somebody else, or the keys cannot be read.
    pub fn open(data_dir: &Path, account: AccountId) -> Result<Self, OfflineKeysError> {
        let lock = store::reserve(&SysIo, data_dir, std::process::id())?;
        let keys = AccessKeys::open(KeyFile::new(Arc::new(SysIo), data_dir), Trust::Keys)?;
        Ok(Self { keys, account, _lock: lock })
    }

    pub fn create(&self, request: wire::CreateAccessKeyRequest) -> Result<wire::CreateAccessKeyResponse, Status> {
        let (id, secret) = generate(|bytes| SystemEntropy::default().fill(bytes));
        let create = || -> Result<_, Refusal> {
            let new = access::create(request)?.for_account(&self.account)?;
            let now = SystemClock.now();
            access::created(&*self.keys.add(now, new.with(now, id, secret)?)?)
        };
        create().map_err(status)
    }

    pub fn import(&self, request: wire::ImportAccessKeyRequest) -> Result<wire::ImportAccessKeyResponse, Status> {
        let import = || -> Result<_, Refusal> {
            let request = access::import(request)?;
            let new = request.key.for_account(&self.account)?;
            let now = SystemClock.now();
            let key = self.keys.add(now, new.with(now, request.id, request.secret)?)?;
            Ok(wire::ImportAccessKeyResponse { access_key: Some(access::key(&key)) })
        };
        import().map_err(status)
    }

    pub fn list(&self, request: wire::ListAccessKeysRequest) -> wire::ListAccessKeysResponse {
        let size = usize::try_from(request.page_size).unwrap_or(0).max(1);
        access::page(&manage::page(&self.keys, None, &request.page_token, size))
    }

    pub fn revoke(&self, request: &wire::RevokeAccessKeyRequest) -> Result<wire::RevokeAccessKeyResponse, Status> {
        let revoked = self.keys.revoke(SystemClock.now(), &request.access_key_id, request.delete);
        revoked.map(|()| wire::RevokeAccessKeyResponse {}).map_err(status)
    }
}

fn status(refusal: Refusal) -> Status {
    errors::status(refusal, "")
}
