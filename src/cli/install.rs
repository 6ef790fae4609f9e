//! `verifa-mcp install`: puts this server into an MCP client's configuration, or takes it out.
//!
//! Every change is shown before it is made and made only with the user's consent. A key is never shown, and written only
//! where that was asked for.

mod entry;
mod job;

use std::{
    env,
    io::{self, BufRead, IsTerminal, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, anyhow};

use self::{entry::entry, job::Job};
use super::flags::Install;
use crate::config::Settings;
use crate::install::{
    Client, Computer, ConfigFile, Invocation, Launch, Plan, Platform, ServerName, Situation, to_install, to_remove,
};

/// Wrong usage, as for wrong flags.
const WRONG: u8 = 2;

const NPX: &str = "\
Note: this program runs from npx's cache, which npx may empty, so the entry starts npx. With `npm install --global verifa-mcp`
and then `verifa-mcp install` it starts the program itself.";

pub(super) fn run(flags: &Install, settings: &Settings) -> anyhow::Result<ExitCode> {
    let computer = Computer::this().context("the system does not say which folder is your home")?;
    let Some(client) = flags.client else { return list(&computer) };
    let name: ServerName = match flags.name.as_deref().map_or_else(|| Ok(ServerName::default()), str::parse) {
        Ok(name) => name,
        Err(fault) => return complain(&format!("--name: {fault}")),
    };
    let executable = executable()?;
    let launch = Launch::of(&executable, Platform::THIS);
    let path = computer.file_of(client)?;
    let file = ConfigFile::read(&path)?;
    let situation = Situation {
        client,
        name: &name,
        text: file.text(),
        earlier: &|| file.earlier(),
        has_own_command: client.own_command().is_some_and(|program| Invocation::find(program).is_some()),
        executable: &executable,
    };
    let planned = if flags.uninstall {
        to_remove(&situation)
    } else {
        if launch.is_through_npx() {
            writeln!(io::stderr(), "{NPX}")?;
        }
        match entry(flags, settings, &name, launch)? {
            Ok(entry) => to_install(&situation, &entry),
            Err(words) => return complain(&words),
        }
    };
    let plan = planned.with_context(|| format!("{} is left as it is", file.path().display()))?;
    let job = Job { situation, path: &path, file: &file, uninstall: flags.uninstall };
    io::stdout().write_all(job.announcement(&plan).as_bytes())?;
    if flags.print || plan == Plan::Nothing {
        return Ok(ExitCode::SUCCESS);
    }
    if !flags.yes {
        if !io::stdin().is_terminal() {
            return complain("nothing was changed, since nobody can be asked here; --yes says yes, --print only shows");
        }
        if !confirmed()? {
            writeln!(io::stderr(), "Nothing was changed.")?;
            return Ok(ExitCode::FAILURE);
        }
    }
    job.carry_out(&plan)?;
    Ok(ExitCode::SUCCESS)
}

fn list(computer: &Computer) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout().lock();
    for client in Client::ALL {
        let file = computer.file_of(client);
        let file = file.map_or_else(|fault| fault.to_string(), |path| path.display().to_string());
        writeln!(out, "{:<16}{:<16}{file}", client.slug(), client.title())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// This program's path: the one on `PATH` where it is the same file, since that one outlives an update.
fn executable() -> anyhow::Result<String> {
    let running = env::current_exe().context("the system does not say where this program lies")?;
    let on_path = Invocation::find(env!("CARGO_PKG_NAME")).filter(|found| is_same_file(found, &running));
    // A folder on `PATH` may be a relative one, and a client starts the program from a folder of its own choice.
    text_of(std::path::absolute(on_path.unwrap_or(running))?)
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    one.canonicalize().ok().is_some_and(|one| other.canonicalize().is_ok_and(|other| one == other))
}

fn text_of(path: PathBuf) -> anyhow::Result<String> {
    path.into_os_string().into_string().map_err(|path| anyhow!("the path {} is not Unicode", path.display()))
}

fn confirmed() -> io::Result<bool> {
    let mut error = io::stderr().lock();
    write!(error, "Go on? [y/N] ")?;
    error.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

fn complain(fault: &str) -> anyhow::Result<ExitCode> {
    writeln!(io::stderr(), "verifa-mcp: {fault}")?;
    Ok(ExitCode::from(WRONG))
}
