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

/// What the user asks for, and what is known before anything is done.
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
        let new = merged(self.existing.as_ref(), &fields);
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

    use super::*;
    use crate::install::KeySource;

    const OLD: &str = r#"{"mcpServers": {"verifa-mcp": {"command": "/old/verifa-mcp", "timeout": 5}}}"#;
    const COMMAND: &str = "/bin/verifa-mcp";
    const KEY: &str = "vk_live_abc";

    fn entry(key: KeySource) -> Entry {
        let variables = vec![("VERIFA_ENV", "sandbox".to_owned())];
        Entry { command: COMMAND.to_owned(), arguments: vec!["stdio".to_owned()], variables, key }
    }

    /// Installs with this key, or uninstalls without one. For Codex, the text is what it says about the entry.
    fn decide(
        client: Client,
        text: Option<&str>,
        has_command: bool,
        key: Option<KeySource>,
    ) -> Result<Plan, InstallError> {
        let (name, path) = (ServerName::default(), PathBuf::from("/home/jane/config"));
        let existing = json::find(text, client.spec().servers, name.as_str())?;
        let file = ConfigFile { location: path.clone(), path, text: text.map(str::to_owned), others_can_read: true };
        let (executable, entry) = (String::new(), key.map(entry));
        InstallRequest { client, name, executable, entry, file, existing, has_command }.plan()
    }

    /// The commands as they are shown, or what else there is to do.
    fn described(plan: Result<Plan, InstallError>) -> String {
        match plan {
            Ok(Plan::Nothing) => "nothing".to_owned(),
            Ok(Plan::Edit { make_private, .. }) => if make_private { "edit, private" } else { "edit" }.to_owned(),
            Ok(Plan::Run(commands)) => commands.iter().map(|it| it.to_string() + "\n").collect(),
            Ok(Plan::Manual(text)) => text,
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_clients_own_command_adds_replaces_and_removes_an_entry() {
        let install = |client, text| described(decide(client, text, true, Some(KeySource::Environment)));
        let uninstall = |client, text| described(decide(client, text, true, None));
        let fields = r#"{"type":"stdio","command":"/bin/verifa-mcp","args":["stdio"],"env":{"VERIFA_ENV":"sandbox"}}"#;
        let add = format!("claude mcp add-json --scope user verifa-mcp '{fields}'\n");
        let remove = "claude mcp remove --scope user verifa-mcp\n";
        let with = |servers, fields| format!("{{\"{servers}\": {{\"verifa-mcp\": {fields}}}}}");
        let current = with("mcpServers", fields);
        for (text, installed, uninstalled) in [
            (None, &*add, "nothing"),
            (Some("{}"), &add, "nothing"),
            (Some(OLD), &format!("{remove}{add}"), remove),
            (Some(&current), "nothing", remove),
        ] {
            assert_eq!(install(Client::ClaudeCode, text), installed, "{text:?}");
            assert_eq!(uninstall(Client::ClaudeCode, text), uninstalled, "{text:?}");
        }
        let add = "codex mcp add verifa-mcp --env 'VERIFA_ENV=sandbox' -- /bin/verifa-mcp stdio\n";
        let remove = "codex mcp remove verifa-mcp\n";
        let fields = r#"{"type":"stdio","args":["stdio"],"command":"/bin/verifa-mcp","env":{"VERIFA_ENV":"sandbox"}}"#;
        let (old, current) = (with("mcp_servers", r#"{"command": "verifa-mcp"}"#), with("mcp_servers", fields));
        for (text, installed, uninstalled) in
            [(None, add, "nothing"), (Some(&*old), add, remove), (Some(&current), "nothing", remove)]
        {
            assert_eq!(install(Client::Codex, text), installed, "{text:?}");
            assert_eq!(uninstall(Client::Codex, text), uninstalled, "{text:?}");
        }
    }

    #[test]
    fn without_codex_the_user_is_told_what_to_do() {
        let install = described(decide(Client::Codex, None, false, Some(KeySource::Environment)));
        let (first, block) = install.split_once("\n\n").unwrap();
        assert_eq!(first, "Add this to /home/jane/config:");
        let document: toml_edit::DocumentMut = block.parse().unwrap();
        let table = &document["mcp_servers"]["verifa-mcp"];
        assert_eq!(table["command"].as_str(), Some(COMMAND));
        assert_eq!(table["args"].as_array().and_then(|arguments| arguments.get(0)?.as_str()), Some("stdio"));
        assert_eq!(table["env"]["VERIFA_ENV"].as_str(), Some("sandbox"));
        let command = "C:\\\"a\"\u{7}\\verifa-mcp.exe".to_owned();
        let block = Entry { command, ..entry(KeySource::Environment) }.toml("x", &ServerName::default());
        let document: toml_edit::DocumentMut = block.parse().unwrap();
        assert_eq!(document["x"]["verifa-mcp"]["command"].as_str(), Some("C:\\\"a\"\u{7}\\verifa-mcp.exe"));
        let uninstall = described(decide(Client::Codex, None, false, None));
        assert!(uninstall.starts_with("Remove [mcp_servers.verifa-mcp] and the tables below it from /home"));
    }

    #[test]
    fn a_file_is_edited_unless_it_has_the_entry() {
        for client in [Client::ClaudeDesktop, Client::VsCode, Client::Cursor] {
            for key in [KeySource::Environment, KeySource::Prompt] {
                let install = |text: Option<&str>| decide(client, text, false, Some(key.clone()));
                let Ok(Plan::Edit { text, shown, .. }) = install(None) else { panic!("an edit") };
                assert_eq!(shown, text);
                assert_eq!(described(install(Some(&text))), "nothing");
                assert_eq!(described(decide(client, Some(&text), false, None)), "edit");
            }
            assert_eq!(described(decide(client, Some("{}"), false, None)), "nothing");
        }
        let renewed = decide(Client::Cursor, Some(OLD), false, Some(KeySource::Environment));
        let Ok(Plan::Edit { text, shown, .. }) = renewed else { panic!("an edit") };
        let fields: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(fields["mcpServers"]["verifa-mcp"]["timeout"], json!(5));
        assert!(!shown.contains("timeout") && shown.contains(COMMAND), "{shown}");
    }

    #[test]
    fn a_key_never_reaches_a_command_line_the_screen_or_other_users() {
        let install = |client, text| decide(client, text, true, Some(KeySource::PlainText(KEY.to_owned())));
        for client in [Client::ClaudeCode, Client::Codex] {
            assert_eq!(install(client, None), Err(InstallError::KeyOnCommandLine(client.spec().title)));
        }
        let Ok(Plan::Edit { text, shown, make_private: true }) = install(Client::Cursor, Some(OLD)) else {
            panic!("an edit");
        };
        assert!(text.contains(KEY) && !shown.contains(KEY) && shown.contains("vk_live_…"), "{shown}");
        assert_eq!(described(install(Client::Cursor, Some(&text))), "edit, private");
    }
}
