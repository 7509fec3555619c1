//! The access keys of a server that starts: read, and the first one made when there is none.

use super::{
    adapters::{SystemClock, SystemEntropy},
    serve::ServeError,
};
use crate::{
    base::{secret::Secret, time::Clock as _},
    config::Config,
    engine::access::KeyFile,
    service::access::{
        key::NewKey,
        keys::{AccessKeys, Trust},
    },
    storage::io::SysIo,
};
use std::{fs, path::Path, sync::Arc, time::Duration};

/// How late the file knows when a key was used last.
const KEEP_USES_INTERVAL: Duration = Duration::from_secs(60);
/// The user of the first key.
const ADMINISTRATOR: &str = "admin";

/// The administrator's key that a first start made. This is the only time its secret is shown.
#[derive(Debug)]
pub struct FirstKey {
    pub id: String,
    pub secret: Secret,
}

/// The access keys of the data directory, which the engine has locked; with the key made here, if one was.
pub(super) fn open(config: &Config, trust: Trust) -> Result<(Arc<AccessKeys>, Option<FirstKey>), ServeError> {
    let keys = AccessKeys::open(KeyFile::new(Arc::new(SysIo), &config.server.data_dir), trust)?;
    if !keys.is_empty() || trust == Trust::Anybody {
        return Ok((Arc::new(keys), None));
    }
    let account = config.server.account_id.clone();
    let administrator = NewKey { account, user: ADMINISTRATOR.to_owned(), policies: Vec::new(), expires: None };
    let now = SystemClock.now();
    let refused = |error: crate::base::reason::Refusal| ServeError::FirstKey(error.to_string());
    let file = &config.auth.bootstrap_key_file;
    if !file.is_empty() {
        let (id, secret) = read_pair(Path::new(file))?;
        let key = keys.add(now, administrator.with(now, id, secret).map_err(refused)?).map_err(refused)?;
        tracing::info!(key = key.id, file, "the administrator's access key was taken from auth.bootstrap_key_file");
        return Ok((Arc::new(keys), None));
    }
    let key = keys.create(now, &mut SystemEntropy::default(), administrator).map_err(refused)?;
    tracing::info!(key = key.id, "an administrator's access key was made; its secret is shown once");
    let first = key.secret.clone().map(|secret| FirstKey { id: key.id.clone(), secret });
    Ok((Arc::new(keys), first))
}

/// One line: `ID:SECRET`.
fn read_pair(path: &Path) -> Result<(String, Secret), ServeError> {
    let wrong = |what: &str| ServeError::FirstKey(format!("auth.bootstrap_key_file: {}: {what}", path.display()));
    let text = fs::read_to_string(path).map_err(|error| wrong(&error.to_string()))?;
    let (id, secret) = text.trim().split_once(':').ok_or_else(|| wrong("it does not hold one line ID:SECRET"))?;
    Ok((id.to_owned(), Secret::new(secret)))
}

/// Writes down now and then when keys were used last. Ends with the runtime it runs on.
pub(super) async fn keep_uses(keys: Arc<AccessKeys>) {
    loop {
        tokio::time::sleep(KEEP_USES_INTERVAL).await;
        let keys = keys.clone();
        let kept = tokio::task::spawn_blocking(move || keys.keep_uses(SystemClock.now())).await;
        if let Err(error) = kept {
            tracing::error!(%error, "keeping the uses of access keys ended");
        }
    }
}
