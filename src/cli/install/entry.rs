//! The entry that the flags and the settings ask for, and warnings about what may not be as its owner thinks.
//!
//! A key is never printed, and stands in the entry only where that was asked for.

use std::{
    env,
    io::{self, Write},
    path::Path,
};

use super::{super::flags::Install, text_of};
use crate::{
    config::{Config, Settings},
    install::{API_KEY, Client, Entry, Key, Launch, ServerName},
    verifa::Environment,
};

/// The entry that the flags and the settings ask for; or words about what is missing.
pub(super) fn entry(
    flags: &Install,
    settings: &Settings,
    name: &ServerName,
    launch: Launch,
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
    let Launch { command, mut arguments } = launch;
    arguments.push("stdio");
    let mut entry = Entry { command, arguments, variables, key: Key::Elsewhere };
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

fn warn_of_readers(path: &Path) -> anyhow::Result<()> {
    if is_readable_by_others(path) {
        let path = path.to_string_lossy();
        let quoted = shlex::try_quote(&path)?;
        writeln!(io::stderr(), "Warning: {path} can be read by others on this computer; run `chmod 600 {quoted}`.")?;
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
    let mut words = name.as_str().split(['-', '_']);
    if words.any(|word| word.eq_ignore_ascii_case(environment.other().as_str())) {
        writeln!(io::stderr(), "Warning: the name {name} says otherwise, but the key is a {environment} key.")?;
    }
    Ok(())
}
