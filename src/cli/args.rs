//! The tree of commands.

use super::{config::ConfigCommand, errors::ErrorsCommand, generate::GenerateCommand, version::VersionArgs};
use clap::{Parser, Subcommand};

/// A message broker that keeps what it acknowledged
#[derive(Debug, Parser)]
#[command(
    name = "forebay",
    version,
    max_term_width = 110,
    propagate_version = false,
    disable_help_subcommand = true,
    after_help = "Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 partly done, 4 not found, 5 denied, 6 unreachable or timeout."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check, show and write configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// List and explain the reasons a call can fail for
    #[command(subcommand)]
    Errors(ErrorsCommand),
    /// Write completions and manual pages
    #[command(subcommand)]
    Generate(GenerateCommand),
    /// Print the version
    Version(VersionArgs),
}
