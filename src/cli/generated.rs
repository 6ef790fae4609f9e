//! `verifa-mcp completions` and `verifa-mcp man`: what a shell and a manual can know, made from the command line definition.
//!
//! The programs that do it are built in, so that what they say always fits the program that says it.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use anyhow::Context;
use clap::CommandFactory;
use clap_complete::Shell;

use super::{
    Cli,
    flags::{Completions, Man},
};

pub(super) fn print_completions(flags: &Completions) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    let mut definition = Cli::command();
    let name = definition.get_name().to_owned();
    clap_complete::generate(flags.shell, &mut definition, name, &mut script);
    let mut script = String::from_utf8(script).context("the script is not text")?;
    if flags.shell == Shell::Bash {
        script = with_one_spelling(&script);
    }
    io::stdout().write_all(script.as_bytes()).context("the script cannot be written to stdout")?;
    Ok(ExitCode::SUCCESS)
}

/// For a program with a hyphen in its name, clap_complete spells the states of the bash script in two ways, so that
/// nothing is offered after a command: <https://github.com/clap-rs/clap/issues/6421>.
fn with_one_spelling(script: &str) -> String {
    script.replace("verifa__subcmd__mcp", "verifa__mcp")
}

pub(super) fn write_manual_pages(flags: &Man) -> anyhow::Result<ExitCode> {
    clap_mangen::generate_to(Cli::command(), &flags.folder)
        .with_context(|| format!("the manual pages cannot be written to {}", flags.folder.display()))?;
    Ok(ExitCode::SUCCESS)
}
