//! The access keys as the data directory keeps them: plain data to the file's bytes, and back.

use crate::{
    base::{name::AccountId, secret::Secret, time::Timestamp},
    proto::storage::v1 as wire,
    storage::{
        access::{self, AccessError},
        io::Io,
    },
};
use prost::Message as _;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// One access key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredKey {
    pub id: String,
    pub secret: Secret,
    pub account: AccountId,
    pub user: String,
    /// Policy documents, kept to the byte. None: everything in the account.
    pub policies: Vec<String>,
    pub created: Timestamp,
    pub expires: Option<Timestamp>,
    /// Late by up to a minute.
    pub last_used: Option<Timestamp>,
    pub disabled: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    #[error(transparent)]
    File(#[from] AccessError),
    #[error("{} holds what this version cannot read: {what}", path.display())]
    Unreadable { path: PathBuf, what: String },
}

/// Where the keys of one data directory are. Whoever changes it holds the directory's lock.
#[derive(Clone)]
pub struct KeyFile {
    io: Arc<dyn Io>,
    data_dir: PathBuf,
}

impl KeyFile {
    pub fn new(io: Arc<dyn Io>, data_dir: &Path) -> Self {
        Self { io, data_dir: data_dir.to_owned() }
    }

    /// Every key; none when the file was never written.
    ///
    /// # Errors
    /// The file cannot be read, or not be understood. Damage is never taken for "no keys".
    pub fn load(&self) -> Result<Vec<StoredKey>, KeyFileError> {
        let Some(bytes) = access::read(&*self.io, &self.data_dir)? else { return Ok(Vec::new()) };
        let unreadable = |what: String| KeyFileError::Unreadable { path: access::path_of(&self.data_dir), what };
        let keys = wire::AccessKeys::decode(bytes.as_slice()).map_err(|error| unreadable(error.to_string()))?.keys;
        keys.into_iter().map(|key| from_wire(key).map_err(unreadable)).collect()
    }

    /// Replaces the keys, whole and durably.
    ///
    /// # Errors
    /// The file cannot be written; the one before is still there.
    pub fn save(&self, now: Timestamp, keys: impl Iterator<Item = StoredKey>) -> Result<(), KeyFileError> {
        let message = wire::AccessKeys { keys: keys.map(to_wire).collect() };
        Ok(access::write(&*self.io, &self.data_dir, now, &message.encode_to_vec())?)
    }
}

fn to_wire(key: StoredKey) -> wire::StoredAccessKey {
    wire::StoredAccessKey {
        id: key.id,
        secret: key.secret.expose().to_owned(),
        account: key.account.to_string(),
        user_name: key.user,
        policies: key.policies,
        created_ms: key.created.0,
        expires_ms: key.expires.map(|at| at.0),
        last_used_ms: key.last_used.map(|at| at.0),
        disabled: key.disabled,
    }
}

fn from_wire(key: wire::StoredAccessKey) -> Result<StoredKey, String> {
    Ok(StoredKey {
        account: AccountId::parse(&key.account).map_err(|error| error.to_string())?,
        id: key.id,
        secret: Secret::new(key.secret),
        user: key.user_name,
        policies: key.policies,
        created: Timestamp(key.created_ms),
        expires: key.expires_ms.map(Timestamp),
        last_used: key.last_used_ms.map(Timestamp),
        disabled: key.disabled,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::io::SysIo;

    #[test]
    fn keys_are_read_back_as_they_were_saved() {
        let dir = tempfile::tempdir().expect("tempdir");
        let file = KeyFile::new(Arc::new(SysIo), dir.path());
        assert_eq!(file.load().expect("none yet"), []);
        let plain = StoredKey {
            id: "AKIAAAAAAAAAAAAAAAAA".into(),
            secret: Secret::new("s".repeat(40)),
            account: AccountId::parse("123456789012").expect("valid"),
            user: "admin".into(),
            policies: Vec::new(),
            created: Timestamp(5),
            expires: None,
            last_used: None,
            disabled: false,
        };
        let full = StoredKey {
            id: "other".into(),
            policies: vec!["{ \"Version\" :\"2012-10-17\"}".into(), "{}".into()],
            expires: Some(Timestamp(9)),
            last_used: Some(Timestamp(0)),
            disabled: true,
            ..plain.clone()
        };
        file.save(Timestamp(1), [plain.clone(), full.clone()].into_iter()).expect("saved");
        assert_eq!(file.load().expect("sound"), [plain, full]);
    }

    #[test]
    fn bytes_that_are_no_keys_are_an_error() {
        let dir = tempfile::tempdir().expect("tempdir");
        let file = KeyFile::new(Arc::new(SysIo), dir.path());
        let nobody = wire::AccessKeys { keys: vec![wire::StoredAccessKey::default()] };
        for payload in [vec![0xff; 3], nobody.encode_to_vec()] {
            access::write(&SysIo, dir.path(), Timestamp(1), &payload).expect("written");
            assert!(matches!(file.load(), Err(KeyFileError::Unreadable { .. })));
        }
    }
}
