//! `verifa-mcp completions` and `verifa-mcp man`: what a shell and a manual can know, made from the command line definition.
//!
//! The programs that do it are built in, so that what they say always fits the program that says it.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use anyhow::Context;
use clap::{Command, CommandFactory};
use clap_complete::Shell;

use super::{
    ABOUT, Cli,
    flags::{Completions, Man},
};

/// Beside the name, where a manual has no room for more.
const IN_ONE_SENTENCE: &str = "An MCP server that brings stuck Verifa identity verifications back to life";

pub(super) fn print_completions(flags: &Completions) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    let mut definition = listed();
    let name = definition.get_name().to_owned();
    clap_complete::generate(flags.shell, &mut definition, name, &mut script);
    let mut script = String::from_utf8(script).context("the script is not text")?;
    if flags.shell == Shell::Bash {
        script = with_one_spelling(&script);
    }
    io::stdout().write_all(script.as_bytes()).context("the script cannot be written to stdout")?;
    Ok(ExitCode::SUCCESS)
}

/// The definition with what the help lists and nothing else: clap_complete offers hidden commands too.
fn listed() -> Command {
    let whole = Cli::command();
    let commands = whole.get_subcommands().filter(|command| !command.is_hide_set()).cloned();
    Command::new(env!("CARGO_PKG_NAME"))
        .version(env!("CARGO_PKG_VERSION"))
        .args(whole.get_arguments().cloned())
        .subcommands(commands)
}

/// For a program with a hyphen in its name, clap_complete spells the states of the bash script in two ways, so that
/// nothing is offered after a command: <https://github.com/clap-rs/clap/issues/6421>.
fn with_one_spelling(script: &str) -> String {
    script.replace("verifa__subcmd__mcp", "verifa__mcp")
}

pub(super) fn write_manual_pages(flags: &Man) -> anyhow::Result<ExitCode> {
    let definition = Cli::command().about(IN_ONE_SENTENCE).long_about(ABOUT);
    clap_mangen::generate_to(definition, &flags.folder)
        .with_context(|| format!("the manual pages cannot be written to {}", flags.folder.display()))?;
    Ok(ExitCode::SUCCESS)
}
