//! `verifa-mcp install`: adds this server to an MCP client's configuration, or removes it.
//!
//! Shows every change and makes it only with the user's consent. Never shows a key.

mod change;
mod entry;

use std::{
    env,
    io::{self, BufRead, IsTerminal, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, anyhow, bail};
use clap::ValueEnum;

use self::{
    change::{announcement, find_entry, make},
    entry::entry,
};
use super::{flags::Install, process::UsageError};
use crate::{
    config::Settings,
    install::{Client, ClientCommand, ConfigFile, ConfigPaths, InstallRequest, Plan, ServerName},
    untrusted::mask_secrets,
};

pub(super) fn run(flags: &Install, settings: &Settings) -> anyhow::Result<ExitCode> {
    let paths = ConfigPaths::of_this_user().context("the system does not say which folder is your home")?;
    let Some(client) = flags.client else { return list(&paths) };
    let name = flags.name.as_deref().map_or_else(|| Ok(ServerName::default()), str::parse);
    let name = name.map_err(|error| UsageError(format!("--name: {error}")))?;
    let executable = executable()?;
    let entry = if flags.uninstall { None } else { Some(entry(flags, settings, &name, &executable)?) };
    let file = ConfigFile::read(&paths.file(client)?)?;
    let command = client.spec().mechanism.command();
    let has_command = command.is_some_and(|program| ClientCommand::find(program).is_some());
    let mut request = InstallRequest { client, name, executable, entry, file, existing: None, has_command };
    let unchanged = || format!("{} was not changed", request.file.path.display());
    let existing = find_entry(&request, &request.file).with_context(unchanged)?;
    request.existing = existing;
    let plan = request.plan().with_context(unchanged)?;
    io::stdout().write_all(mask_secrets(&announcement(&request, &plan)).as_bytes())?;
    if flags.print || plan == Plan::Nothing {
        return Ok(ExitCode::SUCCESS);
    }
    if let (Plan::Run(_) | Plan::Manual(_), Some(program), false) = (&plan, command, has_command) {
        bail!("`{program}` is not on your PATH; add it there and run this again, or do the above yourself");
    }
    if !flags.yes {
        if !io::stdin().is_terminal() {
            let error =
                "nothing was changed, since no one can be asked here; --yes makes the change, --print only shows it";
            return Err(UsageError(error.to_owned()).into());
        }
        if !confirmed()? {
            writeln!(io::stderr(), "Nothing was changed.")?;
            return Ok(ExitCode::FAILURE);
        }
    }
    make(&request, &plan)?;
    Ok(ExitCode::SUCCESS)
}

fn list(paths: &ConfigPaths) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout().lock();
    for client in Client::value_variants() {
        let name = client.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        let file = paths.file(*client);
        let file = file.map_or_else(|error| error.to_string(), |path| path.display().to_string());
        writeln!(out, "{name:<16}{:<16}{file}", client.spec().title)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// This program's path: the one on `PATH` if it is the same file, since that one outlives an update.
fn executable() -> anyhow::Result<String> {
    let running = env::current_exe().context("the system does not say where this program is")?;
    let on_path = ClientCommand::find(env!("CARGO_PKG_NAME")).filter(|found| is_same_file(found, &running));
    absolute(&on_path.unwrap_or(running))
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    one.canonicalize().ok().is_some_and(|one| other.canonicalize().is_ok_and(|other| one == other))
}

/// A path that means the same in whatever folder a client starts this program.
fn absolute(path: &Path) -> anyhow::Result<String> {
    let path = std::path::absolute(path)?;
    path.into_os_string()
        .into_string()
        .map_err(|path| anyhow!("the path {} is not Unicode", PathBuf::from(path).display()))
}

fn confirmed() -> io::Result<bool> {
    let mut error = io::stderr().lock();
    write!(error, "Continue? [y/N] ")?;
    error.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
