//! What the documents promise, held against the program.

use std::{collections::BTreeSet, path::Path};

use serde_json::Value;

use crate::program::{Client, run, stdout, tool_names};

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

/// The pages for users.
pub(crate) fn pages() -> Vec<String> {
    let folder = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")).unwrap();
    let names = folder.map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut pages: Vec<_> = names.filter(|name| name.ends_with(".md")).map(|name| format!("docs/{name}")).collect();
    pages.sort();
    pages.insert(0, "README.md".to_owned());
    pages
}

/// What stands in the blocks of this language.
pub(crate) fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let start = format!("\n```{language}\n");
    text.match_indices(&start).map(|(at, _)| text[at + start.len()..].split("```").next().unwrap()).collect()
}

#[tokio::test]
async fn the_documents_name_no_variable_that_does_not_exist() {
    let (general, http) = (run(["--help"], &[]).await, run(["http", "--help"], &[]).await);
    let known = &variables(stdout(&general)) | &variables(stdout(&http));
    let others = ["SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(str::to_owned);
    for name in pages().into_iter().chain(others) {
        let text = document(&name);
        let unknown: Vec<_> = variables(&text).difference(&known).copied().collect();
        assert!(unknown.is_empty(), "{name}: {unknown:?}");
    }
}

/// The headings of a page as what a link to one ends with.
fn anchors(page: &str) -> BTreeSet<String> {
    let headings = page
        .lines()
        .filter_map(|line| line.trim_start_matches('#').strip_prefix(' ').filter(|_| line.starts_with('#')));
    let kept = |c: &char| c.is_alphanumeric() || " -_".contains(*c);
    headings.map(|it| it.to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")).collect()
}

#[test]
fn every_link_within_the_repository_leads_somewhere() {
    let others = ["SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(str::to_owned);
    for name in pages().into_iter().chain(others) {
        let text = document(&name);
        let links = text.match_indices("](").map(|(at, _)| text[at + 2..].split(')').next().unwrap());
        for link in links.filter(|link| !link.contains("://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let folder = Path::new(&name).parent().unwrap();
            let target = if file.is_empty() { name.clone() } else { folder.join(file).to_str().unwrap().to_owned() };
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(&target);
            assert!(path.exists(), "{name}: {link}");
            let found = anchor.is_empty() || anchors(&document(&target)).contains(anchor);
            assert!(found, "{name}: {link}");
        }
    }
}

#[test]
fn every_page_is_in_the_list_of_pages() {
    let list = document("docs/README.md");
    for page in pages().iter().filter_map(|page| page.strip_prefix("docs/")).filter(|page| *page != "README.md") {
        assert!(list.contains(&format!("]({page})")), "{page}");
    }
}

#[test]
fn the_readme_is_short() {
    assert!(document("README.md").lines().count() <= 150);
}

#[test]
fn the_readme_has_one_command_that_resumes_a_session_and_one_that_runs_the_tests() {
    let readme = document("README.md");
    for command in ["cargo run -- resume ses_demo_expired --emulator", "cargo test"] {
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

#[tokio::test]
async fn the_page_on_security_names_what_the_audit_log_holds() {
    let page = document("docs/security.md");
    let part = section(&page, "The audit log");
    let names = |row: &str| row.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let rows: Vec<_> = part.lines().filter(|line| line.starts_with("| `")).map(names).collect();

    let file = tempfile::NamedTempFile::new().unwrap();
    let mut client = Client::start(&["--emulator", "--audit-log", file.path().to_str().unwrap()], &[]).await;
    client.resume(serde_json::json!({"session_id": "ses_demo_expired"})).await;
    let log = std::fs::read_to_string(file.path()).unwrap();
    for (line, row) in log.lines().zip(&rows) {
        let line: Value = serde_json::from_str(line).unwrap();
        let fields: Vec<_> = line.as_object().unwrap().keys().cloned().collect();
        assert_eq!((line["event"].as_str().unwrap(), &fields[..]), (&*row[0], &row[1..]));
    }
    assert_eq!(rows[2..].iter().map(|row| &*row[0]).collect::<Vec<_>>(), verifa_mcp::internals::audit_outcomes());
}

#[test]
fn the_configurations_in_the_documents_are_json_and_toml() {
    for page in pages() {
        let text = document(&page);
        for block in blocks(&text, "json") {
            assert!(serde_json::from_str::<Value>(block).is_ok(), "{page}: {block}");
        }
        for block in blocks(&text, "toml") {
            assert!(block.parse::<toml_edit::DocumentMut>().is_ok(), "{page}: {block}");
        }
    }
}
