//! What others keep in a client's configuration is not shown and not lost: other servers' secrets, what the owner has set in
//! the entry, what another run or the client's own command does at the same time.

use serde_json::json;

use super::{CLAUDE, CURSOR, Home, entries, succeeded};
use crate::program::{SANDBOX_KEY, stderr, stdout};

/// Every text in which somebody's secrets stand beside an entry, and for which client.
const WITH_SECRETS: [(&str, &str, &str); 10] = [
    ("cursor", CURSOR, r#"{"mcpServers":{"gh":{"command":"gh","env":{"TOKEN":"SECRET"}}}}"#),
    ("cursor", CURSOR, "{\n  \"mcpServers\": {\n    \"gh\": {\"env\": {\"TOKEN\": \"SECRET\"}}\n  }\n}\n"),
    ("cursor", CURSOR, "{\n  \"token\": \"SECRET\"\n}\n"),
    (
        "cursor",
        CURSOR,
        "{\n  \"mcpServers\": {\n    \"gh\": {\"args\": [\n      \"SECRET:a\",\n      \"SECRET=b\"\n    ]}\n  }\n}",
    ),
    ("cursor", CURSOR, "// SECRET: a\n{\"a\": [\"SECRET=\"]} // SECRET = b"),
    ("vscode", ".config/Code/User/mcp.json", r#"{"inputs":[{"id":"SECRET"}],"servers":{"gh":{"env":{"T":"SECRET"}}}}"#),
    ("codex", ".codex/config.toml", "mcp_servers = { gh = { command = \"gh\", env = { TOKEN = \"SECRET\" } } }\n"),
    (
        "codex",
        ".codex/config.toml",
        "[mcp_servers.gh]\nargs = [\n  \"a=SECRET\",\n  \"SECRET=b\"\n]\ntoken = \"SECRET\"",
    ),
    (
        "codex",
        ".codex/config.toml",
        "[mcp_servers.verifa-mcp]\ncommand = \"verifa-mcp\"\nargs = [\"SECRET\"]\nenv = { TOKEN = \"SECRET\" }",
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
async fn a_renewed_entry_keeps_its_owners_variables_and_shows_none() {
    let home = Home::new();
    let key_file = home.key_file("key", SANDBOX_KEY);
    let env = json!({"VERIFA_MCP_READ_ONLY": "true", "HTTPS_PROXY": "http://SECRET", "VERIFA_ENV": "live"});
    let old = json!({"mcpServers": {"verifa-mcp": {"command": "verifa-mcp", "timeout": 7, "env": env}}}).to_string();
    home.command("claude", CLAUDE);
    for (client, file) in [("cursor", CURSOR), ("claude-code", ".claude.json")] {
        home.write(file, &old);
        let output = home.install(&[client, "--api-key-file", &key_file, "--yes"], &[]).await;
        assert!(!succeeded(&output).contains("SECRET"), "{}", stdout(&output));
        assert!(stdout(&output).contains("-       \"command\": \"verifa-mcp\""), "{}", stdout(&output));
        let entry = entries(&home.read(file))["verifa-mcp"].take();
        let expected = json!({
            "VERIFA_MCP_READ_ONLY": "true", "HTTPS_PROXY": "http://SECRET", "VERIFA_ENV": "sandbox",
            "VERIFA_API_KEY_FILE": key_file, "VERIFA_API_KEY": "",
        });
        assert_eq!((&entry["env"], &entry["timeout"]), (&expected, &json!(7)), "{client}");
    }
}

#[tokio::test]
async fn runs_at_the_same_time_lose_no_entry_that_they_say_is_in() {
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
