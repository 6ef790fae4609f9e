//! What is written into a client's configuration: how the client starts this program, and where the key comes from.
//!
//! The key itself is part of an entry only if the user asked for that. No type here has a `Debug` that could show it.

use std::{fmt, str::FromStr};

use serde_json::{Map, Value, json};

use super::client::{ClientSpec, EntryFormat};
use crate::{
    untrusted::contains_secret,
    verifa::{ApiKey, Environment},
};

pub(super) const PROGRAM: &str = env!("CARGO_PKG_NAME");
/// The variable that holds the key itself.
pub(crate) const API_KEY: &str = "VERIFA_API_KEY";
/// The variables about the key. They are set anew each time, so that two never contradict each other.
const KEY_VARIABLES: [&str; 3] = [API_KEY, "VERIFA_API_KEY_FILE", "VERIFA_ENV"];

/// The name of an entry in a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerName(String);

impl ServerName {
    /// The longest name, in characters.
    const MAX_LENGTH: usize = 64;

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The ID under which VS Code keeps the key.
    pub(super) fn input_id(&self) -> String {
        format!("{}-key", self.0)
    }
}

impl Default for ServerName {
    fn default() -> Self {
        Self(PROGRAM.to_owned())
    }
}

impl fmt::Display for ServerName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a name has 1 to 64 characters of A-Z, a-z, 0-9, _ and -, begins with a letter or digit, and contains no key")]
pub(crate) struct InvalidServerName;

impl FromStr for ServerName {
    type Err = InvalidServerName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_valid = (1..=Self::MAX_LENGTH).contains(&text.len())
            && text.starts_with(|first: char| first.is_ascii_alphanumeric())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
        (is_valid && !contains_secret(text)).then(|| Self(text.to_owned())).ok_or(InvalidServerName)
    }
}

/// Where the program gets the key from when a client starts it.
#[derive(Clone)]
pub(crate) enum KeySource {
    /// From a variable among the entry's own, or it needs none.
    Environment,
    /// From the client, which prompts for it and keeps it.
    Prompt,
    /// From the client's configuration, where everyone who can read the file can read it.
    PlainText(String),
}

/// How a client starts this program.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) command: String,
    pub(crate) arguments: Vec<String>,
    /// The environment variables without the key.
    pub(crate) variables: Vec<(&'static str, String)>,
    pub(crate) key: KeySource,
}

impl Entry {
    pub(super) fn has_plaintext_key(&self) -> bool {
        matches!(self.key, KeySource::PlainText(_))
    }

    /// The entry with only the prefix of its key, to be shown.
    pub(super) fn masked(&self) -> Self {
        let mut masked = self.clone();
        if let KeySource::PlainText(key) = &mut masked.key {
            let environment = key.parse::<ApiKey>().ok().map(|key| key.environment());
            *key = format!("{}…", environment.map_or("", Environment::key_prefix));
        }
        masked
    }

    /// Every environment variable, in the order in which it is written.
    pub(super) fn environment(&self, name: &ServerName) -> Vec<(&'static str, String)> {
        let key = match &self.key {
            KeySource::Environment => None,
            KeySource::Prompt => Some(format!("${{input:{}}}", name.input_id())),
            KeySource::PlainText(key) => Some(key.clone()),
        };
        key.map(|key| (API_KEY, key)).into_iter().chain(self.variables.iter().cloned()).collect()
    }

    /// The entry as this client writes it.
    pub(super) fn fields(&self, spec: &ClientSpec, name: &ServerName) -> Map<String, Value> {
        let mut fields = Map::new();
        let mut insert = |name: &str, value| fields.insert(name.to_owned(), value);
        match spec.format {
            EntryFormat::OpenCode => {
                insert("type", json!("local"));
                let command: Vec<_> = std::iter::once(&self.command).chain(&self.arguments).collect();
                insert("command", json!(command));
            }
            EntryFormat::Untyped | EntryFormat::Typed => {
                if spec.format == EntryFormat::Typed {
                    insert("type", json!("stdio"));
                }
                insert("command", json!(self.command));
                insert("args", json!(self.arguments));
            }
        }
        let environment: Map<_, _> =
            self.environment(name).into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect();
        if !environment.is_empty() {
            insert(spec.format.environment(), Value::Object(environment));
        }
        fields
    }

    /// What VS Code prompts for.
    pub(super) fn input(&self, name: &ServerName) -> Option<Value> {
        let description = format!("Verifa secret key for {name}, vk_sandbox_… or vk_live_…");
        matches!(self.key, KeySource::Prompt).then(
            || json!({"type": "promptString", "id": name.input_id(), "description": description, "password": true}),
        )
    }

    /// The entry in TOML, to be pasted. A JSON string is a TOML string as well.
    pub(super) fn toml(&self, servers: &str, name: &ServerName) -> String {
        let head = format!("[{servers}.{name}]\ncommand = {}\nargs = {}\n", json!(self.command), json!(self.arguments));
        let environment = self.environment(name);
        let lines: String = environment.iter().map(|(name, value)| format!("{name} = {}\n", json!(value))).collect();
        if lines.is_empty() { head } else { format!("{head}\n[{servers}.{name}.env]\n{lines}") }
    }
}

/// The entry that is there with these fields and variables instead of its own. Others, which the user set, stay.
pub(super) fn merged(existing: Option<&Value>, fields: &Map<String, Value>, format: EntryFormat) -> Map<String, Value> {
    let field = format.environment();
    let environment = |fields: &Map<String, Value>| fields.get(field).and_then(Value::as_object).cloned();
    let mut merged = existing.and_then(Value::as_object).cloned().unwrap_or_default();
    let mut variables = environment(&merged).unwrap_or_default();
    variables.retain(|name, _| !KEY_VARIABLES.contains(&name.as_str()));
    variables.extend(environment(fields).unwrap_or_default());
    merged.extend(fields.clone());
    if variables.is_empty() {
        merged.shift_remove(field);
    } else {
        merged.insert(field.to_owned(), Value::Object(variables));
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_every_client_accepts() {
        for name in ["verifa-mcp", "verifa_live", "a", "4", &"x".repeat(64)] {
            assert_eq!(name.parse::<ServerName>().map(|name| name.to_string()).as_deref(), Ok(name));
        }
        for name in ["", "-a", "--scope", "_a", "a b", "a.b", "zoë", "vk_live_abc", "a_VK_LIVE_abc", &"x".repeat(65)] {
            assert_eq!(name.parse::<ServerName>(), Err(InvalidServerName), "{name}");
        }
        assert!(ServerName::default().as_str().parse::<ServerName>().is_ok());
    }

    #[test]
    fn a_masked_entry_shows_the_prefix_of_its_key() {
        for (key, shown) in [("vk_live_SECRET", "vk_live_…"), ("vk_sandbox_SECRET", "vk_sandbox_…"), ("SECRET", "…")]
        {
            let key = KeySource::PlainText(key.to_owned());
            let entry = Entry { command: String::new(), arguments: Vec::new(), variables: Vec::new(), key };
            assert_eq!(entry.masked().environment(&ServerName::default()), [(API_KEY, shown.to_owned())]);
        }
    }

    #[test]
    fn the_toml_block_says_what_the_entry_says() {
        let (command, arguments) = ("C:\\\"a\"\u{7}\\verifa-mcp.exe", ["stdio", "--emulator"].map(str::to_owned));
        let variables = vec![("VERIFA_ENV", "sandbox".to_owned())];
        let entry =
            Entry { command: command.into(), arguments: arguments.into(), variables, key: KeySource::Environment };
        let document: toml_edit::DocumentMut = entry.toml("servers", &ServerName::default()).parse().unwrap();
        let table = &document["servers"][PROGRAM];
        assert_eq!((table["command"].as_str(), table["env"]["VERIFA_ENV"].as_str()), (Some(command), Some("sandbox")));
        let arguments: Vec<_> = table["args"].as_array().unwrap().iter().filter_map(|it| it.as_str()).collect();
        assert_eq!(arguments, ["stdio", "--emulator"]);
    }

    #[test]
    fn fields_and_variables_of_the_user_stay() {
        const FORMAT: EntryFormat = EntryFormat::Untyped;
        let fields = |text: &str| serde_json::from_str::<Map<String, Value>>(text).unwrap();
        let old = json!({
            "command": "old", "timeout": 5, "disabled": true,
            "env": {"VERIFA_API_KEY": "k", "VERIFA_ENV": "live", "VERIFA_MCP_QR": "link", "HTTPS_PROXY": "p"},
        });
        let new = fields(r#"{"command": "new", "env": {"VERIFA_API_KEY_FILE": "f", "VERIFA_MCP_QR": "image"}}"#);
        let expected = json!({
            "command": "new", "timeout": 5, "disabled": true,
            "env": {"VERIFA_API_KEY_FILE": "f", "VERIFA_MCP_QR": "image", "HTTPS_PROXY": "p"},
        });
        assert_eq!(Value::Object(merged(Some(&old), &new, FORMAT)), expected);
        let back = merged(Some(&expected), &fields(r#"{"command": "new", "env": {"VERIFA_API_KEY": "k"}}"#), FORMAT);
        assert_eq!(back["env"], json!({"VERIFA_MCP_QR": "image", "HTTPS_PROXY": "p", "VERIFA_API_KEY": "k"}));
        let only_key = json!({"env": {"VERIFA_API_KEY_FILE": "f"}, "disabled": true});
        let bare = fields(r#"{"command": "new"}"#);
        assert_eq!(merged(Some(&only_key), &bare, FORMAT), fields(r#"{"disabled": true, "command": "new"}"#));
        assert_eq!(merged(None, &bare, FORMAT), bare);
    }
}
