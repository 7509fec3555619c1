//! `forebay access key`: the keys of a running broker, or of a data directory that none uses.

use super::record::{KeyRecord, NewKeyRecord};
use crate::{
    base::time::Clock as _,
    cli::{
        Failure,
        client::{Caller, Consent},
        credentials::read_secret,
        output::Output,
        value,
    },
    proto::access::v1 as wire,
    runtime::{OfflineKeys, SystemClock},
};
use clap::{Args, Subcommand};
use std::{path::PathBuf, time::Duration};

/// Imported secrets that are shorter can be guessed.
const GOOD_SECRET_CHARS: usize = 16;

#[derive(Debug, Subcommand)]
pub(super) enum KeyAction {
    /// Create a key; its secret is shown once
    Create(NewArgs),
    /// Add a key whose id and secret exist already
    Import {
        /// The key's id
        #[arg(long, value_name = "ID")]
        id: String,
        /// The file that holds its secret; - for standard input
        #[arg(long, value_name = "FILE")]
        secret_file: PathBuf,
        #[command(flatten)]
        new: NewArgs,
    },
    /// List keys, without secrets
    List,
    /// Refuse a key from now on, and close the connections that use it
    Revoke {
        /// The key's id
        #[arg(value_name = "ID")]
        id: String,
        /// Forget it altogether, so that it is not listed any more
        #[arg(long)]
        delete: bool,
        #[command(flatten)]
        consent: Consent,
    },
}

#[derive(Debug, Args)]
pub(super) struct NewArgs {
    /// The user whom the key stands for
    #[arg(long, value_name = "NAME", default_value = "admin")]
    user: String,
    /// The user's account, 12 digits [default: the caller's own; offline: server.account_id]
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,
    /// A policy document that says what the user may do; may be repeated [default: everything in its account]
    #[arg(long = "policy-file", value_name = "FILE")]
    policy_files: Vec<PathBuf>,
    /// Refuse the key after this long [default: never]
    #[arg(long, value_name = "TIME", value_parser = value::duration)]
    expires_after: Option<Duration>,
}

impl NewArgs {
    fn key(self, id: String) -> Result<wire::AccessKey, Failure> {
        let read = |file: &PathBuf| {
            std::fs::read_to_string(file).map_err(|error| Failure::usage(format!("{}: {error}", file.display())))
        };
        let expires = self.expires_after.map(|after| SystemClock.now() + after);
        Ok(wire::AccessKey {
            access_key_id: id,
            user_name: self.user,
            account_id: self.account.unwrap_or_default(),
            policies: self.policy_files.iter().map(read).collect::<Result<_, _>>()?,
            expire_time: expires.map(value::to_timestamp),
            ..wire::AccessKey::default()
        })
    }
}

/// Whose keys.
pub(super) enum Keys {
    Of(Box<Caller>),
    Offline(OfflineKeys),
}

impl KeyAction {
    pub(super) fn ask(&self) -> Result<(), Failure> {
        match self {
            Self::Revoke { id, consent, .. } => consent.ask(&format!("Revoke access key {id}?")),
            Self::Create(_) | Self::Import { .. } | Self::List => Ok(()),
        }
    }

    pub(super) async fn run(self, keys: &Keys, mut output: Output) -> Result<(), Failure> {
        match self {
            Self::Create(new) => {
                let request = wire::CreateAccessKeyRequest { access_key: Some(new.key(String::new())?) };
                let made = match keys {
                    Keys::Offline(keys) => keys.create(request)?,
                    Keys::Of(caller) => caller.access().create_access_key(caller.request(request)).await?.into_inner(),
                };
                output.one(&NewKeyRecord::from(made))?;
                output.note("the secret is shown this once");
                Ok(())
            }
            Self::Import { id, secret_file, new } => {
                let secret_access_key = read_secret(&secret_file)?;
                if secret_access_key.len() < GOOD_SECRET_CHARS {
                    output.note("the secret is short: whoever guesses it has the key");
                }
                let request = wire::ImportAccessKeyRequest { access_key: Some(new.key(id)?), secret_access_key };
                let added = match keys {
                    Keys::Offline(keys) => keys.import(request)?,
                    Keys::Of(caller) => caller.access().import_access_key(caller.request(request)).await?.into_inner(),
                };
                output.one(&KeyRecord::from(added.access_key.unwrap_or_default()))
            }
            Self::List => list(keys, output).await,
            Self::Revoke { id, delete, .. } => {
                let request = wire::RevokeAccessKeyRequest { access_key_id: id.clone(), delete };
                match keys {
                    Keys::Offline(keys) => keys.revoke(&request)?,
                    Keys::Of(caller) => caller.access().revoke_access_key(caller.request(request)).await?.into_inner(),
                };
                output.note(&format!("access key {id} is {}", if delete { "deleted" } else { "disabled" }));
                Ok(())
            }
        }
    }
}

async fn list(keys: &Keys, mut output: Output) -> Result<(), Failure> {
    let mut request = wire::ListAccessKeysRequest { page_size: 1000, page_token: String::new() };
    let mut rows = Vec::new();
    loop {
        let page = match keys {
            Keys::Offline(keys) => keys.list(request.clone()),
            Keys::Of(caller) => caller.access().list_access_keys(caller.request(request.clone())).await?.into_inner(),
        };
        rows.extend(page.access_keys.into_iter().map(KeyRecord::from));
        if page.next_page_token.is_empty() {
            return output.list(&rows);
        }
        request.page_token = page.next_page_token;
    }
}
