//! The commands of clients, and the command with which a client starts this program.
//!
//! Never has a key among its arguments: other users of a computer can read command lines.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
};

use serde_json::{Map, Value};

use super::{
    entry::{Entry, ServerName},
    paths::Platform,
    plan::InstallError,
};

/// A client's command with its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClientCommand {
    pub(crate) program: &'static str,
    pub(super) arguments: Vec<String>,
}

impl ClientCommand {
    pub(super) fn new<const N: usize>(program: &'static str, arguments: [&str; N]) -> Self {
        Self { program, arguments: arguments.map(str::to_owned).into() }
    }

    /// Where a program is that can be run. One that is only in the current folder is not meant.
    pub(crate) fn find(program: &str) -> Option<PathBuf> {
        which::which_global(program).ok()
    }

    /// Runs the command to its end. It prints to where this program prints.
    pub(crate) fn run(&self) -> io::Result<ExitStatus> {
        self.command()?.status()
    }

    fn command(&self) -> io::Result<Command> {
        // By its absolute path: on Windows these programs are scripts, which are not found by name.
        let mut command = Command::new(Self::find(self.program).ok_or(io::ErrorKind::NotFound)?);
        command.args(&self.arguments).stdin(Stdio::null());
        Ok(command)
    }
}

/// As in a shell.
impl fmt::Display for ClientCommand {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.program)?;
        self.arguments.iter().try_for_each(|argument| {
            let quoted = shlex::try_quote(argument).map_err(|_| fmt::Error)?;
            write!(formatter, " {quoted}")
        })
    }
}

pub(super) fn add_to_claude(name: &ServerName, fields: Map<String, Value>) -> ClientCommand {
    let fields = Value::Object(fields).to_string();
    ClientCommand::new("claude", ["mcp", "add-json", "--scope", "user", name.as_str(), &fields])
}

pub(super) fn remove_from_claude(name: &ServerName) -> ClientCommand {
    ClientCommand::new("claude", ["mcp", "remove", "--scope", "user", name.as_str()])
}

/// Codex replaces an entry that is there.
pub(super) fn add_to_codex(name: &ServerName, entry: &Entry) -> ClientCommand {
    let mut command = ClientCommand::new("codex", ["mcp", "add", name.as_str()]);
    for (variable, value) in entry.environment(name) {
        command.arguments.extend(["--env".to_owned(), format!("{variable}={value}")]);
    }
    command.arguments.extend(["--".to_owned(), entry.command.clone()]);
    command.arguments.extend(entry.arguments.iter().cloned());
    command
}

pub(super) fn remove_from_codex(name: &ServerName) -> ClientCommand {
    ClientCommand::new("codex", ["mcp", "remove", name.as_str()])
}

/// The entry of this name in Codex's configuration, which only Codex reads. Without `codex` it is not known.
pub(super) fn codex_entry(name: &ServerName) -> Result<Option<Value>, InstallError> {
    let get = ClientCommand::new("codex", ["mcp", "get", name.as_str(), "--json"]);
    let Ok(mut command) = get.command() else { return Ok(None) };
    let failed = || InstallError::Command(get.to_string());
    let output = command.output().map_err(|_| failed())?;
    // Any other failure does not mean that the name is free.
    if !output.status.success() && String::from_utf8_lossy(&output.stderr).contains("No MCP server named") {
        return Ok(None);
    }
    let entry: Option<Value> = serde_json::from_slice(&output.stdout).ok().filter(|_| output.status.success());
    let mut entry = entry.ok_or_else(failed)?;
    let mut transport = entry.get_mut("transport").map(Value::take).unwrap_or(entry);
    if let Some(fields) = transport.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    Ok(Some(transport))
}

/// Whether a program is in the cache of `npx`, which `npx` may empty.
pub(crate) fn is_in_npx_cache(executable: &str) -> bool {
    Path::new(executable).components().any(|part| part.as_os_str() == "_npx")
}

/// The command with its first arguments: the absolute path, or `npx` if that has brought the program.
pub(crate) fn launch(executable: &str, platform: Platform) -> Vec<String> {
    const PACKAGE: &str = concat!(env!("CARGO_PKG_NAME"), "@", env!("CARGO_PKG_VERSION"));
    let words = match platform {
        _ if !is_in_npx_cache(executable) => vec![executable],
        // On Windows `npx` is a script, which not every client can start on its own.
        Platform::Windows => vec!["cmd", "/c", "npx", "-y", PACKAGE],
        Platform::Linux | Platform::MacOs => vec!["npx", "-y", PACKAGE],
    };
    words.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_in_the_cache_of_npx_is_started_through_npx() {
        let version = env!("CARGO_PKG_VERSION");
        let program = "node_modules/@verifa-mcp/linux-x64/bin/verifa-mcp";
        for (folder, platform, expected) in [
            ("/usr/lib", Platform::Linux, format!("/usr/lib/{program}")),
            ("/home/a_npx", Platform::MacOs, format!("/home/a_npx/{program}")),
            ("/home/a/.npm/_npx/0ab1", Platform::Linux, format!("npx -y verifa-mcp@{version}")),
            ("/home/a/.npm/_npx/0ab1", Platform::Windows, format!("cmd /c npx -y verifa-mcp@{version}")),
        ] {
            assert_eq!(launch(&format!("{folder}/{program}"), platform).join(" "), expected);
        }
    }
}
