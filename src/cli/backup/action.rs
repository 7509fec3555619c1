//! The tree below `forebay backup`.

use super::{
    create::CreateArgs,
    list,
    remove::{DeleteArgs, PruneArgs},
    restore::RestoreArgs,
    verify,
};
use crate::{
    base::time::Timestamp,
    cli::{Exit, Failure, output::OutputArgs, progress::Bar},
    storage::backup::{BackupError, Progress},
};
use clap::{Args, Subcommand};
use std::{ops::ControlFlow, path::PathBuf};

#[derive(Debug, Subcommand)]
pub(crate) enum BackupCommand {
    /// Add a restore point to a directory of the server's machine, while the server runs
    Create(Box<CreateArgs>),
    /// List the restore points of a directory, oldest first
    List(DirArgs),
    /// Check every file and every block of every restore point
    Verify(DirArgs),
    /// Make a data directory of a restore point
    Restore(RestoreArgs),
    /// Remove restore points by name, with what only they need
    Delete(DeleteArgs),
    /// Remove old restore points, with what only they need; the newest one always stays
    Prune(PruneArgs),
}

#[derive(Debug, Args)]
pub(crate) struct DirArgs {
    /// The directory of backups
    #[arg(value_name = "DIR")]
    pub(super) dir: PathBuf,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

pub(crate) fn run(command: BackupCommand) -> Result<(), Failure> {
    match command {
        BackupCommand::Create(args) => args.run(),
        BackupCommand::List(args) => list::run(&args),
        BackupCommand::Verify(args) => verify::run(&args),
        BackupCommand::Restore(args) => args.run(),
        BackupCommand::Delete(args) => args.run(),
        BackupCommand::Prune(args) => args.run(),
    }
}

/// Shows how far the work is; nothing breaks it off but the end of the process.
pub(super) fn shown(bar: &Bar) -> impl FnMut(Progress) -> ControlFlow<()> {
    |progress| {
        bar.set(progress.done_bytes, progress.total_bytes);
        ControlFlow::Continue(())
    }
}

/// RFC 3339.
pub(super) fn show_time(time: Timestamp) -> String {
    let millis = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(millis).map(|time| time.to_string()).unwrap_or_default()
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        let text = error.to_string();
        match error {
            BackupError::NoBackups { .. } => {
                Self::new(Exit::NotFound, text).hint("make one of a running server: forebay backup create DIR")
            }
            BackupError::NoPoint { dir, .. } => {
                Self::new(Exit::NotFound, text).hint(format!("forebay backup list {}", dir.display()))
            }
            BackupError::NotEmpty { .. } => {
                Self::usage(text).hint("name a directory that is empty or not there with --data-dir")
            }
            BackupError::Damaged { .. } => Self::failed(text)
                .hint("forebay backup verify names everything that is damaged")
                .hint("another restore point may be whole: choose it with --point or --at"),
            BackupError::InsideStore { .. } | BackupError::Foreign { .. } | BackupError::OtherStore { .. } => {
                Self::usage(text)
            }
            BackupError::InUse(_) => Self::failed(text).hint("wait for the backup or the removal that runs"),
            BackupError::File(_)
            | BackupError::Snapshot(_)
            | BackupError::Log(_)
            | BackupError::Identity { .. }
            | BackupError::GaveWay
            | BackupError::BrokenOff => Self::failed(text),
        }
    }
}
