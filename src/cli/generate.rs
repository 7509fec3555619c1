//! `forebay generate`: completions and manual pages, from the same tree of commands that parses.

use super::{Cli, Failure, output};
use clap::{CommandFactory as _, Subcommand};
use clap_complete::Shell;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

#[derive(Debug, Subcommand)]
pub(crate) enum GenerateCommand {
    /// Print a completion script
    Completions {
        /// The shell that is to read it
        shell: Shell,
    },
    /// Write one manual page a command
    Man {
        /// The directory to write to; made if it is not there
        dir: PathBuf,
    },
}

pub(crate) fn run(command: GenerateCommand) -> Result<(), Failure> {
    match command {
        GenerateCommand::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "forebay", &mut script);
            output::print(&String::from_utf8_lossy(&script))
        }
        GenerateCommand::Man { dir } => {
            let in_dir = |error: io::Error| Failure::failed(format!("{}: {error}", dir.display()));
            fs::create_dir_all(&dir).map_err(in_dir)?;
            let mut root = Cli::command();
            root.build();
            let pages = pages(&root, &dir).map_err(in_dir)?;
            output::note(&format!("{pages} pages in {}", dir.display()));
            Ok(())
        }
    }
}

/// Writes the page of a command and those below it; says how many.
fn pages(command: &clap::Command, dir: &Path) -> io::Result<usize> {
    let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone().name(name.clone())).render(&mut page)?;
    fs::write(dir.join(format!("{name}.1")), page)?;
    let mut count = 1;
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        count += pages(below, dir)?;
    }
    Ok(count)
}
