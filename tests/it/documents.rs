//! What the documents promise, held against the program.

use std::{collections::BTreeSet, path::Path};

use serde_json::Value;

use crate::program::{Client, run, stdout, text, tool_names};

pub(crate) fn document(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// Every word of a text that begins so and goes on with these characters.
fn words<'a>(text: &'a str, start: &str, goes_on: fn(char) -> bool) -> BTreeSet<&'a str> {
    text.match_indices(start)
        .filter(|(at, _)| !text[..*at].ends_with(|before: char| goes_on(before) || before == '-'))
        .map(|(at, _)| {
            let rest = &text[at..];
            let end = rest[start.len()..].find(|c: char| !goes_on(c)).map_or(rest.len(), |end| start.len() + end);
            rest[..end].trim_end_matches(['-', '_'])
        })
        .filter(|word| word.len() > start.len())
        .collect()
}

pub(crate) fn variables(text: &str) -> BTreeSet<&str> {
    words(text, "VERIFA_", |c| c.is_ascii_uppercase() || c == '_')
}

pub(crate) fn flags(text: &str) -> BTreeSet<&str> {
    words(text, "--", |c| c.is_ascii_lowercase() || c == '-')
}

/// A document's part under this heading.
pub(crate) fn section<'a>(document: &'a str, heading: &str) -> &'a str {
    let heading = format!("\n## {heading}\n");
    let start = document.find(&heading).expect("a section with this heading") + 1;
    let end = document[start..].find("\n## ").map_or(document.len(), |end| start + end);
    &document[start..end]
}

#[tokio::test]
async fn the_settings_in_the_help_and_in_the_readme_are_the_same() {
    let output = run(["--help"], &[]).await;
    let help = stdout(&output);
    let readme = document("README.md");
    let table = section(&readme, "Settings");
    assert_eq!(variables(help), variables(table));
    let not_settings = BTreeSet::from(["--help", "--version"]);
    let of_help: BTreeSet<_> = flags(help).difference(&not_settings).copied().collect();
    assert_eq!(of_help, flags(table));
    for proxy in ["HTTPS_PROXY", "NO_PROXY"] {
        assert!(help.contains(proxy) && table.contains(proxy));
    }
}

#[tokio::test]
async fn the_documents_name_no_variable_that_does_not_exist() {
    let (general, http) = (run(["--help"], &[]).await, run(["http", "--help"], &[]).await);
    let known = &variables(stdout(&general)) | &variables(stdout(&http));
    for name in ["README.md", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/clients.md"] {
        let text = document(name);
        let unknown: Vec<_> = variables(&text).difference(&known).copied().collect();
        assert!(unknown.is_empty(), "{name}: {unknown:?}");
    }
}

#[test]
fn the_readme_has_one_command_that_runs_the_job_and_one_that_runs_the_tests() {
    let readme = document("README.md");
    for command in ["cargo run --release -- resume ses_demo_expired --emulator", "cargo test"] {
        assert_eq!(readme.lines().filter(|line| *line == command).count(), 1, "{command}");
    }
}

#[tokio::test]
async fn what_mcp_json_names_runs() {
    let text = document("mcp.json");
    assert!(!text.contains("vk_"));
    let config: Value = serde_json::from_str(&text).unwrap();
    let server = &config["mcpServers"]["verifa-mcp"];
    assert_eq!(server["command"], "verifa-mcp");
    let arguments: Vec<_> = server["args"].as_array().into_iter().flatten().map(|it| it.as_str().unwrap()).collect();
    let mut client = Client::start(&arguments, &[]).await;
    let listed = client.request("tools/list", serde_json::json!({})).await;
    assert!(tool_names(&listed).contains(&"resume_session"));
}

#[tokio::test]
async fn the_readme_shows_what_an_agent_reads() {
    let mut client = Client::start(&["--emulator"], &[]).await;
    let result = client.resume(serde_json::json!({"session_id": "ses_demo_expired"})).await;
    let (readme, told) = (document("README.md"), text(&result));
    // What stands behind these words is another at each call.
    let changing = ["http://127.0.0.1:", "Expires ", "idempotency_key used: "];
    for line in told.lines() {
        let shown = changing.iter().find(|start| line.starts_with(**start)).copied().unwrap_or(line);
        assert!(readme.lines().any(|it| it.starts_with(shown)), "{line}");
    }
}

#[tokio::test]
async fn every_installation_that_the_page_of_clients_shows_can_be_asked_for() {
    let page = document("docs/clients.md");
    let output = run(["install", "--help"], &[]).await;
    let help = stdout(&output);
    let commands: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("verifa-mcp install ")).collect();
    for command in &commands {
        let unknown: Vec<_> = flags(command).difference(&flags(help)).copied().collect();
        assert!(unknown.is_empty(), "{command}: {unknown:?}");
    }
    let list = run(["install", "--list"], &[("HOME", "/home/jane")]).await;
    for client in stdout(&list).lines().map(|line| line.split_whitespace().next().unwrap()) {
        assert!(commands.iter().any(|command| command.split(' ').next() == Some(client)), "{client}");
    }
}

#[test]
fn the_json_on_the_page_of_clients_is_json() {
    let page = document("docs/clients.md");
    let blocks: Vec<_> = page.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(!blocks.is_empty());
    for block in blocks {
        assert!(serde_json::from_str::<Value>(block).is_ok(), "{block}");
    }
}
