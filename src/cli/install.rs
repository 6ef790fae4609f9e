//! `verifa-mcp install`: puts this server into an MCP client's configuration, or takes it out.
//!
//! Every change is shown before it is made and made only with the user's consent. A key is never shown, and written only
//! where that was asked for.

use std::{
    env,
    io::{self, BufRead, IsTerminal, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, anyhow};
use serde_json::Value;

use super::flags::{Install, Settings};
use crate::{
    config::Config,
    install::{
        Client, Computer, ConfigFile, Entry, Invocation, Key, Plan, ServerName, Situation, holds_key, to_install,
        to_remove,
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
    let job = Job { situation, file: &file, uninstall: flags.uninstall };
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
    // A folder on `PATH` may be a relative one, and a client starts the program from a folder of its own choice.
    text_of(std::path::absolute(on_path.unwrap_or(running))?)
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
        // One that the client hands on from a shell would be a second key, with which the server does not start.
        entry.variables.push((API_KEY, String::new()));
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
    situation: Situation<'a>,
    file: &'a ConfigFile,
    uninstall: bool,
}

impl Job<'_> {
    /// What would be done.
    fn announcement(&self, plan: &Plan) -> String {
        let (name, client, path) = (self.situation.name, self.situation.client.title(), self.file.path().display());
        match plan {
            Plan::Nothing if self.uninstall => format!("{client} has no entry \"{name}\" in {path}.\n"),
            Plan::Nothing => format!("{client} has this entry already, \"{name}\" in {path}.\n"),
            Plan::Edit { change, .. } if self.file.text().is_none() => format!("Make {path}:\n\n{change}\n"),
            Plan::Edit { change, .. } => {
                format!("Change {path}:\n\n{change}\nEverything else in it stays as it is.\n")
            }
            Plan::Run { commands, change, .. } => {
                let commands: String = commands.iter().map(|command| format!("  {command}\n")).collect();
                let what_goes = if self.uninstall { "This goes:" } else { "In the place of:" };
                let old = if change.is_empty() { String::new() } else { format!("\n{what_goes}\n\n{change}") };
                format!("Run:\n\n{commands}{old}")
            }
        }
    }

    fn carry_out(&self, plan: &Plan) -> anyhow::Result<()> {
        let Situation { client, name, .. } = self.situation;
        match plan {
            Plan::Nothing => return Ok(()),
            Plan::Edit { text, .. } => {
                let _lock = self.file.lock()?;
                let now = ConfigFile::read(self.file.path())?;
                if now != *self.file {
                    return Err(now.changed().into());
                }
                keep_a_copy(&now)?;
                now.replace(text)?;
            }
            Plan::Run { commands, undo, .. } => {
                commands.iter().try_for_each(find)?;
                let _lock = self.file.lock()?;
                let now = ConfigFile::read(self.file.path())?;
                // Clients write down much else in these files while they run.
                if self.entry_in(&now)? != self.entry_in(self.file)? {
                    return Err(now.changed().into());
                }
                let backup = keep_a_copy(&now)?;
                for (done, command) in commands.iter().enumerate() {
                    let Err(error) = run_one(command) else { continue };
                    let aftermath = if done == 0 { None } else { self.put_back(undo.as_ref(), backup.as_deref()) };
                    return Err(match aftermath {
                        Some(words) => error.context(words),
                        None => error,
                    });
                }
                self.look_again()?;
            }
        }
        let title = client.title();
        let said = if self.uninstall {
            format!("\"{name}\" is out of {title}'s configuration. A server that runs ends with the client.")
        } else {
            format!("\"{name}\" is in {title}'s configuration. {}", client.next_step())
        };
        writeln!(io::stdout(), "{said}")?;
        Ok(())
    }

    fn entry_in(&self, file: &ConfigFile) -> anyhow::Result<Option<Value>> {
        Ok(Situation { text: file.text(), ..self.situation }.existing()?)
    }

    /// Puts the entry back that a command has taken out; says how it went.
    fn put_back(&self, undo: Option<&Invocation>, backup: Option<&Path>) -> Option<String> {
        let old = self.entry_in(self.file).ok()??;
        let ran = undo.is_some_and(|undo| run_one(undo).is_ok());
        let now = ConfigFile::read(self.file.path()).ok().and_then(|now| self.entry_in(&now).ok()?);
        let (name, path) = (self.situation.name, self.file.path().display());
        Some(match backup {
            _ if ran && now == Some(old) => format!("nothing was changed: the old entry \"{name}\" is back"),
            Some(backup) => format!(
                "the old entry \"{name}\" is out of {path}, and no new one is in; to have it back, copy it from {}",
                backup.display()
            ),
            None => format!("the old entry \"{name}\" is out of {path}, and no new one is in"),
        })
    }

    /// A command may end well and have written somewhere else.
    fn look_again(&self) -> anyhow::Result<()> {
        let (name, path) = (self.situation.name, self.file.path().display());
        let now = ConfigFile::read(self.file.path())?;
        let there = self.entry_in(&now).with_context(|| format!("{path} is not as it should be now"))?.is_some();
        match (there, self.uninstall) {
            (true, true) => Err(anyhow!("the command ended well, but \"{name}\" is in {path} still")),
            (false, false) => Err(anyhow!(
                "the command ended well, but \"{name}\" is not in {path}; it may keep its configuration elsewhere"
            )),
            _ => Ok(()),
        }
    }
}

fn keep_a_copy(file: &ConfigFile) -> anyhow::Result<Option<PathBuf>> {
    let backup = file.back_up()?;
    if let Some(backup) = &backup {
        writeln!(io::stdout(), "Backup: {}", backup.display())?;
        if file.text().is_some_and(holds_key) {
            writeln!(io::stdout(), "The backup holds a key in clear; delete it once you do not need it.")?;
        }
    }
    Ok(backup)
}

fn find(command: &Invocation) -> anyhow::Result<()> {
    Invocation::find(command.program)
        .map(drop)
        .ok_or_else(|| anyhow!("`{}` is not found; run the above where it is, or put it on your PATH", command.program))
}

fn run_one(command: &Invocation) -> anyhow::Result<()> {
    let program = command.program;
    let status = command
        .run()
        .map_err(|error| anyhow!("`{program}` cannot be run ({}); run the above yourself", error.kind()))?;
    if status.success() { Ok(()) } else { Err(anyhow!("`{program}` ended with {status}; its own words are above")) }
}
