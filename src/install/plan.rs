//! Decides how an entry gets into a client's configuration or out of it. Nothing is read, run or written here.
//!
//! A client's own command adds an entry. Where one is renewed, or where the command would lose comments, the file is
//! edited instead: the commands write it anew. Claude Code's file is only ever changed by `claude`.

use serde_json::{Value, json};

use super::{
    client::{Client, Format},
    command::Invocation,
    entry::{Entry, ServerName, renewed},
    json,
    refusal::Refusal,
    shown::{Change, holds_key, visible},
    situation::Situation,
    toml,
};

/// What is to be done.
#[derive(PartialEq, Eq)]
pub enum Plan {
    /// All is as it should be.
    Nothing,
    /// The client's configuration file is to be edited.
    Edit {
        /// What it is to hold.
        text: String,
        /// What a person sees of the change.
        change: Change,
    },
    /// These commands are to be run, one after the other.
    Run {
        /// The commands.
        commands: Vec<Invocation>,
        /// The command that puts the entry back which the first of them has taken out.
        undo: Option<Invocation>,
        /// The entry that goes; the commands say what comes.
        change: Change,
    },
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
        if entry.holds_key() || holds_key(&new.to_string()) {
            return Err(Refusal::KeyOnCommandLine);
        }
        let change = Change { old: existing.as_ref().map(|old| situation.alone(old, None)), new: None };
        let undo = existing.as_ref().filter(|old| !holds_key(&old.to_string())).map(|old| add_to_claude(name, old));
        let remove = existing.map(|_| claude(["mcp", "remove", "--scope", "user", name.as_str()]));
        let commands = remove.into_iter().chain([add_to_claude(name, &new)]).collect();
        return Ok(Plan::Run { commands, undo, change });
    }
    if existing.is_none() && situation.has_own_command && !entry.holds_key() {
        match client {
            Client::VsCode if situation.survives_own_command() => {
                let mut definition = json!({"name": name.as_str()});
                if let (Some(definition), Value::Object(fields)) = (definition.as_object_mut(), new) {
                    definition.extend(fields);
                    definition.extend(input.map(|input| ("inputs".to_owned(), json!([input]))));
                }
                let add = Invocation::new("code", ["--add-mcp", &definition.to_string()]);
                return Ok(Plan::added_by(add));
            }
            Client::Codex if situation.survives_own_command() => {
                let environment = entry.environment(name).into_iter().map(|(name, value)| format!("{name}={value}"));
                let environment = environment.flat_map(|pair| ["--env".to_owned(), pair]);
                let started = entry.arguments.iter().map(|&argument| argument.to_owned());
                let arguments = ["mcp", "add", name.as_str()].map(str::to_owned).into_iter().chain(environment);
                let arguments = arguments.chain(["--".to_owned(), entry.command.clone()]).chain(started);
                let add = Invocation { program: "codex", arguments: arguments.collect(), last_shown: None };
                return Ok(Plan::added_by(add));
            }
            _ => {}
        }
    }
    let text = situation.text.unwrap_or_default();
    let change = Change {
        old: existing.as_ref().map(|old| situation.alone(old, None)),
        new: Some(situation.alone(&new, input.as_ref().filter(|_| existing.is_none()))),
    };
    let edited = situation.put(text, new.as_object().unwrap_or(&fields), input.as_ref())?;
    Ok(if situation.text == Some(edited.as_str()) { Plan::Nothing } else { Plan::Edit { text: edited, change } })
}

/// How to take the entry out.
///
/// # Errors
/// The configuration cannot be read, or the entry is another server's.
pub fn to_remove(situation: &Situation<'_>) -> Result<Plan, Refusal> {
    let Situation { client, name, .. } = *situation;
    let (Some(existing), Some(text)) = (situation.existing()?, situation.text) else { return Ok(Plan::Nothing) };
    let run = |command| {
        let change = Change { old: Some(situation.alone(&existing, None)), new: None };
        Ok(Plan::Run { commands: vec![command], undo: None, change })
    };
    if client == Client::ClaudeCode {
        return run(claude(["mcp", "remove", "--scope", "user", name.as_str()]));
    }
    let id = name.input_id();
    let edited = match (situation.text_before(&existing), client.format()) {
        (Some(before), _) => before,
        (None, Format::Toml) if situation.has_own_command && situation.survives_own_command() => {
            return run(Invocation::new("codex", ["mcp", "remove", name.as_str()]));
        }
        (None, Format::Json { servers }) => json::take(text, servers, name.as_str(), &id)?,
        (None, Format::Toml) => toml::take(text, name.as_str())?,
    };
    let asked_for = |text: &str| client.asks_for_secrets() && json::input(text, &id).is_some();
    let goes_too = (asked_for(text) && !asked_for(&edited)).then(|| json!({"id": id}));
    let change = Change { old: Some(situation.alone(&existing, goes_too.as_ref())), new: None };
    Ok(Plan::Edit { text: edited, change })
}

impl Plan {
    fn added_by(command: Invocation) -> Self {
        Self::Run { commands: vec![command], undo: None, change: Change::default() }
    }
}

fn claude<const N: usize>(arguments: [&str; N]) -> Invocation {
    Invocation::new("claude", arguments)
}

fn add_to_claude(name: &ServerName, entry: &Value) -> Invocation {
    let add = claude(["mcp", "add-json", "--scope", "user", name.as_str(), &entry.to_string()]);
    Invocation { last_shown: Some(Value::Object(visible(entry)).to_string()), ..add }
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

    fn situation<'a>(
        client: Client,
        name: &'a ServerName,
        text: Option<&'a str>,
        has_own_command: bool,
    ) -> Situation<'a> {
        Situation { client, name, text, earlier: &Vec::new, has_own_command, executable: "/bin/verifa-mcp" }
    }

    fn install(client: Client, text: Option<&str>, has_own_command: bool, key: Key) -> Result<Plan, Refusal> {
        to_install(&situation(client, &ServerName::default(), text, has_own_command), &entry(key))
    }

    fn remove(client: Client, text: Option<&str>, has_own_command: bool) -> Result<Plan, Refusal> {
        to_remove(&situation(client, &ServerName::default(), text, has_own_command))
    }

    /// The commands as they are shown, or what else there is to do.
    fn told(plan: Result<Plan, Refusal>) -> String {
        match plan {
            Ok(Plan::Nothing) => "nothing".to_owned(),
            Ok(Plan::Edit { .. }) => "edit".to_owned(),
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
        let [Invocation { program: "code", arguments, .. }] = &commands[..] else { panic!("{commands:?}") };
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
            (Client::Codex, Some("# mine\nmodel = \"x\"\n"), true),
            (Client::Codex, Some("model = \"x\"\r\n"), true),
            (Client::Codex, Some("\u{feff}model = \"x\"\n"), true),
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
        assert!(install(Client::ClaudeCode, None, true, key()) == Err(Refusal::KeyOnCommandLine));
        let elsewhere = r#"{"mcpServers": {"verifa-mcp": {"command": "verifa-mcp", "env": {"A": "vk_live_abc"}}}}"#;
        let kept = install(Client::ClaudeCode, Some(elsewhere), true, Key::Elsewhere);
        assert!(kept == Err(Refusal::KeyOnCommandLine));
    }

    #[test]
    fn an_entry_that_is_as_it_should_be_is_left_alone() {
        for client in [Client::ClaudeDesktop, Client::VsCode, Client::Cursor, Client::Codex] {
            for key in [|| Key::Elsewhere, || Key::AskedFor] {
                let Ok(Plan::Edit { text, .. }) = install(client, None, false, key()) else { panic!("an edit") };
                assert_eq!(told(install(client, Some(&text), true, key())), "nothing");
                assert_eq!(told(remove(client, Some(&text), false)), "edit");
            }
        }
    }

    #[test]
    fn claude_code_gets_a_new_entry_for_an_old_one_with_what_else_is_in_it() {
        let old = r#"{"command":"verifa-mcp","timeout":5,"env":{"TOKEN":"SECRET"}}"#;
        let text = format!("{{\"mcpServers\": {{\"verifa-mcp\": {old}}}}}");
        let plan = install(Client::ClaudeCode, Some(&text), true, Key::Elsewhere);
        let Ok(Plan::Run { commands, undo: Some(undo), .. }) = &plan else { panic!("claude has a command") };
        assert_eq!(undo.arguments.last().unwrap(), old);
        let expected = r#"{"command":"/bin/verifa-mcp","timeout":5,"env":{"TOKEN":"SECRET","VERIFA_ENV":"sandbox"},"type":"stdio","args":["stdio"]}"#;
        assert_eq!(commands[1].arguments.last().unwrap(), expected);
        let told = told(plan);
        let (first, second) = told.split_once('\n').unwrap();
        assert_eq!(first, "claude mcp remove --scope user verifa-mcp");
        assert!(second.starts_with("claude mcp add-json --scope user verifa-mcp '{") && !second.contains("SECRET"));
    }

    #[test]
    fn copies_are_looked_up_where_they_count_and_then_win_over_a_command() {
        let name = ServerName::default();
        let before = "model = \"x\"\n\n";
        let situation = Situation {
            client: Client::Codex,
            name: &name,
            text: None,
            earlier: &Vec::new,
            has_own_command: true,
            executable: "/bin/verifa-mcp",
        };
        let entry = entry(Key::Elsewhere);
        let with = situation.put(before, &entry.fields(Client::Codex, &name), None).unwrap();
        let ours = r#"{"mcpServers": {"verifa-mcp": {"command": "verifa-mcp"}}}"#;
        for (client, text, looked_up, expected) in [
            (Client::Codex, with.as_str(), true, "edit"),
            (Client::Codex, &format!("{with}\n"), true, "codex mcp remove verifa-mcp\n"),
            (Client::Codex, before, false, "nothing"),
            (Client::Cursor, ours, true, "edit"),
            (Client::ClaudeCode, ours, false, "claude mcp remove --scope user verifa-mcp\n"),
        ] {
            let asked = std::cell::Cell::new(false);
            let earlier = || {
                asked.set(true);
                vec![before.to_owned()]
            };
            let plan = to_remove(&Situation { client, text: Some(text), earlier: &earlier, ..situation });
            if let Ok(Plan::Edit { text, .. }) = &plan {
                assert!(client != Client::Codex || text == before, "{text}");
            }
            assert_eq!((told(plan).as_str(), asked.get()), (expected, looked_up), "{client:?} {text}");
        }
    }

    #[test]
    fn only_an_entry_of_ours_is_taken_out() {
        let ours = r#"{"mcpServers": {"verifa-mcp": {"command": "npx", "args": ["verifa-mcp@1"]}}}"#;
        let ours_in_toml = "[mcp_servers.verifa-mcp]\ncommand = \"/old/verifa-mcp\"\n";
        let commented = format!("{ours_in_toml}# the end\n");
        let other = r#"{"mcpServers": {"verifa-mcp": {"url": "https://example.com/vk_live_abc"}}}"#;
        let foreign = "its entry \"verifa-mcp\" is another server's: it starts \"example.com\"; \
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
            (Client::Codex, Some(&commented), true, "edit"),
            (Client::Codex, Some("["), false, "it is not TOML that can be read, at line 1; correct it first"),
        ];
        for (client, text, has_own_command, expected) in cases {
            assert_eq!(told(remove(client, text, has_own_command)), expected, "{client:?} {text:?}");
        }
        assert_eq!(told(install(Client::Cursor, Some(other), true, Key::Elsewhere)), foreign);
    }
}
