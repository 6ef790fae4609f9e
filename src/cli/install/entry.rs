//! The entry that the flags and settings request, and warnings about settings that may surprise the user.

use std::{
    env, fs,
    io::{self, Write},
    path::Path,
};

use super::{
    super::{flags::Install, process::UsageError},
    absolute,
};
use crate::{
    config::{Config, Settings},
    install::{API_KEY, Entry, KeySource, Platform, ServerName, is_in_npx_cache, launch},
    private_file,
    verifa::Environment,
};

/// What the emulator does not need.
const ONLY_FOR_VERIFA: [&str; 3] = ["VERIFA_API_KEY_FILE", "VERIFA_ENV", "VERIFA_API_URL"];
const PATHS: [&str; 3] = ["VERIFA_API_KEY_FILE", "VERIFA_CA_FILE", "VERIFA_MCP_AUDIT_LOG"];
const KEY_CHOICES: &str = "\
say where the server gets the key from:
  --api-key-file FILE  from a file that holds the key and nothing else (or set VERIFA_API_KEY_FILE)
  --emulator           from nowhere: try it against the emulator, without an account
  --plaintext-key      from the client's configuration, into which the key in VERIFA_API_KEY is written in plain text";

const NPX: &str = "\
Note: this program runs from npx's cache, which npx may empty, so the entry starts npx. After `npm install --global
verifa-mcp`, `verifa-mcp install` writes an entry that starts the program itself.";

pub(super) fn entry(
    flags: &Install,
    settings: &Settings,
    name: &ServerName,
    executable: &str,
) -> anyhow::Result<Entry> {
    // An invalid setting is an error now, not when the client starts the server. Nothing is audited yet.
    let checked = Settings { audit_log: None, ..settings.clone() };
    let variable = |name: &str| if name == API_KEY && !flags.plaintext_key { None } else { env::var_os(name) };
    let config = Config::read(&checked, settings.emulator, variable)?;

    if is_in_npx_cache(executable) {
        writeln!(io::stderr(), "{NPX}")?;
    }
    let mut variables = settings.for_a_client(|name| env::var(name).ok());
    for (variable, value) in &mut variables {
        if PATHS.contains(variable) {
            *value = absolute(Path::new(value))?;
        }
    }
    let mut launch = launch(executable, Platform::THIS).into_iter().chain(["stdio".to_owned()]);
    let command = launch.next().unwrap_or_default();
    let mut entry = Entry { command, arguments: launch.collect(), variables, key: KeySource::Environment };
    if settings.emulator {
        entry.arguments.push("--emulator".to_owned());
        entry.variables.retain(|(variable, _)| !ONLY_FOR_VERIFA.contains(variable));
        return Ok(entry);
    }
    let key_file = entry.variables.iter().find(|(variable, _)| *variable == "VERIFA_API_KEY_FILE");
    if flags.plaintext_key {
        let key = env::var(API_KEY).ok().filter(|key| !key.trim().is_empty());
        let missing = || UsageError("--plaintext-key takes the key from VERIFA_API_KEY, which is not set".to_owned());
        entry.key = KeySource::PlainText(key.ok_or_else(missing)?.trim().to_owned());
    } else if let Some((_, path)) = key_file {
        warn_of_readers(path)?;
        // One that the client inherits from a shell would be a second key, with which the server does not start.
        entry.variables.push((API_KEY, String::new()));
    } else if flags.client.is_some_and(|client| client.spec().prompts_for_key) {
        entry.key = KeySource::Prompt;
    } else {
        return Err(UsageError(KEY_CHOICES.to_owned()).into());
    }
    if let Some(environment) = config.caller.environment() {
        warn_of_name(name, environment)?;
        // If the key is replaced by one of the other environment, the server notices.
        entry.variables.retain(|(variable, _)| *variable != "VERIFA_ENV");
        entry.variables.push(("VERIFA_ENV", environment.to_string()));
    }
    Ok(entry)
}

fn warn_of_readers(path: &str) -> anyhow::Result<()> {
    if fs::metadata(path).is_ok_and(|metadata| private_file::others_can_read(&metadata)) {
        let quoted = shlex::try_quote(path)?;
        writeln!(io::stderr(), "Warning: other users of this computer can read {path}; run `chmod 600 {quoted}`.")?;
    }
    Ok(())
}

fn warn_of_name(name: &ServerName, environment: Environment) -> io::Result<()> {
    let mut words = name.as_str().split(['-', '_']);
    if words.any(|word| word.eq_ignore_ascii_case(environment.other().as_str())) {
        writeln!(io::stderr(), "Warning: the name is {name}, but the key is a {environment} key.")?;
    }
    Ok(())
}
