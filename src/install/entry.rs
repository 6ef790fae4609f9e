//! What is put into a client's configuration: how the client starts this program, and where it gets the key from.
//!
//! The key itself is here only where the user has said so, and never in a `Debug`.

use std::{fmt, str::FromStr};

use serde_json::{Map, Value, json};

use super::client::Client;
use crate::untrusted::SECRET_PREFIXES;

const PROGRAM: &str = env!("CARGO_PKG_NAME");
/// The variable that holds the key itself.
pub const API_KEY: &str = "VERIFA_API_KEY";

/// The name that an entry goes by in a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerName(String);

impl ServerName {
    /// The longest name, in characters.
    pub const MAX_LENGTH: usize = 64;

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What VS Code keeps the key under that it has asked for.
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

/// Text that no client takes for a name; says what one looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a name is 1 to 64 characters of A-Z, a-z, 0-9, _ and -, begins with none of the last two, and is no key")]
pub struct InvalidServerName;

impl FromStr for ServerName {
    type Err = InvalidServerName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let sound = (1..=Self::MAX_LENGTH).contains(&text.len())
            && text.starts_with(|first: char| first.is_ascii_alphanumeric())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
        let secret = SECRET_PREFIXES.iter().any(|prefix| text.contains(prefix));
        (sound && !secret).then(|| Self(text.to_owned())).ok_or(InvalidServerName)
    }
}

/// Where the program that a client starts gets the key from.
pub enum Key {
    /// From a variable among the entry's own, or it needs none.
    Elsewhere,
    /// From the client, which asks for it and keeps it.
    AskedFor,
    /// From the client's configuration, where anybody can read it who can read the file.
    InClear(String),
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Elsewhere => "Elsewhere",
            Self::AskedFor => "AskedFor",
            Self::InClear(_) => "InClear(…)",
        })
    }
}

/// How a client is to start this program.
#[derive(Debug)]
pub struct Entry {
    /// The program's whole path.
    pub command: String,
    /// Its arguments.
    pub arguments: Vec<&'static str>,
    /// Its environment, but for the key.
    pub variables: Vec<(&'static str, String)>,
    /// Where it gets the key from.
    pub key: Key,
}

impl Entry {
    pub(super) fn holds_key(&self) -> bool {
        matches!(self.key, Key::InClear(_))
    }

    /// Every environment variable, in the order in which it is written.
    pub(super) fn environment(&self, name: &ServerName) -> Vec<(&'static str, String)> {
        let key = match &self.key {
            Key::Elsewhere => None,
            Key::AskedFor => Some(format!("${{input:{}}}", name.input_id())),
            Key::InClear(key) => Some(key.clone()),
        };
        key.map(|key| (API_KEY, key)).into_iter().chain(self.variables.iter().cloned()).collect()
    }

    /// The entry as this client writes it; TOML has the same fields.
    pub(super) fn fields(&self, client: Client, name: &ServerName) -> Map<String, Value> {
        let mut fields = Map::new();
        if matches!(client, Client::ClaudeCode | Client::VsCode | Client::Cursor) {
            fields.insert("type".to_owned(), json!("stdio"));
        }
        fields.insert("command".to_owned(), json!(self.command));
        fields.insert("args".to_owned(), json!(self.arguments));
        let environment = self.environment(name);
        if !environment.is_empty() {
            let environment = environment.into_iter().map(|(name, value)| (name.to_owned(), Value::String(value)));
            fields.insert(ENVIRONMENT.to_owned(), Value::Object(environment.collect()));
        }
        fields
    }

    /// What VS Code is told to ask for.
    pub(super) fn input(&self, name: &ServerName) -> Option<Value> {
        let description = format!("Verifa secret key for {name}, vk_sandbox_… or vk_live_…");
        matches!(self.key, Key::AskedFor).then(
            || json!({"type": "promptString", "id": name.input_id(), "description": description, "password": true}),
        )
    }
}

/// The field with the environment: the one of an entry's fields that may be left out.
pub(super) const ENVIRONMENT: &str = "env";

/// Where the key comes from is decided anew each time, and never in two ways at once.
const KEY_VARIABLES: [&str; 3] = [API_KEY, "VERIFA_API_KEY_FILE", "VERIFA_ENV"];

/// The entry that is there, with these fields and variables in the place of its own; what else its owner has set stays.
pub(super) fn renewed(existing: Option<&Value>, fields: &Map<String, Value>) -> Map<String, Value> {
    let environment = |fields: &Map<String, Value>| fields.get(ENVIRONMENT).and_then(Value::as_object).cloned();
    let mut renewed = existing.and_then(Value::as_object).cloned().unwrap_or_default();
    let mut variables = environment(&renewed).unwrap_or_default();
    variables.retain(|name, _| !KEY_VARIABLES.contains(&name.as_str()));
    variables.extend(environment(fields).unwrap_or_default());
    renewed.extend(fields.clone());
    if variables.is_empty() {
        renewed.shift_remove(ENVIRONMENT);
    } else {
        renewed.insert(ENVIRONMENT.to_owned(), Value::Object(variables));
    }
    renewed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_such_as_every_client_takes() {
        for name in ["verifa-mcp", "verifa_live", "a", "4", &"x".repeat(64)] {
            assert_eq!(name.parse::<ServerName>().map(|name| name.to_string()).as_deref(), Ok(name));
        }
        for name in ["", "-a", "--scope", "_a", "a b", "a.b", "zoë", "vk_live_abc", &"x".repeat(65)] {
            assert_eq!(name.parse::<ServerName>(), Err(InvalidServerName), "{name}");
        }
        assert!(ServerName::default().as_str().parse::<ServerName>().is_ok());
    }

    #[test]
    fn the_key_is_not_in_debug() {
        assert_eq!(format!("{:?}", Key::InClear("vk_live_abc".to_owned())), "InClear(…)");
    }

    #[test]
    fn what_else_the_owner_has_set_stays() {
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
        assert_eq!(Value::Object(renewed(Some(&old), &new)), expected);
        let back = renewed(Some(&expected), &fields(r#"{"command": "new", "env": {"VERIFA_API_KEY": "k"}}"#));
        assert_eq!(back[ENVIRONMENT], json!({"VERIFA_MCP_QR": "image", "HTTPS_PROXY": "p", "VERIFA_API_KEY": "k"}));
        let only_key = json!({"env": {"VERIFA_API_KEY_FILE": "f"}, "disabled": true});
        let bare = fields(r#"{"command": "new"}"#);
        assert_eq!(renewed(Some(&only_key), &bare), fields(r#"{"disabled": true, "command": "new"}"#));
        assert_eq!(renewed(None, &bare), bare);
    }
}
