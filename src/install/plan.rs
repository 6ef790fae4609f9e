//! Decides how an entry gets into a client's configuration or out of it. Nothing is read, run or written here.
//!
//! A client's own command adds an entry. Where one is renewed, or where the command would lose comments, the file is
//! edited instead: the commands write it anew. Claude Code's file is only ever changed by `claude`.

use serde_json::{Value, json};

use super::{
    client::{Client, Format},
    command::Invocation,
    entry::{Entry, ServerName, described, is_ours, renewed},
    json, toml,
};

/// What is known before anything is done.
#[derive(Debug)]
pub struct Situation<'a> {
    /// The client.
    pub client: Client,
    /// The entry's name.
    pub name: &'a ServerName,
    /// What the client's configuration file holds; none where there is no file.
    pub text: Option<&'a str>,
    /// Whether the client's own command can be run.
    pub has_own_command: bool,
    /// This program, by which an entry of ours is known.
    pub executable: &'a str,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Plan {
    /// All is as it should be.
    Nothing,
    /// The client's configuration file is to hold this.
    Edit(String),
    /// These commands are to be run, one after the other.
    Run {
        /// The commands.
        commands: Vec<Invocation>,
        /// The entry that the client has now.
        replaces: Option<Value>,
    },
}

/// What is wrong with a configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    #[error("is not {language} that can be read, at line {line}")]
    Syntax { language: &'static str, line: usize },
    #[error("has another form than it should: {0} is not {1}")]
    Shape(&'static str, &'static str),
}

/// Why nothing is done.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The file is not what the client would read.
    #[error("it {0}; correct it first")]
    Broken(String),
    /// The name belongs to another server.
    #[error(
        "its entry \"{name}\" is another server's: it starts \"{starts}\"; take another name with --name, or take that \
         entry out yourself"
    )]
    Foreign {
        /// The name.
        name: String,
        /// What the other entry starts.
        starts: String,
    },
    /// The only way in is a command line, which others can read.
    #[error(
        "Claude Code takes entries on a command line only, which other users of this computer can read; put the key into \
         a file and name it with --api-key-file"
    )]
    KeyOnCommandLine,
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::Broken(fault.to_string())
    }
}

/// How to put the entry in, or to renew it.
///
/// # Errors
/// The configuration cannot be read, the name is taken, or the key would be seen.
pub fn to_install(situation: &Situation<'_>, entry: &Entry) -> Result<Plan, Refusal> {
    let Situation { client, name, .. } = *situation;
    let existing = situation.existing()?;
    let fields = entry.fields(client, name);
    let new = Value::Object(renewed(existing.as_ref(), &fields));
    let input = entry.input(name);
    if existing.as_ref() == Some(&new) && input.is_none() {
        return Ok(Plan::Nothing);
    }
    if client == Client::ClaudeCode {
        if entry.holds_key() {
            return Err(Refusal::KeyOnCommandLine);
        }
        let old = existing.is_some().then(|| claude(["mcp", "remove", "--scope", "user", name.as_str()]));
        let add = claude(["mcp", "add-json", "--scope", "user", name.as_str(), &new.to_string()]);
        return Ok(Plan::Run { commands: old.into_iter().chain([add]).collect(), replaces: existing });
    }
    if existing.is_none() && situation.has_own_command && !entry.holds_key() {
        match client {
            Client::VsCode if situation.is_plain_json() => {
                let mut definition = json!({"name": name.as_str()});
                if let (Some(definition), Value::Object(fields)) = (definition.as_object_mut(), new) {
                    definition.extend(fields);
                    definition.extend(input.map(|input| ("inputs".to_owned(), json!([input]))));
                }
                let add = Invocation::new("code", ["--add-mcp", &definition.to_string()]);
                return Ok(Plan::Run { commands: vec![add], replaces: None });
            }
            Client::Codex => {
                let environment = entry.environment(name).into_iter().map(|(name, value)| format!("{name}={value}"));
                let environment = environment.flat_map(|pair| ["--env".to_owned(), pair]);
                let started = entry.arguments.iter().map(|&argument| argument.to_owned());
                let arguments = ["mcp", "add", name.as_str()].map(str::to_owned).into_iter().chain(environment);
                let arguments = arguments.chain(["--".to_owned(), entry.command.clone()]).chain(started);
                let add = Invocation { program: "codex", arguments: arguments.collect() };
                return Ok(Plan::Run { commands: vec![add], replaces: None });
            }
            _ => {}
        }
    }
    let text = situation.text.unwrap_or_default();
    let edited = match client.format() {
        Format::Json { servers } => json::put(text, servers, name.as_str(), &fields, input.as_ref())?,
        Format::Toml => toml::put(text, name.as_str(), &fields)?,
    };
    Ok(if situation.text == Some(edited.as_str()) { Plan::Nothing } else { Plan::Edit(edited) })
}

/// How to take the entry out.
///
/// # Errors
/// The configuration cannot be read, or the entry is another server's.
pub fn to_remove(situation: &Situation<'_>) -> Result<Plan, Refusal> {
    let Situation { client, name, .. } = *situation;
    let (Some(existing), Some(text)) = (situation.existing()?, situation.text) else { return Ok(Plan::Nothing) };
    let run = |command| Ok(Plan::Run { commands: vec![command], replaces: Some(existing) });
    match client.format() {
        _ if client == Client::ClaudeCode => run(claude(["mcp", "remove", "--scope", "user", name.as_str()])),
        Format::Json { servers } => Ok(Plan::Edit(json::take(text, servers, name.as_str(), &name.input_id())?)),
        Format::Toml if situation.has_own_command => run(Invocation::new("codex", ["mcp", "remove", name.as_str()])),
        Format::Toml => Ok(Plan::Edit(toml::take(text, name.as_str())?)),
    }
}

impl Situation<'_> {
    /// The entry of this name, which is one of ours.
    fn existing(&self) -> Result<Option<Value>, Refusal> {
        let Some(text) = self.text else { return Ok(None) };
        let found = match self.client.format() {
            Format::Json { servers } => json::find(text, servers, self.name.as_str())?,
            Format::Toml => toml::find(text, self.name.as_str())?,
        };
        match found {
            Some(entry) if !is_ours(&entry, self.executable) => {
                Err(Refusal::Foreign { name: self.name.to_string(), starts: described(&entry) })
            }
            found => Ok(found),
        }
    }

    fn is_plain_json(&self) -> bool {
        self.text.is_none_or(|text| serde_json::from_str::<Value>(text).is_ok())
    }
}

fn claude<const N: usize>(arguments: [&str; N]) -> Invocation {
    Invocation::new("claude", arguments)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::install::Key;

    const PLAIN: &str = r#"{"servers": {"other": {"command": "x"}}}"#;
    const COMMENTED: &str = "{\n  // mine\n  \"servers\": {}\n}";

    fn entry(key: Key) -> Entry {
        let variables = vec![("VERIFA_ENV", "sandbox".to_owned())];
        Entry { command: "/bin/verifa-mcp".to_owned(), arguments: vec!["stdio"], variables, key }
    }

    fn install(client: Client, text: Option<&str>, has_own_command: bool, key: Key) -> Result<Plan, Refusal> {
        let name = ServerName::default();
        to_install(
            &Situation { client, name: &name, text, has_own_command, executable: "/bin/verifa-mcp" },
            &entry(key),
        )
    }

    fn remove(client: Client, text: Option<&str>, has_own_command: bool) -> Result<Plan, Refusal> {
        let name = ServerName::default();
        to_remove(&Situation { client, name: &name, text, has_own_command, executable: "/bin/verifa-mcp" })
    }

    /// The commands as they are shown, or what else there is to do.
    fn told(plan: Result<Plan, Refusal>) -> String {
        match plan {
            Ok(Plan::Nothing) => "nothing".to_owned(),
            Ok(Plan::Edit(_)) => "edit".to_owned(),
            Ok(Plan::Run { commands, .. }) => commands.iter().map(|it| it.to_string() + "\n").collect(),
            Err(refusal) => refusal.to_string(),
        }
    }

    #[test]
    fn a_clients_own_command_adds_an_entry() {
        let claude = told(install(Client::ClaudeCode, None, true, Key::Elsewhere));
        let json = r#"{"type":"stdio","command":"/bin/verifa-mcp","args":["stdio"],"env":{"VERIFA_ENV":"sandbox"}}"#;
        assert_eq!(claude, format!("claude mcp add-json --scope user verifa-mcp '{json}'\n"));
        let codex = told(install(Client::Codex, Some("model = \"x\"\n"), true, Key::Elsewhere));
        assert_eq!(codex, "codex mcp add verifa-mcp --env 'VERIFA_ENV=sandbox' -- /bin/verifa-mcp stdio\n");
        let Ok(Plan::Run { commands, .. }) = install(Client::VsCode, Some(PLAIN), true, Key::AskedFor) else {
            panic!("code has a command");
        };
        let [Invocation { program: "code", arguments }] = &commands[..] else { panic!("{commands:?}") };
        let [flag, definition] = &arguments[..] else { panic!("{arguments:?}") };
        assert_eq!(flag, "--add-mcp");
        let definition: Value = serde_json::from_str(definition).unwrap();
        let expected = json!({
            "name": "verifa-mcp", "type": "stdio", "command": "/bin/verifa-mcp", "args": ["stdio"],
            "env": {"VERIFA_API_KEY": "${input:verifa-mcp-key}", "VERIFA_ENV": "sandbox"},
            "inputs": [{
                "type": "promptString", "id": "verifa-mcp-key", "password": true,
                "description": "Verifa secret key for verifa-mcp, vk_sandbox_… or vk_live_…",
            }],
        });
        assert_eq!(definition, expected);
    }

    #[test]
    fn the_file_is_edited_where_there_is_no_command_or_it_would_lose_something() {
        let ours = r#"{"servers": {"verifa-mcp": {"command": "/old/verifa-mcp", "dev": {}}}}"#;
        let ours_in_toml = "[mcp_servers.verifa-mcp]\ncommand = \"/old/verifa-mcp\"\n";
        let cases = [
            (Client::ClaudeDesktop, None, true),
            (Client::Cursor, None, true),
            (Client::VsCode, Some(PLAIN), false),
            (Client::VsCode, Some(COMMENTED), true),
            (Client::VsCode, Some(ours), true),
            (Client::Codex, None, false),
            (Client::Codex, Some(ours_in_toml), true),
        ];
        for (client, text, has_own_command) in cases {
            let plan = install(client, text, has_own_command, Key::Elsewhere);
            assert_eq!(told(plan), "edit", "{client:?} {text:?}");
        }
    }

    #[test]
    fn a_key_never_comes_onto_a_command_line() {
        let key = || Key::InClear("vk_live_abc".to_owned());
        for client in [Client::VsCode, Client::Codex] {
            assert_eq!(told(install(client, None, true, key())), "edit");
        }
        assert_eq!(install(Client::ClaudeCode, None, true, key()), Err(Refusal::KeyOnCommandLine));
    }

    #[test]
    fn an_entry_that_is_as_it_should_be_is_left_alone() {
        for client in [Client::ClaudeDesktop, Client::VsCode, Client::Cursor, Client::Codex] {
            for key in [|| Key::Elsewhere, || Key::AskedFor] {
                let Ok(Plan::Edit(text)) = install(client, None, false, key()) else { panic!("an edit") };
                assert_eq!(install(client, Some(&text), true, key()), Ok(Plan::Nothing));
                assert_eq!(told(remove(client, Some(&text), false)), "edit");
            }
        }
    }

    #[test]
    fn claude_code_gets_a_new_entry_for_an_old_one_with_what_else_is_in_it() {
        let text = r#"{"mcpServers": {"verifa-mcp": {"command": "verifa-mcp", "timeout": 5}}}"#;
        let told = told(install(Client::ClaudeCode, Some(text), true, Key::Elsewhere));
        let (first, second) = told.split_once('\n').unwrap();
        assert_eq!(first, "claude mcp remove --scope user verifa-mcp");
        assert!(
            second.starts_with("claude mcp add-json --scope user verifa-mcp '{") && second.contains("\"timeout\":5")
        );
    }

    #[test]
    fn only_an_entry_of_ours_is_taken_out() {
        let ours = r#"{"mcpServers": {"verifa-mcp": {"command": "npx", "args": ["verifa-mcp@1"]}}}"#;
        let ours_in_toml = "[mcp_servers.verifa-mcp]\ncommand = \"/old/verifa-mcp\"\n";
        let other = r#"{"mcpServers": {"verifa-mcp": {"url": "https://example.com/vk_live_abc"}}}"#;
        let foreign = "its entry \"verifa-mcp\" is another server's: it starts \"https://example.com/vk_live_…\"; \
                       take another name with --name, or take that entry out yourself";
        let cases = [
            (Client::Cursor, None, true, "nothing"),
            (Client::Cursor, Some("{}"), true, "nothing"),
            (Client::Cursor, Some(ours), true, "edit"),
            (Client::Cursor, Some(other), true, foreign),
            (Client::ClaudeCode, Some(ours), true, "claude mcp remove --scope user verifa-mcp\n"),
            (Client::ClaudeCode, Some("{}"), true, "nothing"),
            (Client::Codex, Some(ours_in_toml), true, "codex mcp remove verifa-mcp\n"),
            (Client::Codex, Some(ours_in_toml), false, "edit"),
            (Client::Codex, Some("["), false, "it is not TOML that can be read, at line 1; correct it first"),
        ];
        for (client, text, has_own_command, expected) in cases {
            assert_eq!(told(remove(client, text, has_own_command)), expected, "{client:?} {text:?}");
        }
        assert_eq!(told(install(Client::Cursor, Some(other), true, Key::Elsewhere)), foreign);
    }
}
