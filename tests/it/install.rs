//! `verifa-mcp install`: entries in clients' configurations, in a home folder of its own, with clients' commands that only
//! write down how they were called.

mod others;

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Output,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::program::{Client, SANDBOX_KEY, program, stderr, stdout};

/// What the clients' commands do to their files, as far as these tests need it.
const CLAUDE: &str = r#"case "$2" in
  add-json) printf '{"mcpServers": {"%s": %s}}' "$5" "$6" ;;
  remove) printf '{}' ;;
esac >"$HOME/.claude.json""#;
const CODE: &str = r#"printf '{"servers": {"verifa-mcp": %s}}' "$2" >"$HOME/.config/Code/User/mcp.json""#;
const CODEX: &str = r#"case "$2" in
  add) printf '[mcp_servers.%s]\ncommand = "verifa-mcp"\n' "$3" ;;
esac >"$HOME/.codex/config.toml""#;

/// The same by the command's name; nothing for a command that is not looked after.
pub(crate) fn does(command: &str) -> &'static str {
    match command {
        "claude" => CLAUDE,
        "code" => CODE,
        "codex" => CODEX,
        _ => "",
    }
}

const LIVE_KEY: &str = "vk_live_integrationtests";
const CURSOR: &str = ".cursor/mcp.json";
/// A configuration that somebody cares about.
const OTHERS: &str = "{\n  // mine\n  \"mcpServers\": {\n    \"other\": {\n      \"command\": \"npx\",\n      \"env\": { \"TOKEN\": \"ghp_x\" }, // secret\n    },\n  },\n}\n";

/// A user's home folder, and the clients' commands on their `PATH`.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        fs::create_dir(home.path("bin")).unwrap();
        home
    }

    fn path(&self, within: &str) -> PathBuf {
        self.0.path().join(within)
    }

    fn write(&self, within: &str, text: &str) -> String {
        let path = self.path(within);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn read(&self, within: &str) -> String {
        fs::read_to_string(self.path(within)).unwrap()
    }

    fn key_file(&self, name: &str, key: &str) -> String {
        let path = self.write(name, &format!("{key}\n"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// A client's command that writes its arguments down, does this, and ends well.
    fn command(&self, name: &str, does: &str) {
        let script = format!("#!/bin/sh\nprintf '%s\\n' {name} \"$@\" >>\"$HOME/called\"\n{does}\n");
        let path = self.write(&format!("bin/{name}"), &script);
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn called(&self) -> Vec<String> {
        fs::read_to_string(self.path("called")).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    async fn install(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
        let mut command = program(["install"].into_iter().chain(arguments.iter().copied()));
        command.env("HOME", self.0.path()).env("PATH", self.path("bin")).current_dir(self.0.path());
        command.envs(environment.iter().copied()).output().await.unwrap()
    }

    /// The backups of a configuration, by name; none of them may be read by others.
    fn backups_of(&self, within: &str) -> Vec<PathBuf> {
        let path = self.path(within);
        let files = fs::read_dir(path.parent().unwrap()).unwrap().map(|file| file.unwrap().path());
        let backups: Vec<_> = files.filter(|file| file.extension().is_some_and(|it| it == "bak")).collect();
        assert!(backups.iter().all(|file| fs::metadata(file).unwrap().mode() & 0o777 == 0o600));
        backups
    }

    /// The files beside a configuration, which are its backups.
    fn backups(&self, within: &str) -> Vec<String> {
        let path = self.path(within);
        let files = fs::read_dir(path.parent().unwrap()).unwrap().map(|file| file.unwrap().path());
        files.filter(|file| *file != path).map(|file| fs::read_to_string(file).unwrap()).collect()
    }
}

fn entries(text: &str) -> Value {
    serde_json::from_str::<Value>(text).unwrap()["mcpServers"].take()
}

fn succeeded(output: &Output) -> &str {
    assert!(output.status.success(), "{}", stderr(output));
    stdout(output)
}

/// The titles of the tools, as the client that starts this entry sees them.
async fn titles_of(entry: &Value) -> Vec<String> {
    assert_eq!(Path::new(entry["command"].as_str().unwrap()), Path::new(env!("CARGO_BIN_EXE_verifa-mcp")));
    let arguments: Vec<_> = entry["args"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    let environment = entry["env"].as_object().into_iter().flatten();
    let environment: Vec<_> = environment.map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect();
    let mut client = Client::start(&arguments, &environment).await;
    let listed = client.request("tools/list", json!({})).await;
    let tools = listed["result"]["tools"].as_array().unwrap();
    tools.iter().map(|tool| tool["title"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_list_names_every_client_and_its_file() {
    let home = Home::new();
    let output = home.install(&["--list"], &[("CODEX_HOME", "/elsewhere")]).await;
    let list = succeeded(&output);
    let slugs: Vec<_> = list.lines().map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(slugs, ["claude-desktop", "claude-code", "vscode", "cursor", "codex"]);
    assert!(list.contains(home.path(CURSOR).to_str().unwrap()));
    assert!(list.contains("/elsewhere/config.toml"));
}

#[tokio::test]
async fn two_accounts_stand_side_by_side_and_cannot_be_taken_for_each_other() {
    let home = Home::new();
    let (sandbox, live) = (home.key_file("sandbox.key", SANDBOX_KEY), home.key_file("live.key", LIVE_KEY));
    for (name, key_file) in [("verifa-sandbox", &sandbox), ("verifa-live", &live)] {
        let output = home.install(&["cursor", "--name", name, "--api-key-file", key_file, "--yes"], &[]).await;
        succeeded(&output);
        assert_eq!(stderr(&output), "");
    }
    let entries = entries(&home.read(CURSOR));
    // A key that the client hands on from a shell is not a second one.
    assert_eq!(entries["verifa-live"]["env"]["VERIFA_API_KEY"], "");
    for (name, environment) in [("verifa-sandbox", " (sandbox)"), ("verifa-live", " (live)")] {
        let titles = titles_of(&entries[name]).await;
        assert!(titles.len() == 4 && titles.iter().all(|title| title.ends_with(environment)), "{titles:?}");
    }

    let mixed = home.install(&["cursor", "--name", "verifa-live", "--api-key-file", &sandbox, "--print"], &[]).await;
    assert!(stderr(&mixed).contains("the name verifa-live says otherwise, but the key is a sandbox key"));
    // Another key in the file of the first is noticed when the client starts the server.
    home.key_file("sandbox.key", LIVE_KEY);
    let settings: Vec<_> = entries["verifa-sandbox"]["env"].as_object().unwrap().iter().collect();
    let started = program(["stdio"]).envs(settings.iter().map(|it| (it.0, it.1.as_str().unwrap()))).output().await;
    assert_eq!(started.unwrap().status.code(), Some(2));
}

#[tokio::test]
async fn what_others_wrote_stays_and_is_there_again_to_the_byte() {
    let home = Home::new();
    home.write(CURSOR, OTHERS);
    fs::set_permissions(home.path(CURSOR), fs::Permissions::from_mode(0o640)).unwrap();
    let key_file = home.key_file("key", SANDBOX_KEY);
    let output = home.install(&["cursor", "--api-key-file", &key_file, "--yes"], &[]).await;
    let said = succeeded(&output);
    assert!(said.contains("+     \"verifa-mcp\": {") && !said.contains("ghp_x"), "{said}");
    assert!(home.read(CURSOR).contains("ghp_x\" }, // secret\n"));
    assert_eq!(fs::metadata(home.path(CURSOR)).unwrap().mode() & 0o777, 0o640);
    assert_eq!(home.backups(CURSOR), [OTHERS]);
    assert_eq!(home.backups_of(CURSOR).len(), 1);

    let again = home.install(&["cursor", "--api-key-file", &key_file], &[]).await;
    assert!(succeeded(&again).contains("has this entry already"));
    succeeded(&home.install(&["cursor", "--uninstall", "--yes"], &[]).await);
    assert_eq!(home.read(CURSOR), OTHERS);
    assert!(succeeded(&home.install(&["cursor", "--uninstall"], &[]).await).contains("has no entry \"verifa-mcp\""));
}

#[tokio::test]
async fn nothing_changes_without_consent() {
    let home = Home::new();
    home.write(CURSOR, OTHERS);
    let unasked = home.install(&["cursor", "--emulator"], &[]).await;
    assert_eq!(unasked.status.code(), Some(2));
    assert!(stdout(&unasked).contains("+       \"args\": [\"stdio\", \"--emulator\"]"), "{}", stdout(&unasked));
    assert!(stderr(&unasked).contains("nothing was changed, since nobody can be asked here; --yes says yes"));
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
async fn a_key_is_written_in_clear_only_when_told_and_shown_never() {
    let home = Home::new();
    let key = [("VERIFA_API_KEY", LIVE_KEY)];
    let refused = home.install(&["claude-desktop", "--yes"], &key).await;
    assert_eq!(refused.status.code(), Some(2));
    for choice in ["--api-key-file", "--emulator", "--key-in-clear"] {
        assert!(stderr(&refused).contains(choice), "{}", stderr(&refused));
    }
    assert!(!home.path(".config").exists());

    let told = home.install(&["claude-desktop", "--key-in-clear", "--yes"], &key).await;
    let said = succeeded(&told);
    assert!(said.contains("+         \"VERIFA_API_KEY\": \"vk_live_…\","), "{said}");
    assert!(!said.contains(LIVE_KEY) && !stderr(&told).contains(LIVE_KEY));
    let file = ".config/Claude/claude_desktop_config.json";
    assert_eq!(entries(&home.read(file))["verifa-mcp"]["env"]["VERIFA_API_KEY"], LIVE_KEY);
    assert_eq!(fs::metadata(home.path(file)).unwrap().mode() & 0o777, 0o600);
    let removed = home.install(&["claude-desktop", "--uninstall", "--yes"], &[]).await;
    assert!(!succeeded(&removed).contains(LIVE_KEY));
    assert!(stdout(&removed).contains("The backup holds a key in clear"), "{}", stdout(&removed));

    home.command("codex", "");
    succeeded(&home.install(&["codex", "--key-in-clear", "--yes"], &key).await);
    assert!(home.called().is_empty());
    assert!(home.read(".codex/config.toml").contains(LIVE_KEY));
    home.command("claude", "");
    let refused = home.install(&["claude-code", "--key-in-clear", "--yes"], &key).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("other users of this computer can read"), "{}", stderr(&refused));
    assert!(home.called().is_empty());
}

#[tokio::test]
async fn a_key_file_must_hold_a_key_that_others_cannot_read() {
    let home = Home::new();
    for (key_file, fault) in [
        ("missing", "cannot be read"),
        (&home.key_file("empty", ""), "is empty"),
        (&home.key_file("publishable", "vk_pub_x"), "publishable key"),
    ] {
        let output = home.install(&["cursor", "--api-key-file", key_file, "--yes"], &[]).await;
        assert_eq!(output.status.code(), Some(2), "{key_file}");
        assert!(stderr(&output).contains(fault), "{}", stderr(&output));
    }
    assert!(!home.path(CURSOR).exists());
    home.write("open", SANDBOX_KEY);
    fs::set_permissions(home.path("open"), fs::Permissions::from_mode(0o644)).unwrap();
    let output = home.install(&["cursor", "--yes"], &[("VERIFA_API_KEY_FILE", "open")]).await;
    let open = home.path("open");
    assert!(stderr(&output).contains(&format!("run `chmod 600 {}`", open.display())), "{}", stderr(&output));
    assert_eq!(entries(&home.read(CURSOR))["verifa-mcp"]["env"]["VERIFA_API_KEY_FILE"], open.to_str().unwrap());
}

#[tokio::test]
async fn the_settings_go_along() {
    let home = Home::new();
    home.key_file("key", SANDBOX_KEY);
    let flags = ["cursor", "--api-key-file", "key", "--api-url", "http://127.0.0.1:1", "--audit-log", "audit", "--yes"];
    succeeded(&home.install(&flags, &[("VERIFA_MCP_READ_ONLY", "true"), ("VERIFA_MCP_LOG", "")]).await);
    let expected = json!({
        "VERIFA_API_KEY_FILE": home.path("key"), "VERIFA_API_URL": "http://127.0.0.1:1",
        "VERIFA_MCP_AUDIT_LOG": home.path("audit"), "VERIFA_MCP_READ_ONLY": "true", "VERIFA_ENV": "sandbox",
        "VERIFA_API_KEY": "",
    });
    assert_eq!(entries(&home.read(CURSOR))["verifa-mcp"]["env"], expected);
    assert!(!home.path("audit").exists());
    let wrong = home.install(&["cursor", "--emulator", "--qr", "loud", "--yes"], &[]).await;
    assert_eq!(wrong.status.code(), Some(2));
    assert!(stderr(&wrong).contains("VERIFA_MCP_QR must be one of"), "{}", stderr(&wrong));
}

#[tokio::test]
async fn clients_with_a_command_of_their_own_are_asked_through_it() {
    let home = Home::new();
    let key_file = home.key_file("key", SANDBOX_KEY);
    let executable = env!("CARGO_BIN_EXE_verifa-mcp");
    let environment = json!({"VERIFA_API_KEY_FILE": key_file, "VERIFA_API_KEY": "", "VERIFA_ENV": "sandbox"});
    let install = async |client: &str| {
        let output = home.install(&[client, "--api-key-file", &key_file, "--yes"], &[]).await;
        succeeded(&output);
        let called = home.called();
        let _ = fs::remove_file(home.path("called"));
        called
    };

    home.command("claude", CLAUDE);
    let [program, mcp, add, scope, user, name, definition] = &install("claude-code").await[..] else { panic!() };
    assert_eq!([program, mcp, add, scope, user, name], ["claude", "mcp", "add-json", "--scope", "user", "verifa-mcp"]);
    let definition: Value = serde_json::from_str(definition).unwrap();
    let expected = json!({"type": "stdio", "command": executable, "args": ["stdio"], "env": environment});
    assert_eq!(definition, expected);

    home.command("code", CODE);
    let [_, flag, definition] = &install("vscode").await[..] else { panic!() };
    assert_eq!(flag, "--add-mcp");
    assert_eq!(serde_json::from_str::<Value>(definition).unwrap()["env"], environment);

    home.command("codex", CODEX);
    let key_file = format!("VERIFA_API_KEY_FILE={key_file}");
    let before = [
        "codex",
        "mcp",
        "add",
        "verifa-mcp",
        "--env",
        &key_file,
        "--env",
        "VERIFA_API_KEY=",
        "--env",
        "VERIFA_ENV=sandbox",
    ];
    assert_eq!(install("codex").await, [&before[..], &["--", executable, "stdio"]].concat());

    home.write(".claude.json", r#"{"mcpServers": {"verifa-mcp": {"command": "verifa-mcp"}}}"#);
    let called = install("claude-code").await;
    assert_eq!(called[..6], ["claude", "mcp", "remove", "--scope", "user", "verifa-mcp"]);
    assert_eq!(called[6..9], ["claude", "mcp", "add-json"]);
    succeeded(&home.install(&["claude-code", "--uninstall", "--yes"], &[]).await);
    assert_eq!(home.called(), ["claude", "mcp", "remove", "--scope", "user", "verifa-mcp"]);
    assert_eq!(home.read(".claude.json"), "{}");
    assert_eq!(home.backups_of(".claude.json").len(), 2);
}

#[tokio::test]
async fn without_their_command_files_are_edited_but_never_claude_codes() {
    let home = Home::new();
    let output = home.install(&["claude-code", "--emulator", "--yes"], &[]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("\n  claude mcp add-json --scope user verifa-mcp '{"), "{}", stdout(&output));
    assert!(stderr(&output).contains("`claude` is not found"), "{}", stderr(&output));
    assert!(!home.path(".claude.json").exists());

    succeeded(&home.install(&["codex", "--emulator", "--yes"], &[]).await);
    assert!(home.read(".codex/config.toml").starts_with("[mcp_servers.verifa-mcp]\ncommand = "));
    // VS Code asks for the key itself, and its command would lose comments.
    home.command("code", "");
    let before = "{\n\t// mine\n\t\"servers\": {\n\t\t\"other\": {}\n\t}\n}";
    let file = ".config/Code/User/mcp.json";
    home.write(file, before);
    succeeded(&home.install(&["vscode", "--yes"], &[("VERIFA_API_KEY", SANDBOX_KEY)]).await);
    let text = home.read(file);
    assert!(text.contains("\"${input:verifa-mcp-key}\"") && text.contains("\"password\": true"), "{text}");
    assert!(text.starts_with("{\n\t// mine\n") && !text.contains(SANDBOX_KEY), "{text}");
    let removed = home.install(&["vscode", "--uninstall", "--yes"], &[]).await;
    assert!(succeeded(&removed).contains("-       \"id\": \"verifa-mcp-key\""), "{}", stdout(&removed));
    assert_eq!(home.read(file), before);
    assert!(home.called().is_empty());
}

#[tokio::test]
async fn a_command_that_fails_is_told() {
    let home = Home::new();
    home.command("codex", "exit 3");
    let output = home.install(&["codex", "--emulator", "--yes"], &[]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("`codex` ended with exit status: 3"), "{}", stderr(&output));
    assert!(!stdout(&output).contains("configuration"));
}

#[tokio::test]
async fn a_file_that_is_broken_or_a_name_that_is_taken_stops_it() {
    let home = Home::new();
    let taken = r#"{"mcpServers": {"verifa-mcp": {"command": "npx", "args": ["other"]}}}"#;
    for (text, fault) in [
        ("{\n  \"mcpServers\": {\n    oops\n", "is left as it is: it is not JSON that can be read, at line 3"),
        (taken, "its entry \"verifa-mcp\" is another server's: it starts \"npx\""),
    ] {
        home.write(CURSOR, text);
        for arguments in [&["cursor", "--emulator", "--yes"][..], &["cursor", "--uninstall", "--yes"]] {
            let output = home.install(arguments, &[]).await;
            assert_eq!(output.status.code(), Some(1));
            assert!(stderr(&output).contains(fault), "{}", stderr(&output));
        }
        assert_eq!(home.read(CURSOR), text);
    }
    fs::write(home.path(CURSOR), b"{\"a\": \"\xff\"}").unwrap();
    let output = home.install(&["cursor", "--emulator", "--yes"], &[]).await;
    assert!(stderr(&output).contains("cannot be read (invalid data); nothing was changed"), "{}", stderr(&output));
}

#[tokio::test]
async fn the_command_is_a_whole_path_even_where_the_search_path_has_none() {
    let home = Home::new();
    symlink(env!("CARGO_BIN_EXE_verifa-mcp"), home.path("bin/verifa-mcp")).unwrap();
    succeeded(&home.install(&["cursor", "--emulator", "--yes"], &[("PATH", "bin")]).await);
    let entries = entries(&home.read(CURSOR));
    let command = Path::new(entries["verifa-mcp"]["command"].as_str().unwrap());
    assert!(command.is_absolute() && command.ends_with("bin/verifa-mcp"), "{}", command.display());
}

#[tokio::test]
async fn a_link_stays_a_link() {
    let home = Home::new();
    home.write("dotfiles/mcp.json", "{}\n");
    fs::create_dir(home.path(".cursor")).unwrap();
    symlink(home.path("dotfiles/mcp.json"), home.path(CURSOR)).unwrap();
    succeeded(&home.install(&["cursor", "--emulator", "--yes"], &[]).await);
    assert!(fs::symlink_metadata(home.path(CURSOR)).unwrap().is_symlink());
    assert!(home.read("dotfiles/mcp.json").contains("--emulator"));
    assert_eq!(home.backups("dotfiles/mcp.json"), ["{}\n"]);
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
        &["cursor", "--key-in-clear"],
    ] {
        let output = home.install(arguments, &[]).await;
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!stderr(&output).is_empty() && !stderr(&output).contains(SANDBOX_KEY));
    }
}
