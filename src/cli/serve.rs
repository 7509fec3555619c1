//! `forebay serve`: the broker itself.

use super::{Exit, Failure, config::ConfigArgs};
use crate::{
    config::unit::LogFormat,
    runtime,
    telemetry::{self, LineFormat},
};
use clap::Args;

/// How to serve.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// For development: data in a new temporary directory, gone with it
    #[arg(long, conflicts_with = "data_dir")]
    dev: bool,
}

pub(crate) fn run(mut args: ServeArgs) -> Result<(), Failure> {
    let temporary = if args.dev { Some(temporary_dir()?) } else { None };
    args.config.data_dir = temporary.clone().or(args.config.data_dir);
    let loaded = args.config.sources()?.load()?;
    let format = match loaded.config.log.format {
        LogFormat::Auto => LineFormat::detect(),
        LogFormat::Text => LineFormat::Text,
        LogFormat::Json => LineFormat::Json,
    };
    let filter = telemetry::init(format, &loaded.config.log.filter)
        .map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
    if let Some(dir) = &temporary {
        tracing::warn!(data_dir = %dir, "development mode: the data is in a temporary directory");
    }
    runtime::serve(&loaded, filter).map_err(|error| Failure::new(Exit::Failed, error.to_string()))
}

/// A path nobody uses; the broker makes the directory.
fn temporary_dir() -> Result<String, Failure> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
    let name = format!("forebay-dev-{:016x}", u64::from_le_bytes(random));
    Ok(std::env::temp_dir().join(name).to_string_lossy().into_owned())
}
