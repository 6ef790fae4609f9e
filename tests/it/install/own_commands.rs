//! The clients' own commands: when they are run, and what becomes of one that fails, does nothing or does not end.

use std::{
    env,
    fs::{self, File},
    os::unix::{fs::symlink, process::ExitStatusExt},
    process::Stdio,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Child,
};

use super::{CLAUDE, CODE, CODEX, CURSOR, Home, entries, succeeded};
use crate::program::{SANDBOX_KEY, eventually, program, stderr, stdout};

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

    home.write(".codex/config.toml", "model = \"x\"\n");
    let output = home.install(&["codex", "--emulator", "--yes"], &[]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(!stdout(&output).contains("Backup"), "{}", stdout(&output));
    assert_eq!(home.backups(".codex/config.toml"), [""; 0]);
}

#[tokio::test]
async fn a_command_that_does_not_end_and_a_run_that_waits_for_its_turn_say_so() {
    let home = Home::new();
    home.command("codex", &format!("until [ -e \"$HOME/go\" ]; do sleep 0.1; done\n{CODEX}"));
    let start = || {
        let mut command = program(["install", "codex", "--emulator", "--yes"]);
        let path = format!("{}:{}", home.path("bin").display(), env::var("PATH").unwrap());
        command.env("HOME", home.path("")).env("PATH", path);
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let first_words = async |child: &mut Child| {
        BufReader::new(child.stderr.as_mut().unwrap()).lines().next_line().await.unwrap().unwrap()
    };
    let mut first = start();
    eventually(async || {
        tokio::task::yield_now().await;
        !home.called().is_empty()
    })
    .await;
    let mut second = start();
    assert_eq!(first_words(&mut first).await, "Waiting for `codex` to end; Ctrl-C gives it up.");
    let said = first_words(&mut second).await;
    assert!(said.starts_with("Waiting for another `verifa-mcp install` to be done with /"), "{said}");
    home.write("go", "");
    assert!(first.wait().await.unwrap().success());
    // What the first has done is not what the second was to change.
    assert_eq!(second.wait().await.unwrap().code(), Some(1));
}

#[tokio::test]
async fn codex_is_not_run_where_it_would_lose_what_others_wrote() {
    let home = Home::new();
    home.command("codex", "exit 1");
    for before in ["# mine\nmodel = \"x\"\n", "model = \"x\"\r\n", "\u{feff}model = \"x\"\n"] {
        home.write(".codex/config.toml", before);
        succeeded(&home.install(&["codex", "--emulator", "--yes"], &[]).await);
        assert!(home.read(".codex/config.toml").starts_with(before));
        succeeded(&home.install(&["codex", "--uninstall", "--yes"], &[]).await);
        assert_eq!(home.read(".codex/config.toml"), before);
    }
    assert!(home.called().is_empty());
}

#[tokio::test]
async fn an_entry_that_claude_took_out_and_could_not_renew_is_put_back_or_told_where_it_is() {
    let home = Home::new();
    let old = r#"{"mcpServers": {"verifa-mcp": {"command": "verifa-mcp", "env": {"TOKEN": "SECRET"}}}}"#;
    // It refuses the new entry, which names its type, and takes the old one.
    let picky = format!("case \"$6\" in *stdio*) exit 4 ;; esac\n{CLAUDE}");
    home.command("claude", &picky);
    home.write(".claude.json", old);
    let output = home.install(&["claude-code", "--emulator", "--yes"], &[]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("nothing was changed: the old entry \"verifa-mcp\" is back: `claude` ended with"));
    assert_eq!(entries(&home.read(".claude.json")), entries(old));

    home.command("claude", &format!("[ \"$2\" = remove ] || exit 4\n{CLAUDE}"));
    let before = home.read(".claude.json");
    let output = home.install(&["claude-code", "--emulator", "--yes"], &[]).await;
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.contains("is out of") && said.contains("to have it back, copy it from"), "{said}");
    let backup =
        home.backups_of(".claude.json").into_iter().find(|path| said.contains(path.to_str().unwrap())).unwrap();
    assert_eq!(fs::read_to_string(backup).unwrap(), before);
    assert!(!said.contains("SECRET") && !stdout(&output).contains("SECRET"));
}

#[tokio::test]
async fn a_command_that_ends_well_and_did_nothing_is_told() {
    let home = Home::new();
    for (client, command) in [("claude-code", "claude"), ("vscode", "code"), ("codex", "codex")] {
        home.command(command, "");
        let output = home.install(&[client, "--emulator", "--yes"], &[]).await;
        assert_eq!(output.status.code(), Some(1), "{client}");
        assert!(stderr(&output).contains("ended well, but \"verifa-mcp\" is not in "), "{}", stderr(&output));
        assert!(!stdout(&output).contains("is in"), "{}", stdout(&output));
    }
    home.write(".claude.json", r#"{"mcpServers": {"verifa-mcp": {"command": "verifa-mcp"}}}"#);
    let output = home.install(&["claude-code", "--uninstall", "--yes"], &[]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("still"), "{}", stderr(&output));
    assert!(home.backups_of(".claude.json").is_empty());
}

#[tokio::test]
async fn whoever_gives_up_between_two_commands_knows_where_the_entry_is() {
    let home = Home::new();
    let old = r#"{"mcpServers": {"verifa-mcp": {"command": "verifa-mcp", "timeout": 7}}}"#;
    home.write(".claude.json", old);
    // As Ctrl-C does while the new entry is on its way; SIGINT itself is ignored wherever the tests run in the background.
    home.command("claude", &format!("if [ \"$2\" = add-json ]; then kill $PPID; exit; fi\n{CLAUDE}"));
    let output = home.install(&["claude-code", "--emulator", "--yes"], &[]).await;
    assert_eq!(output.status.signal(), Some(15), "{}", stderr(&output));
    assert_eq!(home.read(".claude.json"), "{}");
    let [backup] = &home.backups_of(".claude.json")[..] else { panic!("one backup") };
    assert!(stdout(&output).contains(&format!("\nBackup: {}\n", backup.display())), "{}", stdout(&output));
    assert_eq!(fs::read_to_string(backup).unwrap(), old);
}

#[tokio::test]
async fn a_link_that_a_command_replaces_by_a_file_is_a_change() {
    let home = Home::new();
    home.write("dotfiles/config.toml", "model = \"x\"\n");
    fs::create_dir(home.path(".codex")).unwrap();
    symlink(home.path("dotfiles/config.toml"), home.path(".codex/config.toml")).unwrap();
    home.command("codex", &format!("/bin/mv \"$HOME/.codex/config.toml\" \"$HOME/link\"\n{CODEX}"));
    let output = home.install(&["codex", "--emulator", "--yes"], &[]).await;
    assert!(succeeded(&output).contains("\nBackup: "), "{}", stdout(&output));
    assert!(!fs::symlink_metadata(home.path(".codex/config.toml")).unwrap().is_symlink());
    assert_eq!(home.backups("dotfiles/config.toml"), ["model = \"x\"\n"]);
}

#[tokio::test]
async fn what_this_program_put_into_codex_goes_to_the_byte_even_where_codex_could_take_it_out() {
    let home = Home::new();
    let before = "model = \"x\"\n\n\n";
    home.write(".codex/config.toml", before);
    succeeded(&home.install(&["codex", "--emulator", "--yes"], &[]).await);
    home.command("codex", CODEX);
    succeeded(&home.install(&["codex", "--uninstall", "--yes"], &[]).await);
    assert_eq!(home.read(".codex/config.toml"), before);
    assert!(home.called().is_empty());
}

#[tokio::test]
async fn whoever_stops_listening_has_the_change_all_the_same() {
    let home = Home::new();
    home.command("claude", CLAUDE);
    for (client, file) in [("cursor", CURSOR), ("claude-code", ".claude.json")] {
        let path = home.write(file, "{}");
        // It waits for this lock between its announcement and the change.
        let lock = File::create(format!("{path}.verifa-mcp.lock")).unwrap();
        lock.lock().unwrap();
        let mut command = program(["install", client, "--emulator", "--yes"]);
        command.env("HOME", home.path("")).env("PATH", home.path("bin"));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        lines.next_line().await.unwrap().unwrap();
        drop(lines);
        drop(lock);
        let output = child.wait_with_output().await.unwrap();
        assert!(output.status.success() && stderr(&output).is_empty(), "{client}: {}", stderr(&output));
        assert!(home.read(file).contains("--emulator"));
        assert_eq!(home.backups_of(file).len(), 1);
    }
}
