//! Decides how an entry gets into a client's configuration or out of it.
//!
//! Pure: nothing is read, run or written here.

use serde_json::{Map, Value};

use super::{
    client::{Client, ClientSpec, Mechanism},
    command::{self, ClientCommand},
    entry::{Entry, ServerName, merged},
    file::ConfigFile,
    json,
};

/// What the user requested, and what is known before anything is changed.
pub(crate) struct InstallRequest {
    pub(crate) client: Client,
    pub(crate) name: ServerName,
    pub(crate) executable: String,
    /// The entry to write; none to remove the one that is there.
    pub(crate) entry: Option<Entry>,
    pub(crate) file: ConfigFile,
    /// The entry of this name, which starts this program.
    pub(crate) existing: Option<Value>,
    /// Whether the client's own command, if it has one, can be run.
    pub(crate) has_command: bool,
}

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Everything is already as it should be.
    Nothing,
    /// Replace the content of the client's file.
    Edit {
        text: String,
        /// The new entry, as it may be shown.
        shown: String,
        /// Whether the file must no longer be readable by others, because it will hold the key.
        make_private: bool,
    },
    /// Run these commands of the client, one after the other.
    Run(Vec<ClientCommand>),
    /// Tell the user what to do, because the client's command cannot be run here.
    Manual(String),
}

/// Why nothing is done. Shows nothing of the file but an entry's name and what it starts.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InstallError {
    #[error("it is not valid JSON, at line {0}; correct it first")]
    Syntax(usize),
    #[error("its {0} is not {1}; correct it first")]
    Shape(&'static str, &'static str),
    #[error(
        "the change would have no effect: most likely a key occurs twice, and only the last one counts; correct it first"
    )]
    NoEffect,
    #[error(
        "its entry \"{name}\" is another server's: it starts \"{starts}\"; choose another name with --name, or remove that \
         entry yourself"
    )]
    OtherServer { name: String, starts: String },
    #[error(
        "{0} takes entries only on a command line, which other users of this computer can read; put the key into a file \
         and name it with --api-key-file"
    )]
    KeyOnCommandLine(&'static str),
    #[error("`{0}` failed; run it yourself to see why")]
    Command(String),
}

impl InstallRequest {
    pub(crate) fn is_uninstall(&self) -> bool {
        self.entry.is_none()
    }

    pub(crate) fn plan(&self) -> Result<Plan, InstallError> {
        self.entry.as_ref().map_or_else(|| self.uninstall(), |entry| self.install(entry))
    }

    fn install(&self, entry: &Entry) -> Result<Plan, InstallError> {
        let (name, spec) = (&self.name, self.client.spec());
        let fields = entry.fields(&spec, name);
        let new = merged(self.existing.as_ref(), &fields, spec.format);
        let is_there = self.existing.as_ref().and_then(Value::as_object) == Some(&new);
        match spec.mechanism {
            Mechanism::File => self.edit(entry, &spec, &new),
            _ if entry.has_plaintext_key() => Err(InstallError::KeyOnCommandLine(spec.title)),
            _ if is_there => Ok(Plan::Nothing),
            Mechanism::Claude => {
                let remove = self.existing.as_ref().map(|_| command::remove_from_claude(name));
                Ok(Plan::Run(remove.into_iter().chain([command::add_to_claude(name, fields)]).collect()))
            }
            Mechanism::Codex if self.has_command => Ok(Plan::Run(vec![command::add_to_codex(name, entry)])),
            Mechanism::Codex => {
                let (path, block) = (self.file.path.display(), entry.toml(spec.servers, name));
                Ok(Plan::Manual(format!("Add this to {path}:\n\n{block}")))
            }
        }
    }

    fn edit(&self, entry: &Entry, spec: &ClientSpec, new: &Map<String, Value>) -> Result<Plan, InstallError> {
        let input = entry.input(&self.name);
        let set = |text, fields| json::set(text, spec.servers, self.name.as_str(), fields, input.as_ref());
        let text = set(self.file.text.as_deref(), new)?;
        let make_private = entry.has_plaintext_key() && self.file.others_can_read;
        if self.file.text.as_ref() == Some(&text) && !make_private {
            return Ok(Plan::Nothing);
        }
        let shown = set(None, &entry.masked().fields(spec, &self.name))?;
        Ok(Plan::Edit { text, shown, make_private })
    }

    fn uninstall(&self) -> Result<Plan, InstallError> {
        let (name, ClientSpec { mechanism, servers, .. }) = (&self.name, self.client.spec());
        match mechanism {
            Mechanism::Codex if !self.has_command => {
                let path = self.file.path.display();
                let text = format!("Remove [{servers}.{name}] and the tables below it from {path}, if it is there.\n");
                Ok(Plan::Manual(text))
            }
            _ if self.existing.is_none() => Ok(Plan::Nothing),
            Mechanism::File => {
                let text = self.file.text.as_deref().unwrap_or_default();
                let text = json::remove(text, servers, name.as_str(), &name.input_id())?;
                Ok(Plan::Edit { text, shown: String::new(), make_private: false })
            }
            Mechanism::Claude => Ok(Plan::Run(vec![command::remove_from_claude(name)])),
            Mechanism::Codex => Ok(Plan::Run(vec![command::remove_from_codex(name)])),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use serde_json::json;

    use super::{
        Client::{ClaudeCode, ClaudeDesktop, Codex, Cursor, VsCode},
        *,
    };
    use crate::install::KeySource::{self, Environment, PlainText, Prompt};

    const KEY: &str = "vk_live_abc";

    /// Plans to install with this key, or to uninstall without one. Others can read the file.
    fn plan(
        client: Client,
        existing: Option<&Value>,
        has_command: bool,
        key: Option<KeySource>,
    ) -> Result<Plan, InstallError> {
        let (servers, name, path) = (client.spec().servers, ServerName::default(), PathBuf::from("/home/jane/config"));
        let text = existing.map(|entry| format!("{:#}\n", json!({servers: {name.as_str(): entry}})));
        let file = ConfigFile { location: path.clone(), path, text, others_can_read: true };
        let (executable, existing, entry) = (String::new(), existing.cloned(), key.map(entry));
        InstallRequest { client, name, executable, entry, file, existing, has_command }.plan()
    }

    fn entry(key: KeySource) -> Entry {
        let (command, arguments) = ("/bin/verifa-mcp".to_owned(), vec!["stdio".to_owned()]);
        Entry { command, arguments, variables: vec![("VERIFA_ENV", "sandbox".to_owned())], key }
    }

    #[test]
    fn the_client_and_the_entry_that_is_there_decide_what_is_done() {
        let (old, current) = (json!({"command": "old", "timeout": 5}), &Value::Null);
        let key = || PlainText(KEY.to_owned());
        let refused = |title| InstallError::KeyOnCommandLine(title).to_string();
        for (client, existing, has_command, key, installing, uninstalling) in [
            (ClaudeDesktop, None, false, Environment, "edit", "nothing"),
            (Cursor, Some(&old), false, Environment, "edit", "edit"),
            (Cursor, Some(current), false, Environment, "nothing", "edit"),
            (Cursor, Some(&old), false, key(), "edit, make private", "edit"),
            (Cursor, Some(current), false, key(), "edit, make private", "edit"),
            (VsCode, Some(current), false, Environment, "nothing", "edit"),
            // What it prompts for is not there.
            (VsCode, Some(current), false, Prompt, "edit", "edit"),
            (ClaudeCode, None, true, Environment, "claude mcp add-json;", "nothing"),
            (ClaudeCode, Some(&old), true, Environment, "claude mcp remove;claude mcp add-json;", "claude mcp remove;"),
            (ClaudeCode, Some(current), true, Environment, "nothing", "claude mcp remove;"),
            (ClaudeCode, None, false, Environment, "claude mcp add-json;", "nothing"),
            (ClaudeCode, Some(&old), true, key(), &refused("Claude Code"), "claude mcp remove;"),
            (Codex, None, true, Environment, "codex mcp add;", "nothing"),
            (Codex, Some(&old), true, Environment, "codex mcp add;", "codex mcp remove;"),
            (Codex, Some(current), true, Environment, "nothing", "codex mcp remove;"),
            (Codex, None, false, Environment, "Add this to /home", "Remove [mcp_s"),
            (Codex, None, true, key(), &refused("Codex"), "nothing"),
        ] {
            let fields = Value::Object(entry(key.clone()).fields(&client.spec(), &ServerName::default()));
            let existing = existing.map(|entry| if entry.is_null() { &fields } else { entry });
            for (key, expected) in [(Some(key), installing), (None, uninstalling)] {
                let described = match plan(client, existing, has_command, key) {
                    Ok(Plan::Nothing) => "nothing".to_owned(),
                    Ok(Plan::Edit { make_private: true, .. }) => "edit, make private".to_owned(),
                    Ok(Plan::Edit { .. }) => "edit".to_owned(),
                    Ok(Plan::Run(commands)) => {
                        commands.iter().map(|it| format!("{} {};", it.program, it.arguments[..2].join(" "))).collect()
                    }
                    Ok(Plan::Manual(text)) => text.chars().take(expected.len()).collect(),
                    Err(error) => error.to_string(),
                };
                assert_eq!(described, expected, "{client:?} {existing:?}");
            }
        }
    }

    #[test]
    fn only_the_new_entry_is_shown_and_without_its_key() {
        let old = json!({"command": "old", "timeout": 5});
        let Ok(Plan::Edit { text, shown, .. }) = plan(Cursor, Some(&old), false, Some(PlainText(KEY.to_owned())))
        else {
            panic!("an edit");
        };
        assert!(text.contains(KEY) && text.contains("timeout"), "{text}");
        assert!(!shown.contains(KEY) && !shown.contains("timeout") && shown.contains("vk_live_…"), "{shown}");
    }
}
