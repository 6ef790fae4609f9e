//! The generated parts of the documentation: compared with what the program says.
//!
//! `UPDATE_DOCS=1 cargo test --test it pages` rewrites them. Each is between two marks, so that a page can say more.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::{Value, json};
use verifa_mcp::internals::{MORE_SESSIONS, demo_sessions, toolset};

use crate::{
    documents::document,
    emulator::{KEY, LIVE_KEY},
    modules,
    program::{Client, Emulator, run, stdout, text},
    schema_text::{arguments, fields},
};

/// A page with generated parts.
struct Page {
    name: &'static str,
    text: String,
    /// What two texts that differ in nothing relevant have in common, line by line.
    common: fn(&str) -> String,
}

impl Page {
    fn open(name: &'static str) -> Self {
        Self { name, text: document(name), common: str::to_owned }
    }

    /// Replaces a part if it differs.
    fn put(&mut self, part: &str, generated: &str) {
        let (begin, end) = (format!("<!-- generated: {part} -->\n"), format!("<!-- end: {part} -->"));
        let start = self.text.find(&begin).unwrap_or_else(|| panic!("{}: no {begin}", self.name)) + begin.len();
        let length = self.text[start..].find(&end).unwrap_or_else(|| panic!("{}: no {end}", self.name));
        let there = &self.text[start..start + length];
        if (self.common)(there) != (self.common)(generated) {
            self.text.replace_range(start..start + length, generated);
        }
    }

    /// Checks that no part differed, or writes the page.
    fn close(self) {
        if std::env::var_os("UPDATE_DOCS").is_some() {
            fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(self.name), &self.text).unwrap();
        }
        let there = document(self.name);
        let differs = self.text.lines().zip(there.lines()).find(|it| (self.common)(it.0) != (self.common)(it.1));
        assert!(self.text == there, "{}: `UPDATE_DOCS=1 cargo test --test it pages` writes {differs:#?}", self.name);
    }
}

/// A table of Markdown.
fn table<const N: usize>(heads: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let line = |cells: [String; N]| format!("| {} |\n", cells.map(|cell| cell.replace('|', "\\|")).join(" | "));
    let rows: String = rows.into_iter().map(line).collect();
    line(heads.map(str::to_owned)) + &line([(); N].map(|()| "---".to_owned())) + &rows
}

/// What the help says of a flag, an argument or a variable.
struct Entry {
    term: String,
    meaning: String,
}

impl Entry {
    /// The entries below a heading of a help text.
    fn all(help: &str, heading: &str) -> Vec<Self> {
        let Some((_, rest)) = help.split_once(&format!("{heading}:\n")) else { return Vec::new() };
        let mut entries: Vec<Self> = Vec::new();
        for line in rest.lines().take_while(|line| !line.is_empty()) {
            let content = line.trim_start();
            if line.len() - content.len() > 6 {
                entries.last_mut().unwrap().meaning += &format!(" {content}");
            } else {
                let (term, meaning) = content.split_once("  ").unwrap_or((content, ""));
                entries.push(Self { term: term.to_owned(), meaning: meaning.trim_start().to_owned() });
            }
        }
        entries.retain(|it| !it.term.contains("--help") && !it.term.contains("--version"));
        entries
    }

    /// Removes what is in brackets, as in `[default: 20s]`, from the meaning.
    fn take(&mut self, name: &str) -> Option<String> {
        let start = self.meaning.find(&format!("[{name}: "))?;
        let end = start + self.meaning[start..].find(']')?;
        let value = self.meaning[start + name.len() + 3..end].to_owned();
        self.meaning.replace_range(start..=end, "");
        self.meaning = self.meaning.trim_end().replace("  ", " ");
        Some(value)
    }

    /// Variable, flag, default, meaning.
    fn setting(mut self) -> [String; 4] {
        let (variable, default) = (self.take("env"), self.take("default").unwrap_or_default());
        let (variable, flag) =
            if self.term.starts_with('-') { (variable, Some(self.term)) } else { (Some(self.term), None) };
        let code = |text: Option<String>| text.map(|text| format!("`{text}`")).unwrap_or_default();
        [code(variable).replace(", ", "`, `"), code(flag), default, self.meaning]
    }
}

async fn help(command: &[&str]) -> String {
    let output = run(command.iter().copied().chain(["-h"]), &[]).await;
    stdout(&output).to_owned()
}

#[tokio::test]
async fn the_settings_are_those_of_the_help() {
    const HEADS: [&str; 4] = ["variable", "flag", "default", "meaning"];
    let mut page = Page::open("docs/settings.md");
    let main = help(&[]).await;
    let settings = ["Environment only", "Settings"].map(|part| Entry::all(&main, part)).into_iter().flatten();
    page.put("settings", &table(HEADS, settings.map(Entry::setting)));
    let http = Entry::all(&help(&["http"]).await, "Options");
    page.put("http", &table(HEADS, http.into_iter().map(Entry::setting)));

    let mut commands = String::new();
    for Entry { term, meaning } in Entry::all(&main, "Commands") {
        let names: &[&[&str]] = match term.as_str() {
            "help" => continue,
            "token" => &[&["token"], &["token", "new"], &["token", "revoke"]],
            name => &[&[name]],
        };
        commands += &format!("**`verifa-mcp {term}`**: {meaning}.\n");
        let mut rows = Vec::new();
        for name in names.iter().filter(|_| term != "http") {
            let help = help(name).await;
            let entries = ["Arguments", "Options"].map(|part| Entry::all(&help, part)).into_iter().flatten();
            rows.extend(entries.map(|mut entry| {
                // Each subcommand of `token` repeats its file.
                let command = if name.len() > 1 { format!("{} ", name[1]) } else { String::new() };
                let default = entry.take("default").unwrap_or_default();
                let variable = entry.take("env").map(|variable| format!(", `{variable}`")).unwrap_or_default();
                [format!("`{command}{}`{variable}", entry.term), default, entry.meaning]
            }));
        }
        rows.retain(|row| !row[0].starts_with("`new --tokens-file") && !row[0].starts_with("`revoke --tokens-file"));
        if !rows.is_empty() {
            commands += &format!("\n{}", table(["argument or flag", "default", "meaning"], rows));
        }
        commands.push('\n');
    }
    page.put("commands", &commands);
    page.close();
}

#[tokio::test]
async fn the_tools_and_errors_are_those_of_the_program() {
    let mut page = Page::open("docs/tools.md");
    let mut client = Client::start(&[], &[]).await;
    let listed = client.request("tools/list", json!({})).await;
    page.put("tools", &listed["result"]["tools"].as_array().unwrap().iter().map(tool).collect::<String>());
    let listed = client.request("prompts/list", json!({})).await;
    page.put("prompts", &listed["result"]["prompts"].as_array().unwrap().iter().map(prompt).collect::<String>());
    page.put("errors", &table(["case", "text for the agent"], errors().await));
    page.close();
}

fn tool(tool: &Value) -> String {
    let name = tool["name"].as_str().unwrap();
    let hint = |hint: &str, yes: &'static str, no: &'static str| {
        if tool["annotations"][hint].as_bool().unwrap() { yes } else { no }
    };
    let hints = [
        hint("readOnlyHint", "read-only", "writes"),
        hint("destructiveHint", "destructive", "not destructive"),
        hint("idempotentHint", "idempotent", "not idempotent"),
        hint("openWorldHint", "open world", "closed world"),
    ];
    let description = tool["description"].as_str().unwrap().replace('\n', "\n>\n> ");
    format!(
        "### `{name}`\n\n*{}*. Toolset `{}`; {}.\n\n> {description}\n\n{}\n{}\n",
        tool["title"].as_str().unwrap(),
        toolset(name).unwrap(),
        hints.join(", "),
        table(["argument", "allowed", "meaning"], arguments(&tool["inputSchema"])),
        table(["field of the result", "type", "meaning"], fields(&tool["outputSchema"])),
    )
}

fn prompt(prompt: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let rows = prompt["arguments"].as_array().unwrap().iter().map(|argument| {
        let required = if argument["required"] == true { "required" } else { "" };
        [format!("`{}`", text(&argument["name"])), required.to_owned(), text(&argument["description"])]
    });
    let (name, description) = (text(&prompt["name"]), text(&prompt["description"]));
    format!("`{name}`: {description}.\n\n{}", table(["argument", "", "meaning"], rows))
}

/// The cases in the table, each with its snapshot and its name there.
const ERRORS: [(&str, &str, &str); 22] = [
    ("the audit log cannot be written before the call", "audit_without_start", ""),
    ("400, 409 or 422, and Verifa says why", "failures", "400_completed"),
    ("any status, and the body is not in Verifa's error format", "failures", "400_without_a_body"),
    ("401", "failures", "401"),
    ("403", "failures", "403"),
    ("404", "failures", "404"),
    ("422 `idempotency_mismatch` for a key that this server generated", "failures", "422_mismatch"),
    ("429 with `Retry-After`", "failures", "429_beyond_the_budget"),
    ("429 without `Retry-After`", "failures", "429_without_retry_after"),
    ("409 after an attempt without a response", "failures", "409_after_an_unknown_outcome"),
    ("a redirect", "failures", "302_redirect"),
    ("no connection to Verifa", "unreachable", "refused"),
    ("the host name has no address", "unreachable", "unknown_host"),
    ("no response in time", "failures", "no_answer"),
    ("a connection that breaks", "failures", "connection_closed"),
    ("500, 502, 503 or 504", "failures", "500"),
    ("a success that is not Verifa's", "failures", "200_html"),
    ("a success without a link", "failures", "200_without_link"),
    ("a link that is not safe", "failures", "200_http_link"),
    ("a link that has already expired", "failures", "200_dead_link"),
    ("the audit log cannot be written after the call", "audit_without_end", ""),
    ("500 for a lookup", "failures_of_lookups", "get_session 500"),
];

/// The texts of the errors: from the program where that is short, else from the snapshots.
async fn errors() -> Vec<[String; 2]> {
    let resume = async |arguments: Value, environment: &[(&str, &str)]| {
        let result = Client::start(&[], environment).await.resume(arguments).await;
        text(&result).replace("\n- ", "<br>- ")
    };
    let good = json!({"session_id": "ses_abc123"});
    let mut rows = vec![
        ["invalid arguments".to_owned(), resume(json!({"session_id": "ses abc"}), &[]).await],
        ["no key is configured".to_owned(), resume(good.clone(), &[]).await],
        ["the tool is disabled".to_owned(), resume(good, &[("VERIFA_MCP_READ_ONLY", "true")]).await],
    ];
    rows.extend(ERRORS.map(|(happened, snapshot, case)| {
        let snapshot = document(&format!("tests/it/snapshots/{snapshot}.snap"));
        let (_, body) = snapshot[4..].split_once("\n---\n").unwrap();
        let cases: BTreeMap<_, _> = body.split("## ").filter_map(|it| it.trim().split_once('\n')).collect();
        let words = if case.is_empty() { body.trim() } else { cases[case] };
        [happened.to_owned(), words.replace(&format!("ses_{case}"), "ses_abc123")]
    }));
    rows
}

#[tokio::test]
async fn the_sessions_and_assumptions_are_those_of_the_emulator() {
    let mut page = Page::open("docs/emulator.md");
    let emulator = Emulator::start(&[]).await;
    let mut found = BTreeMap::new();
    for key in [KEY, LIVE_KEY] {
        let url = format!("{}/api/v1/sessions?limit=100", emulator.url);
        let request = emulator.client.get(url).header("X-API-Key", key).header("Key-Inflection", "snake");
        let list: Value = serde_json::from_str(&request.send().await.unwrap().text().await.unwrap()).unwrap();
        let sessions = list["data"].as_array().unwrap().iter().cloned();
        found.extend(sessions.map(|session| (session["id"].as_str().unwrap().to_owned(), session)));
    }
    let rows: Vec<_> = demo_sessions()
        .map(|(id, about)| {
            let session = &found[id];
            let code = |field: &str| format!("`{}`", session[field].as_str().unwrap());
            let reference = session["external_ref"].as_str().filter(|it| it.starts_with("customer-"));
            let reference = reference.map(|it| format!("`{it}`")).unwrap_or_default();
            [format!("`{id}`"), code("status"), reference, about.to_owned()]
        })
        .collect();
    assert_eq!(found.len(), rows.len() + MORE_SESSIONS);
    let table = table(["session", "status", "external reference", "purpose"], rows);
    page.put(
        "sessions",
        &format!("{table}\nAnd {MORE_SESSIONS} more, `ses_demo_more_01` and so on, to page through.\n"),
    );
    page.put("assumptions", &assumptions(&document("src/emulator/assumptions.rs")));
    page.close();
}

/// The comments of the file with all assumptions, and the values of those that are constants.
fn assumptions(source: &str) -> String {
    let (mut list, mut comment) = (String::new(), String::new());
    for line in source.lines() {
        match line.strip_prefix("/// ") {
            Some(words) => comment += &format!(" {words}"),
            None if comment.is_empty() => {}
            None => {
                let value = line.strip_prefix("pub(super) const ").and_then(|it| it.split_once(" = "));
                let value = value.map(|(_, value)| value.trim_end_matches(';').rsplit("::").next().unwrap());
                let value = value.map(|value| value.trim_matches('"')).filter(|value| *value != "true");
                let value = value.map(|value| format!(" (`{value}`)")).unwrap_or_default();
                list += &format!("-{}{value}\n", std::mem::take(&mut comment));
            }
        }
    }
    list
}

/// The same text without what differs in each run.
fn without_variable_parts(text: &str) -> String {
    let stays = |word: &str| {
        word.contains("ses_") || word.contains("customer-") || !word.contains(|c: char| c.is_ascii_digit())
    };
    let line =
        |line: &str| line.split(' ').map(|word| if stays(word) { word } else { "#" }).collect::<Vec<_>>().join(" ");
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn the_readme_shows_the_example_as_an_agent_reads_it() {
    let mut page = Page { common: without_variable_parts, ..Page::open("README.md") };
    let output = run(["resume", "ses_demo_expired", "--emulator"], &[]).await;
    let shown: Vec<_> = stdout(&output).lines().take_while(|line| !line.is_empty()).collect();
    page.put("resume", &format!("```text\n{}\n```\n", shown.join("\n")));

    let mut client = Client::start(&["--emulator"], &[]).await;
    let mut example = String::new();
    for (tool, arguments) in [
        ("list_sessions", json!({"query": "customer-1001"})),
        ("get_session", json!({"session_id": "ses_demo_expired"})),
        ("resume_session", json!({"session_id": "ses_demo_expired"})),
    ] {
        let result = client.call(tool, arguments.clone()).await;
        assert_eq!(result["isError"], false, "{result}");
        example += &format!("→ {tool} {arguments}\n{}\n\n", text(&result));
    }
    page.put("example", &format!("```text\n{}\n```\n", example.trim_end()));
    page.close();
}

#[test]
fn the_picture_of_the_modules_is_that_of_the_source() {
    let mut page = Page::open("docs/design.md");
    page.put("modules", &modules::picture());
    page.close();
}
