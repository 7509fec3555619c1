//! The tree of commands.

use super::{
    access::AccessArgs, backup::BackupCommand, bench::BenchCommand, check::CheckCommand, config::ConfigCommand,
    errors::ErrorsCommand, generate::GenerateCommand, group::GroupArgs, queue::QueueArgs, serve::ServeArgs,
    server::ServerArgs, storage::StorageArgs, stream::StreamArgs, version::VersionArgs,
};
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
    /// Run the broker
    Serve(ServeArgs),
    /// Work with queues and their messages
    Queue(Box<QueueArgs>),
    /// Work with streams, their shards and their records
    Stream(Box<StreamArgs>),
    /// Look at the groups that read a stream, and move them
    Group(Box<GroupArgs>),
    /// See who calls, and manage access keys
    Access(Box<AccessArgs>),
    /// Look at a server and run it from afar
    Server(ServerArgs),
    /// Look at, check and repair a data directory that no server uses
    Storage(StorageArgs),
    /// Back up a running server, and make data directories of backups
    #[command(subcommand)]
    Backup(BackupCommand),
    /// Measure a server and the disk below it
    #[command(subcommand)]
    Bench(BenchCommand),
    /// Answer a health check
    #[command(subcommand)]
    Check(CheckCommand),
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
