//! The tree of commands as a whole: sound, and its help as it is printed.

use super::args::Cli;
use clap::{Command, CommandFactory as _};

#[test]
fn the_tree_of_commands_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn help_is_what_it_was() {
    let mut root = Cli::command().term_width(100);
    root.build();
    let mut settings = insta::Settings::clone_current();
    settings.set_omit_expression(true);
    settings.set_prepend_module_to_snapshot(false);
    settings.bind(|| {
        insta::assert_snapshot!("forebay", root.clone().render_long_help().to_string());
        for command in root.get_subcommands() {
            let mut text = String::new();
            add_help(command, &mut text);
            insta::assert_snapshot!(format!("forebay-{}", command.get_name()), text);
        }
    });
}

fn add_help(command: &Command, text: &mut String) {
    let name = command.get_bin_name().unwrap_or(command.get_name());
    let help = command.clone().term_width(100).render_long_help();
    *text += &format!("$ {name} --help\n{help}\n");
    for below in command.get_subcommands() {
        add_help(below, text);
    }
}

#[test]
fn every_command_and_every_flag_says_what_it_does() {
    fn check(command: &Command, silent: &mut Vec<String>) {
        let name = command.get_bin_name().unwrap_or(command.get_name());
        if command.get_about().is_none() {
            silent.push(name.to_owned());
        }
        for argument in command.get_arguments().filter(|argument| argument.get_help().is_none()) {
            silent.push(format!("{name} {}", argument.get_id()));
        }
        for below in command.get_subcommands() {
            check(below, silent);
        }
    }
    let mut root = Cli::command();
    root.build();
    let mut silent = Vec::new();
    check(&root, &mut silent);
    assert_eq!(silent, Vec::<String>::new());
}
