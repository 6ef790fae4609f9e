//! `verifa-mcp install`: puts this server into an MCP client's configuration, or takes it out.
//!
//! Every change is shown before it is made and made only with the user's consent. A key is never shown, and written only
//! where that was asked for.

use std::{
    env,
    fmt::Write as _,
    io::{self, BufRead, IsTerminal, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, anyhow};

use super::flags::{Install, Settings};
use crate::{
    config::Config,
    install::{
        Client, Computer, ConfigFile, Entry, Invocation, Key, Plan, ServerName, Situation, difference, masked,
        to_install, to_remove,
    },
    verifa::Environment,
};

const API_KEY: &str = "VERIFA_API_KEY";
/// Wrong usage, as for wrong flags.
const WRONG: u8 = 2;

pub(super) fn run(flags: &Install, settings: &Settings) -> anyhow::Result<ExitCode> {
    let computer = Computer::this().context("the system does not say which folder is your home")?;
    let Some(client) = flags.client else { return list(&computer) };
    let name: ServerName = match flags.name.as_deref().map_or_else(|| Ok(ServerName::default()), str::parse) {
        Ok(name) => name,
        Err(fault) => return complain(&format!("--name: {fault}")),
    };
    let executable = executable()?;
    let file = ConfigFile::read(&computer.file_of(client))?;
    let situation = Situation {
        client,
        name: &name,
        text: file.text(),
        has_own_command: client.own_command().is_some_and(|program| Invocation::find(program).is_some()),
        executable: &executable,
    };
    let planned = if flags.uninstall {
        to_remove(&situation)
    } else {
        match entry(flags, settings, &name, executable.clone())? {
            Ok(entry) => to_install(&situation, &entry),
            Err(words) => return complain(&words),
        }
    };
    let plan = planned.with_context(|| format!("{} is left as it is", file.path().display()))?;
    let job = Job { client, name: &name, file: &file, uninstall: flags.uninstall };
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
        let path = computer.file_of(client);
        writeln!(out, "{:<16}{:<16}{}", client.slug(), client.title(), path.display())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// This program's path: the one on `PATH` where it is the same file, since that one outlives an update.
fn executable() -> anyhow::Result<String> {
    let running = env::current_exe().context("the system does not say where this program lies")?;
    let on_path = Invocation::find(env!("CARGO_PKG_NAME")).filter(|found| is_same_file(found, &running));
    text_of(on_path.unwrap_or(running))
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    one.canonicalize().ok().is_some_and(|one| other.canonicalize().is_ok_and(|other| one == other))
}

fn text_of(path: PathBuf) -> anyhow::Result<String> {
    path.into_os_string().into_string().map_err(|path| anyhow!("the path {} is not Unicode", path.display()))
}

/// The entry that the flags and the settings ask for; or words about what is missing.
fn entry(
    flags: &Install,
    settings: &Settings,
    name: &ServerName,
    command: String,
) -> anyhow::Result<Result<Entry, String>> {
    // Whether each setting is a good one is found out now, not when the client starts the server. Nothing is logged yet.
    let checked = Settings { audit_log: None, ..settings.clone() };
    let variable = |name: &str| if name == API_KEY && !flags.key_in_clear { None } else { env::var_os(name) };
    let config = Config::read(&checked, settings.emulator, variable)?;
    let environment = config.caller.environment();

    let mut variables = Vec::new();
    for (variable, value) in settings.for_a_client(|name| env::var(name).ok()) {
        let is_path = matches!(variable, "VERIFA_API_KEY_FILE" | "VERIFA_CA_FILE" | "VERIFA_MCP_AUDIT_LOG");
        // A client starts the server in a folder of its own choice.
        variables.push((variable, if is_path { text_of(std::path::absolute(&value)?)? } else { value }));
    }
    let mut entry = Entry { command, arguments: vec!["stdio"], variables, key: Key::Elsewhere };
    if settings.emulator {
        entry.arguments.push("--emulator");
        let of_verifa = ["VERIFA_API_KEY_FILE", "VERIFA_ENV", "VERIFA_API_URL"];
        entry.variables.retain(|(variable, _)| !of_verifa.contains(variable));
        return Ok(Ok(entry));
    }
    if flags.key_in_clear {
        let Some(key) = env::var(API_KEY).ok().filter(|key| !key.trim().is_empty()) else {
            return Ok(Err("--key-in-clear takes the key from VERIFA_API_KEY, which is not set".to_owned()));
        };
        entry.key = Key::InClear(key.trim().to_owned());
    } else if let Some((_, path)) = entry.variables.iter().find(|(variable, _)| *variable == "VERIFA_API_KEY_FILE") {
        warn_of_readers(Path::new(path))?;
    } else if flags.client.is_some_and(Client::asks_for_secrets) {
        entry.key = Key::AskedFor;
    } else {
        return Ok(Err(KEY_CHOICES.to_owned()));
    }
    if let Some(environment) = environment {
        warn_of_name(name, environment)?;
        // Another key in the same place is then noticed, not used.
        entry.variables.retain(|(variable, _)| *variable != "VERIFA_ENV");
        entry.variables.push(("VERIFA_ENV", environment.to_string()));
    }
    Ok(Ok(entry))
}

const KEY_CHOICES: &str = "\
say where the server is to get the key from:
  --api-key-file FILE  from a file that holds the key and nothing else (or set VERIFA_API_KEY_FILE)
  --emulator           from nowhere: try it against the emulator, without an account
  --key-in-clear       from the client's configuration: the key in VERIFA_API_KEY is written there for all to read";

fn warn_of_readers(path: &Path) -> io::Result<()> {
    if is_readable_by_others(path) {
        let path = path.display();
        writeln!(io::stderr(), "Warning: {path} can be read by others on this computer; run `chmod 600 {path}`.")?;
    }
    Ok(())
}

#[cfg(unix)]
fn is_readable_by_others(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| std::os::unix::fs::MetadataExt::mode(&metadata) & 0o077 != 0)
}

#[cfg(not(unix))]
fn is_readable_by_others(_: &Path) -> bool {
    false
}

fn warn_of_name(name: &ServerName, environment: Environment) -> io::Result<()> {
    if name.as_str().contains(environment.other().as_str()) {
        writeln!(io::stderr(), "Warning: the name {name} says otherwise, but the key is a {environment} key.")?;
    }
    Ok(())
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

/// What is done to which file.
struct Job<'a> {
    client: Client,
    name: &'a ServerName,
    file: &'a ConfigFile,
    uninstall: bool,
}

impl Job<'_> {
    /// What would be done, exactly.
    fn announcement(&self, plan: &Plan) -> String {
        let (name, client, path) = (self.name, self.client.title(), self.file.path().display());
        let mut said = String::new();
        // Writing to a String cannot fail.
        let _ = match plan {
            Plan::Nothing if self.uninstall => writeln!(said, "{client} has no entry \"{name}\" in {path}."),
            Plan::Nothing => writeln!(said, "{client} has this entry already, \"{name}\" in {path}."),
            Plan::Edit(text) => {
                let old = self.file.text();
                let to_do = if old.is_some() { "Change" } else { "Make" };
                writeln!(said, "{to_do} {path}:\n\n{}", difference(old.unwrap_or_default(), text))
            }
            Plan::Run { commands, replaces } => {
                let commands: Vec<_> =
                    commands.iter().map(|command| format!("  {}\n", masked(&command.to_string()))).collect();
                let old = replaces.as_ref().filter(|_| !self.uninstall);
                let old = old.map(|old| format!("In the place of: {}\n", masked(&old.to_string()))).unwrap_or_default();
                writeln!(said, "Run:\n\n{}\n{old}", commands.concat())
                    .map(|()| said.truncate(said.trim_end().len() + 1))
            }
        };
        said
    }

    fn carry_out(&self, plan: &Plan) -> anyhow::Result<()> {
        match plan {
            Plan::Nothing => return Ok(()),
            Plan::Edit(text) => {
                self.keep_a_copy()?;
                self.file.replace(text)?;
            }
            Plan::Run { commands, .. } => {
                let find = |command: &Invocation| {
                    Invocation::find(command.program).map(drop).ok_or_else(|| {
                        anyhow!("`{}` is not found; run the above where it is, or put it on your PATH", command.program)
                    })
                };
                commands.iter().try_for_each(find)?;
                if self.client != Client::ClaudeCode {
                    self.keep_a_copy()?;
                }
                commands.iter().try_for_each(run_one)?;
            }
        }
        let (name, client) = (self.name, self.client.title());
        let said = if self.uninstall {
            format!("\"{name}\" is out of {client}'s configuration. A server that runs ends with the client.")
        } else {
            format!("\"{name}\" is in {client}'s configuration. {}", self.client.next_step())
        };
        writeln!(io::stdout(), "{said}")?;
        Ok(())
    }

    fn keep_a_copy(&self) -> anyhow::Result<()> {
        if let Some(backup) = self.file.back_up()? {
            writeln!(io::stdout(), "Backup: {}", backup.display())?;
        }
        Ok(())
    }
}

fn run_one(command: &Invocation) -> anyhow::Result<()> {
    let program = command.program;
    let status = command
        .run()
        .map_err(|error| anyhow!("`{program}` cannot be run ({}); run the above yourself", error.kind()))?;
    if status.success() { Ok(()) } else { Err(anyhow!("`{program}` ended with {status}; its own words are above")) }
}
