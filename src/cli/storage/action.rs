//! The tree below `forebay storage`.

use super::{
    dump::DumpArgs,
    inspect::{self, Show},
    repair, verify,
};
use crate::{
    cli::{
        Exit, Failure,
        client::Consent,
        config::ConfigArgs,
        output::{Output, OutputArgs},
        progress::Bar,
    },
    storage::{
        io::SysIo,
        offline::{OfflineError, Progress, Stopped},
    },
};
use clap::{Args, Subcommand};
use std::{io::IsTerminal as _, path::PathBuf, sync::Arc};

#[derive(Debug, Args)]
pub(crate) struct StorageArgs {
    /// The data directory [default: server.data_dir of the configuration]
    #[arg(long, value_name = "DIR", global = true)]
    data_dir: Option<PathBuf>,
    /// The configuration that names it [default: /etc/forebay/forebay.toml if it exists]
    #[arg(long, value_name = "FILE", global = true, env = "FOREBAY_CONFIG", hide_env_values = true)]
    config: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show what the directory holds: identity, checkpoints, segments, archive, index, streams
    Inspect {
        /// List the segments of the log
        #[arg(long)]
        segments: bool,
        /// List the segments of the archive
        #[arg(long, conflicts_with = "segments")]
        archive: bool,
        /// List the segments of streams
        #[arg(long, conflicts_with_all = ["segments", "archive"])]
        streams: bool,
    },
    /// Check every checksum, and say what a start would make of each that does not match
    Verify,
    /// Print the log or the archive, frames and the entries in them, or the records that stand in the segments of streams
    Dump(DumpArgs),
    /// Set damage aside, so that the next start does not stumble over it again
    Repair {
        #[command(flatten)]
        consent: Consent,
    },
}

pub(crate) fn run(args: StorageArgs) -> Result<(), Failure> {
    let output = Output::new(&args.output);
    let dir = match args.data_dir {
        Some(dir) => dir,
        None => ConfigArgs { config: args.config, ..ConfigArgs::default() }.load()?.config.server.data_dir,
    };
    let stopped = Stopped::open(Arc::new(SysIo), &dir, std::process::id())?;
    // Rows that run over a terminal leave no room for a bar.
    let rows = matches!(args.action, Action::Dump(_)) && std::io::stdout().is_terminal();
    let bar = Bar::new(args.output.quiet || rows);
    match args.action {
        Action::Inspect { segments: true, .. } => inspect::run(&stopped, Show::Segments, &bar, output),
        Action::Inspect { archive: true, .. } => inspect::run(&stopped, Show::Archive, &bar, output),
        Action::Inspect { streams: true, .. } => inspect::run(&stopped, Show::Streams, &bar, output),
        Action::Inspect { .. } => inspect::run(&stopped, Show::Overview, &bar, output),
        Action::Verify => verify::run(&stopped, &bar, output),
        Action::Dump(args) => args.run(&stopped, &bar, output),
        Action::Repair { consent } => repair::run(&stopped, &consent, &bar, output),
    }
}

impl From<OfflineError> for Failure {
    fn from(error: OfflineError) -> Self {
        let failure = match &error {
            OfflineError::NotAStore { .. } => Self::new(Exit::NotFound, error.to_string()),
            OfflineError::Lock(_)
            | OfflineError::Identity { .. }
            | OfflineError::Log(_)
            | OfflineError::Index(_)
            | OfflineError::File(_) => Self::failed(error.to_string()),
        };
        match error {
            OfflineError::NotAStore { .. } => failure.hint("name another directory with --data-dir"),
            OfflineError::Lock(_) => failure.hint("stop the broker first: forebay server drain"),
            OfflineError::Identity { .. } | OfflineError::Log(_) | OfflineError::Index(_) | OfflineError::File(_) => {
                failure
            }
        }
    }
}

/// Shows on the bar what the work tells of itself.
pub(super) fn shown(bar: &Bar) -> impl FnMut(Progress) {
    |progress| bar.set(progress.done_bytes, progress.total_bytes)
}
