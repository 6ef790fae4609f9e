//! Where the key comes from, which settings are included, and two accounts.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::Path,
};

use serde_json::{Value, json};

use super::{CURSOR, Home, does, entries, succeeded};
use crate::program::{Client, SANDBOX_KEY, program, stderr, stdout};

const LIVE_KEY: &str = "vk_live_integrationtests";

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
async fn two_accounts_have_two_entries_that_cannot_be_confused() {
    let home = Home::new();
    let (sandbox, live) = (home.key_file("sandbox.key", SANDBOX_KEY), home.key_file("live.key", LIVE_KEY));
    for (name, key_file) in [("verifa-sandbox", &sandbox), ("verifa-live", &live)] {
        let output = home.install(&["cursor", "--name", name, "--api-key-file", key_file, "--yes"], &[]).await;
        succeeded(&output);
        assert_eq!(stderr(&output), "");
    }
    let entries = entries(&home.read(CURSOR));
    // A key that the client inherits from a shell is not a second one.
    assert_eq!(entries["verifa-live"]["env"]["VERIFA_API_KEY"], "");
    for (name, environment) in [("verifa-sandbox", " (sandbox)"), ("verifa-live", " (live)")] {
        let titles = titles_of(&entries[name]).await;
        assert!(titles.len() == 4 && titles.iter().all(|title| title.ends_with(environment)), "{titles:?}");
    }

    let mixed = home.install(&["cursor", "--name", "verifa-live", "--api-key-file", &sandbox, "--print"], &[]).await;
    assert!(stderr(&mixed).contains("the name is verifa-live, but the key is a sandbox key"));
    let delivery = ["cursor", "--name", "verifa-delivery", "--api-key-file", &sandbox, "--print"];
    assert_eq!(stderr(&home.install(&delivery, &[]).await), "");
    // A key of the other environment in the first file is noticed when the client starts the server.
    home.key_file("sandbox.key", LIVE_KEY);
    let settings: Vec<_> = entries["verifa-sandbox"]["env"].as_object().unwrap().iter().collect();
    let started = program(["stdio"]).envs(settings.iter().map(|it| (it.0, it.1.as_str().unwrap()))).output().await;
    assert_eq!(started.unwrap().status.code(), Some(2));
}

#[tokio::test]
async fn a_key_is_written_in_plain_text_only_if_asked_for_and_never_shown() {
    let home = Home::new();
    let key = [("VERIFA_API_KEY", LIVE_KEY)];
    let refused = home.install(&["claude-desktop", "--yes"], &key).await;
    assert_eq!(refused.status.code(), Some(2));
    for choice in ["--api-key-file", "--emulator", "--plaintext-key"] {
        assert!(stderr(&refused).contains(choice), "{}", stderr(&refused));
    }
    assert!(!home.path(".config").exists());

    let output = home.install(&["claude-desktop", "--plaintext-key", "--yes"], &key).await;
    let said = succeeded(&output);
    assert!(said.contains("        \"VERIFA_API_KEY\": \"vk_live_…\","), "{said}");
    assert!(!said.contains(LIVE_KEY) && !stderr(&output).contains(LIVE_KEY));
    let file = ".config/Claude/claude_desktop_config.json";
    assert_eq!(entries(&home.read(file))["verifa-mcp"]["env"]["VERIFA_API_KEY"], LIVE_KEY);
    assert_eq!(fs::metadata(home.path(file)).unwrap().mode() & 0o777, 0o600);
    let removed = home.install(&["claude-desktop", "--uninstall", "--yes"], &[]).await;
    assert!(!succeeded(&removed).contains(LIVE_KEY));
    assert!(stdout(&removed).contains("The backup contains a key in plain text"), "{}", stdout(&removed));

    for (client, command) in [("claude-code", "claude"), ("codex", "codex")] {
        home.command(command, does(command));
        let refused = home.install(&[client, "--plaintext-key", "--yes"], &key).await;
        assert_eq!(refused.status.code(), Some(1));
        assert!(stderr(&refused).contains("other users of this computer can read"), "{}", stderr(&refused));
    }
    assert!(home.called().is_empty());
    // The flag's old name.
    succeeded(&home.install(&["cursor", "--key-in-clear", "--print"], &key).await);
}

#[tokio::test]
async fn a_file_that_others_can_read_becomes_private_when_a_key_is_written_into_it() {
    const PRIVATE: &str = "only you will be able to read it (mode 0600)";
    let home = Home::new();
    let mode = || fs::metadata(home.path(CURSOR)).unwrap().mode() & 0o777;
    home.write("dotfiles/mcp.json", "{}\n");
    fs::create_dir(home.path(".cursor")).unwrap();
    symlink(home.path("dotfiles/mcp.json"), home.path(CURSOR)).unwrap();
    let key = [("VERIFA_API_KEY", LIVE_KEY)];
    // The second time the entry is there already.
    for open in [0o644, 0o640, 0o604] {
        fs::set_permissions(home.path(CURSOR), fs::Permissions::from_mode(open)).unwrap();
        assert!(!succeeded(&home.install(&["cursor", "--emulator", "--print"], &key).await).contains(PRIVATE));
        let printed = home.install(&["cursor", "--plaintext-key", "--print"], &key).await;
        assert!(succeeded(&printed).contains(PRIVATE), "{}", stdout(&printed));
        assert_eq!(mode(), open);
        let output = home.install(&["cursor", "--plaintext-key", "--yes"], &key).await;
        assert!(succeeded(&output).contains(PRIVATE), "{}", stdout(&output));
        assert_eq!(mode(), 0o600);
    }
    assert!(home.path(CURSOR).is_symlink());
    let again = home.install(&["cursor", "--plaintext-key", "--yes"], &key).await;
    assert!(succeeded(&again).contains("already has this entry") && !stdout(&again).contains(PRIVATE));
}

#[tokio::test]
async fn a_key_file_must_hold_a_key_that_others_cannot_read() {
    let home = Home::new();
    for (key_file, error) in [
        ("missing", "cannot be read"),
        (&home.key_file("empty", ""), "is empty"),
        (&home.key_file("publishable", "vk_pub_x"), "publishable key"),
    ] {
        let output = home.install(&["cursor", "--api-key-file", key_file, "--yes"], &[]).await;
        assert_eq!(output.status.code(), Some(2), "{key_file}");
        assert!(stderr(&output).contains(error), "{}", stderr(&output));
    }
    assert!(!home.path(CURSOR).exists());
    home.write("an open key", SANDBOX_KEY);
    let open = home.path("an open key");
    fs::set_permissions(&open, fs::Permissions::from_mode(0o644)).unwrap();
    let output = home.install(&["cursor", "--yes"], &[("VERIFA_API_KEY_FILE", "an open key")]).await;
    let said = stderr(&output);
    let (_, rest) = said.split_once("run `").unwrap();
    let (hint, _) = rest.split_once('`').unwrap();
    assert!(hint.starts_with("chmod 600 "), "{said}");
    assert!(std::process::Command::new("sh").args(["-c", hint]).status().unwrap().success());
    assert_eq!(fs::metadata(&open).unwrap().mode() & 0o777, 0o600);
    assert_eq!(entries(&home.read(CURSOR))["verifa-mcp"]["env"]["VERIFA_API_KEY_FILE"], open.to_str().unwrap());
}

#[tokio::test]
async fn the_settings_are_included() {
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
