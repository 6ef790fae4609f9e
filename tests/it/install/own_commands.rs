//! The clients' own commands: when they are run, and what happens if one fails, does nothing or does not end.

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

use super::{CLAUDE, CODEX, CODEX_FILE, CURSOR, Home, succeeded};
use crate::program::{SANDBOX_KEY, eventually, program, stderr, stdout};

#[tokio::test]
async fn clients_with_their_own_command_are_configured_through_it() {
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

    fs::remove_file(home.path("called")).unwrap();
    let removed = home.install(&["codex", "--uninstall", "--yes"], &[]).await;
    assert!(succeeded(&removed).contains("\nBackup: "), "{}", stdout(&removed));
    assert_eq!(home.called(), ["codex", "mcp", "remove", "verifa-mcp"]);
    let again = home.install(&["codex", "--uninstall", "--yes"], &[]).await;
    assert!(succeeded(&again).contains("Codex has no entry \"verifa-mcp\""), "{}", stdout(&again));
}

#[tokio::test]
async fn without_their_command_nothing_is_changed_and_the_user_is_told_what_to_do() {
    let home = Home::new();
    home.write(CODEX_FILE, "# mine\n");
    for arguments in [&["claude-code", "--emulator"][..], &["claude-code", "--emulator", "--yes"]] {
        let output = home.install(arguments, &[]).await;
        assert_eq!(output.status.code(), Some(1));
        assert!(stdout(&output).contains("\n  claude mcp add-json --scope user verifa-mcp '{"), "{}", stdout(&output));
        assert!(stderr(&output).contains("`claude` is not on your PATH"), "{}", stderr(&output));
    }
    assert!(!home.path(".claude.json").exists());

    let key_file = home.key_file("key", SANDBOX_KEY);
    let output = home.install(&["codex", "--api-key-file", &key_file, "--yes"], &[]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("`codex` is not on your PATH"), "{}", stderr(&output));
    let (first, block) = stdout(&output).split_once("\n\n").unwrap();
    assert_eq!(first, format!("Add this to {}:", home.path(CODEX_FILE).display()));
    let document: toml_edit::DocumentMut = block.parse().unwrap();
    let entry = &document["mcp_servers"]["verifa-mcp"];
    assert_eq!(entry["command"].as_str(), Some(env!("CARGO_BIN_EXE_verifa-mcp")));
    assert_eq!(entry["env"]["VERIFA_API_KEY_FILE"].as_str(), Some(&key_file[..]));
    let printed = home.install(&["codex", "--api-key-file", &key_file, "--print"], &[]).await;
    assert_eq!(succeeded(&printed), stdout(&output));
    let output = home.install(&["codex", "--uninstall", "--yes"], &[]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).starts_with("Remove [mcp_servers.verifa-mcp]"), "{}", stdout(&output));
    assert_eq!(home.read(CODEX_FILE), "# mine\n");
    assert_eq!(home.backups(CODEX_FILE), [""; 0]);
}

#[tokio::test]
async fn codex_says_which_entry_is_there() {
    let home = Home::new();
    let executable = env!("CARGO_BIN_EXE_verifa-mcp");
    let same =
        json!({"type": "stdio", "command": executable, "args": ["stdio", "--emulator"], "env": null, "cwd": null});
    let other = json!({"type": "streamable_http", "url": "https://mcp.example.com/SECRET"});
    for (does, code, said) in [
        (format!("echo '{}'", json!({"name": "verifa-mcp", "transport": same})), 0, "Codex already has this entry"),
        (format!("echo '{same}'"), 0, "Codex already has this entry"),
        (format!("echo '{}'", json!({"transport": other})), 1, "is another server's: it starts \"mcp.example.com\""),
        ("echo 'Error: broken SECRET' >&2; exit 1".to_owned(), 1, "`codex mcp get verifa-mcp --json` failed; run it"),
        ("echo SECRET".to_owned(), 1, "`codex mcp get verifa-mcp --json` failed; run it"),
    ] {
        home.command("codex", &does);
        let output = home.install(&["codex", "--emulator", "--yes"], &[]).await;
        let text = stdout(&output).to_owned() + stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{text}");
        assert!(text.contains(said) && !text.contains("SECRET"), "{text}");
    }
    assert!(home.called().is_empty());
}

#[tokio::test]
async fn a_command_that_fails_is_reported() {
    let home = Home::new();
    let fails = CODEX.replace("  add) ", "  add) exit 3; ");
    home.command("codex", &fails);
    let output = home.install(&["codex", "--emulator", "--yes"], &[]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("`codex` ended with exit status: 3"), "{}", stderr(&output));
    assert!(!stdout(&output).contains("configuration"));

    home.write(CODEX_FILE, "model = \"x\"\n");
    let output = home.install(&["codex", "--emulator", "--yes"], &[]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(!stdout(&output).contains("Backup"), "{}", stdout(&output));
    assert_eq!(home.backups(CODEX_FILE), [""; 0]);
}

#[tokio::test]
async fn a_command_that_does_not_end_and_a_run_that_waits_for_another_say_so() {
    let home = Home::new();
    home.command("codex", &format!("[ \"$2\" = get ] || until [ -e \"$HOME/go\" ]; do sleep 0.1; done\n{CODEX}"));
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
    assert_eq!(first_words(&mut first).await, "Waiting for `codex` to end; Ctrl-C cancels.");
    let said = first_words(&mut second).await;
    assert!(said.starts_with("Waiting for another `verifa-mcp install` that changes /"), "{said}");
    home.write("go", "");
    assert!(first.wait().await.unwrap().success());
    // The first has changed what the second was asked to change.
    assert_eq!(second.wait().await.unwrap().code(), Some(1));
}

#[tokio::test]
async fn the_backup_is_named_if_claude_removes_the_old_entry_and_rejects_the_new_one() {
    let home = Home::new();
    let before = r#"{"mcpServers": {"verifa-mcp": {"command": "verifa-mcp", "env": {"TOKEN": "SECRET"}}}}"#;
    home.write(".claude.json", before);
    home.command("claude", &format!("[ \"$2\" = remove ] || exit 4\n{CLAUDE}"));
    let output = home.install(&["claude-code", "--emulator", "--yes"], &[]).await;
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.contains("the old entry may be gone; the backup named above has it"), "{said}");
    assert!(said.contains("`claude` ended with exit status: 4"), "{said}");
    let [backup] = &home.backups_of(".claude.json")[..] else { panic!("one backup") };
    assert!(stdout(&output).contains(&format!("\nBackup: {}\n", backup.display())), "{}", stdout(&output));
    assert_eq!(fs::read_to_string(backup).unwrap(), before);
    assert!(!said.contains("SECRET") && !stdout(&output).contains("SECRET"));
}

#[tokio::test]
async fn a_command_that_succeeds_and_does_nothing_is_reported() {
    let home = Home::new();
    for (client, command, does) in
        [("claude-code", "claude", ""), ("codex", "codex", &CODEX.replace("  add) ", "  add) exit 0; "))]
    {
        home.command(command, does);
        let output = home.install(&[client, "--emulator", "--yes"], &[]).await;
        assert_eq!(output.status.code(), Some(1), "{client}");
        assert!(stderr(&output).contains("succeeded, but \"verifa-mcp\" is not in "), "{}", stderr(&output));
        assert!(!stdout(&output).contains("was added"), "{}", stdout(&output));
    }
    home.write(".claude.json", r#"{"mcpServers": {"verifa-mcp": {"command": "verifa-mcp"}}}"#);
    let output = home.install(&["claude-code", "--uninstall", "--yes"], &[]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("still"), "{}", stderr(&output));
    assert!(home.backups_of(".claude.json").is_empty());
}

#[tokio::test]
async fn a_user_who_cancels_between_two_commands_knows_where_the_backup_is() {
    let home = Home::new();
    let old = r#"{"mcpServers": {"verifa-mcp": {"command": "verifa-mcp", "timeout": 7}}}"#;
    home.write(".claude.json", old);
    // As Ctrl-C does while the new entry is being added; SIGINT itself is ignored wherever the tests run in the background.
    home.command("claude", &format!("if [ \"$2\" = add-json ]; then kill $PPID; exit; fi\n{CLAUDE}"));
    let output = home.install(&["claude-code", "--emulator", "--yes"], &[]).await;
    assert_eq!(output.status.signal(), Some(15), "{}", stderr(&output));
    assert_eq!(home.read(".claude.json"), "{}");
    let [backup] = &home.backups_of(".claude.json")[..] else { panic!("one backup") };
    assert!(stdout(&output).contains(&format!("\nBackup: {}\n", backup.display())), "{}", stdout(&output));
    assert_eq!(fs::read_to_string(backup).unwrap(), old);
}

#[tokio::test]
async fn a_file_that_a_command_makes_unreadable_has_a_backup() {
    let home = Home::new();
    home.write(CODEX_FILE, "# mine\n");
    home.command("codex", &CODEX.replace("command = \"verifa-mcp\"", "\\377"));
    let output = home.install(&["codex", "--emulator", "--yes"], &[]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("config.toml cannot be read (not UTF-8 text)"), "{}", stderr(&output));
    assert!(stdout(&output).contains("\nBackup: "), "{}", stdout(&output));
    assert_eq!(fs::read_to_string(&home.backups_of(CODEX_FILE)[0]).unwrap(), "# mine\n");
}

#[tokio::test]
async fn a_command_that_replaces_a_link_by_a_file_has_changed_it() {
    let home = Home::new();
    home.write("dotfiles/config.toml", "model = \"x\"\n");
    fs::create_dir(home.path(".codex")).unwrap();
    symlink(home.path("dotfiles/config.toml"), home.path(".codex/config.toml")).unwrap();
    home.command("codex", &format!("[ \"$2\" = get ] || /bin/mv \"$HOME/.codex/config.toml\" \"$HOME/link\"\n{CODEX}"));
    let output = home.install(&["codex", "--emulator", "--yes"], &[]).await;
    assert!(succeeded(&output).contains("\nBackup: "), "{}", stdout(&output));
    assert!(!fs::symlink_metadata(home.path(".codex/config.toml")).unwrap().is_symlink());
    assert_eq!(home.backups("dotfiles/config.toml"), ["model = \"x\"\n"]);
}

#[tokio::test]
async fn the_change_is_made_even_if_no_one_reads_the_output() {
    let home = Home::new();
    home.command("claude", CLAUDE);
    for (client, file) in [("cursor", CURSOR), ("claude-code", ".claude.json")] {
        let path = home.write(file, "{}");
        // It waits for this lock between the announcement and the change.
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
