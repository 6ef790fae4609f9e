//! `verifa-mcp completions` and `verifa-mcp man`: shell completions and manual pages.
//!
//! Both are generated at run time from the definition of the command line, so that they always match the program.

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

/// The description next to the name in a manual page.
const SUMMARY: &str = "An MCP server that resumes stuck Verifa identity verifications";

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

/// The definition without hidden commands, which clap_complete would offer.
fn listed() -> Command {
    let whole = Cli::command();
    let commands = whole.get_subcommands().filter(|command| !command.is_hide_set()).cloned();
    Command::new(env!("CARGO_PKG_NAME"))
        .version(env!("CARGO_PKG_VERSION"))
        .args(whole.get_arguments().cloned())
        .subcommands(commands)
}

/// If a program's name has a hyphen, clap_complete spells the states of the bash script in two ways, so that nothing is
/// offered after a command: <https://github.com/clap-rs/clap/issues/6421>.
fn with_one_spelling(script: &str) -> String {
    script.replace("verifa__subcmd__mcp", "verifa__mcp")
}

pub(super) fn write_manual_pages(flags: &Man) -> anyhow::Result<ExitCode> {
    let definition = Cli::command().about(SUMMARY).long_about(ABOUT);
    clap_mangen::generate_to(definition, &flags.folder)
        .with_context(|| format!("the manual pages cannot be written to {}", flags.folder.display()))?;
    Ok(ExitCode::SUCCESS)
}
