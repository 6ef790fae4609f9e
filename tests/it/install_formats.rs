//! Each client that keeps its servers in JSON: its file, and the fields of an entry there.

use jsonc_parser::{ParseOptions, cst::CstRootNode};
use serde_json::{Value, json};

use crate::{
    home::{Home, SETTINGS, succeeded},
    program::SANDBOX_KEY,
};

const OPENCODE: &str = ".config/opencode/opencode.json";

#[tokio::test]
async fn every_client_gets_the_entry_that_it_reads() {
    for (client, file, servers, r#type) in [
        ("claude-desktop", &*format!("{SETTINGS}/Claude/claude_desktop_config.json"), "mcpServers", None),
        ("vscode", &format!("{SETTINGS}/Code/User/mcp.json"), "servers", Some("stdio")),
        ("cursor", ".cursor/mcp.json", "mcpServers", Some("stdio")),
        ("gemini-cli", ".gemini/settings.json", "mcpServers", None),
        ("opencode", OPENCODE, "mcp", Some("local")),
        ("windsurf", ".codeium/windsurf/mcp_config.json", "mcpServers", None),
        ("zed", &format!("{SETTINGS}/zed/settings.json"), "context_servers", None),
    ] {
        let home = Home::new();
        let key_file = home.key_file("key", SANDBOX_KEY);
        // With comments, a comma too many, and something with the entry's form that is none.
        let before =
            format!("// mine\n{{\n  \"{servers}\": {{\n    \"other\": {{ \"command\": \"npx\" }},\n  }},\n}}\n");
        home.write(file, &before);
        let arguments = [client, "--api-key-file", &key_file, "--yes"];
        succeeded(&home.install(&arguments, &[]).await);
        let after = home.read(file);
        let entry = entry(&after, servers);
        let environment = json!({"VERIFA_API_KEY_FILE": key_file, "VERIFA_API_KEY": "", "VERIFA_ENV": "sandbox"});
        assert_eq!(entry.get("type").and_then(Value::as_str), r#type, "{client}");
        let program = std::path::absolute(env!("CARGO_BIN_EXE_verifa-mcp")).unwrap();
        if client == "opencode" {
            assert_eq!((&entry["command"], &entry["environment"]), (&json!([program, "stdio"]), &environment));
            assert!(entry.get("args").is_none() && entry.get("env").is_none(), "{entry}");
        } else {
            assert_eq!((&entry["command"], &entry["args"]), (&json!(program), &json!(["stdio"])), "{client}");
            assert_eq!(entry["env"], environment, "{client}");
        }
        assert!(after.starts_with("// mine\n") && after.contains("{ \"command\": \"npx\" }"), "{after}");

        assert!(succeeded(&home.install(&arguments, &[]).await).contains("already has this entry"), "{client}");
        succeeded(&home.install(&[client, "--uninstall", "--yes"], &[]).await);
        assert_eq!(home.read(file), before, "{client}");
    }
}

#[tokio::test]
async fn a_program_in_a_folder_with_spaces_and_other_letters_is_started_from_the_entry() {
    let home = Home::new();
    let folder =
        tempfile::Builder::new().prefix("Zoë's (x86) programs").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let name = format!("verifa-mcp{}", std::env::consts::EXE_SUFFIX);
    let program = std::path::absolute(folder.path().join(name)).unwrap();
    // Not copied, since a file that was open for writing cannot be run at once.
    std::fs::hard_link(env!("CARGO_BIN_EXE_verifa-mcp"), &program).unwrap();
    let install = home.command_of(&program, &["install", "cursor", "--emulator", "--yes"]).output().await.unwrap();
    succeeded(&install);

    let entry = entry(&home.read(".cursor/mcp.json"), "mcpServers");
    assert_eq!(entry["command"], json!(program));
    let arguments: Vec<_> = entry["args"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    assert_eq!(arguments, ["stdio", "--emulator"]);
    let check = home.command_of(entry["command"].as_str().unwrap().as_ref(), &["check", "--emulator"]);
    succeeded(&{ check }.output().await.unwrap());
}

#[tokio::test]
async fn what_the_user_added_to_an_entry_stays_in_opencode_too() {
    let home = Home::new();
    let old = json!({"mcp": {"verifa-mcp": {
        "type": "local", "enabled": false, "command": ["verifa-mcp", "stdio"],
        "environment": {"VERIFA_API_KEY_FILE": "/old", "HTTPS_PROXY": "http://proxy"},
    }}});
    home.write(OPENCODE, &old.to_string());
    succeeded(&home.install(&["opencode", "--emulator", "--yes"], &[]).await);
    let entry = entry(&home.read(OPENCODE), "mcp");
    assert_eq!(entry["enabled"], false);
    assert_eq!(entry["environment"], json!({"HTTPS_PROXY": "http://proxy"}));
    assert_eq!(entry["command"][2], "--emulator");
}

#[tokio::test]
async fn opencodes_file_with_comments_is_preferred() {
    let home = Home::new();
    home.write(OPENCODE, "{}");
    let with_comments = format!("{OPENCODE}c");
    home.write(&with_comments, "{ /* mine */ }");
    succeeded(&home.install(&["opencode", "--emulator", "--yes"], &[]).await);
    assert!(home.read(&with_comments).contains("/* mine */") && home.read(&with_comments).contains("--emulator"));
    assert_eq!(home.read(OPENCODE), "{}");
}

/// The entry in a file with comments.
fn entry(text: &str, servers: &str) -> Value {
    let file = CstRootNode::parse(text, &ParseOptions::default()).unwrap();
    file.to_serde_value().unwrap()[servers]["verifa-mcp"].take()
}
