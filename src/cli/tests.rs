//! The tree of commands as a whole.

use super::args::Cli;
use clap::CommandFactory as _;

#[test]
fn the_tree_of_commands_is_sound() {
    Cli::command().debug_assert();
}
