//! `verifa-mcp install`: entries in clients' configurations, in a separate home folder, with clients' commands that record
//! how they were called.

mod files;
mod keys;
mod others;
mod own_commands;

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use tokio::process::Command;

use crate::{
    home::{Home, succeeded},
    program::{SANDBOX_KEY, stderr, stdout},
};

/// What the clients' commands do to their files, as far as these tests need it.
const CLAUDE: &str = r#"case "$2" in
  add-json) printf '{"mcpServers": {"%s": %s}}' "$5" "$6" ;;
  remove) printf '{}' ;;
esac >"$HOME/.claude.json""#;
const CODEX: &str = r#"case "$2" in
  add) printf '[mcp_servers.%s]\ncommand = "verifa-mcp"\n' "$3" >"$HOME/.codex/config.toml" ;;
  remove) : >"$HOME/.codex/config.toml" ;;
  get)
    read -r line <"$HOME/.codex/config.toml"
    [ "$line" = "[mcp_servers.$3]" ] || { echo "Error: No MCP server named '$3' found." >&2; exit 1; }
    printf '{"name": "%s", "transport": {"type": "stdio", "command": "verifa-mcp", "env": null}}' "$3" ;;
esac"#;

/// The same by the command's name.
pub(crate) fn does(command: &str) -> &'static str {
    match command {
        "claude" => CLAUDE,
        "codex" => CODEX,
        _ => "",
    }
}

const CURSOR: &str = ".cursor/mcp.json";
const CODEX_FILE: &str = ".codex/config.toml";
const VSCODE: &str = ".config/Code/User/mcp.json";
/// A configuration with another server and comments.
const OTHERS: &str = "{\n  // mine\n  \"mcpServers\": {\n    \"other\": {\n      \"command\": \"npx\",\n      \"env\": { \"TOKEN\": \"ghp_x\" }, // secret\n    },\n  },\n}\n";

impl Home {
    /// A client's command that records its arguments, unless it only reads, and does this.
    fn command(&self, name: &str, does: &str) {
        let record = format!("[ \"$2\" = get ] || printf '%s\\n' {name} \"$@\" >>\"$HOME/called\"");
        let script = format!("#!/bin/sh\n{record}\n{does}\n");
        let path = self.write(&format!("bin/{name}"), &script);
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn called(&self) -> Vec<String> {
        fs::read_to_string(self.path("called")).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    /// The backups of a configuration, which only the user can read.
    fn backups_of(&self, within: &str) -> Vec<PathBuf> {
        let path = self.path(within);
        let files = fs::read_dir(path.parent().unwrap()).unwrap().map(|file| file.unwrap().path());
        let backups: Vec<_> = files.filter(|file| file.extension().is_some_and(|it| it == "bak")).collect();
        assert!(backups.iter().all(|file| fs::metadata(file).unwrap().mode() & 0o777 == 0o600));
        backups
    }

    /// The files next to a configuration, which are its backups.
    fn backups(&self, within: &str) -> Vec<String> {
        let path = self.path(within);
        let files = fs::read_dir(path.parent().unwrap()).unwrap().map(|file| file.unwrap().path());
        files.filter(|file| *file != path).map(|file| fs::read_to_string(file).unwrap()).collect()
    }
}

fn entries(text: &str) -> Value {
    serde_json::from_str::<Value>(text).unwrap()["mcpServers"].take()
}

#[tokio::test]
async fn the_list_names_every_client_and_its_file() {
    let home = Home::new();
    let output = home.install(&["--list"], &[("CODEX_HOME", "/elsewhere")]).await;
    let list = succeeded(&output);
    let slugs: Vec<_> = list.lines().map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(
        slugs,
        ["claude-desktop", "claude-code", "vscode", "cursor", "codex", "gemini-cli", "opencode", "windsurf", "zed"]
    );
    assert!(list.contains(home.path(CURSOR).to_str().unwrap()));
    assert!(list.contains("/elsewhere/config.toml"));
}

#[tokio::test]
async fn a_configuration_at_a_relative_path_is_refused() {
    let home = Home::new();
    for (client, variable) in [
        ("claude-desktop", "XDG_CONFIG_HOME"),
        ("vscode", "XDG_CONFIG_HOME"),
        ("claude-code", "CLAUDE_CONFIG_DIR"),
        ("codex", "CODEX_HOME"),
    ] {
        let moved = [(variable, "here")];
        let output = home.install(&[client, "--emulator", "--yes"], &moved).await;
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains(&format!("{variable} is a relative path")), "{}", stderr(&output));
        assert!(succeeded(&home.install(&["--list"], &moved).await).contains("is a relative path"));
        succeeded(&home.install(&["cursor", "--emulator", "--yes"], &moved).await);
    }
    assert!(!home.path("here").exists());
}

#[tokio::test]
async fn a_program_that_npx_runs_is_started_through_npx() {
    let home = Home::new();
    let folder = home.path(".npm/_npx/0a1b/node_modules/@verifa-mcp/linux-x64/bin");
    fs::create_dir_all(&folder).unwrap();
    // A child writes it, since a file that this process had open for writing cannot be run.
    let copied = std::process::Command::new("cp").arg(env!("CARGO_BIN_EXE_verifa-mcp")).arg(&folder).status();
    assert!(copied.unwrap().success());
    let run = async |arguments: &[&str]| {
        let mut command = Command::new(folder.join("verifa-mcp"));
        command.arg("install").args(arguments).env_clear().env("HOME", home.path("")).output().await.unwrap()
    };
    let output = run(&["cursor", "--emulator", "--yes"]).await;
    assert!(succeeded(&output).contains("      \"command\": \"npx\""), "{}", stdout(&output));
    assert!(stderr(&output).contains("runs from npx's cache") && stderr(&output).contains("npm install --global"));
    let package = concat!("verifa-mcp@", env!("CARGO_PKG_VERSION"));
    let expected = json!({"type": "stdio", "command": "npx", "args": ["-y", package, "stdio", "--emulator"]});
    assert_eq!(entries(&home.read(CURSOR))["verifa-mcp"], expected);
    let again = run(&["cursor", "--emulator", "--yes"]).await;
    assert!(succeeded(&again).contains("already has this entry"), "{}", stdout(&again));
    succeeded(&run(&["cursor", "--uninstall", "--yes"]).await);
    assert_eq!(entries(&home.read(CURSOR)), json!({}));
}

#[tokio::test]
async fn nothing_changes_without_consent() {
    let home = Home::new();
    home.write(CURSOR, OTHERS);
    let unasked = home.install(&["cursor", "--emulator"], &[]).await;
    assert_eq!(unasked.status.code(), Some(2));
    assert!(stdout(&unasked).contains("      \"args\": [\"stdio\", \"--emulator\"]"), "{}", stdout(&unasked));
    assert!(stderr(&unasked).contains("nothing was changed, since no one can be asked here; --yes makes the change"));
    let printed = home.install(&["cursor", "--emulator", "--print"], &[]).await;
    assert_eq!(succeeded(&printed), stdout(&unasked));
    for client in ["claude-desktop", "claude-code", "vscode", "codex"] {
        home.command("claude", "");
        succeeded(&home.install(&[client, "--emulator", "--print"], &[]).await);
    }
    assert_eq!(home.read(CURSOR), OTHERS);
    assert_eq!(home.backups(CURSOR), [""; 0]);
    assert!(home.called().is_empty() && !home.path(".config").exists() && !home.path(".codex").exists());
}

#[tokio::test]
async fn the_command_is_an_absolute_path_even_if_the_search_path_is_relative() {
    let home = Home::new();
    symlink(env!("CARGO_BIN_EXE_verifa-mcp"), home.path("bin/verifa-mcp")).unwrap();
    succeeded(&home.install(&["cursor", "--emulator", "--yes"], &[("PATH", "bin")]).await);
    let entries = entries(&home.read(CURSOR));
    let command = Path::new(entries["verifa-mcp"]["command"].as_str().unwrap());
    assert!(command.is_absolute() && command.ends_with("bin/verifa-mcp"), "{}", command.display());
}

#[tokio::test]
async fn wrong_usage_is_exit_code_2() {
    let home = Home::new();
    let key = format!("x{SANDBOX_KEY}");
    for arguments in [
        &[][..],
        &["netscape"],
        &["cursor", "--list"],
        &["cursor", "--emulator", "--name=--scope"],
        &["cursor", "--emulator", "--name", &key],
        &["cursor", "--plaintext-key"],
    ] {
        let output = home.install(arguments, &[]).await;
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!stderr(&output).is_empty() && !stderr(&output).contains(SANDBOX_KEY));
    }
}
