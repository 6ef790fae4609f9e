//! What others keep in a client's configuration is neither shown nor lost: other servers' secrets, what the user added to
//! the entry, what another run or the client's own command does at the same time.

use std::fs;

use serde_json::json;

use super::{CLAUDE, CURSOR, Home, VSCODE, entries, succeeded};
use crate::program::{SANDBOX_KEY, stderr, stdout};

/// Configurations with secrets next to the entry or in it.
const WITH_SECRETS: [(&str, &str, &str); 8] = [
    ("cursor", CURSOR, r#"{"mcpServers":{"gh":{"command":"gh","env":{"TOKEN":"SECRET"}}}}"#),
    ("cursor", CURSOR, "{\n  \"mcpServers\": {\n    \"gh\": {\"env\": {\"TOKEN\": \"SECRET\"}}\n  }\n}\n"),
    ("cursor", CURSOR, "{\n  \"token\": \"SECRET\"\n}\n"),
    (
        "cursor",
        CURSOR,
        "{\n  \"mcpServers\": {\n    \"gh\": {\"args\": [\n      \"SECRET:a\",\n      \"SECRET=b\"\n    ]}\n  }\n}",
    ),
    ("cursor", CURSOR, "// SECRET: a\n{\"a\": [\"SECRET=\"]} // SECRET = b"),
    ("vscode", VSCODE, r#"{"inputs":[{"id":"SECRET"}],"servers":{"gh":{"env":{"T":"SECRET"}}}}"#),
    (
        "claude-code",
        ".claude.json",
        r#"{"mcpServers":{"verifa-mcp":{"command":"verifa-mcp","args":["--a=SECRET"],"env":{"TOKEN":"SECRET"}}}}"#,
    ),
    (
        "cursor",
        CURSOR,
        r#"{"mcpServers":{"verifa-mcp":{"command":"verifa-mcp","args":["--a=SECRET"],"env":{"TOKEN":"SECRET","VERIFA_API_KEY":"SECRET"},"headers":{"A":"SECRET"}},"gh":{"env":{"T":"SECRET"}}}}"#,
    ),
];

#[tokio::test]
async fn nothing_is_shown_of_what_others_keep_in_the_file() {
    for (client, file, text) in WITH_SECRETS {
        let home = Home::new();
        let key_file = home.key_file("key", SANDBOX_KEY);
        home.command("claude", CLAUDE);
        home.write(file, text);
        for arguments in [
            &[client, "--emulator", "--print"][..],
            &[client, "--emulator", "--yes"],
            &[client, "--api-key-file", &key_file, "--yes"],
            &[client, "--uninstall", "--print"],
            &[client, "--uninstall", "--yes"],
        ] {
            let output = home.install(arguments, &[]).await;
            let said = succeeded(&output).to_owned() + stderr(&output);
            assert!(said.contains("verifa-mcp") && !said.contains("SECRET"), "{text}\n{said}");
        }
        assert!(home.read(file).contains("SECRET") || text.contains("verifa-mcp"), "{text}");
    }
}

#[tokio::test]
async fn a_replaced_entry_keeps_the_users_fields_only_in_a_file_that_is_edited() {
    let home = Home::new();
    let key_file = home.key_file("key", SANDBOX_KEY);
    let env = json!({"VERIFA_MCP_READ_ONLY": "true", "HTTPS_PROXY": "http://SECRET", "VERIFA_ENV": "live"});
    let old = json!({"mcpServers": {"verifa-mcp": {"command": "verifa-mcp", "timeout": 7, "env": env}}}).to_string();
    home.command("claude", CLAUDE);
    let new = json!({"VERIFA_API_KEY_FILE": key_file, "VERIFA_API_KEY": "", "VERIFA_ENV": "sandbox"});
    let mut merged = json!({"VERIFA_MCP_READ_ONLY": "true", "HTTPS_PROXY": "http://SECRET"});
    merged.as_object_mut().unwrap().extend(new.as_object().unwrap().clone());
    for (client, file, env, timeout, said) in [
        ("cursor", CURSOR, &merged, json!(7), "Fields and variables that you added to the old entry stay"),
        ("claude-code", ".claude.json", &new, json!(null), "fields and variables that you added to it are lost"),
    ] {
        home.write(file, &old);
        let output = home.install(&[client, "--api-key-file", &key_file, "--yes"], &[]).await;
        assert!(succeeded(&output).contains(said) && !stdout(&output).contains("SECRET"), "{}", stdout(&output));
        let entry = entries(&home.read(file))["verifa-mcp"].take();
        assert_eq!((&entry["env"], &entry["timeout"]), (env, &timeout), "{client}");
        assert_eq!(fs::read_to_string(&home.backups_of(file)[0]).unwrap(), old);
        let again = home.install(&[client, "--api-key-file", &key_file, "--yes"], &[]).await;
        assert!(succeeded(&again).contains("already has this entry"), "{}", stdout(&again));
    }
}

#[tokio::test]
async fn concurrent_runs_lose_no_entry_that_they_report_as_added() {
    let home = Home::new();
    home.write(CURSOR, "{}\n");
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let runs =
        names.map(async |name| (name, home.install(&["cursor", "--emulator", "--name", name, "--yes"], &[]).await));
    let outputs = futures_util::future::join_all(runs).await;
    let mut done = Vec::new();
    for (name, output) in &outputs {
        if output.status.success() {
            done.push(*name);
        } else {
            assert!(stderr(output).contains("has changed in the meantime; nothing was written"), "{}", stderr(output));
        }
    }
    let entries = entries(&home.read(CURSOR));
    let mut there: Vec<_> = entries.as_object().unwrap().keys().map(String::as_str).collect();
    there.sort_unstable();
    assert!(!done.is_empty());
    assert_eq!(there, done);
    assert_eq!(home.backups(CURSOR).len(), done.len());
}
