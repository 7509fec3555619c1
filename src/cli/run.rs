//! From arguments to an exit code.

use super::{
    Cli, Command, Exit, Failure, access, backup, bench, check, config, errors, generate, group, output, queue, serve,
    server, storage, stream, version,
};
use clap::Parser as _;
use std::{ffi::OsString, process::ExitCode};

/// Runs one command line.
pub fn main(args: impl Iterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version arrive here as errors too; clap knows their stream and their code.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Exit::Usage as u8));
        }
    };
    match run(cli.command) {
        Ok(()) => Exit::Done.into(),
        Err(failure) => {
            if failure.exit != Exit::Done {
                output::note(&failure.to_string());
            }
            failure.exit.into()
        }
    }
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Serve(args) => serve::run(args),
        Command::Queue(args) => queue::run(*args),
        Command::Stream(args) => stream::run(*args),
        Command::Group(args) => group::run(*args),
        Command::Access(args) => access::run(*args),
        Command::Server(args) => server::run(args),
        Command::Storage(args) => storage::run(args),
        Command::Backup(command) => backup::run(command),
        Command::Bench(command) => bench::run(command),
        Command::Check(command) => check::run(command),
        Command::Config(command) => config::run(command),
        Command::Errors(command) => errors::run(command),
        Command::Generate(command) => generate::run(command),
        Command::Version(args) => version::run(&args),
    }
}
