//! `forebay serve`.

use super::{Exit, Failure, config::ConfigArgs, output};
use crate::{
    config::{Loaded, unit::LogFormat},
    runtime::{self, Directory, FirstKey, Profile, ServeError},
    telemetry::{self, LineFormat},
};
use clap::Args;
use std::{
    fs, iter,
    path::{Path, PathBuf},
};

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// For trying out: any access key is accepted, and none; loopback only, data in a temporary directory that goes when the
    /// server ends, unless --data-dir names one. A key id of 12 digits is the caller's account
    #[arg(long)]
    dev: bool,
}

pub(crate) fn run(args: ServeArgs) -> Result<(), Failure> {
    let mut sources = args.config.sources()?;
    let is_temporary = args.dev && args.config.data_dir.is_none();
    let scratch = if is_temporary { Some(Scratch::new()?) } else { None };
    if let Some(scratch) = &scratch {
        sources.flag("server.data_dir", scratch.0.display().to_string(), "--dev");
    }
    let loaded = sources.load()?;
    let mut addresses = iter::once(&loaded.config.api.address).chain(&loaded.config.extra.addresses);
    if let Some(address) = addresses.find(|address| args.dev && !address.ip().is_loopback()) {
        let text = format!("--dev listens on loopback only, not on {address}");
        return Err(Failure::usage(text));
    }
    let filter = telemetry::init(line_format(&loaded), &loaded.config.log.filter)
        .map_err(|error| Failure::failed(error.to_string()))?;
    if args.dev {
        let (data_dir, kept) = (&loaded.config.server.data_dir, scratch.is_none());
        tracing::warn!(data_dir = %data_dir.display(), kept, "DEVELOPMENT PROFILE: every access key is accepted, whatever its secret, and calls without one; never run it where others can reach it");
    }
    let profile = if args.dev { Profile::Development } else { Profile::Production };
    runtime::serve(&loaded, filter, profile, show_first_key)
        .map_err(|error| explain(&error, &loaded.config.server.data_dir))
}

/// Tells the first key, in a form that a shell can read.
fn show_first_key(key: &FirstKey) {
    let (id, secret) = (&key.id, key.secret.expose());
    output::note(&format!(
        "This data directory had no access key. An administrator's was made; it is shown this once:\n\n\
         export FOREBAY_ACCESS_KEY_ID={id}\n\
         export FOREBAY_SECRET_ACCESS_KEY={secret}\n"
    ));
}

fn line_format(loaded: &Loaded) -> LineFormat {
    match loaded.config.log.format {
        LogFormat::Auto => LineFormat::detect(),
        LogFormat::Text => LineFormat::Text,
        LogFormat::Json => LineFormat::Json,
    }
}

fn explain(error: &ServeError, data_dir: &Path) -> Failure {
    let failure = Failure::new(Exit::Failed, error.to_string());
    match error {
        ServeError::Listen { .. } => failure.hint("another server may run there; choose another address with --listen"),
        ServeError::Tls(_) => failure.hint("forebay config show lists listen.api.tls.*"),
        ServeError::Open(_) => match error.directory() {
            Directory::InUse => failure
                .hint("another broker runs there; stop it first: forebay server drain")
                .hint("name another directory with --data-dir"),
            Directory::Unusable => failure.hint("name another directory with --data-dir"),
            Directory::Unreadable => failure.hint(format!("forebay storage verify --data-dir {}", data_dir.display())),
        },
        ServeError::Keys(_) => {
            failure.hint("put back a copy of the file, or move it away to make a new administrator's key")
        }
        ServeError::FirstKey(_) | ServeError::Serve(_) => failure,
    }
}

/// A directory that goes when this value does.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self, Failure> {
        let random = getrandom::u64().map_err(|error| Failure::failed(error.to_string()))?;
        let dir = std::env::temp_dir().join(format!("forebay-dev-{random:016x}"));
        fs::create_dir(&dir).map_err(|error| Failure::failed(format!("{}: {error}", dir.display())))?;
        Ok(Self(dir))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Nobody misses what stays in a temporary directory.
        let _ = fs::remove_dir_all(&self.0);
    }
}
